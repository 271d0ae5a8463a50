"""The hash chain over the store's events."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from nbops.events import Event

GENESIS = "0" * 64


def link(previous: str, *fields: object) -> str:
    """The hash of an event: SHA-256 (hex) over the hash before it and its own fields, joined without ambiguity as JSON."""
    return hashlib.sha256(msgspec.json.encode([previous, *fields])).hexdigest()


def linked(previous: str, seq: int, time: int, actor: str, event: Event) -> tuple[Any, ...]:
    """An event as a row of `core.events`, its own hash last; `time` in UTC microseconds."""
    fields = (seq, time, actor, str(event.__struct_config__.tag), event.subject, msgspec.json.encode(event).decode())
    return *fields, previous, link(previous, *fields)
