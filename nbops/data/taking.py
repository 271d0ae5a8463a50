"""One pass over the rows of a source: what a contract takes goes into one Parquet file, what it sets aside into another.

DuckDB reads, casts, marks and hashes; the rows leave it in batches of Arrow, so that memory does not grow with them. Nothing outside
the folder that is given is written.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops import duck
from nbops.data.canonical import Sum, row_halves, row_text, stored_as
from nbops.data.checking import Counts
from nbops.data.compiling import HASH, LINE, REASONS, Compiled
from nbops.data.meaning import literal, sentence
from nbops.data.relation import Relation, parquet
from nbops.data.rules import Fresh, NullShare
from nbops.duck import name
from nbops.errors import NbopsError, SourceError
from nbops.records import Record

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH = 122_880
"""Rows of a batch, and of a row group."""
_UNREADABLE = "the line can be read"


class Taken(Record):
    """What the pass wrote: `good` and `bad` are None where there is no such row; `total` is the sum of the good rows' hashes."""

    good: Path | None
    bad: Path | None
    total: Sum
    columns: dict[str, str]
    reasons: dict[str, int]
    first: Any = None
    last: Any = None


def take(
    relation: Relation,
    compiled: Compiled,
    folder: Path,
    *,
    watermark: str = "",
    progress: Callable[[int], None] | None = None,
) -> tuple[Taken, Counts]:
    """Write what is taken and what is set aside into `folder`, and count what the contract found.

    `watermark` is a column whose ends are wanted; `progress` is told the rows that are done. Raises SourceError for data that cannot
    be read to its end.
    """
    counts = Counts(compiled)
    writer = _Writer(compiled, folder, watermark)
    with _readable():
        for batch in duck.batches(relation.connection, _streamed(compiled), (), BATCH):
            writer.write(batch, counts)
            if progress is not None:
                progress(counts.rows)
        for line, why in relation.rejected():
            writer.reject(line, why)
            counts.reject()
        taken = writer.close(relation)
    return taken, counts


def storable(relation: Relation) -> Relation:
    """The rows with texts and decimals for what Parquet or Arrow has no type for."""
    kinds = {column: stored_as(kind) for column, kind in relation.columns.items()}
    if kinds == relation.columns:
        return relation
    casts = [
        f"{name(column)}::{kind} as {name(column)}"
        for column, kind in kinds.items()
        if kind != relation.columns[column]
    ]
    return relation._replace(sql=f"(select * replace ({', '.join(casts)}) from {relation.sql})", columns=kinds)


def described(con: Any, path: Path) -> dict[str, str]:
    """The columns of a Parquet file with their DuckDB types."""
    return {str(row[0]): str(row[1]) for row in duck.rows(con, f"describe select * from {parquet([path])}")}


def _streamed(compiled: Compiled) -> str:
    """SELECT of all rows: as they are taken, as they came where they are set aside, their marks, the halves of their hashes."""
    kinds = {column: compiled.type_of(column) for column in compiled.there}
    low, high = row_halves(kinds)
    values = map(name, kinds)
    raw = [
        f"case when {compiled.aside} then {compiled.raw(column)} end as {compiled.raw(column)}"
        for column in compiled.there if compiled.is_cast(column)
    ]  # fmt: skip
    more = [
        f"{compiled.dropped} as {compiled.prefix}d",
        f"{low} as {compiled.prefix}l",
        f"{high} as {compiled.prefix}h",
    ]
    return f"select {', '.join([*values, *raw, *compiled.words, *more])} from ({compiled.marked})"


