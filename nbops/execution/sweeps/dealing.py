"""The points of a sweep are dealt to its lanes, one at a time to whichever is free."""

from __future__ import annotations

import collections
import contextlib
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from nbops.execution import notebook
from nbops.execution.execution import INTERRUPTED
from nbops.execution.sweeps import plan as plans
from nbops.execution.sweeps import results, space, texts
from nbops.execution.sweeps.hopeless import Watch
from nbops.execution.sweeps.lanes import Nursery, Order, Told
from nbops.execution.sweeps.plan import Plan
from nbops.failures import EXIT_STATUSES
from nbops.records import Record, RunStatus, new_id
from nbops.store.client import Store
from nbops.tracking.recording import Recording, Usage

_LOOK_SECONDS = 1.0

Known = Callable[[Mapping[str, object]], str | None]
"""From all values of a point to an earlier run that can be taken in its place, or None."""


class Progress(Record):
    """How far a sweep is; `total` is the most that there can be, `left` the seconds that it will still take."""

    sweep: str
    total: int
    done: int
    running: int
    failed: int
    left: float | None = None


class Ended(Record):
    """How a sweep ended; `points` are those of this time, `kept` were done before, for `taken` an earlier run stands.

    `dropped` were asked for twice, `unbegun` were left when it was stopped.
    """

    run_id: str
    notebook: str
    status: RunStatus
    cause: str | None
    exit: int
    points: list[Told]
    kept: int
    taken: int
    dropped: int
    seconds: float
    unbegun: int = 0


