/**
 * What nbops' server extension answers, and how it is asked. All requests of the pages go through here; a request that
 * fails becomes a `Problem`, whose kind decides what a page shows.
 */
import { PathExt, URLExt } from '@jupyterlab/coreutils';
import type { IOutput } from '@jupyterlab/nbformat';
import { ServerConnection } from '@jupyterlab/services';

/** What these pages were built for; another number of the server means that one of the two is out of date. */
export const PROTOCOL = 6;

export type Status = 'running' | 'finished' | 'failed' | 'stopped' | 'lost';

export interface Row {
  id: string;
  short: string;
  name: string;
  experiment: string;
  status: Status;
  notebook: string | null;
  title: string;
  start: string;
  seconds: number | null;
  cause: string | null;
  failure_class: string | null;
  cell: number | null;
  cells: number | null;
  line: string;
  parent: string | null;
  is_sweep: boolean;
  /** The parameters in which it differs from others of its notebook, in a few words. */
  differs: string;
  /** Where it is a run of a pipeline. */
  pipeline: PipelineLine | null;
}

/** How a pipeline's run ended, or that it has not. */
export type Outcome =
  | 'running'
  | 'done'
  | 'unchanged'
  | 'healed'
  | 'degraded'
  | 'waiting'
  | 'rejected'
  | 'failed'
  | 'stopped'
  | 'lost';

/** How a step of a pipeline's run stands. */
export type StepStatus =
  | 'waiting'
  | 'running'
  | 'finished'
  | 'unchanged'
  | 'degraded'
  | 'excluded'
  | 'blocked'
  | 'failed'
  | 'stopped'
  | 'parked'
  | 'lost';

/** A run of a pipeline in a list; `folder` is null where this server does not show it. */
export interface PipelineLine {
  id: string;
  short: string;
  pipeline: string;
  folder: string | null;
  status: Status;
  outcome: Outcome;
  sentence: string;
  trigger: string;
  start: string;
  seconds: number;
  done: number;
  total: number;
  /** Whether something is missing that it could go on with. */
  resumable: boolean;
  /** In lists of runs only those that run or went another way than usual. */
  steps: { task: string; status: StepStatus; doing: string; sentence: string }[];
}

/** A step that waits for a person. */
export interface ApprovalRow {
  run: string;
  task: string;
  pipeline: string;
  asks: string;
  approvers: string[];
  requested_by: string;
  requested: string;
  expires: string;
  /** What is asked of whom until when, as a sentence. */
  needs: string;
  folder: string | null;
}

export type Decision = 'approve' | 'reject';

/** A task of a pipeline: how it stands in the newest run, and what would become of it now. */
export interface PipelineTask {
  task: string;
  step: string;
  status: StepStatus | null;
  sentence: string;
  attempt: number;
  healed: boolean;
  run_id: string | null;
  seconds: number | null;
  doing: string;
  stale_since: string | null;
  would: 'run' | 'skip' | 'perhaps' | null;
  why: string;
  reads: string[];
  writes: string[];
  /** Its file, where this server shows it. */
  path: string | null;
  /** The last run whose executed notebook is there. */
  executed: string | null;
}

/** What keeps a folder from being a pipeline. */
export interface Mistake {
  file: string;
  line: number;
  where: string;
  what: string;
  remedy: string;
  path: string | null;
}

export interface PipelineSheet {
  name: string;
  folder: string | null;
  command: string;
  mistakes: Mistake[];
  /** What is likely to be misspelt. */
  warnings: Mistake[];
  /** Files that are no steps, with the reason. */
  aside: Record<string, string>;
  tasks: PipelineTask[];
  /** What would run now, drawn. */
  plan: string;
  /** How the newest run stands, drawn. */
  picture: string;
  runs: PipelineLine[];
  waiting: ApprovalRow[];
  /** Those of the folder and of its notebooks. */
  schedules: ScheduleRow[];
  /** What keeps schedules from being run at all. */
  unseen: { what: string; remedy: string }[];
  /** What was healed, as HTML. */
  health: string;
}

