"""Rows as one file of Parquet that depends on nothing but them, in memory that does not grow with them.

The file lies among the blobs under a temporary name, so that what a killed writer leaves behind is collected with the rest.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nbops import duck
from nbops.data.relation import Relation, parquet
from nbops.data.taking import BATCH
from nbops.duck import name
from nbops.errors import NbopsError, SourceError, StoreReadOnly
from nbops.predictions.requests import Written
from nbops.store.client import Store
from nbops.store.places import make_folder

if TYPE_CHECKING:
    import pyarrow as pa

_TOLD = 3
_LINE = 40
_MISSING = {"_id": "no id", "_time": "no time", "_observed": "no time of observation"}


class Faults(NamedTuple):
    """How many rows have a fault, and the first of them, counted from 1."""

    rows: int
    first: list[int]

    def __str__(self) -> str:
        rows = ", ".join(map(str, self.first))
        if self.rows == 1:
            return f"row {rows}"
        return f"{self.rows:,} rows ({rows}{', …' if self.rows > len(self.first) else ''})"


@contextlib.contextmanager
def temporary(store: Store) -> Iterator[Path]:
    """A path to write to; what is there at the end is removed. Raises StoreFull and StoreReadOnly."""
    try:
        make_folder(store.places.blobs)
        with tempfile.NamedTemporaryFile(
            dir=store.places.blobs, prefix=".new-", suffix=".parquet", delete=False
        ) as file:
            path = Path(file.name)
    except OSError as error:
        raise duck.full(error) or StoreReadOnly(
            f"Nothing can be written to {store.places.blobs}: {error}.", hint="Make the folder writable for you."
        ) from error
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write(relation: Relation, path: Path, needed: Sequence[str], *, told_of: Relation | None = None) -> int:
    """Write the rows of a relation in their order, and give their number.

    Rows in a message are those of `told_of`, where these have another order. Raises SourceError when one of the columns `needed` is
    null somewhere, or the rows cannot be read; StoreFull.
    """
    import pyarrow.parquet as pq

    rows = 0
    with readable():
        batches = duck.batches(relation.connection, f"select * from {relation.sql}", (), BATCH)
        with pq.ParquetWriter(path, batches.schema, compression="zstd") as writer:
            for table in regrouped(batches):
                if any(table.column(column).null_count for column in needed):
                    break
                writer.write_table(table, row_group_size=BATCH)
                rows += table.num_rows
            else:
                refuse_unreadable(relation)
                return rows
    raise SourceError(
        f"Nothing was logged: {missing(told_of or relation, needed)}.",
        hint="Fill it in, or leave these rows out. An id is a text, an integer or a UUID, and a time a date or a timestamp.",
    )


def refuse_unreadable(relation: Relation) -> None:
    """Raise SourceError when the rows that were scanned come from a file of CSV with lines that are no rows."""
    if rejected := relation.rejected():
        count, (line, why) = len(rejected), rejected[0]
        told = "1 line cannot be read" if count == 1 else f"{count:,} lines cannot be read, the first"
        raise SourceError(
            f"Nothing was logged: {told} ({why}).", hint=f"Look at the line that begins with {line[:_LINE]!r}."
        )


def said_of(relation: Relation, path: Path, *values: str) -> tuple[Any, ...]:
    """SQL aggregates over a file that was written, which the relation's engine may read."""
    (found,) = duck.rows(relation.connection, f"select {', '.join(values)} from {parquet([path])}")
    return found


def kept(store: Store, path: Path, rows: int, ends: tuple[str, str]) -> Written:
    """Keep a file that was written, whose first and last id is known, as a blob. Raises StoreFull."""
    blob = store.put_blob(path)
    return Written(blob.sha256, blob.size, rows, *ends)


def faults(relation: Relation, condition: str) -> Faults:
    """The rows for which an SQL condition holds."""
    numbered = f"select *, row_number() over () as _row from {relation.sql}"
    sql = f"select count(*), list_sort(min(_row, {_TOLD})) from ({numbered}) where {condition}"
    ((count, first),) = duck.rows(relation.connection, sql)
    return Faults(count, first or [])


def twice(relation: Relation, path: Path, by: str) -> tuple[int, str]:
    """How many ids of a file that was written stand in several rows with the same columns `by`, and the first of them for a message."""
    found = f"select distinct _id from {parquet([path])} group by {by} having count(*) > 1"
    sql = f"select count(*), list_sort(min(_id, {_TOLD})) from ({found})"
    ((count, shown),) = duck.rows(relation.connection, sql)
    return count, ", ".join(map(repr, shown or ())) + (", …" if count > _TOLD else "")


def missing(relation: Relation, needed: Sequence[str]) -> str:
    """Which rows lack one of these columns, as a part of a sentence; "" when none does."""
    found = ((column, faults(relation, f"{name(column)} is null")) for column in needed)
    return " and ".join(
        f"{fault} {'has' if fault.rows == 1 else 'have'} {_MISSING[column]}" for column, fault in found if fault.rows
    )


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """What keeps rows from being read to their end, or written, as ours. Raises SourceError, StoreFull."""
    try:
        yield
    except NbopsError:  # some of ours are an OSError as well, and no fault of the rows
        raise
    except duck.stream_errors() as error:
        if (full := duck.full(error)) is not None:
            raise full from error
        raise SourceError(
            f"The rows cannot be read to their end: {str(error).strip().splitlines()[0]}",
            hint="Nothing of them was logged. Look at the data at that place.",
        ) from error


def regrouped(batches: pa.RecordBatchReader, *, empty: bool = False) -> Iterator[pa.Table]:
    """The rows in equal groups, however they came: the bytes of a file must not depend on it. With `empty` there is always one."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    count, given = 0, not empty
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        while count >= BATCH:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, BATCH).combine_chunks()
            waiting, count, given = table.slice(BATCH).to_batches(), count - BATCH, True
    if count or not given:
        yield pa.Table.from_batches(waiting, batches.schema).combine_chunks()
