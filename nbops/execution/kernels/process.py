"""A kernel's process as its starter holds it: what jupyter_client asks of `Popen`, with an end that is awaited and measured."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
import weakref
from pathlib import Path
from typing import Any

from nbops.errors import ExecutionError
from nbops.records import Record

# As in the server.
_AFTERMATH_SECONDS = 1.0


class Usage(Record):
    """How a kernel ended and what it used: bytes of memory at its peak, seconds of cpu with those of its ended children.

    Either `exit_code` or `signal` is given; None is what the system did not tell. Memory counts what is shared with a server.
    """

    exit_code: int | None = None
    signal: int | None = None
    peak_rss: int | None = None
    cpu_user: float | None = None
    cpu_system: float | None = None

    @property
    def cpu(self) -> float | None:
        """Seconds of cpu altogether."""
        return None if self.cpu_user is None or self.cpu_system is None else self.cpu_user + self.cpu_system

    @classmethod
    def of(cls, code: int, **measured: Any) -> Usage:
        """From a return code, negative for a signal."""
        return cls(exit_code=code if code >= 0 else None, signal=-code if code < 0 else None, **measured)


class Process:
    """What both kinds share."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.usage: Usage | None = None

    def fileno(self) -> int:
        """A descriptor that stays readable once the process has ended; for the forked kind also when there is news to `poll`."""
        raise NotImplementedError

    def poll(self) -> int | None:
        """The return code, negative for a signal; None while the process runs."""
        if self.usage is None:
            return None
        return self.usage.exit_code if self.usage.exit_code is not None else -(self.usage.signal or 0)

    async def ended(self) -> int:
        """Wait for the return code, in any event loop and number of tasks."""
        while (code := self.poll()) is None:
            # A loop knows one reader for a descriptor.
            handle = os.dup(self.fileno())
            try:
                await _readable(handle)
            finally:
                os.close(handle)
        return code

    def send_signal(self, signum: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkedProcess(Process):
    """A kernel that a server forked. The connection is its life: to close it, or die with it open, kills the kernel."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(0)
        sock.setblocking(False)
        self._sock = sock
        self._buffer = b""
        self._lock = threading.Lock()
        self._bound = False
        _connections.add(sock)

    def fileno(self) -> int:
        """The connection."""
        return self._sock.fileno()

    def poll(self) -> int | None:
        """As `Process.poll`, once everything is heard that the server has said."""
        with self._lock:
            while self.usage is None and self._listen():
                pass
            if self.usage is not None:
                # Whoever waits has a descriptor of it.
                self._sock.close()
        return super().poll()

    async def bound(self) -> None:
        """Wait until a client may connect. Raises ExecutionError when there will be no kernel."""
        while not self._bound:
            self.poll()
            if self.usage is not None:
                raise ExecutionError(
                    "The forked kernel ended before it was ready.",
                    hint="The server's log in .nbops/run/kernels tells why; an ordinary kernel is started instead.",
                    code="execution.kernel",
                )
            if not self._bound:
                await _readable(self._sock.fileno())

    def close(self) -> None:
        """Let go: a kernel that still runs is killed."""
        self._sock.close()

    def _listen(self) -> bool:
        """False when the server has nothing to say now."""
        try:
            data = self._sock.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        if not data and self.usage is None:
            # The server is gone, and its end kills its kernels.
            self.usage = Usage.of(-signal.SIGKILL)
            _see_dead(self.pid)
        return True

    def _take(self, told: dict[str, Any]) -> None:
        if "refused" in told:
            raise ExecutionError(
                f"The server forks no kernel: {told['refused']}.",
                hint="An ordinary kernel is started instead.",
                code="execution.kernel",
            )
        self.pid = told.get("pid", self.pid)
        self._bound = self._bound or "bound" in told
        if "exit" in told:
            self.usage = Usage.of(told.pop("exit"), **told)


class OrdinaryProcess(Process):
    """A kernel that this process started. A thread waits for its end, measures it, and clears up its process group."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        super().__init__(popen.pid)
        self._popen = popen
        self._end, self._ended = os.pipe2(os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._end)
        threading.Thread(target=self._watch, args=(os.getpgid(popen.pid),), daemon=True).start()

    def fileno(self) -> int:
        """A pipe whose other end is closed at the process's end."""
        return self._end

    def _watch(self, group: int) -> None:
        try:
            _, status, used = os.wait4(self.pid, 0)
        except ChildProcessError:
            # Somebody else has waited for it, and alone knows how it ended.
            self.usage = Usage()
        else:
            # Else Popen would look for it, and take its number for free.
            self._popen.returncode = os.waitstatus_to_exitcode(status)
            self.usage = Usage.of(
                self._popen.returncode,
                peak_rss=used.ru_maxrss * _RSS_UNIT,
                cpu_user=used.ru_utime,
                cpu_system=used.ru_stime,
            )
        os.close(self._ended)
        if group == self.pid:
            time.sleep(_AFTERMATH_SECONDS)
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)


# Kilobytes, but bytes on macOS.
_RSS_UNIT = 1 if os.uname().sysname == "Darwin" else 1024

_connections: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def _let_go() -> None:
    """A forked copy of this process holds no kernels."""
    for sock in list(_connections):
        sock.close()


os.register_at_fork(after_in_child=_let_go)


async def _readable(handle: int) -> None:
    """Nobody else may wait for the descriptor."""
    loop = asyncio.get_running_loop()
    news: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not news.done():
            news.set_result(None)

    loop.add_reader(handle, tell)
    try:
        await news
    finally:
        loop.remove_reader(handle)


def _see_dead(pid: int) -> None:
    """See to it that a kernel without server is dead, and wait a little for that."""
    if not pid:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state in "ZX":
            return
        time.sleep(0.002)
