/** A pipeline: its graph, what would run now and why, what waits for a person, and its last runs; or what keeps it from running. */
import * as React from 'react';

import type { Folder, PipelineLine, PipelineSheet } from '../api';
import { Page } from '../parts/page';
import { Button, OutcomeMark } from '../parts/small';
import { Source, type State, useSource } from '../source';
import { type Surface, useSurface } from '../surface';
import { duration, moment } from '../words';
import { Graph } from './graph';
import { Healing, Schedules } from './schedules';
import { Aside, Mistakes, Runs, Tasks, Waiting } from './sections';

type Now = Awaited<ReturnType<Surface['api']['pipelineLive']>>;

/** How often, in seconds, the newest run is asked for while it goes on, and while nothing does. */
const RUNNING = 2;
const RESTING = 15;

export class PipelinePage extends Page<PipelineSheet> {
  private readonly _now: Source<Now>;

  constructor(
    surface: Surface,
    readonly subject: { folder: Folder }
  ) {
    super(surface, subject, surface.trans.__('Pipeline'));
    this._now = new Source(
      () => surface.api.pipelineLive(subject.folder),
      0,
      () => this.isVisible
    );
    this._now.changed.connect((_, { value }) => {
      const known = this.source.state.value?.runs[0];
      // What would run now is worked out anew only when a run has begun or ended.
      if (value?.run && (value.run.id !== known?.id || value.run.outcome !== known.outcome)) {
        this.source.refresh();
      }
    });
  }

  dispose(): void {
    this._now.dispose();
    super.dispose();
  }

  protected ask(): Promise<PipelineSheet> {
    return this.surface.api.pipeline(this.subject.folder);
  }

  protected answered(state: State<PipelineSheet>): void {
    super.answered(state);
    if (!state.value) {
      return;
    }
    const [newest] = state.value.runs;
    this._now.every(newest ? (newest.status === 'running' ? RUNNING : RESTING) : 0);
    if (newest && this._now.state.at === 0) {
      this._now.refresh();
    }
    const tab = this.parent?.title;
    if (tab) {
      tab.label = state.value.name;
      tab.caption = `${this.surface.trans.__('Pipeline')} ${state.value.name} · ${this.subject.folder || '/'}`;
    }
  }

  protected draw(sheet: PipelineSheet): JSX.Element {
    return <PipelineView sheet={sheet} now={this._now} folder={this.subject.folder} />;
  }
}

function PipelineView(props: { sheet: PipelineSheet; now: Source<Now>; folder: Folder }): JSX.Element {
  const { trans } = useSurface();
  const { folder } = props;
  const told = useSource(props.now).value;
  const sheet = withNow(props.sheet, told);
  return (
    <>
      <Head sheet={sheet} folder={folder} />
      {sheet.waiting.length > 0 && <Waiting rows={sheet.waiting} folder={folder} />}
      {sheet.mistakes.length > 0 ? (
        <Mistakes title={trans.__('What keeps it from running')} mistakes={sheet.mistakes} />
      ) : (
        <>
          {sheet.warnings.length > 0 && (
            <Mistakes title={trans.__('What is likely to be misspelt')} mistakes={sheet.warnings} />
          )}
          <Graph sheet={sheet} folder={folder} />
          <Tasks sheet={sheet} folder={folder} />
        </>
      )}
      {sheet.runs.length > 0 && <Runs lines={sheet.runs} folder={folder} />}
      <Schedules sheet={sheet} folder={folder} />
      {sheet.health && <Healing html={sheet.health} />}
      {Object.keys(sheet.aside).length > 0 && <Aside aside={sheet.aside} />}
    </>
  );
}

/** The sheet with how the newest run stands by now. */
function withNow(sheet: PipelineSheet, now: Now | null): PipelineSheet {
  const run = now?.run;
  if (!run || run.id !== sheet.runs[0]?.id) {
    return sheet;
  }
  const steps = new Map(run.steps.map(step => [step.task, step]));
  return {
    ...sheet,
    picture: now.picture,
    runs: [run, ...sheet.runs.slice(1)],
    tasks: sheet.tasks.map(task => ({ ...task, ...steps.get(task.task) }))
  };
}

function Head(props: { sheet: PipelineSheet; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { sheet, folder } = props;
  const newest: PipelineLine | undefined = sheet.runs[0];
  const running = newest?.status === 'running';
  const broken = sheet.mistakes.length > 0;
  // What waits for a person would only wait again.
  const resumable = newest?.resumable && !sheet.waiting.length;
  const refused = running
    ? trans.__('It is running.')
    : broken
      ? trans.__('Mend what keeps it from running first.')
      : undefined;
  return (
    <header className="nbops-Head">
      <h1>
        <span className="nbops-Quiet">{trans.__('Pipeline')}</span> {sheet.name}{' '}
        <code className="nbops-Quiet">{folder || '/'}</code>
      </h1>
      {newest ? (
        <>
          <p className="nbops-Facts" role="status">
            <OutcomeMark outcome={newest.outcome} word />
            {running && <span>{trans.__('%1 of %2 steps', newest.done, newest.total)}</span>}
            <span>{moment(newest.start)}</span>
            <span>
              {running
                ? trans.__('for %1', duration(newest.seconds))
                : trans.__('took %1', duration(newest.seconds))}
            </span>
          </p>
          {newest.sentence && <p>{newest.sentence}</p>}
        </>
      ) : (
        <p className="nbops-Quiet">{trans.__('It has not run yet.')}</p>
      )}
      <div className="nbops-Buttons">
        <Button
          accent={!resumable}
          label={trans.__('Run…')}
          refused={refused}
          onClick={() => void act('nbops:run-pipeline', { folder })}
        />
        {newest && resumable && (
          <Button
            accent
            label={trans.__('Resume')}
            refused={refused}
            onClick={() => void act('nbops:run-pipeline', { folder, resume: newest.id })}
          />
        )}
        {running && (
          <Button
            label={trans.__('Stop')}
            onClick={() => void act('nbops:stop-run', { id: newest.id, folder })}
          />
        )}
      </div>
    </header>
  );
}
