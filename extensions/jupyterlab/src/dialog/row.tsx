/** A line of a form: what is asked, the browser's own input for it, what it means and what is wrong with it. */
import * as React from 'react';

/** What ties an input to its line. */
export interface Shared {
  id: string;
  'aria-describedby': string;
  'aria-invalid': boolean;
}

export function Row(props: {
  label: React.ReactNode;
  about?: string;
  problem?: string | null;
  /** The label is words, and no name. */
  words?: boolean;
  draw: (shared: Shared) => React.ReactNode;
}): JSX.Element {
  const { problem } = props;
  const id = React.useId();
  const names = ['nbops-Field', props.words && 'nbops-mod-words', problem && 'nbops-mod-wrong'];
  return (
    <div className={names.filter(Boolean).join(' ')}>
      <label htmlFor={id}>{props.label}</label>
      <div>
        {props.draw({
          id,
          'aria-describedby': `${id}-about ${problem ? `${id}-problem` : ''}`.trim(),
          'aria-invalid': Boolean(problem)
        })}
        <p id={`${id}-about`} className="nbops-Quiet">
          {props.about}
        </p>
        {problem && (
          <p id={`${id}-problem`} className="nbops-Problem" role="alert">
            {problem}
          </p>
        )}
      </div>
    </div>
  );
}
