"""Groups of rows by one or two conditions where losses are higher than elsewhere: every one that there is, from sums over cells of values.

No row is looked at twice for two groups. What is found is too good to be true by as much as was searched: `worst` judges it on other rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from nbops.evaluation.grouping import Grouping

if TYPE_CHECKING:
    from nbops.evaluation.arrays import Floats, Mask, Rows

_ERRORS = 3.0
# A second condition has to be worth a quarter more: a group is told as simply as can be.
_SIMPLER = 1.25
_KEPT_OF_PAIR, _LOOKED_AT, _ALSO = 20, 2000, 3
_ALL = slice(None)


class Span(NamedTuple):
    """Groups of one property from `first` to `last`."""

    grouping: Grouping
    first: int
    last: int

    @property
    def told(self) -> str:
        """The condition in words."""
        return self.grouping.told(self.first, self.last)

    def rows(self, places: Rows | slice) -> Mask:
        """Which of the rows lie in it."""
        codes = self.grouping.codes[places]
        return (codes >= self.first) & (codes <= self.last)


class Candidate(NamedTuple):
    """Rows for which all conditions hold; `effect` is how much higher their mean loss is than that of the other searched rows."""

    score: float
    effect: float
    spans: tuple[Span, ...]

    @property
    def told(self) -> str:
        """The conditions in words."""
        return " and ".join(span.told for span in self.spans)

    def rows(self, places: Rows | slice = _ALL) -> Mask:
        """Which of the rows lie in all of its spans."""
        found = self.spans[0].rows(places)
        for span in self.spans[1:]:
            found &= span.rows(places)
        return found


class _Axis(NamedTuple):
    """A property with all of its spans, their first groups and those behind their last; `codes` are those of the searched rows."""

    spans: list[Span]
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


def search(
    properties: Sequence[Grouping], losses: Floats, places: Rows, *, support: int, most: int
) -> list[tuple[Candidate, list[str]]]:
    """At most `most` groups of at least `support` of the rows at `places`, the worst first, each with other conditions for about the same.

    `losses` (n,) are those of all rows. The score is the difference of the means less three standard errors, times the square root of the
    rows: of a group with half the rows the difference has to be 1.4 times as large. Of groups that share more than a quarter of their rows
    one is kept, and each is bad without the rows of better ones, too.
    """
    given = losses[places] - losses[places].mean() if len(places) else losses[places]
    sums = _Losses(given, given * given, support, places)
    axes = [axis for one in properties if (axis := _axis(one, places))]
    candidates = sorted(_candidates(axes, sums), key=lambda one: -one.score)
    return _merged(candidates[:_LOOKED_AT], sums, most)


def _axis(grouping: Grouping, places: Rows) -> _Axis | None:
    import numpy as np

    many = len(grouping.names)
    ends = [*combinations(range(grouping.ordered + 1), 2)]
    spans = [Span(grouping, first, last - 1) for first, last in ends if last - first < grouping.ordered]
    spans += [Span(grouping, place, place) for place in range(grouping.ordered, many)]
    if many < 2:
        return None
    ends_of = np.array([(span.first, span.last + 1) for span in spans])
    return _Axis(spans, ends_of[:, 0], ends_of[:, 1], many, grouping.codes[places])


def _candidates(axes: Sequence[_Axis], sums: _Losses) -> Iterator[Candidate]:
    """The best of one condition and of each pair of them, from sums over the cells that they make."""
    import numpy as np

    for axis in axes:
        cells = _cells(axis.codes, axis.groups, sums)
        effect, score = _effects([axis.added(cell[:, None])[:, 0] for cell in cells], sums)
        for place in np.flatnonzero(score > 0):
            yield Candidate(_SIMPLER * float(score[place]), float(effect[place]), (axis.spans[place],))
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
            yield Candidate(float(score[place]), float(effect[place]), (one.spans[first], other.spans[second]))


def _cells(codes: Rows, many: int, sums: _Losses) -> tuple[Floats, Floats, Floats]:
    """Rows, sum and sum of squares of each cell."""
    import numpy as np

    return (
        np.bincount(codes, minlength=many).astype(np.float64),
        np.bincount(codes, sums.given, many).astype(np.float64),
        np.bincount(codes, sums.squares, many).astype(np.float64),
    )


def _effects(figures: Sequence[Floats], sums: _Losses) -> tuple[Floats, Floats]:
    """How much higher the mean is than that of the other rows, and the score; minus infinity for too few or too many rows."""
    import numpy as np

    rows, total, squares = figures
    others = len(sums.given) - rows
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, rest = total / rows, (sums.given.sum() - total) / others
        error2 = (squares / rows - mean**2) / rows + ((sums.squares.sum() - squares) / others - rest**2) / others
        score = (mean - rest - _ERRORS * np.sqrt(np.maximum(error2, 0))) * np.sqrt(rows)
    enough = (rows >= sums.support) & (others >= rows)
    return mean - rest, np.where(enough & ~np.isnan(score), score, -np.inf)


def _merged(candidates: Iterable[Candidate], sums: _Losses, most: int) -> list[tuple[Candidate, list[str]]]:
    """The best of those that share more than a quarter of their rows, with other words for it; each is bad without better ones' rows."""
    import numpy as np

    kept: list[tuple[Candidate, list[str]]] = []
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
