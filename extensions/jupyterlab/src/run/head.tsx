/** What a run is, in two lines, and what can be done with it. */
import * as React from 'react';

import type { Folder, Sheet } from '../api';
import { Button, StatusMark } from '../parts/small';
import { useSurface } from '../surface';
import { bytes, duration, moment } from '../words';

export function Head(props: { sheet: Sheet; folder: Folder }): JSX.Element {
  const { sheet, folder } = props;
  const { trans, act } = useSurface();
  const args = { id: sheet.id, folder };
  const unreachable = sheet.notebook
    ? undefined
    : trans.__('This run has no notebook below the server’s folder.');
  const unreadable = sheet.executed
    ? undefined
    : trans.__('There is no executed notebook of this run.');
  return (
    <header className="nbops-Head">
      <h1>
        {sheet.title} <code className="nbops-Quiet">{sheet.short}</code>
      </h1>
      <p className="nbops-Facts">
        <StatusMark status={sheet.status} word />
        {facts(sheet, trans.__.bind(trans)).map(fact => (
          <span key={fact}>{fact}</span>
        ))}
      </p>
      <div className="nbops-Buttons">
        {sheet.status === 'running' && (
          <Button
            label={trans.__('Stop')}
            refused={
              sheet.can_stop
                ? undefined
                : trans.__('It runs on another machine: %1.', sheet.host ?? '?')
            }
            onClick={() => void act('nbops:stop-run', args)}
          />
        )}
        {sheet.pipeline && sheet.pipeline.folder !== null && (
          <Button
            accent
            label={trans.__('Show the pipeline')}
            onClick={() => void act('nbops:open-pipeline', { folder: sheet.pipeline?.folder })}
          />
        )}
        {!sheet.is_sweep && !sheet.pipeline && (
          <Button
            accent
            label={trans.__('Open executed notebook')}
            refused={unreadable}
            onClick={() => void act('nbops:open-executed', args)}
          />
        )}
        {sheet.executed && ['failed', 'lost'].includes(sheet.status) && (
          <Button
            label={trans.__('Go on by hand')}
            onClick={() => void act('nbops:bring-up', args)}
          />
        )}
        {!sheet.pipeline && (!sheet.is_sweep || Object.keys(sheet.grid).length > 0) && (
          <>
            <Button
              label={trans.__('Run again with changes…')}
              refused={unreachable}
              onClick={() => void act('nbops:rerun', args)}
            />
            <Button
              label={trans.__('Copy command')}
              refused={unreachable}
              onClick={() => void act('nbops:copy-command', args)}
            />
          </>
        )}
        <Button
          label={trans.__('Compare with…')}
          onClick={() => void act('nbops:compare', { runs: [sheet.id], folder })}
        />
        <Button
          label={trans.__('Report')}
          refused={
            sheet.status === 'running'
              ? trans.__('A report is made of what has ended.')
              : undefined
          }
          onClick={() => void act('nbops:render-report', args)}
        />
      </div>
    </header>
  );
}

function facts(sheet: Sheet, say: (text: string, ...of: string[]) => string): string[] {
  const found = [
    sheet.experiment !== sheet.title && say('experiment %1', sheet.experiment),
    moment(sheet.start),
    sheet.status !== 'running' && say('took %1', duration(sheet.seconds)),
    sheet.actor && say('by %1', sheet.actor),
    sheet.host && say('on %1', sheet.host),
    sheet.commit &&
      (sheet.dirty
        ? say('commit %1 with changes', sheet.commit.slice(0, 8))
        : say('commit %1', sheet.commit.slice(0, 8))),
    sheet.cpu_seconds !== null && say('cpu %1', duration(sheet.cpu_seconds)),
    sheet.peak_memory !== null && say('memory %1', bytes(sheet.peak_memory)),
    sheet.exit_status ? say('exit status %1', String(sheet.exit_status)) : ''
  ];
  return found.filter((fact): fact is string => Boolean(fact));
}
