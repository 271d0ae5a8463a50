"""An unchanged run is not made again, and only such a one: whatever a run depends on makes a new run when it changes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import papermill
import pytest
from nbformat import v4

from nbops import times
from nbops.execution import notebook as execution
from nbops.execution.notebook import Outcome
from nbops.execution.skipping.finding import Kept, finder
from nbops.records import at
from nbops.store.client import Store
from nbops.tracking import runs
from nbops.tracking.recording import Recording
from nbops.workspace._workspace import Workspace
from tests.conftest import Project

pytestmark = pytest.mark.usefixtures("quick")

PARAMETERS = """
data: "in" = "data.csv"
alpha: float = 0.1
result: "out" = "result.txt"
"""
READS = 'import helper\nrows = open(data).read()\nopen(result, "w").write(rows * helper.TIMES)'


class Place:
    """A folder with a notebook that declares what it reads and writes, and a module."""

    def __init__(self, folder: Path, here: Workspace) -> None:
        self.folder = folder
        self.store = here.store
        folder.mkdir()
        (folder / "data.csv").write_text("1\n2\n")
        (folder / "helper.py").write_text("TIMES = 2\n")
        self.write(PARAMETERS, READS)

    def write(self, *sources: str, name: str = "notebook.ipynb", **metadata: Any) -> Path:
        """A notebook whose first cell is the one with the parameters."""
        cells = [v4.new_code_cell(source.strip()) for source in sources]
        cells[0].metadata["tags"] = ["parameters"]
        nbformat.write(v4.new_notebook(cells=cells, metadata=metadata), self.folder / name)
        return self.folder / name

    def run(self, name: str = "notebook.ipynb", *, status: str = "finished", **options: Any) -> Outcome:
        """Execute it, if need be; `options` are those of `execute`."""
        outcome = execution.execute(self.store, self.folder / name, **options)
        assert outcome.status == status, outcome.cause
        return outcome

    def kept(self, outcome: Outcome) -> Kept:
        """What is kept of a run."""
        text = self.store.read("select parts from run_keys where run_id = ?", [outcome.run_id]).rows[0][0]
        return msgspec.json.decode(text, type=Kept)

    def why_not(self, outcome: Outcome) -> str | None:
        """Why the run is never taken for another; None when it may be."""
        sql = "select skippable, reason from run_keys where run_id = ?"
        skippable, reason = self.store.read(sql, [outcome.run_id]).rows[0]
        assert skippable == (reason is None)
        return None if reason is None else str(reason)


@pytest.fixture
def place(shared: Project, here: Workspace, request: pytest.FixtureRequest) -> Iterator[Place]:
    folder = shared.folder / re.sub(r"\W+", "-", request.node.name)
    (shared.folder / "nbops.toml").touch()
    yield Place(folder, here)
    shutil.rmtree(folder)


def nbops(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nbops", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def count(store: Store) -> int:
    return int(store.read("select count(*) from runs").rows[0][0])


# Taken or made anew


def test_an_unchanged_run_is_taken_and_no_other_is_made(place: Place) -> None:
    first = place.run()
    before = count(place.store)
    again = place.run(output=place.folder / "out" / "executed.ipynb")
    assert (again.unchanged, again.run_id, again.exit, again.earlier > 0) == (True, first.run_id, 0, True)
    assert count(place.store) == before
    assert (place.folder / "out" / "executed.ipynb").read_bytes() == first.notebook.read_bytes()


def test_a_touched_input_is_the_same_input(place: Place) -> None:
    place.run()
    os.utime(place.folder / "data.csv")
    assert place.run().unchanged


def test_given_defaults_are_the_defaults(place: Place) -> None:
    place.run()
    assert place.run(parameters={"alpha": 0.1}).unchanged


def test_what_does_not_count_may_change(place: Place) -> None:
    place.run()
    path = place.folder / "notebook.ipynb"
    node = nbformat.read(path, as_version=4)
    node.cells.insert(0, v4.new_markdown_cell("# A title"))
    node.cells[1].id, node.cells[1].metadata["collapsed"] = "another", True
    node.cells[2].outputs = [v4.new_output("stream", text="seen")]
    node.cells[2].execution_count, node.cells[2].source = 7, node.cells[2].source.replace("\n", "   \n") + "\n\n"
    nbformat.write(node, path)
    assert place.run().unchanged


CHANGES: dict[str, Callable[[Place], object]] = {
    "input": lambda place: (place.folder / "data.csv").write_text("3\n"),
    "module": lambda place: (place.folder / "helper.py").write_text("TIMES = 3\n"),
    "code": lambda place: place.write(PARAMETERS, READS + "\n1"),
    "comment": lambda place: place.write(PARAMETERS, READS + "  # as it was"),
    "default": lambda place: place.write(PARAMETERS.replace("0.1", "0.2"), READS),
    "output gone": lambda place: (place.folder / "result.txt").unlink(),
    "output overwritten": lambda place: (place.folder / "result.txt").write_text("mine"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_it_depends_on_makes_a_new_run(what: str, place: Place) -> None:
    first = place.run()
    CHANGES[what](place)
    again = place.run()
    assert (again.unchanged, again.run_id != first.run_id) == (False, True)
    assert place.run().unchanged


def test_another_value_makes_a_new_run_and_the_old_one_is_still_known(place: Place) -> None:
    place.write('data: "in" = "data.csv"\nalpha: float = 0.1', "open(data).read()")
    first, second = place.run(), place.run(parameters={"alpha": 0.2})
    assert second.run_id != first.run_id
    assert place.run().run_id == first.run_id
    assert place.run(parameters={"alpha": 0.2}).run_id == second.run_id


def test_force_executes_it_anyway(place: Place) -> None:
    first = place.run()
    again = place.run(force=True)
    assert (again.unchanged, again.run_id != first.run_id, place.kept(again).forced) == (False, True, True)


def test_files_whose_place_others_take_are_not_read_by_it(place: Place) -> None:
    (place.folder / "other.csv").write_text("3\n")
    place.run()
    given = {"data": "other.csv", "result": "other.txt"}
    first = place.run(parameters=given)
    assert place.why_not(first) is None
    (place.folder / "data.csv").write_text("4\n")
    assert place.run(parameters=given).run_id == first.run_id
    place.write(PARAMETERS, READS, "open('data.csv').read()")
    assert "data.csv" in str(place.why_not(place.run(parameters=given)))


def test_a_notebook_that_declares_nothing_is_always_executed(place: Place) -> None:
    place.write("alpha = 1", "alpha + 1")
    first = place.run()
    assert not place.run().unchanged
    assert place.why_not(first) is None


def test_a_sweep_may_take_runs_of_a_notebook_that_declares_nothing(place: Place) -> None:
    path = place.write("alpha = 1", "alpha + 1")
    run = place.run(parameters={"alpha": 2})
    known = finder(place.store, path, declared_only=False)
    assert (known({"alpha": 2}), known({"alpha": 3})) == (run.run_id, None)
    assert finder(place.store, path)({"alpha": 2}) is None


def test_a_failed_run_is_never_taken(place: Place) -> None:
    place.write(PARAMETERS, READS + "\n1 / 0")
    place.run(status="failed")
    assert not place.run(status="failed").unchanged


def test_a_kernel_that_is_killed_leaves_no_key(place: Place) -> None:
    place.write(PARAMETERS, READS, "import os\nos.kill(os.getpid(), 9)")
    outcome = place.run(status="failed")
    assert outcome.exit == 24
    assert place.store.read("select * from run_keys where run_id = ?", [outcome.run_id]).rows == []


def test_an_input_that_changes_while_it_is_read_is_nothing_to_rely_on(place: Place) -> None:
    place.write(PARAMETERS, READS, 'open(data, "a").write("more")')
    assert place.why_not(place.run()) == "input data.csv changed while it ran"


def test_a_module_that_changes_while_it_is_used_is_nothing_to_rely_on(place: Place) -> None:
    place.write(PARAMETERS, READS, 'open("helper.py", "a").write("# more")')
    outcome = place.run()
    assert place.why_not(outcome) == f"{place.folder.name}/helper.py was written while it ran"


def test_a_notebook_that_is_saved_as_its_run_begins_is_nothing_to_rely_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = runs.begin_headless

    def begin_and_save(*arguments: Any, **options: Any) -> Recording:
        place.write(PARAMETERS, READS + "\n# more")
        return begin(*arguments, **options)

    monkeypatch.setattr(runs, "begin_headless", begin_and_save)
    assert place.why_not(place.run()) == "its notebook was saved as the run began"


def test_a_url_is_nothing_to_rely_on(place: Place) -> None:
    place.write('data: "in" = "https://example.org/a.csv"', "1")
    assert place.why_not(place.run()) == "whether https://example.org/a.csv changed cannot be known"
    assert not place.run().unchanged


@pytest.mark.parametrize("text", ["parts", "parts/*.csv", "**/*.csv"])
def test_a_folder_and_a_pattern_count_with_all_their_files(text: str, place: Place) -> None:
    (place.folder / "parts").mkdir()
    (place.folder / "parts" / "a.csv").write_text("1")
    place.write(f'data: "in" = "{text}"', "import glob\n[open(name).read() for name in glob.glob('parts/*')]")
    place.run()
    assert place.run().unchanged
    (place.folder / "parts" / "b.csv").write_text("1")
    assert not place.run().unchanged


def test_a_secret_counts_by_its_reference(
    place: Place, shared: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    notebook = f"{place.folder.name}/notebook.ipynb"
    settings = shared.folder / "nbops.toml"
    settings.write_text(f'[secrets.allow]\n"{notebook}" = ["one", "two"]\n')
    monkeypatch.setenv("NBOPS_SECRET_ONE", "value-of-one")
    monkeypatch.setenv("NBOPS_SECRET_TWO", "value-of-two")
    place.store = shared.store()
    place.write('data: "in" = "data.csv"\nkey: "secret" = "secret://one"', "len(key)")
    first = place.run()
    monkeypatch.setenv("NBOPS_SECRET_ONE", "another-value")
    assert place.run().unchanged
    assert not place.run(parameters={"key": "secret://two"}).unchanged
    assert place.kept(first).parts.parameters["key"] == "secret secret://one"
    place.write('data: "in" = "data.csv"\nkey: "secret" = "secret://two"', "open(key + '.x').read()")
    (place.folder / "value-of-two.x").touch()
    place.run()
    rows = place.store.read("select * from run_keys").rows
    assert "without declaring it" in str(rows)
    assert "value-of" not in str(rows)
    settings.write_text("")


def test_papermill_always_executes_and_keeps_the_key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.folder)
    kernel = {"name": "python3", "language": "python", "display_name": "Python"}
    place.write(PARAMETERS, READS, kernelspec=kernel)
    for _ in range(2):
        papermill.execute_notebook(
            "notebook.ipynb", "out.ipynb", {"alpha": 0.3}, engine_name="nbops", progress_bar=False
        )
    sql = "select count(*), count(distinct key) from run_keys where notebook = ? and skippable"
    name = f"{place.folder.name}/notebook.ipynb"
    assert place.store.read(sql, [name]).rows == [[2, 1]]
    assert place.run(parameters={"alpha": 0.3}).unchanged


MEETS = """
import glob, os, time
open(f"met-{os.getpid()}", "w").close()
while len(glob.glob("met-*")) < 2:
    time.sleep(0.02)
