/** What a command is about: what it is told, what is in front, or what somebody chooses. */
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { Folder } from '../api';
import type { Desk } from '../desk';
import type { Surface } from '../surface';
import type { Kind, Views } from '../views';

export type Args = ReadonlyPartialJSONObject;

type Choose = (surface: Surface, folder: Folder) => Promise<string | null>;

export interface About {
  folderOf: (args: Args) => Folder;
  /** `key` is the argument that names it, as the view in front does; null when somebody leaves the choice. */
  subject: (
    args: Args,
    kind: Kind,
    key: string,
    choose: Choose
  ) => Promise<{ folder: Folder; key: string } | null>;
}

export function about(desk: Desk, views: Views, surface: Surface): About {
  const folderOf = (args: Args): Folder =>
    typeof args.folder === 'string' ? args.folder : desk.folder;
  return {
    folderOf,
    subject: async (args, kind, key, choose) => {
      const front = views.current(kind);
      const told = args[key];
      if (typeof told === 'string') {
        return { folder: folderOf(args), key: told };
      }
      if (front && typeof front[key] === 'string' && typeof front.folder === 'string') {
        return { folder: front.folder, key: front[key] };
      }
      const chosen = await choose(surface, folderOf(args));
      return chosen === null ? null : { folder: folderOf(args), key: chosen };
    }
  };
}
