"""A pipeline's run from its beginning to its end. It needs its process for itself: takes signals, changes the environment and forks."""

from __future__ import annotations

import contextlib
import fcntl
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from nbops import config
from nbops.errors import NotFound, UsageError
from nbops.execution import driving, live, secrets
from nbops.execution.lanes import Lane, Nursery, verdict
from nbops.execution.own import Own
from nbops.execution.sweeps.results import goes_on
from nbops.pipelines import (
    definition,
    graph,
    releases,
    results,
)
from nbops.pipelines.course import Asked, Course, Ended, Hands, Progress
from nbops.pipelines.graph import Graph, Task
from nbops.pipelines.releases import Release
from nbops.pipelines.requests import (
    OpenPipelineRun,
)
from nbops.pipelines.steps import name_in
from nbops.pipelines.working import Order, worker
from nbops.records import new_id, short
from nbops.store.client import Store, connect
from nbops.tracking import runs
from nbops.tracking.recording import Recording


def run(asked: Asked, settings: config.Settings, *, watch: Callable[[Progress], None], stop: int = -1) -> Ended:
    """Carry out what is asked. Raises what keeps it from beginning: nothing has run then.

    `watch` hears of every change, and twice a second. An interrupt, SIGTERM, or the end of what the descriptor `stop` reads lets the
    running steps stop; the run can be resumed.
    """
    signals = driving.listen()
    store = connect(config.existing(settings) if asked.resume else settings)
    before = results.load(store, asked.resume) if asked.resume else None
    folder = Path(before.folder if before else asked.folder).expanduser().resolve()
    given = {**(before.parameters if before else {}), **asked.parameters}
    release = _release(store, asked, before, folder)
    tree = releases.place(store, release) if release else None
    made = definition.load(folder, given, tree)
    tasks = graph.tasks(made)
    secrets.refuse_values(repr(given))

    def lane(line: object) -> None:
        Lane(line, Order, worker(store, tasks)).live()  # type: ignore[arg-type]  # a socket

    lanes = asked.lanes or made.operations.lanes or driving.cores()
    driving.share_cores(min(lanes, len(tasks)))
    own = Own(store)
    with (
        contextlib.closing(Nursery(lane, own.send_away, driving.prepare)) as nursery,
        _alone(store, before.run_id) if before else contextlib.nullcontext(),
        _open(store, made, folder, tasks, asked, before, given, release) as recording,
    ):
        hands = Hands(nursery, own, lanes, signals)
        return Course(store, made, tasks, recording, asked, hands, before.tasks if before else {}).drive(watch, stop)


def _release(store: Store, asked: Asked, before: results.PipelineRun | None, folder: Path) -> Release | None:
    """The release that is to run. Raises NotFound, UsageError."""
    if before is not None:
        return releases.get(store, before.pipeline, before.release) if before.release else None
    if not asked.release:
        return None
    name = releases.of_folder(store, folder)
    if name is None:
        raise NotFound(
            f"{folder.name} has no release.",
            hint=f"`nbops pipeline release {folder.name} --reason …` makes the first one.",
        )
    if asked.release == "current":
        return releases.get(store, name)
    if not asked.release.isdecimal():
        raise UsageError(f"{asked.release!r} is no release.", hint="Give `current`, or the number of one.")
    return releases.get(store, name, int(asked.release))


@contextlib.contextmanager
def _alone(store: Store, run_id: str) -> Iterator[None]:
    """While this process alone goes on with a run. Raises UsageError when another one does."""
    path = store.places.run / f"pipeline-{run_id}.lock"
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        if lock.closed or goes_on(store, run_id):
            raise UsageError(f"Run {short(run_id)} is running.", hint="Stop it first, or wait for its end.")
        yield
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _open(
    store: Store,
    made: Graph,
    home: Path,
    tasks: list[Task],
    asked: Asked,
    before: results.PipelineRun | None,
    given: Mapping[str, object],
    release: Release | None,
) -> Iterator[Recording]:
    """The run, begun or gone on with; it ends with what is raised. Its folder is the project's, also where a release is executed."""
    if before:
        recording = runs.reopen(store, before.run_id, folder=home)
    else:
        birth = runs.Birth(new_id(), made.name, {live.PIPELINE: made.name})
        params = {
            name: value
            for name, value in {**made.operations.parameters, **given}.items()
            if isinstance(value, str | int | float | bool)
        }
        recording = runs.begin_headless(store, home / made.name, params=params, parent=runs.invited(), birth=birth)
        told = results.definition(store.settings.project, tasks, given)
        opening = OpenPipelineRun(
            run_id=recording.run_id, pipeline=made.name, folder=name_in(store.settings.project, home),
            definition=msgspec.json.encode(told).decode(), trigger=asked.trigger, nominal=asked.nominal,
            release=release.number if release else None,
        )  # fmt: skip
        store.write(opening)
    try:
        yield recording
    finally:
        if not recording.ended:
            recording.end(*verdict(sys.exc_info()[1]))
