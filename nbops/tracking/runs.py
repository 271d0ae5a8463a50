"""Runs: beginning and joining one, finding one by what a person types, reading and changing it."""

from __future__ import annotations

import contextvars
import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from nbops.config import FIRE_VARIABLE
from nbops.errors import Ambiguous, NotFound, UsageError
from nbops.records import Param, Record, RunStatus, Tag, new_id, now_us, short
from nbops.render import view
from nbops.store import marks
from nbops.store.client import Store
from nbops.tracking import provenance
from nbops.tracking.recording import Recording, flush_run, in_background, open_recordings
from nbops.tracking.requests import AdoptRun, ChangeRun, StartRun
from nbops.tracking.values import experiment_name, param, run_name, tag

RUN_VARIABLE = marks.VARIABLE
"""Set by a runner for its kernel only: `RUN_ID@PID`, the run to join and the runner's process."""
_CANDIDATES = 5
# How late a busy runner may be.
_RUNNER_SECONDS = 5.0


class RunInfo(Record):
    """What the store knows about a run; times are UTC microseconds."""

    run_id: str
    experiment: str
    name: str
    status: RunStatus
    start_time: int
    cause: str | None = None
    end_time: int | None = None
    parent_run_id: str | None = None
    actor: str = ""
    host: str = ""
    source: str | None = None
    cell: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    environment: str | None = None
    deleted: bool = False


_entered: contextvars.ContextVar[tuple[Recording, ...]] = contextvars.ContextVar("nbops_entered", default=())
_by_site: dict[tuple[int, str], Recording] = {}
"""The run that a thread began last at a place in the code."""
_joined: list[Recording] = []


def begin(
    store: Store,
    experiment: str | None,
    *,
    name: str | None,
    params: Mapping[str, object] | None,
    tags: Mapping[str, object] | None,
    frame: FrameType,
) -> Recording:
    """Begin a run, or join the one that a runner has started for this kernel. Raises ParameterError."""
    where = provenance.place(frame)
    made = [param(key, value) for key, value in (params or {}).items()]
    labels = [tag(key, value) for key, value in (tags or {}).items()]
    experiment = None if experiment is None else experiment_name(experiment)
    name = None if name is None else run_name(name)
    joined = _join(store, experiment, name, where, made, labels)
    if joined is not None:
        return joined
    _end_previous(where.site)
    project = store.settings.project
    source = provenance.relative(where.source, project)
    folder = provenance.code_folder(where.source, project)
    recording = Recording(store, new_id(), params=made, folder=folder, source=where.source)
    request = StartRun(
        run_id=recording.run_id, experiment=experiment or provenance.experiment_of(where.source), name=name or "",
        started=now_us(), host=store.host, pid=os.getpid(), parent_id=_surrounding(), source=source, cell=where.cell, params=made,
        tags=labels,
    )  # fmt: skip
    begun(recording, request)
    if where.site:
        _by_site[threading.get_ident(), where.site] = recording
    return recording


FIRE_TAG = "nbops.fire"
"""The tag of a run that a schedule has begun, or went on with: the attempt's id."""


class Birth(Record):
    """What is known of a run before it begins."""

    run_id: str
    name: str = ""
    tags: dict[str, str] = {}


def begin_headless(
    store: Store,
    notebook: Path,
    *,
    params: Mapping[str, object],
    parent: str | None,
    birth: Birth | None = None,
    soon: bool = True,
) -> Recording:
    """Begin the run of a notebook that this process is about to execute; its kernel may join it.

    The store knows it on return, or if not `soon` within `tracking.flush_seconds`.
    """
    birth = birth or Birth(new_id())
    scheduled = fire()
    labels = {**birth.tags, FIRE_TAG: scheduled.attempt_id} if scheduled and not parent else birth.tags
    made = [param(key, value) for key, value in params.items()]
    recording = Recording(store, birth.run_id, params=made, folder=notebook.parent, source=str(notebook))
    source = provenance.relative(str(notebook), store.settings.project)
    request = StartRun(
        run_id=recording.run_id, experiment=provenance.experiment_of(source), name=birth.name, started=now_us(),
        host=store.host, pid=os.getpid(), parent_id=parent, source=source, params=made,
        tags=[tag(key, value) for key, value in labels.items()],
    )  # fmt: skip
    begun(recording, request)
    if soon:
        recording.flush()
    return recording


