"""Bytes kept once under their SHA-256, in files: written before the row that names them, verified on the bytes that are used."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from nbops.errors import NotFound, StoreCorrupt, UsageError
from nbops.records import Blob
from nbops.store.places import make_folder, share

_CHUNK = 1 << 20


def put(folder: Path, data: bytes) -> Blob:
    """Keep bytes; on return they are on disk. Raises OSError."""
    blob = Blob(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    try:
        # What is named again is young again, or a collection that runs now could take it.
        os.utime(place(folder, blob.sha256))
    except FileNotFoundError:
        return _keep(folder, [data])
    return blob


def put_file(folder: Path, source: Path) -> Blob:
    """Keep a file's bytes, in one pass: what is hashed is what is kept, even if the file changes meanwhile.

    Raises UsageError when the file cannot be read, OSError when it cannot be kept.
    """
    return _keep(folder, _chunks(source))


def _chunks(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as reader:
            while chunk := reader.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}.", hint="Look at who may read it.") from error


def _keep(folder: Path, chunks: Iterable[bytes]) -> Blob:
    make_folder(folder)
    digest, size = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-", delete=False) as writer:
        name = Path(writer.name)
        try:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                writer.write(chunk)
            writer.flush()
            share(writer.fileno(), folder)
            os.fsync(writer.fileno())
            target = place(folder, digest.hexdigest())
            make_folder(target.parent)
            name.replace(target)
        finally:
            name.unlink(missing_ok=True)
    for parent in (target.parent, folder):
        _sync_folder(parent)
    return Blob(sha256=digest.hexdigest(), size=size)


def get(folders: tuple[Path, ...], sha256: str) -> bytes:
    """The bytes of a blob, verified. Raises NotFound or StoreCorrupt."""
    path = find(folders, sha256)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreCorrupt(
            f"The stored file {sha256[:12]}… has changed since it was kept.",
            hint=f"Put it back from a backup of {path}, or log it again.",
        )
    return data


def find(folders: tuple[Path, ...], sha256: str) -> Path:
    """The file that holds a blob. Raises NotFound."""
    for folder in folders:
        path = place(folder, sha256)
        if path.exists():
            return path
    raise NotFound(
        f"The stored file {sha256[:12]}… is missing.",
        hint="`nbops db check` lists what else is missing; a backup may have it.",
    )


def is_whole(path: Path, sha256: str) -> bool:
    """Whether a blob's file has its bytes still; read once per process, and again when it was written to. Raises OSError."""
    status = path.stat()
    return _digest(path, status.st_mtime_ns, status.st_size) == sha256


@lru_cache(maxsize=1 << 16)
def _digest(path: Path, _mtime: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def place(folder: Path, sha256: str) -> Path:
    """Where a blob lies in a folder of blobs."""
    return folder / sha256[:2] / sha256


def every(folder: Path) -> Iterator[Path]:
    """All blobs in a folder."""
    for path in folder.glob("??/*"):
        if len(path.name) == 64:
            yield path


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
