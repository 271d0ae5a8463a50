"""Whether predictions mean what they say: of the rows given 80 %, how many it was; and the map that mends it.

Truth and predictions of rows that the model was not fitted on go in, frozen records come out. Nothing here draws random numbers: all
intervals are in closed form, and take the rows for independent unless blocks of them are named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from nbops.errors import UsageError
from nbops.evaluation.means import Spread, means
from nbops.evaluation.reliability import (
    LEAST_ROWS,
    Bin,
    Map,
    binned,
    by_blocks,
    by_chance,
    debiased_error,
    isotonic,
    ranges,
    recalibration,
    spread,
    student,
    wilson,
)
from nbops.evaluation.telling import Estimate, percent
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import numpy.typing as npt

    from nbops.evaluation.arrays import Codes, Floats

Verdict = Literal["calibrated", "undecided", "too high", "too low", "overconfident", "underconfident", "uneven"]
"""`overconfident` is too far from the mean both ways; `undecided` are too few rows to tell; `uneven` is wrong otherwise."""

_SMALL = 0.05


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
    blocks: Codes | None = None,
) -> Calibration:
    """How well probabilities are calibrated, over at most `bins` bins of equally many rows, 20 or more in each.

    `truth` (n,) are codes of classes, `probabilities` (n, k), or (n,) of class 1. With three classes or more the probability of the
    most probable class is held against how often it is the true one (top-label). Bins have Wilson's intervals (1927). The debiased
    error follows Kumar, Liang and Ma (2019); its interval is normal, and begins at 0 unless Hosmer and Lemeshow's test (1980) finds
    more than chance. Slope and intercept are Cox's (1958), fitted to log odds that are cut at 1e-6; None when they cannot be fitted.
    The decomposition is Murphy's (1973) with Stephenson, Coelho and Jolliffe's (2008) terms within bins; the map is isotonic. With
    `blocks` (n,), integer codes of what rows depend on each other, the intervals of bins and of the debiased error are those of `means`,
    and slope and intercept have none. `rows` and `event` are words for the sentences: "flights", "late". Raises UsageError for what are
    no probabilities.
    """
    import numpy as np

    known, given, kind = _probabilities(truth, probabilities)
    places = binned(given, bins)
    sizes = np.bincount(places).astype(np.float64)
    mean, share = np.bincount(places, given) / sizes, np.bincount(places, known) / sizes
    expected = np.bincount(places, given * (1 - given)) / sizes**2
    found = [
        Bin(int(size), least, most, float(one), float(two), *wilson(float(two * size), int(size), level))
        for size, (least, most), one, two in zip(sizes, ranges(given, places), mean, share, strict=True)
    ]
    gaps, weights = share - mean, sizes / len(known)
    p_value = by_chance(gaps, expected)
    errors = spread(known - given, places, sizes, expected)
    base = float(known.mean())
    slope, intercept = recalibration(known, given, level)
    if blocks is not None:
        by, p_value = by_blocks(known - given, places, blocks)
        found, errors = _within(found, by, level, (0.0, 1.0)), np.nan_to_num(by.error)
        slope, intercept = (one and Estimate(one.value, None, None) for one in (slope, intercept))
    brier = float(np.mean((given - known) ** 2))
    reliability, resolution = float(weights @ gaps**2), float(weights @ (share - base) ** 2)
    debiased = debiased_error(gaps, errors, weights, p_value, level)
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
        map=isotonic(known, given),
        verdict=verdict,
        sentences=_told(found, debiased, verdict, rows, "right" if kind == "top-label" else event),
    )


def calibrate_regression(
    truth: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    bins: int = 10,
    level: float = 0.95,
    unit: str = "",
    rows: str = "rows",
    blocks: Codes | None = None,
) -> RegressionCalibration:
    """Whether predicted numbers are right on average, over at most `bins` bins of equally many rows, 20 or more in each.

    `truth` and `predicted` are (n,). A bin's interval is Student's, of its mean truth; with `blocks` (n,), integer codes of what rows
    depend on each other, all are those of `means`. Raises UsageError when they do not belong together.
    """
    import numpy as np

    known, given = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    _same(known, given)
    places = binned(given, bins)
    sizes = np.bincount(places).astype(np.float64)
    mean, observed = np.bincount(places, given) / sizes, np.bincount(places, known) / sizes
    errors = spread(known - given, places, sizes, np.zeros(len(sizes)))
    found = []
    for size, (least, most), one, two, error in zip(sizes, ranges(given, places), mean, observed, errors, strict=True):
        half = student(level, int(size) - 1) * float(error) if size > 1 else None
        ends = (None, None) if half is None else (float(two) - half, float(two) + half)
        found.append(Bin(int(size), least, most, float(one), float(two), *ends))
    residuals = known - given
    bias, count = float(residuals.mean()), len(known)
    half = student(level, count - 1) * float(residuals.std(ddof=1)) / math.sqrt(count) if count > 1 else None
    p_value = by_chance(observed - mean, errors**2)
    estimate = Estimate(bias, None if half is None else bias - half, None if half is None else bias + half)
    if blocks is not None:
        by, p_value = by_blocks(residuals, places, blocks)
        found = _within(found, by, level)
        low, high = means(residuals, np.zeros(count, np.int64), 1, blocks).mean.interval(level)
        estimate = Estimate(bias, _known(low[0]), _known(high[0]))
    verdict: Verdict = "undecided" if count < LEAST_ROWS else "calibrated"
    if verdict == "calibrated" and p_value < _SMALL:
        certain = estimate.low is not None and estimate.high is not None and not estimate.low <= 0 <= estimate.high
        verdict = ("too low" if bias > 0 else "too high") if certain else "uneven"
    return RegressionCalibration(
        rows=count,
        bins=tuple(found),
        bias=estimate,
        error=float(sizes @ np.abs(observed - mean)) / count,
        p_value=p_value,
        map=isotonic(known, given),
        verdict=verdict,
        sentences=_told_regression(found, estimate, verdict, unit, rows),
    )


def _within(
    bins: Sequence[Bin], by: Spread, level: float, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> list[Bin]:
    """The bins with other intervals: those of truth minus prediction, moved to what is observed."""
    low, high = by.interval(level)
    found = []
    for one, least, most in zip(bins, low - by.value, high - by.value, strict=True):
        ends = (one.observed + least, one.observed + most)
        told = [None if math.isnan(end) else min(max(float(end), bounds[0]), bounds[1]) for end in ends]
        found.append(msgspec.structs.replace(one, low=told[0], high=told[1]))
    return found


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _probabilities(
    truth: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[Floats, Floats, Literal["binary", "top-label"]]:
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
        raise UsageError(
            "truth holds more than 0 and 1.", hint="Give codes of classes, and probabilities of all of them (n, k)."
        )
    known = known.astype(np.float64)
    return known, _shares(given), "binary"


def _shares(given: Floats) -> Floats:
    if given.min() < 0 or given.max() > 1:
        raise UsageError(
            f"Probabilities reach from {values.number(float(given.min()))} to {values.number(float(given.max()))}.",
            hint="Give predict_proba's answers; a decision function has to be calibrated first (CalibratedClassifierCV).",
        )
    return given


def _same(known: Floats, given: Floats) -> None:
    import numpy as np

    if known.ndim != 1 or known.shape != given.shape or not len(known):
        raise UsageError(
            f"truth has the shape {known.shape} and predictions {given.shape}.",
            hint="Give one of each for every row, and at least one row.",
        )
    if not (np.isfinite(known).all() and np.isfinite(given).all()):
        raise UsageError("Some truth or predictions are missing or infinite.", hint="Leave these rows out.")


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
        (
            f"Of the {rows} given {percent(worst.given)}, {percent(worst.observed)} were {event} "
            f"({percent(worst.low)} to {percent(worst.high)}; {worst.rows:,} {rows})."
        ),
    )


def _told_regression(found: Sequence[Bin], bias: Estimate, verdict: Verdict, unit: str, rows: str) -> tuple[str, ...]:
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
        (
            f"Of the {rows} predicted {least} to {most}{unit}, truth is {gap.removeprefix('−')}{unit} {side} on average "
            f"({low} to {high}; {worst.rows:,} {rows})."
        ),
    )


def _worst(found: Sequence[Bin]) -> Bin:
    """The bin with the largest gap, beyond chance where there is such a one."""
    return max(found, key=lambda one: (one.beyond_chance, abs(one.gap)))
