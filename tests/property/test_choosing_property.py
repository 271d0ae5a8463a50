"""No threshold and no reject band serves the wish better than the one that was chosen."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nbops.errors import UsageError
from nbops.evaluation.choosing import choose_threshold
from nbops.evaluation.decision import Costs, DecisionRule, decide
from tests.examples import some

SCORES = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.floats(0, 1))
ROWS = st.lists(st.tuples(st.booleans(), SCORES), min_size=2, max_size=12)
COSTS = st.builds(
    lambda right, wrong: Costs(right[0] + wrong[0], right[1] + wrong[1], right[1], right[0]),
    st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
)

Rows = list[tuple[bool, float]]


def parted(rows: Rows) -> tuple[list[bool], list[float]]:
    truth, scores = [one for one, _ in rows], [score for _, score in rows]
    assume(len(set(truth)) == 2 and len(set(scores)) > 1)
    return truth, scores


def cost(truth: list[bool], decided: list[object], costs: Costs, look: float = 0.0) -> float:
    prices: dict[tuple[bool, object], float] = {
        (True, True): costs.true_positive, (True, False): costs.false_negative, (False, True): costs.false_positive,
        (False, False): costs.true_negative, (True, None): look, (False, None): look,
    }  # fmt: skip
    return sum((prices[one, decision] for one, decision in zip(truth, decided, strict=True)), 0.0)


def cuts(scores: list[float]) -> list[float]:
    """All thresholds that make a difference."""
    return [*sorted({*scores}), 2.0]


@settings(deadline=None, max_examples=some(50))
@given(ROWS, COSTS)
def test_no_threshold_costs_less(rows: Rows, costs: Costs) -> None:
    truth, scores = parted(rows)
    found = choose_threshold(truth, scores, costs=costs, positive=True, draws=10)
    best = min(cost(truth, [score >= cut for score in scores], costs) for cut in cuts(scores))
    assert cost(truth, decide(found.rule, scores, [False, True]).tolist(), costs) == pytest.approx(best)
    assert found.cost is not None
    assert found.cost.value == pytest.approx(best / len(truth))


@settings(deadline=None, max_examples=some(50))
@given(ROWS, COSTS, st.floats(-2, 6))
def test_no_reject_band_costs_less(rows: Rows, costs: Costs, look: float) -> None:
    truth, scores = parted(rows)
    found = choose_threshold(truth, scores, costs=costs, reject_cost=look, positive=True, draws=10)
    rules = [
        DecisionRule(positive=True, threshold=low, reject=(low, high))
        for low, high in combinations_with_replacement(cuts(scores), 2)
    ]
    best = min(cost(truth, decide(rule, scores, [False, True]).tolist(), costs, look) for rule in rules)
    assert cost(truth, decide(found.rule, scores, [False, True]).tolist(), costs, look) == pytest.approx(best)
    assert found.cost is not None
    assert found.cost.value == pytest.approx(best / len(truth))


@settings(deadline=None, max_examples=some(50))
@given(ROWS, st.floats(0.01, 1), st.sampled_from(["precision", "recall", "capacity"]))
def test_no_threshold_serves_a_wanted_share_better(rows: Rows, wanted: float, wish: str) -> None:
    truth, scores = parted(rows)
    tried = []
    for cut in cuts(scores):
        flagged = [one for one, score in rows if score >= cut]
        precision, recall = sum(flagged) / len(flagged) if flagged else -1.0, sum(flagged) / sum(truth)
        serves = {
            "precision": precision >= wanted,
            "recall": recall >= wanted,
            "capacity": len(flagged) <= wanted * len(rows),
        }
        if flagged and serves[wish]:
            tried.append(precision if wish == "recall" else recall)
    try:
        found = choose_threshold(truth, scores, draws=10, **{wish: wanted})  # type: ignore[arg-type]
    except UsageError:
        assert tried == []
        return
    reached = found.precision.value if wish == "recall" else found.recall.value
    assert reached == pytest.approx(max(tried))
    decided = np.array(decide(found.rule, scores, [0, 1]).tolist())
    assert found.recall.value == pytest.approx((decided[np.array(truth)] == 1).mean())
