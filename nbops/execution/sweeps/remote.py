"""A driver for a process that has threads or an event loop, and so cannot be one: started beside it, asked once, heard until the end.

The driver reads one line of JSON from its standard input, and stops when that is closed; it writes a line for each change and one
for the end, or for the error that kept it from beginning.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from nbops.errors import ExecutionError, NbopsError, from_wire
from nbops.execution.sweeps.asked import Asked
from nbops.execution.sweeps.dealing import Ended, Progress
from nbops.records import Record

_MODULE = "nbops.execution.sweeps.remote"


class _Call(Record):
    project: str
    asked: Asked


class _Problem(Record):
    code: str
    message: str
    hint: str


class _Said(Record):
    """One line of a driver: one of the three."""

    progress: Progress | None = None
    ended: Ended | None = None
    problem: _Problem | None = None


def sweep(asked: Asked, project: Path, watch: Callable[[Progress], None]) -> tuple[Ended, bool]:
    """As the driver's, in a process of its own; tells also whether it was interrupted here. Raises what the driver raises.

    The first interrupt lets the running points stop, the second one kills them; both are heard while this waits.
    """
    with _driver(_Call(str(project), asked)) as (process, errors):
        interrupted = False
        lines = _Lines(process)
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
                    f"The driver of the sweep died: {errors()}.",
                    hint="`nbops runs list` shows its run, which can be resumed.",
                )
            said = msgspec.json.decode(line, type=_Said)
            if said.progress:
                watch(said.progress)
            if said.problem:
                raise from_wire(said.problem.code, said.problem.message, said.problem.hint)
            if said.ended:
                return said.ended, interrupted


@contextmanager
def _driver(call: _Call) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]:
    with tempfile.TemporaryFile() as errors:

        def last_words() -> str:
            errors.seek(0)
            return errors.read().decode(errors="replace").strip().rpartition("\n")[2] or "it said nothing"

        process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            [sys.executable, "-P", "-m", _MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, process_group=0
        )  # fmt: skip
        with process:
            if process.stdin:
                process.stdin.write(msgspec.json.encode(call) + b"\n")
                process.stdin.flush()
            # Leaving closes its input: whatever happens here, it stops.
            yield process, last_words


class _Lines:
    """The lines that a process writes; an interrupt in between loses none."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._handle = process.stdout.fileno() if process.stdout else -1
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

    text = b""
    while not text.endswith(b"\n"):
        read = os.read(0, 1 << 16)
        if not read:
            return
        text += read
    # Whatever prints here, a sampler for example, is not to be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def say(**said: Progress | Ended | _Problem) -> None:
        try:
            answers.write(msgspec.json.encode(said) + b"\n")
        except BrokenPipeError:
            # Nobody listens any more, which is told by the end of the input as well.
            return

    call = msgspec.json.decode(text, type=_Call)
    try:
        say(ended=driver.sweep(call.asked, config.settings(call.project), watch=lambda at: say(progress=at), stop=0))
    except NbopsError as error:
        say(problem=_Problem(error.code, error.message, error.hint))


if __name__ == "__main__":
    main()
