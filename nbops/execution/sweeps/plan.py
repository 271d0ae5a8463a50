"""What a sweep was asked for, checked against the notebook, as one record that its run keeps."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from nbops.errors import UsageError
from nbops.execution import driving, reading
from nbops.execution import parameters as typed
from nbops.execution.notebook import folder, writable
from nbops.execution.parameters import Interface
from nbops.execution.skipping.plan import by_hand
from nbops.execution.sweeps import samplers, space, texts
from nbops.execution.sweeps.asked import Asked, Goal, Ways
from nbops.execution.sweeps.samplers import Choices, Range, Sampler, Space
from nbops.execution.sweeps.texts import Given
from nbops.records import Record

FILE = "sweep.json"
"""The file of a sweep's run that holds its `Specification`."""


class Drawn(Record):
    """How a sampler chooses: its name, its space (`choices` as text) and how many points there are at most."""

    sampler: str
    ranges: dict[str, Range]
    choices: dict[str, list[str]]
    most: int
    seed: int


class Specification(Record):
    """A sweep, complete: values are text as `texts` writes it, `digest` is of the notebook's code.

    `points` are listed, or `drawn` says how they are chosen.
    """

    notebook: str
    digest: str
    fixed: dict[str, Given]
    varied: list[str]
    points: list[dict[str, str]] | None
    drawn: Drawn | None
    ways: Ways
    goal: Goal
    name: str = ""


class Plan(NamedTuple):
    """What driver and lanes work from."""

    specification: Specification
    path: Path
    node: Any
    interface: Interface
    dropped: int = 0
    """How many points were asked for twice."""

    @property
    def size(self) -> int:
        """How many points there are, at most for a sampler."""
        told = self.specification
        return told.drawn.most if told.drawn else len(told.points or [])

    @property
    def kind(self) -> str:
        """What chooses the points: `list`, or the sampler's name."""
        return self.specification.drawn.sampler if self.specification.drawn else "list"

    @property
    def fixed(self) -> dict[str, object]:
        """The values that all points share, as they were given."""
        return {name: told.value for name, told in self.specification.fixed.items()}

    @property
    def example(self) -> dict[str, object]:
        """The values of one of its points, as far as they were given."""
        told = self.specification
        return self.values(told.points[0]) if told.points else {**self.fixed, **_example(_space(told))}

    def values(self, point: Mapping[str, str]) -> dict[str, object]:
        """The values of a point, the fixed ones among them."""
        return {**self.fixed, **{name: texts.read(text) for name, text in point.items()}}


def make(asked: Asked) -> Plan:
    """Check everything that can be checked before a kernel starts. Raises NotFound, UsageError and ParameterError."""
    path = Path(asked.notebook)
    node, interface = _read(path)
    fixed = {name: told.value for name, told in asked.fixed.items()}
    listed: list[dict[str, str]] | None = None
    drawn, dropped = None, 0
    _one_kind(asked)
    if asked.ranges:
        drawn = _drawn(asked, interface, fixed)
        varied = list(asked.ranges)
    else:
        found, dropped = space.points(asked, interface, fixed)
        listed = [{name: texts.write(value) for name, value in point.items()} for point in found]
        varied = list(dict.fromkeys(name for point in found for name in point))
    typed.check(node, interface, [*fixed, *varied])
    if asked.goal.stop_hopeless and not asked.goal.metric:
        raise UsageError("Without a metric no point is hopeless.", hint="Name the metric: --metric mae")
    if asked.ways.cwd:
        folder(Path(asked.ways.cwd))
    if asked.ways.output:
        writable(Path(asked.ways.output) / "sweep.ipynb")
    specification = Specification(
        notebook=str(path), digest=digest(node), fixed=asked.fixed, varied=varied, points=listed, drawn=drawn, ways=asked.ways,
        goal=asked.goal, name=asked.name,
    )  # fmt: skip
    return Plan(specification, path, node, interface, dropped)


