"""Bytes of a file while they pass by, once: their digest, and of text that it is text."""

from __future__ import annotations

import codecs
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nbops.data.sources.declaration import Source
from nbops.data.sources.origin import File
from nbops.data.spans import readable
from nbops.errors import SourceError

if TYPE_CHECKING:
    from codecs import IncrementalDecoder

LONGEST_LINE = 16 * 2**20
"""Bytes: a longer line is not text that rows are read from, and would have to be held as a whole."""


class Raw(NamedTuple):
    """A file as it came. `longest` is that of its lines, in bytes, where they were looked at."""

    path: Path
    file: File
    format: str
    compression: str
    longest: int = 0


class Reading:
    """What is found out about a file in a single pass over its bytes: digest, size, and of text that it is text."""

    def __init__(self, name: str, source: Source, form: str) -> None:
        self._digest = hashlib.sha256()
        self._form = form
        self._lines = Lines(name, source, form) if form in {"csv", "json"} else None
        self.compression = ""
        self.size = 0

    def add(self, chunk: bytes) -> None:
        """The next bytes, four of them at least at the beginning. Raises SourceError where text is none."""
        if not self.size:
            self.compression = compression_in(chunk, self._form)
        self._digest.update(chunk)
        self.size += len(chunk)
        if self._lines and not self.compression:
            self._lines.add(chunk)

    def end(self) -> str:
        """The digest of all. Raises SourceError where text is none."""
        if self._lines and not self.compression:
            self._lines.end()
        return self._digest.hexdigest()

    @property
    def digest(self) -> bytes:
        """The digest of all until now."""
        return self._digest.digest()

    @property
    def longest(self) -> int:
        """The longest line, give or take a chunk."""
        return self._lines.longest if self._lines else 0


class Lines:
    """Looks at text while it passes by: its encoding and the length of its lines. Returns it in UTF-8."""

    def __init__(self, name: str, source: Source, form: str) -> None:
        self._name = name
        self._encoding = source.options.encoding if form == "csv" else "utf-8"
        self._decoder: IncrementalDecoder = codecs.getincrementaldecoder(self._encoding)()
        # An array of JSON may stand in one line: DuckDB looks at the length of its objects.
        self._counts = form == "csv"
        self._bytes = self._newlines = self._run = self.longest = 0

    def add(self, chunk: bytes, *, final: bool = False) -> bytes:
        """The next bytes in UTF-8. Raises SourceError where they are no text, or a line never ends."""
        pending = self._decoder.getstate()[0]
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            raise self._foreign(error, self._bytes - len(pending)) from error
        self._bytes += len(chunk)
        told = chunk if self._encoding == "utf-8" else text.encode()
        self._newlines += told.count(b"\n")
        if self._counts:
            self._measure(told)
        return told

    def end(self) -> bytes:
        """What is left."""
        return self.add(b"", final=True)

    def _measure(self, told: bytes) -> None:
        first, last = told.find(b"\n"), told.rfind(b"\n")
        if last < 0:
            # Text of old machines ends its lines otherwise.
            first, last = told.find(b"\r"), told.rfind(b"\r")
        if last < 0:
            self._run += len(told)
        else:
            self.longest = max(self.longest, self._run + first)
            self._run = len(told) - last - 1
        self.longest = max(self.longest, self._run)
        if self.longest > LONGEST_LINE:
            raise SourceError(
                f"Line {self._newlines + (last < 0)} of {self._name} is longer than {readable(LONGEST_LINE)}.",
                hint="Is it CSV? A quote that is never closed, or another `delimiter`, makes such lines.",
            )

    def _foreign(self, error: UnicodeDecodeError, before: int) -> SourceError:
        found = error.object[error.start : error.start + 1].hex().upper() or "the end"
        line = self._newlines + error.object[: error.start].count(b"\n") + 1
        near = "utf-16" if before == 0 and error.object[:2] in {b"\xff\xfe", b"\xfe\xff"} else "latin-1"
        return SourceError(
            f"{self._name} is not {self._encoding}: byte {before + error.start} (0x{found}, in line {line}) is none of its characters.",
            hint=f"Say how it is written: `options: {{encoding: {near}}}`. Known: utf-8, utf-8-sig, latin-1, utf-16.",
        )


def compression_in(start: bytes, form: str) -> str:
    """`gzip`, `zip`, `zstd` or nothing, by the first bytes of a file; a workbook is an archive, but is read as it is."""
    known = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "" if form == "excel" else "zip"}
    return next((name for magic, name in known.items() if start.startswith(magic)), "")


def verify(file: File, sha256: str) -> None:
    """Raise SourceError if the file is not the one that was declared."""
    if sha256 and file.sha256 != sha256:
        raise SourceError(
            f"{file.name} has the SHA-256 {file.sha256}, but {sha256} is declared.",
            hint="It was changed or damaged at its source. If the change is right, declare the new `sha256`.",
        )
