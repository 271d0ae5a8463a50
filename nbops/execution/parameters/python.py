"""What a cell's source says, by `ast` alone: its statements without IPython's own lines, names as they were imported, literal values.

Nothing is evaluated: a call such as `date(2013, 1, 1)` is recognised by its name, and the value is made here.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from nbops.execution.parameters.kinds import CONTAINERS, REFUSALS, Misfit, kind_of
from nbops.execution.parameters.libraries import numpy_name
from nbops.execution.parameters.values import kind

Scope = dict[str, str | None]
"""The dotted name that each name stands for; None for what a notebook defines."""


class Unread(Exception):
    """An expression is no literal and no known call."""


# Cell magics whose body runs as Python in the notebook's own namespace.
_TRANSPARENT = {"%%time", "%%capture"}
_MAGIC = re.compile(r"(\s*)(?:[%!?].*|[\w.]+\?{1,2}\s*)$")
_ASSIGNED_MAGIC = re.compile(r"(\s*[\w\s,.]+=\s*)[%!](?!=).*$")


def parse(source: str) -> ast.Module:
    """The tree of a cell, with its line numbers. Raises SyntaxError for what is not Python."""
    return _read(source)[1]


def readable(source: str) -> str:
    """The source as Python reads it, line by line: IPython's own is replaced, a cell in another language is empty.

    Raises SyntaxError for what neither reads.
    """
    return _read(source)[0]


def _read(source: str) -> tuple[str, ast.Module]:
    lines = source.split("\n")
    first = next((index for index, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        if lines[first].split()[0] not in _TRANSPARENT:
            return "", ast.Module([], [])
        lines[first] = ""
    while True:
        text = "\n".join(lines)
        try:
            return text, _parse(text)
        except SyntaxError as error:
            # Only where Python stumbles: within a string or an expression such a line is Python.
            if not _replace_magic(lines, (error.lineno or 0) - 1):
                raise


def _replace_magic(lines: list[str], index: int) -> bool:
    """Replace a line magic, and the lines that it goes on in, by a statement of the same effect on names."""
    line = lines[index] if 0 <= index < len(lines) else ""
    found, assigned = _MAGIC.match(line), _ASSIGNED_MAGIC.match(line)
    if found:
        lines[index] = f"{found[1]}pass"
    elif assigned:
        lines[index] = f"{assigned[1]}..."
    else:
        return False
    while line.endswith("\\") and index + 1 < len(lines):
        index += 1
        line, lines[index] = lines[index], ""
    return True


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of invalid escapes: Python tells the author when the cell runs
        try:
            return ast.parse(source)
        except (ValueError, RecursionError, MemoryError) as error:
            # A null byte, or brackets nested too deep for the parser.
            raise SyntaxError(str(error) or "it is nested too deeply") from error


def bind(statement: ast.stmt, scope: Scope) -> None:
    """Add what a statement imports or defines to the scope."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            first = alias.name.partition(".")[0]
            scope[alias.asname or first] = alias.name if alias.asname else first
    elif isinstance(statement, ast.ImportFrom):
        scope.update({alias.asname or alias.name: f"{statement.module}.{alias.name}" for alias in statement.names})
    else:
        scope.update(dict.fromkeys((binding.name for binding in bindings([statement])), None))


class Binding:
    """A name that a statement binds, its line, and the names that are read to make the value."""

    def __init__(self, name: str, node: ast.AST, made_of: ast.AST | None = None) -> None:
        self.name = name
        self.line: int = getattr(node, "lineno", 0)
        self.deletes = isinstance(node, ast.Delete)
        self.reads = {part.id for part in ast.walk(made_of) if isinstance(part, ast.Name)} if made_of else set[str]()


def bindings(body: Sequence[ast.stmt]) -> Iterator[Binding]:
    """What statements bind whichever way they go: the branches of `if`, `match` and `except` are left out."""
    for statement in body:
        for part in _own_parts(statement):
            if isinstance(part, ast.NamedExpr):
                yield Binding(part.target.id, part, part.value)
        yield from _bound_by(statement)
        if isinstance(statement, ast.With | ast.AsyncWith | ast.For | ast.AsyncFor | ast.While | ast.Try | ast.TryStar):
            for inner in ("body", "orelse", "finalbody"):
                yield from bindings(getattr(statement, inner, []))


