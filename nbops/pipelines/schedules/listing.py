"""Schedules as people see and change them: added, found, acted on, with the times that were and those that come."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from nbops import times
from nbops.errors import NotFound, PathRefused, UsageError
from nbops.execution import reading
from nbops.pipelines.schedules import spec as specs
from nbops.pipelines.schedules.requests import ActOnSchedule, Deed, PutSchedule
from nbops.pipelines.schedules.spec import Spec
from nbops.records import Record, at
from nbops.store.client import Store

_COLUMNS = """
    s.schedule_id::varchar, s.name, s.spec, epoch_us(s.next), epoch_us(s.looked), epoch_us(s.paused_until), epoch_us(s.created),
    s.actor, f.last.state, epoch_us(f.last.nominal), f.last.outcome, f.last.message, f.last.run_id::varchar,
    p.pause.actor, epoch_us(p.pause.time), p.pause.why, coalesce(p.everything, false)
"""
_FROM = """
    from schedules s
    left join (
        select schedule_id, max_by(struct_pack(state, nominal, outcome, message, run_id), nominal) as last from fires group by schedule_id
    ) f on f.schedule_id = s.schedule_id
    left join (
        -- Of its own pause and that of everything, the one that ends later.
        select m.schedule_id, max_by(a.pause, a.pause.until) as pause,
            max_by(a.schedule_id is null, a.pause.until) as everything
        from core.schedules m
        join (
            select schedule_id, max_by(struct_pack(until, actor, time, why), seq) as pause from core.schedule_acts
            where act in ('paused', 'resumed') group by schedule_id
        ) a on a.schedule_id = m.schedule_id or a.schedule_id is null
        where a.pause.until is not null group by m.schedule_id
    ) p on p.schedule_id = s.schedule_id
"""


class Schedule(Record):
    """A schedule as it stands, with the last time of which something is known; times in UTC microseconds.

    `paused_by`, `paused_since` and `paused_why` are of the pause that ends last, its own or that of everything (`everything_paused`); it
    may be over.
    """

    schedule_id: str
    name: str
    spec: Spec
    next: int | None
    looked: int | None
    paused_until: int | None
    created: int
    actor: str
    last_state: str | None
    last_nominal: int | None
    last_outcome: str | None
    last_message: str | None
    last_run_id: str | None
    paused_by: str | None = None
    paused_since: int | None = None
    paused_why: str | None = None
    everything_paused: bool = False

    def paused(self, now: datetime) -> bool:
        """Whether nothing of it is begun at that time."""
        return self.paused_until is not None and at(min(self.paused_until, _END)) > now

    @property
    def goes_on(self) -> str:
        """The command that ends its pause."""
        return "nbops schedule resume" if self.everything_paused else f"nbops schedule resume {self.name}"

    @property
    def pause_ends(self) -> datetime | None:
        """When its pause ends; None where it has no end, or is not paused at all."""
        return None if self.paused_until is None or self.paused_until >= _END else at(self.paused_until)


# The year 9999 is no end of a pause.
_END = 253_370_764_800_000_000
MOST = 10_000
"""So many times are filled in at once."""


def every(store: Store) -> list[Schedule]:
    """All schedules that were not removed, by name."""
    rows = store.read(f"select {_COLUMNS} {_FROM} where s.removed is null order by s.name").rows
    return [_schedule(row) for row in rows]


def of_folder(store: Store, folder: Path) -> list[Schedule]:
    """Those that run a folder of the project as a pipeline, or a notebook that lies in it."""
    place = target(store.settings.project, folder)
    return [one for one in every(store) if place in {one.spec.target, PurePosixPath(one.spec.target).parent.as_posix()}]


def get(store: Store, name: str) -> Schedule:
    """The schedule of that name. Raises NotFound."""
    rows = store.read(
        f"select {_COLUMNS} {_FROM} where s.removed is null and s.name = ?",
        [name],
    ).rows
    if not rows:
        names = [row[0] for row in store.read("select name from schedules where removed is null").rows]
        raise NotFound.of("schedule", name, names, otherwise="`nbops schedule list` shows those that there are.")
    return _schedule(rows[0])


def put(store: Store, name: str, spec: Spec, *, change: bool = False, now: datetime | None = None) -> str:
    """Add a schedule, or change one: added, changed or same. Raises UsageError, and Conflict for a name that is taken."""
    specs.name(name)
    spec.check()
    now = now or datetime.now(UTC)
    following = spec.calendar().next(now)
    if following is None:
        raise UsageError("The schedule is never due again.", hint="Look at its cron expression.")
    request = PutSchedule(
        name=name, spec=spec, looked=times.microseconds(now), next=times.microseconds(following), change=change
    )
    return str(store.write(request)[0])


def act(store: Store, name: str | None, deed: Deed, *, until: datetime | None = None, why: str = "") -> bool:
    """Pause, resume or remove; whether that was still to be done. Raises NotFound, UsageError."""
    end = None if until is None else times.microseconds(until)
    return bool(store.write(ActOnSchedule(name=name, deed=deed, until=end, why=why))[0])


def target(project: Path, path: Path) -> str:
    """A notebook or folder relative to the project. Raises NotFound, PathRefused."""
    whole = path.expanduser().resolve()
    if not whole.exists():
        raise reading.absent(whole, "notebook or folder")
    if not whole.is_relative_to(project):
        raise PathRefused(
            f"{whole} lies outside of the project {project}.", hint="Name its own project with -C, or move it."
        )
    return whole.relative_to(project).as_posix()


def coming(spec: Spec, now: datetime, count: int) -> list[datetime]:
    """The next nominal times."""
    return list(itertools.islice(spec.calendar().after(now), count))


def _schedule(row: list[Any]) -> Schedule:
    fields = dict(zip(Schedule.__struct_fields__, row, strict=True))
    return Schedule(**{**fields, "spec": msgspec.json.decode(fields["spec"], type=Spec)})


def stretch(spec: Spec, told: str, now: datetime) -> list[datetime]:
    """The nominal times of a text such as "2026-10-01..2026-10-31", both ends included, that have come by now.

    Times are those of the schedule's zone unless they name another one. Raises UsageError.
    """
    first, dots, last = told.partition("..")
    if not dots:
        raise UsageError(f"{told!r} is no stretch of time.", hint="Such as 2026-10-01..2026-10-31.")
    start, until = _moment(first, spec), _moment(last, spec, ends=True)
    if until < start:
        raise UsageError(f"{told!r} ends before it begins.", hint="The earlier one comes first.")
    found = list(
        itertools.islice(spec.calendar().between(start - timedelta(microseconds=1), min(until, now)), MOST + 1)
    )
    if len(found) > MOST:
        raise UsageError(f"{told!r} has more than {MOST:,} times.", hint="Fill them in part by part.")
    return found


def _moment(told: str, spec: Spec, *, ends: bool = False) -> datetime:
    """The moment of a day or time; of a day that ends something its last one."""
    try:
        found = datetime.fromisoformat(told.strip())
    except ValueError as error:
        raise UsageError(f"{told!r} is no time.", hint="Such as 2026-01-31 or '2026-01-31 08:00'.") from error
    if ends and len(told.strip()) == len("2026-01-31"):
        found += timedelta(days=1) - timedelta(microseconds=1)
    return (found if found.tzinfo else found.replace(tzinfo=spec.zone)).astimezone(UTC)
