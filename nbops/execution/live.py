"""What an execution is doing right now, in a small file for other processes: the cell, its last line, its cpu and memory."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.errors import NotFound, UsageError
from nbops.execution import memory, saving
from nbops.execution.execution import journal
from nbops.failures import Evidence
from nbops.records import Record, short
from nbops.render.values import size
from nbops.store.client import Store
from nbops.store.places import make_folder, user_name
from nbops.tracking import runs

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from nbops.execution.account import Account
    from nbops.execution.client import Client
    from nbops.execution.execution import Execution
    from nbops.execution.kernels.process import Usage

FILE = "live.json"
SWEEP = "nbops.sweep"
"""The tag of a run that is a sweep; its value says what chooses the points."""
PIPELINE = "nbops.pipeline"
"""The tag of a run that is one of a pipeline; its value is the pipeline's name."""
_LONGEST_LINE = 200
_BEGINNING = 2.0


class State(Record):
    """Cell `cell` of `cells` runs, counted from 1 over code cells, since `seconds`; `line` is the last that it printed.

    `cpu` are its seconds of processor time, `memory` the bytes that the kernel and what it started hold.
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
        self._before = 0.0
        self._most = 0
        self._kills = memory.kills()
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
        self._since, self._most = time.monotonic(), 0
        self._before = usage(self._pid(), children=False)[0]
        if self._execution.watch and (state := self.state()):
            self._execution.watch(state)

    def sum_up(self, cell: NotebookNode) -> None:
        """A cell has ended: what it took is told in its metadata."""
        cpu, held = usage(self._pid(), children=False)
        if held and cell.cell_type == "code" and cell.source.strip():
            used = {"cpu_seconds": round(max(0.0, cpu - self._before), 3), "memory_bytes": max(held, self._most)}
            told = cell.metadata.get("nbops")
            line = {"line": told["line"]} if isinstance(told, dict) and "line" in told else {}
            cell.metadata["nbops"] = {**line, **used}

    def state(self) -> State | None:
        """What runs; None between cells."""
        running = self._account.running
        if running is None:
            return None
        cells = self._account.nb.cells
        code = [index for index, cell in enumerate(cells) if cell.cell_type == "code" and cell.source.strip()]
        if running not in code:
            return None
        cpu, held = usage(self._pid())
        self._most = max(self._most, held)
        return State(
            cell=code.index(running) + 1, cells=len(code), seconds=time.monotonic() - self._since,
            line=_last_line(cells[running]), cpu=max(0.0, cpu - self._before), memory=held,
        )  # fmt: skip

    def death(self) -> tuple[Evidence, str]:
        """What is known of a kernel that ended by itself, also in words."""
        used, allowance = self.usage, self._execution.allowance
        if allowance is not None and self.client is not None and self.client.exceeded:
            held = self.client.exceeded
            evidence = Evidence(signal=signal.SIGKILL, peak_memory=held, memory_limit=allowance.memory)
            return evidence, f"it {allowance.exceeded(held)}"
        if used is None or (used.exit_code is None and used.signal is None):
            return Evidence(signal=signal.SIGKILL), "the kernel died"
        evidence = Evidence(
            exit_code=used.exit_code, signal=used.signal, peak_memory=used.peak_rss, memory_limit=memory.limit(),
            oom_kills=memory.kills() - self._kills,
        )  # fmt: skip
        how = f"was killed by {_signal(used.signal)}" if used.signal else f"exited with status {used.exit_code}"
        why = " because memory ran out" if evidence.out_of_memory else ""
        peak = f", {size(used.peak_rss)} of memory at its peak" if used.peak_rss else ""
        return evidence, f"the kernel {how}{why}{peak}"

    def killed_unanswered(self, error: BaseException) -> bool:
        """Whether a signal ended the kernel before it had answered at all; one that leaves by itself does not fit its surroundings."""
        used = self.usage
        return "died before" in str(error) and used is not None and used.signal is not None

    @property
    def usage(self) -> Usage | None:
        """What the kernel has used; None while it runs and where nobody measured it."""
        return getattr(self.client.manager, "usage", None) if self.client else None

    def close(self) -> None:
        """There is nothing more to follow."""
        self._path.unlink(missing_ok=True)

    def _pid(self) -> int | None:
        return getattr(self.client.km, "pid", None) if self.client else None


def _signal(number: int) -> str:
    """Those for real time have no name."""
    return signal.Signals(number).name if number in {one.value for one in signal.Signals} else f"signal {number}"


def _last_line(cell: Any) -> str:
    for output in reversed(cell.outputs):
        if output.output_type == "stream":
            lines = "".join(output.text).rstrip().splitlines()
            if lines:
                return str(lines[-1][-_LONGEST_LINE:])
    return ""


def usage(pid: int | None, *, children: bool = True) -> tuple[float, int]:
    """The cpu seconds and bytes of memory of a process and, with `children`, of those it started; zeros when it is gone.

    The cpu seconds of what it waited for count in any case; looking for what runs takes some milliseconds.
    """
    if pid is None:
        return 0.0, 0
    import psutil

    try:
        family = [psutil.Process(pid)]
        family += family[0].children(recursive=True) if children else []
    except psutil.Error:
        return 0.0, 0
    cpu, held = 0.0, 0
    for process in family:
        with contextlib.suppress(psutil.Error), process.oneshot():
            times = process.cpu_times()
            cpu += times.user + times.system + times.children_user + times.children_system
            held += process.memory_info().rss
    return cpu, held


def read(folder: Path) -> State | None:
    """What the execution of a run folder is doing; None when it does nothing or nobody tells."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / FILE).read_bytes(), type=State)
    return None


