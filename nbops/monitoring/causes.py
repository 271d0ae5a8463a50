"""Why a window is worse than the laboratory: which columns moved that the model relies on, and which rows lose most.

A window's report, its rows and the laboratory's flow in, sentences flow out. What moved beside an error need not be why it grew: it is
where to look first, and the sentences say no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from nbops.data.profile import ColumnProfile, Profile
from nbops.evaluation import telling
from nbops.monitoring.drift import Drift
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import pandas as pd

_MOST_LEVELS, _LEAST_ROWS = 60, 30
_COLUMNS, _SLICES = 3, 3


class Moved(Record):
    """A column that moved: its index, how much worse the metric gets without it (None where nobody measured), and how it moved."""

    column: str
    effect: float
    importance: float | None
    how: str


class Slice(Record):
    """Rows that lose more than in the laboratory: `added` is the loss that came on top, over all of them together."""

    column: str
    group: str
    rows: int
    loss: float
    laboratory: float
    added: float
    share: float


class Causes(Record):
    """Where to look first: columns by effect times importance, slices by added loss, and both in words."""

    columns: tuple[Moved, ...]
    slices: tuple[Slice, ...]
    sentence: str


def causes(
    drift: Drift, then: Profile, now: Profile, importance: Mapping[str, float], slices: Sequence[Slice], unit: str
) -> Causes:
    """What to look at, from the drift of all rows of a window with both profiles, and the slices that lost, the worst first."""
    found = [
        Moved(one.column, one.moved.effect, importance.get(one.column), how(then[one.column], now[one.column]))
        for one in drift.columns
        if one.moved is not None and one.moved.differs and not one.column.startswith("_")
    ]
    found.sort(key=lambda one: -one.effect * max(one.importance if one.importance is not None else 0.0, 0.0))
    chosen, worst = tuple(found[:_COLUMNS]), tuple(slices[:_SLICES])
    return Causes(chosen, worst, _sentence(chosen, worst, unit))


def how(then: ColumnProfile, now: ColumnProfile) -> str:
    """How a column moved, in words: the median of numbers, the value whose share changed most; empty where neither can be told."""
    if then.numbers is not None and now.numbers is not None:
        before, after = then.quantile(0.5), now.quantile(0.5)
        if then.family != "number" or before is None or after is None:
            return ""
        told = values.numbers([before, after])
        return f"median {told[0]} to {told[1]}"
    if then.categories is None or now.categories is None or not then.categories.count or not now.categories.count:
        return ""
    n, m = then.categories.count, now.categories.count
    levels = zip(then.categories.levels, then.categories.counts, now.categories.counts, strict=True)
    name, one, two = max(levels, key=lambda three: abs(three[2] / m - three[1] / n), default=("", 0, 0))
    return f"{values.shorten(name, 30)} {100 * one / n:.3g} % to {100 * two / m:.3g} %" if name else ""


def added_losses(
    laboratory: pd.DataFrame, window: pd.DataFrame, losses: tuple[pd.Series, pd.Series], columns: Sequence[str]
) -> list[Slice]:
    """The groups of each column that lost more than in the laboratory, the most added loss first.

    `losses` are those of the laboratory's rows (n,) and of the window's (m,). Numbers are cut at the laboratory's quartiles; groups of
    less than 30 rows in either are left out.
    """
    then, now = losses
    total = float(now.sum() - then.mean() * len(now))
    found: list[Slice] = []
    for column in columns:
        before, after = _grouped(laboratory[column], window[column])
        if before is None or after is None:
            continue
        for group, own in now.groupby(after.to_numpy()):
            known = then[(before == group).to_numpy()]
            if len(own) < _LEAST_ROWS or len(known) < _LEAST_ROWS:
                continue
            loss, promised = float(own.mean()), float(known.mean())
            added = (loss - promised) * len(own)
            if added > 0:
                share = added / total if total > 0 else 0.0
                found.append(Slice(column, str(group), len(own), loss, promised, added, share))
    # Of groups that lose alike the smaller one says more: its rows are the ones to look at.
    return sorted(found, key=lambda one: -(one.loss - one.laboratory) * one.rows**0.5)


def _grouped(before: pd.Series, after: pd.Series) -> tuple[pd.Series | None, pd.Series | None]:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(before) and before.nunique() > _MOST_LEVELS:
        edges = sorted({*before.quantile([0.25, 0.5, 0.75]).tolist()})
        shown = values.numbers(edges)
        names = [f"up to {shown[0]}", *(f"{low} to {high}" for low, high in pairwise(shown)), f"above {shown[-1]}"]
        cut = [float("-inf"), *edges, float("inf")]
        return pd.cut(before, cut, labels=names).astype(str), pd.cut(after, cut, labels=names).astype(str)
    if before.nunique() > _MOST_LEVELS * 4:
        return None, None
    return before.astype(str), after.astype(str)


def _sentence(columns: Sequence[Moved], slices: Sequence[Slice], unit: str) -> str:
    told = []
    if columns:
        listed = "; ".join(f"{one.column} ({one.how})" if one.how else one.column for one in columns)
        told.append(f"What moved most of what the model relies on: {listed}.")
    else:
        told.append(
            "No column that the model relies on moved beyond what is usual: what the same rows lead to has changed."
        )
    if slices:
        lost = "; ".join(
            f"{one.column}{_joint(one.group)}{one.group} (off by {telling.amount(one.loss, unit)}, in the laboratory"
            f" by {telling.amount(one.laboratory, unit)})"
            for one in slices
        )
        told.append(f"Who loses most: {lost}.")
    return " ".join(told)


def _joint(group: str) -> str:
    return " " if group.startswith(("up to ", "above ")) else " = "
