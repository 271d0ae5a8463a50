/** Pages and dialogs, which are loaded when the first of them is opened: most of the time there is only the sidebar. */
import { Problem } from './api';
import type { Surface } from './surface';

export async function later({ trans }: Surface): Promise<typeof import('./pages')> {
  try {
    return await import(/* webpackChunkName: "pages" */ './pages');
  } catch {
    // After an upgrade the server has files of other names.
    throw new Problem(
      'mismatch',
      trans.__('This part of the page could not be loaded.'),
      trans.__('Try again; if nbops was upgraded meanwhile, save your work and reload the page.')
    );
  }
}
