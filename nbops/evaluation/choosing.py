"""The threshold that a wish stands for: least cost, a wanted precision or recall, or no more than can be looked at.

Truth and scores of rows that the model was not fitted on go in; the rule comes out with the curve it was chosen from and how certain
its figures are. Every threshold that the rows tell apart is tried; it is put half way between the scores that it divides.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from nbops.errors import UsageError
from nbops.evaluation.decision import Costs, DecisionRule, Label, Response
from nbops.evaluation.estimate import Estimate, percent
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Doubles = npt.NDArray[np.float64]
    Counts = npt.NDArray[np.int64]

Criterion = Literal["costs", "precision", "recall", "capacity"]

POINTS = 200
"""At most so many points of the curve are kept."""


class Point(Record):
    """What a threshold would bring: shares from 0 to 1, `cost` per row; precision is None when nothing is flagged."""

    threshold: float
    precision: float | None
    recall: float
    flagged: float
    cost: float | None = None


class Choice(Record):
    """The rule that was chosen, what it reaches on these rows, and the curve; `sentences` say it in words.

    `flagged` is the share of rows decided positive and `abstained` the share left to a person; `cost` is per row.
    """

    rule: DecisionRule
    criterion: Criterion
    asked: float | None
    rows: int
    positives: int
    precision: Estimate
    recall: Estimate
    flagged: Estimate
    cost: Estimate | None
    abstained: Estimate | None
    curve: tuple[Point, ...]
    sentences: tuple[str, ...]


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
        raise UsageError("A reject band has to be weighed against costs.", hint="Give costs=Costs(...) beside reject_cost.")
    known, given = _checked(truth, scores)
    table = _Table.of(known, given, costs, bounded=response == "predict_proba")
    band = None
    if costs is not None and reject_cost is not None:
        band = _band(table, costs, reject_cost)
    place = _best(table, criterion, asked, band)
    if band is not None and band[0] == band[1]:
        band = None
    rule = DecisionRule(
        positive=positive,
        threshold=table.threshold(place),
        reject=None if band is None else (table.threshold(band[0]), table.threshold(band[1])),
        response=response,
        costs=costs,
        chosen_on=chosen_on or values.counted(len(known), "row"),
        why=_why(criterion, asked, costs, reject_cost),
    )
    sums = _resampled(_outcomes(rule, known, given), blocks, draws, seed)
    reached = {name: _estimate(drawn, level) for name, drawn in _figures(sums, costs, reject_cost).items()}
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


class _Table(NamedTuple):
    """The distinct scores, ascending, and for each place what comes of flagging from it on; the last place flags nothing."""

    scores: Doubles
    tp: Counts
    fp: Counts
    cost: Doubles | None
    bounded: bool

    @classmethod
    def of(cls, truth: Counts, scores: Doubles, costs: Costs | None, *, bounded: bool) -> _Table:
        import numpy as np

        distinct, places = np.unique(scores, return_inverse=True)
        hits = np.bincount(places, truth, len(distinct)).astype(np.int64)
        all_ = np.bincount(places, minlength=len(distinct))
        tp = np.append(hits[::-1].cumsum()[::-1], 0)
        fp = np.append((all_ - hits)[::-1].cumsum()[::-1], 0)
        cost = None
        if costs is not None:
            fn, tn = tp[0] - tp, fp[0] - fp
            cost = tp * costs.true_positive + fp * costs.false_positive + fn * costs.false_negative + tn * costs.true_negative
        return cls(distinct, tp, fp, cost, bounded)

    @property
    def rows(self) -> int:
        return int(self.tp[0] + self.fp[0])

    @property
    def precision(self) -> Doubles:
        """NaN where nothing is flagged."""
        import numpy as np

        with np.errstate(invalid="ignore"):
            return self.tp / (self.tp + self.fp)

    def threshold(self, place: int) -> float:
        """A number above the scores before `place` and at most those from it on."""
        import numpy as np

        last = float(self.scores[-1])
        if 0 < place < len(self.scores):
            return _between(float(self.scores[place - 1]), float(self.scores[place]))
        if self.bounded:
            return _between(0.0, float(self.scores[0])) if place == 0 else _between(last, float(np.nextafter(1.0, 2.0)))
        return float(self.scores[0]) if place == 0 else float(np.nextafter(last, math.inf))

    def point(self, place: int) -> Point:
        tp, flagged = int(self.tp[place]), int(self.tp[place] + self.fp[place])
        return Point(
            threshold=self.threshold(place),
            precision=tp / flagged if flagged else None,
            recall=tp / int(self.tp[0]),
            flagged=flagged / self.rows,
            cost=None if self.cost is None else float(self.cost[place]) / self.rows,
        )

    def curve(self, chosen: int) -> tuple[Point, ...]:
        """Points that lie about as many rows apart, both ends and the chosen one among them."""
        import numpy as np

        flagged = (self.tp + self.fp)[::-1]
        found = len(flagged) - 1 - np.searchsorted(flagged, np.linspace(0, self.rows, POINTS - 1))
        return tuple(self.point(int(place)) for place in sorted({0, chosen, *found}))


def _wish(**wishes: Costs | float | None) -> tuple[Criterion, float | None]:
    import typing

    named = [(name, wish) for name, wish in wishes.items() if wish is not None]
    if len(named) != 1:
        raise UsageError(
            f"{len(named)} wishes were given, and a threshold can serve one.",
            hint=f"Give exactly one of {', '.join(wishes)}.",
        )
    name, wish = named[0]
    if isinstance(wish, Costs):
        return "costs", None
    if wish is None or not 0 < wish <= 1:
        raise UsageError(f"{name}={wish} is not a share.", hint=f"Give a number above 0 and at most 1, such as {name}=0.2.")
    return typing.cast("Criterion", name), float(wish)


def _checked(truth: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Counts, Doubles]:
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
        raise UsageError("truth holds more than 0 and 1.", hint="Give truth as 1 where it is the positive class: truth == 'late'.")
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


def _best(table: _Table, criterion: Criterion, asked: float | None, band: tuple[int, int] | None) -> int:
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


def _band(table: _Table, costs: Costs, look: float) -> tuple[int, int]:
    """The places from and up to which looking is cheapest: a pair of them is tried in one pass, the narrower band of equal ones."""
    import numpy as np

    positives, negatives = table.tp[0] - table.tp, table.fp[0] - table.fp
    below = positives * costs.false_negative + negatives * costs.true_negative - look * (positives + negatives)
    above = table.tp * costs.true_positive + table.fp * costs.false_positive + look * (positives + negatives)
    lowest = np.minimum.accumulate(below)
    high = int((lowest + above).argmin())
    return high - int(below[high::-1].argmin()), high


def _outcomes(rule: DecisionRule, truth: Counts, scores: Doubles) -> Counts:
    """For each row 0 to 5: truth in the last bit; before it decided negative, positive, or by a person."""
    import numpy as np

    low, high = rule.reject or (rule.threshold, rule.threshold)
    decided = np.where(scores >= high, 1, np.where(scores < low, 0, 2))
    return 2 * decided + truth


def _resampled(outcomes: Counts, blocks: npt.ArrayLike | None, draws: int, seed: int) -> Doubles:
    """How often each outcome is there, in the rows (first) and in each draw (after it); shape (1 + draws, 6)."""
    import numpy as np

    random = np.random.default_rng(seed)
    counts = np.bincount(outcomes, minlength=6)
    if blocks is None:
        drawn = random.multinomial(len(outcomes), counts / len(outcomes), draws).astype(np.float64)
        return np.vstack([counts, drawn])
    codes = np.unique(np.asarray(blocks), return_inverse=True)[1]
    if codes.shape != outcomes.shape or codes.max() < 1:
        raise UsageError("Blocks are needed for every row, and two of them at least.", hint="Give the day or group of each row.")
    many = int(codes.max()) + 1
    inside = np.bincount(6 * codes + outcomes, minlength=6 * many).reshape(many, 6)
    # One block fewer than there are, or the intervals of few blocks would be too narrow (Rao and Wu, 1988).
    drawn = random.multinomial(many - 1, np.full(many, 1 / many), draws) @ inside
    return np.vstack([counts, drawn * many / (many - 1)])


def _figures(sums: Doubles, costs: Costs | None, look: float | None) -> dict[str, Doubles]:
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
        cost = tp * costs.true_positive + fp * costs.false_positive + fn * costs.false_negative + tn * costs.true_negative
        found["cost"] = (cost + (look or 0.0) * (looked_tn + looked_fn)) / rows
    return found


def _estimate(drawn: Doubles, level: float) -> Estimate:
    """The first is the rows' own figure; draws for which it is undefined are left out."""
    import numpy as np

    defined = drawn[1:][~np.isnan(drawn[1:])]
    if np.isnan(drawn[0]) or not len(defined):
        return Estimate(None, None, None)
    low, high = np.quantile(defined, ((1 - level) / 2, (1 + level) / 2))
    return Estimate(float(drawn[0]), float(low), float(high))


