"""Whether predictions mean what they say: of the rows given 80 %, how many it was; and the map that mends it.

Truth and predictions of rows that the model was not fitted on go in, frozen records come out. Nothing here draws random numbers: all
intervals are in closed form, and take the rows for independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from nbops.errors import UsageError
from nbops.evaluation.estimate import Estimate, percent
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Doubles = npt.NDArray[np.float64]
    Places = npt.NDArray[np.intp]

KNOTS = 100
"""At most so many points make a map."""

Verdict = Literal["calibrated", "undecided", "too high", "too low", "overconfident", "underconfident", "uneven"]
"""`overconfident` is too far from the mean both ways; `undecided` are too few rows to tell; `uneven` is wrong otherwise."""

Map = tuple[tuple[float, float], ...]
"""Points (predicted, observed on average), rising in both; between them a straight line, beyond them the last value."""

_LEAST_ROWS = 20
_CLIP = 1e-6
_SMALL = 0.05


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


class Calibration(Record):
    """How far probabilities are from shares. All figures are shares from 0 to 1.

    `error` is the expected calibration error over the bins as it is commonly computed; chance alone makes it large, so `debiased` is what
    to judge by. `gap` is the largest of a bin. `slope` and `intercept` are 1 and 0 of perfect probabilities. The Brier score is
    `reliability` - `resolution` + `uncertainty` + `within` (what bins hide).
    """

    kind: Literal["binary", "top-label"]
    rows: int
    events: int
    bins: tuple[Bin, ...]
    error: float
    debiased: Estimate
    gap: float
    p_value: float
    slope: Estimate | None
    intercept: Estimate | None
    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float
    map: Map
    verdict: Verdict
    sentences: tuple[str, ...]


class RegressionCalibration(Record):
    """How far predicted numbers are from what came, on average: over all (`bias`) and per bin, in the target's unit."""

    rows: int
    bins: tuple[Bin, ...]
    bias: Estimate
    error: float
    p_value: float
    map: Map
    verdict: Verdict
    sentences: tuple[str, ...]


def calibrate(
    truth: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    *,
    bins: int = 10,
    level: float = 0.95,
    rows: str = "rows",
    event: str = "positive",
) -> Calibration:
    """How well probabilities are calibrated, over at most `bins` bins of equally many rows, 20 or more in each.

    `truth` (n,) are codes of classes, `probabilities` (n, k), or (n,) of class 1. With three classes or more the probability of the
    most probable class is held against how often it is the true one (top-label). Bins have Wilson's intervals (1927). The debiased
    error follows Kumar, Liang and Ma (2019); its interval is normal, and begins at 0 unless Hosmer and Lemeshow's test (1980) finds
    more than chance. Slope and intercept are Cox's (1958), fitted to log odds that are cut at 1e-6; None when they cannot be fitted.
    The decomposition is Murphy's (1973) with Stephenson, Coelho and Jolliffe's (2008) terms within bins; the map is isotonic.
    `rows` and `event` are words for the sentences: "flights", "late". Raises UsageError for what are no probabilities.
    """
    import numpy as np

    known, given, kind = _probabilities(truth, probabilities)
    places = _binned(given, bins)
    sizes = np.bincount(places).astype(np.float64)
    mean, share = np.bincount(places, given) / sizes, np.bincount(places, known) / sizes
    expected = np.bincount(places, given * (1 - given)) / sizes**2
    found = [
        Bin(int(size), least, most, float(one), float(two), *wilson(float(two * size), int(size), level))
        for size, (least, most), one, two in zip(sizes, _ranges(given, places), mean, share, strict=True)
    ]
    gaps, weights = share - mean, sizes / len(known)
    p_value = _by_chance(gaps, expected)
    base = float(known.mean())
    slope, intercept = _recalibration(known, given, level)
    brier = float(np.mean((given - known) ** 2))
    reliability, resolution = float(weights @ gaps**2), float(weights @ (share - base) ** 2)
    debiased = _debiased(gaps, _spread(known - given, places, sizes, expected), weights, p_value, level)
    verdict = _verdict(p_value, debiased, slope, float(np.mean(known - given)), top=kind == "top-label")
    return Calibration(
        kind=kind,
        rows=len(known),
        events=int(known.sum()),
        bins=tuple(found),
        error=float(weights @ np.abs(gaps)),
        debiased=debiased,
        gap=max((one.gap for one in found), key=abs),
        p_value=p_value,
        slope=slope,
        intercept=intercept,
        brier=brier,
        reliability=reliability,
        resolution=resolution,
        uncertainty=base * (1 - base),
        within=brier - reliability + resolution - base * (1 - base),
        map=_isotonic(known, given),
        verdict=verdict,
        sentences=_told(found, debiased, verdict, rows, "right" if kind == "top-label" else event),
    )


