"""Calendar windows: days, weeks from Monday and months of a time zone, each from its first moment up to the next one's, as UTC.

Windows of one kind follow each other without a gap: a day has 23 or 25 hours when the clocks change, and one that a zone left out has none.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from nbops import times
from nbops.errors import UsageError, nearest
from nbops.records import Record, at

Every = Literal["day", "week", "month"]


class Window(Record, order=True):
    """From `start` up to but not including `until`, both aware UTC."""

    start: datetime
    until: datetime

    @classmethod
    def between(cls, start: int, until: int) -> Window:
        """Of microseconds since 1970, as the store keeps them."""
        return cls(at(start), at(until))

    @property
    def span(self) -> tuple[int, int]:
        """Its ends in microseconds since 1970."""
        return times.microseconds(self.start), times.microseconds(self.until)

    def __contains__(self, when: datetime) -> bool:
        return self.start <= when < self.until


def zone(name: str) -> ZoneInfo:
    """The time zone of a name such as "Europe/Berlin". Raises UsageError."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        near = nearest(name, available_timezones())
        hint = f"Did you mean {near!r}?" if near else "Such as Europe/Berlin, America/New_York or UTC."
        raise UsageError(f"There is no time zone {name!r}.", hint=hint) from error


def containing(when: datetime, every: Every, in_zone: ZoneInfo) -> Window:
    """The window that a moment lies in."""
    first = _first(when.astimezone(in_zone).date(), every)
    # A zone that set its clocks back across midnight showed a date twice,
    while (start := _begin(first, in_zone)) > when:
        first = _first(first - timedelta(days=1), every)
    # and one that went over the date line left a day out.
    while (until := _begin(_next(first, every), in_zone)) <= when:
        start, first = until, _next(first, every)
    return Window(start, until)


def complete(first: datetime, last: datetime, every: Every, in_zone: ZoneInfo) -> list[Window]:
    """The windows from the one that holds `first` on, of which each has ended by `last`."""
    found = []
    window = containing(first, every, in_zone)
    while window.until <= last:
        found.append(window)
        window = containing(window.until, every, in_zone)
    return found


def days(window: Window, in_zone: ZoneInfo) -> list[Window]:
    """The days that a window is made of."""
    return complete(window.start, window.until, "day", in_zone)


def months_before(when: datetime, count: int, in_zone: ZoneInfo) -> Window:
    """The last `count` full months that ended by a moment."""
    last = containing(when, "month", in_zone)
    first = last
    for _ in range(count):
        first = containing(first.start - timedelta(microseconds=1), "month", in_zone)
    return Window(first.start, last.start)


def of_day(day: date, every: Every, in_zone: ZoneInfo) -> Window:
    """The window that a day of the zone belongs to."""
    return containing(_begin(day, in_zone), every, in_zone)


def first_day(window: Window, in_zone: ZoneInfo) -> date:
    """The day of the zone with which a window begins."""
    return window.start.astimezone(in_zone).date()


def named(window: Window, in_zone: ZoneInfo) -> str:
    """A window for a sentence: "6 to 12 May 2013", "May 2013", "6 May 2013"."""
    first = first_day(window, in_zone)
    last = (window.until - timedelta(microseconds=1)).astimezone(in_zone).date()
    if first == last:
        return f"{first.day} {first:%B %Y}"
    if first.day == 1 and _next(first, "month") == last + timedelta(days=1):
        return f"{first:%B %Y}"
    begin = f"{first.day}"
    if (first.year, first.month) != (last.year, last.month):
        begin += f" {first:%B}" if first.year == last.year else f" {first:%B %Y}"
    return f"{begin} to {last.day} {last:%B %Y}"


def _begin(day: date, in_zone: ZoneInfo) -> datetime:
    """The first moment of a day; where the clocks left out midnight, the moment at which they did."""
    return datetime.combine(day, time.min, tzinfo=in_zone).astimezone(UTC)


def _first(day: date, every: Every) -> date:
    if every == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if every == "month" else day


def _next(first: date, every: Every) -> date:
    if every == "month":
        return (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    return first + timedelta(days=7 if every == "week" else 1)
