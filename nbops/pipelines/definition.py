"""A pipeline as its folder defines it: read, checked and drawn up without running anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from nbops import config
from nbops.errors import NbopsError, UsageError, nearest
from nbops.execution import reading
from nbops.pipelines import declaration, graph, marked, steps
from nbops.pipelines.declaration import Operations
from nbops.pipelines.graph import Graph
from nbops.pipelines.marked import Mistake, Place
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
        raise reading.absent(folder, "folder")
    if any(part in {".nbops", ".git"} for part in folder.parts):
        raise UsageError(f"{folder} is no folder of a pipeline.", hint="Give a folder of your own notebooks.")
    place = tree.folder if tree else folder
    operations, told, wrong = declaration.read(place)
    found = steps.read(folder, operations, told, given or {}, tree)
    made, mistakes = graph.build(found)
    mistakes += wrong
    mistakes += _contracts(place, operations.contracts, told)
    if tree is None:
        # A release was looked through when it was made, and does its work even if somebody no longer hears of it.
        mistakes += _unheard(folder, operations, told)
    return made, mistakes


def _contracts(folder: Path, named: Mapping[str, str], told: marked.Marked) -> list[Mistake]:
    if not named:
        return []
    from nbops.data import contract as contracts

    found = []
    for name, path in named.items():
        try:
            contracts.read(folder / path)
        except NbopsError as error:
            found.append(told.mistake(("contracts", name), error.message, error.hint))
    return found


def _unheard(folder: Path, operations: Operations, told: marked.Marked) -> Iterator[Mistake]:
    """Who is to hear of something, and is nobody that a message could be delivered to."""
    asked: list[tuple[Place, str]] = [
        (("consumers", product, number), name.removeprefix("mailto:"))
        for product, to in operations.consumers.items()
        for number, name in enumerate(to)
    ]
    asked += [(("alerts", "to", number), name) for number, name in enumerate(operations.alerts.to)]
    if not asked:
        return
    from nbops.notify import delivering

    settings = config.settings(start=folder)
    known = sorted(delivering.channels(settings))
    for place, name in asked:
        if not delivering.channel_of(settings, name):
            near = nearest(name, known)
            remedy = (
                f"Did you mean {near!r}?"
                if near
                else f"Channels are {', '.join(known)}: see [notify.channels] of nbops.toml."
            )
            yield told.mistake(place, f"{name!r} is neither a mail address nor the name of a channel.", remedy)
