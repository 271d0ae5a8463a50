"""Runs of pipelines read back from the store."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from nbops.errors import NotFound, StoreCorrupt
from nbops.execution.sweeps import texts
from nbops.execution.sweeps.texts import Given
from nbops.pipelines.graph import Task
from nbops.pipelines.standing import Standing, Status
from nbops.pipelines.steps import name_in
from nbops.records import FailureClass, Record, short
from nbops.store.client import Store
from nbops.store.places import locked
from nbops.tracking import runs


class Drawn(Record):
    """A task as its run was begun with it: `reads` and `writes` are paths in the project, `before` the tasks that it waits for."""

    key: str
    step: str
    file: str
    before: list[str]
    reads: list[str]
    writes: list[str]


class Definition(Record):
    """What a run was begun with; tasks in their order."""

    parameters: dict[str, Given] = {}
    tasks: list[Drawn] = []


class PipelineRun(Record):
    """A run of a pipeline as the store has it: `tasks` as they stand, `drawn` what they are, `folder` whole."""

    run_id: str
    pipeline: str
    folder: str
    outcome: str
    sentence: str
    parameters: dict[str, Any]
    tasks: dict[str, Standing]
    drawn: list[Drawn] = []
    release: int | None = None


class Approval(Record):
    """What was asked of people about a task, and what they said; times in UTC microseconds."""

    status: str
    expires: int
    decided_by: str | None = None
    reason: str | None = None


def load(store: Store, text: str) -> PipelineRun:
    """The run that an id, its last digits or its name means. Raises NotFound or Ambiguous."""
    run_id = runs.find(store, text)
    rows = store.read(
        "select p.pipeline, p.folder, p.definition, v.outcome, v.sentence, p.release from core.pipeline_runs p"
        " join pipeline_runs v using (run_id)"
        " where p.run_id = ?",
        [run_id],
    ).rows
    if not rows:
        raise NotFound(
            f"Run {short(run_id)} is none of a pipeline.", hint="`nbops status` shows the runs of pipelines."
        )
    name, folder, text_, outcome, sentence, release = rows[0]
    try:
        told = msgspec.json.decode(text_, type=Definition)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(
            f"What run {short(run_id)} was begun with cannot be read: {error}.", hint="Begin a new run."
        ) from error
    place = Path(folder) if Path(folder).is_absolute() else store.settings.project / folder
    return PipelineRun(
        run_id, name, str(place), outcome, sentence or "", {key: one.value for key, one in told.parameters.items()},
        tasks(store, run_id), told.tasks, release,
    )  # fmt: skip


def definition(project: Path, made: list[Task], parameters: Mapping[str, Any]) -> Definition:
    """What a run of these tasks is begun with."""
    drawn = []
    for task in made:
        reads = [name_in(project, path) for paths in task.ins.values() for path in paths]
        writes = [name_in(project, path) for path in task.outs.values()]
        drawn.append(Drawn(task.key, task.name, task.step.file, list(task.before), reads, writes))
    return Definition({name: texts.given(value) for name, value in parameters.items()}, drawn)


def defined(told: str) -> Definition:
    """What a run was begun with, as the store has it; nothing, where that cannot be read any more."""
    try:
        return msgspec.json.decode(told, type=Definition)
    except msgspec.DecodeError:
        return Definition()


def tasks(store: Store, run_id: str) -> dict[str, Standing]:
    """How each task of a run stands; one that ran when its driver died waits again."""
    sql = """
        select task, status, sentence, attempt, step_run_id::varchar, healed, epoch_us(stale_since) from step_runs where run_id = ?
        """
    words: dict[str, Status] = {"started": "waiting", "retrying": "waiting"}
    return {
        task: Standing(words.get(status, status), sentence, attempt, step_run, healed, since)
        for task, status, sentence, attempt, step_run, healed, since in store.read(sql, [run_id]).rows
    }


def approval(store: Store, run_id: str, task: str) -> Approval | None:
    """What was asked about a task last; None when nothing was."""
    sql = "select status, epoch_us(expires), decided_by, reason from step_approvals where run_id = ? and task = ?"
    rows = store.read(sql, [run_id, task]).rows
    return Approval(*rows[0]) if rows else None


def metrics(store: Store, of: Mapping[str, str | None], names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The metrics of steps, by name of the step: a list, where it was swept. `of` are runs by task."""
    found: dict[str, list[dict[str, float]]] = {}
    for task, run_id in of.items():
        if run_id is not None:
            found.setdefault(names[task], []).append(runs.metrics(store, run_id))
    return {
        step: one[0]
        if len(one) == 1
        else {key: [each[key] for each in one if key in each] for each in one for key in each}
        for step, one in found.items()
    }


def failure_class(store: Store, run_id: str) -> FailureClass | None:
    """The class of the first failure that a run ended with."""
    rows = store.read(
        "select failure_class from step_runs where run_id = ? and status = 'failed' order by time limit 1", [run_id]
    ).rows
    return rows[0][0] if rows else None


def living(store: Store) -> set[str]:
    """The short ids of runs whose process lives on this host, whether the store knows them yet or not."""
    found = set()
    for path in store.places.alive.iterdir() if store.places.alive.is_dir() else ():
        # It may end this very moment.
        with contextlib.suppress(FileNotFoundError):
            if locked(path):
                found.add(short(path.name))
    return found


def in_trouble(store: Store, pipeline: str) -> bool:
    """Whether an incident of a pipeline is open."""
    sql = "select 1 from incidents where subject = ? and status = 'open' limit 1"
    return bool(store.read(sql, [f"pipeline:{pipeline}"]).rows)
