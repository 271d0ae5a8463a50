"""What the owner does about schedules: keeps them with all that is done, and sees to it that a nominal time has one attempt at a time.

Whether an attempt still lives is for whoever shares its host to find out: it holds a lock. What people are to know of fires that were
missed or failed becomes signals in the same transaction, and so an incident that the next good fire heals.
"""

from __future__ import annotations

from typing import Any

import msgspec

from nbops.errors import Conflict, NotFound, UsageError
from nbops.events import ScheduleActed
from nbops.monitoring import commands as monitoring
from nbops.monitoring.policy import Severity
from nbops.monitoring.requests import KeepSignals
from nbops.monitoring.signals import Signal, State, cause
from nbops.pipelines.schedules.requests import (
    ActOnSchedule,
    Beat,
    Claim,
    Claimed,
    EndAttempt,
    GiveUp,
    Plan,
    PutSchedule,
)
from nbops.pipelines.schedules.spec import Spec
from nbops.records import Record, at, new_id
from nbops.store import witness
from nbops.store.commands import Bulk, Transaction, command

FOREVER = 253_370_764_800_000_000
"""The year 9999: until then a pause lasts that has no end."""
MISSED, FAILED = cause("run", "not on time"), cause("run", "failed")
"""What incidents of a schedule are made by."""

_FIRES = Bulk.into(
    "core.fires", schedule_id="uuid", nominal="us", due="us", cause="varchar", time="us", actor="varchar", seq="bigint"
)  # fmt: skip
_ACTS = Bulk.into(
    "core.fire_acts", schedule_id="uuid", nominal="us", act="varchar", attempt_id="uuid", run_id="uuid", outcome="varchar",
    exit_status="integer", host="varchar", message="varchar", time="us", actor="varchar", seq="bigint",
)  # fmt: skip
_OPEN = Bulk.into(
    "core.open_fires", schedule_id="uuid", nominal="us", due="us", patient="boolean", cause="varchar", state="varchar", tries="integer",
    seq="bigint",
)  # fmt: skip


class _Open(Record):
    """A fire that is not over."""

    schedule_id: str
    nominal: int
    due: int
    cause: str
    state: str
    attempt_id: str | None
    tries: int


@command(PutSchedule)
def put(tx: Transaction, request: PutSchedule) -> str:
    """Add a schedule, or change it; a changed one is looked at from now on."""
    tx.personal(f"To schedule {request.spec.target}")
    request.spec.check()
    text = msgspec.json.encode(request.spec).decode()
    found = _named(tx, request.name)
    if found is None:
        schedule_id = new_id()
        tx.run(
            "insert into core.schedules values (?, ?, make_timestamp(?), ?, ?)",
            schedule_id, request.name, tx.time, tx.actor.name, tx.next_seq(),
        )  # fmt: skip
        _act(tx, schedule_id, request.name, "added", spec=text, made=tx.seq)
        _mark(tx, schedule_id, request.looked, request.next)
        return "added"
    schedule_id, before = found
    if before == text:
        return "same"
    if not request.change:
        raise Conflict(
            f"There is a schedule {request.name!r} already, for {_spec(before).target}.",
            hint="Change it with --change, or give this one another name with --name.",
        )
    _may(tx, request.name, before, "change")
    _act(tx, schedule_id, request.name, "changed", spec=text)
    _mark(tx, schedule_id, request.looked, request.next)
    return "changed"


@command(ActOnSchedule)
def act_on(tx: Transaction, request: ActOnSchedule) -> bool:
    """Pause, resume or remove."""
    tx.personal("To pause, resume or remove a schedule")
    if request.deed == "paused" and request.until is not None and request.until <= tx.time:
        raise UsageError("A pause needs an end that is still to come.", hint="Such as --until 2026-12-31.")
    schedule_id = None
    if request.name is not None:
        schedule_id, spec = known(tx, request.name)
        _may(tx, request.name, spec, request.deed.removesuffix("d"))
    elif request.deed == "removed":
        raise UsageError("Schedules are removed one by one.", hint="Name the one to remove.")
    until = (request.until or FOREVER) if request.deed == "paused" else None
    if request.deed != "removed" and _pause(tx, schedule_id) == until:
        return False
    _act(tx, schedule_id, request.name, request.deed, until=until, why=request.why)
    if request.deed == "removed":
        tx.run("delete from core.schedule_marks where schedule_id = ?", schedule_id)
        for one in _open(tx, "schedule_id = ? and state <> 'running'", schedule_id):
            _over(tx, one, "skipped", message="The schedule was removed.")
    return True


