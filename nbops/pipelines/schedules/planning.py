"""What is made of the times that have come since a schedule was last looked at: pure, from its spec, the times and the clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from nbops import times
from nbops.pipelines.schedules.requests import Due
from nbops.pipelines.schedules.spec import Spec
from nbops.records import Record
from nbops.render.values import counted

MOST = 500
"""So many times that were missed are kept one by one."""


class Chosen(Record):
    """What is to be run, what was missed, why in words, and, if anything came late, what people are told."""

    due: tuple[Due, ...] = ()
    missed: tuple[int, ...] = ()
    message: str = ""
    late: str = ""


class Pause(Record):
    """A stretch in which a schedule was paused."""

    start: datetime
    until: datetime


def choose(spec: Spec, schedule_id: str, nominal: Sequence[datetime], now: datetime, looked: datetime) -> Chosen:
    """What to do about nominal times that have come since `looked`, in order.

    What is late by more than the grace is left out (skip), but for the last time (latest) or the last few (all).
    """
    if not nominal:
        return Chosen()
    dues = {one: spec.due(schedule_id, one) for one in nominal}
    late = [one for one in nominal if now - dues[one] > spec.grace_span]
    if spec.missed == "skip":
        wanted = [one for one in nominal if one not in set(late)]
    else:
        wanted = [*nominal[-(1 if spec.missed == "latest" else spec.limit) :]]
    first = wanted[0] if wanted else None
    missed = [one for one in nominal if first is None or one < first]
    patient = spec.missed == "all"
    due = tuple(Due(times.microseconds(one), times.microseconds(dues[one]), patient or one in late) for one in wanted)
    told = _told(spec, late, looked)
    return Chosen(
        due=due, missed=tuple(times.microseconds(one) for one in missed[-MOST:]),
        message=told or "A later time had come when it was looked at.", late=told,
    )  # fmt: skip


def without(nominal: Sequence[datetime], pauses: Sequence[Pause]) -> list[datetime]:
    """The times that did not come in a pause."""
    return [one for one in nominal if not any(pause.start <= one < pause.until for pause in pauses)]


def _told(spec: Spec, late: Sequence[datetime], looked: datetime) -> str:
    if not late:
        return ""
    shown = [f"{one.astimezone(spec.zone):%Y-%m-%d %H:%M}" for one in (late[0], late[-1])]
    which = shown[0] if len(late) == 1 else f"{shown[0]} to {shown[1]}"
    verb = "was" if len(late) == 1 else "were"
    gap = (
        ""
        if late[0] - looked < timedelta(0)
        else f"; nothing had looked since {looked.astimezone(spec.zone):%Y-%m-%d %H:%M}"
    )
    return f"{counted(len(late), 'time')} ({which}, {spec.tz}) {verb} not run when due{gap}."
