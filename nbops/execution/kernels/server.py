"""The fork server: one process with one thread, which imports ahead and then forks a fresh kernel for whoever asks.

`python -P -m nbops.execution.kernels.server PLAN` (JSON, see `Plan`). A request is a length, JSON and, for a kernel, three
descriptors; answers are lines of JSON. The connection is the kernel's life: at its end the kernel's process group is killed. When
kernels import what was not imported ahead, a successor is started that has it. Nothing here ever opens a zmq context, a database or
a parallel region.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import re
import select
import selectors
import signal
import socket
import struct
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from nbops.store import marks

if TYPE_CHECKING:
    from nbops.execution.kernels.forked import Order
    from nbops.execution.kernels.preload import Memory

LENGTH = struct.Struct(">I")
_LONGEST = 1 << 26
_ATTEMPTS = 5
# For what a kernel started to clean up after it: joblib's resource tracker removes shared memory then.
_AFTERMATH_SECONDS = 1.0
# How often an idle server looks whether it can still be found.
_LOOK_SECONDS = 15.0
# What tells a kernel about its run, and what ipykernel and shells write into every environment.
_OF_THE_RUN = re.compile(r"(NBOPS|JPY)_\w*|PWD|OLDPWD|SHLVL|_")
_PREPARED = {
    # As ipykernel sets it, before anybody can import matplotlib.
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    # Arrow's allocator otherwise starts a thread at import, which a fork would not have.
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""What a server's environment has, and a kernel's need not have."""


class Plan(NamedTuple):
    """How a server is asked for: where it listens, what it remembers, when it leaves; it tells descriptor `ready` that it is."""

    socket: str
    memory: str
    key: str
    idle_minutes: float
    ready: int
    attempt: int = 0


def main() -> None:
    """Prepare, then serve until idle or asked to leave."""
    # Before any import, so that in a kernel it comes after every other handler.
    at_the_end: list[Callable[[], None]] = []
    atexit.register(lambda: [act() for act in at_the_end])
    plan = Plan(**json.loads(sys.argv[1]))
    given = dict(os.environ)
    # Modules that look around at import see what they would see in a kernel.
    sys.modules["__main__"] = types.ModuleType("__main__")
    os.environ.update(_PREPARED | given)
    gc.disable()
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # its import, which costs more than all the rest, fails
    with _variables_read() as variables:
        from nbops.execution.kernels import forked
        from nbops.execution.kernels.preload import Memory

        at_the_end.append(forked.leave)
        memory = Memory(Path(plan.memory))
        _prepare(plan, memory, given)
    forked.prepare()
    # What is garbage by now stays: to look for it costs a tenth of the start.
    gc.freeze()
    _Server(plan, memory, given, variables).serve()
    # Nothing that was preloaded has work to do at the end of a server.
    os._exit(0)


def _prepare(plan: Plan, memory: Memory, given: dict[str, str]) -> None:
    """Import everything, with a rehearsal unless there was one of the very same; starts over without what turns out not to be fit."""
    from nbops.execution.kernels.preload import preload, shake_off, tasks
    from nbops.execution.kernels.rehearsal import rehearse

    faults = preload(memory.names, memory)
    rehearsed = [] if memory.proven else rehearse(plan.socket.removesuffix(".sock"))
    faults |= preload(rehearsed, memory)
    shake_off()
    if tasks() > 1 and not faults:
        memory.forget()
        faults = {"": "a thread is left of what nobody is to blame for"}
    if faults:
        sys.stderr.write(f"not preloaded: {faults}\n")
        memory.drop(faults)
        if plan.attempt == _ATTEMPTS:
            memory.forget()
        if plan.attempt > 2 * _ATTEMPTS:
            sys.exit("No set of modules is fit to be preloaded.")
        _start_over(plan._replace(attempt=plan.attempt + 1), given)
    memory.learn(rehearsed)
    memory.prove()


def command(plan: Plan) -> list[str]:
    """The command line of a server."""
    return [sys.executable, "-P", "-m", "nbops.execution.kernels.server", json.dumps(plan._asdict())]


def _start_over(plan: Plan, environ: dict[str, str]) -> NoReturn:
    os.set_inheritable(plan.ready, True)
    os.execve(sys.executable, command(plan), environ)  # noqa: S606 - our own module under our own interpreter


@contextlib.contextmanager
def _variables_read() -> Iterator[set[str]]:
    """The environment variables that Python code reads meanwhile."""
    kind: Any = type(os.environ)
    names: set[str] = set()

    class Watched(kind):  # type: ignore[misc]  # a class that only os has
        def __getitem__(self, name: str) -> str:
            names.add(name)
            value: str = super().__getitem__(name)
            return value

    os.environ.__class__ = Watched
    try:
        yield names
    finally:
        os.environ.__class__ = kind


def peer(sock: socket.socket) -> int:
    """The user at the other end."""
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


