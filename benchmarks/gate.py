"""The gate's decisions on simulated pairs of models: how often it accepts a challenger that is no better, better by the margin, or by two.

Rows come in blocks within which both the errors and how much better the challenger is depend on each other. The gate is asked through
`paired` and `gate`, as a promotion asks it; beside it, what it would accept if it took every row for itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure import Party, Report, Size
from nbops.evaluation.answers import Answers
from nbops.evaluation.bootstrap import intervals, paired
from nbops.evaluation.evidence import Evidence
from nbops.evaluation.gate import gate
from nbops.evaluation.policy import Policy

if TYPE_CHECKING:
    from nbops.evaluation.answers import Floats

_ROWS = 2000
# The champion, in minutes and as a share.
_MAE, _RIGHT = 8.6, 0.85
# Of the variance of errors: what both models miss alike. Then what is a block's: of decisions a part of what is a model's own, of numbers
# how far the size of its errors spreads. Both make the difference of the two models depend within a block.
_COMMON, _OWN, _SCALE = 0.9, 0.3, 0.08


def measure(_: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Accept rates at gaps of 0, 1 and 2 margins for rows alone and in blocks of 10 and 50, for errors and for decisions."""
    folder.mkdir(parents=True)
    report = Report(
        ["metric", "block length", "blocks", "margin / error", "gap 0", "gap 1 margin", "gap 2 margins", "gap 0, no margin",
         "the same, blocks ignored", "cpu ms a decision"]
    )  # fmt: skip
    pairs = size.of(100, 500, 2000)
    for metric, (margin, _make) in _KINDS.items():
        for length in (1, 10, 50):
            began = time.process_time()
            rates, errors = zip(*(accepted(metric, length, gap, pairs) for gap in (0, 1, 2)), strict=True)
            spent = 1000 * (time.process_time() - began) / (3 * pairs)
            free, alone = (
                accepted(metric, length, 0, pairs, asked=False, blocks=blocks)[0] for blocks in (True, False)
            )
            shown = [f"{100 * rate:.1f} %" for rate in (*rates, free, alone)]
            report.rows.append([metric, length, _ROWS // length, f"{margin / errors[0]:.1f}", *shown, f"{spent:.0f}"])
            report.raw[f"{metric} {length}"] = {
                "rates": rates,
                "no margin": free,
                "ignored": alone,
                "errors": errors,
                "pairs": pairs,
            }
    report.notes += [
        f"{_ROWS:,} rows, {pairs:,} simulated pairs a rate: 5 % is known to {100 * math.sqrt(0.05 * 0.95 / pairs):.1f} points",
        f"{100 * _COMMON:.0f} % of the errors' variance is common to both models, and a tenth of that to all rows of a block",
        f"in a block a model's errors vary by {100 * _SCALE:.0f} %; {100 * _OWN:.0f} % of its own part in decisions is a block's",
        f"the champion's MAE is {_MAE} minutes, its accuracy {100 * _RIGHT:.0f} %",
        "margin / error: the margin in standard errors of the difference; below 1.6 two margins are found in fewer than 9 of 10 pairs",
    ]  # fmt: skip
    return report


def accepted(
    metric: str, length: int, gap: int, pairs: int, *, asked: bool = True, blocks: bool = True
) -> tuple[float, float]:
    """The share of simulated pairs that pass, the challenger being better by `gap` margins, and the difference's standard error.

    Unless the margin is `asked` for any improvement counts; without `blocks` each row is taken for itself.
    """
    margin, make = _KINDS[metric]
    policy, passed, found = Policy(metric, margin=margin if asked else 0), 0, []
    alone = np.arange(_ROWS) if length == 1 or not blocks else None
    for seed in range(pairs):
        champion, challenger = make(np.random.default_rng([seed, length, gap]), length, gap)
        pair = paired(champion, challenger, metric, seed=seed, blocks=alone)
        own = intervals(challenger, [metric], seed=seed, blocks=alone)
        evidence = Evidence(_ROWS, own, pair.blocks, champion="air-time/1", paired=pair, signature=())
        passed += gate(policy, evidence).passed
        found.append(pair.difference or 0.0)
    return passed / pairs, float(np.std(found))


def _shared(rng: np.random.Generator, length: int, share: float) -> Floats:
    """Standard normal values (rows,); a `share` of their variance is the block's."""
    block = np.arange(_ROWS) // length
    of_block = share if length > 1 else 0.0
    shared: Floats = math.sqrt(of_block) * rng.normal(size=_ROWS)[block] + math.sqrt(1 - of_block) * rng.normal(
        size=_ROWS
    )
    return shared


def _pair(rng: np.random.Generator, length: int) -> tuple[Floats, Floats]:
    """What makes the errors of two models, most of it the same."""
    common = math.sqrt(_COMMON) * _shared(rng, length, 0.1)
    first, second = (common + math.sqrt(1 - _COMMON) * _shared(rng, length, _OWN) for _ in range(2))
    return first, second


def _numbers(rng: np.random.Generator, length: int, gap: int) -> tuple[Answers, Answers]:
    """Two models of numbers with normal errors; the challenger's are smaller by `gap` margins on average."""
    truth, blocks = rng.normal(150, 60, _ROWS), np.arange(_ROWS) // length
    scales = [math.sqrt(math.pi / 2) * mae for mae in (_MAE, _MAE - gap * _KINDS["mae"][0])]
    spread = _SCALE if length > 1 else 0.0
    first, second = (
        Answers(
            "regression",
            truth,
            truth + scale * error * rng.lognormal(-(spread**2) / 2, spread, _ROWS)[blocks],
            blocks=blocks,
        )
        for scale, error in zip(scales, _pair(rng, length), strict=True)
    )
    return first, second


def _decisions(rng: np.random.Generator, length: int, gap: int) -> tuple[Answers, Answers]:
    """Two models of two classes that are right where a normal value is below a threshold; the challenger's is further out."""
    from scipy import special

    truth, blocks = rng.integers(0, 2, _ROWS), np.arange(_ROWS) // length
    rights = [_RIGHT, _RIGHT + gap * _KINDS["accuracy"][0]]
    first, second = (
        Answers("binary", truth, np.where(error < special.ndtri(right), truth, 1 - truth), None, (0, 1), blocks)
        for right, error in zip(rights, _pair(rng, length), strict=True)
    )
    return first, second


# The success measure, what is worth a change in its unit, and who answers.
_KINDS: dict[str, tuple[float, Callable[[np.random.Generator, int, int], tuple[Answers, Answers]]]] = {
    "mae": (0.35, _numbers), "accuracy": (0.02, _decisions),
}  # fmt: skip
