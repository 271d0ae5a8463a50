/** Below a model's versions: how it is in use, how one of them did, the reviews, and the parts that the server draws. */
import * as React from 'react';

import type { Folder, ModelSheet, ReviewRow } from '../api';
import { Problem } from '../api';
import { Notice, ProblemNotice, Skeleton } from '../parts/notice';
import { Link, ReviewMark, Section, Table, Tables } from '../parts/small';
import { useSurface } from '../surface';
import { moment } from '../words';
import { MonitoringSection } from './monitoring';

interface Props {
  sheet: ModelSheet;
  folder: Folder;
}

export function Sections({ sheet, folder }: Props): JSX.Element {
  const { trans } = useSurface();
  return (
    <>
      <MonitoringSection sheet={sheet} folder={folder} />
      <EvaluationSection sheet={sheet} folder={folder} />
      {sheet.reviews.length > 0 && (
        <Section title={trans.__('Reviews')} count={sheet.reviews.length}>
          <Reviews rows={sheet.reviews} folder={folder} />
        </Section>
      )}
      {sheet.parts.map(part => (
        <Section key={part.key} title={part.title}>
          <Tables label={part.title} html={part.html} />
        </Section>
      ))}
    </>
  );
}

/** How the chosen version did; first the champion, else the newest. */
function EvaluationSection({ sheet, folder }: Props): JSX.Element {
  const { api, trans } = useSurface();
  const [chosen, choose] = React.useState<number | null>(null);
  const [told, tell] = React.useState<{ version: number; html: string } | null>(null);
  const [problem, setProblem] = React.useState<Problem | null>(null);
  const version = chosen ?? sheet.aliases.champion ?? sheet.versions[0]?.version ?? 1;
  const id = React.useId();
  React.useEffect(() => {
    let over = false;
    setProblem(null);
    api.evaluation(folder, sheet.name, version).then(
      ({ html }) => !over && tell({ version, html }),
      error => !over && setProblem(error as Problem)
    );
    return () => {
      over = true;
    };
    // Asked again with the sheet: another evaluation may have been made.
  }, [sheet, version]);
  return (
    <Section title={trans.__('Evaluation')}>
      <p>
        <label htmlFor={id}>{trans.__('Version')}</label>{' '}
        <select id={id} value={version} onChange={event => choose(Number(event.target.value))}>
          {sheet.versions.map(one => (
            <option key={one.version}>{one.version}</option>
          ))}
        </select>
      </p>
      {problem &&
        // It is no fault that nobody has evaluated a version yet.
        (problem.code === 'not-found' ? (
          <Notice kind="info" title={problem.message}>
            {problem.hint}
          </Notice>
        ) : (
          <ProblemNotice problem={problem} />
        ))}
      {told?.version === version && !problem ? (
        <Tables label={trans.__('Evaluation')} html={told.html} />
      ) : (
        !problem && <Skeleton lines={2} />
      )}
    </Section>
  );
}

function Reviews(props: { rows: ReviewRow[]; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const head = [
    trans.__('Review'),
    trans.__('State'),
    trans.__('Version'),
    trans.__('Alias'),
    trans.__('Asked for by'),
    trans.__('When'),
    trans.__('Why')
  ];
  return (
    <Table label={trans.__('Reviews')} head={head}>
      {props.rows.map(row => (
        <tr key={row.review_id}>
          <td>
            <Link
              onClick={() =>
                void act('nbops:open-review', { id: row.review_id, folder: props.folder })
              }
            >
              {row.short}
            </Link>
          </td>
          <td>
            <ReviewMark status={row.status} word />
          </td>
          <td>{row.version}</td>
          <td>{row.alias}</td>
          <td>{row.requested_by}</td>
          <td className="nbops-Moment">{moment(row.created)}</td>
          <td>{row.reason}</td>
        </tr>
      ))}
    </Table>
  );
}