class _Asker:
    """Somebody connected: its request so far, and the kernel that was forked for it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.stdio: list[int] = []
        self.pid = 0
        self.report = -1
        self.life = -1
        self.told = b""

    def say(self, **answer: object) -> None:
        # Whoever went meanwhile is noticed when its connection is read.
        with contextlib.suppress(OSError):
            self.sock.sendall(json.dumps(answer).encode() + b"\n")

    def close(self) -> None:
        self.sock.close()
        for handle in (*self.stdio, self.report, self.life):
            if handle >= 0:
                os.close(handle)
        self.stdio, self.report, self.life = [], -1, -1


class _Server:
    def __init__(self, plan: Plan, memory: Memory, given: dict[str, str], variables: set[str]) -> None:
        self._plan = plan
        self._memory = memory
        self._given = given
        self._read_by_modules = {name for name in variables if not _OF_THE_RUN.fullmatch(name)}
        # scikit-learn tells OpenMP in this way what to do after a fork.
        self._set_by_modules = {
            name: value for name, value in os.environ.items() if value != (_PREPARED | given).get(name)
        }
        self._selector = selectors.DefaultSelector()
        self._acts: dict[int, Callable[[], object]] = {}
        self._askers: set[_Asker] = set()
        self._kernels: dict[int, _Asker] = {}
        self._aftermath: dict[int, float] = {}
        self._forks = 0
        self._leaving = False
        self._renewal = -1
        self._successor = 0
        self._idle_since = time.monotonic()

    def serve(self) -> None:
        self._listen()
        self._woken, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._waking = waking
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        self._on(self._woken, self._reap)
        # Whoever was to hear it may be gone; others will come.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._plan.ready, b"1")
        os.close(self._plan.ready)
        while not self._over():
            for key, _ in self._selector.select(self._patience()):
                # What came first may have closed what comes next.
                act = self._acts.get(key.fd)
                if act is not None and act is key.data:
                    act()
            self._clean_up()
        for asker in self._askers:
            asker.close()

    def _listen(self) -> None:
        # Bound under another name and renamed: nobody meets a socket that does not listen yet, or loses the one before.
        temporary = f"{self._plan.socket}{os.getpid() % 1000}"
        Path(temporary).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(temporary)
        Path(temporary).chmod(0o600)
        self._listener.listen(128)
        self._listener.setblocking(False)
        Path(temporary).rename(self._plan.socket)
        self._inode = Path(self._plan.socket).stat().st_ino
        self._on(self._listener, self._accept)

    def _on(self, source: socket.socket | int, act: Callable[[], None]) -> None:
        key = self._selector.register(source, selectors.EVENT_READ, act)
        self._acts[key.fd] = act

    def _off(self, source: socket.socket | int) -> None:
        del self._acts[self._selector.unregister(source).fd]

    def _patience(self) -> float | None:
        now = time.monotonic()
        idle = [] if self._leaving else [self._idle_since + self._plan.idle_minutes * 60, now + _LOOK_SECONDS]
        due = [*self._aftermath.values(), *idle]
        return max(0.0, min(due) - now) if due else None

    def _over(self) -> bool:
        if self._kernels:
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since >= self._plan.idle_minutes * 60 or not self._named():
            self._stop_listening()
        return self._leaving and not (self._kernels or self._askers or self._aftermath)

    def _stop_listening(self) -> None:
        if self._leaving:
            return
        self._leaving = True
        if self._named():
            Path(self._plan.socket).unlink(missing_ok=True)
        # Whoever came before the name was gone is served.
        self._accept()
        self._off(self._listener)
        self._listener.close()

    def _named(self) -> bool:
        """Whoever looks for a server finds this one: not a later one, or a project that was removed."""
        try:
            return Path(self._plan.socket).stat().st_ino == self._inode
        except OSError:
            return False

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = self._listener.accept()
                if peer(sock) != os.getuid():
                    sock.close()
                    continue
                asker = _Asker(sock)
                self._askers.add(asker)
                self._on(sock, lambda asker=asker: self._read(asker))  # type: ignore[misc]  # mypy cannot infer the default

    def _read(self, asker: _Asker) -> None:
        try:
            data, handles, _, _ = socket.recv_fds(asker.sock, 1 << 16, 3, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            data, handles = b"", []
        asker.stdio += handles
        asker.buffer += data
        if not data or asker.pid or len(asker.buffer) > _LONGEST:
            self._gone(asker)
        elif (
            len(asker.buffer) >= LENGTH.size + LENGTH.unpack(asker.buffer[: LENGTH.size].rjust(LENGTH.size, b"\xff"))[0]
        ):
            self._answer(asker, json.loads(asker.buffer[LENGTH.size :]))

    def _gone(self, asker: _Asker) -> None:
        """Nobody waits for it any more: its kernel ends with all that it started."""
        if asker.pid:
            _kill(asker.pid)
        self._off(asker.sock)
        self._askers.discard(asker)
        if asker.pid:
            asker.sock.close()
        else:
            asker.close()

    def _answer(self, asker: _Asker, request: dict[str, Any]) -> None:
        self._idle_since = time.monotonic()
        if request["ask"] == "kernel":
            self._fork(asker, request)
            return
        if request["ask"] == "stop":
            self._stop_listening()
            if self._successor:
                # Nobody would know of one that comes later.
                _kill(self._successor)
        asker.say(**self._status())
        self._gone(asker)

    def _status(self) -> dict[str, object]:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {
            "pid": os.getpid(),
            "key": self._plan.key,
            "preloaded": self._memory.names,
            "dropped": self._memory.dropped,
            "kernels": sorted(self._kernels),
            "forks": self._forks,
            "rss": pages * os.sysconf("SC_PAGE_SIZE"),
        }

    def _fork(self, asker: _Asker, request: dict[str, Any]) -> None:
        from nbops.execution.kernels import forked

        environ = self._set_by_modules | request["environ"]
        executed = bool(marks.peer(asker.sock).impersonal)
        order = forked.Order(request["argv"], environ, request["cwd"], request["watch"])
        refusal = self._refusal(order) if len(asker.stdio) == 3 else "three descriptors were expected"
        if refusal:
            asker.say(refused=refusal)
            self._gone(asker)
            return
        try:
            asker.report, report = os.pipe()
            life, asker.life = os.pipe()
            pid = os.fork()
        except OSError as error:
            # No more processes or files are to be had; what is open of this one is closed with it.
            asker.say(refused=str(error))
            self._gone(asker)
            return
        if pid == 0:
            if executed:
                # As if it had started the kernel itself.
                marks.put(os.getpid())
            stdin, stdout, stderr = map(os.dup, asker.stdio)
            self._forget_all()
            forked.be_kernel(order, forked.Lines((stdin, stdout, stderr), report, life))
        os.close(report)
        os.close(life)
        for handle in asker.stdio:
            os.close(handle)
        asker.stdio = []
        asker.pid = pid
        self._forks += 1
        self._kernels[pid] = asker
        os.set_blocking(asker.report, False)
        self._on(asker.report, lambda: self._hear(asker))
        asker.say(pid=pid)

    def _refusal(self, order: Order) -> str:
        """Why a kernel forked here would not be what an ordinary one is; empty when it would be."""
        ours, theirs = _PREPARED | self._given, _PREPARED | self._set_by_modules | order.environ
        ours |= self._set_by_modules
        differ = [name for name in self._read_by_modules if ours.get(name) != theirs.get(name)]
        if differ:
            return f"the environment differs in {', '.join(sorted(differ))}, which preloaded modules have read"
        if "matplotlib" in sys.modules and (Path(order.cwd) / "matplotlibrc").exists():
            return "matplotlib was preloaded without the matplotlibrc of that folder"
        return ""

    def _forget_all(self) -> None:
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._listener.close()
        for handle in (self._woken, self._waking, *([self._renewal] if self._renewal >= 0 else [])):
            os.close(handle)
        for asker in {*self._askers, *self._kernels.values()}:
            asker.close()

    def _hear(self, asker: _Asker) -> None:
        """A kernel reports that its sockets are bound, and at its end what it imported."""
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(asker.report, 1 << 16)
        *lines, asker.told = (asker.told + data).split(b"\n")
        for line in lines:
            told = json.loads(line)
            if "bound" in told:
                asker.say(bound=True)
            elif self._memory.learn(told["imported"]) and self._renewal < 0 and not self._leaving:
                self._renew()
        if not data:
            self._off(asker.report)
            os.close(asker.report)
            asker.report = -1

    def _renew(self) -> None:
        """Start a successor, which preloads what was missed and takes over the socket's name when it is ready."""
        self._renewal, ready = os.pipe()
        plan = self._plan._replace(ready=ready, attempt=0)
        os.set_inheritable(ready, True)
        self._successor = os.posix_spawn(sys.executable, command(plan), self._given, setsid=True)
        os.close(ready)
        self._on(self._renewal, self._renewed)

    def _renewed(self) -> None:
        self._off(self._renewal)
        self._successor = 0
        if os.read(self._renewal, 1):
            self._stop_listening()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 512)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status, used = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    return
                asker = self._kernels.pop(pid, None)
                if asker is None:
                    continue
                while asker.report >= 0 and select.select([asker.report], [], [], 0)[0]:
                    self._hear(asker)
                asker.say(
                    exit=os.waitstatus_to_exitcode(status),
                    peak_rss=used.ru_maxrss * 1024,
                    cpu_user=used.ru_utime,
                    cpu_system=used.ru_stime,
                )
                if asker in self._askers:
                    self._aftermath[pid] = time.monotonic() + _AFTERMATH_SECONDS
                    self._off(asker.sock)
                    self._askers.discard(asker)
                if asker.report >= 0:
                    self._off(asker.report)
                asker.close()

    def _clean_up(self) -> None:
        """Kill what ended kernels have left in their process groups, a while after their end."""
        for group, due in list(self._aftermath.items()):
            # The system does not give a number away as long as a group has it.
            if time.monotonic() >= due or not _alive(group):
                del self._aftermath[group]
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGKILL)


def _kill(pid: int) -> None:
    """A kernel's process group, or the kernel alone when it has none yet."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
