"""Rows that were logged before: whether anything that was said of them since stands between, which only their ids tell.

The owner knows of each segment its first and its last id. Where these overlap, as "9" to "11" do with nearly all, it goes by what is
found here: up to which place no segment after the one with the same rows has an id of them.
"""

from __future__ import annotations

from pathlib import Path

from nbops import duck
from nbops.data.relation import Query, opened, parquet
from nbops.errors import StoreError
from nbops.predictions.requests import Written
from nbops.store.client import Store

# The first row is the segment that has these rows, by itself or among those that were merged with it, which share no id with them.
_PREDICTIONS = """
    with there as (select sha256, place, low, high from prediction_segments where model = ? and version = ?)
    select sha256, place, low <= ? and high >= ? from there
    where place >= (
        select min(place) from there where place >= (
            select max(place) from core.prediction_segments where model = ? and version = ? and sha256 = ? and not merged
        )
    )
    order by place
"""
_LABELS = """
    select sha256, place, low <= ? and high >= ? from label_segments
    where model = ? and place >= (select max(place) from label_segments where model = ? and sha256 = ?)
    order by place
"""
_ALL = 1_000_000_000


def predictions_apart(store: Store, model: str, version: int, path: Path, written: Written) -> int:
    """The place up to which nothing was said of the ids of a file since it was logged last; 0 where something was, or it never was."""
    whose = [model, version]
    return _apart(
        store, _PREDICTIONS, [*whose, written.high, written.low, *whose, written.sha256], path, written.sha256
    )


def labels_apart(store: Store, model: str, path: Path, written: Written) -> int:
    """The same of a file of labels."""
    return _apart(store, _LABELS, [written.high, written.low, model, model, written.sha256], path, written.sha256)


def _apart(store: Store, sql: str, values: list[object], path: Path, sha256: str) -> int:
    if store.spooling or not store.reached:
        return 0
    try:
        found = store.read(sql, values, limit=_ALL).rows
    except StoreError:
        # What is logged waits in the spool then.
        return 0
    if not found:
        return 0
    files = [str(store.whole_blob(other)) for other, _, meets in found[1:] if meets and other != sha256]
    return 0 if files and _share_an_id(path, files) else int(found[-1][1])


def _share_an_id(path: Path, files: list[str]) -> bool:
    sql = f"select 1 from {parquet(files)} where _id in (select _id from {parquet([path])}) limit 1"
    with opened(Query(sql=sql, paths=(str(path), *files))) as relation:
        return bool(duck.rows(relation.connection, sql))