def reopen(store: Store, run_id: str, *, folder: Path) -> Recording:
    """Go on in this process with a run that has ended, or whose process died; a schedule's attempt is told as that which goes on."""
    known = info(store, run_id)
    recording = Recording(store, run_id, params=stored_params(store, run_id), folder=folder)
    request = StartRun(
        run_id=run_id, experiment=known.experiment, name=known.name, started=known.start_time, host=store.host, pid=os.getpid(),
        parent_id=known.parent_run_id, source=known.source,
        tags=[tag(FIRE_TAG, scheduled.attempt_id)] if (scheduled := fire()) else [],
    )  # fmt: skip
    recording.reopen(request)
    return recording


def begun(recording: Recording, request: StartRun) -> None:
    """Send the beginning of a run, its parent's first; commit and environment follow when they are found."""
    facts = provenance.known_facts(recording.store, recording.folder)
    if request.parent_id:
        flush_run(request.parent_id)
    recording.begin(msgspec.structs.replace(request, facts=facts))
    if facts is None:
        in_background(recording.find_facts)


def enter(recording: Recording) -> contextvars.Token[tuple[Recording, ...]]:
    """Let the runs that begin from now on in this context be its children."""
    recording.held = True
    return _entered.set((*_entered.get(), recording))


def leave(token: contextvars.Token[tuple[Recording, ...]]) -> None:
    """Undo `enter`."""
    _entered.reset(token)


def current() -> Recording:
    """The run that is meant when none is named: the innermost `with`, else the only open one. Raises UsageError."""
    entered = [recording for recording in _entered.get() if not recording.ended]
    if entered:
        return entered[-1]
    runs = open_recordings()
    if len(runs) == 1:
        return runs[0]
    if not runs:
        raise UsageError("No run is open.", hint="Begin one: run = nbops.start_run()")
    names = ", ".join(short(recording.run_id) for recording in runs)
    raise UsageError(
        f"{len(runs)} runs are open ({names}), so it is not clear which one is meant.",
        hint="Call the verb on the run: run.log_metric(…)",
    )


def find(store: Store, text: str) -> str:
    """The full id of the run that a person means by a full id, its last digits (4 or more) or its name. Raises NotFound or Ambiguous."""
    wanted = text.strip().lower()
    table = store.read(
        "select run_id::varchar, name, experiment, status from runs"
        " where run_id::varchar = ? or name = nullif(?, '') or (? >= 4 and ends_with(run_id::varchar, ?)) order by start_time desc limit ?",
        [wanted, text, len(wanted), wanted, _CANDIDATES + 1],
    )
    rows = [row for row in table.rows if row[0] == wanted] or table.rows
    if not rows:
        raise NotFound(
            f"There is no run {text!r}.",
            hint="`nbops runs list` shows the runs; use the last digits of an id, or a name.",
        )
    if len(rows) > 1:
        found = "; ".join(f"{short(run_id)} ({', '.join(filter(None, told))})" for run_id, *told in rows[:_CANDIDATES])
        many = len(rows) if len(rows) <= _CANDIDATES else f"more than {_CANDIDATES}"
        raise Ambiguous(f"{text!r} fits {many} runs.", hint=f"Use an id, or more of its digits. The newest: {found}")
    return str(rows[0][0])


def info(store: Store, run_id: str) -> RunInfo:
    """What the store knows about a run. Raises NotFound."""
    fields = RunInfo.__struct_fields__
    columns = ", ".join(f"epoch_us({f}) as {f}" if f.endswith("_time") else f'"{f}"' for f in fields)
    table = store.read(f"select {columns} from runs where run_id = ?", [run_id])  # noqa: S608 - our own field names
    if not table.rows:
        raise NotFound(f"There is no run {run_id!r}.", hint="`nbops runs list` shows the runs.")
    return msgspec.convert(dict(zip(fields, table.rows[0], strict=True)), RunInfo)


def params(store: Store, run_id: str) -> dict[str, object]:
    """The parameters of a run as they were logged."""
    return {item.key: value_of(item) for item in stored_params(store, run_id)}


def stored_params(store: Store, run_id: str) -> list[Param]:
    """The parameters of a run as they are kept."""
    table = store.read("select key, value, kind from params where run_id = ? order by key", [run_id])
    return [Param(*row) for row in table.rows]


def metrics(store: Store, run_id: str) -> dict[str, float]:
    """The last value of each metric of a run."""
    return dict(store.read("select key, value from latest_metrics where run_id = ? order by key", [run_id]).rows)


