"""A process beside this one, on one of our modules: asked with a line of JSON, answering in lines.

What it prints otherwise goes to a file of the asker, who quotes its last line when the process dies.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import IO, Any, cast

import msgspec

from nbops.errors import NbopsError, from_wire
from nbops.records import Record


class Problem(Record):
    """An error of ours between processes."""

    code: str
    message: str
    hint: str

    @classmethod
    def of(cls, error: NbopsError) -> Problem:
        """The record of an error."""
        return cls(error.code, error.message, error.hint)

    @property
    def error(self) -> NbopsError:
        """The error again."""
        return from_wire(self.code, self.message, self.hint)


def begin(
    module: str, asked: Record, errors: IO[bytes], **ways: Any
) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]:
    """A process on `module` that has been asked, its input and its answers; `ways` are Popen's."""
    # Unbuffered: what a dead one did not take would be written again, and fail again, when its input is closed.
    process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
        [sys.executable, "-P", "-m", module], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, **ways
    )  # fmt: skip
    asking, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    # That it died at once is told by the end of its answers.
    with contextlib.suppress(BrokenPipeError):
        asking.write(msgspec.json.encode(asked) + b"\n")
    return process, asking, answers


def last_words(errors: IO[bytes]) -> str:
    """The last line that a process has printed."""
    errors.seek(0)
    return errors.read().decode(errors="replace").strip().rpartition("\n")[2] or "it said nothing"


def question() -> bytes:
    """The line that this process was asked with, empty when nobody asks any more; what follows stays unread."""
    text = b""
    while not text.endswith(b"\n"):
        read = os.read(0, 1 << 16)
        if not read:
            return b""
        text += read
    return text


def answers() -> IO[bytes]:
    """Where this process answers; what anything (such as a sampler) prints from now on is not taken for an answer."""
    told = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return told
