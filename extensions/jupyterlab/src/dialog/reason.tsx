/** The form of a dialog in which somebody says why: the reason, what is done with it, and a refusal beside what was typed. */
import * as React from 'react';

import type { Problem } from '../api';
import { ProblemNotice } from '../parts/notice';
import { Button } from '../parts/small';
import { useSurface } from '../surface';

interface Reasoned<T> {
  /** What the reader is to write. */
  label: string;
  button: string;
  /** Whether it can be done without. */
  optional?: boolean;
  /** Why it cannot be done at all. */
  refused?: string;
  send: (reason: string) => Promise<T>;
  close: (done: T | null) => void;
  children?: React.ReactNode;
}

/** What is decided on, and a reason for it; what is refused is told, and what was typed stays. */
export function Reason<T>(props: Reasoned<T>): JSX.Element {
  const { trans } = useSurface();
  const [reason, setReason] = React.useState('');
  const [sending, setSending] = React.useState(false);
  const [problem, setProblem] = React.useState<Problem | null>(null);
  const id = React.useId();
  const why =
    props.refused ??
    (sending ? trans.__('It is being done.') : reason.trim() || props.optional ? undefined : trans.__('A reason is needed.'));
  const send = async (): Promise<void> => {
    setSending(true);
    setProblem(null);
    try {
      props.close(await props.send(reason));
    } catch (error) {
      setProblem(error as Problem);
      setSending(false);
    }
  };
  return (
    <form
      className="nbops-Modal-body"
      onSubmit={event => {
        event.preventDefault();
        if (!why) {
          void send();
        }
      }}
    >
      <div className="nbops-Modal-scroll">{props.children}</div>
      {problem && <ProblemNotice problem={problem} />}
      {!props.refused && (
        <div className="nbops-Reason">
          <label htmlFor={id}>{props.label}</label>
          <textarea
            id={id}
            className="jp-mod-styled"
            rows={3}
            autoFocus
            value={reason}
            onChange={event => setReason(event.target.value)}
          />
        </div>
      )}
      <footer className="nbops-Modal-foot">
        <span className="nbops-Quiet" role="status">
          {why}
        </span>
        <Button label={trans.__('Cancel')} onClick={() => props.close(null)} />
        <button
          type="submit"
          className="jp-mod-styled jp-mod-accept nbops-Button"
          aria-disabled={Boolean(why)}
        >
          {props.button}
        </button>
      </footer>
    </form>
  );
}