def tags(store: Store, run_id: str) -> dict[str, str]:
    """The tags of a run."""
    return dict(store.read("select key, value from tags where run_id = ? order by key", [run_id]).rows)


def change(store: Store, run_id: str, *, name: str | None = None, deleted: bool | None = None) -> None:
    """Rename, hide or bring back a run. Raises ParameterError for an unfit name."""
    if name is not None:
        run_name(name)
    store.write(ChangeRun(run_id=run_id, name=name, deleted=deleted))


def value_of(item: Param) -> object:
    """The value that a parameter's text and kind stand for."""
    if item.kind == "none":
        return None
    if item.kind == "bool":
        return item.value == "True"
    if item.kind == "int":
        return int(item.value)
    if item.kind == "float":
        return float(item.value)
    # Python's own JSON, which knows NaN and integers of any length.
    return json.loads(item.value) if item.kind == "json" else item.value


def invited() -> str | None:
    """The run that this process's runner wants it to join; a runner that this process starts takes it for its parent."""
    return os.environ.get(RUN_VARIABLE, "").partition("@")[0] or None


class Fire(Record):
    """What a schedule's process is run for: the attempt, schedule or backfill, and the nominal time (UTC microseconds)."""

    attempt_id: str
    cause: str
    nominal: int

    def __str__(self) -> str:
        return f"{self.attempt_id}@{self.cause}@{self.nominal}"


def fire() -> Fire | None:
    """For what a schedule has begun this process; None in processes that a person or an executed notebook has begun."""
    attempt_id, _, rest = os.environ.get(FIRE_VARIABLE, "").partition("@")
    cause, _, nominal = rest.partition("@")
    return Fire(attempt_id, cause, int(nominal)) if nominal.isdigit() and not invited() else None


def _join(
    store: Store,
    experiment: str | None,
    name: str | None,
    where: provenance.Place,
    params: list[Param],
    tags: list[Tag],
) -> Recording | None:
    if not _is_joinable():
        return None
    run_id = _runner()[0]
    request = AdoptRun(run_id=run_id, time=now_us(), experiment=experiment, name=name, cell=where.cell, tags=tags)
    known = _when_known(store, request)
    folder = provenance.code_folder(where.source, store.settings.project)
    params_there = [Param(*row) for row in known]
    recording = Recording(store, run_id, params=params_there, joined=True, folder=folder, source=where.source)
    recording.watch()
    recording.params({item.key: value_of(item) for item in params})
    _joined.append(recording)
    in_background(recording.find_facts)
    return recording


def is_awaited() -> bool:
    """Whether no run is open, and this kernel executes a notebook whose run would be joined by the next one that begins."""
    return not open_recordings() and _is_joinable()


def _is_joinable() -> bool:
    run_id, runner = _runner()
    return bool(run_id) and not _joined and not _entered.get() and _is_kernel_of(runner)


def _runner() -> tuple[str, str]:
    """The run that a runner has begun for this kernel, and the runner's process."""
    run_id, _, runner = os.environ.get(RUN_VARIABLE, "").partition("@")
    return run_id, runner


def _when_known(store: Store, request: AdoptRun) -> list[Any]:
    """The answer, for which the runner must have sent the run's beginning."""
    deadline = time.monotonic() + store.settings.tracking.flush_seconds + _RUNNER_SECONDS
    while True:
        try:
            return store.write(request)[0] or []
        except NotFound:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _is_kernel_of(runner: str) -> bool:
    """Whether the runner started this kernel: what a kernel starts inherits its environment, but leads no session."""
    if view.shell() is None:
        return False
    # A kernel that was forked from a server is no child of its runner.
    forked = os.environ.get("JPY_PARENT_PID") == runner and os.getpid() == os.getsid(0)
    return runner == str(os.getppid()) or forked


def _end_previous(site: str) -> None:
    """A cell that is run again, or a loop, ends the run that it began before."""
    previous = _by_site.pop((threading.get_ident(), site), None)
    if previous is not None and not previous.held:
        previous.end("finished")


def _surrounding() -> str | None:
    runs = _entered.get()[-1:] or _joined
    return runs[0].run_id if runs else None


def _after_fork() -> None:
    _by_site.clear()
    _joined.clear()
    _entered.set(())


os.register_at_fork(after_in_child=_after_fork)
