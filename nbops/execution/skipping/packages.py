"""Which distributions packages belong to, and which versions are installed now. No package is imported.

Versions are in the names of the folders that pip writes. Which package is of which distribution is read from what pip wrote, and
remembered until something is installed or removed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nbops.tracking.installed import installed, remember

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_ENVIRONMENTS = 4


def versions(folders: Sequence[str]) -> dict[str, str]:
    """The installed distributions of these folders, the first folder first, by normalised name."""
    found: dict[str, str] = {}
    for folder in reversed(folders):
        found |= _told(tuple(installed(folder)))
    return found


@functools.lru_cache(maxsize=_ENVIRONMENTS * 4)
def _told(entries: tuple[tuple[str, int], ...]) -> dict[str, str]:
    """What the names of what pip wrote say, the first of each distribution."""
    found: dict[str, str] = {}
    for name, _ in entries:
        stem, _, suffix = name.rpartition(".")
        if suffix in {"dist-info", "egg-info"}:
            name_of, version = (*stem.split("-", 2), "")[:2]
            found.setdefault(normalised(name_of), version)
    return found


def distributions(packages: Iterable[str], folders: Sequence[str], memory: Path) -> set[str]:
    """The distributions that these top-level packages belong to; `memory` is the file that remembers it."""
    owners = _owners(folders, memory)
    return {owner for package in packages for owner in owners.get(package, ())}


def normalised(name: str) -> str:
    """The name of a distribution as all spellings of it agree."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _owners(folders: Sequence[str], memory: Path) -> dict[str, list[str]]:
    key = hashlib.sha256(repr([installed(folder) for folder in folders]).encode()).hexdigest()[:16]
    try:
        known: dict[str, dict[str, list[str]]] = json.loads(memory.read_bytes())
        if key in known:
            return known[key]
    except (OSError, ValueError, TypeError):
        known = {}
    owners = _look(folders)
    remember(memory, {**known, key: owners}, _ENVIRONMENTS)
    return owners


def _look(folders: Sequence[str]) -> dict[str, list[str]]:
    from importlib.metadata import distributions as found_in

    owners: dict[str, set[str]] = {}
    for found in found_in(path=list(folders)):
        # What an uninstallation left behind may have no metadata.
        with contextlib.suppress(TypeError, KeyError, ValueError, OSError):
            name = normalised(found.metadata["Name"])
            for package in _packages(found):
                owners.setdefault(package, set()).add(name)
    return {package: sorted(names) for package, names in owners.items()}


def _packages(found: Distribution) -> set[str]:
    told = (found.read_text("top_level.txt") or "").split()
    if told:
        return set(told)
    return {
        file.parts[0] if len(file.parts) > 1 else inspect.getmodulename(file.name) or ""
        for file in found.files or ()
        if file.suffix in {".py", ".so", ".pyd", ".pyc"}
    }
