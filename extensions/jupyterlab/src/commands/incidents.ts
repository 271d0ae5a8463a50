/** The commands about incidents. Without arguments they are about the one in front, or ask. */
import { InputDialog, Notification } from '@jupyterlab/apputils';
import { NotebookActions, NotebookPanel } from '@jupyterlab/notebook';

import type { Deed, Folder, IncidentSheet } from '../api';
import type { Desk } from '../desk';
import { later } from '../later';
import type { Surface } from '../surface';
import type { Views } from '../views';
import { deedWord } from '../words';
import { about } from './about';
import { type Add, guarded } from './add';
import { takes } from './schemas';

/** How long, in milliseconds, what was done is shown. */
const SHOWN = 8000;

interface Means {
  surface: Surface;
  desk: Desk;
  views: Views;
  add: Add;
}

export function addIncidentCommands({ surface, desk, views, add }: Means): void {
  const { trans, api, act } = surface;
  const { folderOf, subject } = about(desk, views, surface);

  add('nbops:open-incident', {
    label: trans.__('Show Incident…'),
    describedBy: takes('id', 'folder'),
    execute: guarded(trans, async args => {
      const folder = folderOf(args);
      const id = args.id ?? (await chooseIncident(surface, folder));
      if (typeof id !== 'string') {
        return;
      }
      const { IncidentPage } = await later(surface);
      const title = trans.__('Incident %1', id.slice(-8));
      views.show('incident', id, title, () => new IncidentPage(surface, { id, folder }));
    })
  });

  add('nbops:act-on-incident', {
    label: trans.__('Answer Incident…'),
    caption: trans.__('Acknowledge, mute, close or comment'),
    describedBy: takes('id', 'deed', 'folder'),
    execute: guarded(trans, async args => {
      const found = await subject(args, 'incident', 'id', chooseIncident);
      if (!found) {
        return;
      }
      const { folder, key: id } = found;
      const incident = await api.incident(folder, id);
      const chosen = (args.deed as Deed | undefined) ?? (await chooseDeed(surface, incident));
      const { deedDialog } = await later(surface);
      const told = chosen && (await deedDialog(surface, folder, incident, chosen));
      if (told) {
        Notification.success(told.message, { autoClose: SHOWN });
        desk.board.refresh();
        views.renew();
      }
    })
  });

  add('nbops:investigate', {
    label: trans.__('Investigate Incident…'),
    caption: trans.__('Write, open and run a notebook with what is known of it'),
    describedBy: takes('id', 'folder'),
    execute: guarded(trans, async args => {
      const found = await subject(args, 'incident', 'id', chooseIncident);
      if (!found) {
        return;
      }
      const { path, file, made } = await api.investigate(found.folder, found.key);
      if (path === null) {
        Notification.info(trans.__('It lies at %1, which this server does not show.', file), {
          autoClose: false
        });
        return;
      }
      // Notebook 7 opens it in a tab of its own, and gives nothing.
      const panel = await act('docmanager:open', { path });
      if (made && panel instanceof NotebookPanel) {
        await panel.context.ready;
        await panel.sessionContext.ready;
        await NotebookActions.runAll(panel.content, panel.sessionContext);
      }
    })
  });
}

/** The id of an incident that somebody has to see to; null when they leave it, or there is none. */
async function chooseIncident({ api, trans }: Surface, folder: Folder): Promise<string | null> {
  const { incidents } = await api.board(folder, '', 1);
  if (!incidents.length) {
    Notification.info(trans.__('No incident waits for anybody here.'), { autoClose: 5000 });
    return null;
  }
  const items = incidents.map(row => `${row.short}: ${row.needs}`);
  const { value } = await InputDialog.getItem({ title: trans.__('Incident'), items });
  return incidents[items.indexOf(value ?? '')]?.incident_id ?? null;
}

/** What somebody does about an incident; null when they leave it. */
async function chooseDeed({ trans }: Surface, incident: IncidentSheet): Promise<Deed | null> {
  const items = incident.choices.map(one => deedWord(one, trans));
  const { value } = await InputDialog.getItem({ title: trans.__('Answer incident'), items });
  return incident.choices[items.indexOf(value ?? '')] ?? null;
}
