"""Rows of any kind as something a scratch engine can scan: files by their name, frames, Arrow, SQL.

Once they are bound the engine is closed to everything else: no other file, no setting, no variable of Python can be reached by SQL.
"""

from __future__ import annotations

import contextlib
import glob
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeGuard

from nbops import duck
from nbops.data import line_ends
from nbops.duck import name
from nbops.errors import NotFound, SourceError, UsageError
from nbops.records import Record

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection as Connection

Format = Literal["parquet", "csv", "json"]
_FORMATS: dict[str, Format] = {
    ".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json",
}  # fmt: skip
# Beyond it the lines of each file that cannot be read are not told one by one.
_MOST_FILES = 100
_MOST_REJECTED = 1_000_000


class Relation(NamedTuple):
    """What can stand behind FROM, its columns with their DuckDB types, and the files that are all it reads, if it does.

    `counts_cheaply` says that the number of rows is known without reading them.
    """

    connection: Connection
    sql: str
    columns: dict[str, str]
    files: Files | None = None
    counts_cheaply: bool = False

    def rejected(self) -> list[tuple[str, str]]:
        """The lines of CSV that were no rows in the scans until now, each with what is wrong with it. Raises SourceError for too many."""
        if self.files is None or not self.files.tells_rejected:
            return []
        found = duck.rows(
            self.connection,
            f"""
            select coalesce(any_value(csv_line), ''), lower(any_value(error_type)), any_value(column_name)
            from reject_errors join reject_scans using (scan_id, file_id) group by file_path, line order by file_path, line
            limit {_MOST_REJECTED + 1}
            """,
        )
        if len(found) > _MOST_REJECTED:
            raise SourceError(
                f"More than {_MOST_REJECTED:,} lines cannot be read.",
                hint="Look at the file: the delimiter or the encoding may be another one.",
            )
        return [(line, kind + (f" in {column}" if column else "")) for line, kind, column in found]


class Files(Record):
    """Files of one format by their exact paths, with what is known of their CSV; `longest` is that of its lines, in bytes."""

    paths: tuple[str, ...]
    format: Format
    delimiter: str = ""
    header: bool | None = None
    null: tuple[str, ...] = ()
    longest: int = 0

    @property
    def tells_rejected(self) -> bool:
        """Whether the lines that cannot be read are told one by one."""
        return self.format == "csv" and len(self.paths) <= _MOST_FILES

    @property
    def listed(self) -> str:
        """The paths as SQL."""
        return _listed(self.paths)


class Query(Record):
    """A SELECT, and the files that it may read."""

    sql: str
    paths: tuple[str, ...] = ()


@contextlib.contextmanager
def opened(
    data: object,
    *,
    texts: Collection[str] = (),
    tables: Mapping[str, object] | None = None,
    variables: Mapping[str, object] | None = None,
    reads: Collection[str | Path] = (),
    writes: Collection[str | Path] = (),
    memory_limit: str = "50%",
    threads: int = 2,
) -> Iterator[Relation]:
    """Rows in a scratch engine, which is gone afterwards; the columns `texts` of CSV are read as text.

    `data` is a path or pattern of Parquet, CSV or JSON files, `Files`, a `Query` over the tables, a DataFrame of pandas or polars, or a
    table, batches or dataset of Arrow; so are the `tables`, by the name under which SQL finds them; `variables` are what `getvariable`
    gives. Other files can be read only if they are among `reads`, and written only in the folders `writes`. Raises NotFound,
    SourceError and UsageError.
    """
    con = duck.scratch(memory_limit=memory_limit, threads=threads)
    try:
        # What a day or an hour is, where times have a zone, must not depend on the machine.
        con.execute("set timezone = 'UTC'")
        paths = [str(path) for path in reads]
        with _readable(data):
            for called, value in (variables or {}).items():
                # One that is not set is null and fits any type; a null that DuckDB 1.5 is given is a number.
                if value is not None:
                    con.execute(f"set variable {name(called)} = ?", [value])
            for called, other in (tables or {}).items():
                con.execute(
                    f"create temp view {name(called)} as select * from {_bound(con, f'given of {called}', other, (), paths)}"
                )
            if isinstance(data, (str, Path)):
                data = _found(str(data))
            if isinstance(data, Files) and data.tells_rejected:
                # What a query needs no column of, DuckDB would not find unreadable.
                con.execute("set disabled_optimizers = 'unused_columns'")
            found = _bound(con, "given", data, texts, paths)
            folders = [str(folder) for folder in writes]
            duck.confine(con, {*paths, *map(_pattern, paths)}, {*folders, *map(_pattern, folders)})
            described = duck.rows(con, f"describe select * from {found}")
        columns = {str(row[0]): str(row[1]) for row in described}
        files = data if isinstance(data, Files) else None
        yield Relation(con, found, columns, files, files.format == "parquet" if files else not isinstance(data, Query))
    finally:
        con.close()


