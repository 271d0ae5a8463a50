"""What cron expressions mean where the clocks change, written down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from nbops.errors import UsageError
from nbops.pipelines.schedules import calendar
from nbops.pipelines.schedules.calendar import Calendar


def shown(cron: str, zone: str, first: str, last: str) -> list[str]:
    """The times of a cron expression on local days, as the zone shows them."""
    place = ZoneInfo(zone)
    start, until = (datetime.fromisoformat(day).replace(tzinfo=place) for day in (first, last))
    found = Calendar(place, cron=cron).between(start - timedelta(seconds=1), until + timedelta(days=1, seconds=-1))
    return [f"{one.astimezone(place):%d %H:%M %Z}" for one in found]


@pytest.mark.parametrize(
    ("cron", "zone", "first", "last", "times"),
    [
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2026-03-28", "2026-03-30", ["28 02:30 CET", "29 03:00 CEST", "30 02:30 CEST"],
            id="a time that the clocks leave out is when they have moved on",
        ),
        pytest.param(
            "30 2 * * *", "Europe/Berlin", "2026-10-24", "2026-10-26", ["24 02:30 CEST", "25 02:30 CEST", "26 02:30 CET"],
            id="one that they show twice is the first time",
        ),
        pytest.param("0,30 2 * * *", "Europe/Berlin", "2026-03-29", "2026-03-29", ["29 03:00 CEST"], id="two that become one are one"),
        pytest.param(
            "0 1-4 * * *", "Europe/Berlin", "2026-10-25", "2026-10-25", ["25 01:00 CEST", "25 02:00 CEST", "25 03:00 CET", "25 04:00 CET"],
            id="hours that are named are those on the wall",
        ),
        pytest.param(
            "0 0 * * *", "America/Santiago", "2026-09-05", "2026-09-07", ["05 00:00 -04", "06 01:00 -03", "07 00:00 -03"],
            id="a midnight that is left out",
        ),
        pytest.param(
            "0 12 * * *", "Pacific/Apia", "2011-12-29", "2011-12-31", ["29 12:00 -10", "31 12:00 +14"], id="a day that there is not"
        ),
        pytest.param("0 6 * * 1-5", "UTC", "2026-10-02", "2026-10-05", ["02 06:00 UTC", "05 06:00 UTC"], id="weekdays"),
        pytest.param("@monthly", "UTC", "2026-01-30", "2026-03-02", ["01 00:00 UTC", "01 00:00 UTC"], id="by name"),
        pytest.param("0 0 29 2 *", "UTC", "2026-01-01", "2032-12-31", ["29 00:00 UTC", "29 00:00 UTC"], id="leap days"),
    ],
)  # fmt: skip
def test_times(cron: str, zone: str, first: str, last: str, times: list[str]) -> None:
    assert shown(cron, zone, first, last) == times


def test_every_hour_passes_while_the_clocks_go_back() -> None:
    found = shown("0 * * * *", "Europe/Berlin", "2026-10-25", "2026-10-25")
    assert (len(found), found[2:4]) == (25, ["25 02:00 CEST", "25 02:00 CET"])
    assert len(shown("0 * * * *", "Europe/Berlin", "2026-03-29", "2026-03-29")) == 23


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields"),
        ("0 * * * * *", "has 6 fields"),
        ("61 * * * *", "is not understood: Bad minute"),
        ("99999999999999999999 * * * *", "is not understood: Bad minute"),
        ("*/0 * * * *", "is not understood"),
        ("² * * * *", "is not understood"),
        ("0 0 31 2 *", "is not understood: Bad day-of-month"),
        ("@fortnightly", "There is no cron expression '@fortnightly'"),
        ("rm -rf / ; x", "is not understood"),
    ],
)
def test_what_is_no_expression_is_refused(cron: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        calendar.check(cron)


def test_the_end_of_time_is_an_end() -> None:
    last = datetime(9998, 6, 1, tzinfo=UTC)
    assert len(list(Calendar(ZoneInfo("UTC"), cron="0 0 1 1 *").after(last))) <= 2
    assert list(Calendar(ZoneInfo("UTC"), every=3600).after(last)) == []


def test_a_span_below_a_minute_is_refused() -> None:
    assert calendar.span("15m") == calendar.span("15 min") == 900
    with pytest.raises(UsageError, match="more often than every minute"):
        calendar.span("30s")
