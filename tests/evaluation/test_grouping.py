"""Every row falls into one group with a name that a person understands."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nbops.errors import NotFound, UsageError
from nbops.evaluation.grouping import crossed, groupings


def names(values: Any, **told: Any) -> tuple[str, ...]:
    (found,) = groupings(pd.DataFrame({"x": values}), "x", **told)
    return found.names


def counts(values: Any) -> dict[str, int]:
    (found,) = groupings(pd.DataFrame({"x": values}), "x")
    return dict(zip(found.names, np.bincount(found.codes, minlength=len(found.names)).tolist(), strict=True))


def test_numbers_fall_into_quartiles_with_borders_that_occur() -> None:
    assert counts(np.arange(1, 1001)) == {
        "at most 250": 250,
        "above 250 to 500": 250,
        "above 500 to 750": 250,
        "above 750": 250,
    }


def test_few_different_numbers_are_taken_as_they_are() -> None:
    assert counts([3, 1, 1, 2.5]) == {"1.0": 2, "2.5": 1, "3.0": 1}
    assert counts([1, 0, 1]) == {"0": 1, "1": 2}


def test_a_number_that_most_rows_have_makes_no_empty_groups() -> None:
    values = [0] * 90 + list(range(1, 11))
    assert counts(values) == {"at most 0": 90, "above 0": 10}


def test_borders_that_look_alike_are_told_in_full() -> None:
    values = 1e9 + np.arange(1000) / 1000
    assert len({*names(values)}) == 4


def test_missing_is_a_group_and_never_mixed_up_with_a_text_of_that_name() -> None:
    assert counts(["missing", None, "a"]) == {"'missing'": 1, "a": 1, "missing": 1}
    assert counts([None, None]) == {"missing": 2}
    assert counts(pd.Series([None, None], dtype="float64")) == {"missing": 2}
    assert counts(pd.Series([pd.NaT, pd.NaT], dtype="datetime64[us]")) == {"missing": 2}


def test_of_many_values_the_most_frequent_are_told_apart() -> None:
    values = [f"v{number:02}" for number in range(30) for _ in range(40 - number)]
    found = counts(values)
    assert list(found) == [*(f"v{number:02}" for number in range(20)), "other (10 values)"]
    assert found["other (10 values)"] == sum(40 - number for number in range(20, 30))


def test_a_zone_of_times_stays_and_months_and_hours_are_two_properties() -> None:
    times = pd.date_range("2013-01-31 23:30", periods=5000, freq="h", tz="Europe/Berlin")
    month, hour = groupings(pd.DataFrame({"t": times}), "t")
    assert (month.label, month.names[:2]) == ("t (month)", ("2013-01", "2013-02"))
    assert (hour.label, hour.names[0], len(hour.names)) == ("t (hour)", "00:00", 24)
    assert hour.codes.tolist() == times.hour.to_list()


@pytest.mark.parametrize(
    ("start", "periods", "frequency", "label", "first"),
    [
        ("2013-01-01", 5, "D", "t (day)", "2013-01-01"),
        ("2013-01-01", 90, "D", "t (month)", "2013-01"),
        ("2003-01-01", 40, "90D", "t (year)", "2003"),
    ],
)
def test_the_span_of_times_decides_on_day_month_or_year(
    start: str, periods: int, frequency: str, label: str, first: str
) -> None:
    (found,) = groupings(pd.DataFrame({"t": pd.date_range(start, periods=periods, freq=frequency)}), "t")
    assert (found.label, found.names[0]) == (label, first)


def test_objects_of_python_are_read_as_what_they_are() -> None:
    assert names([Decimal("1.5"), Decimal(2)]) == ("1.5", "2.0")
    assert names([True, False, True]) == ("True", "False")
    assert names([["a"], ["b"], ["a"]]) == ("['a']", "['b']")
    assert names([date(9999, 12, 31), date(2013, 1, 1)]) == ("2013-01-01", "9999-12-31")
    zoned = [datetime(2013, 1, 1, 23, tzinfo=UTC), datetime(2013, 1, 1, 12, tzinfo=UTC)]
    day, hour = groupings(pd.DataFrame({"t": pd.Series(zoned, dtype=object)}), "t")
    assert (day.names, hour.names) == (("2013-01-01",), ("12:00", "23:00"))
    (length,) = groupings(pd.DataFrame({"d": [timedelta(minutes=1), timedelta(minutes=2)]}), "d")
    assert (length.label, length.names) == ("d (s)", ("60", "120"))


def test_infinite_numbers_have_a_place() -> None:
    assert sum(counts([*range(100), np.inf, -np.inf]).values()) == 102


def test_hostile_names_stay_on_one_line() -> None:
    assert names(["a\n\x1b[31m", "b"]) == ("a \ufffd[31m", "b")
    assert all(len(name) <= 40 for name in names(["x" * 100, "y" * 100]))
    assert len({*names(["x" * 100, "x" * 101])}) == 2


def test_two_properties_make_the_groups_that_have_rows() -> None:
    frame = pd.DataFrame({"a": ["x", "x", "y"], "b": [1, 2, 2]})
    found = crossed(groupings(frame, "a")[0], groupings(frame, "b")[0])
    assert [found.names[code] for code in found.codes] == ["x, 1", "x, 2", "y, 2"]
    assert len(found.names) == 3


def test_a_column_that_is_not_there_or_there_twice_is_refused() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["carrier", "carrier"])
    with pytest.raises(UsageError, match="two columns called 'carrier'"):
        groupings(frame, "carrier")
    with pytest.raises(NotFound, match=r"(?s)no column 'carier'.*Did you mean 'carrier'"):
        groupings(frame, "carier")
