"""A contract against rows: one scan counts what breaks each rule; the broken rows can be had with their reasons."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nbops import duck
from nbops.data import contract as contracts
from nbops.data import looking_up, uniqueness
from nbops.data.compiling import Compiled, free_of_ours
from nbops.data.contract import Contract
from nbops.data.meaning import sentence, wrong
from nbops.data.relation import Relation, is_read_once, opened, parquet
from nbops.data.rules import Distribution, Fresh, RowRule, Severity, TableRule, Unique
from nbops.errors import UsageError
from nbops.records import Record
from nbops.render import html, text, values
from nbops.render.model import Column, Html
from nbops.render.view import View

if TYPE_CHECKING:
    import pandas as pd

_GROUP = 8192
Outcome = Literal["passed", "warning", "quarantined", "failed", "skipped"]


class Judged(Record):
    """What became of a rule: how many rows break it, and what follows from that."""

    sentence: str
    severity: Severity
    outcome: Outcome
    broken: int = 0
    detail: str = ""


class Checked(View):
    """What a contract found in `rows` rows, of which `quarantined` break a rule that sets them aside; `sql` is what it is compiled to.

    `emptied` says that rows came and none of them is left.
    """

    kind = "checked"

    def __init__(
        self, contract: str, rows: int, quarantined: int, judged: Sequence[Judged], *, dropped: int = 0, emptied: bool = False,
        sql: str = "",
    ) -> None:  # fmt: skip
        self.contract = contract
        self.rows = rows
        self.quarantined = quarantined
        self.dropped = dropped
        self.judged = tuple(judged)
        self.emptied = emptied
        self.sql = sql

    @property
    def good(self) -> int:
        """Rows that break no rule that sets them aside."""
        return self.rows - self.quarantined - self.dropped

    @property
    def ok(self) -> bool:
        """Whether the good rows may be taken."""
        return not self.emptied and not any(one.outcome == "failed" for one in self.judged)

    @property
    def summary(self) -> str:
        """What was found, in one line."""
        aside = f", {self.quarantined:,} to be set aside" if self.quarantined else ""
        dropped = f", {self.dropped:,} older of the same key" if self.dropped else ""
        broken = "" if self.ok else f"; the contract is broken{': no row is left' if self.emptied else ''}"
        return f"{self.contract}: {values.counted(self.rows, 'row')}{aside}{dropped}{broken}"

    def to_text(self) -> str:
        """A line for each rule."""
        return text.table(COLUMNS, self._lines(), caption=self.summary)

    def to_html(self) -> Html:
        """As the text, as a table."""
        return html.table(COLUMNS, self._lines(), caption=self.summary)

    def _lines(self) -> list[list[object]]:
        return [[one.outcome, one.sentence, one.broken or None, one.detail] for one in self.judged]


COLUMNS = (Column("outcome", kind="status"), Column("rule"), Column("broken rows", kind="number"), Column("why"))
"""What is told of each rule."""


def check(
    data: object,
    given: Any,
    *,
    tables: Mapping[str, object] | None = None,
    broken: str | PathLike[str] | None = None,
    memory_limit: str = "50%",
) -> Checked:
    """Judge rows by a contract, without any store.

    `data` is a path or pattern, a DataFrame of pandas or polars, or Arrow; `given` a contract's YAML file, a dict, a schema of pandera, or
    a Contract; `tables` are what its foreign keys name. To `broken` the rows that are set aside are written as Parquet, as they came,
    each with all of its `nbops_reasons`; lines of CSV that are no rows are counted only. Raises ConfigError, NotFound and UsageError.
    """
    target = None if broken is None else Path(broken).absolute()
    with contextlib.ExitStack() as stack:
        # Beside the target, not in memory: nobody knows how many rows are broken.
        aside = target and _beside(target, stack)
        writes = [target.parent, aside] if target and aside else []
        compiled, relation = stack.enter_context(
            _prepared(data, given, tables, memory_limit, writes, several=target is not None)
        )
        con, counts = relation.connection, Counts(compiled)
        if target is None or aside is None or compiled.table_rules or not relation.counts_cheaply:
            counts.all(duck.rows(con, compiled.counted))
            if target is not None:
                duck.to_parquet(con, compiled.broken, target, group=_GROUP)
        else:
            duck.to_parquet(con, compiled.all_marked, aside / "marked", group=_GROUP)
            rows = parquet([aside / "marked"])
            found = duck.rows(con, compiled.counted_of(rows))
            others = duck.rows(con, f"select count(*) from {relation.sql}")[0][0] - sum(row[1] for row in found)
            counts.all([*found, (False, others, *[0] * len(compiled.words))])
            duck.to_parquet(con, compiled.broken_of(rows), target, group=_GROUP)
        counts.reject(len(relation.rejected()))
    return counts.judged()


def aside(data: object, given: Any, *, tables: Mapping[str, object] | None = None) -> pd.DataFrame:
    """The rows that a contract sets aside, as they came, each with its `nbops_reasons`. Raises as `check`."""
    with _prepared(data, given, tables) as (compiled, relation):
        return duck.frame(relation.connection, compiled.broken)


def taken(data: object, given: Any, *, tables: Mapping[str, object] | None = None) -> pd.DataFrame:
    """The rows that a contract does not set aside, their values as its kinds. Raises as `check`."""
    with _prepared(data, given, tables) as (compiled, relation):
        return duck.frame(relation.connection, compiled.taken)


class Counts:
    """Adds up marked rows, and says what a contract makes of them."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._broken = [0] * len(compiled.row_rules)
        self._measures: list[Any] = [None] * len(compiled.table_rules)
        self.rows = self.quarantined = self.dropped = self._rejected = 0

    def all(self, found: Iterable[Sequence[Any]]) -> None:
        """What `Compiled.counted` gives."""
        for dropped, rows, *rest in found:
            measures, words = rest[: len(self._compiled.table_rules)], rest[len(self._compiled.table_rules) :]
            self.add(words, rows, dropped=dropped)
            if not dropped:
                self.measure(measures)

    def add(self, words: Sequence[int], rows: int, *, dropped: bool = False) -> None:
        """So many rows with these marks."""
        self.rows += rows
        if dropped:
            self.dropped += rows
            return
        if any(word & mask for word, mask in zip(words, self._compiled.masks, strict=True)):
            self.quarantined += rows
        for number in self._compiled.broken_by(words):
            self._broken[number] += rows

    def reject(self, rows: int = 1) -> None:
        """So many lines that are no rows."""
        self.rows += rows
        self.quarantined += rows
        self._rejected += rows

    def measure(self, found: Sequence[Any]) -> None:
        """What the rules of the table ask for, in some of the rows: missing values and the newest time."""
        for number, (rule, value) in enumerate(zip(self._compiled.table_rules, found, strict=True)):
            before = self._measures[number]
            if before is None or value is None:
                self._measures[number] = before if value is None else value
            else:
                self._measures[number] = max(before, value) if isinstance(rule, Fresh) else before + value

    def judged(
        self, distances: Mapping[str, float] | None = None, *, readmitted: int = 0, news: int | None = None
    ) -> Checked:
        """What follows; `distances` of the columns from the last snapshot are what rules of distribution ask for.

        So many rows that are set aside here are `readmitted`, as they were repaired. Of those that are set aside, `news` were not known
        to be: without any, that none is left says nothing about what came.
        """
        compiled, kept = self._compiled, self.rows - self.dropped
        left = kept - self.quarantined + readmitted
        told = [Judged(f"{column} is there", "stop", "failed", 0, "it is missing") for column in compiled.missing]
        if compiled.extra and compiled.contract.extra != "keep":
            severity: Severity = compiled.contract.extra
            outcome: Outcome = "failed" if severity == "stop" else "warning"
            told.append(Judged("there are no other columns", severity, outcome, 0, ", ".join(compiled.extra)))
        if self._rejected:
            told.append(Judged("each line is a row", "quarantine", "quarantined", self._rejected))
        told += [_of_rows(rule, count, kept) for rule, count in zip(compiled.row_rules, self._broken, strict=True)]
        told += [
            Judged(sentence(rule), rule.severity, "skipped", 0, "a column is missing") for rule in compiled.skipped
        ]
        for rule, value in zip(compiled.table_rules, self._measures, strict=True):
            told.append(_of_table(rule, value, kept, left, distances))
        emptied = not left and (self.rows if news is None else news) > 0
        return Checked(
            compiled.contract.name, self.rows, self.quarantined, told, dropped=self.dropped, emptied=emptied, sql=compiled.sql
        )  # fmt: skip