@command(Plan)
def plan(tx: Transaction, request: Plan) -> bool:
    """Keep what is to be run and what was missed; False when somebody else has looked meanwhile."""
    found = tx.rows(
        "select m.seq, s.name from core.schedule_marks m join core.schedules s using (schedule_id) where m.schedule_id = ?",
        request.schedule_id,
    )
    if not found or found[0][0] != request.mark:
        return False
    wanted = [one.nominal for one in request.due] + request.missed
    states = _states(tx, request.schedule_id, wanted)
    # One that was missed may come again: the clock was set back.
    due = [one for one in request.due if states.get(one.nominal) in {None, "missed"}]
    for one in due:
        if one.nominal not in states:
            tx.add(_FIRES, request.schedule_id, one.nominal, one.due, "schedule", tx.time, tx.actor.name, tx.next_seq())
        _note(tx, request.schedule_id, one.nominal, "due")
        tx.add(_OPEN, request.schedule_id, one.nominal, one.due, one.patient, "schedule", "due", 0, tx.next_seq())
    for nominal in request.missed:
        if nominal not in states:
            tx.add(_FIRES, request.schedule_id, nominal, nominal, "schedule", tx.time, tx.actor.name, tx.next_seq())
            _note(tx, request.schedule_id, nominal, "missed", message=request.message)
    _mark(tx, request.schedule_id, request.looked, request.next)
    if request.late and (due or any(nominal not in states for nominal in request.missed)):
        _signal(tx, found[0][1], {MISSED: ("broken", "warn", request.late)})
    return True


@command(Claim)
def claim(tx: Transaction, request: Claim) -> Claimed:
    """Let one attempt begin, if nothing speaks against it."""
    if _elsewhere(tx, request.host):
        return Claimed(False, "host")
    running = _open(tx, "state = 'running'")
    mine = next(
        iter(_open(tx, "schedule_id = ? and nominal = make_timestamp(?)", request.schedule_id, request.nominal)), None
    )
    state = mine.state if mine else _states(tx, request.schedule_id, [request.nominal]).get(request.nominal)
    refused = _refusal(request, state, running)
    if refused:
        return Claimed(False, refused)
    if state is None:
        tx.add(
            _FIRES, request.schedule_id, request.nominal, request.nominal, request.cause, tx.time, tx.actor.name, tx.next_seq()
        )  # fmt: skip
    if mine is None:
        tx.add(
            _OPEN, request.schedule_id, request.nominal, request.nominal, True, request.cause, "due", 0, tx.next_seq()
        )
    tx.run(
        "update core.open_fires set state = 'running', cause = ?, attempt_id = ?, host = ?"
        " where schedule_id = ? and nominal = make_timestamp(?)",
        request.cause, request.attempt_id, request.host, request.schedule_id, request.nominal,
    )  # fmt: skip
    _note(tx, request.schedule_id, request.nominal, "running", attempt_id=request.attempt_id, host=request.host)
    return Claimed(True)


@command(EndAttempt)
def end(tx: Transaction, request: EndAttempt) -> str | None:
    """Close an attempt; answers how its fire stands then, None when that was said before."""
    found = _open(tx, "attempt_id = ? and state = 'running'", request.attempt_id)
    if not found:
        return None
    one = found[0]
    name, text = tx.rows("select name, spec from main.schedules where schedule_id = ?", one.schedule_id)[0]
    said = {
        "attempt_id": request.attempt_id, "run_id": request.run_id, "outcome": request.outcome or None,
        "exit_status": request.exit_status, "message": request.message or None,
    }  # fmt: skip
    if request.end == "interrupted":
        tries = one.tries + request.begun
        _note(tx, one.schedule_id, one.nominal, "interrupted", **said)
        if tries < _spec(text).tries:
            tx.run(
                "update core.open_fires set state = 'interrupted', attempt_id = null, tries = ?"
                " where schedule_id = ? and nominal = make_timestamp(?)",
                tries, one.schedule_id, one.nominal,
            )  # fmt: skip
            return "interrupted"
        told = f"It was interrupted {tries} times. {request.message}".strip()
        _over(tx, one, "failed", message=told)
        _tell(tx, name, one.nominal, told)
        return "failed"
    _over(tx, one, request.end, **said)
    # The run of a pipeline has told which of its steps failed.
    if request.end == "failed" and not tx.rows("select 1 from core.pipeline_runs where run_id = ?", request.run_id):
        _tell(tx, name, one.nominal, request.message or f"exit status {request.exit_status}")
    if request.end == "done":
        _well(tx, name)
    return request.end


