/** Which lines of several texts are not in all of them, in their order. */

export interface Line {
  text: string;
  only: boolean;
}

/** The lines of each text; `only` marks those that have no partner in some other one. Null stays null. */
export function marked(texts: (string | null)[]): (Line[] | null)[] {
  const lines = texts.map(text => text?.split('\n') ?? null);
  return lines.map((own, index) => {
    if (!own) {
      return null;
    }
    const others = lines.filter((other, place) => place !== index && other !== null);
    const shared = others.map(other => partners(own, other ?? []));
    return own.map((text, place) => ({
      text,
      only: shared.some(found => !found.has(place))
    }));
  });
}

/** So many pairs of lines are looked at; in what is longer a line's partner is any that reads the same. */
const MOST = 4_000_000;

/** Places in `own` of a longest common subsequence with `other`. */
function partners(own: string[], other: string[]): Set<number> {
  if (own.length * other.length > MOST) {
    const there = new Set(other);
    return new Set(own.map((text, place) => (there.has(text) ? place : -1)));
  }
  const lengths = Array.from({ length: own.length + 1 }, () =>
    new Uint32Array(other.length + 1)
  );
  const at = (i: number, j: number): number => lengths[i]?.[j] ?? 0;
  for (let i = own.length - 1; i >= 0; i--) {
    for (let j = other.length - 1; j >= 0; j--) {
      lengths[i]![j] =
        own[i] === other[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const found = new Set<number>();
  let [i, j] = [0, 0];
  while (i < own.length && j < other.length) {
    if (own[i] === other[j]) {
      found.add(i);
      i++;
      j++;
    } else if (at(i + 1, j) >= at(i, j + 1)) {
      i++;
    } else {
      j++;
    }
  }
  return found;
}
