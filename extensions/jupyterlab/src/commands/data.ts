/** The command about data. Without a name it asks. */
import { InputDialog, Notification } from '@jupyterlab/apputils';

import type { Folder } from '../api';
import type { Desk } from '../desk';
import { later } from '../later';
import type { Surface } from '../surface';
import type { Views } from '../views';
import { type Add, guarded } from './add';
import { takes } from './schemas';

interface Means {
  surface: Surface;
  desk: Desk;
  views: Views;
  add: Add;
}

export function addDataCommands({ surface, desk, views, add }: Means): void {
  const { trans } = surface;

  add('nbops:open-data', {
    label: trans.__('Show Data…'),
    describedBy: takes('name', 'folder'),
    execute: guarded(trans, async args => {
      const folder = typeof args.folder === 'string' ? args.folder : desk.folder;
      const name = args.name ?? (await chooseData(surface, folder));
      if (typeof name !== 'string') {
        return;
      }
      const { DataPage } = await later(surface);
      // Another project may have data of that name.
      views.show('data', `${folder}/${name}`, name, () => new DataPage(surface, { name, folder }));
    })
  });
}

/** The name of a source that somebody chose; null when they leave it, or there is none. */
async function chooseData({ api, trans }: Surface, folder: Folder): Promise<string | null> {
  const { data } = await api.board(folder, '', 1);
  if (!data.length) {
    Notification.info(trans.__('No source of data is declared or collected here yet.'), { autoClose: 5000 });
    return null;
  }
  const items = data.map(row => row.name);
  return (await InputDialog.getItem({ title: trans.__('Show data'), items })).value;
}
