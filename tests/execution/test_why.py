"""`nbops runs why` tells what made a run necessary, or would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from nbops.execution import notebook as execution
from nbops.execution.skipping import why
from nbops.execution.skipping.why import Why
from nbops.workspace._workspace import Workspace
from tests.conftest import Project

pytestmark = pytest.mark.usefixtures("quick")

PARAMETERS = 'data: "in" = "data.csv"\nalpha: float = 0.1\nout: "out" = "out.txt"'
WORK = 'import tool\nopen(out, "w").write(open(data).read())'


def write(folder: Path, *sources: str) -> Path:
    cells = [v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(v4.new_notebook(cells=cells), folder / "train.ipynb")
    return folder / "train.ipynb"


@pytest.fixture
def notebook(shared: Project, request: pytest.FixtureRequest) -> Path:
    (shared.folder / "nbops.toml").touch()
    folder = shared.folder / request.node.name
    folder.mkdir()
    (folder / "data.csv").write_text("1")
    (folder / "tool.py").write_text("")
    return write(folder, PARAMETERS, WORK)


def run(here: Workspace, notebook: Path, **options: object) -> str:
    return execution.execute(here.store, notebook, **options).run_id  # type: ignore[arg-type]  # as `execute` takes them


def told(here: Workspace, notebook: Path, **values: object) -> Why:
    return why.of_notebook(here.store, notebook, values)


def test_the_first_run_has_nothing_to_be_compared_with(here: Workspace, notebook: Path) -> None:
    assert told(here, notebook).because == ("no earlier run of this notebook finished",)
    found = why.of_run(here.store, run(here, notebook))
    assert (found.because, found.compared, found.never) == (("no earlier run of this notebook finished",), None, ())


def test_everything_that_changed_is_told_before_and_after(here: Workspace, notebook: Path) -> None:
    first = run(here, notebook)
    (notebook.parent / "data.csv").write_text("2")
    write(notebook.parent, PARAMETERS, WORK + "\n1", "2")
    expected = (
        "parameter alpha 0.1 -> 0.2",
        "cell 2 changed",
        "cell 3 is new",
        "input data.csv changed (sha256 d4735e3a)",
    )
    before = told(here, notebook, alpha=0.2)
    after = why.of_run(here.store, run(here, notebook, parameters={"alpha": 0.2}))
    assert (before.because, before.compared) == (expected, first)
    assert (after.because, after.compared) == (expected, first)


def test_modules_and_outputs_are_told(here: Workspace, notebook: Path) -> None:
    run(here, notebook)
    (notebook.parent / "tool.py").write_text("x = 1")
    (notebook.parent / "out.txt").unlink()
    place = notebook.parent.name
    expected = (f"{place}/tool.py changed", "output out.txt is gone")
    assert told(here, notebook).because == expected
    found = why.of_run(here.store, run(here, notebook))
    assert found.because == expected


def test_what_changed_before_the_run_that_it_is_compared_with_is_not_told(here: Workspace, notebook: Path) -> None:
    run(here, notebook)
    (notebook.parent / "tool.py").write_text("X = 1")
    second = run(here, notebook)
    (notebook.parent / "out.txt").unlink()
    found = told(here, notebook)
    assert (found.compared, found.because) == (second, ("output out.txt is gone",))


def test_who_overwrote_an_output_is_told(here: Workspace, notebook: Path) -> None:
    run(here, notebook)
    (notebook.parent / "data.csv").write_text("2")
    other = run(here, notebook)
    (notebook.parent / "data.csv").write_text("1")
    assert told(here, notebook).because == (f"output out.txt was overwritten by run {other[-8:]}",)


def test_force_and_undeclared_reads_are_told(here: Workspace, notebook: Path) -> None:
    (notebook.parent / "more.csv").write_text("1")
    write(notebook.parent, PARAMETERS, WORK, "open('more.csv').read()")
    run(here, notebook)
    read = f"it read {notebook.parent.name}/more.csv (cell 3) without declaring it"
    found = why.of_run(here.store, run(here, notebook, force=True))
    assert (found.because, found.never) == (("it was forced", read), (read,))
    assert told(here, notebook).because == (read,)


def test_what_declares_nothing_says_so(here: Workspace, notebook: Path) -> None:
    write(notebook.parent, "alpha = 1", "2")
    run(here, notebook)
    found = why.of_run(here.store, run(here, notebook))
    assert found.because == found.never == ("it declares neither inputs nor outputs",)


def test_a_failed_run_says_so(here: Workspace, notebook: Path) -> None:
    write(notebook.parent, PARAMETERS, "1 / 0")
    found = why.of_run(here.store, run(here, notebook))
    assert found.never == ("nothing is kept of what it depended on: it failed",)


def test_an_upgraded_package_is_told(here: Workspace, notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = run(here, notebook)
    kept = here.store.read("select parts from run_keys where run_id = ?", [run_id]).rows[0][0]
    known = json.loads(kept)["parts"]["distributions"]
    assert "ipykernel" in known
    from nbops.execution.skipping import packages

    monkeypatch.setattr(packages, "versions", lambda folders: {**known, "ipykernel": "99"})
    assert told(here, notebook).because == (f"ipykernel {known['ipykernel']} -> 99",)


def test_the_command_takes_a_run_a_notebook_or_nothing(here: Workspace, notebook: Path) -> None:
    run_id = run(here, notebook)

    def nbops(*words: object) -> str:
        command = [sys.executable, "-m", "nbops", "runs", "why", *map(str, words)]
        done = subprocess.run(command, cwd=notebook.parent, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    source = f"{notebook.parent.name}/train.ipynb"
    assert nbops() == nbops(run_id[-8:]) == (
        f"Run {run_id[-8:]} of {source} was executed because:\n- no earlier run of this notebook finished\n"
        "A later run is skipped for it if nothing changes.\n"
    )  # fmt: skip
    assert nbops(notebook).startswith(f"{source} would not be executed: run {run_id[-8:]} had the same")
    assert nbops("train.ipynb", "-p", "alpha", "0.5") == (
        f"{source} would be executed because:\n- parameter alpha 0.1 -> 0.5\nIt is compared with run {run_id[-8:]}.\n"
    )
    assert json.loads(nbops("train.ipynb", "--json"))["unchanged"] is True
