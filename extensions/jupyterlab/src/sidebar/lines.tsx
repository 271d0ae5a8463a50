/** One line for a run, a review, an incident, a model or a source of data, as narrow as a sidebar. */
import * as React from 'react';

import type {
  ApprovalRow,
  DataRow,
  Folder,
  IncidentRow,
  ModelRow,
  PipelineLine,
  ReviewRow,
  Row
} from '../api';
import {
  DataMark,
  HealthMark,
  OutcomeMark,
  ReviewMark,
  SeverityMark,
  StatusMark,
  StepMark
} from '../parts/small';
import { useSurface } from '../surface';
import {
  dataWord,
  duration,
  healthWord,
  moment,
  number,
  outcomeWord,
  shortMoment,
  stepWord
} from '../words';

export function RunLine(props: { row: Row; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { row, folder } = props;
  if (row.pipeline) {
    return <PipelineRunLine line={row.pipeline} folder={folder} />;
  }
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
        data-nbops-kind="notebook"
        data-nbops-status={row.status}
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

/** A pipeline's run is one line; its steps are counted, and told on hovering. */
function PipelineRunLine(props: { line: PipelineLine; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { line, folder } = props;
  const running = line.status === 'running';
  const told = line.steps.map(({ task, status, doing }) =>
    [task, stepWord(status, trans), doing].filter(Boolean).join(' · ')
  );
  const about = [
    `${line.pipeline} · ${line.short} · ${outcomeWord(line.outcome, trans)}`,
    line.sentence,
    moment(line.start),
    ...told
  ];
  return (
    <li>
      <button
        type="button"
        className="nbops-Line"
        data-nbops-run={line.id}
        data-nbops-kind="pipeline"
        data-nbops-status={line.status}
        data-nbops-folder={line.folder ?? undefined}
        title={about.filter(Boolean).join('\n')}
        onClick={() =>
          void (line.folder === null
            ? act('nbops:open-run', { id: line.id, folder })
            : act('nbops:open-pipeline', { folder: line.folder }))
        }
      >
        <OutcomeMark outcome={line.outcome} />
        <span className="nbops-Line-name">
          {line.pipeline}{' '}
          <span className="nbops-Quiet">
            {running
              ? trans.__('%1/%2 steps', line.done, line.total)
              : trans._n('%1 step', '%1 steps', line.total)}
          </span>
        </span>
        <span className="nbops-Line-end nbops-Quiet">{shortMoment(line.start)}</span>
        <span className="nbops-Line-end nbops-Line-where">{duration(line.seconds)}</span>
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
        <HealthMark health={model.health ?? 'not monitored'} />
        <span className="nbops-Line-name">{model.name}</span>
        {model.health && (
          <span className="nbops-Line-end" aria-hidden="true">
            {healthWord(model.health, trans)}
          </span>
        )}
        <span className="nbops-Line-end">{version}</span>
      </button>
    </li>
  );
}

export function DataLine(props: { row: DataRow; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { row, folder } = props;
  const aside =
    row.quarantined > 0 &&
    trans._n('%1 row in quarantine', '%1 rows in quarantine', row.quarantined);
  const about = [
    `${row.name} · ${dataWord(row.state, trans)}`,
    row.needs,
    row.interval && trans.__('expected %1', row.interval),
    row.last_change && trans.__('changed %1', moment(row.last_change)),
    row.rows !== null && trans._n('%1 row', '%1 rows', row.rows),
    aside,
    row.owner && trans.__('owner: %1', row.owner)
  ];
  return (
    <li>
      <button
        type="button"
        className="nbops-Line"
        data-nbops-data={row.name}
        title={about.filter(Boolean).join('\n')}
        onClick={() => void act('nbops:open-data', { name: row.name, folder })}
      >
        <DataMark state={row.state} />
        <span className="nbops-Line-name">{row.name}</span>
        {aside && (
          <span className="nbops-Line-end nbops-Aside">
            <span aria-hidden="true">{trans.__('%1 aside', number(row.quarantined))}</span>
            <span className="nbops-Unseen">{aside}</span>
          </span>
        )}
        <span className="nbops-Line-end">
          {row.version === null
            ? dataWord(row.state, trans)
            : trans.__('version %1', row.version)}
        </span>
      </button>
    </li>
  );
}

/** Why somebody should look at data: a sentence, which may take several lines. */
export function NeedLine(props: { row: DataRow; folder: Folder }): JSX.Element {
  const { act } = useSurface();
  const { row, folder } = props;
  return (
    <li>
      <button
        type="button"
        className="nbops-Line nbops-mod-sentence"
        data-nbops-needs={row.name}
        title={row.needs ?? undefined}
        onClick={() => void act('nbops:open-data', { name: row.name, folder })}
      >
        <DataMark state={row.state} />
        <span className="nbops-Line-sentence">{row.needs}</span>
      </button>
    </li>
  );
}

/** What is asked of whom about a version, likewise. */
export function ReviewLine(props: { row: ReviewRow; folder: Folder }): JSX.Element {
  const { act } = useSurface();
  const { row, folder } = props;
  return (
    <li>
      <button
        type="button"
        className="nbops-Line nbops-mod-sentence"
        data-nbops-review={row.review_id}
        title={row.needs ?? undefined}
        onClick={() => void act('nbops:open-review', { id: row.review_id, folder })}
      >
        <ReviewMark status={row.status} />
        <span className="nbops-Line-sentence">{row.needs}</span>
      </button>
    </li>
  );
}

/** What is asked about a step of a pipeline, likewise. */
export function ApprovalLine(props: { row: ApprovalRow; folder: Folder }): JSX.Element {
  const { act } = useSurface();
  const { row, folder } = props;
  return (
    <li>
      <button
        type="button"
        className="nbops-Line nbops-mod-sentence"
        data-nbops-approval={row.run}
        title={row.needs}
        onClick={() =>
          void (row.folder === null
            ? act('nbops:decide-step', { id: row.run, task: row.task, folder })
            : act('nbops:open-pipeline', { folder: row.folder }))
        }
      >
        <StepMark status="parked" />
        <span className="nbops-Line-sentence">{row.needs}</span>
      </button>
    </li>
  );
}

/** What is wrong with a model or a pipeline, likewise. */
export function IncidentLine(props: { row: IncidentRow; folder: Folder }): JSX.Element {
  const { act } = useSurface();
  const { row, folder } = props;
  return (
    <li>
      <button
        type="button"
        className="nbops-Line nbops-mod-sentence"
        data-nbops-incident={row.incident_id}
        title={row.needs}
        onClick={() => void act('nbops:open-incident', { id: row.incident_id, folder })}
      >
        <SeverityMark severity={row.severity} />
        <span className="nbops-Line-sentence">{row.needs}</span>
      </button>
    </li>
  );
}
