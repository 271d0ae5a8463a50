"""A metric for each group of the rows that somebody named columns for: where the model is worse than elsewhere, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nbops.evaluation.bootstrap import reach
from nbops.evaluation.grouping import Grouping, groupings
from nbops.evaluation.means import check_lengths, means
from nbops.evaluation.telling import Scale, compared, estimate, share
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nbops.evaluation.arrays import Floats, Rows

    Measure = Callable[[Rows], float] | Floats

_LEVEL = 0.95
# More rows are not drawn at once: what they scatter less is known without drawing them.
_MOST_DRAWN = 2000


class Slice(Record):
    """One group of rows: its metric with an interval, and how far it lies from that of all other rows.

    `difference` is the slice's metric minus the rest's. `small` says that there are too few rows, or blocks, to rely on it. Figures that
    cannot be told are NaN.
    """

    column: str
    group: str
    rows: int
    share: float
    metric: float
    low: float
    high: float
    rest: float
    difference: float
    difference_low: float
    difference_high: float
    small: bool
    sentence: str


class _Found(NamedTuple):
    """What is known of a group: the metric, the rest's, and the ends of the metric's and the difference's intervals."""

    metric: float
    rest: float
    own: tuple[float, float]
    apart: tuple[float, float]
    blocks: int | None = None


def by_slices(
    frame: pd.DataFrame,
    columns: Sequence[str],
    measure: Measure,
    *,
    scale: Scale | None = None,
    blocks: Rows | None = None,
    min_rows: int = 30,
    draws: int = 200,
    seed: int = 0,
) -> tuple[Slice, ...]:
    """The groups of each column, from the one where the metric is worse than elsewhere by most.

    `measure` gives the metric of some rows by their positions in `frame` (n, any), or it is an array (n,) of which the metric is the mean:
    that is far faster, and its 95 % intervals are Student's (see `means`). Otherwise they come from `draws` bootstrap samples by the
    expanded percentile method (Hesterberg 2015); of a group of more than 2,000 rows so many are drawn, and their scatter scaled (Bickel,
    Götze and van Zwet 1997). With `blocks` (n,), integer codes of what rows depend on each other, whole blocks are drawn, for a group and
    the rest together; they are then drawn in full. Groups of fewer than `min_rows` rows, or of fewer than 5 blocks, are `small`. The order
    is by the difference, small groups included. Raises NotFound and UsageError.
    """
    import numpy as np

    told = scale or Scale()
    check_lengths(len(frame), losses=None if callable(measure) else measure, blocks=blocks)
    found: list[Slice] = []
    for grouping in (one for column in dict.fromkeys(columns) for one in groupings(frame, column)):
        if callable(measure):
            each = _drawn(grouping, measure, blocks, draws, np.random.default_rng(seed))
        else:
            each = _summed(grouping, measure, blocks)
        counts = np.bincount(grouping.codes, minlength=len(grouping.names))
        for place, one in enumerate(each):
            rows = int(counts[place])
            small = rows < min_rows or (one.blocks is not None and one.blocks < 5)
            found.append(_slice(grouping, place, one, rows, len(frame), small=small, scale=told))
    return tuple(sorted(found, key=lambda one: _order(told.worse(one.difference))))


def _order(worse: float) -> float:
    return math.inf if math.isnan(worse) else -worse


def _summed(grouping: Grouping, losses: Floats, blocks: Rows | None) -> Iterator[_Found]:
    found = means(losses, grouping.codes, len(grouping.names), blocks)
    own, apart = found.mean.interval(_LEVEL), found.difference.interval(_LEVEL)
    for place in range(len(grouping.names)):
        yield _Found(
            float(found.mean.value[place]),
            float(found.rest[place]),
            (float(own[0][place]), float(own[1][place])),
            (float(apart[0][place]), float(apart[1][place])),
            None if blocks is None else int(found.mean.freedom[place]) + 1,
        )


def _drawn(
    grouping: Grouping, measure: Callable[[Rows], float], blocks: Rows | None, draws: int, rng: np.random.Generator
) -> Iterator[_Found]:
    import numpy as np

    for place in range(len(grouping.names)):
        inside = grouping.codes == place
        rows, others = np.flatnonzero(inside), np.flatnonzero(~inside)
        metric, rest = _of(measure, rows), _of(measure, others)
        if blocks is None:
            units = len(rows)
            own, apart = _draw_rows(measure, rows, metric, draws, rng), _draw_rows(measure, others, rest, draws, rng)
        else:
            units = len(np.unique(blocks[rows]))
            own, apart = _draw_blocks(measure, inside, blocks, draws, rng)
        known = None if blocks is None else units
        yield _Found(metric, rest, _ends(own, units), _ends(own - apart, units), known)


def _of(measure: Callable[[Rows], float], rows: Rows) -> float:
    return float(measure(rows)) if len(rows) else math.nan


def _draw_rows(
    measure: Callable[[Rows], float], rows: Rows, metric: float, draws: int, rng: np.random.Generator
) -> Floats:
    import numpy as np

    if not len(rows):
        return np.full(draws, math.nan)
    size = min(len(rows), _MOST_DRAWN)
    found = np.array([measure(rng.choice(rows, size)) for _ in range(draws)], np.float64)
    return found if size == len(rows) else metric + (found - metric) * math.sqrt(size / len(rows))


def _draw_blocks(
    measure: Callable[[Rows], float], inside: np.ndarray[Any, Any], blocks: Rows, draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    import numpy as np

    _, block, counts = np.unique(blocks, return_inverse=True, return_counts=True)
    rows_of = np.split(np.argsort(block, kind="stable"), np.cumsum(counts)[:-1])
    own, rest = np.empty(draws), np.empty(draws)
    for draw in range(draws):
        rows = np.concatenate([rows_of[at] for at in rng.integers(0, len(counts), len(counts))])
        taken = inside[rows]
        own[draw], rest[draw] = _of(measure, rows[taken]), _of(measure, rows[~taken])
    return own, rest


def _ends(found: Floats, units: int) -> tuple[float, float]:
    """The expanded percentile interval: plain percentiles are too narrow for few units, as if Student had not written."""
    import numpy as np
    from scipy.special import ndtr

    known = found[~np.isnan(found)]
    # With so many samples that say nothing the others say nothing either.
    if units < 2 or len(known) < 0.9 * len(found):
        return math.nan, math.nan
    outside = float(ndtr(-reach(units, _LEVEL)))
    low, high = np.quantile(known, [outside, 1 - outside])
    return float(low), float(high)


def _slice(grouping: Grouping, place: int, found: _Found, rows: int, total: int, *, small: bool, scale: Scale) -> Slice:
    difference = found.metric - found.rest
    words = [
        f"{grouping.told(place)}: {scale.name} {estimate(found.metric, *found.own, scale.unit)}",
        f" on {values.counted(rows, 'row')} ({share(rows / total)})",
    ]
    if rows < total:
        words.append(f", {compared(scale, difference, *found.apart, 'the rest')}")
    if small:
        few = values.counted(rows, "row") if found.blocks is None else values.counted(found.blocks, "block")
        words.append(f"; {few}: too few to rely on")
    return Slice(
        grouping.label, grouping.names[place], rows, rows / total, found.metric, *found.own, found.rest,
        difference, *found.apart, small, "".join(words) + ".",
    )  # fmt: skip
