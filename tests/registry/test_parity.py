"""ONNX is accepted when it was seen to predict as the model does, on rows of every kind, and refused with figures otherwise."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("skl2onnx", reason="the extra nbops[onnx] is not installed")
pytest.importorskip("onnxruntime", reason="the extra nbops[onnx] is not installed")

from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from nbops.errors import ModelError
from nbops.registry.parity import ROWS, compare, export
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace

X, Y = load_breast_cancer(return_X_y=True)
CHANCE = np.random.default_rng(0)
MIXED = pd.DataFrame({"age": CHANCE.normal(50, 9, 400), "site": CHANCE.choice(["a", "b", "c"], 400)})
LEFT = (MIXED["age"] + 9 * (MIXED["site"] == "a") > 52).astype(int)


def mixed(**more: Any) -> Any:
    columns = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(**more), ["site"]))
    return make_pipeline(columns, LogisticRegression()).fit(MIXED, LEFT)


def test_a_model_that_is_the_same_in_32_bits_is_accepted() -> None:
    for model, rows in (
        (make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y), X),
        (mixed(handle_unknown="ignore"), MIXED),
    ):
        data, verdict = export(model, rows)
        assert (verdict.accepted, verdict.changed, verdict.why) == (True, 0, "")
        assert verdict.largest <= 1e-4
        assert verdict.rows["given"] >= ROWS
        assert verdict.rows["borders"] > 0
        assert len(data) > 0
    rows, target = load_diabetes(return_X_y=True)
    assert export(Ridge().fit(rows, target), rows)[1].accepted


def test_what_the_model_does_not_take_is_told_and_not_compared() -> None:
    assert export(mixed(), MIXED)[1].untaken == ("gaps", "unseen categories")
    _, boosted = export(HistGradientBoostingClassifier(max_iter=5).fit(X, Y), X)
    assert "gaps" in boosted.rows


def test_another_model_is_refused_with_figures() -> None:
    data, _ = export(LogisticRegression(max_iter=5000).fit(X, Y), X)
    verdict = compare(RandomForestClassifier(5, random_state=0).fit(X, Y), data, X)
    assert not verdict.accepted
    assert verdict.changed > 0
    assert verdict.why == f"{verdict.changed} rows are decided otherwise."


def test_a_tree_whose_splits_32_bits_cannot_tell_apart_is_refused() -> None:
    """Values of 2 ** 24 and beyond differ by less than a 32-bit step."""
    rows = np.c_[2.0**25 + np.arange(200.0), CHANCE.normal(size=200)]
    model = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2).fit(rows, np.arange(200) % 2)
    _, verdict = export(model, rows)
    assert not verdict.accepted


def test_what_onnx_does_not_know_is_told() -> None:
    class Own(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
        pass

    with pytest.raises(ModelError, match="cannot be written as ONNX"):
        export(Own().fit(X, Y), X)


def test_the_verdict_is_kept_with_the_run_and_the_copy_only_when_accepted(here: Workspace, run: Run) -> None:
    good = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    verdict = run.log_onnx(good, X)
    assert json.loads(run.load_artifact("models/model.onnx.json"))["largest"] == verdict.largest
    assert run.load_artifact("models/model.onnx")
    rows = np.c_[2.0**25 + np.arange(200.0), CHANCE.normal(size=200)]
    bad = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=2).fit(rows, np.arange(200) % 2)
    assert not run.log_onnx(bad, rows, "bad").accepted
    assert "models/bad.onnx" not in run.artifacts["path"].tolist()
    assert "models/bad.onnx.json" in run.artifacts["path"].tolist()
