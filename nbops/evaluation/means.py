"""Means of groups of rows, how sure they are, and how far each lies from the mean of all other rows."""

from __future__ import annotations

from collections.abc import Sized
from typing import TYPE_CHECKING, NamedTuple

from nbops.errors import UsageError
from nbops.render import values

if TYPE_CHECKING:
    from nbops.evaluation.arrays import Codes, Floats


class Spread(NamedTuple):
    """Estimates (k,) with their standard errors and degrees of freedom."""

    value: Floats
    error: Floats
    freedom: Floats

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Student's interval; NaN where there are too few rows to tell."""
        import numpy as np
        from scipy.special import stdtrit

        with np.errstate(invalid="ignore"):
            reach = stdtrit(np.where(self.freedom >= 1, self.freedom, np.nan), 0.5 + level / 2) * self.error
        return self.value - reach, self.value + reach

    def p_above(self) -> Floats:
        """One-sided p values of "it is not above 0"."""
        import numpy as np
        from scipy.special import stdtr

        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = stdtr(np.where(self.freedom >= 1, self.freedom, np.nan), -self.value / self.error)
        return found


class Means(NamedTuple):
    """Of each group (k,): rows, mean, mean of the other rows, and the difference of the two."""

    rows: Codes
    mean: Spread
    rest: Floats
    difference: Spread


def means(losses: Floats, codes: Codes, groups: int, blocks: Codes | None = None) -> Means:
    """What the `groups` groups are like whose rows `codes` (n,) name, from 0; rows of a code below 0 belong to none.

    Rows are independent, and the difference is Welch's (1947); with `blocks` (n,), integer codes of what rows depend on each other, the
    errors are those of a ratio of sums over blocks (Cochran 1977, 6.3), for group and rest together. Raises UsageError for losses
    that are not finite.
    """
    import numpy as np

    check_finite(losses)
    # Sums of squares lose their digits far from 0; the mean of zeros and ones is exact without that.
    spread = losses - (losses.mean() if len(losses) else 0)
    found = _of_rows(spread, codes, groups) if blocks is None else _of_blocks(spread, codes, groups, blocks)
    inside = codes >= 0
    total: Floats = np.bincount(codes[inside], losses[inside], groups).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, rest = total / found.rows, (losses.sum() - total) / (len(losses) - found.rows)
    return found._replace(mean=found.mean._replace(value=mean), rest=rest)


def check_lengths(rows: int, **given: Sized | None) -> None:
    """Raises UsageError unless there is one of each for every row."""
    for called, some in given.items():
        if some is not None and len(some) != rows:
            raise UsageError(
                f"There are {values.counted(rows, 'row')} and {len(some):,} {called}.",
                hint="Give one for each row, in the order of the rows.",
            )


def check_finite(losses: Floats) -> None:
    """Raises UsageError for losses that are not finite: a mean of them would say nothing."""
    import numpy as np

    if not np.isfinite(losses).all():
        raise UsageError(
            f"{int((~np.isfinite(losses)).sum()):,} of the losses are not finite.",
            hint="Leave out the rows without truth, and clip probabilities before taking their logarithm.",
        )


def _of_rows(losses: Floats, codes: Codes, groups: int) -> Means:
    import numpy as np

    inside = codes >= 0
    taken = losses if inside.all() else losses[inside]
    within = codes if inside.all() else codes[inside]
    rows = np.bincount(within, minlength=groups)
    total: Floats = np.bincount(within, taken, groups).astype(np.float64)
    squares: Floats = np.bincount(within, taken * taken, groups).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, error2 = _moments(rows, total, squares)
        others = len(losses) - rows
        rest, rest2 = _moments(others, losses.sum() - total, (losses * losses).sum() - squares)
        freedom = (error2 + rest2) ** 2 / (error2**2 / (rows - 1) + rest2**2 / (others - 1))
        # Two groups without any spread differ for certain, or not at all.
        freedom = np.where(error2 + rest2 == 0, rows + others - 2.0, freedom)
        apart = Spread(mean - rest, _root(error2 + rest2), freedom.astype(np.float64))
        return Means(rows, Spread(mean, _root(error2), (rows - 1).astype(np.float64)), rest, apart)


def _moments(rows: Codes, total: Floats, squares: Floats) -> tuple[Floats, Floats]:
    """Mean and squared standard error."""
    import numpy as np

    mean = total / rows
    variance = np.maximum(squares - total * mean, 0) / np.where(rows > 1, rows - 1, np.nan)
    return mean, variance / rows


def _of_blocks(losses: Floats, codes: Codes, groups: int, blocks: Codes) -> Means:
    import numpy as np

    _, block = np.unique(blocks, return_inverse=True)
    many = int(block.max()) + 1 if len(block) else 0
    # The last column holds the rows of no group.
    cell = block * (groups + 1) + np.where(codes >= 0, codes, groups)
    counts = np.bincount(cell, minlength=many * (groups + 1)).reshape(many, groups + 1).astype(np.float64)
    sums = np.bincount(cell, losses, many * (groups + 1)).reshape(many, groups + 1)
    rows, total = counts[:, :groups].sum(0), sums[:, :groups].sum(0)
    others, total_others = counts.sum() - rows, sums.sum() - total
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, rest = total / rows, total_others / others
        own = (sums[:, :groups] - mean * counts[:, :groups]) / rows
        outside_sums = sums.sum(1, keepdims=True) - sums[:, :groups]
        outside_counts = counts.sum(1, keepdims=True) - counts[:, :groups]
        other = (outside_sums - rest * outside_counts) / others
        held, held_outside = (counts[:, :groups] > 0).sum(0), (outside_counts > 0).sum(0)
        return Means(
            rows.astype(np.int64),
            Spread(mean, _error(own, held), held - 1.0),
            rest,
            Spread(
                mean - rest, _error(own - other, np.maximum(held, held_outside)), np.minimum(held, held_outside) - 1.0
            ),
        )


def _error(influence: Floats, blocks: Codes) -> Floats:
    import numpy as np

    return _root((influence**2).sum(0) * blocks / np.where(blocks > 1, blocks - 1, np.nan))


def _root(squares: Floats) -> Floats:
    import numpy as np

    found: Floats = np.sqrt(squares)
    return found
