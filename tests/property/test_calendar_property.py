"""A daily schedule is due exactly once on each day that its zone has, whatever the clocks do, and each hour of an hourly one once."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.pipelines.schedules.calendar import Calendar

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Of Factory, localtime and the like nobody knows where they are.
ZONES = sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")
MIDNIGHTS, NIGHTS = ["0 0 * * *", "@daily"], ["30 2 * * *", "59 23 * * *", "15 1 1-31 * *", "0 3 * JAN-DEC 0-6"]
# The clocks change at midnight, by half an hour, over a date line, in the other half of the year, never.
WIDE = [
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "America/Havana", "Africa/Casablanca",
    "Asia/Beirut", "Pacific/Apia", "America/Scoresbysund", "Africa/Cairo", "Asia/Kathmandu", "UTC",
]  # fmt: skip


def there_are(zone: ZoneInfo, start: datetime, until: datetime) -> set[date]:
    """The local days of which a moment lies between the two, each quarter of an hour looked at."""
    count = (until - start) // timedelta(minutes=15)
    return {(start + number * timedelta(minutes=15)).astimezone(zone).date() for number in range(count)}


def once_a_day(cron: str, zone: ZoneInfo, start: datetime, until: datetime) -> None:
    found = list(Calendar(zone, cron=cron).between(start - 2 * DAY, until + 2 * DAY))
    assert all(one < other for one, other in itertools.pairwise(found))
    counted = Counter(one.astimezone(zone).date() for one in found)
    days = there_are(zone, start, until)
    assert {day: counted[day] for day in days} == dict.fromkeys(days, 1)


moments = st.datetimes(datetime(1971, 1, 1), datetime(2036, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))  # noqa: DTZ001 - given one here
zones = st.sampled_from(ZONES).map(ZoneInfo)


def offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)


def changes(zone: ZoneInfo, year: int) -> list[datetime]:
    """The days of a year on which the clocks of a zone change."""
    days = [datetime(year, 1, 1, tzinfo=UTC) + number * DAY for number in range(366)]
    return [one for one in days if offset(zone, one) != offset(zone, one + DAY)]


@given(zone=zones, year=st.integers(1971, 2035), hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_a_daily_schedule_is_due_once_a_day_where_the_clocks_change(
    zone: ZoneInfo, year: int, hour: int, minute: int
) -> None:
    for change in changes(zone, year):
        once_a_day(f"{minute} {hour} * * *", zone, change - DAY, change + 2 * DAY)


@given(zone=zones, start=moments, minute=st.integers(0, 59))
def test_an_hourly_schedule_passes_with_the_time(zone: ZoneInfo, start: datetime, minute: int) -> None:
    for change in changes(zone, start.year)[:2]:
        width = abs(offset(zone, change + DAY) - offset(zone, change))
        found = list(Calendar(zone, cron=f"{minute} * * * *").between(change - DAY, change + 2 * DAY))
        assert all(one.astimezone(zone).minute == minute for one in found)
        if width % HOUR == timedelta(0):
            # Neither left out nor doubled: what the clocks show is another matter.
            assert {other - one for one, other in itertools.pairwise(found)} == {HOUR}


@given(
    zone=zones,
    start=moments,
    hours=st.integers(1, 400),
    cron=st.sampled_from(["*/7 * * * *", "0 */6 * * *", "5 4 * * 1"]),
)
def test_times_before_and_after_are_neighbours(zone: ZoneInfo, start: datetime, hours: int, cron: str) -> None:
    calendar = Calendar(zone, cron=cron)
    found = list(calendar.between(start, start + hours * HOUR))
    for one, other in itertools.pairwise(found[:50]):
        assert calendar.next(one) == other
        assert calendar.previous(other) == one
    # However a stretch is cut, no time is lost or doubled.
    middle = start + hours * HOUR / 2
    assert [*calendar.between(start, middle), *calendar.between(middle, start + hours * HOUR)] == found


@given(start=moments, minutes=st.integers(1, 5000))
def test_a_span_is_counted_from_1970(start: datetime, minutes: int) -> None:
    calendar = Calendar(ZoneInfo("UTC"), every=minutes * 60)
    first, second = itertools.islice(calendar.after(start), 2)
    assert first > start >= first - timedelta(minutes=minutes)
    assert second - first == timedelta(minutes=minutes)
    assert (first - datetime(1970, 1, 1, tzinfo=UTC)) % timedelta(minutes=minutes) == timedelta(0)
    assert calendar.previous(first) == first - timedelta(minutes=minutes)


@pytest.mark.parametrize("zone", [pytest.param(name, marks=pytest.mark.long) for name in WIDE])
@pytest.mark.parametrize("cron", MIDNIGHTS + NIGHTS)
def test_ten_years_have_one_time_for_each_day(zone: str, cron: str) -> None:
    # Whole years, those in which Samoa left out a day included.
    once_a_day(cron, ZoneInfo(zone), datetime(2011, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC))
    once_a_day(cron, ZoneInfo(zone), datetime(2021, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC))
