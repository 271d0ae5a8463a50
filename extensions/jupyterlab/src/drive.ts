/**
 * Executed notebooks as files of a drive of their own, `nbops:`, that can be read and not written. The path of one is
 * `<run>/<folder, encoded>/<file>`, so that a page that is loaded again finds it.
 */
import { Contents, ServerConnection } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';

import type { Api, Folder } from './api';
import { Problem } from './api';

const NAME = 'nbops';

/** The path under which the executed notebook of a run is opened; `title` becomes the name of its tab. */
export function executedPath(folder: Folder, id: string, title: string): string {
  const name = title.replace(/\.ipynb$/, '').replace(/[/:]/g, '-');
  return `${NAME}:${id}/${encodeURIComponent(folder) || '.'}/${name} (${id.slice(-8)}).ipynb`;
}

/** Whether a path is that of an executed notebook. */
export function isExecuted(path: string): boolean {
  return path.startsWith(`${NAME}:`);
}

export class ExecutedDrive implements Contents.IDrive {
  readonly name = NAME;
  readonly serverSettings: ServerConnection.ISettings;
  readonly fileChanged = new Signal<this, Contents.IChangedArgs>(this);
  isDisposed = false;

  constructor(private readonly _api: Api) {
    this.serverSettings = _api.settings;
  }

  dispose(): void {
    this.isDisposed = true;
    Signal.clearData(this);
  }

  async get(path: string): Promise<Contents.IModel> {
    const [id, folder, name] = path.split('/');
    if (!id || !folder || !name) {
      return this._listing(path);
    }
    const asked = folder === '.' ? '' : decodeURIComponent(folder);
    const found = await this._api.notebook(asked, id).catch(asResponse);
    return {
      name,
      path,
      type: 'notebook',
      format: 'json',
      mimetype: 'application/x-ipynb+json',
      content: found.content,
      writable: false,
      created: found.last_modified,
      last_modified: found.last_modified
    };
  }

  async listCheckpoints(): Promise<Contents.ICheckpointModel[]> {
    return [];
  }

  getDownloadUrl(): Promise<string> {
    return refuse();
  }

  newUntitled(): Promise<Contents.IModel> {
    return refuse();
  }

  delete(): Promise<void> {
    return refuse();
  }

  rename(): Promise<Contents.IModel> {
    return refuse();
  }

  save(): Promise<Contents.IModel> {
    return refuse();
  }

  copy(): Promise<Contents.IModel> {
    return refuse();
  }

  createCheckpoint(): Promise<Contents.ICheckpointModel> {
    return refuse();
  }

  restoreCheckpoint(): Promise<void> {
    return refuse();
  }

  deleteCheckpoint(): Promise<void> {
    return refuse();
  }

  private _listing(path: string): Contents.IModel {
    return {
      name: path.split('/').pop() ?? '',
      path,
      type: 'directory',
      format: 'json',
      mimetype: '',
      content: [],
      writable: false,
      created: '',
      last_modified: ''
    };
  }
}

/** JupyterLab tells of what it cannot open in the words of a response. */
function asResponse(problem: Problem): never {
  throw new ServerConnection.ResponseError(
    new Response(null, { status: 404 }),
    `${problem.message} ${problem.hint}`
  );
}

function refuse(): Promise<never> {
  return Promise.reject(
    new Error('Executed notebooks are kept as they were: save a copy under another name.')
  );
}
