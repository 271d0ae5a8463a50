"""What processes ask the owner to record about runs."""

from __future__ import annotations

from typing import ClassVar

from nbops.records import Artifact, Better, Dataset, FailureClass, Param, Record, RunStatus, Series, Tag
from nbops.store.wire import Request


class Facts(Record):
    """What is found out about a run while it goes on; None leaves a fact as it is."""

    commit: str | None = None
    dirty: bool | None = None
    environment: str | None = None


class StartRun(Request, tag="run.start"):
    """A run begins, or began and ended as `EndRun` has it. The experiment is made if it is new. Times in UTC microseconds."""

    spools: ClassVar[bool] = True

    run_id: str
    experiment: str
    name: str
    started: int
    host: str
    pid: int
    status: RunStatus = "running"
    ended: int | None = None
    cause: str | None = None
    failure_class: FailureClass | None = None
    exit_status: int | None = None
    peak_memory: int | None = None
    cpu_seconds: float | None = None
    parent_id: str | None = None
    source: str | None = None
    cell: str | None = None
    facts: Facts | None = None
    params: list[Param] = []
    tags: list[Tag] = []


class InputRow(Record):
    """A dataset that a run read, under the run's name for it."""

    name: str
    dataset: Dataset


class LogRun(Request, tag="run.log"):
    """Anything that a run has to say, in one go. `time` (UTC microseconds) holds for all but the metrics."""

    spools: ClassVar[bool] = True

    run_id: str
    time: int
    params: list[Param] = []
    metrics: list[Series] = []
    tags: list[Tag] = []
    artifacts: list[Artifact] = []
    inputs: list[InputRow] = []
    facts: Facts | None = None


class EndRun(Request, tag="run.end"):
    """A run ends. The first end counts, unless it was taken for lost; memory in bytes."""

    spools: ClassVar[bool] = True

    run_id: str
    status: RunStatus
    ended: int
    cause: str | None = None
    failure_class: FailureClass | None = None
    exit_status: int | None = None
    peak_memory: int | None = None
    cpu_seconds: float | None = None


class OutputRow(Record):
    """What a run wrote, under the name of the parameter that declares it; `path` as it lies in the project."""

    name: str
    path: str
    digest: str


class KeepKey(Request, tag="run.key"):
    """What a finished run of a notebook depended on, as JSON in `parts`; `reason` says why it is not `skippable`."""

    spools: ClassVar[bool] = True

    run_id: str
    notebook: str
    static_key: str
    key: str
    skippable: bool
    reason: str | None
    parts: str
    outputs: list[OutputRow] = []


class ReopenRun(Request, tag="run.reopen"):
    """A run that ended goes on in the process that asks."""

    run_id: str
    host: str
    pid: int


class AdoptRun(Request, tag="run.adopt"):
    """A kernel joins the run that its runner has started; its experiment and name apply. Answers with the run's params."""

    spools: ClassVar[bool] = True

    run_id: str
    time: int
    experiment: str | None = None
    name: str | None = None
    cell: str | None = None
    params: list[Param] = []
    tags: list[Tag] = []


class ChangeRun(Request, tag="run.change"):
    """Rename, hide or bring back a run; None leaves it as it is."""

    run_id: str
    name: str | None = None
    deleted: bool | None = None


class DefineMetric(Request, tag="metric.define"):
    """What a metric means, for the whole project; the last definition counts."""

    spools: ClassVar[bool] = True

    key: str
    better: Better
    unit: str | None = None
    description: str | None = None
