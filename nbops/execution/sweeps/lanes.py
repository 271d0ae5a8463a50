"""What a lane of a sweep does: it executes a point and tells how that ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from nbops.errors import NbopsError
from nbops.execution import notebook
from nbops.execution.execution import Part
from nbops.execution.lanes import Stop
from nbops.execution.sweeps import texts
from nbops.execution.sweeps.plan import Plan
from nbops.execution.sweeps.results import POINT, Child
from nbops.records import FailureClass, Record
from nbops.store.client import Store
from nbops.tracking import runs


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


def worker(store: Store, plan: Plan) -> Callable[[Order, Callable[[], Stop]], Told]:
    """What does an order of this plan."""

    def work(order: Order, stop: Callable[[], Stop]) -> Told:
        began = time.monotonic()
        try:
            told = _outcome(store, plan, order, stop)
        except NbopsError as error:
            told = Told(order.number, "", "failed", error.message, code=error.code, exit=error.exit.status)
        return msgspec.structs.replace(told, seconds=time.monotonic() - began)

    return work


def _outcome(store: Store, plan: Plan, order: Order, stop: Callable[[], Stop]) -> Told:
    ways = plan.specification.ways
    values = plan.values(order.values)
    birth = runs.Birth(
        run_id=order.run_id, name=texts.label({name: values[name] for name in order.values}), tags={POINT: str(order.number)}
    )  # fmt: skip
    outcome = notebook.execute(
        store, plan.path, Path(order.output) if order.output else None, parameters=values,
        cwd=Path(ways.cwd) if ways.cwd else None, kernel=ways.kernel, timeout=ways.timeout,
        part=Part(order.parent, birth, plan.node, stop),
    )  # fmt: skip
    metric = plan.specification.goal.metric
    value = runs.metrics(store, order.run_id).get(metric) if metric else None
    return Told(
        order.number, order.run_id, outcome.status, outcome.cause, value, outcome.code, outcome.failure_class, outcome.exit
    )  # fmt: skip
