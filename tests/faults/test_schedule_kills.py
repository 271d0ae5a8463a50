"""kill -9 of schedulers and of what they run: each nominal time has one run that completed, and what was interrupted is known."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pytest

from nbops.pipelines.schedules import listing
from nbops.pipelines.schedules.spec import Spec
from nbops.store.client import Store
from tests.conftest import Project, wait_until
from tests.pipelines.parts import Pipeline

# The clock is an argument: each scheduler sees one minute more than the one before.
SCHEDULER = """
import sys, time
from datetime import datetime
import nbops
from nbops.pipelines.schedules.scheduler import Scheduler

now, stub = datetime.fromisoformat(sys.argv[1]), sys.argv[2]
command = (lambda spec, texts, force: [sys.executable, "-c", stub]) if stub else None
scheduler = Scheduler(nbops.open().store, parallel=2, command=command)
scheduler.beat("run")
print("works", flush=True)
while True:
    scheduler.round(now)
    time.sleep(0.02)
"""
# Lighter than a notebook, and as much of a run.
WORK = """
import json, os, time
import nbops

run = nbops.start_run("work", tags={"nbops.fire": os.environ["NBOPS_FIRE"].partition("@")[0]})
time.sleep(0.3)
run.end()
print(json.dumps({"run_id": run.run_id, "status": "finished", "exit": 0}), flush=True)
"""
COMPLETED = """
    select f.nominal, f.state, f.attempts, f.interrupted, count(r.run_id) filter (where r.status = 'finished')
    from fires f left join fire_attempts a on a.schedule_id = f.schedule_id and a.nominal = f.nominal
    left join tags t on t.key = 'nbops.fire' and t.value = a.attempt_id::varchar
    left join runs r on r.run_id = t.run_id
    group by all order by f.nominal
"""

# For each time: how many steps ended well, and how many runs of steps did.
STEPS = """
    select p.nominal, count(distinct r.source), count(r.run_id)
    from pipeline_runs p left join runs r on r.parent_run_id = p.run_id and r.status = 'finished' group by p.nominal order by p.nominal
"""


def processes(project: Project, *, kernels: bool) -> list[int]:
    """The keepers and what they run, with or without the kernels of that: a run whose kernel alone is killed has failed, and says so."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            cwd = (path.parent / "cwd").readlink()
            mine = b"NBOPS_FIRE=" in path.read_bytes() and cwd.is_relative_to(project.folder.resolve())
            if mine and (kernels or b"ipykernel" not in (path.parent / "cmdline").read_bytes()):
                found.append(int(path.parent.name))
    return found


def kill(project: Project, scheduler: subprocess.Popen[str], chance: random.Random, *, everything: bool) -> None:
    """The scheduler; now and then with what it runs, as when the power fails, or with one of those processes alone."""
    if everything:
        wait_until(lambda: processes(project, kernels=False))
    scheduler.kill()
    scheduler.wait()
    everything = everything or chance.random() < 0.3
    victims = processes(project, kernels=everything)
    if victims and (everything or chance.random() < 0.4):
        for pid in victims if everything else [chance.choice(victims)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def storm(
    project: Project, store: Store, kills: int, pause: float, stub: str, *, begun: datetime, seed: int
) -> datetime:
    """Kill schedulers until it is enough, and let the last one finish; gives the last moment that it saw."""
    chance = random.Random(seed)
    now = begun
    for number in range(kills):
        now += timedelta(minutes=1)
        scheduler = project.start(SCHEDULER, now.isoformat(), stub)
        assert scheduler.stdout is not None
        assert scheduler.stdout.readline() == "works\n"
        # What the first one begins is killed with it, before that is over.
        time.sleep(chance.random() * pause if number else 0)
        assert scheduler.poll() is None, scheduler.communicate()[1]
        kill(project, scheduler, chance, everything=number == 0)
    project.start(SCHEDULER, now.isoformat(), stub)
    done = "select count(*) filter (where state = 'done') from fires"
    wait_until(lambda: store.read(done).rows == [[kills]], 900)
    return now


def check(store: Store, begun: datetime, last: datetime) -> int:
    """Every nominal time is there, done once; gives how many attempts were interrupted."""
    expected = list(listing.get(store, "work").spec.calendar().between(begun, last))
    rows = store.read(COMPLETED).rows
    assert [row[0] for row in rows] == [one.replace(tzinfo=None).isoformat() for one in expected]
    assert {(state, completed) for _, state, _, _, completed in rows} == {("done", 1)}
    assert [attempts - interrupted for _, _, attempts, interrupted, _ in rows] == [1] * len(rows)
    assert store.read("select count(*) from fire_attempts where ended is null").rows == [[0]]
    return sum(int(row[3]) for row in rows)


def patient(target: str, *, working_tree: bool = False) -> Spec:
    return Spec(
        target=target, every="1m", missed="all", limit=1000, overlap="queue", tries=100, working_tree=working_tree
    )


@pytest.mark.parametrize(
    ("kills", "seed"), [(8, 1), *(pytest.param(100, seed, marks=pytest.mark.long) for seed in (2, 3))]
)
def test_killed_schedulers_leave_one_completed_run_for_each_time(project: Project, kills: int, seed: int) -> None:
    store = project.store()
    (project.folder / "work.ipynb").touch()
    begun = datetime.now(UTC)
    listing.put(store, "work", patient("work.ipynb"), now=begun)
    last = storm(project, store, kills, 0.6, WORK, begun=begun, seed=seed)
    assert check(store, begun, last) > 0


@pytest.mark.long
def test_killed_schedulers_of_notebooks_leave_one_completed_run_for_each_time(project: Project) -> None:
    store = project.store()
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    nbformat.write(made, project.folder / "work.ipynb")
    begun = datetime.now(UTC)
    listing.put(store, "work", patient("work.ipynb"), now=begun)
    last = storm(project, store, 200, 2.5, "", begun=begun, seed=4)
    assert check(store, begun, last) > 0


@pytest.mark.parametrize(
    ("kills", "seed"), [(4, 7), *(pytest.param(50, seed, marks=pytest.mark.long) for seed in (6, 8))]
)
def test_killed_schedulers_of_pipelines_run_no_finished_step_twice(project: Project, kills: int, seed: int) -> None:
    store = project.store()
    (project.folder / "nbops.toml").touch()
    (project.folder / "work").mkdir()
    pipeline = Pipeline(project.folder / "work").makes("a").makes("b", "import time; time.sleep(2)", reads="a")
    pipeline.operate("name: work\nsteps: {a: {skip: false}, b: {skip: false}}")
    begun = datetime.now(UTC)
    listing.put(store, "work", patient("work", working_tree=True), now=begun)
    last = storm(project, store, kills, 4.0, "", begun=begun, seed=seed)
    assert check(store, begun, last) > 0
    finished = store.read(STEPS).rows
    assert len(finished) == kills
    assert {(steps, executed) for _, steps, executed in finished} == {(2, 2)}
