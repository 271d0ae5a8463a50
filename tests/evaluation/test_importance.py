"""Permutation importance: the figures of scikit-learn, for frames of any types and for columns that belong together."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, mean_absolute_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

from nbops.errors import NotFound, UsageError
from nbops.evaluation.importance import Importance, importance
from nbops.evaluation.telling import Scale


def flights(rows: int = 1000) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "carrier": pd.Categorical(rng.choice(["AA", "UA", "HA"], rows)), "origin": rng.choice(["JFK", "EWR"], rows),
        "distance": rng.normal(1000, 300, rows), "wind": rng.normal(10, 3, rows), "flag": pd.array(rng.random(rows) < 0.5, "boolean"),
        "seats": pd.array(rng.integers(1, 9, rows), "Int64"),
        "time": pd.Timestamp("2013-01-01", tz="Europe/Berlin") + pd.to_timedelta(rng.integers(0, 4000, rows), "h"),
    })  # fmt: skip
    air_time = (
        frame["distance"] / 8
        + 20 * (frame["carrier"] == "HA")
        + 5 * (frame["time"].dt.hour < 6)
        + rng.normal(0, 3, rows)
    )
    return frame, air_time.to_numpy(dtype=float)


def hours(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: frame[name].dt.hour for name in frame})


def model(frame: pd.DataFrame, truth: Any) -> Any:
    columns = make_column_transformer(
        (OneHotEncoder(), ["carrier", "origin"]), (FunctionTransformer(hours), ["time"]), ("passthrough", ["distance", "wind"])
    )  # fmt: skip
    return make_pipeline(columns, DecisionTreeRegressor(max_depth=7, random_state=0)).fit(frame, truth)


def by_name(found: tuple[Importance, ...]) -> dict[str, Importance]:
    return {" ".join(one.columns): one for one in found}


def test_figures_are_those_of_scikit_learn() -> None:
    frame, truth = flights()
    fitted = model(frame, truth)
    found = by_name(
        importance(
            frame,
            fitted.predict,
            lambda p, rows: mean_absolute_error(truth[rows], p),
            scale=Scale("MAE", "min"),
            repeats=10,
        )
    )
    theirs = permutation_importance(
        fitted, frame, truth, scoring="neg_mean_absolute_error", n_repeats=10, random_state=1
    )
    scatter: list[float] = []
    for place, name in enumerate(frame.columns):
        error = np.hypot(found[name].deviation, theirs.importances_std[place]) / np.sqrt(10)
        assert abs(found[name].drop - theirs.importances_mean[place]) <= 4 * error
        scatter += [np.log(found[name].deviation / theirs.importances_std[place])] if found[name].deviation else []
    assert len(scatter) == 5
    assert abs(np.mean(scatter)) < 0.5
    assert [one.rank for one in found.values()] == [*range(1, 8)]
    assert [*found][:3] == ["distance", "carrier", "time"]
    assert [found[name].drop for name in ("flag", "seats")] == [0, 0]


def test_a_linear_model_loses_what_algebra_says() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=5000), "y": rng.normal(size=5000)})
    truth = (3 * frame["x"] + frame["y"]).to_numpy()
    fitted = LinearRegression().fit(frame, truth)
    found = by_name(
        importance(frame, fitted.predict, lambda p, rows: float(np.mean((p - truth[rows]) ** 2)), repeats=20)
    )
    assert found["x"].drop == pytest.approx(2 * 9 * frame["x"].var(ddof=0), rel=0.02)
    assert found["y"].drop == pytest.approx(2 * frame["y"].var(ddof=0), rel=0.02)


def test_the_model_sees_the_types_it_was_fitted_on_and_the_frame_stays() -> None:
    frame, truth = flights(200)
    before, seen = frame.copy(), []

    def predict(given: pd.DataFrame) -> Any:
        seen.append(given.dtypes.to_dict())
        return given["distance"].to_numpy()

    importance(frame, predict, lambda p, rows: mean_absolute_error(truth[rows], p))
    assert all(dtypes == frame.dtypes.to_dict() for dtypes in seen)
    pd.testing.assert_frame_equal(frame, before)


def test_columns_that_say_the_same_hide_each_other_unless_they_are_dealt_together() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    frame = pd.DataFrame({"km": x, "miles": x, "other": rng.normal(size=2000)})

    def predict(given: pd.DataFrame) -> Any:
        return np.where(given["km"] == given["miles"], given["km"], (given["km"] + given["miles"]) / 2)

    def measure(predicted: Any, rows: Any) -> float:
        return float(np.mean((predicted - x[rows]) ** 2))

    apart = by_name(importance(frame, predict, measure))
    together = by_name(importance(frame, predict, measure, together=[["km", "miles"]]))
    assert [*together] == ["km miles", "other"]
    assert together["km miles"].drop == pytest.approx(4 * apart["km"].drop, rel=0.1)
    assert together["km miles"].sentence.startswith("km and miles: metric gets worse by 2.0")


def test_probabilities_are_predictions_and_higher_may_be_better() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=800), "y": rng.normal(size=800)})
    truth = (frame["x"] + rng.normal(size=800) > 0).astype(int).to_numpy()
    fitted = LogisticRegression().fit(frame, truth)
    worse = importance(frame, fitted.predict_proba, lambda p, rows: log_loss(truth[rows], p))
    better = importance(
        frame, fitted.predict_proba, lambda p, rows: -log_loss(truth[rows], p), scale=Scale("score", better="higher")
    )
    assert worse[0].columns == better[0].columns == ("x",)
    assert worse[0].drop == pytest.approx(better[0].drop)
    assert worse[0].drop > 0.1


def test_at_most_so_many_rows_are_taken_and_the_measure_knows_which() -> None:
    truth = np.arange(10_000.0)
    frame = pd.DataFrame({"x": truth, "y": 0})
    seen: list[int] = []

    def measure(predicted: Any, rows: Any) -> float:
        seen.append(len(rows))
        return float(np.abs(predicted - truth[rows]).max())

    found = by_name(importance(frame, lambda given: given["x"].to_numpy(), measure, most=500, repeats=3))
    assert {*seen} == {500}
    assert found["x"].drop > 1000
    assert found["y"].drop == 0
    assert found["y"].sentence == "y: no clear effect on metric."
    assert msgspec.json.decode(msgspec.json.encode([*found.values()]))[0]["rank"] == 1


def test_what_cannot_be_dealt_is_refused() -> None:
    frame = pd.DataFrame({"x": [1, 2], "y": [1, 2]})

    def ask(given: pd.DataFrame, **told: Any) -> None:
        importance(given, lambda rows: rows["x"].to_numpy(), lambda p, rows: float(p.sum()), **told)

    with pytest.raises(NotFound, match="no column 'z'"):
        ask(frame, together=[["x", "z"]])
    with pytest.raises(UsageError, match="named twice: x"):
        ask(frame, together=[["x"], ["x", "y"]])
    with pytest.raises(UsageError, match="1 row"):
        ask(frame.iloc[:1])
    with pytest.raises(UsageError, match="1 time"):
        ask(frame, repeats=1)