def _between(low: float, high: float) -> float:
    """Half way, but above `low`."""
    middle = low / 2 + high / 2
    return middle if low < middle <= high else high


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


def _told(choice: Choice, table: _Table, look: float | None) -> Choice:
    import msgspec

    rule, costs = choice.rule, choice.rule.costs
    start = rule.threshold if rule.reject is None else rule.reject[1]
    found = [
        f"Positive from {values.number(start)} on: {percent(choice.flagged.value)} of the rows, precision {_share(choice.precision)}, "
        f"recall {_share(choice.recall)}."
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
            [choice.cost.value, choice.cost.low, choice.cost.high, table.cost[0] / table.rows, table.cost[-1] / table.rows]
        )
        found.append(f"It costs {cost}{unit} a row ({low} to {high}); to flag all costs {all_}, to flag none {none}.")
        if rule.response == "predict_proba":
            found.append(f"Were the probabilities calibrated, these costs would ask for {values.number(chow(costs)[0])}.")
    found.append(
        f"Chosen and measured on the same {values.counted(choice.rows, 'row')}, {choice.positives:,} of them positive: "
        "new rows may do a little worse."
    )
    return msgspec.structs.replace(choice, sentences=tuple(found))


def _share(one: Estimate) -> str:
    return values.MISSING if one.value is None else f"{percent(one.value)} ({percent(one.low)} to {percent(one.high)})"
