"""`Answers` in, how certain their metrics are out: intervals by resampling rows, or whole blocks of rows that depend on each other.

A draw says how often each unit counts: a row, a block, or a bag of either when there are very many. Metrics of sums cost one matrix
product, the others one walk through sorted rows (`ordered`).

The intervals are expanded percentile intervals (Hesterberg 2015, "What teachers should know about the bootstrap"): percentiles of the
draws, taken so far out that they agree with Student's t for units of like size. Plain percentile intervals are too narrow for few
units: they treat the units' spread as known and divide it by their number instead of one less. Where blocks differ in size their
effective number counts (Kish 1965). `benchmarks gate` and the long tests show how often the truth is covered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nbops.errors import UsageError
from nbops.evaluation.answers import Answers
from nbops.evaluation.metrics import metric, weighted
from nbops.records import Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nbops.evaluation.answers import Codes, Floats

_MOST_UNITS = 2000
_MOST_UNDEFINED = 0.05


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
    return {
        name: Interval(name, _told(points[name]), *chosen.ends(found[name]), level, answers.rows, chosen.blocks, _undefined(found[name]))
        for name in names
    }  # fmt: skip


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
    chosen = _draws(champion, champion.blocks if blocks is None else blocks, level, draws, seed)
    sign = 1 if better == "higher" else -1
    points, found = [], []
    for one in (champion, challenger):
        points.append(chosen.point(one, [name])[name])
        found.append(chosen.of(one, [name])[name])
    difference = sign * (found[1] - found[0])
    return Paired(
        name, _told(points[0]), _told(points[1]), _told(sign * (points[1] - points[0])), *chosen.ends(difference), level,
        champion.rows, chosen.blocks, _undefined(difference),
    )  # fmt: skip


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

    def ends(self, drawn: Floats) -> tuple[float | None, float | None]:
        """The interval's ends, if there is one."""
        import numpy as np
        from scipy import special

        known = drawn[np.isfinite(drawn)]
        sizes = np.bincount(self.unit, minlength=self.weights.shape[1])
        effective = sizes.sum() ** 2 / (sizes**2).sum()
        if effective < 2 or len(known) < (1 - _MOST_UNDEFINED) * len(drawn) or np.ptp(known) == 0:
            return None, None
        t = special.stdtrit(effective - 1, (1 - self.level) / 2)
        share = special.ndtr(t * (effective / (effective - 1)) ** 0.5)
        low, high = np.quantile(known, [share, 1 - share])
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
    return value if value == value else None  # noqa: PLR0124 - NaN is told as None
