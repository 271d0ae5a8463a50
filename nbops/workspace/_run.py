"""The handle of a run."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextvars import Token
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from nbops.config import Settings
from nbops.errors import UsageError
from nbops.records import RunStatus, at, short
from nbops.store.client import Store, connect
from nbops.tracking import artifacts, runs
from nbops.tracking.recording import Recording, verdict

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from nbops.evaluation.decision import DecisionRule
    from nbops.registry.models import LoggedModel
    from nbops.registry.parity import Verdict
    from nbops.workspace._evaluation import Evaluation


_ENDS = ("finished", "failed", "stopped")


class Run:
    """A run of an experiment.

    As a context manager it ends with its block, `failed` when the block raises; runs that begin inside are its children.
    Without `with` it ends at `end()`, when its cell is run again, or when the process ends.
    """

    def __init__(self, store: Store, run_id: str, recording: Recording | None = None) -> None:
        self._store = store
        self._recording = recording or Recording(store, run_id)
        self._own = recording is not None
        self._token: Token[tuple[Recording, ...]] | None = None
        self.run_id = run_id

    @property
    def id(self) -> str:
        """The last 8 hex digits, as shown everywhere."""
        return short(self.run_id)

    @property
    def info(self) -> runs.RunInfo:
        """What the store knows about the run itself."""
        self._recording.flush()
        return runs.info(self._store, self.run_id)

    @property
    def name(self) -> str:
        """Its name."""
        return self.info.name

    @property
    def experiment(self) -> str:
        """Its experiment."""
        return self.info.experiment

    @property
    def status(self) -> str:
        """running, finished, failed, stopped or lost."""
        return self.info.status

    @property
    def degraded(self) -> str | None:
        """On what old data it rests, because something could not be made anew; None when on none."""
        from nbops.data import degraded

        self._recording.flush()
        return degraded.of_run(self._store, self.run_id)

    @property
    def start_time(self) -> datetime:
        """When it began, aware UTC."""
        return at(self.info.start_time)

    @property
    def params(self) -> dict[str, object]:
        """Its parameters, each as what it was logged as; of a revised one the last value."""
        self._recording.flush()
        return runs.params(self._store, self.run_id)

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        self._recording.flush()
        return runs.metrics(self._store, self.run_id)

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        self._recording.flush()
        return runs.tags(self._store, self.run_id)

    @property
    def artifacts(self) -> pd.DataFrame:
        """Its files: path, kind, size in bytes, media type, SHA-256."""
        self._recording.flush()
        sql = "select path, kind, size, media_type, sha256 from artifacts where run_id = ? order by path"
        return self._store.frame(sql, [self.run_id])

    def metric_history(self, key: str) -> pd.DataFrame:
        """Every point of a metric in the order of logging: step, value, time (aware, UTC)."""
        self._recording.flush()
        sql = "select step, value, time from metrics where run_id = ? and key = ? order by seq"
        points = self._store.frame(sql, [self.run_id, key])
        return points.assign(time=points["time"].dt.tz_localize("UTC"))

    def log_param(self, key: str, value: object) -> None:
        """Record a parameter; another value for a known one is a revision, with a warning. Raises ParameterError."""
        self.log_params({key: value})

    def log_params(self, params: Mapping[str, object]) -> None:
        """Record parameters. Raises ParameterError."""
        if not self._own:
            self._recording.know(runs.stored_params(self._store, self.run_id))
        self._recording.params(params)
        self._settle()

    def log_metric(self, key: str, value: object, step: int | None = None) -> None:
        """Record a number; with `step` as one point of a curve. NaN and infinities are values. Raises ParameterError."""
        self._recording.metrics({key: value}, step)
        self._settle()

    def log_metrics(self, metrics: Mapping[str, object], step: int | None = None) -> None:
        """Record numbers, all at the same `step`. Raises ParameterError."""
        self._recording.metrics(metrics, step)
        self._settle()

    def log_series(self, key: str, values: ArrayLike, steps: ArrayLike | None = None) -> None:
        """Record many points of a metric at once: lists or arrays (n,); steps default to 0…n-1. On disk on return."""
        self._recording.series(key, values, steps)

    def set_tag(self, key: str, value: object) -> None:
        """Set a tag; the last value counts."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags."""
        self._recording.tags(tags)
        self._settle()

    def log_artifact(self, source: str | os.PathLike[str], path: str | None = None) -> None:
        """Keep a copy of a file or folder as the run's `path` (default: its own name).

        Raises NotFound, or PathRefused for a path that climbs out and a link that leaves the folder.
        """
        artifacts.add_files(self._recording, source, path)
        self._settle()

    def log_table(self, table: pd.DataFrame | Mapping[str, Sequence[object]], name: str) -> None:
        """Keep a table as `tables/NAME.parquet`."""
        artifacts.add_table(self._recording, table, name)
        self._settle()

    def log_figure(self, figure: object, name: str) -> None:
        """Keep a matplotlib figure as `figures/NAME.png`, or as SVG or PDF when the name says so."""
        artifacts.add_figure(self._recording, figure, name)
        self._settle()

    def log_dict(self, value: object, name: str) -> None:
        """Keep a dict or list as JSON."""
        artifacts.add_dict(self._recording, value, name)
        self._settle()

    def log_text(self, text: str, name: str) -> None:
        """Keep text."""
        artifacts.add_text(self._recording, text, name)
        self._settle()

    def log_input(self, data: object, name: str = "data") -> str:
        """Name a frame, a file or a version of data that the run reads; gives the digest of its content."""
        digest = artifacts.add_input(self._recording, data, name).digest
        self._settle()
        return digest

    def log_model(  # noqa: PLR0913 - what may be said of a model
        self,
        model: object,
        name: str = "model",
        *,
        input_example: object = None,
        reference: object = None,
        time: str | None = None,
        target: str | None = None,
        code: Sequence[str | os.PathLike[str]] = (),
        trust: Collection[str] = (),
        rule: DecisionRule | None = None,
        sign: bool | str = False,
    ) -> LoggedModel:
        """Keep a fitted model, or a function that predicts, with the run, in a format that loads without running anything.

        `input_example` gives it its input columns, `reference` also their ranges; `target` is left out of both, as is `time`, the column
        that says when each row of the reference was: how much its days differ is what drift has to exceed.
        `code` names Python files that its own classes and functions come from, `trust` types of other libraries that you vouch for.
        `rule` says how its answers become decisions, as `nbops.choose_threshold` gives it.
        `sign` signs it with your key, or with the one of that name; what no other format can hold is then kept as a pickle.
        Raises ModelError when it could not be loaded elsewhere.
        """
        from nbops.registry import models

        given = models.Given(
            example=input_example,
            reference=reference,
            time=time,
            target=target,
            code=code,
            trust=trust,
            rule=rule,
            sign=sign,
        )
        logged = models.log(self._recording, model, name, given)
        self._settle()
        return logged

    def evaluate(  # noqa: PLR0913 - what may be looked at
        self,
        data: object,
        *,
        model: str = "model",
        target: str | None = None,
        slices: Sequence[str] = (),
        protected: Sequence[str | tuple[str, str]] = (),
        time: str | None = None,
        groups: str | None = None,
        metric: str | None = None,
        unit: str = "",
        sizing: bool = False,
    ) -> Evaluation:
        """Hold its logged model against rows with known truth; a version that is made of it later brings the result along.

        See `nbops.evaluate`. Raises NotFound when no model was logged.
        """
        from nbops.workspace import _evaluation

        self._recording.flush()
        return _evaluation.evaluate(
            self._store, self.run_id, data, target=target, slices=slices, protected=protected, time=time, groups=groups, metric=metric,
            unit=unit, sizing=sizing, trust=(), logged=model,
        )  # fmt: skip

    def log_onnx(self, model: object, rows: object, name: str = "model") -> Verdict:
        """Keep an ONNX copy of a fitted model, if it predicts as the model does on `rows` and on harder ones made of them.

        The verdict with its figures is kept either way; the copy is never what a version is made of. Needs `nbops[onnx]`. Raises
        ModelError when it cannot be written as ONNX.
        """
        from nbops.registry import models

        verdict = models.log_onnx(self._recording, model, rows, name)
        self._settle()
        return verdict

    def load_table(self, name: str) -> pd.DataFrame:
        """A table that was logged. Raises NotFound."""
        self._recording.flush()
        return artifacts.load_table(self._store, self.run_id, name)

    def load_artifact(self, path: str) -> bytes:
        """One of its files, verified. Raises NotFound or StoreCorrupt."""
        self._recording.flush()
        return artifacts.load(self._store, self.run_id, path)

    def download(self, path: str, to: str | os.PathLike[str] = ".") -> Path:
        """Write one of its files into the folder `to`; gives its new path. Raises NotFound."""
        target = Path(to) / artifacts.inside(path)
        data = self.load_artifact(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target

    def flush(self) -> None:
        """Send what waits; durable on return."""
        self._recording.flush()

    def rename(self, name: str) -> None:
        """Give it another name. Raises ParameterError for an unfit one."""
        self._recording.flush()
        runs.change(self._store, self.run_id, name=name)

    def delete(self) -> None:
        """Hide it from searches; `restore` brings it back."""
        self._recording.flush()
        runs.change(self._store, self.run_id, deleted=True)

    def restore(self) -> None:
        """Undo `delete`."""
        self._recording.flush()
        runs.change(self._store, self.run_id, deleted=False)

    def end(self, status: RunStatus = "finished", cause: str | None = None) -> None:
        """Send everything and close it; its runner closes a run that it started. Raises UsageError for no end."""
        if status not in _ENDS:
            raise UsageError(f"A run cannot end as {status!r}.", hint=f"Use one of: {', '.join(_ENDS)}.")
        if self._own:
            self._recording.end(status, cause)

    def __enter__(self) -> Self:
        self._token = runs.enter(self._recording)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            runs.leave(self._token)
        self.end(*verdict(error))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and other.run_id == self.run_id

    def __hash__(self) -> int:
        return hash(self.run_id)

    def __reduce__(self) -> tuple[object, ...]:
        # In a worker it is a run that another process records: what is logged is sent at once, and it ends nothing.
        self._recording.flush()
        return _again, (self._store.settings, self.run_id)

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    def _repr_html_(self) -> str:
        from nbops.tracking import show

        return show.run_html(self._store, self.info)

    def _settle(self) -> None:
        """A run that this process does not record has no background that sends."""
        if not self._own:
            self._recording.flush()


def _again(settings: Settings, run_id: str) -> Run:
    return Run(connect(settings), run_id)
