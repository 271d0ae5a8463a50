"""What a run read, reached and started, as its kernel tells, and what of it the notebook does not declare.

What compiled libraries open no kernel sees: the strings in the code that name an existing file stand for it.
"""

from __future__ import annotations

import ast
import glob
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from nbops.execution.parameters import python
from nbops.records import Record
from nbops.tracking import provenance

_LONGEST = 400
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", f"{sys.prefix}{os.sep}", f"{sys.base_prefix}{os.sep}")
_QUOTED = re.compile(r"'([^'\n]{3,200})'|\"([^\"\n]{3,200})\"")


class Seen(Record):
    """A kernel's answer: names with the time when they were used first, seconds since 1970; `full` when there were too many.

    `packages` are the top-level ones that were installed, in the folders `site`; `modules` are the files of other modules.
    """

    reads: dict[str, float]
    hosts: dict[str, float]
    processes: dict[str, float]
    uses: dict[str, float]
    packages: list[str]
    modules: list[str]
    site: list[str]
    full: bool


class Undeclared(Record):
    """Something that a run used without declaring it: a read, host, process or use; `cell` counts from 1 over code cells."""

    kind: str
    name: str
    cell: int | None = None

    def __str__(self) -> str:
        where = f" (cell {self.cell})" if self.cell else ""
        verbs = {"read": "read", "host": "reached", "process": "started", "use": "used"}
        return f"it {verbs[self.kind]} {self.name}{where}" + (" without declaring it" if self.kind == "read" else "")


def request(project: Path, cwd: Path) -> str:
    """The code that makes a Python kernel watch; it leaves no name behind."""
    call = f"\nwatch({str(project)!r}, {str(cwd)!r})"
    return f"exec({_source() + call!r}, {{'__name__': 'watch'}})"


QUESTION = "(lambda box: __import__('sys').audit('nbops.watched', box) or box[-1])([])"
"""The expression whose value is the answer."""


def answer(told: Mapping[str, Any]) -> Seen | None:
    """What a kernel answered to QUESTION, if it did."""
    try:
        return msgspec.json.decode(ast.literal_eval(told["data"]["text/plain"]), type=Seen)
    except (KeyError, TypeError, ValueError, SyntaxError, msgspec.MsgspecError):
        return None


def undeclared(
    seen: Seen,
    *,
    declared: set[str],
    called: Callable[[str], str],
    allowed: Sequence[str] = (),
    mentioned: Mapping[str, int] | None = None,
    cell_at: Callable[[float], int | None] = lambda _: None,
) -> tuple[Undeclared, ...]:
    """What was used that is not `declared` (real paths), not code that was imported and not `allowed` (patterns in the project).

    `called` names a path as it lies in the project; `mentioned` are real paths with the cell that names them, `cell_at` gives the cell
    that ran at a time.
    """
    code = {os.path.realpath(path) for path in seen.modules}
    reads = {os.path.realpath(path): cell_at(time) for path, time in seen.reads.items()}
    found = [
        Undeclared("read", name, cell)
        for path, cell in {**(mentioned or {}), **reads}.items()
        if path not in declared and path not in code and not _fits(name := called(path), allowed)
    ]
    if seen.full:
        found.append(Undeclared("read", "more files than are noted"))
    for kind, names in (("host", seen.hosts), ("process", seen.processes), ("use", seen.uses)):
        found += [Undeclared(kind, name, cell_at(time)) for name, time in names.items()]
    return tuple(found)


def mentioned(sources: Iterable[str], folder: Path, project: Path) -> Iterator[tuple[str, int]]:
    """The existing files that strings in code cells name, with the cell, counted from 1; none of the system's."""
    home = (f"{project.resolve()}{os.sep}", f"{folder.resolve()}{os.sep}")
    for number, source in enumerate(sources, 1):
        for text in dict.fromkeys(_strings(source)):
            for path in _existing(text, folder):
                if path.startswith(home) or not path.startswith(_SYSTEM):
                    yield path, number


def inside(path: str, project: Path) -> str:
    """The path as it lies in the project, where it does."""
    return provenance.relative(path, project) or ""


@cache
def _source() -> str:
    return (resources.files("nbops.execution.skipping") / "watch.py").read_text(encoding="utf-8")


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(PurePosixPath("/", name).match(f"/{pattern}") for pattern in patterns)


def _strings(source: str) -> Iterator[str]:
    try:
        tree = python.parse(source)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if len(node.value) <= _LONGEST and "\n" not in node.value:
                yield node.value
            yield from (first or second for first, second in _QUOTED.findall(node.value))


def _existing(text: str, folder: Path) -> list[str]:
    # A word without a dot or slash may name a file by chance, as "data" or "LICENSE" do.
    if not text or "\0" in text or "://" in text or not re.search(r"[./]\w", text):
        return []
    try:
        names = [text]
        if glob.has_magic(text):
            names = glob.glob(text, root_dir=folder)[:1]  # noqa: PTH207 - it may lead out of the folder
        return [os.path.realpath(path) for name in names if (path := folder / name).is_file()]
    except (OSError, ValueError, re.error):
        return []
