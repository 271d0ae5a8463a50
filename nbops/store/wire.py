"""What travels between a process and the owner of the store: MessagePack bodies of HTTP/1.1 requests.

Commands are records with a tag, so that both sides parse them in one step; NaN and infinities survive.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from nbops.records import Record

PROTOCOL = 1
MEDIA = "application/msgpack"
ARROW = "application/vnd.apache.arrow.stream"
MAX_BODY = 64 * 2**20


class Request(Record, tag_field="command"):
    """The base of every write command's arguments; its tag is the command's name.

    `spools` says that the command may wait on disk while nobody can be reached, because its answer is not needed.
    """

    spools: ClassVar[bool] = False


class Envelope(Record):
    """Commands that are committed together or not at all; `tx` is made by the client and is the key for exactly-once."""

    tx: str
    commands: list[msgspec.Raw]
    resend: bool = False


class Problem(Record):
    """An error on the wire."""

    code: str
    message: str
    hint: str


class Reply(Record):
    """What became of an envelope: one result per command, or a problem and nothing done."""

    seq: int = 0
    results: list[Any] = []
    problem: Problem | None = None


class Read(Record):
    """One SELECT with bound values; `limit` bounds the rows, `timeout` the seconds."""

    sql: str
    values: list[Any] = []
    limit: int = 1_000_000
    timeout: float = 60.0
    arrow: bool = False


class Table(Record):
    """Rows of a read that was not asked for as Arrow; `truncated` when the limit cut it."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool


class Hello(Record):
    """Who owns the store and how it is."""

    protocol: int
    nbops: str
    duckdb: str
    schema: int
    store: str
    state: str
    """opening, ready, read-only, blocked or draining"""
    code: str
    """The error code of what blocks it; empty when nothing does."""
    message: str
    """Why it is blocked or read-only, or what was found missing at the start; empty when all is well."""
    hint: str
    pid: int
    seq: int
    clients: int


class Control(Record):
    """An act on the store as a whole: drain, checkpoint, fold, backup or prune; `argument` where it needs one."""

    action: str
    argument: str = ""


def encode(value: object) -> bytes:
    """A record as MessagePack."""
    return _encoder.encode(value)


_encoder = msgspec.msgpack.Encoder()
