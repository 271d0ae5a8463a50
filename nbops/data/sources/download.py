"""Bytes from elsewhere into a staged file: never half, gone on with where they broke off, and compared with what was promised.

While it comes it is `NAME.part`; beside it `NAME.part.json` says of what it is a part. It gets its name when all of it is on the disk.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from nbops.data.sources.origin import File
from nbops.data.sources.reading import Raw, Reading, verify
from nbops.data.sources.retrying import Transient
from nbops.data.sources.task import CHUNK, Task, finish, full_disk
from nbops.data.spans import readable
from nbops.errors import SourceError
from nbops.records import Record


class Validators(Record):
    """What tells one state of a file elsewhere from another; `is_strong` if equal ones mean equal bytes."""

    etag: str = ""
    modified: str = ""
    is_strong: bool = False

    def contradict(self, other: Validators) -> bool:
        """Whether two of them cannot be of the same state: not every answer has all of them."""
        if self.etag and other.etag:
            return self.etag != other.etag
        return bool(self.modified and other.modified) and self.modified != other.modified


class Reply(NamedTuple):
    """Bytes that begin at `start` of a file of `total`, in a format; `digests` of all of it are raw bytes by hashlib's names."""

    chunks: Iterator[bytes]
    start: int
    total: int | None
    validators: Validators
    format: str
    digests: Mapping[str, bytes] = {}


class Resume(NamedTuple):
    """The bytes that are there already, of which state of the file."""

    offset: int
    validators: Validators


class _Part(Record):
    url: str
    validators: Validators
    size: int | None


Opened = Callable[[Resume | None], AbstractContextManager[Reply]]


def download(task: Task, name: str, opened: Opened, number: int | None = None) -> Raw:
    """The file `name` (an address without secrets), whole. `opened` asks for it, or for the rest of it.

    Raises Transient, when another attempt may go on or begin anew, and SourceError.
    """
    part = task.staged(".part", number)
    with full_disk(part), contextlib.ExitStack() as undo:
        undo.callback(_unlink_empty, part)
        file = undo.enter_context(part.open("ab"))
        undo.enter_context(_alone(file, task))
        return _Download(task, name, part, number).run(file, opened)


