"""A grid, a list or the ranges of a sampler, checked against what a notebook takes: values come out in their parameters' types."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from typing import Any

from nbops.errors import ParameterError, UsageError
from nbops.execution import parameters as typed
from nbops.execution.parameters import Interface, Word
from nbops.execution.sweeps import texts
from nbops.execution.sweeps.asked import Asked
from nbops.execution.sweeps.samplers import Choices, Range, Space
from nbops.execution.sweeps.texts import Given

MOST = 100_000
"""Points of one sweep."""
_RANGE = re.compile(r"\s*(\S+?)\s*\.\.\s*(\S+?)\s*(?::\s*(\w+))?\s*")

Point = Mapping[str, object]


def points(asked: Asked, interface: Interface, fixed: Point) -> tuple[list[dict[str, object]], int]:
    """The points of a grid or a list, each once, and how many were asked for again.

    Raises ParameterError for one that the notebook does not take, and UsageError for a space that is empty or too large.
    """
    rows = _product(asked.grid) if asked.grid else asked.points or []
    found: dict[tuple[tuple[str, str], ...], dict[str, object]] = {}
    for number, row in enumerate(rows):
        origin = asked.origins[number] if number < len(asked.origins) else ""
        _only_once(row, fixed)
        values = resolve(interface, {name: told.value for name, told in row.items()}, fixed, origin)
        found.setdefault(tuple((name, texts.write(value)) for name, value in sorted(values.items())), values)
    if not found:
        raise UsageError("The sweep has no points.", hint="Give at least one value of each parameter, or one point.")
    return list(found.values()), len(rows) - len(found)


def resolve(interface: Interface, point: Point, fixed: Point, origin: str = "") -> dict[str, object]:
    """The values of a point as its parameters take them, without the fixed ones. Raises ParameterError."""
    try:
        values = typed.resolve(interface, {**fixed, **point})
    except ParameterError as error:
        if not origin:
            raise
        raise ParameterError(f"{origin}: {error.message}", hint=error.hint) from error
    return {name: values[name] for name in point}


def dimensions(asked: Asked, interface: Interface, fixed: Point) -> Space:
    """The space of a sampler. Raises UsageError for a range that cannot be read, and ParameterError for values that are not taken."""
    made: dict[str, Range | Choices] = {}
    for name, told in asked.ranges.items():
        _only_once({name: None}, fixed)
        found = _RANGE.fullmatch(told) if isinstance(told, str) else None
        if found:
            made[name] = _range(interface, name, found, fixed)
        else:
            values = words(told) if isinstance(told, str) else told
            if not values:
                raise UsageError(
                    f"There is nothing to choose from for {name!r}.", hint=f"Write --range {name} 0.1..10, or a,b,c"
                )
            if isinstance(told, str) and len(values) == 1:
                raise UsageError(
                    f"{told!r} is no range for {name!r}.", hint=f"Write --range {name} 0.1..10, 1..100:log, or a,b,c"
                )
            made[name] = Choices(tuple(resolve(interface, {name: one.value}, fixed)[name] for one in values))
    return made


def words(text: str) -> list[Given]:
    """Values as they are typed: separated by commas, or a list in JSON. Raises UsageError for broken JSON."""
    import csv
    import json

    if not text.strip():
        return []
    if text.lstrip().startswith("["):
        try:
            return [Given(one if isinstance(one, str) else json.dumps(one), word=True) for one in json.loads(text)]
        except ValueError as error:
            raise UsageError(f"{text} is no list in JSON: {error}.", hint='Write it as in ["a", "b"].') from error
    return [Given(one.strip(), word=True) for one in next(csv.reader([text], skipinitialspace=True))]


def _product(grid: Mapping[str, list[Given]]) -> list[dict[str, Given]]:
    """Every combination, the last parameter changing fastest."""
    if math.prod(map(len, grid.values())) > MOST:
        raise UsageError(
            f"The grid has {math.prod(map(len, grid.values())):,} points; {MOST:,} are the most.",
            hint="Let a sampler choose some: --random 100 --range …",
        )
    empty = [name for name, values in grid.items() if not values]
    if empty:
        raise UsageError(f"The grid has no values for {empty[0]!r}.", hint=f"Give some: --grid {empty[0]} 1,2,3")
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def _only_once(row: Mapping[str, object], fixed: Point) -> None:
    both = row.keys() & fixed.keys()
    if both:
        name = min(both)
        raise UsageError(
            f"Parameter {name!r} is both fixed and varied.", hint=f"Leave out -p {name}, or do not vary it."
        )


def _range(interface: Interface, name: str, found: re.Match[str], fixed: Point) -> Range:
    text, scale = f"{found[1]}..{found[2]}", found[3]
    low, high = (_end(interface, name, end, fixed) for end in (found[1], found[2]))
    # Whole ends of a parameter that takes fractions too are ends of fractions.
    whole = isinstance(low, int) and isinstance(high, int) and not _takes_fractions(interface, name)
    if scale not in {None, "log"}:
        raise UsageError(f"The range of {name!r} has an unknown scale {scale!r}.", hint=f"Write {text}:log, or {text}.")
    if not low < high or not all(map(math.isfinite, (low, high))):
        raise UsageError(f"The range {text} of {name!r} is empty.", hint="Write the lower end first: 0.1..10")
    if scale and low <= 0:
        raise UsageError(f"The range {text} of {name!r} has no logarithm.", hint="Begin above 0, or leave out :log.")
    return Range(low=low, high=high, whole=whole, log=bool(scale))


def _takes_fractions(interface: Interface, name: str) -> bool:
    parameter = interface.get(name)
    return parameter is not None and "float" in parameter.type.leaves()


def _end(interface: Interface, name: str, text: str, fixed: Point) -> Any:
    try:
        float(text)
    except ValueError:
        raise UsageError(
            f"The range of {name!r} ends at {text!r}, which is no number.",
            hint="Write 0.001..10, 3..12 or 0.001..10:log.",
        ) from None
    value = resolve(interface, {name: Word(text)}, fixed)[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(
            f"Parameter {name!r} takes no numbers, so it has no range.",
            hint=f"Name the values to choose from: --range {name} a,b,c",
        )
    return value