def parquet(paths: Iterable[str | Path], more: str = "") -> str:
    """What stands behind FROM for files of Parquet by their exact paths; `more` are other arguments of DuckDB's `read_parquet`."""
    return f"read_parquet({_listed(map(str, paths))}, union_by_name = true{more})"


def uneven(files: object) -> SourceError | None:
    """Why files cannot be read, where they are of CSV whose lines do not all end alike."""
    return line_ends.mixed(files.paths) if isinstance(files, Files) and files.format == "csv" else None


def is_read_once(data: object) -> TypeGuard[pa.RecordBatchReader]:
    """Whether the rows are gone once they were read: a reader of Arrow."""
    arrow = sys.modules.get("pyarrow")
    return arrow is not None and isinstance(data, arrow.RecordBatchReader)


@contextlib.contextmanager
def _readable(data: object) -> Iterator[None]:
    try:
        yield
    except duck.errors() as error:
        told = str(error).strip().splitlines()[0]
        if isinstance(data, Query):
            raise
        files = _found(str(data)) if isinstance(data, (str, Path)) else data
        if (mixed := uneven(files)) is not None:
            raise mixed from error
        raise SourceError(
            f"The data cannot be read: {told}", hint="It may be damaged, or of another format than its name says."
        ) from error


def _bound(con: Connection, called: str, data: object, texts: Collection[str], paths: list[str]) -> str:
    if isinstance(data, Query):
        paths.extend(data.paths)
        # Its last line may be a comment.
        return f"({data.sql}\n)"
    if isinstance(data, (str, Path)):
        data = _found(str(data))
    if isinstance(data, Files):
        paths.extend(data.paths)
        return _reader(con, data, texts)
    try:
        con.register(called, data)
    except (TypeError, duck.errors()) as error:
        raise UsageError(
            f"A {type(data).__name__} has no rows that can be read.",
            hint="Give a path, a DataFrame, or a table of Arrow.",
        ) from error
    return name(called)


def _found(path: str) -> Files:
    """The files that a path or pattern means."""
    kinds = [_FORMATS[suffix] for suffix in Path(path).suffixes if suffix in _FORMATS]
    if not kinds:
        raise UsageError(
            f"It cannot be told from its name how {path!r} is read.", hint=f"Known: {', '.join(_FORMATS)}."
        )
    there = [path] if Path(path).is_file() else sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - relative and absolute alike
    if not there:
        raise NotFound(f"There is no file {path!r}.", hint="Look at the path; `*` stands for any part of a name.")
    return Files(paths=tuple(there), format=kinds[-1])


def _reader(con: Connection, files: Files, texts: Collection[str]) -> str:
    if files.format == "parquet":
        return parquet(files.paths)
    if files.format == "json":
        return f"read_json({files.listed}, union_by_name = true)"
    if not files.tells_rejected:
        return f"read_csv({files.listed}, union_by_name = true{_types(con, files, files.paths, texts)})"
    each = [
        f"select * from read_csv({_exact(path)}, store_rejects = true{_types(con, files, (path,), texts)})" for path in files.paths
    ]  # fmt: skip
    return f"({' union all by name '.join(each)})"


def _types(con: Connection, files: Files, paths: tuple[str, ...], texts: Collection[str]) -> str:
    """What is told to the reader of CSV, as arguments that follow others."""
    options = {
        "delim": duck.literal(files.delimiter) if files.delimiter else "",
        "header": "" if files.header is None else str(files.header).lower(),
        "nullstr": "[" + ", ".join(map(duck.literal, ("", *files.null))) + "]" if files.null else "",
        # Room for such a line costs sixteen times as much memory: it is asked for only where one is.
        "max_line_size": str(files.longest + 1) if files.longest >= 2_000_000 else "",
    }
    told = "".join(f", {key} = {value}" for key, value in options.items() if value)
    if not texts:
        return told
    plain = f"describe select * from read_csv({_listed(paths)}, union_by_name = true, ignore_errors = true{told})"
    there = [row[0] for row in duck.rows(con, plain) if row[0] in texts]
    types = ", ".join(f"{duck.literal(column)}: 'varchar'" for column in there)
    # DuckDB 1.5 does not take an empty one.
    return f"{told}, types = {{{types}}}" if there else told


def _listed(paths: Iterable[str]) -> str:
    return f"[{', '.join(map(_exact, paths))}]"


def _exact(path: str) -> str:
    """A path as SQL. DuckDB takes every path for a pattern, and reads another file if that fits."""
    return duck.literal(_pattern(path))


def _pattern(path: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", path)
