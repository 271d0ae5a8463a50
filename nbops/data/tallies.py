"""The counting itself: values come in pieces of any size and order, a profile's column comes out.

Edges are chosen from a sample, or are those of another profile. Afterwards every value is counted exactly, in one pass: a piece is sorted
a cache's worth at a time, and then the places of the edges in it are its counts, its ends its extremes. Where values are spread widely,
it is cheaper to look up between which edges each lies by its first bits, and to sort only those that share these bits with an edge.
"""

from __future__ import annotations

import heapq
import math
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.data.counts import EXAMPLES, Categories, Family, Numbers, clamped, listed
from nbops.data.profile import Certainty, ColumnProfile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Doubles = npt.NDArray[np.float64]
    Hashes = npt.NDArray[np.uint64]
    Counts = npt.NDArray[np.int64]
    Codes = npt.NDArray[np.uint8]

EDGES = 64
SAMPLE = 65_536
"""How many values the edges are chosen from."""

_CATEGORIES = 200
# What is sorted fits a cache; BLAS takes products of 10,000 and more apart over threads of its own.
_PIECE = 8192
_STRAYS = 4096
_LONGEST_WAIT = 64
# A cell of the grid is what the sign, the exponent and the first eleven bits behind it say, of a number in single precision.
_SHIFT, _CELLS = 12, 1 << 20
_NEAR, _UNUSUAL = EDGES + 1, EDGES + 2
_TRACKED, _TRACKED_CHARACTERS = 16_384, 4_000_000
_EXAMPLE_CHARACTERS = 40
_SKETCHED = 1024
_ODD = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio


