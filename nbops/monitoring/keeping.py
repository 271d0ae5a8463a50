"""What the owner does about what monitoring found: a window is there with everything that belongs to it, or not at all."""

from __future__ import annotations

from nbops.errors import Conflict, NotFound
from nbops.events import RetrainActed, RetrainAsked, WindowJudged
from nbops.monitoring import commands
from nbops.monitoring.kept import (
    ActOnRetrain,
    AskRetrain,
    DriftRow,
    EndMonitoring,
    KeepBaseline,
    KeepWindow,
    PerformanceRow,
)
from nbops.monitoring.requests import Change, KeepSignals
from nbops.monitoring.windows import months_before, zone
from nbops.records import at, new_id
from nbops.store import witness
from nbops.store.commands import Bulk, Transaction, command

_PROFILES = Bulk.into(
    "core.profiles", model="varchar", version="integer", kind="varchar", start="us", until="us", rows="bigint", profile="varchar",
    variation="varchar", time="us", actor="varchar", seq="bigint",
)  # fmt: skip
_TEXTS = ("slice", "column", "verdict", "sentence", "metric", "kind", "unit", "standing")


def _of(table: str, kind: type[DriftRow | PerformanceRow], **renamed: str) -> Bulk:
    types = {
        name: "varchar" if name in _TEXTS else "bigint" if name == "rows" else "double"
        for name in kind.__struct_fields__
    }
    columns = {renamed.get(name, name): told for name, told in types.items()}
    listed = ", ".join(f'"{name}"' for name in ("window_id", *columns))
    return Bulk(f"insert into {table} ({listed}) select * from {{rows}}", window_id="uuid", **columns)  # noqa: S608 - of our own making


_DRIFT = _of("core.drift", DriftRow, column="column_name")
_PERFORMANCE = _of("core.performance", PerformanceRow)
_CHECKS = Bulk.into(
    "core.checks", window_id="uuid", kind="varchar", rule="varchar", outcome="varchar", broken="bigint", rows="bigint", sentence="varchar",
    author="varchar",
)  # fmt: skip
_OPEN = ("requested", "blocked", "started", "trained", "waiting")
"""The states of a wish for a retraining of which something is still to come."""
_QUALITY = ("performance", "estimate")


@command(KeepBaseline)
def keep_baseline(tx: Transaction, request: KeepBaseline) -> None:
    """Keep what a version is held against, unless it is that already."""
    known = "select profile, variation from main.profiles where model = ? and version = ? and kind = 'reference'"
    if (request.profile, request.variation) in tx.rows(known, request.model, request.version):
        return
    tx.add(
        _PROFILES, request.model, request.version, "reference", None, None, request.rows, request.profile, request.variation, tx.time,
        tx.actor.name, tx.next_seq(),
    )  # fmt: skip


@command(KeepWindow)
def keep_window(tx: Transaction, request: KeepWindow) -> list[Change]:
    """Keep what was found, judge what it does to incidents, and ask for a retraining where one opened; unless more is known already."""
    model, version = request.model, request.version
    newer = tx.rows(
        "select 1 from main.monitor_windows where model = ? and version = ? and every = ? and start = make_timestamp(?) and place > ?",
        model, version, request.every, request.start, request.place,
    )  # fmt: skip
    if newer:
        # Somebody who knew more looked at it meanwhile.
        return []
    # Days of a window that is looked at again are others now, or have no rows any more.
    tx.run(
        """
        delete from core.profiles
        where model = ? and version = ? and kind = 'day' and start >= make_timestamp(?) and until <= make_timestamp(?)
        """,
        model, version, request.start, request.until,
    )  # fmt: skip
    for day in request.days:
        tx.add(
            _PROFILES, model, version, "day", day.start, day.until, day.rows, day.profile, None, tx.time, tx.actor.name, tx.next_seq()
        )  # fmt: skip
    tx.run(
        """
        insert into core.monitor_windows
        values (?, ?, ?, ?, make_timestamp(?), make_timestamp(?), ?, ?, ?, ?, ?, make_timestamp(?), ?, ?)
        """,
        request.window_id, model, version, request.every, request.start, request.until, request.rows, request.labelled, request.baseline,
        request.report_sha256, request.place, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, monitor_windows=tx.seq)
    for drift in request.drift:
        tx.add(_DRIFT, request.window_id, *(getattr(drift, name) for name in DriftRow.__struct_fields__))
    for one in request.performance:
        tx.add(_PERFORMANCE, request.window_id, *(getattr(one, name) for name in PerformanceRow.__struct_fields__))
    for check in request.checks:
        tx.add(
            _CHECKS, request.window_id, check.kind, check.rule, check.outcome, check.broken, check.rows, check.sentence, check.author
        )  # fmt: skip
    tx.event(
        WindowJudged(
            subject=f"model:{model}",
            version=version,
            start=request.start,
            until=request.until,
            report=request.report_sha256,
            rows=put,
        )
    )
    changes: list[Change] = commands.keep(tx, KeepSignals(subject=f"model:{model}", signals=request.signals))
    for change in changes:
        if change.act == "opened" and change.cause.partition(":")[0] in _QUALITY:
            _wish(tx, request, change)
    return changes


