/** How many runs go on and how many need somebody, in the status bar. */
import { ReactWidget } from '@jupyterlab/apputils';
import * as React from 'react';

import { type Desk, needing } from '../desk';
import { useSource } from '../source';
import { type Surface, SurfaceContext, useSurface } from '../surface';

export class StatusItem extends ReactWidget {
  constructor(
    private readonly _surface: Surface,
    private readonly _desk: Desk
  ) {
    super();
    this.addClass('nbops-StatusItem');
  }

  protected render(): JSX.Element {
    return (
      <SurfaceContext.Provider value={this._surface}>
        <Counts desk={this._desk} />
      </SurfaceContext.Provider>
    );
  }
}

function Counts({ desk }: { desk: Desk }): JSX.Element | null {
  const { trans, act } = useSurface();
  const board = useSource(desk.board).value;
  const needs = board ? needing(board) : 0;
  const parts = [
    board?.running && trans.__('%1 running', board.running),
    needs && trans._n('%1 needs you', '%1 need you', needs)
  ].filter(Boolean);
  if (!parts.length) {
    return null;
  }
  return (
    <button
      type="button"
      className="nbops-StatusItem-button"
      title={trans.__('Show runs, models and data')}
      onClick={() => void act('nbops:open-panel')}
    >
      nbops: {parts.join(' · ')}
    </button>
  );
}
