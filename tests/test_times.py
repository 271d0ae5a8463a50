"""Times as people write them are one moment, or are refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops import times
from nbops.errors import UsageError
from nbops.records import at


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A place where the clocks are changed, at 2:00 on 29 March and at 3:00 on 25 October 2026."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("told", "utc"),
    [
        ("2026-01-31", "2026-01-30T23:00"),
        (" 2026-01-31 08:00 ", "2026-01-31T07:00"),
        ("2026-07-31 08:00", "2026-07-31T06:00"),
        ("2026-01-31T08:00Z", "2026-01-31T08:00"),
        ("2026-01-31T08:00-05:00", "2026-01-31T13:00"),
        ("2026-03-29 01:59:59.999999", "2026-03-29T00:59:59.999999"),
        ("2026-03-29 03:00", "2026-03-29T01:00"),
        ("2026-10-25 01:59", "2026-10-24T23:59"),
        ("2026-10-25 03:00", "2026-10-25T02:00"),
        ("2026-10-25T02:30+01:00", "2026-10-25T01:30"),
        (datetime(2026, 1, 31, 8, tzinfo=timezone(timedelta(hours=2))), "2026-01-31T06:00"),
        (datetime(2026, 1, 31, 8), "2026-01-31T07:00"),  # noqa: DTZ001 - without a zone it is local
    ],
)
def test_a_time_is_local_unless_it_names_a_zone(told: str | datetime, utc: str) -> None:
    assert times.moment(told) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_a_time_that_was_twice_or_never_is_refused_with_what_it_could_mean() -> None:
    with pytest.raises(UsageError, match="showed twice '2026-10-25 02:30'") as twice:
        times.moment("2026-10-25 02:30")
    assert twice.value.hint == "Name the zone: 2026-10-25T02:30+02:00 or 2026-10-25T02:30+01:00."
    with pytest.raises(UsageError, match="left out '2026-03-29 02:30'") as never:
        times.moment("2026-03-29 02:30")
    assert never.value.hint == "Name the zone: 2026-03-29T01:30+01:00 or 2026-03-29T03:30+02:00."


@pytest.mark.parametrize("told", ["", "yesterday", "2026-13-01", "25:00", "0001-01-01", "9999-12-31T23:59:59-12:00"])
def test_what_is_no_time_is_refused(told: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        times.moment(told)


def test_the_hour_that_comes_twice_is_shown_with_its_zone() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert [times.shown(first), times.shown(first + timedelta(hours=1))] == [
        "2026-10-25 02:30:00 CEST", "2026-10-25 02:30:00 CET",
    ]  # fmt: skip


def test_a_time_that_is_kept_as_text_and_the_heading_of_a_table_name_their_distance_from_utc(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    winter, summer = datetime(2026, 1, 31, 7, tzinfo=UTC), datetime(2026, 7, 31, 6, tzinfo=UTC)
    assert times.minute(winter) == "2026-01-31 08:00 UTC+01:00"
    assert times.zone([summer]) == "UTC+02:00"
    assert times.zone([summer, winter, summer]) == "UTC+01:00 or UTC+02:00"
    assert times.zone() in {"UTC+01:00", "UTC+02:00"}
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert (times.minute(winter), times.zone([winter, summer])) == ("2026-01-31 07:00 UTC", "UTC")


@given(st.integers(-(10**15), 7 * 10**15))
def test_microseconds_are_kept(us: int) -> None:
    assert times.microseconds(at(us)) == us
    assert times.moment(at(us).isoformat()) == at(us)
