"""Metrics that need an order of the rows, under many weightings of them at once: quantiles, area under the ROC curve, average precision.

Rows are sorted once. A weighting says how often all rows of a unit count (a row, a block, a bag of rows), so that it is an exact
resampling; what comes out equals the metric of the rows repeated so often.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbops.evaluation.arrays import Codes, Floats, Mask

_STEPS = 256  # of scores at once: a few MB under 1,000 weightings


def quantiles(values: Floats, at: Sequence[float], unit: Codes, weights: Floats) -> Floats:
    """Quantiles (at, draws) of `values` (n,) repeated as `weights` (draws, units) say, between neighbours by a straight line.

    This is numpy's and R's default definition (Hyndman and Fan 1996, type 7).
    """
    import numpy as np

    draws, units = weights.shape
    order = np.argsort(values, kind="stable")
    size = int(np.ceil(len(values) ** 0.5))
    bins = -(-len(values) // size)
    placed = unit[order]
    counts = np.bincount(placed * bins + np.arange(len(values)) // size, minlength=units * bins)
    upto = np.cumsum(weights @ counts.reshape(units, bins), axis=1)
    # Beyond the last value stand rows of a unit that never counts.
    padded = np.append(placed, np.full(bins * size - len(values), units))
    heavy = np.hstack([weights, np.zeros((draws, 1))])
    ranked, draw = values[order], np.arange(draws)

    def value(position: Floats) -> Floats:
        chosen = (upto <= position[:, None]).sum(axis=1)
        before = np.where(chosen > 0, upto[draw, chosen - 1], 0)
        near = padded[chosen[:, None] * size + np.arange(size)]
        within = np.cumsum(heavy[draw[:, None], near], axis=1)
        found: Floats = ranked[chosen * size + (within <= (position - before)[:, None]).sum(axis=1)]
        return found

    last = upto[:, -1] - 1
    answered = []
    for share in at:
        position = last * share
        low = np.floor(position)
        lower, upper = value(low), value(np.minimum(low + 1, last))
        answered.append(lower + (upper - lower) * (position - low))
    return np.array(answered)


def ranking(
    positive: Mask, scores: Floats, unit: Codes, weights: Floats, *, precision: bool = True
) -> tuple[Floats, Floats]:
    """Area under the ROC curve and average precision (draws,) of `scores` (n,), for rows repeated as `weights` (draws, units) say.

    The area is the share of pairs of a positive and a negative row in which the positive one has the higher score, ties counting half
    (Hanley and McNeil 1982); average precision is the sum of precisions at each distinct score, weighted by the recall gained there.
    Both are NaN where one class is missing. Without `precision` the second is NaN, in half the time.
    """
    import numpy as np

    draws, units = weights.shape
    order = np.argsort(-scores, kind="stable")
    ranked, true, placed = scores[order], positive[order], unit[order]
    group = np.cumsum(np.append(0, ranked[1:] != ranked[:-1]))
    # Curves turn at scores of positive rows alone: negative ones between two of them come in one step.
    holds = np.bincount(group, true) > 0
    turns = np.flatnonzero(holds)
    step = np.searchsorted(turns, group)
    tied = holds[group] & ~true

    def counts(rows: Mask) -> Any:
        from scipy import sparse

        shape = (len(turns) + 1, units)
        return sparse.csr_array((np.ones(rows.sum()), (step[rows], placed[rows])), shape=shape)

    hits, above, beside = counts(true), counts(~true & ~tied), counts(tied)
    across = np.ascontiguousarray(weights.T)
    found, alarms, lost, gained = (np.zeros(draws) for _ in range(4))
    for start in range(0, len(turns), _STEPS):
        steps = slice(start, min(start + _STEPS, len(turns)))
        new = hits[steps] @ across
        ties = beside[steps] @ across if beside.nnz else 0
        false = alarms + np.cumsum(above[steps] @ across + ties, axis=0)
        lost += (new * (false - np.multiply(ties, 0.5))).sum(axis=0)
        if precision:
            right = found + np.cumsum(new, axis=0)
            gained += np.divide(new * right, right + false, out=np.zeros_like(new), where=new > 0).sum(axis=0)
        found += new.sum(axis=0)
        alarms = false[-1]
    negative = weights @ np.bincount(placed, ~true, units) if len(placed) else np.zeros(draws)
    both = (found > 0) & (negative > 0)
    nothing = np.full(draws, np.nan)
    area = 1 - np.divide(lost, found * negative, out=nothing.copy(), where=both)
    return area, np.divide(gained, found, out=nothing, where=both & precision)