def again(specification: Specification, asked: Asked) -> Plan:
    """The plan of a sweep that is resumed, with other lanes and limits if `asked`.

    Raises UsageError when the notebook's code has changed, unless forced.
    """
    path = Path(specification.notebook)
    node, interface = _read(path)
    if digest(node) != specification.digest and not asked.force:
        raise UsageError(
            f"The code of {path.name} has changed since the sweep began.",
            hint="Begin a new sweep, or go on with the new code for what is missing: --force",
        )
    ways = msgspec.structs.replace(
        specification.ways, lanes=asked.ways.lanes or specification.ways.lanes, max_failures=asked.ways.max_failures
    )  # fmt: skip
    return Plan(msgspec.structs.replace(specification, ways=ways), path, node, interface)


def sampler(plan: Plan) -> Sampler | None:
    """What chooses the points of a plan; None when they are listed. Raises NotFound and UsageError."""
    told = plan.specification
    return samplers.find(told.drawn.sampler)(_space(told), told.goal.better, told.drawn.seed) if told.drawn else None


def _space(told: Specification) -> dict[str, Range | Choices]:
    drawn = told.drawn
    if drawn is None:
        return {}
    return {
        name: drawn.ranges[name] if name in drawn.ranges else Choices(tuple(map(texts.read, drawn.choices[name])))
        for name in told.varied
    }


def _example(dimensions: Space) -> dict[str, object]:
    return {
        name: one.values[0] if isinstance(one, Choices) else round(one.low) if one.whole else one.low
        for name, one in dimensions.items()
    }


def digest(node: Any) -> str:
    """A digest of a notebook's code alone."""
    return hashlib.sha256(" ".join(by_hand(node)).encode()).hexdigest()


def lanes(plan: Plan) -> int:
    """How many lanes there are: never more than points."""
    return min(plan.specification.ways.lanes or driving.cores(), plan.size)


def _read(path: Path) -> tuple[Any, Interface]:
    if not path.is_file():
        raise reading.absent(path.absolute())
    node = reading.read(path)
    return node, typed.read(node, reading.language_of(node), path.name)


def _one_kind(asked: Asked) -> None:
    kinds = [
        name
        for name, told in (("a grid", asked.grid), ("points", asked.points is not None), ("ranges", asked.ranges))
        if told
    ]
    if len(kinds) > 1:
        raise UsageError(f"The sweep is given {' and '.join(kinds)}.", hint="Give one of them.")
    if not kinds:
        raise UsageError(
            "Nothing is varied.",
            hint="Give --grid NAME 1,2,3, --points FILE, or --random 30 --range NAME 0.1..10 (see docs/sweeps.md).",
        )
    if not asked.ranges and (asked.sampler or asked.most is not None):
        raise UsageError(
            f"{'A sampler needs' if asked.sampler else 'A number of points to choose needs'} ranges to choose from.",
            hint="Give --range NAME 0.1..10 for each parameter that is to be varied, or leave out what chooses.",
        )


def _drawn(asked: Asked, interface: Interface, fixed: Mapping[str, object]) -> Drawn:
    dimensions = space.dimensions(asked, interface, fixed)
    name, most = asked.sampler or "random", asked.most
    if most is None or not 0 < most <= space.MOST:
        raise UsageError(
            f"How many points the sampler {name!r} may choose is not said, or not within 1..{space.MOST:,}.",
            hint="Say it: --most 40",
        )
    samplers.find(name)
    space.resolve(interface, _example(dimensions), fixed)
    if name != "random" and not asked.goal.metric:
        raise UsageError(f"The sampler {name!r} learns from a metric, and none is named.", hint="Name it: --metric mae")
    return Drawn(
        sampler=name, most=most, seed=random.SystemRandom().randrange(2**31) if asked.seed is None else asked.seed,
        ranges={key: one for key, one in dimensions.items() if isinstance(one, Range)},
        choices={key: [texts.write(value) for value in one.values] for key, one in dimensions.items() if isinstance(one, Choices)},
    )  # fmt: skip
