"""What the owner does about pipelines: keeps what happens to their tasks, and lets one run at a time be at a step."""

from __future__ import annotations

import msgspec

from nbops.errors import Conflict, NotFound, ReviewRefused, UsageError
from nbops.events import MonitoringChanged, PipelineReleased, StepDecided
from nbops.monitoring import commands as monitoring
from nbops.notify import outbox
from nbops.pipelines.requests import (
    AskApproval,
    Claim,
    Decide,
    EndPipelineRun,
    HoldPolicy,
    KeepActs,
    KeepProducts,
    KeepRelease,
    OpenPipelineRun,
    Product,
    Release,
    RollBackRelease,
)
from nbops.records import short
from nbops.store import witness
from nbops.store.commands import Bulk, Transaction, command

_ACTS = Bulk.into(
    "core.step_acts", run_id="uuid", task="varchar", step="varchar", act="varchar", attempt="integer", step_run_id="uuid",
    failure_class="varchar", sentence="varchar", healed="boolean", stale_since="us", seconds="double", time="us", seq="bigint",
)  # fmt: skip


@command(OpenPipelineRun)
def open_run(tx: Transaction, request: OpenPipelineRun) -> None:
    """Keep what the run is of, the first time that it is opened."""
    if tx.rows("select 1 from core.pipeline_runs where run_id = ?", request.run_id):
        return
    if not tx.rows("select 1 from core.runs where run_id = ?", request.run_id):
        raise NotFound(f"There is no run {request.run_id}.", hint="`nbops runs list` shows the runs.")
    tx.run(
        "insert into core.pipeline_runs values (?, ?, ?, ?, make_timestamp(?::bigint), ?, ?, ?)",
        request.run_id, request.pipeline, request.folder, request.trigger, request.nominal, request.release, request.definition,
        tx.next_seq(),
    )  # fmt: skip


@command(KeepActs)
def keep(tx: Transaction, request: KeepActs) -> None:
    """Append them."""
    _known(tx, request.run_id)
    for did in request.acts:
        tx.add(
            _ACTS, request.run_id, did.task, did.step, did.act, did.attempt, did.step_run_id, did.failure_class, did.sentence, did.healed,
            did.stale_since, did.seconds, request.time, tx.next_seq(),
        )  # fmt: skip


@command(EndPipelineRun)
def end(tx: Transaction, request: EndPipelineRun) -> None:
    """Append how it ended; it may go on and end again."""
    _known(tx, request.run_id)
    tx.run(
        "insert into core.pipeline_ends values (?, ?, ?, make_timestamp(?), ?)",
        request.run_id, request.outcome, request.sentence, request.time, tx.next_seq(),
    )  # fmt: skip
    tx.run("delete from core.claims where run_id = ?", request.run_id)


@command(KeepProducts)
def keep_products(tx: Transaction, request: KeepProducts) -> int:
    """Keep what changed for each of them, and tell each consumer once of all that concerns it."""
    _known(tx, request.run_id)
    name = str(tx.rows("select pipeline from core.pipeline_runs where run_id = ?", request.run_id)[0][0])
    told: dict[tuple[str, bool], list[Product]] = {}
    for one in request.products:
        found = tx.rows("select 1 from main.stale_products where path = ?", one.path)
        if bool(found) == (one.stale_since is not None):
            continue
        tx.run(
            "insert into core.product_acts values (?, ?, ?, make_timestamp(?), ?, ?, ?, make_timestamp(?), ?)",
            one.path, name, one.name, one.stale_since, one.sentence, one.to, request.run_id, request.time, tx.next_seq(),
        )  # fmt: skip
        for recipient in dict.fromkeys(one.to):
            told.setdefault((recipient, one.stale_since is not None), []).append(one)
    for (recipient, old), products in told.items():
        _tell_consumer(tx, name, recipient, products, request.run_id, old=old)
    return len(told)


