"""Versions of data, as they are read: which there are, their files, their rows.

A snapshot is a list of Parquet files that are kept as blobs; several versions may share them. What is read is verified first, once per
process: a file that changed is never taken for the version it was.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops import duck, times
from nbops.data import exporting
from nbops.data.relation import Files, Query, parquet
from nbops.data.requests import Part
from nbops.data.rules import ForeignKey
from nbops.duck import name
from nbops.errors import NotFound, StoreCorrupt, UsageError
from nbops.records import Record
from nbops.store import blobs
from nbops.store.client import Store

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from nbops.data.contract import Contract
    from nbops.data.profile import Profile

_FIELDS = """
    source, version, content_hash, rows, bytes, columns, parts, profile, parent, watermark, created, run_id::varchar as run_id, removed
"""
_REFERENCE = re.compile(r"(?P<source>[^/@]+)(?:/(?P<version>\d+)|@(?P<time>.+))?")


class SnapshotRow(Record):
    """A version as the store knows it; `columns` are the DuckDB types by name, `profile` is a blob."""

    source: str
    version: int
    content_hash: str
    rows: int
    bytes: int
    columns: dict[str, str]
    parts: tuple[Part, ...]
    profile: str | None
    parent: int | None
    watermark: str | None
    created: datetime
    run_id: str | None
    removed: bool


class Snapshot:
    """A version of a source's data; read it with `frame()`, `arrow()`, or any tool through `paths`."""

    def __init__(self, store: Store, row: SnapshotRow) -> None:
        self._store, self._row = store, row
        self.source, self.version, self.content_hash = row.source, row.version, row.content_hash
        self.rows, self.bytes, self.columns, self.created = row.rows, row.bytes, row.columns, row.created
        self.parent, self.watermark, self.parts, self.removed = row.parent, row.watermark, row.parts, row.removed

    @property
    def reference(self) -> str:
        """What names exactly this version, such as `flights/3`."""
        return f"{self.source}/{self.version}"

    @property
    def paths(self) -> list[Path]:
        """The Parquet files, in order, verified. Raises NotFound for a version that was given up, StoreCorrupt."""
        self._refuse_removed()
        found = [self._store.blob_path(part.sha256) for part in self.parts]
        for path, part in zip(found, self.parts, strict=True):
            if not blobs.is_whole(path, part.sha256):
                raise StoreCorrupt(
                    f"A file of this version has changed since it was kept: {part.sha256[:12]}….",
                    hint=f"Put it back from a backup of {path}, or collect the source again.",
                )
        return found

    def sql(self) -> str:
        """What stands behind FROM for these rows, in a scratch engine."""
        if not self.parts:
            nothing = ", ".join(f"null::{kind} as {name(column)}" for column, kind in self.columns.items())
            return f"(select {nothing} where false)"
        return parquet(self.paths)

    def files(self) -> Files | Query:
        """What `nbops.data.relation.opened` takes for these rows."""
        if not self.parts:
            return Query(sql=f"select * from {self.sql()}")
        return Files(paths=tuple(map(str, self.paths)), format="parquet")

    def frame(self, columns: Collection[str] | None = None) -> pd.DataFrame:
        """The rows as a DataFrame, all columns or those. Raises NotFound for a column that there is none of."""
        con = duck.scratch()
        try:
            return duck.frame(con, self._select(columns))
        finally:
            con.close()

    def arrow(self, columns: Collection[str] | None = None) -> pa.Table:
        """The rows as an Arrow table. Raises NotFound for a column that there is none of."""
        con = duck.scratch()
        try:
            return duck.batches(con, self._select(columns), (), 122_880).read_all()
        finally:
            con.close()

    def write(self, path: str | os.PathLike[str]) -> Path:
        """The rows as one Parquet file, whole or not at all; who logs the file as an input is known to have read this version.

        Raises SourceError when it cannot be written, StoreFull.
        """
        return exporting.write(self.sql(), self.reference, self.content_hash, Path(path))

    def profile(self) -> Profile:
        """How the values lie, as it was found when they were taken."""
        from nbops.data.profile import Profile
        from nbops.data.profiling import profile

        self._refuse_removed()
        kept = self._row.profile
        return Profile.from_json(self._store.get_blob(kept)) if kept else profile(self.files())

    def _refuse_removed(self) -> None:
        if self.removed:
            raise NotFound(
                f"{self.reference} was given up.", hint=f"`nbops data snapshots {self.source}` lists what is kept."
            )

    def _select(self, columns: Collection[str] | None) -> str:
        for column in columns or ():
            if column not in self.columns:
                raise NotFound.of("column", column, self.columns, otherwise=f"There are {', '.join(self.columns)}.")
        return f"select {', '.join(map(name, columns)) if columns else '*'} from {self.sql()}"

    def __repr__(self) -> str:
        return f"<Snapshot {self.reference}: {self.rows:,} rows, {len(self.columns)} columns, {self.bytes:,} bytes>"


