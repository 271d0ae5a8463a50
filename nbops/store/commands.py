"""How a domain teaches the owner a verb: a request record, a function over a transaction, a role.

    @command(RenameRun, role="contributor")
    def rename(tx: Transaction, request: RenameRun) -> None: ...

The functions run in the owner only, on its one writer thread; the modules that hold them import nothing heavy.
Rows for append-only tables are collected with `Transaction.add` and go in with one statement for the whole group.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar

from nbops import duck
from nbops.events import Event
from nbops.records import Actor
from nbops.store.places import Places
from nbops.store.wire import Request

Role = Literal["viewer", "contributor", "approver", "admin"]

R = TypeVar("R", bound=Request)


_order = itertools.count()


class Bulk:
    """One SQL statement that takes many rows at once; `{rows}` in it becomes the rows as a derived table.

    Within a group the statements run in the order in which they were declared.

    `columns` gives each column its DuckDB type; `us` is microseconds since 1970 and arrives as TIMESTAMP.
    """

    def __init__(self, sql: str, /, **columns: str) -> None:
        fields = ", ".join(f"{_unnested(kind)} as {name}" for name, kind in columns.items())
        self.sql = sql.replace("{rows}", f"(select {fields})")
        self.columns = tuple(columns)
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


class Transaction(Protocol):
    """What a command may do. All of it is committed with the rest of its envelope, or none of it."""

    actor: Actor
    time: int
    """When the owner took it up, UTC microseconds."""

    def next_seq(self) -> int:
        """The next number of the writer's sequence."""
        ...

    def next_seqs(self, count: int) -> int:
        """The first of that many numbers in a row."""
        ...

    def add(self, bulk: Bulk, *row: object) -> None:
        """Put one row, in the order of the bulk's columns."""
        ...

    def add_columns(self, bulk: Bulk, rows: int, *columns: object) -> None:
        """Put many rows: each column a list, or one value that all rows share."""
        ...

    def load(self, sql: str, values: Sequence[object], rows: int, **columns: tuple[str, bytes]) -> None:
        """Execute a statement over the table `incoming`, whose columns are raw little-endian bytes: kind "d" (float64) or "q" (int64)."""
        ...

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Read; sees everything that was put before."""
        ...

    def run(self, sql: str, *values: object) -> None:
        """Execute a statement at once."""
        ...

    def event(self, event: Event) -> None:
        """Record an event in the chain."""
        ...

    def cached(self, kind: str, key: str, load: Callable[[], Any]) -> Any:
        """A fact that never changes once it is there; kept for later transactions when this one commits."""
        ...

    def remember(self, kind: str, key: str, value: object) -> None:
        """Put a fact that `cached` will answer with."""
        ...


class Command:
    """A registered command."""

    def __init__(self, request: type[Request], run: Callable[[Transaction, Any], Any], role: Role) -> None:
        self.request = request
        self.name = str(request.__struct_config__.tag)
        self.run = run
        self.role = role


COMMANDS: dict[type[Request], Command] = {}
PATROLS: list[Callable[[Transaction, Places], None]] = []
"""What the owner looks after by itself, every few seconds and at its start."""


def command(
    request: type[R], *, role: Role
) -> Callable[[Callable[[Transaction, R], Any]], Callable[[Transaction, R], Any]]:
    """Register the function as what the owner does for `request`."""

    def register(run: Callable[[Transaction, R], Any]) -> Callable[[Transaction, R], Any]:
        COMMANDS[request] = Command(request, run, role)
        return run

    return register


def patrol(run: Callable[[Transaction, Places], None]) -> Callable[[Transaction, Places], None]:
    """Register the function as something the owner does by itself every few seconds, in a transaction of its own."""
    PATROLS.append(run)
    return run
