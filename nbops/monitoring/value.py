"""What the decisions of a window cost, and what the best constant decision would have cost on the same rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from nbops.evaluation import telling
from nbops.evaluation.answers import Answers
from nbops.evaluation.bootstrap import intervals
from nbops.evaluation.outcomes import outcomes
from nbops.evaluation.telling import Estimate
from nbops.monitoring.rows import Question
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    from nbops.evaluation.arrays import Codes, Floats


class Value(Record):
    """What `rows` decided rows with known truth cost, together and each on average, in `unit`; a gain is below zero.

    `constant` is the best of the decisions that look at nothing, found with hindsight: "always 'no'", or the median. `saved` is what a row
    cost less than by that. `left_to_people` rows were not decided, and are not counted.
    """

    rows: int
    total: Estimate
    per_row: Estimate
    constant: str
    constant_total: float
    constant_per_row: float
    saved: Estimate
    left_to_people: int
    unit: str
    sentence: str


class _Costs(NamedTuple):
    """Costs (n,) of what was decided and of the best constant, its name, and the rows' blocks."""

    lost: Floats
    constant: Floats
    name: str
    blocks: Codes | None
    left_to_people: int
    unit: str


def value(answers: Answers, question: Question) -> Value | None:
    """What the answers cost, with intervals by their blocks; None where nobody said what an error costs, and without rows."""
    found = _of_errors(answers, question) if answers.task == "regression" else _of_decisions(answers, question)
    if found is None or not len(found.lost):
        return None
    per_row = _mean(found.lost, found.blocks, question)
    saved = _mean(found.constant - found.lost, found.blocks, question)
    return Value(
        rows=len(found.lost),
        total=Estimate(*(None if one is None else one * len(found.lost) for one in _ends(per_row))),
        per_row=per_row,
        constant=found.name,
        constant_total=float(found.constant.sum()),
        constant_per_row=float(found.constant.mean()),
        saved=saved,
        left_to_people=found.left_to_people,
        unit=found.unit,
        sentence=_sentence(found, per_row, saved),
    )


def _of_errors(answers: Answers, question: Question) -> _Costs | None:
    import numpy as np

    if question.value is None or not answers.rows:
        return None
    each = question.value.per_unit_error
    middle = float(np.median(answers.truth))
    lost, constant = (each * np.abs(one - answers.truth) for one in (answers.predicted, middle))
    return _Costs(lost, constant, f"always {values.number(middle)}", answers.blocks, 0, question.value.unit)


def _of_decisions(answers: Answers, question: Question) -> _Costs | None:
    import numpy as np

    rule = question.rule
    if answers.task != "binary" or rule is None or rule.costs is None:
        return None
    truth, costs = answers.truth.astype(np.int64), rule.costs
    if answers.probabilities is None or rule.response != "predict_proba":
        happened = 2 * answers.predicted.astype(np.int64) + truth
    else:
        happened = outcomes(rule, truth, answers.probabilities[:, 1])
    known = happened < 4
    prices = np.array([costs.true_negative, costs.false_negative, costs.false_positive, costs.true_positive])
    ways = [prices[2 * always + truth[known]] for always in (0, 1)]
    best = int(ways[1].sum() < ways[0].sum())
    blocks = None if answers.blocks is None else answers.blocks[known]
    name = f"always {str(answers.classes[best])!r}"
    return _Costs(prices[happened[known]], ways[best], name, blocks, int((~known).sum()), costs.unit)


def _mean(given: Floats, blocks: Codes | None, question: Question) -> Estimate:
    """The mean with its interval: the bias of predicting these where the truth is 0."""
    import numpy as np

    zero = Answers("regression", np.zeros(len(given)), given, blocks=blocks)
    found = intervals(zero, ["bias"], level=question.level, draws=question.draws, seed=question.seed)["bias"]
    return Estimate(found.value, found.low, found.high)


def _ends(one: Estimate) -> tuple[float | None, float | None, float | None]:
    return one.value, one.low, one.high


def _sentence(found: _Costs, per_row: Estimate, saved: Estimate) -> str:
    """Such as "The decisions on 200 rows cost 310 EUR, 1.6 EUR each (1.2 to 1.9); 0.4 EUR better than always 'no' (0.2 to 0.6)."."""
    own, less = ([math.nan if one is None else one for one in _ends(each)] for each in (per_row, saved))
    beside = telling.compared(telling.Scale("cost", found.unit), -less[0], -less[2], -less[1], found.name)
    people = found.left_to_people
    left = f" {values.counted(people, 'row')} left to people {'is' if people == 1 else 'are'} not counted."
    return (
        f"The decisions on {values.counted(len(found.lost), 'row')} cost "
        f"{telling.amount(float(found.lost.sum()), found.unit)}, {telling.estimate(own[0], own[1], own[2], found.unit)} each; "
        f"{beside}.{left if people else ''}"
    )
