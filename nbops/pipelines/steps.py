"""The steps of a folder: which files take part, what each of them reads and writes, and what it is given."""

from __future__ import annotations

import fnmatch
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nbops.errors import NbopsError, nearest
from nbops.execution import glancing, reading
from nbops.execution import parameters as typed
from nbops.execution.parameters import Expression, Interface, Parameter
from nbops.pipelines import collecting
from nbops.pipelines.declaration import Operation, Operations
from nbops.pipelines.marked import Marked, Mistake, Place
from nbops.records import short
from nbops.tracking import provenance

SUFFIXES = (".ipynb", ".py", ".sql")
COPY = "copy_of"
"""Where the metadata of a copy of a run, made for a person, names the run: below `nbops`."""
NATIVE = "python3"
"""The kernel of this Python."""
_COPY_OF = "a copy of run"


class Tree(NamedTuple):
    """Where a release lies: the folder of the pipeline in it, and the whole tree."""

    folder: Path
    root: Path


class Reads(NamedTuple):
    """One input: its paths as they are declared, what another name it is made under, and whether it takes all points of a sweep."""

    name: str
    paths: tuple[str, ...]
    origin: str
    many: bool


class Step(NamedTuple):
    """One step. Paths of `outs` and of inputs are whole; `values` is what it is given, `swept` what is varied.

    It is told for `path` in the project, and lies at `place`, which is another one in a release.
    """

    name: str
    file: str
    path: Path
    node: Any
    interface: Interface
    operation: Operation
    ins: tuple[Reads, ...]
    outs: dict[str, str]
    values: dict[str, object]
    swept: dict[str, list[object]]
    place: Path
    tree: Path | None = None

    @property
    def folder(self) -> Path:
        """Where it runs."""
        return self.place.parent

    @property
    def released(self) -> bool:
        """Whether it lies in a release."""
        return self.tree is not None

    @property
    def cell(self) -> str:
        """Where its parameters stand, in words."""
        return f"cell {self.interface.cell + 1}" if self.interface.cell is not None else ""


class Folder(NamedTuple):
    """The steps of a folder, files that are none with the reason, and every mistake that was found."""

    path: Path
    name: str
    operations: Operations
    told: Marked
    steps: tuple[Step, ...]
    aside: dict[str, str]
    mistakes: tuple[Mistake, ...]


def read(folder: Path, operations: Operations, told: Marked, given: Mapping[str, object], tree: Tree | None) -> Folder:
    """The steps of a folder, as they are or as a release has them; `given` are parameters for all steps that have them."""
    return _Reader(folder, operations, told, given, tree).folder()


def path_of(folder: Path, text: str) -> str:
    """The whole path of what a parameter names; an address stays one."""
    return text if "://" in text else os.path.normpath(folder / Path(text).expanduser())


def is_step(path: Path) -> bool:
    """Whether a file can be executed as a step."""
    return path.suffix in SUFFIXES and not path.name.startswith((".", "_")) and reading.is_executable(path)


def copies(aside: Mapping[str, str]) -> set[str]:
    """The files among those that are no steps that are copies of runs, made for a person."""
    return {file for file, reason in aside.items() if reason.startswith(_COPY_OF)}


