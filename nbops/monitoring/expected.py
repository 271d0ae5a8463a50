"""Metrics of classes that are to be expected: each row counts as every class, by how probable that is there.

A row of k classes becomes k rows, one for each class that the truth may be, weighted by its calibrated probability. On these the same
formulas serve as on known truth: the expected confusion matrix of two classes, and the expected ranking, which is the area under the ROC
curve. The map from probability to share is isotonic, one for each class, learnt on rows that the model had not seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nbops.errors import UsageError
from nbops.evaluation.answers import Answers
from nbops.evaluation.metrics import weighted
from nbops.monitoring import spread
from nbops.monitoring.spread import Found, Off, Sides

if TYPE_CHECKING:
    from nbops.evaluation.arrays import Floats

_CELLS = 4_000_000  # weights at once: 32 MB


class _Map(NamedTuple):
    """Scores, ascending, and the share that each means; between them a straight line."""

    given: Floats
    share: Floats


class _Class:
    """The laboratory's rows by their score for one class: what a map is made of under any weights of the rows."""

    def __init__(self, scores: Floats, hits: Floats) -> None:
        import numpy as np

        self.distinct, self.place = np.unique(scores, return_inverse=True)
        self.hits = hits

    def map(self, weights: Floats) -> _Map:
        import numpy as np
        from sklearn.isotonic import isotonic_regression

        rows = np.bincount(self.place, weights, len(self.distinct))
        share = np.bincount(self.place, weights * self.hits, len(self.distinct))
        there = rows > 0
        risen = isotonic_regression(share[there] / rows[there], sample_weight=rows[there], y_min=0, y_max=1)
        return _Map(self.distinct[there], np.asarray(risen, dtype=np.float64))


class Expected:
    """What was learnt of probabilities: their maps, those of other draws of the laboratory's days, and how far they were off."""

    def __init__(self, laboratory: Answers, names: Sequence[str], folds: int, draws: int, seed: int) -> None:
        import numpy as np

        self.names, self.draws, self.seed, self.classes = tuple(names), draws, seed, laboratory.classes
        self.unit = spread.units(laboratory, seed)
        blocks = int(self.unit.max()) + 1
        self._by_class = [_Class(*one) for one in _targets(laboratory)]
        self.maps = self._maps(np.ones(laboratory.rows))
        # One block can be drawn in one way only.
        self.drawn = [
            self._maps(weights[self.unit]) for weights in spread.resampled(blocks, draws if blocks > 1 else 0, seed)
        ]
        self.off = self._off(laboratory, min(folds, blocks))

    def estimate(self, answers: Answers, _: Any, level: float) -> dict[str, Found]:
        """Each metric as it is to be expected of answers without truth. Raises UsageError for other classes."""
        import numpy as np

        if answers.classes != self.classes or answers.probabilities is None:
            raise UsageError(
                f"The classes were {self.classes}, and now they are {answers.classes}.",
                hint="Give probabilities of the same classes, in the same order.",
            )
        unit = spread.units(answers, self.seed)
        given = _mapped(self.maps, answers)
        blocks = spread.resampled(int(unit.max()) + 1, self.draws, self.seed + 1)
        point = expected(answers, self.names, [given])
        window = expected(answers, self.names, (given * counts[unit][:, None] for counts in blocks))
        learnt = expected(answers, self.names, (_mapped(maps, answers) for maps in self.drawn))
        told = {}
        for name in self.names:
            sides = Sides(spread.of_draws(window[name], unit), spread.of_draws(learnt[name], self.unit))
            most = np.inf if name == "log_loss" else 1.0
            # A map fits its own rows a little too well; those of draws do so twice, which tells by how much (Efron and Tibshirani 1993).
            value = float(point[name][0])
            value = min(max(2 * value - float(learnt[name].mean()), 0.0), most) if len(learnt[name]) else value
            told[name] = spread.found(value, sides, self.off[name], answers.rows, level=level, most=most)
        return told

    def _maps(self, weights: Floats) -> list[_Map]:
        import sklearn

        # Hundreds of small fits would take longer to check than to do.
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            return [one.map(weights) for one in self._by_class]

    def _off(self, laboratory: Answers, folds: int) -> dict[str, Off]:
        """How far each metric of each block is from what maps of the other folds' blocks expect."""
        import numpy as np

        blocks = int(self.unit.max()) + 1
        rows = np.bincount(self.unit).astype(np.float64)
        if folds < 2:
            return {name: Off(np.zeros(0), np.zeros(0)) for name in self.names}
        given = np.zeros((laboratory.rows, len(self.classes)))
        fold = np.arange(blocks) * folds // blocks
        for one in range(folds):
            inside = fold[self.unit] == one
            given[inside] = _mapped(self._maps((~inside).astype(np.float64)), laboratory.take(inside))
        each = (given * (self.unit == block)[:, None] for block in range(blocks))
        thought = expected(laboratory, self.names, each)
        came = weighted(laboratory, self.names, self.unit, np.eye(blocks))
        return {name: Off(came[name] - thought[name], rows) for name in self.names}


def expected(answers: Answers, names: Sequence[str], shares: Iterable[Floats]) -> dict[str, Floats]:
    """Each metric (draws,) under each of several `shares` (n, k) of the classes among n rows; a row may count more or less than once."""
    import numpy as np

    rows, many = answers.rows, len(answers.classes)
    known: Any = answers.probabilities
    # All rows as the first class, then all as the second: a share's columns, one below the other.
    every = Answers(
        answers.task,
        np.repeat(np.arange(many), rows),
        np.tile(answers.predicted.astype(np.int64), many),
        np.tile(known, (many, 1)),
        answers.classes,
    )
    unit, at_once = np.arange(rows * many), max(1, _CELLS // (rows * many))
    given = iter(shares)
    found = [
        weighted(every, names, unit, np.array(some))
        for some in iter(lambda: [share.T.ravel() for share in itertools.islice(given, at_once)], [])
    ]
    return {name: np.concatenate([told[name] for told in found]) if found else np.zeros(0) for name in names}


def _targets(answers: Answers) -> list[tuple[Floats, Floats]]:
    """Scores (n,) and hits (n,) of each class; of two the second one alone, which decides on the first."""
    import numpy as np

    known: Any = answers.probabilities
    chosen = [1] if answers.task == "binary" else range(len(answers.classes))
    return [(known[:, one], (answers.truth == one).astype(np.float64)) for one in chosen]


def _mapped(maps: list[_Map], answers: Answers) -> Floats:
    """The shares (n, k) that the rows' probabilities mean; they sum to 1."""
    import numpy as np

    known: Any = answers.probabilities
    if len(maps) == 1:
        share = np.interp(known[:, 1], maps[0].given, maps[0].share)
        return np.column_stack([1 - share, share])
    each = np.column_stack([np.interp(known[:, at], one.given, one.share) for at, one in enumerate(maps)])
    total = each.sum(axis=1, keepdims=True)
    found: Floats = np.where(total > 0, each / np.where(total > 0, total, 1), known)
    return found
