"""A sweep executes a notebook at many points: all is checked first, each point is a run, and what fails stops nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import v4

from nbops.workspace._workspace import Workspace
from tests.conftest import Project, wait_until

NBOPS = [sys.executable, "-m", "nbops"]


def write(path: Path, *cells: str, metrics: str = "mae = alpha") -> Path:
    """A notebook: the first cell has the parameters, the last one the metrics."""
    first, *rest = cells
    made = [v4.new_code_cell(first, metadata={"tags": ["parameters"]}), *map(v4.new_code_cell, rest)]
    made.append(v4.new_code_cell(metrics, metadata={"tags": ["metrics"]}))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(v4.new_notebook(cells=made), path)
    return path


def sweep(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NBOPS, "sweep", *map(str, words)], capture_output=True, text=True, timeout=240, check=False, **options
    )


def told(*words: object, **options: Any) -> dict[str, Any]:
    done = sweep(*words, "--json", **options)
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
    return found


@pytest.fixture(autouse=True)
def begun(here: Workspace) -> None:
    """The project is there, so that notebooks in its folders belong to it."""
    here.store.hello()


@pytest.fixture
def plain(here: Workspace, request: pytest.FixtureRequest) -> Path:
    """A notebook with a number and a whole number."""
    return write(here.project / request.node.name[:60] / "plain.ipynb", "alpha = 1.0  # 0..1000\ndepth = 3\nkind = 'a'")


# Points


def test_a_grid_runs_every_combination_as_children_of_one_run(here: Workspace, plain: Path) -> None:
    found = told(plain, "--grid", "alpha", "0.5,1,10", "--grid", "depth", "3,5", "-p", "kind", "b", "--lanes", 2)
    rows = here.search_runs(filter=f"parent_run_id = '{found['sweep_id']}'")
    expected = {(alpha, depth, "b") for alpha in (0.5, 1.0, 10.0) for depth in (3, 5)}
    assert {tuple(row) for row in rows[["params.alpha", "params.depth", "params.kind"]].to_numpy()} == expected
    assert set(rows["status"]) == {"finished"}
    assert rows.set_index("name")["params.alpha"].to_dict()["alpha=0.5 depth=3"] == 0.5
    parent = here.run(found["sweep_id"])
    assert (parent.status, parent.experiment, parent.params) == ("finished", "plain", {"kind": "b"})
    assert [point["name"] for point in found["points"]][:2] == ["alpha=0.5 depth=3", "alpha=0.5 depth=5"]


def test_a_point_that_fails_stops_no_other_and_gives_the_exit_status(here: Workspace) -> None:
    notebook = write(here.project / "fails.ipynb", "alpha = 1.0", "if alpha == 2: raise ValueError('two')")
    done = sweep(notebook, "--grid", "alpha", "1,2,3", "--output", here.project / "executed")
    assert done.returncode == 25
    assert "failed: alpha=2: ValueError: two" in done.stdout
    assert "2 finished, 1 failed" in done.stdout
    assert sorted(path.name for path in (here.project / "executed").iterdir()) == [
        f"fails-{n}.ipynb" for n in (1, 2, 3)
    ]
    executed = nbformat.read(here.project / "executed" / "fails-2.ipynb", as_version=4)
    assert executed.metadata.papermill.parameters == {"alpha": 2.0}
    assert executed.metadata.papermill.input_path == str(notebook)


def test_points_that_are_asked_for_twice_run_once(plain: Path) -> None:
    found = told(plain, "--grid", "alpha", "1,1.0,2")
    assert (len(found["points"]), found["dropped"]) == (2, 1)


def test_the_best_point_is_told_by_the_metric(plain: Path) -> None:
    found = told(plain, "--grid", "alpha", "3,1,2", "--metric", "mae", "--maximize")
    best = next(point for point in found["points"] if point["run_id"] == found["best"])
    assert (best["name"], best["value"]) == ("alpha=3", 3.0)


# Stopping


def test_ctrl_c_stops_what_runs_and_resume_runs_exactly_what_is_missing(here: Workspace) -> None:
    notebook = write(here.project / "stopped" / "slow.ipynb", "alpha = 1.0", "import time, pathlib\n"
                     "pathlib.Path('begun').touch() if alpha > 10 else None\n"
                     "time.sleep(60 if alpha > 10 and not pathlib.Path('quick').exists() else 0)")  # fmt: skip
    process = subprocess.Popen(
        [*NBOPS, "sweep", str(notebook), "--grid", "alpha", "1,2,30,3", "--lanes", "1"], stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    wait_until((notebook.parent / "begun").exists, 60)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "2 finished, 1 stopped: interrupted by SIGINT" in said
    sweep_id = said.split("--resume ")[1].split()[0]
    before = here.search_runs("slow", filter="status = 'finished'")["run_id"].tolist()
    stopped = here.search_runs("slow", filter="status = 'stopped' and name = 'alpha=30'")
    assert stopped["cause"].tolist() == ["interrupted by SIGINT"]
    assert here.run(sweep_id).status == "stopped"
    (notebook.parent / "quick").touch()
    found = told("--resume", sweep_id, cwd=here.project)
    assert [point["status"] for point in found["points"]] == ["finished"] * 4
    assert found["kept"] == 2
    assert here.run(sweep_id).status == "finished"
    after = here.search_runs("slow", filter="status = 'finished' and name != 'sweep alpha'")
    assert sorted(after["name"]) == ["alpha=1", "alpha=2", "alpha=3", "alpha=30"]
    assert set(before) <= set(after["run_id"])
