"""How good a version was on the rows of a window whose truth is known by now, and how that stands to what the laboratory promised.

Frames and arrays in, frozen records out; nothing here knows a store. Days are drawn whole for every interval. Where there are too few
labels, or only those of some kinds of rows, that is said in place of a judgement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from nbops.errors import NbopsError, UsageError
from nbops.evaluation import assessing, telling
from nbops.evaluation.answers import Answers, Task
from nbops.evaluation.bootstrap import Apart, Interval, apart, intervals
from nbops.evaluation.calibration import Calibration, RegressionCalibration, calibrate, calibrate_regression
from nbops.evaluation.metrics import METRICS, measure, metric
from nbops.evaluation.slices import Slice, by_slices
from nbops.evaluation.telling import Estimate, Scale
from nbops.monitoring import rows
from nbops.monitoring.coverage import LEAST_LABELS, Coverage, coverage
from nbops.monitoring.rows import Question
from nbops.monitoring.value import Value, value
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import pandas as pd

WORSE_THAN = 1.25
"""The usual bound: a quarter worse than in the laboratory."""

Where = Literal["within", "perhaps", "beyond", "unknown"]
"""`perhaps`: the value is beyond the bound, but its interval is not."""


class Bound(Record):
    """How bad a metric may get: so many times as bad as in the laboratory (`worse_than`), or a fixed `limit` in its own unit.

    Of a metric that is better when higher, "1.25 times as bad" is the laboratory's value divided by 1.25.
    """

    metric: str
    worse_than: float | None = None
    limit: float | None = None

    def __post_init__(self) -> None:
        """Refuse what bounds nothing. Raises UsageError."""
        if (self.worse_than is None) == (self.limit is None):
            raise UsageError(
                f"The bound of {self.metric!r} needs one of worse_than and limit.",
                hint=f"Such as Bound({self.metric!r}, worse_than={WORSE_THAN}).",
            )
        if self.worse_than is not None and not 1 < self.worse_than < math.inf:
            raise UsageError(
                f"worse_than={self.worse_than} allows nothing: 1 is as good as in the laboratory.",
                hint=f"Such as {WORSE_THAN}: a quarter worse.",
            )
        if self.limit is not None and not math.isfinite(self.limit):
            raise UsageError("A limit is a finite number.", hint="Give it in the metric's own unit.")


class Standing(Record):
    """How a metric stands to the laboratory's and to its bound.

    `difference` and `ratio` are those of the window to the laboratory, in the metric's unit and as a factor. It is `beyond` the bound only
    where the whole interval is.
    """

    metric: str
    bound: Bound
    value: float | None
    laboratory: float | None
    difference: Estimate
    ratio: Estimate
    where: Where
    sentence: str


class SliceStanding(Record):
    """How a slice of a window stands to the same one in the laboratory, and to a bound of its own: so many times as bad as it was there.

    It is unknown where the laboratory has no such slice, where either is too small to rely on, and where the labels do not allow it.
    """

    column: str
    group: str
    laboratory: float | None
    ratio: Estimate
    where: Where
    sentence: str


class Performance(Record):
    """What is known of a window: of `rows` rows, `labelled` are judged.

    `metrics` are all of the task, with intervals by day (or hour, of less than five days). `standings` tell of each bound, unknown where
    the labels do not allow it, as `coverage` says; `beside` does of each of the `slices`. `notes` say what could not be told.
    """

    task: Task
    unit: str
    rows: int
    labelled: int
    coverage: Coverage
    metrics: tuple[Interval, ...] = ()
    standings: tuple[Standing, ...] = ()
    slices: tuple[Slice, ...] = ()
    calibration: Calibration | None = None
    regression: RegressionCalibration | None = None
    value: Value | None = None
    notes: tuple[str, ...] = ()
    beside: tuple[SliceStanding, ...] = ()

    def of(self, name: str) -> Interval | None:
        """The metric of that name, if there is one."""
        return next((one for one in self.metrics if one.metric == name), None)


def default_bound(task: Task, *, probabilities: bool = True) -> Bound:
    """What holds where nobody said anything: a quarter worse than in the laboratory, by the metric that is usual for the task."""
    usual = "mae" if task == "regression" else "log_loss" if probabilities else "accuracy"
    return Bound(usual, worse_than=WORSE_THAN)


def performance(
    frame: pd.DataFrame,
    question: Question,
    *,
    laboratory: Answers | None = None,
    bounds: Sequence[Bound] = (),
    least: int = LEAST_LABELS,
    slices: Sequence[Slice] = (),
) -> Performance:
    """How good the predictions of a window were: `frame` (n, any) as `rows` describes it.

    `laboratory` are the version's answers to rows that it had not seen, with their days as blocks; `bounds` default to `default_bound`, and
    slices go by the first one's metric, as do `slices`, which are the laboratory's. Below `least` labels nothing is judged. Raises
    NotFound, UsageError.
    """
    every, known = rows.told(frame, question, which="all"), rows.told(frame, question)
    found, covered = known.answers, covered_by(frame, question, least=least)
    asked = tuple(bounds) or (default_bound(question.task, probabilities=found.probabilities is not None),)
    told = Performance(
        task=question.task,
        unit=question.unit,
        rows=len(frame),
        labelled=found.rows,
        coverage=covered,
        standings=tuple(standing(found, laboratory, one, question, covered) for one in asked),
        notes=tuple(dict.fromkeys([*every.notes, *known.notes])),
    )
    if not found.rows:
        return told
    judged = _judged(told, frame.loc[known.rows].reset_index(drop=True), found, question, asked[0].metric)
    then = {(one.column, one.group): one for one in slices}
    beside = (
        _slice_standing(one, then.get((one.column, one.group)), asked[0], question, covered) for one in judged.slices
    )
    return msgspec.structs.replace(judged, beside=tuple(beside))


def covered_by(frame: pd.DataFrame, question: Question, *, least: int = LEAST_LABELS) -> Coverage:
    """Which of the rows have a label, and whether those stand for the others."""
    every = rows.told(frame, question, which="all")
    given = frame.loc[every.rows].reset_index(drop=True)
    known = every.answers
    scores = known.probabilities[:, 1] if known.task == "binary" and known.probabilities is not None else None
    predictions = known.predicted if scores is None else scores
    return coverage(rows.days(given, question.zone), predictions, rows.labelled(given), least=least)


def standing(
    answers: Answers, laboratory: Answers | None, bound: Bound, question: Question, covered: Coverage
) -> Standing:
    """How a metric of the labelled rows stands to the laboratory's and to its bound. Raises NotFound, UsageError."""
    known = metric(answers.task, bound.metric)
    if known.better == "none" and bound.worse_than is not None:
        raise UsageError(
            f"Neither more nor less {bound.metric} is worse.",
            hint=f"Give a limit: Bound({bound.metric!r}, limit=…) bounds its absolute value.",
        )
    scale = Scale(telling.label(bound.metric), question.unit if known.unit == "target" else "", known.better)
    own, beside = _own(answers, bound.metric, question), _beside(answers, laboratory, bound.metric, question)
    ratio = Estimate(beside.ratio, beside.ratio_low, beside.ratio_high)
    where: Where = "unknown"
    if covered.trust == "whole":
        where = _where(bound, Estimate(own.value, own.low, own.high), ratio, known.better)
    return Standing(
        metric=bound.metric,
        bound=bound,
        value=own.value,
        laboratory=beside.earlier,
        difference=Estimate(beside.difference, beside.low, beside.high),
        ratio=ratio,
        where=where,
        sentence=_sentence(bound, own, beside, scale, where, covered),
    )