def _bound_by(statement: ast.stmt) -> Iterator[Binding]:
    match statement:
        case ast.Assign():
            yield from _targets(statement.targets, statement, statement.value)
        case ast.AnnAssign() if statement.value is not None:
            yield from _targets([statement.target], statement, statement.value)
        case ast.AugAssign():
            # It reads what it changes.
            yield from _targets([statement.target], statement, statement.target)
        case ast.For() | ast.AsyncFor():
            yield from _targets([statement.target], statement, statement.iter)
        case ast.With() | ast.AsyncWith():
            for item in statement.items:
                yield from _targets([item.optional_vars] if item.optional_vars else [], statement, item.context_expr)
        case ast.Delete():
            yield from _targets(statement.targets, statement, None)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield Binding(statement.name, statement)
        case ast.Import() | ast.ImportFrom():
            yield from (Binding(alias.asname or alias.name.partition(".")[0], statement) for alias in statement.names)
        case _:
            pass


def _targets(targets: list[ast.expr], statement: ast.stmt, value: ast.expr | None) -> Iterator[Binding]:
    for target in targets:
        for part in ast.walk(target):
            if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
                yield Binding(part.id, statement, value)


def _own_parts(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case | ast.Lambda):
            yield child
            yield from _own_parts(child)


# What people call these where no import is seen, such as after `from datetime import *`.
_USUAL = {
    "np": "numpy", "pd": "pandas", "dt": "datetime", "date": "datetime.date", "time": "datetime.time", "timedelta": "datetime.timedelta",
    "timezone": "datetime.timezone", "Path": "pathlib.Path", "Decimal": "decimal.Decimal", "Timestamp": "pandas.Timestamp",
    "Timedelta": "pandas.Timedelta", "ZoneInfo": "zoneinfo.ZoneInfo", "nan": "math.nan", "inf": "math.inf",
}  # fmt: skip


def dotted(node: ast.expr, scope: Scope) -> str | None:
    """The full name of a name or attribute, such as `datetime.date` of `dt.date`; None for anything else."""
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value, scope)
        return f"{owner}.{node.attr}" if owner else None
    if not isinstance(node, ast.Name):
        return None
    return scope[node.id] if node.id in scope else _USUAL.get(node.id, node.id)


def literal(node: ast.expr, scope: Scope) -> Any:
    """The value of a literal, or of a call of a known constructor with literal arguments. Raises Unread."""
    match node:
        case ast.Constant() if node.value is not ...:
            return node.value
        case ast.List() | ast.Tuple() | ast.Set() | ast.Dict():
            return _container(node, scope)
        case ast.UnaryOp(op=ast.UAdd() | ast.USub()):
            return _signed(0, node.op, literal(node.operand, scope))
        case ast.BinOp(op=ast.Add() | ast.Sub(), right=ast.Constant(value=complex() as imaginary)):
            return _signed(literal(node.left, scope), node.op, imaginary)
        case ast.Name() | ast.Attribute():
            return _constant(dotted(node, scope))
        case ast.Call():
            return _call(node, scope)
        case _:
            raise Unread


def _container(node: ast.List | ast.Tuple | ast.Set | ast.Dict, scope: Scope) -> object:
    if not isinstance(node, ast.Dict):
        kind_of_node = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return _made(kind_of_node, [literal(item, scope) for item in node.elts])
    keys = [literal(key, scope) for key in node.keys if key is not None]
    if len(keys) < len(node.values):  # `**other`
        raise Unread
    return _made(dict, list(zip(keys, [literal(item, scope) for item in node.values], strict=True)))


def _signed(left: Any, sign: ast.operator | ast.unaryop, right: Any) -> object:
    """`-1` and `1+2j`."""
    if not all(isinstance(number, int | float | complex) and not isinstance(number, bool) for number in (left, right)):
        raise Unread
    match sign:
        case ast.UAdd():
            return right
        case ast.USub():
            return -right
        case ast.Add():
            return left + right
        case _:
            return left - right


_CONSTANTS: dict[str, object] = {
    "math.nan": math.nan, "math.inf": math.inf, "numpy.nan": math.nan, "numpy.inf": math.inf,
    "datetime.timezone.utc": UTC, "datetime.UTC": UTC,
}  # fmt: skip


