/**
 * A value that the server owns, asked for again and again while somebody looks. The last answer stays when the next one
 * fails, beside the problem and the moment of the answer.
 */
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';

import { Problem } from './api';

export interface State<T> {
  value: T | null;
  problem: Problem | null;
  /** When `value` was answered, in milliseconds. */
  at: number;
}

/** The longest pause, in milliseconds, between attempts to reach a server that does not answer. */
const PATIENCE = 60_000;

export class Source<T> {
  private _state: State<T> = { value: null, problem: null, at: 0 };
  private readonly _changed = new Signal<this, State<T>>(this);
  private readonly _poll: Poll<void, unknown, 'ask'>;
  private _latest = 0;
  private _asking = false;
  private _again = false;

  /** `watched` says whether anybody looks: nothing is asked while nobody does. `seconds` 0 asks only when told to. */
  constructor(
    private readonly _ask: () => Promise<T>,
    seconds: number,
    watched: () => boolean = () => true
  ) {
    this._poll = new Poll({
      auto: false,
      factory: () => this._load(),
      frequency: {
        interval: milliseconds(seconds),
        backoff: true,
        max: PATIENCE
      },
      standby: () => document.hidden || !watched()
    });
    document.addEventListener('visibilitychange', this._seen);
  }

  get state(): State<T> {
    return this._state;
  }

  get changed(): ISignal<this, State<T>> {
    return this._changed;
  }

  /** Ask now, and go on asking. */
  refresh(): void {
    // What is being answered may be no more what is wanted.
    this._again = this._asking;
    void this._poll.start();
    void this._poll.refresh();
  }

  /** Ask every so many seconds from now on. */
  every(seconds: number): void {
    const interval = milliseconds(seconds);
    if (this._poll.frequency.interval !== interval) {
      this._poll.frequency = { ...this._poll.frequency, interval };
    }
  }

  /** Forget what is known: something else is asked for from now on. */
  reset(): void {
    this._set({ value: null, problem: null, at: 0 });
    this.refresh();
  }

  dispose(): void {
    document.removeEventListener('visibilitychange', this._seen);
    this._poll.dispose();
    this._latest = -1;
    Signal.clearData(this);
  }

  private readonly _seen = (): void => {
    if (!document.hidden) {
      void this._poll.refresh();
    }
  };

  private async _load(): Promise<void> {
    this._asking = true;
    try {
      do {
        this._again = false;
        await this._once();
      } while (this._again && !document.hidden);
    } finally {
      this._asking = false;
    }
  }

  private async _once(): Promise<void> {
    // An answer that a later one has overtaken is dropped.
    const turn = ++this._latest;
    try {
      const value = await this._ask();
      if (turn === this._latest && !this._again) {
        this._set({ value, problem: null, at: Date.now() });
      }
    } catch (error) {
      const problem =
        error instanceof Problem ? error : new Problem('failed', String(error));
      if (turn === this._latest) {
        this._set({ ...this._state, problem });
      }
      // A busy store is soon free again and asked at the usual pace; only what cannot be reached is asked less and less.
      if (problem.kind === 'offline') {
        throw problem;
      }
    }
  }

  private _set(state: State<T>): void {
    this._state = state;
    this._changed.emit(state);
  }
}

/** What a source has at the moment; the component is drawn again when that changes. */
export function useSource<T>(source: Source<T>): State<T> {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    source.changed.connect(redraw);
    return () => void source.changed.disconnect(redraw);
  }, [source]);
  return source.state;
}

function milliseconds(seconds: number): number {
  return seconds ? seconds * 1000 : Poll.NEVER;
}
