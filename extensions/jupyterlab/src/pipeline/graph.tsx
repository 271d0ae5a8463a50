/** The graph as the server draws it; its boxes are buttons, and below it stands what is known of the one that was pressed. */
import * as React from 'react';

import type { Folder, PipelineSheet, PipelineTask } from '../api';
import { Button, Section, StepMark } from '../parts/small';
import { useSurface } from '../surface';
import { duration, moment, wouldWord } from '../words';

type Shown = 'run' | 'plan';

export function Graph(props: { sheet: PipelineSheet; folder: Folder }): JSX.Element {
  const { trans } = useSurface();
  const { sheet, folder } = props;
  const [wanted, want] = React.useState<Shown>('run');
  const [chosen, choose] = React.useState<string | null>(null);
  const shown: Shown = sheet.picture ? wanted : 'plan';
  const task = sheet.tasks.find(one => one.task === chosen);
  const choices: [Shown, string][] = [
    ['run', trans.__('Last run')],
    ['plan', trans.__('What would run now')]
  ];
  return (
    <Section title={trans.__('Steps')} count={sheet.tasks.length}>
      {sheet.picture && (
        <div className="nbops-Choices" role="group" aria-label={trans.__('What the graph shows')}>
          {choices.map(([key, label]) => (
            <button
              key={key}
              type="button"
              className="jp-mod-styled nbops-Button"
              aria-pressed={shown === key}
              onClick={() => want(key)}
            >
              {label}
            </button>
          ))}
        </div>
      )}
      <Picture svg={shown === 'run' ? sheet.picture : sheet.plan} chosen={chosen} onChoose={choose} />
      <div aria-live="polite">
        {task ? (
          <Chosen task={task} folder={folder} />
        ) : (
          <p className="nbops-Quiet">{trans.__('Choose a step to see what is known of it.')}</p>
        )}
      </div>
    </Section>
  );
}

/** The task whose box an event comes from. */
function taskAt(target: EventTarget): string | null {
  const box = target instanceof Element ? target.closest('[data-nbops-task]') : null;
  return box?.getAttribute('data-nbops-task') ?? null;
}

function Picture(props: {
  svg: string;
  chosen: string | null;
  onChoose: (task: string) => void;
}): JSX.Element {
  const { svg, chosen, onChoose } = props;
  const host = React.useRef<HTMLDivElement>(null);
  // A picture that takes the place of another keeps the focus where it was.
  const active = document.activeElement;
  const held = active && host.current?.contains(active) ? taskAt(active) : null;
  React.useLayoutEffect(() => {
    for (const box of host.current?.querySelectorAll<SVGElement>('[data-nbops-task]') ?? []) {
      const key = taskAt(box);
      box.setAttribute('aria-pressed', String(key === chosen));
      if (key === held && document.activeElement !== box) {
        box.focus({ preventScroll: true });
      }
    }
  }, [svg, chosen]);
  return (
    <div
      ref={host}
      className="nbops-Graph nbops-Drawn"
      onClick={event => {
        const task = taskAt(event.target);
        if (task !== null) {
          onChoose(task);
        }
      }}
      onKeyDown={event => {
        const task = ['Enter', ' '].includes(event.key) ? taskAt(event.target) : null;
        if (task !== null) {
          event.preventDefault();
          onChoose(task);
        }
      }}
      dangerouslySetInnerHTML={{ __html: svg }}
    />
  );
}

/** What is known of a task, and where to go from here. */
function Chosen(props: { task: PipelineTask; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { task, folder } = props;
  const { path, executed, run_id: run } = task;
  const facts = [
    task.doing,
    task.attempt > 1 && trans.__('attempt %1', task.attempt),
    task.healed && trans.__('healed'),
    task.seconds !== null && trans.__('took %1', duration(task.seconds)),
    task.stale_since && trans.__('rests on data of %1', moment(task.stale_since))
  ].filter((fact): fact is string => Boolean(fact));
  return (
    <div className="nbops-Chosen">
      <p className="nbops-Facts">
        <strong>{task.task}</strong>
        {task.status && <StepMark status={task.status} word />}
        {facts.map(fact => (
          <span key={fact}>{fact}</span>
        ))}
      </p>
      {task.sentence && <p>{task.sentence}</p>}
      {task.would && (
        <p className="nbops-Quiet">
          {trans.__('Now it %1: %2.', wouldWord(task.would, trans), task.why)}
        </p>
      )}
      <div className="nbops-Buttons">
        <Button
          label={trans.__('Open its notebook')}
          refused={path ? undefined : trans.__('It has no file below the server’s folder.')}
          onClick={() => void act('docmanager:open', { path })}
        />
        <Button
          label={trans.__('Open last executed copy')}
          refused={executed ? undefined : trans.__('There is no executed notebook of it.')}
          onClick={() => void act('nbops:open-executed', { id: executed, folder })}
        />
        {run && (
          <Button
            label={trans.__('Show its run')}
            onClick={() => void act('nbops:open-run', { id: run, folder })}
          />
        )}
        {run && task.status === 'failed' && (
          <Button
            label={trans.__('Go on by hand')}
            onClick={() => void act('nbops:bring-up', { id: run, folder })}
          />
        )}
      </div>
    </div>
  );
}
