"""Figures in the words of people who do not know their names: how good, how certain, what a decision costs, what a column holds."""

from __future__ import annotations

import math

from nbops.evaluation.assessment import Assessment
from nbops.evaluation.bootstrap import Interval
from nbops.evaluation.decision import DecisionRule
from nbops.evaluation.metrics import METRICS
from nbops.evaluation.telling import figures, label, percent, with_unit
from nbops.registry.signature import Column
from nbops.render import values
from nbops.render.values import counted

_AMOUNTS: dict[str, str] = {
    "mae": "On average a prediction is off by {}.",
    "rmse": "A prediction is typically off by {}, where large errors count more.",
    "median_ae": "Half of the predictions are off by at most {}.",
    "p90_ae": "Nine of ten predictions are off by at most {}.",
    "bias": "On average predictions lie {} beside the truth (above zero: too high).",
    "r2": "It explains {} of what differs from row to row.",
    "roc_auc": "Given a row of {positive} and another one, it tells which is which in {} of the cases; guessing would be 50 %.",
    "average_precision": "Averaged over all thresholds, {} of what it calls {positive} is right.",
    "log_loss": "Its log loss is {}: 0 would be perfect, and saying nothing but the usual shares is what it has to beat.",
    "brier": "The mean squared distance between its probabilities and what came is {}; 0 would be perfect.",
    "accuracy": "It is right in {} of the cases.",
    "balanced_accuracy": "Averaged over the classes, it finds {} of the rows of a class.",
    "precision": "Of what it calls {positive}, {} is.",
    "recall": "Of what is {positive}, it finds {}.",
    "f1": "Its F1 score, the balance of precision and recall, is {}; 1 would be perfect.",
    "f1_macro": "Its F1 score, averaged over the classes, is {}; 1 would be perfect.",
    "mcc": "Decision and truth correlate by {}; 0 is guessing and 1 is perfect.",
    "positive_rate": "It calls {} of the rows {positive}.",
}
_MEASURED: dict[str, str] = {
    "mae": "average error", "rmse": "typical error", "median_ae": "median error", "p90_ae": "error that one prediction in ten exceeds",
    "bias": "average distance from the truth", "r2": "share that it explains", "roc_auc": "ROC AUC (1 is perfect)",
    "log_loss": "log loss (0 is perfect)", "brier": "Brier score (0 is perfect)", "accuracy": "share of right answers",
    "balanced_accuracy": "share found, averaged over the classes", "precision": "share of alarms that are right",
    "recall": "share of cases that are found",
}  # fmt: skip
_SHARES = {
    "r2",
    "roc_auc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "positive_rate",
}
_KINDS = {
    "int": "whole number", "float": "number", "bool": "yes or no", "str": "text", "category": "one of a list", "datetime": "time",
    "other": "other",
}  # fmt: skip


def unit_of(found: Assessment, metric: str) -> str:
    """The unit that a metric is told in."""
    told = next((one for one in METRICS[found.task] if one.name == metric), None)
    return found.unit if told is not None and told.unit == "target" else ""


def meaning(found: Assessment, metric: str) -> str:
    """What a metric measures."""
    return next((one.sentence for one in METRICS[found.task] if one.name == metric), "")


def better(found: Assessment, metric: str) -> str:
    """Which way is better."""
    told = next((one.better for one in METRICS[found.task] if one.name == metric), "none")
    return {"higher": "more", "lower": "less"}.get(told, "near zero" if metric == "bias" else "–")


def how_good(found: Assessment, one: Interval) -> str:
    """A metric as a sentence about predictions."""
    if one.value is None:
        return f"{_begun(label(one.metric))} could not be told on these rows."
    shown = _amounts(one, unit_of(found, one.metric))[0]
    positive = f"{found.target} = {found.classes[-1]}" if found.classes else found.target
    told = _AMOUNTS.get(one.metric, f"{_begun(label(one.metric))} is {{}}.")
    return told.format(shown, positive=positive)


def measured(metric: str) -> str:
    """What a metric measures, as a name that needs no knowledge: "average error"."""
    return _MEASURED.get(metric, label(metric))


