"""Whatever the answers are, metrics equal scikit-learn's, also of rows that count several times; the undefined is NaN, in silence."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from nbops.evaluation.answers import Answers, Task
from nbops.evaluation.metrics import METRICS, measure, weighted
from tests.examples import some

COINS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
PROBABILITIES = st.one_of(COINS, st.floats(0, 1))


@st.composite
def regressions(draw: st.DrawFn) -> Answers:
    numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
    rows = draw(st.lists(st.tuples(numbers, numbers), max_size=40))
    truth, predicted = np.array(rows, dtype=np.float64).reshape(-1, 2).T
    return Answers("regression", truth.copy(), predicted.copy())


@st.composite
def binaries(draw: st.DrawFn) -> Answers:
    rows = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), PROBABILITIES), max_size=40))
    truth = np.array([row[0] for row in rows], dtype=np.int64)
    predicted = np.array([row[1] for row in rows], dtype=np.int64)
    positive = np.array([row[2] for row in rows], dtype=np.float64)
    return Answers("binary", truth, predicted, np.column_stack([1 - positive, positive]), ("no", "yes"))


@st.composite
def multiclasses(draw: st.DrawFn) -> Answers:
    codes = st.integers(0, 3)
    rows = draw(st.lists(st.tuples(codes, codes, st.lists(st.floats(0.01, 1), min_size=4, max_size=4)), max_size=40))
    truth, predicted = (np.array([row[side] for row in rows], dtype=np.int64) for side in (0, 1))
    masses = np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 4)
    return Answers("multiclass", truth, predicted, masses / masses.sum(axis=1, keepdims=True), tuple("abcd"))


def theirs(told: Answers) -> dict[str, float]:
    """Each metric by scikit-learn or numpy; NaN where this project says that there is none."""
    truth, predicted = told.truth, told.predicted
    if told.task == "regression":
        errors = np.abs(predicted - truth)
        return {
            "mae": sk.mean_absolute_error(truth, predicted),
            "rmse": sk.root_mean_squared_error(truth, predicted),
            "median_ae": sk.median_absolute_error(truth, predicted),
            "p90_ae": np.quantile(errors, 0.9),
            "bias": np.mean(predicted - truth),
            "r2": sk.r2_score(truth, predicted) if len(set(truth.tolist())) > 1 else math.nan,
        }
    assert told.probabilities is not None
    labels = range(len(told.classes))
    both = len(set(truth.tolist())) > 1
    found = {
        "accuracy": sk.accuracy_score(truth, predicted),
        "log_loss": sk.log_loss(truth, told.probabilities, labels=labels),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, predicted) if both else math.nan,
    }
    if told.task == "multiclass":
        return found | {"f1_macro": sk.f1_score(truth, predicted, average="macro")}
    scores = told.probabilities[:, 1]
    undefined: Any = math.nan
    sides = both and len(set(predicted.tolist())) > 1
    return found | {
        "roc_auc": sk.roc_auc_score(truth, scores) if both else math.nan,
        "average_precision": sk.average_precision_score(truth, scores) if both else math.nan,
        "brier": sk.brier_score_loss(truth, scores, pos_label=1),
        "precision": sk.precision_score(truth, predicted, zero_division=undefined),
        "recall": sk.recall_score(truth, predicted, zero_division=undefined),
        "f1": sk.f1_score(truth, predicted, zero_division=undefined),
        "mcc": sk.matthews_corrcoef(truth, predicted) if sides else math.nan,
        "positive_rate": np.mean(predicted),
    }


@settings(max_examples=some(40), deadline=None)
@given(told=st.one_of(regressions(), binaries(), multiclasses()), seed=st.integers(0, 2**32))
def test_metrics_equal_scikit_learns_however_often_rows_count(told: Answers, seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure(told)
    assert list(found) == [metric.name for metric in METRICS[told.task]]
    if not told.rows:
        assert all(math.isnan(value) for value in found.values())
        return
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, 5, told.rows)
    weights = rng.integers(0, 3, (4, 5)).astype(np.float64)
    weights[:, unit[0]] += 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        several = weighted(told, list(found), unit, weights)
    copies = [told.take(np.repeat(np.arange(told.rows), weights[draw][unit].astype(int))) for draw in range(4)]
    for one, ours in ((told, found), *((copy, {k: v[d] for k, v in several.items()}) for d, copy in enumerate(copies))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = theirs(one)
        for name, value in expected.items():
            # What cancels cannot be nearer than the rounding of what it is made of.
            size = 1e-12 * max(1, float(np.abs(one.truth).max()), float(np.abs(one.predicted).max()))
            if name == "r2":
                spread = float(np.var(one.truth))
                if spread < 1e-12 * float(np.mean((told.truth - told.truth.mean()) ** 2)) or spread == 0:
                    continue
                size = 1e-9 * (1 + abs(value))
            assert ours[name] == pytest.approx(value, rel=1e-12, abs=size, nan_ok=True), name


@pytest.mark.parametrize("task", METRICS)
def test_without_probabilities_what_needs_them_is_nan(task: Task) -> None:
    told = {
        "regression": Answers("regression", np.array([1.0, 2.0]), np.array([1.0, 3.0])),
        "binary": Answers("binary", np.array([0, 1]), np.array([0, 1]), None, (0, 1)),
        "multiclass": Answers("multiclass", np.array([0, 1]), np.array([0, 1]), None, (0, 1, 2)),
    }[task]
    missing = [name for name, value in measure(told).items() if math.isnan(value)]
    assert missing == {
        "regression": [], "binary": ["roc_auc", "average_precision", "log_loss", "brier"], "multiclass": ["log_loss"]
    }[task]  # fmt: skip
