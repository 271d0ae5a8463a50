"""How much a reference's days differ in themselves is found from counts alone, and is what whole profiles of the days would say."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from nbops.data.blocks import MOST, blocks
from nbops.data.counts import psi
from nbops.data.profile import Profile
from nbops.data.profiling import profile
from nbops.data.variation import variation

FIRST = date(2013, 1, 7)


def frame(days: int, per_day: int = 40) -> tuple[pd.DataFrame, pd.Series]:
    """Rows of days, of which every seventh is colder than the others."""
    random = np.random.default_rng(5)
    number = np.repeat(np.arange(days), per_day)
    rows = pd.DataFrame({
        "temp": random.normal(size=len(number)) - 2 * (number % 7 == 6), "few": random.integers(0, 4, len(number)),
        "gap": np.where(random.random(len(number)) < 0.2, np.nan, random.normal(size=len(number))),
        "wild": np.where(random.random(len(number)) < 0.01, np.inf, random.normal(size=len(number))),
        "carrier": random.choice(np.array(["AA", "UA", None], dtype=object), len(number)), "late": random.random(len(number)) < 0.3,
        "day": pd.Timestamp(FIRST) + pd.to_timedelta(number, unit="D"),
    })  # fmt: skip
    return rows, rows["day"]


def profiles(rows: pd.DataFrame, like: Profile) -> dict[date, Profile]:
    """Each day profiled whole."""
    return {
        day.date(): profile(part.drop(columns="day"), like=like)
        for day, part in rows.groupby("day")
        if isinstance(day, pd.Timestamp)
    }


def test_counts_of_days_vary_as_whole_profiles_of_them_do() -> None:
    rows, times = frame(35)
    like = profile(rows.drop(columns="day"))
    length, parts = blocks(rows, times, like=like)
    whole = profiles(rows, like)
    assert (length, [*parts]) == ("day", [FIRST + timedelta(days=day) for day in range(35)])
    for day, part in parts.items():
        for name, column in part.columns.items():
            other = whole[day][name]
            assert (column.rows, column.nulls) == (other.rows, other.nulls)
            assert like[name].grouped(column) == like[name].grouped(other)
    found, wanted = variation(parts), variation(whole)
    assert found.keys() == wanted.keys() == {"day", "week"}
    for kind, columns in found.items():
        assert columns == pytest.approx(wanted[kind])
        assert {*columns} == {"temp", "few", "gap", "wild", "carrier", "late"}


def test_the_largest_distance_of_a_day_from_all_others_is_what_varies() -> None:
    rows, times = frame(21)
    found = variation(blocks(rows, times, like=profile(rows.drop(columns="day")))[1])
    # A day in seven is two standard deviations colder: the days vary by that, the weeks do not.
    assert found["day"]["temp"] > 1
    assert found["week"]["temp"] < 0.2
    assert found["day"]["few"] < 0.5
    assert "month" not in found


def test_a_difference_is_told_by_the_formula() -> None:
    rows = pd.DataFrame({"x": [0, 0, 1, 1] * 25 + [0, 1, 1, 1] * 25 + [0, 0, 0, 1] * 25})
    times = pd.Series(np.repeat([FIRST, FIRST + timedelta(days=1), FIRST + timedelta(days=2)], 100))
    found = variation(blocks(rows, times, like=profile(rows))[1])
    index = psi([(75, 75), (125, 25)])
    assert index is not None
    assert found == {"day": {"x": pytest.approx(index - (1 / 200 + 1 / 100), rel=1e-5)}}


@pytest.mark.parametrize(
    ("days", "every", "length"), [(MOST, 1, "day"), (MOST, 9, "day"), (MOST + 1, 1, "week"), (MOST + 1, 8, "month")]
)
def test_many_days_become_weeks_and_many_weeks_months(days: int, every: int, length: str) -> None:
    times = pd.Series([FIRST + timedelta(days=every * day) for day in range(days)])
    rows = pd.DataFrame({"x": np.arange(days, dtype=float)})
    found, parts = blocks(rows, times, like=profile(rows))
    assert found == length
    assert sum(part.rows for part in parts.values()) == days
    assert len(parts) <= MOST
    lengths = ["day", "week", "month"]
    assert variation(parts, found).keys() <= {*lengths[lengths.index(length) :]}


def test_of_very_long_references_there_are_no_blocks() -> None:
    times = pd.Series(pd.date_range("1900-01-01", periods=MOST + 1, freq="MS"))
    rows = pd.DataFrame({"x": np.arange(MOST + 1, dtype=float)})
    assert blocks(rows, times, like=profile(rows)) == ("month", {})


def test_rows_without_a_time_are_in_no_block_and_two_blocks_say_nothing() -> None:
    rows = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    _, parts = blocks(rows, pd.Series(["2013-01-07 01:00+00:00", None, "2013-01-08 23:00-05:00"]), like=profile(rows))
    assert [(day, part.rows) for day, part in parts.items()] == [(FIRST, 1), (FIRST + timedelta(days=2), 1)]
    assert variation(parts) == {}
    with pytest.raises(ValueError, match="soon"):
        blocks(rows, pd.Series(["soon", "soon", "soon"]), like=profile(rows))
