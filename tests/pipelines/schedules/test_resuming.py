"""A fire that was interrupted goes on with its run, so that no step that has finished runs twice, even where nothing is skipped."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nbops.pipelines import releases
from nbops.pipelines.schedules import listing, scheduler
from nbops.pipelines.schedules.scheduler import Scheduler
from nbops.pipelines.schedules.spec import Spec
from nbops.store.client import Store
from tests.conftest import Project, wait_until
from tests.pipelines.parts import Pipeline

HOUR = timedelta(hours=1)
# By whole paths: a release runs elsewhere.
WAITS = "import os, time\nopen('{0}/begun', 'w').close()\nwhile not os.path.exists('{0}/go'): time.sleep(0.02)"


class Nightly:
    """A schedule of two steps that always run: the second one waits for a file."""

    def __init__(self, project: Project, store: Store) -> None:
        self.store = store
        self.folder = project.folder / "pipe"
        self.folder.mkdir()
        (project.folder / "nbops.toml").touch()
        self.waits = WAITS.format(self.folder)
        self.pipeline = Pipeline(self.folder).makes("a").makes("b", self.waits, reads="a")
        self.pipeline.operate("name: nightly\nsteps: {a: {skip: false}, b: {skip: false}}")
        self.now = datetime.now(UTC)

    def begin(self, **fields: object) -> None:
        """Schedule it, let it come to its second step, and kill all of it."""
        spec = Spec(target="pipe", every="1h", missed="all", **fields)  # type: ignore[arg-type]  # its own fields
        listing.put(self.store, "nightly", spec, now=self.now - HOUR)
        self.scheduler = Scheduler(self.store)
        assert self.scheduler.round(self.now).begun
        self.kill()

    def kill(self) -> None:
        """Once the second step waits, as when the power fails."""
        wait_until((self.folder / "begun").exists, 60)
        (self.folder / "begun").unlink()
        kill_fires(self.folder.parent)

    def settle(self) -> list[list[object]]:
        """Let it end; gives how its fires stand."""
        (self.folder / "go").touch()
        wait_until(lambda: not self.open(), 60)
        return self.store.read("select state, attempts, interrupted, outcome from fires order by nominal").rows

    def open(self) -> bool:
        """Whether something is left to be done; looks at it, too."""
        self.scheduler.round(self.now, plan=False)
        return bool(self.store.read("select 1 from core.open_fires").rows)

    def finished(self) -> list[str]:
        """The steps that ended well, once for each run that did."""
        sql = "select source from runs where status = 'finished' and ends_with(source, '.ipynb') order by source"
        return [Path(row[0]).stem for row in self.store.read(sql).rows]

    def runs(self) -> int:
        """How many runs of the pipeline there are."""
        return int(self.store.read("select count(*) from pipeline_runs").rows[0][0])


def kill_fires(project: Path) -> None:
    """Kill what schedules have begun in a project."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if b"NBOPS_FIRE=" in path.read_bytes() and (path.parent / "cwd").readlink().is_relative_to(
                project.resolve()
            ):
                os.kill(int(path.parent.name), signal.SIGKILL)


@pytest.fixture
def nightly(project: Project, store: Store) -> Nightly:
    return Nightly(project, store)


@pytest.mark.parametrize("released", [False, True])
def test_an_interrupted_fire_goes_on_and_runs_no_finished_step_twice(nightly: Nightly, released: bool) -> None:
    if released:
        releases.freeze(nightly.store, nightly.folder, "first")
    nightly.begin(working_tree=not released)
    assert nightly.settle() == [["done", 2, 1, "done"]]
    assert (nightly.finished(), nightly.runs()) == (["a", "b"], 1)
    assert nightly.pipeline.text("b") == "a\nb\n"
    rows = nightly.store.read("select state, run_id is not null from fire_attempts order by started").rows
    assert rows == [["interrupted", True], ["done", True]]
    assert nightly.store.read("select count(distinct run_id) from fire_attempts").rows == [[1]]


def test_one_that_is_interrupted_again_and_again_goes_on_with_the_same_run(nightly: Nightly) -> None:
    nightly.begin(working_tree=True, tries=9)
    for _ in range(2):
        wait_until(lambda: bool(nightly.scheduler.round(nightly.now, plan=False).begun), 60)
        nightly.kill()
    assert nightly.settle() == [["done", 4, 3, "done"]]
    assert (nightly.finished(), nightly.runs()) == (["a", "b"], 1)


def change(nightly: Nightly) -> None:
    nightly.pipeline.makes("c", reads="b")


def reschedule(nightly: Nightly) -> None:
    listing.put(
        nightly.store,
        "nightly",
        Spec(target="pipe", every="1h", missed="all", tries=8, working_tree=True),
        change=True,
        now=nightly.now,
    )


def release(nightly: Nightly) -> None:
    releases.freeze(nightly.store, nightly.folder, "first")
    listing.put(nightly.store, "nightly", Spec(target="pipe", every="1h", missed="all"), change=True, now=nightly.now)


@pytest.mark.parametrize("what", [change, reschedule, release])
def test_what_is_another_thing_by_now_is_begun_anew(nightly: Nightly, what: Callable[[Nightly], None]) -> None:
    nightly.begin(working_tree=True)
    what(nightly)
    assert nightly.settle()[0][:3] == ["done", 2, 1]
    assert (nightly.runs(), nightly.finished().count("a")) == (2, 2)


def test_a_forced_backfill_goes_on_with_what_it_has_begun(nightly: Nightly) -> None:
    (nightly.folder / "go").touch()
    listing.put(nightly.store, "nightly", Spec(target="pipe", every="1h", working_tree=True), now=nightly.now - HOUR)
    nominal = listing.stretch(
        listing.get(nightly.store, "nightly").spec,
        f"{(nightly.now - HOUR).isoformat()}..{nightly.now.isoformat()}",
        nightly.now,
    )
    working = Scheduler(nightly.store)
    first = scheduler.backfill(working, "nightly", nominal)
    assert [fire.state for fire in first] == ["done"]
    (nightly.folder / "go").unlink()
    (nightly.folder / "begun").unlink()

    def interrupt(fire: scheduler.Fire) -> None:
        if fire.state == "running" and not (nightly.folder / "go").exists():
            nightly.kill()
            (nightly.folder / "go").touch()

    again = scheduler.backfill(working, "nightly", nominal, force=True, watch=interrupt)
    assert [fire.state for fire in again] == ["done"]
    assert again[0].run_id != first[0].run_id
    assert (nightly.finished(), nightly.runs()) == (["a", "a", "b", "b"], 2)
