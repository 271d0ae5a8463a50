"""Pipelines from Python: what would run, and running it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nbops import config
from nbops.errors import NotFound
from nbops.execution import reading
from nbops.records import RunStatus, short
from nbops.render import html, text
from nbops.render.model import Column, Html
from nbops.render.view import View
from nbops.store.client import Store, connect
from nbops.tracking import recording, runs
from nbops.workspace._run import Run
from nbops.workspace._sweep import Shown

if TYPE_CHECKING:
    import pandas as pd

    from nbops.pipelines.planning import PipelinePlan as Planned
    from nbops.pipelines.sheet import Line, Page
    from nbops.workspace.remote import Call


def pipeline(folder: str | os.PathLike[str]) -> Pipeline:
    """A folder of notebooks as a pipeline; it shows its graph, how its last run ended, and what would run now.

    Raises NotFound for a missing folder.
    """
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise reading.absent(path, "folder")
    return Pipeline(path)


class Pipeline(View):
    """A folder of notebooks; what it shows is looked up each time."""

    kind = "pipeline"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """As pipeline.yaml says, else the folder's."""
        return self._page().pipeline

    def plan(self, params: Mapping[str, object] | None = None, *, force: bool = False) -> PipelinePlan:
        """What a run would execute now, and why; nothing is executed. Raises ConfigError with every mistake of the definition."""
        from nbops.pipelines import definition, planning

        return PipelinePlan(planning.make(self._store(), definition.load(self.folder, params), force=force))

    def run(
        self, params: Mapping[str, object] | None = None, *, force: bool = False, lanes: int | None = None
    ) -> PipelineRun:
        """Run it in a process of its own and wait for the end: every step that is not as it was, after those whose products it reads.

        `params` are for all steps that have them. A failed step is no error; an interrupt stops the run, which can be resumed. Raises
        ConfigError, ParameterError or UsageError before anything runs.
        """
        from nbops.workspace import remote

        call = remote.Call(
            project=str(self._settings().project), folder=str(self.folder), parameters=remote.given(params or {}),
            force=force, lanes=lanes or 0,
        )  # fmt: skip
        return _carried_out(call, self._settings())

    @property
    def runs(self) -> pd.DataFrame:
        """Its last 100 runs, the newest first, with how each ended."""
        import pandas as pd

        from nbops.pipelines import sheet

        columns = ["run_id", "status", "outcome", "sentence", "trigger", "start", "seconds"]
        lines = sheet.of_folder(self._store(), self.folder, limit=100)
        return pd.DataFrame([{name: getattr(line, name) for name in columns} for line in lines], columns=columns)

    @property
    def last(self) -> PipelineRun:
        """Its newest run. Raises NotFound when there is none."""
        from nbops.pipelines import sheet

        store = self._store()
        lines = sheet.of_folder(store, self.folder, limit=1)
        if not lines:
            raise NotFound(f"{self.folder.name} has not run as a pipeline yet.", hint="pipeline.run() does so.")
        return PipelineRun(store, lines[0].run_id)

    def to_text(self) -> str:
        """For a terminal."""
        from nbops.pipelines import sheet

        return sheet.to_text(self._page())

    def to_html(self) -> Html:
        """The graph and a table, without scripts."""
        from nbops.pipelines import sheet

        return sheet.to_html(self._page())

    def _page(self) -> Page:
        from nbops.pipelines import sheet

        settings = self._settings()
        return sheet.page(connect(settings) if settings.folder.is_dir() else None, self.folder)

    def _settings(self) -> config.Settings:
        return config.settings(start=self.folder)

    def _store(self) -> Store:
        return connect(self._settings())