def every(store: Store, source: str) -> list[Snapshot]:
    """All versions of a source that are kept, oldest first."""
    return _read(store, "where source = ? and not removed order by version", source)


def latest(store: Store, source: str) -> Snapshot | None:
    """The last version of a source; None when there is none yet."""
    found = _read(store, "where source = ? order by version desc limit 1", source)
    return found[0] if found else None


def with_content(store: Store, source: str, content_hash: str) -> Snapshot | None:
    """A version of a source with these rows; None when there is none."""
    found = _read(store, "where source = ? and content_hash = ? and not removed limit 1", source, content_hash)
    return found[0] if found else None


def get(store: Store, source: str, version: int | None = None) -> Snapshot:
    """A version, the last one by default. Raises NotFound with what there is."""
    if version is None:
        if (found := latest(store, source)) is not None:
            return found
        known = [row[0] for row in store.read("select name from sources").rows]
        raise NotFound.of(
            "snapshot of",
            source,
            [one for one in known if one != source],
            otherwise=f"`nbops data collect {source}` makes the first one.",
        )
    if chosen := _read(store, "where source = ? and version = ?", source, version):
        return chosen[0]
    there = ", ".join(str(one.version) for one in every(store, source)) or "none"
    raise NotFound(f"There is no version {version} of {source!r}.", hint=f"There are: {there}.")


def foreign(store: Store, contract: Contract) -> dict[str, Snapshot]:
    """The data that a contract's foreign keys name, as it is now. Raises NotFound."""
    wanted = {rule.references for rule in contract.rules if isinstance(rule, ForeignKey)}
    return {name: get(store, name) for name in sorted(wanted)}


def as_of(store: Store, source: str, time: datetime | str) -> Snapshot:
    """The version that was the last one at a time; without a zone it is local. Raises NotFound and UsageError."""
    moment = times.moment(time)
    found = _read(
        store,
        "where source = ? and created <= make_timestamp(?) order by version desc limit 1",
        source,
        times.microseconds(moment),
    )
    if not found:
        raise NotFound(
            f"There was no snapshot of {source!r} at {moment:%Y-%m-%d %H:%M}.",
            hint=f"`nbops data snapshots {source}` lists them with their times.",
        )
    return found[0]


def resolve(store: Store, reference: str) -> Snapshot:
    """The version that `flights`, `flights/3` or `flights@2026-01-31` names. Raises NotFound and UsageError."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise UsageError(
            f"{reference!r} names no version of data.", hint="Such as `flights`, `flights/3` or `flights@2026-01-31`."
        )
    if match["time"]:
        return as_of(store, match["source"], match["time"])
    return get(store, match["source"], int(match["version"]) if match["version"] else None)


def _read(store: Store, rest: str, *values: Any) -> list[Snapshot]:
    table = store.read(f"select {_FIELDS} from snapshots {rest}", list(values))
    return [Snapshot(store, _row(dict(zip(table.columns, row, strict=True)))) for row in table.rows]


def _row(found: dict[str, Any]) -> SnapshotRow:
    told = {**found, "columns": msgspec.json.decode(found["columns"]), "parts": msgspec.json.decode(found["parts"])}
    told["created"] = datetime.fromisoformat(found["created"]).replace(tzinfo=UTC)
    return msgspec.convert(told, SnapshotRow)
