"""How easily chance alone explains a difference: p values, and what an index is at most where nothing changed.

The functions are closed forms over Python's `math`, so that a verdict needs no library. Counts come in groups: reference, current.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

from nbops.monitoring.distances import Groups

LEAST_EXPECTED = 5
"""What a cell is expected to hold for the chi-squared approximation (Cochran 1954)."""
_NORMAL_99 = 2.5758293035489004  # what a standard normal number exceeds in absolute value once in a hundred times
_NEGLIGIBLE = 1e-18
_TIE = 1 + 1e-7  # probabilities that are equal but for rounding


class ChiSquare(NamedTuple):
    """The two-sample test of counts in groups, and Cramer's V, which is 0 where the shares agree and 1 where no group has both."""

    statistic: float
    freedom: int
    p: float
    cramers_v: float


def pooled(groups: Groups, *, ordered: bool = False) -> list[tuple[int, int]]:
    """The groups with those put together that are expected to hold less than 5 of either side: neighbours where they are `ordered`.

    Else all of these are one, with as many more as that takes. It is decided by the counts of both sides together, so that it tells
    nothing about their difference.
    """
    n, m = _totals(groups)
    least = LEAST_EXPECTED * (n + m) / min(n, m) if n and m else math.inf
    there = [group for group in groups if any(group)]
    if ordered:
        return _neighbours(there, least)
    kept, few = [group for group in there if sum(group) >= least], [group for group in there if sum(group) < least]
    while few and kept and sum(map(sum, few)) < least:
        few.append(kept.pop(min(range(len(kept)), key=lambda place: sum(kept[place]))))
    return [*kept, _totals(few)] if few else kept


def chi_square(groups: Groups) -> ChiSquare | None:
    """Whether both sides are drawn from the same shares (Pearson 1911; V: Cramer 1946), for groups that were `pooled`.

    None where fewer than two groups have counts, or a side has none.
    """
    there = [group for group in groups if any(group)]
    n, m = _totals(there)
    freedom = len(there) - 1
    if not n or not m or not freedom:
        return None
    # With o of a group here and e expected, (o - e)²/e of both sides together is this.
    statistic = sum((one * m - two * n) ** 2 / (one + two) for one, two in there) / (n * m)
    return ChiSquare(statistic, freedom, chi_squared_beyond(statistic, freedom), math.sqrt(statistic / (n + m)))


def chi_squared_beyond(x: float, freedom: int) -> float:
    """The probability that a chi-squared number exceeds `x` (Abramowitz and Stegun 26.4.4 and 26.4.5)."""
    half = x / 2
    if half <= 0:
        return 1.0
    odd = freedom % 2
    first = math.erfc(math.sqrt(half)) if odd else 0.0
    powers = (place + odd / 2 for place in range(freedom // 2))
    rest = math.fsum(math.exp(power * math.log(half) - math.lgamma(power + 1) - half) for power in powers)
    return min(first + rest, 1.0)


def no_drift(groups: Groups) -> float | None:
    """What the population stability index of so many groups and rows exceeds once in a hundred times where nothing changed.

    It is about (1/n + 1/m) times a chi-squared number (Yurdakul 2018). None where there are not two groups.
    """
    n, m = _totals(groups)
    freedom = sum(map(any, groups)) - 1
    return (1 / n + 1 / m) * _chi_squared_99(freedom) if n and m and freedom > 0 else None


def rank_sum_p(ordered: Groups) -> float | None:
    """Whether the values of one side tend to be larger, from counts in cells from left to right (Mann and Whitney 1947).

    The values of a cell count as equal, and the variance is that of ties (Noether 1967). None where there are not two cells.
    """
    n, m = _totals(ordered)
    total = n + m
    ties = math.fsum((one + two) ** 3 - (one + two) for one, two in ordered)
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1))) if n and m else 0.0
    if variance <= 0:
        return None
    passed, wins = 0, 0.0
    for one, two in ordered:
        wins += two * (passed + one / 2)
        passed += one
    return math.erfc(abs(wins - n * m / 2) / math.sqrt(2 * variance))


def two_proportions_p(k: int, n: int, j: int, m: int) -> float | None:
    """Whether `k` of `n` and `j` of `m` are the same share: the chi-squared test, or where it expects less than 5, Fisher's (1922).

    None where no row or every row is counted, and there is nothing to test.
    """
    few, side = min(k + j, n + m - k - j), min(n, m)
    if not few or not side:
        return None
    if few * side < LEAST_EXPECTED * (n + m):
        return _fisher(k, n, j, m)
    found = chi_square([(k, j), (n - k, m - j)])
    return found.p if found else None


def share_no_drift(k: int, n: int, j: int, m: int) -> float:
    """What two shares differ by more than once in a hundred times where they are the same (normal approximation)."""
    share = (k + j) / (n + m)
    return _NORMAL_99 * math.sqrt(share * (1 - share) * (1 / n + 1 / m))


def adjusted(found: Sequence[float]) -> list[float]:
    """The p values of tests that are made together, so that at most a share of alpha of all alarms below alpha is false.

    Whatever the tests have to do with each other (Benjamini and Yekutieli 2001).
    """
    many = len(found)
    penalty = many * math.fsum(1 / rank for rank in range(1, many + 1))
    told, least = [1.0] * many, 1.0
    for rank, place in reversed(list(enumerate(sorted(range(many), key=lambda place: found[place]), start=1))):
        least = min(least, found[place] * penalty / rank)
        told[place] = least
    return told


def _totals(groups: Groups) -> tuple[int, int]:
    return sum(one for one, _ in groups), sum(two for _, two in groups)


def _neighbours(groups: Groups, least: float) -> list[tuple[int, int]]:
    merged = [(0, 0)]
    for group in groups:
        merged[-1] = _totals((merged[-1], group))
        if sum(merged[-1]) >= least:
            merged.append((0, 0))
    last = merged.pop()
    if any(last):
        merged.append(_totals((merged.pop(), last)) if merged else last)
    return merged


@functools.lru_cache(maxsize=1024)
def _chi_squared_99(freedom: int) -> float:
    low, high = 0.0, freedom + 10 * math.sqrt(freedom) + 10
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if chi_squared_beyond(middle, freedom) < 0.01 else (middle, high)
    return (low + high) / 2


def _fisher(k: int, n: int, j: int, m: int) -> float:
    """The probability of all tables with these sums that are no likelier than this one.

    Their probabilities follow from each other by ratios, from the likeliest one on to where nothing is left.
    """
    counted = k + j
    low, high = max(0, counted - m), min(counted, n)
    top = min(max((counted + 1) * (n + 1) // (n + m + 2), low), high)
    weights = {top: 1.0}
    towards, away = (1, high), (-1, low)
    for step, end in (towards, away) if k >= top else (away, towards):
        weight, at = 1.0, top
        while at != end and weight > _NEGLIGIBLE * weights.get(k, 0.0):
            # One more of the counted here is one less there.
            if step > 0:
                weight *= (counted - at) * (n - at) / ((at + 1) * (m - counted + at + 1))
            else:
                weight *= at * (m - counted + at) / ((counted - at + 1) * (n - at + 1))
            at += step
            weights[at] = weight
    limit = weights.get(k, 0.0) * _TIE
    return min(math.fsum(weight for weight in weights.values() if weight <= limit) / math.fsum(weights.values()), 1.0)