@command(GiveUp)
def give_up(tx: Transaction, request: GiveUp) -> bool:
    """Leave a fire out for good."""
    where = "schedule_id = ? and nominal = make_timestamp(?) and state <> 'running'"
    found = _open(tx, where, request.schedule_id, request.nominal)
    if not found:
        return False
    _over(tx, found[0], request.state, message=request.message)
    if request.state == "failed":
        name = tx.rows("select name from core.schedules where schedule_id = ?", request.schedule_id)[0][0]
        _tell(tx, name, request.nominal, request.message)
    return True


@command(Beat)
def beat(tx: Transaction, request: Beat) -> None:
    """Keep that a scheduler looks; a backfill looks at nothing else. Raises Conflict on another host."""
    before = tx.rows("select host, epoch_us(since), epoch_us(time) from core.scheduler")
    if before and before[0][0] != request.host:
        if not request.take_over:
            raise Conflict(
                f"The schedules of this store are run on the host {before[0][0]!r} (last seen {at(before[0][2]):%Y-%m-%d %H:%M} UTC);"
                f" this one is {request.host!r}.",
                hint="Two hosts would not see each other's processes. If that one has ended its work, add --take-over once.",
            )
        for one in _open(tx, "state = 'running' and host <> ?", request.host):
            end(tx, EndAttempt(one.attempt_id or "", "interrupted", message=f"{request.host} took over."))
    if request.kind == "backfill" and before and before[0][0] == request.host:
        return
    since = before[0][1] if before and before[0][0] == request.host else tx.time
    tx.run("delete from core.scheduler")
    tx.run(
        "insert into core.scheduler values (?, ?, ?, ?, ?, make_timestamp(?), make_timestamp(?))",
        request.host, request.pid, request.kind, request.python, request.project, since, tx.time,
    )  # fmt: skip


def known(tx: Transaction, name: str) -> tuple[str, str]:
    """The id and the spec of a schedule. Raises NotFound."""
    found = _named(tx, name)
    if found is None:
        names = [row[0] for row in tx.rows("select name from main.schedules where removed is null")]
        raise NotFound.of("schedule", name, names, otherwise="`nbops schedule list` shows those that there are.")
    return found


def _named(tx: Transaction, name: str) -> tuple[str, str] | None:
    found = tx.rows("select schedule_id::varchar, spec from main.schedules where name = ? and removed is null", name)
    return (found[0][0], found[0][1]) if found else None


def _spec(text: str) -> Spec:
    return msgspec.json.decode(text, type=Spec)


def _may(tx: Transaction, name: str, text: str, deed: str) -> None:
    may = _spec(text).may
    if may and tx.actor.name not in may:
        raise UsageError(
            f"Only {', '.join(may)} may {deed} the schedule {name!r}; this is {tx.actor.name}.",
            hint="Ask one of them.", code="model.trust",
        )  # fmt: skip


def _pause(tx: Transaction, schedule_id: str | None) -> int | None:
    """Until when a schedule, or all of them, are paused."""
    found = tx.rows(
        "select epoch_us(until) from core.schedule_acts where schedule_id is not distinct from ?::uuid"
        " and act in ('paused', 'resumed') order by seq desc limit 1",
        schedule_id,
    )
    return found[0][0] if found else None


def _act(
    tx: Transaction,
    schedule_id: str | None,
    name: str | None,
    act: str,
    *,
    made: int | None = None,
    **said: Any,
) -> None:
    """Put an act with its event; `made` is the sequence of the schedule's own row, if that is new."""
    spec, until, why = said.get("spec"), said.get("until"), said.get("why") or None
    tx.run(
        "insert into core.schedule_acts values (?, ?, ?, make_timestamp(?), ?, make_timestamp(?), ?, ?)",
        schedule_id, act, spec, until, why, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, schedule_acts=tx.seq, **({"schedules": made} if made else {}))
    subject = "schedules" if name is None else f"schedule:{name}"
    tx.event(ScheduleActed(subject=subject, act=act, spec=spec, until=until, why=why, rows=put))


