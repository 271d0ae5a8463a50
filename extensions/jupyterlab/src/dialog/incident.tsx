/** The dialog of an incident: what is wrong, what somebody says to it, and for a mute when it ends. */
import * as React from 'react';

import type { Deed, Folder, IncidentSheet } from '../api';
import { modal } from '../parts/modal';
import { SeverityMark } from '../parts/small';
import { type Surface, useSurface } from '../surface';
import { deedWord } from '../words';
import { Reason } from './reason';

/** What can be said, but need not be. */
const WORDLESS: Deed[] = ['acknowledge', 'unmute'];
const WEEK = 7;

interface Props {
  folder: Folder;
  incident: IncidentSheet;
  deed: Deed;
  close: (told: { message: string } | null) => void;
}

/** Do something about an incident; null when somebody leaves it. */
export function deedDialog(
  surface: Surface,
  folder: Folder,
  incident: IncidentSheet,
  deed: Deed
): Promise<{ message: string } | null> {
  const { trans } = surface;
  const title = trans.__('%1 incident %2 of %3', deedWord(deed, trans), incident.short, incident.name);
  return modal<{ message: string }>(surface, title, close => (
    <DeedForm folder={folder} incident={incident} deed={deed} close={close} />
  ));
}

function DeedForm({ folder, incident, deed, close }: Props): JSX.Element {
  const { trans, api } = useSurface();
  const [day, setDay] = React.useState(() => later(new Date(), WEEK));
  const id = React.useId();
  const asks = {
    acknowledge: trans.__('What you are going to do'),
    mute: trans.__('Why nobody needs to hear of it'),
    unmute: trans.__('Why it is told of again'),
    close: trans.__('Why it is over'),
    comment: trans.__('What others should know')
  };
  const until = deed === 'mute' ? ending(day) : null;
  return (
    <Reason
      label={asks[deed]}
      button={deedWord(deed, trans)}
      optional={WORDLESS.includes(deed)}
      refused={
        incident.choices.includes(deed)
          ? undefined
          : trans.__('This cannot be done to an incident that is %1.', incident.status)
      }
      send={reason => api.actOn(folder, incident.id, { act: deed, reason, until })}
      close={close}
    >
      <p>
        <SeverityMark severity={incident.severity} word /> {incident.text}
      </p>
      {deed === 'close' && (
        <p className="nbops-Quiet">
          {trans.__('Another is opened only by windows after those that are judged by now.')}
        </p>
      )}
      {deed === 'mute' && (
        <div className="nbops-Field nbops-mod-words">
          <label htmlFor={id}>{trans.__('Up to the end of')}</label>
          <div>
            <input
              id={id}
              type="date"
              className="jp-mod-styled"
              value={day}
              onChange={event => setDay(event.target.value)}
            />
            <p className="nbops-Quiet">
              {trans.__('Nobody is told of it until then; its windows are counted all the same.')}
            </p>
          </div>
        </div>
      )}
    </Reason>
  );
}

/** A day so many days later, as a date field has it. */
function later(from: Date, days: number): string {
  const day = new Date(from.getFullYear(), from.getMonth(), from.getDate() + days);
  const two = (part: number): string => String(part).padStart(2, '0');
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** When a day is over where the reader is; null for what is no day. */
function ending(day: string): string | null {
  const begins = new Date(`${day}T00:00`);
  if (Number.isNaN(begins.getTime())) {
    return null;
  }
  return new Date(`${later(begins, 1)}T00:00`).toISOString();
}
