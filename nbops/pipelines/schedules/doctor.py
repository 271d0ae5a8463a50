"""What keeps schedules from being run, found before they are due, or by an outer monitor: each check with a remedy."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from nbops import times
from nbops.errors import NbopsError
from nbops.pipelines.schedules import listing, targets, telling
from nbops.pipelines.schedules.listing import Schedule
from nbops.pipelines.schedules.units import Place
from nbops.records import Record, at
from nbops.render.values import counted
from nbops.store.client import Store
from nbops.store.places import shared

SILENT = timedelta(minutes=5)
"""So long after the last look something is wrong: cron and systemd look each minute."""
_AHEAD = timedelta(minutes=1)


class Check(Record):
    """One thing that was looked at; `odd` does not keep schedules from being run."""

    what: str
    state: Literal["well", "odd", "wrong"]
    told: str
    remedy: str = ""


class _Looked(Record):
    """The last look of a scheduler."""

    host: str
    kind: str
    python: str
    project: str
    time: int


def examine(store: Store, now: datetime, place: Place, environ: Mapping[str, str]) -> list[Check]:
    """Everything that a schedule needs, for the user of `place` (who asks, where it is empty) with these variables."""
    user = place.user or getpass.getuser()
    schedules = listing.every(store)
    checks = [_interpreter(place), _permissions(store, user), *looking(store, now, wanted=bool(schedules))]
    for one in schedules:
        checks += _schedule(store, one, user, environ, now)
    if not schedules:
        checks.append(Check("schedules", "odd", "There is none.", "`nbops schedule add TARGET --cron …` adds one."))
    return checks


def _interpreter(place: Place) -> Check:
    path = Path(place.python)
    well = path.is_absolute() and os.access(path, os.X_OK)
    return Check(
        "interpreter", "well" if well else "wrong", str(path), "" if well else "Install nbops into one that stays."
    )


def _permissions(store: Store, user: str) -> Check:
    """Another user is let in by the folder's group, or not at all."""
    folder = store.places.folder
    mine = user == getpass.getuser()
    may = os.access(folder, os.W_OK) if mine else (folder.stat().st_uid == targets.uid_of(user) or shared(folder))
    if may:
        return Check("permissions", "well", f"{user} may write {folder}")
    return Check(
        "permissions",
        "wrong",
        f"{user} may not write {folder}.",
        "Let its owner run the schedules, or set store.group.",
    )


def looking(store: Store, now: datetime, *, wanted: bool) -> Iterator[Check]:
    """Whether something looks at what is due; that nothing does is wrong where there are schedules that want it."""
    rows = store.read("select host, kind, python, project, epoch_us(time) from scheduler").rows
    if not rows:
        remedy = "`nbops schedule timer` and `nbops schedule cron` show how a machine looks each minute."
        yield Check("heartbeat", "wrong" if wanted else "odd", "Nothing has ever looked at what is due.", remedy)
        return
    last = _Looked(*rows[0])
    age = now - at(last.time)
    if age < -_AHEAD:
        told = f"The last look was in the future: {times.minute(at(last.time))}."
        yield Check("clock", "wrong", told, "Set the clock: `timedatectl`. Nothing is run twice; it goes on by itself.")
    elif age > SILENT:
        told = f"Nothing has looked since {times.minute(at(last.time))}."
        remedy = "See that cron, systemd or `nbops schedule run` is at work: `systemctl list-timers`, `crontab -l`."
        yield Check("heartbeat", "wrong" if wanted else "odd", told, remedy)
    else:
        yield Check(
            "heartbeat", "well", f"looked {max(0, int(age.total_seconds()))} s ago ({last.kind} on {last.host})"
        )
    if last.host != store.host:
        told = f"They are run on the host {last.host}; this is {store.host}."
        yield Check("host", "wrong", told, "`nbops schedule tick --take-over` once, if that one has ended its work.")
    if last.project != str(store.settings.project):
        told = f"The last look was from {last.project}; the project lies in {store.settings.project} now."
        yield Check("project", "wrong", told, "Make the timer or the crontab's line anew.")


def _schedule(store: Store, one: Schedule, user: str, environ: Mapping[str, str], now: datetime) -> Iterator[Check]:
    name = f"schedule {one.name}"
    error: NbopsError | None = targets.trouble(store, one.spec, user, environ)
    if error is not None:
        yield Check(name, "wrong", error.message, error.hint)
    if one.paused(now):
        yield Check(name, "odd", f"It is paused {telling.pause(one)}.", f"`{one.goes_on}` ends that.")
        return
    if one.next is not None and now - at(one.next) > one.spec.grace_span:
        yield Check(name, "wrong", f"It was due at {telling.zoned(one.spec, one.next)}.", "See the heartbeat.")
    if one.last_state in {"failed", "missed"}:
        told = f"The last one {'failed' if one.last_state == 'failed' else 'was missed'}: {one.last_message or '–'}"
        yield Check(name, "odd", told, f"`nbops schedule show {one.name}`")
    elif error is None:
        yield Check(name, "well", f"next {telling.zoned(one.spec, one.next)}" if one.next else "never due again")


def summary(checks: list[Check]) -> str:
    """How many things are wrong."""
    wrong = sum(one.state == "wrong" for one in checks)
    return f"{counted(wrong, 'thing')} to mend." if wrong else "Nothing keeps schedules from being run."
