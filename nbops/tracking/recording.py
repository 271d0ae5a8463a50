"""A run while this process records it: values flow in at memory speed, batches flow to the store in the background.

A batch leaves at least every `tracking.flush_seconds`, at the end of a notebook cell, at the run's end and at exit. The lock on
the run's marker, `run/alive/<id>`, tells everybody that the recording process lives.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import fcntl
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from nbops.errors import NbopsError, NotFound, ParameterError, StoreError
from nbops.records import (
    NO_STEP,
    Artifact,
    Dataset,
    FailureClass,
    Param,
    Record,
    RunStatus,
    Series,
    Tag,
    new_id,
    now_us,
    short,
)
from nbops.render import view
from nbops.render.values import shorten
from nbops.store.client import Store
from nbops.store.places import open_file
from nbops.store.wire import Request, encode
from nbops.tracking import provenance
from nbops.tracking.requests import EndRun, Facts, InputRow, KeepKey, LogRun, ReopenRun, StartRun
from nbops.tracking.values import metric_key, number, param, step_number, storable, tag

# A caller who is faster than the store waits here rather than filling the memory.
_MOST_POINTS = 200_000
_POINTS_A_REQUEST = 1_000_000
_FORK_SECONDS = 10.0


class RevisionWarning(UserWarning):
    """A parameter was logged again with another value; the last one counts."""


class Usage(Record):
    """What a runner knows when a run ends; memory in bytes, processor time in seconds."""

    failure_class: FailureClass | None = None
    exit_status: int | None = None
    peak_memory: int | None = None
    cpu_seconds: float | None = None


class Recording:
    """One run that this process records. May be used from any thread."""

    def __init__(
        self,
        store: Store,
        run_id: str,
        *,
        params: Iterable[Param] = (),
        joined: bool = False,
        folder: Path | None = None,
        source: str | None = None,
    ) -> None:
        self.store = store
        self.run_id = run_id
        self.joined = joined
        self.folder = folder or Path.cwd()
        """Where the run's code lies."""
        self.source = source
        """The path of its notebook or script, as far as this process knows it."""
        self.ended = False
        self.held = False
        """A `with` block ends it, and nothing else does."""
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._params = {item.key: item for item in params}
        self._points: dict[str, tuple[array.array[float], array.array[int], array.array[int]]] = {}
        self._count = 0
        self._rest = _Rest()
        self._unanswered: tuple[str, list[Request]] | None = None
        self._alive: int | None = None
        self._start: StartRun | None = None

    def __repr__(self) -> str:
        return f"<Recording {short(self.run_id)}>"

    def begin(self, start: StartRun) -> None:
        """Begin: at once the first time, so that trouble shows here; later with the next batch, until which the marker keeps it."""
        if self.store.reached and not self.store.spooling and self._mark(start):
            self._start = start
        else:
            # Only afterwards: the first request makes the project's folder, privately, and says so.
            self.store.write(start)
            self._mark(start)
        self.watch()

    def _mark(self, start: StartRun) -> bool:
        """Write the marker and hold its lock; False where no file can be written."""
        # Under another name until it is locked: the owner takes a marker without a lock for a dead runner's.
        marker = self.store.places.run / f"{self.run_id}.new"
        try:
            self._alive = open_file(marker, os.O_RDWR | os.O_CREAT)
            fcntl.flock(self._alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(self._alive, encode(start))
            marker.rename(self.store.places.alive / self.run_id)
        except OSError:
            with contextlib.suppress(OSError):
                marker.unlink()
            return False
        return True

    def reopen(self, start: StartRun) -> None:
        """Let a run that has ended, or whose process died, go on in this one."""
        # Before the store calls it running: without its lock that would be a dead process's.
        self._mark(start)
        labels = [LogRun(run_id=self.run_id, time=now_us(), tags=start.tags)] if start.tags else []
        self.store.write(ReopenRun(run_id=self.run_id, host=start.host, pid=start.pid), *labels)
        self.watch()

    def watch(self) -> None:
        """Let what this run collects be sent in the background."""
        _recordings[self.run_id] = self
        _cells.attach()
        _exits.attach()
        _flusher.wake()

    def params(self, values: Mapping[str, object]) -> None:
        """Record parameters; another value for a known one gives a RevisionWarning. Raises ParameterError."""
        made = [param(key, value) for key, value in values.items()]
        revised = []
        with self._lock:
            for item in made:
                before = self._params.get(item.key)
                if before == item:
                    continue
                if before is not None:
                    revised.append((before, item))
                self._params[item.key] = item
                self._rest.params.append(item)
        self._settle()
        for before, item in revised:
            told = f"Parameter {item.key!r} was {shorten(before.value, 60)}, is now {shorten(item.value, 60)}; both are kept."
            warnings.warn(told, RevisionWarning, stacklevel=callers_level())

    def metrics(self, values: Mapping[str, object], step: int | None = None) -> None:
        """Record one point of each metric. Raises ParameterError for what is no number."""
        when = now_us()
        made = [(metric_key(key), number(key, value)) for key, value in values.items()]
        at = NO_STEP if step is None else step_number(step)
        with self._lock:
            for key, value in made:
                columns = self._series(key)
                columns[0].append(value)
                columns[1].append(at)
                columns[2].append(when)
            self._count += len(made)
            full = self._count > _MOST_POINTS
        if full:
            self.flush()
        self._settle()

    def series(self, key: str, values: Sequence[float] | Any, steps: Sequence[int] | Any | None = None) -> None:
        """Record many points of one metric at once; `steps` default to 0, 1, 2 and so on."""
        import numpy as np

        name = metric_key(key)
        try:
            column = np.ascontiguousarray(values, dtype="<f8")
            order = (
                np.arange(len(column), dtype="<i8")
                if steps is None
                else np.asarray(steps).astype("<i8", casting="same_kind")
            )
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"Metric {key!r} cannot be taken as points: {error}.",
                hint="Pass numbers as values and whole numbers as steps.",
            ) from error
        if column.ndim != 1 or order.shape != column.shape:
            raise ParameterError(
                f"Metric {key!r} got values of shape {column.shape} and steps of shape {order.shape}.",
                hint="Both must be flat and equally long.",
            )
        times = np.full(len(column), now_us(), dtype="<i8")
        self.flush()
        for start in range(0, len(column), _POINTS_A_REQUEST):
            part = slice(start, start + _POINTS_A_REQUEST)
            made = Series(name, column[part].tobytes(), order[part].tobytes(), times[part].tobytes())
            self.store.write(LogRun(run_id=self.run_id, time=now_us(), metrics=[made]))

    def tags(self, values: Mapping[str, object]) -> None:
        """Set tags; the last value of a key counts."""
        made = [tag(key, value) for key, value in values.items()]
        with self._lock:
            self._rest.tags.extend(made)
        self._settle()

    def artifact(self, item: Artifact) -> None:
        """Name a blob that is on disk as a file of this run."""
        with self._lock:
            self._rest.artifacts.append(item)
        self._settle()

    def input(self, name: str, dataset: Dataset) -> None:
        """Name data that the run read."""
        with self._lock:
            self._rest.inputs.append(InputRow(name=name, dataset=dataset))
        self._settle()

    def find_facts(self) -> None:
        """Look for commit and environment, which takes a while: done in the background."""
        facts = provenance.facts(self.store, self.folder)
        with self._lock:
            self._rest.facts = facts
        self._settle()

    def know(self, params: Iterable[Param]) -> None:
        """Take these for the parameters that the run has."""
        with self._lock:
            self._params = {item.key: item for item in params}

    def known_params(self) -> dict[str, Param]:
        """The parameters as this process knows them."""
        with self._lock:
            return dict(self._params)

    def flush(self, *more: Request) -> None:
        """Send what waits, and `more` in the same transaction; durable on return."""
        with self._sending:
            if self._unanswered:
                # The try before broke off: what it sent may have arrived, and counts once.
                self._send(*self._unanswered, resend=True)
            requests = _joined([*self._take(), *more])
            if requests:
                self._send(new_id(), requests)

    def _send(self, tx: str, requests: list[Request], *, resend: bool = False) -> None:
        self._unanswered = tx, requests
        try:
            self.store.write(*requests, tx=tx, resend=resend)
        except StoreError:
            raise
        except NbopsError:
            # Refused for good: sent again it would keep back whatever comes after it.
            self._unanswered = None
            raise
        self._unanswered = None

    def end(
        self, status: RunStatus, cause: str | None = None, more: Usage | None = None, *, key: KeepKey | None = None
    ) -> None:
        """Send everything, with the `key` if there is one, and close the run; one that was joined is ended by its runner."""
        if self.ended:
            return
        usage = msgspec.structs.asdict(more) if more else {}
        ended = EndRun(run_id=self.run_id, status=status, ended=now_us(), cause=cause, **usage)
        last = () if self.joined or self._foreign else (key, ended) if key else (ended,)
        self.flush(*last)
        self.ended = True
        _recordings.pop(self.run_id, None)
        # Another thread may have logged meanwhile; from here on each sends its own.
        self.flush()
        self.let_go()

    def announce(self) -> None:
        """Let the store know of the run."""
        if self._start:
            self.flush()

    def leave_to_parent(self) -> None:
        """In a forked child: what waits and the run's end are the parent's; its lock must not outlive the parent."""
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._points, self._count, self._rest, self._unanswered, self._start = {}, 0, _Rest(), None, None
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None

    def let_go(self) -> None:
        """Take the marker away and give its lock back."""
        if self._alive is None:
            return
        with contextlib.suppress(OSError):
            (self.store.places.alive / self.run_id).unlink()
        os.close(self._alive)
        self._alive = None

    @property
    def _foreign(self) -> bool:
        return self.pid != os.getpid()

    def _settle(self) -> None:
        """Nobody else sends what is logged after a run's end, or to a parent process's run."""
        if self.ended or self._foreign:
            self.flush()

    def _series(self, key: str) -> tuple[array.array[float], array.array[int], array.array[int]]:
        if key not in self._points:
            self._points[key] = (array.array("d"), array.array("q"), array.array("q"))
        return self._points[key]

    def _take(self) -> list[Request]:
        with self._lock:
            points, self._points, self._count = self._points, {}, 0
            rest, self._rest = self._rest, _Rest()
            start, self._start = self._start, None
        taken: list[Request] = [start] if start else []
        if points or rest != _Rest():
            series = [Series(key, *(column.tobytes() for column in columns)) for key, columns in points.items()]
            taken.append(LogRun(run_id=self.run_id, time=now_us(), metrics=series, **msgspec.structs.asdict(rest)))
        return taken