@command(EndMonitoring)
def end(tx: Transaction, request: EndMonitoring) -> None:
    """Remember how far was looked."""
    tx.run(
        "insert into core.monitor_runs values (?, ?, ?, make_timestamp(?), ?, make_timestamp(?), ?, ?)",
        request.model, request.version, request.place, request.until, request.windows, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip


@command(AskRetrain)
def ask(tx: Transaction, request: AskRetrain) -> str:
    """Keep a wish, unless one stands already."""
    return _ask(tx, request, None, None)


@command(ActOnRetrain)
def act(tx: Transaction, request: ActOnRetrain) -> None:
    """Keep what became of a wish."""
    found = tx.rows("select model, state from main.retrain_requests where request_id = ?", request.request_id)
    if not found:
        raise NotFound(
            f"There is no request {request.request_id} for a retraining.",
            hint="`select * from retrain_requests` shows them.",
        )
    model, state = found[0]
    if state != request.expected:
        raise Conflict(
            f"The request is {state} by now, not {request.expected}.", hint="Somebody else is at it: look again."
        )
    if request.act == "withdrawn":
        tx.personal(f"To withdraw a request for a retraining of {model}")
    tx.run(
        "insert into core.retrain_acts values (?, ?, ?, ?, ?, ?, ?, make_timestamp(?), ?, ?)",
        request.request_id, request.act, request.run_id, request.version, request.review_id, request.message, request.verdict, tx.time,
        tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, retrain_acts=tx.seq)
    tx.event(
        RetrainActed(
            subject=f"model:{model}", request_id=request.request_id, act=request.act, run_id=request.run_id, version=request.version,
            review_id=request.review_id, message=request.message, rows=put,
        )
    )  # fmt: skip


def _wish(tx: Transaction, window: KeepWindow, change: Change) -> None:
    """A wish for the full months before the window with which it opened ends, where the policy has a notebook for it."""
    policy = commands.policy_of(tx, f"model:{window.model}")
    if policy.retrain.notebook is None:
        return
    months = months_before(at(window.until), policy.retrain.months, zone(policy.timezone))
    sentence = tx.rows("select text from main.incidents where incident_id = ?", change.incident_id)[0][0]
    request = AskRetrain(
        request_id=new_id(), model=window.model, cause="person", reason=sentence, data_from=months.span[0], data_until=months.span[1]
    )  # fmt: skip
    _ask(tx, request, change.incident_id, window.version)


def _ask(tx: Transaction, request: AskRetrain, incident_id: str | None, version: int | None) -> str:
    standing = tx.rows(
        "select request_id::varchar from main.retrain_requests where model = ? and state in ? order by created limit 1",
        request.model, [*_OPEN],
    )  # fmt: skip
    if standing:
        return str(standing[0][0])
    if not tx.rows("select 1 from core.models where name = ?", request.model):
        raise NotFound(f"There is no model {request.model!r}.", hint="`nbops models list` shows what there is.")
    cause = "incident" if incident_id else request.cause
    tx.run(
        "insert into core.retrain_requests values (?, ?, ?, ?, ?, ?, make_timestamp(?), make_timestamp(?), make_timestamp(?), ?, ?)",
        request.request_id, request.model, cause, incident_id, version, request.reason, request.data_from, request.data_until, tx.time,
        tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    put = witness.rows(tx, retrain_requests=tx.seq)
    tx.event(
        RetrainAsked(
            subject=f"model:{request.model}", request_id=request.request_id, cause=cause, incident_id=incident_id, reason=request.reason,
            rows=put,
        )
    )  # fmt: skip
    return request.request_id
