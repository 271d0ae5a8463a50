"""Intervals hold the truth as often as they say, rows or blocks, and pairs of models are compared on the same draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import special, stats

from nbops.errors import NotFound, UsageError
from nbops.evaluation.answers import Answers
from nbops.evaluation.bootstrap import Interval, Paired, intervals, paired

Make = Callable[[np.random.Generator], Answers]


def numbers(errors: Any, blocks: Any = None) -> Answers:
    return Answers("regression", np.zeros(len(errors)), np.asarray(errors, dtype=np.float64), blocks=blocks)


def decisions(rng: np.random.Generator, right: Any, rows: int, blocks: Any = None) -> Answers:
    truth = rng.integers(0, 2, rows)
    return Answers("binary", truth, np.where(rng.random(rows) < right, truth, 1 - truth), None, (0, 1), blocks)


def normal_errors(rng: np.random.Generator) -> Answers:
    return numbers(rng.normal(size=300))


def errors_of_days(rng: np.random.Generator) -> Answers:
    """30 days of 5 to 35 rows; a third of the errors' variance is the day's, whose mean absolute error is that of a normal value."""
    day = np.repeat(np.arange(30), rng.integers(5, 36, 30))
    return numbers(0.3**0.5 * rng.normal(size=30)[day] + 0.7**0.5 * rng.normal(size=len(day)), day)


def normal_decisions(rng: np.random.Generator) -> Answers:
    return decisions(rng, 0.9, 300)


def decisions_of_days(rng: np.random.Generator) -> Answers:
    """30 days of 20 rows, right in nine of ten, with a correlation of 0.1 within a day."""
    day = np.repeat(np.arange(30), 20)
    return decisions(rng, rng.beta(0.9 * 9, 0.1 * 9, 30)[day], len(day), day)


def ranks(rng: np.random.Generator) -> Answers:
    truth = (rng.random(300) < 0.3).astype(np.int64)
    scores = special.ndtr(rng.normal(size=300) + 1.5 * truth)
    return Answers(
        "binary", truth, (scores > 0.5).astype(np.int64), np.column_stack([1 - scores, scores]), ("no", "yes")
    )


ABSOLUTE = math.sqrt(2 / math.pi)
CASES: list[tuple[str, Make, float]] = [
    ("mae", normal_errors, ABSOLUTE),
    ("mae", errors_of_days, ABSOLUTE),
    ("accuracy", normal_decisions, 0.9),
    ("accuracy", decisions_of_days, 0.9),
    ("roc_auc", ranks, special.ndtr(1.5 / math.sqrt(2))),
]


def coverage(name: str, make: Make, truth: float, samples: int) -> float:
    rng, held = np.random.default_rng(11), 0
    for seed in range(samples):
        found = intervals(make(rng), [name], seed=seed)[name]
        held += found.low is not None and found.high is not None and found.low <= truth <= found.high
    return held / samples


@pytest.mark.parametrize(("name", "make", "truth"), CASES)
def test_intervals_hold_the_truth_about_as_often_as_they_say(name: str, make: Make, truth: float) -> None:
    # 150 samples know a share of 0.95 to 0.018.
    assert 0.9 <= coverage(name, make, truth, 150) <= 0.99


@pytest.mark.long
@pytest.mark.parametrize(("name", "make", "truth"), CASES)
def test_intervals_of_95_percent_hold_the_truth_in_at_least_93(name: str, make: Make, truth: float) -> None:
    assert 0.93 <= coverage(name, make, truth, 5000) <= 0.97


def test_of_many_normal_errors_the_interval_is_students() -> None:
    errors = np.random.default_rng(3).normal(2, 5, 20_000)
    found = intervals(numbers(errors), ["bias"], draws=4000)["bias"]
    low, high = stats.t.interval(0.95, len(errors) - 1, errors.mean(), stats.sem(errors))
    assert found.value == pytest.approx(errors.mean())
    assert found.low == pytest.approx(low, abs=0.1 * (high - low))
    assert found.high == pytest.approx(high, abs=0.1 * (high - low))


def test_of_few_blocks_the_interval_is_as_wide_as_students_of_their_means() -> None:
    rng, wide = np.random.default_rng(4), []
    for seed in range(100):
        day = np.repeat(np.arange(10), 8)
        errors = rng.normal(size=10)[day]
        found = intervals(numbers(errors, day), ["bias"], seed=seed)["bias"]
        low, high = stats.t.interval(0.95, 9, 0, stats.sem(errors[::8]))
        assert found.low is not None
        assert found.high is not None
        wide.append((found.high - found.low) / (high - low))
    assert 0.9 < np.mean(wide) < 1.15


def test_blocks_are_drawn_whole_wherever_they_are_named() -> None:
    day = np.repeat(np.arange(40), 50)
    rng = np.random.default_rng(5)
    errors = rng.normal(size=40)[day] + rng.normal(size=2000)
    alone, told = (intervals(one, ["bias"])["bias"] for one in (numbers(errors), numbers(errors, day)))
    given = intervals(numbers(errors), ["bias"], blocks=1000 - day)["bias"]
    assert (alone.blocks, told.blocks, given.blocks) == (None, 40, 40)
    assert all(one.low is not None and one.high is not None for one in (alone, told, given))
    widths = [(one.high or 0) - (one.low or 0) for one in (alone, told, given)]
    assert widths[1] > 3 * widths[0]
    assert widths[2] == pytest.approx(widths[1], rel=0.15)


def test_the_seed_decides() -> None:
    told = normal_errors(np.random.default_rng(0))
    assert intervals(told, ["mae"], seed=3) == intervals(told, ["mae"], seed=3)
    assert intervals(told, ["mae"], seed=3) != intervals(told, ["mae"], seed=4)


def test_a_higher_level_reaches_further() -> None:
    told = ranks(np.random.default_rng(0))
    narrow, wide = (intervals(told, ["roc_auc"], level=level)["roc_auc"] for level in (0.8, 0.99))
    assert wide.low is not None
    assert wide.high is not None
    assert narrow.low is not None
    assert narrow.high is not None
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("told", "name", "undefined"),
    [
        (numbers(np.ones(50), np.zeros(50, dtype=np.int64)), "mae", 0),
        (Answers("binary", np.ones(50, dtype=np.int64), np.ones(50, dtype=np.int64), None, (0, 1)), "accuracy", 0),
        (Answers("binary", np.arange(50) // 49, np.arange(50) // 49, None, (0, 1)), "recall", 364),
        (Answers("binary", np.arange(50) % 2, np.zeros(50, dtype=np.int64), None, (0, 1)), "precision", 1000),
        (Answers("binary", np.arange(50) % 2, np.arange(50) % 2, None, (0, 1)), "roc_auc", 1000),
    ],
    ids=["one block", "always right", "one positive row", "nothing positive", "no probabilities"],
)
def test_where_nothing_can_be_told_there_is_no_interval(told: Answers, name: str, undefined: int) -> None:
    found = intervals(told, [name])[name]
    assert (found.low, found.high) == (None, None)
    assert found.undefined == pytest.approx(undefined, abs=60)
    assert found.value is None or 0 <= found.value <= 1


def test_a_few_undefined_draws_are_counted_and_left_out() -> None:
    truth = np.arange(60) // 56
    found = intervals(Answers("binary", truth, truth * (np.arange(60) % 2), None, (0, 1)), ["recall"])["recall"]
    assert 5 < found.undefined < 40
    assert found.low is not None


@pytest.mark.parametrize(("name", "sign"), [("mae", 1), ("r2", 1), ("p90_ae", 1)])
def test_the_better_of_two_models_has_a_difference_above_zero(name: str, sign: int) -> None:
    rng = np.random.default_rng(6)
    truth = rng.normal(size=1000)
    noise = rng.normal(size=1000)
    worse, better = (Answers("regression", truth, truth + scale * noise) for scale in (0.5, 0.4))
    found, turned = paired(worse, better, name), paired(better, worse, name)
    assert found.low is not None
    assert found.difference is not None
    assert found.low > 0
    assert (turned.difference, turned.champion) == (-found.difference, found.challenger)
    assert turned.high is not None
    assert turned.high < 0
    assert sign * (found.challenger or 0) != found.champion


def test_what_two_models_have_in_common_does_not_widen_the_difference() -> None:
    rng = np.random.default_rng(7)
    common = 10 * rng.normal(size=2000)
    champion, challenger = (numbers(common + rng.normal(size=2000)) for _ in range(2))
    found, own = paired(champion, challenger, "rmse"), intervals(champion, ["rmse"])["rmse"]
    assert (found.high or 0) - (found.low or 0) < ((own.high or 0) - (own.low or 0)) / 3


def test_a_model_beside_itself_is_no_better() -> None:
    told = normal_errors(np.random.default_rng(1))
    found = paired(told, told, "mae")
    assert (found.difference, found.low, found.high) == (0, None, None)


def test_only_answers_to_the_same_question_are_compared() -> None:
    told = normal_errors(np.random.default_rng(1))
    with pytest.raises(UsageError, match="not asked about the same rows"):
        paired(told, numbers(np.zeros(3)), "mae")
    with pytest.raises(UsageError, match="different questions"):
        paired(told, ranks(np.random.default_rng(0)), "mae")
    with pytest.raises(UsageError, match="Neither more nor less bias"):
        paired(told, told, "bias")


def test_what_makes_no_sense_is_refused() -> None:
    told = normal_errors(np.random.default_rng(1))
    with pytest.raises(NotFound, match="metric of regression 'meae'"):
        intervals(told, ["meae"])
    for wrong in ({"level": 95}, {"draws": 1}, {"blocks": [1, 2]}):
        with pytest.raises(UsageError):
            intervals(told, ["mae"], **wrong)
    with pytest.raises(UsageError, match="no rows"):
        intervals(numbers([]), ["mae"])


def test_records_survive_json() -> None:
    told = Answers("binary", np.arange(50) % 2, np.zeros(50, dtype=np.int64), None, (0, 1))
    found = intervals(told, ["precision", "accuracy"])
    assert msgspec.json.decode(msgspec.json.encode(found), type=dict[str, Interval]) == found
    pair = paired(told, told, "f1")
    assert msgspec.json.decode(msgspec.json.encode(pair), type=Paired) == pair
