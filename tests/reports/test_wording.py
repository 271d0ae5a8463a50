"""Figures in plain words: every metric has its sentence, and rules tell what they decide and what it costs."""

from __future__ import annotations

import pytest

from nbops.evaluation.answers import Task
from nbops.evaluation.assessment import Assessment
from nbops.evaluation.bootstrap import Interval
from nbops.evaluation.decision import Costs, DecisionRule
from nbops.evaluation.metrics import METRICS
from nbops.registry.signature import Column
from nbops.reports import findings, wording


def assessed(task: Task, *metrics: Interval, classes: tuple[str, ...] = ()) -> Assessment:
    return Assessment(
        task=task, target="late", unit="min", metric=metrics[0].metric, given=500, rows=500, without_truth=0, by=None, blocks=None,
        rule=None, classes=classes, metrics=metrics,
    )  # fmt: skip


def measured(name: str, value: float | None = 0.42, low: float | None = 0.40, high: float | None = 0.44) -> Interval:
    return Interval(name, value, low, high, 0.95, 500, None)


@pytest.mark.parametrize("task", METRICS)
def test_every_metric_has_a_sentence_with_its_figure_and_no_code_name(task: Task) -> None:
    for metric in METRICS[task]:
        one = measured(metric.name)
        found = assessed(task, one, classes=("no", "yes") if task != "regression" else ())
        told = wording.how_good(found, one)
        assert "0.42" in told or "42" in told
        assert told.endswith(".")
        assert "_" not in told
        assert "{" not in told
        assert " is 0.42." not in told, f"{metric.name} has no words of its own"


def test_the_interval_is_told_as_odds() -> None:
    one = measured("mae", 6.6, 6.4, 6.8)
    assert wording.how_certain(assessed("regression", one), one) == (
        "How certain that is: measured on 500 rows, the true figure lies between 6.4 and 6.8 min. "
        "In 19 of 20 such samples a statement like this one is right."
    )
    assert wording.odds(0.9) == "In 90 of 100"


def test_what_is_not_known_is_said() -> None:
    unknown, single = measured("mae", None, None, None), measured("mae", 6.6, None, None)
    assert wording.how_good(assessed("regression", unknown), unknown) == "MAE could not be told on these rows."
    assert (
        wording.how_certain(assessed("regression", single), single)
        == "How certain that is cannot be told from 500 rows."
    )
    assert findings.worse_in_short(assessed("regression", unknown)) == "Not known: nobody named groups to look at."


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            DecisionRule(positive="yes", threshold=0.2),
            ["It decides late = yes when its probability is at least 20 %, else no."],
        ),
        (
            DecisionRule(positive="yes", threshold=0.5, reject=(0.3, 0.7)),
            ["It decides late = yes from 70 % on and no below 30 %; what lies between is left to a person."],
        ),
        (
            DecisionRule(positive="yes", threshold=-1.5, response="decision_function"),
            ["It decides late = yes when its score is at least −1.5, else no."],
        ),
        (
            DecisionRule(least=0.6),
            ["The most probable class is decided, unless its probability is below 60 %: then a person decides."],
        ),
        (
            DecisionRule(
                positive="yes", costs=Costs(5, 90, true_positive=-30, unit="EUR"), chosen_on="0123456789abcdef"
            ),
            [
                "It decides late = yes when its probability is at least 50 %, else no.",
                "A false alarm costs 5 EUR, a case that is missed 90 EUR.",
                "What is right counts, too: a case that is found −30 EUR.",
                "It was chosen on the data 0123456789ab.",
            ],
        ),
    ],
)
def test_a_decision_rule_is_told_with_its_costs(rule: DecisionRule, told: list[str]) -> None:
    found = assessed("binary", measured("accuracy"), classes=("no", "yes"))
    assert wording.rule_in_words(rule, found, "late") == told


def test_columns_are_told_with_what_was_seen() -> None:
    assert wording.needed(Column("wind", "float", nullable=True, low=-3.27, high=2.9)) == (
        "wind", "number", "−3.27 to 2.90", "may be missing",
    )  # fmt: skip
    many = Column("site", "str", nullable=False, categories=tuple("abcdefghij"))
    assert wording.needed(many) == ("site", "text", "a, b, c, d, e, f, g, h and 2 more", "there were none")
    assert wording.needed(Column("when", "datetime", nullable=True))[2] == "–"
