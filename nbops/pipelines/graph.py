"""The graph of a folder: which step makes what another reads, in which order they run, and once for each point of a sweep.

In flow the steps of a folder, out flow tasks: a step at one point, with the values that it is given. Nothing is executed or written.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from glob import has_magic
from pathlib import Path
from typing import NamedTuple

from nbops import config
from nbops.errors import ConfigError, UsageError, nearest
from nbops.execution.parameters import values as known
from nbops.pipelines import expressions
from nbops.pipelines.declaration import Operations
from nbops.pipelines.marked import Marked, Mistake
from nbops.pipelines.steps import Folder, Reads, Step, path_of

Point = Mapping[tuple[str, str], object]
"""The values of what is varied, by step and parameter."""

_LONGEST = 60
TABLES = (".parquet", ".csv")
"""Products of these kinds can have a contract."""


class Edge(NamedTuple):
    """A step reads what another one makes (`product` by the maker's name of it, `reads` by the reader's), or only comes after it."""

    maker: str
    reader: str
    product: str = ""
    reads: str = ""


class Graph(NamedTuple):
    """The steps in an order in which they can run, and what goes between them."""

    name: str
    folder: Path
    operations: Operations
    steps: dict[str, Step]
    edges: tuple[Edge, ...]
    aside: dict[str, str]

    def before(self, step: str) -> list[str]:
        """The steps that it waits for."""
        return list(dict.fromkeys(edge.maker for edge in self.edges if edge.reader == step))

    def sources(self, step: str) -> dict[str, Edge]:
        """Where its inputs come from, by their names; those from outside are not among them."""
        return {edge.reads: edge for edge in self.edges if edge.reader == step and edge.reads}


class Task(NamedTuple):
    """A step at a point. `values` are all that it is given, `outs` the whole paths that it makes, `ins` those that it reads.

    `before` are the keys of tasks that have to end first, `contracts` the whole paths of those of its `outs`.
    """

    key: str
    step: Step
    point: dict[tuple[str, str], object]
    values: dict[str, object]
    ins: dict[str, list[str]]
    outs: dict[str, str]
    before: tuple[str, ...]
    contracts: dict[str, str]

    @property
    def name(self) -> str:
        """Of the step."""
        return self.step.name


def build(folder: Folder) -> tuple[Graph | None, list[Mistake]]:
    """The graph, or what keeps the steps from being one."""
    return _Builder(folder).graph()


def tasks(graph: Graph) -> list[Task]:
    """Every step at every point that it runs at, each after what it waits for."""
    made: dict[str, list[Task]] = {}
    for name, step in graph.steps.items():
        sources = graph.sources(name)
        many = {reads.name for reads in step.ins if reads.many}
        upstream = [made[edge.maker] for reads, edge in sources.items() if reads not in many]
        points = _join([[task.point for task in found] for found in upstream])
        own = [
            dict(zip([(name, key) for key in step.swept], values, strict=True))
            for values in itertools.product(*step.swept.values())
        ]
        made[name] = [_task(graph, step, {**point, **mine}, made) for point in points for mine in own]
    return [task for found in made.values() for task in found]


def label(point: Point) -> str:
    """A point in a few words: `max_iter=50`."""
    return " ".join(f"{name}={_short(value)}" for (_, name), value in point.items())


def _short(value: object) -> str:
    told = known.plain(known.normal(value))
    return f"{told:.6g}" if isinstance(told, float) else str(told)


def _task(graph: Graph, step: Step, point: dict[tuple[str, str], object], made: Mapping[str, Sequence[Task]]) -> Task:
    sources = graph.sources(step.name)
    values: dict[str, object] = {**step.values, **{name: point[step.name, name] for name in step.swept}}
    ins: dict[str, list[str]] = {}
    before: list[str] = []
    for reads in step.ins:
        edge = sources.get(reads.name)
        if edge is None:
            ins[reads.name] = list(reads.paths)
            if step.released and reads.paths:
                values[reads.name] = list(reads.paths) if reads.many else reads.paths[0]
            continue
        makers = [task for task in made[edge.maker] if reads.many or _fits(task.point, point)]
        before += [task.key for task in makers]
        paths = [task.outs[edge.product] for task in makers]
        ins[reads.name] = paths
        if paths != list(reads.paths) or step.released:
            told = [_written(step, path) for path in paths]
            values[reads.name] = told if reads.many else told[0]
    data = {edge.maker for edge in sources.values()}
    before += [task.key for maker in graph.before(step.name) if maker not in data for task in made[maker]]
    outs = {name: _own(path, point) for name, path in step.outs.items()}
    values |= {name: _written(step, path) for name, path in outs.items() if path != step.outs[name] or step.released}
    key = f"{step.name}[{label(point)}]" if point else step.name
    held = {name: path_of(graph.folder, path) for name, path in graph.operations.contracts.items() if name in outs}
    return Task(key, step, point, values, ins, outs, tuple(dict.fromkeys(before)), held)


def _written(step: Step, path: str) -> str:
    """A path as the step would write it, from its folder; whole, where that is another one than the step is told for."""
    return path if "://" in path or step.released else os.path.relpath(path, step.folder)


def _own(path: str, point: Point) -> str:
    """The path that a point writes to instead of all points to the same."""
    if not point:
        return path
    told = re.sub(r"[^\w.=+-]", "_", label(point).replace(" ", ","))
    if len(told) > _LONGEST or told != label(point).replace(" ", ","):
        told = f"{told[:_LONGEST]}-{hashlib.sha256(repr(sorted(point.items(), key=repr)).encode()).hexdigest()[:8]}"
    place = Path(path)
    return str(place.with_name(f"{place.stem}-{told}{place.suffix}"))


def _fits(one: Point, other: Point) -> bool:
    return all(other.get(key, value) == value for key, value in one.items())


def _join(columns: Sequence[Sequence[Point]]) -> list[dict[tuple[str, str], object]]:
    """The points that points of each column together make, where they agree."""
    joined: list[dict[tuple[str, str], object]] = [{}]
    for column in columns:
        joined = [{**one, **other} for one in joined for other in column if _fits(other, one)]
    return [dict(point) for point in {repr(sorted(point.items(), key=repr)): point for point in joined}.values()]


class _Builder:
    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._told: Marked = folder.told
        self._steps = {step.name: step for step in folder.steps}
        self._mistakes: list[Mistake] = list(folder.mistakes)
        self._makers: dict[str, tuple[str, str]] = {}
        """By path: the step, and what it calls it."""

    def graph(self) -> tuple[Graph | None, list[Mistake]]:
        """As `build`."""
        if not self._steps and not self._mistakes:
            self._mistakes.append(_nothing(self._folder))
        self._mistakes += self._products()
        edges = tuple(dict.fromkeys([*self._data(), *self._order(), *self._collected()]))
        self._mistakes += [*self._contracts(), *self._consumers(), *self._sources()]
        order = self._sorted(edges)
        if self._mistakes:
            return None, self._mistakes
        steps = {name: self._steps[name] for name in order}
        folder = self._folder
        return Graph(folder.name, folder.path, folder.operations, steps, edges, folder.aside), []

    def _products(self) -> Iterator[Mistake]:
        for step in self._steps.values():
            read = {path for reads in step.ins for path in reads.paths}
            for name, path in step.outs.items():
                if path in self._makers:
                    other = self._steps[self._makers[path][0]]
                    what = f"{other.file} and {step.file} both write {self._place(path)}."
                    yield Mistake(step.file, _line(step, name), what, "Let each write a file of its own.", step.cell)
                elif path in read:
                    what = f"it reads and writes {self._place(path)}, so that it would never find it as it was."
                    yield Mistake(step.file, _line(step, name), what, "Let it write another file.", step.cell)
                else:
                    self._makers[path] = step.name, name

    def _data(self) -> Iterator[Edge]:
        for step in self._steps.values():
            for reads in step.ins:
                found = self._maker(step, reads)
                if found is not None and found[0] != step.name:
                    yield Edge(found[0], step.name, found[1], reads.name)

    def _maker(self, step: Step, reads: Reads) -> tuple[str, str] | None:
        """Who makes an input; what is neither made nor there is a mistake."""
        if reads.origin:
            return self._by_name(step, reads, reads.origin)
        made = [self._makers[path] for path in reads.paths if path in self._makers]
        if made:
            return made[0]
        if not reads.paths:
            return self._by_name(step, reads, reads.name)
        named = self._named(reads.name)
        missing = [path for path in reads.paths if not _is_there(path)]
        line = _line(step, reads.name)
        if named and missing:
            maker, name = named[0]
            there = self._place(self._steps[maker].outs[name])
            what = f"{reads.name!r} is read from {self._place(missing[0])}, and {maker} writes it to {there}."
            remedy = "Give both the same path, or no path here and `# from:` with its name."
            self._mistakes.append(Mistake(step.file, line, what, remedy, step.cell))
        elif missing:
            near = nearest(self._place(missing[0]), [self._place(path) for path in self._makers])
            what = f"{reads.name!r} reads {self._place(missing[0])}, which is not there and which no step writes."
            remedy = (
                f"Did you mean {near!r}?"
                if near
                else "Put the file there, or declare it as an output of the step that makes it."
            )
            self._mistakes.append(Mistake(step.file, line, what, remedy, step.cell))
        return None

    def _by_name(self, step: Step, reads: Reads, wanted: str) -> tuple[str, str] | None:
        maker, _, product = wanted.rpartition(".")
        found = [one for one in self._named(product) if maker in {"", one[0]} and one[0] != step.name]
        line = _line(step, reads.name)
        if len(found) == 1:
            return found[0]
        names = sorted({name for _, name in self._makers.values()})
        if not found:
            near = nearest(product, names)
            remedy = f"Did you mean {near!r}?" if near else f"Made are {', '.join(names) or 'none'}."
            self._mistakes.append(
                Mistake(step.file, line, f"{reads.name!r} takes {wanted!r}, which no step makes.", remedy, step.cell)
            )
        else:
            who = " and ".join(f"{maker}.{name}" for maker, name in found)
            what = f"{reads.name!r} takes {wanted!r}, which is {who}."
            remedy = f"Say which in its comment: # from: {found[0][0]}.{found[0][1]}"
            self._mistakes.append(Mistake(step.file, line, what, remedy, step.cell))
        return None

    def _named(self, name: str) -> list[tuple[str, str]]:
        return [made for made in self._makers.values() if made[1] == name]

    def _order(self) -> Iterator[Edge]:
        """What pipeline.yaml says about order."""
        for name, step in self._steps.items():
            for number, other in enumerate(step.operation.after):
                if self._known(("steps", name, "after", number), other):
                    yield Edge(other, name)
            for other, _ in _named_in(step.operation.when):
                if self._known(("steps", name, "when"), other):
                    yield Edge(other, name)

    def _collected(self) -> Iterator[Edge]:
        """What a source is made of, and what its contract refers to, is collected before it."""
        steps = {step.operation.source: name for name, step in self._steps.items() if step.operation.source}
        if not steps:
            return
        from nbops.data import declared

        project = config.find_project(start=self._folder.path)[0]
        told = declared.told(project)
        readable = {source: made for source, made in told.items() if not isinstance(made, ConfigError)}
        for source, name in steps.items():
            if source not in readable:
                self._mistakes.append(self._undeclared(name, source, told))
        try:
            order = declared.in_order(readable, [source for source in steps if source in readable], project)
        except ConfigError as error:
            self._mistakes.append(self._told.mistake(("steps",), error.message, error.hint))
            return
        for at, source in enumerate(order):
            for needed in declared.needs(readable[source], project):
                if needed in order[:at]:
                    yield Edge(steps[needed], steps[source])

    def _undeclared(self, name: str, source: str, told: Mapping[str, object]) -> Mistake:
        place = ("steps", name, "source")
        if isinstance(error := told.get(source), ConfigError):
            return self._told.mistake(place, error.message, error.hint)
        near = nearest(source, told)
        remedy = f"Did you mean {near!r}?" if near else f"sources/ declares {', '.join(sorted(told)) or 'nothing'}."
        return self._told.mistake(place, f"The project declares no source {source!r}.", remedy)

    def _known(self, place: tuple[str | int, ...], name: str) -> bool:
        if name in self._steps:
            return True
        near = nearest(name, self._steps)
        remedy = f"Did you mean {near!r}?" if near else f"Steps are {', '.join(self._steps)}."
        self._mistakes.append(self._told.mistake(place, f"There is no step {name!r}.", remedy))
        return False

    def _made(self, key: str, name: str) -> Iterator[Mistake]:
        """A mistake, where the name that stands below a key is of nothing that is made."""
        names = {name for _, name in self._makers.values()}
        if name not in names:
            near = nearest(name, names)
            remedy = f"Did you mean {near!r}?" if near else f"Made are {', '.join(sorted(names)) or 'none'}."
            yield self._told.mistake((key, name), f"No step makes {name!r}.", remedy)

    def _sources(self) -> Iterator[Mistake]:
        for step in self._steps.values():
            for name, path in step.outs.items() if step.operation.source else ():
                if Path(path).suffix != ".parquet":
                    what = f"A source is written as Parquet, and {name!r} is {Path(path).name}."
                    yield self._told.mistake(("steps", step.name, "out"), what, f"Such as {Path(path).stem}.parquet.")

    def _consumers(self) -> Iterator[Mistake]:
        for name, to in self._folder.operations.consumers.items():
            yield from self._made("consumers", name)
            if not to:
                yield self._told.mistake(
                    ("consumers", name), f"{name!r} has no consumers.", "Such as [crew@example.org]."
                )

    def _contracts(self) -> Iterator[Mistake]:
        for name in self._folder.operations.contracts:
            if wrong := list(self._made("contracts", name)):
                yield from wrong
                continue
            step = self._steps[self._named(name)[0][0]]
            path = Path(step.outs[name])
            if source := step.operation.source:
                what = f"{name!r} comes from the source {source!r}, which has a contract of its own."
                yield self._told.mistake(("contracts", name), what, f"Change contracts/{source}.yaml.")
            elif path.suffix not in TABLES:
                what = f"{name!r} is written to {path.name}, and contracts are for {' and '.join(TABLES)}."
                yield self._told.mistake(
                    ("contracts", name), what, "Write it as one of these, or leave the contract out."
                )
            elif len(self._named(name)) > 1:
                yield self._told.mistake(
                    ("contracts", name), f"{len(self._named(name))} steps make {name!r}.", "Rename one of them."
                )

    def _sorted(self, edges: Sequence[Edge]) -> list[str]:
        """The steps, each after those that it waits for, by name where that is open; a circle is a mistake."""
        left = {name: {edge.maker for edge in edges if edge.reader == name} for name in self._steps}
        order: list[str] = []
        while left:
            ready = [name for name, before in left.items() if not before - set(order)]
            if not ready:
                circle = _circle(left)
                what = f"These steps wait for each other: {' -> '.join(circle)}."
                self._mistakes.append(Mistake(self._steps[circle[0]].file, 0, what, "Take one of them apart."))
                return order
            for name in ready:
                order.append(name)
                del left[name]
        return order

    def _place(self, path: str) -> str:
        return path if "://" in path else os.path.relpath(path, self._folder.path)


def _named_in(condition: str) -> tuple[tuple[str, str], ...]:
    """The metrics that a condition names; none of one that cannot be read, which is told where it stands."""
    try:
        return expressions.parse(condition).names if condition else ()
    except UsageError:
        return ()


def _circle(waits: Mapping[str, Iterable[str]]) -> list[str]:
    """Steps that wait for each other, the first one at both ends."""
    path: list[str] = [next(iter(waits))]
    while True:
        following = next(name for name in sorted(waits[path[-1]]) if name in waits)
        if following in path:
            return [*path[path.index(following) :], following][::-1]
        path.append(following)


def _is_there(path: str) -> bool:
    if "://" in path:
        return True
    return any(True for _ in Path("/").glob(path.lstrip("/"))) if has_magic(path) else Path(path).exists()


def _line(step: Step, name: str) -> int:
    parameter = step.interface.get(name)
    return parameter.line if parameter else 0


def _nothing(folder: Folder) -> Mistake:
    if folder.aside:
        some = "; ".join(f"{file}: {why}" for file, why in list(folder.aside.items())[:3])
        what = f"none of its files is a step ({some})."
    else:
        what = "it holds no notebook."
    remedy = 'Declare what a notebook writes in its parameters cell: `flights: "out" = "../data/flights.parquet"`.'
    return Mistake(f"{folder.path.name}/", 0, what, remedy)
