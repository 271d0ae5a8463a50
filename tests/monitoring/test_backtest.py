"""Estimates are believed as long as they come true, and not again before they have come true three times in a row."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbops.monitoring.backtest import Pair, backtest

HIT, MISS = Pair(10.0, 10.5, 1.0), Pair(10.0, 12.0, 1.0)
SPELT = {".": HIT, "x": MISS}


def trust(history: str) -> str:
    return backtest([SPELT[one] for one in history]).trust


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ("", "watched"), ("..", "watched"), ("...", "trusted"), ("x", "watched"), ("x..", "watched"), ("x...", "trusted"),
        ("xx", "off"), ("x.x", "off"), ("x..x", "watched"), ("...x", "watched"), ("...xx", "off"), ("xx..", "off"),
        ("xx...", "trusted"), ("xx..x", "off"), ("xx..x..", "off"), ("xx..x...", "trusted"), ("xx...x", "watched"),
        ("xx...x.x", "off"),
    ],
)  # fmt: skip
def test_two_misses_of_three_switch_off_and_three_hits_in_a_row_on_again(history: str, expected: str) -> None:
    assert trust(history) == expected


@settings(deadline=None)
@given(st.text(".x", max_size=20))
def test_it_is_off_exactly_from_a_second_miss_of_three_until_three_hits(history: str) -> None:
    off = False
    for end in range(1, len(history) + 1):
        seen = history[:end]
        off = not seen.endswith("...") if off else seen[-3:].count("x") >= 2
        assert (trust(seen) == "off") == off


@settings(deadline=None)
@given(st.text(".x", min_size=3, max_size=20))
def test_nothing_is_trusted_right_after_a_miss(history: str) -> None:
    assert (trust(history) == "trusted") <= history.endswith("...")


def test_figures_are_means_over_the_windows() -> None:
    found = backtest([HIT, MISS, Pair(9.0, 8.0, 1.5)], name="mae", unit="min")
    assert (found.windows, found.missed, found.band) == (3, 1, 1.5)
    assert found.bias == pytest.approx((-0.5 - 2 + 1) / 3)
    assert found.error == pytest.approx(3.5 / 3)
    assert found.usable
    assert found.sentence == (
        "Watched: estimates of MAE were off by 1.167 min on average over 3 windows, and left their band in 1."
    )


def test_without_labels_it_says_so() -> None:
    assert backtest([], name="roc_auc").sentence == "No label has come yet to hold estimates of ROC AUC against."


def test_what_is_no_number_is_a_miss() -> None:
    assert Pair(1.0, math.nan, 1.0).missed
    assert backtest([HIT, Pair(1.0, math.nan, 1.0), MISS]).trust == "off"
