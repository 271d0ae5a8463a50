"""Rows that were set aside: to look at, to repair and take after all, or to give up; each act is signed, and done once.

A row is known by the hash of what it was. What is repaired goes through the contract like any other row; when its source brings the row
again, it is taken as it was repaired.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from nbops import duck
from nbops.data import declared, parts, snapshots, uniqueness
from nbops.data.canonical import content_hash, families
from nbops.data.checking import fitting
from nbops.data.collecting import staging
from nbops.data.collection import Collection
from nbops.data.compiling import HASH, REASONS, Compiled
from nbops.data.contract import Contract
from nbops.data.declared import Step
from nbops.data.meaning import literal
from nbops.data.parts import NewFile
from nbops.data.relation import Files, Query, Relation, opened, parquet
from nbops.data.requests import Collect, NewSnapshot, Part, Settled
from nbops.data.rules import Distribution, Fresh, NullShare, RowCount
from nbops.data.sources.declaration import Source
from nbops.duck import name
from nbops.errors import NotFound, UsageError
from nbops.records import Record, new_id, now_us
from nbops.render import html, text, values
from nbops.render.model import Column, Html
from nbops.render.view import View
from nbops.store.client import Store

if TYPE_CHECKING:
    import pandas as pd

BATCH = "nbops_batch"
"""The column that names the batch of a row."""
_SHOWN = 20
_SELECT = re.compile(r"\s*(select|from|with)\b", re.IGNORECASE)


class Batch(Record):
    """What one collection set aside: its blob, and how many of its rows are open."""

    batch_id: str
    sha256: str
    rows: int
    open: int


class Quarantine(View):
    """The rows of a source that are set aside and open, with their reasons."""

    kind = "quarantine"

    def __init__(self, store: Store, source: str, reason: str = "") -> None:
        self._store, self.source, self.reason = store, source, reason
        self._batches = _batches(store, source)
        self._counted: dict[str, int] | None = None

    @property
    def rows(self) -> int:
        """How many there are, over all reasons."""
        return sum(batch.open for batch in self._batches)

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows there are for each reason; a row may have several."""
        if self._counted is None:
            with self._opened() as relation:
                reasons = f"select unnest({REASONS}) as reason from {relation.sql}"
                told = f"select reason, count(*) from ({reasons}) group by 1 order by 2 desc, 1"
                self._counted = {str(reason): int(count) for reason, count in duck.rows(relation.connection, told)}
        return self._counted

    def frame(self, limit: int | None = None) -> pd.DataFrame:
        """The rows as they came, with `nbops_reasons`, `nbops_batch`, `nbops_hash` that a row is known by, `nbops_line` if it was none."""
        with self._opened() as relation:
            return duck.frame(
                relation.connection, f"select * from {relation.sql}{f' limit {int(limit)}' if limit else ''}"
            )

    def first(self, limit: int) -> tuple[list[str], list[list[object]]]:
        """The columns and the first rows of `frame`, without pandas; times with a zone are text."""
        with self._opened() as relation:
            # Python's DuckDB needs a package for them that nothing else needs.
            zoned = [name(column) for column, kind in relation.columns.items() if "WITH TIME ZONE" in kind]
            texts = f" replace ({', '.join(f'{column}::varchar as {column}' for column in zoned)})" if zoned else ""
            rows = duck.rows(relation.connection, f"select *{texts} from {relation.sql} limit {int(limit)}")
            return list(relation.columns), [list(row) for row in rows]

    def _opened(self) -> AbstractContextManager[Relation]:
        return opened(_open_rows(self._store, self._batches, self.reason), tables=_settled(self._store, self.source))

    def to_text(self, limit: int = _SHOWN) -> str:
        """The reasons, and the first rows."""
        if not self.rows:
            return self._summary
        sample = f"\n{self.frame(limit).to_string(max_colwidth=40, index=False)}" if limit else ""
        return f"{text.table(_REASONS, self._lines(), caption=self._summary)}{sample}"

    def to_html(self) -> Html:
        """As the text."""
        told = html.table(_REASONS, self._lines(), caption=self._summary)
        if not self.rows:
            return told
        return Html(told + html.table(*self.first(_SHOWN)))

    @property
    def _summary(self) -> str:
        return (
            f"{self.source}: {values.counted(self.rows, 'row')} in quarantine"
            if self.rows
            else f"{self.source}: nothing is in quarantine"
        )

    def _lines(self) -> list[list[object]]:
        return [[reason, count] for reason, count in self.reasons.items()] if self.rows else []