def _joined(requests: list[Request]) -> list[Request]:
    """A run that begins and ends in the same batch is one row, not a row and its change."""
    first, last = (requests[0], requests[-1]) if requests else (None, None)
    if isinstance(first, StartRun) and isinstance(last, EndRun):
        return [msgspec.structs.replace(first, **msgspec.structs.asdict(last)), *requests[1:-1]]
    return requests


class _Rest(msgspec.Struct):
    """What waits beside the metrics."""

    params: list[Param] = []
    tags: list[Tag] = []
    artifacts: list[Artifact] = []
    inputs: list[InputRow] = []
    facts: Facts | None = None


class _Flusher:
    """The background thread that sends what waits; one per process."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._pending: list[Callable[[], None]] = []
        self._working = threading.RLock()
        self._woken = threading.Event()

    def wake(self, *jobs: Callable[[], None]) -> None:
        """Begin if need be; `jobs` run in the thread, once."""
        self._pending.extend(jobs)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="nbops-flusher", daemon=True)
            self._thread.start()
        if jobs:
            self._woken.set()

    def pause(self) -> None:
        """Wait until no job is being done and let none begin, for as long as a fork takes."""
        self._working.acquire(timeout=_FORK_SECONDS)

    def resume(self) -> None:
        """Let jobs go on after a `pause`."""
        # A job that took too long has kept the lock.
        with contextlib.suppress(RuntimeError):
            self._working.release()

    def _work(self) -> None:
        while True:
            interval = min((r.store.settings.tracking.flush_seconds for r in list(_recordings.values())), default=0.5)
            self._woken.wait(interval)
            self._woken.clear()
            self.finish()
            for recording in list(_recordings.values()):
                try:
                    recording.flush()
                except NbopsError as error:
                    # It stays in memory and is tried again; the end of the run tells if it never works.
                    if not recording.ended:
                        warnings.warn(f"{error.message} {error.hint}", stacklevel=1)

    def finish(self) -> None:
        """Do the jobs that are left; on return all are done."""
        with self._working:
            while self._pending:
                try:
                    self._pending.pop()()
                except NotFound:
                    # The run is gone, as when an older backup was put back.
                    pass
                except NbopsError as error:
                    warnings.warn(f"{error.message} {error.hint}", stacklevel=1)


def callers_level() -> int:
    """The `stacklevel` at which our caller's warning names the line that called nbops."""
    frame, level = sys._getframe(1), 1  # noqa: SLF001 - what warnings itself counts
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "nbops":
        frame, level = frame.f_back, level + 1
    return level


