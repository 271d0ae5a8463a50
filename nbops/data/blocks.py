"""Rows and their times in, a profile for each day of them out, or for each week or month where there are many; all in one pass."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from nbops.data.counts import Categories
from nbops.data.profile import ColumnProfile, Profile
from nbops.data.profiling import sliced
from nbops.data.variation import Length

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

MOST = 200
"""Blocks; of more days there are weeks, and of more weeks months."""


def blocks(frame: pd.DataFrame, times: pd.Series, *, like: Profile) -> tuple[Length, dict[date, Profile]]:
    """A profile (with the edges of `like`) for each block of time that has rows, under its first day; and how long the blocks are.

    `times` (n,) are dates, timestamps or texts of them, of UTC where they name no zone; rows without one are in no block. Of more than
    200 months there are no blocks. Raises ValueError and TypeError for what are no times.
    """
    import pandas as pd

    days = pd.to_datetime(times, utc=True).dt.date
    made = (
        (length, {day: first(day).isoformat() for day in days.dropna().unique()}) for length, first in _LENGTHS.items()
    )
    length, found = next(
        ((length, found) for length, found in made if len({*found.values()}) <= MOST), (_LONGEST, None)
    )
    if found is None:
        return length, {}
    keys = days.map(found)
    counts = keys.value_counts()
    name = _free(like)
    told = Categories(levels=tuple(map(str, counts.index)), counts=tuple(map(int, counts)))
    column = ColumnProfile("VARCHAR", "category", len(frame), int(keys.isna().sum()), len(counts), categories=told)
    parts = sliced(
        frame.assign(**{name: keys.astype("object")}), [name], like=Profile(like.rows, like.columns | {name: column}), most=MOST
    )  # fmt: skip
    return length, {
        date.fromisoformat(part[1]): Profile(
            one.rows, {key: known for key, known in one.columns.items() if key != name}
        )
        for part, one in parts.items()
        if part
    }


_LONGEST: Length = "month"
_LENGTHS: dict[Length, Callable[[date], date]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
}


def _free(like: Profile) -> str:
    """A name that no column has."""
    name = "block"
    while name in like.columns:
        name += "_"
    return name
