"""What somebody asks of a sweep, from a command line or from Python; nothing of it is checked here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbops.errors import UsageError
from nbops.execution.sweeps.texts import Given, given
from nbops.records import Better, Record


class Ways(Record):
    """How points are executed. Zero lanes are as many as there are cores; times in seconds."""

    lanes: int = 0
    max_failures: int | None = None
    timeout: float | None = None
    cwd: str | None = None
    kernel: str | None = None
    output: str | None = None


class Goal(Record):
    """The metric that says which point is better, its direction if that was given, and whether hopeless points are stopped."""

    metric: str = ""
    better: Better | None = None
    stop_hopeless: bool = False


class Asked(Record):
    """One kind of points (`grid`, `points`, or `ranges` with how `most` of them a `sampler` takes), or a sweep to `resume`.

    `origins` tell where each of `points` stands, in words.
    """

    notebook: str = ""
    grid: dict[str, list[Given]] = {}
    points: list[dict[str, Given]] | None = None
    origins: list[str] = []
    ranges: dict[str, str | list[Given]] = {}
    sampler: str = ""
    most: int | None = None
    seed: int | None = None
    fixed: dict[str, Given] = {}
    name: str = ""
    ways: Ways = Ways()
    goal: Goal = Goal()
    resume: str = ""
    force: bool = False


def space(grid: Mapping[str, Any] | None, points: Any, ranges: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of `Asked` for values of Python's: lists, arrays, rows of a DataFrame, ranges as text or pairs. Raises UsageError."""
    made: dict[str, Any] = {"grid": {name: _all(name, values) for name, values in (grid or {}).items()}}
    if points is not None:
        rows = _rows(points) if hasattr(points, "to_dict") else points
        made["points"] = [_point(number, row) for number, row in enumerate(rows, 1)]
        made["origins"] = [f"Point {number}" for number in range(1, len(made["points"]) + 1)]
    made["ranges"] = {name: _range(name, told) for name, told in (ranges or {}).items()}
    return made


def _rows(frame: Any) -> list[dict[str, object]]:
    """Rows without empty cells; whole numbers that pandas had to make floats are whole again."""
    gaps = {name: frame[name].convert_dtypes() for name in frame.columns if frame[name].hasnans}
    kept = frame.assign(**{str(name): column for name, column in gaps.items()})
    there = frame.notna().to_dict("records")
    rows: list[dict[str, object]] = kept.to_dict("records")
    return [
        {name: value for name, value in row.items() if present[name]} for row, present in zip(rows, there, strict=True)
    ]


def _point(number: int, row: object) -> dict[str, Given]:
    if not isinstance(row, Mapping):
        raise UsageError(
            f"Point {number} is a {type(row).__name__}.",
            hint='Each point is a mapping, such as {"alpha": 0.1, "depth": 3}.',
        )
    return {str(name): given(value) for name, value in row.items()}


def _all(name: str, values: Any) -> list[Given]:
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
        raise UsageError(f"The grid of {name!r} is no list of values.", hint=f'Give one: {{"{name}": [1, 10]}}')
    return [given(value) for value in values]


def _range(name: str, told: Any) -> str | list[Given]:
    """A range stays as it is written; a pair of numbers is its ends, anything else a list to choose from."""
    if isinstance(told, str):
        return told
    if isinstance(told, tuple) and len(told) == 2:
        return f"{told[0]}..{told[1]}"
    return _all(name, told)


def absolute(path: object) -> str | None:
    """A path for another process, which may be in another folder."""
    return None if path is None else str(Path(str(path)).expanduser().resolve())