_REASONS = (Column("reason"), Column("rows", kind="number"))


def repair(
    store: Store,
    asked: str | Source | Step,
    *,
    why: str,
    sql: str = "",
    function: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    reason: str = "",
    run_id: str | None = None,
) -> Collection:
    """Take rows of the quarantine after all, as `sql` or `function` makes them, if the contract takes them then.

    `sql` is a SELECT over `quarantine` or assignments such as `air_time = null, origin = upper(origin)`; `function` takes and gives a
    DataFrame. Both keep the column `nbops_hash`; what they leave out stays. Without them the rows are tried as they are, under the contract
    of today. With `reason` only rows for which it is among the reasons. `asked` is as for `collect`. Raises UsageError, NotFound when
    nothing is open.
    """
    if not why.strip():
        raise UsageError("A repair says why.", hint="Such as --why 'the sensor was off': it is kept with the rows.")
    with staging(store, _called(asked)) as folder:
        work = _Repair(store, asked, folder / "work", reason)
        return work.done(sql, function, why, run_id)


def discard(
    store: Store, asked: str | Source | Step, *, why: str, reason: str = "", run_id: str | None = None
) -> Collection:
    """Give rows of the quarantine up: they are dropped now, and when they come again. Raises as `repair`."""
    if not why.strip():
        raise UsageError("Who gives rows up says why.", hint="Such as --why 'test flights': it is kept with the rows.")
    with staging(store, _called(asked)) as folder:
        work = _Repair(store, asked, folder / "work", reason)
        there = work.there()
        settled = [Settled(found, batch, count, "discarded") for found, (batch, count) in there.items()]
        rows = sum(one.rows for one in settled)
        return work.recorded(settled, why, run_id, rows=rows, dropped=rows)


