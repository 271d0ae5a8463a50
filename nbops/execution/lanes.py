"""Processes that execute side by side for a driver: a nursery that forks lanes, and the lanes, which take one order after the other.

The nursery has one thread for ever, so a lane can be forked at any time. Each lane talks to the driver over a socket of its own, in
lines of JSON. When the driver is gone, an idle lane leaves, a busy one is killed with what it started, and the nursery does what is
left to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from nbops.errors import ExecutionError
from nbops.records import Record, RunStatus
from nbops.tracking import recording

Ordered = TypeVar("Ordered", bound=Record)
Said = TypeVar("Said", bound=Record)

# How long lanes have to leave, when the driver is done and when it has died.
_PATIENCE_SECONDS = (60.0, 1.0)
_LANE, _TRUST, _DONE = b"l", b"t", b"d"


class Deserted(ExecutionError):
    """The nursery died, and with it the way to new lanes: its driver cannot go on, another one can."""


def verdict(error: BaseException | None) -> tuple[RunStatus, str | None, recording.Usage | None]:
    """How a driver's run ends, and the cause, when `error` ended it: without its nursery it is lost, as when the driver dies."""
    status, cause = recording.verdict(error)
    return ("lost", cause, recording.Usage("kernel_death")) if isinstance(error, Deserted) else (status, cause, None)


