"""When something is due in simple words, such as weekdays at 06:00, and the cron expression that each of them stands for. Pure."""

from __future__ import annotations

import re
from typing import Literal

from nbops.errors import UsageError, nearest
from nbops.pipelines.schedules.calendar import NAMES
from nbops.records import Record

Often = Literal["hourly", "daily", "weekdays", "weekly"]
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,2})(?::00)?")
_SIMPLE = re.compile(r"(\d{1,2}) (\*|\d{1,2}) \* \* (\*|1-5|mon-fri|[0-7]|mon|tue|wed|thu|fri|sat|sun)")
_MINUTES = re.compile(r"\*/(\d{1,2}) \* \* \* \*")
_MONTHLY = re.compile(r"(\d{1,2}) (\d{1,2}) (\d{1,2}) \* \*")


class Rhythm(Record):
    """How often, at what time of day (`hourly`: at which of its minutes), and, for `weekly`, on which day."""

    often: Often
    at: str = "00:00"
    day: str = ""

    def cron(self) -> str:
        """Its expression. Raises UsageError for what is no time of day, or no day."""
        hour, minute = _clock(self.at, hourly=self.often == "hourly")
        if self.often == "hourly":
            return f"{minute} * * * *"
        return f"{minute} {hour} * * {self._days()}"

    def words(self) -> str:
        """As people say it."""
        hour, minute = _clock(self.at, hourly=self.often == "hourly")
        if self.often == "hourly":
            return f"every hour at :{minute:02}" if minute else "every hour"
        which = {"daily": "daily", "weekdays": "on weekdays", "weekly": f"every {self.day}"}[self.often]
        return f"{which} at {hour:02}:{minute:02}"

    def _days(self) -> str:
        if self.often != "weekly":
            return "*" if self.often == "daily" else "1-5"
        if self.day not in DAYS:
            near = nearest(self.day, DAYS)
            hint = f"Did you mean {near!r}?" if near else f"Known: {', '.join(DAYS)}."
            raise UsageError(f"There is no day {self.day!r}.", hint=hint)
        return str(DAYS.index(self.day) + 1)


def of_cron(cron: str) -> Rhythm | None:
    """The simple words for an expression that `calendar.check` lets pass; None where there are none."""
    found = _SIMPLE.fullmatch(_plain(cron))
    if found is None:
        return None
    minute, hour, days = found.groups()
    if hour == "*":
        return Rhythm("hourly", f"00:{int(minute):02}") if days == "*" else None
    at = f"{int(hour):02}:{int(minute):02}"
    if days == "*":
        return Rhythm("daily", at)
    if days in {"1-5", "mon-fri"}:
        return Rhythm("weekdays", at)
    number = int(days) if days.isdecimal() else [day[:3].lower() for day in DAYS].index(days) + 1
    return Rhythm("weekly", at, DAYS[(number - 1) % 7])


def words(cron: str, every: str) -> str:
    """When something is due, as people say it; empty for an expression for which there are no short words."""
    if every:
        return f"every {every}"
    if rhythm := of_cron(cron):
        return rhythm.words()
    text = _plain(cron)
    if (found := _MINUTES.fullmatch(text)) and 60 % int(found[1]) == 0:
        return f"every {found[1]} minutes" if int(found[1]) > 1 else "every minute"
    if found := _MONTHLY.fullmatch(text):
        return f"on day {int(found[3])} of each month at {int(found[2]):02}:{int(found[1]):02}"
    return "every minute" if text == "* * * * *" else ""


def _plain(cron: str) -> str:
    text = " ".join(cron.lower().split())
    return NAMES.get(text, text)


def _clock(text: str, *, hourly: bool) -> tuple[int, int]:
    """The hour and the minute of a time of day, or of a minute alone where the hour is of no interest."""
    found = _CLOCK.fullmatch(text.strip())
    hour, minute = (int(found[1] or 0), int(found[2])) if found else (99, 99)
    if found is None or hour > 23 or minute > 59 or (found[1] is None and not hourly):
        what = "minute of an hour" if hourly else "time of day"
        raise UsageError(f"{text!r} is no {what}.", hint="0 to 59." if hourly else "Such as 06:00.")
    return hour, minute
