"""The decision rule of a model, fitted just now or kept, chosen on rows with known truth that it was not fitted on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.data.snapshots import Snapshot
from nbops.errors import ModelError, UsageError
from nbops.evaluation import choosing
from nbops.evaluation.assessing import Asked, answered, rows_of
from nbops.evaluation.choice import Choice
from nbops.evaluation.decision import Costs, Label, Response
from nbops.records import Record
from nbops.registry import signature
from nbops.registry.evaluations import Subject, frame_of
from nbops.registry.models import LoadedModel
from nbops.tracking import artifacts

if TYPE_CHECKING:
    import pandas as pd


class Wish(Record):
    """What the threshold is to serve, see `evaluation.choosing.choose_threshold`: exactly one, with costs maybe `reject_cost`, too."""

    costs: Costs | None = None
    precision: float | None = None
    recall: float | None = None
    capacity: float | None = None
    reject_cost: float | None = None


def choose(
    model: LoadedModel | Any,
    data: Any,
    wish: Wish,
    *,
    target: str | None,
    positive: Label | None,
    time: str | None,
    groups: str | None,
    project: Path,
) -> Choice:
    """The rule for a loaded model or a fitted classifier of two classes that serves the wish best on `data`.

    `project` is what files are named from. Raises UsageError, NotFound for columns that are not there, and ModelError.
    """
    if target is None and isinstance(model, LoadedModel):
        target = model.manifest.output.name
    if target is None:
        raise UsageError("It is not known which column holds the truth.", hint='Name it: target="late".')
    asked = Asked(target=target, time=time, groups=groups)
    frame = frame_of(data)
    rows = rows_of(frame, asked)
    subject = Subject(model) if isinstance(model, LoadedModel) else model
    features = model.prepared(rows) if isinstance(model, LoadedModel) else _features(model, rows, asked)
    found = answered(subject, rows, lambda _: features, asked)
    if found.task != "binary":
        raise UsageError(
            f"A threshold parts two classes, and this model {_what(found.classes)}.",
            hint="For more classes give log_model a rule with the least probability: nbops.DecisionRule(least=0.6).",
        )
    seen = found.decided(positive=positive)
    response: Response = "decision_function" if seen.probabilities is None else "predict_proba"
    if seen.probabilities is not None:
        scores = seen.probabilities[:, 1]
    else:
        scores = _scores(model.estimator if isinstance(model, LoadedModel) else model, features)
        # A decision function speaks for the model's second class.
        scores = scores if seen.classes == found.classes else -scores
    return choosing.choose_threshold(
        seen.truth, scores, costs=wish.costs, precision=wish.precision, recall=wish.recall, capacity=wish.capacity,
        reject_cost=wish.reject_cost, positive=seen.classes[1], response=response, blocks=seen.blocks,
        chosen_on=artifacts.describe(data if _is_kept(data) else frame, "data", project).digest,
    )  # fmt: skip


def _is_kept(data: Any) -> bool:
    """Whether it is known by its bytes or as a version of data, and not by the values of its rows."""
    return isinstance(data, (str, os.PathLike, Snapshot))


def _features(model: Any, rows: pd.DataFrame, asked: Asked) -> Any:
    """What a fitted model takes of these rows: its columns, or where it does not know them all that the question does not name.

    A single column of which it knows nothing is a Series: texts, mostly.
    """
    if not hasattr(model, "feature_names_in_"):
        rows = rows.drop(columns=[name for name in (asked.target, asked.time, asked.groups) if name is not None])
        if not hasattr(model, "n_features_in_") and rows.shape[1] == 1:
            return rows.iloc[:, 0]
    known, _ = signature.infer(model, example=rows, reference=None, target=asked.target)
    if known is None:
        return rows
    taken = signature.conform(rows, known)
    return taken if known.named else taken.to_numpy()


def _scores(estimator: Any, features: Any) -> Any:
    import numpy as np

    if not hasattr(estimator, "decision_function"):
        raise ModelError(
            f"{type(estimator).__name__} gives neither probabilities nor scores, so there is nothing to put a threshold on.",
            hint="Calibrate it: sklearn.calibration.CalibratedClassifierCV gives probabilities.",
        )
    return np.asarray(estimator.decision_function(features), dtype=np.float64)


def _what(classes: tuple[Label, ...]) -> str:
    return f"tells {len(classes)} apart" if classes else "predicts numbers"
