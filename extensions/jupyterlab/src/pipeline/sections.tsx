/** Beside the graph of a pipeline: what waits for a person, its mistakes, its tasks, its last runs, and what is no step. */
import * as React from 'react';

import type { ApprovalRow, Folder, Mistake, PipelineLine, PipelineSheet } from '../api';
import { Button, Link, OutcomeMark, Section, StepMark, Table } from '../parts/small';
import { useSurface } from '../surface';
import { duration, moment, wouldWord } from '../words';

export function Waiting(props: { rows: ApprovalRow[]; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { rows, folder } = props;
  return (
    <Section title={trans.__('Waits for a person')} count={rows.length}>
      {rows.map(row => (
        <div key={`${row.run}/${row.task}`} className="nbops-Chosen">
          <p>{row.needs}</p>
          <div className="nbops-Buttons">
            {(['approve', 'reject'] as const).map(decision => (
              <Button
                key={decision}
                accent={decision === 'approve'}
                label={
                  decision === 'approve'
                    ? trans.__('Approve %1…', row.task)
                    : trans.__('Reject %1…', row.task)
                }
                onClick={() =>
                  void act('nbops:decide-step', { id: row.run, task: row.task, decision, folder })
                }
              />
            ))}
          </div>
        </div>
      ))}
    </Section>
  );
}

export function Mistakes(props: { title: string; mistakes: Mistake[] }): JSX.Element {
  const { trans, act } = useSurface();
  const { title, mistakes } = props;
  return (
    <Section title={title} count={mistakes.length}>
      <ul className="nbops-Mistakes">
        {mistakes.map((one, index) => {
          const line = one.line ? trans.__('line %1', one.line) : '';
          const place = [one.file, line, one.where].filter(Boolean).join(', ');
          return (
            <li key={index}>
              {one.path ? (
                <Link onClick={() => void act('docmanager:open', { path: one.path })}>{place}</Link>
              ) : (
                <span>{place}</span>
              )}
              <p>{one.what}</p>
              <p className="nbops-Quiet">{one.remedy}</p>
            </li>
          );
        })}
      </ul>
    </Section>
  );
}

export function Tasks(props: { sheet: PipelineSheet; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { sheet, folder } = props;
  const title = trans.__('Step by step');
  const head = [
    trans.__('Step'),
    trans.__('Last run'),
    trans.__('Now'),
    trans.__('Why'),
    trans.__('Reads'),
    trans.__('Writes')
  ];
  return (
    <Section title={title}>
      <Table label={title} head={head}>
        {sheet.tasks.map(task => (
          <tr key={task.task}>
            <th scope="row">
              {task.path ? (
                <Link onClick={() => void act('docmanager:open', { path: task.path })}>{task.task}</Link>
              ) : (
                task.task
              )}
            </th>
            <td>
              {task.status && <StepMark status={task.status} word />}{' '}
              {task.run_id && (
                <Link onClick={() => void act('nbops:open-run', { id: task.run_id, folder })}>
                  {task.run_id.slice(-8)}
                </Link>
              )}
            </td>
            <td>{task.would ? wouldWord(task.would, trans) : trans.__('is no step any more')}</td>
            <td className="nbops-Prose">{task.why}</td>
            <td>{task.reads.join(', ')}</td>
            <td>{task.writes.join(', ')}</td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

export function Runs(props: { lines: PipelineLine[]; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { lines, folder } = props;
  const title = trans.__('Last runs');
  const head = [
    trans.__('Outcome'),
    trans.__('Run'),
    trans.__('Began'),
    trans.__('Took'),
    trans.__('In a sentence')
  ];
  return (
    <Section title={title} count={lines.length}>
      <Table label={title} head={head}>
        {lines.map(line => (
          <tr key={line.id}>
            <td>
              <OutcomeMark outcome={line.outcome} word />
            </td>
            <td>
              <Link onClick={() => void act('nbops:open-run', { id: line.id, folder })}>{line.short}</Link>
            </td>
            <td>{moment(line.start)}</td>
            <td className="nbops-Number">{duration(line.seconds)}</td>
            <td className="nbops-Prose">{line.sentence}</td>
          </tr>
        ))}
      </Table>
    </Section>
  );
}

export function Aside({ aside }: { aside: Record<string, string> }): JSX.Element {
  const { trans } = useSurface();
  return (
    <details>
      <summary>{trans.__('Files that are no steps')}</summary>
      <ul className="nbops-Plain">
        {Object.entries(aside).map(([file, reason]) => (
          <li key={file}>
            <code>{file}</code>: {reason}
          </li>
        ))}
      </ul>
    </details>
  );
}
