/** Small pieces that several views are made of. */
import * as React from 'react';

import type {
  DataState,
  Health,
  Outcome,
  ReviewStatus,
  Severity,
  Status,
  StepStatus
} from '../api';
import { useSurface } from '../surface';
import {
  dataWord,
  healthWord,
  outcomeWord,
  reviewWord,
  severityWord,
  statusWord,
  stepWord
} from '../words';

const MARKS: Record<Status, string> = {
  running: '▶',
  finished: '✓',
  failed: '✕',
  stopped: '■',
  lost: '?'
};

const OUTCOME_MARKS: Record<Outcome, string> = {
  running: '▶',
  done: '✓',
  unchanged: '✓',
  healed: '✓',
  degraded: '▲',
  waiting: '◇',
  rejected: '✕',
  failed: '✕',
  stopped: '■',
  lost: '?'
};

const STEP_MARKS: Record<StepStatus, string> = {
  waiting: '○',
  running: '▶',
  finished: '✓',
  unchanged: '✓',
  degraded: '▲',
  excluded: '·',
  blocked: '▲',
  failed: '✕',
  stopped: '■',
  parked: '◇',
  lost: '?'
};

const DATA_MARKS: Record<DataState, string> = {
  fresh: '✓',
  unknown: '·',
  late: '▲',
  unchecked: '▲',
  never: '○',
  failing: '✕',
  unreadable: '✕',
  undeclared: '·'
};

const REVIEW_MARKS: Record<ReviewStatus, string> = {
  open: '◇',
  'sent back': '↩',
  approved: '✓',
  rejected: '✕',
  expired: '·',
  withdrawn: '·'
};

const HEALTH_MARKS: Record<Health, string> = {
  healthy: '✓',
  learning: '·',
  watched: '·',
  doubtful: '▲',
  'in trouble': '✕',
  'not monitored': '○'
};

const SEVERITY_MARKS: Record<Severity, string> = {
  info: '·',
  watch: '·',
  warn: '▲',
  page: '✕'
};

/** How a run stands, as a sign and, where there is room, its word. */
export function StatusMark(props: {
  status: Status;
  word?: boolean;
}): JSX.Element {
  const { trans } = useSurface();
  const { status, word } = props;
  return (
    <Mark
      kind={status}
      sign={MARKS[status]}
      word={statusWord(status, trans)}
      spelled={word}
    />
  );
}

/** How a pipeline's run ended, likewise. */
export function OutcomeMark(props: { outcome: Outcome; word?: boolean }): JSX.Element {
  const { trans } = useSurface();
  const { outcome, word } = props;
  return (
    <Mark
      kind={outcome}
      sign={OUTCOME_MARKS[outcome]}
      word={outcomeWord(outcome, trans)}
      spelled={word}
    />
  );
}

/** How a step of it stands, likewise. */
export function StepMark(props: { status: StepStatus; word?: boolean }): JSX.Element {
  const { trans } = useSurface();
  const { status, word } = props;
  return (
    <Mark kind={status} sign={STEP_MARKS[status]} word={stepWord(status, trans)} spelled={word} />
  );
}

/** How fresh data is, likewise. */
export function DataMark(props: {
  state: DataState;
  word?: boolean;
}): JSX.Element {
  const { trans } = useSurface();
  const { state, word } = props;
  return (
    <Mark
      kind={state}
      sign={DATA_MARKS[state]}
      word={dataWord(state, trans)}
      spelled={word}
    />
  );
}

/** How a review stands, likewise. */
export function ReviewMark(props: {
  status: ReviewStatus;
  word?: boolean;
}): JSX.Element {
  const { trans } = useSurface();
  const { status, word } = props;
  return (
    <Mark
      kind={status.replace(' ', '-')}
      sign={REVIEW_MARKS[status]}
      word={reviewWord(status, trans)}
      spelled={word}
    />
  );
}

/** How a model in use is, likewise. */
export function HealthMark(props: {
  health: Health;
  word?: boolean;
}): JSX.Element {
  const { trans } = useSurface();
  const { health, word } = props;
  return (
    <Mark
      kind={health.replace(' ', '-')}
      sign={HEALTH_MARKS[health]}
      word={healthWord(health, trans)}
      spelled={word}
    />
  );
}