"""


def test_two_at_once_are_two_runs_of_one_key(place: Place) -> None:
    place.write('data: "in" = "data.csv"', f"open(data).read()\n{MEETS}")
    command = [sys.executable, "-m", "nbops", "run", str(place.folder / "notebook.ipynb"), "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ids = {json.loads(process.communicate(timeout=120)[0])["run_id"] for process in both}
    keys = place.store.read("select count(distinct key) from run_keys where run_id in (?, ?)", list(ids)).rows
    assert (len(ids), keys) == (2, [[1]])
    assert place.run().run_id in ids


# As a person sees it


def test_the_command_says_what_it_took(place: Place) -> None:
    first = place.run()
    words = ("run", place.folder / "notebook.ipynb")
    done = nbops(*words)
    assert done.returncode == 0, done.stderr
    began = times.minute(at(place.run().earlier))
    assert done.stdout.startswith(f"Unchanged: run {first.run_id[-8:]} of ")
    assert done.stdout.endswith(f"{began} had the same code, parameters and inputs; --force runs it again.\n")
    assert nbops(*words, "--detailed-exit-code").returncode == 12
    document = json.loads(nbops(*words, "--json").stdout)
    assert (document["unchanged"], document["run_id"], document["undeclared"]) == (True, first.run_id, [])
    assert nbops(*words, "--force", "--detailed-exit-code").returncode == 0


def test_the_command_says_what_to_declare(place: Place) -> None:
    (place.folder / "data").mkdir()
    (place.folder / "data" / "holidays.csv").write_text("x")
    place.write(PARAMETERS, READS, "open('data/holidays.csv').read()")
    done = nbops("run", place.folder / "notebook.ipynb")
    line = 'add `holidays: "in" = "data/holidays.csv"` to the parameters cell, and an unchanged run can be skipped.'
    told = f"It read {place.folder.name}/data/holidays.csv (cell 3) without declaring it: {line}"
    assert done.stdout.splitlines()[0] == told


def test_the_settings_allow_reads(place: Place, shared: Project) -> None:
    settings = shared.folder / "nbops.toml"
    settings.write_text(f'[execution]\nundeclared_reads = ["{place.folder.name}/*.yaml"]\n')
    place.store = shared.store()
    (place.folder / "all.yaml").write_text("x")
    place.write(PARAMETERS, READS, "open('all.yaml').read()")
    assert place.run().undeclared == ()
    assert place.run().unchanged
    settings.write_text("")


def test_a_run_that_was_interrupted_is_never_taken(place: Place) -> None:
    place.write(PARAMETERS, READS, "import time\nprint('now', flush=True)\ntime.sleep(60)")
    process = subprocess.Popen([sys.executable, "-m", "nbops", "run", place.folder / "notebook.ipynb"])
    sql = "select run_id::varchar from runs where status = 'running' and source = ?"
    name = f"{place.folder.name}/notebook.ipynb"
    while not place.store.read(sql, [name]).rows:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    place.write(PARAMETERS, READS)
    assert not place.run().unchanged
