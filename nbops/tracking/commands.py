"""What the owner does about runs. References are checked here, where alone things are written."""

from __future__ import annotations

import array
import socket
from pathlib import Path

import msgspec

from nbops.errors import NotFound, UsageError
from nbops.events import MetricDefined, RunDeleted, RunLost, RunRenamed, RunRestored
from nbops.records import NO_STEP, Param, Series, Tag, new_id
from nbops.store.commands import Bulk, Transaction, command, patrol
from nbops.store.places import Places, locked
from nbops.tracking.requests import (
    AdoptRun,
    ChangeRun,
    DefineMetric,
    EndRun,
    Facts,
    KeepKey,
    LogRun,
    ReopenRun,
    StartRun,
)

_EXPERIMENTS = Bulk.into("core.experiments", experiment_id="uuid", name="varchar", created="us", seq="bigint")
_RUNS = Bulk.into(
    "core.runs", run_id="uuid", experiment_id="uuid", parent_id="uuid", name="varchar", status="varchar", started="us",
    ended="us", cause="varchar", actor="varchar", host="varchar", pid="bigint", source="varchar", cell="varchar",
    commit_hash="varchar", dirty="boolean", environment="varchar", failure_class="varchar", exit_status="smallint",
    peak_memory="bigint", cpu_seconds="double", deleted="boolean", seq="bigint",
)  # fmt: skip
_ADOPTIONS = Bulk(
    """
    update core.runs set
        experiment_id = coalesce(r.experiment_id, runs.experiment_id), name = coalesce(r.name, runs.name),
        cell = coalesce(r.cell, runs.cell)
    from {rows} r where runs.run_id = r.run_id
    """,
    run_id="uuid", experiment_id="uuid", name="varchar", cell="varchar",
)  # fmt: skip
_FACTS = Bulk(
    """
    update core.runs set
        commit_hash = coalesce(r.commit_hash, runs.commit_hash), dirty = coalesce(r.dirty, runs.dirty),
        environment = coalesce(r.environment, runs.environment)
    from {rows} r where runs.run_id = r.run_id
    """,
    run_id="uuid", commit_hash="varchar", dirty="boolean", environment="varchar",
)  # fmt: skip
# Only a run that goes on can end; what was taken for lost and speaks after all knows better.
_ENDS = Bulk(
    """
    update core.runs set
        status = r.status, ended = r.ended, cause = r.cause, failure_class = r.failure_class, exit_status = r.exit_status,
        peak_memory = r.peak_memory, cpu_seconds = r.cpu_seconds
    from {rows} r where runs.run_id = r.run_id and runs.status in ('running', 'lost')
    """,
    run_id="uuid", status="varchar", ended="us", cause="varchar", failure_class="varchar", exit_status="smallint",
    peak_memory="bigint", cpu_seconds="double",
)  # fmt: skip
_PARAMS = Bulk.into(
    "core.params", run_id="uuid", key="varchar", value="varchar", kind="varchar", time="us", seq="bigint"
)
_METRICS = Bulk.into(
    "core.metrics", run_id="uuid", key="varchar", value="double", step="bigint", time="us", seq="bigint"
)
# From here on a column of raw bytes is faster than a list of Python numbers, and worth importing pyarrow for.
_MANY = 5_000
_LOAD_METRICS = "insert into core.metrics select ?, ?, value, nullif(step, ?), make_timestamp(time), seq from incoming"
_TAGS = Bulk.into("core.tags", run_id="uuid", key="varchar", value="varchar", time="us", seq="bigint")
_ARTIFACTS = Bulk.into(
    "core.artifacts", run_id="uuid", path="varchar", sha256="varchar", size="bigint", kind="varchar", media_type="varchar",
    time="us", seq="bigint",
)  # fmt: skip
_DATASETS = Bulk.into(
    "core.datasets", digest="varchar", name="varchar", source="varchar", rows="bigint", columns="varchar", seq="bigint"
)
_INPUTS = Bulk.into("core.inputs", run_id="uuid", digest="varchar", name="varchar", seq="bigint")
_KEYS = Bulk.into(
    "core.run_keys", run_id="uuid", notebook="varchar", static_key="varchar", key="varchar", skippable="boolean", reason="varchar",
    parts="varchar", seq="bigint",
)  # fmt: skip
_OUTPUTS = Bulk.into("core.outputs", run_id="uuid", name="varchar", path="varchar", digest="varchar", seq="bigint")
_DEFINITIONS = Bulk.into(
    "core.metric_definitions", key="varchar", better="varchar", unit="varchar", description="varchar", seq="bigint"
)  # fmt: skip


