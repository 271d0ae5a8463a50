"""What surfaces show of pipelines: their runs, how each task stands, what would run now, what waits for a person, and what is wrong.

In flow a folder and rows of the store; out flow records that surfaces only have to place, and pictures. Nothing runs or is written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from nbops import times
from nbops.errors import ConfigError
from nbops.execution import live
from nbops.pipelines import approving, definition, drawing, graph, planning, results, standing
from nbops.pipelines.approving import Waiting
from nbops.pipelines.drawing import Node
from nbops.pipelines.marked import Mistake
from nbops.pipelines.planning import Planned
from nbops.pipelines.results import Drawn
from nbops.pipelines.standing import OVER
from nbops.pipelines.steps import name_in
from nbops.records import Record, RunStatus, at, short
from nbops.render import html, text
from nbops.render.model import Column, Html
from nbops.render.values import counted, duration
from nbops.store.client import Store
from nbops.tracking import recording

MOST = 10
"""Runs of a pipeline that are listed."""
_UNRUN = "nothing has run here yet"
# What ended in these words can be gone on with.
_OPEN = ("failed", "stopped", "waiting", "lost")


class Stands(Record):
    """How a task stands in a run; `doing` says which cell runs. `stale_since` in UTC microseconds."""

    task: str
    step: str
    file: str
    before: list[str]
    status: str = "waiting"
    sentence: str = ""
    attempt: int = 0
    healed: bool = False
    stale_since: int | None = None
    run_id: str | None = None
    seconds: float | None = None
    doing: str = ""


class Line(Record):
    """A run of a pipeline; `folder` is whole, `tasks` are in their order.

    `seconds` are those of its work: those for which nothing ran because it `waited` for a person are not among them.
    """

    run_id: str
    short: str
    pipeline: str
    folder: str
    status: RunStatus
    outcome: str
    sentence: str
    trigger: str
    start: datetime
    seconds: float
    tasks: list[Stands]
    waited: float = 0.0

    @property
    def lasted(self) -> str:
        """How long it worked, and waited, in words."""
        told = f", waited {duration(self.waited)} for approval" if self.waited else ""
        return f"{duration(self.seconds)}{told}"

    @property
    def done(self) -> int:
        """How many tasks are over."""
        return sum(one.status in OVER for one in self.tasks)

    @property
    def resumable(self) -> bool:
        """Whether something of it is missing that `resume` would go on with."""
        return self.status != "running" and self.outcome in _OPEN

    def picture(self, *, pressed: bool = False) -> Html:
        """Its tasks as they stand; `pressed` as in `drawing.draw`."""
        nodes = [
            Node(one.task, one.status, one.before, one.doing or ("healed" if one.healed else ""), one.sentence)
            for one in self.tasks
        ]
        return drawing.draw(nodes, title=f"{self.pipeline}, run {self.short}: {self.outcome}", pressed=pressed)


class Page(Record):
    """A pipeline as it is now. With `mistakes` there is no `plan`; `executed` has the last executed run of each task.

    `paths` are the files of its steps, by name.
    """

    pipeline: str
    folder: str
    mistakes: list[Mistake]
    plan: planning.PipelinePlan | None
    paths: dict[str, str]
    executed: dict[str, str]
    runs: list[Line]
    waiting: list[Waiting]

    @property
    def newest(self) -> Line | None:
        """Its last run."""
        return self.runs[0] if self.runs else None


def page(store: Store | None, folder: Path) -> Page:
    """A folder as a pipeline; without a store, as before its first run. Raises NotFound and UsageError for what can be none."""
    folder = folder.expanduser().resolve()
    try:
        made, mistakes = definition.examine(folder)
    except ConfigError as error:
        made, mistakes = None, [Mistake.read(error.message, error.hint)]
    lines = [] if store is None else of_folder(store, folder)
    name = made.name if made is not None else lines[0].pipeline if lines else folder.name
    known = {line.run_id for line in lines}
    return Page(
        name, str(folder), sorted(mistakes, key=lambda one: (one.file, one.line)),
        plan=None if made is None or mistakes else planning.make(store, made) if store else _unrun(made),
        paths={step.name: str(step.path) for step in made.steps.values() if step.path.exists()} if made else {},
        executed={} if store is None else _executed(store, folder), runs=lines,
        waiting=[] if store is None else [one for one in approving.waiting(store) if one.run_id in known],
    )  # fmt: skip


def of_folder(store: Store, folder: Path, *, limit: int = MOST) -> list[Line]:
    """The last runs of a folder, the newest first."""
    where = "v.folder = ? order by v.start_time desc, v.run_id desc limit ?"
    return _lines(store, where, [name_in(store.settings.project, folder), limit])


def of_runs(store: Store, run_ids: Sequence[str]) -> dict[str, Line]:
    """Those of the runs that are of pipelines, by their ids."""
    return {line.run_id: line for line in _lines(store, "v.run_id in (select unnest(?::uuid[]))", [list(run_ids)])}


def follow(store: Store, run_id: str, *, interval: float = 0.5) -> Iterator[str]:
    """A line at each change of a run of a pipeline, until it has ended or waits for a person."""
    last = ""
    while (line := of_runs(store, [run_id]).get(run_id)) is not None:
        now = [f"{one.task} ({one.doing})" if one.doing else one.task for one in line.tasks if one.status == "running"]
        done = f"{line.done} of {counted(len(line.tasks), 'step')} done"
        told = "; ".join([done, *now])
        if told != last:
            yield told
        last = told
        if line.outcome != "running":
            return
        time.sleep(interval)


def folders(store: Store) -> dict[str, str]:
    """The folders that have run as pipelines, whole, with the name that each had last."""
    sql = "select folder, arg_max(pipeline, start_time) from pipeline_runs group by folder order by max(start_time) desc limit 100"
    return {_whole(store, folder): name for folder, name in store.read(sql).rows}


def to_text(found: Page) -> str:
    """A page for a terminal."""
    rows, columns = _rows(found), _columns()
    if found.mistakes:
        return "\n".join(f"{one} {one.remedy}" for one in found.mistakes)
    last = f", last run {_told(found.newest)}" if found.newest else ""
    return text.table(columns, rows, caption=f"{found.pipeline}: {counted(len(rows), 'task')}{last}")


def to_html(found: Page) -> Html:
    """The picture and a table, without scripts; the mistakes, where there are any."""
    if found.mistakes:
        wrong = [[one.file, one.line or None, one.what, one.remedy] for one in found.mistakes]
        columns: list[Column | str] = [
            Column("file", "code"),
            "line",
            Column("what is wrong", "prose"),
            Column("what to do", "prose"),
        ]
        return html.table(columns, wrong, caption=f"{found.pipeline} cannot run")
    newest, plan = found.newest, found.plan
    if newest is not None and (newest.status == "running" or plan is None):
        drawn = newest.picture()
    else:
        drawn = drawing.of_plan(plan) if plan is not None else Html("")
    return html.stack(drawn, html.table(_columns(), _rows(found), caption=_caption(found)))


def _columns() -> list[Column | str]:
    return ["task", Column("last run", "status"), "would now", Column("why", "prose"), "reads", "writes"]


def _rows(found: Page) -> list[list[object]]:
    stood = {one.task: one.status for one in found.newest.tasks} if found.newest else {}
    planned: list[Planned] = found.plan.tasks if found.plan else []
    return [
        [one.task, stood.get(one.task), one.verdict, one.why, ", ".join(one.reads), ", ".join(one.writes)]
        for one in planned
    ]


def _caption(found: Page) -> str:
    return f"{found.pipeline}: {_told(found.newest)}" if found.newest else f"{found.pipeline}: {_UNRUN}"


def _told(line: Line) -> str:
    sentence = f": {line.sentence}" if line.sentence else ""
    return f"{line.outcome} {line.short} of {times.minute(line.start)} in {line.lasted}{sentence}"


def _unrun(made: graph.Graph) -> planning.PipelinePlan:
    tasks = [
        Planned(
            task.key, task.name, task.step.file, "perhaps" if task.step.operation.when or task.step.operation.approval else "run",
            _UNRUN, [Path(path).name for paths in task.ins.values() for path in paths],
            [Path(path).name for path in task.outs.values()], list(task.before),
        )
        for task in graph.tasks(made)
    ]  # fmt: skip
    return planning.PipelinePlan(made.name, str(made.folder), tasks, made.aside)


def _lines(store: Store, where: str, values: list[object]) -> list[Line]:
    recording.flush_all()
    sql = f"""
        select v.run_id::varchar, v.pipeline, v.folder, v.status, v.outcome, v.sentence, v.trigger, epoch_us(v.start_time),
            epoch_us(v.end_time), p.definition
        from pipeline_runs v join core.pipeline_runs p on p.run_id = v.run_id where {where}
        """  # noqa: S608 - fixed text
    found = store.read(sql, values).rows
    run_ids = [row[0] for row in found]
    acts, waits = _acts(store, run_ids), _waited(store, run_ids)
    lines = []
    for run_id, name, folder, status, outcome, sentence, trigger, start, end, told in found:
        running, began = status == "running", at(start)
        over = at(end) if end and not running else datetime.now(UTC)
        stood = _once(
            name,
            [_stands(store, one, acts.get((run_id, one.key)), running=running) for one in results.defined(told).tasks],
        )
        lines.append(
            Line(
                run_id, short(run_id), name, _whole(store, folder), status, outcome, sentence or "", trigger, began,
                max(0.0, (over - began).total_seconds() - waits.get(run_id, 0.0)), stood, waits.get(run_id, 0.0),
            )
        )  # fmt: skip
    return lines


def _once(pipeline: str, stood: list[Stands]) -> list[Stands]:
    """The same, with each reason for old data said where it begins."""
    old = standing.once(pipeline, {one.task: one.sentence for one in stood if one.stale_since is not None})
    return [msgspec.structs.replace(one, sentence=str(old.get(one.task, one.sentence))) for one in stood]


def _acts(store: Store, run_ids: list[str]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """What happened last to each task of these runs."""
    sql = """
        select run_id::varchar, task, status, sentence, attempt, healed, epoch_us(stale_since), step_run_id::varchar, seconds
        from step_runs where run_id in (select unnest(?::uuid[]))
        """
    rows = store.read(sql, [run_ids]).rows if run_ids else []
    return {(run_id, task): tuple(act) for run_id, task, *act in rows}


def _waited(store: Store, run_ids: list[str]) -> dict[str, float]:
    """For how many seconds those runs waited that were gone on with: from each such end to what happened next."""
    sql = """
        select run_id::varchar, sum(greatest(0, epoch_us(following) - epoch_us(time))) / 1e6
        from (
            select e.run_id, e.time, min(a.time) as following
            from core.pipeline_ends e join core.step_acts a on a.run_id = e.run_id and a.seq > e.seq
            where e.outcome = 'waiting' and e.run_id in (select unnest(?::uuid[])) group by e.run_id, e.seq, e.time
        ) group by run_id
        """
    return {run_id: float(seconds) for run_id, seconds in store.read(sql, [run_ids]).rows} if run_ids else {}


def _stands(store: Store, drawn: Drawn, act: tuple[Any, ...] | None, *, running: bool) -> Stands:
    made = Stands(drawn.key, drawn.step, drawn.file, drawn.before)
    if act is None:
        return made
    status, sentence, attempt, healed, since, run_id, seconds = act
    words = {"started": "running" if running else "lost", "retrying": "waiting"}
    word = words.get(status, status)
    state = live.read(store.places.runs / run_id) if word == "running" and run_id else None
    return msgspec.structs.replace(
        made, status=word, sentence=sentence, attempt=attempt, healed=healed, stale_since=since, run_id=run_id, seconds=seconds,
        doing=f"cell {state.cell}/{state.cells}" if state else "",
    )  # fmt: skip


def _executed(store: Store, folder: Path) -> dict[str, str]:
    """The last run of each task whose executed notebook is there."""
    sql = """
        select a.task, a.step_run_id::varchar from step_acts a join pipeline_runs p on p.run_id = a.run_id
        where p.folder = ? and a.step_run_id is not null
        qualify row_number() over (partition by a.task order by a.time desc) = 1
        """
    found = store.read(sql, [name_in(store.settings.project, folder)]).rows
    return {task: run_id for task, run_id in found if any((store.places.runs / run_id).glob("*.ipynb"))}


def _whole(store: Store, folder: str) -> str:
    return folder if Path(folder).is_absolute() else str(store.settings.project / folder)
