"""What was found in a window becomes signals: every thing that is looked at says how it is, and only what is wrong is odd or broken."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nbops.data.profile import Profile
from nbops.data.profiling import profile
from nbops.evaluation.telling import Estimate
from nbops.monitoring import flat, judging
from nbops.monitoring.backtest import Pair as Outcome
from nbops.monitoring.backtest import backtest
from nbops.monitoring.coverage import Coverage
from nbops.monitoring.drift import Pair as Beside
from nbops.monitoring.drift import compare_each
from nbops.monitoring.estimation import Estimated, Estimation
from nbops.monitoring.kept import Check
from nbops.monitoring.performance import Bound, Performance, Standing, Where
from nbops.monitoring.policy import MonitorPolicy, Severities, Warmup
from nbops.monitoring.results import WindowReport
from nbops.monitoring.signals import Signal
from tests.monitoring.ward import week as ends

ROWS = 300
POLICY = MonitorPolicy()


def columns(**given: Any) -> Any:
    """Rows with a number and a carrier, unless they are others."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(3)
    told = {"a": random.normal(size=ROWS), "carrier": random.choice(["AA", "UA"], ROWS), **given}
    return pa.table({name: pa.array(values) for name, values in told.items() if values is not None})


def report(now: Any = None, then: Any = None, **more: Any) -> WindowReport:
    """What is found in a week with these rows, held against those."""
    reference = profile(columns() if then is None else then)
    current: Profile = profile(columns() if now is None else now, like=reference)
    start, until = ends(0)
    told = {"drift": tuple(compare_each([Beside(reference, current)])), **more}
    return WindowReport("m", 1, "week", start, until, ROWS, ROWS, "reference", **told)


def judged(found: WindowReport, policy: MonitorPolicy = POLICY) -> dict[tuple[str, str], Signal]:
    """Its signals by cause and item, each once."""
    signals = judging.signals(found, policy)
    by = {(one.cause, one.item): one for one in signals}
    assert len(by) == len(signals)
    return by


def states(found: WindowReport, policy: MonitorPolicy = POLICY) -> dict[tuple[str, str], str]:
    return {key: one.state for key, one in judged(found, policy).items()}


def standing(where: Where, value: float | None = 15.0) -> Standing:
    """How the error stands to a laboratory's of 10."""
    ratio = Estimate(None if value is None else value / 10, 1.3, 1.7)
    return Standing(
        "mae", Bound("mae", worse_than=1.25), value, 10.0, Estimate(5.0, 3.0, 7.0), ratio, where, f"It is {where}."
    )


def performance(where: Where, labelled: int = ROWS) -> Performance:
    covered = Coverage(ROWS, labelled, (), 0.0, 0.0, "whole", "All rows have a label.")
    return Performance("regression", "min", ROWS, labelled, covered, standings=(standing(where),))


def estimation(value: float, low: float, high: float, band: float | None = 1.0) -> Estimation:
    told = Estimated("mae", value, low, high, band)
    return Estimation("regression", "error model", ROWS, 5000, 0.95, (told,))


def test_a_window_as_ever_is_fine_in_all_that_was_looked_at() -> None:
    found = states(report())
    assert {key for key, state in found.items() if state != "fine"} == set()
    assert {
        ("drift", "a"),
        ("drift", "carrier"),
        (f"data: {judging.EMPTY}", "a"),
        (f"data: {judging.UNSEEN}", "carrier"),
    } <= {*found}


@pytest.mark.parametrize("empty", [[float("nan")] * ROWS, [None] * ROWS], ids=["not a number", "nothing"])
@pytest.mark.parametrize("column", ["a", "carrier"])
def test_a_column_that_lost_all_values_is_a_break_of_data_and_of_nothing_else(column: str, empty: Any) -> None:
    found = judged(report(columns(**{column: empty})))
    broken = {key for key, one in found.items() if one.state == "broken"}
    assert broken == {(f"data: {judging.EMPTY}", column)}
    assert (
        found[f"data: {judging.EMPTY}", column].sentence
        == f"{column} has no value in any row; before 0 % of the rows had none."
    )
    assert found[f"data: {judging.EMPTY}", column].severity == "page"


def test_a_column_that_never_had_values_is_no_news() -> None:
    void = columns(a=[None] * ROWS)
    assert (f"data: {judging.EMPTY}", "a") in judged(report(void, void))
    assert not {"broken", "odd"} & {*states(report(void, void)).values()}


def test_numbers_that_became_texts_are_a_break() -> None:
    found = judged(report(columns(a=["far"] * ROWS)))
    assert {key for key, one in found.items() if one.state == "broken"} == {(f"data: {judging.KIND}", "a")}
    assert "was DOUBLE and is VARCHAR now" in found[f"data: {judging.KIND}", "a"].sentence