class Nursery:
    """Forks lanes and outlives them. Make it before any thread, connection or event loop."""

    def __init__(
        self,
        live: Callable[[socket.socket], None],
        at_the_end: Callable[[int], None],
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """`live` is what a lane does with its socket, `at_the_end` what is done with what it was entrusted with.

        `prepare` is called once, before the first lane.
        """
        self._line, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._line.close()
            _leave_after(lambda: _nurse(theirs, live, at_the_end, prepare))
        theirs.close()

    def lane(self) -> socket.socket:
        """A new lane's socket. Raises Deserted."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._hand(_LANE, theirs.fileno())
        except Deserted:
            ours.close()
            raise
        return ours

    def entrust(self, handle: int) -> None:
        """Give it a descriptor for the end, when every lane is gone; it is closed here. Raises Deserted."""
        try:
            self._hand(_TRUST, handle)
        finally:
            os.close(handle)

    def _hand(self, what: bytes, handle: int) -> None:
        try:
            socket.send_fds(self._line, [what], [handle])
        except OSError as error:
            raise Deserted(
                "The process that starts lanes died.",
                hint="See that nothing kills it, then resume.",
            ) from error

    def close(self) -> None:
        """Wait until every lane, whose sockets are closed by now, has left, and what is to be done at the end is done."""
        with contextlib.suppress(OSError):
            self._line.send(_DONE)
        self._line.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _nurse(
    line: socket.socket,
    live: Callable[[socket.socket], None],
    at_the_end: Callable[[int], None],
    prepare: Callable[[], None],
) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Ctrl-C is the driver's to hear.
    os.setpgid(0, 0)
    children: set[int] = set()
    trust, prepared = -1, False
    while True:
        asked, handles, _, _ = socket.recv_fds(line, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if asked == _TRUST:
            trust = handles[0]
            continue
        if asked != _LANE:
            break
        if not prepared:
            prepare()
            prepared = True
        pid = os.fork()
        if pid == 0:
            line.close()
            if trust >= 0:
                os.close(trust)
            _leave_after(lambda given=handles[0]: live(socket.socket(fileno=given)))  # type: ignore[misc]  # mypy cannot infer the default
        os.close(handles[0])
        children.add(pid)
        _bury(children)
    deadline = time.monotonic() + _PATIENCE_SECONDS[asked != _DONE]
    while children and time.monotonic() < deadline:
        time.sleep(0.005)
        _bury(children)
    for pid in children:
        # Not reaped yet, so nobody else has its number.
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if trust >= 0:
        at_the_end(trust)


def _bury(children: set[int]) -> None:
    for pid in list(children):
        if os.waitpid(pid, os.WNOHANG)[0]:
            children.discard(pid)


def _leave_after(work: Callable[[], None]) -> NoReturn:
    """In the child of a fork: do this, then end without what the parent has registered for its own end."""
    status = 1
    try:
        work()
        status = 0
    finally:
        if status:
            sys.stderr.write(traceback.format_exc())
        sys.stderr.flush()
        os._exit(status)


class Stop(Record):
    """Why an execution is to stop; `timed_out` when that is a limit of time, which makes it a failure."""

    reason: str = ""
    timed_out: bool = False


class Lane(Generic[Ordered]):
    """Works off the orders that come over its socket; `work` does one and tells how it ended."""

    def __init__(
        self, line: socket.socket, order: type[Ordered], work: Callable[[Ordered, Callable[[], Stop]], Record]
    ) -> None:
        """`work` can ask for the reason to stop at any time."""
        self._line = line
        self._order = order
        self._work = work
        self._orders: queue.SimpleQueue[Ordered | None] = queue.SimpleQueue()
        self._busy = False
        self._stop = Stop()

    def live(self) -> None:
        """Work until the driver has nothing more."""
        for number in (signal.SIGINT, signal.SIGTERM):
            # While cells are executed the conversation with the kernel hears it; before, it asks for the reason.
            signal.signal(number, lambda *_: None)
        threading.Thread(target=self._listen, daemon=True).start()
        while (order := self._orders.get()) is not None:
            self._busy = True
            try:
                told = self._work(order, lambda: self._stop)
            finally:
                self._busy = False
            self._line.sendall(msgspec.json.encode(told) + b"\n")
        recording.finish()

    def _listen(self) -> None:
        with self._line.makefile("rb") as lines, contextlib.suppress(OSError):
            for text in lines:
                message: dict[str, Any] = json.loads(text)
                if "stop" not in message:
                    # Here, where orders and stops come in their order.
                    self._stop = Stop()
                    self._orders.put(msgspec.convert(message, self._order))
                    continue
                self._stop = msgspec.convert(message["stop"], Stop)
                if self._busy:
                    os.kill(os.getpid(), signal.SIGTERM)
        if self._busy:
            _die()
        self._orders.put(None)


def _die() -> None:
    """End this process and what it has started, at once."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    os.kill(os.getpid(), signal.SIGKILL)


class _Desk(Generic[Ordered]):
    """A lane as the driver sees it."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.buffer = b""
        self.order: Ordered | None = None

    def send(self, message: Record | dict[str, Any]) -> None:
        # Whoever died meanwhile is noticed when its socket is read.
        with contextlib.suppress(OSError):
            self.line.sendall(msgspec.json.encode(message) + b"\n")


class Crew(Generic[Ordered, Said]):
    """The lanes of a driver: orders go out, what came of them comes back, and signals are heard in between."""

    def __init__(self, nursery: Nursery, told: type[Said], *, most: int, signals: list[int]) -> None:
        """`most` lanes at a time; `signals` have been heard before."""
        self._nursery = nursery
        self._told = told
        self._most = most
        self._signals = signals
        self._selector = selectors.DefaultSelector()
        self._desks: list[_Desk[Ordered]] = []
        self._ended: list[tuple[Ordered, Said | None]] = []

    @property
    def orders(self) -> list[Ordered]:
        """What is being done."""
        return [desk.order for desk in self._desks if desk.order is not None]

    @property
    def full(self) -> bool:
        """Whether nobody is free."""
        return len(self.orders) >= self._most

    def give(self, order: Ordered) -> None:
        """Let somebody who is free do it; a new lane where there is none."""
        desk = next((desk for desk in self._desks if desk.order is None), None) or self._hire()
        desk.order = order
        desk.send(order)

    def stop(self, order: Ordered, why: Stop) -> None:
        """Stop it; a second time kills."""
        for desk in self._desks:
            if desk.order is order:
                desk.send({"stop": msgspec.to_builtins(why)})

    def wait(self, seconds: float) -> list[tuple[Ordered, Said | None]]:
        """What ended, after so many seconds at most; nothing is told of an order whose lane died."""
        for key, _ in self._selector.select(seconds):
            key.data()
        ended, self._ended = self._ended, []
        return ended

    def dismiss(self) -> None:
        """Nobody is needed any more."""
        for desk in self._desks:
            desk.line.close()

    @contextlib.contextmanager
    def ears(self, stop: int = -1) -> Iterator[None]:
        """Hear signals, and the end of what the descriptor `stop` reads, without being interrupted."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, lambda number, _: self._signals.append(number))
        signal.set_wakeup_fd(theirs.fileno())
        self._selector.register(ours, selectors.EVENT_READ, lambda: ours.recv(64))
        if stop >= 0:
            self._selector.register(stop, selectors.EVENT_READ, lambda: self._hung_up(stop))
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            ours.close()
            theirs.close()

    def heard(self) -> list[str]:
        """The signals that came since, in words."""
        told = [f"interrupted by {signal.Signals(number).name}" for number in self._signals]
        self._signals.clear()
        return told

    def _hire(self) -> _Desk[Ordered]:
        desk: _Desk[Ordered] = _Desk(self._nursery.lane())
        self._desks.append(desk)
        self._selector.register(desk.line, selectors.EVENT_READ, lambda: self._read(desk))
        return desk

    def _read(self, desk: _Desk[Ordered]) -> None:
        try:
            data = desk.line.recv(1 << 16)
        except OSError:
            data = b""
        *lines, desk.buffer = (desk.buffer + data).split(b"\n")
        for line in lines:
            order, desk.order = desk.order, None
            if order is not None:
                self._ended.append((order, msgspec.json.decode(line, type=self._told)))
        if data:
            return
        self._selector.unregister(desk.line)
        desk.line.close()
        self._desks.remove(desk)
        if desk.order is not None:
            self._ended.append((desk.order, None))

    def _hung_up(self, stop: int) -> None:
        self._selector.unregister(stop)
        self._signals.append(signal.SIGHUP)