class _Desk:
    """A lane as the driver sees it."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.buffer = b""
        self.order: Order | None = None

    def send(self, message: Order | dict[str, str]) -> None:
        # Whoever died meanwhile is noticed when its socket is read.
        with contextlib.suppress(OSError):
            self.line.sendall(msgspec.json.encode(message) + b"\n")


class Dealer:
    """Deals until no points are left, too many have failed, or somebody stops it."""

    def __init__(
        self, store: Store, plan: Plan, nursery: Nursery, *, lanes: int, signals: list[int], known: Known | None
    ) -> None:
        """`signals` have been heard before."""
        self._store = store
        self._plan = plan
        self._nursery = nursery
        self._lanes = lanes
        self._known = known
        self._sampler = plans.sampler(plan)
        self._selector = selectors.DefaultSelector()
        self._desks: list[_Desk] = []
        self._left: collections.deque[tuple[int, dict[str, str]]] = collections.deque()
        self._next = 0
        self._told: list[Told] = []
        self._kept = self._taken = self._done = self._failed = 0
        self._hopeless: set[int] = set()
        self._signals = signals
        self._reason = ""
        self._interrupted = False
        self._spent = 0.0
        self._began = time.monotonic()
        goal = plan.specification.goal
        self._watch = (
            Watch(store, goal.metric, goal.better, sampler=self._sampler, median=goal.stop_hopeless)
            if goal.better and (self._sampler or goal.stop_hopeless)
            else None
        )

    def deal(
        self, recording: Recording, before: results.Sweep | None, watch: Callable[[Progress], None], stop: int
    ) -> Ended:
        """Execute what is missing and end the sweep's run; a second request to stop kills."""
        self._recording = recording
        self._prepare(before)
        with self._ears(stop):
            self._heed()
            self._hand_out()
            watch(self._progress())
            while self._running:
                for key, _ in self._selector.select(_LOOK_SECONDS):
                    key.data()
                self._heed()
                self._judge()
                self._hand_out()
                watch(self._progress())
        for desk in self._desks:
            desk.line.close()
        return self._end()

    @property
    def _running(self) -> list[_Desk]:
        return [desk for desk in self._desks if desk.order]

    def _prepare(self, before: results.Sweep | None) -> None:
        """Find what is to be done: points of a list, or those that a sampler chose before and that are missing."""
        plan = self._plan
        found = before.children if before else {}
        done = {number: child for number, child in found.items() if child.done}
        self._kept = self._done = len(done)
        if plan.specification.points is not None:
            self._left.extend(item for item in enumerate(plan.specification.points) if item[0] not in done)
            return
        for number, values in sorted(before.chosen.items()) if before else ():
            point = space.resolve(plan.interface, values, plan.fixed)
            if number not in done:
                self._left.append((number, {name: texts.write(value) for name, value in point.items()}))
            if self._sampler:
                self._sampler.tell(number, point, done[number].value if number in done else None)
        self._next = max(found, default=-1) + 1

    def _hand_out(self) -> None:
        while not self._reason:
            free = next((desk for desk in self._desks if not desk.order), None)
            if free is None and len(self._desks) >= self._lanes:
                return
            point = self._point()
            if point is None:
                return
            if free is None:
                free = self._new_desk()
            number, values = point
            order = Order(number, new_id(), self._recording.run_id, values, self._output(number))
            free.order = order
            free.send(order)

    def _point(self) -> tuple[int, dict[str, str]] | None:
        """The next one to execute; what an earlier run stands for is noted."""
        while True:
            if self._left:
                number, values = self._left.popleft()
            elif self._sampler and self._next < self._plan.size and (asked := self._sampler.ask()) is not None:
                point = space.resolve(self._plan.interface, asked, self._plan.fixed)
                number, values = self._next, {name: texts.write(value) for name, value in point.items()}
                self._next += 1
            else:
                return None
            run_id = self._known(self._plan.values(values)) if self._known else None
            if run_id is None:
                return number, values
            output = self._output(number)
            if output is not None and not notebook.put(self._store, run_id, Path(output)):
                # Its notebook is not there any more.
                return number, values
            self._recording.tags({f"{results.TAKEN}{number}": run_id})
            self._taken += 1
            self._done += 1

    def _new_desk(self) -> _Desk:
        desk = _Desk(self._nursery.lane())
        self._desks.append(desk)
        self._selector.register(desk.line, selectors.EVENT_READ, lambda: self._read(desk))
        return desk

    def _read(self, desk: _Desk) -> None:
        try:
            data = desk.line.recv(1 << 16)
        except OSError:
            data = b""
        *lines, desk.buffer = (desk.buffer + data).split(b"\n")
        for line in lines:
            order, desk.order = desk.order, None
            self._note(msgspec.json.decode(line, type=Told), order.values if order else {})
        if data:
            return
        self._selector.unregister(desk.line)
        desk.line.close()
        self._desks.remove(desk)
        if desk.order:
            cause = "the process that executed it died"
            lost = EXIT_STATUSES["kernel_death"]
            told = Told(desk.order.number, desk.order.run_id, "lost", cause, failure_class="kernel_death", exit=lost)
            self._note(told, desk.order.values)

    def _note(self, told: Told, values: Mapping[str, str]) -> None:
        self._told.append(told)
        self._spent += told.seconds
        failed = told.status in {"failed", "lost"}
        self._failed += failed
        self._done += told.done
        if told.status == "finished" and self._watch:
            self._watch.finished(told.run_id, told.number)
        if self._sampler:
            point = {name: texts.read(text) for name, text in values.items()}
            self._sampler.tell(told.number, point, told.value if told.status == "finished" else None)
        most = self._plan.specification.ways.max_failures
        if failed and most is not None and self._failed > most and not self._reason:
            self._stop(f"more than {most} points failed")

    def _judge(self) -> None:
        if self._watch is None or self._reason:
            return
        running = {desk.order.run_id: desk.order.number for desk in self._desks if desk.order}
        causes = self._watch.look(running)
        for desk in self._running:
            if desk.order and desk.order.number in causes and desk.order.number not in self._hopeless:
                # Once: the second time would kill.
                self._hopeless.add(desk.order.number)
                desk.send({"stop": causes[desk.order.number]})

    @contextlib.contextmanager
    def _ears(self, stop: int) -> Iterator[None]:
        """Hear signals, and the end of what `stop` reads, without being interrupted."""
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

    def _hung_up(self, stop: int) -> None:
        self._selector.unregister(stop)
        self._signals.append(signal.SIGHUP)

    def _heed(self) -> None:
        while self._signals:
            self._stop(f"interrupted by {signal.Signals(self._signals.pop(0)).name}", by_somebody=True)

    def _stop(self, reason: str, *, by_somebody: bool = False) -> None:
        """No more points, and those that run are stopped; the second time they are killed."""
        self._interrupted = by_somebody
        self._reason = reason
        for desk in self._running:
            desk.send({"stop": reason})

    def _progress(self) -> Progress:
        done = self._done + self._failed
        left = None
        if self._spent:
            missing = self._plan.size - done
            left = self._spent / len(self._told) * missing / min(self._lanes, max(missing, 1))
        return Progress(self._recording.run_id, self._plan.size, done, len(self._running), self._failed, left)

    def _output(self, number: int) -> str | None:
        folder = self._plan.specification.ways.output
        if folder is None:
            return None
        width = len(str(self._plan.size))
        return str(Path(folder) / f"{self._plan.path.stem}-{number + 1:0{width}}.ipynb")

    def _end(self) -> Ended:
        failed = [told for told in self._told if told.status in {"failed", "lost"}]
        cause = f"{len(failed)} of {len(self._told)} points failed" if failed else None
        worst = collections.Counter(told.exit for told in failed).most_common(1)
        status: RunStatus = "finished"
        exit_status = worst[0][0] if worst else 0
        if self._reason:
            status, cause = ("stopped", self._reason) if self._interrupted else ("failed", self._reason)
            exit_status = INTERRUPTED if self._interrupted else exit_status
        classes = collections.Counter(told.failure_class for told in failed if told.failure_class).most_common(1)
        self._recording.end(
            status, cause, Usage(failure_class=classes[0][0] if classes else None, exit_status=exit_status)
        )
        return Ended(
            self._recording.run_id, str(self._plan.path), status, cause, exit_status,
            sorted(self._told, key=lambda told: told.number), self._kept, self._taken, self._plan.dropped,
            time.monotonic() - self._began, len(self._left),
        )  # fmt: skip