class _Repair:
    """One act on the quarantine of a source, whose lock is held."""

    def __init__(self, store: Store, asked: str | Source | Step, folder: Path, reason: str) -> None:
        source = _called(asked)
        self._store, self._source, self._folder, self._reason = store, source, folder, reason
        self._batches = _batches(store, source)
        if not self._batches:
            raise NotFound(
                f"Nothing of {source!r} is in quarantine.",
                hint="`nbops data list` shows which sources have rows there.",
            )
        self._last = snapshots.get(store, source)
        self._made = _declared(store, asked) if isinstance(asked, str) else declared.source_of(asked)

    def there(self) -> dict[str, tuple[str, int]]:
        """The rows that are open: for each hash the batch and how many there are."""
        with self._opened() as relation:
            found = duck.rows(
                relation.connection, f"select {HASH}, max({BATCH}), count(*) from {relation.sql} group by 1"
            )
        if not found:
            raise NotFound(
                f"No row of {self._source!r} is in quarantine for {self._reason!r}.",
                hint=f"`nbops data quarantine {self._source}` lists the reasons.",
            )
        return {str(row[0]): (str(row[1]), int(row[2])) for row in found}

    def done(
        self, sql: str, function: Callable[[pd.DataFrame], pd.DataFrame] | None, why: str, run_id: str | None
    ) -> Collection:
        there = self.there()
        passed = self._folder / "passed.parquet"
        with self._repaired(sql, function) as relation:
            broken = self._pass(relation, passed)
        with opened(Files(paths=(str(passed),), format="parquet")) as relation:
            counts: dict[str, int] = dict(
                duck.rows(relation.connection, f"select {HASH}, count(*) from {relation.sql} group by 1")
            )
        self._fits(counts, there)
        # Of rows that were equal all are taken or none.
        whole = {found for found, count in counts.items() if count == there[found][1]}
        if not whole:
            return Collection(
                self._request("", run_id, message=f"The contract still refuses them: {broken}."), self._last
            )
        new, blob = self._new_part(passed, whole)
        settled = [Settled(found, there[found][0], there[found][1], "readmitted", blob) for found in sorted(whole)]
        rows = sum(one.rows for one in settled)
        return self.recorded(settled, why, run_id, rows=rows, good=rows, snapshot=new)

    def recorded(
        self,
        settled: list[Settled],
        why: str,
        run_id: str | None,
        *,
        snapshot: NewSnapshot | None = None,
        **counts: int,
    ) -> Collection:
        """What was done, in the store."""
        request = self._request(
            why, run_id, status="taken" if snapshot else "unchanged", snapshot=snapshot, settled=settled, **counts
        )
        version = self._store.write(request)[0]
        return Collection(request, snapshots.get(self._store, self._source, version) if version else self._last)

    def _request(
        self, why: str, run_id: str | None, *, status: Literal["taken", "unchanged", "refused"] = "refused", **more: Any
    ) -> Collect:
        now = now_us()
        return Collect(
            collection_id=new_id(), source=self._source, how="repaired", status=status, started=now, ended=now, why=why, run_id=run_id,
            **more,
        )  # fmt: skip

    def _opened(self) -> AbstractContextManager[Relation]:
        rows = _open_rows(self._store, self._batches, self._reason)
        return opened(rows, tables=_settled(self._store, self._source), writes=[self._folder])

    def _repaired(
        self, sql: str, function: Callable[[pd.DataFrame], pd.DataFrame] | None
    ) -> AbstractContextManager[Relation]:
        rows = _open_rows(self._store, self._batches, self._reason)
        with self._opened() as relation:
            if function is not None:
                made: object = function(duck.frame(relation.connection, f"select * from {relation.sql}"))
            else:
                target = self._folder / "repaired.parquet"
                with fitting(Contract(name="the repair")):
                    relation.connection.execute(f"create temp table quarantine as {rows.sql}")
                    if sql and not _SELECT.match(sql):
                        relation.connection.execute(f"update quarantine set {sql}")
                    chosen = sql.strip().rstrip(";") if _SELECT.match(sql) else "select * from quarantine"
                    duck.to_parquet(relation.connection, chosen, target)
                made = str(target)
        contract = self._contract()
        return opened(
            made, texts=contract.typed, tables=self._foreign(contract), reads=self._last.paths, writes=[self._folder]
        )

    def _pass(self, relation: Relation, target: Path) -> str:
        """Write what the contract takes; tells what is broken in the others."""
        if HASH not in relation.columns:
            raise UsageError(
                f"The repaired rows have no {HASH} any more.", hint="Keep the column: it says which row is repaired."
            )
        contract = self._contract()
        last = self._last
        there = {
            column: kind
            for column, kind in relation.columns.items()
            if column == HASH or not column.startswith("nbops_")
        }
        rows = f"(select {', '.join(map(name, there))} from {relation.sql})"
        compiled = Compiled(contract, rows, there, known=last.sql() if last.parts else "")
        if compiled.missing:
            raise UsageError(
                f"The repaired rows have no {', '.join(compiled.missing)}.",
                hint="Keep the columns that the contract names.",
            )
        with fitting(contract):
            uniqueness.find(relation.connection, compiled)
            duck.to_parquet(relation.connection, compiled.taken, target)
            found = duck.rows(
                relation.connection, f"select distinct unnest({REASONS}) from ({compiled.broken}) order by 1"
            )
        return "; ".join(str(row[0]) for row in found)

    def _fits(self, counts: dict[str, int], there: dict[str, tuple[str, int]]) -> None:
        unknown = counts.keys() - there.keys()
        more = [found for found, count in counts.items() if found in there and count > there[found][1]]
        if unknown or more:
            raise UsageError(
                f"{len(unknown) or len(more)} of the repaired rows are {'none of the quarantine' if unknown else 'more than there were'}.",
                hint="A repair changes rows and may leave some out: it keeps nbops_hash as it is, and adds none.",
            )

    def _new_part(self, passed: Path, whole: set[str]) -> tuple[NewSnapshot, str]:
        last = self._last
        chosen = f"select * from {parquet([passed])} where {HASH} in ({', '.join(map(literal, sorted(whole)))})"
        kept = self._folder / "kept.parquet"
        parts.made(chosen, [passed], kept)
        with opened(Files(paths=(str(kept),), format="parquet")) as relation:
            there = relation.columns
        columns = ", ".join(
            f"{name(column) if column in there else 'null'}::{kind} as {name(column)}"
            for column, kind in last.columns.items()
        )
        rows = f"select {columns} from {parquet([kept])}"
        added = parts.made(rows, [kept], self._folder / "added.parquet", self._by())
        together: list[Part | NewFile] = [*last.parts, *([added] if added else [])]
        total = parts.total_of(together)
        snapshot = NewSnapshot(
            content_hash=content_hash(families(last.columns), total), rows=total.rows, columns=last.columns,
            parts=parts.keep(self._store, together),
            parent=last.version, watermark=last.watermark, profile=parts.profile_of(self._store, last, together),
        )  # fmt: skip
        return snapshot, self._store.put_blob(kept).sha256

    def _by(self) -> str:
        return self._made.append.by if self._made.append else ""

    def _contract(self) -> Contract:
        """The contract's rules of rows."""
        contract = declared.contract_of(self._made, self._store.settings.project) or Contract(name=self._source)
        rules = tuple(
            rule for rule in contract.rules if not isinstance(rule, (RowCount, NullShare, Fresh, Distribution))
        )
        return msgspec.structs.replace(contract, rules=rules, extra="keep")

    def _foreign(self, contract: Contract) -> dict[str, Files | Query]:
        return {called: found.files() for called, found in snapshots.foreign(self._store, contract).items()}


