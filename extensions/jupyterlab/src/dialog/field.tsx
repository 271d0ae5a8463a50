/** One parameter as the browser's own input, with what it means and what is wrong with it. */
import * as React from 'react';

import type { Field } from '../api';
import { useSurface } from '../surface';
import { Row, type Shared } from './row';
import { forMoments, isNumber } from './texts';

export interface FieldProps {
  field: Field;
  text: string;
  /** Several values may be given. */
  sweep: boolean;
  /** Words such as {date} may stand for a value. */
  free: boolean;
  problem: string | null;
  /** Has the focus at first. */
  first: boolean;
  onText: (text: string) => void;
}

export function FieldLine(props: FieldProps): JSX.Element {
  const { trans } = useSurface();
  const { field, text, problem } = props;
  const range =
    field.low !== null || field.high !== null ? `${field.low ?? ''} … ${field.high ?? ''}` : '';
  return (
    <Row
      label={
        <>
          {field.name}
          {field.required && <span title={trans.__('required')}> *</span>}
        </>
      }
      about={[field.type, range, field.help].filter(Boolean).join(' · ')}
      problem={problem}
      draw={tied => (
        <>
          <Input {...props} shared={{ ...tied, 'aria-required': field.required, autoFocus: props.first }} />
          {text !== field.default && !field.required && (
            <button
              type="button"
              className="nbops-Link"
              aria-label={trans.__('Back to the default of %1', field.name)}
              onClick={() => props.onText(field.default)}
            >
              {trans.__('default')}
            </button>
          )}
        </>
      )}
    />
  );
}

interface Tied extends Shared {
  'aria-required': boolean;
  autoFocus: boolean;
}

function Input(props: FieldProps & { shared: Tied }): JSX.Element {
  const { trans } = useSurface();
  const { field, text, shared, onText } = props;
  const typed = (
    event: React.ChangeEvent<HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement>
  ): void => onText(event.target.value);
  if (field.widget === 'secret') {
    return (
      <input
        {...shared}
        className="jp-mod-styled"
        type="text"
        autoComplete="off"
        spellCheck={false}
        placeholder="secret://…"
        value={text}
        onChange={typed}
      />
    );
  }
  if (props.sweep) {
    return (
      <textarea
        {...shared}
        className="jp-mod-styled"
        rows={Math.min(6, text.split('\n').length)}
        spellCheck={false}
        value={text}
        placeholder={trans.__('one or several, by commas or lines')}
        onChange={typed}
      />
    );
  }
  switch (props.free && field.widget.startsWith('date') ? 'text' : field.widget) {
    case 'checkbox':
      return (
        <input
          {...shared}
          type="checkbox"
          checked={text.toLowerCase() === 'true'}
          onChange={event => onText(event.target.checked ? 'true' : 'false')}
        />
      );
    case 'select':
      return (
        <select {...shared} className="jp-mod-styled" value={text} onChange={typed}>
          {!field.choices.includes(text) && <option value={text}>{text}</option>}
          {field.choices.map(choice => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      );
    case 'number':
      if (!isNumber(field.default)) {
        break;
      }
      return (
        <input
          {...shared}
          className="jp-mod-styled"
          type="number"
          step={field.step ?? 'any'}
          min={field.low ?? undefined}
          max={field.high ?? undefined}
          value={text}
          onChange={typed}
        />
      );
    case 'date':
      return (
        <input {...shared} className="jp-mod-styled" type="date" value={text} onChange={typed} />
      );
    case 'datetime':
      if (text && forMoments(text) === null) {
        break;
      }
      return (
        <input
          {...shared}
          className="jp-mod-styled"
          type="datetime-local"
          step="1"
          value={forMoments(text) ?? ''}
          onChange={typed}
        />
      );
  }
  return (
    <input
      {...shared}
      className="jp-mod-styled"
      type="text"
      spellCheck={false}
      autoComplete="off"
      value={text}
      onChange={typed}
    />
  );
}
