"""Every threshold that rows tell apart, and what would come of it: hits, false alarms and costs, all in one pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from nbops.evaluation.decision import Costs
from nbops.records import Record

if TYPE_CHECKING:
    from nbops.evaluation.arrays import Codes, Floats

POINTS = 200
"""At most so many points of the curve are kept."""


class Point(Record):
    """What a threshold would bring: shares from 0 to 1, `cost` per row; precision is None when nothing is flagged."""

    threshold: float
    precision: float | None
    recall: float
    flagged: float
    cost: float | None = None


class Table(NamedTuple):
    """The distinct scores, ascending, and for each place what comes of flagging from it on; the last place flags nothing."""

    scores: Floats
    tp: Codes
    fp: Codes
    cost: Floats | None
    bounded: bool

    @classmethod
    def of(cls, truth: Codes, scores: Floats, costs: Costs | None, *, bounded: bool) -> Table:
        """Of truth as 0 and 1; `bounded` scores are probabilities."""
        import numpy as np

        distinct, places = np.unique(scores, return_inverse=True)
        hits = np.bincount(places, truth, len(distinct)).astype(np.int64)
        all_ = np.bincount(places, minlength=len(distinct))
        tp = np.append(hits[::-1].cumsum()[::-1], 0)
        fp = np.append((all_ - hits)[::-1].cumsum()[::-1], 0)
        cost = None if costs is None else costs.of(fp[0] - fp, fp, tp[0] - tp, tp)
        return cls(distinct, tp, fp, cost, bounded)

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.tp[0] + self.fp[0])

    @property
    def precision(self) -> Floats:
        """NaN where nothing is flagged."""
        import numpy as np

        with np.errstate(invalid="ignore"):
            return self.tp / (self.tp + self.fp)

    def threshold(self, place: int) -> float:
        """A number above the scores before `place` and at most those from it on."""
        import numpy as np

        last = float(self.scores[-1])
        if 0 < place < len(self.scores):
            return _between(float(self.scores[place - 1]), float(self.scores[place]))
        if self.bounded:
            return _between(0.0, float(self.scores[0])) if place == 0 else _between(last, float(np.nextafter(1.0, 2.0)))
        return float(self.scores[0]) if place == 0 else float(np.nextafter(last, math.inf))

    def point(self, place: int) -> Point:
        """What this place would bring."""
        tp, flagged = int(self.tp[place]), int(self.tp[place] + self.fp[place])
        return Point(
            threshold=self.threshold(place),
            precision=tp / flagged if flagged else None,
            recall=tp / int(self.tp[0]),
            flagged=flagged / self.rows,
            cost=None if self.cost is None else float(self.cost[place]) / self.rows,
        )

    def curve(self, chosen: int) -> tuple[Point, ...]:
        """Points that lie about as many rows apart, both ends and the chosen one among them."""
        import numpy as np

        flagged = (self.tp + self.fp)[::-1]
        found = len(flagged) - 1 - np.searchsorted(flagged, np.linspace(0, self.rows, POINTS - 1))
        return tuple(self.point(int(place)) for place in sorted({0, chosen, *found}))


def _between(low: float, high: float) -> float:
    """Half way, but above `low`."""
    middle = low / 2 + high / 2
    return middle if low < middle <= high else high
