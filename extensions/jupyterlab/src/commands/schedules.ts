/** The command about schedules. Without arguments it asks. */
import { InputDialog, Notification } from '@jupyterlab/apputils';

import type { Folder, ScheduleChange } from '../api';
import type { Desk } from '../desk';
import { later } from '../later';
import type { Notifications } from '../notifications';
import type { Surface } from '../surface';
import type { Views } from '../views';
import { changeWord } from '../words';
import { type Add, guarded } from './add';
import { takes } from './schemas';

/** How long, in milliseconds, what was done is shown. */
const SHOWN = 8000;

interface Means {
  surface: Surface;
  desk: Desk;
  views: Views;
  notifications: Notifications;
  add: Add;
}

export function addScheduleCommands({ surface, desk, views, notifications, add }: Means): void {
  const { trans, api } = surface;

  add('nbops:act-on-schedule', {
    label: trans.__('Change Schedule…'),
    caption: trans.__('Run what it runs now, pause or resume it, or delete it'),
    describedBy: takes('name', 'change', 'folder'),
    execute: guarded(trans, async args => {
      const told = args.folder ?? views.current('pipeline')?.folder;
      const folder = typeof told === 'string' ? told : desk.folder;
      const name = typeof args.name === 'string' ? args.name : await chooseSchedule(surface, folder);
      const change = name && ((args.change as ScheduleChange | undefined) ?? (await chooseChange(surface)));
      if (!name || !change) {
        return;
      }
      if (change === 'run') {
        const { id } = await api.runSchedule(folder, name);
        notifications.follow(id, name, folder);
        desk.board.refresh();
        views.renew();
        return;
      }
      const { scheduleDialog } = await later(surface);
      const done =
        change === 'resume'
          ? await api.actOnSchedule(folder, name, { act: change, reason: '', until: null })
          : await scheduleDialog(surface, folder, name, change);
      if (done) {
        scheduled(views, done.message);
      }
    })
  });
}

/** Tell that there is a schedule, and show it where schedules are shown. */
export function scheduled(views: Views, message: string): void {
  Notification.success(message, { autoClose: SHOWN });
  views.renew();
}

/** The name of a schedule of a folder that somebody chose; null when they leave it, or there is none. */
async function chooseSchedule({ api, trans }: Surface, folder: Folder): Promise<string | null> {
  const { schedules } = await api.pipeline(folder);
  if (!schedules.length) {
    Notification.info(trans.__('Nothing of this folder is scheduled.'), { autoClose: 5000 });
    return null;
  }
  const items = schedules.map(row => row.name);
  return (await InputDialog.getItem({ title: trans.__('Schedule'), items })).value;
}

async function chooseChange({ trans }: Surface): Promise<ScheduleChange | null> {
  const choices: ScheduleChange[] = ['run', 'pause', 'resume', 'remove'];
  const items = choices.map(one => changeWord(one, trans));
  const { value } = await InputDialog.getItem({ title: trans.__('Change schedule'), items });
  return choices[items.indexOf(value ?? '')] ?? null;
}
