"""What a schedule is made of: a record that a command line or the `schedule:` of a pipeline.yaml becomes, checked once, here.

Out flow its calendar, the parameters of a nominal time, and when exactly that is due.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from nbops import times
from nbops.data import spans
from nbops.errors import ConfigError, UsageError, nearest
from nbops.monitoring import windows
from nbops.pipelines.schedules import calendar
from nbops.pipelines.schedules.calendar import Calendar
from nbops.records import Record

Missed = Literal["skip", "latest", "all"]
"""What happens to times that nothing looked at: none of them is run, the last one, or all up to a limit."""
Overlap = Literal["skip", "queue", "kill"]
"""What happens when the one before still runs: this one is left out, waits, or stops that one."""

TEMPLATES = {
    "date": "%Y-%m-%d",
    "time": "",
    "start": "",
    "end": "",
}
"""What stands in parameters for a nominal time, and how it is written; nothing is ISO 8601."""
_PLACE = re.compile(r"\{\{|\}\}|\{([^{}:]*)(?::([^{}]*))?\}|[{}]")
_NAME = re.compile(r"\w[\w .@-]{0,99}")
_DAY = 86_400


class Timing(Record, forbid_unknown_fields=True):
    """When something is run, and with what; the keys of `schedule:` in a pipeline.yaml. Spans are texts such as `15m`."""

    cron: str = ""
    every: str = ""
    tz: str = "UTC"
    missed: Missed = "latest"
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 24
    overlap: Overlap = "skip"
    jitter: str = ""
    grace: str = "10m"
    tries: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    working_tree: bool = False
    parameters: dict[str, Any] = {}
    may: tuple[str, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        """Its time zone."""
        return windows.zone(self.tz)

    @property
    def grace_span(self) -> timedelta:
        """How late is not late."""
        return timedelta(seconds=spans.seconds(self.grace))

    def calendar(self) -> Calendar:
        """Its nominal times."""
        return Calendar(self.zone, cron=self.cron, every=calendar.span(self.every) if self.every else 0)

    def due(self, schedule_id: str, nominal: datetime) -> datetime:
        """When a nominal time is due: a part of the jitter later, the same one whoever asks."""
        if not self.jitter:
            return nominal
        digest = hashlib.sha256(f"{schedule_id} {times.microseconds(nominal)}".encode()).digest()
        share = int.from_bytes(digest[:8]) / 2**64
        return nominal + timedelta(seconds=int(share * spans.seconds(self.jitter)))

    def texts(self, nominal: datetime) -> dict[str, str]:
        """The parameters of a nominal time, as texts that `nbops run -p NAME TEXT` takes."""
        if not self.parameters:
            return {}
        given = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in self.parameters.items()
        }
        wanted = {place[1] for text in given.values() for place in _PLACE.finditer(text)}
        found = {"date": nominal, "time": nominal, "end": nominal}
        if "start" in wanted:
            # The first of all has none before it.
            found["start"] = self.calendar().previous(nominal) or nominal
        local = {name: one.astimezone(self.zone) for name, one in found.items()}
        # What is no text holds braces of its own.
        return {
            name: _filled(text, local) if isinstance(self.parameters[name], str) else text
            for name, text in given.items()
        }

    def check(self) -> None:
        """Raise UsageError for what cannot be meant."""
        if bool(self.cron) == bool(self.every):
            told = "either cron or every" if self.cron else "neither cron nor every"
            raise UsageError(
                f"A schedule has {'one of both: ' + told if self.cron else told}.",
                hint="Such as cron: '0 6 * * *', or every: 15m.",
            )
        zone = self.zone
        if self.cron:
            calendar.check(self.cron)
        calendars = Calendar(zone, cron=self.cron, every=calendar.span(self.every) if self.every else 0)
        _bounded("jitter", self.jitter, _DAY)
        _bounded("grace", self.grace, 30 * _DAY)
        if self.grace_span < timedelta(seconds=calendar.SHORTEST):
            raise UsageError(
                f"A grace of {self.grace} is too short.", hint="cron and systemd look once a minute: 1m or more."
            )
        now = calendars.next(datetime(2024, 1, 1, tzinfo=zone))
        if now is not None:
            self.texts(now)


class Spec(Timing, kw_only=True, forbid_unknown_fields=True):
    """A schedule's timing and its target: a notebook or a pipeline's folder, relative to the project."""

    target: str


def of_block(block: object, target: str, source: str) -> Spec:
    """The schedule that stands under `schedule:` in a pipeline.yaml. Raises ConfigError, naming the source and the key."""
    if not isinstance(block, Mapping):
        raise ConfigError(
            f"In {source}: schedule is not made of keys with values.", hint="Such as {cron: '0 6 * * *'}."
        )
    known = [field.name for field in msgspec.structs.fields(Timing)]
    for key in block:
        if key not in known:
            near = nearest(str(key), known)
            hint = f"Did you mean {near!r}?" if near else f"Known: {', '.join(known)}."
            raise ConfigError(f"In {source}: unknown key {key!r} in schedule.", hint=hint)
    try:
        found = msgspec.convert({**block, "target": target}, Spec)
        found.check()
    except msgspec.ValidationError as error:
        raise ConfigError(f"In {source}: schedule does not fit: {error}.", hint="See docs/schedules.md.") from error
    except UsageError as error:
        raise ConfigError(f"In {source}: schedule: {error.message}", hint=error.hint) from error
    return found


def name(text: str, *, given: bool = True) -> str:
    """A schedule's name, which somebody has given to it or which is that of its target. Raises UsageError."""
    if not _NAME.fullmatch(text):
        hint = "Letters, digits, '_', '-', '.', '@' and blanks."
        raise UsageError(
            f"{text!r} is no name for a schedule.", hint=hint if given else f"Give it another one with --name. {hint}"
        )
    return text


def _bounded(key: str, text: str, most: float) -> None:
    if text and spans.seconds(text) > most:
        raise UsageError(f"A {key} of {text} is too long.", hint=f"At most {most // _DAY} days.")


def _filled(text: str, local: Mapping[str, datetime]) -> str:
    """A text with the nominal time in place of `{date}`, `{time}`, `{start}` and `{end}`; `{{` is a brace."""
    return _PLACE.sub(functools.partial(_put, local, text), text)


def _put(local: Mapping[str, datetime], text: str, place: re.Match[str]) -> str:
    if place[0] in {"{{", "}}"}:
        return place[0][0]
    called, form = place[1], place[2]
    if called not in TEMPLATES:
        near = nearest(called, TEMPLATES) if called else None
        hint = (
            f"Did you mean {{{near}}}?"
            if near
            else f"Known: {', '.join(f'{{{one}}}' for one in TEMPLATES)}; {{{{ is a brace."
        )
        raise UsageError(f"{place[0]!r} in {text!r} stands for nothing.", hint=hint)
    form = form or TEMPLATES[called]
    return local[called].strftime(form) if form else local[called].isoformat()
