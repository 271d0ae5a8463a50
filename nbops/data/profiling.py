"""Data of any kind in, its `Profile` out, in one pass.

Columns of Parquet are read one by one, straight from the file; everything else comes in batches from a scratch engine. The edges are
chosen from a sample that is spread over all rows.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from nbops import duck
from nbops.data.counts import Family
from nbops.data.profile import ColumnProfile, Profile
from nbops.data.relation import Relation, opened
from nbops.data.tallies import SAMPLE, NumberTally, OtherTally, TextTally
from nbops.duck import name
from nbops.errors import SourceError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from nbops.data.tallies import Doubles

    Tally = NumberTally | TextTally | OtherTally

_NUMBERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT",
    "DOUBLE", "DECIMAL",
)  # fmt: skip
_ORDERED = ("number", "date", "timestamp")
_MICROSECONDS = {"s": 1_000_000, "ms": 1000, "us": 1}
_BATCH_ROWS = 32_768
_SLICED_ROWS = 8 * _BATCH_ROWS
_DRAWN = f" using sample reservoir({SAMPLE} rows) repeatable (0)"
_OPEN_FILES = 50
_PRIME = 2_654_435_761
# What is kept while the sample is taken: rows of a column of Parquet, but some row groups; bytes of batches.
_HELD_ROWS, _LEAST_HELD, _HELD_BYTES = 8_000_000, 4, 200_000_000
# Of 20 columns, 16 of them numbers, about 2 kB are left for the texts of each other one.
_COLUMN_BYTES, _LEAST_COLUMNS = 1500, 20
_BESIDE = 400  # bytes of a column of texts without its texts


def profile(data: object, *, like: Profile | None = None, memory_limit: str = "50%", threads: int = 2) -> Profile:
    """What `data` is like: how many rows, and per column nulls, distinct values, sums, and counts between 64 edges or of texts.

    `data` is anything that `opened` takes, or a Relation. With `like` its edges and listed texts are counted, so that the two can be
    compared and added. Counts are exact for the edges; integers and decimals beyond 2^53 are taken as the nearest double. The engine
    keeps to `memory_limit`; of Parquet that is read straight from the file, `threads` columns are held of some row groups. Raises
    NotFound, SourceError and UsageError.
    """
    import pyarrow as pa

    try:
        with _relation(data, memory_limit, threads) as relation, ThreadPoolExecutor(threads) as pool:
            asked = _asked(relation, like)
            tallies = [one.tally() for one in asked]
            files = None if isinstance(data, Relation) else relation.files
            groups = _row_groups(files.paths, asked) if files is not None and files.format == "parquet" else None
            if groups is None:
                rows = _scan(relation, asked, tallies, pool, once=isinstance(data, pa.RecordBatchReader))
            else:
                rows = sum(group.rows for group in groups)
                readers = _Readers([one.name for one in asked if one.type == "VARCHAR"])
                list(pool.map(partial(_read, groups, readers), asked, tallies))
    except (duck.errors(), pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(error) from error
    return Profile(rows, dict(zip(relation.columns, _columns(tallies), strict=True)))


Slice = tuple[()] | tuple[str, str]
"""Which rows: all of them, or those where a column has a value."""


def sliced(
    data: object, by: Sequence[str], *, like: Profile, most: int = 50, memory_limit: str = "50%", threads: int = 2
) -> dict[Slice, Profile]:
    """As `profile(data, like=like)`, of all rows under `()` and in the same pass of those with each value of the columns `by`.

    The values are the `most` commonest of `like`, texts or numbers that it counts each; one that no row has is there with no rows. What
    `like` does not have, or has as another kind, is counted for its missing values only. Raises as `profile`.
    """
    import pyarrow as pa

    cuts = [_cut(like, column, most) for column in by]
    try:
        with _relation(data, memory_limit, threads) as relation, ThreadPoolExecutor(threads) as pool:
            asked = [one if one.like is not None else one._replace(family="other") for one in _asked(relation, like)]
            names = [one.name for one in asked]
            if absent := [cut.column for cut in cuts if cut.column not in names]:
                raise UsageError(
                    f"There is no column {absent[0]!r} to slice by.", hint=f"There are {', '.join(names) or 'none'}."
                )
            counts: dict[Slice, _Counted] = {(): _Counted(asked)}
            counts |= {(cut.column, value): _Counted(asked) for cut in cuts for value in cut.values}
            for batch in _joined(iter(_batches(relation, asked)), _SLICED_ROWS):
                counts[()].add(batch, pool)
                for cut in cuts:
                    for value, rows in cut.split(batch, names.index(cut.column)):
                        counts[cut.column, value].add(rows, pool)
    except (duck.errors(), pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _unreadable(error) from error
    return {part: one.profile() for part, one in counts.items()}


class _Counted:
    """Rows that are counted into a profile as they come."""

    def __init__(self, asked: Sequence[_Asked]) -> None:
        self._names, self._rows = [one.name for one in asked], 0
        self._tallies = [one.tally() for one in asked]

    def add(self, batch: pa.RecordBatch, pool: ThreadPoolExecutor) -> None:
        """Count these too."""
        self._rows += len(batch)
        list(pool.map(_add, self._tallies, batch.columns))

    def profile(self) -> Profile:
        """What has been counted."""
        return Profile(self._rows, dict(zip(self._names, _columns(self._tallies), strict=True)))


class _Cut(NamedTuple):
    """A column to slice by, and its values as they are called and as they come."""

    column: str
    values: Sequence[str]
    keys: pa.Array

    def split(self, batch: pa.RecordBatch, place: int) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of each value that there is."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        found = batch.column(place).cast(self.keys.type)
        codes = np.from_dlpack(pc.index_in(found, self.keys).fill_null(-1))
        order = codes.argsort(kind="stable")
        ends = codes[order].searchsorted(range(len(self.values) + 1))
        # Taken once in their order, the rows of each value are a stretch of the same memory.
        ordered = batch.take(pa.array(order))
        for value, start, end in zip(self.values, ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            if end > start:
                yield value, ordered.slice(start, end - start)


def _cut(like: Profile, column: str, most: int) -> _Cut:
    import pyarrow as pa

    counted: Iterable[tuple[float | str, int]] = ()
    told = like[column]
    if told.categories is not None:
        counted = zip(told.categories.levels, told.categories.counts, strict=True)
    elif told.family == "number" and told.numbers is not None and told.numbers.atoms:
        counted = zip(told.numbers.edges, told.numbers.at, strict=True)
    keys = [key for key, _ in sorted(counted, key=lambda pair: -pair[1])[:most]]
    if not keys:
        raise UsageError(
            f"Column {column!r} has no values to slice by.",
            hint="Slice by texts, or by numbers of which few differ; put others into groups first.",
        )
    called = [key if isinstance(key, str) else f"{key:.15g}" for key in keys]
    return _Cut(column, called, pa.array(keys, pa.string() if isinstance(keys[0], str) else pa.float64()))


def as_double(column: str, kind: Family) -> str:
    """A number, or the days or microseconds of a date or timestamp, as SQL; `column` is SQL already."""
    if kind == "number":
        return f"{column}::double"
    counted = f"{column} - date '1970-01-01'" if kind == "date" else f"epoch_us({column})"
    infinite = f"if({column} > '1970-01-01', 'inf', '-inf')::double"
    return f"case when isinf({column}) then {infinite} else ({counted})::double end"


class _Asked(NamedTuple):
    """A column to be profiled."""

    name: str
    type: str
    family: Family
    like: ColumnProfile | None

    @property
    def samples(self) -> bool:
        """Whether its edges have to be chosen."""
        return self.family in _ORDERED and self.like is None

    @property
    def sql(self) -> str:
        """What a scratch engine selects for its tally."""
        column = name(self.name)
        if self.family == "category":
            return f"{column}::varchar" if self.type == "UUID" else column
        return as_double(column, self.family) if self.family in _ORDERED else f"{column} is null"

    def tally(self) -> Tally:
        """What counts it."""
        like = self.like
        if self.family == "other":
            return OtherTally(self.type)
        if self.family == "category":
            return TextTally(self.type, like.categories if like is not None else None)
        return NumberTally(self.type, self.family, like.numbers if like is not None else None)


@contextlib.contextmanager
def _relation(data: object, memory_limit: str, threads: int) -> Iterator[Relation]:
    if isinstance(data, Relation):
        yield data
    else:
        with opened(data, memory_limit=memory_limit, threads=threads) as relation:
            yield relation


def _asked(relation: Relation, like: Profile | None) -> list[_Asked]:
    asked = []
    for column, told in relation.columns.items():
        kind, other = family(told), like.columns.get(column) if like is not None else None
        # The names of an enumeration may be many.
        short = "ENUM" if told.startswith("ENUM") else told
        asked.append(_Asked(column, short, kind, other if other is not None and other.family == kind else None))
    return asked


def _unreadable(error: Exception) -> SourceError:
    return SourceError(
        f"The data cannot be read: {str(error).strip().splitlines()[0]}",
        hint="It may be damaged, or of another format than its name says.",
    )


def family(told: str) -> Family:
    """How a column of this DuckDB type is counted."""
    base = told.partition("(")[0]
    if told.endswith("]"):
        return "other"
    if base in _NUMBERS:
        return "number"
    if base in {"VARCHAR", "ENUM", "UUID", "BOOLEAN"}:
        return "category"
    if base.startswith("TIMESTAMP"):
        return "timestamp"
    return "date" if base == "DATE" else "other"


def _scan(
    relation: Relation, asked: Sequence[_Asked], tallies: Sequence[Tally], pool: ThreadPoolExecutor, *, once: bool
) -> int:
    """Feed the tallies from the engine, and say how many rows there are.

    What is not held whole is drawn from in a scan of its own; what can be read but `once` is sampled at its start.
    """
    batches: Iterator[pa.RecordBatch] = iter(_batches(relation, asked))
    wanting = [place for place, one in enumerate(asked) if one.samples]
    first, whole = _held(batches) if wanting else ([], True)
    if whole or once:
        for place in wanting:
            _sample(tallies[place], [_doubles(batch.column(place)) for batch in first])
    else:
        del first, batches
        drawn = list(_batches(relation, [asked[place] for place in wanting], _DRAWN))
        for index, place in enumerate(wanting):
            _sample(tallies[place], [_doubles(batch.column(index)) for batch in drawn])
        first, batches = [], iter(_batches(relation, asked))
    rows = 0
    for batch in _joined(chain(first, batches)):
        rows += len(batch)
        list(pool.map(_add, tallies, batch.columns))
    return rows


def _held(batches: Iterator[pa.RecordBatch]) -> tuple[list[pa.RecordBatch], bool]:
    """As many batches as may be held, and whether these are all."""
    held, size = [], 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size > _HELD_BYTES:
            return held, False
    return held, True


def _batches(relation: Relation, asked: Sequence[_Asked], drawn: str = "") -> pa.RecordBatchReader:
    selected = ", ".join(f"{one.sql} as c{place}" for place, one in enumerate(asked))
    return duck.batches(relation.connection, f"select {selected} from {relation.sql}{drawn}", (), _BATCH_ROWS)


def _joined(batches: Iterable[pa.RecordBatch], rows: int = _BATCH_ROWS // 2) -> Iterator[pa.RecordBatch]:
    """The same rows, small batches put together: each costs the same however few its rows are."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= rows:
            yield from pa.Table.from_batches(held).combine_chunks().to_batches() if len(held) > 1 else held
            held = []
    if held:
        yield from pa.Table.from_batches(held).combine_chunks().to_batches()


