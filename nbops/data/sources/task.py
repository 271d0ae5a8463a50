"""One fetch on its way: the source, the folder that its files are written to, what was there before, and the attempts."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from nbops.data.sources import address as addresses
from nbops.data.sources.declaration import Source
from nbops.data.sources.origin import Fetched, File, Origin, Progress
from nbops.data.sources.retrying import Attempts
from nbops.errors import SourceError
from nbops.records import now_us

CHUNK = 2**20
_SUFFIXES = (".csv", ".utf-8.csv", ".json", ".parquet", ".xlsx", ".data", ".gz", ".zst", ".zip")


class Task:
    """One fetch of a source. Its `folder` is that of the source alone, in the staging folder."""

    def __init__(
        self,
        source: Source,
        staging: Path,
        *,
        project: Path,
        since: Any = None,
        seen: Origin | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        progress: Progress | None = None,
    ) -> None:
        self.source = source
        self.folder = staging.absolute() / source.name
        self.project = project.absolute()
        self.since = since
        self.shown = addresses.shown(source.address)
        self._reading = _reading(source)
        self._at = now_us()
        self._progress = progress
        self.attempts = Attempts(source.retries + 1, source.within, sleep, clock)
        # What was read in another way tells nothing of what is there now.
        same = seen is not None and (seen.address, seen.reading) == (self.shown, self._reading)
        self.seen = seen if same else None

    def staged(self, suffix: str, number: int | None = None) -> Path:
        """Where a file of this source is written to; never named by what a server says."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(
                f"The folder {str(self.folder)!r} cannot be made: {error.strerror}.",
                hint="Make the folder above it writable for you.",
            ) from error
        return self.folder / f"{self.source.name}{'' if number is None else f'-{number:05}'}{suffix}"

    def keep(self, paths: Iterable[Path]) -> None:
        """Take away what earlier fetches, or steps of this one, left behind; parts of downloads stay, and what is none of ours."""
        ours = re.compile(rf"{re.escape(self.source.name)}(-\d{{5}})?({'|'.join(map(re.escape, _SUFFIXES))})")
        kept = set(paths)
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path not in kept and ours.fullmatch(path.name) and path.is_file():
                path.unlink()

    def told(self, done: int, total: int | None) -> None:
        """Tell the caller how far it is."""
        if self._progress is not None:
            self._progress(done, total)

    def fetched(self, data: object, files: Iterable[File] = (), count: int = 0) -> Fetched:
        """The end: `count` bytes came from the source. Nothing has changed if `files` are those that were seen."""
        files = tuple(files)
        origin = Origin(
            source=self.source.name,
            kind=self.source.kind,
            address=self.shown,
            reading=self._reading,
            at=self._at,
            files=files,
            bytes=count,
            attempts=len(self.attempts.waits) + 1,
            waits=tuple(self.attempts.waits),
            since="" if self.since is None else str(self.since),
        )
        unchanged = self.seen is not None and bool(files) and contents(files) == contents(self.seen.files)
        return Fetched(data=None if unchanged else data, origin=origin, unchanged=unchanged)

    def is_seen(self, files: Iterable[File]) -> bool:
        """Whether exactly these files were fetched the last time."""
        return self.seen is not None and contents(files) == contents(self.seen.files)


def contents(files: Iterable[File]) -> list[tuple[str, str]]:
    """Names and digests, in order."""
    return sorted((file.name, file.sha256) for file in files)


@contextlib.contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A file that is there as a whole, on the disk, or not at all. Raises SourceError when the disk is full."""
    part = path.with_name(path.name + ".part")
    with full_disk(path), contextlib.ExitStack() as undo:
        undo.callback(part.unlink, missing_ok=True)
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        finish(part, path)
        undo.pop_all()


def finish(part: Path, path: Path) -> None:
    """Give a file that is complete and synced its name, which a loss of power does not take away again."""
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """A full disk as a SourceError."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise SourceError(
            f"The disk of {str(path.parent)!r} is full.", hint="Free some space; a download goes on where it ended."
        ) from error


def _reading(source: Source) -> str:
    """A digest of what decides, beside the bytes, on which rows come out."""
    said = (
        source.format_, source.options, source.sheet, source.range, source.table, source.query, source.key, source.order, source.dedup,
        source.append,
    )  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:16]