class NumberTally:
    """Counts doubles, of which NaN is none; numbers, dates and timestamps all come as such."""

    def __init__(self, told: str, family: Family, like: Numbers | None) -> None:
        self._type, self._family = told, family
        self._rows = self._nulls = self._negative = self._positive = self._finite = 0
        self._sum, self._squares, self._low, self._high = 0.0, 0.0, 0.0, 0.0
        self._min, self._max = math.inf, -math.inf
        self._sketch = _Sketch()
        # Values that the sample did not have, while they are few: all that there are may yet become the edges.
        self._strays: dict[float, int] | None = None
        self._grid: Codes | None = None
        # Pieces until the grid is tried again, and how many the last failure was worth.
        self._wait = self._waited = 0
        self._given = like is not None
        self._start(like.edges if like is not None else ())

    def sample(self, values: Doubles) -> None:
        """Choose the edges, unless another profile's are used; before anything is added."""
        import numpy as np

        if self._given:
            return
        found, counts = _counted(np.sort(values[np.isfinite(values)]))
        self._strays = {} if len(found) <= EDGES else None
        self._start(_chosen(found, counts))

    def add(self, values: Doubles) -> None:
        """Count a piece."""
        self._rows += len(values)
        for start in range(0, len(values), _PIECE):
            self._count(values[start : start + _PIECE])

    def column(self) -> ColumnProfile:
        """What has been counted."""
        if self._strays:
            self._settle(self._strays)
        at = (self._upto - self._below).tolist()
        between = [*self._below.tolist(), self._finite]
        between[1:] = [below - upto for below, upto in zip(between[1:], self._upto.tolist(), strict=True)]
        low, high = (self._min, self._max) if self._finite else (None, None)
        numbers = Numbers(
            tuple(self._edges.tolist()),
            tuple(at) if any(at) else (),
            tuple(between) if any(between) else (),
            low,
            high,
            clamped(self._sum),
            clamped(self._squares),
            clamped(self._low) if self._edges.size else 0.0,
            clamped(self._high) if self._edges.size else 0.0,
            self._negative,
            self._positive,
        )
        distinct, certainty = self._sketch.distinct()
        if (known := listed(numbers, None)) is not None:
            distinct, certainty = known, "exact"
        else:
            distinct += bool(self._negative) + bool(self._positive)
        return ColumnProfile(self._type, self._family, self._rows, self._nulls, distinct, certainty, numbers)

    def _start(self, edges: Sequence[float]) -> None:
        import numpy as np

        self._edges = np.array(edges, dtype=np.float64)
        self._below, self._upto = np.zeros(len(edges), np.int64), np.zeros(len(edges), np.int64)
        self._grid = None

    def _count(self, values: Doubles) -> None:
        import numpy as np

        if self._wait:
            self._wait -= 1
        elif self._strays is None and 0 < len(self._edges) <= EDGES:
            if self.count_coarsely(values):
                self._waited = 0
                return
            self._wait = self._waited = min(2 * self._waited + 1, _LONGEST_WAIT)
        ordered = np.sort(values)  # NaN come last
        first, last = int(ordered.searchsorted(-np.inf, "right")), int(ordered.searchsorted(np.inf))
        if last < len(ordered):
            real = int(ordered.searchsorted(np.nan))
            self._positive += real - last
            self._nulls += len(ordered) - real
        self._negative += first
        ordered = ordered[first:last]
        if not len(ordered):
            return
        below, upto = ordered.searchsorted(self._edges), ordered.searchsorted(self._edges, "right")
        self._below += below
        self._upto += upto
        self._finite += len(ordered)
        self._min, self._max = min(self._min, float(ordered[0])), max(self._max, float(ordered[-1]))
        with np.errstate(over="ignore", invalid="ignore"):
            self._sum += float(ordered.sum())
            self._squares += float(np.dot(ordered, ordered))
            if len(below):
                self._low += float(ordered[: below[0]].sum())
                self._high += float(ordered[upto[-1] :].sum())
        if self._strays is not None and int((upto - below).sum()) < len(ordered):
            self._stray(ordered)
        self._sketch.add((_distinct(ordered) + 0.0).view(np.uint64))  # -0.0 is 0.0

    def count_coarsely(self, values: Doubles) -> bool:
        """Count a piece by the cells of a grid; False, and nothing counted, where too many values lie in the cell of an edge."""
        import numpy as np

        if self._grid is None:
            self._grid = _grid(self._edges)
        with np.errstate(over="ignore"):
            codes = self._grid[values.astype(np.float32).view(np.uint32) >> _SHIFT]
        counts = np.bincount(codes, minlength=EDGES + 3)
        near, unusual = int(counts[_NEAR]), int(counts[_UNUSUAL])
        if near > len(values) // 8 or unusual == len(values):
            return False
        if unusual:
            there = ~np.isnan(values)
            if len(values) - int(there.sum()) < unusual:
                return False  # some are infinite, or too large
            values, codes = values[there], codes[there]
        close = np.sort(values[np.flatnonzero(codes == _NEAR)])
        below = counts[: len(self._edges)].cumsum()
        self._below += below + close.searchsorted(self._edges)
        self._upto += below + close.searchsorted(self._edges, "right")
        self._nulls += unusual
        self._finite += len(values)
        self._min, self._max = min(self._min, float(values.min())), max(self._max, float(values.max()))
        with np.errstate(over="ignore", invalid="ignore"):
            self._sum += float(values.sum())
            self._squares += float(np.dot(values, values))
        self._low += float(values[values < self._edges[0]].sum())
        self._high += float(values[values > self._edges[-1]].sum())
        self._sketch.add((values + 0.0).view(np.uint64))  # -0.0 is 0.0
        return True

    def _stray(self, ordered: Doubles) -> None:
        import numpy as np

        edges = np.append(self._edges, np.nan)
        found, counts = _counted(ordered[edges[self._edges.searchsorted(ordered)] != ordered])
        strays = self._strays or {}
        for value, count in zip(found.tolist(), counts.tolist(), strict=True):
            strays[value] = strays.get(value, 0) + count
        self._strays = strays if len(strays) <= _STRAYS else None

    def _settle(self, strays: dict[float, int]) -> None:
        """Choose the edges again, now that all values are known with their counts."""
        import numpy as np

        known = strays | dict(zip(self._edges.tolist(), (self._upto - self._below).tolist(), strict=True))
        found = np.array(sorted(known))
        counts = np.array([known[value] for value in found.tolist()])
        self._start(_chosen(found, counts))
        passed = np.concatenate(([0], counts.cumsum()))
        below, upto = found.searchsorted(self._edges), found.searchsorted(self._edges, "right")
        self._below, self._upto = passed[below], passed[upto]
        self._low = float(np.dot(found[: below[0]], counts[: below[0]]))
        self._high = float(np.dot(found[upto[-1] :], counts[upto[-1] :]))


