"""The arithmetic of calibration: bins, their errors and intervals, what chance adds, and the maps that mend it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nbops.evaluation.means import Spread, means
from nbops.evaluation.telling import Estimate
from nbops.records import Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nbops.evaluation.arrays import Codes, Floats

    Places = npt.NDArray[np.intp]

KNOTS = 100
"""At most so many points make a map."""

Map = tuple[tuple[float, float], ...]
"""Points (predicted, observed on average), rising in both; between them a straight line, beyond them the last value."""

LEAST_ROWS = 20
"""Bins have at least so many rows."""

_CLIP = 1e-6


class Bin(Record):
    """Rows whose predictions lie next to each other, from `least` to `most`: `given` is their mean, `observed` the mean of truth.

    `low` and `high` bound what is observed, or of a regression the mean of truth minus prediction.
    """

    rows: int
    least: float
    most: float
    given: float
    observed: float
    low: float | None
    high: float | None

    @property
    def gap(self) -> float:
        """By how much truth is higher than predicted."""
        return self.observed - self.given

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval leaves out what was given."""
        return self.low is not None and self.high is not None and not self.low <= self.given <= self.high


def recalibrated(map_: Map, predictions: npt.ArrayLike) -> Floats:
    """Predictions (n,) as the map mends them; a NaN stays one."""
    import numpy as np

    given, observed = zip(*map_, strict=True)
    found: Floats = np.interp(np.asarray(predictions, dtype=np.float64), given, observed)
    return found


def wilson(hits: float, rows: int, level: float = 0.95) -> tuple[float, float]:
    """The interval of a share (Wilson, 1927); unknown over no rows."""
    if not rows:
        return math.nan, math.nan
    z = normal(level)
    share = hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(middle - half, 0.0) if share else 0.0, min(middle + half, 1.0) if share < 1 else 1.0


def binned(given: Floats, bins: int) -> Places:
    """The bin of each row, numbered without gaps; equal predictions are never parted."""
    import numpy as np

    many = max(min(bins, len(given) // LEAST_ROWS), 1)
    edges = np.quantile(given, np.linspace(0, 1, many + 1))
    return np.unique(np.searchsorted(edges[1:-1], given), return_inverse=True)[1]


def ranges(given: Floats, places: Places) -> list[tuple[float, float]]:
    """The least and the largest prediction of each bin."""
    import numpy as np

    order = given.argsort(kind="stable")
    starts = np.searchsorted(places[order], np.arange(places.max() + 1))
    ends = np.append(starts[1:], len(given)) - 1
    return [(float(given[order[start]]), float(given[order[end]])) for start, end in zip(starts, ends, strict=True)]


def spread(residuals: Floats, places: Places, sizes: Floats, expected: Floats) -> Floats:
    """The standard error of each bin's mean residual, at least half of the `expected` one (as a variance)."""
    import numpy as np

    means = np.bincount(places, residuals) / sizes
    squares = np.bincount(places, (residuals - means[places]) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(sizes > 1, squares / (sizes - 1) / sizes, 0.0)
    return np.sqrt(np.maximum(found, expected / 4))


def by_chance(gaps: Floats, variances: Floats) -> float:
    """How likely gaps as large as these are by chance: chi-square with a degree of freedom for each bin."""
    import numpy as np
    from scipy.stats import chi2

    there = variances > 0
    if (np.abs(gaps[~there]) > 1e-9).any():
        return 0.0
    return float(chi2.sf(float(np.sum(gaps[there] ** 2 / variances[there])), max(int(there.sum()), 1)))


def by_blocks(residuals: Floats, places: Places, blocks: Codes) -> tuple[Spread, float]:
    """The mean of truth minus prediction in each bin, sure as the `blocks` (n,) allow; and how likely the largest is by chance.

    Bins of one block's rows are wrong together, so that p is Bonferroni's.
    """
    import numpy as np

    found = means(residuals, places.astype(np.int64), int(places.max()) + 1, blocks).mean
    one_sided = np.fmin(found.p_above(), found._replace(value=-found.value).p_above())
    known = one_sided[np.isfinite(one_sided)]
    return found, float(min(1.0, 2 * len(known) * known.min())) if len(known) else 1.0


def debiased_error(gaps: Floats, errors: Floats, weights: Floats, p_value: float, level: float) -> Estimate:
    """The error less what chance adds: once more the plain error, minus what it would be on average were the gaps as found."""
    import numpy as np
    from scipy.stats import norm

    sizes, known = np.abs(gaps), np.maximum(errors, 1e-300)
    drawn = known * math.sqrt(2 / math.pi) * np.exp(-((sizes / known) ** 2) / 2) + sizes * (
        1 - 2 * norm.cdf(-sizes / known)
    )
    value = float(weights @ (2 * sizes - drawn))
    half = normal(level) * float(np.sqrt(weights**2 @ errors**2))
    low = max(value - half, 0.0) if p_value < 1 - level else 0.0
    return Estimate(max(value, 0.0), low, max(value, 0.0) + half)


def recalibration(known: Floats, given: Floats, level: float) -> tuple[Estimate | None, Estimate | None]:
    """Slope and intercept of the logistic regression of truth on log odds, by Newton's method."""
    import numpy as np

    cut = np.clip(given, _CLIP, 1 - _CLIP)
    odds = np.log(cut / (1 - cut))
    if not 0 < known.sum() < len(known) or odds.max() - odds.min() < 1e-9:
        return None, None
    design = np.column_stack([odds, np.ones(len(odds))])
    weights, covariance = np.array([1.0, 0.0]), np.zeros((2, 2))
    for _ in range(50):
        fitted = 1 / (1 + np.exp(-np.clip(design @ weights, -700, 700)))
        curvature = (design * (fitted * (1 - fitted))[:, None]).T @ design
        if not np.linalg.cond(curvature) < 1e12:
            return None, None
        covariance = np.linalg.inv(curvature)
        step = covariance @ (design.T @ (known - fitted))
        weights += step * min(1.0, 2.0 / float(np.abs(step).max() or 1.0))
        if np.abs(step).max() < 1e-10:
            break
    else:
        return None, None
    half = normal(level) * np.sqrt(np.diag(covariance))
    slope, intercept = (
        Estimate(float(one), float(one - by), float(one + by)) for one, by in zip(weights, half, strict=True)
    )
    return slope, intercept


def isotonic(known: Floats, given: Floats) -> Map:
    """The rising map nearest to truth, at most `KNOTS` of its points: those from which it is told best."""
    import numpy as np
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(given, known)
    xs, ys = np.asarray(fitted.X_thresholds_, dtype=np.float64), np.asarray(fitted.y_thresholds_, dtype=np.float64)
    kept = [0, len(xs) - 1] if len(xs) > 1 else [0]
    while len(kept) < min(KNOTS, len(xs)):
        off = np.abs(np.interp(xs, xs[kept], ys[kept]) - ys)
        farthest = int(off.argmax())
        if off[farthest] == 0:
            break
        kept = sorted([*kept, farthest])
    return tuple((float(xs[place]), float(ys[place])) for place in kept)


def normal(level: float) -> float:
    """How many standard errors an interval of that level reaches to either side."""
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + level) / 2)


def student(level: float, freedom: int) -> float:
    """The same with Student's distribution."""
    from scipy.stats import t

    return float(t.ppf((1 + level) / 2, freedom))
