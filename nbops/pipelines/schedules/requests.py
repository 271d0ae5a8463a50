"""What processes ask the owner to record about schedules and their fires; times are UTC microseconds."""

from __future__ import annotations

from typing import Literal

from nbops.pipelines.schedules.spec import Spec
from nbops.records import Record
from nbops.store.wire import Request

Deed = Literal["paused", "resumed", "removed"]
Cause = Literal["schedule", "backfill"]
End = Literal["done", "failed", "stopped", "interrupted"]
"""How an attempt ended: `failed` said so, `stopped` was told to end, `interrupted` ended without a word and may be tried again."""
State = Literal["due", "running", "done", "failed", "stopped", "interrupted", "missed", "skipped"]
"""How a fire stands: `missed` was not run because nothing looked in time, `skipped` because of a policy."""
OPEN: tuple[State, ...] = ("due", "running", "interrupted")


class PutSchedule(Request, tag="schedule.put"):
    """A schedule is there from now on, or is another one where `change` allows it; `next` is its first nominal time.

    Answers with added, changed or same.
    """

    name: str
    spec: Spec
    looked: int
    next: int | None
    change: bool = False


class ActOnSchedule(Request, tag="schedule.act"):
    """Pause, resume or remove a schedule, or pause and resume all of them (no name). Answers whether it was still to be done."""

    name: str | None
    deed: Deed
    until: int | None = None
    why: str = ""


class Due(Record):
    """A nominal time that is to be run, at `due`; one that waits its turn (`patient`) is never left out for another one."""

    nominal: int
    due: int
    patient: bool = False


class Plan(Request, tag="schedule.plan"):
    """A schedule was looked at until `looked`: what is to be run, and what was `missed`.

    Nothing is done when somebody else has looked meanwhile, so that `mark` is not what it was. `late` is told to people.
    """

    schedule_id: str
    mark: int
    looked: int
    next: int | None
    due: list[Due] = []
    missed: list[int] = []
    message: str = ""
    late: str = ""


class Claim(Request, tag="fire.claim"):
    """An attempt at a nominal time is about to begin; its lock is held already. Answers with a `Claimed`.

    `parallel` bounds what runs at once. `again` takes one that was not run or failed, `force` one that is done.
    """

    schedule_id: str
    nominal: int
    attempt_id: str
    host: str
    parallel: int
    cause: Cause = "schedule"
    again: bool = False
    force: bool = False


class Claimed(Record):
    """Whether an attempt may begin; else why not: done, running, busy (an older one runs), full, over, host."""

    granted: bool
    why: str = ""


class EndAttempt(Request, tag="fire.end"):
    """How an attempt ended; said again, it changes nothing. `begun` is False when its process never started."""

    attempt_id: str
    end: End
    run_id: str | None = None
    outcome: str = ""
    exit_status: int | None = None
    message: str = ""
    begun: bool = True


class GiveUp(Request, tag="fire.give-up"):
    """A nominal time that was due, or interrupted, will not be run."""

    schedule_id: str
    nominal: int
    state: Literal["missed", "skipped", "failed"]
    message: str


class Beat(Request, tag="scheduler.beat"):
    """A scheduler looks at what is due. Refused to another host than the last one, unless it takes over."""

    host: str
    pid: int
    kind: Literal["tick", "run", "backfill"]
    python: str
    project: str
    take_over: bool = False
