from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nbops.render import scales

_FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(_FINITE, min_size=1), st.booleans())
@example([-1.7e308, 1.7e308], True)
@example([5e-324, 1e-323], True)
@example([1e300, math.nextafter(1e300, 0)], False)
def test_every_value_has_a_place_between_the_ends(drawn: list[float], round_ends: bool) -> None:
    axis = scales.linear(drawn, round_ends=round_ends)
    assert axis.low < axis.high
    assert len(axis.ticks) == len(axis.labels)
    assert all(-1e-6 <= axis.place(value) <= 1 + 1e-6 for value in [*drawn, *axis.ticks])


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, unique=True))
def test_ticks_are_few_and_at_equal_round_distances(drawn: list[float]) -> None:
    axis = scales.linear(drawn)
    steps = [later - earlier for earlier, later in pairwise(axis.ticks)]
    assert len(axis.ticks) <= 11
    for step in steps:
        assert math.isclose(step, steps[0], rel_tol=1e-5)
        leading = step / 10 ** math.floor(math.log10(step * 1.0001))
        assert min(abs(leading - round_number) for round_number in (1, 2, 5)) < 0.01


@pytest.mark.parametrize(
    ("drawn", "labels"),
    [
        ([0, 1], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([8.6, 14.5], ["10", "12", "14"]),
        ([1_000_000, 3_000_000], ["1,000,000", "1,500,000", "2,000,000", "2,500,000", "3,000,000"]),
        ([0, 3e8], ["0", "1e8", "2e8", "3e8"]),
        ([-2e-9, 2e-9], ["−2e−9", "−1e−9", "0", "1e−9", "2e−9"]),
        ([5, 5], ["5"]),
        ([], []),
    ],
)
def test_tick_labels_have_the_decimals_of_their_distance(drawn: list[float], labels: list[str]) -> None:
    assert scales.linear(drawn).labels == labels


@given(st.lists(st.integers(0, 10_000), min_size=1))
def test_steps_that_are_integers_get_integer_ticks(steps: list[int]) -> None:
    axis = scales.linear([float(step) for step in steps], whole=True)
    assert all(tick.is_integer() and "." not in label for tick, label in zip(axis.ticks, axis.labels, strict=True))


@given(st.lists(st.floats(min_value=0, exclude_min=True, allow_infinity=False), min_size=1))
def test_a_logarithmic_axis_has_powers_of_ten(drawn: list[float]) -> None:
    if not scales.spans_decades(drawn):
        return
    axis = scales.logarithmic(drawn)
    assert all(math.log10(tick).is_integer() for tick in axis.ticks)
    assert all(0 <= axis.place(value) <= 1 for value in drawn)


def test_only_positive_values_far_apart_ask_for_a_logarithmic_axis() -> None:
    assert scales.spans_decades([0.001, 1])
    assert not scales.spans_decades([0.01, 1])
    assert not scales.spans_decades([0, 1000])
    assert not scales.spans_decades([])
