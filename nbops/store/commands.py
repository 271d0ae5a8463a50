"""How a domain teaches the owner a verb: a request record and a function over a transaction.

    @command(RenameRun)
    def rename(tx: Transaction, request: RenameRun) -> None: ...

The functions run in the owner only, on its one writer thread; the modules that hold them import nothing heavy.
Rows for append-only tables are collected with `Transaction.add` and go in with one statement for the whole group.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from nbops import duck
from nbops.errors import UsageError
from nbops.events import Event
from nbops.records import Actor, now_us
from nbops.store.chain import linked
from nbops.store.places import Places
from nbops.store.wire import Request

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

R = TypeVar("R", bound=Request)

_order = itertools.count()


class Bulk:
    """One SQL statement that takes many rows at once; `{rows}` in it becomes the rows as a derived table.

    `columns` gives each column its DuckDB type; `us` is microseconds since 1970 and arrives as TIMESTAMP.
    Within a group the statements run in the order in which they were declared.
    """

    def __init__(self, sql: str, /, **columns: str) -> None:
        fields = ", ".join(f"{_unnested(kind)} as {name}" for name, kind in columns.items())
        self.sql = sql.replace("{rows}", f"(select {fields})")
        self.columns = tuple(columns)
        # A run is inserted before its end updates it.
        self.order = next(_order)

    @classmethod
    def into(cls, table: str, /, **columns: str) -> Bulk:
        """An INSERT into those columns of a table."""
        fields = ", ".join(_unnested(kind) for kind in columns.values())
        return cls(f"insert into {table} ({', '.join(columns)}) select {fields}", **columns)

    @functools.cached_property
    def statement(self) -> Any:
        """The statement, parsed once: parsing is a third of what a small one costs."""
        return duck.parsed(self.sql)


def _unnested(kind: str) -> str:
    return "make_timestamp(unnest(?::bigint[]))" if kind == "us" else f"unnest(?::{kind}[])"


_EVENTS = Bulk.into(
    "core.events", seq="bigint", time="us", actor="varchar", verb="varchar", subject="varchar", detail="varchar",
    previous_hash="varchar", hash="varchar",
)  # fmt: skip


class Transaction:
    """What a command may do. All of it is committed with the rest of its envelope, or none of it."""

    def __init__(self, connection: Connection, known: Mapping[tuple[str, str], Any], seq: int, head: str) -> None:
        self._connection = connection
        self._known = known
        self._pending: dict[Bulk, tuple[list[Any], ...]] = {}
        self._direct = 0
        self.facts: dict[tuple[str, str], Any] = {}
        self.seq = seq
        self.head = head
        self.actor = Actor(name="nbops", uid=os.getuid(), host="", pid=os.getpid())
        self.time = now_us()
        """When the owner took it up, UTC microseconds."""

    def personal(self, what: str) -> None:
        """Raise UsageError unless a person may be asking for `what`."""
        if self.actor.impersonal:
            raise UsageError(
                f"{what} is for a person to do: {self.actor.impersonal}.",
                hint="Do it in a terminal, in JupyterLab, or in a notebook that you run by hand.",
                code="model.trust",
            )

    def next_seq(self) -> int:
        """The next number of the writer's sequence."""
        self.seq += 1
        return self.seq

    def next_seqs(self, count: int) -> int:
        """The first of that many numbers in a row."""
        first, self.seq = self.seq + 1, self.seq + count
        return first

    def add(self, bulk: Bulk, *row: object) -> None:
        """Put one row, in the order of the bulk's columns."""
        for column, value in zip(self._columns(bulk), row, strict=True):
            column.append(value)

    def add_columns(self, bulk: Bulk, rows: int, *columns: object) -> None:
        """Put many rows: each column a list, or one value that all rows share."""
        for column, values in zip(self._columns(bulk), columns, strict=True):
            column.extend(values if isinstance(values, (list, range)) else [values] * rows)

    def load(self, sql: str, values: Sequence[object], rows: int, **columns: tuple[str, bytes]) -> None:
        """Execute a statement over the table `incoming`, whose columns are raw little-endian bytes: kind "d" (float64) or "q" (int64)."""
        self.flush()
        self._direct += 1
        duck.load(self._connection, sql, values, rows, columns)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Read; sees everything that was put before."""
        self.flush()
        return duck.rows(self._connection, sql, values)

    def run(self, sql: str, *values: object) -> None:
        """Execute a statement at once."""
        self.flush()
        self._direct += 1
        self._connection.execute(sql, list(values))

    def event(self, event: Event) -> None:
        """Record an event in the chain."""
        row = linked(self.head, self.next_seq(), self.time, self.actor.name, event)
        self.head = row[-1]
        self.add(_EVENTS, *row)

    def cached(self, kind: str, key: str, load: Callable[[], Any]) -> Any:
        """A fact that never changes once it is there; kept for later transactions when this one commits."""
        for facts in (self.facts, self._known):
            if (kind, key) in facts:
                return facts[kind, key]
        value = load()
        if value is not None:
            self.facts[kind, key] = value
        return value

    def remember(self, kind: str, key: str, value: object) -> None:
        """Put a fact that `cached` will answer with."""
        self.facts[kind, key] = value

    def flush(self) -> None:
        """Execute what was put until now."""
        for bulk in sorted(self._pending, key=lambda b: b.order):
            columns = self._pending.pop(bulk)
            if columns[0]:
                self._direct += 1
                self._connection.execute(bulk.statement, list(columns))

    def mark(self) -> tuple[Any, ...]:
        """Where `back_to` can return to."""
        lengths = {bulk: len(columns[0]) for bulk, columns in self._pending.items()}
        return lengths, self.seq, self.head, dict(self.facts), self._direct

    def back_to(self, mark: tuple[Any, ...]) -> bool:
        """Undo what was put since a mark; False when a statement has reached the database since, so that only a rollback helps."""
        lengths, self.seq, self.head, self.facts, direct = mark
        if direct != self._direct:
            return False
        for bulk, columns in self._pending.items():
            for column in columns:
                del column[lengths.get(bulk, 0) :]
        return True

    def _columns(self, bulk: Bulk) -> tuple[list[Any], ...]:
        if bulk not in self._pending:
            self._pending[bulk] = tuple([] for _ in bulk.columns)
        return self._pending[bulk]


COMMANDS: dict[str, tuple[type[Request], Callable[[Transaction, Any], Any]]] = {}
"""By name: what it takes, and what the owner does for it."""
PATROLS: list[Callable[[Transaction, Places], None]] = []
"""What the owner looks after by itself, every few seconds and at its start."""


def command(request: type[R]) -> Callable[[Callable[[Transaction, R], Any]], Callable[[Transaction, R], Any]]:
    """Register the function as what the owner does for `request`."""

    def register(run: Callable[[Transaction, R], Any]) -> Callable[[Transaction, R], Any]:
        COMMANDS[str(request.__struct_config__.tag)] = request, run
        return run

    return register


def patrol(run: Callable[[Transaction, Places], None]) -> Callable[[Transaction, Places], None]:
    """Register the function as one of `PATROLS`."""
    PATROLS.append(run)
    return run
