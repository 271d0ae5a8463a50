"""Steps in SQL: a file's comments become a parameters cell, each of its statements a cell that DuckDB executes.

A comment `-- NAME: TYPE = VALUE` above the first statement is a parameter, with `in`, `out` and `secret` for what it is for. A line
`-- out NAME` above a SELECT says where its rows go, `-- metrics` that they are metrics.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nbops import duck
from nbops.errors import UsageError, nearest
from nbops.execution.parameters import typed
from nbops.execution.parameters.kinds import Aliases, Misfit
from nbops.execution.parameters.reading import TAG
from nbops.execution.parameters.values import python as written
from nbops.execution.parameters.values import shown
from nbops.execution.steps import statements
from nbops.execution.steps.making import KERNEL, SQL, SQL_METRICS, Cell, notebook, text_of
from nbops.execution.steps.statements import Statement
from nbops.render.values import shorten

_NAMED = re.compile(r"--\s*([^\W\d]\w*)\s*:\s*(\S.*)$")
_HELP = re.compile(r"(?:^|\s)--(?:\s|$)")
_QUOTED = re.compile(r"(?P<value>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")\s*(?:--\s*(?P<help>.*))?$")
_OUT = re.compile(r"--\s*out\s+(\S+)$")
_METRICS = re.compile(r"--\s*metrics$")
_DIRECTIONS = ("in", "out", "secret")
# As SQL calls them; whatever else Python's annotations call a type may be said too.
_TYPES = {
    "text": "str", "varchar": "str", "string": "str", "integer": "int", "bigint": "int", "double": "float", "real": "float",
    "boolean": "bool", "timestamp": "datetime", "decimal": "Decimal", "interval": "timedelta",
}  # fmt: skip
_LONGEST = 200
_TELLING = {"describe", "desc", "show", "summarize"}


class _Parameter(NamedTuple):
    name: str
    type: str
    cell: str
    line: int


def read(path: Path) -> Any:
    """The notebook of a SQL file. Raises UsageError, with the line, for what is none."""
    text = text_of(path)
    found = statements.split(text)
    if not found:
        raise UsageError(
            f"{path} has no statement.", hint="Write parameters as comments, and below them what DuckDB is to execute."
        )
    above = found[0].above
    aliases = Aliases({one.name for _, comment in above if (one := _declared(comment))})
    parameters = [one for one in (_parameter(path, *line, aliases) for line in above) if one]
    _refuse_twice(path, parameters)
    header = {one.line for one in parameters}
    marked = [_Marked(path, one, parameters, header if one is found[0] else set()) for one in found]
    _fill(path, marked, [one.name for one in parameters if one.type == "out"])
    return notebook(_cells(path, parameters, aliases, marked), KERNEL)


class _Marked:
    """A statement, and what its comments and its text say of it."""

    def __init__(self, path: Path, statement: Statement, parameters: Sequence[_Parameter], header: set[int]) -> None:
        self.statement = statement
        self.out: str | None = None
        self.metrics = False
        self.prose: list[str] = []
        for line, comment in statement.above:
            out = _OUT.match(comment)
            if out:
                self.out = _known(path, line, out[1], [one.name for one in parameters if one.type == "out"])
            elif _METRICS.match(comment):
                self.metrics = True
            elif line not in header:
                self.prose.append(re.sub(r"^(--|/\*+) ?|\s*\*+/$", "", comment))
        parsed = _parsed(path, statement)
        self.selects = parsed[-1].selects and statement.text.split(None, 1)[0].lower() not in _TELLING
        if (self.out or self.metrics) and not self.selects:
            what = f"-- out {self.out}" if self.out else "-- metrics"
            raise _refused(
                path, statement.line, f"`{what}` stands above what is no SELECT", "Write one SELECT below it."
            )
        known = {one.name.casefold() for one in parameters if one.type not in ("in", "out")}
        for name in sorted({name for one in parsed for name in one.names}):
            if name.casefold() not in known:
                raise _no_parameter(path, statement, name, parameters)

    @property
    def source(self) -> str:
        """The statement as a cell."""
        told = SQL_METRICS if self.metrics else f"{SQL} --out {self.out}" if self.out else SQL
        return f"{told}\n{self.statement.text}"


def _cells(path: Path, parameters: list[_Parameter], aliases: Aliases, marked: list[_Marked]) -> Iterator[Cell]:
    yield Cell("markdown", "\n".join([f"# {path.name}", *marked[0].prose]), 1)
    if parameters:
        source = "\n".join([*aliases.lines(), *(one.cell for one in parameters)])
        yield Cell("code", source, parameters[0].line, {"tags": [TAG]})
    ins, outs = ([one.name for one in parameters if one.type == kind] for kind in ("in", "out"))
    values = [one.name for one in parameters if one.type not in ("in", "out")]
    yield Cell(
        "code",
        "# What the comments declare, in a DuckDB of its own.\n"
        "from nbops.execution.steps.running import begin as _nbops_begin\n\n"
        f"_nbops_begin(globals(), {path.name!r}, inputs={ins!r}, outputs={outs!r}, values={values!r})",
        1,
    )
    for number, one in enumerate(marked):
        if number and one.prose:
            yield Cell("markdown", "\n".join(one.prose), one.statement.above[0][0])
        yield Cell("code", one.source, one.statement.line, {"tags": ["metrics"]} if one.metrics else {})


def _fill(path: Path, marked: list[_Marked], outs: list[str]) -> None:
    """The one output that no comment gives rows gets those of the last SELECT."""
    given = [one.out for one in marked if one.out]
    twice = next((name for name in given if given.count(name) > 1), None)
    if twice:
        line = [one.statement.line for one in marked if one.out == twice][1]
        raise _refused(path, line, f"{twice!r} gets rows a second time", "Give each output the rows of one SELECT.")
    missing = [name for name in outs if name not in given]
    free = [one for one in marked if one.selects and not one.out and not one.metrics]
    if missing and (len(missing) > 1 or not free):
        raise UsageError(
            f"{path}: no SELECT gives rows to {', '.join(missing)}.",
            hint=f"Write `-- out {missing[0]}` in the line above the SELECT whose rows are meant.",
        )
    if missing:
        free[-1].out = missing[0]


class _Declared(NamedTuple):
    """The pieces of a comment that looks like a parameter; `value` is None where none is written."""

    name: str
    type: str
    value: str | None
    help: str | None


def _declared(comment: str) -> _Declared | None:
    found = _NAMED.match(comment)
    if found is None:
        return None
    told, sign, value = found[2].partition("=")
    cut = _HELP.search(told)
    if cut or not sign:
        told, helped = (found[2][: cut.start()], found[2][cut.end() :].strip()) if cut else (found[2], None)
        declared = _Declared(found[1], told.strip(), None, helped)
    else:
        words, helped = _value(value.strip())
        declared = _Declared(found[1], told.strip(), words, helped)
    is_type = len(declared.type) <= _LONGEST and (
        declared.type.split(" ") == [declared.type] or set("[|") & set(declared.type)
    )
    return declared if is_type else None


def _parameter(path: Path, line: int, comment: str, aliases: Aliases) -> _Parameter | None:
    """The parameter that a comment declares, as the line of a Python cell; None for words."""
    found = _declared(comment)
    if found is None:
        return None
    name, told = found.name, found.type
    kind = _TYPES.get(told.lower(), told)
    to = typed.Type("str") if told in _DIRECTIONS else typed.of_text(kind, {})
    if to is None and found.value is None:
        return None
    if to is None:
        raise _refused(
            path, line, f"{told!r} is no type",
            "Write it as in `-- start: date = 2013-01-01`; words that are no parameter need another first word.",
        )  # fmt: skip
    if keyword.iskeyword(name):
        raise _refused(path, line, f"{name!r} is a word of Python's and can be no parameter", "Use another name.")
    cell = f'{name}: "{told}"' if told in _DIRECTIONS else f"{name}: {kind!r}"
    if found.value is not None:
        cell += f" = {written(_fitted(path, line, found, to), aliases)}"
    return _Parameter(name, told, f"{cell}  # {found.help}" if found.help else cell, line)


def _value(text: str) -> tuple[str, str | None]:
    """The value behind the sign, and the words behind it. Quotes are for what would be taken for a comment, or is empty."""
    quoted = _QUOTED.match(text)
    if quoted:
        sign = quoted["value"][0]
        return quoted["value"][1:-1].replace(sign * 2, sign), quoted["help"]
    cut = _HELP.search(text)
    return (text[: cut.start()].strip(), text[cut.end() :].strip()) if cut else (text, None)


def _fitted(path: Path, line: int, declared: _Declared, to: typed.Type) -> object:
    """The default; a list of paths is written as one."""
    told, text = declared.type, declared.value or ""
    try:
        if told in ("in", "out") and text.startswith("[") and text.endswith("]"):
            parts = [part.strip() for part in text[1:-1].split(",")]
            return [_value(part)[0] for part in parts if part]
        return typed.fit(text, to)
    except Misfit as misfit:
        raise _refused(
            path,
            line,
            f"the default of {declared.name!r} is {shown(text)}, which {misfit}",
            f"Give one of the type {told}.",
        ) from misfit


def _refuse_twice(path: Path, parameters: Sequence[_Parameter]) -> None:
    seen: dict[str, _Parameter] = {}
    for one in parameters:
        earlier = seen.setdefault(one.name.casefold(), one)
        if earlier is not one:
            raise _refused(
                path, one.line, f"{one.name!r} is declared in line {earlier.line} already",
                "Use another name: SQL does not tell capital letters from small ones.",
            )  # fmt: skip


def _parsed(path: Path, statement: Statement) -> list[duck.Read]:
    try:
        read = duck.statements(statement.text)
    except duck.errors() as error:
        raise _refused(path, statement.line, *_told(statement, str(error), path)) from error
    if not read:
        raise _refused(
            path, statement.line, "DuckDB reads no statement here", "Take it away, or end it with a semicolon."
        )
    return read


LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)


def _told(statement: Statement, message: str, path: Path) -> tuple[str, str]:
    found = LINE.search(message)
    line = statement.line + (int(found[1]) - 1 if found else 0)
    first = shorten(message.strip().partition("\n")[0], _LONGEST)
    return f"DuckDB does not understand the statement ({first})", f"Look at line {line} of {path.name}."


def _known(path: Path, line: int, name: str, outs: Sequence[str]) -> str:
    found = next((one for one in outs if one.casefold() == name.casefold()), None)
    if found:
        return found
    near = nearest(name, outs)
    hint = f"Did you mean {near!r}?" if near else f"Declare it at the top: -- {name}: out = ../data/{name}.parquet"
    raise _refused(path, line, f"{name!r} is no output. There are: {', '.join(outs) or 'none'}", hint)


def _no_parameter(path: Path, statement: Statement, name: str, parameters: Sequence[_Parameter]) -> UsageError:
    # The first place of that sign is near enough.
    line = statement.line + statement.text.lower().partition(f"${name.lower()}")[0].count("\n")
    names = [one.name for one in parameters if one.type not in ("in", "out")]
    told = f"There are: {', '.join(names) or 'none'}"
    if name.isdigit():
        return _refused(
            path, line, f"a parameter without a name is asked for. {told}", "Write $NAME instead of ? or $1."
        )
    if any(one.name.casefold() == name.casefold() for one in parameters):
        return _refused(path, line, f"{name!r} is a file", f"Read it by its name, without the sign: from {name}")
    near = nearest(name, names)
    hint = f"Did you mean {near!r}?" if near else f"Declare it at the top: -- {name}: int = 1"
    return _refused(path, line, f"{name!r} is no parameter. {told}", hint)


def _refused(path: Path, line: int, what: str, hint: str) -> UsageError:
    return UsageError(f"{path}, line {line}: {what}.", hint=hint)
