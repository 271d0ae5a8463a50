/** Tells of runs that were started here while they go on, and of all runs when they end, as far as the reader wants. */
import { Notification } from '@jupyterlab/apputils';

import type { Board, Folder, Live, ProblemKind, Row, Status } from './api';
import { Source } from './source';
import type { Surface } from './surface';

export type NotifyOn = 'every end' | 'failures' | 'nothing';

/** How long, in milliseconds, a success is shown. */
const SHOWN = 8000;
const BAD: Status[] = ['failed', 'lost'];
const PASSING: ProblemKind[] = ['busy', 'offline'];

export class Notifications {
  notifyOn: NotifyOn = 'every end';
  private readonly _own = new Set<string>();
  private _running = new Set<string>();

  constructor(private readonly _surface: Surface) {}

  /** Follow a run that was started here to its end. */
  follow(id: string, title: string, folder: Folder): void {
    const { trans, api } = this._surface;
    this._own.add(id);
    const name = Notification.emit(trans.__('%1 begins', title), 'in-progress', {
      autoClose: false,
      progress: 0,
      actions: [this._open(id, folder)]
    });
    const source = new Source<{ status: Status; live: Live | null }>(
      () => api.live(folder, id),
      1
    );
    source.changed.connect((_, { value, problem }) => {
      if (problem && !PASSING.includes(problem.kind)) {
        source.dispose();
        Notification.dismiss(name);
      }
      if (!value || problem) {
        return;
      }
      if (value.status !== 'running') {
        source.dispose();
        Notification.dismiss(name);
        void this._tell(id, folder);
      } else if (value.live) {
        const { cell, cells } = value.live;
        Notification.update({
          id: name,
          message: trans.__('%1: cell %2 of %3', title, cell, cells),
          progress: Math.max(0, cell - 0.5) / cells
        });
      }
    });
    source.refresh();
  }

  /** Notice who ran before and does not any more. */
  seen(board: Board, folder: Folder): void {
    for (const row of board.runs) {
      if (this._running.has(row.id) && row.status !== 'running' && !this._own.has(row.id)) {
        this._ended(row, folder);
      }
    }
    const running = board.runs.filter(row => row.status === 'running');
    this._running = new Set(running.map(row => row.id));
  }

  private async _tell(id: string, folder: Folder): Promise<void> {
    this._ended(await this._surface.api.run(folder, id), folder);
  }

  private _ended(row: Row, folder: Folder): void {
    const { trans, act } = this._surface;
    const bad = BAD.includes(row.status);
    if (row.pipeline?.outcome === 'waiting') {
      if (this.notifyOn !== 'nothing') {
        Notification.warning(trans.__('%1 waits for a person: %2', row.pipeline.pipeline, row.pipeline.sentence), {
          autoClose: false,
          actions: [this._open(row.id, folder, row)]
        });
      }
      return;
    }
    if (this.notifyOn === 'nothing' || (this.notifyOn === 'failures' && !bad)) {
      return;
    }
    const open = this._open(row.id, folder, row);
    if (!bad) {
      const text =
        row.status === 'finished'
          ? trans.__('%1 finished.', row.title)
          : trans.__('%1 was stopped.', row.title);
      Notification.emit(text, row.status === 'finished' ? 'success' : 'info', {
        autoClose: SHOWN,
        actions: [open]
      });
      return;
    }
    const cause = row.cause?.split('\n')[0] ?? '';
    const text =
      row.status === 'failed'
        ? trans.__('%1 failed. %2', row.title, cause)
        : trans.__('%1 was lost. %2', row.title, cause);
    const again = {
      label: trans.__('Run again…'),
      callback: () => void act('nbops:rerun', { id: row.id, folder })
    };
    Notification.error(text.trim(), {
      autoClose: false,
      actions: row.notebook ? [open, again] : [open]
    });
  }

  private _open(id: string, folder: Folder, row?: Row): Notification.IAction {
    const { trans, act } = this._surface;
    const pipeline = row?.pipeline?.folder ?? null;
    return {
      label: trans.__('Open'),
      callback: () =>
        void (pipeline === null
          ? act('nbops:open-run', { id, folder })
          : act('nbops:open-pipeline', { folder: pipeline }))
    };
  }
}
