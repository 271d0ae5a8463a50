/** The run dialog: the parameters of a notebook or a pipeline as a form, checked by the server while one types; run now, or on time. */
import { Clipboard } from '@jupyterlab/apputils';
import * as React from 'react';

import type { Check, Field, Form, Mode, Runnable, Timing } from '../api';
import { Problem } from '../api';
import { modal } from '../parts/modal';
import { Notice, ProblemNotice, Skeleton } from '../parts/notice';
import { Button } from '../parts/small';
import { type Surface, useSurface } from '../surface';
import { FieldLine } from './field';
import { order, points } from './texts';
import { told, usually, When } from './when';

/** A pause in typing, in milliseconds, after which the server is asked what it thinks. */
const PAUSE = 250;

/** A run that has begun, or what became of a schedule. */
export type Done = { id: string; unchanged?: boolean } | { message: string };

/**
 * Let somebody fill in the form of a notebook or a pipeline and run it, or have it run on time; null when they leave it. `texts` are
 * filled in already, with several values per field when it is a sweep.
 */
export function runDialog(
  surface: Surface,
  of: Runnable,
  texts: Record<string, string> = {},
  mode: Mode = 'once'
): Promise<Done | null> {
  const { trans } = surface;
  const title = trans.__('Run %1', of.path.split('/').pop() || trans.__('pipeline'));
  return modal<Done>(surface, title, close => <RunDialog of={of} texts={texts} mode={mode} close={close} />);
}

interface Props {
  of: Runnable;
  texts: Record<string, string>;
  mode: Mode;
  close: (done: Done | null) => void;
}

