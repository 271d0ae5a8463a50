"""From the values of a plot to places along an axis: its two ends, and ticks at round numbers.

Every finite float has a place: one value alone, equal values, the largest and the smallest there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nbops.records import Record
from nbops.render import values

_POWER = 300
_LARGEST = float(f"1e{_POWER}")  # ends beyond it would be further apart than a float can say
_SAME = 1e-10  # values nearer to each other than this, relative to their size, differ by rounding only
_DECADES = 3


class Axis(Record):
    """Values from `low` to `high`; `ticks` are values with their `labels`."""

    low: float
    high: float
    ticks: list[float]
    labels: list[str]
    log: bool = False

    def place(self, value: float) -> float:
        """Where `value` lies: 0 at `low`, 1 at `high`."""
        value = max(-_LARGEST, min(_LARGEST, value))
        if self.log:
            value = max(self.low, min(self.high, value))
            return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (value - self.low) / (self.high - self.low)


def linear(drawn: Sequence[float], *, count: int = 5, round_ends: bool = False, whole: bool = False) -> Axis:
    """An axis for finite values `drawn`, with about `count` ticks at multiples of 1, 2 or 5 times a power of ten.

    `round_ends` extends it to the ticks around the values; `whole` allows no ticks between integers. Without values it has no ticks.
    """
    if not drawn:
        return Axis(low=0, high=1, ticks=[], labels=[])
    low, high = (max(-_LARGEST, min(_LARGEST, end)) for end in (min(drawn), max(drawn)))
    if high - low <= max(abs(low), abs(high)) * _SAME or high - low < 1 / _LARGEST:
        room = max(abs(low) / 10, 1 / _LARGEST) if low else 1
        return Axis(low=low - room, high=high + room, ticks=[low], labels=[values.number(low)])
    step = _step((high - low) / count, whole=whole)
    first, last = low / step, high / step
    places = (
        range(math.floor(first), math.ceil(last) + 1) if round_ends else range(math.ceil(first), math.floor(last) + 1)
    )
    power = math.floor(math.log10(step))
    ticks = [round(place * step, -power) for place in places]
    if round_ends:
        low, high = ticks[0], ticks[-1]
    return Axis(low=low, high=high, ticks=ticks, labels=_labels(ticks, power))


def logarithmic(drawn: Sequence[float], *, count: int = 5) -> Axis:
    """An axis for finite positive values, with ticks at powers of ten."""
    lowest, highest = _powers(drawn)
    low, high = math.floor(lowest), math.ceil(highest)
    ticks = [float(f"1e{power}") for power in range(low, high + 1, max(1, math.ceil((high - low) / count)))]
    labels = [values.number(tick) for tick in ticks]
    return Axis(low=float(f"1e{low}"), high=float(f"1e{high}"), ticks=ticks, labels=labels, log=True)


def spans_decades(drawn: Sequence[float]) -> bool:
    """Whether only powers of ten tell these values apart: all positive, from one to a thousand times that."""
    if not drawn or min(drawn) <= 0:
        return False
    lowest, highest = _powers(drawn)
    return highest - lowest >= _DECADES


def categories(names: Sequence[str]) -> Axis:
    """An axis with one place per name; the value of a name is its index."""
    room = 0.5 if len(names) == 1 else 0
    ticks = [float(index) for index in range(len(names))]
    return Axis(low=-room, high=max(len(names) - 1, 0) + room or 1, ticks=ticks, labels=list(names))


def _powers(drawn: Sequence[float]) -> tuple[float, float]:
    lowest, highest = (max(-_POWER, min(_POWER, math.log10(end))) for end in (min(drawn), max(drawn)))
    return lowest, highest


def _step(rough: float, *, whole: bool) -> float:
    power = math.floor(math.log10(rough))
    unit = float(f"1e{power}")
    factor = next((factor for factor in (1, 2, 5) if factor * unit >= rough), 10)
    return max(1.0, factor * unit) if whole else factor * unit


def _labels(ticks: Sequence[float], power: int) -> list[str]:
    """The ticks with the decimals that their distance (a multiple of ten to the `power`) asks for."""
    largest = math.floor(math.log10(max(abs(tick) for tick in ticks)))
    if largest < 7 and power > -7:  # beyond, the zeros are longer than an exponent
        return [f"{tick:z,.{max(0, -power)}f}".replace("-", "−") for tick in ticks]
    return [_scientific(tick, largest - power) for tick in ticks]


def _scientific(tick: float, digits: int) -> str:
    if not tick:
        return "0"
    mantissa, exponent = f"{tick:.{max(digits, 0)}e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")