@command(StartRun)
def start(tx: Transaction, request: StartRun) -> None:
    """Insert the run, and its experiment if that is new."""
    if request.parent_id:
        known(tx, request.parent_id)
    seq, facts = tx.next_seq(), request.facts or Facts()
    tx.add(
        _RUNS, request.run_id, _experiment(tx, request.experiment), request.parent_id, request.name, request.status, request.started,
        request.ended, request.cause, tx.actor.name, request.host, request.pid, request.source, request.cell, facts.commit, facts.dirty,
        facts.environment, request.failure_class, request.exit_status, request.peak_memory, request.cpu_seconds, False, seq,
    )  # fmt: skip
    tx.remember("run", request.run_id, True)
    _texts(tx, request.run_id, request.started, request.params, request.tags)


@command(LogRun)
def log(tx: Transaction, request: LogRun) -> None:
    """Append whatever the request carries."""
    run_id = request.run_id
    known(tx, run_id)
    _texts(tx, run_id, request.time, request.params, request.tags)
    for series in request.metrics:
        _points(tx, run_id, series)
    for item in request.artifacts:
        tx.add(
            _ARTIFACTS, run_id, item.path, item.sha256, item.size, item.kind, item.media_type, request.time, tx.next_seq()
        )  # fmt: skip
    for row in request.inputs:
        seq, data = tx.next_seq(), row.dataset
        tx.add(
            _DATASETS, data.digest, data.name, data.source, data.rows, msgspec.json.encode(data.columns).decode(), seq
        )
        tx.add(_INPUTS, run_id, data.digest, row.name, seq)
    if request.facts:
        tx.add(_FACTS, run_id, request.facts.commit, request.facts.dirty, request.facts.environment)


@command(EndRun)
def end(tx: Transaction, request: EndRun) -> None:
    """Close the run."""
    known(tx, request.run_id)
    # The statement sees what was committed; of two ends in one group it would take the last.
    if not tx.cached("end", request.run_id, lambda: None):
        tx.add(
            _ENDS, request.run_id, request.status, request.ended, request.cause, request.failure_class, request.exit_status,
            request.peak_memory, request.cpu_seconds,
        )  # fmt: skip
        if request.status != "lost":
            tx.remember("end", request.run_id, True)


@command(KeepKey)
def keep_key(tx: Transaction, request: KeepKey) -> None:
    """Append the key and what was written."""
    known(tx, request.run_id)
    tx.add(
        _KEYS, request.run_id, request.notebook, request.static_key, request.key, request.skippable, request.reason, request.parts,
        tx.next_seq(),
    )  # fmt: skip
    for row in request.outputs:
        tx.add(_OUTPUTS, request.run_id, row.name, row.path, row.digest, tx.next_seq())


@command(ReopenRun)
def reopen(tx: Transaction, request: ReopenRun) -> None:
    """Let it run again, in the process that asks."""
    known(tx, request.run_id)
    tx.run(
        "update core.runs set status = 'running', ended = null, cause = null, host = ?, pid = ? where run_id = ?",
        request.host, request.pid, request.run_id,
    )  # fmt: skip
    tx.remember("end", request.run_id, False)


@command(AdoptRun)
def adopt(tx: Transaction, request: AdoptRun) -> list[tuple[str, str, str]]:
    """Give the run the kernel's experiment and name; answers with (key, value, kind) of the params it has."""
    known(tx, request.run_id)
    experiment = _experiment(tx, request.experiment) if request.experiment else None
    tx.add(_ADOPTIONS, request.run_id, experiment, request.name, request.cell)
    params = tx.rows("select key, value, kind from main.params where run_id = ?", request.run_id)
    _texts(tx, request.run_id, request.time, request.params, request.tags)
    return [(str(key), str(value), str(kind)) for key, value, kind in params]


@command(ChangeRun)
def change(tx: Transaction, request: ChangeRun) -> None:
    """Rename, hide or bring back; each change that is one becomes an event."""
    found = tx.rows("select name, deleted from core.runs where run_id = ?", request.run_id)
    if not found:
        raise _no_run(request.run_id)
    (name, deleted), subject = found[0], f"run:{request.run_id}"
    if request.name is not None and request.name != name:
        tx.run("update core.runs set name = ? where run_id = ?", request.name, request.run_id)
        tx.event(RunRenamed(subject=subject, before=name, after=request.name))
    if request.deleted is not None and request.deleted != deleted:
        tx.run("update core.runs set deleted = ? where run_id = ?", request.deleted, request.run_id)
        tx.event(RunDeleted(subject=subject) if request.deleted else RunRestored(subject=subject))


