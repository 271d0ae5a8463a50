/** The commands about models and their reviews. Without arguments they are about what is in front, or ask. */
import { InputDialog, Notification } from '@jupyterlab/apputils';

import type { Act, Folder, ReviewSheet } from '../api';
import type { Desk } from '../desk';
import { later } from '../later';
import type { Surface } from '../surface';
import type { Views } from '../views';
import { actWord } from '../words';
import { about, type Args } from './about';
import { type Add, guarded } from './add';
import { takes } from './schemas';

const CHAMPION = 'champion';
/** How long, in milliseconds, what was done is shown. */
const SHOWN = 8000;

interface Means {
  surface: Surface;
  desk: Desk;
  views: Views;
  add: Add;
}

export function addModelCommands({ surface, desk, views, add }: Means): void {
  const { trans, api, act } = surface;

  const { folderOf, subject } = about(desk, views, surface);
  const done = (message: string): void => {
    Notification.success(message, { autoClose: SHOWN });
    desk.board.refresh();
    views.renew();
  };

  add('nbops:open-model', {
    label: trans.__('Show Model…'),
    describedBy: takes('name', 'folder'),
    execute: guarded(trans, async args => {
      const folder = folderOf(args);
      const name = args.name ?? (await chooseModel(surface, folder));
      if (typeof name !== 'string') {
        return;
      }
      const { ModelPage } = await later(surface);
      // Another project may have a model of that name.
      views.show('model', `${folder}/${name}`, name, () => new ModelPage(surface, { name, folder }));
    })
  });

  add('nbops:open-review', {
    label: trans.__('Show Review…'),
    describedBy: takes('id', 'folder'),
    execute: guarded(trans, async args => {
      const folder = folderOf(args);
      const id = args.id ?? (await chooseReview(surface, folder));
      if (typeof id !== 'string') {
        return;
      }
      const { ReviewPage } = await later(surface);
      const title = trans.__('Review %1', id.slice(-8));
      views.show('review', id, title, () => new ReviewPage(surface, { id, folder }));
    })
  });

  add('nbops:propose', {
    label: trans.__('Propose Version of Model…'),
    caption: trans.__('Ask for an alias to stand for a version, with what the gate says'),
    describedBy: takes('name', 'version', 'alias', 'folder'),
    execute: guarded(trans, async args => {
      const found = await subject(args, 'model', 'name', chooseModel);
      if (!found) {
        return;
      }
      const { folder, key: name } = found;
      const { versions } = await api.model(folder, name);
      const { proposeDialog } = await later(surface);
      const made = await proposeDialog(surface, {
        folder,
        name,
        versions: versions.map(one => one.version),
        version: typeof args.version === 'number' ? args.version : (versions[0]?.version ?? 1),
        alias: aliasOf(args)
      });
      if (made) {
        done(trans.__('%1 is proposed: whoever decides has to answer.', name));
        await act('nbops:open-review', { id: made.id, folder });
      }
    })
  });

  add('nbops:decide', {
    label: trans.__('Answer Review…'),
    caption: trans.__('Approve, reject, send back, answer or withdraw'),
    describedBy: takes('id', 'act', 'folder'),
    execute: guarded(trans, async args => {
      const found = await subject(args, 'review', 'id', chooseReview);
      if (!found) {
        return;
      }
      const { folder, key: id } = found;
      const review = await api.review(folder, id);
      const chosen = (args.act as Act | undefined) ?? (await chooseAct(surface, review));
      const { decideDialog } = await later(surface);
      const told = chosen && (await decideDialog(surface, folder, review, chosen));
      if (told) {
        done(told.message || trans.__('Your answer is recorded.'));
      }
    })
  });

  add('nbops:rollback', {
    label: trans.__('Roll Back Model…'),
    caption: trans.__('Let an alias stand again for the version before'),
    describedBy: takes('name', 'alias', 'folder'),
    execute: guarded(trans, async args => {
      const found = await subject(args, 'model', 'name', chooseModel);
      if (!found) {
        return;
      }
      const { folder, key: name } = found;
      const alias = aliasOf(args);
      const seen = await api.previous(folder, name, alias);
      const { rollbackDialog } = await later(surface);
      const back = await rollbackDialog(surface, { folder, name, alias, ...seen });
      if (back) {
        done(trans.__('%1 stands for version %2 again.', `${name}@${alias}`, back.version));
      }
    })
  });
}

function aliasOf(args: Args): string {
  return typeof args.alias === 'string' ? args.alias : CHAMPION;
}

/** The name of a model that somebody chose; null when they leave it, or there is none. */
async function chooseModel({ api, trans }: Surface, folder: Folder): Promise<string | null> {
  const { models } = await api.board(folder, '', 1);
  if (!models.length) {
    Notification.info(trans.__('No models are registered here yet.'), { autoClose: 5000 });
    return null;
  }
  const items = models.map(model => model.name);
  return (await InputDialog.getItem({ title: trans.__('Model'), items })).value;
}

/** The id of a review that waits for somebody, likewise. */
async function chooseReview({ api, trans }: Surface, folder: Folder): Promise<string | null> {
  const { reviews } = await api.board(folder, '', 1);
  if (!reviews.length) {
    Notification.info(trans.__('No review waits for an answer here.'), { autoClose: 5000 });
    return null;
  }
  const items = reviews.map(row => `${row.short}: ${row.needs}`);
  const { value } = await InputDialog.getItem({ title: trans.__('Review'), items });
  return reviews[items.indexOf(value ?? '')]?.review_id ?? null;
}

/** What somebody does about a review, likewise. */
async function chooseAct({ trans }: Surface, review: ReviewSheet): Promise<Act | null> {
  if (!review.choices.length) {
    Notification.info(trans.__('There is nothing to answer: it is %1.', review.status), { autoClose: 5000 });
    return null;
  }
  const items = review.choices.map(one => actWord(one, trans));
  const { value } = await InputDialog.getItem({ title: trans.__('Answer review'), items });
  return review.choices[items.indexOf(value ?? '')] ?? null;
}
