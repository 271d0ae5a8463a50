"""In the kernel of a SQL step: declared inputs become views, statements are executed with the parameters of the cell above.

Values are bound, never written into a statement, and DuckDB reaches the declared files alone. Errors keep DuckDB's class and tell the
line of the file.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import glob
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NoReturn

from nbops import duck
from nbops.execution import memory
from nbops.execution.parameters.kinds import kind_of
from nbops.execution.steps import sql
from nbops.render import html, text, values
from nbops.render.model import Html
from nbops.render.view import shell
from nbops.tracking.provenance import NOTEBOOK_VARIABLE

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

SHOWN = 10
"""That many rows of a result are shown."""

_READERS = {
    ".parquet": "read_parquet", ".pq": "read_parquet", ".csv": "read_csv", ".tsv": "read_csv", ".txt": "read_csv",
    ".json": "read_json", ".jsonl": "read_json", ".ndjson": "read_json",
}  # fmt: skip
_WRITERS = {
    ".parquet": "format parquet, compression zstd", ".pq": "format parquet, compression zstd", ".csv": "format csv, header",
    ".tsv": "format csv, header, delimiter '\t'", ".json": "format json, array true", ".jsonl": "format json",
    ".ndjson": "format json",
}  # fmt: skip
_SHARE = 0.5
_WIDE = 160
_LONGEST = 300
_REFUSED = "file system operations are disabled by configuration"
_UNDECLARED = "a step in SQL reaches the files that it declares, as in `-- NAME: in = PATH`, and no others"


class Rows:
    """What a statement gave, as the executed notebook shows it."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[object]], note: str) -> None:
        self.columns = [values.shorten(name, _WIDE) for name in columns]
        self.rows = rows
        self.note = note

    def __repr__(self) -> str:
        return text.table(self.columns, self._short(), note=self.note, styled=False)

    def _repr_html_(self) -> Html:
        return html.table(self.columns, self._short(), note=self.note)

    def _short(self) -> list[list[object]]:
        """The rows without what would fill pages."""
        return [
            [cell if len(str(cell)) <= _LONGEST else values.shorten(str(cell), _LONGEST) for cell in row]
            for row in self.rows
        ]


def begin(
    namespace: dict[str, Any], name: str, *, inputs: Sequence[str], outputs: Sequence[str], values: Sequence[str]
) -> None:
    """Open a DuckDB for the step `name` and let `%%sql` cells speak to it; all its parameters are in `namespace`."""
    step = Step(namespace, name, inputs, outputs, values)
    namespace["_nbops_sql"] = step
    running = shell()
    if running is not None:
        running.register_magic_function(step.cell, "cell", "sql")
    step.open()


