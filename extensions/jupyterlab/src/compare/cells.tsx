/** Cells of several notebooks in columns: code with the lines marked that not all have, outputs made visible untrusted. */
import type { IOutput } from '@jupyterlab/nbformat';
import { OutputAreaModel, SimplifiedOutputArea } from '@jupyterlab/outputarea';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import type { ComparedCell, ComparedCells } from '../api';
import { useSurface } from '../surface';
import { marked } from './lines';

export function Cells(props: { cells: ComparedCells; labels: string[] }): JSX.Element {
  return (
    <>
      {props.cells.cells.map((cell, index) => (
        <Cell key={index} cell={cell} labels={props.labels} />
      ))}
    </>
  );
}

function Cell(props: { cell: ComparedCell; labels: string[] }): JSX.Element {
  const { trans } = useSurface();
  const { cell, labels } = props;
  const sources = cell.source_same ? cell.sources.map(unmarked) : marked(cell.sources);
  const some = cell.outputs.some(outputs => outputs?.length);
  return (
    <div className="nbops-Cell">
      <div className={`nbops-Beside nbops-mod-${labels.length}`}>
        {sources.map((lines, index) => (
          <div key={index} className="nbops-Source">
            {lines === null ? (
              <p className="nbops-Quiet">{trans.__('No such cell')}</p>
            ) : (
              <pre tabIndex={0} aria-label={trans.__('Code of %1', labels[index] ?? '')}>
                {lines.map((line, place) => (
                  <span key={place} className={line.only ? 'nbops-mod-only' : ''}>
                    {line.text}
                    {'\n'}
                  </span>
                ))}
              </pre>
            )}
          </div>
        ))}
      </div>
      {some && (
        <div className={`nbops-Beside nbops-mod-${labels.length}`}>
          {cell.outputs.map((outputs, index) => (
            <div key={index} className="nbops-Outputs">
              {outputs && <Outputs outputs={outputs} label={labels[index] ?? ''} />}
            </div>
          ))}
        </div>
      )}
    </div>
  );
}

function unmarked(source: string | null): { text: string; only: boolean }[] | null {
  return source?.split('\n').map(text => ({ text, only: false })) ?? null;
}

/** Outputs as a notebook shows them that nobody trusts: HTML is cleaned and no script runs. */
function Outputs(props: { outputs: IOutput[]; label: string }): JSX.Element {
  const { trans, rendermime } = useSurface();
  const place = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    const host = place.current;
    if (!host) {
      return;
    }
    const model = new OutputAreaModel({ values: props.outputs, trusted: false });
    const area = new SimplifiedOutputArea({ model, rendermime });
    // React owns the host: the area is attached by hand, as the host may not be in the page yet.
    MessageLoop.sendMessage(area, Widget.Msg.BeforeAttach);
    host.append(area.node);
    MessageLoop.sendMessage(area, Widget.Msg.AfterAttach);
    return () => {
      area.dispose();
      model.dispose();
    };
  }, [props.outputs]);
  return (
    <div
      ref={place}
      role="region"
      tabIndex={0}
      aria-label={trans.__('Outputs of %1', props.label)}
    />
  );
}
