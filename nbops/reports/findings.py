"""What an evaluation found, as parts of a page: how good, for whom worse, whether answers mean what they say, what it goes by.

In flows an `Assessment` as it was stored; nothing is measured here.
"""

from __future__ import annotations

import math

from nbops.evaluation.assessment import Assessment
from nbops.evaluation.bootstrap import Interval
from nbops.evaluation.fairness import Rate
from nbops.evaluation.slices import Slice
from nbops.evaluation.telling import estimate, figures, interval, label, share, with_unit
from nbops.render import values
from nbops.render.model import Column
from nbops.render.spans import Seen, Span, agreement, intervals
from nbops.render.values import counted, listed
from nbops.reports import wording
from nbops.reports.document import Block, Part, Picture, Points, Table, Words

_SLICES = 14
_FAIR = 12
_WORST_ROWS = 5
_FIELDS = 6
_IMPORTANT = 12
_SPECIAL = {"log_loss", "brier", "mcc", "average_precision", "f1", "f1_macro"}


def main_metric(found: Assessment, wanted: str = "") -> Interval | None:
    """The metric that is judged by: the one that is wanted, else the evaluation's own."""
    return found.of(wanted) or found.of(found.metric)


def quality(found: Assessment, wanted: str = "") -> Part:
    """How good it is, with what certainty, and every metric."""
    told = main_metric(found, wanted)
    blocks: list[Block] = []
    if told is not None:
        first, *more = in_words(found, told)
        blocks += [Words(first, "strong"), Words(wording.how_certain(found, plain_metric(found, told)))]
        blocks += [Points(tuple(more))] if more else []
    left = found.given - found.rows
    if left > 0:
        begin = f"{left:,} of {counted(found.given, 'row')} were left out"
        unknown = f"{found.without_truth:,} of them because the truth is not known" if found.without_truth else ""
        all_of_them = "their truth is not known" if found.without_truth == left else ""
        blocks.append(Words(": ".join(filter(None, [begin, all_of_them or unknown])) + ".", "muted"))
    blocks.append(_metrics(found, told.metric if told else ""))
    blocks += [Words(note, "attention") for note in found.notes]
    return Part("How good it is, and how certain that is", tuple(blocks))


def plain_metric(found: Assessment, told: Interval) -> Interval:
    """The metric to begin with: the one that is judged by, unless only specialists can read it."""
    return (found.of("accuracy") or told) if told.metric in _SPECIAL else told


def in_words(found: Assessment, told: Interval) -> list[str]:
    """How good it is, in sentences, the telling one first."""
    first = plain_metric(found, told)
    names = [
        first.metric,
        *(("recall", "precision") if found.task == "binary" else ()),
        *(("p90_ae",) if told.metric in {"mae", "rmse"} else ()),
    ]
    if first.metric != told.metric:
        names.append(told.metric)
    known = [one for name in dict.fromkeys(names) if (one := found.of(name)) is not None and one.value is not None]
    return [wording.how_good(found, one) for one in known] or [wording.how_good(found, first)]


def parts_of_rows(found: Assessment) -> Part:
    """For whom it is worse: groups somebody named, groups that were found, and single rows."""
    blocks: list[Block] = [Words(worse_in_short(found), "strong")]
    if found.slices:
        blocks += _slices(found)
    blocks += _fair(found)
    confirmed = [one for one in found.worst if one.confirmed]
    if confirmed:
        blocks.append(Words("Found by searching half of the rows, and confirmed on the other half:"))
        blocks.append(Points(tuple(one.sentence for one in confirmed[:5])))
    elif found.worst:
        blocks.append(
            Words(
                f"{counted(len(found.worst), 'other group')} looked worse in half of the rows; the other half confirmed none.",
                "muted",
            )
        )
    if found.worst_rows:
        blocks.append(_worst_rows(found))
    return Part("For whom it is worse", tuple(blocks))


