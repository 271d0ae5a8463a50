"""The gate's decisions on simulated pairs of models: how often it accepts a challenger that is no better, better by the margin, or by two.

Rows come in blocks within which both the errors and how much better the challenger is depend on each other. The gate is asked through
`paired` and `gate`, as a promotion asks it; beside it, what it would accept if it took every row for itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure import Party, Report, Size
from nbops.evaluation.answers import Answers
from nbops.evaluation.bootstrap import paired
from nbops.evaluation.evidence import Evidence
from nbops.evaluation.gate import gate
from nbops.evaluation.policy import Policy
from nbops.evaluation.reliability import wilson

if TYPE_CHECKING:
    from nbops.evaluation.answers import Floats

    Make = Callable[[np.random.Generator, int, float], tuple[Answers, Answers]]

_ROWS = 2000
# The champion: its error in minutes, the share it decides rightly; of two classes the share of positive rows, and by how many standard
# deviations their scores lie above those of negative ones.
_MAE, _RIGHT, _POSITIVE, _APART = 8.6, 0.85, 0.3, 1.5
# Of the variance of residuals: what both models have in common, what of that is the block's, and what of the rest. Then how far the size
# of a model's errors spreads from block to block. All but the first make the difference of the two models depend within a block.
_COMMON, _OF_BLOCK, _OWN, _SCALE = 0.9, 0.1, 0.3, 0.08


def measure(_: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Accept rates at gaps of 0, 1 and 2 margins for rows alone and in blocks of 10 and 50, for numbers, decisions and probabilities."""
    folder.mkdir(parents=True)
    report = Report(
        ["metric", "block length", "blocks", "margin", "margin / error", "gap 0", "gap 1 margin", "gap 2 margins", "gap 0, no margin",
         "the same, blocks ignored", "cpu ms a decision"]
    )  # fmt: skip
    pairs = size.of(100, 500, 2000)
    for metric, (margin, _make) in _KINDS.items():
        for length in (1, 10, 50):
            began = time.process_time()
            passed, errors = zip(*(accepted(metric, length, gap, pairs) for gap in (0, 1, 2)), strict=True)
            spent = 1000 * (time.process_time() - began) / (3 * pairs)
            free, alone = (
                accepted(metric, length, 0, pairs, asked=False, blocks=blocks)[0] for blocks in (True, False)
            )
            shown = [_rate(count, pairs) for count in (*passed, free, alone)]
            report.rows.append(
                [metric, length, _ROWS // length, f"{margin:g}", f"{margin / errors[0]:.1f}", *shown, f"{spent:.0f}"]
            )
            report.raw[f"{metric} {length}"] = {
                "accepted": passed,
                "no margin": free,
                "ignored": alone,
                "errors": errors,
                "pairs": pairs,
            }
    report.notes += [
        f"{_ROWS:,} rows, {pairs:,} simulated pairs a rate; in brackets Wilson's interval of 95 %",
        (f"residuals of the two models correlate by {_COMMON:.2f}; those of a model in two rows of a block by "
        f"{_COMMON * _OF_BLOCK + (1 - _COMMON) * _OWN:.2f}, and what the models do not share by {_OWN:.2f}"),
        f"in a block the size of a model's errors varies by {100 * _SCALE:.0f} %, that of the other model by itself",
        (f"the champion's MAE is {_MAE} minutes; decisions are right in {100 * _RIGHT:.0f} %; of two classes {100 * _POSITIVE:.0f} % are "
        f"positive, their scores {_APART} standard deviations higher"),
        "margin / error: the margin in standard errors of the difference; below 1.6 two margins are found in fewer than 9 of 10 pairs",
    ]  # fmt: skip
    return report


def accepted(
    metric: str, length: int, gap: int, pairs: int, *, asked: bool = True, blocks: bool = True
) -> tuple[int, float]:
    """How many simulated pairs pass, the challenger being better by `gap` margins, and the difference's standard error.

    Unless the margin is `asked` for any improvement counts; without `blocks` each row is taken for itself.
    """
    margin, make = _KINDS[metric]
    policy, passed, found = Policy(metric, margin=margin if asked else 0), 0, []
    alone = np.arange(_ROWS) if length == 1 or not blocks else None
    for seed in range(pairs):
        champion, challenger = make(np.random.default_rng([seed, length, gap]), length, gap * margin)
        pair = paired(champion, challenger, metric, seed=seed, blocks=alone)
        evidence = Evidence(_ROWS, {}, pair.blocks, champion="air-time/1", paired=pair, signature=())
        passed += gate(policy, evidence).passed
        found.append(pair.difference or 0.0)
    return passed, float(np.std(found))


def _rate(count: int, of: int) -> str:
    """Such as "1.2 % (0.6 to 2.6)"."""
    low, high = wilson(count, of)
    return f"{100 * count / of:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


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
    common = math.sqrt(_COMMON) * _shared(rng, length, _OF_BLOCK)
    first, second = (common + math.sqrt(1 - _COMMON) * _shared(rng, length, _OWN) for _ in range(2))
    return first, second


def _numbers(rng: np.random.Generator, length: int, gap: float) -> tuple[Answers, Answers]:
    """Two models of numbers with normal errors; the challenger's are smaller by `gap` on average."""
    truth, blocks = rng.normal(150, 60, _ROWS), np.arange(_ROWS) // length
    scales = [math.sqrt(math.pi / 2) * mae for mae in (_MAE, _MAE - gap)]
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


def _decisions(rng: np.random.Generator, length: int, gap: float) -> tuple[Answers, Answers]:
    """Two models of two classes that are right where a normal value is below a threshold; the challenger's is further out."""
    from scipy import special

    truth, blocks = rng.integers(0, 2, _ROWS), np.arange(_ROWS) // length
    first, second = (
        Answers("binary", truth, np.where(error < special.ndtri(right), truth, 1 - truth), None, (0, 1), blocks)
        for right, error in zip((_RIGHT, _RIGHT + gap), _pair(rng, length), strict=True)
    )
    return first, second


def _probabilities(
    known: Callable[[float], float], rng: np.random.Generator, length: int, gap: float
) -> tuple[Answers, Answers]:
    """Two models whose scores are normal in both classes; the challenger's lie further apart, so that what is `known` is better by `gap`.

    Their probabilities are calibrated over all blocks, of which some have more positive rows than others. They decide where both classes
    are found equally often.
    """
    from scipy import optimize, special

    sign = 1 if known(2 * _APART) > known(_APART) else -1
    wanted = known(_APART) + sign * gap
    better = _APART if gap == 0 else optimize.brentq(lambda apart: known(apart) - wanted, _APART, 4 * _APART)
    truth = (_shared(rng, length, _OF_BLOCK) < special.ndtri(_POSITIVE)).astype(np.int64)
    blocks, odds, made = np.arange(_ROWS) // length, special.logit(_POSITIVE), []
    for apart, noise in zip((_APART, better), _pair(rng, length), strict=True):
        score = apart * truth + noise
        given = special.expit(odds + apart * (score - apart / 2))
        chosen = (score > apart / 2).astype(np.int64)
        made.append(Answers("binary", truth, chosen, np.column_stack([1 - given, given]), (0, 1), blocks))
    return made[0], made[1]


def _area(apart: float) -> float:
    from scipy import special

    return float(special.ndtr(apart / math.sqrt(2)))


def _balanced(apart: float) -> float:
    from scipy import special

    return float(special.ndtr(apart / 2))


def _log_loss(apart: float) -> float:
    """Its mean over the scores of both classes, by Gauss and Hermite's points."""
    from scipy import special

    points, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    odds = special.logit(_POSITIVE)
    positive = weights @ np.logaddexp(0, -(odds + apart * (points + apart / 2)))
    negative = weights @ np.logaddexp(0, odds + apart * (points - apart / 2))
    return float(_POSITIVE * positive + (1 - _POSITIVE) * negative)


# The success measure, what is worth a change in its unit, and who answers.
_KINDS: dict[str, tuple[float, Make]] = {
    "mae": (0.35, _numbers),
    "accuracy": (0.02, _decisions),
    "balanced_accuracy": (0.03, partial(_probabilities, _balanced)),
    "roc_auc": (0.015, partial(_probabilities, _area)),
    "log_loss": (0.02, partial(_probabilities, _log_loss)),
}
