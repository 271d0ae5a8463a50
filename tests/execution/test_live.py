"""What other processes see of an execution, and how they stop it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nbops.errors import UsageError
from nbops.execution import live
from nbops.execution import notebook as execution
from nbops.store.places import user_name
from nbops.workspace._workspace import Workspace
from tests.conftest import Project, finish, wait_until
from tests.execution.test_notebook import NBOPS, write

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def running(here: Workspace, experiment: str) -> str:
    """The run of a notebook that was just begun."""
    wait_until(lambda: len(here.search_runs(experiment, filter="status = 'running'")), 60)
    return str(here.search_runs(experiment)["run_id"][0])


@pytest.mark.filterwarnings("ignore:Nothing has the experiment")
def test_another_process_reads_the_cell_its_line_and_what_it_takes_and_stops_it(
    shared: Project, here: Workspace
) -> None:
    code = "import time\nblock = bytearray(80_000_000)\n"
    code += "for n in range(600):\n    print('line', n, flush=True)\n    time.sleep(0.1)"
    path = write(shared.folder / "watched.ipynb", "1", "", code, "2")
    process = subprocess.Popen([*NBOPS, "run", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    run_id = running(here, "watched")
    # It may still be in its first cell.
    wait_until(lambda: (now := live.read(here.store.places.runs / run_id)) and now.cell == 2, 60)
    seen: list[live.State] = []
    follower = threading.Thread(target=lambda: seen.extend(live.follow(here.store, run_id, interval=0.1)))
    follower.start()
    wait_until(lambda: len(seen) > 2 and seen[-1].memory > 80_000_000, 60)
    told = subprocess.Popen(
        [*NBOPS, "runs", "show", run_id, "--follow"], cwd=shared.folder, stdout=subprocess.PIPE, text=True
    )
    assert told.stdout is not None
    assert told.stdout.readline().startswith("cell 2/3, ")
    stopped = subprocess.run(
        [*NBOPS, "runs", "stop", run_id], cwd=shared.folder, capture_output=True, text=True, check=True
    )
    assert stopped.stdout == f"stopping {run_id[-8:]}\n"
    assert process.communicate(timeout=60)[0].startswith("stopped")
    assert process.returncode == 130
    follower.join(60)
    assert not follower.is_alive()
    assert f"stopped by {user_name(os.getuid())}" in told.communicate(timeout=60)[0]
    # Whoever looks early sees the first cell, too.
    cells = [(state.cell, state.cells) for state in seen]
    assert cells == sorted(cells)
    assert set(cells) <= {(1, 3), (2, 3)}
    assert cells[-1] == (2, 3)
    # The first look may come before the first line.
    assert all(state.line.startswith("line ") for state in seen if state.line)
    assert seen[-1].line
    for cell in (1, 2):
        seconds = [state.seconds for state in seen if state.cell == cell]
        assert seconds == sorted(seconds)
    assert seen[-1].cpu > 0
    assert live.read(here.store.places.runs / run_id) is None


def test_a_second_interrupt_kills_a_cell_that_does_not_listen(shared: Project, here: Workspace, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    code = f"import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nopen({str(begun)!r}, 'w').close()\ntime.sleep(60)"
    path = write(shared.folder / "deaf.ipynb", code)
    process = subprocess.Popen([*NBOPS, "run", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    wait_until(begun.exists, 60)
    live.stop(here.store, running(here, "deaf"), kill=True)
    assert f"stopped by {user_name(os.getuid())}" in process.communicate(timeout=40)[0]
    assert process.returncode == 130


def test_what_is_not_executed_here_cannot_be_stopped(here: Workspace) -> None:
    with here.start_run("by hand") as run, pytest.raises(UsageError, match="is not being executed on"):
        live.stop(here.store, run.run_id)


def test_papermill_with_our_engine_makes_the_same_run(shared: Project, here: Workspace) -> None:
    path = write(
        shared.folder / "alike.ipynb",
        ("parameters", "n = 1"),
        "print(n)",
        ("metrics", "double = 2 * n"),
        kernelspec=KERNEL,
    )
    output = shared.folder / "out.ipynb"
    command = [
        sys.executable,
        "-m",
        "papermill",
        "--engine",
        "nbops",
        str(path),
        str(output),
        "-p",
        "n",
        "21",
        "--cwd",
        str(shared.folder),
    ]
    finish(subprocess.Popen(command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    outcome = execution.execute(here.store, path, parameters={"n": 21})
    assert outcome.status == "finished"
    frame = here.search_runs("alike")
    assert frame["status"].tolist() == ["finished"] * 2
    assert frame["metrics.double"].tolist() == [42.0, 42.0]
    assert frame["params.n"].tolist() == [21, 21]
    assert execution.executed(here.store, frame["run_id"][1]).read_bytes() == output.read_bytes()