class PipelinePlan(View):
    """What a run would execute, and why."""

    kind = "pipeline-plan"

    def __init__(self, planned: Planned) -> None:
        self._planned = planned

    @property
    def tasks(self) -> pd.DataFrame:
        """One row each: `verdict` is run, skip or perhaps."""
        import pandas as pd

        return pd.DataFrame([msgspec.structs.asdict(one) for one in self._planned.tasks])

    def to_text(self) -> str:
        """For a terminal."""
        return self._planned.to_text()

    def to_html(self) -> Html:
        """The graph and a table, without scripts."""
        from nbops.pipelines import drawing

        planned = self._planned
        columns: list[Column | str] = ["task", "would", Column("why", "prose"), "reads", "writes"]
        rows = [[one.task, one.verdict, one.why, ", ".join(one.reads), ", ".join(one.writes)] for one in planned.tasks]
        warnings = [f"Warning: {one} {one.remedy}" for one in planned.warnings]
        return html.stack(drawing.of_plan(planned), html.table(columns, rows), *warnings)


class PipelineRun(View):
    """A run of a pipeline that has ended, waits for a person, or goes on."""

    kind = "pipeline-run"

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self.run_id = run_id

    @property
    def id(self) -> str:
        """The last 8 hex digits, as shown everywhere."""
        return short(self.run_id)

    @property
    def status(self) -> RunStatus:
        """running, finished, failed, stopped or lost."""
        return runs.info(self._store, self.run_id).status

    @property
    def outcome(self) -> str:
        """done, unchanged, healed, degraded, waiting, rejected, failed or stopped; running or lost before it has ended."""
        return self._line().outcome

    @property
    def sentence(self) -> str:
        """Why it ended so."""
        return self._line().sentence

    @property
    def tasks(self) -> pd.DataFrame:
        """How each task stands, in their order."""
        import pandas as pd

        return pd.DataFrame([msgspec.structs.asdict(one) for one in self._line().tasks])

    def step(self, task: str) -> Run:
        """The run that executed a task; `tasks` has their names. Raises NotFound."""
        found = {one.task: one.run_id for one in self._line().tasks if one.run_id}
        points = [key for key in found if key.startswith(f"{task}[")]
        if task not in found and points:
            raise NotFound(
                f"{task} was executed {len(points)} times.", hint=f"Name one of them: {', '.join(points[:5])}."
            )
        if task not in found:
            raise NotFound.of("executed step", task, list(found), otherwise="None of its steps began.")
        return Run(self._store, found[task] or "")

    def resume(self, *, lanes: int | None = None) -> PipelineRun:
        """Go on with what is missing, and wait for the end; nothing that is done runs again. Raises UsageError while it is running."""
        from nbops.workspace import remote

        settings = self._store.settings
        return _carried_out(remote.Call(project=str(settings.project), resume=self.run_id, lanes=lanes or 0), settings)

    def to_text(self) -> str:
        """For a terminal."""
        line = self._line()
        return text.table(self._columns(), self._rows(line), caption=self._caption(line))

    def to_html(self) -> Html:
        """The graph and a table, without scripts."""
        line = self._line()
        return html.stack(line.picture(), html.table(self._columns(), self._rows(line), caption=self._caption(line)))

    def _columns(self) -> list[Column | str]:
        return ["task", Column("status", "status"), Column("run", "code"), Column("why", "prose")]

    def _rows(self, line: Line) -> list[list[object]]:
        return [[one.task, one.status, one.run_id and short(one.run_id), one.sentence or None] for one in line.tasks]

    def _caption(self, line: Line) -> str:
        return f"{line.pipeline} {line.short}: {line.outcome}{f', {line.sentence}' if line.sentence else ''}"

    def _line(self) -> Line:
        from nbops.pipelines import sheet

        found = sheet.of_runs(self._store, [self.run_id])
        if self.run_id not in found:
            raise NotFound(f"Run {self.id} is none of a pipeline.", hint="nbops.pipeline(folder).runs has those.")
        return found[self.run_id]


def _carried_out(call: Call, settings: config.Settings) -> PipelineRun:
    from nbops.pipelines import lines
    from nbops.workspace import remote

    # What this process has logged is there for its children to see.
    recording.flush_all()
    shown = Shown()
    ended, interrupted = remote.run(call, lambda at: shown.show(lines.progress(at)))
    shown.put(lines.summary(ended), "\n")
    if interrupted:
        raise KeyboardInterrupt(f"nbops pipeline resume {short(ended.run_id)} goes on with what is missing")
    return PipelineRun(connect(settings), ended.run_id)
