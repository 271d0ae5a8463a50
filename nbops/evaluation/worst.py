"""Where a model is worst, found without being told where to look: groups of rows by one or two conditions, and single rows.

Half of the rows are searched, the other half decides: what was found by trying many thousand groups says nothing about itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from nbops.errors import UsageError
from nbops.evaluation.grouping import Grouping, groupings
from nbops.evaluation.means import Means, means
from nbops.evaluation.telling import Scale, compared, estimate, share
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Rows = np.ndarray[Any, np.dtype[np.int64]]
    Mask = np.ndarray[Any, np.dtype[np.bool_]]

_LEVEL = 0.95
_BINS, _VALUES = 10, 50
_MOST_SEARCHED = 100_000
_ERRORS = 3.0
# A second condition has to be worth a quarter more: a group is told as simply as can be.
_SIMPLER = 1.25
_KEPT_OF_PAIR, _LOOKED_AT, _ALSO = 20, 2000, 3
_ALL = slice(None)


class Worst(Record):
    """Rows for which all `conditions` hold, `rows` of all and a `share` of them.

    `metric` is their mean loss on the held-out rows, `rest` that of the others there, both without the rows of better finds; `difference`
    is the first minus the second with its interval, `p` the one-sided probability of such a difference by chance, adjusted for the number
    of finds (Holm 1979); `found` is the difference where it was searched, which is too large by the search. `also` are other conditions for
    about the same rows.
    """

    conditions: tuple[str, ...]
    rows: int
    share: float
    metric: float
    rest: float
    difference: float
    low: float
    high: float
    p: float
    confirmed: bool
    found: float
    also: tuple[str, ...]
    sentence: str


class _Span(NamedTuple):
    """Groups of one property from `first` to `last`."""

    grouping: Grouping
    first: int
    last: int

    @property
    def told(self) -> str:
        return self.grouping.told(self.first, self.last)

    def rows(self, places: Rows | slice) -> Mask:
        """Which of the rows lie in it."""
        codes = self.grouping.codes[places]
        return (codes >= self.first) & (codes <= self.last)


class _Candidate(NamedTuple):
    score: float
    effect: float
    spans: tuple[_Span, ...]

    @property
    def told(self) -> str:
        return " and ".join(span.told for span in self.spans)

    def rows(self, places: Rows | slice = _ALL) -> Mask:
        """Which of the rows lie in all of its spans."""
        found = self.spans[0].rows(places)
        for span in self.spans[1:]:
            found &= span.rows(places)
        return found


class _Axis(NamedTuple):
    """A property with all of its spans, their first groups and those behind their last; `codes` are those of the searched rows."""

    spans: list[_Span]
    starts: Rows
    stops: Rows
    groups: int
    codes: Rows

    def added(self, cells: Floats) -> Floats:
        """Of cells (groups, any) the sums over each span (spans, any)."""
        import numpy as np

        sums = np.concatenate([np.zeros((1, cells.shape[1])), cells.cumsum(axis=0)])
        found: Floats = sums[self.stops] - sums[self.starts]
        return found


class _Losses(NamedTuple):
    """The searched losses less their mean, their squares, how many rows a group needs, and the positions of the rows."""

    given: Floats
    squares: Floats
    support: int
    places: Rows


def worst_slices(
    frame: pd.DataFrame,
    losses: Floats,
    *,
    columns: Sequence[str] | None = None,
    scale: Scale | None = None,
    blocks: Rows | None = None,
    min_rows: int = 30,
    most: int = 10,
    seed: int = 0,
) -> tuple[Worst, ...]:
    """At most `most` groups of rows whose mean loss is higher than elsewhere by most, confirmed ones first.

    `losses` (n,) is one finite loss for each row of `frame` (n, any). A condition is a value of a column (the 50 most frequent), or an
    interval between tenths of its numbers. Groups of at least `min_rows` of the searched rows, of half a percent and of at most half of them, are ranked by
    the lower end of their effect: the difference of the means less three standard errors, so that a small group has to be much worse. Of
    finds that share more than a quarter of their rows one is kept. `blocks` (n,), integer codes of what rows depend on each other, are
    searched or held out as a whole. A find is confirmed when its adjusted p is below 0.05. At most 100,000 rows are searched. Raises
    NotFound and UsageError.
    """
    import numpy as np

    if len(losses) != len(frame):
        raise UsageError(
            f"There are {values.counted(len(frame), 'row')} and {len(losses):,} losses.", hint="Give one for each row."
        )
    told = scale or Scale("mean loss")
    searched = _half(len(frame), blocks, np.random.default_rng(seed))
    names = list(frame.columns) if columns is None else list(dict.fromkeys(columns))
    places = np.flatnonzero(searched)[:: 1 + int(searched.sum()) // _MOST_SEARCHED]
    given = losses[places] - losses[places].mean() if len(places) else losses[places]
    sums = _Losses(given, given * given, max(min_rows, len(places) // 200), places)
    axes = [
        axis
        for name in names
        for one in groupings(frame, name, bins=_BINS, most=_VALUES)
        if (axis := _axis(one, places))
    ]
    candidates = sorted(_candidates(axes, sums), key=lambda one: -one.score)
    kept = _merged(candidates[:_LOOKED_AT], sums, most)
    return _checked(kept, losses, ~searched, blocks, told)


def worst_rows(losses: Floats, most: int = 50) -> Rows:
    """The positions of the rows with the largest losses (n,), the largest first and equal ones in their order; NaN is left out."""
    import numpy as np

    known = np.flatnonzero(~np.isnan(losses))
    if len(known) > most:
        border = np.partition(losses[known], len(known) - most)[len(known) - most]
        known = known[losses[known] >= border]
    return known[np.argsort(-losses[known], kind="stable")][:most]


def _half(rows: int, blocks: Rows | None, rng: np.random.Generator) -> Mask:
    """Which rows are searched: half of them, or of the blocks."""
    import numpy as np

    if blocks is None:
        return rng.permutation(rows) < rows // 2
    known, block = np.unique(blocks, return_inverse=True)
    found: Mask = (rng.permutation(len(known)) < len(known) // 2)[block]
    return found


def _axis(grouping: Grouping, places: Rows) -> _Axis | None:
    import numpy as np

    many = len(grouping.names)
    ends = [*combinations(range(grouping.ordered + 1), 2)]
    spans = [_Span(grouping, first, last - 1) for first, last in ends if last - first < grouping.ordered]
    spans += [_Span(grouping, place, place) for place in range(grouping.ordered, many)]
    if many < 2:
        return None
    if 0 < grouping.ordered < many:
        # Whatever is not missing.
        spans = [span for span in spans if span.last - span.first < many - 1]
    ends_of = np.array([(span.first, span.last + 1) for span in spans])
    return _Axis(spans, ends_of[:, 0], ends_of[:, 1], many, grouping.codes[places])


def _candidates(axes: Sequence[_Axis], sums: _Losses) -> Iterator[_Candidate]:
    """The best of one condition and of each pair of them, from sums over the cells that they make."""
    import numpy as np

    for axis in axes:
        cells = _cells(axis.codes, axis.groups, sums)
        effect, score = _effects([axis.added(cell[:, None])[:, 0] for cell in cells], sums)
        for place in np.flatnonzero(score > 0):
            yield _Candidate(_SIMPLER * float(score[place]), float(effect[place]), (axis.spans[place],))
    for one, other in combinations(axes, 2):
        cells = _cells(one.codes * other.groups + other.codes, one.groups * other.groups, sums)
        shaped = [cell.reshape(one.groups, other.groups) for cell in cells]
        effects, scores = _effects([other.added(one.added(cell).T) for cell in shaped], sums)
        effect, score = effects.ravel(), scores.ravel()
        best = (
            np.argpartition(-score, _KEPT_OF_PAIR)[:_KEPT_OF_PAIR]
            if score.size > _KEPT_OF_PAIR
            else np.arange(score.size)
        )
        for place in best[score[best] > 0]:
            second, first = divmod(int(place), len(one.spans))
            yield _Candidate(float(score[place]), float(effect[place]), (one.spans[first], other.spans[second]))


def _cells(codes: Rows, many: int, sums: _Losses) -> tuple[Floats, Floats, Floats]:
    """Rows, sum and sum of squares of each cell."""
    import numpy as np

    return (
        np.bincount(codes, minlength=many).astype(np.float64),
        np.bincount(codes, sums.given, many).astype(np.float64),
        np.bincount(codes, sums.squares, many).astype(np.float64),
    )


def _effects(figures: Sequence[Floats], sums: _Losses) -> tuple[Floats, Floats]:
    """How much higher the mean is than that of the other rows, and the lower end of that; minus infinity for too few or too many."""
    import numpy as np

    rows, total, squares = figures
    others = len(sums.given) - rows
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, rest = total / rows, (sums.given.sum() - total) / others
        error2 = (squares / rows - mean**2) / rows + ((sums.squares.sum() - squares) / others - rest**2) / others
        score = mean - rest - _ERRORS * np.sqrt(np.maximum(error2, 0))
    enough = (rows >= sums.support) & (others >= rows)
    return mean - rest, np.where(enough & ~np.isnan(score), score, -np.inf)


def _merged(candidates: Iterable[_Candidate], sums: _Losses, most: int) -> list[tuple[_Candidate, list[str]]]:
    """The best of those that share more than a quarter of their rows, with other words for it; each is bad without better ones' rows."""
    import numpy as np

    kept: list[tuple[_Candidate, list[str]]] = []
    masks: list[Mask] = []
    covered = np.zeros(len(sums.given), np.bool_)
    for candidate in candidates:
        rows = candidate.rows(sums.places)
        count = np.count_nonzero(rows)
        shared = [bool(4 * np.count_nonzero(rows & other) > min(count, np.count_nonzero(other))) for other in masks]
        if any(shared):
            like, also = kept[shared.index(True)]
            if len(also) < _ALSO and len(candidate.spans) <= len(like.spans):
                also.append(candidate.told)
        elif _stands_alone(rows & ~covered, ~covered, sums):
            kept.append((candidate, []))
            masks.append(rows)
            covered |= rows
            if len(kept) == most:
                break
    return kept