def _constant(name: str | None) -> object:
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    if name in {"pandas.NaT", "pandas.NA"}:
        return _made(kind(f"pd.{name[7:]}").parse, name[7:])
    raise Unread


_KIND_NAMES = {
    "None": "None", "bool": "bool", "int": "int", "float": "float", "complex": "complex", "str": "str", "bytes": "bytes",
    "decimal.Decimal": "Decimal", "datetime.date": "date", "datetime.datetime": "datetime", "datetime": "datetime",
    "datetime.time": "time", "datetime.timedelta": "timedelta", "pathlib.Path": "Path", "pathlib.PurePath": "Path",
    "pathlib.PosixPath": "Path", "pandas.Timestamp": "pd.Timestamp", "pandas.Timedelta": "pd.Timedelta",
}  # fmt: skip
# Where one text is given it is read; else a value is made as its class makes it.
_PARSERS = {
    "float": "float", "int": "int", "complex": "complex", "decimal.Decimal": "Decimal", "pandas.Timestamp": "pd.Timestamp",
    "pandas.to_datetime": "pd.Timestamp", "pandas.Timedelta": "pd.Timedelta", "pathlib.Path": "Path",
    "datetime.date.fromisoformat": "date", "datetime.datetime.fromisoformat": "datetime",
}  # fmt: skip

_MAKERS: dict[str, Callable[..., object]] = {
    "float": float, "complex": complex, "dict": dict, **CONTAINERS, "decimal.Decimal": Decimal, "pathlib.Path": Path,
    "datetime.date": date, "datetime.datetime": datetime, "datetime": datetime, "datetime.time": time,
    "datetime.timedelta": timedelta, "datetime.timezone": timezone, "zoneinfo.ZoneInfo": ZoneInfo,
}  # fmt: skip


def kind_name(name: str | None) -> str | None:
    """The kind of a full name such as `datetime.date` or `numpy.int_`."""
    if name and name.startswith("numpy."):
        try:
            return numpy_name(name.removeprefix("numpy."))
        except ImportError:
            return None
    return _KIND_NAMES.get(name or "")


def _call(node: ast.Call, scope: Scope) -> object:
    name = dotted(node.func, scope)
    arguments = [literal(argument, scope) for argument in node.args]
    named = {keyword.arg: literal(keyword.value, scope) for keyword in node.keywords if keyword.arg}
    if len(named) < len(node.keywords):  # `**options`
        raise Unread
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call):
        return _changed(literal(node.func.value, scope), node.func.attr, arguments)
    if name in _PARSERS and not named and len(arguments) == 1 and isinstance(arguments[0], str):
        return _made(kind(_PARSERS[name]).parse, arguments[0])
    if name and name.startswith("numpy.") and kind_name(name) and not named:
        return _numpy(name.removeprefix("numpy."), arguments)
    # Only a text could name the clock; a text alone was read above.
    if any(
        isinstance(argument, str) and re.match(r"\s*(now|today)", argument)
        for argument in (*arguments, *named.values())
    ):
        raise Unread
    if name in {"pandas.Timestamp", "pandas.Timedelta"}:
        import pandas as pd

        return _made(pd.Timestamp if name == "pandas.Timestamp" else pd.Timedelta, *arguments, **named)
    maker = _MAKERS.get(name or "")
    if maker is None:
        raise Unread
    return _made(maker, *arguments, **named)


def _changed(value: object, method: str, arguments: list[Any]) -> object:
    """The methods of pandas' times that an injected cell calls."""
    if method not in {"as_unit", "tz_convert"} or not str(kind_of(value)).startswith("pd."):
        raise Unread
    return _made(getattr(value, method), *arguments)


def _numpy(attribute: str, arguments: list[Any]) -> object:
    import numpy as np

    is_time = attribute in {"datetime64", "timedelta64"}
    if not is_time and len(arguments) == 1:
        return _made(kind(str(numpy_name(attribute))).accept, arguments[0])
    if not arguments or not is_time or not re.match(r"-?\d|NaT$", str(arguments[0])):
        raise Unread
    return _made(getattr(np, attribute), *arguments)


def _made(maker: Callable[..., object], *arguments: object, **named: object) -> object:
    try:
        return maker(*arguments, **named)
    except (*REFUSALS, Misfit) as error:
        raise Unread from error
