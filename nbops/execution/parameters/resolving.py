"""Given values against an interface: each becomes one of its parameter's type and range, or all that is wrong is told at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from nbops.errors import ParameterError, nearest
from nbops.execution.parameters import typed
from nbops.execution.parameters.interface import HIDDEN, Interface, Parameter
from nbops.execution.parameters.kinds import REFUSALS, Misfit, kind_of
from nbops.execution.parameters.reading import is_reference
from nbops.execution.parameters.typed import ANY, Type
from nbops.execution.parameters.values import normal, shown
from nbops.records import Record


class Problem(Record):
    """Why a given value, or the lack of one, is refused; `brief` is enough beside a form's field, which shows name, type and range."""

    parameter: str
    what: str
    remedy: str
    brief: str = ""


def problems(interface: Interface, given: Mapping[str, object]) -> list[Problem]:
    """All that `resolve` would refuse, to be told beside each field of a form."""
    if interface.problem:
        return [Problem("", f"The parameters cell cannot be read: {interface.problem}.", unreadable(interface))]
    return _resolved(interface, given, strict=True)[1]


def resolve(interface: Interface, given: Mapping[str, object], *, strict: bool = True) -> dict[str, object]:
    """What a run sets: the given values as their parameters take them, and the default references of secrets.

    Not `strict`: unknown names and values that do not fit are set as they are, as papermill does it.

    Raises ParameterError for unknown names, values that do not fit and parameters that need one.
    """
    if interface.problem and given:
        raise ParameterError(
            f"The parameters of {interface.notebook} cannot be read: {interface.problem}.",
            hint=unreadable(interface),
        )
    values, refused = _resolved(interface, given, strict=strict)
    if refused:
        raise _error(interface, refused)
    return values


def _resolved(
    interface: Interface, given: Mapping[str, object], *, strict: bool
) -> tuple[dict[str, object], list[Problem]]:
    values: dict[str, object] = {}
    refused: list[Problem] = []
    for name, value in given.items():
        parameter = interface.get(name)
        if parameter is None and strict and not interface.open:
            refused.append(_unknown(interface, name))
            continue
        try:
            values[name] = _accepted(value, parameter) if parameter else typed.fit(value, ANY)
        except Misfit as misfit:
            if not strict and (parameter is None or parameter.direction != "secret"):
                values[name] = value
                continue
            refused.append(_misfit(interface, name, parameter, value, str(misfit)))
    for parameter in interface.parameters:
        if parameter.name in given:
            continue
        if parameter.required or parameter.default == HIDDEN:
            refused.append(_lacking(interface, parameter))
        elif parameter.direction == "secret" and is_reference(parameter.default):
            values[parameter.name] = parameter.default
    return values, refused


def _accepted(value: object, parameter: Parameter) -> object:
    if parameter.direction == "secret":
        if not is_reference(value):
            raise Misfit("is the secret itself, or no reference to one")
        return str(value)
    fitted = typed.fit(value, parameter.type)
    if not _is_within(fitted, parameter):
        raise Misfit(f"is not within {parameter.range}")
    # Nobody asked for another type: a library's scalars stay what they are.
    if not parameter.declared and str(kind_of(value)).startswith(("np.", "pd.")):
        return normal(value)
    return fitted


def _is_within(value: Any, parameter: Parameter) -> bool:
    """Whether each number and time in it lies within the range: NaN does not, text need not."""
    low, high = parameter.low, parameter.high
    if isinstance(value, list | tuple | set | frozenset | dict):
        return all(_is_within(item, parameter) for item in (value.values() if isinstance(value, dict) else value))
    if value is None or isinstance(value, str | bytes | bool) or (low is None and high is None):
        return True
    try:
        if isinstance(low, date) or isinstance(high, date):
            # The last day belongs to a range with all its hours.
            value = value.date() if isinstance(value, datetime) else typed.fit(value, Type("datetime")).date()
        return bool((low is None or value >= low) and (high is None or value <= high))
    except (*REFUSALS, Misfit):
        return False


