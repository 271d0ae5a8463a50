"""What travels between a process and the owner of the store: MessagePack bodies of HTTP/1.1 requests.

Commands are records with a tag, so that both sides parse them in one step; NaN and infinities survive.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from nbops.errors import NbopsError
from nbops.records import Record

PROTOCOL = 1
MEDIA = "application/msgpack"
ARROW = "application/vnd.apache.arrow.stream"
MAX_BODY = 64 * 2**20


class Request(Record, tag_field="command"):
    """The base of every write command's arguments; its tag is the command's name.

    One that `spools` may wait on disk while nobody can be reached: its answer is not needed.
    """

    spools: ClassVar[bool] = False


class Envelope(Record):
    """Commands that are committed together or not at all; the client's `tx` is the key for exactly-once."""

    tx: str
    commands: list[msgspec.Raw]
    resend: bool = False


class Problem(Record):
    """An error on the wire."""

    code: str
    message: str
    hint: str

    @classmethod
    def of(cls, error: NbopsError) -> Problem:
        """What an error of ours says."""
        return cls(code=error.code, message=error.message, hint=error.hint)


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
    """Rows of a read, `truncated` when the limit cut them."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool


class Hello(Record):
    """Who owns the store and how it is; `code`, `message` and `hint` say what blocks it, or was found missing at the start."""

    protocol: int
    nbops: str
    duckdb: str
    schema: int
    store: str
    state: str
    """opening, ready, read-only, blocked or draining"""
    code: str
    message: str
    hint: str
    pid: int
    seq: int
    clients: int


class Control(Record):
    """An act on the store as a whole: drain, fold, backup, checkpoint or prune."""

    action: str
    argument: str = ""


encode = msgspec.msgpack.Encoder().encode
"""A record as MessagePack."""
