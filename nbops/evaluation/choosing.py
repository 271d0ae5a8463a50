"""The threshold that a wish stands for: least cost, a wanted precision or recall, or no more than can be looked at.

Truth and scores of rows that the model was not fitted on go in; the rule comes out with the curve it was chosen from and how certain
its figures are. Every threshold that the rows tell apart is tried; it is put half way between the scores that it divides.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nbops.errors import UsageError
from nbops.evaluation.choice import Choice, Criterion
from nbops.evaluation.decision import Costs, DecisionRule, Label, Response
from nbops.evaluation.outcomes import estimate, figures, outcomes, resampled
from nbops.evaluation.telling import Estimate, percent
from nbops.evaluation.thresholds import Table
from nbops.render import values

if TYPE_CHECKING:
    import numpy.typing as npt

    from nbops.evaluation.arrays import Codes, Floats


def choose_threshold(  # noqa: PLR0913 - one wish, and what makes its answer a record
    truth: npt.ArrayLike,
    scores: npt.ArrayLike,
    *,
    costs: Costs | None = None,
    precision: float | None = None,
    recall: float | None = None,
    capacity: float | None = None,
    reject_cost: float | None = None,
    positive: Label = 1,
    response: Response = "predict_proba",
    chosen_on: str = "",
    blocks: npt.ArrayLike | None = None,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> Choice:
    """The rule that serves exactly one wish best on rows with known truth.

    `truth` (n,) is 1 or True where the class is `positive`, `scores` (n,) are what `response` gives for that class. The wishes: least
    expected cost by `costs`; the highest recall with at least `precision`; the highest precision with at least `recall`; the highest
    recall with at most the share `capacity` of all rows flagged. With costs, `reject_cost` is what it costs when a person looks at a
    row, and the cheapest reject band is found too (Chow, 1970), from these rows rather than from an assumed calibration.

    Equally good thresholds: the one that flags fewer rows. Intervals are percentiles of `draws` bootstrap samples of rows, or of
    whole `blocks` (n,), at the threshold chosen; that it was chosen on the same rows is not in them. Raises UsageError when there is
    nothing to choose from, or the wanted precision is out of reach, saying what is not.
    """
    criterion, asked = _wish(costs=costs, precision=precision, recall=recall, capacity=capacity)
    if reject_cost is not None and (costs is None or not math.isfinite(reject_cost)):
        raise UsageError(
            "A reject band has to be weighed against costs.", hint="Give costs=Costs(...) beside reject_cost."
        )
    known, given = _checked(truth, scores)
    table = Table.of(known, given, costs, bounded=response == "predict_proba")
    band = None
    if costs is not None and reject_cost is not None:
        band = _band(table, costs, reject_cost)
        if band[0] == band[1]:
            band = None
    place = _best(table, criterion, asked, band)
    rule = DecisionRule(
        positive=positive,
        threshold=table.threshold(place),
        reject=None if band is None else (table.threshold(band[0]), table.threshold(band[1])),
        response=response,
        costs=costs,
        chosen_on=chosen_on or values.counted(len(known), "row"),
        why=_why(criterion, asked, costs, reject_cost),
    )
    sums = resampled(outcomes(rule, known, given), blocks, draws, seed)
    reached = {name: estimate(drawn, level) for name, drawn in figures(sums, costs, reject_cost).items()}
    choice = Choice(
        rule=rule,
        criterion=criterion,
        asked=asked,
        rows=len(known),
        positives=int(known.sum()),
        precision=reached["precision"],
        recall=reached["recall"],
        flagged=reached["flagged"],
        cost=reached.get("cost"),
        abstained=reached["abstained"] if band is not None else None,
        curve=table.curve(place),
        sentences=(),
    )
    return _told(choice, table, reject_cost)


def chow(costs: Costs, reject_cost: float | None = None) -> tuple[float, tuple[float, float] | None]:
    """Threshold and reject band that cost least when the probabilities are calibrated; no band where a look never pays.

    Elkan (2001) for the threshold, Chow (1970) for the band.
    """
    wrong_positive = costs.false_positive - costs.true_negative
    wrong_negative = costs.false_negative - costs.true_positive
    threshold = wrong_positive / (wrong_positive + wrong_negative)
    rising, falling = costs.false_negative - costs.true_negative, costs.false_positive - costs.true_positive
    if reject_cost is None or rising <= 0 or falling <= 0:
        return threshold, None
    low, high = (reject_cost - costs.true_negative) / rising, (costs.false_positive - reject_cost) / falling
    return threshold, (max(low, 0.0), min(high, 1.0)) if low < threshold < high else None


def _wish(**wishes: Costs | float | None) -> tuple[Criterion, float | None]:
    import typing

    named = [(name, wish) for name, wish in wishes.items() if wish is not None]
    if len(named) != 1:
        raise UsageError(
            f"{len(named)} wishes were given, and a threshold can serve one.",
            hint=f"Give exactly one of {', '.join(wishes)}.",
        )
    ((name, wish),) = named
    if isinstance(wish, Costs):
        return "costs", None
    if not 0 < wish <= 1:
        raise UsageError(
            f"{name}={wish} is not a share.", hint=f"Give a number above 0 and at most 1, such as {name}=0.2."
        )
    return typing.cast("Criterion", name), float(wish)


def _checked(truth: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Codes, Floats]:
    import numpy as np

    known, given = np.asarray(truth), np.asarray(scores, dtype=np.float64)
    if known.ndim != 1 or known.shape != given.shape:
        raise UsageError(
            f"truth has the shape {known.shape} and scores {given.shape}.",
            hint="Give one number of each for every row: scores=model.predict_proba(features)[:, 1].",
        )
    if not np.isfinite(given).all():
        raise UsageError(
            f"{values.counted(int((~np.isfinite(given)).sum()), 'score')} of {len(given):,} are missing or infinite.",
            hint="Leave these rows out: a rule leaves them to a person anyway.",
        )
    if not np.isin(known, (0, 1)).all():
        raise UsageError(
            "truth holds more than 0 and 1.", hint="Give truth as 1 where it is the positive class: truth == 'late'."
        )
    known = known.astype(np.int64)
    if not 0 < known.sum() < len(known):
        raise UsageError(
            f"All {values.counted(len(known), 'row')} are of one class, so no threshold is better than another.",
            hint="Give rows of both classes.",
        )
    if given.min() == given.max():
        raise UsageError(
            f"All scores are {values.number(float(given[0]))}, so no threshold tells the rows apart.",
            hint="Give the model's probabilities, not its classes, or look at why the model says the same of every row.",
        )
    return known, given


def _best(table: Table, criterion: Criterion, asked: float | None, band: tuple[int, int] | None) -> int:
    """The place that serves the wish best; of equal ones the last, which flags fewest."""
    import numpy as np

    if table.cost is not None:
        first, last = band or (0, len(table.cost) - 1)
        within = table.cost[first : last + 1]
        return last - int(within[::-1].argmin())
    wanted = asked or 0.0
    precision, recall = table.precision, table.tp / table.tp[0]
    if criterion == "precision":
        possible = precision >= wanted
        if not possible.any():
            best = int(np.nanargmax(precision))
            found = table.point(best)
            raise UsageError(
                f"No threshold reaches a precision of {percent(wanted)}: the best is {percent(found.precision)}, from "
                f"{values.number(found.threshold)} on, with {percent(found.flagged)} of {table.rows:,} rows flagged.",
                hint="Ask for less, or for a better model.",
            )
        order = np.lexsort((precision, np.where(possible, recall, -1.0)))
    elif criterion == "recall":
        order = np.lexsort((recall, np.where(recall >= wanted, np.nan_to_num(precision, nan=-1.0), -2.0)))
    else:
        possible = (table.tp + table.fp) / table.rows <= wanted
        possible[-1] = False
        if not possible.any():
            tied = int(table.tp[-2] + table.fp[-2])
            raise UsageError(
                f"The {values.counted(tied, 'row')} with the highest score cannot be told apart, and capacity={wanted} "
                f"is less than that of {table.rows:,}.",
                hint=f"Ask for at least capacity={values.number(math.ceil(1000 * tied / table.rows) / 1000)}.",
            )
        order = np.lexsort((-table.fp, np.where(possible, recall, -1.0)))
    return int(order[-1])


def _band(table: Table, costs: Costs, look: float) -> tuple[int, int]:
    """The places from and up to which looking is cheapest: a pair of them is tried in one pass, the narrower band of equal ones."""
    import numpy as np

    positives, negatives = table.tp[0] - table.tp, table.fp[0] - table.fp
    looked = look * (positives + negatives)
    below = costs.of(negatives, 0, positives, 0) - looked
    above = costs.of(0, table.fp, 0, table.tp) + looked
    lowest = np.minimum.accumulate(below)
    high = int((lowest + above).argmin())
    return high - int(below[high::-1].argmin()), high


def _why(criterion: Criterion, asked: float | None, costs: Costs | None, look: float | None) -> str:
    if costs is not None:
        looked = f", {values.number(look)} for a look" if look is not None else ""
        return (
            f"least cost at {values.number(costs.false_positive)} for a false positive and "
            f"{values.number(costs.false_negative)} for a false negative{looked}{costs.unit and f' ({costs.unit})'}"
        )
    wish = percent(asked)
    return {
        "precision": f"the highest recall with a precision of at least {wish}",
        "recall": f"the highest precision with a recall of at least {wish}",
        "capacity": f"the highest recall with at most {wish} of all rows flagged",
    }[criterion]


def _told(choice: Choice, table: Table, look: float | None) -> Choice:
    import msgspec

    rule, costs = choice.rule, choice.rule.costs
    start = rule.threshold if rule.reject is None else rule.reject[1]
    found = [
        (
            f"Positive from {values.number(start)} on: {percent(choice.flagged.value)} of the rows, precision {_share(choice.precision)}, "
            f"recall {_share(choice.recall)}."
        )
    ]
    if rule.reject is not None and choice.abstained is not None:
        found.append(
            f"A person looks at scores from {values.number(rule.reject[0])} up to there: {_share(choice.abstained)} of the rows."
        )
    elif look is not None:
        found.append("A look by a person never pays at this price: there is no reject band.")
    if costs is not None and choice.cost is not None and table.cost is not None:
        unit = f" {costs.unit}" if costs.unit else ""
        cost, low, high, all_, none = values.numbers(
            [
                choice.cost.value,
                choice.cost.low,
                choice.cost.high,
                table.cost[0] / table.rows,
                table.cost[-1] / table.rows,
            ]
        )
        found.append(f"It costs {cost}{unit} a row ({low} to {high}); to flag all costs {all_}, to flag none {none}.")
        if rule.response == "predict_proba":
            found.append(
                f"Were the probabilities calibrated, these costs would ask for {values.number(chow(costs)[0])}."
            )
    found.append(
        f"Chosen and measured on the same {values.counted(choice.rows, 'row')}, {choice.positives:,} of them positive: "
        "new rows may do a little worse."
    )
    return msgspec.structs.replace(choice, sentences=tuple(found))


def _share(one: Estimate) -> str:
    return values.MISSING if one.value is None else f"{percent(one.value)} ({percent(one.low)} to {percent(one.high)})"