def _unknown(interface: Interface, name: str) -> Problem:
    if not interface.parameters:
        return Problem(
            name,
            f"{interface.notebook} has no parameters, so {name!r} cannot be set.",
            "Put the settings into one cell and give that cell the tag 'parameters'; `nbops params tag` proposes one.",
        )
    near = nearest(name, interface.names)
    return Problem(
        name,
        f"Unknown parameter {name!r} for {interface.notebook}. Known: {', '.join(interface.names)}.",
        f"Did you mean {near!r}?" if near else "Use one of the known names, or add it to the parameters cell.",
    )


_OUTSIDE = "is not within"


def _misfit(interface: Interface, name: str, parameter: Parameter | None, value: object, why: str) -> Problem:
    is_secret = parameter is not None and parameter.direction == "secret"
    told = "a value that is not shown" if is_secret else shown(value)
    takes = ""
    if parameter and (parameter.type != ANY or parameter.range):
        asked = f"{parameter.type}, {parameter.range}" if parameter.range else str(parameter.type)
        takes = f" is {'a secret' if is_secret else asked};"
    remedy = _remedy(parameter, value, why)
    what = f"Parameter {name!r} of {interface.notebook}{takes} given was {told}, which {why}."
    brief = f"{told} {why}." if why.startswith(_OUTSIDE) else f"{told} {why}. {remedy}"
    return Problem(name, what, remedy, f"Give the name of a secret: secret://{name}" if is_secret else brief)


def _remedy(parameter: Parameter | None, value: object, why: str) -> str:
    if parameter is None or parameter.type == ANY:
        return "Give numbers, text, dates, paths or containers of them; anything larger as the path of a file."
    name = parameter.name
    if parameter.direction == "secret":
        return f"Keep the value outside and give its name: -p {name} secret://{name}"
    if why.startswith(_OUTSIDE):
        return f"Give a value within {parameter.range}, or change the range in the comment behind {name!r}."
    if parameter.choices:
        near = nearest(str(value), [str(choice) for choice in parameter.choices])
        return f"Did you mean {near!r}?" if near else f"Give one of {', '.join(map(repr, parameter.choices))}."
    if not parameter.declared:
        return f"Its type is that of its default, {shown(parameter.default)}; if it takes more, annotate it: {name}: float | str = …"
    example = _EXAMPLES.get(next((leaf for leaf in parameter.type.leaves() if leaf in _EXAMPLES), ""))
    return f"Give {_article(parameter.type)}, such as {example}." if example else f"Give {_article(parameter.type)}."


_EXAMPLES = {
    "str": "'text' (in YAML between quotes)", "int": "3", "float": "0.5", "bool": "true or false", "Decimal": "0.10",
    "date": "2013-02-01", "datetime": "2013-02-01T08:30", "time": "08:30", "timedelta": "PT90S or P1D",
    "pd.Timestamp": "2013-02-01T08:30", "pd.Timedelta": "90s or 1 day",
}  # fmt: skip


def _article(to: Type) -> str:
    return f"{'an' if str(to)[0] in 'aeiou' else 'a'} {to}"


def _lacking(interface: Interface, parameter: Parameter) -> Problem:
    if parameter.required:
        return Problem(
            parameter.name,
            f"Parameter {parameter.name!r} of {interface.notebook} has no default and was not given.",
            f"Give {_article(parameter.type)}: -p {parameter.name} VALUE",
            "It has no default: give a value.",
        )
    return Problem(
        parameter.name,
        f"Parameter {parameter.name!r} of {interface.notebook} is a secret, and its value is written in the notebook.",
        f'Keep the value outside and write its name: {parameter.name}: "secret" = "secret://{parameter.name}"',
    )


def unreadable(interface: Interface) -> str:
    """What to do about an unreadable parameters cell."""
    return f"Mend cell {(interface.cell or 0) + 1} of the notebook; as it is, it would fail when it runs."


def _error(interface: Interface, refused: list[Problem]) -> ParameterError:
    if len(refused) == 1:
        return ParameterError(refused[0].what, hint=refused[0].remedy)
    lines = "".join(f"\n- {problem.what} {problem.remedy}" for problem in refused)
    return ParameterError(
        f"{len(refused)} parameters of {interface.notebook} are refused:{lines}",
        hint="`nbops params show NOTEBOOK` lists what each of them takes.",
    )
