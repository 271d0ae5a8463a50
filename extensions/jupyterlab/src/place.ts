/** Where the reader is: the notebook in front, else the folder that the file browser shows. */
import { PathExt } from '@jupyterlab/coreutils';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import type { Folder } from './api';

export class Place {
  constructor(
    private readonly _notebooks: INotebookTracker,
    private readonly _browsers: IFileBrowserFactory | null
  ) {}

  /** The folder that decides on the project. */
  get folder(): Folder {
    const path = this.notebook?.context.path;
    return path === undefined ? local(this._browsers?.tracker.currentWidget?.model.path ?? '') : PathExt.dirname(path);
  }

  /** The notebook in front, if it is a file. */
  get notebook(): NotebookPanel | null {
    const found = this._notebooks.currentWidget;
    return found && !found.context.path.includes(':') ? found : null;
  }

  /** The notebook that is selected in the file browser. */
  get selected(): string | null {
    const items = this._browsers?.tracker.currentWidget?.selectedItems() ?? [];
    const found = [...items].find(item => item.type === 'notebook');
    return found ? local(found.path) : null;
  }

  /** The script that is selected in the file browser; whether it is a step shows when it is read. */
  get selectedStep(): string | null {
    const items = this._browsers?.tracker.currentWidget?.selectedItems() ?? [];
    const found = [...items].find(item => /\.(py|sql)$/.test(item.path));
    return found ? local(found.path) : null;
  }

  /** The folder that is selected in the file browser. */
  get selectedFolder(): string | null {
    const items = this._browsers?.tracker.currentWidget?.selectedItems() ?? [];
    const found = [...items].find(item => item.type === 'directory');
    return found ? local(found.path) : null;
  }

  /** The open notebook of a path. */
  panel(path: string): NotebookPanel | null {
    return this._notebooks.find(panel => panel.context.path === path) ?? null;
  }

  /** Have `moved` called whenever the folder may be another. */
  watch(moved: () => void): void {
    this._notebooks.currentChanged.connect(moved);
    const browsers = this._browsers?.tracker;
    browsers?.forEach(browser => browser.model.pathChanged.connect(moved));
    browsers?.widgetAdded.connect((_, browser) => browser.model.pathChanged.connect(moved));
    browsers?.currentChanged.connect(moved);
  }
}

/** A path without its drive. */
function local(path: string): string {
  return path.replace(/^[^/]*:/, '');
}
