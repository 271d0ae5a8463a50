"""What an execution is doing right now, in a small file that other processes read: the cell, its last line, its cpu and memory."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.errors import UsageError
from nbops.execution import saving
from nbops.execution.execution import journals
from nbops.records import Record, short
from nbops.store.client import Store
from nbops.tracking import runs

if TYPE_CHECKING:
    from nbops.execution.account import Account
    from nbops.execution.client import Client
    from nbops.execution.execution import Execution

FILE = "live.json"
_LONGEST_LINE = 200


class State(Record):
    """Cell `cell` of `cells` runs, counted from 1 over code cells, since `seconds`; `line` is the last that it printed.

    `memory` in bytes and `cpu` in seconds are of the kernel and what it started.
    """

    cell: int
    cells: int
    seconds: float
    line: str = ""
    cpu: float = 0.0
    memory: int = 0


class Live:
    """Follows an execution; `tick` writes what it sees."""

    def __init__(self, account: Account, execution: Execution) -> None:
        self._account = account
        self._execution = execution
        self._path = execution.folder / FILE
        self._since = time.monotonic()
        self._cell: int | None = None
        self.client: Client | None = None

    def tick(self) -> None:
        """Once a second: let the document be written and say where we are."""
        self._account.document.save()
        state = self.state()
        if state is None:
            return
        with contextlib.suppress(OSError):
            temporary = self._path.with_suffix(".new")
            temporary.write_bytes(msgspec.json.encode(state))
            temporary.replace(self._path)
        if self._execution.watch:
            self._execution.watch(state)

    def announce(self) -> None:
        """A cell begins."""
        if self._execution.watch and (state := self.state()):
            self._execution.watch(state)

    def state(self) -> State | None:
        """What runs; None between cells."""
        running = self._account.running
        if running is None:
            return None
        if running != self._cell:
            self._cell, self._since = running, time.monotonic()
        cells = self._account.nb.cells
        code = [index for index, cell in enumerate(cells) if cell.cell_type == "code" and cell.source.strip()]
        if running not in code:
            return None
        cpu, memory = usage(self._pid())
        return State(
            cell=code.index(running) + 1, cells=len(code), seconds=time.monotonic() - self._since,
            line=_last_line(cells[running]), cpu=cpu, memory=memory,
        )  # fmt: skip

    def death(self) -> tuple[int | None, str]:
        """How the kernel's process ended: its status as `subprocess` gives it, and in words."""
        process = self.client.process if self.client else None
        status = process.poll() if process is not None else None
        if status is None:
            return None, "the kernel died"
        if status < 0:
            return status, f"the kernel was killed by {signal.Signals(-status).name}"
        return status, f"the kernel exited with status {status}"

    def close(self) -> None:
        """There is nothing more to follow."""
        self._path.unlink(missing_ok=True)

    def _pid(self) -> int | None:
        return getattr(self.client.process, "pid", None) if self.client else None


def _last_line(cell: Any) -> str:
    for output in reversed(cell.outputs):
        if output.output_type == "stream":
            lines = "".join(output.text).rstrip().splitlines()
            if lines:
                return str(lines[-1][-_LONGEST_LINE:])
    return ""


def usage(pid: int | None) -> tuple[float, int]:
    """The cpu seconds and bytes of memory of a process and those it started; zeros when it is gone."""
    if pid is None:
        return 0.0, 0
    import psutil

    try:
        family = [psutil.Process(pid)]
        family += family[0].children(recursive=True)
    except psutil.Error:
        return 0.0, 0
    cpu, memory = 0.0, 0
    for process in family:
        with contextlib.suppress(psutil.Error), process.oneshot():
            times = process.cpu_times()
            cpu += times.user + times.system
            memory += process.memory_info().rss
    return cpu, memory


def read(folder: Path) -> State | None:
    """What the execution of that run folder is doing; None when it does nothing or nobody tells."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / FILE).read_bytes(), type=State)
    return None


def stop(store: Store, run_id: str, *, kill: bool = False) -> None:
    """Ask the runner of an execution on this host to stop it, as Ctrl-C does; `kill` does not let the cell finish its traceback.

    Returns at once. Raises UsageError when no runner of this host executes that run.
    """
    runner = saving.runner(journals(store) / f"{run_id}{saving.SUFFIX}")
    if runner is None:
        raise UsageError(
            f"Run {short(run_id)} is not being executed on {store.host}.",
            hint="`nbops runs list -f \"status = 'running'\"` shows what is, and on which host.",
        )
    for _ in range(2 if kill else 1):
        os.kill(runner, signal.SIGTERM)


def follow(store: Store, run_id: str, *, interval: float = 0.5) -> Iterator[State]:
    """What an execution is doing, each time that something changed, until it has ended."""
    folder, last = store.places.runs / run_id, None
    journal = journals(store) / f"{run_id}{saving.SUFFIX}"
    # A run begins a moment before its journal, and ends a moment after it.
    while saving.runner(journal) is not None or runs.info(store, run_id).status == "running":
        state = read(folder)
        if state is not None and state != last:
            last = state
            yield state
        time.sleep(interval)
