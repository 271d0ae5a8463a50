/** The commands about pipelines: show one, run it, answer a step that waits, go on with a failed step by hand. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, InputDialog, Notification, showDialog } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { NotebookPanel } from '@jupyterlab/notebook';

import type { ApprovalRow, Decision, Folder, Mode } from '../api';
import type { Desk } from '../desk';
import type { Done } from '../dialog/run';
import { nbopsIcon } from '../icons';
import { later } from '../later';
import type { Notifications } from '../notifications';
import type { Place } from '../place';
import type { Surface } from '../surface';
import type { Views } from '../views';
import { decisionWord } from '../words';
import { about } from './about';
import { type Add, guarded } from './add';
import { pointedAt } from './runs';
import { scheduled } from './schedules';
import { takes } from './schemas';

/** How long, in milliseconds, what was done is shown. */
const SHOWN = 8000;

interface Means {
  app: JupyterFrontEnd;
  surface: Surface;
  desk: Desk;
  views: Views;
  place: Place;
  notifications: Notifications;
  add: Add;
}

export function addPipelineCommands(means: Means): void {
  const { surface, desk, views, place, notifications, add } = means;
  const { trans, api, act } = surface;
  const { folderOf } = about(desk, views, surface);

  add('nbops:open-pipeline', {
    label: args => (args.selected ? trans.__('Open as Pipeline') : trans.__('Open Pipeline…')),
    caption: trans.__('The steps of a folder: what ran, what would run now, and why'),
    icon: args => (args.isPalette ? undefined : nbopsIcon),
    describedBy: takes('folder', 'selected'),
    execute: guarded(trans, async args => {
      const told = args.folder ?? (args.selected ? place.selectedFolder : null);
      const folder = typeof told === 'string' ? told : await choosePipeline(means);
      if (folder === null) {
        return;
      }
      const { PipelinePage } = await later(surface);
      // The server's own folder has two names.
      const shown = folder === '.' ? '' : folder;
      const title = PathExt.basename(shown) || trans.__('Pipeline');
      views.show('pipeline', shown, title, () => new PipelinePage(surface, { folder: shown }));
    })
  });

  add('nbops:run-pipeline', {
    label: trans.__('Run Pipeline…'),
    caption: trans.__('Run every step that is not as it was, or go on with what is missing of a run'),
    describedBy: takes('folder', 'resume', 'schedule'),
    execute: guarded(trans, async args => {
      const front = views.current('pipeline')?.folder;
      const told = args.folder ?? front;
      const folder = typeof told === 'string' ? told : await choosePipeline(means);
      if (folder === null) {
        return;
      }
      const begun =
        typeof args.resume === 'string'
          ? await api.resume(folder, args.resume)
          : await ask(surface, folder, args.schedule ? 'schedule' : 'once');
      if (!begun) {
        return;
      }
      if ('message' in begun) {
        scheduled(views, begun.message);
        return;
      }
      notifications.follow(begun.id, PathExt.basename(folder) || trans.__('Pipeline'), folder);
      desk.board.refresh();
      await act('nbops:open-pipeline', { folder });
      views.renew();
    })
  });

  add('nbops:decide-step', {
    label: trans.__('Answer Step That Waits…'),
    caption: trans.__('Approve or reject a step of a pipeline'),
    describedBy: takes('id', 'task', 'decision', 'folder'),
    execute: guarded(trans, async args => {
      const folder = folderOf(args);
      const row = await waiting(surface, folder, args.id, args.task);
      const given = args.decision as Decision | undefined;
      const decision = row && (given ?? (await chooseDecision(surface)));
      const { stepDialog } = await later(surface);
      const told = row && decision && (await stepDialog(surface, folder, row, decision));
      if (!told) {
        return;
      }
      Notification.success(told.message, { autoClose: SHOWN });
      desk.board.refresh();
      views.renew();
      if (row.folder !== null && (await goesOn(surface, row, decision))) {
        await act('nbops:run-pipeline', { folder: row.folder, resume: row.run });
      }
    })
  });

  add('nbops:bring-up', {
    label: trans.__('Go On by Hand'),
    caption: trans.__('Open a copy of the executed notebook with the same parameters, to find out what failed'),
    describedBy: takes('id', 'folder'),
    execute: guarded(trans, async args => {
      const front = views.current('run');
      const id = args.id ?? pointedAt(means) ?? front?.id;
      if (typeof id !== 'string') {
        Notification.info(trans.__('Choose a run first.'), { autoClose: 5000 });
        return;
      }
      const { path, file, made, cell } = await api.copyOf(id === front?.id ? String(front.folder) : folderOf(args), id);
      if (path === null) {
        Notification.info(trans.__('It lies at %1, which this server does not show.', file), { autoClose: false });
        return;
      }
      // Notebook 7 opens it in a tab of its own, and gives nothing.
      const panel = await act('docmanager:open', { path });
      if (!made) {
        Notification.info(trans.__('This copy was there already, as somebody left it.'), { autoClose: SHOWN });
      } else if (panel instanceof NotebookPanel && cell !== null) {
        await panel.revealed;
        panel.content.activeCellIndex = cell;
        await panel.content.scrollToItem(cell, 'center');
      }
    })
  });
}

