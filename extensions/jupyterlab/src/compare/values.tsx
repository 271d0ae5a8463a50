/** Metrics, parameters and the rest of several runs as one table, the best metrics marked. */
import * as React from 'react';

import type { Comparison, Folder } from '../api';
import { Best, Direction, Link, StatusMark } from '../parts/small';
import { useSurface } from '../surface';
import { number } from '../words';

type Row = Comparison['rows'][number];

export function Values(props: { values: Comparison; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { runs, rows } = props.values;
  const kinds: [Row['kind'], string][] = [
    ['metrics', trans.__('Metrics')],
    ['params', trans.__('Parameters')],
    ['inputs', trans.__('Inputs')],
    ['tags', trans.__('Tags')],
    ['run', trans.__('Run')]
  ];
  if (!rows.length) {
    return <p className="nbops-Quiet">{trans.__('No value differs.')}</p>;
  }
  return (
    <div className="nbops-Scroll" role="region" aria-label={trans.__('Values')} tabIndex={0}>
      <table className="nbops-Table nbops-Table-wide">
        <thead>
          <tr>
            <th scope="col">{trans.__('Name')}</th>
            {runs.map(run => (
              <th key={run.id} scope="col" className="nbops-Number">
                {run.status && <StatusMark status={run.status} />}{' '}
                <Link
                  onClick={() => void act('nbops:open-run', { id: run.id, folder: props.folder })}
                >
                  {run.label}
                </Link>
              </th>
            ))}
          </tr>
        </thead>
        {kinds.map(([kind, title]) => {
          const group = rows.filter(row => row.kind === kind);
          return (
            group.length > 0 && (
              <tbody key={kind}>
                <tr className="nbops-Group">
                  <th colSpan={runs.length + 1} scope="rowgroup">
                    {title}
                  </th>
                </tr>
                {group.map(row => (
                  <ValueLine key={row.name} row={row} />
                ))}
              </tbody>
            )
          );
        })}
      </table>
    </div>
  );
}

function ValueLine({ row }: { row: Row }): JSX.Element {
  return (
    <tr>
      <th scope="row">
        {row.name}
        {row.unit && <span className="nbops-Quiet"> {row.unit}</span>}
        <Direction better={row.better} />
      </th>
      {row.values.map((value, index) => {
        const best = row.best.includes(index);
        return (
          <td key={index} className={best ? 'nbops-Number nbops-mod-best' : 'nbops-Number'}>
            {typeof value === 'number' ? number(value) : value === null ? '–' : String(value)}
            {best && <Best />}
          </td>
        );
      })}
    </tr>
  );
}
