"""Schedules are tried on a project of their own for each test, with stubs where notebooks are not what it is about."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nbops.pipelines.schedules import attempts, listing
from nbops.pipelines.schedules.scheduler import Round, Scheduler
from nbops.pipelines.schedules.spec import Spec
from nbops.store.client import Store
from tests.conftest import Project, wait_until
from tests.shared import nothing_left, typed
from tests.store.inside import Inside
from tests.warm import warm

__all__ = ["nothing_left", "typed", "warm"]

GOOD = """print('{"run_id": null, "status": "finished", "exit": 0}')"""
BAD = """import sys; print('{"run_id": null, "status": "failed", "exit": 25, "cause": "KeyError: \\'x\\'"}'); sys.exit(25)"""
# Until a file is there, or a signal comes.
LONG = f"""
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print('{{"run_id": null, "status": "stopped", "exit": 130}}'), sys.exit(130)))
pathlib.Path("begun").touch()
while not pathlib.Path("go").exists():
    time.sleep(0.01)
{GOOD}
"""
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Clockwork:
    """A schedule called nightly, whose clock a test sets."""

    def __init__(self, project: Project, store: Store) -> None:
        self.project, self.store = project, store
        self.now = NOON
        (project.folder / "nightly.ipynb").touch()
        self.stub = GOOD
        self.seen: list[dict[str, str]] = []
        self.scheduler = self.another()

    def another(self, parallel: int = 4) -> Scheduler:
        """One more scheduler, as another process would have it."""

        def command(spec: Spec, texts: dict[str, str], force: bool) -> list[str]:
            self.seen.append({**texts, "force": str(force)})
            return [sys.executable, "-c", self.stub]

        return Scheduler(self.store, parallel=parallel, command=command)

    def put(self, name: str = "nightly", **fields: Any) -> Spec:
        """Add it, or change it."""
        fields = fields if {"cron", "every"} & fields.keys() else {"cron": "0 * * * *", **fields}
        spec = Spec(target="nightly.ipynb", **fields)
        listing.put(self.store, name, spec, change=True, now=self.now)
        return spec

    def after(self, **span: float) -> Round:
        """A round that much later, by its clock."""
        self.now += timedelta(**span)
        return self.scheduler.round(self.now)

    def settled(self, **span: float) -> Round:
        """The same, with all that it leads to."""
        self.now += timedelta(**span)
        return self.scheduler.tick(self.now)

    def fires(self, columns: str = "nominal[12:16], state", name: str = "nightly") -> list[list[Any]]:
        """What became of its times, in order."""
        columns = columns.replace("nominal[12:16]", "strftime(nominal, '%d %H:%M')")
        sql = f"select {columns} from fires where schedule = ? order by nominal"  # noqa: S608 - our own
        return self.store.read(sql, [name]).rows

    def incidents(self) -> list[list[Any]]:
        """Those of the schedule, oldest first."""
        sql = "select cause, status, severity, text from incidents where subject = 'pipeline:nightly' order by opened"
        return self.store.read(sql).rows

    def let_go(self) -> None:
        """End what waits, also of what another host took over."""
        (self.project.folder / "go").touch()
        begun = [row[0] for row in self.store.read("select attempt_id::varchar from fire_attempts").rows]
        wait_until(lambda: not any(attempts.lives(self.store.places, attempt) for attempt in begun))

    def running(self) -> list[str]:
        """The attempts that are not over."""
        return [
            row[0]
            for row in self.store.read("select attempt_id::varchar from core.open_fires where state = 'running'").rows
        ]


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    """The owner's writer, in this process."""
    (tmp_path / "inside").mkdir()
    made = Inside(tmp_path / "inside")
    yield made
    made.close()


@pytest.fixture
def clockwork(project: Project, store: Store) -> Iterator[Clockwork]:
    """A scheduler, its clock, and stubs that it runs."""
    made = Clockwork(project, store)
    yield made
    made.let_go()
