/** One line for a run or a model, as narrow as a sidebar. */
import * as React from 'react';

import type { Folder, ModelRow, Row } from '../api';
import { StatusMark } from '../parts/small';
import { useSurface } from '../surface';
import { duration, moment, shortMoment } from '../words';

export function RunLine(props: { row: Row; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { row, folder } = props;
  const where =
    row.status === 'running' && row.cell !== null && row.cells !== null
      ? trans.__('cell %1/%2', row.cell, row.cells)
      : duration(row.seconds);
  const about = [
    `${row.title} · ${row.short}`,
    row.differs,
    row.experiment,
    moment(row.start),
    row.cause ?? '',
    row.line
  ];
  return (
    <li>
      <button
        type="button"
        className="nbops-Line"
        data-nbops-run={row.id}
        title={about.filter(Boolean).join('\n')}
        onClick={() => void act('nbops:open-run', { id: row.id, folder })}
      >
        <StatusMark status={row.status} />
        <span className="nbops-Line-name">
          {row.title} {row.differs && <span className="nbops-Quiet">{row.differs}</span>}
        </span>
        <span className="nbops-Line-end nbops-Quiet">{shortMoment(row.start)}</span>
        <span className="nbops-Line-end nbops-Line-where">{where}</span>
      </button>
    </li>
  );
}

export function ModelLine(props: { model: ModelRow; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { model, folder } = props;
  const version =
    model.champion === null
      ? trans.__('version %1', model.latest)
      : trans.__('champion %1', model.champion);
  return (
    <li>
      <button
        type="button"
        className="nbops-Line"
        data-nbops-model={model.name}
        onClick={() => void act('nbops:open-model', { name: model.name, folder })}
      >
        <span className="nbops-Status" aria-hidden="true">
          ◆
        </span>
        <span className="nbops-Line-name">{model.name}</span>
        <span className="nbops-Line-end">
          {version}
          {model.health && ` · ${model.health}`}
        </span>
      </button>
    </li>
  );
}
