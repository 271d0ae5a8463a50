"""Fairness: rates per group as scikit-learn computes them, gaps as fairlearn defines them, and no verdict on too few rows."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.metrics import mean_absolute_error, precision_score, recall_score

from nbops.errors import UsageError
from nbops.evaluation.fairness import Fairness, Gap, Rate, fairness, protected


def people(rows: int = 900, seed: int = 0) -> tuple[pd.DataFrame, Any, Any]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"group": rng.choice(["a", "b", "c"], rows), "age": rng.integers(18, 80, rows)})
    truth = (rng.random(rows) < 0.4).astype(int)
    predicted = (rng.random(rows) < 0.2 + 0.4 * truth + 0.2 * (frame["group"] == "b")).astype(int)
    return frame, truth, predicted


def judged(frame: pd.DataFrame, column: str | tuple[str, str], truth: Any, predicted: Any, **told: Any) -> Fairness:
    (found,) = fairness(
        protected(frame, [column]), np.asarray(truth), np.asarray(predicted), **{"task": "binary"} | told
    )
    return found


def rate(found: Fairness, group: str, name: str) -> Rate:
    (told,) = [one for each in found.groups if each.name == group for one in each.rates if one.name == name]
    return told


def gap(found: Fairness, name: str) -> Gap:
    (told,) = [one for one in found.gaps if one.rate == name]
    return told


def test_rates_are_those_of_scikit_learn() -> None:
    frame, truth, predicted = people()
    found = judged(frame, "group", truth, predicted)
    for name in "abc":
        inside = (frame["group"] == name).to_numpy()
        t, p = truth[inside], predicted[inside]
        wanted = {
            "selection_rate": p.mean(), "tpr": recall_score(t, p), "fpr": 1 - recall_score(t, p, pos_label=0),
            "precision": precision_score(t, p), "error": (t != p).mean(),
        }  # fmt: skip
        for key, value in wanted.items():
            assert rate(found, name, key).value == pytest.approx(value)
        assert rate(found, name, "tpr").of == t.sum()


def test_intervals_of_shares_are_those_of_wilson() -> None:
    frame, truth, predicted = people()
    told = rate(judged(frame, "group", truth, predicted), "a", "selection_rate")
    successes = int(predicted[frame["group"] == "a"].sum())
    wanted = scipy.stats.binomtest(successes, told.of).proportion_ci(method="wilson")
    assert (told.low, told.high) == pytest.approx((wanted.low, wanted.high))


def test_the_difference_and_its_interval_are_those_of_the_published_example() -> None:
    # Newcombe (1998), table II: 56/70 against 48/80.
    frame = pd.DataFrame({"group": ["a"] * 70 + ["b"] * 80})
    predicted = [1] * 56 + [0] * 14 + [1] * 48 + [0] * 32
    told = gap(judged(frame, "group", predicted, predicted), "selection_rate")
    assert (told.highest, told.lowest) == ("a", "b")
    assert told.difference == pytest.approx(0.2)
    assert (round(told.low, 4), round(told.high, 4)) == (0.0524, 0.3339)
    assert told.ratio == pytest.approx(0.75)
    assert told.sentence == (
        "group: selection rate of a 0.80 (0.69 to 0.88), of b 0.60 (0.49 to 0.70), apart by 0.20 (0.05 to 0.33),"
        " the ratio is 0.75; four fifths would be 0.8."
    )


def test_the_gap_is_between_the_most_different_groups_and_equalized_odds_the_larger_of_two() -> None:
    frame, truth, predicted = people()
    found = judged(frame, "group", truth, predicted)
    for name in ("selection_rate", "tpr", "fpr", "precision", "error"):
        each = [rate(found, group, name).value for group in "abc"]
        assert gap(found, name).difference == pytest.approx(max(each) - min(each))
        assert gap(found, name).ratio == pytest.approx(min(each) / max(each))
    assert found.equalized_odds == max(gap(found, "tpr").difference, gap(found, "fpr").difference)


def test_small_groups_are_named_but_not_compared() -> None:
    frame = pd.DataFrame({"group": ["a"] * 100 + ["b"] * 100 + ["c"] * 3})
    predicted = np.array([1, 0] * 100 + [1] * 3)
    found = judged(frame, "group", predicted, predicted)
    assert [group.small for group in found.groups] == [False, False, True]
    assert gap(found, "selection_rate").difference == 0
    assert rate(found, "c", "selection_rate").value == 1
    assert found.sentences[-1] == "group: too small to compare: c (3 rows)."


def test_a_rate_over_no_rows_is_unknown_and_is_not_compared() -> None:
    frame = pd.DataFrame({"group": ["a"] * 50 + ["b"] * 50})
    truth, predicted = np.array([0] * 50 + [1, 0] * 25), np.array([1, 0] * 50)
    found = judged(frame, "group", truth, predicted, min_rows=20)
    assert math.isnan(rate(found, "a", "tpr").value)
    assert [one.rate for one in found.gaps] == ["selection_rate", "fpr", "precision", "error"]
    assert math.isnan(found.equalized_odds)


def test_nothing_to_compare_is_said() -> None:
    frame = pd.DataFrame({"group": ["a"] * 50 + ["b"] * 5})
    found = judged(frame, "group", np.ones(55, int), np.ones(55, int))
    assert found.gaps == ()
    assert found.sentences[0] == "group: nothing to compare, fewer than two groups have 30 rows."


def test_the_choice_among_many_groups_widens_the_interval() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"group": np.repeat(list("abcdefghij"), 100)})
    wrong = 0
    for _ in range(100):
        predicted = rng.integers(0, 2, 1000)
        wrong += gap(judged(frame, "group", predicted, predicted), "selection_rate").low > 0
    assert wrong <= 8


def test_two_properties_together_show_what_neither_shows() -> None:
    frame = pd.DataFrame({"sex": np.tile(["f", "m"], 200), "age": np.repeat(["old", "young"], 200)})
    predicted = ((frame["sex"] == "f") == (frame["age"] == "old")).to_numpy().astype(int)
    assert gap(judged(frame, "sex", predicted, predicted), "selection_rate").difference == 0
    both = gap(judged(frame, ("sex", "age"), predicted, predicted), "selection_rate")
    assert (both.difference, {both.highest, both.lowest} <= {"f, old", "m, young", "f, young", "m, old"}) == (1, True)


def test_numbers_have_errors_in_their_unit_and_a_mean_error_without_ratio() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"group": np.repeat(["a", "b"], 200)})
    truth = rng.normal(100, 10, 400)
    predicted = truth + rng.normal(0, 1, 400) + np.repeat([0.0, 3.0], 200)
    found = judged(frame, "group", truth, predicted, task="regression", unit="min")
    assert rate(found, "b", "mae").value == pytest.approx(mean_absolute_error(truth[200:], predicted[200:]))
    assert rate(found, "b", "bias").value == pytest.approx((predicted - truth)[200:].mean())
    apart = scipy.stats.ttest_ind(
        (predicted - truth)[200:], (predicted - truth)[:200], equal_var=False
    ).confidence_interval()
    assert (gap(found, "bias").low, gap(found, "bias").high) == pytest.approx(tuple(apart))
    assert math.isnan(gap(found, "bias").ratio)
    assert " min (" in gap(found, "mae").sentence


def test_more_classes_have_an_error_rate() -> None:
    frame = pd.DataFrame({"group": np.repeat(["a", "b"], 50)})
    found = judged(frame, "group", np.arange(100) % 3, np.zeros(100, int), task="multiclass")
    assert [one.rate for one in found.gaps] == ["error"]


def test_rows_of_one_block_count_as_little_as_they_tell() -> None:
    frame, truth, predicted = people(200)
    once = judged(frame, "group", truth, predicted, blocks=np.arange(200))
    many = pd.concat([frame] * 5)
    again = judged(many, "group", np.tile(truth, 5), np.tile(predicted, 5), blocks=np.tile(np.arange(200), 5))
    assert gap(again, "selection_rate").low == pytest.approx(gap(once, "selection_rate").low)
    assert (
        gap(again, "selection_rate").low
        < gap(judged(many, "group", np.tile(truth, 5), np.tile(predicted, 5)), "selection_rate").low
    )


def test_records_are_json_and_other_numbers_of_rows_are_refused() -> None:
    frame, truth, predicted = people(100)
    found = judged(frame, "age", truth, predicted)
    assert msgspec.json.decode(msgspec.json.encode(found))["column"] == "age"
    with pytest.raises(UsageError, match="99 true values"):
        judged(frame, "group", truth[:99], predicted)
    with pytest.raises(UsageError, match="100 rows and 2 blocks"):
        judged(frame, "group", truth, predicted, blocks=np.arange(2))
