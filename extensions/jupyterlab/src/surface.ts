/** What every view needs: the server, the reader's language, outputs made visible, and the commands by name. */
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { createContext, useContext } from 'react';

import type { Api } from './api';

export interface Surface {
  api: Api;
  trans: TranslationBundle;
  rendermime: IRenderMimeRegistry;
  /** Execute one of our commands. */
  act(command: string, args?: ReadonlyPartialJSONObject): Promise<unknown>;
}

export const SurfaceContext = createContext<Surface | null>(null);

export function useSurface(): Surface {
  const surface = useContext(SurfaceContext);
  if (!surface) {
    throw new Error('A view of nbops is drawn outside of its surface.');
  }
  return surface;
}
