"""How good a version seems to be on rows whose truth nobody knows yet.

What it learns from are the laboratory's answers: rows that the model had not seen, with truth. Two classes or more: probabilities are
calibrated there, and each row then counts as every class by how probable that is (confidence-based performance estimation). Numbers: a
second model learns from the features how large the error is. Both take for granted that the same rows still have the same outcome as
often; where that is no longer so they are wrong, and `backtest` finds out when labels come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nbops.errors import UsageError
from nbops.evaluation.answers import Answers, Task
from nbops.monitoring.errormodel import Errors
from nbops.monitoring.expected import Expected
from nbops.monitoring.spread import Found
from nbops.records import Record

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROWS = 1000
"""Of fewer rows with truth nothing is learnt."""

_BY_CLASS: dict[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "log_loss", "brier", "accuracy", "precision", "recall", "f1"),
    "multiclass": ("accuracy", "log_loss"),
}
_OF_NUMBERS = ("mae", "rmse")
_FOLDS, _DRAWS = 5, 200

Method = Literal["calibrated probabilities", "error model"]


class Estimated(Record):
    """What a metric seems to be, between `low` and `high` at the estimation's level.

    The interval is of what is to be expected on rows such as these. What comes out on just these rows lies within `band` of the value as
    often, going by how far the estimate was off on the laboratory's days, each estimated from the others. None where it cannot be told.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    band: float | None


class Estimation(Record):
    """How good the answers to `rows` rows seem to be, as far as `learnt_rows` rows of the laboratory's tell."""

    task: Task
    method: Method
    rows: int
    learnt_rows: int
    level: float
    metrics: tuple[Estimated, ...]

    def of(self, name: str) -> Estimated | None:
        """The estimate of that metric, if there is one."""
        return next((one for one in self.metrics if one.metric == name), None)


class Estimator:
    """What was learnt from the laboratory's rows; made by `learn`."""

    def __init__(self, task: Task, learnt: Expected | Errors, rows: int, level: float) -> None:
        self.task, self._learnt, self._rows, self.level = task, learnt, rows, level

    def estimate(self, answers: Answers, features: pd.DataFrame | None = None) -> Estimation:
        """How good the answers to n rows seem to be, whose truth is not looked at; of numbers their `features` (n, any) are needed.

        Raises UsageError for answers of another task or other classes, and NotFound when a feature is missing.
        """
        if answers.task != self.task or not answers.rows:
            raise UsageError(
                f"There are {answers.rows:,} rows of {answers.task} to estimate by what was learnt from {self.task}.",
                hint="Give the rows of a window, read with the same Question as the laboratory's.",
            )
        found = self._learnt.estimate(answers, features, self.level)
        method: Method = "error model" if self.task == "regression" else "calibrated probabilities"
        return Estimation(
            self.task, method, answers.rows, self._rows, self.level, tuple(map(_estimated, found.items()))
        )


def learn(
    laboratory: Answers,
    features: pd.DataFrame | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Estimator:
    """What estimates need, learnt from answers to n rows that the model had not seen; of numbers with their `features` (n, any).

    Blocks of the answers are days. Estimated are ROC AUC, log loss, Brier score, accuracy, precision, recall and F1 of two classes,
    accuracy and log loss of more, MAE and RMSE of numbers. Raises UsageError below 1,000 rows, without probabilities, when one class
    alone is there, or without features.
    """
    import numpy as np

    if laboratory.rows < LEAST_ROWS:
        raise UsageError(
            f"Estimates cannot be learnt from {laboratory.rows:,} rows with truth: it takes {LEAST_ROWS:,}.",
            hint='Evaluate the version on more rows that it has not seen: version.evaluate(rows, time="…").',
        )
    if laboratory.task == "regression":
        if features is None or len(features) != laboratory.rows:
            raise UsageError(
                "An error model learns from the features of the laboratory's rows, and these are not given.",
                hint="Give one row of features for each answer.",
            )
        return Estimator("regression", Errors(laboratory, features, _FOLDS, seed), laboratory.rows, level)
    if laboratory.probabilities is None:
        raise UsageError(
            "Performance without labels is estimated from probabilities, and this model gives none.",
            hint="Calibrate it (sklearn.calibration.CalibratedClassifierCV), or wait for labels.",
        )
    if len(np.unique(laboratory.truth)) < 2:
        raise UsageError(
            "All of the laboratory's rows are of one class, so nothing tells how probable another is.",
            hint="Evaluate the version on rows of all classes.",
        )
    names = _BY_CLASS[laboratory.task]
    learnt = Expected(laboratory, names, _FOLDS, _DRAWS, seed)
    return Estimator(laboratory.task, learnt, laboratory.rows, level)


def _estimated(found: tuple[str, Found]) -> Estimated:
    name, one = found
    return Estimated(name, one.value, one.low, one.high, one.band)
