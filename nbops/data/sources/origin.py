"""What is known of data that was fetched: its address without secrets, its files, and what it took to get them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from nbops.data.sources.address import Kind
from nbops.records import Record

Progress: TypeAlias = Callable[[int, int | None], None]
"""Is told the bytes that there are and, if it is known, how many there will be."""


class File(Record):
    """One file as it came, before anything was expanded or converted; times in nanoseconds since 1970.

    `name` is a path relative to the project or an address without secrets. Times are of local files, `etag` and `modified` of others.
    """

    name: str
    size: int
    sha256: str
    mtime: int = 0
    ctime: int = 0
    etag: str = ""
    modified: str = ""


class Wait(Record):
    """A pause before another attempt."""

    seconds: float
    reason: str


class Origin(Record):
    """Where data came from; `reading` is a digest of what else decides on its rows, `at` UTC microseconds."""

    source: str
    kind: Kind
    address: str
    reading: str
    at: int
    files: tuple[File, ...] = ()
    bytes: int = 0
    attempts: int = 1
    waits: tuple[Wait, ...] = ()
    since: str = ""


class Fetched(Record):
    """What `nbops.data.relation.opened` takes, and where it came from. `data` is None when it is `unchanged`.

    It is a path, a `relation.Files`, or the frame that was given.
    """

    data: Any
    origin: Origin
    unchanged: bool = False
