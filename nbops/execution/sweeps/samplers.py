"""Samplers choose points one after the other, and may learn from what earlier ones gave.

They know points by their number, counted from 0 in the order in which they were asked for.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from nbops.errors import NotFound, UsageError
from nbops.records import Better, Record

GROUP = "nbops.samplers"
"""The entry points of samplers: callables from (space, better, seed) to a `Sampler`."""


class Range(Record):
    """Numbers from `low` to `high`, both included; with `log` spread evenly over their logarithm."""

    low: float
    high: float
    whole: bool = False
    log: bool = False


class Choices(Record):
    """Values to choose one of."""

    values: tuple[Any, ...]


Space = Mapping[str, Range | Choices]


class Sampler(Protocol):
    """Chooses points. Called by one thread."""

    def ask(self) -> Mapping[str, object] | None:
        """The next point, with a value for each parameter of the space; None when there is none any more."""
        ...

    def tell(self, number: int, values: Mapping[str, object], result: float | None) -> None:
        """A point has ended, with the metric's last value; None when it failed or has no such metric.

        Points of an earlier part of a resumed sweep are told before any is asked for.
        """
        ...

    def hopeless(self, number: int, step: int, value: float) -> bool:
        """A running point has logged the metric at a step: whether to stop it."""
        ...


Maker = Callable[[Space, Better | None, int], Sampler]


class Random:
    """Points drawn independently; the same seed draws the same."""

    def __init__(self, space: Space, better: Better | None, seed: int) -> None:  # noqa: ARG002 - as every sampler is made
        self._space = space
        self._chance = random.Random(seed)  # noqa: S311 - guards nothing
        self._drawn = 0

    def ask(self) -> Mapping[str, object]:
        """The next point; there is always one."""
        self._drawn += 1
        return {name: self._draw(dimension) for name, dimension in self._space.items()}

    def tell(self, number: int, values: Mapping[str, object], result: float | None) -> None:  # noqa: ARG002 - it learns nothing
        """Nothing is learnt; what was drawn before a sweep was resumed is not drawn again."""
        while self._drawn <= number:
            self.ask()

    def hopeless(self, number: int, step: int, value: float) -> bool:  # noqa: ARG002 - nothing is known of it
        """Never."""
        return False

    def _draw(self, dimension: Range | Choices) -> object:
        if isinstance(dimension, Choices):
            return self._chance.choice(dimension.values)
        low, high = dimension.low, dimension.high
        if dimension.whole:
            # Each whole number owns the interval around it, so that both ends are as likely as the others.
            low, high = low - 0.5, high + 0.5
        uniform = self._chance.uniform
        drawn = math.exp(uniform(math.log(low), math.log(high))) if dimension.log else uniform(low, high)
        drawn = min(max(drawn, dimension.low), dimension.high)
        return round(drawn) if dimension.whole else drawn


def find(name: str) -> Maker:
    """The sampler of that name. Raises NotFound, and UsageError when it cannot be loaded here."""
    if name == "random":
        return Random
    from importlib.metadata import entry_points

    found = next(iter(entry_points(group=GROUP, name=name)), None)
    if found is None:
        known = sorted({"random", *entry_points(group=GROUP).names})
        raise NotFound.of("sampler", name, known, otherwise=f"There are: {', '.join(known)}.")
    try:
        made: Maker = found.load()
    except ImportError as error:
        raise UsageError(
            f"The sampler {name!r} cannot be loaded: {error}.",
            hint=f"pip install 'nbops[{name}]', or what {found.value} needs.",
        ) from error
    return made