_recordings: dict[str, Recording] = {}
_flusher = _Flusher()


def in_background(job: Callable[[], None]) -> None:
    """Run something soon, on a thread."""
    _flusher.wake(job)


def finish() -> None:
    """Do and send what waits; for a process that leaves without its exit handlers."""
    _flusher.finish()
    flush_all()


def open_recordings() -> list[Recording]:
    """The runs that this process records now, oldest first."""
    return list(_recordings.values())


def flush_run(run_id: str) -> None:
    """Send what waits of a run, if this process records it."""
    if run_id in _recordings:
        _recordings[run_id].flush()


def flush_all() -> None:
    """Send what waits of every run."""
    for recording in open_recordings():
        recording.flush()


class _Cells:
    """A kernel's cells: each one's end sends what waits, and the last one's outcome is the kernel's."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._shell: object = None

    def attach(self) -> None:
        """Listen to the IPython shell, if there is one."""
        shell = view.shell()
        if shell is not None and shell is not self._shell:
            self._shell = shell
            shell.events.register("post_run_cell", self._after)

    def outcome(self) -> BaseException | None:
        """The last cell's error, or the exception that ended the interpreter."""
        return self.error if self._shell is not None else getattr(sys, "last_value", None) or _exits.asked

    def _after(self, result: Any) -> None:
        self.error = result.error_before_exec or result.error_in_exec
        flush_all()


