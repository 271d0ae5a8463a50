"""A rule decides as scikit-learn does, leaves to a person what it should, and is read from models that bring one."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from nbops.errors import ModelError, UsageError
from nbops.evaluation.decision import Costs, DecisionRule, Label, decide, of_estimator, sql

X, CODES = load_breast_cancer(return_X_y=True)
NAMES = np.array(["bad", "good"])[CODES]
BAD = make_scorer(f1_score, pos_label="bad")


def logistic() -> Any:
    return LogisticRegression(max_iter=2000)


def tuned(model: Any, **given: Any) -> Any:
    return TunedThresholdClassifierCV(model, thresholds=20, cv=2, **given)


@pytest.mark.parametrize(
    ("model", "truth", "positive"),
    [
        (tuned(logistic()), CODES, 1),
        (tuned(logistic(), scoring=BAD), NAMES, "bad"),
        (tuned(LinearSVC(), scoring=BAD), NAMES, "bad"),
        (tuned(logistic(), response_method="decision_function"), NAMES, "good"),
        (FixedThresholdClassifier(logistic(), threshold=0.3, pos_label="bad"), NAMES, "bad"),
        (FixedThresholdClassifier(LinearSVC(), threshold=-0.2, pos_label="bad"), NAMES, "bad"),
        (FixedThresholdClassifier(LinearSVC()), NAMES, "good"),
        (FixedThresholdClassifier(logistic()), CODES.astype(bool), True),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else None,
)
def test_the_rule_of_a_model_decides_as_the_model_does(model: Any, truth: Any, positive: Label) -> None:
    fitted = make_pipeline(StandardScaler(), model).fit(X, truth)
    rule = of_estimator(fitted)
    assert rule is not None
    assert rule.positive == positive
    answers = getattr(fitted, rule.response)(X)
    assert decide(rule, answers, fitted.classes_).tolist() == fitted.predict(X).tolist()
    assert msgspec.json.decode(msgspec.json.encode(rule), type=DecisionRule) == rule


def test_a_model_given_already_fitted_and_one_inside_a_search_are_read_too() -> None:
    inner = logistic().fit(StandardScaler().fit_transform(X), CODES)
    rule = of_estimator(FixedThresholdClassifier(inner, threshold=0.7))
    assert rule is not None
    assert rule.threshold == 0.7
    grid = {"fixedthresholdclassifier__threshold": [0.4]}
    found = GridSearchCV(make_pipeline(StandardScaler(), FixedThresholdClassifier(logistic())), grid, cv=2).fit(
        X, CODES
    )
    rule = of_estimator(found)
    assert rule is not None
    assert rule.threshold == 0.4


def test_a_model_without_a_threshold_has_no_rule() -> None:
    assert of_estimator(make_pipeline(StandardScaler(), logistic()).fit(X, CODES)) is None
    assert of_estimator(object()) is None


class Stubborn(FixedThresholdClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """Decides against its threshold for what is nearly certain."""

    def predict(self, features: Any) -> Any:
        return np.where(self.predict_proba(features)[:, 1] == 1.0, self.classes_[0], super().predict(features))


def test_what_a_rule_cannot_say_is_refused() -> None:
    scaled = StandardScaler().fit_transform(X)
    with pytest.raises(ModelError, match="decides otherwise than by a threshold on predict_proba"):
        of_estimator(Stubborn(logistic()).fit(scaled, CODES))
    with pytest.raises(ModelError, match="threshold of FixedThresholdClassifier is inf"):
        of_estimator(FixedThresholdClassifier(logistic(), threshold=np.inf).fit(scaled, CODES))
    with pytest.raises(ModelError, match="not known before it is fitted"):
        of_estimator(TunedThresholdClassifierCV(logistic()))


def test_the_threshold_is_positive_and_a_missing_answer_is_a_persons() -> None:
    below = np.nextafter(0.3, 0)
    rule = DecisionRule(positive="late", threshold=0.3)
    assert decide(rule, [0.3, below, np.nan, 1.0], ["late", "in time"]).tolist() == ["late", "in time", None, "late"]
    both = np.array([[0.3, 0.7], [0.7, 0.3], [np.nan, np.nan]])
    assert decide(rule, both, ["in time", "late"]).tolist() == ["late", "late", None]


def test_a_reject_band_holds_its_lower_end_and_not_its_upper_one() -> None:
    rule = DecisionRule(positive=1, threshold=0.5, reject=(0.4, 0.6))
    scores = [np.nextafter(0.4, 0), 0.4, 0.5, np.nextafter(0.6, 0), 0.6]
    assert decide(rule, scores, [0, 1]).tolist() == [0, None, None, None, 1]


def test_with_three_classes_the_most_probable_is_decided_if_it_is_probable_enough() -> None:
    answers = np.array([[0.5, 0.3, 0.2], [0.4, 0.3, 0.3], [0.2, 0.4, 0.4], [0.1, np.nan, 0.9]])
    classes = ["a", "b", "c"]
    assert decide(DecisionRule(), answers, classes).tolist() == ["a", "a", "b", None]
    assert decide(DecisionRule(least=0.45), answers, classes).tolist() == ["a", None, None, None]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"threshold": np.nan}, "decides nothing"),
        ({"positive": 1, "threshold": 0.3, "reject": (0.4, 0.6)}, "does not enclose the threshold 0.3"),
        ({"positive": 1, "reject": (0.4, np.inf)}, "does not enclose"),
        ({"reject": (0.4, 0.6)}, "without a positive class"),
        ({"response": "decision_function"}, "without a positive class"),
        ({"positive": 1, "least": 0.4}, "least=0.4 is for three classes"),
        ({"least": 1.4}, "least=1.4"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        DecisionRule(**given)


@pytest.mark.parametrize(
    ("rule", "answers", "classes", "sentence"),
    [
        (DecisionRule(positive=1), np.ones((2, 3)), [0, 1], r"does not have the shape \(2, 3\)"),
        (
            DecisionRule(positive=1, response="decision_function"),
            np.ones((2, 2)),
            [0, 1],
            "decision_function of two classes",
        ),
        (DecisionRule(positive=2), np.ones((2, 2)), [0, 1], "2 is not one of two classes"),
        (DecisionRule(positive=1), np.ones((2, 3)), [0, 1, 2], "not one of two classes"),
        (DecisionRule(), np.ones((2, 2)), ["a", "b", "c"], "of 3 classes"),
        (DecisionRule(), np.ones((2, 1)), ["a"], "one class"),
        (DecisionRule(), np.ones((2, 2)), [None, (1,)], "class of type NoneType"),
    ],
)
def test_answers_that_do_not_belong_to_the_rule_are_refused(
    rule: DecisionRule, answers: Any, classes: list[Any], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        decide(rule, answers, classes)


def test_sql_wants_the_columns_that_the_rule_needs() -> None:
    with pytest.raises(UsageError, match="2 columns for 3 classes"):
        sql(DecisionRule(), ["a", "b"], [0, 1, 2])
    with pytest.raises(UsageError, match="2 columns for 2 classes"):
        sql(DecisionRule(positive=1), ["a", "b"], [0, 1])


def test_costs_that_ask_for_wrong_decisions_are_refused() -> None:
    with pytest.raises(UsageError, match="costs no more than the right one"):
        Costs(false_positive=1, false_negative=0)
    with pytest.raises(UsageError, match="not a finite number"):
        Costs(false_positive=1, false_negative=np.inf)
    assert Costs(false_positive=0, false_negative=1, true_negative=-2, unit="EUR").unit == "EUR"
