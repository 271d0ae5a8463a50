"""A model's answers are taken as they are, or refused with a remedy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, mean_absolute_error
from sklearn.svm import LinearSVC

from nbops.errors import ModelError, UsageError
from nbops.evaluation.answers import Answers, answers, losses

X = np.arange(12.0).reshape(-1, 1)
NAMES = np.array(["late", "early"] * 6)


class Model:
    """Answers what it was told to, and counts how often it was asked."""

    def __init__(self, predicted: Any, probabilities: Any = None, classes: Any = None) -> None:
        self.predicted, self.probabilities, self.asked = predicted, probabilities, 0
        if classes is not None:
            self.classes_ = classes
        if probabilities is not None:
            self.predict_proba = self._predict_proba

    def predict(self, _features: Any) -> Any:
        self.asked += 1
        return self.predicted

    def _predict_proba(self, _features: Any) -> Any:
        self.asked += 1
        return self.probabilities


def test_the_task_follows_from_the_classes() -> None:
    cancer, iris = load_breast_cancer(), load_iris()
    numbers = answers(LinearRegression().fit(X, X[:, 0]), X, X[:, 0])
    two = answers(LogisticRegression(max_iter=5000).fit(cancer.data, cancer.target), cancer.data, cancer.target)
    three = answers(LogisticRegression(max_iter=5000).fit(iris.data, iris.target), iris.data, iris.target)
    assert [one.task for one in (numbers, two, three)] == ["regression", "binary", "multiclass"]
    assert (numbers.classes, two.classes, three.classes) == ((), (0, 1), (0, 1, 2))
    assert three.probabilities is not None
    assert three.probabilities.shape == (150, 3)


@pytest.mark.parametrize(
    "truth",
    [
        NAMES,
        NAMES.tolist(),
        pd.Series(NAMES),
        pd.Series(NAMES, dtype="category", index=range(5, 17)),
        pd.DataFrame({"y": NAMES}),
        NAMES.astype(object),
    ],
)
def test_labels_of_every_kind_become_codes_of_the_sorted_classes(truth: Any) -> None:
    found = answers(LogisticRegression().fit(X, NAMES), pd.DataFrame(X).to_numpy(), truth)
    assert found.classes == ("early", "late")
    assert found.truth.tolist() == [1, 0] * 6


@pytest.mark.parametrize("truth", [[0, 1], [0.0, 1.0], [False, True], pd.Series([0, 1], dtype="Int64")])
def test_numbers_that_are_equal_are_the_same_class(truth: Any) -> None:
    found = answers(Model(np.array([0, 1]), classes=np.array([0, 1])), [[1], [2]], truth)
    assert found.truth.tolist() == [0, 1]


def test_the_model_is_asked_once_for_each() -> None:
    model = Model(np.array([0, 1, 1]), np.full((3, 2), 0.5), np.array([0, 1]))
    answers(model, [[1]] * 3, [0, 1, 0])
    assert model.asked == 2


def test_rows_without_truth_are_left_out_and_counted_with_their_blocks() -> None:
    days = ["mon", "mon", "tue", "wed"]
    found = answers(Model(np.array([1.0, 2, np.nan, 4])), [[0]] * 4, [1.5, None, np.nan, 3], blocks=days)
    assert (found.rows, found.without_truth) == (2, 2)
    assert found.predicted.tolist() == [1, 4]
    assert found.blocks is not None
    assert found.blocks.tolist() == [0, 2]


def test_rows_without_a_block_form_one() -> None:
    found = answers(Model(np.zeros(4)), [[0]] * 4, [1.0] * 4, blocks=["a", None, None, "b"])
    assert found.blocks is not None
    assert found.blocks.tolist() == [0, 1, 1, 2]


def test_labels_that_the_model_does_not_know_are_named_but_not_all() -> None:
    model = Model(np.array(["a"] * 12), classes=np.array(["a", "b"]))
    with pytest.raises(UsageError, match=r"'c0', 'c1', .*'c7' and 4 more; it knows 'a', 'b'"):
        answers(model, X, [f"c{n}" for n in range(12)])
    with pytest.raises(UsageError, match="does not know: '0', '1'; it knows 0, 1"):
        answers(Model(np.array([0, 1]), classes=np.array([0, 1])), [[1], [2]], ["0", "1"])


@pytest.mark.parametrize(
    ("model", "truth", "told"),
    [
        (Model(np.array([1.0, np.nan])), [1.0, 2.0], "predictions are not a number, or infinite, in 1 of 2 rows"),
        (Model(np.array([1.0])), [1.0, 2.0], r"predict gives \(1,\) for 2 rows"),
        (Model(np.ones((2, 2))), [1.0, 2.0], r"predict gives \(2, 2\)"),
        (Model(np.array([1.0, 2.0])), ["a", "b"], "has no classes_"),
        (Model(np.array([0, 0]), classes=np.array([0])), [0, 0], "one class only: 0"),
        (Model(np.array([0, 7]), classes=np.array([0, 1])), [0, 1], "none of its classes: 7"),
        (Model(np.array([0, 1]), np.ones((2, 3)) / 3, np.array([0, 1])), [0, 1], r"predict_proba gives \(2, 3\)"),
        (Model(np.array([0, 1]), np.full((2, 2), np.nan), np.array([0, 1])), [0, 1], "probabilities are not a number"),
        (Model(np.array([0, 1]), np.full((2, 2), 2.0), np.array([0, 1])), [0, 1], "outside 0 to 1"),
        (Model(np.array([0, 1]), classes=[np.array([0, 1])] * 2), [0, 1], "several targets"),
    ],
)
def test_answers_that_cannot_be_judged_are_refused(model: Model, truth: Any, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        answers(model, [[1], [2]], truth)


def test_lengths_have_to_agree() -> None:
    with pytest.raises(UsageError, match="There are 12 rows of features, but truth has 3 rows"):
        answers(Model(np.zeros(12)), X, [1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match="There are 2 blocks, but truth has 12 rows"):
        answers(Model(np.zeros(12)), X, X[:, 0], blocks=[1, 2])


def test_some_rows_keep_all_that_belongs_to_them() -> None:
    model = LogisticRegression().fit(X, NAMES)
    found = answers(model, X, NAMES, blocks=np.arange(12) // 3)
    for rows in (np.arange(12) % 5 == 0, np.array([0, 5, 10])):
        part = found.take(rows)
        assert part.truth.tolist() == [1, 0, 1]
        assert part.blocks is not None
        assert part.blocks.tolist() == [0, 1, 3]
        assert np.array_equal(part.probabilities, model.predict_proba(X[[0, 5, 10]]))  # type: ignore[arg-type]


def test_the_positive_class_and_the_threshold_decide() -> None:
    found = Answers("binary", np.array([0, 1]), np.array([0, 0]), np.array([[0.6, 0.4], [0.5, 0.5]]), ("no", "yes"))
    assert found.decided() is found
    assert found.decided(threshold=0.5).predicted.tolist() == [0, 1]
    assert found.decided(threshold=0.4).predicted.tolist() == [1, 1]
    turned = found.decided(threshold=0.55, positive="no")
    assert (turned.classes, turned.truth.tolist(), turned.predicted.tolist()) == (("yes", "no"), [1, 0], [1, 0])
    assert found.decided(positive="yes").truth.tolist() == [0, 1]
    with pytest.raises(UsageError, match="Did you mean 'yes'"):
        found.decided(positive="yess")


def test_a_threshold_needs_two_classes_and_probabilities() -> None:
    found = answers(LinearSVC().fit(X, NAMES), X, NAMES)
    assert found.probabilities is None
    with pytest.raises(UsageError, match="needs probabilities"):
        found.decided(threshold=0.5)
    with pytest.raises(UsageError, match="not for regression"):
        answers(Model(np.zeros(12)), X, X[:, 0]).decided(threshold=0.5)


def test_losses_are_those_whose_mean_is_the_metric() -> None:
    iris = load_iris()
    model = LogisticRegression(max_iter=5000).fit(iris.data, iris.target)
    found = answers(model, iris.data, iris.target)
    assert losses(found).mean() == pytest.approx(log_loss(iris.target, model.predict_proba(iris.data)), rel=1e-12)
    line = LinearRegression().fit(X, X[:, 0] ** 2)
    numbers = answers(line, X, X[:, 0] ** 2)
    assert losses(numbers).mean() == pytest.approx(mean_absolute_error(X[:, 0] ** 2, line.predict(X)), rel=1e-12)
    wrong = Answers("binary", np.array([0, 1]), np.array([1, 1]), None, (0, 1))
    assert losses(wrong).tolist() == [1, 0]
    sure = Answers("binary", np.array([0]), np.array([1]), np.array([[0.0, 1.0]]), (0, 1))
    assert losses(sure)[0] == pytest.approx(52 * math.log(2))
