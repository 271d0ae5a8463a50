/** Choosing runs from the latest ones. */
import * as React from 'react';

import type { Board, Folder, Row } from '../api';
import { Problem } from '../api';
import { modal } from '../parts/modal';
import { ProblemNotice, Skeleton } from '../parts/notice';
import { Button, StatusMark } from '../parts/small';
import { type Surface, useSurface } from '../surface';
import { duration, moment } from '../words';

interface Choice {
  folder: Folder;
  title: string;
  least: number;
  most: number;
  chosen?: string[];
}

/** Ids of runs that somebody ticked; null when they leave it. */
export function chooseRuns(surface: Surface, choice: Choice): Promise<string[] | null> {
  return modal<string[]>(surface, choice.title, close => <Choose choice={choice} close={close} />);
}

function Choose(props: {
  choice: Choice;
  close: (chosen: string[] | null) => void;
}): JSX.Element {
  const { api, trans } = useSurface();
  const { folder, least, most } = props.choice;
  const [chosen, setChosen] = React.useState(props.choice.chosen ?? []);
  const [text, setText] = React.useState('');
  const [board, setBoard] = React.useState<Board | null>(null);
  const [problem, setProblem] = React.useState<Problem | null>(null);
  React.useEffect(() => {
    let over = false;
    const timer = window.setTimeout(
      () =>
        api.board(folder, text, 100).then(
          found => !over && (setBoard(found), setProblem(null)),
          error => !over && setProblem(error as Problem)
        ),
      text ? 200 : 0
    );
    return () => {
      over = true;
      window.clearTimeout(timer);
    };
  }, [text]);
  const toggle = (id: string): void => {
    if (most === 1) {
      setChosen([id]);
    } else {
      setChosen(chosen.includes(id) ? chosen.filter(one => one !== id) : [...chosen, id]);
    }
  };
  const count = chosen.length;
  const refused =
    count < least || count > most
      ? most === 1
        ? trans.__('Choose a run.')
        : trans.__('Choose %1 to %2; %3 are ticked.', least, most, count)
      : undefined;
  return (
    <div className="nbops-Modal-body">
      <input
        type="search"
        className="jp-mod-styled nbops-Filter"
        autoFocus
        placeholder={trans.__('Filter runs')}
        aria-label={trans.__('Filter runs')}
        value={text}
        onChange={event => setText(event.target.value)}
      />
      <div className="nbops-Modal-scroll">
        {problem && <ProblemNotice problem={problem} />}
        {!board && !problem && <Skeleton />}
        {board && !board.runs.length && (
          <p className="nbops-Quiet">{trans.__('No run matches.')}</p>
        )}
        <ul className="nbops-Plain">
          {board?.runs.map(row => (
            <Choosable
              key={row.id}
              row={row}
              one={most === 1}
              chosen={chosen.includes(row.id)}
              toggle={() => toggle(row.id)}
            />
          ))}
        </ul>
      </div>
      <footer className="nbops-Modal-foot">
        <span className="nbops-Quiet" role="status">
          {refused}
        </span>
        <Button label={trans.__('Cancel')} onClick={() => props.close(null)} />
        <Button
          accent
          label={most === 1 ? trans.__('Choose') : trans.__('Compare')}
          refused={refused}
          onClick={() => props.close(chosen)}
        />
      </footer>
    </div>
  );
}

function Choosable(props: {
  row: Row;
  one: boolean;
  chosen: boolean;
  toggle: () => void;
}): JSX.Element {
  const { row } = props;
  return (
    <li>
      <label className="nbops-Choice">
        <input
          type={props.one ? 'radio' : 'checkbox'}
          name="nbops-run"
          checked={props.chosen}
          onChange={props.toggle}
        />
        <StatusMark status={row.status} />
        <span className="nbops-Line-name">
          {row.title} <code className="nbops-Quiet">{row.short}</code>{' '}
          <span className="nbops-Quiet">{row.differs}</span>
        </span>
        <span className="nbops-Line-end">
          {moment(row.start)} · {duration(row.seconds)}
        </span>
      </label>
    </li>
  );
}
