"""What a run would depend on, before it is made."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from nbops.execution.parameters import Expression, Interface, reading, writing
from nbops.execution.parameters.kinds import Aliases, kind_of
from nbops.execution.parameters.values import python as written
from nbops.execution.skipping import seen
from nbops.execution.skipping.digests import Content, Digests, files
from nbops.execution.skipping.keys import Input, Parts, cell_digest, static_key
from nbops.store.client import Store
from nbops.tracking import provenance
from nbops.tracking.values import storable


class Plan(NamedTuple):
    """A run that may be made. `notebook` is its name in the store, `folder` where it runs, `began` nanoseconds since 1970.

    `contents` are the inputs as they lie there now, by parameter; `outputs` and `inputs` the paths as the notebook has them, None for
    one that only running the cell tells. `mentioned` are the files that the code names: their cell and stamp. `tree` is where the code
    lies, if not in the project. `contracts` are the paths of those that hold for outputs.
    """

    notebook: str
    project: Path
    folder: Path
    began: int
    parts: Parts
    inputs: dict[str, list[str] | None]
    outputs: dict[str, list[str] | None]
    contents: dict[str, list[Content]]
    mentioned: dict[str, tuple[int, tuple[int, int] | None]]
    by_hand: tuple[str, ...]
    tree: Path | None = None
    contracts: Mapping[str, str] = {}

    def called(self, path: str) -> str:
        """A file as it lies in the project, or in the tree that stands for it."""
        if self.tree is not None and (found := seen.inside(path, self.tree)) != path:
            return found
        return seen.inside(path, self.project)

    def code(self, name: str) -> str:
        """The path of code that `called` has named."""
        return str((self.tree or self.project) / name)

    @property
    def declares(self) -> bool:
        """Whether the notebook declares an input or an output."""
        return bool(self.inputs or self.outputs)

    @property
    def static_key(self) -> str:
        """See `keys`."""
        return static_key(self.parts)

    def unknown(self) -> list[str]:
        """Why an unchanged run could not be told from a changed one."""
        untold = [
            f"the path of {name} is known only when the cell runs" for name, paths in self.declared if paths is None
        ]
        return untold + [
            f"whether {item.path} changed cannot be known"
            for item in self.parts.inputs.values()
            if item.digest is None and item.path
        ]

    @property
    def declared(self) -> Iterator[tuple[str, list[str] | None]]:
        """Inputs and outputs."""
        yield from self.inputs.items()
        yield from self.outputs.items()

    def declared_files(self) -> set[str]:
        """The real paths of all files that are declared and exist now."""
        return {path for _, paths in self.declared for text in paths or () for path in files(text, self.folder)}


def plan(  # noqa: PLR0913 - what a run may depend on
    store: Store,
    node: Any,
    interface: Interface,
    values: Mapping[str, object],
    *,
    notebook: str,
    cwd: Path,
    kernel: str,
    tree: Path | None = None,
    digests: Digests | None = None,
    python: str = "",
    contracts: Mapping[str, str] | None = None,
    compared: bool = False,
) -> Plan:
    """The plan of a run of `node`, whose path or address is `notebook`, with resolved `values`.

    Who makes many plans gives the `digests` that they share, and the `python` of the kernel. `contracts` are paths by output.
    What is only `compared` with earlier runs, and executed by nobody, needs no look at the files that its code mentions.
    """
    began = time.time_ns()
    digests = digests or memory(store)
    inputs = dict(_directed(interface, values, "in"))
    contents = {name: [digests.content(text, cwd) for text in paths or ()] for name, paths in inputs.items()}
    held = {name: digests.file_or_missing(path) for name, path in (contracts or {}).items()}
    digests.save()
    cells = code_cells(node, injected=not values)
    parts = Parts(
        kernel=kernel,
        language=interface.language.lower(),
        python=python or interpreter(kernel),
        folder=storable(os.path.relpath(cwd, Path(notebook).parent) if Path(notebook).is_absolute() else str(cwd)),
        cells=_digests(cells),
        parameters=dict(_told(interface, values)),
        inputs={name: as_input(paths, contents[name]) for name, paths in inputs.items()},
        contracts=held,
    )
    looks = reading.is_python(interface.language) and not compared
    found = dict(seen.mentioned((cell.source for cell in cells), cwd, store.settings.project)) if looks else {}
    for path in _replaced(interface, values, cwd) if found else ():
        if path in found and reading.is_tagged(cells[found[path] - 1]):
            del found[path]
    return Plan(
        notebook=provenance.relative(notebook, store.settings.project) or "",
        project=store.settings.project,
        folder=cwd,
        began=began,
        parts=parts,
        inputs=inputs,
        outputs=dict(_directed(interface, values, "out")),
        contents=contents,
        mentioned={path: (cell, stamp(path)) for path, cell in found.items()},
        by_hand=by_hand(node),
        tree=tree,
        contracts=contracts or {},
    )


def memory(store: Store) -> Digests:
    """The digests that are remembered for a project."""
    return Digests(store.places.run / "digests.json")


def code_cells(node: Any, *, injected: bool) -> list[Any]:
    """The code cells that are not empty; `injected`: also what an earlier execution put in."""
    code = (cell for cell in node.cells if cell.cell_type == "code" and cell.source.strip())
    return [cell for cell in code if injected or not writing.is_injected(cell)]


def by_hand(node: Any) -> tuple[str, ...]:
    """Digests of the code cells without what an execution put in."""
    return _digests(code_cells(node, injected=False))


def as_input(paths: list[str] | None, contents: list[Content]) -> Input:
    """Several paths as one input."""
    digests = [content.digest for content in contents]
    return Input(storable(", ".join(paths or ())), None if None in digests else " ".join(map(str, digests)))


def stamp(path: str) -> tuple[int, int] | None:
    """Size and time of a file; None when it is gone."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a name as it came from a kernel
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _digests(cells: Iterable[Any]) -> tuple[str, ...]:
    return tuple(cell_digest(cell.source, cell.metadata.get("tags", [])) for cell in cells)


