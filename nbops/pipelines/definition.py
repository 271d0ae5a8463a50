"""A pipeline as its folder defines it: read, checked and drawn up without running anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nbops.data import contract as contracts
from nbops.errors import NbopsError, NotFound, UsageError
from nbops.pipelines import declaration, graph, marked, steps
from nbops.pipelines.graph import Graph
from nbops.pipelines.marked import Mistake
from nbops.pipelines.steps import Tree


def load(folder: Path, given: Mapping[str, object] | None = None, tree: Tree | None = None) -> Graph:
    """The graph of a folder, as it is or as a release has it, with parameters for all steps that have them.

    Raises NotFound for a missing folder, and ConfigError with all mistakes, their files and lines.
    """
    made, mistakes = examine(folder, given, tree)
    marked.refuse(mistakes)
    if made is None:
        raise UsageError(f"{folder.name} is no pipeline.", hint="See docs/pipelines.md.")
    return made


def examine(
    folder: Path, given: Mapping[str, object] | None = None, tree: Tree | None = None
) -> tuple[Graph | None, list[Mistake]]:
    """The graph of a folder as it is, or as a release has it, or the mistakes that keep it from being one.

    Raises NotFound for a missing folder, and ConfigError for a pipeline.yaml that cannot be read at all.
    """
    folder = folder.expanduser().resolve()
    if tree is None and not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", hint="Give a notebook, or a folder of notebooks.")
    if any(part in {".nbops", ".git"} for part in folder.parts):
        raise UsageError(f"{folder} is no folder of a pipeline.", hint="Give a folder of your own notebooks.")
    place = tree.folder if tree else folder
    operations, told, wrong = declaration.read(place)
    found = steps.read(folder, operations, told, given or {}, tree)
    made, mistakes = graph.build(found)
    mistakes += wrong
    mistakes += _contracts(place, operations.contracts, told)
    return made, mistakes


def _contracts(folder: Path, named: Mapping[str, str], told: marked.Marked) -> list[Mistake]:
    found = []
    for name, path in named.items():
        try:
            contracts.read(folder / path)
        except NbopsError as error:
            found.append(told.mistake(("contracts", name), error.message, error.hint))
    return found