def seems(estimated: Estimate, laboratory: float | None, bound: Bound, task: Task) -> Where:
    """Where an estimate without labels lies beside the laboratory's value, whose uncertainty is in the estimate's interval already."""
    ratio = Estimate(None, None, None)
    if laboratory is not None and laboratory > 0:
        ends = (estimated.value, estimated.low, estimated.high)
        ratio = Estimate(*(None if end is None else end / laboratory for end in ends))
    return _where(bound, estimated, ratio, metric(task, bound.metric).better)


def times_as_bad(now: Slice, then: Slice) -> Estimate:
    """The ratio of two metrics of different rows with an interval from those of both, on a log scale (Zou and Donner 2008)."""
    if not (now.metric > 0 and then.metric > 0):
        return Estimate(None, None, None)
    ratio = now.metric / then.metric
    if not (now.low > 0 and then.low > 0 and math.isfinite(now.high) and math.isfinite(then.high)):
        return Estimate(ratio, None, None)
    below = math.hypot(math.log(now.metric / now.low), math.log(then.high / then.metric))
    above = math.hypot(math.log(now.high / now.metric), math.log(then.metric / then.low))
    return Estimate(ratio, ratio * math.exp(-below), ratio * math.exp(above))


def _judged(told: Performance, frame: pd.DataFrame, found: Answers, question: Question, name: str) -> Performance:
    notes = list(told.notes)

    def or_note(what: str, tell: Callable[[], Any]) -> Any:
        """What is found, or None with a note that says why not."""
        try:
            return tell()
        except NbopsError as error:
            notes.append(f"{what}: {error.message}")
            return None

    names = [one.name for one in METRICS[found.task]]
    measured = intervals(found, names, level=question.level, draws=question.draws, seed=question.seed)
    sliced = or_note("Slices", lambda: _slices(frame, found, question, name))
    by, given = found.blocks, found.probabilities
    calibrated = None if given is None else or_note("Calibration", lambda: calibrate(found.truth, given, blocks=by))
    regression = None
    if found.task == "regression":
        regression = or_note(
            "Calibration", lambda: calibrate_regression(found.truth, found.predicted, unit=question.unit, blocks=by)
        )
    return msgspec.structs.replace(
        told, metrics=tuple(measured.values()), slices=sliced or (), calibration=calibrated, regression=regression,
        value=value(found, question), notes=tuple(notes),
    )  # fmt: skip


