"""How sure an estimate is: what its window's few days and the laboratory's few days leave open, and how far it was off before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from nbops.evaluation.answers import Answers
    from nbops.evaluation.arrays import Codes, Floats

_BAGS = 50
_LEAST_PARTS = 3
_MANY = 1e6


class Found(NamedTuple):
    """An estimate, the ends of its interval, and how far what comes out may lie from it."""

    value: float | None
    low: float | None
    high: float | None
    band: float | None


class Variance(NamedTuple):
    """A variance, and how many degrees of freedom it was found with; without any it is not known."""

    value: float
    freedom: float


class Sides(NamedTuple):
    """How much an estimate varies with the days of the window, and with those of the laboratory."""

    window: Variance
    laboratory: Variance


class Off(NamedTuple):
    """How far the estimate was off in each of k parts of the laboratory's rows (k,), and the rows of the parts (k,)."""

    errors: Floats
    rows: Floats


def units(answers: Answers, seed: int) -> Codes:
    """The blocks (n,) of the rows from 0; without any, bags of rows as they fall."""
    import numpy as np

    if answers.blocks is not None:
        return np.unique(answers.blocks, return_inverse=True)[1].astype(np.int64)
    bags = min(_BAGS, answers.rows)
    return np.random.default_rng(seed).permutation(np.arange(answers.rows) % bags).astype(np.int64)


def resampled(blocks: int, draws: int, seed: int) -> Floats:
    """How often each block counts in each draw (draws, blocks); over all draws each counts equally (Davison, Hinkley, Schechtman 1986)."""
    import numpy as np

    every = np.random.default_rng(seed).permutation(np.tile(np.arange(blocks), draws)).reshape(draws, blocks)
    place = every + np.arange(draws)[:, None] * blocks
    return np.bincount(place.ravel(), minlength=draws * blocks).reshape(draws, blocks).astype(np.float64)


def of_draws(drawn: Floats, unit: Codes) -> Variance:
    """The variance of draws of blocks (draws,), as wide as it is of few or unequal blocks; `unit` (n,) are the rows' blocks."""
    import numpy as np

    sizes = np.bincount(unit)
    effective = float(sizes.sum() ** 2 / (sizes**2).sum())
    known = drawn[np.isfinite(drawn)]
    if effective < 2 or len(known) < 0.95 * len(drawn):
        return Variance(math.nan, 0.0)
    return Variance(float(known.var()) * effective / (effective - 1), effective - 1)


def found(value: float, sides: Sides, off: Off, rows: int, *, level: float, most: float) -> Found:
    """A value from 0 to `most` with Student's interval (freedom as Welch and Satterthwaite have it, 1946) and its band on `rows` rows."""
    import numpy as np
    from scipy.special import stdtrit

    if math.isnan(value):
        return Found(None, None, None, None)
    low = high = band = None
    if sides.window.freedom >= 1 and sides.laboratory.freedom >= 1:
        together = sides.window.value + sides.laboratory.value
        inverse = sum(side.value**2 / side.freedom for side in sides)
        freedom = together**2 / inverse if inverse > 0 else math.inf
        half = float(stdtrit(min(freedom, _MANY), (1 + level) / 2)) * math.sqrt(together)
        low, high = max(value - half, 0.0), min(value + half, most)
    known = np.isfinite(off.errors)
    parts = int(known.sum())
    if parts >= _LEAST_PARTS:
        # A part's error is smaller on more rows; that of what was learnt is not.
        each = float(off.rows[known] @ off.errors[known] ** 2) / parts
        learnt = each / float(off.rows[known].sum())
        if sides.laboratory.freedom >= 1:
            learnt = max(learnt, sides.laboratory.value)
        band = float(stdtrit(float(parts), (1 + level) / 2)) * math.sqrt(each / rows + learnt)
    return Found(value, low, high, band)
