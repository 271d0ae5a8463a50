"""`Answers` in, how certain their metrics are out: intervals by resampling rows, or whole blocks of rows that depend on each other.

A draw says how often each unit counts: a row, a block, or a bag of either when there are very many. Metrics of sums cost one matrix
product, the others one walk through sorted rows (`ordered`).

The intervals are bias-corrected and accelerated percentiles of the draws (BCa, Efron 1987), the acceleration being a sixth of the draws'
skewness, which is exact for means. They are taken as far out as Student's t asks for (Hesterberg 2015, the expanded percentile
interval): of few units the draws show the spread too small. Where blocks differ in size their effective number counts (Kish 1965).
What this covers in simulations stands in tests/evaluation/test_bootstrap.py: about 95 % of the truths at 300 rows, 93 to 95 % at 30
blocks, less when the blocks are fewer or very skewed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from nbops.errors import UsageError
from nbops.evaluation.answers import Answers
from nbops.evaluation.metrics import metric, weighted
from nbops.records import Record

if TYPE_CHECKING:
    import numpy.typing as npt

    from nbops.evaluation.arrays import Codes, Floats

_MOST_UNITS = 1000
_MOST_UNDEFINED = 0.05
# Beyond these the correction says that there are too few units, not where the ends are.
_MOST_SHIFT, _MOST_ACCELERATION = 0.5, 0.2
_ROUNDING = 1e-12


class Interval(Record):
    """A metric with its interval at `level`; None where there is none.

    `blocks` is None when rows were resampled. In `undefined` of the draws the metric was not defined; with more than 5 % of them, with
    one unit, or when all draws agree, there is no interval.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    level: float
    rows: int
    blocks: int | None
    undefined: int = 0


class Paired(Record):
    """A challenger beside the champion on the same rows: the difference is above zero where the challenger is better."""

    metric: str
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None
    high: float | None
    level: float
    rows: int
    blocks: int | None
    undefined: int = 0


class Apart(Record):
    """A metric on later rows beside the same on earlier ones: later minus earlier, and later to earlier.

    There is no interval where either side has none; the ratio needs an earlier value above zero, and its interval that in every draw.
    """

    metric: str
    earlier: float | None
    later: float | None
    difference: float | None
    low: float | None
    high: float | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    level: float


def intervals(
    answers: Answers,
    metrics: Iterable[str],
    *,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
    blocks: npt.ArrayLike | None = None,
) -> dict[str, Interval]:
    """Each metric's value and interval.

    `blocks` (n,) are codes; without them those of `answers` count, and without any each row stands for itself. Raises NotFound for a
    metric that the task does not have and UsageError for a level, draws or blocks that make no sense.
    """
    names = [metric(answers.task, name).name for name in metrics]
    chosen = _draws(answers, blocks, level, draws, seed)
    points, found = chosen.point(answers, names), chosen.of(answers, names)
    told = {}
    for name in names:
        low, high = chosen.ends(found[name], points[name])
        told[name] = Interval(
            name, _told(points[name]), low, high, level, answers.rows, chosen.blocks, _undefined(found[name])
        )
    return told


def paired(
    champion: Answers,
    challenger: Answers,
    name: str,
    *,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
    blocks: npt.ArrayLike | None = None,
) -> Paired:
    """How much better the challenger is than the champion by one metric, both on the same rows under the same draws.

    Raises UsageError when the two were not asked about the same rows or the metric has no better end, and as `intervals` does.
    """
    import numpy as np

    better = metric(champion.task, name).better
    if better == "none":
        raise UsageError(f"Neither more nor less {name} is better.", hint="Compare by a metric such as mae or roc_auc.")
    if (champion.task, champion.classes) != (challenger.task, challenger.classes):
        raise UsageError(
            "The two models answer different questions: their classes differ.", hint="Compare models of one target."
        )
    if not np.array_equal(champion.truth, challenger.truth):
        raise UsageError("The two models were not asked about the same rows.", hint="Score both on the same rows.")
    chosen = _draws(
        champion,
        blocks if blocks is not None else champion.blocks if champion.blocks is not None else challenger.blocks,
        level,
        draws,
        seed,
    )
    sign = 1 if better == "higher" else -1
    points, found = [], []
    for one in (champion, challenger):
        points.append(chosen.point(one, [name])[name])
        found.append(chosen.of(one, [name])[name])
    drawn, difference = sign * (found[1] - found[0]), sign * (points[1] - points[0])
    low, high = chosen.ends(drawn, difference)
    return Paired(
        name, _told(points[0]), _told(points[1]), _told(difference), low, high, level, champion.rows, chosen.blocks,
        _undefined(drawn),
    )  # fmt: skip


def apart(
    earlier: Answers, later: Answers, name: str, *, level: float = 0.95, draws: int = 1000, seed: int = 0
) -> Apart:
    """How far a metric on `later` rows lies from that on `earlier` ones, both drawn independently, in the blocks of their answers.

    The draws of each side are spread as far as its few units hide, and the interval reaches as far out as Student's t with Welch's and
    Satterthwaite's degrees of freedom (1946). Raises as `intervals` does.
    """
    import numpy as np
    from scipy import special

    name = metric(earlier.task, name).name
    first, second = (_side(one, name, level, draws, seed + at) for at, one in enumerate((earlier, later)))
    difference = second.point - first.point
    ratio = second.point / first.point if first.point > 0 else math.nan
    told = Apart(
        name, _told(first.point), _told(second.point), _told(difference), None, None, _told(ratio), None, None, level
    )
    spread = first.variance + second.variance
    if min(first.freedom, second.freedom) < 1 or not spread > 0:
        return told
    together = spread**2 / (first.variance**2 / first.freedom + second.variance**2 / second.freedom)
    to_either_side = float(special.stdtrit(together, (1 + level) / 2))
    low, high = _ends(second.drawn - first.drawn, difference, to_either_side)
    told = msgspec.structs.replace(told, low=low, high=high)
    if not (first.point > 0 and np.nanmin(first.drawn) > 0):
        return told
    low, high = _ends(second.drawn / first.drawn, ratio, to_either_side)
    return msgspec.structs.replace(told, ratio_low=low, ratio_high=high)


