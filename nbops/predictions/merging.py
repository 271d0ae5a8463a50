"""Many small segments of predictions as few: a window opens a file for each, and that is what takes its time.

Rows stay what they are. Segments of one day that were written one after the other, and have no id in common, become one file in the
place of the last of them; the files that they were are collected a day later.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import NamedTuple

from nbops import duck
from nbops.data.relation import Query, opened, parquet
from nbops.data.taking import described
from nbops.errors import Conflict
from nbops.predictions import writing
from nbops.predictions.requests import MergeSegments
from nbops.records import new_id
from nbops.store.client import Store

SMALL = 50_000
"""Segments with fewer rows are merged."""
FEW = 4
"""Fewer are left as they are."""
_DAY = 86_400_000_000
_ALL = 1_000_000_000


class _Small(NamedTuple):
    segment_id: str
    sha256: str
    columns: str
    day: int
    rows: int
    first: int
    last: int


def merge(store: Store, model: str | None = None) -> tuple[int, int]:
    """Put small segments together, of a model or of all: how many there were, and how many they have become.

    What another process merges at the same time is left to it. Raises StoreCorrupt, StoreFull.
    """
    before = after = 0
    for name, version in store.read(
        "select distinct model, version from prediction_segments where ? is null or model = ? order by all", [model, model], limit=_ALL
    ).rows:  # fmt: skip
        for run in _runs(store, name, version):
            for group in _apart(store, run):
                if _merged(store, (name, version), group):
                    before, after = before + len(group), after + 1
    return before, after


def _runs(store: Store, model: str, version: int) -> Iterator[list[_Small]]:
    """Small segments of one day and with the same columns that nothing else was written between."""
    sql = """
        select segment_id::varchar, sha256, columns, epoch_us(first) // ?, rows, epoch_us(first), epoch_us(last)
        from prediction_segments where model = ? and version = ? order by place
    """
    found = store.read(sql, [_DAY, model, version], limit=_ALL).rows
    there = (_Small(*row) for row in found)
    for (_, _, small), run in itertools.groupby(there, key=lambda one: (one.day, one.columns, one.rows < SMALL)):
        if small:
            yield from _bounded(list(run))


def _bounded(run: list[_Small]) -> Iterator[list[_Small]]:
    """Parts of a run that are no larger together than a file should be."""
    part: list[_Small] = []
    rows = 0
    for one in run:
        if rows + one.rows > 20 * SMALL:
            yield part
            part, rows = [], 0
        part.append(one)
        rows += one.rows
    yield part


def _apart(store: Store, run: list[_Small]) -> Iterator[list[_Small]]:
    """Parts of a run whose segments have no id in common: halves of it, until they do not."""
    if len(run) < FEW:
        return
    with opened(_rows(store, run, "_id")) as relation:
        sql = f"select count(distinct _id) from {relation.sql}"
        ((ids,),) = duck.rows(relation.connection, sql)
    if ids == sum(one.rows for one in run):
        yield run
        return
    middle = len(run) // 2
    yield from _apart(store, run[:middle])
    yield from _apart(store, run[middle:])


def _merged(store: Store, whose: tuple[str, int], group: list[_Small]) -> bool:
    """Put one file in the place of several; False when they are not there any more."""
    with writing.temporary(store) as path:
        sql = _rows(store, group, "*", "order by _time, _id")
        with opened(sql, reads=[path]) as relation:
            rows = writing.write(relation, path, ("_id", "_time"))
            low, high = writing.said_of(relation, path, "min(_id)", "max(_id)")
            columns = described(relation.connection, path)
            by_day = f"select _time::date::varchar, count(*) from {parquet([path])} group by 1 order by 1"
            days = dict(duck.rows(relation.connection, by_day))
        model, version = whose
        request = MergeSegments(
            segment_id=new_id(), model=model, version=version, written=writing.kept(store, path, rows, (low, high)), columns=columns,
            days=days, parts=[one.segment_id for one in group], first=min(one.first for one in group),
            last=max(one.last for one in group),
        )  # fmt: skip
    # Who reads a window now may have begun to open them: what is collected was left alone for a day.
    for one in group:
        os.utime(store.blob_path(one.sha256))
    try:
        store.write(request)
    except Conflict:
        return False
    return True


def _rows(store: Store, group: list[_Small], columns: str, rest: str = "") -> Query:
    paths = tuple(dict.fromkeys(str(store.whole_blob(one.sha256)) for one in group))
    return Query(sql=f"select {columns} from {parquet(paths)} {rest}", paths=paths)