/** What somebody wants of a pipeline: a run that has begun, or a schedule. */
async function ask(surface: Surface, folder: Folder, mode: Mode): Promise<Done | null> {
  const { runDialog } = await later(surface);
  return runDialog(surface, { path: folder, pipeline: true }, {}, mode);
}

/** The folder of a pipeline that somebody chose: one that has run, or the folder where they are. */
async function choosePipeline({ surface, desk, place }: Means): Promise<Folder | null> {
  const { api, trans } = surface;
  const { pipelines } = await api.board(desk.folder, '', 1);
  const folders = [...new Set([place.folder, ...pipelines.map(one => one.folder)])];
  if (folders.length === 1) {
    return place.folder;
  }
  const { value } = await InputDialog.getItem({
    title: trans.__('Open pipeline'),
    items: folders.map(folder => folder || '/')
  });
  return value === null ? null : value === '/' ? '' : value;
}

/** The step that waits, as told; where more than one does, somebody chooses. */
async function waiting(
  { api, trans }: Surface,
  folder: Folder,
  run: unknown,
  task: unknown
): Promise<ApprovalRow | null> {
  const { approvals } = await api.board(folder, '', 1);
  const found = approvals.filter(
    row => (typeof run !== 'string' || row.run === run) && (typeof task !== 'string' || row.task === task)
  );
  if (found.length < 2) {
    if (!found.length) {
      Notification.info(trans.__('No step waits for anybody here.'), { autoClose: 5000 });
    }
    return found[0] ?? null;
  }
  const items = found.map(row => row.needs);
  const { value } = await InputDialog.getItem({ title: trans.__('Step that waits'), items });
  return found[items.indexOf(value ?? '')] ?? null;
}

async function chooseDecision({ trans }: Surface): Promise<Decision | null> {
  const choices: Decision[] = ['approve', 'reject'];
  const items = choices.map(one => decisionWord(one, trans));
  const { value } = await InputDialog.getItem({ title: trans.__('Answer step'), items });
  return choices[items.indexOf(value ?? '')] ?? null;
}

/** Whether the run is to go on at once; else whoever looks for decided ones goes on with it. */
async function goesOn({ trans }: Surface, row: ApprovalRow, decision: Decision): Promise<boolean> {
  const approved = decision === 'approve';
  const { button } = await showDialog({
    title: approved ? trans.__('Go on with the run?') : trans.__('End the run?'),
    body: approved
      ? trans.__('%1 of %2 is approved. Its run can go on now, in the background.', row.task, row.pipeline)
      : trans.__('%1 of %2 is rejected. Its run can be ended now, without that step.', row.task, row.pipeline),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Later') }),
      Dialog.okButton({ label: approved ? trans.__('Go on') : trans.__('End it') })
    ]
  });
  return button.accept;
}
