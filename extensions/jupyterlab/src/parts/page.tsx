/** A view of the main area: what a source has, drawn, and asked for again when somebody looks. */
import { ReactWidget } from '@jupyterlab/apputils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { Source, type State, useSource } from '../source';
import { type Surface, SurfaceContext } from '../surface';
import type { View } from '../views';
import { Loaded } from './notice';

export abstract class Page<T> extends ReactWidget implements View {
  readonly source: Source<T>;

  constructor(
    protected readonly surface: Surface,
    readonly subject: ReadonlyPartialJSONObject,
    label: string
  ) {
    super();
    this.addClass('nbops-Page');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', label);
    this.node.tabIndex = -1;
    this.source = new Source(() => this.ask(), 0);
    this.source.changed.connect((_, state) => this.answered(state));
    this.source.refresh();
  }

  dispose(): void {
    this.source.dispose();
    super.dispose();
  }

  refresh(): void {
    this.source.refresh();
  }

  protected abstract ask(): Promise<T>;

  protected abstract draw(value: T): JSX.Element;

  /** Called with each new state. */
  protected answered(state: State<T>): void {
    // A store that is busy, or a server that is away, is asked again; what ended for good is not.
    const again = state.problem && ['busy', 'offline'].includes(state.problem.kind);
    this.source.every(again ? 5 : 0);
  }

  protected onActivateRequest(): void {
    this.node.focus();
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.source.refresh();
  }

  protected render(): JSX.Element {
    return (
      <SurfaceContext.Provider value={this.surface}>
        <Content source={this.source} draw={value => this.draw(value)} />
      </SurfaceContext.Provider>
    );
  }
}

function Content<T>(props: {
  source: Source<T>;
  draw: (value: T) => JSX.Element;
}): JSX.Element {
  return (
    <div className="nbops-Page-content">
      <Loaded
        state={useSource(props.source)}
        onRetry={() => props.source.refresh()}
        draw={props.draw}
      />
    </div>
  );
}
