"""An interface for people (lines in a terminal) and for programs (JSON with schemas)."""

from __future__ import annotations

from nbops.execution.parameters import typed, values
from nbops.execution.parameters.interface import Expression, Interface, Parameter
from nbops.execution.parameters.kinds import Aliases, kind_of
from nbops.execution.parameters.typed import ANY
from nbops.render import text


def help_text(interface: Interface, *, width: int | None = None) -> str:
    """The parameters, one in a line; fits the terminal, or `width` characters."""
    if interface.problem:
        return f"The parameters of {interface.notebook} cannot be read: {interface.problem}."
    if interface.cell is None:
        return f"{interface.notebook} has no cell with the tag 'parameters'."
    if not interface.parameters:
        reason = f" that can be read from {interface.language}" if interface.open else ""
        return f"{interface.notebook} has no parameters{reason}."
    rows = [
        [one.name, one.direction or "", type_text(one), default_text(one), one.range, one.help]
        for one in interface.parameters
    ]
    heads = ["name", "role", "type", "default", "range", "help"]
    filled = [index for index in range(len(heads)) if any(row[index] for row in rows)]
    table = text.table(
        [heads[index] for index in filled], [[row[index] for index in filled] for row in rows], width=width
    )
    more = f"\n{interface.language} is not read here: any other name may be given, too." if interface.open else ""
    return f"Parameters of {interface.notebook}:\n{table}{more}"


def default_text(parameter: Parameter) -> str:
    """The default on one line, as Python has it."""
    if parameter.required:
        return "(required)"
    if isinstance(parameter.default, Expression):
        return " ".join(parameter.default.text.split())
    name = kind_of(parameter.default) or ""
    if name in {"date", "datetime", "time", "timedelta", "Path", "Decimal"} or name.startswith(("pd.", "np.")):
        return str(values.plain(parameter.default))
    return values.python(parameter.default, Aliases(()))


def type_text(parameter: Parameter) -> str:
    """The type as an annotation has it; empty where any value is taken."""
    return "" if parameter.type == ANY else str(parameter.type)


def to_dict(interface: Interface) -> dict[str, object]:
    """The interface as JSON has it; `schema` is the JSON Schema of a parameter's values."""
    return {
        "notebook": interface.notebook,
        "language": interface.language,
        "cell": interface.cell,
        "open": interface.open,
        "problem": interface.problem or None,
        "parameters": [_parameter(parameter) for parameter in interface.parameters],
    }


def _parameter(parameter: Parameter) -> dict[str, object]:
    known = not parameter.required and not isinstance(parameter.default, Expression)
    bounds = {"low": parameter.low, "high": parameter.high}
    return {
        "name": parameter.name,
        "type": str(parameter.type),
        "declared": parameter.declared,
        "direction": parameter.direction,
        "required": parameter.required,
        "default": values.plain(parameter.default) if known else None,
        "expression": str(parameter.default) if isinstance(parameter.default, Expression) else None,
        **{name: None if bound is None else values.plain(bound) for name, bound in bounds.items()},
        "choices": [values.plain(choice) for choice in parameter.choices],
        "help": parameter.help,
        "line": parameter.line,
        "schema": _schema(parameter),
    }


def _schema(parameter: Parameter) -> dict[str, object]:
    if parameter.direction == "secret":
        return {"type": "string", "pattern": "^secret://"}
    made = typed.schema(parameter.type)
    numeric = made.get("type") in {"integer", "number"}
    ends = {"minimum": parameter.low, "maximum": parameter.high} if numeric else {}
    return {**made, **{key: end for key, end in ends.items() if end is not None}}
