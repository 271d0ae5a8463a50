"""Tables and queries of SQLite, read-only and in one transaction, as Parquet: each column gets the one type that its values have."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from nbops import duck
from nbops.data.sources.appending import beginning
from nbops.data.sources.origin import Fetched
from nbops.data.sources.parquet import Writer
from nbops.data.sources.retrying import Transient
from nbops.data.sources.task import Task
from nbops.errors import NotFound, SourceError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 50_000
# What a SELECT does; writing, attaching other files and settings are refused.
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_KINDS = {"integer": "int64", "real": "double", "blob": "binary"}
# Beyond it a double does not know each integer any more.
_EXACT = 2**53


def fetch(task: Task) -> Fetched:
    """Raises SourceError."""
    path = _path(task)
    return task.attempts.run(task.shown, lambda: _read(task, path)).fetched()


def _path(task: Task) -> Path:
    address = task.source.address
    # As SQLAlchemy writes it: a relative path behind three slashes, an absolute one behind four.
    told = address[len("sqlite:///") :] if address.lower().startswith("sqlite:///") else address
    path = task.project / Path(told).expanduser()
    if not path.is_file():
        raise SourceError(f"There is no database {told!r}.", hint=f"It is looked for in {task.project}.")
    return path


def _read(task: Task, path: Path) -> Writer:
    try:
        with closing(
            sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro", uri=True, timeout=task.source.timeout, isolation_level=None
            )
        ) as con:
            con.execute("begin")
            told, values = _asked(task, con)
            declared = _declared(task, con)
            con.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY)
            con.set_progress_handler(lambda: int(task.attempts.left <= 0), 100_000)
            with Writer(task) as writer:
                for batch in _batches(con, told, values, declared):
                    writer.add(batch)
            return writer
    except sqlite3.Error as error:
        raise _failure(task, error) from error


def _asked(task: Task, con: sqlite3.Connection) -> tuple[str, list[Any]]:
    """The query, and the values bound in it."""
    source = task.source
    if source.query:
        return f"select * from (\n{source.query.strip().rstrip(';')}\n)", []
    known = [row[0] for row in con.execute("select name from sqlite_master where type in ('table', 'view')")]
    if source.table.lower() not in [one.lower() for one in known]:
        found = NotFound.of("table", source.table, known, otherwise=f"It has {', '.join(known) or 'none'}.")
        raise SourceError(f"{task.shown}: {found.message}", hint=found.hint)
    asked = f"select * from {duck.name(source.table)}"
    if source.append is None or task.since is None:
        return asked, []
    start = beginning(source.append, task.since)
    # SQLite has no times: they are text, which sorts as they do.
    start = (
        start.isoformat(" ") if isinstance(start, datetime) else start.isoformat() if isinstance(start, date) else start
    )
    return f"{asked} where {duck.name(source.append.by)} > ?", [start]


def _declared(task: Task, con: sqlite3.Connection) -> dict[str, str]:
    """What a table says of columns that have no values, so that their type does not change with the first one."""
    if not task.source.table:
        return {}
    found = con.execute("select name, upper(type) from pragma_table_info(?)", [task.source.table])
    affinities = {"INT": "int64", "REAL": "double", "FLOA": "double", "DOUB": "double", "BLOB": "binary"}
    return {name: next((kind for part, kind in affinities.items() if part in told), "string") for name, told in found}


def _batches(
    con: sqlite3.Connection, asked: str, values: list[Any], declared: dict[str, str]
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    names = [one[0] for one in con.execute(f"select * from ({asked}) limit 0", values).description]
    kinds = _kinds(con, asked, values, names, declared)
    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in zip(names, kinds, strict=True)])
    cursor = con.execute(asked, values)
    while True:
        rows = cursor.fetchmany(ROWS)
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in names]
        arrays = [_array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        yield pa.record_batch(arrays, schema=schema)
        if len(rows) < ROWS:
            return


def _kinds(
    con: sqlite3.Connection, asked: str, values: list[Any], names: list[str], declared: dict[str, str]
) -> list[str]:
    """A type for each column, by Arrow's names: SQLite has one for each value."""
    seen = con.execute(
        f"select {', '.join(f'group_concat(distinct typeof({duck.name(name)}))' for name in names)} from ({asked})",
        values,
    ).fetchone()
    found = [set((one or "").split(",")) - {"null", ""} for one in seen]
    kinds = []
    for name, types in zip(names, found, strict=True):
        if not types:
            kinds.append(declared.get(name, "string"))
        elif types == {"integer", "real"}:
            large = con.execute(
                f"select 1 from ({asked}) where typeof({duck.name(name)}) = 'integer' "
                f"and {duck.name(name)} not between -{_EXACT} and {_EXACT} limit 1",
                values,
            ).fetchone()
            kinds.append("string" if large else "double")
        else:
            kinds.append(_KINDS.get(types.pop(), "string") if len(types) == 1 else "string")
    return kinds


def _array(column: list[Any], kind: str) -> pa.Array:
    import pyarrow as pa

    if kind == "string":
        column = [None if value is None else _text(value) for value in column]
    elif kind == "double":
        column = [None if value is None else float(value) for value in column]
    return pa.array(column, pa.type_for_alias(kind))


def _text(value: Any) -> str:
    """A value of a column that has several types."""
    return value.hex() if isinstance(value, bytes) else str(value)


def _failure(task: Task, error: sqlite3.Error) -> Exception:
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Transient("somebody is writing to it", hint="Try later, or raise `timeout`.")
    if code == "SQLITE_INTERRUPT":
        return SourceError(
            f"{task.shown}: the query was stopped after {task.source.within:g} seconds.",
            hint="Narrow it, or raise `within`.",
        )
    if code == "SQLITE_AUTH" or "not authorized" in str(error):
        return SourceError(
            f"{task.shown}: the query does more than to read.",
            hint="A query is one SELECT over the tables of this database.",
        )
    if code in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}:
        return SourceError(
            f"{task.shown} is damaged, or no database of SQLite.",
            hint="Look at `from`; `sqlite3 FILE .recover` saves rows.",
        )
    return SourceError(
        f"{task.shown}: {error}.", hint="Look at the `table` or `query`; `sqlite3 FILE .schema` shows what there is."
    )
