/** What a view shows in place of, or above, what it has no answer for. */
import * as React from 'react';

import type { Problem } from '../api';
import type { State } from '../source';
import { useSurface } from '../surface';
import { ago } from '../words';

/** A sentence with what to do about it. */
export function Notice(props: {
  kind: 'info' | 'warning' | 'error';
  title: string;
  children?: React.ReactNode;
}): JSX.Element {
  return (
    <div
      className={`nbops-Notice nbops-mod-${props.kind}`}
      role={props.kind === 'error' ? 'alert' : 'status'}
    >
      <strong>{props.title}</strong>
      {props.children && <div>{props.children}</div>}
    </div>
  );
}

/** A problem as it concerns the reader; `at` is when what is still shown was answered, 0 when nothing is. */
export function ProblemNotice(props: {
  problem: Problem;
  at?: number;
  onRetry?: () => void;
}): JSX.Element {
  const { trans } = useSurface();
  const { problem, at = 0, onRetry } = props;
  const age = at
    ? ' ' + trans.__('Shown is what was known %1.', ago(Date.now() - at, trans))
    : '';
  const retry = onRetry && (
    <button className="nbops-Link" onClick={onRetry}>
      {trans.__('Try again')}
    </button>
  );
  switch (problem.kind) {
    case 'busy':
      return (
        <Notice kind="warning" title={trans.__('The store is busy.')}>
          {problem.message} {problem.hint}
          {age} {trans.__('This page tries again by itself.')}
        </Notice>
      );
    case 'offline':
      return (
        <Notice
          kind="warning"
          title={trans.__('The Jupyter server does not answer.')}
        >
          {trans.__('This page tries again by itself.')}
          {age} {retry}
        </Notice>
      );
    case 'missing':
      return (
        <Notice
          kind="error"
          title={trans.__('The server part of nbops is not installed.')}
        >
          {trans.__(
            'Install nbops in the environment that Jupyter runs in, then restart Jupyter:'
          )}
          <pre>pip install nbops</pre>
          {retry}
        </Notice>
      );
    case 'mismatch':
      return (
        <Notice
          kind="error"
          title={trans.__('This page and the server are of different versions.')}
        >
          {problem.message} {problem.hint}{' '}
          <button
            className="nbops-Link"
            onClick={() => window.location.reload()}
          >
            {trans.__('Reload the page')}
          </button>
        </Notice>
      );
    case 'forbidden':
      return (
        <Notice kind="error" title={trans.__('You may not see or do this.')}>
          {problem.message} {problem.hint} {retry}
        </Notice>
      );
    case 'failed':
      return (
        <Notice kind="error" title={problem.message}>
          {problem.hint} {retry}
        </Notice>
      );
  }
}

/** Lines where content is to come, shown only when it takes long enough to be noticed. */
export function Skeleton(props: { lines?: number }): JSX.Element | null {
  const { trans } = useSurface();
  const [late, setLate] = React.useState(false);
  React.useEffect(() => {
    const timer = window.setTimeout(() => setLate(true), 300);
    return () => window.clearTimeout(timer);
  }, []);
  if (!late) {
    return null;
  }
  return (
    <div className="nbops-Skeleton" role="status">
      <span className="nbops-Unseen">{trans.__('Loading')}</span>
      {Array.from({ length: props.lines ?? 4 }, (_, line) => (
        <div key={line} className="nbops-Skeleton-line" aria-hidden="true" />
      ))}
    </div>
  );
}

/** What a source has, below what is wrong with it; `draw` is only asked once there is something. */
export function Loaded<T>(props: {
  state: State<T>;
  onRetry: () => void;
  draw: (value: T) => JSX.Element;
}): JSX.Element {
  const { value, problem, at } = props.state;
  return (
    <div className="nbops-Loaded" aria-busy={value === null && !problem}>
      {problem && (
        <ProblemNotice problem={problem} at={at} onRetry={props.onRetry} />
      )}
      {value === null ? !problem && <Skeleton /> : props.draw(value)}
    </div>
  );
}
