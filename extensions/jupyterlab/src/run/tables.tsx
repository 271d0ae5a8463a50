/** The tables of a run. */
import * as React from 'react';

import { COMPARED, type Folder, type Part, type Sheet } from '../api';
import { Best, best, Direction, Link, Section, StatusMark, Table } from '../parts/small';
import { useSurface } from '../surface';
import { bytes, duration, number } from '../words';

export function Params({ sheet }: { sheet: Sheet }): JSX.Element {
  const { trans } = useSurface();
  const title = trans.__('Parameters');
  // Before there is an executed notebook nobody knows the defaults.
  const known = sheet.params.some(param => param.default !== null);
  const head = [trans.__('Name'), trans.__('Value'), known && trans.__('Default'), trans.__('Type')];
  return (
    <Section title={title} count={sheet.params.length}>
      <Table label={title} head={head.filter(Boolean)}>
        {sheet.params.map(param => (
          <tr key={param.name}>
            <th scope="row">{param.name}</th>
            <td className={param.changed ? 'nbops-mod-changed' : ''}>{param.value}</td>
            {known && <td className="nbops-Quiet">{param.default ?? ''}</td>}
            <td className="nbops-Quiet">{param.type}</td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

export function Metrics({ sheet }: { sheet: Sheet }): JSX.Element {
  const { trans } = useSurface();
  const title = trans.__('Metrics');
  return (
    <Section title={title} count={sheet.metrics.length}>
      <Table label={title} head={[trans.__('Name'), trans.__('Value'), trans.__('Steps')]}>
        {sheet.metrics.map(metric => (
          <tr key={metric.name}>
            <th scope="row">
              {metric.name}
              <Direction better={metric.better} />
            </th>
            <td className="nbops-Number">
              {number(metric.value)} {metric.unit}
            </td>
            <td className="nbops-Number nbops-Quiet">{metric.points}</td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

/** So many metrics of each part are shown. */
const METRICS = 4;

/** Rows with the best value of the first metric that has a direction in front. */
function foremost(rows: Part[], better: Sheet['better']): Part[] {
  const [name, direction] = Object.entries(better)[0] ?? [];
  if (!name) {
    return rows;
  }
  const sign = direction === 'lower' ? 1 : -1;
  const rank = (row: Part): number => {
    const value = row.metrics[name];
    return typeof value === 'number' ? sign * value : Infinity;
  };
  return [...rows].sort((one, other) => rank(one) - rank(other) || 0);
}

export function Children(props: { sheet: Sheet; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { sheet, folder } = props;
  const title = sheet.is_sweep ? trans.__('Points of the sweep') : trans.__('Parts');
  const finished = sheet.children.filter(row => row.status === 'finished');
  const names = [...new Set(sheet.children.flatMap(row => Object.keys(row.metrics)))];
  const shown = names.slice(0, METRICS);
  const leaders = Object.fromEntries(
    shown.map(name => {
      const found = best(finished.map(row => row.metrics[name]), sheet.better[name]);
      return [name, found.map(index => finished[index]?.id)];
    })
  );
  const head = [
    trans.__('State'),
    trans.__('Run'),
    trans.__('Name'),
    ...shown.map(name => (
      <>
        {name}
        <Direction better={sheet.better[name] ?? null} />
      </>
    )),
    trans.__('Took')
  ];
  const chosen = foremost(finished, sheet.better).slice(0, COMPARED);
  return (
    <Section title={title} count={sheet.children.length}>
      {finished.length > 1 && (
        <p>
          <Link
            onClick={() => void act('nbops:compare', { runs: chosen.map(row => row.id), folder })}
          >
            {finished.length <= COMPARED
              ? trans.__('Compare those that finished')
              : Object.keys(sheet.better).length
                ? trans.__('Compare the best %1', COMPARED)
                : trans.__('Compare the first %1 that finished', COMPARED)}
          </Link>
        </p>
      )}
      <Table label={title} head={head}>
        {sheet.children.map(row => (
          <tr key={row.id}>
            <td>
              <StatusMark status={row.status} word />
            </td>
            <td>
              <Link onClick={() => void act('nbops:open-run', { id: row.id, folder })}>
                {row.short}
              </Link>
            </td>
            <td>{row.name}</td>
            {shown.map(name => (
              <td
                key={name}
                className={`nbops-Number ${leaders[name]?.includes(row.id) ? 'nbops-mod-best' : ''}`}
              >
                {name in row.metrics ? number(row.metrics[name] ?? null) : ''}
                {leaders[name]?.includes(row.id) && <Best />}
              </td>
            ))}
            <td className="nbops-Number">{duration(row.seconds)}</td>
          </tr>
        ))}
      </Table>
      {names.length > METRICS && (
        <p className="nbops-Quiet">
          {trans.__('Further metrics: %1.', names.slice(METRICS).join(', '))}
        </p>
      )}
    </Section>
  );
}

export function Models(props: { sheet: Sheet; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { sheet, folder } = props;
  return (
    <Section title={trans.__('Models')} count={sheet.models.length}>
      <ul className="nbops-Plain">
        {sheet.models.map(model => (
          <li key={`${model.name}/${model.version}`}>
            <Link onClick={() => void act('nbops:open-model', { name: model.name, folder })}>
              {model.name}
            </Link>{' '}
            {trans.__('version %1', model.version)}
          </li>
        ))}
      </ul>
    </Section>
  );
}

export function Inputs({ sheet }: { sheet: Sheet }): JSX.Element {
  const { trans } = useSurface();
  const title = trans.__('Inputs');
  return (
    <Section title={title} count={sheet.inputs.length}>
      <Table
        label={title}
        head={[trans.__('Name'), trans.__('Rows'), trans.__('Source'), trans.__('Content')]}
      >
        {sheet.inputs.map(input => (
          <tr key={input.name}>
            <th scope="row">{input.name}</th>
            <td className="nbops-Number">{input.rows?.toLocaleString() ?? ''}</td>
            <td>{input.source ?? ''}</td>
            <td title={input.digest}>
              <code>{input.digest.replace(/^\w+:/, '').slice(0, 10)}</code>
            </td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

export function Files({ sheet }: { sheet: Sheet }): JSX.Element {
  const { trans } = useSurface();
  const title = trans.__('Files');
  return (
    <Section title={title} count={sheet.files.length}>
      <Table label={title} head={[trans.__('Path'), trans.__('Size')]}>
        {sheet.files.map(file => (
          <tr key={file.path}>
            <th scope="row">{file.path}</th>
            <td className="nbops-Number">{bytes(file.size)}</td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

export function Tags({ sheet }: { sheet: Sheet }): JSX.Element {
  const { trans } = useSurface();
  const title = trans.__('Tags');
  return (
    <Section title={title} count={Object.keys(sheet.tags).length}>
      <Table label={title} head={[trans.__('Name'), trans.__('Value')]}>
        {Object.entries(sheet.tags).map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}
