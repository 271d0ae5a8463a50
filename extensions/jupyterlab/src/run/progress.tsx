/** What a run does right now, and why it did not end well. */
import * as React from 'react';

import type { Folder, Live, Sheet } from '../api';
import { Link } from '../parts/small';
import { useSurface } from '../surface';
import { bytes, duration } from '../words';

export function Progress({ live }: { live: Live }): JSX.Element {
  const { trans } = useSurface();
  const where = trans.__('Cell %1 of %2', live.cell, live.cells);
  return (
    <div className="nbops-Progress">
      <div className="nbops-Facts">
        <strong>{where}</strong>
        <span>{trans.__('for %1', duration(live.seconds))}</span>
        <span>{trans.__('cpu %1', duration(live.cpu))}</span>
        <span>{trans.__('memory %1', bytes(live.memory))}</span>
      </div>
      <progress max={live.cells} value={live.cell - 0.5} aria-label={where} />
      {live.line && <pre>{live.line}</pre>}
    </div>
  );
}

export function Cause(props: { sheet: Sheet; folder: Folder }): JSX.Element {
  const { sheet, folder } = props;
  const { trans, act } = useSurface();
  const cell = sheet.failed_cell;
  return (
    <div className="nbops-Cause" role="note">
      <strong>
        {trans.__('Why it ended')}
        {sheet.failure_class && ` · ${sheet.failure_class.replaceAll('_', ' ')}`}
      </strong>
      <pre>{sheet.cause}</pre>
      {cell !== null && sheet.executed && (
        <Link
          onClick={() =>
            void act('nbops:open-executed', { id: sheet.id, folder, cell })
          }
        >
          {trans.__('Show the cell')}
        </Link>
      )}
    </div>
  );
}
