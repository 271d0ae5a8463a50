"""A first contract from what data is like, to be read and mended by whoever knows what it should be."""

from __future__ import annotations

import math
from typing import Any

from nbops.data.counts import Numbers
from nbops.data.meaning import kind_of
from nbops.data.profile import ColumnProfile, Profile

_FEW = 30


def infer(profile: Profile, name: str) -> dict[str, Any]:
    """A contract as a dict, of which `to_yaml` makes a file: kinds, missing values, few distinct texts, ranges with room, keys.

    Everything holds for the data itself; ranges end at round numbers a tenth of their width outside.
    """
    columns = {column: _column(found, profile.rows) for column, found in profile.columns.items()}
    return {
        "contract": name,
        "description": "Inferred from data: say what it should be, and take out what only happened to be so.",
        "columns": columns,
        "rules": [{"row_count": {"min": profile.rows // 2}}],
    }


def to_yaml(contract: dict[str, Any]) -> str:
    """The contract as a file's text."""
    import yaml

    text: str = yaml.safe_dump(contract, sort_keys=False, allow_unicode=True, width=120)
    return text


def _column(found: ColumnProfile, rows: int) -> dict[str, Any]:
    told: dict[str, Any] = {}
    kind = kind_of(found.type)
    if kind:
        told["type"] = kind
    if rows and not found.nulls:
        told["not_null"] = True
        if rows > 1 and found.distinct == rows and found.certainty == "exact" and kind in {"integer", "string"}:
            told["unique"] = True
    elif found.null_share < 1:
        told["null_share"] = min(1.0, math.ceil(found.null_share * 200) / 100)
    categories = found.categories
    if (
        kind == "string"
        and categories is not None
        and not categories.other
        and 0 < len(categories.levels) <= min(_FEW, rows // 10)
    ):
        told["in"] = sorted(categories.levels)
    if kind in {"integer", "number"} and found.numbers is not None and "unique" not in told:
        told |= _range(found.numbers, whole=kind == "integer")
    return told


def _range(numbers: Numbers, *, whole: bool) -> dict[str, Any]:
    low, high = numbers.min, numbers.max
    if low is None or high is None or numbers.negative_infinities or numbers.positive_infinities:
        return {}
    if low == high:
        return {}
    room = (high - low) / 10
    step = 10 ** math.floor(math.log10(room))
    ends = math.floor((low - room) / step) * step, math.ceil((high + room) / step) * step
    # What was never negative is hardly meant to be.
    least = max(0.0, ends[0]) if low >= 0 else ends[0]
    told = [int(end) if whole or end == int(end) else round(end, 12) for end in (least, ends[1])]
    return {"range": told}
