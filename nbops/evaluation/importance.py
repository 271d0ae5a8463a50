"""How much a model relies on each column: how much worse the metric gets when the column's values are dealt to other rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nbops.errors import NotFound, UsageError
from nbops.evaluation.telling import Scale, amount
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nbops.evaluation.arrays import Rows

    Predict = Callable[[pd.DataFrame], np.ndarray[Any, Any]]
    Measure = Callable[[np.ndarray[Any, Any], Rows], float]

_MOST_CELLS = 20_000_000


class Importance(Record):
    """Of a column, or of several that are dealt together: the mean `drop` of the metric, above 0 for worse, over the repeats.

    `deviation` is its standard deviation from repeat to repeat; `rank` 1 is the largest drop.
    """

    columns: tuple[str, ...]
    drop: float
    deviation: float
    rank: int
    sentence: str


def importance(
    frame: pd.DataFrame,
    predict: Predict,
    measure: Measure,
    *,
    scale: Scale | None = None,
    together: Sequence[Sequence[str]] = (),
    repeats: int = 5,
    most: int = 5000,
    seed: int = 0,
) -> tuple[Importance, ...]:
    """Permutation importance (Breiman 2001) of the columns of `frame` (n, any), the largest first.

    `predict` takes a frame like it, of the same dtypes, and gives one prediction (or row of probabilities) for each of its rows by itself;
    `measure` gives the metric of predictions for the rows of these positions in `frame`. Columns that say the same hide each other: name
    them in `together` and they are dealt as one. At most `most` rows are taken, drawn by the `seed`. The deviation is that of the
    dealing alone, not of the choice of the rows. Raises NotFound and UsageError.
    """
    import numpy as np

    told = scale or Scale()
    units = _units(frame, together)
    if len(frame) < 2 or repeats < 2:
        raise UsageError(
            f"Values cannot be dealt anew {values.counted(repeats, 'time')} to {values.counted(len(frame), 'row')}.",
            hint="Give at least two rows and two repeats.",
        )
    rng = np.random.default_rng(seed)
    rows = np.arange(len(frame)) if len(frame) <= most else np.sort(rng.choice(len(frame), most, replace=False))
    given = frame.iloc[rows].reset_index(drop=True)
    base = measure(predict(given), rows)
    orders = np.stack([rng.permutation(len(rows)) for _ in range(repeats)])
    found: list[tuple[float, float, tuple[str, ...]]] = []
    for unit, each in _dealt(given, units, orders, predict, lambda predicted: measure(predicted, rows)):
        drops = np.array([told.worse(value - base) for value in each])
        found.append((float(drops.mean()), float(drops.std(ddof=1)), unit))
    found.sort(key=lambda one: math.inf if math.isnan(one[0]) else -one[0])
    return tuple(
        Importance(unit, drop, deviation, rank, _told(unit, drop, deviation, repeats, told))
        for rank, (drop, deviation, unit) in enumerate(found, 1)
    )


def _units(frame: pd.DataFrame, together: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """The groups, and every other column by itself."""
    known = [str(name) for name in frame.columns]
    asked = [name for group in together for name in group]
    for name in asked:
        if name not in frame.columns:
            raise NotFound.of("column", name, known, otherwise=f"The rows have: {', '.join(known)}.")
    twice = [name for group in (known, asked) for name in dict.fromkeys(group) if group.count(name) > 1]
    if twice:
        raise UsageError(f"Columns that are named twice: {', '.join(twice)}.", hint="Name each once, in one group.")
    return [*(tuple(group) for group in together), *((name,) for name in frame.columns if name not in asked)]


def _dealt(
    given: pd.DataFrame,
    units: Sequence[tuple[str, ...]],
    orders: Rows,
    predict: Predict,
    measure: Callable[[np.ndarray[Any, Any]], float],
) -> Iterator[tuple[tuple[str, ...], list[float]]]:
    """For each unit the metric of each order; all of them are predicted at once, because a call costs more than its rows."""
    import numpy as np

    at_once = max(1, min(len(orders), _MOST_CELLS // max(given.size, 1)))
    stacked = given.iloc[np.tile(np.arange(len(given)), at_once)].reset_index(drop=True)
    for unit in units:
        found: list[float] = []
        for start in range(0, len(orders), at_once):
            some = orders[start : start + at_once]
            dealt = stacked.iloc[: some.size].copy(deep=False)
            for column in unit:
                dealt[column] = given[column].array.take(some.ravel())
            found += [measure(predicted) for predicted in np.split(np.asarray(predict(dealt)), len(some))]
        yield unit, found


def _told(unit: tuple[str, ...], drop: float, deviation: float, repeats: int, scale: Scale) -> str:
    from scipy.special import stdtrit

    what = " and ".join(unit)
    if math.isnan(drop):
        return f"{what}: the effect on {scale.name} is unknown."
    # Dealing that changes nothing has no deviation.
    if drop <= deviation / math.sqrt(repeats) * stdtrit(repeats - 1, 0.975):
        return f"{what}: no clear effect on {scale.name}."
    verb = "changes by" if scale.better == "none" else "gets worse by"
    return (
        f"{what}: {scale.name} {verb} {amount(drop, scale.unit)} when other rows' values are put in"
        f" (deviation {values.number(deviation)} over {repeats} times)."
    )
