/** Numbers, times and states as people read them. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type {
  Act,
  DataState,
  Deed,
  Decision,
  Health,
  Outcome,
  PipelineTask,
  ReviewStatus,
  ScheduleChange,
  Severity,
  Status,
  StepStatus
} from './api';

export function statusWord(status: Status, trans: TranslationBundle): string {
  return {
    running: trans.__('running'),
    finished: trans.__('finished'),
    failed: trans.__('failed'),
    stopped: trans.__('stopped'),
    lost: trans.__('lost')
  }[status];
}

/** How a pipeline's run ended. */
export function outcomeWord(outcome: Outcome, trans: TranslationBundle): string {
  return {
    running: trans.__('running'),
    done: trans.__('done'),
    unchanged: trans.__('unchanged'),
    healed: trans.__('healed'),
    degraded: trans.__('degraded'),
    waiting: trans.__('waits for a person'),
    rejected: trans.__('rejected'),
    failed: trans.__('failed'),
    stopped: trans.__('stopped'),
    lost: trans.__('lost')
  }[outcome];
}

export function stepWord(status: StepStatus, trans: TranslationBundle): string {
  return {
    waiting: trans.__('waiting'),
    running: trans.__('running'),
    finished: trans.__('finished'),
    unchanged: trans.__('unchanged'),
    degraded: trans.__('degraded'),
    excluded: trans.__('left out'),
    blocked: trans.__('blocked'),
    failed: trans.__('failed'),
    stopped: trans.__('stopped'),
    parked: trans.__('waits for a person'),
    lost: trans.__('lost')
  }[status];
}

/** What would become of a task now. */
export function wouldWord(would: NonNullable<PipelineTask['would']>, trans: TranslationBundle): string {
  return {
    run: trans.__('would run'),
    skip: trans.__('would be skipped'),
    perhaps: trans.__('would perhaps run')
  }[would];
}

/** What a person says to a step that waits. */
export function decisionWord(decision: Decision, trans: TranslationBundle): string {
  return { approve: trans.__('Approve'), reject: trans.__('Reject') }[decision];
}

/** What a person does about a schedule. */
export function changeWord(change: ScheduleChange, trans: TranslationBundle): string {
  return {
    run: trans.__('Run now'),
    pause: trans.__('Pause'),
    resume: trans.__('Resume'),
    remove: trans.__('Delete')
  }[change];
}

export function dataWord(state: DataState, trans: TranslationBundle): string {
  return {
    fresh: trans.__('fresh'),
    unknown: trans.__('no interval known'),
    late: trans.__('late'),
    unchecked: trans.__('unchecked'),
    never: trans.__('never collected'),
    failing: trans.__('failing'),
    unreadable: trans.__('declared wrongly'),
    undeclared: trans.__('declared no longer')
  }[state];
}

export function reviewWord(status: ReviewStatus, trans: TranslationBundle): string {
  return {
    open: trans.__('waits for an answer'),
    'sent back': trans.__('sent back'),
    approved: trans.__('approved'),
    rejected: trans.__('rejected'),
    expired: trans.__('expired'),
    withdrawn: trans.__('withdrawn')
  }[status];
}

/** What a person does about a review. */
export function actWord(act: Act, trans: TranslationBundle): string {
  return {
    approve: trans.__('Approve'),
    reject: trans.__('Reject'),
    'send back': trans.__('Send back'),
    answer: trans.__('Answer'),
    withdraw: trans.__('Withdraw')
  }[act];
}

export function healthWord(health: Health, trans: TranslationBundle): string {
  return {
    healthy: trans.__('healthy'),
    learning: trans.__('learning'),
    watched: trans.__('watched'),
    doubtful: trans.__('doubtful'),
    'in trouble': trans.__('in trouble'),
    'not monitored': trans.__('not monitored')
  }[health];
}

export function severityWord(severity: Severity, trans: TranslationBundle): string {
  return {
    info: trans.__('info'),
    watch: trans.__('watch'),
    warn: trans.__('warn'),
    page: trans.__('page')
  }[severity];
}

/** What a person does about an incident. */
export function deedWord(deed: Deed, trans: TranslationBundle): string {
  return {
    acknowledge: trans.__('Acknowledge'),
    mute: trans.__('Mute'),
    unmute: trans.__('Unmute'),
    close: trans.__('Close'),
    comment: trans.__('Comment')
  }[deed];
}

export function duration(seconds: number | null): string {
  if (seconds === null) {
    return '';
  }
  if (seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  if (seconds < 60) {
    return `${Math.round(seconds)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min ${Math.floor(seconds % 60)} s`;
  }
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function bytes(size: number | null): string {
  if (size === null) {
    return '';
  }
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let left = size;
  let unit = 0;
  while (left >= 1000 && unit < units.length - 1) {
    left /= 1000;
    unit++;
  }
  return `${left >= 100 || unit === 0 ? Math.round(left) : left.toFixed(1)} ${units[unit]}`;
}

export function number(value: number | null): string {
  if (value === null) {
    return 'NaN';
  }
  if (Number.isInteger(value) && Math.abs(value) < 1e15) {
    return value.toLocaleString();
  }
  const size = Math.abs(value);
  return size >= 1e6 || size < 1e-4
    ? value.toExponential(3)
    : value.toLocaleString(undefined, { maximumSignificantDigits: 5 });
}

/** A date and time of day where the reader is. */
export function moment(iso: string): string {
  return new Date(iso).toLocaleString(undefined, {
    dateStyle: 'medium',
    timeStyle: 'short'
  });
}

/** The time of day of today, the day of what is older. */
export function shortMoment(iso: string): string {
  const then = new Date(iso);
  return then.toDateString() === new Date().toDateString()
    ? then.toLocaleTimeString(undefined, { timeStyle: 'short' })
    : then.toLocaleDateString(undefined, { month: 'short', day: 'numeric' });
}

export function ago(milliseconds: number, trans: TranslationBundle): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) {
    return trans.__('%1 s ago', seconds);
  }
  if (seconds < 3600) {
    return trans.__('%1 min ago', Math.floor(seconds / 60));
  }
  if (seconds < 86400) {
    return trans.__('%1 h ago', Math.floor(seconds / 3600));
  }
  return trans.__('%1 d ago', Math.floor(seconds / 86400));
}