class Step:
    """A SQL step while it is executed; `metrics` are the numbers of the last statement that gave some."""

    def __init__(
        self,
        namespace: Mapping[str, Any],
        name: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        values: Sequence[str],
    ) -> None:
        self.metrics: dict[str, float] = {}
        self._values = {one.casefold(): one for one in values}
        self._namespace = namespace
        self._source = _Source(name)
        self._inputs = inputs
        self._outputs = {one: Path.cwd() / str(namespace[one]) for one in outputs}
        self._con = _engine()
        atexit.register(self._con.close)

    def open(self) -> None:
        """Make the views. Raises what is wrong with an input."""
        files = {name: self._files(name) for name in self._inputs}
        readers = {name: self._reader(name, found) for name, found in files.items()}
        for name, path in self._outputs.items():
            self._suffix(name, str(path), _WRITERS)
        # A name with signs of a pattern is asked for as it is written in a view, and then as the file that it is.
        reached = [text for found in files.values() for path in found for text in (path, glob.escape(path))]
        written = [
            text
            for path in self._outputs.values()
            for text in (str(path), glob.escape(str(path)), str(_temporary(path)))
        ]
        duck.confine(self._con, [*reached, *written], (), lock=False)
        for name, found in files.items():
            with self._told(partial(self._source.declared, name), offset=None):
                self._view(name, found, readers[name])

    def cell(self, line: str, body: str) -> Rows | None:
        """Execute a `%%sql` cell: one statement, whose rows go where `line` says."""
        statement = body.strip("\n")
        how, _, out = line.strip().partition(" ")
        with self._told(partial(self._source.find, statement), offset=-1 if how == "--out" else 0):
            bound = self._bound(statement)
            if how == "--out":
                return self._write(out.strip(), statement, bound)
            self._con.execute(statement, bound)
            columns = [one[0] for one in self._con.description or ()]
            if not columns:
                return None
            rows = self._con.fetchmany(SHOWN + 1)
        if how == "--metrics":
            self.metrics = self._numbers(columns, rows, statement)
        counted = values.counted(len(rows), "row") if len(rows) <= SHOWN else f"the first {SHOWN} rows"
        return Rows(columns, rows[:SHOWN], counted)

    def _write(self, out: str, statement: str, bound: Mapping[str, object]) -> Rows:
        path = self._outputs[out]
        temporary = _temporary(path)
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, f"There is no folder for the output {out}", str(path.parent))
        how = _WRITERS[_suffix(str(path))] + (", compression gzip" if path.suffix == ".gz" else "")
        try:
            # On lines of its own, for its comments and for the lines that errors tell.
            done = self._con.execute(f"copy (\n{statement}\n) to {duck.literal(str(temporary))} ({how})", dict(bound))
            count = done.fetchall()[0][0]
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        self._view(out, [str(path)], _READERS[_suffix(str(path))])
        self._con.execute(f"select * from {duck.name(out)} limit {SHOWN}")  # noqa: S608 - a quoted name
        columns = [one[0] for one in self._con.description or ()]
        shown = self._con.fetchall()
        first = f", the first {SHOWN} are shown" if count > SHOWN else ""
        return Rows(columns, shown, f"{values.counted(count, 'row')} in {self._namespace[out]}{first}")

    def _view(self, name: str, files: Sequence[str], reader: str) -> None:
        listed = ", ".join(duck.literal(glob.escape(path)) for path in files)
        self._con.execute(f"create or replace view {duck.name(name)} as select * from {reader}([{listed}])")  # noqa: S608 - quoted

    def _bound(self, statement: str) -> dict[str, object]:
        """The values that a statement asks for, as they are now; SQL does not tell capital letters from small ones."""
        asked = {name for one in duck.statements(statement) for name in one.names}
        return {name: _plain(self._namespace[self._values[name.casefold()]]) for name in asked}

    def _numbers(self, columns: Sequence[str], rows: Sequence[Sequence[object]], statement: str) -> dict[str, float]:
        if len(rows) != 1:
            told = f"{len(rows)} rows" if len(rows) <= SHOWN else f"more than {SHOWN} rows"
            wrong = ValueError(f"metrics are the numbers of one row, and the statement gave {told}")
            self._source.fail(wrong, self._source.find(statement))
        pairs = zip(columns, rows[0], strict=True)
        return {
            name: float(value)  # type: ignore[arg-type]  # a number, as the condition says
            for name, value in pairs
            if kind_of(value) in {"int", "float", "Decimal"}
        }

    def _files(self, name: str) -> list[str]:
        """The files of an input, absolute: one that is there, those that a pattern fits, or those of a list."""
        told = self._namespace[name]
        found: list[str] = []
        for item in told if isinstance(told, list | tuple) else [told]:
            # A link stays one: its name tells the format.
            path = str(Path.cwd() / str(item))
            files = [path] if Path(path).is_file() else sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - it may lead anywhere
            files = [one for one in files if Path(one).is_file()]
            if not files:
                missing = FileNotFoundError(errno.ENOENT, f"There is no file for the input {name}", str(item))
                self._source.fail(missing, self._source.declared(name))
            found += files
        if not found:
            self._source.fail(ValueError(f"the input {name} is an empty list"), self._source.declared(name))
        return found

    def _reader(self, name: str, files: Sequence[str]) -> str:
        readers = {_READERS[self._suffix(name, path, _READERS)] for path in files}
        if len(readers) > 1:
            wrong = ValueError(f"the files of {name} are of several formats: {', '.join(sorted(readers))}")
            self._source.fail(wrong, self._source.declared(name))
        return readers.pop()

    def _suffix(self, name: str, path: str, known: Mapping[str, str]) -> str:
        suffix = _suffix(path)
        if suffix not in known:
            told = f"{path!r} of {name} ends with {suffix or 'nothing'}; known are {', '.join(known)}"
            self._source.fail(ValueError(told), self._source.declared(name))
        return suffix

    @contextlib.contextmanager
    def _told(self, line: Callable[[], int], *, offset: int | None) -> Iterator[None]:
        """Let what DuckDB raises tell the line in the file.

        That is `line`, where what is executed begins; DuckDB's own counts from there, moved by `offset`, unless that is None.
        """
        try:
            yield
        except (duck.errors(), OSError) as error:
            first = line()
            found = sql.LINE.search(str(error)) if offset is not None else None
            self._source.fail(error, max(first, first + int(found[1]) - 1 + (offset or 0)) if found else first)