/** A schedule: when, in words, and all that is known of it as HTML. */
export interface ScheduleRow {
  name: string;
  words: string;
  paused: boolean;
  /** Its last run. */
  run: string | null;
  html: string;
}

/** What a person does about a schedule. */
export type ScheduleChange = 'run' | 'pause' | 'resume' | 'remove';

export interface ModelRow {
  name: string;
  versions: number;
  latest: number;
  champion: number | null;
  /** How it is in use; null for one that nobody looks at. */
  health: Health | null;
}

/** How a model in use is. */
export type Health =
  | 'healthy'
  | 'learning'
  | 'watched'
  | 'doubtful'
  | 'in trouble'
  | 'not monitored';

export type Severity = 'info' | 'watch' | 'warn' | 'page';

/** What a person does about an incident. */
export type Deed = 'acknowledge' | 'mute' | 'unmute' | 'close' | 'comment';

/** An open incident in a list. */
export interface IncidentRow {
  incident_id: string;
  short: string;
  model: string | null;
  version: number | null;
  cause: string;
  severity: Severity;
  text: string;
  acknowledged_by: string | null;
  muted_until: string | null;
  /** Why somebody should look, as a sentence. */
  needs: string;
}

export interface IncidentSheet {
  id: string;
  short: string;
  subject: string;
  name: string;
  cause: string;
  status: 'open' | 'healed' | 'closed';
  severity: Severity;
  text: string;
  acknowledged_by: string | null;
  choices: Deed[];
  is_model: boolean;
  html: string;
}

/** How a model in use is, with the drawings of its page as HTML. */
export interface Watch {
  word: Health;
  sentence: string;
  /** Up to when it was looked at, as a sentence. */
  fresh: string;
  incidents: IncidentRow[];
  course: string;
  heat: string;
  /** The last window, whose columns can be laid over how they were. */
  window: Window | null;
}

export interface Window {
  version: number;
  /** When it begins, in microseconds. */
  start: number;
  columns: { name: string; label: string; moved: boolean }[];
}

export type ReviewStatus =
  | 'open'
  | 'sent back'
  | 'approved'
  | 'rejected'
  | 'expired'
  | 'withdrawn';

/** What can be done about a review. */
export type Act = 'approve' | 'reject' | 'send back' | 'answer' | 'withdraw';

/** A review in a list. */
export interface ReviewRow {
  review_id: string;
  short: string;
  model: string;
  version: number;
  alias: string;
  status: ReviewStatus;
  reason: string;
  requested_by: string;
  created: string;
  changed: string;
  changed_by: string;
  question: string | null;
  /** Why somebody should look, as a sentence. */
  needs: string | null;
}

export interface ReviewSheet {
  id: string;
  short: string;
  model: string;
  version: number;
  alias: string;
  status: ReviewStatus;
  requested_by: string;
  choices: Act[];
  html: string;
}

export type DataState =
  | 'fresh'
  | 'unknown'
  | 'late'
  | 'unchecked'
  | 'never'
  | 'failing'
  | 'unreadable'
  | 'undeclared';

/** A source of data. */
export interface DataRow {
  name: string;
  state: DataState;
  /** Why somebody should look, as a sentence without its full stop. */
  needs: string | null;
  interval: string;
  last_checked: string | null;
  last_change: string | null;
  data_until: string | null;
  version: number | null;
  rows: number | null;
  quarantined: number;
  owner: string | null;
  message: string | null;
}

export interface DataSheet extends DataRow {
  facts: string;
  parts: { key: string; title: string; html: string }[];
}

export interface Board {
  project: string | null;
  has_store: boolean;
  as_of: string;
  needs: Row[];
  /** Those that wait for somebody. */
  reviews: ReviewRow[];
  /** Steps of pipelines that wait for a person. */
  approvals: ApprovalRow[];
  /** Those that somebody has to see to. */
  incidents: IncidentRow[];
  /** Folders that have run as pipelines. */
  pipelines: { name: string; folder: string }[];
  runs: Row[];
  more: boolean;
  models: ModelRow[];
  data: DataRow[];
  running: number;
}

