"""The processes of a sweep beside its driver: a nursery that forks lanes, and the lanes, which execute one point after the other.

The nursery has one thread for ever, so a lane can be forked at any time. Each lane talks to the driver over a socket of its own, in
lines of JSON. When the driver is gone, an idle lane leaves, a busy one is killed with what it started, and the nursery does what is
left to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from nbops.errors import ExecutionError, NbopsError
from nbops.execution import notebook
from nbops.execution.execution import Part
from nbops.execution.sweeps import texts
from nbops.execution.sweeps.plan import Plan
from nbops.execution.sweeps.results import POINT, Child
from nbops.records import FailureClass, Record
from nbops.store.client import Store
from nbops.tracking import recording, runs

# How long lanes have to leave, when the driver is done and when it has died.
_PATIENCE_SECONDS = (60.0, 1.0)
_LANE, _TRUST, _DONE = b"l", b"t", b"d"


class Order(Record):
    """A point to execute; `output` is where a copy goes."""

    number: int
    run_id: str
    parent: str
    values: dict[str, str]
    output: str | None = None


class Told(Child):
    """How a point ended: as `notebook.Outcome`. `run_id` is empty when there is no run of it."""

    code: str = ""
    failure_class: FailureClass | None = None
    exit: int = 0
    seconds: float = 0.0


class Nursery:
    """Forks lanes and outlives them. Make it before any thread, connection or event loop."""

    def __init__(self, live: Callable[[socket.socket], None], at_the_end: Callable[[int], None]) -> None:
        """`live` is what a lane does with its socket, `at_the_end` what is done with what it was entrusted with."""
        self._line, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._line.close()
            _leave_after(lambda: _nurse(theirs, live, at_the_end))
        theirs.close()

    def lane(self) -> socket.socket:
        """A new lane's socket. Raises ExecutionError when the nursery is gone."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._line, [_LANE], [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise ExecutionError(
                "The process that starts the sweep's lanes died.",
                hint="See that nothing kills it, then resume the sweep.",
            ) from error
        return ours

    def entrust(self, handle: int) -> None:
        """Give it a descriptor for the end, when every lane is gone; it is closed here."""
        socket.send_fds(self._line, [_TRUST], [handle])
        os.close(handle)

    def close(self) -> None:
        """Wait until every lane, whose sockets are closed by now, has left, and what is to be done at the end is done."""
        with contextlib.suppress(OSError):
            self._line.send(_DONE)
        self._line.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _nurse(line: socket.socket, live: Callable[[socket.socket], None], at_the_end: Callable[[int], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Ctrl-C is the driver's to hear.
    os.setpgid(0, 0)
    children: set[int] = set()
    trust = -1
    while True:
        asked, handles, _, _ = socket.recv_fds(line, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if asked == _TRUST:
            trust = handles[0]
            continue
        if asked != _LANE:
            break
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


class Lane:
    """Executes the points that come over its socket and tells how each ended."""

    def __init__(self, line: socket.socket, store: Store, plan: Plan) -> None:
        self._line = line
        self._store = store
        self._plan = plan
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._busy = False
        self._reason = ""

    def live(self) -> None:
        """Work until the driver has nothing more."""
        for number in (signal.SIGINT, signal.SIGTERM):
            # While cells are executed the conversation with the kernel hears it; before, it asks for the reason.
            signal.signal(number, lambda *_: None)
        threading.Thread(target=self._listen, daemon=True).start()
        while (order := self._orders.get()) is not None:
            self._line.sendall(msgspec.json.encode(self._execute(order)) + b"\n")
        recording.finish()

    def _listen(self) -> None:
        with self._line.makefile("rb") as lines, contextlib.suppress(OSError):
            for text in lines:
                message: dict[str, Any] = json.loads(text)
                if "stop" not in message:
                    # Here, where orders and stops come in their order.
                    self._reason = ""
                    self._orders.put(msgspec.convert(message, Order))
                    continue
                self._reason = message["stop"]
                if self._busy:
                    os.kill(os.getpid(), signal.SIGTERM)
        if self._busy:
            _die()
        self._orders.put(None)

    def _execute(self, order: Order) -> Told:
        began = time.monotonic()
        self._busy = True
        try:
            told = self._outcome(order)
        except NbopsError as error:
            told = Told(order.number, "", "failed", error.message, code=error.code, exit=error.exit.status)
        finally:
            self._busy = False
        return msgspec.structs.replace(told, seconds=time.monotonic() - began)

    def _outcome(self, order: Order) -> Told:
        plan, ways = self._plan, self._plan.specification.ways
        values = plan.values(order.values)
        birth = runs.Birth(
            run_id=order.run_id, name=texts.label({name: values[name] for name in order.values}), tags={POINT: str(order.number)}
        )  # fmt: skip
        outcome = notebook.execute(
            self._store, plan.path, Path(order.output) if order.output else None, parameters=values,
            cwd=Path(ways.cwd) if ways.cwd else None, kernel=ways.kernel, timeout=ways.timeout,
            part=Part(order.parent, birth, plan.node, lambda: self._reason),
        )  # fmt: skip
        self._busy = False
        metric = plan.specification.goal.metric
        value = runs.metrics(self._store, order.run_id).get(metric) if metric else None
        return Told(
            order.number, order.run_id, outcome.status, outcome.cause, value, outcome.code, outcome.failure_class, outcome.exit
        )  # fmt: skip


def _die() -> None:
    """End this process and what it has started, at once."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    os.kill(os.getpid(), signal.SIGKILL)
