/** When a pipeline and its notebooks are run on time, and what was healed meanwhile. */
import * as React from 'react';

import type { Folder, PipelineSheet, ScheduleRow } from '../api';
import { Notice } from '../parts/notice';
import { Button, Drawn, Section, Tables } from '../parts/small';
import { useSurface } from '../surface';

export function Schedules(props: { sheet: PipelineSheet; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { sheet, folder } = props;
  const broken = sheet.mistakes.length > 0;
  return (
    <Section title={trans.__('Schedules')} count={sheet.schedules.length}>
      {sheet.unseen.map(one => (
        <Notice key={one.what} kind="warning" title={one.what}>
          {one.remedy}
        </Notice>
      ))}
      {sheet.schedules.map(row => (
        <Schedule key={row.name} row={row} folder={folder} running={sheet.runs[0]?.status === 'running'} />
      ))}
      {!sheet.schedules.length && (
        <p className="nbops-Quiet">{trans.__('It runs only when somebody runs it.')}</p>
      )}
      <div className="nbops-Buttons">
        <Button
          label={trans.__('Save as schedule…')}
          refused={broken ? trans.__('Mend what keeps it from running first.') : undefined}
          onClick={() => void act('nbops:run-pipeline', { folder, schedule: true })}
        />
      </div>
    </Section>
  );
}

function Schedule(props: { row: ScheduleRow; folder: Folder; running: boolean }): JSX.Element {
  const { trans, act } = useSurface();
  const { row, folder, running } = props;
  const { name, run } = row;
  const change = (what: string): void => void act('nbops:act-on-schedule', { name, change: what, folder });
  return (
    <div className="nbops-Chosen" role="group" aria-label={name}>
      <p className="nbops-Facts">
        <strong>{name}</strong>
        <span>{row.words}</span>
      </p>
      <Drawn html={row.html} />
      <div className="nbops-Buttons">
        <Button
          label={trans.__('Run now')}
          refused={running ? trans.__('It is running.') : undefined}
          onClick={() => change('run')}
        />
        {row.paused ? (
          <Button label={trans.__('Resume schedule')} onClick={() => change('resume')} />
        ) : (
          <Button label={trans.__('Pause…')} onClick={() => change('pause')} />
        )}
        <Button label={trans.__('Delete…')} onClick={() => change('remove')} />
        {run && (
          <Button
            label={trans.__('Show its last run')}
            onClick={() => void act('nbops:open-run', { id: run, folder })}
          />
        )}
      </div>
    </div>
  );
}

export function Healing({ html }: { html: string }): JSX.Element {
  const { trans } = useSurface();
  const title = trans.__('Healing');
  return (
    <Section title={title}>
      <Tables label={title} html={html} />
    </Section>
  );
}
