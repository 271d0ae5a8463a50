"""Schedules, done: in flows the clock, out flow processes, one for each nominal time, and what became of them.

A round looks at what has ended, plans what has come, and begins what is due. Everything that it knows is in the store and in the folders
of attempts, so whoever makes the next round, in this process or another one, goes on where the last one was stopped. The owner grants
an attempt to one process; the attempt's lock tells whether it lives; no lease of time is involved, and no clock has to be right.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from nbops import times
from nbops.errors import Conflict, NbopsError, UsageError
from nbops.pipelines.schedules import attempts, planning, resuming
from nbops.pipelines.schedules.planning import Pause
from nbops.pipelines.schedules.requests import (
    Beat,
    Cause,
    Claim,
    Claimed,
    EndAttempt,
    GiveUp,
    Plan,
    State,
)
from nbops.pipelines.schedules.spec import Spec
from nbops.records import Record, at, new_id
from nbops.store.client import Store
from nbops.tracking import runs

Command = Callable[[Spec, dict[str, str], bool], list[str]]
"""What runs a target with the parameters of a nominal time, forced or not."""
_BACK = timedelta(minutes=1)
_MOMENT, _PATIENCE = 0.1, 60.0
# Beyond, nobody wants to know what was missed.
_FURTHEST = timedelta(days=366)


class Fire(Record):
    """A nominal time of a schedule, and how it stands; times in UTC microseconds."""

    schedule: str
    nominal: int
    state: State
    run_id: str | None = None
    outcome: str = ""
    message: str = ""


class Round(Record):
    """What a round did: fires that were begun, that ended, and that were not run; `next` is when something is due again."""

    begun: tuple[Fire, ...] = ()
    ended: tuple[Fire, ...] = ()
    left: tuple[Fire, ...] = ()
    next: int | None = None

    def __add__(self, other: Round) -> Round:
        return Round(self.begun + other.begun, self.ended + other.ended, self.left + other.left, other.next)

    def __bool__(self) -> bool:
        return bool(self.begun or self.ended or self.left)


class _Schedule(Record):
    """A schedule as it is planned."""

    schedule_id: str
    name: str
    text: str
    looked: int
    mark: int

    @property
    def spec(self) -> Spec:
        return msgspec.json.decode(self.text, type=Spec)


class _Open(Record):
    """A fire that is not over."""

    schedule_id: str
    name: str
    text: str
    nominal: int
    due: int
    patient: bool
    cause: Cause
    state: State
    attempt_id: str | None
    host: str | None
    paused: bool

    @property
    def spec(self) -> Spec:
        return msgspec.json.decode(self.text, type=Spec)


class Scheduler:
    """One process that makes rounds. What it began it may wait for; `command` is what runs a target."""

    def __init__(self, store: Store, *, parallel: int | None = None, command: Command | None = None) -> None:
        self.store = store
        self.parallel = parallel or os.cpu_count() or 1
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self._command = command or _command(store)
        self._now = datetime.now(UTC)

    def beat(self, kind: str, *, take_over: bool = False) -> None:
        """Say that somebody looks. Raises Conflict when the schedules are another host's."""
        self.store.write(
            Beat(
                host=self.store.host, pid=os.getpid(), kind=kind, python=sys.executable,  # type: ignore[arg-type]  # one of them
                project=str(self.store.settings.project), take_over=take_over,
            )
        )  # fmt: skip

    def round(self, now: datetime, *, plan: bool = True) -> Round:
        """Take notice of what has ended, plan what has come by now, and begin what is due."""
        self._now = now
        ended = self.collect()
        left = self._plan(now) if plan else []
        begun, given_up = self._begin(now)
        return Round(tuple(begun), tuple(ended), (*left, *given_up), self._next(now))

    def tick(self, now: datetime, *, leave: bool = False) -> Round:
        """A round, and what it leads to: what is due by now is begun as others end, and waited for, unless it is to be left.

        What is being stopped, so that another one may begin, is waited for in any case.
        """
        done, deadline = self.round(now), time.monotonic() + _PATIENCE
        while (not leave and self.wait(1)) or self._settling(deadline):
            # What comes meanwhile is for the next tick.
            done += self.round(now, plan=False)
        return done

    def collect(self) -> list[Fire]:
        """What has ended since somebody looked, of whoever's attempts."""
        for attempt_id in [key for key, child in self.children.items() if child.poll() is not None]:
            del self.children[attempt_id]
        found = []
        for one in self._open("o.state = 'running' and o.host = ?", self.store.host):
            attempt_id = one.attempt_id or ""
            if attempts.lives(self.store.places, attempt_id):
                if (attempts.folder(self.store.places, attempt_id) / "stop").exists():
                    attempts.stop(self.store.places, attempt_id, "")
                continue
            told = attempts.verdict(self.store, attempt_id)
            if told is None:
                continue
            state = self.store.write(told)[0]
            if state is not None:
                found.append(_fire(one, state, told))
        if found:
            attempts.prune(self.store.places, time.time())
        return found

    def attempt(self, one: _Open, *, again: bool = False, force: bool = False) -> Claimed:
        """Begin a fire, if the owner lets it."""
        places, attempt_id = self.store.places, new_id()
        spec, nominal = one.spec, at(one.nominal)
        lock = attempts.prepare(places, attempt_id)
        with contextlib.ExitStack() as undo:
            undo.callback(attempts.drop, places, attempt_id, lock)
            answer = self.store.write(
                Claim(
                    schedule_id=one.schedule_id, nominal=one.nominal, attempt_id=attempt_id, host=self.store.host,
                    parallel=self.parallel, cause=one.cause, again=again, force=force,
                )
            )[0]  # fmt: skip
            claimed = msgspec.convert(answer, Claimed)
            if not claimed.granted:
                return claimed
            undo.pop_all()
        try:
            command = self._again(one, spec, force=force) if again or one.state == "interrupted" else []
            command = command or self._command(spec, spec.texts(nominal), force)
        except NbopsError as error:
            attempts.drop(places, attempt_id, lock)
            self.store.write(EndAttempt(attempt_id=attempt_id, end="failed", message=error.message))
            return claimed
        try:
            self.children[attempt_id] = attempts.begin(
                self.store, runs.Fire(attempt_id, one.cause, one.nominal), lock, command
            )
        except OSError as error:
            told = f"No process could be started: {error}."
            self.store.write(EndAttempt(attempt_id=attempt_id, end="interrupted", message=told))
        return claimed

    def _again(self, one: _Open, spec: Spec, *, force: bool) -> list[str]:
        """What goes on with the run of an interrupted attempt; empty when there is none to go on with."""
        run_id = resuming.unfinished(self.store, spec, one.schedule_id, one.nominal)
        return attempts.going_on(self.store.settings.project, run_id, force=force) if run_id else []

    def _settling(self, deadline: float) -> bool:
        """Whether something is told to end and lives, or has ended and the owner is about to say how."""
        found = [one.attempt_id or "" for one in self._open("o.state = 'running' and o.host = ?", self.store.host)]
        places = self.store.places
        if time.monotonic() > deadline or all(
            attempts.lives(places, one) and not (attempts.folder(places, one) / "stop").exists() for one in found
        ):
            return False
        time.sleep(_MOMENT)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait that long at most for an attempt of this process to end; False when there is none."""
        if not self.children:
            return False
        deadline = time.monotonic() + seconds
        while all(child.poll() is None for child in self.children.values()) and time.monotonic() < deadline:
            time.sleep(min(0.05, seconds))
        return True

    def unsettled(self) -> bool:
        """Whether an attempt has to be looked at before it rings: it is another process's, is being stopped, or is to be judged."""
        mine = self.children.keys()
        rows = self.store.read(
            "select attempt_id::varchar from core.open_fires where state = 'running' and host = ?", [self.store.host]
        ).rows
        return any(row[0] not in mine or (attempts.folder(self.store.places, row[0]) / "stop").exists() for row in rows)

    def _plan(self, now: datetime) -> list[Fire]:
        """Make fires of the times that have come."""
        left: list[Fire] = []
        for one in self._come(now):
            # One that cannot be understood here, because its zone is unknown for example, is no reason to leave out the others: its
            # time stays overdue, which the doctor tells.
            with contextlib.suppress(UsageError):
                left += self._plan_one(one, now)
        return left

    def _plan_one(self, one: _Schedule, now: datetime) -> list[Fire]:
        spec, looked = one.spec, at(one.looked)
        if looked > now + _BACK:
            # The clock was set back: what was planned too early is known by its rows.
            looked = now
        calendar = spec.calendar()
        nominal = list(calendar.between(max(looked, now - _FURTHEST), now))
        nominal = planning.without(nominal, self._pauses(one.schedule_id, now))
        chosen = planning.choose(spec, one.schedule_id, nominal, now, looked)
        following = calendar.next(now)
        request = Plan(
            schedule_id=one.schedule_id, mark=one.mark, looked=times.microseconds(now),
            next=None if following is None else times.microseconds(following), due=list(chosen.due),
            missed=list(chosen.missed), message=chosen.message, late=chosen.late,
        )  # fmt: skip
        if not self.store.write(request)[0]:
            return []
        return [Fire(one.name, nominal, "missed", message=chosen.message) for nominal in chosen.missed]

    def _come(self, now: datetime) -> list[_Schedule]:
        """The schedules that have a time to be planned, and those that were looked at in what is the future now."""
        moment = times.microseconds(now)
        rows = self.store.read(
            """
            select m.schedule_id::varchar, s.name, s.spec, epoch_us(m.looked), m.seq
            from core.schedule_marks m join schedules s using (schedule_id)
            where s.removed is null and (m.next <= make_timestamp(?) or m.looked > make_timestamp(?))
            order by m.next
            """,
            [moment, moment + _BACK // timedelta(microseconds=1)],
        ).rows
        return [_Schedule(*row) for row in rows]

    def _pauses(self, schedule_id: str, now: datetime) -> list[Pause]:
        """When a schedule was paused, by itself and with all others."""
        rows = self.store.read(
            """
            select schedule_id is null, act, epoch_us(time), epoch_us(until) from schedule_acts
            where (schedule_id = ?::uuid or schedule_id is null) and act in ('paused', 'resumed') order by time
            """,
            [schedule_id],
        ).rows
        found: list[Pause] = []
        running: dict[bool, tuple[int, int]] = {}
        for everything, act, moment, until in rows:
            if everything in running:
                start, end = running.pop(everything)
                found.append(Pause(at(start), at(min(end, moment))))
            if act == "paused":
                running[everything] = moment, until
        soon = times.microseconds(now) + 1
        return found + [Pause(at(start), at(min(end, soon))) for start, end in running.values()]

    def _begin(self, now: datetime) -> tuple[list[Fire], list[Fire]]:
        """Begin what is due, the oldest first; what a policy leaves out is kept as such."""
        begun: list[Fire] = []
        left: list[Fire] = []
        waiting = self._open("o.state <> 'running' and o.due <= make_timestamp(?)", times.microseconds(now))
        for one in waiting:
            if one.paused:
                continue
            if why := _superseded(one, waiting, now):
                left += self._give_up(one, "missed", why)
                continue
            answer = self.attempt(one)
            if answer.granted:
                begun.append(Fire(one.name, one.nominal, "running"))
            elif answer.why == "busy":
                left += self._busy(one)
            elif answer.why == "full":
                break
            elif answer.why == "host":
                raise Conflict("The schedules were taken over by another host.", hint="See `nbops schedule doctor`.")
        return begun, left

    def _busy(self, one: _Open) -> list[Fire]:
        """An older one of the same schedule runs."""
        spec = one.spec
        if spec.overlap == "kill":
            for other in self._open(
                "o.state = 'running' and o.cause = 'schedule' and o.schedule_id = ?", one.schedule_id
            ):
                local = f"{at(one.nominal).astimezone(spec.zone):%Y-%m-%d %H:%M} {spec.tz}"
                attempts.stop(self.store.places, other.attempt_id or "", f"The one of {local} took its place.")
            return []
        if spec.overlap == "skip" and not one.patient and one.state == "due":
            return self._give_up(one, "skipped", "The one before was still running.")
        return []

    def _give_up(self, one: _Open, state: str, why: str) -> list[Fire]:
        request = GiveUp(schedule_id=one.schedule_id, nominal=one.nominal, state=state, message=why)  # type: ignore[arg-type]  # one of them
        return [Fire(one.name, one.nominal, request.state, message=why)] if self.store.write(request)[0] else []

    def _open(self, where: str, *values: object) -> list[_Open]:
        rows = self.store.read(
            "select o.schedule_id::varchar, s.name, s.spec, epoch_us(o.nominal), epoch_us(o.due), o.patient, o.cause, o.state,"  # noqa: S608 - our own words
            " o.attempt_id::varchar, o.host, coalesce(s.paused_until > make_timestamp(?), false)"
            f" from core.open_fires o join schedules s using (schedule_id) where {where} order by o.nominal",
            [times.microseconds(self._now), *values],
        ).rows
        return [_Open(*row) for row in rows]

    def _next(self, now: datetime) -> int | None:
        """When something is to be planned or begun, as far as is known; None when nothing is."""
        found = self.store.read(
            """
            select epoch_us(min(moment)) from (
                select next as moment from core.schedule_marks
                union all select due from core.open_fires where state <> 'running'
            ) where moment > make_timestamp(?)
            """,
            [times.microseconds(now)],
        ).rows
        return found[0][0] if found else None


def backfill(
    scheduler: Scheduler,
    name: str,
    nominal: Sequence[datetime],
    *,
    force: bool = False,
    watch: Callable[[Fire], None] = lambda _: None,
) -> tuple[Fire, ...]:
    """Run nominal times of a schedule that have not been run well, so many at once as the scheduler has lanes. Gives all as they stand.

    Raises NotFound; UsageError for times that are still to come.
    """
    store = scheduler.store
    schedule_id, spec_text = _named(store, name)
    waiting = [times.microseconds(one) for one in nominal]
    if waiting and waiting[-1] > times.microseconds(datetime.now(UTC)):
        raise UsageError("A backfill ends before now.", hint="What is still to come is the schedule's.")
    asked = list(waiting)
    # In order: the oldest is what the others may build on.
    while waiting or scheduler.children or _unsettled(store, schedule_id, asked):
        for fire in scheduler.collect():
            watch(fire)
            if fire.state == "interrupted" and fire.nominal in asked:
                waiting.append(fire.nominal)
        while waiting:
            one = _Open(
                schedule_id, name, spec_text, waiting[0], waiting[0], True, "backfill", "due", None, None, False
            )
            answer = scheduler.attempt(one, again=True, force=force)
            if answer.why == "full":
                break
            waiting.pop(0)
            if answer.granted:
                watch(Fire(name, one.nominal, "running"))
        if not scheduler.wait(1):
            time.sleep(0.1)
    return fires(store, schedule_id, asked)


def fires(store: Store, schedule_id: str, nominal: Sequence[int]) -> tuple[Fire, ...]:
    """How nominal times stand of which something is known, in order."""
    rows = store.read(
        "select schedule, epoch_us(nominal), state, run_id::varchar, coalesce(outcome, ''), coalesce(message, '') from fires"
        " where schedule_id = ?::uuid and list_contains(?::bigint[], epoch_us(nominal)) order by nominal",
        [schedule_id, list(nominal)],
    ).rows
    return tuple(Fire(*row) for row in rows)


def _unsettled(store: Store, schedule_id: str, nominal: Sequence[int]) -> bool:
    """Whether an attempt of this host has ended of which nobody knows yet how."""
    rows = store.read(
        "select attempt_id::varchar from core.open_fires where schedule_id = ?::uuid and state = 'running' and host = ?"
        " and list_contains(?::bigint[], epoch_us(nominal))",
        [schedule_id, store.host, list(nominal)],
    ).rows
    return any(not attempts.lives(store.places, row[0]) for row in rows)


def _named(store: Store, name: str) -> tuple[str, str]:
    from nbops.pipelines.schedules import listing

    found = listing.get(store, name)
    return found.schedule_id, msgspec.json.encode(found.spec).decode()


def _superseded(one: _Open, waiting: Sequence[_Open], now: datetime) -> str:
    """Why one that was interrupted is not tried again; empty when it is."""
    if one.state != "interrupted" or one.cause == "backfill":
        return ""
    spec = one.spec
    if spec.missed == "latest" and any(
        other.schedule_id == one.schedule_id and other.cause == "schedule" and other.nominal > one.nominal
        for other in waiting
    ):
        return "It was interrupted, and a later time has come."
    if spec.missed == "skip" and now - at(one.due) > spec.grace_span:
        return "It was interrupted, and is too late."
    return ""


def _fire(one: _Open, state: State, told: EndAttempt) -> Fire:
    return Fire(one.name, one.nominal, state, told.run_id, told.outcome, told.message)


def _command(store: Store) -> Command:
    project: Path = store.settings.project
    return lambda spec, texts, force: attempts.command(project, spec, texts, force=force)