def _told(interface: Interface, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    defaults = {parameter.name: parameter.default for parameter in interface.parameters if not parameter.required}
    for name, value in sorted({**defaults, **values}.items()):
        parameter = interface.get(name)
        if parameter is not None and parameter.direction == "secret":
            yield name, f"secret {value}"
        elif isinstance(value, Expression):
            yield name, f"expression {value.text}"
        else:
            yield name, f"{kind_of(value)} {written(value, Aliases(()))}"


def _directed(
    interface: Interface, values: Mapping[str, object], direction: str
) -> Iterator[tuple[str, list[str] | None]]:
    for parameter in interface.parameters:
        if parameter.direction == direction:
            value = values.get(parameter.name, parameter.default)
            yield parameter.name, None if isinstance(value, Expression) else [path for path in _paths(value) if path]


def _replaced(interface: Interface, values: Mapping[str, object], cwd: Path) -> Iterator[str]:
    """The files that the parameters cell names and that the run neither reads nor writes, because it was given others."""
    for direction in ("in", "out"):
        given = dict(_directed(interface, values, direction))
        for name, paths in _directed(interface, {}, direction):
            if paths != given[name]:
                yield from (os.path.realpath(cwd / path) for path in paths or () if "://" not in path)


def _paths(value: object) -> Iterator[str]:
    if isinstance(value, str | PurePath):
        yield str(value)
    elif isinstance(value, Mapping):
        yield from (path for item in value.values() for path in _paths(item))
    elif isinstance(value, Iterable):
        yield from (path for item in value for path in _paths(item))


def interpreter(kernel: str) -> str:
    """The version of this Python where the kernel has it, else the file that is started."""
    from nbops.execution.kernels.commands import command

    words = command(kernel)
    if words is None:
        return "none"
    first = words[0] if words else ""
    major, minor = sys.version_info[:2]
    # These jupyter_client takes for the interpreter that it runs in.
    if first in {"python", f"python{major}", f"python{major}.{minor}", sys.executable}:
        return platform.python_version()
    found = stamp(first)
    return f"{first} {found[0]} {found[1]}" if found else first
