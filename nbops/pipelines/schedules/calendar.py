"""When a schedule is due: a cron expression or a span and a time zone flow in, nominal times flow out, as aware UTC. Pure.

A cron expression that names hours means the clock on the wall: each time that it names is due once on each local day. One that the
clocks leave out is due when they have moved on, one that they show twice is due the first time. An expression for every hour means the
time that passes: it is due in each hour that there is. cronsim reads expressions and matches them with dates; what a time zone does
to them is decided here.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from nbops import times
from nbops.data import spans
from nbops.errors import UsageError
from nbops.records import at

NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""Expressions that have a name."""
SHORTEST = 60
"""Seconds: nothing is due more often."""
_EXAMPLE = "Five fields: minute, hour, day of the month, month, weekday; such as '30 6 * * 1-5', or @daily."
_MINUTE = timedelta(minutes=1)
# How far back the time before another one is looked for.
_BACK = tuple(timedelta(days=days) for days in (1 / 12, 2, 40, 400, 1500, 4000, 12_000))
_LAST = datetime.max.replace(tzinfo=UTC) - timedelta(days=800)


class Calendar:
    """The nominal times of a cron expression in a zone, or of a span, which is counted from 1970 in UTC."""

    def __init__(self, zone: ZoneInfo, *, cron: str = "", every: float = 0) -> None:
        self.zone = zone
        self._every = timedelta(seconds=every)
        self._cron = _expression(cron) if cron else ""

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times after a moment, in order, each once; they may end."""
        if not self._cron:
            return self._spans(moment)
        return self._passing(moment) if _each_hour(self._cron) else self._shown(moment)

    def next(self, moment: datetime) -> datetime | None:
        """The first time after a moment; None when there is none."""
        return next(self.after(moment), None)

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The times after a moment up to and including another."""
        return itertools.takewhile(lambda found: found <= until, self.after(after))

    def previous(self, moment: datetime) -> datetime | None:
        """The last time before a moment; None when there is none within some thirty years."""
        before = moment - timedelta(microseconds=1)
        for back in _BACK:
            found = None
            for found in self.between(moment - back, before):  # noqa: B007 - the last one is wanted
                pass
            if found is not None:
                return found
        return None

    def _spans(self, moment: datetime) -> Iterator[datetime]:
        every = self._every // timedelta(microseconds=1)
        for number in itertools.count(times.microseconds(moment) // every + 1):
            if (found := number * every) > times.microseconds(_LAST):
                return
            yield at(found)

    def _passing(self, moment: datetime) -> Iterator[datetime]:
        """Of every hour: cronsim counts the time that passes when it is given a zone."""
        for found in _matches(self._cron, moment.astimezone(self.zone)):
            yield found.astimezone(UTC)

    def _shown(self, moment: datetime) -> Iterator[datetime]:
        """Of the clock on the wall."""
        last = moment
        for wall in _matches(self._cron, moment.astimezone(self.zone).replace(tzinfo=None)):
            found = self._real(wall)
            if found is not None and found > last:
                last = found
                yield found

    def _real(self, wall: datetime) -> datetime | None:
        """The moment at which clocks show a time, the first one; for one that they leave out the moment at which they moved on.

        None for a day that a zone left out. What they leave out at the end of a day is the day's last minute.
        """
        found = wall.replace(tzinfo=self.zone).astimezone(UTC)
        shown = found.astimezone(self.zone).replace(tzinfo=None)
        if shown == wall:
            return found
        # The offset from before the gap is off by the gap's width; the gap's end is the first moment with the other one.
        low, high = found - abs(shown - wall), found
        offset = high.astimezone(self.zone).utcoffset()
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) / 2
            if middle.astimezone(self.zone).utcoffset() == offset:
                high = middle
            else:
                low = middle
        moved = high.replace(microsecond=0)
        if moved.astimezone(self.zone).date() == wall.date():
            return moved
        earlier = moved - _MINUTE
        return earlier if earlier.astimezone(self.zone).date() == wall.date() else None


def span(text: str) -> float:
    """The seconds of a span such as `15m` between two times. Raises UsageError below a minute."""
    found = spans.seconds(text)
    if found < SHORTEST:
        raise UsageError(f"Every {text} is more often than every minute.", hint="Such as 15m, 2h.")
    return found


def check(cron: str) -> None:
    """Raise UsageError for what is no cron expression, or one that is never due."""
    expression = _expression(cron)
    if next(_matches(expression, datetime(2024, 1, 1)), None) is None:  # noqa: DTZ001 - any day will do
        raise UsageError(f"The cron expression {cron!r} is never due.", hint=_EXAMPLE)


def _expression(cron: str) -> str:
    """The five fields of an expression. Raises UsageError."""
    text = cron.strip()
    if text.startswith("@"):
        if text.lower() not in NAMES:
            raise UsageError(f"There is no cron expression {text!r}.", hint=f"Known: {', '.join(NAMES)}.")
        text = NAMES[text.lower()]
    fields = text.split()
    if len(fields) != 5:
        raise UsageError(f"The cron expression {cron!r} has {len(fields)} fields, not five.", hint=_EXAMPLE)
    try:
        _parsed(" ".join(fields))
    except CronSimError as error:
        raise UsageError(f"The cron expression {cron!r} is not understood: {error}.", hint=_EXAMPLE) from error
    return " ".join(fields)


@functools.lru_cache(maxsize=4096)
def _parsed(expression: str) -> CronSim:
    """Fields beyond all reason raise CronSimError too: cronsim makes sets of their ranges."""
    try:
        return CronSim(expression, datetime(2024, 1, 1))  # noqa: DTZ001 - without a zone dates are matched as they are
    except (ValueError, AssertionError) as error:
        raise CronSimError(str(error) or "a field is out of range") from error


def _each_hour(expression: str) -> bool:
    return len(_parsed(expression).hours) == 24


def _matches(expression: str, start: datetime) -> Iterator[Any]:
    minute, _, *rest = expression.split()
    # With a star for the hour cronsim leaves a zone's time alone, whatever the minutes are.
    text = " ".join((minute, "*", *rest)) if _each_hour(expression) else expression
    try:
        yield from CronSim(text, start)
    except OverflowError:
        # The end of time.
        return