export interface Live {
  cell: number;
  cells: number;
  seconds: number;
  line: string;
  cpu: number;
  memory: number;
}

export interface Metric {
  name: string;
  value: number | null;
  unit: string | null;
  better: 'lower' | 'higher' | null;
  points: number;
}

export interface Part extends Row {
  metrics: Record<string, number | null>;
}

export interface Sheet extends Row {
  exit_status: number | null;
  actor: string | null;
  host: string | null;
  end: string | null;
  commit: string | null;
  dirty: boolean | null;
  source: string | null;
  peak_memory: number | null;
  cpu_seconds: number | null;
  executed: boolean;
  failed_cell: number | null;
  live: Live | null;
  params: {
    name: string;
    type: string;
    value: string;
    default: string | null;
    changed: boolean;
  }[];
  metrics: Metric[];
  tags: Record<string, string>;
  files: { path: string; size: number }[];
  inputs: {
    name: string;
    digest: string;
    source: string | null;
    rows: number | null;
  }[];
  models: { name: string; version: number }[];
  children: Part[];
  /** Which values of the children's metrics are better, where it is known. */
  better: Record<string, 'lower' | 'higher'>;
  /** The values of a sweep's parameters, where its points are all their combinations. */
  grid: Record<string, string[]>;
  can_stop: boolean;
  plots: string;
}

export interface Comparison {
  runs: { id: string; short: string; label: string; status: Status | null }[];
  rows: {
    kind: 'metrics' | 'params' | 'tags' | 'run' | 'inputs';
    name: string;
    better: 'lower' | 'higher' | null;
    unit: string | null;
    same: boolean;
    values: (string | number | boolean | null)[];
    best: number[];
  }[];
  hidden: number;
  note: string;
  plot: string;
}

export interface ComparedCell {
  kind: 'code' | 'markdown' | 'raw';
  source_same: boolean;
  outputs_same: boolean;
  sources: (string | null)[];
  outputs: (IOutput[] | null)[];
}

export interface ComparedCells {
  cells: ComparedCell[];
  hidden: number;
  missing: string[];
}

export interface Version {
  version: number;
  run: string;
  short: string;
  state: string;
  created: string;
  actor: string;
  description: string | null;
  metrics: Record<string, number | null>;
  inputs: [string, string][];
  notebook: string | null;
}

export interface ModelSheet {
  name: string;
  health: Health | null;
  /** The version that each stands for. */
  aliases: Record<string, number>;
  versions: Version[];
  metrics: Metric[];
  plot: string;
  reviews: ReviewRow[];
  parts: { key: string; title: string; html: string }[];
}

export interface Proposal {
  version: number;
  alias: string;
  reason: string;
  waiver: string;
}

export interface Field {
  name: string;
  type: string;
  widget:
    | 'checkbox'
    | 'number'
    | 'select'
    | 'date'
    | 'datetime'
    | 'text'
    | 'secret';
  default: string;
  required: boolean;
  choices: string[];
  low: string | null;
  high: string | null;
  step: string | null;
  help: string;
  direction: string | null;
  /** The steps of a pipeline that have it. */
  group?: string;
}

/** What a form is of: a notebook or another file that is executed as one, or a folder as a pipeline. */
export interface Runnable {
  path: string;
  pipeline: boolean;
}

/** What a form is for. */
export type Mode = 'once' | 'sweep' | 'schedule';

export interface Form {
  notebook: string;
  problem: string | null;
  parameters: Field[];
  has_cell: boolean;
  proposal: { cell: number; names: string[] } | null;
  /** Of a pipeline: its current release, what of the folder differs from it, and when its pipeline.yaml wants it to run. */
  release?: number | null;
  differs?: string;
  timing?: Partial<Timing> | null;
}

