"""CSV whose lines end in more than one way: DuckDB does not read it, and says nothing that helps. Files flow in, the error flows out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from nbops.errors import SourceError

_NAMES = {b"\n": "\\n", b"\r\n": "\\r\\n", b"\r": "\\r"}
_SIGNS = re.compile(rb'"|\r\n|\r|\n')
_CHUNK = 2**20
_MOST = 2**28
"""Bytes of a file that are looked at: a file that cannot be read need not be read to its end to say why."""


def mixed(paths: Iterable[str]) -> SourceError | None:
    """What is wrong with the first file whose lines do not all end alike; None when all do. Compressed ones are not looked at."""
    for path in paths:
        if path.lower().endswith((".gz", ".zst")):
            continue
        try:
            found = _first(path)
        except OSError:
            continue
        if found is not None:
            return _told(Path(path).name, *found)
    return None


def _first(path: str) -> tuple[int, bytes, bytes] | None:
    """The first line that ends otherwise than those before it, how it ends, and how they do."""
    usual, line, quoted, kept, seen = b"", 1, False, b"", 0
    with Path(path).open("rb") as file:
        while (chunk := file.read(_CHUNK)) and seen < _MOST:
            seen += len(chunk)
            # A line may end where a chunk does.
            text = kept + chunk
            kept = b"\r" if text.endswith(b"\r") else b""
            for sign in _SIGNS.findall(text.removesuffix(kept)):
                if sign == b'"':
                    quoted = not quoted
                elif not quoted and sign != (usual := usual or sign):
                    return line, sign, usual
                line += sign != b'"'
    return (line, kept, usual) if kept and usual not in {b"", kept} and not quoted else None


def _told(name: str, line: int, sign: bytes, usual: bytes) -> SourceError:
    what = f"Line {line} of {name} ends with {_NAMES[sign]}, and those before it with {_NAMES[usual]}."
    if b"\r" in {sign, usual}:
        hint = "Let whoever writes it end all lines alike, and quote a field that holds such a sign."
    else:
        hint = f"Let whoever writes it end all lines alike, or do so: sed -i 's/\\r$//' {name}"
    return SourceError(what, hint=hint)