def worse_in_short(found: Assessment) -> str:
    """The groups that are clearly worse, in a sentence or two."""
    worse = [one for one in found.slices if _is_worse(found, one)]
    named = [f"{one.column} = {one.group}" for one in worse]
    unit = wording.unit_of(found, found.metric)
    shown = [f"{name} ({with_unit(_brief(one.metric), unit)})" for name, one in zip(named, worse, strict=True)]
    of_loss = found.unit if found.task == "regression" else ""
    hidden = [
        f"{told} ({share(one.share)} of the rows, {with_unit(_brief(one.difference), of_loss)} worse)"
        for one in found.worst
        if one.confirmed and (told := " and ".join(one.conditions)) not in named
    ][:2]
    apart = list(dict.fromkeys(one.column for one in found.fairness for gap in one.gaps if gap.low > 0))
    sentences = []
    if named:
        overall = found.of(found.metric)
        told = _beside_the_rest(found, worse[0])
        if len(worse) > 1 and overall is not None and overall.value is not None:
            told = f"over all rows {label(found.metric)} is {with_unit(_brief(overall.value), unit)}"
        sentences.append(f"It is clearly worse for {listed(shown if len(worse) > 1 else named)}: {told}.")
    elif found.slices:
        looked = listed(list(dict.fromkeys(one.column for one in found.slices)))
        sentences.append(f"For no group by {looked} is it clearly worse than for the others.")
    if hidden:
        begin = (
            "Searching found also"
            if named
            else "But searching found that it is worse for"
            if found.slices
            else "It is worse for"
        )
        sentences.append(f"{begin} rows with {listed(hidden)}.")
    if apart:
        sentences.append(f"Groups by {listed(apart)} are not treated alike.")
    if not sentences:
        sentences.append(
            "Not known: nobody named groups to look at" + (", and searching found none." if found.worst else ".")
        )
    return " ".join(sentences)


def _brief(value: float) -> str:
    """A number with three digits."""
    return values.number(float(f"{value:.3g}"))


def _beside_the_rest(found: Assessment, one: Slice) -> str:
    """Such as "10.1 min (7.3 to 12.9) instead of 4.2 min (MAE)"."""
    unit = wording.unit_of(found, found.metric)
    shown = figures([one.metric, one.low, one.high, one.rest], one.high - one.low)
    return f"{interval(shown, unit)} there, {with_unit(shown[3], unit)} elsewhere ({label(found.metric)})"


def calibration(found: Assessment) -> Part | None:
    """Whether its answers mean what they say."""
    told = found.calibration or found.regression
    if told is None:
        return None
    shares = found.calibration is not None
    scale = 100 if shares else 1
    unit = "%" if shares else found.unit
    seen = [
        Seen(
            given=one.given * scale, observed=one.observed * scale, low=None if one.low is None else one.low * scale,
            high=None if one.high is None else one.high * scale, note=counted(one.rows, "row"),
        )
        for one in told.bins
    ]  # fmt: skip
    ends = f", {unit}" if unit else ""
    picture = agreement(seen, x_label=f"predicted{ends}", y_label=f"what came{ends}")
    says = tuple(
        f"Predicted {given}, came {observed} ({counted(one.rows, 'row')})"
        for one in told.bins
        for given, observed in [values.numbers([round(one.given * scale, 3), round(one.observed * scale, 3)])]
    )
    explained = (
        "Each dot stands for rows with predictions alike. On the dashed line what was predicted is what came; an orange dot is off by "
        "more than chance."
    )
    return Part(
        "Whether its answers mean what they say",
        (*(Words(sentence) for sentence in told.sentences), Picture(picture, says), Words(explained, "muted")),
    )