class TextTally:
    """Counts texts, among them truth values, names of enumerations and UUIDs.

    So many are told apart, and those are counted exactly; what comes first after that is counted as other.
    """

    def __init__(self, told: str, like: Categories | None) -> None:
        self._type, self._like = told, like
        self._rows = self._nulls = self._length = 0
        self._shortest, self._longest = math.inf, -1
        self._counts: dict[str, int] = dict.fromkeys(like.levels if like is not None else (), 0)
        self._room = _TRACKED_CHARACTERS
        self._known: pa.Array | None = None  # once no further ones are told apart
        self._known_counts: Counts | None = None
        self._sketch = _Sketch()

    def add(self, values: pa.Array) -> None:
        """Count a piece: strings, dictionaries of strings, or truth values."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        self._rows += len(values)
        self._nulls += values.null_count
        found = pc.value_counts(values.drop_null() if values.null_count else values)
        if not len(found):
            return
        # Arrow's own way to NumPy imports pandas.
        texts = found.field("values").cast(pa.string())
        counts: Counts = np.from_dlpack(found.field("counts")).astype(np.int64, copy=False)
        lengths = np.from_dlpack(pc.utf8_length(texts))
        self._shortest, self._longest = min(self._shortest, int(lengths.min())), max(self._longest, int(lengths.max()))
        self._length += int(np.dot(lengths.astype(np.int64), counts))
        if self._known is None:
            self._track(texts, counts)
        else:
            self._look_up(texts, counts)

    def column(self, room: int) -> ColumnProfile:
        """What has been counted; unless the values of another profile are counted, they fit in about `room` bytes of JSON."""
        if self._known is not None and self._known_counts is not None:
            self._counts = dict(zip(self._known.to_pylist(), self._known_counts.tolist(), strict=True))
        total = self._rows - self._nulls
        if self._like is not None:
            levels, cut = self._like.levels, self._like.cut
        else:
            levels, cut = _commonest(self._counts, room)
        counts = tuple(self._counts[level] for level in levels)
        listed_here = set(levels)
        others = {
            text[:_EXAMPLE_CHARACTERS] for text, count in self._counts.items() if count and text not in listed_here
        }
        distinct, certainty = self._sketch.distinct()
        if self._known is None:
            distinct, certainty = sum(count > 0 for count in self._counts.values()), "exact"
        categories = Categories(
            levels,
            counts,
            total - sum(counts),
            tuple(heapq.nsmallest(EXAMPLES, others)),
            int(self._shortest) if total else None,
            self._longest if total else None,
            self._length,
            cut,
        )
        return ColumnProfile(
            self._type, "category", self._rows, self._nulls, distinct, certainty, categories=categories
        )

    def _track(self, texts: pa.Array, counts: Counts) -> None:
        import numpy as np
        import pyarrow as pa

        names = texts.to_pylist()
        tracked = self._counts
        for place, (text, count) in enumerate(zip(names, counts.tolist(), strict=True)):
            if text in tracked:
                tracked[text] += count
                continue
            if len(tracked) >= _TRACKED or len(text) > self._room:
                beyond = place
                break
            self._room -= len(text)
            tracked[text] = count
        else:
            return
        self._known = pa.array(tracked, pa.string())
        self._known_counts = np.array(list(tracked.values()))
        self._sketch.add(_hashes(self._known.filter(pa.array(self._known_counts > 0))))
        self._look_up(texts[beyond:], counts[beyond:])

    def _look_up(self, texts: pa.Array, counts: Counts) -> None:
        import numpy as np
        import pyarrow.compute as pc

        places = np.from_dlpack(pc.index_in(texts, self._known).fill_null(-1)).astype(np.int64)
        there = places >= 0
        if self._known_counts is not None:
            np.add.at(self._known_counts, places[there], counts[there])
        self._sketch.add(_hashes(texts))


class OtherTally:
    """Counts only what is missing: lists, structures, bytes and the like."""

    def __init__(self, told: str) -> None:
        self._type = told
        self._rows = self._nulls = 0

    def add(self, missing: pa.Array) -> None:
        """Count a piece of truth values, which say where nothing is."""
        self._rows += len(missing)
        self._nulls += missing.true_count

    def column(self) -> ColumnProfile:
        """What has been counted."""
        return ColumnProfile(self._type, "other", self._rows, self._nulls)


class _Sketch:
    """How many values differ, by the smallest of their hashes: exact below `_SKETCHED`, then within about a tenth.

    Of n values spread evenly over [0, 1) the k-th smallest lies at about k / n (Bar-Yossef et al. 2002).
    """

    def __init__(self) -> None:
        self._limit = 2**64 - 1
        self._pool: list[Hashes] = []
        self._pooled = 0

    def add(self, bits: Hashes) -> None:
        """Take values in, as 64 bits each."""
        import numpy as np

        hashed = bits >> np.uint64(32)
        hashed ^= bits
        hashed *= np.uint64(_ODD)
        hashed = hashed[hashed <= np.uint64(self._limit)]
        if len(hashed):
            self._pool.append(hashed)
            self._pooled += len(hashed)
            if self._pooled > 4 * _SKETCHED:
                self._squeeze()

    def distinct(self) -> tuple[int, Certainty]:
        """How many there are, and how sure that is."""
        kept = self._squeeze()
        if kept < _SKETCHED:
            return kept, "exact"
        return round((_SKETCHED - 1) * 2**64 / self._limit), "estimate"

    def _squeeze(self) -> int:
        import numpy as np

        if self._pool:
            kept = _distinct(np.sort(np.concatenate(self._pool)))[:_SKETCHED]
            if len(kept) == _SKETCHED:
                self._limit = int(kept[-1])
            self._pool, self._pooled = [kept], len(kept)
        return self._pooled


def _grid(edges: Doubles) -> Codes:
    """For each cell how many edges lie below it, unless there is one in it, or its numbers are infinite or none."""
    import numpy as np

    half = _CELLS // 2
    grid = np.full(_CELLS, _UNUSUAL, np.uint8)
    # Infinite ones begin here; cells of numbers below zero come in the order of their distance from it.
    last = int(np.float32(np.inf).view(np.uint32) >> _SHIFT)
    with np.errstate(over="ignore"):
        cells = ((edges + 0.0).astype(np.float32).view(np.uint32) >> _SHIFT).astype(np.int64)
    negative = int((edges < 0).sum())
    start, done = last, 0
    for cell in (cells[:negative] - half).tolist():
        grid[half + cell : half + start] = done
        start, done = cell, done + 1
    grid[half : half + start] = done
    start = 0
    for cell in cells[negative:].tolist():
        grid[start:cell] = done
        start, done = cell, done + 1
    grid[start:last] = done
    grid[[*cells.tolist(), 0, half]] = _NEAR
    grid[[last, half + last]] = _UNUSUAL
    return grid


def _fresh(ordered: Any) -> npt.NDArray[np.bool_]:
    """Where something else comes, in an array in its order."""
    import numpy as np

    fresh = np.empty(len(ordered), np.bool_)
    fresh[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    return fresh


def _distinct(ordered: Any) -> Any:
    fresh = _fresh(ordered)
    return ordered if fresh.all() else ordered[fresh]


def _counted(ordered: Doubles) -> tuple[Doubles, Counts]:
    """What differs, and how often each occurs."""
    import numpy as np

    starts = np.flatnonzero(_fresh(ordered))
    return ordered[starts], np.diff(starts, append=len(ordered))


def _hashes(texts: pa.Array) -> Hashes:
    import numpy as np
    import pyarrow as pa

    return np.array([zlib.crc32(text) for text in texts.cast(pa.binary()).to_pylist()], np.uint64)


def _chosen(found: Doubles, counts: Counts) -> list[float]:
    """Edges out of distinct values in their order: all of them when they are few, else quantiles.

    A quantile that occurs once is rounded, by less than a hundredth of the way to the next one, to be short as text.
    """
    import numpy as np

    if len(found) <= EDGES:
        edges: list[float] = (found + 0.0).tolist()
        return edges
    passed = counts.cumsum()
    wanted = passed[-1] * np.arange(1, EDGES + 1) / (EDGES + 1)
    places = np.unique(passed.searchsorted(wanted))
    exact = (found[places] + 0.0).tolist()
    gaps = [math.inf, *(later - edge for edge, later in pairwise(exact)), math.inf]
    return [
        edge if count > 1 else _rounded(edge, min(gaps[index], gaps[index + 1]) / 100)
        for index, (edge, count) in enumerate(zip(exact, counts[places].tolist(), strict=True))
    ]


def _rounded(value: float, by: float) -> float:
    return round(value, -math.floor(math.log10(by))) if 0 < by < math.inf else value


def _commonest(counts: dict[str, int], room: int) -> tuple[tuple[str, ...], int]:
    """The commonest texts that fit, and how many do not."""
    ranked = heapq.nsmallest(_CATEGORIES, counts.items(), key=lambda item: (-item[1], item[0]))
    kept, left = [], room
    for text, count in ranked:
        needed = len(msgspec.json.encode((text, count)))
        # One very long text may not take the room of all others.
        if needed <= min(left, room // 8):
            kept.append(text)
            left -= needed
    return tuple(kept), len(ranked) - len(kept)
