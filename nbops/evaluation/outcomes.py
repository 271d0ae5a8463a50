"""What became of rows that were decided on, counted, and how far the counts may lie from those of other rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbops.errors import UsageError
from nbops.evaluation.decision import Costs, DecisionRule
from nbops.evaluation.telling import Estimate

if TYPE_CHECKING:
    import numpy.typing as npt

    from nbops.evaluation.arrays import Codes, Floats


def outcomes(rule: DecisionRule, truth: Codes, scores: Floats) -> Codes:
    """For each row 0 to 5: truth in the last bit; before it decided negative, positive, or by a person."""
    import numpy as np

    low, high = rule.reject or (rule.threshold, rule.threshold)
    decided = np.where(scores >= high, 1, np.where(scores < low, 0, 2))
    return 2 * decided + truth


def resampled(found: Codes, blocks: npt.ArrayLike | None, draws: int, seed: int) -> Floats:
    """How often each outcome is there, in the rows (first) and in each draw (after it); shape (1 + draws, 6)."""
    import numpy as np

    random = np.random.default_rng(seed)
    counts = np.bincount(found, minlength=6)
    if blocks is None:
        drawn = random.multinomial(len(found), counts / len(found), draws).astype(np.float64)
        return np.vstack([counts, drawn])
    codes = np.unique(np.asarray(blocks), return_inverse=True)[1]
    if codes.shape != found.shape or codes.max() < 1:
        raise UsageError(
            "Blocks are needed for every row, and two of them at least.", hint="Give the day or group of each row."
        )
    many = int(codes.max()) + 1
    inside = np.bincount(6 * codes + found, minlength=6 * many).reshape(many, 6)
    # One block fewer than there are, or the intervals of few blocks would be too narrow (Rao and Wu, 1988).
    weights = random.multinomial(many - 1, np.full(many, 1 / many), draws)
    return np.vstack([counts, weights @ inside * (many / (many - 1))])


def figures(sums: Floats, costs: Costs | None, look: float | None) -> dict[str, Floats]:
    """Precision, recall, the shares flagged and left to a person, and the cost of a row; NaN where undefined."""
    import numpy as np

    tn, fn, fp, tp, looked_tn, looked_fn = sums.T
    rows = sums.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn + looked_fn),
            "flagged": (tp + fp) / rows,
            "abstained": (looked_tn + looked_fn) / rows,
        }
    if costs is not None:
        found["cost"] = (costs.of(tn, fp, fn, tp) + (look or 0.0) * (looked_tn + looked_fn)) / rows
    return found


def estimate(drawn: Floats, level: float) -> Estimate:
    """The first is the rows' own figure; draws for which it is undefined are left out."""
    import numpy as np

    defined = drawn[1:][~np.isnan(drawn[1:])]
    if np.isnan(drawn[0]) or not len(defined):
        return Estimate(None, None, None)
    low, high = np.quantile(defined, ((1 - level) / 2, (1 + level) / 2))
    return Estimate(float(drawn[0]), float(low), float(high))
