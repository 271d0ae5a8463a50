"""A driver for a process that has threads or an event loop, and so cannot be one.

It reads one line of JSON from its standard input, and stops when that is closed; it writes a line for each change and one for the
end, or for the error that kept it from beginning.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from nbops.errors import ExecutionError, NbopsError
from nbops.execution import beside
from nbops.execution.beside import Problem
from nbops.execution.sweeps.asked import Asked
from nbops.execution.sweeps.dealing import Ended, Progress
from nbops.records import Record

_MODULE = "nbops.execution.sweeps.remote"


class _Call(Record):
    project: str
    asked: Asked


class _Said(Record):
    """One line of a driver: one of the three."""

    progress: Progress | None = None
    ended: Ended | None = None
    problem: Problem | None = None


def sweep(asked: Asked, project: Path, watch: Callable[[Progress], None]) -> tuple[Ended, bool]:
    """As the driver's, in a process of its own; tells also whether it was interrupted here. Raises what the driver raises.

    The first interrupt lets the running points stop, the second one kills them; both are heard while this waits.
    """
    with tempfile.TemporaryFile() as errors:
        process, _, answers = beside.begin(_MODULE, _Call(str(project), asked), errors, process_group=0)
        # Leaving closes its input: whatever happens here, it stops.
        with process:
            return _heard(process, _Lines(answers.fileno()), errors, watch)


def _heard(
    process: subprocess.Popen[bytes], lines: _Lines, errors: IO[bytes], watch: Callable[[Progress], None]
) -> tuple[Ended, bool]:
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
            raise ExecutionError(
                f"The driver of the sweep died: {beside.last_words(errors)}.",
                hint="`nbops runs list` shows its run, which can be resumed.",
            )
        said = msgspec.json.decode(line, type=_Said)
        if said.progress:
            watch(said.progress)
        if said.problem:
            raise said.problem.error
        if said.ended:
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


def main() -> None:
    """Be the driver."""
    from nbops import config
    from nbops.execution.sweeps import driver

    text = beside.question()
    if not text:
        return
    answers = beside.answers()

    def say(**said: Progress | Ended | Problem) -> None:
        try:
            answers.write(msgspec.json.encode(said) + b"\n")
        except BrokenPipeError:
            # The end of the input tells it, too.
            return

    call = msgspec.json.decode(text, type=_Call)
    try:
        say(ended=driver.sweep(call.asked, config.settings(call.project), watch=lambda at: say(progress=at), stop=0))
    except NbopsError as error:
        say(problem=Problem.of(error))


if __name__ == "__main__":
    main()
