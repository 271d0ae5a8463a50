"""Calibration is measured as scikit-learn and scipy would, corrected for chance, and mended by a map that rises."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binomtest, ttest_1samp
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_digits
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.naive_bayes import GaussianNB

from nbops.errors import UsageError
from nbops.evaluation.calibration import Calibration, RegressionCalibration, calibrate, calibrate_regression
from nbops.evaluation.reliability import KNOTS, recalibrated, wilson

Doubles = npt.NDArray[np.float64]

RNG = np.random.default_rng(0)
GIVEN = RNG.beta(1, 3, 20_000)
TRUTH = (RNG.random(20_000) < GIVEN).astype(int)


def odds(share: Doubles) -> Doubles:
    return np.log(share / (1 - share))


def skewed(share: Doubles, slope: float, shift: float) -> Doubles:
    return 1 / (1 + np.exp(-(slope * odds(share) + shift)))


def test_bins_are_scikit_learns_and_their_intervals_scipys() -> None:
    found = calibrate(TRUTH, GIVEN, bins=8)
    observed, given = calibration_curve(TRUTH, GIVEN, n_bins=8, strategy="quantile")
    assert [one.observed for one in found.bins] == pytest.approx(observed)
    assert [one.given for one in found.bins] == pytest.approx(given)
    assert {one.rows for one in found.bins} == {2500}
    for one in found.bins:
        theirs = binomtest(round(one.observed * one.rows), one.rows).proportion_ci(method="wilson")
        assert (one.low, one.high) == pytest.approx((theirs.low, theirs.high))
    assert found.error == pytest.approx(np.mean(np.abs(observed - given)))
    assert abs(found.gap) == pytest.approx(np.abs(observed - given).max())


@pytest.mark.parametrize(("hits", "rows"), [(0, 7), (7, 7), (1, 1), (3, 200)])
def test_wilsons_interval_is_scipys(hits: int, rows: int) -> None:
    theirs = binomtest(hits, rows).proportion_ci(method="wilson")
    assert wilson(hits, rows) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_what_is_calibrated_is_called_so_and_what_chance_adds_is_taken_off() -> None:
    found = calibrate(TRUTH, GIVEN)
    assert found.verdict == "calibrated"
    assert found.debiased.value is not None
    assert found.debiased.value < found.error
    assert found.debiased.low == 0
    assert found.p_value > 0.01


@pytest.mark.parametrize(
    ("slope", "shift", "verdict"),
    [(1, 0.5, "too high"), (1, -0.5, "too low"), (2, 1.4, "overconfident"), (0.5, -0.7, "underconfident")],
)
def test_what_is_wrong_is_called_by_its_name(slope: float, shift: float, verdict: str) -> None:
    found = calibrate(TRUTH, skewed(GIVEN, slope, shift))
    assert found.verdict == verdict
    # What was given is undone by Cox's slope and intercept.
    for estimate, true in ((found.slope, 1 / slope), (found.intercept, -shift / slope)):
        assert estimate is not None
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low - 0.05 <= true <= estimate.high + 0.05
    assert calibrate(TRUTH, recalibrated(found.map, skewed(GIVEN, slope, shift))).error < 0.005


def test_slope_and_intercept_are_those_of_logistic_regression() -> None:
    found = calibrate(TRUTH, skewed(GIVEN, 1.3, 0.2))
    theirs = LogisticRegression(C=1e12, tol=1e-10).fit(odds(skewed(GIVEN, 1.3, 0.2))[:, None], TRUTH)
    assert found.slope is not None
    assert found.intercept is not None
    assert found.slope.value == pytest.approx(theirs.coef_[0, 0], rel=1e-4)
    assert found.intercept.value == pytest.approx(theirs.intercept_[0], rel=1e-3)


def test_the_parts_of_the_brier_score_add_up() -> None:
    found = calibrate(TRUTH, GIVEN)
    assert found.brier == pytest.approx(brier_score_loss(TRUTH, GIVEN))
    assert found.brier == pytest.approx(found.reliability - found.resolution + found.uncertainty + found.within)
    # Bins of one value each hide nothing.
    assert calibrate(TRUTH[:3000], np.tile([0.1, 0.2, 0.7], 1000), bins=3).within == pytest.approx(0, abs=1e-12)


def coverage(rows: int, slope: float, shift: float, turns: int) -> tuple[float, float]:
    """How often the interval holds the true error, and the mean of the debiased error less the true one."""
    rng, held, off = np.random.default_rng(rows), 0, 0.0
    many = rng.beta(1, 3, 400_000)
    edges = np.quantile(many, np.linspace(0, 1, 11))
    places = np.searchsorted(edges[1:-1], many)
    true = float(np.mean(np.abs(np.bincount(places, skewed(many, slope, shift) - many) / np.bincount(places))))
    for _ in range(turns):
        given = rng.beta(1, 3, rows)
        found = calibrate(rng.random(rows) < skewed(given, slope, shift), given).debiased
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= true <= found.high
        off += found.value - true
    return held / turns, off / turns


@pytest.mark.parametrize(("rows", "slope", "shift"), [(300, 1, 0), (2000, 1, 0), (2000, 1, 0.3), (2000, 0.7, 0)])
def test_intervals_of_the_debiased_error_hold_the_true_one(rows: int, slope: float, shift: float) -> None:
    held, _ = coverage(rows, slope, shift, 60)
    assert held >= 0.85


@pytest.mark.long
@pytest.mark.parametrize("rows", [300, 2000, 20_000])
@pytest.mark.parametrize(("slope", "shift"), [(1, 0), (1, 0.1), (1, 0.3), (0.7, 0)])
def test_intervals_of_the_debiased_error_hold_the_true_one_in_91_of_100_cases(
    rows: int, slope: float, shift: float
) -> None:
    held, _ = coverage(rows, slope, shift, 1000)
    assert held >= 0.91


def test_the_map_is_scikit_learns_isotonic_regression_in_few_points() -> None:
    theirs = IsotonicRegression(out_of_bounds="clip").fit(GIVEN, TRUTH)
    found = calibrate(TRUTH, GIVEN).map
    xs, ys = zip(*found, strict=True)
    assert len(found) <= KNOTS < len(theirs.X_thresholds_)
    assert list(xs) == sorted(set(xs))
    assert list(ys) == sorted(ys)
    asked = np.linspace(0, 1, 501)
    assert np.abs(recalibrated(found, asked) - theirs.predict(asked)).max() < 0.01
    few = slice(0, 200)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(GIVEN[few], TRUTH[few])
    ours = recalibrated(calibrate(TRUTH[few], GIVEN[few]).map, asked)
    assert ours.tolist() == pytest.approx(theirs.predict(asked).tolist())


def test_a_missing_prediction_stays_missing() -> None:
    assert np.isnan(recalibrated(((0.0, 0.1), (1.0, 0.9)), [np.nan, 0.5])).tolist() == [True, False]


def test_many_classes_are_judged_by_the_most_probable_one() -> None:
    pixels, y = load_digits(return_X_y=True)
    model = GaussianNB().fit(pixels[:900], y[:900])
    answers = model.predict_proba(pixels[900:])
    found = calibrate(y[900:], answers)
    assert found.kind == "top-label"
    assert found.events == (model.predict(pixels[900:]) == y[900:]).sum()
    assert found.verdict == "overconfident"
    assert " were right (" in found.sentences[1]


def test_the_sentences_say_what_a_person_asks() -> None:
    given, truth = np.repeat([0.8, 0.3], 1000), np.r_[np.arange(1000) < 710, np.arange(1000) < 300]
    found = calibrate(truth, given, rows="flights", event="late")
    assert found.sentences[1] == "Of the flights given 80 %, 71 % were late (68.1 % to 73.7 %; 1,000 flights)."
    assert found.sentences[0].startswith(
        "The probabilities are too high: they are 3.9 percentage points off on average"
    )
    assert msgspec.json.decode(msgspec.json.encode(found), type=Calibration) == found


@pytest.mark.parametrize(
    ("truth", "given"),
    [
        ([1], [0.3]),
        ([0, 1, 1], [0.5, 0.5, 0.5]),
        ([0] * 50, [0.0] * 50),
        ([1] * 50, [1.0] * 50),
        ([0, 1] * 30, [0.0, 1.0] * 30),
    ],
)
def test_few_rows_and_constant_predictions_are_no_exception(truth: list[int], given: list[float]) -> None:
    found = calibrate(truth, given)
    assert found.rows == len(truth)
    assert found.slope is None
    assert found.debiased.low is not None
    assert found.debiased.high is not None
    assert 0 <= found.debiased.low <= found.debiased.high
    assert msgspec.json.decode(msgspec.json.encode(found), type=Calibration) == found


def test_certainty_that_was_wrong_is_not_chance() -> None:
    found = calibrate([0] * 60 + [1] * 60, [0.0] * 50 + [1.0] * 70)
    assert found.p_value == 0
    assert found.verdict == "too high"


@pytest.mark.parametrize(
    ("truth", "given", "sentence"),
    [
        ([0, 1], [0.2, 1.2], "reach from 0.2 to 1.2"),
        ([0, 2], [0.2, 0.3], "more than 0 and 1"),
        ([0, 1], [0.2, np.nan], "missing or infinite"),
        ([0, 1], [0.2], r"truth has the shape \(2,\)"),
        ([], [], "at least one row"),
        ([0, 1, 2], [[0.2, 0.3, 0.5]], r"truth has the shape \(3,\)"),
    ],
)
def test_what_is_no_probability_is_refused(truth: Any, given: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        calibrate(truth, given)


PREDICTED = RNG.gamma(5, 50, 10_000)
CAME = PREDICTED + RNG.normal(0, 20, 10_000)


def test_predicted_numbers_are_right_on_average_or_called_too_low() -> None:
    right = calibrate_regression(CAME, PREDICTED, unit="min")
    assert right.verdict == "calibrated"
    assert len(right.bins) == 10
    low = calibrate_regression(CAME + 15 * (PREDICTED > 400), PREDICTED, unit="min", rows="flights")
    assert low.verdict == "too low"
    assert low.bins[-1].gap == pytest.approx(15, abs=2)
    assert "min higher on average" in low.sentences[1]
    mended = calibrate_regression(CAME + 15 * (PREDICTED > 400), recalibrated(low.map, PREDICTED))
    assert mended.error < right.error
    assert msgspec.json.decode(msgspec.json.encode(low), type=RegressionCalibration) == low


def test_the_interval_of_a_bin_and_of_the_bias_is_students() -> None:
    found = calibrate_regression(CAME[:500], PREDICTED[:500], bins=1)
    theirs = ttest_1samp(CAME[:500] - PREDICTED[:500], 0).confidence_interval(0.95)
    assert (found.bias.low, found.bias.high) == pytest.approx((theirs.low, theirs.high))
    (one,) = found.bins
    assert one.low is not None
    assert one.low - one.given == pytest.approx(theirs.low)


def test_few_numbers_and_constant_ones_are_no_exception() -> None:
    alone = calibrate_regression([3.0], [2.0])
    assert (alone.verdict, alone.bias.value, alone.bias.low) == ("undecided", 1.0, None)
    assert alone.sentences[1] == "Of the rows predicted 2 to 2, truth is 1 higher on average (– to –; 1 rows)."
    constant = calibrate_regression(CAME[:100], np.full(100, 250.0))
    assert len(constant.bins) == len(constant.map) == 1
    assert constant.map[0][1] == pytest.approx(CAME[:100].mean())
    exact = calibrate_regression(PREDICTED[:100], PREDICTED[:100])
    assert (exact.verdict, exact.error) == ("calibrated", 0)


def test_rows_that_are_wrong_together_are_not_taken_for_many() -> None:
    """Thirty days whose rows share an error: about 95 of 100 intervals hold the truth, and few samples raise an alarm."""
    held = alarms = by_rows = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        days = np.repeat(np.arange(30), 40)
        given = random.normal(scale=3, size=1200)
        truth = given + random.normal(size=30)[days] + random.normal(size=1200)
        found = calibrate_regression(truth, given, blocks=days)
        assert found.bias.low is not None
        assert found.bias.high is not None
        held += found.bias.low <= 0 <= found.bias.high
        alarms += found.verdict != "calibrated"
        by_rows += calibrate_regression(truth, given).verdict != "calibrated"
    assert held >= 90
    assert alarms <= 12
    assert by_rows >= 40


def test_probabilities_of_few_blocks_have_wide_intervals_and_no_slope_to_rely_on() -> None:
    random = np.random.default_rng(3)
    given = random.random(600)
    truth = (random.random(600) < given).astype(int)
    days = np.repeat(np.arange(6), 100)
    alone, together = calibrate(truth, given), calibrate(truth, given, blocks=days)
    assert [one.observed for one in together.bins] == [one.observed for one in alone.bins]
    assert all(one.low is not None and one.low >= 0 for one in together.bins)
    assert all(one.high is not None and one.high <= 1 for one in together.bins)
    assert together.slope is not None
    assert alone.slope is not None
    assert (together.slope.value, together.slope.low) == (alone.slope.value, None)
    assert together.debiased.value is not None
    assert alone.debiased.value is not None
    assert together.debiased.value <= alone.error
