"""What the gate looks at and what it says: plain numbers and texts, kept with the review."""

from __future__ import annotations

from typing import Literal

from nbops.evaluation.bootstrap import Interval, Paired
from nbops.records import Record
from nbops.render.values import counted

Outcome = Literal["passed", "failed", "warning", "skipped", "too_few"]


class Part(Record):
    """A slice of the rows: `gap` is how much worse than all rows it is by the success measure, at least `low` (None when not known)."""

    name: str
    rows: int
    value: float | None
    gap: float | None
    low: float | None = None


class Told(Record):
    """An acceptance case or an assumption, as it turned out."""

    name: str
    passed: bool
    sentence: str = ""


class Evidence(Record):
    """Everything that the gate looks at.

    `metrics` are the candidate's on `rows` rows, in `blocks` blocks when they depend on each other, with `units` by metric. `champion` is
    the name of the version that holds the alias, None when nobody does, `paired` the candidate beside it on the same rows, and `beside`
    the champion's own success measure there; or `incomparable` says why it could not be asked about them.
    `tuned` tells what else those rows were used for ("the candidate's threshold"). `parts`, `calibration_error`, `signature` (what
    differs from the champion's) and `latency_ms` are None when they were not looked at.
    """

    rows: int
    metrics: dict[str, Interval]
    blocks: int | None = None
    units: dict[str, str] = {}
    champion: str | None = None
    paired: Paired | None = None
    tuned: tuple[str, ...] = ()
    parts: tuple[Part, ...] | None = None
    calibration_error: float | None = None
    cases: tuple[Told, ...] = ()
    signature: tuple[str, ...] | None = None
    latency_ms: float | None = None
    incidents: tuple[str, ...] = ()
    assumptions: tuple[Told, ...] = ()
    incomparable: str = ""
    failed_run: bool = False
    waiver: str = ""
    beside: Interval | None = None


class Check(Record):
    """One thing that was looked at; `value` and `limit` are the numbers that decided, in `unit`."""

    name: str
    outcome: Outcome
    sentence: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""


class Verdict(Record):
    """What the checks come to. `too_few`: there are too few rows or blocks to tell, and nothing else speaks against it."""

    outcome: Literal["passed", "failed", "too_few"]
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether the promotion may be approved."""
        return self.outcome == "passed"

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        if self.outcome == "too_few":
            return "Too few rows to decide on."
        failed = [check.name for check in self.checks if check.outcome == "failed"]
        warned = [check.name for check in self.checks if check.outcome == "warning"]
        if failed:
            return f"Refused: {counted(len(failed), 'check')} failed ({', '.join(failed)})."
        more = f", with {counted(len(warned), 'warning')} ({', '.join(warned)})" if warned else ""
        return f"Passed: nothing that the policy asks for is missing{more}."
