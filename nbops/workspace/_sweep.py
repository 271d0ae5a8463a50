"""Sweeps from Python."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops import config
from nbops.errors import NotFound, UsageError
from nbops.records import Better, RunStatus, short
from nbops.render import view
from nbops.store.client import Store, connect
from nbops.tracking import recording, runs, search_sql
from nbops.workspace._run import Run

if TYPE_CHECKING:
    import pandas as pd

    from nbops.execution.sweeps.asked import Asked
    from nbops.execution.sweeps.results import Sweep as Stored


def sweep(  # noqa: PLR0913 - one for each thing that may be asked
    notebook: str | os.PathLike[str],
    grid: Mapping[str, Iterable[object]] | None = None,
    *,
    points: Sequence[Mapping[str, object]] | pd.DataFrame | None = None,
    ranges: Mapping[str, object] | None = None,
    random: int | None = None,
    sampler: str | None = None,
    most: int | None = None,
    seed: int | None = None,
    params: Mapping[str, object] | None = None,
    metric: str | None = None,
    better: Better | None = None,
    stop_hopeless: bool = False,
    lanes: int | None = None,
    max_failures: int | None = None,
    timeout: float | None = None,
    cwd: str | os.PathLike[str] | None = None,
    kernel: str | None = None,
    name: str | None = None,
    output: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Sweep:
    """Execute a notebook at many points, several at a time, and wait for the end; each point is a run, child of the sweep's.

    Points are every combination of a `grid` ({"alpha": [0.1, 1]}), listed `points`, or what a `sampler` chooses from `ranges`
    ({"alpha": "0.001..10:log", "kind": ["a", "b"]}): `random=30` draws 30 of them. `params` are the same in all points, `timeout` in
    seconds is for each cell. A failed point is no error; an interrupt stops the sweep, which can be resumed. See docs/sweeps.md.

    Raises ParameterError, UsageError or NotFound before anything runs.
    """
    from nbops.execution.sweeps import asked as asking
    from nbops.execution.sweeps.texts import given

    path = Path(notebook).expanduser().resolve()
    if random is not None and (sampler or most):
        raise UsageError("`random` says already how many points are drawn.", hint="Leave out `sampler` and `most`.")
    asked = asking.Asked(
        notebook=str(path), **asking.space(grid, points, ranges), sampler=sampler or ("random" if random else ""), most=random or most,
        seed=seed, fixed={key: given(value) for key, value in (params or {}).items()}, name=name or "", force=force,
        ways=asking.Ways(lanes or 0, max_failures, timeout, asking.absolute(cwd), kernel, asking.absolute(output)),
        goal=asking.Goal(metric or "", better, stop_hopeless),
    )  # fmt: skip
    return _carried_out(asked, config.settings(start=path.parent))


def _carried_out(asked: Asked, settings: config.Settings) -> Sweep:
    from nbops.execution.sweeps import remote, telling

    # What this process has logged is there for its children to see.
    recording.flush_all()
    shown = Shown()
    ended, interrupted = remote.sweep(asked, settings.project, lambda at: shown.show(telling.progress(at)))
    shown.put(telling.summary(ended), "\n")
    if interrupted:
        raise KeyboardInterrupt(f"nbops.load_sweep({short(ended.run_id)!r}).resume() goes on with what is missing")
    return Sweep(connect(settings), ended.run_id)


class Shown:
    """How far a sweep or a pipeline is: on one line of a terminal, or in a notebook's cell."""

    def __init__(self) -> None:
        self._next = 0.0
        self._display: Any = None
        self._cell = view.shell() is not None
        self._line = not self._cell and sys.stderr.isatty()

    def show(self, text: str) -> None:
        """At most twice a second."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.5
            self.put(text)

    def put(self, text: str, end: str = "") -> None:
        """Text in the place of what was there."""
        if self._line:
            sys.stderr.write(f"\r\033[K{text}{end}")
            sys.stderr.flush()
        if not self._cell:
            return
        # It has no annotations: mypy would refuse the calls.
        cell: Any = import_module("IPython.display")
        if self._display is None:
            self._display = cell.display(cell.Pretty(text), display_id=True)
        else:
            self._display.update(cell.Pretty(text))


class Sweep:
    """A sweep that has run, or is running."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self.run_id = run_id

    @property
    def id(self) -> str:
        """The last 8 hex digits, as shown everywhere."""
        return short(self.run_id)

    @property
    def status(self) -> RunStatus:
        """running, finished, failed (too many points failed), stopped or lost."""
        return runs.info(self._store, self.run_id).status

    @property
    def runs(self) -> pd.DataFrame:
        """The newest run of each point, in their order, with the columns of `search_runs`."""
        return self._frame([child.run_id for child in self._stored().children.values()])

    @property
    def failed(self) -> pd.DataFrame:
        """The runs that failed or were lost, with their `cause`."""
        children = self._stored().children.values()
        return self._frame([child.run_id for child in children if child.status in {"failed", "lost"}])

    def best(self, metric: str | None = None, better: Better | None = None) -> Run:
        """The finished run with the best last value of a metric (default: the sweep's own).

        The direction is that of the sweep or of `define_metric` unless `better` says it. Raises NotFound when no run has the metric.
        """
        from nbops.execution.sweeps import results, telling

        stored = self._stored()
        goal = stored.specification.goal
        metric = metric or goal.metric
        if not metric:
            raise UsageError("The sweep has no metric.", hint="Name one: sweep.best('mae')")
        better = better or (goal.better if metric == goal.metric else None) or results.direction(self._store, metric)
        ranked = telling.ranked(results.children(self._store, self.run_id, metric).values(), better)
        if not ranked:
            raise NotFound(
                f"No finished run of sweep {self.id} has the metric {metric!r}.",
                hint="sweep.runs shows what they have.",
            )
        return Run(self._store, ranked[0].run_id)

    def resume(self, *, lanes: int | None = None, max_failures: int | None = None, force: bool = False) -> None:
        """Go on with what is missing; what failed is tried again.

        Raises UsageError when the notebook's code has changed, unless forced, and while the sweep is running.
        """
        from nbops.execution.sweeps.asked import Asked, Ways

        _carried_out(Asked(resume=self.run_id, ways=Ways(lanes or 0, max_failures), force=force), self._store.settings)

    def _stored(self) -> Stored:
        from nbops.execution.sweeps import results

        return results.load(self._store, self.run_id)

    def _frame(self, run_ids: list[str]) -> pd.DataFrame:
        from nbops.tracking import search

        return search.frame(self._store, search_sql.these_query(run_ids))

    def __repr__(self) -> str:
        return f"Sweep({self.id!r})"

    def __str__(self) -> str:
        from nbops.execution.sweeps import telling

        return telling.to_text(self._stored())

    def _repr_html_(self) -> str:
        from nbops.execution.sweeps import telling

        return telling.to_html(self._stored())
