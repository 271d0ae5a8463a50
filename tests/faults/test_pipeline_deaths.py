"""However a step or its pipeline dies, all of it tells what happened, and resume runs only what is missing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

from nbops.execution import notebook as execution
from nbops.workspace._workspace import Workspace
from tests.conftest import Project, wait_until
from tests.pipelines.parts import Pipeline, ended, kill, stand

BEGUN = "import os, time\nif not os.path.exists('ok'): open('begun', 'w').close()"


class Way(NamedTuple):
    """A way to die: what the step does, and how step, class, pipeline and exit status stand then."""

    code: str
    step: str
    failure_class: str | None
    outcome: str
    exit: int


WAYS = {
    "kernel -9": Way("os.kill(os.getpid(), 9)", "failed", "kernel_death", "failed", 24),
    "runner -9": Way("time.sleep(60)", "lost", "kernel_death", "lost", -9),
    "SIGTERM": Way("time.sleep(60)", "stopped", None, "stopped", 130),
    "cell timeout": Way("time.sleep(60)", "failed", "timeout", "failed", 23),
    "memory limit": Way(
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32)); bytearray(2**33)", "failed", "resource", "failed", 22
    ),
    "exception": Way("1 / 0", "failed", "code_bug", "failed", 25),
    "disk full": Way("open('small/full', 'wb').write(bytes(2**22))", "failed", "resource", "failed", 22),
}  # fmt: skip
NEVER = ", ".join(f"{name}: {{retries: 0}}" for name in ("kernel_death", "timeout", "resource"))


@pytest.fixture
def place(project: Project) -> Iterator[Path]:
    """A folder of the project with a disk of one megabyte in it."""
    folder = project.folder / "steps"
    (folder / "small").mkdir(parents=True)
    (project.folder / "nbops.toml").touch()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder / "small")], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder / "small")], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a small disk, for which one has to be root")
@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(
    "turn", [pytest.param(0), *(pytest.param(turn, marks=pytest.mark.long) for turn in range(1, 20))]
)
def test_every_death_is_told_as_what_it_was(place: Path, project: Project, name: str, turn: int) -> None:
    way, rng = WAYS[name], random.Random(f"{name} {turn}")
    pipeline = Pipeline(place)
    pipeline.makes("a").makes("b", BEGUN, f"if not os.path.exists('ok'): {way.code}", reads="a").makes("c", reads="b")
    limit = "1 s" if name == "cell timeout" else "60 s"
    pipeline.operate(f"name: dying\ndefaults: {{cell_timeout: {limit}, heal: {{{NEVER}}}}}")
    process = pipeline.start(environ={"NBOPS_EXECUTION_FORK_SERVER": rng.choice(["true", "false"])})
    wait_until(lambda: (place / "begun").exists() or process.poll() is not None)
    time.sleep(rng.random() * 0.3)
    here = Workspace(project.settings())
    if name == "runner -9":
        kill(process)
        status = process.returncode
    else:
        if name == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        told = ended(process)
        status = told["status"]
        assert stand(told) == {"a": "finished", "b": way.step, "c": "blocked" if way.step == "failed" else "waiting"}
    runs = "select run_id::varchar, status, failure_class, exit_status from runs where ends_with(source, '/b.ipynb') order by start_time"
    wait_until(lambda: [row[1] for row in here.store.read(runs).rows] == [way.step])
    outcome = "select run_id::varchar, outcome from pipeline_runs"
    wait_until(lambda: here.store.read(outcome).rows[0][1] == way.outcome)
    ((run_id, _, failure_class, exit_status),) = here.store.read(runs).rows
    assert (status, failure_class) == (way.exit, way.failure_class)
    assert exit_status == (None if way.step == "lost" else way.exit)
    executed = nbformat.read(execution.executed(here.store, run_id), as_version=4)
    states = [cell.metadata.papermill.status for cell in executed.cells if "papermill" in cell.metadata]
    assert executed.metadata.papermill.exception is True
    assert "failed" in states
    assert set(states[states.index("failed") + 1 :]) <= {"pending"}
    assert "running" not in states
    (place / "ok").touch()
    done = pipeline.run(here.store.read(outcome).rows[0][0], command="resume")
    assert (done["outcome"], done["status"]) == ("done", 0), json.dumps(done)
    finished = here.store.read("select source from runs where status = 'finished' and ends_with(source, '.ipynb')").rows
    assert sorted(Path(row[0]).stem for row in finished) == ["a", "b", "c"]
    assert (place / "c.txt").read_text() == "a\nb\nc\n"