class _Download:
    """One attempt at one file."""

    def __init__(self, task: Task, name: str, part: Path, number: int | None) -> None:
        self._task = task
        self._name = name
        self._part = part
        self._number = number
        self._sidecar = part.with_name(part.name + ".json")

    def run(self, file: IO[bytes], opened: Opened) -> Raw:
        resume = self._resume()
        with opened(resume) as answer, self._discarding():
            reply = self._fitting(answer, resume)
            self._bounded(reply.total or 0)
            file.truncate(reply.start)
            self._note(reply)
            reading = Reading(self._name, self._task.source, reply.format)
            others = {kind: hashlib.new(kind, usedforsecurity=False) for kind in reply.digests if kind != "sha256"}
            for chunk in self._all(file, reply, reading):
                for digest in others.values():
                    digest.update(chunk)
            if reply.total is not None and reading.size != reply.total:
                raise Transient(
                    f"it broke off after {readable(reading.size)} of {readable(reply.total)}",
                    hint="Fetch again: it goes on where it ended, if the server lets it.",
                )
            found = {**{kind: digest.digest() for kind, digest in others.items()}, "sha256": reading.digest}
            for kind, promised in reply.digests.items():
                if found[kind] != promised:
                    raise self._broken(f"what came does not have the {kind} that the server promises")
            return self._whole(file, reply, reading)

    def _fitting(self, reply: Reply, resume: Resume | None) -> Reply:
        """The answer, if it is the rest of what is there, or a whole."""
        if not reply.start:
            return reply
        if resume is None or reply.start != resume.offset:
            raise self._broken("its rest does not begin where it broke off")
        # Some servers send a part of whatever is there, whatever they were asked.
        if reply.validators.contradict(resume.validators):
            raise self._broken("its rest is that of another file")
        return reply._replace(validators=resume.validators)

    def _all(self, file: IO[bytes], reply: Reply, reading: Reading) -> Iterator[bytes]:
        """What is there and what comes, looked at and written."""
        if reply.start:
            with self._part.open("rb") as before:
                while chunk := before.read(CHUNK):
                    reading.add(chunk)
                    yield chunk
        for chunk in reply.chunks:
            if not reading.size:
                _refuse_page(self._name, reply.format, chunk)
            self._task.attempts.check()
            file.write(chunk)
            reading.add(chunk)
            self._bounded(reading.size)
            self._task.told(reading.size, reply.total)
            yield chunk

    def _whole(self, file: IO[bytes], reply: Reply, reading: Reading) -> Raw:
        made = File(
            name=self._name,
            size=reading.size,
            sha256=reading.end(),
            etag=reply.validators.etag,
            modified=reply.validators.modified,
        )
        verify(made, self._task.source.sha256)
        file.flush()
        os.fsync(file.fileno())
        compression = reading.compression
        path = self._task.staged(
            {"gzip": ".gz", "zstd": ".zst", "zip": ".zip"}.get(compression) or _suffix(reply.format), self._number
        )
        finish(self._part, path)
        self._sidecar.unlink(missing_ok=True)
        return Raw(path, made, reply.format, compression, reading.longest)

    def _resume(self) -> Resume | None:
        try:
            told = msgspec.json.decode(self._sidecar.read_bytes(), type=_Part)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
        there = self._part.stat().st_size
        if told.size is not None:
            # All of it may be there: one byte has to be asked for, to learn whether it is still the same file.
            there = min(there, told.size - 1)
        return Resume(there, told.validators) if told.url == self._name and there > 0 else None

    def _note(self, reply: Reply) -> None:
        """Say of what the part is one, if going on with it is safe."""
        if not reply.validators.is_strong:
            self._sidecar.unlink(missing_ok=True)
            return
        told = _Part(url=self._name, validators=reply.validators, size=reply.total)
        beside = self._sidecar.with_name(self._sidecar.name + ".new")
        beside.write_bytes(msgspec.json.encode(told))
        beside.replace(self._sidecar)

    @contextlib.contextmanager
    def _discarding(self) -> Iterator[None]:
        """What is refused is not gone on with."""
        try:
            yield
        except SourceError:
            self.discard()
            raise

    def discard(self) -> None:
        self._sidecar.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)

    def _broken(self, what: str) -> Transient:
        self.discard()
        return Transient(what, hint="Something between here and the server changes it, or it is being replaced there.")

    def _bounded(self, size: int) -> None:
        if size > self._task.source.max_bytes:
            raise SourceError(
                f"{self._name} is larger than {readable(self._task.source.max_bytes)}.",
                hint="Raise `max_bytes` if that is right.",
            )


@contextlib.contextmanager
def _alone(file: IO[bytes], task: Task) -> Iterator[None]:
    """Two downloads into one part would make a mixture of both."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SourceError(
            f"{task.source.name!r} is being fetched into {task.folder.parent} by another process.",
            hint="Wait until it is done.",
        ) from error
    yield


def _unlink_empty(part: Path) -> None:
    if part.exists() and not part.stat().st_size:
        part.unlink()


def _suffix(form: str) -> str:
    return ".xlsx" if form == "excel" else f".{form}"


def _refuse_page(name: str, form: str, start: bytes) -> None:
    """A page in place of data: where one logs in, or is told what is wrong."""
    head = start[:2000].lstrip(b"\xef\xbb\xbf \r\n\t")
    if not head.lower().startswith((b"<!doctype html", b"<html")):
        return
    found = re.search(rb"(?i)<title>([^<]{1,100})", head)
    title = f" ({found[1].decode('utf-8', 'replace').strip()!r})" if found else ""
    raise SourceError(
        f"{name} answers with a web page{title}, and not with {form or 'data'}.",
        hint="Is it where one logs in? Look at the address, and whether it needs `headers`.",
    )