/** When something is run from now on; `at` is a time of day, or the minute of an hour. */
export interface Timing {
  name: string;
  often: 'hourly' | 'daily' | 'weekdays' | 'weekly' | 'cron';
  at: string;
  day: string;
  cron: string;
  tz: string;
  missed: 'latest' | 'skip' | 'all';
}

export interface Wish extends Timing {
  working_tree: boolean;
  values: Record<string, string>;
}

/** Texts for parameters; a grid holds several for one and makes a sweep. A pipeline's release is run in place of its folder. */
export interface Order {
  values: Record<string, string>;
  grid: Record<string, string[]>;
  force: boolean;
  release: boolean;
}

/** Why something is refused, and at which field. */
export interface Refusal {
  name: string | null;
  message: string;
  hint: string;
}

export interface Check {
  problems: Refusal[];
  command: string;
  /** Of a schedule: what is refused of its time, and when it is due next. */
  timing?: Refusal[];
  next?: string[];
}

export type ProblemKind =
  | 'busy'
  | 'missing'
  | 'mismatch'
  | 'forbidden'
  | 'offline'
  | 'failed';

/** Why a request has no answer, as a sentence and what to do about it. */
export class Problem extends Error {
  constructor(
    readonly kind: ProblemKind,
    message: string,
    readonly hint = '',
    readonly code = ''
  ) {
    super(message);
  }
}

/** The codes of what is refused with a sentence of its own, whoever asks. */
const REFUSALS = ['review', 'model.trust'];

/** So many runs can be compared at once. */
export const COMPARED = 4;

/** Where a run, a model, a review, an incident, data, a pipeline or a notebook belongs: a folder as the file browser shows it. */
export type Folder = string;

type Query = Record<string, string | string[]>;

export class Api {
  readonly settings = ServerConnection.makeSettings();

  version(): Promise<{ nbops: string; protocol: number }> {
    return this._get('version');
  }

  board(folder: Folder, text: string, limit: number): Promise<Board> {
    return this._get('board', { folder, text, limit: String(limit) });
  }

  run(folder: Folder, id: string): Promise<Sheet> {
    return this._get(`runs/${id}`, { folder });
  }

  live(
    folder: Folder,
    id: string
  ): Promise<{ status: Status; live: Live | null }> {
    return this._get(`runs/${id}/live`, { folder });
  }

  notebook(
    folder: Folder,
    id: string
  ): Promise<{ name: string; content: unknown; last_modified: string }> {
    return this._get(`runs/${id}/notebook`, { folder });
  }

  report(folder: Folder, id: string): Promise<{ name: string; html: string }> {
    return this._get(`runs/${id}/report`, { folder });
  }

  stop(folder: Folder, id: string): Promise<unknown> {
    return this._post(`runs/${id}/stop`, { folder, kill: false });
  }

  compare(
    folder: Folder,
    run: string[],
    everything: boolean
  ): Promise<Comparison> {
    return this._get('compare', { folder, run, everything: flag(everything) });
  }

  compareCells(
    folder: Folder,
    run: string[],
    everything: boolean
  ): Promise<ComparedCells> {
    return this._get('compare/cells', {
      folder,
      run,
      everything: flag(everything)
    });
  }

  model(folder: Folder, name: string): Promise<ModelSheet> {
    return this._get(`models/${encodeURIComponent(name)}`, { folder });
  }

  evaluation(folder: Folder, name: string, version: number): Promise<{ html: string }> {
    return this._get(`models/${encodeURIComponent(name)}/evaluation`, {
      folder,
      version: String(version)
    });
  }

  /** What the gate says of a version that nobody has proposed yet. */
  gate(
    folder: Folder,
    name: string,
    asked: { version: number; alias: string; waiver: string }
  ): Promise<{ html: string }> {
    return this._get(`models/${encodeURIComponent(name)}/gate`, {
      ...asked,
      folder,
      version: String(asked.version)
    });
  }

