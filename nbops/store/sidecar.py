"""The last committed sequence, kept beside the database: what was promised to somebody, whatever becomes of the file.

Two slots are written in turn, each with a checksum, so that a torn write leaves the one before.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from nbops.store.places import open_file

_SLOT = struct.Struct("<Q64sI")
_STRIDE = 128


class Promise(NamedTuple):
    """Everything up to `seq` was acknowledged; `head` is the event chain's hash (hex) at that point."""

    seq: int
    head: str


class Sidecar:
    """Open for the owner's life; `promise` returns once the bytes are on disk."""

    def __init__(self, path: Path) -> None:
        self._fd = open_file(path, os.O_RDWR | os.O_CREAT)
        self._turn = 0

    def read(self) -> Promise | None:
        """The newest whole slot, or None when nothing was promised yet."""
        found = []
        for slot in (0, 1):
            raw = os.pread(self._fd, _SLOT.size, slot * _STRIDE)
            if len(raw) < _SLOT.size:
                continue
            seq, head, crc = _SLOT.unpack(raw)
            if crc == zlib.crc32(raw[:-4]):
                found.append((seq, slot, head))
        if not found:
            return None
        seq, slot, head = max(found)
        self._turn = 1 - slot
        return Promise(seq, head.rstrip(b"\0").decode())

    def promise(self, seq: int, head: str) -> None:
        """Record that everything up to `seq` is committed. Raises OSError when the disk refuses."""
        body = _SLOT.pack(seq, head.encode(), 0)[:-4]
        os.pwrite(self._fd, body + struct.pack("<I", zlib.crc32(body)), self._turn * _STRIDE)
        os.fdatasync(self._fd)
        self._turn = 1 - self._turn

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)


def read_promise(path: Path) -> Promise | None:
    """What a sidecar file says, without an owner."""
    if not path.exists():
        return None
    sidecar = Sidecar(path)
    try:
        return sidecar.read()
    finally:
        sidecar.close()
