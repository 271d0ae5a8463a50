"""The vocabulary every layer shares."""

from __future__ import annotations

import os
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Annotated, Literal, dataclass_transform

import msgspec

RunStatus = Literal["running", "finished", "failed", "stopped", "lost"]
"""How a run stands: `lost` is a runner that died without saying anything."""

FailureClass = Literal[
    "transient",
    "data_access",
    "schema_change",
    "dirty_rows",
    "resource",
    "kernel_death",
    "timeout",
    "code_bug",
    "environment",
]
"""Why something failed; docs/failures.md says what each means."""

ParamKind = Literal["none", "bool", "int", "float", "str", "json"]
Better = Literal["higher", "lower"]


Input = Annotated[str, "in"]
"""A parameter that names what the notebook reads; the quoted "in" says the same without an import."""
Output = Annotated[str, "out"]
"""A parameter that names what the notebook writes."""
Secret = Annotated[str, "secret"]
"""A parameter whose value is a secret: it is given as `secret://NAME`."""


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, frozen=True):
    """The base of every record: frozen, equal by value."""


class Actor(Record):
    """Who did it, as the operating system says: never taken from a request's body.

    `impersonal` says why it cannot be a person's act (see `nbops.store.marks`); it is empty where it may be one.
    """

    name: str
    uid: int
    host: str
    pid: int
    impersonal: str = ""


class Blob(Record):
    """Bytes kept once under their SHA-256 (hex); `size` in bytes."""

    sha256: str
    size: int


class Param(Record):
    """One parameter: `value` is its text, `kind` says what it was."""

    key: str
    value: str
    kind: ParamKind


class Tag(Record):
    """A later one with the same key replaces it."""

    key: str
    value: str


class Series(Record):
    """Points of one metric, column by column, as little-endian bytes: float64 values, int64 steps, int64 UTC microseconds.

    A step of `NO_STEP` means that none was given.
    """

    key: str
    values: bytes
    steps: bytes
    times: bytes


NO_STEP = -(2**63)


class Artifact(Record):
    """A file kept with a run: `path` is relative, with forward slashes; `kind` is what logged it."""

    path: str
    sha256: str
    size: int
    kind: Literal["file", "figure", "table", "dict", "text", "model", "notebook"]
    media_type: str


class Dataset(Record):
    """Data that a run read: `digest` is of its content, `columns` name -> type."""

    name: str
    digest: str
    source: str
    rows: int | None
    columns: dict[str, str]


_lock = threading.Lock()
_last: list[int] = [0]


def new_id() -> str:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, 12 bits that keep this process's ids in order, 62 random bits."""
    with _lock:
        ticks = max(time.time_ns() * 4096 // 1_000_000, _last[0] + 1)
        _last[0] = ticks
    number = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64
    number |= 0b10 << 62 | int.from_bytes(os.urandom(8)) >> 2
    return str(uuid.UUID(int=number))


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def short(run_id: str) -> str:
    """The last 8 hex digits: what is shown and typed (the first ones are a clock)."""
    return run_id[-8:]


def now_us() -> int:
    """The present as UTC microseconds since 1970."""
    return time.time_ns() // 1000


def at(us: int) -> datetime:
    """The aware UTC time of microseconds since 1970."""
    return datetime.fromtimestamp(us / 1_000_000, UTC)