def _tell_consumer(
    tx: Transaction, pipeline: str, recipient: str, products: list[Product], run_id: str, *, old: bool
) -> None:
    what = " and ".join(dict.fromkeys(one.name for one in products))
    lines = list(dict.fromkeys(one.sentence for one in products)) if old else [f"Run {short(run_id)} made it anew."]
    closing = "You hear of it again when it is fresh." if old else ""
    outbox.put(
        tx, "product old" if old else "product fresh", f"pipeline:{pipeline}", [recipient],
        f"{what} of {pipeline}: {'old data' if old else 'fresh again'}", *lines, *([closing] if closing else []),
    )  # fmt: skip


@command(Claim)
def claim(tx: Transaction, request: Claim) -> str | None:
    """Give it the key, unless a run that goes on has it."""
    held = tx.rows(
        "select c.run_id::varchar from core.claims c join core.runs r on r.run_id = c.run_id"
        " where c.key = ? and c.run_id <> ?::uuid and r.status = 'running'",
        request.key, request.run_id,
    )  # fmt: skip
    if held:
        return str(held[0][0])
    tx.run("delete from core.claims where key = ?", request.key)
    tx.run("insert into core.claims values (?, ?, make_timestamp(?))", request.key, request.run_id, tx.time)
    return None


@command(Release)
def release(tx: Transaction, request: Release) -> None:
    """Give it up."""
    tx.run("delete from core.claims where key = ? and run_id = ?", request.key, request.run_id)


