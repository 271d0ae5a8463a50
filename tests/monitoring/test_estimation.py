"""What seems to be so without labels is what comes out where rows alone changed, and is found out where their outcomes did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

from nbops.errors import NotFound, UsageError
from nbops.evaluation.answers import Answers
from nbops.evaluation.metrics import measure
from nbops.monitoring import rows
from nbops.monitoring.backtest import Pair, backtest
from nbops.monitoring.estimation import Estimated, Estimation, learn
from nbops.monitoring.expected import expected
from nbops.monitoring.rows import Question
from tests.monitoring import windows

if TYPE_CHECKING:
    import pandas as pd

    from nbops.evaluation.arrays import Floats

TWO = Question("binary", ("no", "yes"))
THREE = Question("multiclass", ("a", "b", "c"))
NUMBERS = Question("regression")
FEATURES = ["wind", "distance"]
NAMES = ("roc_auc", "log_loss", "brier", "accuracy", "precision", "recall", "f1")


def read(frame: pd.DataFrame, question: Question) -> Answers:
    return rows.told(frame, question).answers


def of(found: Estimation, name: str) -> Estimated:
    told = found.of(name)
    assert told is not None
    return told


def value(found: Estimation, name: str) -> float:
    told = of(found, name).value
    assert told is not None
    return told


def calibrated(laboratory: pd.DataFrame, window: pd.DataFrame) -> Floats:
    fitted = IsotonicRegression(out_of_bounds="clip").fit(laboratory["_p_yes"], laboratory["_label"] == "yes")
    return np.asarray(fitted.predict(window["_p_yes"]), dtype=np.float64)


# Two classes


def test_expected_metrics_are_those_of_rows_that_count_by_their_probability() -> None:
    frame = windows.two_classes(np.random.default_rng(1))
    share = np.random.default_rng(2).random(len(frame))
    found = expected(read(frame, TWO), NAMES, [np.column_stack([1 - share, share])])
    truth, weight = np.repeat([1, 0], len(frame)), np.concatenate([share, 1 - share])
    scores, decided = np.tile(frame["_p_yes"], 2), np.tile(frame["_prediction"] == "yes", 2)
    known = {
        "roc_auc": sk.roc_auc_score(truth, scores, sample_weight=weight),
        "log_loss": sk.log_loss(truth, scores, sample_weight=weight),
        "brier": sk.brier_score_loss(truth, scores, sample_weight=weight),
        "accuracy": sk.accuracy_score(truth, decided, sample_weight=weight),
        "precision": sk.precision_score(truth, decided, sample_weight=weight),
        "recall": sk.recall_score(truth, decided, sample_weight=weight),
        "f1": sk.f1_score(truth, decided, sample_weight=weight),
    }
    assert {name: one[0] for name, one in found.items()} == pytest.approx(known, rel=1e-9)


def test_an_estimate_is_the_expected_metric_of_calibrated_probabilities() -> None:
    rng = np.random.default_rng(3)
    laboratory, window = windows.two_classes(rng, 14, 400), windows.two_classes(rng, shift=0.5)
    found = learn(read(laboratory, TWO)).estimate(read(window, TWO))
    share, decided = calibrated(laboratory, window), window["_prediction"] == "yes"
    assert value(found, "accuracy") == pytest.approx(np.where(decided, share, 1 - share).mean(), abs=0.005)
    assert value(found, "recall") == pytest.approx(share[decided].sum() / share.sum(), abs=0.005)
    assert (found.method, found.rows, found.learnt_rows) == ("calibrated probabilities", 700, 5600)


def holds(samples: int, shift: float) -> dict[str, tuple[float, float]]:
    """How often the interval holds what is true of all such rows, and the band what came out."""
    rng = np.random.default_rng(5)
    truth = measure(read(windows.two_classes(np.random.default_rng(6), 1000, 50, shift=shift), TWO), NAMES)
    held = {name: [0, 0] for name in NAMES}
    for seed in range(samples):
        laboratory, window = windows.two_classes(rng, 14), windows.two_classes(rng, shift=shift)
        found, came = learn(read(laboratory, TWO), seed=seed).estimate(read(window, TWO)), read(window, TWO)
        for name, one in measure(came, NAMES).items():
            told = of(found, name)
            assert told.low is not None
            assert told.high is not None
            assert told.band is not None
            held[name][0] += told.low <= truth[name] <= told.high
            held[name][1] += abs(value(found, name) - one) <= told.band
    return {name: (one / samples, other / samples) for name, (one, other) in held.items()}


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_under_covariate_shift_the_truth_lies_in_the_interval_about_as_often_as_it_says(shift: float) -> None:
    found = holds(24, shift)
    # Of 24 samples of a share of 0.95 seven miss once in ten thousand times.
    assert all(min(one) >= 0.75 for one in found.values()), found
    assert np.mean([one for one, _ in found.values()]) >= 0.88


@pytest.mark.long
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_of_many_samples_the_interval_holds_the_truth_as_often_as_it_says(shift: float) -> None:
    found = holds(200, shift)
    # 200 samples know a share of 0.95 to 0.015.
    assert all(0.9 <= interval <= 0.99 for interval, _ in found.values()), found
    assert all(band >= 0.88 for _, band in found.values()), found


def history(question: Question, windows_: list[Any], laboratory: Any, name: str, features: list[str]) -> list[Pair]:
    learnt = learn(read(laboratory, question), laboratory[features] if features else None)
    told = []
    for window in windows_:
        found = of(learnt.estimate(read(window, question), window[features] if features else None), name)
        assert found.value is not None
        assert found.band is not None
        told.append(Pair(found.value, measure(read(window, question), [name])[name], found.band))
    return told


def test_where_outcomes_change_the_estimate_misses_and_is_switched_off_and_on_again() -> None:
    rng = np.random.default_rng(7)
    same, other = [[windows.two_classes(rng, concept=concept) for _ in range(4)] for concept in (0.0, 4.0)]
    told = history(TWO, [*same, *other, *same], windows.two_classes(rng, 21), "accuracy", [])
    assert [backtest(told[:end]).trust for end in (4, 6, 8, 12)] == ["trusted", "off", "off", "trusted"]


def test_rows_that_moved_do_not_switch_it_off() -> None:
    rng, told = np.random.default_rng(8), []
    for _ in range(6):
        moved = [windows.two_classes(rng, shift=shift) for shift in (0.0, 0.8, -0.6, 1.2, 0.4)]
        told.append(history(TWO, moved, windows.two_classes(rng, 21), "recall", []))
    # The metric moved far more than the estimates were off; simulations switch off one history of twenty.
    assert all(max(abs(one.error) for one in each) < np.ptp([one.realised for one in each]) / 3 for each in told)
    assert sum(not backtest(each).usable for each in told) <= 1


# More classes


def test_accuracy_of_three_classes_is_found_under_covariate_shift() -> None:
    rng = np.random.default_rng(9)
    truth = measure(read(windows.three_classes(rng, 1000, shift=1.5), THREE), ["accuracy", "log_loss"])
    before = measure(read(windows.three_classes(rng, 1000), THREE), ["accuracy"])["accuracy"]
    held, off = 0, []
    for seed in range(10):
        laboratory, window = windows.three_classes(rng, 14, 150), windows.three_classes(rng, shift=1.5)
        found = learn(read(laboratory, THREE), seed=seed).estimate(read(window, THREE))
        told = of(found, "accuracy")
        assert told.low is not None
        assert told.high is not None
        held += told.low <= truth["accuracy"] <= told.high
        off.append(value(found, "accuracy") - truth["accuracy"])
    assert held >= 8
    assert abs(np.mean(off)) < abs(truth["accuracy"] - before) / 4


# Numbers


def test_the_error_of_numbers_is_found_when_rows_move_to_where_it_is_larger() -> None:
    rng = np.random.default_rng(10)
    laboratory = windows.numbers(rng, 14, 200)
    learnt = learn(read(laboratory, NUMBERS), laboratory[FEATURES])
    calm, storm = (
        windows.numbers(rng, 7, 400).query(f"wind == '{wind}'").reset_index(drop=True) for wind in ("calm", "storm")
    )
    for window, scale in ((calm, 1.0), (storm, 3.0)):
        found = learnt.estimate(read(window, NUMBERS), window[FEATURES])
        truth = {"mae": scale * np.sqrt(2 / np.pi), "rmse": scale}
        assert found.method == "error model"
        for name, one in truth.items():
            told = of(found, name)
            assert told.low is not None
            assert told.high is not None
            assert told.low <= one <= told.high
            # Its size differs threefold; trees tell that to a tenth.
            assert value(found, name) == pytest.approx(one, rel=0.12)
            assert told.band is not None


def test_a_bias_that_nobody_saw_coming_switches_the_error_model_off() -> None:
    rng = np.random.default_rng(11)
    laboratory = windows.numbers(rng, 14, 200)
    told = history(NUMBERS, [windows.numbers(rng, bias=bias) for bias in (0, 0, 0, 4, 4)], laboratory, "mae", FEATURES)
    assert [backtest(told[:end]).trust for end in (3, 5)] == ["trusted", "off"]


def test_features_that_are_missing_are_named_and_unseen_values_are_borne() -> None:
    rng = np.random.default_rng(12)
    laboratory = windows.numbers(rng, 14)
    learnt = learn(read(laboratory, NUMBERS), laboratory[[*FEATURES, "_time"]])
    window = windows.numbers(rng)
    with pytest.raises(NotFound, match="distance"):
        learnt.estimate(read(window, NUMBERS), window[["wind"]])
    with pytest.raises(NotFound, match="wind, distance"):
        learnt.estimate(read(window, NUMBERS))
    strange = window.assign(wind="hail", distance="far")
    strange.loc[:50, "wind"] = None
    assert value(learnt.estimate(read(strange, NUMBERS), strange[FEATURES]), "mae") > 0


# What it refuses, and what it bears


def test_fewer_than_a_thousand_rows_teach_nothing() -> None:
    few = windows.two_classes(np.random.default_rng(13), 9, 111)
    with pytest.raises(UsageError, match="from 999 rows with truth: it takes 1,000") as caught:
        learn(read(few, TWO))
    assert "Evaluate the version on more rows" in caught.value.hint


def test_one_class_or_no_probabilities_or_no_features_are_refused() -> None:
    rng = np.random.default_rng(14)
    frame, numbers = windows.two_classes(rng, 14), windows.numbers(rng, 14)
    with pytest.raises(UsageError, match="one class"):
        learn(read(frame.assign(_label="no"), TWO))
    with pytest.raises(UsageError, match="gives none"):
        learn(read(frame.drop(columns=["_p_no", "_p_yes"]), TWO))
    with pytest.raises(UsageError, match="features"):
        learn(read(numbers, NUMBERS))
    with pytest.raises(UsageError, match="700 rows of regression"):
        learn(read(frame, TWO)).estimate(read(windows.numbers(rng), NUMBERS))
    with pytest.raises(UsageError, match="classes were"):
        learn(read(frame, TWO)).estimate(read(frame, Question("binary", ("yes", "no"))))


def test_constant_scores_and_perfect_numbers_are_borne() -> None:
    rng = np.random.default_rng(15)
    flat = windows.two_classes(rng, 14).assign(_p_no=0.4, _p_yes=0.6, _prediction="yes")
    found = learn(read(flat, TWO)).estimate(read(flat, TWO))
    assert value(found, "roc_auc") == pytest.approx(0.5)
    assert value(found, "accuracy") == pytest.approx((flat["_label"] == "yes").mean())
    perfect = windows.numbers(rng, 14, spread=0)
    told = learn(read(perfect, NUMBERS), perfect[FEATURES]).estimate(read(perfect, NUMBERS), perfect[FEATURES])
    assert (value(told, "mae"), value(told, "rmse"), of(told, "mae").band) == (0, 0, 0)


@pytest.mark.parametrize("take", [1, 2])
def test_of_one_row_there_is_an_estimate_without_an_interval(take: int) -> None:
    rng = np.random.default_rng(16)
    frame = windows.two_classes(rng, 14)
    found = learn(read(frame, TWO)).estimate(read(frame.head(take), TWO))
    assert of(found, "accuracy").value is not None
    if take == 1:
        assert of(found, "accuracy").low is None


def test_labels_of_the_window_are_not_looked_at_and_answers_are_the_same_again() -> None:
    rng = np.random.default_rng(17)
    for question, laboratory, window in (
        (TWO, windows.two_classes(rng, 14), windows.two_classes(rng)),
        (NUMBERS, windows.numbers(rng, 14), windows.numbers(rng)),
    ):
        features = None if question is TWO else FEATURES
        given = laboratory[features] if features else None
        told = []
        for frame in (window, window, window.drop(columns="_label")):
            answers = rows.told(frame, question, which="all").answers
            learnt = learn(read(laboratory, question), given, seed=3)
            told.append(learnt.estimate(answers, frame[features] if features else None))
        assert told[0] == told[1] == told[2]


def test_a_laboratory_without_days_is_dealt_into_bags() -> None:
    rng = np.random.default_rng(18)
    frame = windows.two_classes(rng, 14)
    answers = read(frame, TWO)
    loose = Answers("binary", answers.truth, answers.predicted, answers.probabilities, answers.classes)
    told = of(learn(loose).estimate(read(windows.two_classes(rng), TWO)), "accuracy")
    assert told.low is not None
    assert told.band is not None
