"""What is known of a model after it was held against rows with known truth: plain figures that are kept and shown."""

from __future__ import annotations

from nbops.evaluation.answers import Task
from nbops.evaluation.assumptions import Held
from nbops.evaluation.bootstrap import Interval
from nbops.evaluation.calibration import Calibration, RegressionCalibration
from nbops.evaluation.cases import CaseResult
from nbops.evaluation.decision import DecisionRule
from nbops.evaluation.fairness import Fairness
from nbops.evaluation.importance import Importance
from nbops.evaluation.sizing import Sizing
from nbops.evaluation.slices import Slice
from nbops.evaluation.worst import Worst
from nbops.records import Record


class WorstRow(Record):
    """One of the rows that were answered worst: its place among the kept rows, from 0, and what the model was given, as text."""

    row: int
    truth: str
    predicted: str
    loss: float
    fields: dict[str, str]


class Assessment(Record):
    """How a model did on `rows` rows with known truth, out of `given` ones.

    `metric` is the one that slices, importance and the search for the worst rows go by. `by` is the column whose values make rows depend
    on each other, which then form `blocks`. Metrics of the target's unit are in `unit`. What was not asked for is empty, or None;
    `notes` say what could not be told.
    """

    task: Task
    target: str
    unit: str
    metric: str
    given: int
    rows: int
    without_truth: int
    by: str | None
    blocks: int | None
    rule: DecisionRule | None
    classes: tuple[str, ...]
    metrics: tuple[Interval, ...]
    slices: tuple[Slice, ...] = ()
    fairness: tuple[Fairness, ...] = ()
    worst: tuple[Worst, ...] = ()
    worst_rows: tuple[WorstRow, ...] = ()
    calibration: Calibration | None = None
    regression: RegressionCalibration | None = None
    importance: tuple[Importance, ...] = ()
    cases: tuple[CaseResult, ...] = ()
    assumptions: tuple[Held, ...] = ()
    sizing: Sizing | None = None
    notes: tuple[str, ...] = ()

    def of(self, metric: str) -> Interval | None:
        """The metric of that name, if it was measured."""
        return next((one for one in self.metrics if one.metric == metric), None)