class _Reader:
    def __init__(
        self, folder: Path, operations: Operations, told: Marked, given: Mapping[str, object], tree: Tree | None
    ) -> None:
        self._folder = tree.folder if tree else folder
        self._home = folder
        self._root = tree.root if tree else None
        self._operations = operations
        self._told = told
        self._given = given
        self._mistakes: list[Mistake] = []
        self._taken: set[str] = set()
        self._aside: dict[str, str] = {}

    def folder(self) -> Folder:
        """Everything that is there."""
        operations = self._operations
        files = self._files()
        steps = [step for name, path in files.items() if (step := self._step(name, path)) is not None]
        self._mistakes += self._unnamed(files)
        self._mistakes += self._given_and_swept(steps)
        if self._given or operations.parameters:
            self._mistakes += self._nobodys(steps)
        name = operations.name or self._home.resolve().name
        return Folder(self._folder, name, operations, self._told, tuple(steps), self._aside, tuple(self._mistakes))

    def _files(self) -> dict[str, Path | None]:
        """By name of the step; None for one that needs no file."""
        operations = self._operations
        found: dict[str, Path | None] = {}
        named = {step.file: name for name, step in operations.steps.items() if step.file}
        for path in sorted(path for path in self._folder.iterdir() if path.is_file() and is_step(path)):
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in operations.exclude):
                self._aside[path.name] = "excluded by pipeline.yaml"
                continue
            name = named.get(path.name, path.stem)
            if name in found:
                what = f"{path.name} and {found[name].name if found[name] else '?'} are both the step {name!r}."  # type: ignore[union-attr]
                self._mistakes.append(
                    Mistake(path.name, 0, what, "Rename one, or name it under `exclude:` in pipeline.yaml.")
                )
                continue
            found[name] = path
        for name, step in operations.steps.items():
            if step.file and "/" in step.file and (self._folder / step.file).is_file():
                found[name] = self._folder / step.file
            elif step.source and name not in found:
                found[name] = None
        return found

    def _unnamed(self, files: Mapping[str, Path | None]) -> Iterator[Mistake]:
        """Steps of pipeline.yaml that no file belongs to."""
        for name, step in self._operations.steps.items():
            place: Place = ("steps", name)
            if step.file and not (self._folder / step.file).is_file():
                near = nearest(step.file, [path.name for path in files.values() if path])
                remedy = f"Did you mean {near!r}?" if near else "Name a file of this folder."
                yield self._told.mistake(
                    (*place, "file"), f"There is no file {step.file!r} in {self._folder.name}/.", remedy
                )
            elif name not in files:
                near = nearest(name, files)
                remedy = (
                    f"Did you mean {near!r}?"
                    if near
                    else f"Steps are {', '.join(files) or 'none'}: a file, `file:` or `source:`."
                )
                yield self._told.mistake(place, f"There is no step {name!r} in {self._folder.name}/.", remedy)

    def _nobodys(self, steps: Iterable[Step]) -> Iterator[Mistake]:
        """Parameters that no step takes."""
        known = {parameter.name for step in steps for parameter in step.interface.parameters}
        known |= {name for step in steps if step.interface.open for name in self._given}
        for name in {**self._operations.parameters, **self._given}:
            if name in known:
                continue
            near = nearest(name, known)
            remedy = f"Did you mean {near!r}?" if near else f"Known: {', '.join(sorted(known)) or 'none'}."
            what = f"No step has a parameter {name!r}."
            if name in self._given:
                yield Mistake("-p", 0, what, remedy)
            else:
                yield self._told.mistake(("parameters", name), what, remedy)

    def _given_and_swept(self, steps: list[Step]) -> Iterator[Mistake]:
        """What is given, and nobody would take, because those who have it are run for values of their own."""
        for name in self._given:
            takers = [step for step in steps if self._takes(step.interface, name)]
            if takers and all(name in step.operation.sweep for step in takers):
                who = " and ".join(step.name for step in takers)
                yield Mistake(
                    "-p",
                    0,
                    f"{name!r} is what {who} sweeps over.",
                    "Leave it out, or change `sweep:` in pipeline.yaml.",
                )

    def _step(self, name: str, path: Path | None) -> Step | None:
        operation = self._operations.steps.get(name, Operation())
        place = path or self._folder / f"{name}.ipynb"
        where = self._home / place.relative_to(self._folder)
        file = path.name if path else f"{name} (source {operation.source})"
        try:
            node = glancing.glance(path) if path else collecting.notebook(operation.source, operation.outs)
        except NbopsError as error:
            self._mistakes.append(Mistake(file, 0, error.message, error.hint))
            return None
        if name not in self._operations.steps and (run_id := node.metadata.get("nbops", {}).get(COPY)):
            self._aside[file] = f"{_COPY_OF} {short(str(run_id))} for a person"
            return None
        interface = typed.read(node, reading.language_of(node), file)
        if interface.problem:
            what = f"the parameters cannot be read: {interface.problem}."
            self._mistakes.append(Mistake(file, 0, what, "Mend that cell.", _cell(interface)))
            return None
        declares = (
            operation.ins or operation.outs or any(one.direction in {"in", "out"} for one in interface.parameters)
        )
        if not declares and name not in self._operations.steps:
            self._aside[file] = "its parameters declare neither an input nor an output"
            return None
        self._mistakes += self._kernel(name, file, node, operation)
        values = self._values(name, interface, operation)
        swept = self._swept(name, interface, operation)
        ins = tuple(self._ins(file, where.parent, interface, operation, values))
        outs = dict(self._outs(file, where.parent, interface, operation, values))
        return Step(name, file, where, node, interface, operation, ins, outs, values, swept, place, self._root)

    def _kernel(self, name: str, file: str, node: Any, operation: Operation) -> Iterator[Mistake]:
        """A kernel that is not installed; this Python's own one always is."""
        asked = operation.kernel or node.metadata.get("kernelspec", {}).get("name") or NATIVE
        if asked == NATIVE:
            return
        from nbops.execution.kernels import specs

        try:
            known = specs.absent(asked)
        except (OSError, ValueError):
            # What is wrong with an installed one its run says.
            return
        if known is None:
            return
        near = nearest(asked, known)
        remedy = f"Did you mean {near!r}?" if near else f"Known: {', '.join(known) or 'none'}."
        what = f"asks for the kernel {asked!r}, which is not installed here."
        if operation.kernel:
            yield self._told.mistake(("steps", name, "kernel"), f"{name} {what}", remedy)
        else:
            yield Mistake(
                file, 0, f"it {what}", f"{remedy} Install it, or name another one: `kernel:` in pipeline.yaml."
            )

    def _values(self, name: str, interface: Interface, operation: Operation) -> dict[str, object]:
        """What is given, after it was found to fit; where it stands decides on the line of a mistake."""
        values: dict[str, object] = {}
        for place, asked in (
            (("parameters",), {key: value for key, value in self._operations.parameters.items() if self._takes(interface, key)}),
            (("steps", name, "parameters"), operation.parameters),
            ((), {key: value for key, value in self._given.items() if self._takes(interface, key)}),
        ):  # fmt: skip
            fitting = [
                key for key, value in asked.items() if self._fits(interface, key, value, (*place, key) if place else ())
            ]
            values |= {key: asked[key] for key in fitting}
        missing = typed.problems(interface, values)
        known = {one.parameter for one in missing} & {parameter.name for parameter in interface.parameters} - set(
            operation.sweep
        )
        for one in missing:
            if one.parameter in known and one.parameter not in values and not self._linked(interface, one.parameter):
                self._mistakes.append(Mistake(interface.notebook, 0, one.what, one.remedy, _cell(interface)))
        return values

    def _linked(self, interface: Interface, name: str) -> bool:
        """Whether another step will say it."""
        parameter = interface.get(name)
        return parameter is not None and parameter.direction == "in"

    def _takes(self, interface: Interface, name: str) -> bool:
        return interface.get(name) is not None or interface.open

    def _fits(self, interface: Interface, name: str, value: object, place: Place) -> bool:
        wrong = [one for one in typed.problems(interface, {name: value}) if one.parameter == name]
        for one in wrong:
            made = self._told.mistake(place, one.what, one.remedy) if place else Mistake("-p", 0, one.what, one.remedy)
            self._mistakes.append(made)
        return not wrong

    def _swept(self, name: str, interface: Interface, operation: Operation) -> dict[str, list[object]]:
        made: dict[str, list[object]] = {}
        for key, values in operation.sweep.items():
            parameter = interface.get(key)
            place: Place = ("steps", name, "sweep", key)
            if parameter is not None and parameter.direction:
                what = f"{key!r} is no setting but {'a secret' if parameter.direction == 'secret' else 'a file'} of {interface.notebook}."
                self._mistakes.append(self._told.mistake(place, what, "Sweep what the step is set to."))
            elif parameter is None and not interface.open:
                # Once, not for each value.
                self._fits(interface, key, None, place)
            elif all([self._fits(interface, key, value, place) for value in values]):  # noqa: C419 - each of them is told
                made[key] = list(values)
        return made

    def _ins(
        self, file: str, folder: Path, interface: Interface, operation: Operation, values: Mapping[str, object]
    ) -> Iterator[Reads]:
        for parameter in interface.parameters:
            if parameter.direction != "in":
                continue
            value = values.get(parameter.name, None if parameter.required else parameter.default)
            many = parameter.type.name in {"list", "tuple", "set"}
            origin = _origin(parameter)
            if isinstance(value, Expression):
                what = f"where {parameter.name!r} lies is known only when the cell runs."
                self._mistakes.append(Mistake(file, parameter.line, what, "Write its path as text.", _cell(interface)))
                continue
            texts = (
                [value]
                if isinstance(value, str | Path)
                else list(value)
                if isinstance(value, list | tuple | set)
                else []
            )
            yield Reads(parameter.name, tuple(path_of(folder, str(text)) for text in texts if str(text)), origin, many)
        for name, told in operation.ins.items():
            if interface.get(name) is None:
                many = isinstance(told, list)
                yield Reads(
                    name,
                    tuple(path_of(folder, text) for text in ([told] if isinstance(told, str) else told) if text),
                    "",
                    many,
                )

    def _outs(
        self, file: str, folder: Path, interface: Interface, operation: Operation, values: Mapping[str, object]
    ) -> Iterator[tuple[str, str]]:
        for parameter in interface.parameters:
            if parameter.direction != "out":
                continue
            value = values.get(parameter.name, None if parameter.required else parameter.default)
            if not isinstance(value, str | Path) or not str(value):
                what = f"where {parameter.name!r} is written has to be the path of one file or folder."
                self._mistakes.append(Mistake(file, parameter.line, what, "Write it as text.", _cell(interface)))
                continue
            yield parameter.name, path_of(folder, str(value))
        for name, told in operation.outs.items():
            if interface.get(name) is None:
                yield name, path_of(folder, told)


def _origin(parameter: Parameter) -> str:
    """The product that an input takes under another name: `# from: model` in its comment."""
    words = parameter.help.split()
    for word, following in itertools.pairwise(words):
        if word.lower() == "from:":
            return following.strip(".,;()")
    return ""


def _cell(interface: Interface) -> str:
    return f"cell {interface.cell + 1}" if interface.cell is not None else ""


def name_in(project: Path, path: str | Path) -> str:
    """A path as it lies in the project, where it does."""
    return provenance.relative(str(path), project) or str(path)
