"""How far an incremental source has been read: which rows are new, and which parts of the last version they may replace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops import duck
from nbops.data import parts
from nbops.data.canonical import families
from nbops.data.meaning import SQL_TYPES, literal
from nbops.data.parts import NewFile
from nbops.data.relation import Files, Query, opened, parquet
from nbops.data.requests import Part
from nbops.data.sources.appending import beginning
from nbops.duck import name
from nbops.errors import ConfigError, SourceError
from nbops.records import Record

if TYPE_CHECKING:
    from nbops.data.contract import Contract
    from nbops.data.snapshots import Snapshot
    from nbops.data.sources.declaration import Source

# So many small parts are put together, so that a source which is read every night stays quick to read.
_MOST_SMALL = 48
_SMALL_ROWS = 200_000


class Watermark(Record):
    """`by` is empty for a source that is read as a whole; `newest` is the highest value that is there, `cutoff` it less the look-back."""

    by: str = ""
    newest: Any = None
    cutoff: Any = None
    looks_back: bool = False

    @classmethod
    def of(cls, source: Source, last: Snapshot | None) -> Watermark:
        """Where a source stands."""
        append = source.append
        if append is None:
            return cls()
        if last is None or last.watermark is None:
            return cls(by=append.by)
        newest = value(msgspec.json.decode(last.watermark), last.columns.get(append.by, ""))
        if not append.look_back:
            return cls(append.by, newest, newest)
        try:
            return cls(append.by, newest, beginning(append, newest), looks_back=True)
        except SourceError as error:
            told = last.columns.get(append.by)
            raise ConfigError(
                f"{source.name!r} looks back from {append.by!r}, which is a {told}, by what cannot be taken from it.",
                hint="Such as `look_back: 2d` for dates and times, `look_back: 100` for numbers.",
            ) from error

    def where(self, contract: Contract) -> str:
        """The condition of rows that are new, or new again; empty when all are. A row without a value is one of them."""
        if self.newest is None:
            return ""
        column = contract.columns.get(self.by)
        typed = f"try_cast({name(self.by)} as {SQL_TYPES[column.kind]})" if column and column.kind else name(self.by)
        return f"coalesce({typed} {'>=' if self.looks_back else '>'} {literal(self.cutoff)}, true)"

    def joined(
        self,
        last: Snapshot | None,
        new: Sequence[NewFile],
        columns: Mapping[str, str],
        key: Sequence[str],
        folder: Path,
    ) -> list[Part | NewFile]:
        """The parts of the next version: the last one's and the new ones of these `columns`, which replace rows of the same key.

        Raises SourceError when a column holds something else than it did.
        """
        if not self.by or last is None or not last.parts:
            return list(new)
        if not new:
            return list(last.parts)
        there = dict(zip(last.parts, last.paths, strict=True))
        if not last.columns.items() <= columns.items():
            new = _fitted(last, new, columns, folder / "fitted.parquet", self.by)
        # The rows of a part that lacks a column would have other hashes than those that are read with it.
        wider = not columns.keys() <= last.columns.keys()
        met = list(last.parts) if wider else _met(there, new, key)
        kept: list[Part | NewFile] = [part for part in last.parts if part not in met]
        if met:
            reads = {"old": [there[part] for part in met], "new": [file.path for file in new]}
            rows = {called: parquet(paths) for called, paths in reads.items()}
            others = f"select * from {rows['old']}"
            if key:
                keys = ", ".join(map(name, key))
                others += f" anti join (select {keys} from {rows['new']}) using ({keys})"
            sql = f"{others} union all by name select * from {rows['new']}"
            joined = parts.made(sql, [*reads["old"], *reads["new"]], folder / "joined.parquet", self.by)
            return [*kept, *([joined] if joined else [])]
        small = [part for part in kept if isinstance(part, Part) and part.rows < _SMALL_ROWS]
        if len(small) <= _MOST_SMALL:
            return [*kept, *new]
        reads_small = [there[part] for part in small]
        together = parts.made(f"select * from {parquet(reads_small)}", reads_small, folder / "small.parquet", self.by)
        return [part for part in kept if part not in small] + ([together] if together else []) + list(new)

    def after(self, last: Snapshot | None, new: Sequence[NewFile]) -> str | None:
        """How far it has been read then, as JSON."""
        if not self.by:
            return None
        ends = [file.last for file in new if file.last is not None]
        ends += [] if self.newest is None else [self.newest]
        return msgspec.json.encode(parts.told(max(ends))).decode() if ends else last.watermark if last else None


def value(told: Any, kind: str) -> Any:
    """What was kept as JSON, as a value of a DuckDB type."""
    if not isinstance(told, str):
        return told
    if kind.startswith("TIMESTAMP_NS"):
        import pandas as pd

        return pd.Timestamp(told)
    if kind.startswith("TIMESTAMP"):
        return datetime.fromisoformat(told)
    if kind.startswith("DECIMAL"):
        return Decimal(told)
    return date.fromisoformat(told) if kind == "DATE" else told


def _fitted(
    last: Snapshot, new: Sequence[NewFile], columns: Mapping[str, str], target: Path, watermark: str
) -> list[NewFile]:
    """The new rows with the columns that there were; a column without any value is of any type."""
    paths = [file.path for file in new]
    before, now = families(last.columns), families(columns)
    others = [column for column in now if column in before and before[column] != now[column]]
    with opened(Files(paths=tuple(map(str, paths)), format="parquet")) as relation:
        counts = ", ".join(f"count({name(column)})" for column in others) or "0"
        found = duck.rows(relation.connection, f"select {counts} from {relation.sql}")[0]
    if filled := [column for column, count in zip(others, found, strict=False) if count]:
        column = filled[0]
        raise SourceError(
            f"{column!r} was {last.columns[column]} until now, and is {columns[column]}.",
            hint="Give it a type in the contract, so that it is read alike each time; or collect it under another name.",
        )
    absent = {column: kind for column, kind in last.columns.items() if column not in now or column in others}
    selected = [f"null::{kind} as {name(column)}" for column, kind in absent.items()]
    selected += [name(column) for column in columns if column not in absent]
    made = parts.made(f"select {', '.join(selected)} from {parquet(paths)}", paths, target, watermark)
    return [made] if made else []


def _met(there: Mapping[Part, Path], new: Sequence[NewFile], key: Sequence[str]) -> list[Part]:
    """The parts that hold rows of the same keys."""
    if not key:
        return []
    keys = ", ".join(map(name, key))
    paths = [file.path for file in new]
    sql = f"""
        select distinct nbops_file from {parquet(there.values(), ", filename = 'nbops_file'")}
        semi join (select {keys} from {parquet(paths)}) using ({keys})
    """
    with opened(Query(sql=sql, paths=tuple(map(str, [*there.values(), *paths])))) as relation:
        found = {row[0] for row in duck.rows(relation.connection, f"select * from {relation.sql}")}
    return [part for part, path in there.items() if str(path) in found]
