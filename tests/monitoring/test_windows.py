"""Windows are those of the calendar, wherever and whenever it is, and leave no moment out."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nbops.errors import UsageError
from nbops.monitoring import windows
from nbops.monitoring.windows import Every, Window

BERLIN = ZoneInfo("Europe/Berlin")
# Summer time of an hour and of half an hour, midnights that the clocks left out or showed twice, a day that was left out, none of it.
ZONES = [
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/Havana",
    "America/St_Johns",
    "Pacific/Apia",
    "UTC",
]
MOMENTS = st.datetimes(datetime(1986, 1, 1), datetime(2037, 12, 31)).map(lambda told: told.replace(tzinfo=UTC))  # noqa: DTZ001 - drawn as UTC
EVERY: st.SearchStrategy[Every] = st.sampled_from(["day", "week", "month"])


@settings(deadline=None)
@given(when=MOMENTS, every=EVERY, name=st.sampled_from(ZONES))
@example(when=datetime(2011, 12, 30, 10, tzinfo=UTC), every="day", name="Pacific/Apia")
@example(when=datetime(2011, 12, 30, 9, 59, tzinfo=UTC), every="week", name="Pacific/Apia")
@example(when=datetime(2006, 10, 29, 2, 45, tzinfo=UTC), every="day", name="America/St_Johns")
def test_each_moment_lies_in_one_window_and_the_next_begins_where_it_ends(
    when: datetime, every: Every, name: str
) -> None:
    zone = ZoneInfo(name)
    window = windows.containing(when, every, zone)
    assert when in window
    assert windows.containing(window.start, every, zone) == window
    assert windows.containing(window.until - timedelta(microseconds=1), every, zone) == window
    after = windows.containing(window.until, every, zone)
    assert after.start == window.until
    assert windows.complete(when, after.until, every, zone) == [window, after]
    assert windows.complete(when, after.until - timedelta(microseconds=1), every, zone) == [window]
    assert Window.between(*window.span) == window


@settings(deadline=None)
@given(when=MOMENTS, every=EVERY, name=st.sampled_from(ZONES))
def test_the_days_of_a_window_are_all_of_it(when: datetime, every: Every, name: str) -> None:
    zone = ZoneInfo(name)
    window = windows.containing(when, every, zone)
    found = windows.days(window, zone)
    assert [found[0].start, *(day.until for day in found)] == [*(day.start for day in found), window.until]
    assert len(found) in {"day": {1}, "week": {6, 7}, "month": {28, 29, 30, 31}}[every]


@settings(deadline=None)
@given(when=MOMENTS, every=EVERY)
def test_windows_begin_at_local_midnight_on_their_day(when: datetime, every: Every) -> None:
    window = windows.containing(when, every, BERLIN)
    for moment in (window.start, window.until):
        local = moment.astimezone(BERLIN)
        assert (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)
        assert every != "week" or local.weekday() == 0
        assert every != "month" or local.day == 1


def local(*told: int) -> datetime:
    return datetime(*told, tzinfo=BERLIN)  # type: ignore[misc,arg-type]  # year, month, day


@pytest.mark.parametrize(
    ("when", "every", "hours", "name"),
    [
        (local(2026, 3, 29), "day", 23, "29 March 2026"),
        (local(2026, 10, 25), "day", 25, "25 October 2026"),
        (local(2026, 3, 29), "week", 167, "23 to 29 March 2026"),
        (local(2026, 10, 20), "week", 169, "19 to 25 October 2026"),
        (local(2026, 1, 1), "week", 168, "29 December 2025 to 4 January 2026"),
        (local(2026, 4, 30), "week", 168, "27 April to 3 May 2026"),
        (local(2028, 2, 29), "month", 29 * 24, "February 2028"),
        (local(2026, 3, 31), "month", 31 * 24 - 1, "March 2026"),
        (local(2026, 12, 31), "month", 31 * 24, "December 2026"),
    ],
)
def test_changes_of_clocks_and_ends_of_years(when: datetime, every: Every, hours: int, name: str) -> None:
    window = windows.containing(when, every, BERLIN)
    assert (window.until - window.start) == timedelta(hours=hours)
    assert windows.named(window, BERLIN) == name


def test_a_year_of_weeks_has_no_gap() -> None:
    found = windows.complete(local(2026, 1, 1), local(2027, 1, 1), "week", BERLIN)
    assert len(found) == 52
    assert found[-1].until.astimezone(BERLIN).date() == date(2026, 12, 28)
    assert all(one.until == other.start for one, other in itertools.pairwise(found))


@pytest.mark.parametrize("name", ["Europe/Berln", "Europe", "../../etc/passwd", "", "\0"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="There is no time zone") as refused:
        windows.zone(name)
    assert "Europe/" in refused.value.hint
