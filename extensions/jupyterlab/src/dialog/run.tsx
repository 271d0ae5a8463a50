/** The run dialog: a notebook's parameters as a form, checked by the server while one types, run once or as a sweep. */
import { Clipboard } from '@jupyterlab/apputils';
import * as React from 'react';

import type { Check, Form } from '../api';
import { Problem } from '../api';
import { modal } from '../parts/modal';
import { Notice, ProblemNotice, Skeleton } from '../parts/notice';
import { Button } from '../parts/small';
import { type Surface, useSurface } from '../surface';
import { FieldLine } from './field';
import { order, points } from './texts';

/** A pause in typing, in milliseconds, after which the server is asked what it thinks. */
const PAUSE = 250;

export interface Started {
  id: string;
  unchanged: boolean;
  notebook: string;
}

/**
 * Let somebody fill in the form of a notebook and run it; null when they leave it. `texts` are filled in already, with several
 * values per field when it is a `sweep`.
 */
export function runDialog(
  surface: Surface,
  notebook: string,
  texts: Record<string, string> = {},
  sweep = false
): Promise<Started | null> {
  const title = surface.trans.__('Run %1', notebook.split('/').pop() ?? '');
  return modal<Started>(surface, title, close => (
    <RunDialog notebook={notebook} texts={texts} sweep={sweep} close={close} />
  ));
}

interface Props {
  notebook: string;
  texts: Record<string, string>;
  sweep: boolean;
  close: (started: Started | null) => void;
}

function RunDialog(props: Props): JSX.Element {
  const { api, trans } = useSurface();
  const [form, setForm] = React.useState<Form | null>(null);
  const [problem, setProblem] = React.useState<Problem | null>(null);
  const load = (): void => {
    setProblem(null);
    api.form(props.notebook).then(setForm, setProblem);
  };
  React.useEffect(load, []);
  if (form) {
    return <Filled {...props} form={form} reload={load} />;
  }
  return (
    <div className="nbops-Modal-body" aria-busy={!problem}>
      {problem ? <ProblemNotice problem={problem} onRetry={load} /> : <Skeleton />}
      <footer className="nbops-Modal-foot">
        <Button label={trans.__('Cancel')} onClick={() => props.close(null)} />
      </footer>
    </div>
  );
}

function Filled(props: Props & { form: Form; reload: () => void }): JSX.Element {
  const { api, trans } = useSurface();
  const { form, notebook } = props;
  const [texts, setTexts] = React.useState(props.texts);
  const [sweep, setSweep] = React.useState(props.sweep);
  const [force, setForce] = React.useState(false);
  const [starting, setStarting] = React.useState(false);
  const [refused, setRefused] = React.useState<Problem | null>(null);
  const ordered = order(notebook, form.parameters, texts, sweep, force);
  const { check, failed } = useCheck(ordered, form);
  const runs = points(ordered.grid);
  const reason = whyNot();

  function whyNot(): string | undefined {
    if (form.problem) {
      return form.problem;
    }
    if (starting) {
      return trans.__('It is being started.');
    }
    if (check?.problems.length) {
      return trans.__('Some values are refused.');
    }
    return sweep && runs < 2 ? trans.__('Give a parameter several values.') : undefined;
  }

  const start = async (): Promise<void> => {
    setStarting(true);
    setRefused(null);
    try {
      props.close({ ...(await api.start(ordered)), notebook });
    } catch (error) {
      setRefused(error as Problem);
      setStarting(false);
    }
  };
  const general = check?.problems.filter(problem => !hasField(form, problem.name)) ?? [];
  return (
    <form
      className="nbops-Modal-body"
      noValidate
      onSubmit={event => {
        event.preventDefault();
        if (!reason) {
          void start();
        }
      }}
    >
      <div className="nbops-Modal-scroll">
        {form.problem && (
          <Notice
            kind="error"
            title={trans.__('The parameters of this notebook cannot be read.')}
          >
            {form.problem}
          </Notice>
        )}
        {!form.has_cell && !form.problem && (
          <NoParameters form={form} notebook={notebook} reload={props.reload} />
        )}
        {form.parameters.length > 0 && (
          <fieldset className="nbops-Modes">
            <legend className="nbops-Unseen">{trans.__('How often')}</legend>
            <Mode label={trans.__('Run once')} checked={!sweep} choose={() => setSweep(false)} />
            <Mode
              label={trans.__('Sweep: several values per parameter')}
              checked={sweep}
              choose={() => setSweep(true)}
            />
          </fieldset>
        )}
        {sweep && (
          <p className="nbops-Quiet">
            {trans.__('Give one value per line, or several between commas. Every combination is run.')}
          </p>
        )}
        {form.parameters.map((field, index) => (
          <FieldLine
            key={field.name}
            first={index === 0}
            field={field}
            sweep={sweep}
            text={texts[field.name] ?? field.default}
            problem={told(check, field.name)}
            onText={text => setTexts(before => ({ ...before, [field.name]: text }))}
          />
        ))}
        {general.map(problem => (
          <Notice key={problem.message} kind="error" title={problem.message}>
            {problem.hint}
          </Notice>
        ))}
        {failed && <ProblemNotice problem={failed} />}
        {refused && <ProblemNotice problem={refused} />}
        <label className="nbops-Check">
          <input
            type="checkbox"
            checked={force}
            onChange={event => setForce(event.target.checked)}
          />
          {trans.__('Run even if nothing has changed since the last time')}
        </label>
        <Command text={check?.command ?? ''} />
      </div>
      <footer className="nbops-Modal-foot">
        <span className="nbops-Quiet" role="status">
          {reason ?? (sweep ? trans._n('%1 run', '%1 runs', runs) : '')}
        </span>
        <Button label={trans.__('Cancel')} onClick={() => props.close(null)} />
        <button
          type="submit"
          className="jp-mod-styled jp-mod-accept nbops-Button"
          aria-disabled={Boolean(reason)}
        >
          {sweep ? trans.__('Run sweep') : trans.__('Run now')}
        </button>
      </footer>
    </form>
  );
}

