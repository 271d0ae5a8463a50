"""A wish becomes a threshold: the best there is on the rows, honest about how certain it is and about what cannot be had."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, make_scorer, precision_recall_curve
from sklearn.model_selection import TunedThresholdClassifierCV, train_test_split
from sklearn.preprocessing import StandardScaler

from nbops.errors import UsageError
from nbops.evaluation.choice import Choice
from nbops.evaluation.choosing import choose_threshold, chow
from nbops.evaluation.decision import Costs, decide
from nbops.evaluation.thresholds import POINTS

RNG = np.random.default_rng(3)
SCORES = RNG.beta(1, 3, 5000)
TRUTH = (RNG.random(5000) < SCORES).astype(int)
COSTS = Costs(false_positive=1, false_negative=5, unit="EUR")


def total(truth: Any, decided: Any, costs: Costs) -> float:
    (tn, fp), (fn, tp) = confusion_matrix(truth, decided)
    return float(
        fp * costs.false_positive + fn * costs.false_negative + tp * costs.true_positive + tn * costs.true_negative
    )


def test_least_cost_is_what_scikit_learns_tuning_finds_on_real_data() -> None:
    cells, y = load_breast_cancer(return_X_y=True)
    fitted, tuned, first, second = train_test_split(StandardScaler().fit_transform(cells), 1 - y, random_state=0)
    # A weak model, so that there is something to weigh.
    model = LogisticRegression().fit(fitted[:, :2], first)
    costs = Costs(false_positive=1, false_negative=4, true_positive=-0.5)
    scores = model.predict_proba(tuned[:, :2])[:, 1]
    theirs = TunedThresholdClassifierCV(
        model,
        scoring=make_scorer(lambda truth, decided: -total(truth, decided, costs)),
        thresholds=np.unique(scores),
        cv="prefit",
        refit=False,
    ).fit(tuned[:, :2], second)
    ours = choose_threshold(second, scores, costs=costs, positive=1)
    assert ours.cost is not None
    assert ours.cost.value == pytest.approx(-theirs.best_score_ / len(second))
    assert total(second, decide(ours.rule, scores, [0, 1]).astype(int), costs) == pytest.approx(-theirs.best_score_)


def test_a_wanted_precision_gets_the_highest_recall_there_is() -> None:
    precision, recall, _ = precision_recall_curve(TRUTH, SCORES)
    found = choose_threshold(TRUTH, SCORES, precision=0.6)
    assert found.recall.value == recall[precision >= 0.6].max()
    found = choose_threshold(TRUTH, SCORES, recall=0.7)
    assert found.precision.value == precision[:-1][recall[:-1] >= 0.7].max()


def test_a_precision_out_of_reach_is_told_with_the_best_there_is() -> None:
    truth = np.r_[np.tile([0, 1], 40), np.zeros(20)]
    with pytest.raises(
        UsageError, match=r"precision of 90 %: the best is 50 %, from 0\.5 on, with 80 % of 100 rows flagged"
    ):
        choose_threshold(truth, np.r_[np.full(80, 0.8), np.full(20, 0.2)], precision=0.9)


def test_capacity_is_never_exceeded_and_ties_are_not_parted() -> None:
    found = choose_threshold(TRUTH, SCORES, capacity=0.1)
    assert found.flagged.value is not None
    assert 0.098 < found.flagged.value <= 0.1
    assert found.recall.value == TRUTH[SCORES.argsort()[-500:]].sum() / TRUTH.sum()
    rounded = SCORES.round(1)
    found = choose_threshold(TRUTH, rounded, capacity=0.1)
    assert found.flagged.value == max(share for share in ((rounded >= one).mean() for one in rounded) if share <= 0.1)
    with pytest.raises(UsageError, match="cannot be told apart") as told:
        choose_threshold(TRUTH, np.where(SCORES > 0.5, 0.9, 0.1), capacity=0.05)
    assert "capacity=0.0" not in told.value.hint


def test_the_reject_band_is_chows_where_probabilities_are_calibrated() -> None:
    scores = np.random.default_rng(0).beta(1, 2, 200_000)
    truth = np.random.default_rng(1).random(200_000) < scores
    found = choose_threshold(truth, scores, costs=COSTS, reject_cost=0.3)
    threshold, band = chow(COSTS, 0.3)
    assert threshold == pytest.approx(1 / 6)
    assert band == pytest.approx((0.06, 0.7))
    assert found.rule.reject == pytest.approx((0.06, 0.7), abs=0.03)
    assert found.abstained is not None
    assert found.abstained.value == pytest.approx(np.mean((scores >= 0.06) & (scores < 0.7)), abs=0.03)
    plain = choose_threshold(truth, scores, costs=COSTS)
    assert plain.rule.threshold == pytest.approx(1 / 6, abs=0.02)
    assert plain.cost is not None
    assert found.cost is not None
    assert (found.cost.value or 0) < (plain.cost.value or 0)


def test_a_look_that_never_pays_gives_no_band() -> None:
    found = choose_threshold(TRUTH, SCORES, costs=COSTS, reject_cost=3)
    assert found.rule.reject is None
    assert found.rule == msgspec.structs.replace(choose_threshold(TRUTH, SCORES, costs=COSTS).rule, why=found.rule.why)
    assert "A look by a person never pays at this price: there is no reject band." in found.sentences
    assert chow(COSTS, 3)[1] is None


def test_the_curve_is_small_and_true() -> None:
    found = choose_threshold(TRUTH, SCORES, costs=COSTS)
    assert 100 < len(found.curve) <= POINTS
    assert [point.flagged for point in found.curve] == sorted((point.flagged for point in found.curve), reverse=True)
    assert (found.curve[0].flagged, found.curve[-1].flagged) == (1, 0)
    assert found.rule.threshold in {point.threshold for point in found.curve}
    for point in found.curve[::20]:
        flagged = point.threshold <= SCORES
        assert point.flagged == flagged.mean()
        assert point.recall == pytest.approx(TRUTH[flagged].sum() / TRUTH.sum())
        assert point.precision == (pytest.approx(TRUTH[flagged].mean()) if flagged.any() else None)
        assert point.cost == pytest.approx(total(TRUTH, flagged, COSTS) / len(TRUTH))


def test_a_choice_says_what_it_brings_in_words_and_survives_json() -> None:
    found = choose_threshold(TRUTH, SCORES, costs=COSTS, reject_cost=0.3, positive="late", chosen_on="flights@7")
    assert msgspec.json.decode(msgspec.json.encode(found), type=Choice) == found
    assert found.rule.positive == "late"
    assert found.rule.chosen_on == "flights@7"
    assert found.rule.why == "least cost at 1 for a false positive and 5 for a false negative, 0.3 for a look (EUR)"
    assert len(found.sentences) == 5
    assert found.sentences[1].startswith("A person looks at scores from 0.0")
    assert "EUR a row" in found.sentences[2]
    assert found == choose_threshold(
        TRUTH, SCORES, costs=COSTS, reject_cost=0.3, positive="late", chosen_on="flights@7"
    )


def covered(rng: np.random.Generator, many: int, size: int) -> bool:
    """Whether the interval of the recall, of rows that come in blocks, holds the true one."""
    level = rng.normal(size=many).repeat(size)
    truth = rng.random(many * size) < 0.5
    scores = np.where(truth, level + rng.normal(size=many * size), -9.0)
    found = choose_threshold(
        truth, scores, recall=0.5, response="decision_function", blocks=np.arange(many).repeat(size), draws=400
    )
    # Half of all positives lie above the true median, and the chosen threshold is the sample's.
    true = float(np.mean(rng.normal(size=20_000) * np.sqrt(2) >= found.rule.threshold))
    assert found.recall.low is not None
    assert found.recall.high is not None
    return found.recall.low <= true <= found.recall.high


def test_intervals_of_blocks_hold_what_rows_of_blocks_do() -> None:
    rng = np.random.default_rng(5)
    assert np.mean([covered(rng, 30, 20) for _ in range(100)]) >= 0.88


def test_intervals_of_rows_are_the_binomials() -> None:
    found = choose_threshold(TRUTH, SCORES, capacity=0.2, draws=4000)
    share = found.flagged.value
    assert share is not None
    half = 1.96 * np.sqrt(share * (1 - share) / 5000)
    assert found.flagged.low == pytest.approx(share - half, abs=0.001)
    assert found.flagged.high == pytest.approx(share + half, abs=0.001)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "0 wishes"),
        ({"precision": 0.5, "recall": 0.5}, "2 wishes"),
        ({"precision": 80}, "precision=80 is not a share"),
        ({"recall": float("nan")}, "recall=nan is not a share"),
        ({"recall": 0.5, "reject_cost": 1}, "weighed against costs"),
        ({"recall": 0.5, "truth": [1, 1, 1]}, "All 3 rows are of one class"),
        ({"recall": 0.5, "truth": [0, 1, 2]}, "more than 0 and 1"),
        ({"recall": 0.5, "scores": [0.5, 0.5, 0.5]}, "All scores are 0.5"),
        ({"recall": 0.5, "scores": [0.5, np.nan, 0.5]}, "1 score of 3 are missing"),
        ({"recall": 0.5, "scores": [0.5, 0.4]}, r"truth has the shape \(3,\) and scores \(2,\)"),
        ({"recall": 0.5, "blocks": [1, 1, 1]}, "two of them at least"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused_with_the_remedy(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        choose_threshold(given.pop("truth", [0, 1, 1]), given.pop("scores", [0.2, 0.4, 0.3]), **given)