def calibrate_regression(
    truth: npt.ArrayLike, predicted: npt.ArrayLike, *, bins: int = 10, level: float = 0.95, unit: str = "", rows: str = "rows"
) -> RegressionCalibration:
    """Whether predicted numbers are right on average, over at most `bins` bins of equally many rows, 20 or more in each.

    `truth` and `predicted` are (n,). A bin's interval is Student's, of its mean truth. Raises UsageError when they do not belong together.
    """
    import numpy as np

    known, given = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    _same(known, given)
    places = _binned(given, bins)
    sizes = np.bincount(places).astype(np.float64)
    mean, observed = np.bincount(places, given) / sizes, np.bincount(places, known) / sizes
    errors = _spread(known - given, places, sizes, np.zeros(len(sizes)))
    found = []
    for size, (least, most), one, two, error in zip(sizes, _ranges(given, places), mean, observed, errors, strict=True):
        half = _student(level, int(size) - 1) * float(error) if size > 1 else None
        ends = (None, None) if half is None else (float(two) - half, float(two) + half)
        found.append(Bin(int(size), least, most, float(one), float(two), *ends))
    residuals = known - given
    bias, count = float(residuals.mean()), len(known)
    half = _student(level, count - 1) * float(residuals.std(ddof=1)) / math.sqrt(count) if count > 1 else None
    p_value = _by_chance(observed - mean, errors**2)
    estimate = Estimate(bias, None if half is None else bias - half, None if half is None else bias + half)
    verdict: Verdict = "undecided" if count < _LEAST_ROWS else "calibrated"
    if verdict == "calibrated" and p_value < _SMALL:
        certain = estimate.low is not None and estimate.high is not None and not estimate.low <= 0 <= estimate.high
        verdict = ("too low" if bias > 0 else "too high") if certain else "uneven"
    return RegressionCalibration(
        rows=count,
        bins=tuple(found),
        bias=estimate,
        error=float(sizes @ np.abs(observed - mean)) / count,
        p_value=p_value,
        map=_isotonic(known, given),
        verdict=verdict,
        sentences=_told_regression(found, estimate, verdict, unit, rows),
    )


def recalibrated(map_: Map, predictions: npt.ArrayLike) -> Doubles:
    """Predictions (n,) as the map mends them; a NaN stays one."""
    import numpy as np

    given, observed = zip(*map_, strict=True)
    return np.interp(np.asarray(predictions, dtype=np.float64), given, observed)


def wilson(hits: float, rows: int, level: float = 0.95) -> tuple[float, float]:
    """The interval of a share (Wilson, 1927)."""
    z = _normal(level)
    share = hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return max(middle - half, 0.0) if share else 0.0, min(middle + half, 1.0) if share < 1 else 1.0


