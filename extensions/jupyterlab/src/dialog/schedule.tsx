/** The dialogs of a schedule: pausing it, up to a time or until somebody lets it go on, and deleting it. */
import * as React from 'react';

import type { Folder } from '../api';
import { modal } from '../parts/modal';
import { type Surface, useSurface } from '../surface';
import { Reason } from './reason';
import { Row } from './row';

interface Props {
  folder: Folder;
  name: string;
  change: 'pause' | 'remove';
  close: (told: { message: string } | null) => void;
}

/** Pause or delete a schedule; null when somebody leaves it. */
export function scheduleDialog(
  surface: Surface,
  folder: Folder,
  name: string,
  change: 'pause' | 'remove'
): Promise<{ message: string } | null> {
  const { trans } = surface;
  const title = change === 'pause' ? trans.__('Pause %1', name) : trans.__('Delete %1', name);
  return modal<{ message: string }>(surface, title, close => (
    <ScheduleForm folder={folder} name={name} change={change} close={close} />
  ));
}

function ScheduleForm({ folder, name, change, close }: Props): JSX.Element {
  const { trans, api } = useSurface();
  const [until, setUntil] = React.useState('');
  const pauses = change === 'pause';
  return (
    <Reason
      optional
      label={trans.__('Why, for those who read it later')}
      button={pauses ? trans.__('Pause') : trans.__('Delete')}
      send={reason =>
        api.actOnSchedule(folder, name, {
          act: change,
          reason,
          until: pauses && until ? new Date(until).toISOString() : null
        })
      }
      close={close}
    >
      <p>
        {pauses
          ? trans.__('Nothing of it is begun until then; what runs goes on. What comes meanwhile is not made up for.')
          : trans.__('It is run no more. What it ran stays, and what runs goes on.')}
      </p>
      {pauses && (
        <Row
          words
          label={trans.__('Until')}
          about={trans.__('Leave it empty to pause it until somebody resumes it.')}
          draw={shared => (
            <input
              className="jp-mod-styled"
              type="datetime-local"
              value={until}
              onChange={event => setUntil(event.target.value)}
              {...shared}
            />
          )}
        />
      )}
    </Reason>
  );
}