/** How severe an incident is, likewise. */
export function SeverityMark(props: {
  severity: Severity;
  word?: boolean;
}): JSX.Element {
  const { trans } = useSurface();
  const { severity, word } = props;
  return (
    <Mark
      kind={severity}
      sign={SEVERITY_MARKS[severity]}
      word={severityWord(severity, trans)}
      spelled={word}
    />
  );
}

function Mark(props: {
  kind: string;
  sign: string;
  word: string;
  spelled?: boolean;
}): JSX.Element {
  const { word, spelled } = props;
  return (
    <span
      className={`nbops-Status nbops-mod-${props.kind}`}
      title={spelled ? undefined : word}
    >
      <span aria-hidden="true">{props.sign}</span>
      <span className={spelled ? undefined : 'nbops-Unseen'}>{word}</span>
    </span>
  );
}

/** Tables and plots of our own server, which are complete in themselves and have no scripts. */
export function Drawn(props: { html: string }): JSX.Element | null {
  return props.html ? (
    <div
      className="nbops-Drawn"
      dangerouslySetInnerHTML={{ __html: props.html }}
    />
  ) : null;
}

/** Tables of our own server, which scroll together, also by keyboard, where they are wider than their place. */
export function Tables(props: { label: string; html: string }): JSX.Element {
  return (
    <div
      className="nbops-Tables"
      role="region"
      aria-label={props.label}
      tabIndex={0}
    >
      <Drawn html={props.html} />
    </div>
  );
}

export function Section(props: {
  title: string;
  count?: number;
  children: React.ReactNode;
}): JSX.Element {
  const id = React.useId();
  return (
    <section className="nbops-Section" aria-labelledby={id}>
      <h2 id={id}>
        {props.title}
        {props.count !== undefined && (
          <span className="nbops-Count">{props.count}</span>
        )}
      </h2>
      {props.children}
    </section>
  );
}

/** A table that scrolls by itself, also by keyboard, when it is wider than its place. */
export function Table(props: {
  label: string;
  head: React.ReactNode[];
  children: React.ReactNode;
}): JSX.Element {
  return (
    <div
      className="nbops-Scroll"
      role="region"
      aria-label={props.label}
      tabIndex={0}
    >
      <table className="nbops-Table">
        <thead>
          <tr>
            {props.head.map((cell, index) => (
              <th key={index} scope="col">
                {cell}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}

export function Button(props: {
  label: string;
  onClick: () => void;
  accent?: boolean;
  /** Why it cannot be pressed, told on hovering. */
  refused?: string;
}): JSX.Element {
  return (
    <button
      type="button"
      className={`jp-mod-styled nbops-Button ${props.accent ? 'jp-mod-accept' : ''}`}
      aria-disabled={Boolean(props.refused)}
      title={props.refused}
      onClick={() => !props.refused && props.onClick()}
    >
      {props.label}
    </button>
  );
}

export function Link(props: {
  onClick: () => void;
  children: React.ReactNode;
  title?: string;
}): JSX.Element {
  return (
    <button
      type="button"
      className="nbops-Link"
      onClick={props.onClick}
      title={props.title}
    >
      {props.children}
    </button>
  );
}

/** A metric's direction in a sign and, for ears, a word. */
export function Direction(props: {
  better: 'lower' | 'higher' | null;
}): JSX.Element | null {
  const { trans } = useSurface();
  if (!props.better) {
    return null;
  }
  const word =
    props.better === 'lower'
      ? trans.__('lower is better')
      : trans.__('higher is better');
  return (
    <span className="nbops-Quiet" title={word}>
      <span aria-hidden="true">{props.better === 'lower' ? ' ↓' : ' ↑'}</span>
      <span className="nbops-Unseen"> ({word})</span>
    </span>
  );
}

/** Marks the best of several values. */
export function Best(): JSX.Element {
  const { trans } = useSurface();
  return <span className="nbops-Best">{trans.__('best')}</span>;
}

/** The places of the best among several values. */
export function best(
  values: (number | null | undefined)[],
  better: 'lower' | 'higher' | null | undefined
): number[] {
  const known = values.filter((value): value is number => typeof value === 'number');
  if (!better || known.length < 2) {
    return [];
  }
  const most = better === 'lower' ? Math.min(...known) : Math.max(...known);
  return values.flatMap((value, index) => (value === most ? [index] : []));
}
