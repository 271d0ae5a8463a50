/** How a model in use is: a word and a sentence, what is wrong with it, its course, and how its columns moved. */
import * as React from 'react';

import type { Folder, IncidentRow, ModelSheet, Watch, Window } from '../api';
import { Problem } from '../api';
import { ProblemNotice, Skeleton } from '../parts/notice';
import { HealthMark, Link, Section, SeverityMark, Table, Tables } from '../parts/small';
import { useSurface } from '../surface';
import { moment } from '../words';

interface Props {
  sheet: ModelSheet;
  folder: Folder;
}

export function MonitoringSection({ sheet, folder }: Props): JSX.Element {
  const { api, trans } = useSurface();
  const [watch, setWatch] = React.useState<Watch | null>(null);
  const [problem, setProblem] = React.useState<Problem | null>(null);
  React.useEffect(() => {
    let over = false;
    setProblem(null);
    api.monitoring(folder, sheet.name).then(
      found => !over && setWatch(found),
      error => !over && setProblem(error as Problem)
    );
    return () => {
      over = true;
    };
    // Asked again with the sheet: another window may have been looked at.
  }, [sheet]);
  return (
    <Section title={trans.__('Monitoring')}>
      {problem && <ProblemNotice problem={problem} />}
      {watch ? (
        <Watched watch={watch} name={sheet.name} folder={folder} />
      ) : (
        !problem && <Skeleton lines={3} />
      )}
    </Section>
  );
}

function Watched(props: { watch: Watch; name: string; folder: Folder }): JSX.Element {
  const { api, trans } = useSurface();
  const { watch, name, folder } = props;
  return (
    <>
      <p className="nbops-Health">
        <strong>
          <HealthMark health={watch.word} word />
        </strong>{' '}
        {watch.sentence}
      </p>
      <p className="nbops-Facts">
        {watch.fresh && <span className="nbops-Quiet">{watch.fresh}</span>}
        <a
          className="nbops-Link"
          href={api.monitoringPage(folder, name)}
          target="_blank"
          rel="noopener"
        >
          {trans.__('As a page of its own, with everything')}
        </a>
      </p>
      {watch.incidents.length > 0 && <Incidents rows={watch.incidents} folder={folder} />}
      <Tables label={trans.__('Course')} html={watch.course} />
      {watch.heat && <Tables label={trans.__('Columns by windows')} html={watch.heat} />}
      {watch.window && <Overlay window={watch.window} name={name} folder={folder} />}
    </>
  );
}

function Incidents(props: { rows: IncidentRow[]; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const head = [
    trans.__('Incident'),
    trans.__('Severity'),
    trans.__('What is wrong'),
    trans.__('Muted until')
  ];
  return (
    <Table label={trans.__('Open incidents')} head={head}>
      {props.rows.map(row => (
        <tr key={row.incident_id}>
          <td>
            <Link
              onClick={() =>
                void act('nbops:open-incident', { id: row.incident_id, folder: props.folder })
              }
            >
              {row.short}
            </Link>
          </td>
          <td>
            <SeverityMark severity={row.severity} word />
          </td>
          <td className="nbops-Prose">{row.needs}</td>
          <td className="nbops-Moment">{row.muted_until && moment(row.muted_until)}</td>
        </tr>
      ))}
    </Table>
  );
}

/** How the values of a chosen column lie in the last window, on how they lay before; first the one that moved most. */
function Overlay(props: { window: Window; name: string; folder: Folder }): JSX.Element {
  const { api, trans } = useSurface();
  const { window, name, folder } = props;
  const [chosen, choose] = React.useState<string | null>(null);
  const [told, tell] = React.useState<{ column: string; html: string } | null>(null);
  const [problem, setProblem] = React.useState<Problem | null>(null);
  const known = window.columns.map(one => one.name);
  const column = chosen !== null && known.includes(chosen) ? chosen : (known[0] ?? '');
  const id = React.useId();
  React.useEffect(() => {
    let over = false;
    setProblem(null);
    api.column(folder, name, window, column).then(
      ({ html }) => !over && tell({ column, html }),
      error => !over && setProblem(error as Problem)
    );
    return () => {
      over = true;
    };
  }, [window, column]);
  return (
    <>
      <p>
        <label htmlFor={id}>{trans.__('Column')}</label>{' '}
        <select id={id} value={column} onChange={event => choose(event.target.value)}>
          {window.columns.map(one => (
            <option key={one.name} value={one.name}>
              {one.moved ? trans.__('%1 (moved)', one.label) : one.label}
            </option>
          ))}
        </select>
      </p>
      {problem && <ProblemNotice problem={problem} />}
      {told?.column === column && !problem ? (
        <Tables label={trans.__('Values of %1', column)} html={told.html} />
      ) : (
        !problem && <Skeleton lines={2} />
      )}
    </>
  );
}
