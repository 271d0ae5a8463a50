"""Envelopes on disk while nobody can be reached: appended by the process that made them, folded into the store by the owner later.

A segment is a file of framed records (length, CRC-32, MessagePack), the first of which says whose it is. Its writer holds a file
lock on it, so a free lock means that no more will come. Folding twice is harmless: the ledger knows each envelope by its id.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from nbops.errors import StoreFull
from nbops.records import Record, new_id, now_us
from nbops.store.places import Places, locked, make_folder, make_private, open_file, private_temporary
from nbops.store.wire import Envelope, Problem

SUFFIX = ".spool"
BLOBS = "blobs"
_FRAME = struct.Struct("<II")


class Header(Record):
    """Whose segment it is; `store` is empty when the writer never reached one."""

    store: str
    project: str
    writer: str
    pid: int
    host: str
    created: int


class Rejected(Record):
    """An envelope that the store refused at the fold."""

    segment: str
    envelope: Envelope
    problem: Problem


class Spool:
    """A process's own segment, opened at its first envelope in the first place that takes it."""

    def __init__(self, places: Places, *, store: str, writer: str, host: str) -> None:
        self._places = places
        self._header = Header(
            store=store, project=str(places.folder), writer=writer, pid=os.getpid(), host=host, created=now_us()
        )
        self._fd: int | None = None
        self.path: Path | None = None
        self._written: set[Path] = set()

    def append(self, envelope: Envelope) -> Path:
        """Keep an envelope; on return it is on disk, in the file given back. Raises StoreFull when no place takes it."""
        body = msgspec.msgpack.encode(envelope)
        if self._fd is not None:
            try:
                return self._write(body)
            except OSError:
                # This place is full or gone: the rest goes to the next one.
                self.seal()
        for folder in self._places.spools():
            try:
                self._open(folder)
                return self._write(body)
            except OSError:
                self._drop()
        raise StoreFull(
            "There is no room left to spool what is logged: neither in the project nor in your state or temporary folder.",
            hint=f"Free some space under {self._places.folder} or {private_temporary().parent}, then log again.",
        )

    def seal(self) -> None:
        """Give up the segment: from now on it can be folded and removed."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self.path = None, None

    def waits(self) -> bool:
        """Whether something that was kept here has not been folded yet."""
        self._written = {path for path in self._written if path.exists()}
        return bool(self._written)

    def _open(self, folder: Path) -> None:
        if folder == self._places.spool:
            make_folder(folder)
        else:
            make_private(folder)
        path = folder / f"{new_id()}{SUFFIX}"
        # Locked before it bears a segment's name: the owner takes one without a lock for one whose writer is dead, and removes it.
        begun = path.with_suffix(".new")
        self._fd = open_file(begun, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND)
        self.path = begun
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self._write(msgspec.msgpack.encode(self._header))
        self.path = begun.rename(path)
        self._written.add(path)

    def _write(self, body: bytes) -> Path:
        if self._fd is None or self.path is None:
            raise OSError("the segment is closed")
        frame = _FRAME.pack(len(body), zlib.crc32(body)) + body
        before = os.lseek(self._fd, 0, os.SEEK_END)
        try:
            if os.write(self._fd, frame) != len(frame):
                raise OSError("the segment took only a part of the record")
            os.fdatasync(self._fd)
        except OSError:
            os.ftruncate(self._fd, before)
            raise
        return self.path

    def _drop(self) -> None:
        path = self.path
        self.seal()
        if path:
            with contextlib.suppress(OSError):
                path.unlink()


def segments(places: Places) -> Iterator[Path]:
    """The segments that wait for this project's store, in the order of their making.

    A process that ran out of room in one folder went on in another: what it spooled later may need what it spooled before.
    """
    found: list[Path] = []
    for folder in places.spools():
        if os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where this user must not look
            found += folder.glob(f"*{SUFFIX}")
    yield from sorted(found, key=lambda path: path.name)


def read(path: Path, position: int = 0) -> Iterator[tuple[int, Envelope]]:
    """The whole envelopes of a segment from a byte position on, each with the position behind it."""
    decoder = msgspec.msgpack.Decoder(Envelope)
    with path.open("rb") as file:
        if position == 0:
            if _next(file) is None:
                return
            position = file.tell()
        file.seek(position)
        while (body := _next(file)) is not None:
            yield file.tell(), decoder.decode(body)


def finished(path: Path) -> bool:
    """Whether the segment's writer has closed it or is dead."""
    return not locked(path)


def reject(places: Places, segment: Path, envelope: Envelope, problem: Problem) -> Path:
    """Put an envelope aside that the store refuses, with the reason."""
    make_folder(places.rejected)
    kept = Rejected(segment=segment.name, envelope=envelope, problem=problem)
    path = places.rejected / f"{envelope.tx}.msgpack"
    path.write_bytes(msgspec.msgpack.encode(kept))
    return path


def _next(file: BinaryIO) -> bytes | None:
    frame = file.read(_FRAME.size)
    if len(frame) < _FRAME.size:
        return None
    length, crc = _FRAME.unpack(frame)
    body = file.read(length)
    return body if len(body) == length and zlib.crc32(body) == crc else None
