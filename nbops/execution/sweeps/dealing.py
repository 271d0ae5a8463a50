"""The points of a sweep are dealt to its lanes, one at a time to whichever is free."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from nbops.execution import live, notebook
from nbops.execution.execution import INTERRUPTED
from nbops.execution.lanes import Crew, Nursery, Stop
from nbops.execution.sweeps import plan as plans
from nbops.execution.sweeps import results, space, texts
from nbops.execution.sweeps.hopeless import Watch
from nbops.execution.sweeps.lanes import Order, Told
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


class Dealer:
    """Deals until no points are left, too many have failed, or somebody stops it."""

    def __init__(
        self, store: Store, plan: Plan, nursery: Nursery, *, lanes: int, signals: list[int], known: Known | None
    ) -> None:
        """`signals` have been heard before."""
        self._store = store
        self._plan = plan
        self._lanes = lanes
        self._known = known
        self._sampler = plans.sampler(plan)
        self._crew: Crew[Order, Told] = Crew(nursery, Told, most=lanes, signals=signals)
        self._left: collections.deque[tuple[int, dict[str, str]]] = collections.deque()
        self._next = 0
        self._told: list[Told] = []
        self._kept = self._taken = self._done = self._failed = 0
        self._hopeless: set[int] = set()
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
        live.unasked(self._store, recording.run_id)
        self._prepare(before)
        with self._crew.ears(stop):
            self._heed()
            self._hand_out()
            watch(self._progress())
            while self._crew.orders:
                for order, told in self._crew.wait(_LOOK_SECONDS):
                    self._note(told or _lost(order), order.values)
                self._heed()
                self._judge()
                self._hand_out()
                watch(self._progress())
        self._crew.dismiss()
        return self._end()

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
        while not self._reason and not self._crew.full and (point := self._point()) is not None:
            number, values = point
            self._crew.give(Order(number, new_id(), self._recording.run_id, values, self._output(number)))

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
        running = {order.run_id: order.number for order in self._crew.orders}
        causes = self._watch.look(running)
        for order in self._crew.orders:
            if order.number in causes and order.number not in self._hopeless:
                # Once: the second time would kill.
                self._hopeless.add(order.number)
                self._crew.stop(order, Stop(causes[order.number]))

    def _heed(self) -> None:
        for reason in self._crew.heard():
            self._stop(live.asked(self._store, self._recording.run_id) or reason, by_somebody=True)

    def _stop(self, reason: str, *, by_somebody: bool = False) -> None:
        """No more points, and those that run are stopped; the second time they are killed."""
        self._interrupted = by_somebody
        self._reason = reason
        for order in self._crew.orders:
            self._crew.stop(order, Stop(reason))

    def _progress(self) -> Progress:
        done = self._done + self._failed
        left = None
        if self._spent:
            missing = self._plan.size - done
            left = self._spent / len(self._told) * missing / min(self._lanes, max(missing, 1))
        return Progress(self._recording.run_id, self._plan.size, done, len(self._crew.orders), self._failed, left)

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


def _lost(order: Order) -> Told:
    cause = "the process that executed it died"
    lost = EXIT_STATUSES["kernel_death"]
    return Told(order.number, order.run_id, "lost", cause, failure_class="kernel_death", exit=lost)
