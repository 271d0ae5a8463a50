"""Which cell of a notebook without a parameters cell would make one: settings near the top that later code reads.

A cell of settings alone is tagged as it is; out of a mixed one the lines are taken that can stand in a cell before it.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from nbops.errors import Conflict, UsageError
from nbops.execution.parameters import python
from nbops.execution.parameters.reading import TAG, is_python, is_tagged, read
from nbops.execution.parameters.writing import is_injected
from nbops.records import Record

EARLY = 10
"""Settings are sought in that many code cells."""


class Proposal(Record):
    """The cell to tag, counted from 0 over all cells; with `lines` (from 1) only these, moved to a new cell before it."""

    cell: int
    names: tuple[str, ...]
    lines: tuple[int, ...] = ()


def propose(node: Any, language: str, cell: int | None = None) -> Proposal | None:
    """The proposal for a notebook (nbformat 4), or to tag one `cell` of it whole; None when nothing fits.

    Raises Conflict when a cell is tagged already, and UsageError when `cell` is no code cell.
    """
    tagged_now = next((index for index, one in enumerate(node.cells) if is_tagged(one)), None)
    if tagged_now is not None:
        raise Conflict(
            f"Cell {tagged_now + 1} has the tag 'parameters' already.",
            hint="Edit that cell, or take its tag away first.",
        )
    if cell is not None:
        if not 0 <= cell < len(node.cells) or node.cells[cell].cell_type != "code":
            raise UsageError(
                f"Cell {cell + 1} is no code cell.",
                hint=f"Count all {len(node.cells)} cells from the top, text cells too.",
            )
        whole = Proposal(cell, ())
        return replace(whole, names=read(tagged(node, whole), language).names)
    found = list(_candidates(node)) if is_python(language) else []
    # A cell of settings first; then the most of them, the earliest of equals.
    return max(found, key=lambda one: (not one.lines, len(one.names) if one.lines else 0), default=None)


def tagged(node: Any, proposal: Proposal) -> Any:
    """A copy of the notebook with the proposal carried out."""
    from nbformat import v4

    made = copy.deepcopy(node)
    cell = made.cells[proposal.cell]
    if not proposal.lines:
        cell.metadata["tags"] = [*cell.metadata.get("tags", []), TAG]
        return made
    every = cell.source.split("\n")
    moved = [line for number, line in enumerate(every, 1) if number in proposal.lines]
    left = [line for number, line in enumerate(every, 1) if number not in proposal.lines]
    cell.source = "\n".join(left).strip("\n")
    new = v4.new_code_cell(source="\n".join(moved), metadata={"tags": [TAG]})
    if (made.nbformat, made.nbformat_minor) < (4, 5):
        del new["id"]
    elif TAG not in [one.get("id") for one in made.cells]:
        new["id"] = TAG  # an id that a diff can be read by
    made.cells.insert(proposal.cell, new)
    return made


def _candidates(node: Any) -> Iterator[Proposal]:
    bodies = {index: _body(cell) for index, cell in enumerate(node.cells) if cell.cell_type == "code"}
    every = (binding for body in bodies.values() for binding in python.bindings(body))
    bound = Counter(binding.name for binding in every if binding.name not in binding.reads)
    # Set once, and not read before that.
    free = {name for name, count in bound.items() if count == 1}
    for index in list(bodies)[:EARLY]:
        body = bodies[index]
        after = _reads([statement for later, other in bodies.items() if later > index for statement in other])
        names = [name for statement in body for name in _settings(statement)]
        only_settings = all(_is_neutral(statement) or _settings(statement) for statement in body)
        if is_injected(node.cells[index]):
            continue
        if only_settings and set(names) <= free and set(names) & after:
            yield Proposal(index, tuple(names))
        else:
            yield from _lines(node.cells[index].source, index, body, free, after)
        free -= _reads(body)


def _lines(source: str, index: int, body: list[ast.stmt], free: set[str], after: set[str]) -> Iterator[Proposal]:
    """The settings of a mixed cell that can stand before it: nothing has read the names yet, and something will."""
    names: list[str] = []
    lines: set[int] = set()
    spans = [range(one.lineno, (one.end_lineno or one.lineno) + 1) for one in body]
    code = {number for span in spans for number in span}
    comments = {number for number, line in enumerate(source.split("\n"), 1) if line.lstrip().startswith("#")} - code
    for position, statement in enumerate(body):
        sets = set(_settings(statement))
        needs = _reads([statement]) - _BUILTINS
        is_alone = sum(bool(set(span) & set(spans[position])) for span in spans) == 1
        is_read = sets & (after | _reads(body[position + 1 :]))
        if not is_alone or needs or not is_read or not sets <= free - _reads(body[:position]):
            continue
        above = statement.lineno
        while above - 1 in comments:
            above -= 1
        names += _settings(statement)
        lines |= {*range(above, statement.lineno), *spans[position]}
    if names:
        yield Proposal(index, tuple(names), tuple(sorted(lines)))


_BUILTINS = {"int", "float", "str", "bool", "bytes", "complex", "list", "dict", "tuple", "set", "frozenset"}


def _body(cell: Any) -> list[ast.stmt]:
    try:
        return python.parse(cell.source).body
    except SyntaxError:
        return []


def _settings(statement: ast.stmt) -> list[str]:
    """The names that a statement sets to settings; an empty container is for results."""
    if isinstance(statement, ast.Assign):
        targets, value = statement.targets, statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets, value = [statement.target], statement.value
    else:
        return []
    try:
        found = python.literal(value, {})
    except python.Unread:
        return []
    names = [target.id for target in targets if isinstance(target, ast.Name) and not target.id.startswith("_")]
    is_empty = isinstance(found, list | dict | set | tuple) and not found
    return names if len(names) == len(targets) and not is_empty else []


def _is_neutral(statement: ast.stmt) -> bool:
    """Imports, texts that stand alone, and IPython's own lines."""
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass) or is_text


def _reads(body: Sequence[ast.stmt]) -> set[str]:
    nodes = (part for statement in body for part in ast.walk(statement))
    return {part.id for part in nodes if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}
