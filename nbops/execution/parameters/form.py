"""An interface as a form: each parameter as a field with the native input that fits its type.

The text of a field becomes a value as with `nbops run -p NAME TEXT`.
"""

from __future__ import annotations

import json
from typing import Literal

from nbops.execution.parameters import values
from nbops.execution.parameters.interface import Expression, Interface, Parameter
from nbops.execution.parameters.telling import type_text
from nbops.records import Record

Widget = Literal["checkbox", "number", "select", "date", "datetime", "text", "secret"]

_WIDGETS: dict[str, Widget] = {
    "bool": "checkbox",
    "int": "number",
    "float": "number",
    "date": "date",
    "datetime": "datetime",
    "pd.Timestamp": "datetime",
}


class Field(Record):
    """One field. `default`, `choices` and the ends of a range are texts as they are typed; `step` is a number's."""

    name: str
    type: str
    widget: Widget
    default: str
    required: bool
    choices: tuple[str, ...] = ()
    low: str | None = None
    high: str | None = None
    step: str | None = None
    help: str = ""
    direction: str | None = None


def fields(interface: Interface) -> list[Field]:
    """The fields of a notebook's form, in order."""
    return [_field(parameter) for parameter in interface.parameters]


def as_typed(value: object) -> str:
    """What one types to give a value."""
    told = values.plain(value)
    return told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)


def _field(parameter: Parameter) -> Field:
    widget = _widget(parameter)
    number = {"int": "1", "float": "any"}.get(parameter.type.name) if widget == "number" else None
    return Field(
        name=parameter.name, type=type_text(parameter), widget=widget, default=_default(parameter), required=parameter.required,
        choices=tuple(as_typed(choice) for choice in parameter.choices), low=_end(parameter.low), high=_end(parameter.high),
        step=number, help=parameter.help, direction=parameter.direction,
    )  # fmt: skip


def _widget(parameter: Parameter) -> Widget:
    if parameter.direction == "secret":
        return "secret"
    if parameter.type.name == "literal":
        return "select"
    if getattr(parameter.default, "tzinfo", None) is not None:
        return "text"  # a browser's field for moments knows no zones
    return _WIDGETS.get(parameter.type.name, "text")


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return ""
    return str(parameter.default) if isinstance(parameter.default, Expression) else as_typed(parameter.default)


def _end(bound: object) -> str | None:
    return None if bound is None else as_typed(bound)
