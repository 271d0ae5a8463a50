"""Figures as people say them: with their unit, what they lie between, and how they compare."""

from __future__ import annotations

import math
from typing import Literal

from nbops.records import Record
from nbops.render import values

Direction = Literal["higher", "lower", "none"]


class Scale(Record):
    """What a figure measures: its name, the unit it is told in, and which direction is better."""

    name: str = "metric"
    unit: str = ""
    better: Direction = "lower"

    def worse(self, difference: float) -> float:
        """How much worse something is by a difference: below 0 it is better; where no direction is better, how far away it is."""
        return abs(difference) if self.better == "none" else -difference if self.better == "higher" else difference


def amount(value: float, unit: str = "") -> str:
    """Such as "8.6 min" or "0.71"."""
    return f"{values.number(value)} {unit}".rstrip()


def estimate(value: float, low: float, high: float, unit: str = "") -> str:
    """A figure with its interval, in as many digits as the interval leaves certain: "6.6 min (6.4 to 6.8)"."""
    if math.isnan(value):
        return "unknown"
    if math.isnan(low) or math.isnan(high):
        return f"{amount(value, unit)} (interval unknown)"
    told, *ends = _rounded(value, low, high)
    return f"{told} {unit}".rstrip() + f" ({' to '.join(ends)})"


def share(part: float) -> str:
    """Such as "12 %" or "0.3 %"."""
    percent = 100 * part
    return (
        f"{percent:.0f} %" if percent >= 9.95 or percent == 0 else f"{percent:.1f} %" if percent >= 0.05 else "<0.1 %"
    )


def compared(scale: Scale, difference: float, low: float, high: float, other: str) -> str:
    """How a figure compares to that of `other` by their difference and its interval."""
    if math.isnan(difference):
        return f"not comparable to {other}"
    if math.isnan(low) or math.isnan(high):
        return f"difference from {other} unclear"
    if low <= 0 <= high:
        return f"no clear difference from {other} ({' to '.join(_rounded(low, high))})"
    if scale.better == "none":
        word = "above" if difference > 0 else "below"
    else:
        word = "worse than" if scale.worse(difference) > 0 else "better than"
    told, *ends = _rounded(abs(difference), *sorted((abs(low), abs(high))))
    return f"{told} {scale.unit}".rstrip() + f" {word} {other} ({' to '.join(ends)})"


def _rounded(*figures: float) -> list[str]:
    """Figures with two significant digits of the distance between the last two."""
    width = figures[-1] - figures[-2]
    if not width > 0 or math.isinf(width):
        return values.numbers(figures)
    digits = 1 - math.floor(math.log10(width))
    return values.numbers([round(figure, digits) for figure in figures])
