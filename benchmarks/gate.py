"""The gate's decisions on simulated pairs of models: how often it accepts a challenger that is no better, better by the margin, or by two.

Rows come in blocks within which both the errors and how much better the challenger is depend on each other. The gate is asked through
`paired` and `gate`, as a promotion asks it; beside it, what it would accept if it took every row for itself.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Party, Report, Size

if TYPE_CHECKING:
    import numpy as np

    from nbops.evaluation.answers import Answers

_ROWS = 2000
# Minutes: the champion's mean absolute error and what is worth a change, 4 % of it.
_MAE, _MARGIN = 8.6, 0.35
# Of the variance of errors: what both models miss alike, and how much of either part a whole block shares.
_COMMON, _OF_BLOCK = 0.9, 0.1


def measure(_: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Accept rates at gaps of 0, 1 and 2 margins for rows alone and in blocks of 10 and 50, for errors and for decisions."""
    folder.mkdir(parents=True)
    report = Report(
        [
            "metric",
            "block length",
            "blocks",
            "gap 0",
            "gap 1 margin",
            "gap 2 margins",
            "gap 0, blocks ignored",
            "ms a decision",
        ]
    )
    pairs = size.of(200, 1000, 4000)
    for metric, make in (("mae", _numbers), ("accuracy", _decisions)):
        for length in (1, 10, 50):
            began = time.process_time()
            rates = [accepted(metric, make, length, gap, pairs) for gap in (0, 1, 2)]
            spent = 1000 * (time.process_time() - began) / (3 * pairs)
            alone = accepted(metric, make, length, 0, pairs, ignore_blocks=True)
            shown = [f"{100 * rate:.1f} %" for rate in (*rates, alone)]
            report.rows.append([metric, length, _ROWS // length, *shown, f"{spent:.0f}"])
            report.raw[f"{metric} {length}"] = {"rates": rates, "ignored": alone, "pairs": pairs}
    report.notes += [
        f"{_ROWS:,} rows; {pairs:,} simulated pairs a rate: 5.0 % is known to {100 * math.sqrt(0.05 * 0.95 / pairs):.1f} points",
        f"mae: {_MAE} minutes, margin {_MARGIN}; {100 * _COMMON:.0f} % of the errors' variance is common to both models, {100 * _OF_BLOCK:.0f} % "
        "of both parts is shared by a whole block",
        "accuracy: 85 %, margin 2 points; the models disagree on about a tenth of the rows, and the difference spreads between blocks with the same share",
    ]  # fmt: skip
    return report


def accepted(metric: str, make: object, length: int, gap: int, pairs: int, *, ignore_blocks: bool = False) -> float:
    """The share of simulated pairs that pass, the challenger being better by `gap` margins."""
    import numpy as np

    from nbops.evaluation.bootstrap import intervals, paired
    from nbops.evaluation.evidence import Evidence
    from nbops.evaluation.gate import gate
    from nbops.evaluation.policy import Policy

    passed = 0
    policy = Policy(metric, margin=_MARGIN if metric == "mae" else 0.02)
    for seed in range(pairs):
        champion, challenger = make(np.random.default_rng([seed, length, gap]), length, gap)  # type: ignore[operator]
        alone = np.arange(_ROWS) if ignore_blocks or length == 1 else None
        found = paired(champion, challenger, metric, seed=seed, blocks=alone)
        own = intervals(challenger, [metric], seed=seed, blocks=alone)
        evidence = Evidence(_ROWS, own, found.blocks, champion="air-time/1", paired=found, signature=())
        passed += gate(policy, evidence).passed
    return passed / pairs


def _shared(rng: np.random.Generator, length: int) -> np.ndarray:  # type: ignore[type-arg]
    """Standard normal values (rows,) of which a part is the same in a whole block."""
    import numpy as np

    block = np.arange(_ROWS) // length
    own = rng.normal(size=_ROWS)
    if length == 1:
        return own
    values: np.ndarray = np.sqrt(_OF_BLOCK) * rng.normal(size=_ROWS // length)[block] + np.sqrt(1 - _OF_BLOCK) * own  # type: ignore[type-arg]
    return values


def _numbers(rng: np.random.Generator, length: int, gap: int) -> tuple[Answers, Answers]:
    """Two models of numbers with normal errors; the challenger's are smaller by `gap` margins on average."""
    import numpy as np

    from nbops.evaluation.answers import Answers

    scale = math.sqrt(math.pi / 2)
    common, blocks = math.sqrt(_COMMON) * _shared(rng, length), np.arange(_ROWS) // length
    truth = rng.normal(150, 60, _ROWS)
    errors = [common + math.sqrt(1 - _COMMON) * _shared(rng, length) for _ in range(2)]
    sizes = (_MAE, _MAE - gap * _MARGIN)
    first, second = (
        Answers("regression", truth, truth + scale * size * error, blocks=blocks)
        for size, error in zip(sizes, errors, strict=True)
    )
    return first, second


def _decisions(rng: np.random.Generator, length: int, gap: int) -> tuple[Answers, Answers]:
    """Two models of two classes that are right where a normal value is below a threshold; the challenger's is further out."""
    import numpy as np
    from scipy import special

    from nbops.evaluation.answers import Answers

    common, blocks = math.sqrt(_COMMON) * _shared(rng, length), np.arange(_ROWS) // length
    truth = rng.integers(0, 2, _ROWS)
    made = []
    for right in (0.85, 0.85 + gap * 0.02):
        hit = common + math.sqrt(1 - _COMMON) * _shared(rng, length) < special.ndtri(right)
        made.append(Answers("binary", truth, np.where(hit, truth, 1 - truth), None, (0, 1), blocks))
    return made[0], made[1]
