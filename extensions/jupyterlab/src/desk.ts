/** The project that the reader is in: its board, filtered, asked for again while somebody can see it. */
import type { Api, Board, DataRow, Folder } from './api';
import { PROTOCOL, Problem } from './api';
import { Source } from './source';

/** Rows that are asked for at first, and at most. */
const FIRST = 50;
const MOST = 200;
/** How often, in seconds, the board is asked for at least while something runs. */
const RUNNING = 3;
/** How much rarer the board is asked for while the panel is closed and only its count can be seen. */
const CLOSED = 3;

/** A board with the folder it was asked for, and the text that its rows were looked for with. */
export type Filtered = Board & { text: string; folder: Folder };

/** The sources of data that somebody should look at. */
export function needy(board: Board): DataRow[] {
  return board.data.filter(row => row.needs !== null);
}

/** How many reviews, steps, incidents, runs and sources of data somebody should look at. */
export function needing(board: Board): number {
  const asked = board.reviews.length + board.approvals.length;
  return asked + board.incidents.length + board.needs.length + needy(board).length;
}

export class Desk {
  readonly board: Source<Filtered>;
  private _folder: Folder = '';
  private _text = '';
  private _limit = FIRST;
  private _known = false;
  private _seconds = 10;
  private _open = false;

  constructor(private readonly _api: Api) {
    this.board = new Source(() => this._ask(), this._seconds);
    this.board.changed.connect(() => this._repace());
  }

  get folder(): Folder {
    return this._folder;
  }

  get text(): string {
    return this._text;
  }

  /** Turn to the project of another folder. */
  moveTo(folder: Folder): void {
    if (folder !== this._folder) {
      this._folder = folder;
      this._limit = FIRST;
      this.board.refresh();
    }
  }

  filter(text: string): void {
    this._text = text;
    this._limit = FIRST;
    this.board.refresh();
  }

  more(): void {
    this._limit = MOST;
    this.board.refresh();
  }

  /** Ask every so many seconds, less often while the panel is closed. */
  pace(seconds: number): void {
    this._seconds = seconds;
    this._repace();
  }

  opened(open: boolean): void {
    this._open = open;
    this._repace();
    if (open) {
      this.board.refresh();
    }
  }

  private _repace(): void {
    const running = this.board.state.value?.running;
    const open = running ? Math.min(RUNNING, this._seconds) : this._seconds;
    this.board.every(open * (this._open ? 1 : CLOSED));
  }

  private async _ask(): Promise<Filtered> {
    if (!this._known) {
      const { nbops, protocol } = await this._api.version();
      if (protocol !== PROTOCOL) {
        throw new Problem(
          'mismatch',
          `The server has nbops ${nbops}, protocol ${protocol}; this page speaks ${PROTOCOL}.`
        );
      }
      this._known = true;
    }
    try {
      const text = this._text.trim();
      const folder = this._folder;
      return { ...(await this._api.board(folder, text, this._limit)), text, folder };
    } catch (error) {
      // Who comes back may be another: ask for the version again.
      this._known = error instanceof Problem && error.kind === 'busy';
      throw error;
    }
  }
}