def _probabilities(
    truth: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[Doubles, Doubles, Literal["binary", "top-label"]]:
    """Whether it came (0, 1) and with which probability."""
    import numpy as np

    known, given = np.asarray(truth), np.asarray(probabilities, dtype=np.float64)
    if given.ndim == 2 and given.shape[1] > 2:
        _same(known, given.max(axis=1, initial=-np.inf))
        hit, sure = (given.argmax(axis=1) == known).astype(np.float64), given.max(axis=1)
        return hit, _shares(sure), "top-label"
    if given.ndim == 2 and given.shape[1] == 2:
        given = given[:, 1]
    _same(known, given)
    if not np.isin(known, (0, 1)).all():
        raise UsageError("truth holds more than 0 and 1.", hint="Give codes of classes, and probabilities of all of them (n, k).")
    known = known.astype(np.float64)
    return known, _shares(given), "binary"


def _shares(given: Doubles) -> Doubles:
    if given.min() < 0 or given.max() > 1:
        raise UsageError(
            f"Probabilities reach from {values.number(float(given.min()))} to {values.number(float(given.max()))}.",
            hint="Give predict_proba's answers; a decision function has to be calibrated first (CalibratedClassifierCV).",
        )
    return given


def _same(known: Doubles, given: Doubles) -> None:
    import numpy as np

    if known.ndim != 1 or known.shape != given.shape or not len(known):
        raise UsageError(
            f"truth has the shape {known.shape} and predictions {given.shape}.", hint="Give one of each for every row, and at least one row."
        )
    if not (np.isfinite(known).all() and np.isfinite(given).all()):
        raise UsageError("Some truth or predictions are missing or infinite.", hint="Leave these rows out.")


def _binned(given: Doubles, bins: int) -> Places:
    """The bin of each row, numbered without gaps; equal predictions are never parted."""
    import numpy as np

    many = max(min(bins, len(given) // _LEAST_ROWS), 1)
    edges = np.quantile(given, np.linspace(0, 1, many + 1))
    return np.unique(np.searchsorted(edges[1:-1], given), return_inverse=True)[1]


def _ranges(given: Doubles, places: Places) -> list[tuple[float, float]]:
    order = given.argsort(kind="stable")
    import numpy as np

    starts = np.searchsorted(places[order], np.arange(places.max() + 1))
    ends = np.append(starts[1:], len(given)) - 1
    return [(float(given[order[start]]), float(given[order[end]])) for start, end in zip(starts, ends, strict=True)]


def _spread(residuals: Doubles, places: Places, sizes: Doubles, expected: Doubles) -> Doubles:
    """The standard error of each bin's mean residual, at least half of the `expected` one (as a variance)."""
    import numpy as np

    means = np.bincount(places, residuals) / sizes
    squares = np.bincount(places, (residuals - means[places]) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(sizes > 1, squares / (sizes - 1) / sizes, 0.0)
    return np.sqrt(np.maximum(found, expected / 4))


def _by_chance(gaps: Doubles, variances: Doubles) -> float:
    """How likely gaps as large as these are by chance: chi-square with a degree of freedom for each bin."""
    import numpy as np
    from scipy.stats import chi2

    there = variances > 0
    if (np.abs(gaps[~there]) > 1e-9).any():
        return 0.0
    return float(chi2.sf(float(np.sum(gaps[there] ** 2 / variances[there])), max(int(there.sum()), 1)))


def _debiased(gaps: Doubles, errors: Doubles, weights: Doubles, p_value: float, level: float) -> Estimate:
    """The error less what chance adds: once more the plain error, minus what it would be on average were the gaps as found."""
    import numpy as np
    from scipy.stats import norm

    sizes, known = np.abs(gaps), np.maximum(errors, 1e-300)
    drawn = known * math.sqrt(2 / math.pi) * np.exp(-((sizes / known) ** 2) / 2) + sizes * (1 - 2 * norm.cdf(-sizes / known))
    value = float(weights @ (2 * sizes - drawn))
    half = _normal(level) * float(np.sqrt(weights**2 @ errors**2))
    low = max(value - half, 0.0) if p_value < 1 - level else 0.0
    return Estimate(max(value, 0.0), low, max(value, 0.0) + half)


def _recalibration(known: Doubles, given: Doubles, level: float) -> tuple[Estimate | None, Estimate | None]:
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
    half = _normal(level) * np.sqrt(np.diag(covariance))
    slope, intercept = (Estimate(float(one), float(one - by), float(one + by)) for one, by in zip(weights, half, strict=True))
    return slope, intercept


def _isotonic(known: Doubles, given: Doubles) -> Map:
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


def _verdict(p_value: float, debiased: Estimate, slope: Estimate | None, excess: float, *, top: bool) -> Verdict:
    """`excess` is by how much truth is higher than predicted, over all rows."""
    if p_value >= _SMALL:
        return "calibrated" if debiased.high is not None and debiased.high < _SMALL else "undecided"
    if top:
        return "underconfident" if excess > 0 else "overconfident"
    if debiased.value is not None and abs(excess) > 0.8 * debiased.value:
        return "too low" if excess > 0 else "too high"
    if slope is not None and slope.high is not None and slope.high < 1:
        return "overconfident"
    if slope is not None and slope.low is not None and slope.low > 1:
        return "underconfident"
    return "uneven"


_WORDS: dict[Verdict, str] = {
    "calibrated": "The probabilities mean what they say",
    "undecided": "Whether the probabilities mean what they say, too few rows can tell",
    "too high": "The probabilities are too high",
    "too low": "The probabilities are too low",
    "overconfident": "The probabilities are too sure",
    "underconfident": "The probabilities are not sure enough",
    "uneven": "The probabilities are too high in places and too low in others",
}


def _told(found: Sequence[Bin], debiased: Estimate, verdict: Verdict, rows: str, event: str) -> tuple[str, ...]:
    worst = _worst(found)
    off, low, high = (percent(one).removesuffix(" %") for one in (debiased.value, debiased.low, debiased.high))
    return (
        f"{_WORDS[verdict]}: they are {off} percentage points off on average ({low} to {high}).",
        f"Of the {rows} given {percent(worst.given)}, {percent(worst.observed)} were {event} "
        f"({percent(worst.low)} to {percent(worst.high)}; {worst.rows:,} {rows}).",
    )


def _told_regression(
    found: Sequence[Bin], bias: Estimate, verdict: Verdict, unit: str, rows: str
) -> tuple[str, ...]:
    unit = unit and f" {unit}"
    worst = _worst(found)
    side = "higher" if worst.gap > 0 else "lower"
    ends = [None if end is None else end - worst.given for end in (worst.low, worst.high)]
    gap, low, high = values.numbers([worst.gap, *ends])
    middle, bottom, top = values.numbers([bias.value, bias.low, bias.high])
    first = {
        "calibrated": "Predictions are right on average, high and low ones",
        "undecided": "Whether predictions are right on average, too few rows can tell",
        "too high": "Predictions are too high",
        "too low": "Predictions are too low",
    }.get(verdict, "Predictions are too high in places and too low in others")
    least, most = values.numbers([worst.least, worst.most])
    return (
        f"{first}: truth minus prediction is {middle}{unit} on average ({bottom} to {top}).",
        f"Of the {rows} predicted {least} to {most}{unit}, truth is {gap.removeprefix('−')}{unit} {side} on average "
        f"({low} to {high}; {worst.rows:,} {rows}).",
    )


def _worst(found: Sequence[Bin]) -> Bin:
    """The bin with the largest gap, beyond chance where there is such a one."""
    return max(found, key=lambda one: (one.beyond_chance, abs(one.gap)))


def _normal(level: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + level) / 2)


def _student(level: float, freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + level) / 2, freedom))
