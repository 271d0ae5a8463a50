"""Rows that a person has dealt with, when their source brings them again: what was repaired is taken as it was repaired."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from nbops import duck
from nbops.data import parts
from nbops.data.compiling import HASH, REASONS
from nbops.data.parts import NewFile
from nbops.data.relation import Files, opened
from nbops.data.taking import Taken
from nbops.duck import name
from nbops.records import Record
from nbops.store.client import Store


class Again(Record):
    """`good` are repaired rows that came again; nobody has dealt with `open` rows, of which the `new` ones are in `bad`."""

    good: NewFile | None = None
    bad: Path | None = None
    new: int = 0
    open: int = 0
    readmitted: int = 0
    discarded: int = 0
    reasons: dict[str, int] = {}


def settle_again(store: Store, source: str, taken: Taken, folder: Path, *, appends: bool = False) -> Again:
    """Take apart the rows that were set aside: by the hashes of what they were, some are known.

    Where rows are added to those that are there, a repaired one is there already, and an open one is in a batch already.
    """
    if taken.bad is None:
        return Again()
    came = _hashes([taken.bad])
    everything = sum(came.values())
    known = store.read("select hash, act, sha256 from settled_rows where source = ?", [source]).rows
    acts = {row[0]: (row[1], row[2]) for row in known if row[0] in came}
    waiting = _waiting(store, source) & came.keys() if appends else set()
    if not acts and not waiting:
        return Again(bad=taken.bad, new=everything, open=everything, reasons=taken.reasons)
    repaired = {found: sha256 for found, (act, sha256) in acts.items() if act == "readmitted"}
    good = None
    if repaired and not appends:
        good = _repaired(store, repaired, {found: came[found] for found in repaired}, taken, folder)
    settled = sum(came[found] for found in acts)
    readmitted = good.total.rows if good else 0
    new = everything - sum(came[found] for found in acts.keys() | waiting)
    bad = _without(taken.bad, acts.keys() | waiting, folder) if new else None
    reasons = reasons_of(bad) if bad else {}
    return Again(good, bad, new, everything - settled, readmitted, settled - readmitted, reasons)


def reasons_of(path: Path) -> dict[str, int]:
    """How many rows of a file of the quarantine there are for each reason."""
    with opened(Files(paths=(str(path),), format="parquet")) as relation:
        told = f"select reason, count(*) from (select unnest({REASONS}) as reason from {relation.sql}) group by 1 order by 2 desc, 1"
        return {str(reason): int(count) for reason, count in duck.rows(relation.connection, told)}


def _hashes(paths: Iterable[Path]) -> dict[str, int]:
    with opened(Files(paths=tuple(map(str, paths)), format="parquet")) as relation:
        counted = f"select {HASH}, count(*) from {relation.sql} group by 1"
        return dict(duck.rows(relation.connection, counted))


def _waiting(store: Store, source: str) -> set[str]:
    """The hashes of the rows that are in batches."""
    found = store.read("select sha256 from quarantine where source = ? and open > 0", [source]).rows
    return set(_hashes([store.blob_path(row[0]) for row in found])) if found else set()


def _repaired(
    store: Store, files: Mapping[str, str], came: Mapping[str, int], taken: Taken, folder: Path
) -> NewFile | None:
    """As many rows as came, each as it was repaired; `files` are the blobs of the hashes."""
    paths = [store.blob_path(sha256) for sha256 in sorted(set(files.values()))]
    with opened(Files(paths=tuple(map(str, paths)), format="parquet")) as relation:
        there, rows = relation.columns, relation.sql
    columns = ", ".join(
        f"{name(column) if column in there else 'null'}::{kind} as {name(column)}"
        for column, kind in taken.columns.items()
    )
    order = ", ".join(name(column) for column in there)
    sql = f"""
        select {columns} from (
            select *, row_number() over (partition by {HASH} order by {order}) as nbops_number,
                count(*) over (partition by {HASH}) as nbops_numbers
            from {rows}
        ) join (select nbops_came, unnest(range(1, nbops_times + 1)) as nbops_time from came)
        on {HASH} = nbops_came and nbops_number = least(nbops_time, nbops_numbers)
    """
    return parts.made(sql, paths, folder / "again.parquet", tables={"came": _table(came)})


def _table(came: Mapping[str, int]) -> object:
    import pyarrow as pa

    times = pa.array(list(came.values()), pa.int64())
    return pa.table({"nbops_came": pa.array(list(came), pa.string()), "nbops_times": times})


def _without(path: Path, known: Collection[str], folder: Path) -> Path:
    target = folder / "open.parquet"
    with opened(
        Files(paths=(str(path),), format="parquet"), tables={"known": _table(dict.fromkeys(known, 1))}, writes=[folder]
    ) as relation:
        rows = f"select * from {relation.sql} where {HASH} not in (select nbops_came from known)"
        duck.to_parquet(relation.connection, rows, target)
    return target
