"""The one place that imports duckdb: opening the store's file, scratch engines, and DuckDB's errors as ours.

Never opens the store's file by any other way than `attach_store`: closing a second descriptor of it would drop DuckDB's lock.
"""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nbops.errors import (
    Conflict,
    NbopsError,
    QueryError,
    QueryTimeout,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreHeld,
    StoreReadOnly,
    StoreUnavailable,
    StoreVersion,
    UsageError,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from duckdb import DuckDBPyConnection as Connection

# Read and written by every DuckDB from 1.4 on; a newer DuckDB's own default cannot be opened by an older one.
STORAGE = "v1.4.0"
NAME = "nbops"


def version() -> str:
    """The version of the DuckDB in use."""
    import duckdb

    return duckdb.__version__


def scratch(*, memory_limit: str = "50%", threads: int = 2) -> Connection:
    """An in-memory engine for scans over files and frames; it never touches the store."""
    import duckdb

    con = duckdb.connect(":memory:")
    con.execute(f"set memory_limit = {literal(_memory(memory_limit))}")
    con.execute(f"set threads = {int(threads)}")
    # In a notebook, or with `python -c`, DuckDB would draw one into what the user prints.
    con.execute("set enable_progress_bar = false")
    # DuckDB's own default is a folder beside the notebook.
    con.execute(f"set temp_directory = {literal(str(Path(tempfile.gettempdir(), f'nbops-{os.getpid()}-{id(con)}')))}")
    con.execute("set python_enable_replacements = false")
    return con


def confine(con: Connection, paths: Iterable[str], folders: Iterable[str], *, lock: bool = True) -> None:
    """From now on SQL reaches these files and what lies in these folders, and can change no setting unless not to `lock`."""
    con.execute(f"set allowed_paths = [{', '.join(map(literal, paths))}]")
    con.execute(f"set allowed_directories = [{', '.join(literal(f'{folder}/') for folder in folders)}]")
    con.execute("set enable_external_access = false")
    if lock:
        con.execute("set lock_configuration = true")


def attach_store(
    path: Path, *, read_only: bool, allowed: Path, temporary: Path, memory_limit: str, threads: int
) -> Connection:
    """Open the store's file as catalog `nbops` of an instance that is locked down before anything else runs in it.

    External access is off but for the folder `allowed` and no setting can be changed any more, in any cursor made from it. Raises
    StoreHeld, StoreReadOnly, StoreFull, StoreCorrupt or StoreVersion.
    """
    import duckdb

    con = duckdb.connect(":memory:")
    try:
        con.execute(f"set threads = {int(threads)}")
        con.execute(f"set memory_limit = {literal(_memory(memory_limit))}")
        con.execute(f"set temp_directory = {literal(str(temporary))}")
        option = "read_only" if read_only else f"storage_version {literal(STORAGE)}"
        con.execute(f"attach {literal(str(path))} as {NAME} ({option})")
        con.execute(f"use {NAME}")
        con.execute(f"set allowed_directories = [{literal(str(allowed) + '/')}]")
        con.execute("set python_enable_replacements = false")
        con.execute("set enable_external_access = false")
        con.execute("set lock_configuration = true")
    except duckdb.Error as error:
        con.close()
        raise translate(error, path) from error
    return con


def cursor(con: Connection) -> Connection:
    """Another session of the same instance; it starts in the store's catalog."""
    made = con.cursor()
    made.execute(f"use {NAME}")
    return made


def errors() -> type[Exception]:
    """The base of what DuckDB raises."""
    import duckdb

    return duckdb.Error


def stream_errors() -> tuple[type[Exception], ...]:
    """What is raised while a stream of Arrow is read: DuckDB's own error, or Arrow's with its text."""
    import pyarrow as pa

    return errors(), pa.ArrowException, OSError


def is_fatal(error: Exception) -> bool:
    """Whether the instance that raised it is of no use any more."""
    import duckdb

    return isinstance(error, duckdb.FatalException | duckdb.InternalException) or "invalidated" in str(error)


def parsed(sql: str) -> Any:
    """One statement, parsed once to be executed often; it belongs to no connection."""
    import duckdb

    return duckdb.extract_statements(sql)[0]


class Read(NamedTuple):
    """What DuckDB's parser makes of a statement: whether it is a SELECT, and the names of its parameters."""

    selects: bool
    names: frozenset[str]


def statements(sql: str) -> list[Read]:
    """The statements of a SQL text, parsed and no more. Raises DuckDB's ParserException."""
    import duckdb

    return [Read(one.type.name == "SELECT", frozenset(one.named_parameters)) for one in duckdb.extract_statements(sql)]


def parts(con: Connection, expression: str) -> dict[str, set[str]]:
    """What a SQL text that is one expression and nothing more is made of: classes of DuckDB's parser, with the names that columns have.

    Nothing of it is computed. Raises an error of DuckDB's for several expressions or statements, or for what it cannot read.
    """
    import duckdb

    # Either can be led to take something more: the one a FROM behind the expression (in 1.5), the other two halves with a `) or (`.
    duckdb.SQLExpression(expression)
    (read,) = rows(con, "select json_serialize_sql(?)", [f"select (\n{expression}\n) from given"])[0]  # noqa: S608 - it is only parsed
    parsed = json.loads(read)
    if parsed["error"]:
        raise duckdb.ParserException(parsed["error_message"])
    found: dict[str, set[str]] = {}
    waiting = [parsed["statements"]]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "class" in one:
                found.setdefault(one["class"], set()).update(name.lower() for name in one.get("column_names", ()))
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found


def name(text: str) -> str:
    """A SQL name, whatever its characters are."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A SQL string literal, for the few statements that take no bound values."""
    return "'" + text.replace("'", "''") + "'"


def rows(con: Connection, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """Execute and fetch everything."""
    return con.execute(sql, list(values)).fetchall()


def frame(con: Connection, sql: str) -> pd.DataFrame:
    """Execute and fetch everything as a DataFrame."""
    return con.execute(sql).df()


def batches(con: Connection, sql: str, values: Sequence[object], rows: int) -> pa.RecordBatchReader:
    """The result of a SELECT as Arrow batches of that many rows."""
    fetch = getattr(con, "fetch_record_batch", None)
    if fetch is not None:
        # DuckDB 1.5: `sql` with bound values would build the whole result row by row.
        con.execute(sql, list(values))
        return fetch(rows)
    return con.sql(sql, params=list(values)).to_arrow_reader(rows)


def to_parquet(
    con: Connection,
    sql: str,
    path: str | os.PathLike[str],
    *,
    group: int = 122_880,
    says: Mapping[str, str] | None = None,
) -> None:
    """Write the rows of a SELECT to a Parquet file, `group` rows of each thread at a time, which `says` something beside them.

    Raises StoreFull.
    """
    import duckdb

    told = ", ".join(f"{literal(key)}: {literal(value)}" for key, value in (says or {}).items())
    more = f", kv_metadata {{{told}}}" if told else ""
    try:
        con.execute(
            f"copy ({sql}) to {literal(os.fspath(path))} (format parquet, compression zstd, row_group_size {group}{more})"
        )
    except duckdb.Error as error:
        if (problem := full(error)) is not None:
            raise problem from error
        raise


def full(error: Exception) -> StoreFull | None:
    """A full disk, where that is what DuckDB or Arrow raised it for."""
    lower = str(error).lower()
    if any(sign in lower for sign in _FULL) or getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}:
        return StoreFull("The disk is full.", hint="Free some space and do it again: nothing was taken.")
    return None


def load(
    con: Connection, sql: str, values: Sequence[object], count: int, columns: Mapping[str, tuple[str, bytes]]
) -> None:
    """Execute a statement over the table `incoming`, made of raw little-endian columns."""
    import pyarrow as pa

    kinds = {"d": pa.float64(), "q": pa.int64()}
    arrays = [pa.Array.from_buffers(kinds[kind], count, [None, pa.py_buffer(raw)]) for kind, raw in columns.values()]
    con.register("incoming", pa.table(arrays, names=list(columns)))
    try:
        con.execute(sql, list(values))
    finally:
        con.unregister("incoming")


def query_error(error: Exception, *, late: bool) -> QueryError:
    """A failure of the user's SQL; `late` says that it was interrupted at its time limit."""
    import duckdb

    first = str(error).strip()
    if isinstance(error, duckdb.InterruptException) or first.startswith("INTERRUPT Error"):
        if not late:
            # DuckDB 1.5: one thread failed and the others, which it interrupts, were heard first.
            return QueryError(
                "The query failed, and DuckDB does not say at what.", hint="Ask again: it may say so then."
            )
        return QueryTimeout("The query was stopped at its time limit.", hint="Narrow it, or raise sql.timeout.")
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError(
            "The query needs more memory than the store's owner may use.", hint="Narrow it, or use `nbops db open`."
        )
    return QueryError(
        f"The query failed: {first}", hint="`nbops sql 'show tables'` lists the views, docs/views.md their columns."
    )


def values_fault(error: Exception) -> NbopsError | None:
    """The error for the sender of what can never be stored. None when the cause lies elsewhere."""
    import duckdb

    text = _first(str(error))
    if isinstance(error, duckdb.ConstraintException):
        return Conflict(
            f"It is there already, or does not fit the store's rules: {text}",
            hint="Look at what the store has: `nbops sql`.",
        )
    if isinstance(error, duckdb.DataError):
        return UsageError(
            f"A value does not fit: {text}", hint="Client and owner may differ in version: see `nbops doctor`."
        )
    return None


class _Failure(NamedTuple):
    """A failure about the file, by words in DuckDB's text."""

    signs: tuple[str, ...]
    kind: type[StoreError]
    message: str
    hint: str


_FULL = ("no space left", "disk full", "disk quota", "file too large")
_FAILURES = (
    _Failure(
        _FULL, StoreFull,
        "The disk of {path} is full.", "Free some space; what you log meanwhile is spooled elsewhere.",
    ),
    _Failure(
        ("read-only file system", "permission denied", "operation not permitted", "read-only mode"), StoreReadOnly,
        "{path} cannot be written ({text}).", "Make the folder writable for you; what you log meanwhile is spooled elsewhere.",
    ),
    _Failure(
        ("only read versions",), StoreVersion,
        "{path} was written by a newer DuckDB ({text}).", "Upgrade: pip install -U duckdb.",
    ),
    _Failure(
        (
            "not a valid duckdb", "corrupt", "checksum", "wal file", "serialization error", "failure while replaying",
            "could not read enough",
        ),
        StoreCorrupt,
        "{path} cannot be read: {text}",
        "Run `nbops db restore`: it names the newest backup and what would be missing. The file is kept aside.",
    ),
)  # fmt: skip


def translate(error: Exception, path: Path) -> NbopsError:
    """DuckDB's error about the store's file as one of ours, with the remedy."""
    import duckdb

    text = str(error)
    first = _first(text)
    # A folder may be called anything, "corrupt" too.
    lower = text.replace(str(path.parent), "").lower()
    if "could not set lock" in lower or "conflicting lock" in lower:
        who = re.search(r"held in (.+?) \(PID (\d+)\)", text)
        holder = f"{Path(who[1]).name} (process {who[2]})" if who else "another program"
        return StoreHeld(
            f"{path} is held open by {holder}.", hint="Close it there; what you log meanwhile is spooled and folded in."
        )
    for failure in _FAILURES:
        if any(sign in lower for sign in failure.signs):
            return failure.kind(failure.message.format(path=path, text=first), hint=failure.hint)
    hint = "`nbops doctor` looks for the cause; .nbops/run/owner.log has the details."
    if isinstance(error, (duckdb.OperationalError, OSError)) or is_fatal(error):
        return StoreUnavailable(f"The store cannot be used at the moment: {first}", hint=hint)
    return StoreError(f"The store failed: {first}", hint=hint)


def _first(text: str) -> str:
    return text.strip().splitlines()[0][:300] if text.strip() else "no message"


def _memory(limit: str) -> str:
    """DuckDB 1.5 takes shares of the memory only as its default, so a share is worked out here."""
    if not limit.endswith("%"):
        return limit
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{int(total * float(limit[:-1]) / 100 / 2**20)}MiB"
