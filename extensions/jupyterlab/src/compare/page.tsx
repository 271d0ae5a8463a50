/** Two to four runs beside each other: what differs of their values, their code and their outputs. */
import * as React from 'react';

import type { ComparedCells, Comparison, Folder } from '../api';
import { Notice } from '../parts/notice';
import { Page } from '../parts/page';
import { Button, Drawn, Link, Section, StatusMark } from '../parts/small';
import { type Surface, useSurface } from '../surface';
import { Cells } from './cells';
import { Values } from './values';

interface Both {
  values: Comparison;
  cells: ComparedCells;
}

export class ComparePage extends Page<Both> {
  private _everything = false;

  constructor(
    surface: Surface,
    readonly subject: { runs: string[]; folder: Folder }
  ) {
    super(surface, subject, surface.trans.__('Comparison of runs'));
  }

  protected async ask(): Promise<Both> {
    const { runs, folder } = this.subject;
    const [values, cells] = await Promise.all([
      this.surface.api.compare(folder, runs, this._everything),
      this.surface.api.compareCells(folder, runs, this._everything)
    ]);
    return { values, cells };
  }

  protected draw(both: Both): JSX.Element {
    const toggle = (everything: boolean): void => {
      this._everything = everything;
      this.source.refresh();
    };
    return <CompareView {...both} folder={this.subject.folder} toggle={toggle} />;
  }
}

function CompareView(
  props: Both & { folder: Folder; toggle: (everything: boolean) => void }
): JSX.Element {
  const { trans, act } = useSurface();
  const { values, cells, folder } = props;
  const [everything, setEverything] = React.useState(false);
  const runs = values.runs.map(run => run.id);
  const toggle = (event: React.ChangeEvent<HTMLInputElement>): void => {
    setEverything(event.target.checked);
    props.toggle(event.target.checked);
  };
  return (
    <>
      <header className="nbops-Head">
        <h1>{trans.__('Comparison of %1 runs', runs.length)}</h1>
        <div className="nbops-Buttons">
          <Button
            label={trans.__('Choose runs…')}
            onClick={() => void act('nbops:compare', { runs, folder, choose: true })}
          />
          <label className="nbops-Check">
            <input type="checkbox" checked={everything} onChange={toggle} />
            {trans.__('Show also what is the same')}
          </label>
        </div>
      </header>
      {values.note && <p className="nbops-Quiet">{values.note}</p>}
      <Section title={trans.__('Values')}>
        <Values values={values} folder={folder} />
      </Section>
      {values.plot && (
        <Section title={trans.__('Metrics and parameters across runs')}>
          <Drawn html={values.plot} />
        </Section>
      )}
      <Section title={trans.__('Code and outputs')}>
        {cells.missing.length > 0 && (
          <Notice
            kind="info"
            title={trans._n(
              '%1 run has no executed notebook.',
              '%1 runs have no executed notebook.',
              cells.missing.length
            )}
          >
            {trans.__('Its column is empty.')}
          </Notice>
        )}
        {cells.cells.length === 0 && (
          <p className="nbops-Quiet">
            {trans.__('No cell differs.')}
          </p>
        )}
        {cells.cells.length > 0 && (
          <>
            <div className={`nbops-Beside nbops-mod-${runs.length} nbops-Beside-head`}>
              {values.runs.map(run => (
                <div key={run.id}>
                  {run.status && <StatusMark status={run.status} />}{' '}
                  <Link onClick={() => void act('nbops:open-run', { id: run.id, folder })}>
                    {run.label}
                  </Link>
                </div>
              ))}
            </div>
            <Cells cells={cells} labels={values.runs.map(run => run.label)} />
          </>
        )}
        {cells.hidden > 0 && (
          <p className="nbops-Quiet">
            {trans._n(
              '%1 cell that is the same in all is not shown.',
              '%1 cells that are the same in all are not shown.',
              cells.hidden
            )}
          </p>
        )}
      </Section>
    </>
  );
}