def importance(found: Assessment) -> Part | None:
    """What it goes by."""
    shown = [one for one in found.importance if not math.isnan(one.drop)][:_IMPORTANT]
    if not shown:
        return None
    unit = wording.unit_of(found, found.metric)
    spans = [
        Span(
            " and ".join(one.columns), one.drop, one.drop - one.deviation, one.drop + one.deviation,
            told=with_unit(figures([one.drop], one.deviation)[0], unit),
        )
        for one in shown
    ]  # fmt: skip
    picture = intervals(spans, unit=f"{label(found.metric)} gets worse by{f', {unit}' if unit else ''}")
    explained = (
        "How much worse it gets when the values of a column are shuffled among the rows; the line is how much that varied. "
        "It tells what the model relies on, not what causes the outcome."
    )
    most = [" and ".join(one.columns) for one in shown[:3] if one.drop > 2 * one.deviation]
    lead = f"It relies most on {listed(most)}." if most else "No column makes a clear difference."
    left = len(found.importance) - len(shown)
    more = (Words(f"{counted(left, 'column')} more matter less.", "muted"),) if left > 0 else ()
    says = tuple(one.sentence for one in shown)
    return Part("What it goes by", (Words(lead), Picture(picture, says), *more, Words(explained, "muted")))


def cases(found: Assessment) -> Part | None:
    """How the process owner's acceptance cases go."""
    if not found.cases:
        return None
    passed = sum(one.passed for one in found.cases)
    failed = len(found.cases) - passed
    lead = Words(
        f"{passed:,} of {counted(len(found.cases), 'acceptance case')} {'is' if passed == 1 else 'are'} answered as asked.",
        "bad" if failed else "good",
    )
    ordered = sorted(found.cases, key=lambda one: one.passed)
    shown = ordered[: max(failed, 12)]
    signs = tuple("✓" if one.passed else "✗" for one in shown)
    return Part("What its owner asks of it", (lead, Points(tuple(one.sentence for one in shown), signs)))


def assumptions(found: Assessment) -> list[Block]:
    """What it takes for granted, and whether that held."""
    if not found.assumptions:
        return []
    signs = tuple("✓" if one.holds else "✗" for one in found.assumptions)
    return [
        Words("It takes for granted, as it held in the rows that it was measured on:"),
        Points(tuple(one.told for one in found.assumptions), signs),
    ]


def sizing(found: Assessment) -> list[Block]:
    """Processor and memory."""
    if found.sizing is None:
        return [Words("What it takes of processor and memory was not measured.", "muted")]
    return [Words("Processor and memory:"), Points(found.sizing.sentences)]


def in_short(found: Assessment, *, wanted: str = "") -> list[Part]:
    """The parts that a notebook shows of an evaluation."""
    every = [quality(found, wanted), parts_of_rows(found), calibration(found), importance(found), cases(found)]
    if found.assumptions or found.sizing is not None:
        blocks = [*assumptions(found), *(sizing(found) if found.sizing is not None else [])]
        every.append(Part("What it needs", tuple(blocks)))
    return [one for one in every if one is not None]


def _metrics(found: Assessment, main: str) -> Table:
    columns = ("metric", "measured", "better is", Column("what it says", "prose"))
    ordered = sorted(found.metrics, key=lambda one: one.metric != main)
    rows = tuple(
        (
            label(one.metric), _unbroken(wording.with_interval(one, wording.unit_of(found, one.metric))), wording.better(found, one.metric),
            wording.meaning(found, one.metric),
        )
        for one in ordered
    )  # fmt: skip
    level = found.metrics[0].level if found.metrics else 0.95
    note = f"In brackets the interval that holds the true figure {wording.odds(level).lower()} such samples."
    return Table(columns, rows, note=note)


def _is_worse(found: Assessment, one: Slice) -> bool:
    """Whether a group is worse than the rest beyond chance, on rows enough to rely on."""
    if one.small or math.isnan(one.difference_low) or math.isnan(one.difference_high):
        return False
    way = wording.better(found, found.metric)
    return one.difference_high < 0 if way == "more" else one.difference_low > 0


