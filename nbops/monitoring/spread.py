"""How sure an estimate is: what its window's few days and the laboratory's few days leave open, and how far it was off before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from nbops.evaluation.answers import Answers
    from nbops.evaluation.arrays import Codes, Floats

_BAGS = 50


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
    """How often each block counts in each draw (draws, blocks)."""
    import numpy as np

    drawn = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), draws)
    found: Floats = drawn.astype(np.float64)
    return found


def of_draws(drawn: Floats, unit: Codes) -> Variance:
    """The variance of draws of blocks (draws,), as wide as it is of few or unequal blocks; `unit` (n,) are the rows' blocks."""
    import numpy as np

    sizes = np.bincount(unit)
    effective = float(sizes.sum() ** 2 / (sizes**2).sum())
    known = drawn[np.isfinite(drawn)]
    if effective < 2 or len(known) < 0.95 * len(drawn):
        return Variance(math.nan, 0.0)
    return Variance(float(known.var()) * effective / (effective - 1), effective - 1)


def found(value: float, parts: list[Variance], off: Off, rows: int, *, level: float, most: float) -> Found:
    """A value from 0 to `most` with Student's interval (freedom as Welch and Satterthwaite have it, 1946) and its band on `rows` rows."""
    import numpy as np
    from scipy.special import stdtrit

    if math.isnan(value):
        return Found(None, None, None, None)
    low = high = None
    together = sum(part.value for part in parts)
    if all(part.freedom >= 1 for part in parts):
        inverse = sum(part.value**2 / part.freedom for part in parts)
        freedom = together**2 / inverse if inverse > 0 else math.inf
        half = float(stdtrit(min(freedom, 1e6), (1 + level) / 2)) * math.sqrt(together)
        low, high = max(value - half, 0.0), min(value + half, most)
    known = np.isfinite(off.errors)
    band = None
    if known.sum() >= 3:
        errors, sizes = off.errors[known], off.rows[known]
        # A part's error shrinks with its rows; that of what was learnt, with all of them.
        each = float((sizes * errors**2).sum() / known.sum())
        wide = each * (1 / rows + 1 / float(sizes.sum()))
        band = float(stdtrit(float(known.sum()), (1 + level) / 2)) * math.sqrt(wide)
    return Found(value, low, high, band)
