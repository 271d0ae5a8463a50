"""Points out of a file: CSV with a heading, or a list of mappings in JSON or YAML."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from nbops.errors import UsageError
from nbops.execution.sweeps.texts import Given, given


def read(path: Path) -> tuple[list[dict[str, Given]], list[str]]:
    """The points of a file, and for each where it stands, in words. Raises UsageError with the line that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", hint="Give a CSV, JSON or YAML file in UTF-8.") from error
    if path.suffix.lower() in {".json", ".yaml", ".yml"}:
        return _listed(path, text)
    return _csv(path, text)


def _csv(path: Path, text: str) -> tuple[list[dict[str, Given]], list[str]]:
    """Cells are words, read as their parameters' types; an empty one leaves its parameter alone."""
    rows = csv.reader(io.StringIO(text), strict=True, skipinitialspace=True)
    points, origins = [], []
    heads: list[str] | None = None
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if heads is None:
                heads = [cell.strip() for cell in row]
                if "" in heads or len(set(heads)) < len(heads):
                    raise _unfit(path, rows.line_num, "the heading has an empty or a doubled name")
                continue
            if len(row) != len(heads):
                raise _unfit(path, rows.line_num, f"{len(row)} cells under {len(heads)} names")
            points.append(
                {name: Given(cell.strip(), word=True) for name, cell in zip(heads, row, strict=True) if cell.strip()}
            )
            origins.append(f"{path.name}, line {rows.line_num}")
    except csv.Error as error:
        raise _unfit(path, rows.line_num, str(error)) from error
    return points, origins


def _listed(path: Path, text: str) -> tuple[list[dict[str, Given]], list[str]]:
    found: Any
    # JSON is YAML, but for a tab now and then.
    if path.suffix.lower() == ".json":
        import json

        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise _unfit(path, error.lineno, error.msg) from error
    else:
        import yaml

        try:
            found = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise _unfit(path, line, str(error.problem)) from error
    if not isinstance(found, list):
        raise _unfit(path, 1, "there is no list")
    for number, item in enumerate(found, 1):
        if not isinstance(item, dict) or not all(isinstance(name, str) for name in item):
            raise UsageError(f"{path.name}: item {number} is no mapping of names to values.", hint=_HINT)
    points = [{name: given(value) for name, value in item.items()} for item in found]
    return points, [f"{path.name}, item {number}" for number in range(1, len(points) + 1)]


_HINT = "Write a heading and rows (CSV), or a list of mappings (JSON, YAML): see docs/sweeps.md."


def _unfit(path: Path, line: int, what: str) -> UsageError:
    return UsageError(f"{path.name}, line {line}: {what}.", hint=_HINT)
