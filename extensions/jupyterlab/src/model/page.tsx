/** A model: its versions beside each other, what each came from, and which of them its aliases stand for. */
import * as React from 'react';

import { COMPARED, type Folder, type ModelSheet, type Version } from '../api';
import { Page } from '../parts/page';
import { Best, best, Button, Direction, Drawn, HealthMark, Link, Section, Table } from '../parts/small';
import { type Surface, useSurface } from '../surface';
import { moment, number } from '../words';
import { Sections } from './sections';

export class ModelPage extends Page<ModelSheet> {
  constructor(
    surface: Surface,
    readonly subject: { name: string; folder: Folder }
  ) {
    super(surface, subject, surface.trans.__('Model %1', subject.name));
  }

  protected ask(): Promise<ModelSheet> {
    return this.surface.api.model(this.subject.folder, this.subject.name);
  }

  protected draw(sheet: ModelSheet): JSX.Element {
    return <ModelView sheet={sheet} folder={this.subject.folder} />;
  }
}

function ModelView(props: { sheet: ModelSheet; folder: Folder }): JSX.Element {
  const { trans, act } = useSurface();
  const { sheet, folder } = props;
  const [chosen, choose] = React.useState<string[]>([]);
  const toggle = (run: string): void =>
    choose(chosen.includes(run) ? chosen.filter(one => one !== run) : [...chosen, run]);
  const refused =
    chosen.length < 2 || chosen.length > COMPARED ? trans.__('Tick two to four versions.') : undefined;
  return (
    <>
      <header className="nbops-Head">
        <h1>
          <span className="nbops-Quiet">{trans.__('Model')}</span> {sheet.name}
        </h1>
        <p className="nbops-Facts">
          {sheet.health && <HealthMark health={sheet.health} word />}
          {Object.entries(sheet.aliases).map(([alias, version]) => (
            <span key={alias}>{trans.__('%1: version %2', alias, version)}</span>
          ))}
          {!Object.keys(sheet.aliases).length && (
            <span className="nbops-Quiet">{trans.__('No alias stands for a version yet.')}</span>
          )}
        </p>
        <div className="nbops-Buttons">
          <Button
            accent
            label={trans.__('Propose a version…')}
            onClick={() => void act('nbops:propose', { name: sheet.name, folder })}
          />
          <Button
            label={trans.__('Roll back…')}
            refused={
              'champion' in sheet.aliases ? undefined : trans.__('There is no champion to roll back.')
            }
            onClick={() => void act('nbops:rollback', { name: sheet.name, folder })}
          />
          <Button
            label={trans.__('Compare versions')}
            refused={refused}
            onClick={() => void act('nbops:compare', { runs: chosen, folder })}
          />
          <span className="nbops-Quiet" role="status">
            {refused}
          </span>
        </div>
      </header>
      <Section title={trans.__('Versions')} count={sheet.versions.length}>
        <Versions sheet={sheet} folder={folder} chosen={chosen} toggle={toggle} />
      </Section>
      <Sections sheet={sheet} folder={folder} />
      {sheet.plot && (
        <Section title={trans.__('Versions across metrics and parameters')}>
          <Drawn html={sheet.plot} />
        </Section>
      )}
    </>
  );
}

function Versions(props: {
  sheet: ModelSheet;
  folder: Folder;
  chosen: string[];
  toggle: (run: string) => void;
}): JSX.Element {
  const { trans } = useSurface();
  const { versions, metrics } = props.sheet;
  const leaders = metrics.map(metric =>
    best(versions.map(version => version.metrics[metric.name]), metric.better)
  );
  const head = [
    <span className="nbops-Unseen">{trans.__('To compare')}</span>,
    trans.__('Version'),
    trans.__('State'),
    ...metrics.map(metric => (
      <>
        {metric.name}
        {metric.unit && <span className="nbops-Quiet"> {metric.unit}</span>}
        <Direction better={metric.better} />
      </>
    )),
    trans.__('Run'),
    trans.__('Registered'),
    trans.__('By'),
    trans.__('Notebook'),
    trans.__('Inputs'),
    trans.__('Description')
  ];
  return (
    <Table label={trans.__('Versions')} head={head}>
      {versions.map((version, index) => (
        <VersionLine
          key={version.version}
          version={version}
          metrics={metrics.map((metric, place) => ({
            name: metric.name,
            best: leaders[place]?.includes(index) ?? false
          }))}
          folder={props.folder}
          aliases={Object.keys(props.sheet.aliases).filter(
            alias => props.sheet.aliases[alias] === version.version
          )}
          chosen={props.chosen.includes(version.run)}
          toggle={() => props.toggle(version.run)}
        />
      ))}
    </Table>
  );
}

function VersionLine(props: {
  version: Version;
  metrics: { name: string; best: boolean }[];
  folder: Folder;
  aliases: string[];
  chosen: boolean;
  toggle: () => void;
}): JSX.Element {
  const { trans, act } = useSurface();
  const { version, folder } = props;
  return (
    <tr>
      <td>
        <input
          type="checkbox"
          checked={props.chosen}
          onChange={props.toggle}
          aria-label={trans.__('Compare version %1', version.version)}
        />
      </td>
      <th scope="row">
        {version.version}
        {props.aliases.map(alias => (
          <span key={alias} className="nbops-Best">
            {alias}
          </span>
        ))}
      </th>
      <td>{version.state}</td>
      {props.metrics.map(metric => (
        <td
          key={metric.name}
          className={metric.best ? 'nbops-Number nbops-mod-best' : 'nbops-Number'}
        >
          {metric.name in version.metrics ? number(version.metrics[metric.name] ?? null) : ''}
          {metric.best && <Best />}
        </td>
      ))}
      <td>
        <Link onClick={() => void act('nbops:open-run', { id: version.run, folder })}>
          {version.short}
        </Link>
      </td>
      <td className="nbops-Moment">{moment(version.created)}</td>
      <td>{version.actor}</td>
      <td>
        {version.notebook && (
          <Link onClick={() => void act('docmanager:open', { path: version.notebook })}>
            {version.notebook.split('/').pop()}
          </Link>
        )}
      </td>
      <td>
        {version.inputs.map(([name, digest]) => (
          <span key={name} className="nbops-Input" title={digest}>
            {name} <code>{digest.replace(/^\w+:/, '').slice(0, 8)}</code>
          </span>
        ))}
      </td>
      <td>{version.description ?? ''}</td>
    </tr>
  );
}
