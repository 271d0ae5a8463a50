/** The sidebar: what needs somebody, the latest runs, the models, the data; each a line, moved through by arrow keys. */
import { ReactWidget } from '@jupyterlab/apputils';
import type { Message } from '@lumino/messaging';
import * as React from 'react';

import { type Desk, type Filtered, needing, needy } from '../desk';
import { nbopsIcon } from '../icons';
import { Notice, ProblemNotice, Skeleton } from '../parts/notice';
import { Button, Link } from '../parts/small';
import { useSource } from '../source';
import { type Surface, SurfaceContext, useSurface } from '../surface';
import { ApprovalLine, DataLine, IncidentLine, ModelLine, NeedLine, ReviewLine, RunLine } from './lines';

export class Panel extends ReactWidget {
  constructor(
    private readonly _surface: Surface,
    private readonly _desk: Desk
  ) {
    super();
    const { trans } = _surface;
    this.id = 'nbops-panel';
    this.addClass('nbops-Panel');
    this.title.icon = nbopsIcon;
    this.title.caption = trans.__('nbops: runs, models and data');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this.title.caption);
    _desk.board.changed.connect((_source, state) => {
      const count = state.value ? needing(state.value) : 0;
      const { 'nbops-count': _, ...others } = this.title.dataset;
      this.title.dataset = count
        ? { ...others, 'nbops-count': String(count) }
        : others;
      this.title.caption = count
        ? trans._n('nbops: %1 thing needs you', 'nbops: %1 things need you', count)
        : trans.__('nbops: runs, models and data');
    });
  }

  /** Put the focus into the filter. */
  protected onActivateRequest(): void {
    this.node.querySelector<HTMLElement>('input')?.focus();
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._desk.opened(true);
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._desk.opened(false);
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._desk.opened(this.isVisible);
  }

  protected render(): JSX.Element {
    return (
      <SurfaceContext.Provider value={this._surface}>
        <PanelView desk={this._desk} />
      </SurfaceContext.Provider>
    );
  }
}

function PanelView({ desk }: { desk: Desk }): JSX.Element {
  const { trans, act } = useSurface();
  const { value, problem, at } = useSource(desk.board);
  return (
    <div
      className="nbops-Panel-content"
      aria-busy={!value && !problem}
      onKeyDown={moveFocus}
    >
      <header className="nbops-Panel-head">
        <div className="nbops-Panel-title">
          <span title={trans.__('The project that is shown')}>
            {value?.project ?? 'nbops'}
          </span>
          <span className="nbops-Actions">
            <Link onClick={() => void act('nbops:run-notebook')}>
              {trans.__('Run…')}
            </Link>
            <Link onClick={() => void act('nbops:compare')}>
              {trans.__('Compare…')}
            </Link>
            <Link onClick={() => void act('nbops:refresh')}>
              {trans.__('Refresh')}
            </Link>
          </span>
        </div>
        <Filter desk={desk} />
      </header>
      {problem && (
        <ProblemNotice
          problem={problem}
          at={at}
          onRetry={() => desk.board.refresh()}
        />
      )}
      {value ? <Lists board={value} desk={desk} /> : !problem && <Skeleton />}
    </div>
  );
}

function Filter({ desk }: { desk: Desk }): JSX.Element {
  const { trans } = useSurface();
  const [text, setText] = React.useState(desk.text);
  React.useEffect(() => {
    if (text === desk.text) {
      return;
    }
    const timer = window.setTimeout(() => desk.filter(text), 200);
    return () => window.clearTimeout(timer);
  }, [text]);
  return (
    <input
      type="search"
      className="jp-mod-styled nbops-Filter"
      placeholder={trans.__('Filter runs')}
      aria-label={trans.__('Filter runs by title, name, experiment, state or id')}
      value={text}
      onChange={event => setText(event.target.value)}
    />
  );
}