def test_whole_numbers_that_became_decimals_are_no_break_even_where_they_moved() -> None:
    found = states(report(columns(a=[number + 0.5 for number in range(ROWS)]), columns(a=[*range(ROWS // 2)] * 2)))
    assert found[f"data: {judging.KIND}", "a"] == "fine"
    assert found["drift", "a"] == "odd"


def test_values_that_nobody_knew_are_a_break_from_a_fifth_on() -> None:
    few, many = (["ZZ"] * count + ["AA", "UA"] * ((ROWS - count) // 2) for count in (40, 100))
    assert states(report(columns(carrier=few)))[f"data: {judging.UNSEEN}", "carrier"] == "fine"
    assert states(report(columns(carrier=many)))[f"data: {judging.UNSEEN}", "carrier"] == "broken"


def test_the_models_own_columns_are_answers_and_never_data() -> None:
    then, now = (
        columns(_prediction=[float(n) for n in range(ROWS)]),
        columns(_prediction=[9.0 * n for n in range(ROWS)]),
    )
    found = judged(report(now, then))
    assert (found["prediction", "_prediction"].state, found["prediction", "_prediction"].severity) == ("odd", "watch")
    assert not [item for cause, item in found if cause.startswith("data") and item.startswith("_")]
    nothing = columns(_prediction=[None] * ROWS)
    assert not [
        item for cause, item in judged(report(nothing, then)) if cause.startswith("data") and item.startswith("_")
    ]


def test_few_rows_teach_and_do_not_judge() -> None:
    moved = report(columns(a=[9.0 + n for n in range(ROWS)]))
    assert states(moved)["drift", "a"] == "odd"
    assert states(moved, MonitorPolicy(warmup=Warmup(rows=ROWS + 1)))["drift", "a"] == "learning"
    few = states(report(performance=performance("beyond", labelled=150)))
    assert few["performance: mae", ""] == "learning"


@pytest.mark.parametrize(
    ("where", "state"), [("within", "fine"), ("perhaps", "unknown"), ("beyond", "odd"), ("unknown", "unknown")]
)
def test_only_what_is_surely_beyond_its_bound_counts(where: Where, state: str) -> None:
    found = judged(report(performance=performance(where)))["performance: mae", ""]
    assert (found.state, found.sentence) == (state, f"It is {where}.")


def test_severities_are_the_policys() -> None:
    policy = MonitorPolicy(severities=Severities(performance="warn", drift="watch"))
    found = judged(report(performance=performance("beyond")), policy)
    assert {found["performance: mae", ""].severity, found["drift", "a"].severity} == {"warn", "watch"}


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("passed", "fine"), ("warning", "odd"), ("failed", "broken"), ("broken", "broken"), ("skipped", "unknown")],
)
def test_rules_and_assumptions_say_how_they_fared(outcome: str, state: str) -> None:
    checks = (
        Check("contract", "a in 0 to 1", outcome, 1, ROWS, "So it is."),
        Check("assumption", "a is small", outcome, 1, ROWS, "Said by ann.", "ann"),
    )
    found = judged(report(checks=checks))
    assert {found["data: a in 0 to 1", ""].state, found["assumption: a is small", ""].state} == {state}
    assert found["assumption: a is small", ""].sentence == "Said by ann."


def test_an_estimate_counts_until_the_truth_is_known() -> None:
    bad = estimation(15.0, 14.5, 15.5)
    waiting = report(performance=performance("unknown", labelled=0), estimation=bad)
    assert states(waiting)["estimate: mae", ""] == "odd"
    assert judged(waiting)["estimate: mae", ""].severity == "warn"
    known = report(performance=performance("within"), estimation=bad)
    assert states(known)["estimate: mae", ""] == "fine"


def test_an_estimate_that_was_off_too_often_counts_no_more() -> None:
    off = backtest([Outcome(15.0, 10.0, 1.0)] * 2)
    assert not off.usable
    found = report(
        performance=performance("unknown", labelled=0), estimation=estimation(15.0, 14.5, 15.5), backtest=off
    )
    assert states(found)["estimate: mae", ""] == "unknown"


@pytest.mark.parametrize(
    ("value", "low", "high", "band", "said"),
    [
        (12.0, 11.0, 12.4, 0.5, "within"), (13.0, 12.0, 14.0, 0.1, "perhaps"), (15.0, 14.0, 16.0, 1.0, "beyond"),
        (15.0, 14.0, 16.0, 9.0, "perhaps"), (15.0, 14.0, 16.0, None, "beyond"),
    ],
)  # fmt: skip
def test_an_estimate_is_beyond_only_with_its_whole_band(
    value: float, low: float, high: float, band: float | None, said: str
) -> None:
    found = report(performance=performance("unknown", labelled=0), estimation=estimation(value, low, high, band))
    (row,) = flat.estimated_rows(found)
    assert (row.standing, row.laboratory, row.ratio) == (said, 10.0, value / 10)
    assert row.sentence is not None
    assert {"within": "within", "perhaps": "perhaps beyond", "beyond": "beyond"}[said] in row.sentence


def test_better_when_higher_is_judged_the_other_way_round() -> None:
    stands = msgspec.structs.replace(
        standing("unknown"), metric="roc_auc", bound=Bound("roc_auc", worse_than=1.25), laboratory=0.9
    )
    known = msgspec.structs.replace(performance("unknown", labelled=0), task="binary", standings=(stands,))

    def said(value: float) -> str | None:
        told = Estimation(
            "binary", "calibrated probabilities", ROWS, 5000, 0.95, (Estimated("roc_auc", value, value, value, 0.01),)
        )
        (row,) = flat.estimated_rows(report(performance=known, estimation=told))
        return row.standing

    # The bound is 0.9 / 1.25 = 0.72.
    assert [said(0.95), said(0.75), said(0.715), said(0.6)] == ["within", "within", "perhaps", "beyond"]


def test_rows_for_queries_say_what_the_report_says() -> None:
    found = report(columns(a=[9.0 + n for n in range(ROWS)]), performance=performance("beyond"))
    rows = {row.column: row for row in flat.drift_rows(found)}
    moved = found.drift[0]["a"].moved
    assert moved is not None
    assert (rows["a"].verdict, rows["a"].effect, rows["a"].threshold, rows["a"].slice) == (
        "differs",
        moved.effect,
        moved.limit,
        None,
    )
    assert rows["a"].ks_low is not None
    assert rows["a"].ks is not None
    assert rows["a"].ks_low <= rows["a"].ks <= (rows["a"].ks_high or 0)
    assert rows["carrier"].ks is None