function RunDialog(props: Props): JSX.Element {
  const { api, trans } = useSurface();
  const { of } = props;
  const [mode, setMode] = React.useState(props.mode);
  const [chosen, choose] = React.useState<boolean | null>(null);
  const [form, setForm] = React.useState<Form | null>(null);
  const [problem, setProblem] = React.useState<Problem | null>(null);
  // On time runs what was released, unless somebody wants it otherwise.
  const release = chosen ?? (mode === 'schedule' && Boolean(form?.release));
  const load = (): (() => void) => {
    let over = false;
    setProblem(null);
    api.form(of, release).then(
      found => !over && setForm(found),
      error => !over && setProblem(error as Problem)
    );
    return () => {
      over = true;
    };
  };
  React.useEffect(load, [release]);
  if (form) {
    return (
      <Filled
        {...props}
        form={form}
        mode={mode}
        setMode={setMode}
        release={release}
        choose={choose}
        unread={problem}
        reload={load}
      />
    );
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

interface FilledProps extends Props {
  form: Form;
  setMode: (mode: Mode) => void;
  release: boolean;
  choose: (release: boolean) => void;
  /** Why the form of another release cannot be shown. */
  unread: Problem | null;
  reload: () => void;
}

function Filled(props: FilledProps): JSX.Element {
  const { api, trans } = useSurface();
  const { form, of, mode, release, unread } = props;
  const [texts, setTexts] = React.useState(props.texts);
  const [force, setForce] = React.useState(false);
  const [timing, setTiming] = React.useState<Timing>(() => ({ ...usually(), ...form.timing }));
  const [starting, setStarting] = React.useState(false);
  const [refused, setRefused] = React.useState<Problem | null>(null);
  const sweep = mode === 'sweep';
  const schedule = mode === 'schedule';
  const ordered = order(form.parameters, texts, sweep, force, release);
  const wish = { ...timing, working_tree: of.pipeline && !release, values: ordered.values };
  const { check, failed } = useCheck([mode, ordered, schedule && wish, form], () =>
    schedule ? api.checkSchedule(of, wish) : api.check(of, ordered)
  );
  const runs = points(ordered.grid);
  const reason = whyNot();

  function whyNot(): string | undefined {
    if (form.problem) {
      return form.problem;
    }
    if (starting) {
      return schedule ? trans.__('It is being saved.') : trans.__('It is being started.');
    }
    if (unread || check?.problems.length || check?.timing?.length) {
      return trans.__('Some values are refused.');
    }
    return sweep && runs < 2 ? trans.__('Give a parameter several values.') : undefined;
  }

  const start = async (): Promise<void> => {
    setStarting(true);
    setRefused(null);
    try {
      props.close(await (schedule ? api.addSchedule(of, wish) : api.start(of, ordered)));
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
          <NoParameters form={form} notebook={of.path} reload={props.reload} />
        )}
        <Modes of={of} form={form} mode={mode} setMode={props.setMode} />
        {sweep && (
          <p className="nbops-Quiet">
            {trans.__('Give one value per line, or several between commas. Every combination is run.')}
          </p>
        )}
        {schedule && <When timing={timing} check={check} onTiming={setTiming} />}
        {of.pipeline && (
          <Released form={form} release={release} schedule={schedule} choose={props.choose} />
        )}
        {unread && <ProblemNotice problem={unread} />}
        {schedule && form.parameters.length > 0 && (
          <p className="nbops-Quiet">
            {trans.__(
              'In a text or a date, {date} stands for the day that it is run for, and {start} and {end} for the stretch of time.'
            )}
          </p>
        )}
        {form.parameters.map((field, index) => (
          <React.Fragment key={field.name}>
            {field.group && field.group !== form.parameters[index - 1]?.group && <h2>{field.group}</h2>}
            <FieldLine
              first={index === 0 && !schedule}
              field={field}
              sweep={sweep}
              free={schedule}
              text={texts[field.name] ?? field.default}
              problem={told(check?.problems, field.name)}
              onText={text => setTexts(before => ({ ...before, [field.name]: text }))}
            />
          </React.Fragment>
        ))}
        {general.map(problem => (
          <Notice key={problem.message} kind="error" title={problem.message}>
            {problem.hint}
          </Notice>
        ))}
        {failed && <ProblemNotice problem={failed} />}
        {refused && <ProblemNotice problem={refused} />}
        {!schedule && (
          <label className="nbops-Check">
            <input
              type="checkbox"
              checked={force}
              onChange={event => setForce(event.target.checked)}
            />
            {trans.__('Run even if nothing has changed since the last time')}
          </label>
        )}
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
          {schedule ? trans.__('Save schedule') : sweep ? trans.__('Run sweep') : trans.__('Run now')}
        </button>
      </footer>
    </form>
  );
}

/** What the server thinks of what stands in a form, asked once typing pauses, and again whenever that is another. */
function useCheck(
  of: unknown[],
  ask: () => Promise<Check>
): {
  check: Check | null;
  failed: Problem | null;
} {
  const [check, setCheck] = React.useState<Check | null>(null);
  const [failed, setFailed] = React.useState<Problem | null>(null);
  React.useEffect(() => {
    let over = false;
    const timer = window.setTimeout(async () => {
      try {
        const found = await ask();
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
  }, [JSON.stringify(of)]);
  return { check, failed };
}

function hasField(form: Form, name: string | null): boolean {
  return form.parameters.some((field: Field) => field.name === name);
}

function Modes(props: { of: Runnable; form: Form; mode: Mode; setMode: (mode: Mode) => void }): JSX.Element {
  const { trans } = useSurface();
  const choices: [Mode, string][] = [['once', trans.__('Run once')]];
  if (!props.of.pipeline && props.form.parameters.length) {
    choices.push(['sweep', trans.__('Sweep: several values per parameter')]);
  }
  choices.push(['schedule', trans.__('Save as schedule')]);
  return <Choice label={trans.__('How often')} choices={choices} chosen={props.mode} choose={props.setMode} />;
}

function Choice<Key extends string>(props: {
  label: string;
  choices: [Key, string][];
  chosen: Key;
  choose: (key: Key) => void;
}): JSX.Element {
  const name = React.useId();
  return (
    <fieldset className="nbops-Modes">
      <legend className="nbops-Unseen">{props.label}</legend>
      {props.choices.map(([key, words]) => (
        <label key={key} className="nbops-Check">
          <input
            type="radio"
            name={name}
            checked={key === props.chosen}
            onChange={() => props.choose(key)}
          />
          {words}
        </label>
      ))}
    </fieldset>
  );
}

/** What of a folder is run: what it holds, or what was released. */
function Released(props: {
  form: Form;
  release: boolean;
  schedule: boolean;
  choose: (release: boolean) => void;
}): JSX.Element | null {
  const { trans } = useSurface();
  const { form, release, schedule } = props;
  if (!form.release) {
    return schedule ? (
      <p className="nbops-Quiet">
        {trans.__('It has no release, so it runs the folder as it is at that moment, with what somebody is editing.')}
      </p>
    ) : null;
  }
  const means = release
    ? trans.__('It runs what was released, whatever somebody edits meanwhile.')
    : schedule
      ? trans.__('It runs the folder as it is at that moment, with what somebody is editing.')
      : trans.__('It runs the folder as it is now.');
  return (
    <>
      <Choice
        label={trans.__('What is run')}
        choices={[
          ['release', trans.__('Release %1, the current one', form.release)],
          ['tree', trans.__('The working tree')]
        ]}
        chosen={release ? 'release' : 'tree'}
        choose={key => props.choose(key === 'release')}
      />
      <p className="nbops-Quiet">
        {means} {form.differs}
      </p>
    </>
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
      <span className="nbops-Quiet">{trans.__('As a command, where it lies')}</span>
      <pre tabIndex={0} aria-label={trans.__('As a command')}>
        {text}
      </pre>
      <Button label={copied ? trans.__('Copied') : trans.__('Copy')} onClick={copy} />
    </div>
  );
}
