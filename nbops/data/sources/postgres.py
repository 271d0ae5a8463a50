"""Tables and queries of PostgreSQL, in a read-only transaction, streamed to Parquet. docs/decisions/0011-adbc.md says by what."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from nbops import duck
from nbops.data.sources import address as addresses
from nbops.data.sources.appending import beginning
from nbops.data.sources.origin import Fetched
from nbops.data.sources.parquet import Writer
from nbops.data.sources.retrying import Transient
from nbops.data.sources.task import Task
from nbops.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

# States of SQL that another attempt may not meet: connection, resources, shutting down, conflicts of transactions, locks.
_HEALS = ("08", "40", "53", "55P03", "57P")
# A stream that breaks off tells the sentence, but not the state.
_BUSY = (
    "starting up|shutting down|too many (?:clients|connections)|server closed|terminating connection|deadlock|lock timeout"
    "|could not serialize"
)
_DECIMAL_DIGITS = 38
# Days before 1970 at which PostgreSQL's calendar begins, in 4713 BC.
_FIRST_DAY = -2_440_600


def fetch(task: Task) -> Fetched:
    """Raises SourceError."""
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise SourceError(
            "PostgreSQL needs the driver adbc-driver-postgresql.", hint="pip install 'nbops[postgres]'"
        ) from error
    uri = _uri(task)

    def once() -> Writer:
        try:
            with dbapi.connect(uri) as con, con.cursor() as cursor, Writer(task) as writer:
                for batch in _batches(task, cursor):
                    writer.add(batch)
                return writer
        except dbapi.Error as error:
            raise _failure(task, error) from None
        except OSError as error:
            # A stream that breaks off tells it by Arrow's error, which has no number of the system.
            if error.errno is not None:
                raise
            raise _failure(task, error) from None

    return task.attempts.run(task.shown, once).fetched()


def _uri(task: Task) -> str:
    """The address with its secrets, and with an end to waiting for a server that is gone."""
    uri = addresses.filled(task.source.address, os.environ, url=True)
    try:
        query = urlsplit(uri).query
    except ValueError:  # which tells the password
        raise SourceError(
            f"{task.shown} is no address that can be asked.",
            hint="Quote the password, or name it: `me:$PASSWORD@host`.",
        ) from None
    said = parse_qs(query)
    seconds = max(2, round(task.source.timeout))
    more = {
        "connect_timeout": seconds, "keepalives_idle": seconds, "keepalives_interval": 10, "keepalives_count": 3,
        "tcp_user_timeout": _milliseconds(seconds), "application_name": "nbops",
    }  # fmt: skip
    told = "&".join(f"{key}={value}" for key, value in more.items() if key not in said)
    return f"{uri}{'&' if query else '?'}{told}"


def _milliseconds(seconds: float) -> int:
    """At least one, and at most what PostgreSQL takes."""
    return min(max(1, round(seconds * 1000)), 2**31 - 1)


def _batches(task: Task, cursor: Any) -> Iterator[pa.RecordBatch]:
    source = task.source
    cursor.execute("set transaction isolation level repeatable read, read only")
    cursor.execute(f"set local statement_timeout = {_milliseconds(task.attempts.left)}")
    cursor.execute(f"set local lock_timeout = {_milliseconds(source.timeout)}")
    if source.query:
        cursor.execute(source.query.strip().rstrip(";"))
    elif source.append is None or task.since is None:
        cursor.execute(f"select * from {_table(source.table)}")
    else:
        start = beginning(source.append, task.since)
        cursor.execute(f"select * from {_table(source.table)} where {duck.name(source.append.by)} > $1", [start])
    reader = cursor.fetch_record_batch()
    fields = list(reader.schema)
    yield _storable(reader.schema.empty_table().to_batches(), fields, reader.schema)
    for batch in reader:
        task.attempts.check()
        yield _storable([batch], fields, reader.schema)


def _storable(batches: list[pa.RecordBatch], fields: list[pa.Field], schema: pa.Schema) -> pa.RecordBatch:
    """Numbers as numbers, and text for what Parquet does not know."""
    import pyarrow as pa

    batch = batches[0] if batches else pa.RecordBatch.from_pylist([], schema=schema)
    columns = [_column(column, field) for column, field in zip(batch.columns, fields, strict=True)]
    for column, field in zip(columns, fields, strict=True):
        _refuse_infinite(column, field.name)
    return pa.record_batch(columns, names=[field.name for field in fields])


def _column(column: pa.Array, field: pa.Field) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    told = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    kind = told.get("POSTGRESQL:type") or told.get("ADBC:postgresql:typname", "")
    if isinstance(column.type, pa.BaseExtensionType):
        if kind == "uuid":
            return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
        column = column.storage
    if kind == "numeric" and pa.types.is_string(column.type):
        modifier = int(told.get("POSTGRESQL:typmod", -1)) - 4
        digits, scale = modifier >> 16, modifier & 0x7FF
        if modifier < 0 or digits > _DECIMAL_DIGITS or scale > digits:
            return pc.cast(column, pa.float64())
        # A decimal has no "not a number", which counts as no value everywhere else.
        return pc.cast(pc.if_else(pc.equal(column, "nan"), None, column), pa.decimal128(digits, scale))
    if pa.types.is_interval(column.type):
        return pa.array([None if value is None else _span(value) for value in column.to_pylist()], pa.string())
    return column


def _refuse_infinite(column: pa.Array, name: str) -> None:
    """The driver makes a time out of PostgreSQL's `infinity` that nobody meant."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_timestamp(column.type) or pa.types.is_date32(column.type)):
        return
    counts = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
    first = _FIRST_DAY if pa.types.is_date32(column.type) else _FIRST_DAY * 86_400_000_000
    if pc.any(pc.less(counts, first)).as_py():
        raise SourceError(
            f"The column {name!r} has an infinite time.",
            hint=f"Ask for what fits: `query: select nullif({name}, 'infinity') ...`.",
        )


def _span(value: Any) -> str:
    """An interval as PostgreSQL and DuckDB read it."""
    return f"{value.months} months {value.days} days {value.nanoseconds / 1e9:g} seconds"


def _table(table: str) -> str:
    """`schema.table`, each part quoted."""
    return ".".join(map(duck.name, table.split(".", 1)))


def _failure(task: Task, error: Exception) -> Exception:
    """The server's own sentence; it holds no password."""
    state = getattr(error, "sqlstate", None) or ""
    text = str(error)
    found = re.search(r"(?:ERROR|FATAL):\s*(.+)", text)
    said = found[1].strip().rstrip(".") if found else ""
    if state == "57014" or "statement timeout" in text:
        return SourceError(
            f"{task.shown}: the query was stopped after {task.source.within:g} seconds.",
            hint="Narrow it, or raise `within`.",
        )
    if state.startswith(_HEALS) or re.search(_BUSY, text):
        return Transient(
            said or "the connection broke off", hint="The server has a problem or too much to do: try later."
        )
    if said:
        return SourceError(f"{task.shown}: {said}.", hint=_remedy(state, said))
    if "Failed to connect" in text:
        return Transient(
            "nobody answers there", hint="Look at host and port, and whether the server lets you in from here."
        )
    return Transient("the connection broke off", hint="Look whether the network and the server are up.")


def _remedy(state: str, said: str) -> str:
    if re.search(r"password|authentication|role|pg_hba", said):
        return "Look at the user, and at the variable that the password comes from: `postgresql://user:$PASSWORD@host/database`."
    if state == "25006":
        return "A query is one SELECT that changes nothing."
    if state == "42501":
        return "Ask for the right to read it."
    return "Look at the `table` or `query`, and at the database's name."
