"""A driver in a process of its own, for a process that has threads or an event loop and so cannot be one.

It reads one line of JSON from its standard input, and stops when that is closed; it writes a line for each change and one for the
end, or for the error that kept it from beginning.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from typing import IO, Any, NamedTuple, TypeVar

import msgspec

from nbops.errors import ExecutionError, NbopsError
from nbops.execution import beside
from nbops.execution.beside import Problem
from nbops.records import Record

_Progress = TypeVar("_Progress", bound=Record)
_Ended = TypeVar("_Ended", bound=Record)
_Call = TypeVar("_Call", bound=Record)


class Driver(NamedTuple):
    """The module that drives, and what it drives, in a word."""

    module: str
    of: str


class _Said(Record):
    """One line of a driver: one of the three, the others are empty."""

    progress: msgspec.Raw = msgspec.Raw()
    ended: msgspec.Raw = msgspec.Raw()
    problem: Problem | None = None


def drive(
    driver: Driver, call: Record, watch: Callable[[_Progress], None], progress: type[_Progress], ended: type[_Ended]
) -> tuple[_Ended, bool]:
    """Have it driven to its end; tells also whether it was interrupted here. Raises what the driver raises.

    The first interrupt lets what runs stop, the second one kills it; both are heard while this waits.
    """
    with tempfile.TemporaryFile() as errors:
        process, _, answers = beside.begin(driver.module, call, errors, process_group=0)
        # Leaving closes its input: whatever happens here, it stops.
        with process:
            said, interrupted = _heard(process, _Lines(answers.fileno()), lambda raw: watch(_read(raw, progress)))
            if said is not None:
                return _read(said, ended), interrupted
            raise ExecutionError(
                f"The driver of the {driver.of} died: {beside.last_words(errors)}.",
                hint="`nbops runs list` shows its run, which can be resumed.",
            )


def _read(raw: msgspec.Raw, kind: type[_Ended]) -> _Ended:
    return msgspec.json.decode(raw, type=kind)


def _heard(
    process: subprocess.Popen[bytes], lines: _Lines, watch: Callable[[msgspec.Raw], None]
) -> tuple[msgspec.Raw | None, bool]:
    """The end that it told, None when it died; and whether it was interrupted."""
    interrupted = False
    while True:
        try:
            line = lines.next()
        except KeyboardInterrupt:
            interrupted = True
            process.send_signal(signal.SIGINT)
            continue
        if not line and interrupted:
            # It had not begun.
            raise KeyboardInterrupt
        if not line:
            return None, False
        said = msgspec.json.decode(line, type=_Said)
        if bytes(said.progress):
            watch(said.progress)
        if said.problem:
            raise said.problem.error
        if bytes(said.ended):
            return said.ended, interrupted


class _Lines:
    """The lines that a process writes; an interrupt in between loses none."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._data = b""

    def next(self) -> bytes:
        """The next line; empty when there are no more."""
        while b"\n" not in self._data:
            read = os.read(self._handle, 1 << 16)
            if not read:
                return b""
            self._data += read
        line, _, self._data = self._data.partition(b"\n")
        return line


def serve(kind: type[_Call], work: Callable[[_Call, Callable[[Record], None], int], Record]) -> None:
    """Be the driver: `work` gets the call, whom to tell of changes, and a descriptor whose end asks it to stop."""
    text = beside.question()
    if not text:
        return
    answers: IO[bytes] = beside.answers()

    def say(**said: Any) -> None:
        try:
            answers.write(msgspec.json.encode(said) + b"\n")
        except BrokenPipeError:
            # The end of the input tells it, too.
            return

    try:
        say(ended=work(msgspec.json.decode(text, type=kind), lambda at: say(progress=at), 0))
    except NbopsError as error:
        say(problem=Problem.of(error))
