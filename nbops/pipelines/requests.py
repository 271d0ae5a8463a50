"""What processes ask the owner to record about pipelines."""

from __future__ import annotations

from typing import ClassVar, Literal

from nbops.monitoring.policy import MonitorPolicy
from nbops.records import FailureClass, Record
from nbops.store.wire import Request

Doing = Literal[
    "started",
    "retrying",
    "finished",
    "unchanged",
    "degraded",
    "excluded",
    "blocked",
    "failed",
    "stopped",
    "parked",
]
"""What happened to a task; the last one says how it stands."""
Outcome = Literal["done", "unchanged", "healed", "degraded", "waiting", "rejected", "failed", "stopped"]
"""How a pipeline's run ended; all but the last three are success."""
Trigger = Literal["person", "schedule", "backfill", "drill"]
Decision = Literal["approve", "reject"]


class OpenPipelineRun(Request, tag="pipeline.open"):
    """A run, which is there already, is one of a pipeline; `nominal` (UTC microseconds) is the time that it is for."""

    run_id: str
    pipeline: str
    folder: str
    definition: str
    trigger: Trigger = "person"
    nominal: int | None = None
    release: int | None = None


class Act(Record):
    """What happened to a task. `stale_since` (UTC microseconds): what it left behind, or rests on, is of that time."""

    task: str
    step: str
    act: Doing
    attempt: int = 0
    step_run_id: str | None = None
    failure_class: FailureClass | None = None
    sentence: str = ""
    healed: bool = False
    stale_since: int | None = None
    seconds: float | None = None


class KeepActs(Request, tag="pipeline.acts"):
    """Something happened to tasks of a run, at a time (UTC microseconds)."""

    spools: ClassVar[bool] = True

    run_id: str
    acts: list[Act]
    time: int


class EndPipelineRun(Request, tag="pipeline.end"):
    """How a run ended, in a word and in a sentence."""

    spools: ClassVar[bool] = True

    run_id: str
    outcome: Outcome
    sentence: str
    time: int


class Product(Record):
    """A product by its `path` in the project: of when (UTC microseconds) it is, if it is old, and why; `to` are who hears of it."""

    name: str
    path: str
    stale_since: int | None
    sentence: str
    to: list[str] = []


class KeepProducts(Request, tag="pipeline.products"):
    """Products of a run became old, or are fresh again, at a time (UTC microseconds). Answers with the number of messages."""

    run_id: str
    products: list[Product]
    time: int


class Claim(Request, tag="pipeline.claim"):
    """Nobody else executes a step of this key while the run goes on. Answers with the run that does, if one does already."""

    key: str
    run_id: str


class Release(Request, tag="pipeline.release-claim"):
    """The run is done with the step of this key."""

    spools: ClassVar[bool] = True

    key: str
    run_id: str


class AskApproval(Request, tag="pipeline.ask"):
    """A task waits for a person until `expires` (UTC microseconds); nobody named in `approvers` is everybody."""

    run_id: str
    task: str
    asks: str
    approvers: list[str]
    expires: int


class Decide(Request, tag="pipeline.decide"):
    """A person decides on a task that waits."""

    run_id: str
    task: str
    decision: Decision
    reason: str


class Frozen(Record):
    """A file of a release, by its path in the project: a blob."""

    path: str
    sha256: str
    size: int


class KeepRelease(Request, tag="pipeline.freeze"):
    """A pipeline as it is now becomes its current release; one that is just so is not made again. Answers with the number."""

    release_id: str
    pipeline: str
    folder: str
    digest: str
    files: list[Frozen]
    why: str
    environment: str | None = None
    commit: str | None = None
    dirty: bool | None = None


class RollBackRelease(Request, tag="pipeline.roll-back"):
    """An earlier release (the one before, if none is named) is the current one again. Answers with its number."""

    pipeline: str
    why: str
    number: int | None = None


class HoldPolicy(Request, tag="pipeline.policy"):
    """From now on incidents of a pipeline follow this policy. The same again is not recorded."""

    pipeline: str
    policy: MonitorPolicy
