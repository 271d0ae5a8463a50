"""The gate lets through what the policy asks for, refuses the rest, and says why in sentences with every number that decided."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from nbops.evaluation.answers import Answers
from nbops.evaluation.bootstrap import Interval, Paired, paired
from nbops.evaluation.gate import Check, Evidence, Part, Policy, Told, Verdict, gate, read

MAE = Interval("mae", 6.6, 6.4, 6.8, 0.95, 12_044, 45)
BETTER = Paired("mae", 8.6, 6.6, 2.0, 1.8, 2.2, 0.95, 12_044, 45)
GOOD = Evidence(
    12_044, {"mae": MAE}, blocks=45, units={"mae": "min", "rmse": "min"}, champion="air-time/3", paired=BETTER, signature=()
)  # fmt: skip
ASKED = Policy("mae", margin=0.3)


def with_(record: Any, **changed: Any) -> Any:
    return msgspec.structs.replace(record, **changed)


def found(verdict: Verdict, name: str) -> list[Check]:
    return [check for check in verdict.checks if check.name == name]


def test_a_candidate_that_is_better_by_the_margin_passes() -> None:
    verdict = gate(ASKED, GOOD)
    assert verdict.passed
    assert "\n".join(f"{check.outcome}: {check.sentence}" for check in verdict.checks) == (
        "passed: 12,044 rows, at least 500 asked.\n"
        "passed: 45 blocks, at least 20 asked.\n"
        "passed: MAE 6.6 min (6.4 to 6.8), champion 8.6 min on the same 12,044 rows in 45 blocks: "
        "better by 2.0 min (1.8 to 2.2), at least 0.3 min asked.\n"
        "skipped: There are no acceptance cases.\n"
        "skipped: There are no assumptions.\n"
        "passed: It takes and gives what the champion does.\n"
        "passed: No open incident."
    )
    assert (found(verdict, "comparison")[0].value, found(verdict, "comparison")[0].limit) == (2.0, 0.3)
    assert verdict.sentence == "Passed: nothing that the policy asks for is missing."


def test_equal_metrics_are_told_with_their_digits() -> None:
    same = Paired("mae", 8.6, 8.6, 0.0, None, None, 0.95, 12_044, None)
    (check,) = found(gate(ASKED, with_(GOOD, metrics={}, paired=same)), "comparison")
    assert check.sentence == "MAE 8.6 min, champion 8.6 min on the same 12,044 rows: no better."


def test_large_figures_are_told_in_as_many_digits_as_are_certain() -> None:
    own, beside = (
        Interval("mae", 12_345, 11_900, 12_800, 0.95, 900, None),
        Paired("mae", 14_567, 12_345, 2222, 1800, 2650, 0.95, 900, None),
    )
    (check,) = found(gate(with_(ASKED, margin=300.0), with_(GOOD, metrics={"mae": own}, paired=beside)), "comparison")
    assert check.sentence == (
        "MAE 12,340 min (11,900 to 12,800), champion 14,570 min on the same 900 rows: better by 2,220 min (1,800 to 2,650), "
        "at least 300 min asked."
    )


NEEDED = "To show 0.3 min takes about 48,000 rows like these."


@pytest.mark.parametrize(
    ("difference", "low", "high", "end"),
    [
        (0.2, 0.1, 0.3, "better by 0.2 min (0.1 to 0.3), at least 0.3 min asked: too little to matter."),
        (0.4, -0.2, 1.0, f"better by 0.4 min (−0.2 to 1.0), which may be chance; at least 0.3 min asked. {NEEDED}"),
        (0.0011, -0.004, 0.006, "better by 0.0011 min (−0.0040 to 0.0060), which may be chance; at least 0.3000 min asked."),
        (-0.1, -0.3, 0.1, "worse by 0.1 min (−0.1 to 0.3), which may be chance; at least 0.3 min asked."),
        (-2.0, -2.5, -1.5, "worse by 2.0 min (1.5 to 2.5)."),
        (0.0, None, None, "no better."),
    ],
)  # fmt: skip
def test_a_candidate_that_is_not_certainly_and_worthily_better_fails(
    difference: float, low: float | None, high: float | None, end: str
) -> None:
    pair = with_(BETTER, challenger=8.6 - difference, difference=difference, low=low, high=high)
    own = with_(MAE, value=8.6 - difference, low=8.4 - difference, high=8.8 - difference)
    check = found(gate(ASKED, with_(GOOD, paired=pair, metrics={"mae": own})), "comparison")[0]
    assert check.outcome == "failed"
    assert check.sentence.split("blocks: ")[1] == end


def test_the_lower_end_of_a_passing_difference_never_looks_like_zero() -> None:
    pair = with_(BETTER, difference=0.5, low=0.0004, high=1.0)
    check = found(gate(ASKED, with_(GOOD, paired=pair)), "comparison")[0]
    assert check.outcome == "passed"
    assert "better by 0.5000 min (0.0004 to 1.0000)" in check.sentence


def test_without_a_margin_any_certain_improvement_counts() -> None:
    pair = with_(BETTER, difference=0.02, low=0.01, high=0.03)
    assert gate(Policy("mae"), with_(GOOD, paired=pair)).passed


def test_a_comparison_that_is_missing_fails_unless_there_is_nothing_to_compare_with() -> None:
    assert found(gate(ASKED, with_(GOOD, champion=None, paired=None)), "comparison")[0].outcome == "skipped"
    assert (
        found(gate(with_(ASKED, versus_champion=False), with_(GOOD, paired=None)), "comparison")[0].outcome == "skipped"
    )
    for pair in (None, with_(BETTER, metric="rmse"), with_(BETTER, difference=None, champion=None)):
        assert gate(ASKED, with_(GOOD, paired=pair)).outcome == "failed"


@pytest.mark.parametrize(
    ("limit", "outcome", "end"),
    [
        ({"max": 7}, "passed", "MAE 6.6 min (6.4 to 6.8), at most 7.0 min asked."),
        ({"max": 6.7}, "warning", "at most 6.7 min asked: within it, though not for certain."),
        ({"max": 6.5}, "failed", "at most 6.5 min asked: beyond it."),
        ({"min": 6, "max": 7}, "passed", "at least 6.0 min and at most 7.0 min asked."),
        ({"min": 6.65}, "failed", "at least 6.65 min asked: beyond it."),
    ],
)
def test_limits_hold_whatever_the_champion_does(limit: dict[str, float], outcome: str, end: str) -> None:
    verdict = gate(read({"metric": "mae", "limits": {"mae": limit}}), GOOD)
    check = found(verdict, "limit of mae")[0]
    assert check.outcome == outcome
    assert check.sentence.endswith(end)
    assert verdict.passed is (outcome != "failed")


def test_a_limit_of_what_was_not_measured_fails_and_names_the_nearest() -> None:
    check = found(gate(read({"metric": "mae", "limits": {"meae": {"max": 1}}}), GOOD), "limit of meae")[0]
    assert (check.outcome, check.sentence) == ("failed", "meae was not measured; did you mean 'mae'?")
    nothing = with_(GOOD, metrics={"mae": with_(MAE, value=None, low=None, high=None)})
    assert gate(read({"metric": "mae", "limits": {"mae": {"max": 9}}}), nothing).outcome == "failed"


@pytest.mark.parametrize("changed", [{"rows": 499}, {"blocks": 19}, {"rows": 3, "blocks": 2}])
@pytest.mark.parametrize("pair", [BETTER, with_(BETTER, difference=-1.0, low=-2.0, high=-0.5)])
def test_with_too_few_rows_or_blocks_nothing_is_decided(changed: dict[str, int], pair: Paired) -> None:
    verdict = gate(with_(ASKED, limits={"mae": read({"metric": "a", "limits": {"mae": {"max": 1}}}).limits["mae"]}),
                   with_(GOOD, paired=pair, **changed))  # fmt: skip
    assert verdict.outcome == "too_few"
    assert not verdict.passed
    assert {check.outcome for check in (*found(verdict, "comparison"), *found(verdict, "limit of mae"))} == {"too_few"}
    assert any("too few to decide on" in check.sentence for check in verdict.checks)


def test_what_is_wrong_whatever_the_number_of_rows_fails_with_few_of_them() -> None:
    assert gate(ASKED, with_(GOOD, rows=10, incidents=("MAE above 10 min since Monday",))).outcome == "failed"


def test_blocks_are_counted_only_where_they_are_named() -> None:
    verdict = gate(ASKED, with_(GOOD, blocks=None))
    assert verdict.passed
    assert found(verdict, "blocks") == []


PARTS = (
    Part("carrier = HA", 300, 9.0, 2.4, 1.1),
    Part("month = 1", 900, 7.0, 0.4, -0.1),
    Part("carrier = OO", 12, 20.0, 13.4),
)


@pytest.mark.parametrize(
    ("max_gap", "outcomes"),
    [(3.0, ["warning", "passed"]), (2.0, ["warning", "failed", "passed"]), (0.3, ["warning", "failed", "warning"])],
)
def test_slices_may_be_worse_by_so_much_and_small_ones_are_told(max_gap: float, outcomes: list[str]) -> None:
    policy = read({"metric": "mae", "slices": {"max_gap": max_gap}})
    checks = found(gate(policy, with_(GOOD, parts=PARTS)), "slices")
    assert [check.outcome for check in checks] == outcomes
    assert checks[0].sentence == "Not judged, for fewer than 100 rows or no value: carrier = OO (12 rows)."


def test_a_slice_is_told_with_its_numbers() -> None:
    checks = found(gate(read({"metric": "mae", "slices": {"max_gap": 0.3}}), with_(GOOD, parts=PARTS)), "slices")
    assert checks[1].sentence == "carrier = HA (300 rows): worse than all rows by 2.4 min, at most 0.3 min asked."
    assert (
        checks[2].sentence
        == "month = 1 (900 rows): worse than all rows by 0.4 min, at most 0.3 min asked, which may be chance."
    )
    assert found(gate(read({"metric": "mae", "slices": {"max_gap": 3}}), GOOD), "slices")[0].outcome == "failed"


@pytest.mark.parametrize(
    ("policy", "evidence", "name", "outcome"),
    [
        ({"calibration": {"max_error": 0.05}}, {"calibration_error": 0.04}, "calibration", "passed"),
        ({"calibration": {"max_error": 0.05}}, {"calibration_error": 0.06}, "calibration", "failed"),
        ({"calibration": {"max_error": 0.05}}, {}, "calibration", "failed"),
        ({"latency_ms": 20}, {"latency_ms": 12.3}, "latency", "passed"),
        ({"latency_ms": 20}, {"latency_ms": 31}, "latency", "failed"),
        ({"latency_ms": 20}, {}, "latency", "failed"),
        ({"signature": True}, {"signature": ("column dest is gone",)}, "signature", "failed"),
        ({}, {"signature": ("column dest is gone",)}, "signature", "warning"),
        ({"signature": False}, {"signature": ("column dest is gone",)}, "signature", None),
        ({}, {"signature": None}, "signature", "skipped"),
        ({}, {"incidents": ("drift of wind",)}, "incidents", "failed"),
        ({"incidents": False}, {"incidents": ("drift of wind",)}, "incidents", None),
        ({}, {"cases": (Told("JFK to HNL", passed=False, sentence="case 3: 611 min, 560 to 600 expected"),)}, "cases", "failed"),
        ({"cases": False}, {"cases": (Told("JFK to HNL", passed=False),)}, "cases", None),
        ({}, {"cases": (Told("JFK to HNL", passed=True),)}, "cases", "passed"),
        ({}, {"assumptions": (Told("delays are under a day", passed=False),)}, "assumptions", "failed"),
        ({}, {"failed_run": True}, "run", "failed"),
        ({}, {"failed_run": True, "waiver": "only the plot failed"}, "run", "warning"),
        ({"waivers": False}, {"failed_run": True, "waiver": "only the plot failed"}, "run", "failed"),
        ({}, {"tuned": ("the candidate's threshold",)}, "tuning", "warning"),
    ],
)  # fmt: skip
def test_each_check_decides_by_itself(
    policy: dict[str, Any], evidence: dict[str, Any], name: str, outcome: str | None
) -> None:
    verdict = gate(read({"metric": "mae", **policy}), with_(GOOD, **evidence))
    assert [check.outcome for check in found(verdict, name)] == ([] if outcome is None else [outcome])
    assert verdict.passed is (outcome != "failed")
    assert all(check.sentence.endswith((".", "expected", "failed")) for check in verdict.checks)


def test_the_verdict_names_what_failed_and_what_was_warned_of() -> None:
    wrong = with_(GOOD, incidents=("drift",), signature=("dest is gone",))
    assert gate(with_(ASKED, signature=True), wrong).sentence == "Refused: 2 checks failed (signature, incidents)."
    warned = gate(ASKED, with_(GOOD, tuned=("the candidate's threshold", "the champion's parameters")))
    assert warned.sentence == "Passed: nothing that the policy asks for is missing, with 1 warning (tuning)."
    assert found(warned, "tuning")[0].sentence == (
        "These rows were also used for the candidate's threshold and the champion's parameters: the figures flatter it."
    )


def test_evidence_and_verdict_survive_json() -> None:
    evidence = with_(GOOD, parts=PARTS, cases=(Told("a", passed=True),))
    verdict = gate(ASKED, evidence)
    assert msgspec.json.decode(msgspec.json.encode(evidence), type=Evidence) == evidence
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict


MARGIN = 0.04 * 10.8 * (2 / np.pi) ** 0.5


def simulated(margins: float, length: int, pairs: int, *, margin: float = MARGIN, blocks: bool = True) -> float:
    """How often a challenger passes that is better by so many margins at 2,000 rows.

    Nine tenths of the errors' variance are common to both models; in a block each model's are larger or smaller by 8 %.
    """
    passed, block = 0, np.arange(2000) // length
    spread = 0.08 if length > 1 else 0.0
    for seed in range(pairs):
        rng = np.random.default_rng([seed, length])
        common = rng.normal(size=2000)
        errors = [
            scale
            * (0.9**0.5 * common + 0.1**0.5 * rng.normal(size=2000))
            * rng.lognormal(-(spread**2) / 2, spread, 2000)[block]
            for scale in (10.8, 10.8 * (1 - 0.04 * margins))
        ]
        told = block if blocks else None
        champion, challenger = (Answers("regression", np.zeros(2000), error, blocks=told) for error in errors)
        pair = paired(champion, challenger, "mae")
        evidence = Evidence(2000, {}, pair.blocks, champion="a/1", paired=pair)
        passed += gate(Policy("mae", margin=margin), evidence).passed
    return passed / pairs


def test_few_equals_pass_and_most_of_what_is_better_by_two_margins() -> None:
    assert simulated(0, 50, 100) <= 0.05
    assert simulated(2, 50, 100) >= 0.9


def test_few_equals_pass_without_a_margin_because_blocks_are_heeded() -> None:
    assert simulated(0, 50, 100, margin=0) <= 0.06
    assert simulated(0, 50, 100, margin=0, blocks=False) > 0.1


@pytest.mark.long
@pytest.mark.parametrize("length", [1, 10, 50])
def test_equals_pass_in_at_most_5_percent_and_two_margins_in_at_least_90(length: int) -> None:
    assert simulated(0, length, 1000) <= 0.05
    assert simulated(0, length, 1000, margin=0) <= 0.05
    assert 0.3 <= simulated(1, length, 1000) <= 0.7
    assert simulated(2, length, 1000) >= 0.9
