/** The commands about notebooks: run one, mark its parameters, begin with an example. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { INotebookContent } from '@jupyterlab/nbformat';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

import { nbopsIcon } from '../icons';
import { later } from '../later';
import type { Notifications } from '../notifications';
import type { Place } from '../place';
import type { Desk } from '../desk';
import type { Surface } from '../surface';
import type { Views } from '../views';
import { type Add, guarded } from './add';
import { scheduled } from './schedules';
import { takes } from './schemas';

const TAG = 'parameters';
const EXAMPLE = [
  'alpha: float = 0.5  # 0..1',
  `import nbops

run = nbops.start_run(params={"alpha": alpha})
for step in range(20):
    run.log_metric("mae", (1 - alpha) ** step, step=step)
run`
];

interface Means {
  app: JupyterFrontEnd;
  surface: Surface;
  desk: Desk;
  views: Views;
  place: Place;
  notifications: Notifications;
  add: Add;
}

export function addNotebookCommands(means: Means): void {
  const { app, surface, desk, views, place, notifications, add } = means;
  const { trans } = surface;

  add('nbops:run-notebook', {
    label: args => (args.step ? trans.__('Run as Step…') : trans.__('Run as Pipeline…')),
    isVisible: args => !args.step || place.selectedStep !== null,
    caption: trans.__('Run this notebook from top to bottom, with values of your choice'),
    icon: args => (args.toolbar || args.selected ? nbopsIcon : undefined),
    describedBy: takes('path', 'texts', 'sweep', 'schedule', 'selected'),
    execute: guarded(trans, async args => {
      const chosen = args.step ? place.selectedStep : place.selected;
      const path = args.path ?? (args.selected ? chosen : place.notebook?.context.path);
      if (typeof path !== 'string') {
        Notification.info(
          trans.__('Open a notebook, or select one in the file browser, to run it.'),
          { autoClose: 5000 }
        );
        return;
      }
      // What runs is the file.
      const panel = place.panel(path);
      if (panel?.context.model.dirty) {
        await panel.context.save();
      }
      const texts = args.texts as Record<string, string> | undefined;
      const { runDialog } = await later(surface);
      const mode = args.schedule ? 'schedule' : args.sweep ? 'sweep' : 'once';
      const started = await runDialog(surface, { path, pipeline: false }, texts, mode);
      if (!started) {
        return;
      }
      if ('message' in started) {
        scheduled(views, started.message);
        return;
      }
      const folder = PathExt.dirname(path);
      const title = PathExt.basename(path);
      if (started.unchanged) {
        Notification.info(
          trans.__('Nothing has changed since an earlier run of %1: this is it.', title),
          { autoClose: 8000 }
        );
      } else {
        notifications.follow(started.id, title, folder);
      }
      desk.board.refresh();
      await surface.act('nbops:open-run', { id: started.id, folder });
    })
  });

  add('nbops:tag-parameters', {
    label: trans.__('Mark Cell as Parameters'),
    describedBy: takes('path', 'cell'),
    execute: guarded(trans, async args => {
      const path = args.path ?? place.notebook?.context.path;
      if (typeof path !== 'string') {
        return;
      }
      const panel = place.panel(path);
      if (panel) {
        const cell = typeof args.cell === 'number' ? args.cell : panel.content.activeCellIndex;
        tagOpen(panel, cell);
        await panel.context.save();
      } else if (typeof args.cell === 'number') {
        await tagFile(app, path, args.cell);
      }
    })
  });

  add('nbops:insert-example', {
    label: trans.__('Insert an Example Run'),
    describedBy: takes(),
    execute: guarded(trans, async () => {
      let panel = place.notebook;
      if (!panel) {
        const cwd = place.folder;
        panel = (await app.commands.execute('notebook:create-new', {
          cwd,
          kernelName: app.serviceManager.kernelspecs.specs?.default
        })) as NotebookPanel | null;
        await panel?.context.ready;
      }
      if (panel) {
        insertExample(panel);
      }
    })
  });
}

/** Tag one cell of an open notebook, and no other one. */
function tagOpen(panel: NotebookPanel, place: number): void {
  const cells = panel.content.model?.cells;
  for (let index = 0; index < (cells?.length ?? 0); index++) {
    const cell = cells?.get(index);
    const tags = (cell?.getMetadata('tags') as string[] | undefined) ?? [];
    const wanted = index === place;
    if (cell && tags.includes(TAG) !== wanted) {
      cell.setMetadata('tags', wanted ? [...tags, TAG] : tags.filter(tag => tag !== TAG));
    }
  }
}

async function tagFile(app: JupyterFrontEnd, path: string, place: number): Promise<void> {
  const { contents } = app.serviceManager;
  const model = await contents.get(path);
  const notebook = model.content as INotebookContent;
  const cell = notebook.cells[place];
  if (cell) {
    const tags = (cell.metadata.tags as string[] | undefined) ?? [];
    cell.metadata.tags = [...tags, TAG];
    await contents.save(path, { type: 'notebook', format: 'json', content: notebook });
  }
}

/** Put the example's cells below the active one; the first is what its values are given to. */
function insertExample({ content }: NotebookPanel): void {
  EXAMPLE.forEach((source, index) => {
    const { activeCell } = content;
    const free = activeCell?.model.type === 'code' && activeCell.model.sharedModel.source === '';
    if (!free) {
      NotebookActions.insertBelow(content);
    }
    const cell = content.activeCell?.model;
    cell?.sharedModel.setSource(source);
    if (index === 0) {
      cell?.setMetadata('tags', [TAG]);
    }
  });
}
