"""How much data differ from one day, week or month to the next where nothing is wrong: what a difference has to exceed to mean something.

Profiles of days flow in, one number a column and length of time flows out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import reduce
from itertools import groupby
from typing import Any, Literal

from nbops.data.counts import psi
from nbops.data.profile import ColumnProfile, Profile

Length = Literal["day", "week", "month"]
Variation = dict[Length, dict[str, float]]
"""Of each length of time of which there are blocks to compare, by column: the 99 % quantile of how far a block is from all others."""

_BLOCKS: dict[Length, Callable[[date], Any]] = {
    "day": lambda day: day,
    "week": lambda day: day.isocalendar()[:2],
    "month": lambda day: (day.year, day.month),
}
_LEAST = 3
_QUANTILE = 0.99


def variation(parts: Mapping[date, Profile], length: Length = "day") -> Variation:
    """The variation of profiles that were made with the same edges, each of a day or another `length` of time, under its first day.

    Lengths with less than three blocks are left out, as are those that are shorter than the parts. How far a block is from the others is
    the population stability index over at most ten groups, less its expectation where nothing changed. The first and the last week and
    month may be parts. Of less than a hundred blocks the quantile is the largest.
    """
    lengths = [*_BLOCKS][[*_BLOCKS].index(length) :]
    # Weeks are no parts of months: both are made of what there is.
    blocks = {
        longer: [
            reduce(Profile.merged, map(parts.__getitem__, some)) for _, some in groupby(sorted(parts), _BLOCKS[longer])
        ]
        for longer in lengths
    }
    if not parts:
        return {}
    whole = reduce(Profile.merged, blocks[lengths[-1]])
    return {longer: _of_blocks(whole, some) for longer, some in blocks.items() if len(some) >= _LEAST}


def _of_blocks(whole: Profile, blocks: Sequence[Profile]) -> dict[str, float]:
    found = {}
    for name, column in whole.columns.items():
        apart = [one for block in blocks if (one := _apart(column, block[name])) is not None]
        if apart:
            found[name] = float(f"{_quantile(sorted(apart)):.6g}")
    return found


def _apart(whole: ColumnProfile, block: ColumnProfile) -> float | None:
    """How far a block is from the rest, by which its share of the whole does not hide it."""
    groups = [(every - own, own) for every, own in whole.grouped(block)]
    index = psi(groups)
    if index is None:
        return None
    rest, own = (sum(counts) for counts in zip(*groups, strict=True))
    return float(max(0.0, index - (len(groups) - 1) * (1 / rest + 1 / own)))


def _quantile(ordered: Sequence[float]) -> float:
    """The smallest that so many do not exceed."""
    return ordered[min(int(_QUANTILE * len(ordered)), len(ordered) - 1)]
