"""Where values came from: the statement of a line that failed, and those that made what it names, out of a notebook's cells.

In goes the line that a traceback shows, out come statements as text. Nothing is executed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from nbops.records import Record

_LEAST = 4
"""A name may be made in so many statements: as an empty list, and filled in a loop."""
_STEPS = 2
_MAGIC = re.compile(r"^\s*[%!?].*$", re.MULTILINE)
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_QUOTED = re.compile(r"\"[^\"\n{]*\"|'[^'\n{]*'")
_FILL = {"append", "extend", "insert", "add", "update", "setdefault"}


class _Statement(Record):
    """On one line, with the names that it makes; `under` are the conditions that it stands under."""

    text: str
    makes: frozenset[str]
    lines: frozenset[str]
    under: tuple[str, ...] = ()


def origin(line: str, cells: Sequence[str]) -> str:
    """The statement of `line` first, then where it comes from, up to two steps away.

    A line `if <- condition` is for each that it stands under, a line `name <- statement` for each that made what these name.

    `cells` are the sources that had run, in order; a line that is none of theirs stands for itself.
    """
    statements = [statement for cell in cells for statement in _statements(cell)]
    at = next((n for n in reversed(range(len(statements))) if line in statements[n].lines), None)
    own = line if at is None else statements[at].text
    under = () if at is None else statements[at].under
    told, met, wanted = [own, *(f"if <- {text}" for text in under)], {own}, _names(" ".join((own, *under)))
    for _ in range(_STEPS if at is not None else 0):
        makers = [(name, made) for name in wanted for made in _makers(name, statements, at or 0) if made not in met]
        told += [f"{name} <- {made}" for name, made in makers]
        met |= {made for _, made in makers}
        wanted = [name for _, made in makers for name in _names(made)]
    return "\n".join(told)


def _makers(name: str, statements: Sequence[_Statement], at: int) -> list[str]:
    """The last statements that made a name: before the line, or else anywhere, for a function is called later than it is defined."""
    before = [one.text for one in statements[:at] if name in one.makes]
    return (before or [one.text for one in statements[at + 1 :] if name in one.makes])[-_LEAST:]


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(_NAME.findall(_QUOTED.sub("", text))))


def _statements(cell: str) -> Iterator[_Statement]:
    source = _MAGIC.sub("", cell)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        # No Python, or not yet: the line stands for itself.
        return
    lines = source.splitlines()
    found = list(_nested(tree, ()))
    for node, under in sorted(found, key=lambda pair: (pair[0].lineno, pair[0].col_offset)):
        body = getattr(node, "body", None)
        whole = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        # What stands in a loop or a function is a statement of its own.
        last = body[0].lineno - 1 if body and body[0].lineno > node.lineno else node.end_lineno or node.lineno
        head = [text.strip() for text in lines[node.lineno - 1 : last]]
        text = [text.strip() for text in lines[node.lineno - 1 : node.end_lineno]] if whole else head
        yield _Statement(" ".join(text), frozenset(_made(node)), frozenset(head), tuple(map(ast.unparse, under)))


def _nested(node: ast.AST, under: tuple[ast.expr, ...]) -> Iterator[tuple[ast.stmt, tuple[ast.expr, ...]]]:
    """Each statement with the conditions around it, the nearest first; those around a function say nothing of it."""
    for child in ast.iter_child_nodes(node):
        around = (node.test, *under) if isinstance(node, ast.If) and child in node.body else under
        around = () if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else around
        if isinstance(child, ast.stmt):
            yield child, around
        yield from _nested(child, around)


def _made(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name
        case ast.Assign():
            yield from (name for target in node.targets for name in _targets(target))
        case ast.AnnAssign() | ast.AugAssign() | ast.For() | ast.AsyncFor():
            yield from _targets(node.target)
        case ast.With() | ast.AsyncWith():
            yield from (name for item in node.items if item.optional_vars for name in _targets(item.optional_vars))
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=filled, attr=attr))) if attr in _FILL:
            yield from _targets(filled)


def _targets(target: ast.expr) -> Iterator[str]:
    """The names that are assigned, or whose items or attributes are."""
    match target:
        case ast.Name():
            yield target.id
        case ast.Tuple() | ast.List():
            yield from (name for one in target.elts for name in _targets(one))
        case ast.Subscript() | ast.Attribute() | ast.Starred():
            yield from _targets(target.value)
