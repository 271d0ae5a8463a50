"""Rows and their times in, counts for each day of them out, or for each week or month where there are many, as profiles that add up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from nbops.data.counts import Categories, Numbers
from nbops.data.profile import ColumnProfile, Profile
from nbops.data.variation import Length

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Counts = npt.NDArray[np.int64]

MOST = 200
"""Blocks; of more days there are weeks, and of more weeks months."""
_LENGTHS: dict[Length, Callable[[date], date]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
}


def blocks(frame: pd.DataFrame, times: pd.Series, *, like: Profile) -> tuple[Length, dict[date, Profile]]:
    """For each block of time that has rows, under its first day, how many are in the bins and levels of `like`; and how long blocks are.

    `times` (n,) are dates, timestamps or texts of them, of UTC where they name no zone; rows without one are in no block. Numbers, texts
    and truth values are counted, up to an edge and beyond the last one, and nothing else is known of them: that is all that
    `variation` takes, and far less work than whole profiles. Of more than 200 months there are no blocks. Raises ValueError and
    TypeError for what are no times.
    """
    import pandas as pd

    days = pd.to_datetime(times, utc=True).dt.date
    known = days.notna().to_numpy()
    every = sorted(days[known].unique())
    for length, block_of in _LENGTHS.items():
        first_of = {day: block_of(day) for day in every}
        names = sorted({*first_of.values()})
        if len(names) <= MOST:
            return length, _profiles(frame[known], days[known].map(first_of), names, like)
    return "month", {}


def _profiles(frame: pd.DataFrame, firsts: pd.Series, names: Sequence[date], like: Profile) -> dict[date, Profile]:
    """Those of blocks of these `names`; `firsts` (n,) names that of each row."""
    import numpy as np

    places = {name: place for place, name in enumerate(names)}
    codes: Counts = np.asarray(firsts.map(places), dtype=np.int64)
    rows = np.bincount(codes, minlength=len(names))
    parts: list[dict[str, ColumnProfile]] = [{} for _ in names]
    for name, told in like.columns.items():
        counted = _counted(frame[name], told, codes, len(names))
        for part, size, counts in zip(parts, rows.tolist(), counted if counted is not None else (), strict=False):
            part[name] = _column(told, size, counts)
    return {name: Profile(size, part) for name, size, part in zip(names, rows.tolist(), parts, strict=True)}


def _counted(column: pd.Series, like: ColumnProfile, codes: Counts, blocks: int) -> Counts | None:
    """How many values each block has in each bin or level, and last in none that is listed; None for what is not counted."""
    import numpy as np
    import pandas as pd

    if like.family == "number" and like.numbers is not None:
        values = pd.to_numeric(column, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
        there, places = ~np.isnan(values), np.searchsorted(like.numbers.edges, values, side="left")
        width = len(like.numbers.edges) + 1
    elif like.categories is not None:
        texts = column.astype("string")
        texts = texts.str.lower() if pd.api.types.is_bool_dtype(column) else texts
        levels = like.categories.levels
        found = pd.Categorical(texts, categories=list(levels)).codes.astype(np.int64)
        there, places = column.notna().to_numpy(), np.where(found < 0, len(levels), found)
        width = len(levels) + 1
    else:
        return None
    return np.bincount((codes * width + places)[there], minlength=blocks * width).reshape(blocks, width)


def _column(like: ColumnProfile, rows: int, counts: Counts) -> ColumnProfile:
    *listed, last = counts.tolist()
    numbers = like.numbers and Numbers(like.numbers.edges, tuple(listed), (*(0 for _ in listed), last))
    categories = like.categories and Categories(like.categories.levels, tuple(listed), last)
    return ColumnProfile(
        like.type, like.family, rows, rows - sum(listed) - last, numbers=numbers, categories=categories
    )
