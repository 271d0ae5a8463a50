"""The records of a notebook's interface: what can be set, of which type, within which bounds."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from nbops.execution.parameters.typed import Type
from nbops.records import Record

Direction = Literal["in", "out", "secret"]
Bound = int | float | date


class Expression(Record):
    """A default that only running the cell would tell, as it is written."""

    text: str

    def __str__(self) -> str:
        return self.text


HIDDEN = Expression("•••")
"""What is told of a secret that is written in the notebook."""


class Parameter(Record):
    """One parameter; `line` counts from 1 in its cell, and both ends of the range belong to it.

    Not `declared`: the type is the default's. `required`: there is no default.
    """

    name: str
    type: Type
    line: int
    declared: bool = True
    required: bool = False
    default: Any = None
    help: str = ""
    low: Bound | None = None
    high: Bound | None = None
    direction: Direction | None = None

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values that a `Literal` allows."""
        members = self.type.of if self.type.name == "union" else (self.type,)
        return tuple(choice for member in members for choice in member.choices)

    @property
    def range(self) -> str:
        """The range as a comment writes it; empty when there is none."""
        ends = ["" if end is None else str(end) for end in (self.low, self.high)]
        return "..".join(ends) if any(ends) else ""


class Interface(Record):
    """What can be set in a notebook; `cell` counts all cells from 0, None when no cell is tagged.

    `open`: nothing here reads the language, so any name may be given. `problem`: why the cell cannot be read.
    """

    notebook: str
    language: str
    cell: int | None = None
    parameters: tuple[Parameter, ...] = ()
    open: bool = False
    problem: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, in order."""
        return tuple(parameter.name for parameter in self.parameters)

    def get(self, name: str) -> Parameter | None:
        """The parameter of that name."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)
