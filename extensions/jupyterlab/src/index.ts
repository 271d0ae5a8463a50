/** The plugins of nbops. What only JupyterLab has is optional everywhere, so that Notebook 7 loads them too. */
import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Api } from './api';
import { adding } from './commands/add';
import { addDataCommands } from './commands/data';
import { addIncidentCommands } from './commands/incidents';
import { addModelCommands } from './commands/models';
import { addNotebookCommands } from './commands/notebooks';
import { addPipelineCommands } from './commands/pipelines';
import { addRunCommands } from './commands/runs';
import { addScheduleCommands } from './commands/schedules';
import { takes } from './commands/schemas';
import { Desk } from './desk';
import { ExecutedDrive, isExecuted } from './drive';
import { nbopsIcon } from './icons';
import { Notifications, type NotifyOn } from './notifications';
import { Place } from './place';
import { Panel } from './sidebar/panel';
import { StatusItem } from './sidebar/statusbar';
import type { Surface } from './surface';
import { Views } from './views';

const ID = 'nbops:plugin';
const NO_KERNEL = { shouldStart: false, canStart: false, autoStartDefault: false };
/** Where the panel stands among the others. */
const RANK = 650;

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Run, watch, compare and read notebooks that run as pipelines; decide which model is used.',
  autoStart: true,
  requires: [IDocumentManager, INotebookTracker, IRenderMimeRegistry],
  optional: [
    ITranslator,
    ISettingRegistry,
    ICommandPalette,
    ILabShell,
    ILayoutRestorer,
    IFileBrowserFactory,
    ILauncher,
    IStatusBar
  ],
  activate
};

function activate(
  app: JupyterFrontEnd,
  documents: IDocumentManager,
  notebooks: INotebookTracker,
  rendermime: IRenderMimeRegistry,
  translator: ITranslator | null,
  settings: ISettingRegistry | null,
  palette: ICommandPalette | null,
  labShell: ILabShell | null,
  restorer: ILayoutRestorer | null,
  browsers: IFileBrowserFactory | null,
  launcher: ILauncher | null,
  statusBar: IStatusBar | null
): void {
  const trans = (translator ?? nullTranslator).load('nbops');
  const api = new Api();
  const surface: Surface = {
    api,
    trans,
    rendermime,
    act: (command, args) => app.commands.execute(command, args)
  };
  const desk = new Desk(api);
  const place = new Place(notebooks, browsers);
  const notifications = new Notifications(surface);
  // Notebook 7 keeps its main area for one document; below it there is room.
  const views = new Views(app.shell, labShell ? 'main' : 'down');
  const add = adding(app.commands, palette);
  app.serviceManager.contents.addDrive(new ExecutedDrive(api));
  // However an executed notebook comes to be opened, after a reload too: it is there to be read and needs no kernel.
  notebooks.widgetAdded.connect((_, { context }) => {
    if (isExecuted(context.path)) {
      const { sessionContext } = context;
      sessionContext.kernelPreference = { ...sessionContext.kernelPreference, ...NO_KERNEL };
      // What JupyterLab adds to one that never met its kernel is nothing to be saved.
      void context.ready.then(() => (context.model.dirty = false));
    }
  });

  const panel = new Panel(surface, desk);
  app.shell.add(panel, 'left', { rank: RANK, type: 'nbops' });
  add('nbops:open-panel', {
    label: trans.__('Show Runs, Models and Data'),
    caption: trans.__('What runs, what needs you, and the models and data of this project'),
    icon: args => (args.isPalette ? undefined : nbopsIcon),
    describedBy: takes(),
    execute: () => app.shell.activateById(panel.id)
  });
  add('nbops:refresh', {
    label: trans.__('Refresh Runs, Models and Data'),
    describedBy: takes(),
    execute: () => desk.board.refresh()
  });
  addRunCommands({ app, surface, desk, views, documents, add });
  addModelCommands({ surface, desk, views, add });
  addIncidentCommands({ surface, desk, views, add });
  addDataCommands({ surface, desk, views, add });
  addPipelineCommands({ app, surface, desk, views, place, notifications, add });
  addScheduleCommands({ surface, desk, views, notifications, add });
  addNotebookCommands({ app, surface, desk, views, place, notifications, add });

  launcher?.add({ command: 'nbops:open-panel', category: 'Other', rank: 10 });
  launcher?.add({ command: 'nbops:open-pipeline', category: 'Other', rank: 11 });
  statusBar?.registerStatusItem('nbops:status', {
    item: new StatusItem(surface, desk),
    align: 'left',
    rank: 20
  });
  if (restorer) {
    restorer.add(panel, panel.id);
    views.restore(restorer, 'run', 'nbops:open-run');
    views.restore(restorer, 'pipeline', 'nbops:open-pipeline');
    views.restore(restorer, 'model', 'nbops:open-model');
    views.restore(restorer, 'review', 'nbops:open-review');
    views.restore(restorer, 'incident', 'nbops:open-incident');
    views.restore(restorer, 'data', 'nbops:open-data');
    views.restore(restorer, 'compare', 'nbops:compare');
    views.restore(restorer, 'report', 'nbops:render-report');
  }
  desk.board.changed.connect((_, { value }) => value && notifications.seen(value, value.folder));
  place.watch(() => desk.moveTo(place.folder));
  void follow(settings, desk, notifications);
  void app.restored.then(() => {
    desk.moveTo(place.folder);
    desk.board.refresh();
  });
}

/** Do as the settings say, now and whenever they change. */
async function follow(
  registry: ISettingRegistry | null,
  desk: Desk,
  notifications: Notifications
): Promise<void> {
  const settings = await registry?.load(ID);
  const apply = (): void => {
    desk.pace((settings?.composite.pollSeconds as number | undefined) ?? 10);
    notifications.notifyOn = (settings?.composite.notifyOn as NotifyOn | undefined) ?? 'every end';
  };
  settings?.changed.connect(apply);
  apply();
}

export default plugin;
