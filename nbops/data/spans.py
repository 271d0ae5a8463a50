"""Spans of time and amounts of bytes as people write them: `2d`, `90 min`, `5m`, `10 GB`; numbers come out."""

from __future__ import annotations

import re

from nbops.errors import UsageError

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)\s*")
_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B", re.IGNORECASE)
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def seconds(text: str) -> float:
    """Such as `2d`, `90 min`, `1h 30min`. Raises UsageError, which is a ValueError."""
    if not re.fullmatch(rf"(?:{_SPAN.pattern})+", text.strip()):
        raise UsageError(f"{text!r} is no span of time.", hint="Such as `2d`, `90 min`, `1h 30min`.")
    return sum(float(number) * _SECONDS[unit] for number, unit in _SPAN.findall(text))


def size(text: str) -> int:
    """Bytes, such as `500 MB`; a kB is 1,000, a KiB 1,024. Raises UsageError, which is a ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if not found or (found[3] and not found[2]):
        raise UsageError(f"{text!r} is no amount of bytes.", hint="Such as `500 MB`, `10 GB`, `2 GiB`.")
    return int(float(found[1]) * (_BINARY if found[3] else _BYTES)[found[2].lower()])


def memory(text: str) -> int:
    """Bytes of memory: as `size`; of `2G` and `512M`, as other programs write them, a G is a GiB. Raises UsageError."""
    return size(re.sub(r"([kKmMgGtT])$", r"\1iB", text.strip()))


def like(count: float, other: int) -> str:
    """Bytes for a sentence that names `other` bytes too: in GiB and the like, where those are a whole number of MiB."""
    if other % 2**20:
        return readable(count)
    return f"{count / 2**20:.3g} MiB" if count < 2**30 else f"{count / 2**30:.3g} GiB"


def readable(count: float) -> str:
    """Bytes for a sentence: `1.5 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "bytes" else f"{count:.0f} bytes"
        count /= 1000
    return f"{count:.3g} TB"