def _stands_alone(rows: Mask, among: Mask, sums: _Losses) -> bool:
    import numpy as np

    given, squares = sums.given[rows], sums.squares[rows]
    all_given = _Losses(sums.given[among], sums.squares[among], sums.support, sums.places)
    figures = np.array([len(given)], np.float64), np.array([given.sum()]), np.array([squares.sum()])
    return bool(_effects(figures, all_given)[1][0] > 0)


def _checked(
    kept: Sequence[tuple[_Candidate, list[str]]], losses: Floats, held: Mask, blocks: Rows | None, scale: Scale
) -> tuple[Worst, ...]:
    import numpy as np

    masks = [candidate.rows() for candidate, _ in kept]
    checks: list[Means] = []
    free = held.copy()
    for rows in masks:
        within = None if blocks is None else blocks[free]
        checks.append(means(losses[free], np.where(rows[free], 0, -1), 1, within))
        free &= ~rows
    chances = _holm([float(np.nan_to_num(check.difference.p_above()[0], nan=1.0)) for check in checks])
    found: list[Worst] = []
    for (candidate, also), rows, check, p in zip(kept, masks, checks, chances, strict=True):
        own, apart = check.mean.interval(_LEVEL), check.difference.interval(_LEVEL)
        metric, difference = float(check.mean.value[0]), float(check.difference.value[0])
        ends = float(apart[0][0]), float(apart[1][0])
        count, confirmed = int(rows.sum()), p < 1 - _LEVEL
        words = (
            f"{candidate.told}: {scale.name} {estimate(metric, float(own[0][0]), float(own[1][0]), scale.unit)}"
            f" on {values.counted(count, 'row')} ({share(count / len(losses))}), {compared(scale, difference, *ends, 'elsewhere')};"
            f" {'confirmed' if confirmed else 'not confirmed'} on held-out rows."
        )
        conditions = tuple(span.told for span in candidate.spans)
        found.append(
            Worst(
                conditions,
                count,
                count / len(losses),
                metric,
                float(check.rest[0]),
                difference,
                *ends,
                p,
                confirmed,
                candidate.effect,
                tuple(also),
                words,
            )
        )
    return tuple(sorted(found, key=lambda one: (not one.confirmed, -np.nan_to_num(one.difference, nan=-np.inf))))


def _holm(chances: Sequence[float]) -> list[float]:
    """Adjusted for their number (Holm 1979)."""
    adjusted, highest = [0.0] * len(chances), 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=lambda place: chances[place])):
        highest = max(highest, min(1.0, (len(chances) - rank) * chances[place]))
        adjusted[place] = highest
    return adjusted
