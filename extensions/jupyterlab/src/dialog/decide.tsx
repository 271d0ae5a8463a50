/** The dialogs of promotion: what the gate says, a reason that is asked for, and a refusal beside what was typed. */
import * as React from 'react';

import type { Act, Folder, ReviewSheet } from '../api';
import { Problem } from '../api';
import { modal } from '../parts/modal';
import { Notice, ProblemNotice, Skeleton } from '../parts/notice';
import { Tables } from '../parts/small';
import { type Surface, useSurface } from '../surface';
import { actWord } from '../words';
import { Reason } from './reason';

/** A pause in typing, in milliseconds, after which the gate is asked. */
const PAUSE = 500;

/** Do something about a review; null when somebody leaves it. */
export function decideDialog(
  surface: Surface,
  folder: Folder,
  review: ReviewSheet,
  act: Act
): Promise<{ message: string } | null> {
  const { trans, api } = surface;
  const word = actWord(act, trans);
  const asks = {
    approve: trans.__('Why it is good enough'),
    reject: trans.__('Why it is not'),
    'send back': trans.__('What %1 should answer', review.requested_by),
    answer: trans.__('The answer'),
    withdraw: trans.__('Why it is taken back')
  };
  const title = trans.__('%1: %2 version %3 for %4', word, review.model, review.version, review.alias);
  return modal<{ message: string }>(surface, title, close => (
    <Reason
      label={asks[act]}
      button={word}
      refused={
        review.choices.includes(act)
          ? undefined
          : trans.__('This cannot be done to a review that is %1.', review.status)
      }
      send={reason => api.decide(folder, review.id, act, reason)}
      close={close}
    >
      <Tables label={trans.__('What the gate says')} html={review.html} />
    </Reason>
  ));
}

/** Let an alias go back to where it stood before; null when somebody leaves it. */
export function rollbackDialog(
  surface: Surface,
  at: { folder: Folder; name: string; alias: string; version: number; previous: number | null }
): Promise<{ version: number } | null> {
  const { trans, api } = surface;
  const { folder, name, alias, version, previous } = at;
  const title = trans.__('Roll back %1', `${name}@${alias}`);
  return modal<{ version: number }>(surface, title, close => (
    <Reason
      label={trans.__('What went wrong')}
      button={trans.__('Roll back')}
      refused={previous === null ? trans.__('There is no version to go back to.') : undefined}
      send={reason => api.rollback(folder, name, { alias, version, reason })}
      close={close}
    >
      {previous === null ? (
        <Notice kind="warning" title={trans.__('%1 stands for version %2.', `${name}@${alias}`, version)}>
          {trans.__(
            'No version held it before that is fit to hold it again: not rolled back from, not retired, not frozen. Propose another one.'
          )}
        </Notice>
      ) : (
        <p>
          {trans.__('%1 stands for version %2.', `${name}@${alias}`, version)}{' '}
          <strong>{trans.__('It goes back to version %1, at once.', previous)}</strong>
        </p>
      )}
    </Reason>
  ));
}

interface Proposed {
  folder: Folder;
  name: string;
  versions: number[];
  version: number;
  alias: string;
}

/** Ask for an alias to stand for a version; null when somebody leaves it. */
export function proposeDialog(surface: Surface, at: Proposed): Promise<{ id: string } | null> {
  const title = surface.trans.__('Propose a version of %1', at.name);
  return modal<{ id: string }>(surface, title, close => <Propose {...at} close={close} />);
}

function Propose(props: Proposed & { close: (made: { id: string } | null) => void }): JSX.Element {
  const { trans, api } = useSurface();
  const { folder, name } = props;
  const [version, setVersion] = React.useState(props.version);
  const [alias, setAlias] = React.useState(props.alias);
  const [waiver, setWaiver] = React.useState('');
  const id = React.useId();
  return (
    <Reason
      label={trans.__('What gets better')}
      button={trans.__('Propose')}
      send={reason => api.propose(folder, name, { version, alias, reason, waiver })}
      close={props.close}
    >
      <div className="nbops-Field nbops-mod-words">
        <label htmlFor={`${id}-version`}>{trans.__('Version')}</label>
        <select
          id={`${id}-version`}
          className="jp-mod-styled"
          value={version}
          onChange={event => setVersion(Number(event.target.value))}
        >
          {props.versions.map(one => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </div>
      <Line id={`${id}-alias`} label={trans.__('Alias')} text={alias} onText={setAlias} />
      <Line
        id={`${id}-waiver`}
        label={trans.__('Waiver')}
        help={trans.__('Only where its run failed: why it may pass nevertheless.')}
        text={waiver}
        onText={setWaiver}
      />
      <Gate folder={folder} name={name} version={version} alias={alias} waiver={waiver} />
    </Reason>
  );
}

function Line(props: {
  id: string;
  label: string;
  help?: string;
  text: string;
  onText: (text: string) => void;
}): JSX.Element {
  return (
    <div className="nbops-Field nbops-mod-words">
      <label htmlFor={props.id}>{props.label}</label>
      <div>
        <input
          id={props.id}
          className="jp-mod-styled"
          value={props.text}
          onChange={event => props.onText(event.target.value)}
        />
        {props.help && <p className="nbops-Quiet">{props.help}</p>}
      </div>
    </div>
  );
}

/** What the gate says of a version before anybody proposes it; it takes a while, as both models are asked. */
function Gate(props: {
  folder: Folder;
  name: string;
  version: number;
  alias: string;
  waiver: string;
}): JSX.Element {
  const { trans, api } = useSurface();
  const { folder, name, version, alias, waiver } = props;
  const [said, setSaid] = React.useState<string | null>(null);
  const [problem, setProblem] = React.useState<Problem | null>(null);
  React.useEffect(() => {
    let over = false;
    setSaid(null);
    setProblem(null);
    const timer = window.setTimeout(
      () =>
        api.gate(folder, name, { version, alias, waiver }).then(
          ({ html }) => !over && setSaid(html),
          error => !over && setProblem(error as Problem)
        ),
      PAUSE
    );
    return () => {
      over = true;
      window.clearTimeout(timer);
    };
  }, [version, alias, waiver]);
  return (
    <div className="nbops-Gate" aria-busy={said === null && !problem}>
      <h2>{trans.__('What the gate says')}</h2>
      {problem && <ProblemNotice problem={problem} />}
      {said === null ? (
        !problem && <Skeleton lines={3} />
      ) : (
        <Tables label={trans.__('What the gate says')} html={said} />
      )}
    </div>
  );
}