def _of_rows(rule: RowRule, count: int, rows: int) -> Judged:
    share = count / rows if rows else 0.0
    beyond = share > rule.limit
    if rule.severity == "warn":
        outcome: Outcome = "warning" if beyond else "passed"
    else:
        outcome = "failed" if beyond else "quarantined" if count else "passed"
    detail = f"{share:.4g} of the rows, at most {rule.limit:.4g}" if beyond else ""
    return Judged(sentence(rule), rule.severity, outcome, count, detail)


def _of_table(rule: TableRule, value: Any, rows: int, left: int, distances: Mapping[str, float] | None) -> Judged:
    if isinstance(rule, Distribution):
        if distances is None or rule.column not in distances:
            return Judged(sentence(rule), rule.severity, "skipped", 0, "there is no snapshot to compare with")
        found = distances[rule.column]
        fault = "" if found <= rule.max else f"it is {found:.3g} away"
    else:
        fault = wrong(rule, value, rows, left)
    outcome: Outcome = "passed" if not fault else "warning" if rule.severity == "warn" else "failed"
    return Judged(sentence(rule), rule.severity, outcome, 0, fault)


def _beside(target: Path, stack: contextlib.ExitStack) -> Path:
    """A folder that is gone with the stack. Raises UsageError where none can be made."""
    try:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".nbops-", dir=target.parent)))
    except OSError as error:
        raise UsageError(
            f"{str(target)!r} cannot be written: {error.strerror}.", hint="Give a path in a folder that is there."
        ) from error


@contextlib.contextmanager
def _prepared(
    data: object,
    given: Any,
    tables: Mapping[str, object] | None,
    memory_limit: str = "50%",
    writes: Collection[Path] = (),
    *,
    several: bool = True,
) -> Iterator[tuple[Compiled, Relation]]:
    contract = contracts.read(given)
    if several or any(isinstance(rule, Unique) for rule in contract.rules):
        data = data.read_all() if is_read_once(data) else data
    with opened(data, texts=contract.typed, tables=tables, memory_limit=memory_limit, writes=writes) as relation:
        free_of_ours(relation.columns)
        compiled = Compiled(contract, relation.sql, relation.columns)
        with fitting(contract):
            look_ahead(relation, compiled)
            yield compiled, relation


def look_ahead(relation: Relation, compiled: Compiled) -> None:
    """Find what rows cannot tell of themselves, or not as cheaply, before they are scanned."""
    uniqueness.find(relation.connection, compiled)
    looking_up.find(relation, compiled)


@contextlib.contextmanager
def fitting(contract: Contract) -> Iterator[None]:
    """What DuckDB refuses is a contract that does not fit the data. Raises UsageError."""
    try:
        yield
    except duck.errors() as error:
        raise UsageError(
            f"The contract {contract.name!r} does not fit the data: {str(error).splitlines()[0]}",
            hint="An expression or a type in it is not what DuckDB takes.",
        ) from error