@command(DefineMetric)
def define_metric(tx: Transaction, request: DefineMetric) -> None:
    """Append the definition."""
    tx.add(_DEFINITIONS, request.key, request.better, request.unit, request.description, tx.next_seq())
    tx.event(MetricDefined(subject=f"metric:{request.key}", better=request.better, unit=request.unit))


@patrol
def close_lost(tx: Transaction, places: Places) -> None:
    """End the runs of this host whose runner is dead: the lock that it held on its run's marker is free.

    The marker holds the run's beginning, for the case that the runner died before it could be sent.
    """
    here = socket.gethostname()
    for run_id, pid in tx.rows(
        "select run_id::varchar, pid from core.runs where status = 'running' and host = ?", here
    ):
        if not _alive(places.alive / run_id, pid):
            tx.add(_ENDS, run_id, "lost", tx.time, _LOST.format(pid=pid), "kernel_death", None, None, None)
            tx.event(RunLost(subject=f"run:{run_id}", host=here, pid=pid))
    for marker in places.alive.iterdir() if places.alive.is_dir() else ():
        if not _alive(marker, 0):
            _bury(tx, marker)


_LOST = "process {pid} ended without closing the run"


def _bury(tx: Transaction, marker: Path) -> None:
    """A run that is in the store already needs its marker no more."""
    if tx.rows("select 1 from core.runs where run_id::varchar = ?", marker.name):
        marker.unlink(missing_ok=True)
        return
    try:
        request = msgspec.msgpack.decode(marker.read_bytes(), type=StartRun)
    except (msgspec.DecodeError, FileNotFoundError):
        # Cut off while it was written, or removed by its runner this very moment: nobody was told that this run began.
        marker.unlink(missing_ok=True)
        return
    lost = msgspec.structs.replace(
        request, status="lost", ended=tx.time, cause=_LOST.format(pid=request.pid), failure_class="kernel_death"
    )  # fmt: skip
    start(tx, lost)
    tx.event(RunLost(subject=f"run:{request.run_id}", host=request.host, pid=request.pid))


def _alive(lock: Path, pid: int) -> bool:
    try:
        return locked(lock)
    except FileNotFoundError:
        # A folder that could not be written had no room for a lock.
        return Path(f"/proc/{pid}").exists()


def _texts(tx: Transaction, run_id: str, time: int, params: list[Param], tags: list[Tag]) -> None:
    for param in params:
        tx.add(_PARAMS, run_id, param.key, param.value, param.kind, time, tx.next_seq())
    for tag in tags:
        tx.add(_TAGS, run_id, tag.key, tag.value, time, tx.next_seq())


def _points(tx: Transaction, run_id: str, series: Series) -> None:
    count = len(series.values) // 8
    if not len(series.values) == len(series.steps) == len(series.times) == count * 8:
        raise UsageError(
            f"The columns of metric {series.key!r} differ in length.", hint="Send as many steps and times as values."
        )
    first = tx.next_seqs(count)
    if count > _MANY:
        seqs = array.array("q", range(first, first + count)).tobytes()
        columns = {
            "value": ("d", series.values),
            "step": ("q", series.steps),
            "time": ("q", series.times),
            "seq": ("q", seqs),
        }
        tx.load(_LOAD_METRICS, [run_id, series.key, NO_STEP], count, **columns)
        return
    values, steps, times = (
        _column(kind, raw) for kind, raw in (("d", series.values), ("q", series.steps), ("q", series.times))
    )
    tx.add_columns(
        _METRICS, count, run_id, series.key, values, [None if step == NO_STEP else step for step in steps], times,
        range(first, first + count),
    )  # fmt: skip


def _column(kind: str, raw: bytes) -> list[float]:
    column: array.array[float] = array.array(kind)
    column.frombytes(raw)
    return column.tolist()


def _experiment(tx: Transaction, name: str) -> str:
    def load() -> str | None:
        rows = tx.rows("select experiment_id::varchar from core.experiments where name = ?", name)
        return rows[0][0] if rows else None

    found: str | None = tx.cached("experiment", name, load)
    if found is None:
        found = new_id()
        tx.add(_EXPERIMENTS, found, name, tx.time, tx.next_seq())
        tx.remember("experiment", name, found)
    return found


def known(tx: Transaction, run_id: str) -> None:
    """Raise NotFound unless there is this run."""
    if not tx.cached("run", run_id, lambda: tx.rows("select 1 from core.runs where run_id = ?", run_id) or None):
        raise _no_run(run_id)


def _no_run(run_id: str) -> NotFound:
    return NotFound(f"There is no run {run_id}.", hint="`nbops runs list` shows the runs of this project.")