_cells = _Cells()


def verdict(error: BaseException | None) -> tuple[RunStatus, str | None]:
    """How a run ends, and the cause, when `error` ended its block or its process."""
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "finished", None
    cause = storable(f"{type(error).__name__}: {error}".removesuffix(": "))[:500]
    return ("stopped" if isinstance(error, KeyboardInterrupt) else "failed"), cause


def _at_exit() -> None:
    status, cause = verdict(sys.exc_info()[1] or _cells.outcome())
    # A short run may end before its commit and environment are known.
    _flusher.finish()
    for recording in open_recordings():
        try:
            recording.end(status, cause)
        except NbopsError as problem:
            sys.stderr.write(f"{problem}\n")


def _before_fork() -> None:
    # A job imports modules; one that is half imported would be locked in the child for ever.
    _flusher.pause()
    # A child may log to a run of its parent's, which has to be there then.
    for recording in open_recordings():
        with contextlib.suppress(NbopsError):
            recording.announce()


def _after_fork_here() -> None:
    _flusher.resume()


def _after_fork() -> None:
    global _flusher  # noqa: PLW0603 - its thread did not survive
    # The parent records on; a child that wants to starts a run of its own.
    for recording in open_recordings():
        recording.leave_to_parent()
    _recordings.clear()
    _flusher = _Flusher()


class _Exits:
    """The ends that leave nothing for an exit handler to see: `sys.exit`, and a worker that multiprocessing forked."""

    def __init__(self) -> None:
        self.asked: SystemExit | None = None
        self._exit = sys.exit
        self._worker = 0

    def attach(self) -> None:
        if sys.exit != self._noticed and view.shell() is None:
            self._exit, sys.exit = sys.exit, self._noticed
        process, here = sys.modules.get("multiprocessing.process"), os.getpid()
        if process is not None and process.parent_process() is not None and self._worker != here:
            from multiprocessing.util import Finalize

            self._worker = here
            # A worker leaves without atexit, and runs its finalizers while the error that ends it is being handled.
            Finalize(None, _at_exit, exitpriority=0)

    def _noticed(self, status: Any = None, /) -> NoReturn:
        self.asked = SystemExit(status)
        self._exit(status)


_exits = _Exits()
atexit.register(_at_exit)
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_here, after_in_child=_after_fork)
