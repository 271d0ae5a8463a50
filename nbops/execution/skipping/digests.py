"""Digests of files, folders and patterns of files, remembered in one small file until size, times or inode change.

A file that was changed moments ago is hashed anew each time, because a second change might leave its time as it is.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nbops.tracking.installed import remember
from nbops.tracking.provenance import file_digest

MISSING = "missing"
"""Stands for the digest of what is not there."""

_YOUNG_NS = 2_000_000_000
_REMEMBERED = 10_000

Stamp = tuple[int, int, int, int]
"""Size, time of the last change of content and of state in nanoseconds, inode."""


class Content(NamedTuple):
    """What lies at a path: the digest, None where it cannot be known, and the stamps of all files."""

    digest: str | None
    stamps: dict[str, Stamp]


class Digests:
    """Digests of files, with a memory that lies at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[Stamp, str]] | None = None
        self._new: dict[str, tuple[Stamp, str]] = {}

    def content(self, text: str, folder: Path) -> Content:
        """What `text` names, seen from `folder`: a file, a folder with all that is in it, or the files that a pattern fits."""
        if "://" in text or not text or "\0" in text:
            return Content(None, {})
        try:
            files = dict(_files(text, folder))
            stamps = {name: _stamp(path.stat()) for name, path in files.items()}
            if list(files) == [""]:
                return Content(self.file(files[""]), stamps)
            if not files and not (folder / text).is_dir():
                return Content(MISSING, {})
            listing = [(name, self.file(path)) for name, path in files.items()]
        except OSError:
            return Content(None, {})
        return Content(hashlib.sha256(json.dumps(listing).encode()).hexdigest(), stamps)

    def file(self, path: Path) -> str:
        """SHA-256 (hex) of a file. Raises OSError."""
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is no regular file")
        name, stamp = str(path), _stamp(status)
        if self._known is None:
            self._known = self._read()
        known = self._new.get(name) or self._known.get(name)
        if known is not None and known[0] == stamp:
            return known[1]
        began = time.time_ns()
        digest = file_digest(path)
        if began - max(stamp[1], stamp[2]) > _YOUNG_NS and _stamp(path.stat()) == stamp:
            self._new[name] = (stamp, digest)
        return digest

    def file_or_missing(self, path: str) -> str:
        """As `file`; MISSING where it cannot be read."""
        try:
            return self.file(Path(path))
        except OSError:
            return MISSING

    def save(self) -> None:
        """Remember what is new; the oldest are forgotten."""
        if not self._new:
            return
        told = {**self._read(), **self._new}
        self._known, self._new = None, {}
        remember(self._path, told, _REMEMBERED)

    def _read(self) -> dict[str, tuple[Stamp, str]]:
        try:
            told = json.loads(self._path.read_bytes())
            return {
                name: ((size, changed, state, inode), digest)
                for name, ((size, changed, state, inode), digest) in told.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def files(text: str, folder: Path) -> set[str]:
    """The real paths of all files that `text` names, seen from `folder`."""
    with contextlib.suppress(OSError, ValueError):
        return {os.path.realpath(path) for _, path in _files(text, folder)}
    return set()


def _stamp(status: os.stat_result) -> Stamp:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _files(text: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """The files, by a name that does not tell where the project lies; a single one by none."""
    path = folder / text
    if path.is_dir():
        for name in _below(path):
            yield name, path / name
    elif path.exists():
        yield "", path
    elif glob.has_magic(text):
        for found in sorted(glob.glob(text, root_dir=folder, recursive=True)):  # noqa: PTH207 - it may lead out of the folder
            if (folder / found).is_dir():
                yield from ((f"{found}/{name}", folder / found / name) for name in _below(folder / found))
            else:
                yield found, folder / found


def _below(folder: Path) -> list[str]:
    """The files in a folder and those below it, by their paths in it, sorted."""
    found = (Path(place, name) for place, names in _walk(folder) for name in names)
    return sorted(path.relative_to(folder).as_posix() for path in found if path.is_file())


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Folders with the names of their files, through links too, but each place once."""
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
        else:
            seen.add(real)
            yield place, names
