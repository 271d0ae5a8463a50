"""How far two columns lie apart, by each of the measures that people know, from profiles alone.

All that are made of shares are taken over the same groups: of numbers at most ten, of texts each listed one. Finer cells would only add
chance: of 100 rows in 129 cells half lie "elsewhere" without any drift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nbops.data.counts import Ks, Numbers
from nbops.records import Record

Groups = Sequence[tuple[int, int]]
"""Counts of the reference and of the current rows, group by group."""
_SD_OF_IQR = 1.349  # the interquartile range of a normal distribution of standard deviation 1


class Distances(Record, omit_defaults=True):
    """Each measure; None where it does not exist. All but `wasserstein` are the same in whatever unit the column is."""

    psi: float | None = None
    jensen_shannon: float | None = None
    hellinger: float | None = None
    total_variation: float | None = None
    cramers_v: float | None = None
    ks: Ks | None = None
    wasserstein: float | None = None
    wasserstein_scaled: float | None = None


def total_variation(groups: Groups) -> float | None:
    """Half the sum of |q - p| over the groups: the share of rows that would have to be elsewhere, 0 to 1."""
    shares = _shares(groups)
    return sum(abs(q - p) for p, q in shares) / 2 if shares else None


def hellinger(groups: Groups) -> float | None:
    """The root of half the sum of (√q - √p)² (Hellinger 1909), 0 to 1."""
    shares = _shares(groups)
    return math.sqrt(sum((math.sqrt(q) - math.sqrt(p)) ** 2 for p, q in shares) / 2) if shares else None


def jensen_shannon(groups: Groups) -> float | None:
    """The root of the mean Kullback-Leibler divergence from the middle of both, in bits (Lin 1991; Endres and Schindelin 2003), 0 to 1."""
    shares = _shares(groups)
    if not shares:
        return None
    divergence = sum(x * math.log2(2 * x / (p + q)) for p, q in shares for x in (p, q) if x)
    return math.sqrt(max(divergence / 2, 0.0))


def wasserstein(reference: Numbers, current: Numbers) -> float | None:
    """The area between both distribution functions of the finite values, in the column's unit (Vallender 1974).

    Between two edges both are taken as straight, which is exact where every value is an edge. Beyond the outermost edges their means
    give the area exactly, however far a value lies, as long as the functions do not cross there. Raises UsageError when the edges
    differ.
    """
    n, m = reference.finite, current.finite
    cells = list(zip(reference.comparable_cells(current), current.cells(), strict=True))
    edges = reference.edges
    if not n or not m or not edges:
        return None
    (below_n, below_m), (above_n, above_m) = cells[0], cells[-1]
    area = abs(_beyond(edges[0], below_n, reference.low) / n - _beyond(edges[0], below_m, current.low) / m)
    area += abs(_beyond(edges[-1], above_n, reference.high) / n - _beyond(edges[-1], above_m, current.high) / m)
    f = g = 0
    for place, (one, two) in enumerate(cells[:-1]):
        start = f / n - g / m
        f, g = f + one, g + two
        if place and place % 2 == 0:
            area += _between(start, f / n - g / m) * (edges[place // 2] - edges[place // 2 - 1])
    return area if math.isfinite(area) else None


def robust_scale(reference: Numbers) -> float | None:
    """What one standard deviation would be if the middle half were normal; the standard deviation where that half is one value.

    None where all values are the same. A single value, however far, does not move it.
    """
    if not reference.finite:
        return None
    low, high = (reference.quantile(q) or 0.0 for q in (0.25, 0.75))
    found = (high - low) / _SD_OF_IQR
    if not 0 < found < math.inf:
        found = reference.sd or 0.0
    return found if 0 < found < math.inf else None


def _shares(groups: Groups) -> list[tuple[float, float]]:
    """Both shares of each group; empty where one side has no counts at all."""
    n, m = (sum(counts) for counts in zip(*groups, strict=True)) if groups else (0, 0)
    return [(one / n, two / m) for one, two in groups] if n and m else []


def _beyond(edge: float, count: int, total: float) -> float:
    """The sum of the distances of so many values from an edge."""
    return abs(count * edge - total)


def _between(start: float, end: float) -> float:
    """The mean of |d| where d goes straight from start to end."""
    if start * end >= 0:
        return (abs(start) + abs(end)) / 2
    return (start * start + end * end) / (2 * (abs(start) + abs(end)))