def reach(units: float, level: float) -> float:
    """How many deviations of the draws an interval reaches to either side of their middle, Student's for so many units."""
    from scipy import special

    return float(special.stdtrit(units - 1, (1 + level) / 2) * (units / (units - 1)) ** 0.5)


class _Side(NamedTuple):
    """A metric on rows of their own: its value, its draws as far apart as they would be of many units, their variance and freedom."""

    point: float
    drawn: Floats
    variance: float
    freedom: float


def _side(answers: Answers, name: str, level: float, draws: int, seed: int) -> _Side:
    import numpy as np

    chosen = _draws(answers, None, level, draws, seed)
    drawn, units = chosen.of(answers, [name])[name], chosen.effective
    known = drawn[np.isfinite(drawn)]
    if units < 2 or not len(known):
        return _Side(chosen.point(answers, [name])[name], drawn, math.nan, 0.0)
    wide = known.mean() + (drawn - known.mean()) * (units / (units - 1)) ** 0.5
    return _Side(chosen.point(answers, [name])[name], wide, float(np.nanvar(wide)), units - 1)


@dataclasses.dataclass(frozen=True, eq=False)
class _Draws:
    """How often each unit counts in each draw."""

    unit: Codes
    weights: Floats
    level: float
    blocks: int | None

    def of(self, answers: Answers, names: list[str]) -> dict[str, Floats]:
        """Each metric in each draw."""
        return weighted(answers, names, self.unit, self.weights)

    def point(self, answers: Answers, names: list[str]) -> dict[str, float]:
        """Each metric with every unit counted once."""
        import numpy as np

        found = weighted(answers, names, self.unit, np.ones((1, self.weights.shape[1])))
        return {name: float(one[0]) for name, one in found.items()}

    @property
    def effective(self) -> float:
        """How many units of equal size would tell as much."""
        import numpy as np

        sizes = np.bincount(self.unit, minlength=self.weights.shape[1])
        return float(sizes.sum() ** 2 / (sizes**2).sum())

    def ends(self, drawn: Floats, point: float) -> tuple[float | None, float | None]:
        """The interval's ends, if there is one."""
        effective = self.effective
        return (None, None) if effective < 2 else _ends(drawn, point, reach(effective, self.level))


def _ends(drawn: Floats, point: float, to_either_side: float) -> tuple[float | None, float | None]:
    """The bias-corrected, accelerated ends that lie so many deviations from the middle, if the draws allow it."""
    import numpy as np
    from scipy import special

    known = drawn[np.isfinite(drawn)]
    if len(known) < (1 - _MOST_UNDEFINED) * len(drawn) or np.ptp(known) == 0:
        return None, None
    # Sums of the same rows in another order differ in their last digits.
    tied = np.abs(known - point) <= _ROUNDING * abs(point)
    below = (((known < point) & ~tied).sum() + tied.sum() / 2 + 0.5) / (len(known) + 1)
    shift = np.clip(special.ndtri(below), -_MOST_SHIFT, _MOST_SHIFT)
    centred = known - known.mean()
    skewness = (centred**3).mean() / (centred**2).mean() ** 1.5
    acceleration = np.clip(skewness / 6, -_MOST_ACCELERATION, _MOST_ACCELERATION)
    asked = shift + np.array([-to_either_side, to_either_side])
    low, high = np.quantile(known, special.ndtr(shift + asked / (1 - acceleration * asked)))
    return float(low), float(high)


def _draws(answers: Answers, blocks: npt.ArrayLike | None, level: float, draws: int, seed: int) -> _Draws:
    import numpy as np

    if not 0.5 <= level < 1 or draws < 100:
        raise UsageError(f"{draws} draws at level {level} say nothing.", hint="Such as draws=1000, level=0.95.")
    if not answers.rows:
        raise UsageError("There are no rows.", hint="Evaluate on rows that have truth.")
    rng = np.random.default_rng(seed)
    given = answers.blocks if blocks is None else np.asarray(blocks)
    if given is not None and given.shape != (answers.rows,):
        raise UsageError(
            f"Blocks are {given.shape} for {answers.rows:,} rows.", hint="Each row has the code of its block."
        )
    unit = np.arange(answers.rows) if given is None else np.unique(given, return_inverse=True)[1]
    units = int(unit.max()) + 1
    count = None if given is None else units
    if units > _MOST_UNITS:
        # Units that do not depend on each other may be drawn in bags: their means spread as the units do.
        unit, units = rng.permutation(np.arange(units) % _MOST_UNITS)[unit], _MOST_UNITS
    drawn = rng.integers(0, units, (draws, units)) + np.arange(draws)[:, None] * units
    weights = np.bincount(drawn.ravel(), minlength=draws * units).reshape(draws, units).astype(np.float64)
    return _Draws(unit.astype(np.int64), weights, level, count)


def _undefined(drawn: Floats) -> int:
    import numpy as np

    return int((~np.isfinite(drawn)).sum())


def _told(value: float) -> float | None:
    return None if math.isnan(value) else value
