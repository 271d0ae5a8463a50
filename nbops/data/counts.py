"""How values lie, as counts between fixed edges or of the commonest texts: what adds up, and what two of them say about a difference.

Every difference between two distributions that follows from counts is bracketed here. Nothing in this module reads data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeVar

from nbops.errors import UsageError
from nbops.records import Record

Family = Literal["number", "date", "timestamp", "category", "other"]
"""How a column is counted: dates as days and timestamps as microseconds since 1970 (UTC); `other` has only its nulls counted."""
EXAMPLES = 5
"""How many of the values that are not listed are kept as examples."""
_T = TypeVar("_T", int, float)
_GROUPS = 10
_HALVINGS = 40
_LARGEST = 1.7976931348623157e308
_LIKE = "Profile both with the same edges: profile(data, like=reference)."


class Ks(NamedTuple):
    """The largest distance between two distribution functions: an estimate, and bounds that hold for certain."""

    estimate: float
    low: float
    high: float


class Numbers(Record, omit_defaults=True):
    """How a column's values lie: `at` counts those equal to an edge (m,), `between` those before, between and after the edges (m + 1,).

    Either is empty when all of it is 0. `min` to `high` are of the finite values; `low` and `high` are the sums of those below the first
    and above the last edge, `squares` is the sum of squares. Sums are of doubles and hold up to rounding, counts are exact.
    """

    edges: tuple[float, ...] = ()
    at: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    min: float | None = None
    max: float | None = None
    sum: float = 0.0
    squares: float = 0.0
    low: float = 0.0
    high: float = 0.0
    negative_infinities: int = 0
    positive_infinities: int = 0

    @property
    def atoms(self) -> bool:
        """Whether the edges are all the values that there are."""
        return not self.between

    @property
    def finite(self) -> int:
        """How many values are finite."""
        return sum(self.at) + sum(self.between)

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.finite + self.negative_infinities + self.positive_infinities

    @property
    def mean(self) -> float | None:
        """Of the finite values."""
        return self.sum / self.finite if self.finite else None

    @property
    def sd(self) -> float | None:
        """The standard deviation of the finite values (n in the denominator)."""
        if not self.finite:
            return None
        mean = self.sum / self.finite
        return math.sqrt(max(self.squares / self.finite - mean * mean, 0.0))

    def cells(self) -> list[int]:
        """The counts from left to right (2m + 1,): before the first edge, at it, between it and the second, and so on."""
        between = self.between or (0,) * (len(self.edges) + 1)
        at = self.at or (0,) * len(self.edges)
        return [between[0], *(count for pair in zip(at, between[1:], strict=True) for count in pair)]

    def comparable_cells(self, other: Numbers) -> list[int]:
        """As `cells`. Raises UsageError when the edges of `other` differ."""
        self._comparable(other)
        return self.cells()

    def cdf(self, x: float) -> float | None:
        """The share of values up to `x`: exact at an edge, else between two edges linear. None without values."""
        if not self.count:
            return None
        if x == math.inf:
            return 1.0
        total = float(self.negative_infinities)
        for start, end, count in self._stretches():
            if end <= x:
                total += count
            elif start <= x:
                total += count * ((x - start) / (end - start))
        return total / self.count

    def quantile(self, q: float) -> float | None:
        """The smallest x with `cdf(x)` of at least `q`, up to the width of a bin. None without values; raises UsageError."""
        if not 0 <= q <= 1:
            raise UsageError(f"A quantile of {q} does not exist.", hint="It is between 0 and 1.")
        if not self.count:
            return None
        wanted, passed = q * self.count, self.negative_infinities
        if passed and wanted <= passed:
            return -math.inf
        for start, end, count in self._stretches():
            if count and wanted <= passed + count:
                share = (wanted - passed) / count
                return min(max(start * (1 - share) + end * share, start), end)
            passed += count
        return math.inf if self.positive_infinities else self.max

    def merged(self, other: Numbers) -> Numbers:
        """Both counted together. Raises UsageError when their edges differ."""
        self._comparable(other)
        return Numbers(
            self.edges,
            _added(self.at, other.at),
            _added(self.between, other.between),
            _known(min, self.min, other.min),
            _known(max, self.max, other.max),
            clamped(self.sum + other.sum),
            clamped(self.squares + other.squares),
            clamped(self.low + other.low),
            clamped(self.high + other.high),
            self.negative_infinities + other.negative_infinities,
            self.positive_infinities + other.positive_infinities,
        )

    def ks(self, other: Numbers) -> Ks | None:
        """The Kolmogorov-Smirnov distance; None when one of them has no values. Raises UsageError when their edges differ.

        At each edge both distribution functions are known, from the left and from the right: their largest distance there is the lower
        bound. Between two edges both only rise, which bounds the distance from above. The estimate takes the values between two edges
        as mixed at random and is the median of what the distance then is.
        """
        self._comparable(other)
        n, m = self.count, other.count
        if not n or not m:
            return None
        bridges, f, g = [], self.negative_infinities / n, other.negative_infinities / m
        low = high = abs(f - g)
        for place, (b, d) in enumerate(zip(self.cells(), other.cells(), strict=True)):
            start, end = f - g, f - g + b / n - d / m
            low = max(low, abs(end))
            # The values at an edge are one step of both. Where one of them has none, the distance is largest at an end.
            if b and d and place % 2 == 0:
                high = max(high, abs(start + b / n), abs(start - d / m))
                bridges.append(_Bridge(start, end, b * d / (b + d) * (1 / n + 1 / m) ** 2))
            f, g = f + b / n, g + d / m
        high = max(high, low)
        return Ks(_median(bridges, low, high), low, high)

    def grouped(self, current: Numbers) -> list[tuple[int, int]]:
        """Counts here and of `current` in at most ten groups of bins, each of about the same share here.

        Raises UsageError when their edges differ.
        """
        self._comparable(current)
        passed, merged = 0, [(0, 0)]
        for one, two in zip(self._bins(), current._bins(), strict=True):
            merged[-1] = (merged[-1][0] + one, merged[-1][1] + two)
            passed += one
            if passed * _GROUPS >= len(merged) * self.count and passed < self.count:
                merged.append((0, 0))
        return merged

    def _bins(self) -> list[int]:
        """The counts up to each edge, and beyond the last, with the infinities at the ends."""
        cells = [*self.cells(), 0]
        bins = [cells[place] + cells[place + 1] for place in range(0, len(cells), 2)]
        bins[0] += self.negative_infinities
        bins[-1] += self.positive_infinities
        return bins

    def _stretches(self) -> Iterator[tuple[float, float, int]]:
        """Where the finite values lie, from left to right, with their count; at an edge start and end are the same."""
        low, high = self.min, self.max
        if low is None or high is None:
            return
        ends = [low, *(edge for edge in self.edges for _ in range(2)), high]
        for place, count in enumerate(self.cells()):
            # Neither end lies beyond the values that there are.
            start, end = max(ends[place], low), min(ends[place + 1], high)
            if count:
                yield min(start, end), end, count

    def _comparable(self, other: Numbers) -> None:
        if self.edges != other.edges:
            raise UsageError("Counts between other edges cannot be held against these.", hint=_LIKE)


class Categories(Record, omit_defaults=True):
    """How often each of the commonest `levels` occurs, and how often any other one (`other`, of which `examples` come first by alphabet).

    Lengths are in characters: `shortest`, `longest`, and their sum `length`. `cut` is how many of the 200 commonest levels were counted
    as other because they are too long to be kept.
    """

    levels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    other: int = 0
    examples: tuple[str, ...] = ()
    shortest: int | None = None
    longest: int | None = None
    length: int = 0
    cut: int = 0

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.counts) + self.other

    @property
    def mean_length(self) -> float | None:
        """In characters."""
        return self.length / self.count if self.count else None

    def merged(self, other: Categories) -> Categories:
        """Both counted together. Raises UsageError when they list other levels."""
        self._comparable(other)
        return Categories(
            self.levels,
            _added(self.counts, other.counts),
            self.other + other.other,
            tuple(sorted({*self.examples, *other.examples})[:EXAMPLES]),
            _known(min, self.shortest, other.shortest),
            _known(max, self.longest, other.longest),
            self.length + other.length,
            max(self.cut, other.cut),
        )

    def grouped(self, current: Categories) -> list[tuple[int, int]]:
        """Counts here and of `current` of each level, and of all others where there are any.

        Raises UsageError when they list other levels.
        """
        self._comparable(current)
        others = [(self.other, current.other)] if self.other or current.other else []
        return [*zip(self.counts, current.counts, strict=True), *others]

    def _comparable(self, other: Categories) -> None:
        if self.levels != other.levels:
            raise UsageError("Counts of other levels cannot be held against these.", hint=_LIKE)


def listed(numbers: Numbers | None, categories: Categories | None) -> int | None:
    """How many values differ where each is counted for itself; None where that is not so."""
    if numbers is not None and numbers.atoms:
        infinite = bool(numbers.negative_infinities) + bool(numbers.positive_infinities)
        return sum(count > 0 for count in numbers.at) + infinite
    if categories is not None and not categories.other:
        return sum(count > 0 for count in categories.counts)
    return None


def psi(groups: Sequence[tuple[int, int]]) -> float | None:
    """The population stability index of counts in groups, before and after; None where one of them has no counts at all.

    0.5 is added to each count, so that an empty group keeps it finite.
    """
    n, m = (sum(counts) for counts in zip(*groups, strict=True)) if groups else (0, 0)
    if not n or not m:
        return None
    half = len(groups) / 2
    shares = [((one + 0.5) / (n + half), (two + 0.5) / (m + half)) for one, two in groups]
    return sum((q - p) * math.log(q / p) for p, q in shares)


def clamped(total: float) -> float:
    """A sum as a finite double: JSON knows neither infinities nor what two of them are together, of which nothing is known."""
    return 0.0 if math.isnan(total) else max(min(total, _LARGEST), -_LARGEST)


class _Bridge(NamedTuple):
    """A random walk between two edges: the differences of the distribution functions at its ends, and its variance."""

    start: float
    end: float
    variance: float


def _median(bridges: Sequence[_Bridge], low: float, high: float) -> float:
    """The level between `low` and `high` that all of the walks stay within with probability one half.

    A Brownian bridge from a to b with variance v passes y (above both) with probability exp(-2 (y - a) (y - b) / v).
    """
    bottom, top = low, high
    for _ in range(_HALVINGS if bridges else 0):
        level = (bottom + top) / 2
        stays = 1.0
        for a, b, v in bridges:
            stays *= (1 - math.exp(-2 * (level - a) * (level - b) / v)) * (
                1 - math.exp(-2 * (level + a) * (level + b) / v)
            )
        bottom, top = (level, top) if stays < 0.5 else (bottom, level)
    return (bottom + top) / 2 if bridges else low


def _added(one: tuple[int, ...], two: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, two, strict=True)) if one and two else one or two


def _known(choose: Callable[[_T, _T], _T], one: _T | None, two: _T | None) -> _T | None:
    return two if one is None else one if two is None else choose(one, two)
