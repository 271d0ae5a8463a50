"""Executions that outlive whoever asks for them: JupyterLab's server begins one here and goes on.

In flow a notebook and what was typed for its parameters, out flows the id of the run once it has begun. A process executes that
has no terminal, belongs to nobody's process group, and takes SIGTERM as `nbops runs stop` sends it. What executes something larger
begins and answers in the same way, by `begin` and `carry_out`.
"""

from __future__ import annotations

import os
import select
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from nbops.errors import ExecutionError, NbopsError
from nbops.execution import beside
from nbops.execution.beside import Problem
from nbops.records import Record

_MODULE = "nbops.execution.launching"
_SECONDS = 120.0


class Order(Record):
    """What to execute: the project, the notebook's whole path, and texts as `-p NAME TEXT` takes them.

    With a `grid`: a sweep over every combination of its texts.
    """

    project: str
    notebook: str
    values: dict[str, str] = {}
    grid: dict[str, list[str]] = {}
    force: bool = False


class Begun(Record):
    """The run of an order. `unchanged`: it is an earlier one, and nothing was executed."""

    run_id: str
    unchanged: bool = False


class _Said(Record):
    """The one line of the process: either."""

    begun: Begun | None = None
    problem: Problem | None = None


Say = Callable[[Begun], None]
"""What the process tells once that there is a run."""
_Order = TypeVar("_Order", bound=Record)


def launch(order: Order) -> Begun:
    """Begin an execution and leave it to itself. Raises what `notebook.execute` or a sweep's driver raises before a run begins."""
    return begin(_MODULE, order, order.project, Path(order.notebook).name)


def begin(module: str, order: Record, project: str, name: str) -> Begun:
    """The same by a process on a `module` that carries the order out; `name` is what it executes."""
    with tempfile.TemporaryFile() as errors:
        process, asking, answer = beside.begin(module, order, errors, cwd=project, start_new_session=True)
        # Somebody has to take notice of its end.
        threading.Thread(target=process.wait, daemon=True).start()
        with answer:
            asking.close()
            line = _line(answer.fileno())
        said = msgspec.json.decode(line, type=_Said) if line else _Said()
        if said.problem:
            raise said.problem.error
        if said.begun is None:
            raise ExecutionError(
                f"The process that was to execute {name} did not begin: {beside.last_words(errors)}.",
                hint="`nbops doctor` looks for the reason; `nbops run` in a terminal shows more of it.",
                code="execution.environment",
            )
    return said.begun


def _line(handle: int) -> bytes:
    """Empty when none comes in time."""
    deadline, data = time.monotonic() + _SECONDS, b""
    while b"\n" not in data and select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0]:
        read = os.read(handle, 1 << 16)
        if not read:
            return b""
        data += read
    return data.partition(b"\n")[0]


def main() -> None:
    """Be the process that executes."""
    carry_out(Order, lambda order, say: _sweep(order, say) if order.grid else _run(order, say))


def carry_out(kind: type[_Order], execute: Callable[[_Order, Say], None]) -> None:
    """Be a process that executes: read its order, and answer once, with the run or with what keeps it from beginning."""
    order = msgspec.json.decode(beside.question(), type=kind)
    answer = beside.answers()

    def say(begun: Begun | None, problem: Problem | None = None) -> None:
        if not answer.closed:
            with answer:
                answer.write(msgspec.json.encode(_Said(begun, problem)) + b"\n")

    try:
        execute(order, say)
    except NbopsError as error:
        say(None, Problem.of(error))


def _run(order: Order, say: Say) -> None:
    from nbops import config
    from nbops.execution import notebook, reading
    from nbops.execution.parameters import Word
    from nbops.store.client import connect

    reading.only_files()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    outcome = notebook.execute(
        connect(config.settings(order.project)), Path(order.notebook), force=order.force, begun=lambda run_id: say(Begun(run_id)),
        parameters={name: Word(text) for name, text in order.values.items()},
    )  # fmt: skip
    if outcome.unchanged:
        say(Begun(outcome.run_id, unchanged=True))


def _sweep(order: Order, say: Say) -> None:
    from nbops import config
    from nbops.execution.sweeps import driver
    from nbops.execution.sweeps.asked import Asked
    from nbops.execution.sweeps.texts import Given

    asked = Asked(
        notebook=order.notebook,
        grid={name: [Given(text, word=True) for text in texts] for name, texts in order.grid.items()},
        fixed={name: Given(text, word=True) for name, text in order.values.items()},
        force=order.force,
    )
    driver.sweep(asked, config.settings(order.project), watch=lambda at: say(Begun(at.sweep)))


if __name__ == "__main__":
    main()
