/** A source of data: how fresh it is, and what its contract found, what is set aside, its versions, as the server draws them. */
import * as React from 'react';

import type { DataSheet, Folder } from '../api';
import { Notice } from '../parts/notice';
import { Page } from '../parts/page';
import { Button, DataMark, Drawn, Section, Tables } from '../parts/small';
import { type Surface, useSurface } from '../surface';
import { number } from '../words';

export class DataPage extends Page<DataSheet> {
  constructor(
    surface: Surface,
    readonly subject: { name: string; folder: Folder }
  ) {
    super(surface, subject, surface.trans.__('Data %1', subject.name));
  }

  protected ask(): Promise<DataSheet> {
    return this.surface.api.data(this.subject.folder, this.subject.name);
  }

  protected draw(sheet: DataSheet): JSX.Element {
    return <DataView sheet={sheet} onRefresh={() => this.source.refresh()} />;
  }
}

function DataView(props: { sheet: DataSheet; onRefresh: () => void }): JSX.Element {
  const { trans } = useSurface();
  const { sheet } = props;
  const facts = [
    sheet.version !== null && trans.__('version %1', sheet.version),
    sheet.rows !== null && trans._n('%1 row', '%1 rows', sheet.rows),
    sheet.quarantined > 0 && trans.__('%1 in quarantine', number(sheet.quarantined))
  ].filter((fact): fact is string => Boolean(fact));
  return (
    <>
      <header className="nbops-Head">
        <h1>
          <span className="nbops-Quiet">{trans.__('Data')}</span> {sheet.name}
        </h1>
        <p className="nbops-Facts">
          <DataMark state={sheet.state} word />
          {facts.map(fact => (
            <span key={fact}>{fact}</span>
          ))}
        </p>
        {sheet.needs && <Notice kind="warning" title={`${sheet.needs.replace(/\.$/, '')}.`} />}
        <div className="nbops-Buttons">
          <Button label={trans.__('Refresh')} onClick={props.onRefresh} />
        </div>
        <Drawn html={sheet.facts} />
      </header>
      {sheet.parts.map(part => (
        <Section key={part.key} title={part.title}>
          <Tables label={part.title} html={part.html} />
        </Section>
      ))}
    </>
  );
}
