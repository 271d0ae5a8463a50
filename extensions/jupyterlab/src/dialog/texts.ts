/** From what stands in a form's fields to the texts of an order, and back. */
import type { Field, Order } from '../api';

/**
 * The several values of a field: one per line, or in one line between commas. JSON keeps its commas.
 */
export function several(text: string): string[] {
  const lines = text.includes('\n')
    ? text.split('\n')
    : /^\s*[[{"]/.test(text)
      ? [text]
      : text.split(',');
  return lines.map(line => line.trim()).filter(Boolean);
}

/** How the several values of each field stand there. */
export function written(grid: Record<string, string[]>): Record<string, string> {
  return Object.fromEntries(Object.entries(grid).map(([name, texts]) => [name, texts.join('\n')]));
}

/** What is ordered: only what differs from the notebook's own values, so that a command stays short. */
export function order(
  fields: Field[],
  texts: Record<string, string>,
  sweep: boolean,
  force: boolean,
  release: boolean
): Order {
  const made: Order = { values: {}, grid: {}, force, release };
  for (const field of fields) {
    const text = texts[field.name] ?? field.default;
    const found = sweep && field.widget !== 'secret' ? several(text) : [text];
    if (found.length > 1) {
      made.grid[field.name] = found;
    } else if (text !== field.default) {
      made.values[field.name] = found[0] ?? text;
    }
  }
  return made;
}

/** How many runs a grid makes. */
export function points(grid: Record<string, string[]>): number {
  return Object.values(grid).reduce((product, texts) => product * texts.length, 1);
}

/** A moment as a browser's field takes it; null when it cannot be shown there. */
export function forMoments(text: string): string | null {
  const found = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(:\d\d)?)$/.exec(text);
  return found ? `${found[1]}T${found[2]}` : null;
}

/** Whether a browser's field for numbers can show a text. */
export function isNumber(text: string): boolean {
  return text === '' || /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text);
}
