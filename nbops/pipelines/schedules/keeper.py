"""The process between a scheduler and what it runs: `python -I -S keeper.py FOLDER LOCK COMMAND…`, the leader of its own group.

It outlives the scheduler. It keeps the attempt's lock as long as it or the command lives, writes what the command prints to `out` and
`log`, both of bounded size, and at the end its exit status to `ended`. It needs the standard library alone, so that it costs little, and
takes no signal for itself: a group that is told to end is waited for.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

HEAD, TAIL = 512 * 1024, 128 * 1024
"""Bytes: so much of the beginning and of the end of what a command prints is kept."""


class Bounded:
    """What comes out of a pipe, in a file: the beginning at once, the end at the end."""

    def __init__(self, path: Path, source: IO[bytes]) -> None:
        self._file = path.open("wb", buffering=0)
        self.source = source
        self._room = HEAD
        self._tail = b""
        self._left_out = 0
        os.set_blocking(source.fileno(), False)

    def take(self) -> bool:
        """Take what is there; False at its end."""
        while (data := _read(self.source.fileno())) is not None:
            if not data:
                return False
            now, rest = data[: self._room], data[self._room :]
            self._room -= len(now)
            self._write(now)
            self._tail += rest
            if len(self._tail) > 2 * TAIL:
                self._left_out += len(self._tail) - TAIL
                self._tail = self._tail[-TAIL:]
        return True

    def close(self) -> None:
        """Write the end."""
        if self._left_out:
            self._write(f"\n[{self._left_out} bytes are left out here]\n".encode())
        self._write(self._tail)
        self._file.close()

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[self._file.write(data) or 0 :]
        except OSError:
            # A full disk must not end what runs.
            return


def main(folder: Path, lock: int, command: list[str]) -> None:
    """Run the command to its end."""
    told: list[int] = []
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: told.append(number))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    status = -1
    try:
        with subprocess.Popen(  # noqa: S603 - what the scheduler asks for
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[lock]
        ) as process:
            _pump(process, folder, reading)
            status = process.wait()
    except OSError as error:
        (folder / "log").write_text(f"Error: {error}\n", encoding="utf-8")
        status = 127
    _note(folder, {"status": status, "signalled": bool(told), "time": time.time_ns() // 1000})


def _pump(process: subprocess.Popen[bytes], folder: Path, waking: int) -> None:
    """Until the command has ended; what its own children keep open is not waited for."""
    pipes = [Bounded(folder / name, pipe) for name, pipe in (("out", process.stdout), ("log", process.stderr)) if pipe]
    with selectors.DefaultSelector() as selector:
        selector.register(waking, selectors.EVENT_READ)
        for pipe in pipes:
            selector.register(pipe.source, selectors.EVENT_READ, pipe)
        while process.poll() is None:
            for key, _ in selector.select():
                if key.data is None:
                    os.read(waking, 1024)
                elif not key.data.take():
                    selector.unregister(key.fileobj)
    for pipe in pipes:
        pipe.take()
        pipe.close()
        pipe.source.close()


def _note(folder: Path, told: dict[str, object]) -> None:
    """Whoever sees it sees all of it."""
    temporary = folder / "ended.new"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(told, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / "ended")


def _read(handle: int) -> bytes | None:
    """None when nothing waits."""
    try:
        return os.read(handle, 1 << 16)
    except BlockingIOError:
        return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
