"""Resolved values on their way out: into a cell, into a notebook's metadata, into a run's parameters."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from typing import Any

from nbops.execution.parameters import values as known
from nbops.execution.parameters.interface import Expression, Interface
from nbops.execution.parameters.kinds import Aliases

INJECTED_TAG = "injected-parameters"


def source(interface: Interface, values: Mapping[str, object], *, secret: Callable[[str], str]) -> str:
    """The Python text of the injected cell: equal values of equal types, whatever the notebook imports.

    `values` are resolved ones. A secret is written as the expression that `secret` gives for its parameter's name.
    """
    aliases = Aliases({*interface.names, *values})
    hidden = {parameter.name for parameter in interface.parameters if parameter.direction == "secret"}
    lines = [
        f"{name} = {secret(name) if name in hidden else known.python(value, aliases)}" for name, value in values.items()
    ]
    return "\n".join(["# Parameters", *aliases.lines(), *lines])


def inject(node: Any, interface: Interface, values: Mapping[str, object], *, secret: Callable[[str], str]) -> None:
    """Put the cell into a Python notebook as Papermill would, and the values, if any, into its metadata.

    It replaces the cell of an earlier execution, else follows the parameters cell, else is the first.
    """
    from nbformat import v4

    if not values:
        return
    cell = v4.new_code_cell(source=source(interface, values, secret=secret), metadata={"tags": [INJECTED_TAG]})
    if (node.nbformat, node.nbformat_minor) < (4, 5):
        del cell["id"]
    earlier = next((index for index, one in enumerate(node.cells) if is_injected(one)), None)
    if earlier is not None:
        node.cells[earlier] = cell
    else:
        node.cells.insert(0 if interface.cell is None else interface.cell + 1, cell)
    node.metadata.setdefault("papermill", {})["parameters"] = plain(values)


def is_injected(cell: Any) -> bool:
    """Whether an execution put the cell in."""
    return INJECTED_TAG in cell.metadata.get("tags", [])


def plain(values: Mapping[str, object]) -> dict[str, object]:
    """The values as JSON has them, for a notebook's metadata; `resolve` reads those of typed parameters back."""
    return {name: known.plain(value) for name, value in values.items()}


def recorded(interface: Interface, values: Mapping[str, object]) -> dict[str, object]:
    """All parameters of a run, defaults too, as `nbops.log_params` takes them: an unread default as its text."""
    defaults = {parameter.name: parameter.default for parameter in interface.parameters if not parameter.required}
    return {name: _recordable(value) for name, value in {**defaults, **values}.items()}


def _recordable(value: object) -> object:
    if isinstance(value, Expression):
        return value.text
    told = known.plain(value)
    # NaN and the infinities are numbers in a store, which JSON has not.
    is_float = isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral)
    return float(str(told)) if is_float else told
