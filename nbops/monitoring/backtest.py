"""What estimates were worth: each is held against what came out when labels arrive, and is not believed when it was off too often.

A pure function of the history: whoever has the same estimates and outcomes comes to the same state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from nbops.evaluation import telling
from nbops.records import Record
from nbops.render import values

Trust = Literal["trusted", "watched", "off"]

_MISSES, _OF, _GOOD = 2, 3, 3


class Pair(Record):
    """A window's estimate beside what came out, and how far the two may lie apart."""

    estimated: float
    realised: float
    band: float

    @property
    def error(self) -> float:
        """By how much the estimate was too high."""
        return self.estimated - self.realised

    @property
    def missed(self) -> bool:
        """Whether it was off by more than its band; what is not a number was."""
        return not abs(self.error) <= self.band


class Backtest(Record):
    """How far the estimates of `windows` windows were off: on average (`bias`), in size (`error`), and how many by more than their band.

    `band` is that of the last window. `trusted`: at least three windows came out, none of the last three outside; `watched`: fewer, or one
    outside; `off`: two of three were, and since then no three in a row were inside.
    """

    windows: int
    missed: int
    bias: float | None
    error: float | None
    band: float | None
    trust: Trust
    sentence: str

    @property
    def usable(self) -> bool:
        """Whether the next estimate may be believed."""
        return self.trust != "off"


def backtest(pairs: Sequence[Pair], *, name: str = "", unit: str = "") -> Backtest:
    """What the pairs of a metric, in the order of their windows, say about the next estimate; `name` and `unit` are for the sentence."""
    off, good = False, 0
    recent: list[bool] = []
    for pair in pairs:
        recent = [*recent, pair.missed][-_OF:]
        good = 0 if pair.missed else good + 1
        if off and good >= _GOOD:
            off, recent = False, [False] * _OF
        elif sum(recent) >= _MISSES:
            off = True
    trust: Trust = "off" if off else "trusted" if len(pairs) >= _OF and not any(recent) else "watched"
    missed = sum(pair.missed for pair in pairs)
    bias = sum(pair.error for pair in pairs) / len(pairs) if pairs else None
    error = sum(abs(pair.error) for pair in pairs) / len(pairs) if pairs else None
    band = pairs[-1].band if pairs else None
    sentence = _sentence(pairs, error, trust, telling.label(name) if name else "the metric", unit)
    return Backtest(len(pairs), missed, bias, error, band, trust, sentence)


def _sentence(pairs: Sequence[Pair], error: float | None, trust: Trust, name: str, unit: str) -> str:
    if error is None:
        return f"No label has come yet to hold estimates of {name} against."
    missed = sum(pair.missed for pair in pairs)
    history = (
        f"estimates of {name} were off by {telling.amount(error, unit)} on average over "
        f"{values.counted(len(pairs), 'window')}, and left their band in {missed}"
    )
    word = {"trusted": "Trusted", "watched": "Watched", "off": "Switched off"}[trust]
    back = (
        f"; {values.counted(_GOOD, 'window')} in a row inside it would switch them on again" if trust == "off" else ""
    )
    return f"{word}: {history}{back}."