def _slices(frame: pd.DataFrame, found: Answers, question: Question, name: str) -> tuple[Slice, ...]:
    if not question.slices:
        return ()
    each, scale = assessing.by_row(found, name)
    unit = question.unit if metric(found.task, name).unit == "target" else ""
    given: Any = each if each is not None else lambda some: measure(found.take(some), [name])[name]
    return by_slices(frame, question.slices, given, scale=Scale(scale.name, unit, scale.better), blocks=found.blocks)


def _slice_standing(
    now: Slice, then: Slice | None, bound: Bound, question: Question, covered: Coverage
) -> SliceStanding:
    nothing = Estimate(None, None, None)
    # Which values are the rare ones differs from window to window.
    if then is None or math.isnan(then.metric) or math.isnan(now.metric) or now.group.startswith("other ("):
        return SliceStanding(now.column, now.group, None, nothing, "unknown", now.sentence)
    known = metric(question.task, bound.metric)
    ratio, where = times_as_bad(now, then), _UNKNOWN
    few = now.small or then.small
    if bound.worse_than is not None and covered.trust == "whole" and not few:
        where = _where(bound, Estimate(now.metric, now.low, now.high), ratio, known.better)
    told = f"In the laboratory it was {telling.amount(then.metric, question.unit if known.unit == 'target' else '')}"
    if ratio.value is not None:
        told += f": {_shown(ratio.value, ratio.low, ratio.high)} times as much now"
    if where != "unknown":
        told += f", {_WORDS[where]} the bound of {values.number(bound.worse_than)} times as bad"
    elif few and not now.small:
        told += ", on too few rows to rely on"
    return SliceStanding(now.column, now.group, then.metric, ratio, where, f"{now.sentence} {told}.")


def _own(answers: Answers, name: str, question: Question) -> Interval:
    if not answers.rows:
        return Interval(name, None, None, None, question.level, 0, None)
    return intervals(answers, [name], level=question.level, draws=question.draws, seed=question.seed)[name]


def _beside(answers: Answers, laboratory: Answers | None, name: str, question: Question) -> Apart:
    """The window beside the laboratory, as far as there are both."""
    if laboratory is None or not laboratory.rows:
        return Apart(name, None, None, None, None, None, None, None, None, question.level)
    if laboratory.classes != answers.classes:
        raise UsageError(
            f"The laboratory's classes are {laboratory.classes}, the window's {answers.classes}.",
            hint="Read both with the same Question.",
        )
    if answers.rows:
        return apart(laboratory, answers, name, level=question.level, draws=question.draws, seed=question.seed)
    promised = measure(laboratory, [name])[name]
    known = None if math.isnan(promised) else promised
    return Apart(name, known, None, None, None, None, None, None, None, question.level)


def _where(bound: Bound, own: Estimate, ratio: Estimate, better: telling.Direction) -> Where:
    """Whether the value lies beyond the bound, and whether its whole interval does."""
    one, most = (own, bound.limit) if bound.limit is not None else (ratio, bound.worse_than)
    value, low, high = one.value, one.low, one.high
    if value is None or most is None:
        return "unknown"
    if bound.limit is None and better == "higher":
        most = 1 / most
    if better == "none" and value < 0:
        value, low, high = -value, *(None if end is None else -end for end in (high, low))
    sign, nearest = (-1, high) if better == "higher" else (1, low)
    if sign * (value - most) <= 0:
        return "within"
    return "beyond" if nearest is not None and sign * (nearest - most) > 0 else "perhaps"


_UNKNOWN: Where = "unknown"
_WORDS: dict[Where, str] = {
    "within": "within",
    "perhaps": "perhaps beyond",
    "beyond": "beyond",
    "unknown": "not held against",
}


def _sentence(bound: Bound, own: Interval, beside: Apart, scale: Scale, where: Where, covered: Coverage) -> str:
    """Such as "MAE 15.8 min (14.9 to 17.0), 1.8 times the laboratory's 8.81 min (1.4 to 2.1): beyond the bound of 1.25 times."."""
    if own.value is None:
        return covered.sentence if not covered.labelled else f"{scale.name} is not defined for these rows."
    parts = [f"{scale.name} {_shown(own.value, own.low, own.high, scale.unit)}"]
    if beside.earlier is not None and beside.ratio is not None:
        times = _shown(beside.ratio, beside.ratio_low, beside.ratio_high).partition(" ")
        parts.append(
            f"{times[0]} times the laboratory's {telling.amount(beside.earlier, scale.unit)} {times[2]}".rstrip()
        )
    elif beside.earlier is not None:
        parts.append(f"in the laboratory {telling.amount(beside.earlier, scale.unit)}")
    if bound.limit is not None:
        limit = f"the limit of {telling.amount(bound.limit, scale.unit)}"
    else:
        limit = f"the bound of {values.number(bound.worse_than)} times as bad"
    if covered.trust != "whole":
        return f"{', '.join(parts)}; {_WORDS[where]} {limit}: {covered.sentence}"
    return f"{', '.join(parts)}: {_WORDS[where]} {limit}."


def _shown(value: float, low: float | None, high: float | None, unit: str = "") -> str:
    if low is None or high is None:
        return f"{telling.amount(value, unit)} (interval unknown)"
    return telling.interval(telling.figures([value, low, high], high - low), unit)
