"""What a window's labels say: metrics, costs and slices as anybody would compute them, and no judgement that the labels do not allow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from nbops.errors import NotFound, UsageError
from nbops.evaluation.answers import Answers
from nbops.evaluation.bootstrap import apart
from nbops.evaluation.decision import Costs, DecisionRule
from nbops.evaluation.slices import by_slices
from nbops.evaluation.telling import Estimate
from nbops.monitoring import rows
from nbops.monitoring.performance import (
    Bound,
    Performance,
    SliceStanding,
    default_bound,
    performance,
    seems,
    times_as_bad,
)
from nbops.monitoring.rows import PerUnitError, Question
from tests.monitoring import windows

NUMBERS = Question("regression", unit="min")
RULE = DecisionRule(positive="yes", threshold=0.4, costs=Costs(2.0, 5.0, unit="EUR"))
CLASSES = Question("binary", ("no", "yes"), rule=RULE)
FEW = {"draws": 200}


def question(of: Question, **changed: object) -> Question:
    return Question(**{**{name: getattr(of, name) for name in of.__struct_fields__}, **FEW, **changed})


def laboratory(frame: pd.DataFrame, of: Question) -> Answers:
    return rows.told(frame, of).answers


def values(found: Performance) -> dict[str, float | None]:
    return {one.metric: one.value for one in found.metrics}


def test_metrics_of_numbers_are_those_of_scikit_learn() -> None:
    frame = windows.numbers(np.random.default_rng(1))
    found = performance(frame, question(NUMBERS))
    truth, predicted = frame["_label"], frame["_prediction"]
    told = values(found)
    assert told["mae"] == pytest.approx(sk.mean_absolute_error(truth, predicted), rel=1e-12)
    assert told["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, predicted), rel=1e-12)
    assert told["median_ae"] == pytest.approx(sk.median_absolute_error(truth, predicted), rel=1e-12)
    assert told["r2"] == pytest.approx(sk.r2_score(truth, predicted), rel=1e-9)
    assert found.regression is not None
    assert found.regression.bias.value == pytest.approx((truth - predicted).mean())
    mae = found.of("mae")
    assert mae is not None
    assert mae.blocks == 7


def test_two_classes_are_decided_by_the_rule_and_measured_as_scikit_learn_does() -> None:
    frame = windows.two_classes(np.random.default_rng(2))
    told = values(performance(frame, question(CLASSES)))
    truth, decided = frame["_label"] == "yes", frame["_p_yes"] >= 0.4
    assert told["f1"] == pytest.approx(sk.f1_score(truth, decided), rel=1e-12)
    assert told["precision"] == pytest.approx(sk.precision_score(truth, decided), rel=1e-12)
    assert told["recall"] == pytest.approx(sk.recall_score(truth, decided), rel=1e-12)
    assert told["roc_auc"] == pytest.approx(sk.roc_auc_score(truth, frame["_p_yes"]), rel=1e-12)
    assert told["brier"] == pytest.approx(sk.brier_score_loss(truth, frame["_p_yes"]), rel=1e-12)
    assert told["log_loss"] == pytest.approx(sk.log_loss(truth, frame["_p_yes"]), rel=1e-9)


def test_the_positive_class_may_be_the_first_one_and_no_text() -> None:
    frame = windows.two_classes(np.random.default_rng(2)).rename(columns={"_p_no": "_p_1", "_p_yes": "_p_0"})
    for name in ("_prediction", "_label"):
        frame[name] = frame[name].map({"no": 1, "yes": 0})
    told = values(performance(frame, question(CLASSES, classes=("0", "1"), rule=DecisionRule(positive=0))))
    assert told["recall"] == pytest.approx(sk.recall_score(frame["_label"] == 0, frame["_p_0"] >= 0.5))


def test_three_classes_are_measured_as_scikit_learn_does() -> None:
    frame = windows.three_classes(np.random.default_rng(3))
    found = performance(frame, question(Question("multiclass", ("a", "b", "c"))))
    told = values(found)
    given = frame[["_p_a", "_p_b", "_p_c"]]
    assert told["accuracy"] == pytest.approx(sk.accuracy_score(frame["_label"], frame["_prediction"]))
    assert told["f1_macro"] == pytest.approx(sk.f1_score(frame["_label"], frame["_prediction"], average="macro"))
    assert told["log_loss"] == pytest.approx(sk.log_loss(frame["_label"], given), rel=1e-9)
    assert found.calibration is not None
    assert found.calibration.verdict == "underconfident"


def test_costs_are_counted_row_by_row_and_held_against_the_best_constant() -> None:
    frame = windows.two_classes(np.random.default_rng(4))
    found = performance(frame, question(CLASSES)).value
    truth, decided = frame["_label"] == "yes", frame["_p_yes"] >= 0.4
    cost = 2 * (decided & ~truth).sum() + 5 * (~decided & truth).sum()
    assert found is not None
    assert found.total.value == pytest.approx(cost)
    assert found.per_row.value == pytest.approx(cost / len(frame))
    assert found.constant_total == pytest.approx(min(5 * truth.sum(), 2 * (~truth).sum()))
    assert found.saved.value == pytest.approx((found.constant_total - cost) / len(frame))
    assert found.saved.low is not None
    assert found.saved.low > 0
    assert found.sentence.startswith(f"The decisions on 700 rows cost {cost:.0f} EUR, ")
    assert f"better than {found.constant}" in found.sentence


def test_rows_left_to_people_cost_nothing_and_are_told() -> None:
    rule = DecisionRule(positive="yes", threshold=0.5, reject=(0.4, 0.6), costs=Costs(2.0, 5.0))
    frame = windows.two_classes(np.random.default_rng(5))
    found = performance(frame, question(CLASSES, rule=rule)).value
    decided = (frame["_p_yes"] < 0.4) | (frame["_p_yes"] >= 0.6)
    wrong = (frame["_p_yes"] >= 0.6) & (frame["_label"] == "no"), (frame["_p_yes"] < 0.4) & (frame["_label"] == "yes")
    assert found is not None
    assert (found.rows, found.left_to_people) == (decided.sum(), (~decided).sum())
    assert found.total.value == pytest.approx(2 * wrong[0].sum() + 5 * wrong[1].sum())
    assert found.sentence.endswith(f"{found.left_to_people} rows left to people are not counted.")


def test_an_error_of_a_number_costs_what_was_declared() -> None:
    frame = windows.numbers(np.random.default_rng(6))
    found = performance(frame, question(NUMBERS, value=PerUnitError(2.5, "EUR"))).value
    assert found is not None
    assert found.per_row.value == pytest.approx(2.5 * (frame["_prediction"] - frame["_label"]).abs().mean())
    middle = frame["_label"].median()
    assert found.constant_per_row == pytest.approx(2.5 * (frame["_label"] - middle).abs().mean())
    assert performance(frame, question(NUMBERS)).value is None


def test_slices_are_means_of_their_rows() -> None:
    frame = windows.numbers(np.random.default_rng(7))
    found = performance(frame, question(NUMBERS, slices=("wind",))).slices
    error = (frame["_prediction"] - frame["_label"]).abs().groupby(frame["wind"]).mean()
    assert [one.group for one in found] == ["storm", "calm"]
    assert {one.group: one.metric for one in found} == pytest.approx(error.to_dict())
    missing = performance(frame, question(NUMBERS, slices=("winds",)))
    assert missing.slices == ()
    assert any("'winds'" in note for note in missing.notes)


def test_a_slice_is_held_against_the_same_slice_of_the_laboratory() -> None:
    rng, asked = np.random.default_rng(31), question(NUMBERS, slices=("wind",))
    then = windows.numbers(rng, days=14)
    promised = performance(then, asked).slices

    def beside(frame: pd.DataFrame, **more: Any) -> dict[str, SliceStanding]:
        found = performance(frame, asked, laboratory=laboratory(then, asked), slices=promised, **more)
        assert [(one.column, one.group) for one in found.beside] == [(one.column, one.group) for one in found.slices]
        return {one.group: one for one in found.beside}

    as_ever = windows.numbers(rng)
    # Three times as bad as the rest, and one and a half times as bad as all rows: as it was in the laboratory.
    assert {one.where for one in beside(as_ever).values()} == {"within"}
    storm = as_ever["wind"] == "storm"
    worse = as_ever.assign(_prediction=as_ever["_label"] + (as_ever["_prediction"] - as_ever["_label"]) * (1 + storm))
    found = beside(worse)
    assert {group: one.where for group, one in found.items()} == {"storm": "beyond", "calm": "within"}
    error = (then["_prediction"] - then["_label"]).abs().groupby(then["wind"]).mean()
    now = (worse["_prediction"] - worse["_label"]).abs().groupby(worse["wind"]).mean()
    told = found["storm"]
    assert told.laboratory == pytest.approx(error["storm"])
    assert told.ratio.value == pytest.approx(now["storm"] / error["storm"])
    assert "In the laboratory it was " in told.sentence
    assert told.sentence.endswith("times as much now, beyond the bound of 1.25 times as bad.")


def test_a_slice_that_the_laboratory_did_not_measure_or_that_is_small_is_no_verdict() -> None:
    rng, asked = np.random.default_rng(32), question(NUMBERS, slices=("wind",))
    promised = performance(windows.numbers(rng), asked).slices
    terrible = windows.numbers(rng, spread=9.0).assign(wind="hail")
    (unknown,) = performance(terrible, asked, slices=promised).beside
    assert (unknown.where, unknown.laboratory, unknown.ratio.value) == ("unknown", None, None)
    assert performance(terrible, asked).beside[0].where == "unknown"
    few = windows.numbers(rng, spread=9.0)
    kept = pd.concat([few[few["wind"] == "storm"].head(20), few[few["wind"] == "calm"]])
    found = {one.group: one for one in performance(kept, asked, slices=promised).beside}
    assert {group: one.where for group, one in found.items()} == {"storm": "unknown", "calm": "beyond"}
    assert found["storm"].laboratory is not None
    part = windows.numbers(rng, spread=9.0)
    part.loc[50:, "_label"] = np.nan
    assert {one.where for one in performance(part, asked, slices=promised).beside} == {"unknown"}
    limit = performance(windows.numbers(rng), asked, slices=promised, bounds=[Bound("mae", limit=0.1)]).beside
    assert {one.where for one in limit} == {"unknown"}


def test_the_interval_of_a_slices_ratio_covers_it_as_often_as_it_says() -> None:
    rng, inside, tries = np.random.default_rng(33), 0, 300
    for _ in range(tries):
        made = []
        for spread in (1.5, 1.0):
            frame = windows.numbers(rng, per_day=40, spread=spread)
            each = (frame["_prediction"] - frame["_label"]).abs().to_numpy()
            blocks = np.repeat(np.arange(7), 40)
            made.append(next(one for one in by_slices(frame, ("wind",), each, blocks=blocks) if one.group == "calm"))
        ratio = times_as_bad(*made)
        assert ratio.low is not None
        assert ratio.high is not None
        inside += ratio.low <= 1.5 <= ratio.high
    assert 0.91 <= inside / tries <= 0.99


def test_a_window_twice_as_bad_is_beyond_the_bound_and_one_like_the_laboratory_is_within() -> None:
    rng = np.random.default_rng(8)
    lab = laboratory(windows.numbers(rng, 14), NUMBERS)
    bad, good = (
        performance(windows.numbers(rng, spread=spread), question(NUMBERS), laboratory=lab).standings[0]
        for spread in (2, 1)
    )
    assert (bad.where, good.where) == ("beyond", "within")
    assert bad.ratio.low is not None
    assert bad.ratio.low > 1.25
    assert bad.difference.value == pytest.approx((bad.value or 0) - (bad.laboratory or 0))
    assert bad.sentence.endswith(": beyond the bound of 1.25 times as bad.")
    assert good.ratio.high is not None
    assert good.ratio.high < 1.25


def test_worse_by_chance_is_no_more_than_perhaps_beyond() -> None:
    rng = np.random.default_rng(9)
    lab = laboratory(windows.numbers(rng, 14), NUMBERS)
    days = windows.numbers(rng)
    days["_prediction"] += np.where(days["_time"].dt.day == 4, 6.0, 0.0)
    found = performance(days, question(NUMBERS), laboratory=lab).standings[0]
    assert found.ratio.value is not None
    assert found.ratio.value > 1.25
    assert found.where == "perhaps"


def test_what_is_better_when_higher_is_beyond_when_it_is_lower() -> None:
    rng = np.random.default_rng(10)
    lab = laboratory(windows.two_classes(rng, 14, daily=0.1), CLASSES)
    bounds = (Bound("accuracy", worse_than=1.1), Bound("accuracy", limit=0.7), Bound("accuracy", limit=0.3))
    frame = windows.two_classes(rng, concept=3, daily=0.1)
    found = performance(frame, question(CLASSES), laboratory=lab, bounds=bounds)
    assert [one.where for one in found.standings] == ["beyond", "beyond", "within"]


def test_a_bias_is_bounded_on_both_sides() -> None:
    rng = np.random.default_rng(11)
    bound = (Bound("bias", limit=2),)
    found = [performance(windows.numbers(rng, bias=bias), question(NUMBERS), bounds=bound) for bias in (-4, 0, 4)]
    assert [one.standings[0].where for one in found] == ["beyond", "within", "beyond"]
    with pytest.raises(UsageError, match="Neither more nor less bias"):
        performance(windows.numbers(rng), question(NUMBERS), bounds=(Bound("bias", worse_than=1.2),))


@pytest.mark.parametrize("wrong", [{}, {"worse_than": 1.2, "limit": 3.0}, {"worse_than": 1.0}, {"limit": float("nan")}])
def test_a_bound_that_bounds_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Bound("mae", **wrong)


def test_without_a_laboratory_nothing_is_relative() -> None:
    frame = windows.numbers(np.random.default_rng(12))
    relative, absolute = performance(
        frame, question(NUMBERS), bounds=(default_bound("regression"), Bound("mae", limit=1))
    ).standings
    assert (relative.where, absolute.where) == ("unknown", "beyond")
    assert relative.laboratory is None


def test_few_labels_are_not_judged() -> None:
    rng = np.random.default_rng(13)
    lab = laboratory(windows.numbers(rng, 14), NUMBERS)
    frame = windows.numbers(rng, spread=9)
    frame.loc[rng.permutation(700)[:520], "_label"] = np.nan
    found = performance(frame, question(NUMBERS), laboratory=lab)
    assert (found.labelled, found.coverage.labelled, found.coverage.trust) == (180, 180, "few")
    assert found.standings[0].where == "unknown"
    assert "180 of 700 rows (26 %) have a label: too few to judge by" in found.standings[0].sentence
    assert performance(frame, question(NUMBERS), laboratory=lab, least=150).standings[0].where == "beyond"


def test_labels_drawn_by_chance_are_judged_however_few_of_the_rows_they_are() -> None:
    rng = np.random.default_rng(14)
    lab = laboratory(windows.numbers(rng, 14), NUMBERS)
    frame = windows.numbers(rng, per_day=1000, spread=2)
    frame.loc[rng.permutation(len(frame))[350:], "_label"] = np.nan
    found = performance(frame, question(NUMBERS), laboratory=lab)
    assert found.coverage.trust == "whole"
    assert found.standings[0].where == "beyond"


def test_days_without_labels_are_waited_for() -> None:
    frame = windows.numbers(np.random.default_rng(15), spread=9)
    frame.loc[frame["_time"].dt.day >= 7, "_label"] = np.nan
    found = performance(frame, question(NUMBERS)).coverage
    assert found.trust == "partial"
    assert found.moved_days == pytest.approx(2 / 7)
    assert [day.labelled for day in found.days] == [100] * 5 + [0] * 2
    assert "of 2026-03-07 0 of 100" in found.sentence


def test_labels_of_high_predictions_alone_do_not_stand_for_the_rest() -> None:
    frame = windows.numbers(np.random.default_rng(16))
    frame.loc[frame["_prediction"] < frame["_prediction"].median(), "_label"] = np.nan
    found = performance(frame, question(NUMBERS), bounds=(Bound("mae", limit=0.1),))
    assert found.coverage.trust == "partial"
    assert found.coverage.moved_predictions == pytest.approx(0.5, abs=0.01)
    assert found.standings[0].where == "unknown"


def test_no_label_at_all_is_told_and_nothing_is_measured() -> None:
    frame = windows.two_classes(np.random.default_rng(17)).drop(columns="_label")
    found = performance(
        frame, question(CLASSES), laboratory=laboratory(windows.two_classes(np.random.default_rng(1)), CLASSES)
    )
    assert (found.labelled, found.metrics, found.value, found.calibration) == (0, (), None, None)
    assert found.standings[0].where == "unknown"
    assert found.standings[0].sentence == "None of 700 rows has a label yet."
    assert found.standings[0].laboratory is not None


def test_one_row_and_no_row_are_no_accident() -> None:
    frame = windows.numbers(np.random.default_rng(18), bias=3)
    one = performance(frame.head(1), question(NUMBERS, slices=("wind",)))
    assert (one.rows, one.labelled, one.coverage.trust) == (1, 1, "few")
    mae = one.of("mae")
    assert mae is not None
    assert mae.low is None
    assert mae.value == pytest.approx(abs(frame["_prediction"][0] - frame["_label"][0]))
    none = performance(frame.head(0), question(NUMBERS))
    assert (none.rows, none.labelled, none.coverage.sentence) == (0, 0, "There are no rows.")


def test_one_class_only_leaves_undefined_what_is() -> None:
    frame = windows.two_classes(np.random.default_rng(19)).assign(_label="no")
    found = performance(
        frame, question(CLASSES), laboratory=laboratory(frame, CLASSES), bounds=(Bound("roc_auc", limit=0.6),)
    )
    auc = found.of("roc_auc")
    assert auc is not None
    assert auc.value is None
    assert found.standings[0].where == "unknown"
    assert found.value is not None
    assert found.value.constant == "always 'no'"
    assert found.value.constant_total == 0


def test_constant_predictions_are_judged() -> None:
    frame = windows.numbers(np.random.default_rng(20)).assign(_prediction=100.0)
    found = performance(frame, question(NUMBERS))
    assert values(found)["r2"] == pytest.approx(0, abs=0.02)
    frame["_label"] = 100.0
    perfect = performance(frame, question(NUMBERS), laboratory=laboratory(frame, NUMBERS))
    assert values(perfect)["mae"] == 0
    assert perfect.standings[0].where == "unknown"


def test_what_cannot_be_read_is_left_out_and_told() -> None:
    frame = windows.numbers(np.random.default_rng(21))
    frame.loc[:2, "_prediction"] = np.nan
    frame.loc[10, "_label"] = np.inf
    found = performance(frame, question(NUMBERS))
    assert (found.rows, found.labelled) == (700, 696)
    assert found.notes == (
        "3 rows are left out, whose prediction is no number.",
        "1 row is left out, whose label is infinite.",
    )
    classes = windows.two_classes(np.random.default_rng(22))
    classes.loc[:1, "_label"] = "maybe"
    told = performance(classes, question(CLASSES))
    assert told.labelled == 698
    assert told.notes == ("2 rows are left out, whose label is a class that the model does not know ('maybe').",)


def test_columns_that_are_not_there_are_asked_for() -> None:
    frame = windows.two_classes(np.random.default_rng(23))
    with pytest.raises(NotFound, match="_prediction"):
        performance(frame.drop(columns="_prediction"), question(CLASSES))
    with pytest.raises(NotFound, match="_p_no"):
        performance(frame.drop(columns="_p_no"), question(CLASSES))
    with pytest.raises(UsageError, match="holds what is no number"):
        performance(frame, question(NUMBERS))


def test_days_begin_at_midnight_where_the_clocks_are() -> None:
    frame = windows.numbers(np.random.default_rng(24), 6, 24)
    days = performance(frame, question(NUMBERS, zone="America/New_York")).coverage.days
    assert [(day.day, day.rows) for day in days][:2] == [("2026-03-01", 5), ("2026-03-02", 24)]


def test_the_same_window_is_judged_the_same_in_whatever_order_its_rows_come() -> None:
    frame, of = windows.two_classes(np.random.default_rng(25)), question(CLASSES, slices=("x",))
    lab = laboratory(windows.two_classes(np.random.default_rng(26), 14), CLASSES)
    shuffled = frame.sample(frac=1, random_state=0)
    first, second, other = (performance(one, of, laboratory=lab) for one in (frame, frame, shuffled))
    assert first == second
    assert other.coverage == first.coverage
    for one, two in zip(first.metrics, other.metrics, strict=True):
        assert (two.value, two.low, two.high) == pytest.approx((one.value, one.low, one.high))


def test_differences_of_two_windows_hold_the_truth_about_as_often_as_they_say() -> None:
    rng, held = np.random.default_rng(27), [0, 0]
    for seed in range(200):
        two = []
        for days, spread in ((14, 1.0), (7, 1.5)):
            day = np.repeat(np.arange(days), 20)
            size = spread * np.exp(0.2 * rng.normal(size=days) - 0.02)[day]
            two.append(Answers("regression", np.zeros(len(day)), size * rng.normal(size=len(day)), blocks=day))
        found = apart(two[0], two[1], "mae", draws=200, seed=seed)
        assert None not in (found.low, found.high, found.ratio_low, found.ratio_high)
        held[0] += (found.low or 0) <= 0.5 * np.sqrt(2 / np.pi) <= (found.high or 0)
        held[1] += (found.ratio_low or 0) <= 1.5 <= (found.ratio_high or 0)
    # 200 samples know a share of 0.95 to 0.015.
    assert all(0.9 <= one / 200 <= 0.99 for one in held), held


@pytest.mark.parametrize(
    ("low", "value", "high", "expected"),
    [(12.6, 13, 13.4, "beyond"), (12, 13, 14, "perhaps"), (11, 12, 13, "within"), (None, 13, None, "perhaps")],
)
def test_an_estimate_is_held_against_the_same_bound(
    low: float | None, value: float, high: float | None, expected: str
) -> None:
    assert seems(Estimate(value, low, high), 10.0, default_bound("regression"), "regression") == expected
    assert seems(Estimate(value, low, high), None, default_bound("regression"), "regression") == "unknown"
    bound = Bound("accuracy", worse_than=1.25)
    ends = [None if one is None else 1 / one for one in (value, high, low)]
    assert seems(Estimate(*ends), 0.1, bound, "binary") == expected
