"""What chance explains is what scipy says, and tests without drift alarm as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nbops.data.counts import psi
from nbops.monitoring.significance import (
    adjusted,
    chi_square,
    chi_squared_beyond,
    no_drift,
    pooled,
    rank_sum_p,
    share_no_drift,
    two_proportions_p,
)


@pytest.mark.parametrize("freedom", [1, 2, 3, 9, 10, 59, 200, 1001])
@pytest.mark.parametrize("x", [0.0, 1e-9, 0.3, 4.0, 30.0, 250.0, 1200.0])
def test_the_tail_of_chi_squared_is_that_of_scipy(x: float, freedom: int) -> None:
    assert chi_squared_beyond(x, freedom) == pytest.approx(float(stats.chi2.sf(x, freedom)), rel=1e-9, abs=1e-300)


@given(st.lists(st.tuples(st.integers(0, 10**5), st.integers(0, 10**5)), min_size=2, max_size=40))
def test_the_two_sample_test_is_that_of_scipy(groups: list[tuple[int, int]]) -> None:
    there = np.array([group for group in groups if any(group)] or [(0, 0)]).T
    found = chi_square(groups)
    if there.shape[1] < 2 or not there.sum(axis=1).all():
        assert found is None
        return
    told = stats.chi2_contingency(there, correction=False)
    assert found is not None
    assert found.statistic == pytest.approx(told.statistic, rel=1e-9, abs=1e-9)
    assert found.freedom == told.dof
    assert found.p == pytest.approx(told.pvalue, rel=1e-7, abs=1e-300)
    assert found.cramers_v == pytest.approx(stats.contingency.association(there), abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=40), st.booleans())
def test_pooling_keeps_every_count_and_leaves_no_small_cell(groups: list[tuple[int, int]], ordered: bool) -> None:
    found = pooled(groups, ordered=ordered)
    assert [sum(counts) for counts in zip(*found, strict=True)] == [
        sum(counts) for counts in zip(*groups, strict=True) if any(map(any, groups))
    ]
    n, m = (sum(counts) for counts in zip(*found, strict=True)) if found else (0, 0)
    if len(found) > 1:
        assert min(map(sum, found)) * min(n, m) / (n + m) >= 5 - 1e-9


def test_pooling_tells_nothing_of_the_difference() -> None:
    groups = [(40, 2), (1, 30), (500, 80), (3, 3), (0, 1)]
    swapped = [(two, one) for one, two in groups]
    assert [(two, one) for one, two in pooled(swapped)] == pooled(groups)
    assert [(two, one) for one, two in pooled(swapped, ordered=True)] == pooled(groups, ordered=True)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.data())
def test_two_shares_are_tested_as_scipy_does(n: int, m: int, data: st.DataObject) -> None:
    k, j = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    found = two_proportions_p(k, n, j, m)
    table = np.array([[k, n - k], [j, m - j]])
    if not table.sum(axis=0).all():
        assert found is None
        return
    expected = stats.contingency.expected_freq(table)
    if expected.min() < 5:
        # SciPy's own probabilities are exact to about eleven digits.
        assert found == pytest.approx(stats.fisher_exact(table)[1], rel=1e-8, abs=1e-200)
    else:
        assert found == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=1e-7, abs=1e-300)


def test_fisher_holds_for_many_rows() -> None:
    assert two_proportions_p(0, 1_000_000, 4, 50_000) == pytest.approx(
        stats.fisher_exact([[0, 1_000_000], [4, 49_996]])[1], rel=1e-6
    )
    assert two_proportions_p(20_000_000, 40_000_000, 8, 8) == pytest.approx(2 / 2**8, rel=1e-3)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=20))
def test_ranks_are_tested_as_scipy_does(cells: list[tuple[int, int]]) -> None:
    one, two = (np.repeat(np.arange(len(cells)), counts) for counts in zip(*cells, strict=True))
    found = rank_sum_p(cells)
    if not len(one) or not len(two) or len({*one, *two}) < 2:
        assert found is None
        return
    told = stats.mannwhitneyu(one, two, use_continuity=False, method="asymptotic").pvalue
    assert found == pytest.approx(told, rel=1e-9)


def by_the_book(found: list[float]) -> list[float]:
    """Benjamini and Yekutieli, word for word: the least of p k c / rank over this and all larger p."""
    many, penalty = len(found), sum(1 / rank for rank in range(1, len(found) + 1))
    ranks = {
        place: sum(other < p or (other == p and at <= place) for at, other in enumerate(found))
        for place, p in enumerate(found)
    }
    return [
        min([1.0, *(found[at] * many * penalty / ranks[at] for at in range(many) if ranks[at] >= ranks[place])])
        for place in range(many)
    ]


@given(st.lists(st.floats(0, 1), max_size=40))
def test_p_values_are_adjusted_as_the_book_says_and_scipy(found: list[float]) -> None:
    told = adjusted(found)
    assert told == pytest.approx(by_the_book(found), rel=1e-12)
    if found:
        assert told == pytest.approx(stats.false_discovery_control(found, method="by").tolist(), rel=1e-9)
        assert all(one >= p - 1e-15 for one, p in zip(told, found, strict=True))


@pytest.mark.parametrize("groups", [2, 5, 10])
def test_without_drift_the_chi_squared_test_alarms_as_often_as_it_says(groups: int) -> None:
    rng = np.random.default_rng(groups)
    shares = rng.dirichlet(np.full(groups, 5.0))
    tested = [
        chi_square(pooled(list(zip(*rng.multinomial(900, shares, 2).tolist(), strict=True)))) for _ in range(2000)
    ]
    assert 0.03 <= np.mean([one is not None and one.p < 0.05 for one in tested]) <= 0.07


@pytest.mark.parametrize(("n", "m", "groups"), [(5000, 100, 10), (5000, 1000, 10), (300, 300, 4), (900, 20_000, 8)])
def test_the_index_exceeds_its_value_without_drift_once_in_a_hundred_times(n: int, m: int, groups: int) -> None:
    rng = np.random.default_rng(n + m)
    shares = np.full(groups, 1 / groups)
    draws = [
        list(zip(rng.multinomial(n, shares).tolist(), rng.multinomial(m, shares).tolist(), strict=True))
        for _ in range(3000)
    ]
    beyond = np.mean([(psi(drawn) or 0.0) > (no_drift(drawn) or 0.0) for drawn in draws])
    assert 0.004 <= beyond <= 0.016


def test_shares_exceed_theirs_once_in_a_hundred_times() -> None:
    rng = np.random.default_rng(9)
    counts = zip(rng.binomial(4000, 0.1, 5000).tolist(), rng.binomial(700, 0.1, 5000).tolist(), strict=True)
    beyond = [abs(k / 4000 - j / 700) > share_no_drift(k, 4000, j, 700) for k, j in counts]
    assert 0.006 <= np.mean(beyond) <= 0.014


def test_what_has_one_group_or_one_side_has_no_value() -> None:
    assert no_drift([(3, 4)]) is None
    assert no_drift([(3, 0), (4, 0)]) is None
    assert no_drift([(30, 40), (50, 60)]) == pytest.approx((1 / 80 + 1 / 100) * stats.chi2.isf(0.01, 1))
    assert chi_square([(0, 0), (3, 4)]) is None
    assert rank_sum_p([]) is None
    assert math.isclose(chi_squared_beyond(0.0, 4), 1.0)