def _called(asked: str | Source | Step) -> str:
    return asked if isinstance(asked, str) else declared.source_of(asked).name


def _declared(store: Store, name: str) -> Source:
    """The source as the project declares it; else as it was when it was collected."""
    with suppress(NotFound):
        return declared.source_of(declared.find(store.settings.project, name))
    told = store.read("select declaration from sources where name = ?", [name]).rows
    return msgspec.json.decode(told[0][0], type=Source)


def _batches(store: Store, source: str) -> list[Batch]:
    found = store.read(
        "select batch_id::varchar as batch_id, sha256, rows, open from quarantine where source = ? and open > 0 order by time",
        [source],
    )
    return [Batch(*row) for row in found.rows]


def _settled(store: Store, source: str) -> dict[str, object]:
    import pyarrow as pa

    hashes = [row[0] for row in store.read("select hash from settled_rows where source = ?", [source]).rows]
    return {"settled": pa.table({"hash": pa.array(hashes, pa.string())})}


def _open_rows(store: Store, batches: list[Batch], reason: str) -> Query:
    """SELECT of the rows that nobody has dealt with; it reads the table `settled`."""
    paths = [str(store.blob_path(batch.sha256)) for batch in batches]
    selects = [
        f"select *, {literal(batch.batch_id)} as {BATCH} from {parquet([path])}"
        for batch, path in zip(batches, paths, strict=True)
    ]  # fmt: skip
    chosen = (
        f" and len(list_filter({REASONS}, lambda reason: contains(reason, {literal(reason)}))) > 0" if reason else ""
    )
    every = (
        " union all by name ".join(selects) or f"select null::varchar as {HASH}, []::varchar[] as {REASONS} where false"
    )
    return Query(
        sql=f"select * from ({every}) where {HASH} not in (select hash from settled){chosen}", paths=tuple(paths)
    )