  /** Where a rollback leads. */
  previous(
    folder: Folder,
    name: string,
    alias: string
  ): Promise<{ version: number; previous: number | null }> {
    return this._get(`models/${encodeURIComponent(name)}/previous`, { folder, alias });
  }

  propose(folder: Folder, name: string, proposal: Proposal): Promise<{ id: string }> {
    return this._post(`models/${encodeURIComponent(name)}/propose`, { ...proposal, folder });
  }

  rollback(
    folder: Folder,
    name: string,
    back: { alias: string; version: number; reason: string }
  ): Promise<{ version: number }> {
    return this._post(`models/${encodeURIComponent(name)}/rollback`, { ...back, folder });
  }

  review(folder: Folder, id: string): Promise<ReviewSheet> {
    return this._get(`reviews/${id}`, { folder });
  }

  decide(
    folder: Folder,
    id: string,
    act: Act,
    reason: string
  ): Promise<{ message: string; moved: boolean }> {
    return this._post(`reviews/${id}/acts`, { folder, act, reason });
  }

  /** The address of a review's page without the notebook interface. */
  reviewPage(folder: Folder, id: string): string {
    const words = new URLSearchParams({ folder });
    return `${URLExt.join(this.settings.baseUrl, 'nbops/reviews', id)}?${words}`;
  }

  monitoring(folder: Folder, name: string): Promise<Watch> {
    return this._get(`models/${encodeURIComponent(name)}/monitoring`, { folder });
  }

  /** How the values of a column lie in a window, on how they lay before. */
  column(folder: Folder, name: string, window: Window, column: string): Promise<{ html: string }> {
    return this._get(`models/${encodeURIComponent(name)}/monitoring/column`, {
      folder,
      column,
      version: String(window.version),
      start: String(window.start)
    });
  }

  incident(folder: Folder, id: string): Promise<IncidentSheet> {
    return this._get(`incidents/${id}`, { folder });
  }

  /** `until` is when a mute ends. */
  actOn(
    folder: Folder,
    id: string,
    said: { act: Deed; reason: string; until: string | null }
  ): Promise<{ message: string }> {
    return this._post(`incidents/${id}/acts`, { ...said, folder });
  }

  /** The notebook of an incident; `path` is null where this server does not show it, `made` where it is new. */
  investigate(
    folder: Folder,
    id: string
  ): Promise<{ path: string | null; file: string; made: boolean }> {
    return this._post(`incidents/${id}/investigation`, { folder });
  }

  /** The address of the page that tells how a model is, without the notebook interface. */
  monitoringPage(folder: Folder, name: string): string {
    const words = new URLSearchParams({ folder });
    const place = URLExt.join(this.settings.baseUrl, 'nbops/monitoring');
    return `${place}/${encodeURIComponent(name)}?${words}`;
  }

  data(folder: Folder, name: string): Promise<DataSheet> {
    return this._get(`data/${encodeURIComponent(name)}`, { folder });
  }

  pipeline(folder: Folder): Promise<PipelineSheet> {
    return this._get('pipeline', { folder });
  }

  /** How the newest run of a pipeline stands. */
  pipelineLive(folder: Folder): Promise<{ run: PipelineLine | null; picture: string }> {
    return this._get('pipeline/live', { folder });
  }

  /** Go on with a run of a pipeline. */
  resume(folder: Folder, run: string): Promise<{ id: string }> {
    return this._post('pipeline/runs', { folder, resume: run });
  }

  checkSchedule(of: Runnable, wish: Wish): Promise<Check> {
    return this._post('schedules/check', wished(of, wish));
  }

  addSchedule(of: Runnable, wish: Wish): Promise<{ message: string }> {
    return this._post('schedules', wished(of, wish));
  }

  /** Run now what a schedule runs. */
  runSchedule(folder: Folder, name: string): Promise<{ id: string }> {
    return this._post(`schedules/${encodeURIComponent(name)}/runs`, { folder });
  }

