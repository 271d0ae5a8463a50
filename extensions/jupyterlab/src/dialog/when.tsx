/** When something is run from now on: in simple words or as a cron expression. What that means the server says. */
import * as React from 'react';

import type { Check, Refusal, Timing } from '../api';
import { useSurface } from '../surface';
import { Row } from './row';

const DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];

/** What a form about time begins with; the zone is the reader's. */
export function usually(): Timing {
  const tz = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
  return { name: '', often: 'daily', at: '06:00', day: DAYS[0] ?? '', cron: '', tz, missed: 'latest' };
}

/** Why what stands in a field is refused, in one text. */
export function told(refusals: Refusal[] | undefined, name: string): string | null {
  const found = refusals?.filter(one => one.name === name) ?? [];
  return found.map(one => `${one.message} ${one.hint}`.trim()).join(' ') || null;
}

export function When(props: {
  timing: Timing;
  check: Check | null;
  onTiming: (timing: Timing) => void;
}): JSX.Element {
  const { trans } = useSurface();
  const { timing, check } = props;
  const zones = React.useId();
  const set = (part: Partial<Timing>): void => props.onTiming({ ...timing, ...part });
  const line = (
    key: 'name' | 'at' | 'cron' | 'tz',
    label: string,
    about: string,
    more: React.InputHTMLAttributes<HTMLInputElement> = {}
  ): JSX.Element => (
    <Row
      words
      label={label}
      about={about}
      problem={told(check?.timing, key)}
      draw={shared => (
        <input
          className="jp-mod-styled"
          value={timing[key]}
          autoComplete="off"
          spellCheck={false}
          onChange={event => set({ [key]: event.target.value })}
          {...more}
          {...shared}
        />
      )}
    />
  );
  const choice = <Key extends 'often' | 'day' | 'missed'>(
    key: Key,
    label: string,
    choices: [Timing[Key], string][],
    about = ''
  ): JSX.Element => (
    <Row
      words
      label={label}
      about={about}
      draw={shared => (
        <select
          className="jp-mod-styled"
          value={timing[key]}
          onChange={event => set({ [key]: event.target.value })}
          {...shared}
        >
          {choices.map(([value, words]) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
      )}
    />
  );
  return (
    <fieldset className="nbops-When">
      <legend className="nbops-Unseen">{trans.__('When')}</legend>
      {choice('often', trans.__('How often'), [
        ['daily', trans.__('Daily')],
        ['weekdays', trans.__('On weekdays')],
        ['weekly', trans.__('Weekly')],
        ['hourly', trans.__('Hourly')],
        ['cron', trans.__('As a cron expression says')]
      ])}
      {timing.often === 'weekly' && choice('day', trans.__('On'), DAYS.map((day, index) => [day, dayName(index)]))}
      {timing.often === 'cron'
        ? line('cron', trans.__('Expression'), trans.__('minute, hour, day of the month, month, weekday'), {
            placeholder: '30 6 * * 1-5'
          })
        : timing.often === 'hourly'
          ? line('at', trans.__('At minute'), '', {
              type: 'number',
              min: 0,
              max: 59,
              value: Number(timing.at.split(':').pop()),
              onChange: event => set({ at: `00:${event.target.value}` })
            })
          : line('at', trans.__('At'), '', { type: 'time' })}
      {line('tz', trans.__('Time zone'), trans.__('Hours are those of its clocks.'), { list: zones })}
      <datalist id={zones}>
        {Intl.supportedValuesOf('timeZone').map(zone => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
      {choice(
        'missed',
        trans.__('What was missed'),
        [
          ['latest', trans.__('Run the last time that has come')],
          ['skip', trans.__('Run none of it')],
          ['all', trans.__('Run the last 24, one after the other')]
        ],
        trans.__('Because the machine slept, or nothing looked.')
      )}
      {line('name', trans.__('Name'), '', { placeholder: trans.__('as what it runs') })}
      <p role="status">
        {check?.next?.length ? trans.__('Next: %1 (%2).', check.next.join(', '), timing.tz) : ''}
      </p>
    </fieldset>
  );
}

/** The name of a day of the week, from Monday, as the reader says it. */
function dayName(index: number): string {
  return new Date(2024, 0, 1 + index).toLocaleDateString(undefined, { weekday: 'long' });
}
