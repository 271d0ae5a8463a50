"""What a lane of a pipeline does: it executes a task and tells how that ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from nbops.data import degraded
from nbops.errors import NbopsError
from nbops.execution import notebook
from nbops.execution.execution import Part, failed
from nbops.execution.lanes import Stop
from nbops.execution.memory import Allowance
from nbops.failures import evidence_from_error
from nbops.pipelines.declaration import FILE
from nbops.pipelines.graph import Task
from nbops.pipelines.settling import Counted, Products
from nbops.records import FailureClass, Record, RunStatus
from nbops.store.client import Store
from nbops.tracking import runs

TASK = "nbops.task"
"""The tag of a run that says which task of its pipeline it executed."""


class Order(Record):
    """A task to execute, by its number; times in seconds, `memory` in bytes. `stale` says on what old data it rests."""

    number: int
    run_id: str
    parent: str
    cell_timeout: float | None = None
    memory: int | None = None
    stale: str = ""


class Told(Record):
    """How it ended: as `notebook.Outcome`; `counted` are the rows of products that have a contract.

    `unchanged` says that a source had nothing new, and that its products were what they would have become.
    """

    number: int
    run_id: str
    status: RunStatus
    cause: str | None = None
    code: str = ""
    failure_class: FailureClass | None = None
    exit: int = 0
    rule: str = ""
    seconds: float = 0.0
    counted: list[Counted] = []
    unchanged: bool = False


def worker(store: Store, tasks: list[Task]) -> Callable[[Order, Callable[[], Stop]], Told]:
    """What does an order."""

    def work(order: Order, stop: Callable[[], Stop]) -> Told:
        began = time.monotonic()
        products = Products(store, tasks[order.number], order.run_id)
        try:
            told = _outcome(store, tasks[order.number], order, products, stop)
        except (NbopsError, OSError) as error:
            words = error.message if isinstance(error, NbopsError) else f"{type(error).__name__}: {error}"
            code = error.code if isinstance(error, NbopsError) else "execution.environment"
            end = failed(words, code, evidence_from_error(error))
            told = Told(order.number, "", "failed", end.cause, code, end.failure_class, end.exit, end.rule)
        finally:
            products.clear()
        collected = _collected(store, tasks[order.number], told)
        return msgspec.structs.replace(
            told, seconds=time.monotonic() - began, counted=[*products.counted, *(collected or [])],
            unchanged=collected == [] and products.stand,
        )  # fmt: skip

    return work


def _collected(store: Store, task: Task, told: Told) -> list[Counted] | None:
    """What became of the rows of a source that brought new ones, to take or to set aside; None where none was asked."""
    if not task.step.operation.source or told.status != "finished":
        return None
    sql = """
        select source, rows, good, quarantined, dropped,
            version is not null or collection_id in (select batch_id from quarantine) as new
        from collections where run_id = ?::uuid and source = ?
        """
    asked = store.read(sql, [told.run_id, task.step.operation.source]).rows
    return [Counted(*row) for *row, new in asked if new] if asked else None


def _outcome(store: Store, task: Task, order: Order, products: Products, stop: Callable[[], Stop]) -> Told:
    tags = {TASK: task.key, **({degraded.TAG: order.stale} if order.stale else {})}
    birth = runs.Birth(run_id=order.run_id, name=task.key if task.point else "", tags=tags)
    node = _told(task.step.node, order.stale)
    outcome = notebook.execute(
        store, task.step.path, parameters=task.values, cwd=task.step.folder, kernel=task.step.operation.kernel or None,
        timeout=order.cell_timeout, allowance=Allowance(order.memory, FILE) if order.memory else None, part=Part(
            order.parent, birth, node, stop, products.instead, products.settle, home=task.step.path.parent, tree=task.step.tree,
            contracts=task.contracts,
        ),
    )  # fmt: skip
    return Told(
        order.number, order.run_id, outcome.status, outcome.cause, outcome.code, outcome.failure_class, outcome.exit, outcome.rule
    )  # fmt: skip


def _told(node: Any, stale: str) -> Any:
    """The notebook, with a banner where it rests on old data."""
    import nbformat
    from nbformat import v4

    made = nbformat.from_dict(node)
    if stale:
        banner = v4.new_markdown_cell(f"> **{degraded.TITLE}** {stale}", metadata={"tags": [degraded.BANNER]})
        if (made.nbformat, made.nbformat_minor) < (4, 5):
            del banner["id"]
        made.cells.insert(0, banner)
        told = made.metadata.get("nbops")
        made.metadata["nbops"] = {**(told if isinstance(told, dict) else {}), degraded.KEY: stale}
    return made