  /** `until` is when a pause ends. */
  actOnSchedule(
    folder: Folder,
    name: string,
    said: { act: ScheduleChange; reason: string; until: string | null }
  ): Promise<{ message: string }> {
    return this._post(`schedules/${encodeURIComponent(name)}/acts`, { ...said, folder });
  }

  /** What a person says to a step that waits. */
  decideStep(
    folder: Folder,
    run: string,
    said: { task: string; decision: Decision; reason: string }
  ): Promise<{ message: string }> {
    return this._post(`runs/${run}/decisions`, { ...said, folder });
  }

  /** A copy of an executed notebook to go on with by hand; `path` is null where this server does not show it. */
  copyOf(
    folder: Folder,
    run: string
  ): Promise<{ path: string | null; file: string; made: boolean; cell: number | null }> {
    return this._post(`runs/${run}/copy`, { folder });
  }

  /** The form of a notebook, or of a pipeline as its current release has it. */
  form({ path, pipeline }: Runnable, release = false): Promise<Form> {
    return pipeline
      ? this._post('pipeline/form', { folder: path, release })
      : this._post('form', { notebook: path });
  }

  check({ path, pipeline }: Runnable, order: Order): Promise<Check> {
    return pipeline
      ? this._post('pipeline/check', { ...order, folder: path })
      : this._post('check', { ...order, notebook: path });
  }

  start({ path, pipeline }: Runnable, order: Order): Promise<{ id: string; unchanged?: boolean }> {
    if (pipeline) {
      return this._post('pipeline/runs', { ...order, folder: path });
    }
    const sweep = Object.keys(order.grid).length > 0;
    return this._post(sweep ? 'sweeps' : 'runs', { ...order, notebook: path });
  }

  private _get<T>(path: string, query: Query = {}): Promise<T> {
    const words = new URLSearchParams();
    for (const [name, values] of Object.entries(query)) {
      for (const value of [values].flat()) {
        words.append(name, value);
      }
    }
    return this._ask(`${path}?${words}`, { method: 'GET' });
  }

  private _post<T>(path: string, body: object): Promise<T> {
    return this._ask(path, { method: 'POST', body: JSON.stringify(body) });
  }

  private async _ask<T>(path: string, init: RequestInit): Promise<T> {
    const url = URLExt.join(this.settings.baseUrl, 'nbops/api/') + path;
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this.settings);
    } catch (error) {
      throw new Problem('offline', String(error));
    }
    const text = await response.text();
    const answer = parsed(text);
    if (response.ok && answer) {
      return answer as T;
    }
    throw problem(response.status, answer);
  }
}

/** JSON of an object, or nothing where something else answered. */
function parsed(text: string): Record<string, unknown> | null {
  try {
    const found = JSON.parse(text);
    return typeof found === 'object' ? found : null;
  } catch {
    return null;
  }
}

function problem(
  status: number,
  answer: Record<string, unknown> | null
): Problem {
  const message = String(answer?.message ?? `HTTP ${status}`);
  const hint = String(answer?.hint ?? '');
  const code = String(answer?.code ?? '');
  // Our own answers carry a code; a 404 without one is Jupyter's, who knows no nbops.
  if (status === 404 && !code) {
    return new Problem('missing', message);
  }
  const kinds: Record<number, ProblemKind> = {
    401: 'forbidden',
    403: 'forbidden',
    426: 'mismatch',
    502: 'offline',
    503: 'busy',
    504: 'offline'
  };
  // What the policy or the gate refuses is no matter of who may use nbops here.
  const kind = REFUSALS.includes(code) ? 'failed' : (kinds[status] ?? 'failed');
  return new Problem(kind, message, hint, code);
}

/** What is to be run from now on, with the folder that decides on the project. */
function wished({ path, pipeline }: Runnable, wish: Wish): object {
  return { ...wish, target: path, folder: pipeline ? path : PathExt.dirname(path) };
}

function flag(value: boolean): string {
  return value ? '1' : '0';
}