function Lists(props: { board: Filtered; desk: Desk }): JSX.Element {
  const { trans, act } = useSurface();
  const { board, desk } = props;
  const wanted = board.text.toLowerCase();
  const models = board.models.filter(model =>
    model.name.toLowerCase().includes(wanted)
  );
  const data = board.data.filter(row => row.name.toLowerCase().includes(wanted));
  const stale = needy(board);
  if (!wanted && !board.runs.length && !models.length && !data.length) {
    return (
      <Notice kind="info" title={trans.__('Nothing has run here yet.')}>
        <p>
          {trans.__(
            'Run a notebook from its toolbar, or begin a run in one with a few lines.'
          )}
        </p>
        <Button
          accent
          label={trans.__('Insert an example')}
          onClick={() => void act('nbops:insert-example')}
        />
      </Notice>
    );
  }
  return (
    <>
      {needing(board) > 0 && (
        <List
          title={trans.__('Needs you')}
          about={trans.__(
            'Reviews and steps of pipelines that wait for an answer, what is wrong with models in use, runs that failed or were lost, data that is late. A review or a step leaves this list when it is decided, an incident when it is over or muted, a run when its notebook or pipeline has run again and finished, data when it is collected.'
          )}
          count={needing(board)}
          urgent
        >
          {board.incidents.map(row => (
            <IncidentLine key={row.incident_id} row={row} folder={board.folder} />
          ))}
          {board.reviews.map(row => (
            <ReviewLine key={row.review_id} row={row} folder={board.folder} />
          ))}
          {board.approvals.map(row => (
            <ApprovalLine key={`${row.run}/${row.task}`} row={row} folder={board.folder} />
          ))}
          {board.needs.map(row => (
            <RunLine key={row.id} row={row} folder={board.folder} />
          ))}
          {stale.map(row => (
            <NeedLine key={row.name} row={row} folder={board.folder} />
          ))}
        </List>
      )}
      <List title={trans.__('Runs')} count={board.runs.length} more={board.more}>
        {board.runs.map(row => (
          <RunLine key={row.id} row={row} folder={board.folder} />
        ))}
        {!board.runs.length && (
          <li className="nbops-Empty">
            {wanted
              ? trans.__('No run matches “%1”.', board.text)
              : trans.__('No runs yet.')}
          </li>
        )}
        {board.more && board.runs.length < 200 && (
          <li className="nbops-Empty">
            <Link onClick={() => desk.more()}>{trans.__('Show more')}</Link>
          </li>
        )}
      </List>
      <List title={trans.__('Models')} count={models.length}>
        {models.map(model => (
          <ModelLine key={model.name} model={model} folder={board.folder} />
        ))}
        {!models.length && (
          <li className="nbops-Empty">
            {wanted && board.models.length
              ? trans.__('No model matches “%1”.', board.text)
              : trans.__('No models registered yet.')}
          </li>
        )}
      </List>
      {board.data.length > 0 && (
        <List title={trans.__('Data')} count={data.length}>
          {data.map(row => (
            <DataLine key={row.name} row={row} folder={board.folder} />
          ))}
          {!data.length && (
            <li className="nbops-Empty">{trans.__('No data matches “%1”.', board.text)}</li>
          )}
        </List>
      )}
    </>
  );
}

function List(props: {
  title: string;
  about?: string;
  count: number;
  more?: boolean;
  urgent?: boolean;
  children: React.ReactNode;
}): JSX.Element {
  return (
    <details className="nbops-List" open>
      <summary title={props.about}>
        {props.title}
        <span
          className={props.urgent ? 'nbops-Count nbops-mod-urgent' : 'nbops-Count'}
        >
          {props.count}
          {props.more && '+'}
        </span>
      </summary>
      <ul>{props.children}</ul>
    </details>
  );
}

/** Arrow keys go from line to line, from the filter too; Enter is the button's own. */
function moveFocus(event: React.KeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) {
    return;
  }
  const stops = [
    ...event.currentTarget.querySelectorAll<HTMLElement>(
      'input, summary, details[open] .nbops-Line'
    )
  ];
  const next = stops[stops.indexOf(document.activeElement as HTMLElement) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
}
