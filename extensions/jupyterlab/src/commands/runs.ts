/** The commands about runs. Without arguments they are about what is in front, or ask. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Clipboard, Notification } from '@jupyterlab/apputils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import { NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { COMPARED, type Folder, Problem, type Sheet } from '../api';
import type { Desk } from '../desk';
import { written } from '../dialog/texts';
import { executedPath } from '../drive';
import { later } from '../later';
import type { Surface } from '../surface';
import type { Views } from '../views';
import { type Add, guarded } from './add';
import { takes } from './schemas';

type Args = ReadonlyPartialJSONObject;
type Subject = { id: string; folder: Folder };

export interface Means {
  app: JupyterFrontEnd;
  surface: Surface;
  desk: Desk;
  views: Views;
  documents: IDocumentManager;
  add: Add;
}

export function addRunCommands(means: Means): void {
  const { surface, desk, views, add } = means;
  const { trans, api } = surface;

  const about = async (args: Args, title: string): Promise<Subject | null> => {
    const folder = typeof args.folder === 'string' ? args.folder : desk.folder;
    const id = args.id ?? pointedAt(means) ?? (views.current('run') ?? views.current('report'))?.id;
    if (typeof id === 'string') {
      return { id, folder };
    }
    const { chooseRuns } = await later(surface);
    const chosen = await chooseRuns(surface, { folder, title, least: 1, most: 1 });
    return chosen?.[0] ? { id: chosen[0], folder } : null;
  };
  const onRun = (
    id: string,
    label: string,
    execute: (subject: Subject, args: Args) => unknown,
    ...more: string[]
  ): void =>
    add(id, {
      label,
      describedBy: takes('id', 'folder', ...more),
      execute: guarded(trans, async args => {
        const subject = await about(args, label);
        return subject && execute(subject, args);
      })
    });

  onRun('nbops:open-run', trans.__('Show Run…'), async subject => {
    const { RunPage } = await later(surface);
    views.show('run', subject.id, trans.__('Run'), () => new RunPage(surface, subject));
  });
  onRun('nbops:render-report', trans.__('Show Report of Run…'), async subject => {
    const { ReportPage } = await later(surface);
    const title = trans.__('Report %1', subject.id.slice(-8));
    views.show('report', subject.id, title, () => new ReportPage(surface, subject));
  });
  onRun('nbops:stop-run', trans.__('Stop Run…'), async ({ folder, id }) => {
    await api.stop(folder, id);
    Notification.info(trans.__('The run is asked to stop.'), { autoClose: 4000 });
    desk.board.refresh();
  });
  onRun('nbops:rerun', trans.__('Run Again with Changes…'), async ({ folder, id }) => {
    const sheet = await api.run(folder, id);
    const texts = { ...changed(sheet), ...written(sheet.grid) };
    const sweep = Object.keys(sheet.grid).length > 0;
    await surface.act('nbops:run-notebook', { path: reachable(sheet), texts, sweep });
  });
  onRun('nbops:copy-command', trans.__('Copy Command of Run…'), async ({ folder, id }) => {
    const sheet = await api.run(folder, id);
    const values = changed(sheet);
    const of = { path: reachable(sheet), pipeline: false };
    const { command } = await api.check(of, { values, grid: sheet.grid, force: false, release: false });
    Clipboard.copyToSystem(command);
    Notification.success(trans.__('Copied: %1', command), { autoClose: 4000 });
  });
  onRun(
    'nbops:open-executed',
    trans.__('Open Executed Notebook of Run…'),
    async ({ folder, id }, args) => {
      const { title } = await api.run(folder, id);
      openExecuted(means, executedPath(folder, id, title), args.cell);
    },
    'cell'
  );

  /** The notebook of a run, which may lie where this server's files do not. */
  const reachable = ({ notebook }: Sheet): string => {
    if (notebook === null) {
      throw new Problem('failed', trans.__('This run has no notebook below the server’s folder.'));
    }
    return notebook;
  };

  add('nbops:compare', {
    label: trans.__('Compare Runs…'),
    describedBy: takes('runs', 'folder', 'choose'),
    execute: guarded(trans, async args => {
      const folder = typeof args.folder === 'string' ? args.folder : desk.folder;
      const { chooseRuns, ComparePage } = await later(surface);
      const given = Array.isArray(args.runs) ? args.runs.map(String) : start(means);
      const runs =
        given.length < 2 || args.choose
          ? await chooseRuns(surface, {
              folder, title: trans.__('Compare runs'), least: 2, most: COMPARED, chosen: given
            })
          : given;
      if (runs) {
        const title = trans.__('Compare %1', runs.map(id => id.slice(-8)).join(', '));
        views.show('compare', runs.join('-'), title, () => new ComparePage(surface, { runs, folder }));
      }
    })
  });
}

/** The run on whose line the context menu was opened. */
export function pointedAt({ app }: Pick<Means, 'app'>): string | undefined {
  return app.contextMenuHitTest(node => node.dataset.nbopsRun !== undefined)?.dataset.nbopsRun;
}

function start(means: Means): string[] {
  const id = pointedAt(means) ?? means.views.current('run')?.id;
  return typeof id === 'string' ? [id] : [];
}

/** The values of a run that its notebook does not have by itself. */
function changed(sheet: Sheet): Record<string, string> {
  const given = sheet.params.filter(param => param.changed || param.default === null);
  return Object.fromEntries(given.map(param => [param.name, param.value]));
}

/** Open an executed notebook without a kernel, at a cell if one is told. */
function openExecuted(means: Means, path: string, cell: unknown): void {
  const found = means.documents.openOrReveal(path, 'Notebook');
  if (typeof cell === 'number' && found instanceof NotebookPanel) {
    void found.context.ready.then(async () => {
      await found.revealed;
      found.content.activeCellIndex = cell;
      NotebookActions.deselectAll(found.content);
      await found.content.scrollToItem(cell, 'center');
    });
  }
}
