"""A value that a later cell throws away: a parameter that is set again would make the run's record a lie, so it is refused.

What reads the value first (`n += 1`, `start = pd.Timestamp(start)`) builds on it, and the branches of an `if` fill a gap
(`if n is None: n = 100`): both are fine.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from nbops.errors import ParameterError
from nbops.execution.parameters import python
from nbops.execution.parameters.interface import Interface
from nbops.execution.parameters.reading import is_python
from nbops.execution.parameters.writing import is_injected


class Reassigned(NamedTuple):
    """Where a parameter is set again: `cell` counts all cells from 0, `line` its lines from 1."""

    name: str
    cell: int
    line: int


def reassigned(node: Any, interface: Interface) -> list[Reassigned]:
    """Where a cell after the parameters cell binds a parameter again, unread, at its top level."""
    if interface.cell is None or not is_python(interface.language):
        return []
    found = []
    for index, cell in enumerate(node.cells[interface.cell + 1 :], interface.cell + 1):
        # Papermill replaces the cell that an earlier execution put in.
        if cell.cell_type != "code" or is_injected(cell):
            continue
        try:
            body = python.parse(cell.source).body
        except SyntaxError:
            continue
        for binding in python.bindings(body):
            parameter = interface.get(binding.name)
            # To delete a secret after its use is good manners.
            tidy = binding.deletes and parameter is not None and parameter.direction == "secret"
            if parameter is not None and not tidy and binding.name not in binding.reads:
                found.append(Reassigned(binding.name, index, binding.line))
    return found


def check(node: Any, interface: Interface, given: Iterable[str]) -> None:
    """Raise ParameterError when a later cell sets one of the given parameters again."""
    names = set(given)
    found = [place for place in reassigned(node, interface) if place.name in names]
    if not found:
        return
    told = "".join(
        f"\n- {place.name!r} in cell {place.cell + 1}, line {place.line}: "
        f"{node.cells[place.cell].source.splitlines()[place.line - 1].strip()}"
        for place in found
    )
    what = "A parameter" if len({place.name for place in found}) == 1 else "Parameters"
    raise ParameterError(
        f"{what} of {interface.notebook} would be given in vain, because a later cell sets the name again:{told}",
        hint="Use another name there, or leave the parameter alone. Cells are counted from the top, text cells too.",
    )