def stop(store: Store, run_id: str, *, kill: bool = False) -> None:
    """Ask the runner of an execution, a sweep or a pipeline to stop it, as Ctrl-C does; `kill` does not let cells finish their traceback.

    Returns at once. Raises UsageError when no runner of this host executes that run.
    """
    deadline = time.monotonic() + _BEGINNING
    # A run begins a moment before its journal.
    while (runner := saving.runner(journal(store, run_id)) or _driver(store, run_id)) is None:
        if time.monotonic() < deadline and _is_executed(store, run_id):
            time.sleep(0.05)
            continue
        raise UsageError(
            f"Run {short(run_id)} is not being executed on {store.host}.",
            hint="`nbops runs list -f \"status = 'running'\"` shows what is, and on which host.",
        )
    # The signal itself does not say who sent it. It is sent even where that cannot be noted.
    with contextlib.suppress(OSError):
        make_folder(_asked(store, run_id).parent)
        saving.replace(_asked(store, run_id), f"stopped by {user_name(os.getuid())}")
    for _ in range(2 if kill else 1):
        os.kill(runner, signal.SIGTERM)


def asked(store: Store, run_id: str) -> str:
    """By whom a run was asked to stop, in words; empty when `stop` was not what did it."""
    with contextlib.suppress(OSError):
        return _asked(store, run_id).read_text("utf-8")
    return ""


def unasked(store: Store, run_id: str) -> None:
    """Forget who stopped a run that goes on now."""
    _asked(store, run_id).unlink(missing_ok=True)


def _asked(store: Store, run_id: str) -> Path:
    return store.places.runs / run_id / "stop"


def _is_executed(store: Store, run_id: str) -> bool:
    with contextlib.suppress(NotFound):
        return runs.info(store, run_id).status == "running" and (store.places.runs / run_id).is_dir()
    return False


def _driver(store: Store, run_id: str) -> int | None:
    """The process that drives a sweep or a pipeline on this host."""
    sql = """
        select r.pid from core.runs r join core.tags t on t.run_id = r.run_id and t.key in (?, ?)
        where r.run_id = ? and r.host = ? and r.status = 'running'
        """
    found = store.read(sql, [SWEEP, PIPELINE, run_id, store.host]).rows
    return int(found[0][0]) if found and (store.places.alive / run_id).exists() else None


def follow(store: Store, run_id: str, *, interval: float = 0.5) -> Iterator[State]:
    """What an execution is doing, at each change, until it has ended."""
    folder, last = store.places.runs / run_id, None
    # A run begins a moment before its journal, and ends a moment after it.
    while saving.runner(journal(store, run_id)) is not None or runs.info(store, run_id).status == "running":
        state = read(folder)
        if state is not None and state != last:
            last = state
            yield state
        time.sleep(interval)
