"""Slices: whose metric is worse than elsewhere, and how sure that is."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.metrics import roc_auc_score

from nbops.errors import UsageError
from nbops.evaluation.means import means
from nbops.evaluation.slices import Slice, by_slices
from nbops.evaluation.telling import Scale

MAE = Scale("MAE", "min")


def flights(rows: int = 2000, seed: int = 0) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"carrier": rng.choice(["AA", "UA", "HA"], rows, p=[0.5, 0.49, 0.01]), "distance": rng.integers(80, 5000, rows)}
    )
    return frame, rng.exponential(8, rows) + 5 * (frame["carrier"] == "HA").to_numpy()


def one(found: tuple[Slice, ...], group: str) -> Slice:
    (told,) = [each for each in found if each.group == group]
    return told


def test_means_and_intervals_are_those_of_scipy() -> None:
    frame, losses = flights()
    for told in by_slices(frame, ["carrier"], losses, scale=MAE):
        inside = (frame["carrier"] == told.group).to_numpy()
        own = scipy.stats.t.interval(0.95, inside.sum() - 1, losses[inside].mean(), scipy.stats.sem(losses[inside]))
        apart = scipy.stats.ttest_ind(losses[inside], losses[~inside], equal_var=False).confidence_interval()
        assert told.rows == inside.sum()
        assert told.metric == pytest.approx(losses[inside].mean())
        assert told.rest == pytest.approx(losses[~inside].mean())
        assert (told.low, told.high) == pytest.approx(own)
        assert (told.difference_low, told.difference_high) == pytest.approx(tuple(apart))


def test_the_worst_comes_first_whichever_direction_is_better() -> None:
    frame, losses = flights()
    assert by_slices(frame, ["carrier"], losses, scale=MAE)[0].group == "HA"
    assert by_slices(frame, ["carrier"], losses, scale=Scale("score", better="higher"))[-1].group == "HA"


def test_small_groups_are_flagged_and_not_hidden() -> None:
    frame, losses = flights()
    found = by_slices(frame, ["carrier"], losses, scale=MAE)
    assert [told.small for told in found] == [True, False, False]
    assert found[0].sentence.endswith("rows: too few to rely on.")
    assert not any(told.small for told in by_slices(frame, ["carrier"], losses, min_rows=5))


def test_a_sentence_has_units_and_only_digits_that_are_certain() -> None:
    frame = pd.DataFrame({"carrier": ["AA"] * 100 + ["UA"] * 100})
    losses = np.array([7.0, 9.0] * 50 + [5.0, 6.0] * 50)
    found = by_slices(frame, ["carrier"], losses, scale=MAE)
    assert found[0].sentence == (
        "carrier = AA: MAE 8.0 min (7.8 to 8.2) on 100 rows (50 %), 2.50 min worse than the rest (2.28 to 2.72)."
    )


def test_rows_of_one_block_count_as_little_as_they_tell() -> None:
    frame, losses = flights(300)
    once = by_slices(frame, ["carrier"], losses, blocks=np.arange(300))
    again = by_slices(pd.concat([frame] * 7), ["carrier"], np.tile(losses, 7), blocks=np.tile(np.arange(300), 7))
    for told, other in zip(once, again, strict=True):
        assert (told.low, told.high) == pytest.approx((other.low, other.high))
        assert (told.difference_low, told.difference_high) == pytest.approx(
            (other.difference_low, other.difference_high)
        )


def test_blocks_of_one_row_are_rows() -> None:
    frame, losses = flights(300)
    codes = pd.factorize(frame["carrier"])[0]
    by_row, by_block = means(losses, codes, 3), means(losses, codes, 3, np.arange(300))
    assert by_block.mean.error == pytest.approx(by_row.mean.error)
    assert by_block.mean.freedom.tolist() == by_row.mean.freedom.tolist()


def test_what_days_share_does_not_make_their_carriers_differ() -> None:
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(40), 50)
    losses = 10 * rng.exponential(1, 40)[days] + rng.normal(0, 1, 2000)
    frame = pd.DataFrame({"carrier": np.tile(["AA", "UA"], 1000)})
    found = by_slices(frame, ["carrier"], losses, blocks=days)[0]
    assert found.high - found.low > 5
    assert found.difference_high - found.difference_low < 0.5


def test_any_metric_can_be_given_as_a_function_of_rows() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 3000)
    frame = pd.DataFrame({"x": rng.normal(size=3000), "good": rng.random(3000) < 0.5})
    scores = truth * np.where(frame["good"], 1.0, 0.2) + rng.normal(0, 0.5, 3000)

    def area(rows: Any) -> float:
        return float(roc_auc_score(truth[rows], scores[rows])) if len({*truth[rows].tolist()}) == 2 else math.nan

    found = by_slices(frame, ["good"], area, scale=Scale("ROC AUC", better="higher"), draws=100)
    assert (found[0].group, found[0].metric) == ("False", area(np.flatnonzero(~frame["good"])))
    assert found[0].low < found[0].metric < found[0].high
    assert found[0].difference_high < 0
    assert found == by_slices(frame, ["good"], area, scale=Scale("ROC AUC", better="higher"), draws=100)


@pytest.mark.parametrize("rows", [300, 8000])
def test_drawn_intervals_are_as_wide_as_computed_ones(rows: int) -> None:
    frame, losses = flights(rows)
    drawn = by_slices(frame, ["distance"], lambda some: float(losses[some].mean()), draws=400)
    computed = by_slices(frame, ["distance"], losses)
    for told in computed:
        other = one(drawn, told.group)
        assert other.high - other.low == pytest.approx(told.high - told.low, rel=0.2)
        assert other.difference_high - other.difference_low == pytest.approx(
            told.difference_high - told.difference_low, rel=0.2
        )


def test_drawn_blocks_are_as_wide_as_computed_ones() -> None:
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(60), 20)
    frame = pd.DataFrame({"carrier": np.tile(["AA", "UA"], 600)})
    losses = rng.exponential(1, 60)[days] + rng.normal(0, 1, 1200)
    drawn = by_slices(frame, ["carrier"], lambda some: float(losses[some].mean()), blocks=days, draws=400)
    for told in by_slices(frame, ["carrier"], losses, blocks=days):
        other = one(drawn, told.group)
        assert other.high - other.low == pytest.approx(told.high - told.low, rel=0.2)
        assert other.difference_high - other.difference_low == pytest.approx(
            told.difference_high - told.difference_low, rel=0.2
        )


def test_what_cannot_be_told_is_nan_and_the_record_is_json() -> None:
    frame = pd.DataFrame({"carrier": ["AA"] * 50 + ["UA"]})
    found = by_slices(frame, ["carrier"], np.arange(51.0))
    assert math.isnan(one(found, "UA").low)
    (alone,) = by_slices(frame.iloc[:50], ["carrier"], np.arange(50.0))
    assert math.isnan(alone.rest)
    assert "rest" not in alone.sentence
    assert msgspec.json.decode(msgspec.json.encode(found))[0]["group"]
    assert by_slices(frame.iloc[:0], ["carrier"], np.zeros(0)) == ()


def test_losses_of_other_rows_and_losses_that_are_no_numbers_are_refused() -> None:
    frame, losses = flights(100)
    with pytest.raises(UsageError, match="100 rows and 99 losses"):
        by_slices(frame, ["carrier"], losses[:99])
    with pytest.raises(UsageError, match="100 rows and 2 blocks"):
        by_slices(frame, ["carrier"], losses, blocks=np.arange(2))
    losses[3] = np.nan
    with pytest.raises(UsageError, match="1 of the losses"):
        by_slices(frame, ["carrier"], losses)


def coverage(repeats: int, *, drawn: bool) -> tuple[float, float]:
    """How often the intervals of a group and of its difference hold the true values, days being blocks."""
    own = apart = 0
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        days = np.repeat(np.arange(30), 20)
        high = rng.random(600) < 0.3
        losses = rng.exponential(2, 30)[days] + rng.exponential(1, 600) * (1 + high)
        measure = (lambda rows, losses=losses: float(losses[rows].mean())) if drawn else losses
        told = one(by_slices(pd.DataFrame({"high": high}), ["high"], measure, blocks=days, seed=seed), "True")
        own += told.low <= 4 <= told.high
        apart += told.difference_low <= 1 <= told.difference_high
    return own / repeats, apart / repeats


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    assert min(coverage(300, drawn=False)) >= 0.91


@pytest.mark.long
@pytest.mark.parametrize("drawn", [False, True])
def test_intervals_hold_the_truth_as_often_as_they_say_in_many_repetitions(*, drawn: bool) -> None:
    assert min(coverage(500 if drawn else 3000, drawn=drawn)) >= 0.92