@command(AskApproval)
def ask(tx: Transaction, request: AskApproval) -> None:
    """Keep that the task waits, and tell those who may decide."""
    _known(tx, request.run_id)
    if _open(tx, request.run_id, request.task):
        return
    tx.run(
        "insert into core.step_requests values (?, ?, ?, ?, make_timestamp(?), make_timestamp(?), ?, ?)",
        request.run_id, request.task, request.asks, request.approvers, request.expires, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    name = str(tx.rows("select pipeline from core.pipeline_runs where run_id = ?", request.run_id)[0][0])
    outbox.put(
        tx, "proposed", f"pipeline:{name}", request.approvers or [outbox.REVIEWERS], f"{name} waits for approval of {request.task}",
        request.asks or f"{request.task} runs when somebody approves it.", f"`nbops pipeline approve {short(request.run_id)}` does.",
    )  # fmt: skip


@command(Decide)
def decide(tx: Transaction, request: Decide) -> None:
    """Record a person's decision. Raises Conflict when nothing waits any more, ReviewRefused for who may not decide."""
    tx.personal(f"To {request.decision} a step")
    _known(tx, request.run_id)
    waiting = _open(tx, request.run_id, request.task)
    if not waiting:
        raise Conflict(
            f"{request.task} of run {short(request.run_id)} does not wait for anybody.",
            hint="`nbops status` shows what does.",
        )
    approvers, expires = waiting
    if expires <= tx.time:
        raise Conflict(f"The time to decide on {request.task} is over.", hint="`nbops pipeline resume` asks again.")
    if approvers and tx.actor.name not in approvers:
        raise ReviewRefused(
            f"{tx.actor.name} may not decide on {request.task}.",
            hint=f"These may: {', '.join(approvers)}.",
            code="review",
        )
    if not request.reason.strip():
        raise UsageError(f"To {request.decision} needs words.", hint="Say why, for those who read it later.")
    tx.run(
        "insert into core.step_decisions values (?, ?, ?, ?, make_timestamp(?), ?, ?)",
        request.run_id, request.task, request.decision, request.reason.strip(), tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, step_decisions=tx.seq)
    event = StepDecided(
        subject=f"run:{request.run_id}", run_id=request.run_id, task=request.task, decision=request.decision,
        reason=request.reason.strip(), rows=put,
    )  # fmt: skip
    tx.event(event)


@command(HoldPolicy)
def hold_policy(tx: Transaction, request: HoldPolicy) -> None:
    """Keep it, unless it is in force already."""
    subject, text = f"pipeline:{request.pipeline}", msgspec.json.encode(request.policy).decode()
    if msgspec.json.encode(monitoring.policy_of(tx, subject)).decode() == text:
        return
    tx.run(
        "insert into core.monitor_policies values (?, ?, ?, make_timestamp(?), ?, ?)",
        subject, text, "pipeline.yaml says so", tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, monitor_policies=tx.seq)
    tx.event(MonitoringChanged(subject=subject, policy=text, why="pipeline.yaml says so", rows=put))


@command(KeepRelease)
def keep_release(tx: Transaction, request: KeepRelease) -> int:
    """Number it, and let it be the current one."""
    tx.personal("To release a pipeline")
    if not request.why.strip():
        raise UsageError("A release needs a reason.", hint="Say what is new, for those who read it later: --reason …")
    current = _current(tx, request.pipeline)
    same = tx.rows("select digest from core.releases where pipeline = ? and number = ?", request.pipeline, current)
    if same and same[0][0] == request.digest:
        return current
    last = tx.rows("select coalesce(max(number), 0) from core.releases where pipeline = ?", request.pipeline)[0][0]
    number = int(last) + 1
    tx.run(
        "insert into core.releases values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, make_timestamp(?), ?, ?)",
        request.release_id, request.pipeline, number, request.folder, request.digest, msgspec.json.encode(request.files).decode(),
        request.environment, request.commit, request.dirty, request.why.strip(), tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    kept = tx.seq
    _make_current(tx, request.pipeline, number, "released", request.digest, request.why.strip(), kept)
    return number


@command(RollBackRelease)
def roll_back(tx: Transaction, request: RollBackRelease) -> int:
    """Let an earlier one be current. Raises NotFound, Conflict, UsageError without a reason."""
    tx.personal("To roll a release back")
    if not request.why.strip():
        raise UsageError("To roll back needs a reason.", hint="Say why, for those who read it later: --reason …")
    current, number = _current(tx, request.pipeline), request.number
    if number is None:
        before = "select number from core.releases where pipeline = ? and number < ? order by number desc limit 1"
        found = tx.rows(before, request.pipeline, current)
        if not found:
            before_it = f" before {current}" if current else ""
            raise Conflict(
                f"{request.pipeline} has no release{before_it}.", hint="`nbops pipeline releases` lists what there is."
            )
        number = int(found[0][0])
    rows = tx.rows("select digest from core.releases where pipeline = ? and number = ?", request.pipeline, number)
    if not rows:
        raise NotFound(
            f"There is no release {number} of {request.pipeline}.", hint="`nbops pipeline releases` lists them."
        )
    if number == current:
        raise Conflict(f"Release {number} of {request.pipeline} is the current one.", hint="There is nothing to do.")
    _make_current(tx, request.pipeline, number, "rolled back", rows[0][0], request.why.strip())
    return number


def _current(tx: Transaction, pipeline: str) -> int:
    """Its number; 0 when there is none."""
    found = tx.rows("select coalesce(arg_max(number, seq), 0) from core.release_acts where pipeline = ?", pipeline)
    return int(found[0][0])


def _make_current(
    tx: Transaction, pipeline: str, number: int, act: str, digest: str, why: str, kept: int | None = None
) -> None:
    tx.run(
        "insert into core.release_acts values (?, ?, ?, ?, make_timestamp(?), ?, ?)",
        pipeline, number, act, why, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, release_acts=tx.seq, **({"releases": kept} if kept is not None else {}))
    tx.event(PipelineReleased(subject=f"pipeline:{pipeline}", number=number, act=act, digest=digest, why=why, rows=put))


def _known(tx: Transaction, run_id: str) -> None:
    def load() -> bool:
        if not tx.rows("select 1 from core.pipeline_runs where run_id = ?", run_id):
            raise NotFound(
                f"There is no run {run_id} of a pipeline.", hint="`nbops status` shows those that there are."
            )
        return True

    tx.cached("pipeline run", run_id, load)


def _open(tx: Transaction, run_id: str, task: str) -> tuple[list[str], int] | None:
    """Who may decide on it, and until when; None when it does not wait."""
    found = tx.rows(
        "select approvers, epoch_us(expires) from core.step_requests q where run_id = ? and task = ? and not exists ("
        "select 1 from core.step_decisions d where d.run_id = q.run_id and d.task = q.task and d.seq > q.seq) order by seq desc limit 1",
        run_id, task,
    )  # fmt: skip
    return (list(found[0][0]), int(found[0][1])) if found else None
