"""Whether a model treats groups of people or things alike: rates per group, and how far the most different ones lie apart.

The definitions are those of fairlearn's MetricFrame: the difference is the largest minus the smallest, the ratio the smallest over the
largest. Other than there, a rate over no rows is not 0 but unknown, and groups too small to tell are left out of both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nbops.errors import UsageError
from nbops.evaluation.grouping import Grouping, crossed, groupings
from nbops.evaluation.means import check_lengths, means
from nbops.evaluation.reliability import wilson
from nbops.evaluation.telling import estimate
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nbops.evaluation.answers import Task
    from nbops.evaluation.arrays import Codes, Floats, Mask

_LEVEL = 0.95
_WORDS = {
    "selection_rate": "selection rate", "tpr": "true positive rate", "fpr": "false positive rate", "precision": "precision",
    "error": "error rate", "mae": "mean absolute error", "bias": "mean error",
}  # fmt: skip


class Rate(Record):
    """A figure of a group over `of` of its rows; `small` when they are too few to compare it. What cannot be told is NaN."""

    name: str
    value: float
    low: float
    high: float
    of: int
    small: bool


class Group(Record):
    """One group with its rates, by their names in `Gap`."""

    name: str
    rows: int
    share: float
    small: bool
    rates: tuple[Rate, ...]


class Gap(Record):
    """How far a rate lies apart between the two most different groups that are large enough; `ratio` is the smaller over the larger.

    The interval of the `difference` allows for the choice of the two among all pairs of groups (Bonferroni).
    """

    rate: str
    highest: str
    lowest: str
    difference: float
    low: float
    high: float
    ratio: float
    sentence: str


class Fairness(Record):
    """What was found for one property; `equalized_odds` is the larger of the differences in true and false positive rate, or NaN."""

    column: str
    groups: tuple[Group, ...]
    gaps: tuple[Gap, ...]
    equalized_odds: float
    sentences: tuple[str, ...]


class _Figure(NamedTuple):
    """A rate as the mean of values over some rows."""

    name: str
    each: Floats
    over: Mask

    @property
    def is_share(self) -> bool:
        return self.name not in {"mae", "bias"}


def protected(frame: pd.DataFrame, columns: Sequence[str | tuple[str, str]]) -> tuple[Grouping, ...]:
    """The groups of each of the columns of `frame` (n, any); a pair of columns gives the groups that both make together.

    Raises NotFound and UsageError.
    """
    found: list[Grouping] = []
    for column in columns:
        if isinstance(column, str):
            found += groupings(frame, column)
        else:
            first, second = column
            found.append(crossed(groupings(frame, first)[0], groupings(frame, second)[0]))
    return tuple(found)


def fairness(
    groups: Sequence[Grouping],
    truth: np.ndarray[Any, Any],
    predicted: np.ndarray[Any, Any],
    *,
    task: Task,
    positive: int = 1,
    blocks: Codes | None = None,
    min_rows: int = 30,
    unit: str = "",
) -> tuple[Fairness, ...]:
    """The rates of the groups of each property, and their gaps.

    `truth` and `predicted` (n,) are numbers, or codes of classes; `positive` is the class that matters. Rates are selection rate, true and
    false positive rate, precision and error rate for two classes, the error rate for more, and for numbers the mean absolute error and
    the mean error in `unit`. Intervals (95 %) of shares are Wilson's (1927), of their differences Newcombe's (1998), the others Student's;
    with `blocks` (n,), integer codes of what rows depend on each other, all are those of `means`. A rate over fewer than `min_rows` rows is
    `small`. Raises UsageError.
    """
    if any(len(one.codes) != len(truth) for one in groups) or len(truth) != len(predicted):
        raise UsageError(
            f"There are {len(truth):,} true values, {len(predicted):,} predicted ones, and another number of rows with groups.",
            hint="Give one of each for every row, in the same order.",
        )
    check_lengths(len(truth), blocks=blocks)
    figures = list(_figures(truth, predicted, task, positive))
    return tuple(_judged(one, figures, blocks, min_rows, unit) for one in groups)


def _figures(
    truth: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any], task: Task, positive: int
) -> Iterator[_Figure]:
    import numpy as np

    every = np.ones(len(truth), np.bool_)
    if task == "regression":
        error = predicted.astype(np.float64) - truth.astype(np.float64)
        yield _Figure("mae", np.abs(error), every)
        yield _Figure("bias", error, every)
        return
    if task == "binary":
        real, selected = truth == positive, predicted == positive
        chosen = selected.astype(np.float64)
        yield _Figure("selection_rate", chosen, every)
        yield _Figure("tpr", chosen, real)
        yield _Figure("fpr", chosen, ~real)
        yield _Figure("precision", real.astype(np.float64), selected)
    yield _Figure("error", (truth != predicted).astype(np.float64), every)


def _judged(grouping: Grouping, figures: Sequence[_Figure], blocks: Codes | None, min_rows: int, unit: str) -> Fairness:
    import numpy as np

    rates = [_rates(grouping, figure, blocks, min_rows) for figure in figures]
    counts, total = np.bincount(grouping.codes, minlength=len(grouping.names)), max(len(grouping.codes), 1)
    groups = tuple(
        Group(name, int(rows), float(rows / total), bool(rows < min_rows), tuple(rate[place] for rate in rates))
        for place, (name, rows) in enumerate(zip(grouping.names, counts, strict=True))
    )
    found = [_gap(grouping, figure, each, blocks, unit) for figure, each in zip(figures, rates, strict=True)]
    gaps = tuple(gap for gap in found if gap is not None)
    odds = [gap.difference for gap in gaps if gap.rate in {"tpr", "fpr"}]
    told = [gap.sentence for gap in gaps]
    if not gaps:
        told.append(
            f"{grouping.label}: nothing to compare, fewer than two groups have {values.counted(min_rows, 'row')}."
        )
    small = [f"{group.name} ({values.counted(group.rows, 'row')})" for group in groups if group.small]
    if small:
        told.append(f"{grouping.label}: too small to compare: {', '.join(small)}.")
    return Fairness(grouping.label, groups, gaps, max(odds) if len(odds) == 2 else math.nan, tuple(told))


def _rates(grouping: Grouping, figure: _Figure, blocks: Codes | None, min_rows: int) -> list[Rate]:
    over = figure.over
    within = None if blocks is None else blocks[over]
    found = means(figure.each[over], grouping.codes[over], len(grouping.names), within)
    low, high = found.mean.interval(_LEVEL)
    each: list[Rate] = []
    for place, count in enumerate(map(int, found.rows)):
        value = float(found.mean.value[place])
        ends = float(low[place]), float(high[place])
        if figure.is_share and blocks is None:
            ends = wilson(value * count, count, _LEVEL)
        each.append(Rate(figure.name, value, *ends, count, count < min_rows))
    return each


def _gap(grouping: Grouping, figure: _Figure, rates: Sequence[Rate], blocks: Codes | None, unit: str) -> Gap | None:
    import numpy as np

    places = [place for place, rate in enumerate(rates) if not rate.small]
    if len(places) < 2:
        return None
    first, last = max(places, key=lambda place: rates[place].value), min(places, key=lambda place: rates[place].value)
    if first == last:
        first, last = places[:2]
    top, bottom = rates[first], rates[last]
    level = 1 - (1 - _LEVEL) / math.comb(len(places), 2)
    if figure.is_share and blocks is None:
        low, high = _newcombe(top, bottom, level)
    else:
        two = figure.over & ((grouping.codes == first) | (grouping.codes == last))
        codes = np.where(grouping.codes[two] == first, 0, -1)
        ends = means(figure.each[two], codes, 1, None if blocks is None else blocks[two]).difference.interval(level)
        low, high = float(ends[0][0]), float(ends[1][0])
    ratio = bottom.value / top.value if top.value and figure.name != "bias" else math.nan
    names = grouping.names[first], grouping.names[last]
    apart = top.value - bottom.value
    told = _told(grouping.label, figure.name, (top, bottom), names, estimate(apart, low, high, unit), ratio, unit)
    return Gap(figure.name, *names, apart, low, high, ratio, told)


def _newcombe(top: Rate, bottom: Rate, level: float) -> tuple[float, float]:
    """The interval of the difference of two shares (Newcombe 1998, method 10)."""
    (low, high), (other_low, other_high) = (wilson(rate.value * rate.of, rate.of, level) for rate in (top, bottom))
    apart = top.value - bottom.value
    return (
        apart - math.hypot(top.value - low, other_high - bottom.value),
        apart + math.hypot(high - top.value, bottom.value - other_low),
    )


def _told(
    label: str, rate: str, ends: tuple[Rate, Rate], names: tuple[str, str], apart: str, ratio: float, unit: str
) -> str:
    top, bottom = (estimate(one.value, one.low, one.high, unit) for one in ends)
    words = f"{label}: {_WORDS[rate]} of {names[0]} {top}, of {names[1]} {bottom}, apart by {apart}"
    if not math.isnan(ratio):
        words += f", the ratio is {ratio:.2f}" + ("; four fifths would be 0.8" if rate == "selection_rate" else "")
    return words + "."