class _Source:
    """The step's file, for the lines that errors tell; it is read when there is one."""

    def __init__(self, name: str) -> None:
        told = os.environ.get(NOTEBOOK_VARIABLE, "")
        self._path = Path(told) if Path(told).name == name else Path(name).absolute()
        self._name = name

    def declared(self, name: str) -> int:
        """The line that declares a parameter."""
        lines = enumerate(self._lines(), 1)
        return next((number for number, line in lines if re.match(rf"\s*--\s*{re.escape(name)}\s*:", line)), 1)

    def find(self, statement: str) -> int:
        """The line in which a statement begins."""
        before, found, _ = "\n".join(self._lines()).partition(statement)
        return before.count("\n") + 1 if found else 1

    def fail(self, error: Exception, line: int) -> NoReturn:
        """Raise an error of the same class that tells the line, with the lines around it instead of Python's own."""
        lines = self._lines()
        told = f"({self._name}, line {line})"
        if isinstance(error, OSError):
            where = f": {error.filename}" if error.filename else ""
            made: Exception = type(error)(error.errno, f"{error.strerror}{where} {told}")
        else:
            first, newline, rest = str(error).strip().replace(_REFUSED, _UNDECLARED).partition("\n")
            made = type(error)(f"{first} {told}{newline}{sql.LINE.sub(f'LINE {line}:', rest)}")
        around = [
            f"{'---->' if number == line else '     '} {number} {lines[number - 1][:_WIDE]}"
            for number in range(max(1, line - 2), min(len(lines), line + 2) + 1)
        ]
        shown = [f"{self._name}, line {line}", *around, "", f"{type(made).__name__}: {made}"]
        made._render_traceback_ = lambda: shown  # type: ignore[attr-defined]  # what IPython asks an error for
        raise made from None

    def _lines(self) -> list[str]:
        try:
            told = self._path.read_text(encoding="utf-8-sig", errors="replace")
        except OSError:
            return []
        return told.split("\n")


def _engine() -> Connection:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # A sweep's lanes are told how many threads are theirs.
    lane = os.environ.get("OMP_NUM_THREADS", "")
    threads = min(cores, int(lane)) if lane.isdigit() and int(lane) else cores
    share = _SHARE * threads / cores
    most = memory.limit()
    con = duck.scratch(memory_limit=f"{share * 100:.0f}%", threads=threads)
    if most is not None and most < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
        con.execute(f"set memory_limit = '{int(most * share / 2**20)}MiB'")
    for setting in ("autoinstall_known_extensions", "autoload_known_extensions", "enable_progress_bar"):
        con.execute(f"set {setting} = false")
    # The same day for whoever runs it, and wherever.
    con.execute("set timezone = 'UTC'")
    return con


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.new")


def _suffix(path: str) -> str:
    """The suffix that tells the format; one of a compressed file is that below it."""
    name = PurePath(path)
    return (name.with_suffix("") if name.suffix == ".gz" else name).suffix.lower()


def _plain(value: Any) -> object:
    """The value as DuckDB takes it."""
    name = str(kind_of(value))
    if name in {"set", "frozenset", "tuple", "list"}:
        return [_plain(item) for item in value]
    if name == "dict":
        return {key: _plain(item) for key, item in value.items()}
    if name == "Path":
        return str(value)
    if name == "pd.Timestamp":
        return value.to_pydatetime()
    if name == "pd.Timedelta":
        return value.to_pytimedelta()
    return value.item() if name.startswith("np.") else value
