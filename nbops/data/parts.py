"""The Parquet files that a version of data is made of: those that it shares with its parent, and new ones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops import duck
from nbops.data.canonical import Sum, content_sum
from nbops.data.profiling import profile
from nbops.data.relation import Files, Query, opened
from nbops.data.requests import Part
from nbops.duck import name
from nbops.errors import UsageError
from nbops.records import Record
from nbops.store.client import Store

if TYPE_CHECKING:
    from nbops.data.profile import Profile
    from nbops.data.snapshots import Snapshot


class NewFile(Record):
    """A file that is to become a part: the sum of its rows' hashes, and the ends of its watermark."""

    path: Path
    total: Sum
    first: Any = None
    last: Any = None


def made(
    sql: str, reads: Iterable[Path], target: Path, watermark: str = "", *, tables: Mapping[str, object] | None = None
) -> NewFile | None:
    """The rows of a SELECT over Parquet files as a new file; None when there are none. Raises StoreFull and UsageError."""
    paths = tuple(map(str, reads))
    with opened(Query(sql=sql, paths=paths), tables=tables, writes=[target.parent]) as relation:
        duck.to_parquet(relation.connection, sql, target)
    return counted(target, watermark)


def counted(path: Path, watermark: str = "") -> NewFile | None:
    """A file of Parquet with its sum; None when it has no rows."""
    with opened(Files(paths=(str(path),), format="parquet")) as relation:
        total = content_sum(relation)
        ends = (
            f"min({name(watermark)}) as low, max({name(watermark)}) as high"
            if watermark
            else "null as low, null as high"
        )
        # By way of Arrow: DuckDB's own values of times with a zone need pytz.
        found = duck.batches(relation.connection, f"select {ends} from {relation.sql}", (), 1).read_all()
        first, last = (found[end][0].as_py() for end in ("low", "high"))
    return NewFile(path, total, first, last) if total.rows else None


def total_of(parts: Iterable[Part | NewFile]) -> Sum:
    """The sum of all rows."""
    found = Sum()
    for part in parts:
        found += part.total if isinstance(part, NewFile) else Sum(part.rows, int(part.low, 16), int(part.high, 16))
    return found


def told(end: Any) -> Any:
    """An end of a watermark as JSON takes it: pandas' own times, which have nanoseconds, as text."""
    return str(end) if hasattr(end, "nanosecond") else end


def keep(store: Store, parts: Sequence[Part | NewFile]) -> list[Part]:
    """The parts, the new files kept as blobs; on disk on return. Raises StoreFull."""
    return [_kept(store, part) if isinstance(part, NewFile) else part for part in parts]


def profile_of(
    store: Store, last: Snapshot | None, parts: Sequence[Part | NewFile], memory_limit: str = "50%"
) -> str | None:
    """The blob of a profile of these parts; what was known of those that the last version had is added to. None without any."""
    if not parts:
        return None
    new = [part for part in parts if isinstance(part, NewFile)]
    made: Profile | None = None
    if last is not None and last.parts and not {*last.parts} - {part for part in parts if isinstance(part, Part)}:
        with contextlib.suppress(UsageError):  # a column is new, or of another type
            before = last.profile()
            made = before.merged(profile(_files(store, new), like=before, memory_limit=memory_limit))
    made = made or profile(_files(store, parts), memory_limit=memory_limit)
    return store.put_blob(made.to_json()).sha256


def columns_of(store: Store, parts: Sequence[Part | NewFile]) -> dict[str, str]:
    """The columns that a version of these parts has, with their DuckDB types."""
    with opened(_files(store, parts)) as relation:
        return relation.columns


def _files(store: Store, parts: Iterable[Part | NewFile]) -> Files:
    paths = (part.path if isinstance(part, NewFile) else store.blob_path(part.sha256) for part in parts)
    return Files(paths=tuple(map(str, paths)), format="parquet")


def _kept(store: Store, new: NewFile) -> Part:
    blob = store.put_blob(new.path)
    total = new.total
    first, last = (msgspec.to_builtins(told(end)) for end in (new.first, new.last))
    return Part(blob.sha256, blob.size, total.rows, f"{total.low:016x}", f"{total.high:016x}", first, last)
