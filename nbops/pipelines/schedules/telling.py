"""Schedules as people read them: in flow schedules with what is known of their times, out flow words, the same on every surface."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from nbops import times
from nbops.pipelines import releases
from nbops.pipelines.schedules import listing, rhythms
from nbops.pipelines.schedules.listing import Schedule
from nbops.pipelines.schedules.requests import Deed
from nbops.pipelines.schedules.spec import Spec
from nbops.records import Record, at
from nbops.render.values import counted
from nbops.store.client import Store

_RECENT = timedelta(days=30)
_MISSED = """
select schedule_id::varchar, count(*), epoch_us(max(nominal)), max_by(message, nominal) from fires
where state = 'missed' and nominal >= make_timestamp(?) group by schedule_id
"""


class Told(Record):
    """A schedule in words; `next` are its next times in its own zone, as all times in texts are, and what does not apply is empty."""

    schedule: Schedule
    words: str
    runs: str
    next: list[str]
    paused: str
    last: str
    missed: str

    @property
    def when(self) -> str:
        """When it is due: the expression, and what that means."""
        return ", ".join(filter(None, [self.expression, self.words if self.schedule.spec.cron else ""]))

    @property
    def expression(self) -> str:
        """When it is due, as it was written."""
        spec = self.schedule.spec
        return f"{spec.cron or f'every {spec.every}'} ({spec.tz})"

    @property
    def due(self) -> str:
        """What comes: its next times, or until when none does."""
        if self.paused:
            return f"paused {self.paused}"
        return f"{', '.join(self.next)} {self.schedule.spec.tz}" if self.next else "never"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What it is and how it stands, by short names."""
        spec = self.schedule.spec
        limit = f", at most {spec.limit}" if spec.missed == "all" else ""
        late = f". {self.missed}" if self.missed else ""
        told = [
            ("when", self.when),
            ("runs", self.runs),
            ("paused", self.paused),
            ("next", "" if self.paused else self.due),
            ("last", self.last),
            ("missed", f"{spec.missed}{limit}{late}"),
            ("overlap", spec.overlap),
            ("jitter", spec.jitter),
            ("grace", spec.grace),
        ]
        return [(name, text) for name, text in told if text]


def told(store: Store, schedules: Sequence[Schedule], now: datetime, *, coming: int = 3) -> list[Told]:
    """Schedules in words, with so many of the times that come."""
    since = times.microseconds(now - _RECENT)
    missed = {row[0]: row[1:] for row in store.read(_MISSED, [since]).rows} if schedules else {}
    return [
        Told(
            schedule=one, words=rhythms.words(one.spec.cron, one.spec.every), runs=runs(store, one.spec),
            next=[local(one.spec, time) for time in listing.coming(one.spec, now, coming)], paused=pause(one) if one.paused(now) else "",
            last=_last(one), missed=_missed(one.spec, *missed[one.schedule_id]) if one.schedule_id in missed else "",
        )
        for one in schedules
    ]  # fmt: skip


def runs(store: Store, spec: Spec) -> str:
    """What a schedule runs of its target."""
    path = store.settings.project / spec.target
    if not path.is_dir():
        return f"{spec.target} as it is then"
    if spec.working_tree:
        return f"the working tree of {spec.target}, as it is then"
    number = releases.current(store, path)
    return f"the current release of {spec.target}, now {number or 'none'}"


def put(name: str, what: str, spec: Spec, now: datetime) -> str:
    """What became of a schedule that was added, changed or there already."""
    words = {"added": "is scheduled", "changed": "is changed", "same": "was so already"}[what]
    following = listing.coming(spec, now, 1)
    return f"{name} {words}: {spec.target}, next {zoned(spec, following[0]) if following else 'never'}."


def acted(store: Store, name: str | None, deed: Deed, until: datetime | None, now: datetime, *, done: bool) -> str:
    """What became of a schedule that somebody paused, let go on or removed; of all of them without a name."""
    which = name or "Everything"
    if deed == "removed":
        return f"{name} is removed."
    if deed == "paused":
        end = times.minute(until) if until else "`nbops schedule resume`"
        return f"{which} is paused until {end}." if done else f"{which} was paused so already."
    still = name is not None and listing.get(store, name).paused(now)
    more = " Everything is paused besides: `nbops schedule resume` without a name ends that." if still else ""
    return f"{which} {'goes on' if done else 'was not paused'}.{more}"


def local(spec: Spec, moment: datetime | int | None) -> str:
    """A time as the schedule's zone shows it, where that is named besides."""
    if moment is None:
        return "–"
    when = at(moment) if isinstance(moment, int) else moment
    return f"{when.astimezone(spec.zone):%Y-%m-%d %H:%M}"


def zoned(spec: Spec, moment: datetime | int | None) -> str:
    """The same with the zone: "2026-03-02 06:00 Europe/Berlin"."""
    return local(spec, moment) if moment is None else f"{local(spec, moment)} {spec.tz}"


def pause(one: Schedule) -> str:
    """Until when a schedule is paused that is, by whom, since when and why."""
    end = "until it is resumed" if one.pause_ends is None else f"until {zoned(one.spec, one.pause_ends)}"
    why = f": {one.paused_why}" if one.paused_why else ""
    return f"{end}, by {one.paused_by} since {zoned(one.spec, one.paused_since)}{why}"


def _last(one: Schedule) -> str:
    if one.last_state is None:
        return ""
    outcome = f", {one.last_outcome}" if one.last_outcome and one.last_outcome != one.last_state else ""
    why = f": {one.last_message}" if one.last_message else ""
    return f"{zoned(one.spec, one.last_nominal)} {one.last_state}{outcome}{why}"


def _missed(spec: Spec, count: int, last: int, why: str | None) -> str:
    verb = "was" if count == 1 else "were"
    told = f"{counted(count, 'time')} of the last {_RECENT.days} days {verb} missed, the last one {zoned(spec, last)}"
    return f"{told}: {why}" if why else f"{told}."
