"""What scikit-learn estimators do becomes runs, one for each fit that user code calls.

The first model fitted while a run is open goes to that run; every further one, and every transformer that only prepares data, goes
to a child of it, so parameters of two fits never mix. Calls come in from `sklearn_hook`; nothing here changes what an estimator
does, and trouble of ours is a warning, never an exception.
"""

from __future__ import annotations

import array
import contextlib
import os
import time
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

from nbops.errors import NbopsError, UsageError
from nbops.records import NO_STEP, Param, RunStatus, Series, new_id, now_us
from nbops.render import view
from nbops.store.client import Store
from nbops.store.wire import Request
from nbops.tracking import artifacts, estimators, provenance, runs, sklearn_hook
from nbops.tracking.recording import Recording, flush_run, open_recordings, verdict
from nbops.tracking.requests import LogRun, StartRun
from nbops.tracking.sklearn_hook import Call
from nbops.tracking.values import param, tag

KeepModel = Callable[[Recording, Any, Any], object]
"""Keeps a fitted model with a run: (recording, model, some rows that it takes). Raises NbopsError for one that cannot be."""

# Estimators and data are of anybody's making: any of the builtin errors can come out of them.
_TROUBLE = (
    NbopsError, ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip


class AutologWarning(UserWarning):
    """Something of a fit could not be recorded; the fit itself went on."""


def on(store: Callable[[], Store], keep: KeepModel | None) -> None:
    """Record fits and scores from now on: in `store()` when no run is open, with models if there is `keep`."""
    _fits.store, _fits.keep = store, keep
    sklearn_hook.install(_fits.report)


def off() -> None:
    """Stop, and leave scikit-learn as it was."""
    sklearn_hook.remove()


@dataclass
class _Fit:
    """A fit and its run; one that is not `lent` by the user is ended here."""

    recording: Recording
    lent: bool
    data: weakref.ref[Any] | None = None
    scores: int = 0


class _Fits:
    """The fits of this process, known as long as it lives: a cell that switches autolog on may run twice."""

    store: Callable[[], Store]
    keep: KeepModel | None = None

    def __init__(self) -> None:
        self._taken: dict[str, object] = {}
        # Experiments by run: of those that were begun here and are open, and of the user's that have children.
        self._own: dict[str, str] = {}
        self._experiments: dict[str, str] = {}
        self._by_estimator: dict[int, tuple[weakref.ref[Any], _Fit]] = {}
        self._told: set[str] = set()

    def report(self, call: Call) -> Any:
        """Do and record what was called."""
        return self._score(call) if call.method == "score" else self._fit(call)

    def _fit(self, call: Call) -> Any:
        whole: dict[str, object] | None = None
        made: list[Param] = []
        with self._quietly("The parameters", call):
            short, whole = estimators.params(call.estimator)
            made = [param(key, value) for key, value in short.items()]
        fit: _Fit | None = None
        with self._quietly("A fit", call):
            fit = self._place(call, made)
        if fit is None:
            return call.proceed()
        with contextlib.ExitStack() as ends:
            if not fit.lent:
                # What user code inside the fit logs and begins belongs to the fit's own run.
                ends.callback(runs.leave, runs.enter(fit.recording))
            ends.push(lambda _kind, error, _trace: self._failed(fit, call, error) if error is not None else None)
            self._prepared(fit, call, whole)
            begun = time.perf_counter()
            result = call.proceed()
            self._finished(fit, call, time.perf_counter() - begun)
        return result

    def _score(self, call: Call) -> Any:
        result = call.proceed()
        found, fit = self._by_estimator.get(id(call.estimator), (None, None))
        if found is None or fit is None or found() is not call.estimator or (fit.lent and fit.recording.ended):
            return result
        with self._quietly("A score", call):
            if call.data is not None and fit.data is not None and fit.data() is call.data:
                key = "training_score"
            else:
                fit.scores += 1
                key = "test_score" if fit.scores == 1 else f"test_score_{fit.scores}"
            fit.recording.metrics({key: result})
        return result

    def _place(self, call: Call, made: list[Param]) -> _Fit:
        """The run of this fit: the open one or the runner's if it is free, else a new one, below it."""
        open_run = self._open_run()
        parent = open_run.run_id if open_run is not None else runs.invited()
        # What only prepares data must not take the place of the model that comes after it.
        model = hasattr(call.estimator, "predict") or not hasattr(call.estimator, "transform")
        free = False
        if model and parent is not None and (open_run is not None or _is_runners_kernel()):
            # In one step, as two threads may come at once.
            claim = object()
            free = self._taken.setdefault(parent, claim) is claim
        store = open_run.store if open_run is not None else self.store()
        if not free or parent is None:
            return _Fit(self._start(store, call, made, parent), lent=False)
        recording = open_run or _runners(store, parent)
        known = recording.known_params()
        name = type(call.estimator).__name__
        # What the user has logged under the same name stays as it is.
        keys = {item.key: item.key if known.get(item.key, item) == item else f"{name}.{item.key}" for item in made}
        recording.params({keys[item.key]: runs.value_of(item) for item in made})
        recording.tags({"estimator_class": _class(call.estimator)})
        return _Fit(recording, lent=open_run is not None)

    def _open_run(self) -> Recording | None:
        """The one run that is open; of several none is, and none of another thread's fit."""
        try:
            found = [runs.current()]
        except UsageError:
            found = open_recordings()
        theirs = [recording for recording in found if recording.run_id not in self._own]
        return theirs[0] if len(theirs) == 1 else None

    def _start(self, store: Store, call: Call, made: list[Param], parent: str | None) -> Recording:
        where, project = provenance.place(call.frame), store.settings.project
        recording = Recording(store, new_id(), params=made, folder=provenance.code_folder(where.source, project))
        if parent is not None:
            # Its experiment is asked for.
            flush_run(parent)
        experiment = self._experiment(store, parent, where)
        request = StartRun(
            run_id=recording.run_id, experiment=experiment, name=type(call.estimator).__name__, started=now_us(), host=store.host,
            pid=os.getpid(), parent_id=parent, source=provenance.relative(where.source, project), cell=where.cell,
            params=made, tags=[tag("estimator_class", _class(call.estimator))],
        )  # fmt: skip
        self._own[recording.run_id] = experiment
        with contextlib.ExitStack() as undo:
            undo.callback(self._own.pop, recording.run_id)
            runs.begun(recording, request)
            undo.pop_all()
        return recording

    def _experiment(self, store: Store, run_id: str | None, where: provenance.Place) -> str:
        """The experiment of a run's children; while the store cannot be asked, the notebook's, as for any run."""
        if run_id in self._own:
            return self._own[run_id]
        if run_id is None or (run_id not in self._experiments and store.spooling):
            return provenance.experiment_of(where.source)
        if run_id not in self._experiments:
            self._experiments[run_id] = runs.info(store, run_id).experiment
        return self._experiments[run_id]

    def _prepared(self, fit: _Fit, call: Call, whole: dict[str, object] | None) -> None:
        """Before the fit, which may change its data."""
        with self._quietly("The parameters", call):
            if whole is not None:
                artifacts.add_dict(fit.recording, whole, "estimator_params")
        with self._quietly("The training data", call):
            fit.recording.metrics(estimators.size(call.data))
            if estimators.is_small(call.data):
                artifacts.add_input(fit.recording, call.data, "training")

    def _failed(self, fit: _Fit, call: Call, error: BaseException) -> None:
        status, cause = verdict(error)
        with self._quietly("A failed fit", call):
            fit.recording.tags({"fit_error": cause or type(error).__name__})
            self._end(fit, status, cause)

    def _end(self, fit: _Fit, status: RunStatus, cause: str | None = None) -> None:
        if not fit.lent:
            fit.recording.end(status, cause)
            self._own.pop(fit.recording.run_id, None)

    def _finished(self, fit: _Fit, call: Call, seconds: float) -> None:
        estimator, recording = call.estimator, fit.recording
        search = estimators.is_search(estimator)
        with self._quietly("The duration", call):
            recording.metrics({"fit_seconds": seconds})
        if search:
            with self._quietly("The results of the search", call):
                self._record_search(fit, call, seconds)
        with self._quietly("The training metrics", call):
            recording.metrics(estimators.training_metrics(estimator, call.data, call.target))
        # Of a search, what predicts is its best estimator; without a refit there is none.
        model = getattr(estimator, "best_estimator_", None) if search else estimator
        if self.keep is not None and model is not None:
            with self._quietly("The model", call):
                self.keep(recording, model, estimators.head(call.data))
        with self._quietly("A fit", call):
            fit.data = _reference(call.data)
            for scored in (estimator, model):
                self._remember(scored, fit)
            self._end(fit, "finished")

    def _record_search(self, fit: _Fit, call: Call, seconds: float) -> None:
        """Its best point, the table of all, and the best ones as children, written all at once."""
        recording, search = fit.recording, call.estimator
        params, scores = estimators.best(search)
        recording.params(params)
        recording.metrics(scores)
        artifacts.add_table(recording, estimators.results(search), "cv_results")
        store, name, now = recording.store, type(search.estimator).__name__, now_us()
        where = provenance.place(call.frame)
        source = provenance.relative(where.source, store.settings.project)
        if fit.lent:
            recording.flush()
        experiment = self._experiment(store, recording.run_id, where)
        requests: list[Request] = []
        for point in estimators.points(search):
            start = StartRun(
                run_id=new_id(), experiment=experiment, name=f"{name} #{point.rank}", started=now - round(seconds * 1e6), ended=now,
                host=store.host, pid=os.getpid(), parent_id=recording.run_id, source=source, cell=where.cell,
                status="failed" if point.failed else "finished", cause="its fits or their scores failed" if point.failed else None,
                params=[param(key, value) for key, value in point.params.items()],
            )  # fmt: skip
            metrics = [_single(key, value, now) for key, value in point.metrics.items()]
            requests += [start, LogRun(run_id=start.run_id, time=now, metrics=metrics)]
        recording.flush(*requests)

    def _remember(self, estimator: Any, fit: _Fit) -> None:
        key, known = id(estimator), self._by_estimator
        if estimator is not None:
            known[key] = (weakref.ref(estimator, lambda _: known.pop(key, None)), fit)

    def _quietly(self, what: str, call: Call) -> _Quietly:
        return _Quietly(what, call.frame, self._told)


@dataclass
class _Quietly:
    """A block whose trouble becomes a warning at the user's line, once for each cause."""

    what: str
    frame: FrameType
    told: set[str]

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, _TROUBLE):
            return False
        cause = f"{error.message} {error.hint}" if isinstance(error, NbopsError) else f"{type(error).__name__}: {error}"
        sentence = f"{self.what} could not be recorded by nbops.autolog. {cause}"
        if sentence not in self.told:
            self.told.add(sentence)
            warnings.warn_explicit(sentence, AutologWarning, self.frame.f_code.co_filename, self.frame.f_lineno)
        return True


_fits = _Fits()


def _is_runners_kernel() -> bool:
    """Whether a runner started this kernel for its run; no process that the kernel started is it."""
    _, _, runner = os.environ.get(runs.RUN_VARIABLE, "").partition("@")
    return runner == str(os.getppid()) and view.shell() is not None


def _runners(store: Store, run_id: str) -> Recording:
    """The runner's run, to write to; the notebook's own `start_run` may still adopt it."""
    known = [] if store.spooling else runs.stored_params(store, run_id)
    return Recording(store, run_id, params=known, joined=True)


def _single(key: str, value: float, when: int) -> Series:
    columns = array.array("d", [value]), array.array("q", [NO_STEP]), array.array("q", [when])
    return Series(key, *(column.tobytes() for column in columns))


def _class(estimator: Any) -> str:
    return f"{type(estimator).__module__}.{type(estimator).__qualname__}"


def _reference(data: Any) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(data)
    except TypeError:
        # Lists have none: a score on them is taken for one on other data.
        return None
