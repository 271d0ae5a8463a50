"""Which columns that a model takes were logged with its predictions, and since when: one that was and is not any more is missed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from nbops.monitoring.windows import Window
from nbops.store.client import Store

Since = Mapping[str, int]
"""The first time for which each column was logged, in UTC microseconds."""


def since(store: Store, model: str, version: int, *, upto: int | None = None) -> Since:
    """Since when each column of a version is logged, by all segments of predictions or by those up to a place."""
    sql = """
        select columns, epoch_us(min(first)) from prediction_segments
        where model = ? and version = ? and (? is null or place <= ?) group by columns
    """
    found: dict[str, int] = {}
    for columns, first in store.read(sql, [model, version, upto, upto]).rows:
        for column in msgspec.json.decode(columns, type=dict[str, str]):
            found[column] = min(first, found.get(column, first))
    return found


def expected(takes: Iterable[str], window: Window, known: Since) -> set[str]:
    """The columns of those that a model `takes` that had been logged before a window."""
    return {name for name in takes if name in known and known[name] < window.span[0]}


def logged(takes: Iterable[str], window: Window, known: Since, there: Collection[str]) -> dict[str, bool]:
    """Whether each column that a model takes is `there` in a window; without those that are not and had not been before."""
    before = expected(takes, window, known)
    return {name: name in there for name in takes if name in there or name in before}
