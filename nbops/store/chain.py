"""The hash chain over the store's events."""

from __future__ import annotations

import hashlib

import msgspec

GENESIS = "0" * 64


def link(previous: str, *fields: object) -> str:
    """The hash of an event: SHA-256 (hex) over the hash before it and its own fields, joined without ambiguity as JSON."""
    return hashlib.sha256(msgspec.json.encode([previous, *fields])).hexdigest()
