"""`nbops.choose_threshold`: one wish, a fitted or kept model and rows become a rule that goes with the model and shows itself."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

import nbops
from nbops.errors import ModelError, NotFound, UsageError
from nbops.evaluation.choosing import choose_threshold
from nbops.workspace._workspace import Workspace

ROWS = 900
RANDOM = np.random.default_rng(5)
FRAME = pd.DataFrame({"a": RANDOM.normal(size=ROWS), "day": pd.date_range("2026-01-01", periods=ROWS, freq="h")})
FRAME["late"] = np.where(FRAME["a"] + RANDOM.normal(size=ROWS) > 0.5, "late", "on time")
TRAIN, TUNE, TEST = FRAME[:200], FRAME[200:400].reset_index(drop=True), FRAME[400:].reset_index(drop=True)
FITTED = LogisticRegression().fit(TRAIN[["a"]], TRAIN["late"])
COSTS = nbops.Costs(false_positive=1, false_negative=4, unit="EUR")


def test_a_fitted_model_is_enough_and_no_project_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = nbops.choose_threshold(FITTED, TUNE, target="late", positive="late", costs=COSTS)
    scores = FITTED.predict_proba(TUNE[["a"]])[:, 0]
    expected = choose_threshold(TUNE["late"] == "late", scores, costs=COSTS)
    assert (found.rule.positive, found.rule.threshold) == ("late", expected.rule.threshold)
    assert (found.rule.response, found.rule.costs) == ("predict_proba", COSTS)
    assert found.cost == expected.cost
    assert list(tmp_path.iterdir()) == []


def test_the_second_class_is_positive_and_rows_without_truth_do_not_count() -> None:
    rows = TUNE.assign(late=TUNE["late"].where(TUNE.index >= 20))
    found = nbops.choose_threshold(FITTED, rows, target="late", recall=0.9)
    assert (found.rule.positive, found.rows) == ("on time", 180)
    assert found.recall.value is not None
    assert found.recall.value >= 0.9


def test_days_make_the_interval_honest() -> None:
    together = pd.concat([TUNE] * 3, ignore_index=True)
    alone = nbops.choose_threshold(FITTED, together, target="late", positive="late", precision=0.6)
    in_days = nbops.choose_threshold(FITTED, together, target="late", positive="late", precision=0.6, groups="day")

    def width(one: Any) -> float:
        return float(one.recall.high - one.recall.low)

    assert in_days.rule.threshold == alone.rule.threshold
    assert width(in_days) > 1.3 * width(alone)


@pytest.mark.parametrize("positive", ["late", "on time"])
def test_a_model_without_probabilities_has_its_scores_divided(positive: str) -> None:
    fitted = LinearSVC().fit(TRAIN[["a"]].to_numpy(), TRAIN["late"])
    rows = TUNE[["a", "late"]]
    found = nbops.choose_threshold(fitted, rows, target="late", positive=positive, recall=0.8)
    assert found.rule.response == "decision_function"
    from nbops.evaluation.decision import decide

    decided = decide(found.rule, fitted.decision_function(rows[["a"]].to_numpy()), fitted.classes_)
    assert np.mean(decided[rows["late"] == positive] == positive) == found.recall.value
    assert 0.8 <= found.recall.value < 1  # type: ignore[operator]  # there are rows of both classes


def test_a_model_of_texts_and_one_of_an_array_take_what_the_question_does_not_name() -> None:
    words = np.where(TUNE["late"] == "late", "wind storm", "sun") + np.where(TUNE.index % 3 == 0, " wind", "")
    texts = pd.DataFrame({"note": words, "late": TUNE["late"], "day": TUNE["day"]})
    fitted = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts["note"], texts["late"])
    found = nbops.choose_threshold(fitted, texts, target="late", positive="late", precision=0.9, time="day")
    assert (found.precision.value, found.recall.value) == (1, 1)
    plain = LogisticRegression().fit(TRAIN[["a"]].to_numpy(), TRAIN["late"])
    of_array = nbops.choose_threshold(plain, TUNE, target="late", recall=0.8, time="day")
    assert of_array.rule.threshold == nbops.choose_threshold(FITTED, TUNE, target="late", recall=0.8).rule.threshold


def test_a_kept_model_remembers_its_target_and_the_review_tells_of_the_same_rows(here: Workspace) -> None:
    with here.start_run("chosen") as run:
        run.log_model(FITTED, reference=TRAIN[["a", "late"]], target="late")
        found = here.choose_threshold(run, TEST, positive="late", costs=COSTS)
    version = here.register_model(run, "chosen")
    for same in (version, "chosen/1", version.load()):
        assert here.choose_threshold(same, TEST, positive="late", costs=COSTS) == found
    with here.start_run("chosen") as again:
        again.log_model(FITTED, reference=TRAIN[["a", "late"]], target="late", rule=found.rule)
        again.evaluate(TEST)
    ruled = here.register_model(again, "chosen")
    assert ruled.rule == found.rule
    decided = ruled.load().decide(TEST)
    assert np.mean(decided == "late") == found.flagged.value
    review = ruled.propose(reason="cheaper")
    assert "These rows were also used for choosing the threshold of chosen/2" in review.to_text()
    ruled.evaluate(TUNE)
    review.withdraw(reason="judge it on others")
    assert "choosing the threshold" not in ruled.propose(reason="cheaper").to_text()


def test_a_file_is_known_by_its_bytes(here: Workspace) -> None:
    path = here.project / "tune.csv"
    TUNE.to_csv(path, index=False)
    found = here.choose_threshold(FITTED, path, target="late", recall=0.8)
    assert found.rule.chosen_on == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.rule.threshold == here.choose_threshold(FITTED, TUNE, target="late", recall=0.8).rule.threshold


def test_a_choice_shows_itself_with_its_curve() -> None:
    found = nbops.choose_threshold(FITTED, TUNE, target="late", positive="late", costs=COSTS, reject_cost=0.4)
    assert found.rule.reject is not None
    text = repr(found)
    assert text.splitlines()[0] == f"The threshold of 'late': {found.rule.why}"
    assert sum("  with no look  " in line for line in text.splitlines()) == 1
    for sentence in found.sentences:
        assert sentence in text
    shown = found._repr_html_()
    assert shown.count("<svg") == 2
    for words in ("precision", "recall", "flagged", "cost", "a person", "positive", "EUR a row", "least cost at 1"):
        assert words in shown
    assert "<script" not in shown
    simple = nbops.choose_threshold(FITTED, TUNE, target="late", capacity=0.2)
    assert sum("  chosen  " in line for line in simple.to_text().splitlines()) == 1
    plain = simple.to_html()
    assert (plain.count("<svg"), ">cost<" in plain) == (1, False)


@pytest.mark.parametrize(
    ("model", "asked", "kind", "message"),
    [
        (FITTED, {"recall": 0.9}, UsageError, "which column holds the truth"),
        (FITTED, {"target": "lat", "recall": 0.9}, NotFound, "no column 'lat'"),
        (FITTED, {"target": "late"}, UsageError, "0 wishes were given"),
        (FITTED, {"target": "late", "recall": 0.9, "capacity": 0.1}, UsageError, "2 wishes were given"),
        (FITTED, {"target": "late", "recall": 0.9, "positive": "lat"}, UsageError, "There is no class 'lat'"),
        (FITTED, {"target": "late", "recall": 0.9, "reject_cost": 1.0}, UsageError, "weighed against costs"),
        (FITTED, {"target": "a", "recall": 0.9}, UsageError, "labels that the model does not know"),
        (
            LinearRegression().fit(TRAIN[["a"]], TRAIN["a"]),
            {"target": "a", "recall": 0.9},
            UsageError,
            "this model predicts numbers",
        ),
        (
            LogisticRegression().fit(TRAIN[["a"]], np.arange(200) % 3),
            {"target": "late", "recall": 0.9},
            UsageError,
            "labels that the model does not know",
        ),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    model: Any, asked: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        nbops.choose_threshold(model, TUNE, **asked)


def test_three_classes_and_no_scores_are_refused_with_the_remedy() -> None:
    rows = TUNE.assign(kind=np.arange(200) % 3)
    with pytest.raises(UsageError, match="this model tells 3 apart") as caught:
        nbops.choose_threshold(LogisticRegression().fit(rows[["a"]], rows["kind"]), rows, target="kind", recall=0.9)
    assert "DecisionRule(least=0.6)" in caught.value.hint

    class Silent(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
        """Says a class and nothing else."""

        predict_proba = property()
        decision_function = property()

    fitted = Silent()
    fitted.classes_, fitted.n_features_in_ = np.array(["late", "on time"]), 1
    fitted.predict = lambda given: np.full(len(given), "late")
    with pytest.raises(ModelError, match="neither probabilities nor scores"):
        nbops.choose_threshold(fitted, TUNE[["a", "late"]], target="late", recall=0.9)