/** What the server thinks of an order, asked once typing pauses, and again for another form. */
function useCheck(
  ordered: object & Parameters<Surface['api']['check']>[0],
  form: Form
): {
  check: Check | null;
  failed: Problem | null;
} {
  const { api } = useSurface();
  const [check, setCheck] = React.useState<Check | null>(null);
  const [failed, setFailed] = React.useState<Problem | null>(null);
  React.useEffect(() => {
    let over = false;
    const timer = window.setTimeout(async () => {
      try {
        const found = await api.check(ordered);
        if (!over) {
          setCheck(found);
          setFailed(null);
        }
      } catch (error) {
        if (!over) {
          setFailed(error as Problem);
        }
      }
    }, PAUSE);
    return () => {
      over = true;
      window.clearTimeout(timer);
    };
  }, [JSON.stringify(ordered), form]);
  return { check, failed };
}

function hasField(form: Form, name: string | null): boolean {
  return form.parameters.some(field => field.name === name);
}

function told(check: Check | null, name: string): string | null {
  const found = check?.problems.filter(problem => problem.name === name) ?? [];
  return found.length
    ? found.map(problem => `${problem.message} ${problem.hint}`.trim()).join(' ')
    : null;
}

function Mode(props: { label: string; checked: boolean; choose: () => void }): JSX.Element {
  return (
    <label className="nbops-Check">
      <input type="radio" name="nbops-mode" checked={props.checked} onChange={props.choose} />
      {props.label}
    </label>
  );
}

function NoParameters(props: { form: Form; notebook: string; reload: () => void }): JSX.Element {
  const { trans, act } = useSurface();
  const { proposal } = props.form;
  const tag = async (): Promise<void> => {
    await act('nbops:tag-parameters', { path: props.notebook, cell: proposal?.cell ?? 0 });
    props.reload();
  };
  return (
    <Notice kind="info" title={trans.__('No cell of this notebook is tagged “parameters”.')}>
      {proposal ? (
        <>
          <p>
            {trans.__(
              'Cell %1 looks like one: it sets %2.',
              proposal.cell + 1,
              proposal.names.join(', ')
            )}
          </p>
          <Button label={trans.__('Tag that cell')} onClick={() => void tag()} />
        </>
      ) : (
        <p>{trans.__('It runs as it is. Tag a cell to give its values a form here.')}</p>
      )}
    </Notice>
  );
}

function Command({ text }: { text: string }): JSX.Element {
  const { trans } = useSurface();
  const [copied, setCopied] = React.useState(false);
  React.useEffect(() => setCopied(false), [text]);
  const copy = (): void => {
    Clipboard.copyToSystem(text);
    setCopied(true);
  };
  return (
    <div className="nbops-Command">
      <span className="nbops-Quiet">{trans.__('As a command, in the notebook’s folder')}</span>
      <pre tabIndex={0} aria-label={trans.__('As a command')}>
        {text}
      </pre>
      <Button label={copied ? trans.__('Copied') : trans.__('Copy')} onClick={copy} />
    </div>
  );
}
