"""Files of this machine: found by a path or pattern, read once for their digest, and scanned where they lie."""

from __future__ import annotations

import glob
import os
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from nbops.data.sources import address as addresses
from nbops.data.sources import preparing
from nbops.data.sources.origin import Fetched, File, Origin
from nbops.data.sources.reading import Raw, Reading, verify
from nbops.data.sources.retrying import Transient
from nbops.data.sources.task import CHUNK, Task
from nbops.errors import SourceError

# Nanoseconds: a file that was changed this shortly before it was read may have been changed again without a trace in its times.
_RECENT = 2 * 10**9


def fetch(task: Task) -> Fetched:
    """Raises SourceError."""
    found = _found(task)
    if task.source.sha256 and len(found) != 1:
        raise SourceError(
            f"{task.shown!r} stands for {len(found)} files, but there is one `sha256`.",
            hint="Name one file, or leave `sha256` out.",
        )
    if (known := _by_times(task, found)) is not None:
        return task.fetched(None, known)
    raws = []
    for path in found:
        raw = task.attempts.run(_name(task, path), partial(_read, task, path))
        verify(raw.file, task.source.sha256)
        raws.append(raw)
    made = [raw.file for raw in raws]
    data = None if task.is_seen(made) else preparing.prepared(task, raws)
    return task.fetched(data, made, sum(file.size for file in made))


def confirm(origin: Origin, *, project: Path) -> None:
    """Raise SourceError if a local file is not what it was when it was fetched."""
    for file in origin.files if origin.kind == "file" else ():
        try:
            now = os.stat(project / file.name)  # noqa: PTH116 - one call for both
            same = (now.st_size, now.st_mtime_ns) == (file.size, file.mtime)
        except FileNotFoundError:
            same = False
        if not same:
            raise SourceError(
                f"{file.name} was changed while it was read.",
                hint="Fetch again; whoever writes it should rename it into its place.",
            )


def _found(task: Task) -> list[Path]:
    address = task.source.address
    if address.lower().startswith("file://"):
        address = unquote(urlsplit(address).path)
    path = task.project / Path(address).expanduser()
    if path.is_dir():
        raise SourceError(
            f"{address!r} is a folder.",
            hint=f"Say which files: `{address.rstrip('/')}/*.parquet`, or `**/*.parquet` for all below.",
        )
    if path.is_file():
        return [path]
    found = [Path(one) for one in sorted(glob.glob(str(path), recursive=True)) if Path(one).is_file()]  # noqa: PTH207 - of any root
    if not found:
        raise SourceError(
            f"There is no file {address!r}.",
            hint=f"It is looked for in {task.project}; `*` stands for any part of a name.",
        )
    return found


def _name(task: Task, path: Path) -> str:
    return path.relative_to(task.project).as_posix() if path.is_relative_to(task.project) else str(path)


def _by_times(task: Task, found: list[Path]) -> list[File] | None:
    """What was seen, if by size and times all files are what they were then."""
    if task.seen is None:
        return None
    known = {file.name: file for file in task.seen.files}
    if set(known) != {_name(task, path) for path in found}:
        return None
    for path in found:
        file, now = known[_name(task, path)], path.stat()
        if (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (file.size, file.mtime, file.ctime):
            return None
        if max(file.mtime, file.ctime) > task.seen.at * 1000 - _RECENT:
            return None
    return list(task.seen.files)


def _read(task: Task, path: Path) -> Raw:
    """One file, read once. Raises Transient if somebody writes to it meanwhile."""
    name = _name(task, path)
    form = addresses.format_of(path.name, task.source.format_)
    reading = Reading(name, task.source, form)
    try:
        with path.open("rb") as opened:
            before = os.fstat(opened.fileno())
            # What grows all the time would never be read to its end.
            while reading.size <= before.st_size and (chunk := opened.read(CHUNK)):
                reading.add(chunk)
                task.told(reading.size, before.st_size)
        after = path.stat()
    except PermissionError as error:
        raise SourceError(
            f"{name} may not be read by you.", hint="Change its permissions, or ask its owner."
        ) from error
    except FileNotFoundError as error:
        raise Transient(f"{name} went away", hint="Fetch again when nobody writes there.") from error
    seen = [(one.st_ino, one.st_size, one.st_mtime_ns) for one in (before, after)]
    if seen[0] != seen[1] or reading.size != after.st_size:
        raise Transient(
            "it was changed while it was read", hint="Fetch again; whoever writes it should rename it into its place."
        )
    file = File(name=name, size=reading.size, sha256=reading.end(), mtime=after.st_mtime_ns, ctime=after.st_ctime_ns)
    return Raw(path, file, form, reading.compression, reading.longest)
