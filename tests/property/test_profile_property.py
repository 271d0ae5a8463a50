"""Whatever the values are: a profile counts them exactly, its parts add up to the whole, and its bounds hold."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nbops.data.counts import Numbers, psi
from nbops.data.profile import ColumnProfile, Profile
from nbops.data.profile_views import difference
from nbops.data.profiling import profile
from tests.examples import some

NUMBERS = st.one_of(
    st.none(), st.floats(), st.floats(-5, 5), st.integers(-3, 3).map(float), st.sampled_from([0.0, -0.0, 5e-324, 1.7e308, -1.7e308])
)  # fmt: skip
# A text may not be cut in half of a pair of UTF-16, which no Parquet or Arrow holds.
TEXTS = st.one_of(st.none(), st.sampled_from("abc"), st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
MANY = st.integers(0, 2**32).map(lambda seed: np.random.default_rng(seed).standard_t(2, 500).round(2).tolist())
SAMPLES = st.one_of(st.lists(NUMBERS, max_size=40), MANY)
ROWS = st.lists(st.tuples(NUMBERS, TEXTS, st.sampled_from([True, False, None])), max_size=30)


Row = tuple[float | None, str | None, bool | None]


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    numbers, texts, truths = zip(*rows, strict=True) if rows else ((), (), ())
    return pd.DataFrame(
        {
            "x": np.array(numbers, dtype=np.float64),
            "t": pd.Series(texts, dtype="str"),
            "b": pd.Series(truths, dtype="boolean"),
        }
    )


def column(values: Sequence[float | None], like: Profile | None = None) -> tuple[Profile, Numbers]:
    found = profile(pd.DataFrame({"x": np.array(values, dtype=np.float64)}), like=like)
    numbers = found["x"].numbers
    assert numbers is not None
    return found, numbers


def there(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None and not math.isnan(value)]


def countable(one: ColumnProfile) -> object:
    """All that has to add up exactly: not how many values differ, nor sums, which are rounded."""
    if one.numbers is None:
        return one.rows, one.nulls, one.categories
    numbers = one.numbers
    return one.rows, one.nulls, numbers.edges, numbers.cells(), numbers.min, numbers.max, numbers.negative_infinities


@settings(deadline=None, max_examples=some(20))
@given(ROWS, ROWS, st.lists(st.integers(0, 30), max_size=3), st.randoms())
def test_any_split_merged_in_any_order_is_the_whole(
    rows: list[Row], others: list[Row], cuts: list[int], random: Random
) -> None:
    like = profile(frame(others))
    whole = profile(frame(rows), like=like)
    ends = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [profile(frame(rows[start:end]), like=like) for start, end in itertools.pairwise(ends)]
    random.shuffle(parts)
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merged(part)
    assert merged.rows == whole.rows
    for name in ("x", "t", "b"):
        assert countable(merged[name]) == countable(whole[name])
        assert (merged[name].distinct or 0) <= (whole[name].distinct or 0)
    one, two = merged["x"].numbers, whole["x"].numbers
    assert one is not None
    assert two is not None
    sizes = [abs(value) for value in there([x for x, _, _ in rows]) if math.isfinite(value)]
    # What passes the largest double on its way to the sum is cut off there.
    assume(sum(sizes) < 1e308)
    largest = max(sizes, default=0.0)
    assert one.sum == pytest.approx(two.sum, rel=1e-9, abs=max(1e-9 * largest, 1e-300))


@settings(deadline=None, max_examples=some(20))
@given(SAMPLES, SAMPLES)
def test_counts_are_exact_for_whatever_edges(values: list[float | None], others: list[float | None]) -> None:
    like, _ = column(others)
    for found, numbers in (column(values), column(values, like)):
        real = there(values)
        finite = [value for value in real if math.isfinite(value)]
        below = [sum(value < edge for value in finite) for edge in numbers.edges]
        upto = [sum(value <= edge for value in finite) for edge in numbers.edges]
        reached = list(itertools.accumulate(numbers.cells()))
        assert reached == [*(end for pair in zip(below, upto, strict=True) for end in pair), len(finite)]
        assert list(numbers.edges) == sorted(set(numbers.edges))
        assert len(numbers.edges) <= 64
        assert (numbers.count, found["x"].nulls) == (len(real), len(values) - len(real))
        assert (numbers.min, numbers.max) == (min(finite, default=None), max(finite, default=None))
        assert found["x"].distinct == len(set(real))
        assert Profile.from_json(found.to_json()) == found


@settings(deadline=None, max_examples=some(20))
@given(SAMPLES, SAMPLES)
def test_the_distance_is_within_its_bracket(values: list[float | None], others: list[float | None]) -> None:
    like, then = column(others)
    _, now = column(values, like)
    one, two = np.array(there(others)), np.array(there(values))
    found, index = then.ks(now), psi(then.grouped(now))
    if not len(one) or not len(two):
        assert (found, index) == (None, None)
        return
    assert found is not None
    assert index is not None
    exact = max(abs((one <= x).mean() - (two <= x).mean()) for x in [*one, *two])
    assert found.low - 1e-9 <= exact <= found.high + 1e-9
    assert found.low <= found.estimate <= found.high
    assert index >= 0
    again = then.ks(then)
    assert again is not None
    assert again.low == 0
    assert psi(then.grouped(then)) == 0


@settings(deadline=None, max_examples=some(20))
@given(SAMPLES, st.lists(st.floats(0, 1), min_size=2, max_size=9).map(sorted))
def test_quantiles_rise_and_are_undone_by_the_distribution_function(
    values: list[float | None], shares: list[float]
) -> None:
    _, numbers = column(values)
    found = [numbers.quantile(share) for share in shares]
    if not there(values):
        assert set(found) == {None}
        return
    known = [value for value in found if value is not None]
    assert known == sorted(known)
    reached = [numbers.cdf(value) or 0.0 for value in known]
    assert all(end >= share - 1e-9 for end, share in zip(reached, shares, strict=True))


@settings(deadline=None, max_examples=some(20))
@given(ROWS, ROWS)
def test_everything_can_be_shown(rows: list[Row], others: list[Row]) -> None:
    like = profile(frame(others))
    found = difference(like, profile(frame(rows), like=like))
    assert len(found.columns) == 3
    for shown in (like, found):
        assert "x" in repr(shown)
        assert shown._repr_html_().count("<tr") == 4
