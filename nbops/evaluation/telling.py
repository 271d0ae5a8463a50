"""Figures as people say them: with their unit, what they lie between, and how they compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from nbops.records import Record
from nbops.render import values

Direction = Literal["higher", "lower", "none"]
_LABELS = {
    "mae": "MAE", "rmse": "RMSE", "median_ae": "median error", "p90_ae": "90 % error", "r2": "R²", "roc_auc": "ROC AUC", "f1": "F1",
    "f1_macro": "macro F1", "mcc": "MCC", "brier": "Brier score",
}  # fmt: skip


class Estimate(Record):
    """A figure and its interval; None where it is undefined, as the precision of no flagged row."""

    value: float | None
    low: float | None
    high: float | None


class Scale(Record):
    """What a figure measures: its name, the unit it is told in, and which direction is better."""

    name: str = "metric"
    unit: str = ""
    better: Direction = "lower"

    def worse(self, difference: float) -> float:
        """How much worse something is by a difference: below 0 it is better; where no direction is better, how far away it is."""
        return abs(difference) if self.better == "none" else -difference if self.better == "higher" else difference


def label(name: str) -> str:
    """A metric's name as people write it."""
    return _LABELS.get(name, name.replace("_", " "))


def with_unit(text: str, unit: str) -> str:
    """A number with its unit, if it has one."""
    return f"{text} {unit}".rstrip()


def amount(value: float, unit: str = "") -> str:
    """Such as "8.6 min" or "0.71"."""
    return with_unit(values.number(value), unit)


def share(part: float) -> str:
    """A part of the rows: "12 %" or "0.3 %"."""
    percent = 100 * part
    return (
        f"{percent:.0f} %" if percent >= 9.95 or percent == 0 else f"{percent:.1f} %" if percent >= 0.05 else "<0.1 %"
    )


def percent(share: float | None) -> str:
    """A figure from 0 to 1 as "71.2 %"."""
    return values.MISSING if share is None else f"{values.number(round(100 * share, 1))} %"


def figures(given: Sequence[float], spread: float) -> list[str]:
    """Numbers with two digits of their spread, and more where different ones would look alike or like zero."""
    if not 0 < spread < math.inf:
        return values.numbers(given)
    digits = 1 - math.floor(math.log10(spread))
    different = len({*given, 0.0})
    while digits < 8 and len({0.0, *(round(one, digits) for one in given)}) < different:
        digits += 1
    return values.numbers([round(one, digits) for one in given])


def interval(shown: Sequence[str], unit: str) -> str:
    """A value and the ends of its interval, as `figures` gives them: "6.6 min (6.4 to 6.8)"."""
    return f"{with_unit(shown[0], unit)} ({shown[1]} to {shown[2]})"


def estimate(value: float, low: float, high: float, unit: str = "") -> str:
    """A figure with its interval, in as many digits as the interval leaves certain: "6.6 min (6.4 to 6.8)"."""
    if math.isnan(value):
        return "unknown"
    if math.isnan(low) or math.isnan(high):
        return f"{amount(value, unit)} (interval unknown)"
    return interval(figures([value, low, high], high - low), unit)


def compared(scale: Scale, difference: float, low: float, high: float, other: str) -> str:
    """How a figure compares to that of `other` by their difference and its interval."""
    if math.isnan(difference):
        return f"not comparable to {other}"
    if math.isnan(low) or math.isnan(high):
        return f"difference from {other} unclear"
    if low <= 0 <= high:
        return f"no clear difference from {other} ({' to '.join(figures([low, high], high - low))})"
    if scale.better == "none":
        word = "above" if difference > 0 else "below"
    else:
        word = "worse than" if scale.worse(difference) > 0 else "better than"
    told, *ends = figures([abs(difference), *sorted((abs(low), abs(high)))], high - low)
    return f"{with_unit(told, scale.unit)} {word} {other} ({' to '.join(ends)})"
