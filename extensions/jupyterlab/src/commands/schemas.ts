/** What our commands take, as JSON schemas: for other extensions, for keyboard shortcuts, for whoever drives the page. */
import type { CommandRegistry } from '@lumino/commands';
import type { JSONObject } from '@lumino/coreutils';

import { COMPARED } from '../api';

const TEXT = { type: 'string' };

const KNOWN: Record<string, JSONObject> = {
  id: { ...TEXT, description: 'The whole id of a run, of a review, or of an incident.' },
  folder: { ...TEXT, description: 'A folder of the project, from the server’s root.' },
  path: { ...TEXT, description: 'The path of a notebook, or of a script that is a step, from the server’s root.' },
  name: { ...TEXT, description: 'The name of a model, of a source of data, or of a schedule.' },
  version: { type: 'integer', minimum: 1, description: 'The number of a version.' },
  alias: { ...TEXT, description: 'An alias of a model; champion where none is given.' },
  act: {
    enum: ['approve', 'reject', 'send back', 'answer', 'withdraw'],
    description: 'What is done about a review; asked where none is given.'
  },
  deed: {
    enum: ['acknowledge', 'mute', 'unmute', 'close', 'comment'],
    description: 'What is done about an incident; asked where none is given.'
  },
  task: { ...TEXT, description: 'The name of a task of a pipeline.' },
  resume: { ...TEXT, description: 'The whole id of a run to go on with.' },
  decision: {
    enum: ['approve', 'reject'],
    description: 'What is said to a step that waits; asked where none is given.'
  },
  change: {
    enum: ['run', 'pause', 'resume', 'remove'],
    description: 'What is done about a schedule; asked where none is given.'
  },
  schedule: { type: 'boolean', description: 'Begin with when it is to be run.' },
  cell: { type: 'integer', minimum: 0, description: 'The place of a cell, from 0.' },
  runs: { type: 'array', items: TEXT, maxItems: COMPARED, description: 'Whole ids of runs.' },
  choose: { type: 'boolean', description: 'Ask also when the runs are enough.' },
  selected: { type: 'boolean', description: 'Take what the file browser has selected.' },
  sweep: { type: 'boolean', description: 'Begin with several values per parameter.' },
  texts: {
    type: 'object',
    additionalProperties: TEXT,
    description: 'What stands in the form at first, by parameter.'
  }
};

/** The description of a command that takes these arguments, all of which may be left out. */
export function takes(...names: string[]): CommandRegistry.ICommandOptions['describedBy'] {
  const properties = Object.fromEntries(names.map(name => [name, KNOWN[name] ?? {}]));
  return { args: { type: 'object', properties, additionalProperties: true } };
}
