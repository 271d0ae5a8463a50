"""The run key: one digest of everything that a run depends on; and in sentences what differs between two of them.

The static part is known before a run, what the notebook imported only after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher

import msgspec

from nbops.records import Record
from nbops.render.values import shorten

ENGINE = 1
"""Raised when the same notebook with the same inputs would be executed in another way."""

_SHOWN = 60
_MOST = 3
_encoder = msgspec.json.Encoder(order="deterministic")


class Input(Record):
    """A declared input: where it lies, as the notebook says it, and the digest of its content; None where that cannot be known."""

    path: str
    digest: str | None


class Parts(Record):
    """What a run depends on.

    `cells` are digests of the code cells; `parameters` are values as text with their type, but secrets, which are their references.
    `contracts` are digests by the output that they hold for. `python` and `folder` say which interpreter the kernel has and where it runs.
    `distributions` (name -> version) and `modules` (file of the project -> digest) are what the notebook imported, known when it has run.
    """

    kernel: str
    language: str
    python: str
    folder: str
    cells: tuple[str, ...]
    parameters: dict[str, str]
    inputs: dict[str, Input]
    contracts: dict[str, str] = {}
    engine: int = ENGINE
    distributions: dict[str, str] = {}
    modules: dict[str, str] = {}


def cell_digest(source: str, tags: Iterable[str]) -> str:
    """The digest of a code cell: of its code without trailing space, and of its tags."""
    lines = [line.rstrip() for line in source.split("\n")]
    return _digest(["\n".join(lines).rstrip(), sorted(set(tags))])[:16]


def static_key(parts: Parts) -> str:
    """SHA-256 (hex) of what is known before a run."""
    return _digest(msgspec.structs.replace(parts, distributions={}, modules={}))


def run_key(parts: Parts) -> str:
    """SHA-256 (hex) of everything."""
    return _digest(parts)


def differences(before: Parts, now: Parts) -> list[str]:
    """What differs, a clause for each, most telling first; empty when the keys are equal."""
    return [
        *_parameters(before.parameters, now.parameters),
        *_cells(before.cells, now.cells),
        *_inputs(before.inputs, now.inputs),
        *_moved(_contracts(before), _contracts(now), "is new"),
        *_single("the kernel", before.kernel, now.kernel),
        *_single("the language", before.language, now.language),
        *_single("Python", before.python, now.python),
        *_single("the folder it runs in", before.folder, now.folder),
        *imported(before, now.distributions, now.modules),
        *_single("nbops' way of executing", str(before.engine), str(now.engine)),
    ]


def imported(before: Parts, distributions: Mapping[str, str], modules: Mapping[str, str]) -> list[str]:
    """What differs of what was imported."""
    versions = [
        f"{name} {before.distributions.get(name, 'nothing')} -> {distributions.get(name, 'nothing')}"
        for name in sorted({*before.distributions, *distributions})
        if before.distributions.get(name) != distributions.get(name)
    ]
    more = len(versions) - _MOST
    few = [*versions[:_MOST], *([f"{more} more distributions differ"] if more > 0 else [])]
    return [*few, *_moved(before.modules, modules)]


def _digest(value: object) -> str:
    return hashlib.sha256(_encoder.encode(value)).hexdigest()


def _single(what: str, before: str, now: str) -> list[str]:
    return [] if before == now else [f"{what} {before} -> {now}"]


def _parameters(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys((*now, *before)):
        if name not in before:
            yield f"parameter {name} is new"
        elif name not in now:
            yield f"parameter {name} is gone"
        elif before[name] != now[name]:
            yield f"parameter {name} {_value(before[name], now[name])} -> {_value(now[name], before[name])}"


def _value(told: str, other: str) -> str:
    """The value without its type, unless that alone differs."""
    kind, _, value = told.partition(" ")
    return shorten(value if value != other.partition(" ")[2] else f"{value} ({kind})", _SHOWN)


def _cells(before: Sequence[str], now: Sequence[str]) -> Iterator[str]:
    """Cells are counted from 1 over code cells, as they stand in the newer notebook where they are there."""
    for what, old, old_end, new, new_end in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        both = min(old_end - old, new_end - new)
        if what == "equal":
            continue
        yield from (f"cell {new + index + 1} changed" for index in range(both))
        yield from (f"cell {index + 1} is new" for index in range(new + both, new_end))
        yield from (f"what was cell {index + 1} is gone" for index in range(old + both, old_end))


def _inputs(before: Mapping[str, Input], now: Mapping[str, Input]) -> Iterator[str]:
    for name, item in now.items():
        earlier = before.get(name)
        if earlier is None or earlier.path != item.path or earlier == item:
            # What is declared now, and where it lies, is told by cells and parameters.
            continue
        digest = f" (sha256 {item.digest[:8]})" if item.digest else ""
        yield f"input {item.path} changed{digest}"


def _contracts(parts: Parts) -> dict[str, str]:
    return {f"the contract of {name}": digest for name, digest in parts.contracts.items()}


def _moved(before: Mapping[str, str], now: Mapping[str, str], new: str = "is imported too") -> Iterator[str]:
    for path in sorted({*before, *now}):
        if path not in before:
            yield f"{path} {new}"
        elif path not in now:
            yield f"{path} is gone"
        elif before[path] != now[path]:
            yield f"{path} changed"
