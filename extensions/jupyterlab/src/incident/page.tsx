/** An incident: what is wrong since when, what was done, as the server draws it, and what can be done now. */
import * as React from 'react';

import type { Folder, IncidentSheet } from '../api';
import { Page } from '../parts/page';
import { Button, Link, SeverityMark, Tables } from '../parts/small';
import { type Surface, useSurface } from '../surface';
import { deedWord } from '../words';

interface Subject {
  id: string;
  folder: Folder;
}

export class IncidentPage extends Page<IncidentSheet> {
  constructor(
    surface: Surface,
    readonly subject: { id: string; folder: Folder }
  ) {
    super(surface, subject, surface.trans.__('Incident'));
  }

  protected ask(): Promise<IncidentSheet> {
    return this.surface.api.incident(this.subject.folder, this.subject.id);
  }

  protected draw(incident: IncidentSheet): JSX.Element {
    return <IncidentView incident={incident} subject={this.subject} />;
  }
}

function IncidentView(props: { incident: IncidentSheet; subject: Subject }): JSX.Element {
  const { trans, act, api } = useSurface();
  const { incident, subject } = props;
  const { folder, id } = subject;
  const states = {
    open: trans.__('open'),
    healed: trans.__('healed'),
    closed: trans.__('closed')
  };
  return (
    <>
      <header className="nbops-Head">
        <h1>
          <span className="nbops-Quiet">{trans.__('Incident')}</span>{' '}
          {trans.__('%1, %2', incident.name, incident.cause)}{' '}
          <code className="nbops-Quiet">{incident.short}</code>
        </h1>
        <p className="nbops-Facts">
          <SeverityMark severity={incident.severity} word />
          <span>{states[incident.status]}</span>
          {incident.acknowledged_by && (
            <span>{trans.__('%1 sees to it', incident.acknowledged_by)}</span>
          )}
          {incident.is_model && (
            <>
              <Link onClick={() => void act('nbops:open-model', { name: incident.name, folder })}>
                {trans.__('Show the model')}
              </Link>
              <a
                className="nbops-Link"
                href={api.monitoringPage(folder, incident.name)}
                target="_blank"
                rel="noopener"
              >
                {trans.__('Monitoring page')}
              </a>
            </>
          )}
        </p>
        <p>{incident.text}</p>
        <div className="nbops-Buttons">
          {incident.is_model && (
            <Button
              accent={incident.status === 'open'}
              label={trans.__('Investigate')}
              onClick={() => void act('nbops:investigate', { id, folder })}
            />
          )}
          {incident.choices.map(deed => (
            <Button
              key={deed}
              label={`${deedWord(deed, trans)}…`}
              onClick={() => void act('nbops:act-on-incident', { id, deed, folder })}
            />
          ))}
        </div>
      </header>
      <Tables label={trans.__('What was done')} html={incident.html} />
    </>
  );
}