def _add(tally: Tally, values: pa.Array) -> None:
    if isinstance(tally, NumberTally):
        tally.add(_doubles(values))
    else:
        tally.add(values)


def _sample(tally: Tally, pieces: Sequence[Doubles]) -> None:
    """Let a tally choose its edges from values spread over the pieces, at most about `SAMPLE`."""
    import numpy as np

    if not isinstance(tally, NumberTally):
        return
    drawn = _drawn(pieces)
    if np.isnan(drawn).sum() > len(drawn) // 2:
        drawn = _drawn([piece[~np.isnan(piece)] for piece in pieces])
    tally.sample(drawn)


def _drawn(pieces: Sequence[Doubles]) -> Doubles:
    """One of each so many neighbours, as if at random: what repeats itself at a fixed distance must not fall into step."""
    import numpy as np

    step = max(-(-sum(map(len, pieces)) // SAMPLE), 1)
    drawn = []
    for piece in pieces:
        numbers = np.arange(len(piece) // step, dtype=np.uint64)
        shifts = numbers * np.uint64(_PRIME) % np.uint64(2**32) * np.uint64(step) >> np.uint64(32)
        drawn.append(piece[numbers * np.uint64(step) + shifts])
    return np.concatenate([*drawn, np.empty(0)])


def _doubles(values: pa.Array) -> Doubles:
    """Numbers of any width as doubles, NaN where there is none; days and microseconds as they are."""
    import numpy as np
    import pyarrow as pa

    if not len(values):
        return np.empty(0)
    scale = 1
    if pa.types.is_date32(values.type):
        values = values.cast(pa.int32())
    elif pa.types.is_timestamp(values.type):
        values, scale = values.cast(pa.int64()), _MICROSECONDS[values.type.unit]
    # Arrow's own ways to NumPy and of filling gaps import pandas.
    valid, raw = values.buffers()
    span = slice(values.offset, values.offset + len(values))
    doubles: Doubles = np.frombuffer(raw, values.type.to_pandas_dtype())[span].astype(
        np.float64, copy=values.null_count > 0
    )
    if scale > 1:
        doubles = doubles * scale
    if values.null_count:
        doubles[np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")[span] == 0] = np.nan
    return doubles


class _RowGroup(NamedTuple):
    """A part of a Parquet file."""

    path: str
    metadata: pq.FileMetaData
    place: int

    @property
    def rows(self) -> int:
        """How many it has."""
        rows: int = self.metadata.row_group(self.place).num_rows
        return rows


def _row_groups(paths: Sequence[str], asked: Sequence[_Asked]) -> list[_RowGroup] | None:
    """All row groups of Parquet files that say alike what their columns are, none of which has to be left to the engine."""
    import pyarrow.parquet as pq

    found = [(path, pq.read_metadata(path)) for path in paths]
    schema = found[0][1].schema.to_arrow_schema()
    plain = [*schema.names] == [one.name for one in asked] and all(map(_plain, schema.types, asked))
    if not plain or not all(metadata.schema.equals(found[0][1].schema) for _, metadata in found):
        return None
    return [_RowGroup(path, metadata, place) for path, metadata in found for place in range(metadata.num_row_groups)]


def _plain(told: pa.DataType, one: _Asked) -> bool:
    """Whether Arrow's values of this type are what the engine's would be."""
    import pyarrow as pa

    kinds = pa.types
    match one.family:
        case "number":
            return bool(kinds.is_integer(told) or kinds.is_float32(told) or kinds.is_float64(told))
        case "date":
            return bool(kinds.is_date32(told))
        case "timestamp":
            return bool(kinds.is_timestamp(told)) and told.unit in _MICROSECONDS
        case "category":
            text = told.value_type if kinds.is_dictionary(told) else told
            return bool(kinds.is_string(text) or kinds.is_large_string(text) or kinds.is_boolean(text))
        case "other":
            return False


class _Readers(threading.local):
    """Open files, each thread's own: opening one costs time for each of its columns."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts
        self._open: dict[str, pq.ParquetFile] = {}

    def pieces(self, groups: Iterable[_RowGroup], column: str) -> Iterator[pa.Array]:
        """A column's values in these row groups, texts as dictionaries."""
        for group in groups:
            table = self._reader(group).read_row_group(group.place, columns=[column], use_threads=False)
            yield from table.column(column).chunks

    def _reader(self, group: _RowGroup) -> pq.ParquetFile:
        import pyarrow.parquet as pq

        if group.path not in self._open:
            if len(self._open) == _OPEN_FILES:
                self._open.popitem()[1].close()
            self._open[group.path] = pq.ParquetFile(group.path, metadata=group.metadata, read_dictionary=self._texts)
        return self._open[group.path]


def _read(groups: Sequence[_RowGroup], readers: _Readers, one: _Asked, tally: Tally) -> None:
    """Feed a tally from its column; the row groups that the sample is taken from are read first, and kept until it has been."""
    step = min(-(-sum(group.rows for group in groups) // _HELD_ROWS), -(-len(groups) // _LEAST_HELD)) or 1
    spread = range(0, len(groups), step) if one.samples else range(0)
    first = list(readers.pieces([groups[place] for place in spread], one.name))
    if first:
        _sample(tally, list(map(_doubles, first)))
    rest = [group for place, group in enumerate(groups) if place not in spread]
    for values in chain(first, readers.pieces(rest, one.name)):
        _add(tally, values)


def _columns(tallies: Sequence[Tally]) -> list[ColumnProfile]:
    """What has been counted; texts are given the room that numbers leave."""
    done = [tally.column() for tally in tallies if not isinstance(tally, TextTally)]
    left = _COLUMN_BYTES * max(len(tallies), _LEAST_COLUMNS) - len(msgspec.json.encode(done))
    room = max(left // max(len(tallies) - len(done), 1) - _BESIDE, 0)
    others = iter(done)
    return [tally.column(room) if isinstance(tally, TextTally) else next(others) for tally in tallies]