def _mark(tx: Transaction, schedule_id: str, looked: int, following: int | None) -> None:
    tx.run("delete from core.schedule_marks where schedule_id = ?", schedule_id)
    tx.run(
        "insert into core.schedule_marks values (?, make_timestamp(?), make_timestamp(?), ?)",
        schedule_id, looked, following, tx.next_seq(),
    )  # fmt: skip


def _states(tx: Transaction, schedule_id: str, nominal: list[int]) -> dict[int, str]:
    """How nominal times stand of which something is known."""
    found = tx.rows(
        "select epoch_us(nominal), arg_max(act, seq) from core.fire_acts"
        " where schedule_id = ? and nominal in (select make_timestamp(unnest(?::bigint[]))) group by nominal",
        schedule_id, nominal,
    )  # fmt: skip
    return dict(found)


def _open(tx: Transaction, where: str, *values: object) -> list[_Open]:
    rows = tx.rows(
        "select schedule_id::varchar, epoch_us(nominal), epoch_us(due), cause, state, attempt_id::varchar, tries from core.open_fires"  # noqa: S608 - our own words
        f" where {where} order by nominal",
        *values,
    )
    return [_Open(*row) for row in rows]


def _refusal(request: Claim, state: str | None, running: list[_Open]) -> str:
    """Why an attempt may not begin."""
    if state == "running":
        return "running"
    if state == "done" and not request.force:
        return "done"
    if state in {"failed", "stopped", "missed", "skipped"} and not (request.again or request.force):
        return "over"
    if state is None and request.cause == "schedule":
        return "over"
    # A backfill beside them keeps no times from being run.
    alike = [one for one in running if one.cause == request.cause]
    if request.cause == "schedule" and any(one.schedule_id == request.schedule_id for one in alike):
        return "busy"
    return "full" if len(alike) >= request.parallel else ""


def _elsewhere(tx: Transaction, host: str) -> bool:
    return bool(tx.rows("select 1 from core.scheduler where host <> ?", host))


def _note(tx: Transaction, schedule_id: str, nominal: int, act: str, **said: Any) -> None:
    fields = ("attempt_id", "run_id", "outcome", "exit_status", "host", "message")
    tx.add(
        _ACTS, schedule_id, nominal, act, *(said.get(field) for field in fields), tx.time, tx.actor.name, tx.next_seq()
    )  # fmt: skip


def _over(tx: Transaction, one: _Open, act: str, **said: Any) -> None:
    _note(tx, one.schedule_id, one.nominal, act, **said)
    tx.run(
        "delete from core.open_fires where schedule_id = ? and nominal = make_timestamp(?)", one.schedule_id, one.nominal
    )  # fmt: skip


def _tell(tx: Transaction, name: str, nominal: int, why: str) -> None:
    _signal(
        tx,
        name,
        {FAILED: ("broken", "warn", f"The run that was due at {at(nominal):%Y-%m-%d %H:%M} UTC failed: {why}")},
    )


def _well(tx: Transaction, name: str) -> None:
    """A good fire ends what was wrong before; of a schedule that never had trouble nothing needs to be kept."""
    subject = f"pipeline:{name}"
    if tx.rows("select 1 from main.incidents where subject = ? and status = 'open' limit 1", subject):
        _signal(tx, name, dict.fromkeys((MISSED, FAILED), ("fine", "info", "It ran as it should.")))


def _signal(tx: Transaction, name: str, said: dict[str, tuple[State, Severity, str]]) -> None:
    """Keep what became of a fire, as a window that begins now and that nothing else has."""
    subject = f"pipeline:{name}"
    last = tx.rows("select epoch_us(max(window_start)) from core.signals where subject = ?", subject)[0][0]
    start = max(tx.time, (last or 0) + 1)
    signals = [Signal(one, "run", *told, start, start + 1) for one, told in said.items()]
    monitoring.keep(tx, KeepSignals(subject=subject, signals=signals))