def _slices(found: Assessment) -> list[Block]:
    unit = wording.unit_of(found, found.metric)
    shown = found.slices[:_SLICES]
    spans = [
        Span(
            f"{one.column} = {one.group}", one.metric, one.low, one.high,
            told=f"{estimate(one.metric, one.low, one.high, unit)}{' few rows' if one.small else ''}",
            highlight=_is_worse(found, one),
        )
        for one in shown
    ]  # fmt: skip
    overall = found.of(found.metric)
    limits = {"all rows": overall.value} if overall is not None and overall.value is not None else {}
    name = f"{label(found.metric)}{f', {unit}' if unit else ''}"
    picture = intervals(spans, unit=f"{name} ({wording.better(found, found.metric)} is better)", limits=limits)
    worse = [one.sentence for one in shown if _is_worse(found, one)]
    told: list[Block] = [Picture(picture, tuple(one.sentence for one in shown if one.sentence not in worse))]
    if worse:
        told += [Words("Clearly worse than the others (orange in the picture):"), Points(tuple(worse))]
    small = [f"{one.column} = {one.group} ({counted(one.rows, 'row')})" for one in found.slices if one.small]
    if small:
        told.append(Words(f"Too few rows to rely on: {listed(small)}.", "muted"))
    if len(found.slices) > len(shown):
        told.append(Words(f"{counted(len(found.slices) - len(shown), 'group')} that do better are not drawn.", "muted"))
    return told


def _fair(found: Assessment) -> list[Block]:
    told: list[Block] = []
    for one in found.fairness:
        told.append(Words(f"Whether groups by {one.column} are treated alike:"))
        told.append(Points(tuple(one.sentences[:_FAIR])))
        if found.task == "binary":
            told.append(Words(_RATES_SAY, "muted"))
        name = _FIRST_RATES[found.task]
        rates = [(group.name, rate) for group in one.groups for rate in group.rates if rate.name == name]
        if len(rates) > 1:
            told.append(_rates(found, name, rates[:_FAIR]))
    return told


_FIRST_RATES = {"regression": "mae", "binary": "selection_rate", "multiclass": "error"}
_RATES = {
    "mae": "mean absolute error",
    "selection_rate": "share that is called positive",
    "error": "share that is decided wrongly",
}


_RATES_SAY = (
    "Selection rate: the share that is called positive. True positive rate: of what is positive, the share that is found. False positive "
    "rate: of what is not, the share that is called so. Precision: of what is called positive, the share that is."
)


def _rates(found: Assessment, name: str, rates: list[tuple[str, Rate]]) -> Picture:
    """A rate of each group with its interval."""
    scale, unit = (1, found.unit) if name == "mae" else (100, "%")
    spans = []
    for group, rate in rates:
        value, low, high = (scale * end for end in (rate.value, rate.low, rate.high))
        told = f"{estimate(value, low, high, unit)}{' few rows' if rate.small else ''}"
        spans.append(Span(group, value, low, high, told))
    says = tuple(f"{span.label}: {span.told}" for span in spans)
    return Picture(intervals(spans, unit=f"{_RATES[name]}{f', {unit}' if unit else ''}"), says)


def _worst_rows(found: Assessment) -> Table:
    shown = found.worst_rows[:_WORST_ROWS]
    names = list(shown[0].fields)[:_FIELDS]
    columns = ("row", "truth", "predicted", *names)
    rows = tuple(
        (f"{one.row:,}", one.truth, one.predicted, *(_unbroken(one.fields.get(name, values.MISSING)) for name in names))
        for one in shown
    )
    caption = f"The {len(shown)} rows that were answered worst, of {len(found.worst_rows)} that are kept"
    return Table(columns, rows, caption=caption)


def _unbroken(words: str) -> str:
    """Short text that stays on one line."""
    return words.replace(" ", "\N{NO-BREAK SPACE}") if len(words) <= 30 else words
