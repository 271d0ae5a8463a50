/** How commands are added: with the palette's entry, and with what they fail at told to the reader. */
import { type ICommandPalette, Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { Problem } from '../api';

export type Add = (id: string, options: CommandRegistry.ICommandOptions) => void;

/** Adds a command, and lists it in the palette where there is one. */
export function adding(commands: CommandRegistry, palette: ICommandPalette | null): Add {
  return (id, options) => {
    commands.addCommand(id, options);
    palette?.addItem({ command: id, category: 'nbops' });
  };
}

/** A command whose problems are shown, not thrown. */
export function guarded(
  trans: TranslationBundle,
  execute: (args: ReadonlyPartialJSONObject) => Promise<unknown>
): (args: ReadonlyPartialJSONObject) => Promise<unknown> {
  return async args => {
    try {
      return await execute(args);
    } catch (error) {
      const told =
        error instanceof Problem
          ? `${error.message} ${error.hint}`.trim()
          : trans.__('That failed: %1', String(error));
      Notification.error(told, { autoClose: false });
      return null;
    }
  };
}