def how_certain(found: Assessment, one: Interval) -> str:
    """What the interval of a metric says, and what it rests on."""
    rows = counted(found.rows, "row")
    on = f"{rows} in {counted(found.blocks, 'block')} by {found.by}" if found.blocks is not None else rows
    if one.low is None or one.high is None:
        return f"How certain that is cannot be told from {on}."
    _, low, high = _amounts(one, unit_of(found, one.metric))
    return (
        f"How certain that is: measured on {on}, the true figure lies between {_bare(low)} and {high}. "
        f"{odds(one.level)} such samples a statement like this one is right."
    )


def _begun(words: str) -> str:
    """Words at the beginning of a sentence."""
    return words[:1].upper() + words[1:]


def odds(level: float) -> str:
    """A level of confidence as people count: "In 19 of 20"."""
    if abs(level - 0.95) < 1e-9:
        return "In 19 of 20"
    return f"In {values.number(round(100 * level, 2))} of 100"


def with_interval(one: Interval, unit: str) -> str:
    """A metric with its interval: "6.6 min (6.4 to 6.8)", of a share "71.2 % (70 to 72.4)"."""
    if one.value is None:
        return values.MISSING
    shown = _amounts(one, unit)
    return shown[0] if one.low is None or one.high is None else f"{shown[0]} ({_bare(shown[1])} to {_bare(shown[2])})"


def _bare(shown: str) -> str:
    return shown.split(" ", maxsplit=1)[0]


def _amounts(one: Interval, unit: str) -> list[str]:
    """A metric and the ends of its interval, with the digits that are certain and their unit."""
    ends = [one.value if end is None else end for end in (one.value, one.low, one.high)]
    known = [math.nan if end is None else end for end in ends]
    if one.metric in _SHARES:
        known, unit = [100 * end for end in known], "%"
    spread = (known[2] - known[1]) / 2
    return [with_unit(shown, unit) for shown in figures(known, spread)]


def rule_in_words(rule: DecisionRule, found: Assessment | None, target: str) -> list[str]:
    """How answers become decisions, what wrong ones cost, and where the threshold comes from."""
    told = [_threshold(rule, found, target)]
    costs = rule.costs
    if costs is not None:
        unit = costs.unit
        amounts = [with_unit(values.number(one), unit) for one in (costs.false_positive, costs.false_negative)]
        told.append(f"A false alarm costs {amounts[0]}, a case that is missed {amounts[1]}.")
        rights = [
            f"{what} {with_unit(values.number(one), unit)}"
            for what, one in (
                ("a case that is found", costs.true_positive),
                ("a row rightly let pass", costs.true_negative),
            )
            if one
        ]
        if rights:
            told.append(f"What is right counts, too: {' and '.join(rights)}.")
    if rule.why:
        told.append(f"Why this threshold: {rule.why}.")
    if rule.chosen_on:
        told.append(f"It was chosen on the data {rule.chosen_on[:12]}.")
    return told


def _threshold(rule: DecisionRule, found: Assessment | None, target: str) -> str:
    if rule.positive is None:
        least = f", unless its probability is below {percent(rule.least)}: then a person decides" if rule.least else ""
        return f"The most probable class is decided{least}."
    other = next(
        (one for one in (found.classes if found is not None else ()) if one != str(rule.positive)), "the other class"
    )
    score = _probability if rule.response == "predict_proba" else _score
    case = f"{target} = {rule.positive}"
    if rule.reject is not None:
        low, high = map(score, rule.reject)
        return f"It decides {case} from {high} on and {other} below {low}; what lies between is left to a person."
    what = "its probability" if score is _probability else "its score"
    return f"It decides {case} when {what} is at least {score(rule.threshold)}, else {other}."


def _probability(value: float) -> str:
    return percent(value)


def _score(value: float) -> str:
    return values.number(value)


def needed(column: Column) -> tuple[str, str, str, str]:
    """A column's name, what it holds, what was seen of it, and whether it may be missing."""
    seen = values.MISSING
    if column.low is not None and column.high is not None:
        seen = " to ".join(values.numbers([column.low, column.high]))
    elif column.categories is not None:
        shown = [values.text(one) for one in column.categories]
        seen = ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
    return column.name, _KINDS[column.kind], seen, "may be missing" if column.nullable else "there were none"


def quoted(text: str | None) -> str:
    """What somebody gave as a reason."""
    return f"“{ended(text)}”" if text and text.strip() else "no reason was given."


def ended(sentence: str) -> str:
    """A text of somebody's as a sentence."""
    told = sentence.strip()
    return told if not told or told[-1] in ".!?…" else f"{told}."
