"""Where a model is worst, found without being told where to look: groups of rows by one or two conditions, and single rows.

Half of the rows are searched, the other half decides: what was found by trying many thousand groups says nothing about itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nbops.evaluation.grouping import groupings
from nbops.evaluation.means import Means, check_finite, check_lengths, means
from nbops.evaluation.searching import Candidate, search
from nbops.evaluation.telling import Scale, compared, estimate, share
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nbops.evaluation.arrays import Floats, Mask, Rows

_LEVEL = 0.95
_BINS, _VALUES = 10, 50
_MOST_SEARCHED = 100_000


class Worst(Record):
    """Rows for which all `conditions` hold, `rows` of all and a `share` of them.

    `metric` is their mean loss on the held-out rows, `rest` that of the others there, both without the rows of better finds; `difference`
    is the first minus the second with its interval, `p` the one-sided probability of such a difference by chance, adjusted for the number
    of finds (Holm 1979); `found` is the difference where it was searched, which is too large by the search. `also` are other conditions for
    about the same rows.
    """

    conditions: tuple[str, ...]
    rows: int
    share: float
    metric: float
    rest: float
    difference: float
    low: float
    high: float
    p: float
    confirmed: bool
    found: float
    also: tuple[str, ...]
    sentence: str


def worst_slices(
    frame: pd.DataFrame,
    losses: Floats,
    *,
    columns: Sequence[str] | None = None,
    scale: Scale | None = None,
    blocks: Rows | None = None,
    min_rows: int = 30,
    most: int = 10,
    seed: int = 0,
) -> tuple[Worst, ...]:
    """At most `most` groups of rows whose mean loss is higher than elsewhere by most, confirmed ones first.

    `losses` (n,) is one finite loss for each row of `frame` (n, any). A condition is a value of a column (the 50 most frequent), or an
    interval between tenths of its numbers. Groups of at least `min_rows` of the searched rows, of half a percent and of at most half of
    them, are ranked by the lower end of their effect (the difference of the means less three standard errors) times the square root of
    their rows: a small group has to be much worse. Of finds that share more than a quarter of their rows one is kept. `blocks` (n,),
    integer codes of what rows depend on each other, are searched or held out as a whole. A find is confirmed when its adjusted p is below
    0.05. At most 100,000 rows are searched. Raises NotFound and UsageError.
    """
    import numpy as np

    check_lengths(len(frame), losses=losses, blocks=blocks)
    check_finite(losses)
    told = scale or Scale("mean loss")
    searched = _half(len(frame), blocks, np.random.default_rng(seed))
    names = list(frame.columns) if columns is None else list(dict.fromkeys(columns))
    places = np.flatnonzero(searched)[:: 1 + int(searched.sum()) // _MOST_SEARCHED]
    properties = [one for name in names for one in groupings(frame, name, bins=_BINS, most=_VALUES)]
    kept = search(properties, losses, places, support=max(min_rows, len(places) // 200), most=most)
    return _checked(kept, losses, ~searched, blocks, told)


def worst_rows(losses: Floats, most: int = 50) -> Rows:
    """The positions of the rows with the largest losses (n,), the largest first and equal ones in their order; NaN is left out."""
    import numpy as np

    known = np.flatnonzero(~np.isnan(losses))
    if len(known) > most:
        border = np.partition(losses[known], len(known) - most)[len(known) - most]
        known = known[losses[known] >= border]
    return known[np.argsort(-losses[known], kind="stable")][:most]


def _half(rows: int, blocks: Rows | None, rng: np.random.Generator) -> Mask:
    """Which rows are searched: half of them, or of the blocks."""
    import numpy as np

    if blocks is None:
        return rng.permutation(rows) < rows // 2
    known, block = np.unique(blocks, return_inverse=True)
    found: Mask = (rng.permutation(len(known)) < len(known) // 2)[block]
    return found


def _checked(
    kept: Sequence[tuple[Candidate, list[str]]], losses: Floats, held: Mask, blocks: Rows | None, scale: Scale
) -> tuple[Worst, ...]:
    import numpy as np

    masks = [candidate.rows() for candidate, _ in kept]
    checks: list[Means] = []
    free = held.copy()
    for rows in masks:
        within = None if blocks is None else blocks[free]
        checks.append(means(losses[free], np.where(rows[free], 0, -1), 1, within))
        free &= ~rows
    chances = _holm([float(np.nan_to_num(check.difference.p_above()[0], nan=1.0)) for check in checks])
    found: list[Worst] = []
    for (candidate, also), rows, check, p in zip(kept, masks, checks, chances, strict=True):
        own, apart = check.mean.interval(_LEVEL), check.difference.interval(_LEVEL)
        metric, difference = float(check.mean.value[0]), float(check.difference.value[0])
        ends = float(apart[0][0]), float(apart[1][0])
        count, confirmed = int(rows.sum()), p < 1 - _LEVEL
        words = (
            f"{candidate.told}: {scale.name} {estimate(metric, float(own[0][0]), float(own[1][0]), scale.unit)}"
            f" on {values.counted(count, 'row')} ({share(count / len(losses))}), {compared(scale, difference, *ends, 'elsewhere')};"
            f" {'confirmed' if confirmed else 'not confirmed'} on held-out rows."
        )
        conditions = tuple(span.told for span in candidate.spans)
        found.append(
            Worst(
                conditions,
                count,
                count / len(losses),
                metric,
                float(check.rest[0]),
                difference,
                *ends,
                p,
                confirmed,
                candidate.effect,
                tuple(also),
                words,
            )
        )
    return tuple(sorted(found, key=lambda one: (not one.confirmed, -np.nan_to_num(one.difference, nan=-np.inf))))


def _holm(chances: Sequence[float]) -> list[float]:
    """Adjusted for their number (Holm 1979)."""
    adjusted, highest = [0.0] * len(chances), 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=lambda place: chances[place])):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[place]))
        adjusted[place] = highest
    return adjusted
