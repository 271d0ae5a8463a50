"""Distances from profiles are those of the rows, within what is promised, and what a distance has to be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, wasserstein_distance

from nbops.data.counts import Numbers, psi
from nbops.data.profile import Profile
from nbops.data.profiling import profile
from nbops.data.tallies import NumberTally
from nbops.errors import UsageError
from nbops.monitoring.distances import hellinger, jensen_shannon, robust_scale, total_variation, wasserstein
from nbops.monitoring.drift import compare

ROWS = 100_000


def drawn(rows: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "normal": rng.normal(size=rows),
        "shifted": rng.normal(0.1 * (seed == 2), 1, rows),
        "wider": rng.normal(0, 1 + 0.2 * (seed == 2), rows),
        "lognormal": rng.lognormal(0, 2, rows),
        "exponential": rng.exponential(3, rows),
        "t2": rng.standard_t(2, rows),
        "uniform": rng.random(rows),
        "poisson": rng.poisson(4, rows),
        "large_counts": rng.poisson(4000, rows),
        "geometric": rng.geometric(0.01, rows),
        "zero_inflated": np.where(rng.random(rows) < 0.4, 0, rng.gamma(2, size=rows)),
        "atom_in_the_middle": np.where(rng.random(rows) < 0.3 + 0.1 * (seed == 2), 0.5, rng.normal(size=rows)),
        "ties": rng.normal(size=rows).round(1),
        "constant": np.full(rows, 3.0 if seed == 1 else 3.5),
        "nulls": np.where(rng.random(rows) < 0.3, np.nan, rng.gamma(2, size=rows)),
        "two_scales": np.where(rng.random(rows) < 0.5, rng.normal(0, 1e-3, rows), rng.normal(0, 1e3, rows)),
    }


REFERENCE, CURRENT = drawn(ROWS, 1), drawn(80_000, 2)


def numbers(found: Profile, column: str = "x") -> Numbers:
    told = found[column].numbers
    assert told is not None
    return told


def counted(rows: Sequence[float], like: Profile | None = None) -> Profile:
    """As `profile`, without the engine that reads frames."""
    tally = NumberTally("DOUBLE", "number", numbers(like) if like is not None else None)
    tally.sample(np.array(rows, float))
    tally.add(np.array(rows, float))
    return Profile(len(rows), {"x": tally.column()})


def both(one: Any, two: Any) -> tuple[Profile, Profile]:
    then = profile(pd.DataFrame({"x": one}))
    return then, profile(pd.DataFrame({"x": two}), like=then)


@pytest.mark.parametrize("column", REFERENCE)
def test_distances_of_profiles_are_nearly_those_of_the_rows(column: str) -> None:
    then, now = both(REFERENCE[column], CURRENT[column])
    one, two = (values[~np.isnan(values)] for values in (REFERENCE[column], CURRENT[column]))
    distances = compare(then, now)["x"].distances
    exact = float(ks_2samp(one, two, method="asymp").statistic)
    assert distances.ks is not None
    assert distances.ks.low - 1e-12 <= exact <= distances.ks.high + 1e-12
    assert distances.ks.estimate == pytest.approx(exact, abs=0.002)
    assert distances.wasserstein is not None
    spread = float(one.std()) or 1.0
    assert distances.wasserstein / spread == pytest.approx(wasserstein_distance(one, two) / spread, abs=0.01)
    if distances.wasserstein_scaled is not None and column != "two_scales":
        low, high = np.quantile(one, [0.25, 0.75])
        scale = (high - low) / 1.349 or one.std()
        assert distances.wasserstein_scaled == pytest.approx(distances.wasserstein / scale, rel=0.02)


@pytest.mark.parametrize(
    ("one", "two"),
    [([1.0], [1.0]), ([1.0], [2.0]), ([1, 2, 2, 3], [2, 2, 3]), ([0, 5], [0, 5, 9, -4]), ([1, 1, 4], [1e6, 4.0])],
)  # fmt: skip
def test_the_area_between_few_values_is_exact(one: list[float], two: list[float]) -> None:
    then, now = both(np.array(one, float), np.array(two, float))
    assert wasserstein(numbers(then), numbers(now)) == pytest.approx(wasserstein_distance(one, two))


def test_the_area_is_of_the_finite_values() -> None:
    then, now = both([1.0, 2.0, math.inf, math.nan], [2.0, 3.0, -math.inf])
    assert wasserstein(numbers(then), numbers(now)) == pytest.approx(1.0)


def test_a_value_that_is_far_away_counts_by_how_far() -> None:
    rng = np.random.default_rng(3)
    one, two = rng.normal(size=5000), rng.normal(size=5000)
    two[0] = 1e9
    then, now = both(one, two)
    assert wasserstein(numbers(then), numbers(now)) == pytest.approx(wasserstein_distance(one, two), rel=1e-6)


def test_the_scale_is_not_moved_by_one_value_and_falls_back_where_half_is_one_value() -> None:
    rng = np.random.default_rng(4)
    one = rng.normal(0, 2, 20_000)
    one[0] = 1e6
    assert robust_scale(numbers(profile(pd.DataFrame({"x": one})))) == pytest.approx(2, rel=0.05)
    mostly = np.where(rng.random(20_000) < 0.9, 0.0, rng.normal(size=20_000))
    assert robust_scale(numbers(profile(pd.DataFrame({"x": mostly})))) == pytest.approx(mostly.std(), rel=1e-6)
    assert robust_scale(numbers(profile(pd.DataFrame({"x": [3.0, 3.0]})))) is None


def test_nothing_has_no_distance() -> None:
    then, now = both([1.0, 2.0], np.array([], float))
    assert wasserstein(numbers(then), numbers(now)) is None
    assert wasserstein(numbers(now), numbers(then)) is None
    for measure in (jensen_shannon, hellinger, total_variation):
        assert measure([]) is None
        assert measure([(3, 0), (4, 0)]) is None


def test_other_edges_are_refused() -> None:
    one, two = (profile(pd.DataFrame({"x": values})) for values in ([1.0, 2.0], [1.0, 3.0]))
    with pytest.raises(UsageError, match="other edges"):
        wasserstein(numbers(one), numbers(two))
    with pytest.raises(UsageError, match="'x' cannot be compared"):
        compare(one, two)


GROUPS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=30).filter(
    lambda groups: all(map(sum, zip(*groups, strict=True)))
)


@given(GROUPS)
def test_distances_of_shares_are_those_of_others_symmetric_and_at_most_one(groups: list[tuple[int, int]]) -> None:
    one, two = (np.array(counts) / sum(counts) for counts in zip(*groups, strict=True))
    swapped = [(two, one) for one, two in groups]
    # SciPy's root makes 1e-9 of what is 1e-18 below it.
    assert (jensen_shannon(groups) or 0) ** 2 == pytest.approx(
        np.nan_to_num(jensenshannon(one, two, 2)) ** 2, abs=1e-12
    )
    assert (hellinger(groups) or 0) ** 2 == pytest.approx(1 - np.sqrt(one * two).sum(), abs=1e-12)
    assert total_variation(groups) == pytest.approx(abs(one - two).sum() / 2, abs=1e-12)
    for measure in (jensen_shannon, hellinger, total_variation):
        found = measure(groups)
        assert found is not None
        assert 0 <= found <= 1 + 1e-12
        assert found == pytest.approx(measure(swapped), abs=1e-12)
    assert psi(groups) == pytest.approx(psi(swapped), abs=1e-9)


def test_identical_bins_give_the_distances_of_scipy_to_nine_digits() -> None:
    rng = np.random.default_rng(5)
    counts = rng.integers(1, 1000, (2, 12))
    groups = [(int(one), int(two)) for one, two in counts.T]
    one, two = counts / counts.sum(axis=1, keepdims=True)
    assert jensen_shannon(groups) == pytest.approx(jensenshannon(one, two, 2), abs=1e-9)
    assert hellinger(groups) == pytest.approx(math.sqrt(1 - np.sqrt(one * two).sum()), abs=1e-9)
    smooth = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
    assert psi(groups) == pytest.approx(((smooth[1] - smooth[0]) * np.log(smooth[1] / smooth[0])).sum(), abs=1e-9)


FLOATS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3))


@settings(max_examples=100, deadline=None)
@given(st.lists(FLOATS, min_size=1, max_size=200), st.lists(FLOATS, min_size=1, max_size=200))
def test_ordered_distances_are_zero_of_equals_symmetric_and_within_their_bracket(
    one: list[float], two: list[float]
) -> None:
    then = counted(one)
    now = counted(two, then)
    assert wasserstein(numbers(then), numbers(then)) == 0.0
    forth, back = wasserstein(numbers(then), numbers(now)), wasserstein(numbers(now), numbers(then))
    assert forth == pytest.approx(back)
    found = numbers(then).ks(numbers(now))
    assert found is not None
    exact = max(abs(np.mean(np.array(one) <= x) - np.mean(np.array(two) <= x)) for x in [*one, *two])
    assert found.low - 1e-12 <= exact <= found.high + 1e-12
    assert found.low <= found.estimate <= found.high


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(FLOATS, max_size=60), min_size=2, max_size=7))
def test_days_added_up_are_compared_as_the_whole(days: list[list[float]]) -> None:
    rng = np.random.default_rng(6)
    reference = counted(rng.normal(0, 1e5, 500).tolist())
    parts = [counted(day, reference) for day in days]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merged(part)
    whole = counted([value for day in days for value in day], reference)
    one, two = compare(reference, merged)["x"], compare(reference, whole)["x"]
    assert (one.verdict, one.sentence, one.moved) == (two.verdict, two.sentence, two.moved)
    assert one.distances.ks == two.distances.ks
    assert one.distances.wasserstein == pytest.approx(two.distances.wasserstein)