class _Writer:
    """Takes batches apart."""

    def __init__(self, compiled: Compiled, folder: Path, watermark: str) -> None:
        self._compiled, self._folder, self._watermark = compiled, folder, watermark
        self._good: pq.ParquetWriter | None = None
        self._bad: pq.ParquetWriter | None = None
        self._columns: list[str] = list(compiled.there)
        self._rows = self._low = self._high = 0
        self._ends: tuple[Any, Any] = (None, None)
        self._reasons: Counter[str] = Counter()
        self._rejected: list[tuple[str, str]] = []

    def write(self, batch: pa.RecordBatch, counts: Counts) -> None:
        """Write the rows of a batch where they belong, and count them."""
        import numpy as np

        compiled = self._compiled
        words = [batch.column(word).to_numpy() for word in compiled.words]
        dropped = batch.column(f"{compiled.prefix}d").to_numpy(zero_copy_only=False)
        aside = np.zeros(batch.num_rows, dtype=bool)
        for word, mask in zip(words, compiled.masks, strict=True):
            aside |= (word & mask) != 0
        aside &= ~dropped
        good = ~(aside | dropped)
        _count(counts, words, dropped)
        self._measure(batch, counts, good if not good.all() else None, dropped)
        self._keep(batch, good)
        if aside.any():
            self._set_aside(batch, np.flatnonzero(aside), words)

    def reject(self, line: str, why: str) -> None:
        """A line that is no row at all."""
        self._rejected.append((line, why))
        self._reasons[f"{_UNREADABLE}: {why}"] += 1

    def close(self, relation: Relation) -> Taken:
        """Finish the files."""
        for writer in (self._good, self._bad):
            if writer is not None:
                writer.close()
        con = relation.connection
        good = self._folder / "good.parquet" if self._good is not None else None
        columns = described(con, good) if good else {c: self._compiled.type_of(c) for c in self._compiled.there}
        bad = self._hashed(con) if self._bad is not None or self._rejected else None
        total = Sum(self._rows, self._low, self._high)
        return Taken(good, bad, total, columns, dict(self._reasons), *self._ends)

    def _measure(self, batch: pa.RecordBatch, counts: Counts, good: Any, dropped: np.ndarray[Any, Any]) -> None:
        """What rules of the table ask for, in all rows but the dropped; the ends of the watermark, in the good ones."""
        import pyarrow as pa
        import pyarrow.compute as pc

        def kept(column: str, mask: Any) -> pa.Array:
            values = batch.column(column)
            return values if mask is None else values.filter(pa.array(mask))

        there = None if not dropped.any() else ~dropped
        found: list[Any] = []
        for rule in self._compiled.table_rules:
            match rule:
                case NullShare():
                    found.append(kept(rule.column, there).null_count)
                case Fresh():
                    newest = pc.max(kept(rule.column, there).cast(pa.timestamp("us")))
                    found.append(newest.value)
                case _:
                    found.append(None)
        counts.measure(found)
        if self._watermark:
            ends = pc.min_max(kept(self._watermark, good))
            self._ends = _wider(self._ends, (ends["min"].as_py(), ends["max"].as_py()))

    def _keep(self, batch: pa.RecordBatch, good: np.ndarray[Any, Any]) -> None:
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        chosen = batch if good.all() else batch.filter(pa.array(good))
        prefix = self._compiled.prefix
        self._rows += chosen.num_rows
        self._low = (self._low + int(np.add.reduce(chosen.column(f"{prefix}l").to_numpy(), dtype=np.uint64))) % 2**64
        self._high = (self._high + int(np.add.reduce(chosen.column(f"{prefix}h").to_numpy(), dtype=np.uint64))) % 2**64
        rows = chosen.select(self._columns)
        if rows.num_rows:
            if self._good is None:
                self._good = pq.ParquetWriter(self._folder / "good.parquet", rows.schema, compression="zstd")
            self._good.write_batch(rows, row_group_size=BATCH)

    def _set_aside(
        self, batch: pa.RecordBatch, places: np.ndarray[Any, Any], words: list[np.ndarray[Any, Any]]
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        compiled = self._compiled
        rows = batch.take(pa.array(places))
        marks = list(zip(*(word[places].tolist() for word in words), strict=True))
        told: dict[tuple[int, ...], list[str]] = {}
        for mark, times in Counter(marks).items():
            broken = (compiled.row_rules[number] for number in compiled.broken_by(mark))
            told[mark] = [sentence(rule) for rule in broken if rule.severity != "warn"]
            self._reasons.update(dict.fromkeys(told[mark], times))
        reasons = pa.array([told[mark] for mark in marks], pa.list_(pa.string()))
        columns = [rows.column(compiled.raw(c) if compiled.is_cast(c) else c) for c in self._columns]
        made = pa.record_batch([*columns, reasons], names=[*self._columns, REASONS])
        if self._bad is None:
            self._bad = pq.ParquetWriter(self._folder / "aside.parquet", made.schema, compression="zstd")
        self._bad.write_batch(made)

    def _hashed(self, con: Any) -> Path:
        """The rows that were set aside, each with the hash by which it is known when it comes again."""
        import pyarrow as pa

        target = self._folder / "bad.parquet"
        selects = []
        if self._bad is not None:
            source = self._folder / "aside.parquet"
            kinds = {c: kind for c, kind in described(con, source).items() if c in self._columns}
            text = f"md5({row_text(kinds)})"
            selects.append(f"select *, {text} as {HASH}, null::varchar as {LINE} from {parquet([source])}")
        if self._rejected:
            lines, whys = zip(*self._rejected, strict=True)
            con.register("rejected", pa.table({"line": lines, "why": whys}))
            # Who repairs such a line fills in the columns.
            there = "" if self._bad else "".join(f"null::{k} as {name(c)}, " for c, k in self._compiled.there.items())
            selects.append(
                f"select {there}[{literal(_UNREADABLE)} || ': ' || why] as {REASONS}, md5(line) as {HASH}, line as {LINE} "
                "from rejected"
            )
        duck.to_parquet(con, " union all by name ".join(selects), target)
        return target


def _count(counts: Counts, words: list[np.ndarray[Any, Any]], dropped: np.ndarray[Any, Any]) -> None:
    """Add up equal marks; nearly all rows have none."""
    import numpy as np

    marked = dropped.copy()
    for word in words:
        marked |= word != 0
    places = np.flatnonzero(marked)
    counts.add([0] * len(words), len(dropped) - len(places))
    patterns = Counter(zip(dropped[places].tolist(), *(word[places].tolist() for word in words), strict=True))
    for (gone, *marks), rows in patterns.items():
        counts.add(marks, rows, dropped=gone)


def _wider(one: tuple[Any, Any], other: tuple[Any, Any]) -> tuple[Any, Any]:
    lows = [end for end in (one[0], other[0]) if end is not None]
    highs = [end for end in (one[1], other[1]) if end is not None]
    return min(lows, default=None), max(highs, default=None)


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except NbopsError:  # some of ours are an OSError as well, and no fault of the source
        raise
    except duck.stream_errors() as error:
        if (full := duck.full(error)) is not None:
            raise full from error
        raise SourceError(
            f"The data cannot be read to its end: {str(error).strip().splitlines()[0]}",
            hint="Nothing of it was taken. Look at the source at that place, or say in the contract what the column is.",
        ) from error
