"""A notebook that `nbops run` executes is a run whose status, parameters, metrics and place in the family are true, however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbformat import v4

from nbops.errors import NotFound, ParameterError, UsageError
from nbops.execution import notebook as execution
from nbops.execution import reading
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace
from tests.conftest import Project, wait_until

NBOPS = [sys.executable, "-m", "nbops"]


def write(path: Path, *cells: str | tuple[str, str], **metadata: Any) -> Path:
    """A notebook of code cells; one with a tag is a pair of the tag and its code."""
    made = []
    for cell in cells:
        tag, source = cell if isinstance(cell, tuple) else ("", cell)
        made.append(v4.new_code_cell(source.strip(), metadata={"tags": [tag] if tag else []}))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(v4.new_notebook(cells=made, metadata=metadata), path)
    return path


def shell(*command: object, cwd: Path | str | None = None, bare: bool = False) -> subprocess.CompletedProcess[str]:
    """A command as a person types it, or with an empty environment as cron starts it."""
    environ = {"PATH": os.defpath, "HOME": os.environ["HOME"]} if bare else dict(os.environ)
    return subprocess.run(
        [*NBOPS, *map(str, command)], cwd=cwd, env=environ, capture_output=True, text=True, timeout=120, check=False
    )


def count(here: Workspace) -> int:
    return int(here.store.read("select count(*) from core.runs").rows[0][0])


# One notebook that does everything, executed once as cron would

FAMILY = """
import multiprocessing, subprocess, sys

BEGIN = "import nbops; nbops.start_run({!r}).end()"
subprocess.run([sys.executable, "-c", BEGIN.format("of a subprocess")], check=True)

def work():
    import nbops
    nbops.start_run("of a worker").end()

worker = multiprocessing.get_context("fork").Process(target=work)
worker.start()
worker.join()
subprocess.run([sys.executable, "-m", "nbops", "run", "nested.ipynb"], check=True, capture_output=True)
with nbops.start_run("of the notebook"):
    nbops.log_metric("inner", 1)
"""
CELLS: list[str | tuple[str, str]] = [
    (
        "parameters",
        """
%matplotlib inline
# Everything here may be set from outside.
data: "in" = "numbers.csv"      # beside the notebook
depth: int | None = None
rate: float = 0.1
url = "http://example.org/?a=b#c"
names = [
    "a",   # one a line
    "b",
]
twice = 2 * 3
code = "007"
flag = False
time = "9:00"
        """,
    ),
    "rows = [int(line) for line in open(data)]\nprint(sum(rows), repr((depth, rate, names, code, flag, time)))",
    (
        "metrics",
        """
import numpy as np
total = sum(rows)
mean, spread = np.mean(rows), np.float32(0.5)
total += 1
nothing = float("nan")
single = np.array(3)
good, also_good, word, several, _hidden = True, np.bool_(True), "12", np.array([1, 2]), 5
        """,
    ),
    """
import nbops
run = nbops.start_run("family", name="whole", params={"rate": 0.5, "own": "x"}, tags={"team": "crm"})
run.log_metric("joined", 1)
    """,
    FAMILY,
    "run.end()\nrun.log_metric('late', 2)",
]


@pytest.fixture(scope="module")
def whole(shared: Project, here: Workspace) -> tuple[Run, dict[str, Any]]:
    """The run of the notebook above, and what the command printed."""
    folder = shared.folder / "notebooks"
    (folder / "deep").mkdir(parents=True)
    (folder / "numbers.csv").write_text("1\n2\n3\n")
    (folder / "p.yaml").write_text("depth: 1\nrate: 0.2\nflag: true\n")
    (shared.folder / "nbops.toml").touch()
    write(folder / "nested.ipynb", ("metrics", "one = 1"))
    write(folder / "whole.ipynb", *CELLS)
    done = shell(
        "run", folder / "whole.ipynb", folder / "out" / "whole.ipynb", "--html", folder / "pages" / "whole.html", "--json",
        "-f", folder / "p.yaml", "-y", "rate: 0.3", "-y", "{names: [x]}", "-p", "depth", 8, "-p", "time", "12:30", "-r", "code", "0042",
        cwd="/", bare=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    return here.run(document["run_id"]), document


def test_a_notebook_that_is_executed_logs_to_its_own_run_without_beginning_one(
    here: Workspace, shared: Project
) -> None:
    path = write(
        shared.folder / "plain.ipynb",
        ("metrics", "import nbops\nnbops.log_metric('mae', 3)"),
        ("more", "nbops.log_metrics({'mae': 2.5, 'rows': 10})\nnbops.set_tag('of', 'it')"),
    )
    document = json.loads(shell("run", path, "--json", cwd=shared.folder).stdout)
    run = here.run(document["run_id"])
    assert (run.status, run.metrics, run.tags["of"]) == ("finished", {"mae": 2.5, "rows": 10}, "it")
    assert here.sql("select count(*) as runs from runs where parent_run_id = ?", [run.run_id])["runs"].item() == 0


def test_the_outcome_is_one_document(whole: tuple[Run, dict[str, Any]], shared: Project) -> None:
    run, document = whole
    folder = shared.folder / "notebooks"
    assert {name: document[name] for name in ("run_id", "status", "cause", "exit")} == {
        "run_id": run.run_id, "status": "finished", "cause": None, "exit": 0,
    }  # fmt: skip
    assert (document["notebook"], document["html"]) == (
        str(folder / "out" / "whole.ipynb"),
        str(folder / "pages" / "whole.html"),
    )
    assert document["seconds"] > 0


def test_parameters_come_from_files_then_yaml_then_words(whole: tuple[Run, dict[str, Any]]) -> None:
    executed = nbformat.read(whole[1]["notebook"], as_version=4)
    printed = "".join(
        output["text"]
        for cell in executed.cells[2:4]
        for output in cell.get("outputs", [])
        if output.get("name") == "stdout"
    )
    assert printed == "6 (8, 0.3, ['x'], '0042', True, '12:30')\n"
    assert executed.metadata.papermill.parameters == {
        "depth": 8,
        "rate": 0.3,
        "flag": True,
        "names": ["x"],
        "time": "12:30",
        "code": "0042",
    }


def test_the_run_has_every_parameter_with_what_the_kernel_added(
    whole: tuple[Run, dict[str, Any]], here: Workspace
) -> None:
    assert whole[0].params == {
        "data": "numbers.csv", "depth": 8, "rate": 0.5, "url": "http://example.org/?a=b#c", "names": ["x"], "twice": "2 * 3",
        "code": "0042", "flag": True, "time": "12:30", "own": "x",
    }  # fmt: skip
    revised = here.sql("select key from params where run_id = ? and revisions > 0", [whole[0].run_id])["key"].tolist()
    assert revised == ["rate"]


def test_a_tagged_cell_gives_its_numbers_as_metrics_without_an_import(whole: tuple[Run, dict[str, Any]]) -> None:
    found = whole[0].metrics
    assert repr(found.pop("nothing")) == "nan"
    assert found == {"total": 7.0, "mean": 2.0, "spread": 0.5, "single": 3.0, "joined": 1.0, "late": 2.0}


def test_the_kernel_joined_the_run_which_its_runner_ended(whole: tuple[Run, dict[str, Any]]) -> None:
    info = whole[0].info
    assert (info.experiment, info.name, info.status, info.source) == (
        "family",
        "whole",
        "finished",
        "notebooks/whole.ipynb",
    )
    assert info.environment
    assert whole[0].tags == {"team": "crm"}


def test_only_runs_of_the_kernel_itself_and_nested_notebooks_are_children(
    whole: tuple[Run, dict[str, Any]], here: Workspace
) -> None:
    found = here.search_runs(["of a subprocess", "of a worker", "of the notebook", "nested"]).set_index("experiment")
    assert found["parent_run_id"].fillna("").to_dict() == {
        "of a subprocess": "", "of a worker": "", "of the notebook": whole[0].run_id, "nested": whole[0].run_id,
    }  # fmt: skip
    assert set(found["status"]) == {"finished"}
    assert here.run(found["run_id"]["nested"]).metrics == {"one": 1.0}


def test_the_page_tells_the_run_and_runs_nothing(whole: tuple[Run, dict[str, Any]]) -> None:
    page = Path(whole[1]["html"]).read_text(encoding="utf-8")
    assert whole[0].run_id in page
    assert "<script" not in page.lower()
    for words in ("family", "depth", "12:30", "finished"):
        assert words in page


def test_the_executed_notebook_is_kept_with_the_run_too(whole: tuple[Run, dict[str, Any]], here: Workspace) -> None:
    kept = execution.executed(here.store, whole[0].run_id)
    assert kept.read_bytes() == Path(whole[1]["notebook"]).read_bytes()
    with pytest.raises(NotFound, match="has no executed notebook"), here.start_run("bare") as run:
        execution.executed(here.store, run.run_id)


# The ways to end


def test_a_cell_that_fails_is_told_by_number(here: Workspace, tmp_path: Path) -> None:
    # No kernel is named: as notebooks are that were made by a program.
    path = write(tmp_path / "failing.ipynb", "x = 1", "raise ValueError('no rows\\nat all')", "x = 2")
    outcome = execution.execute(here.store, path, tmp_path / "out.ipynb")
    assert (outcome.status, outcome.cause, outcome.code) == ("failed", "ValueError: no rows (cell [2])", "execution")
    info = here.run(outcome.run_id).info
    assert (info.status, info.cause, info.experiment) == ("failed", outcome.cause, "failing")
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert [cell.execution_count for cell in executed.cells if cell.cell_type == "code"] == [1, 2, None]
    assert executed.metadata.language_info.name == "python"


def test_a_kernel_that_dies_is_told(here: Workspace, tmp_path: Path) -> None:
    path = write(
        tmp_path / "dying.ipynb",
        "import nbops, os\nrun = nbops.start_run()\nrun.log_metric('m', 1)\nrun.flush()\nos._exit(3)",
    )
    outcome = execution.execute(here.store, path)
    assert (outcome.status, outcome.code) == ("failed", "execution.kernel")
    run = here.run(outcome.run_id)
    assert (run.status, run.metrics) == ("failed", {"m": 1.0})
    assert re.fullmatch(r"the kernel exited with status 3, \d+\.\d [MG]B of memory at its peak", run.info.cause or "")


def test_what_a_kernel_took_is_told_by_the_run_and_by_each_cell(here: Workspace, tmp_path: Path) -> None:
    path = write(
        tmp_path / "busy.ipynb",
        "import time\ntime.sleep(0.2)",
        "held = bytearray(300_000_000)\nend = time.process_time() + 1\nwhile time.process_time() < end: pass",
    )
    outcome = execution.execute(here.store, path)
    ((peak, cpu),) = here.store.read(
        "select peak_memory, cpu_seconds from runs where run_id = ?", [outcome.run_id]
    ).rows
    assert peak > 300_000_000
    assert 1 < cpu < 30
    cells = [cell.metadata.nbops for cell in nbformat.read(outcome.notebook, as_version=4).cells]
    assert [cell.cpu_seconds > 0.9 for cell in cells] == [False, True]
    assert [cell.memory_bytes > 300_000_000 for cell in cells] == [False, True]


@pytest.mark.parametrize("timeout", [1, 0.5], ids=["a second", "a fraction, up to the next second"])
def test_a_cell_that_takes_too_long_is_stopped(here: Workspace, tmp_path: Path, timeout: float) -> None:
    path = write(tmp_path / "slow.ipynb", "import time\ntime.sleep(60)")
    outcome = execution.execute(here.store, path, timeout=timeout)
    assert (outcome.status, outcome.cause, outcome.code) == (
        "failed",
        "timeout after 1 s",
        "execution.timeout",
    )
    assert outcome.seconds < 30


def test_a_scheduler_that_gives_up_stops_the_run(shared: Project, here: Workspace, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    path = write(shared.folder / "stopped.ipynb", f"open({str(begun)!r}, 'w').close()\nimport time\ntime.sleep(60)")
    process = subprocess.Popen([*NBOPS, "run", str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    wait_until(begun.exists, seconds=60)
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    info = here.run(here.search_runs("stopped")["run_id"][0]).info
    assert (info.status, info.cause) == ("stopped", "interrupted by SIGTERM")
    assert told.startswith(f"stopped {info.run_id[-8:]} stopped.ipynb")


def test_an_unknown_kernel_is_told_with_those_that_exist(shared: Project, here: Workspace) -> None:
    path = write(
        shared.folder / "kernel.ipynb",
        "x = 1",
        kernelspec={"name": "julia-9", "display_name": "Julia", "language": "python"},
    )
    page = shared.folder / "never.html"
    done = shell("run", path, "--html", page)
    assert done.returncode == 26
    assert "there is no kernel 'julia-9' here; there are: python3" in done.stdout
    assert here.search_runs("kernel")["status"].tolist() == ["failed"]
    assert not page.exists()


@pytest.mark.parametrize(
    ("ends", "status", "failure_class", "told"),
    [
        ("kill -9 $$", 24, "kernel_death", "the kernel was killed by SIGKILL"),
        ("kill -11 $$", 24, "kernel_death", "the kernel was killed by SIGSEGV"),
        ("echo No module named ipykernel >&2; exit 1", 26, "environment", "Kernel died before replying"),
    ],
)
def test_a_kernel_that_is_killed_before_it_answers_has_died_and_one_that_leaves_is_unfit(
    here: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends: str,
    status: int,
    failure_class: str,
    told: str,
) -> None:
    folder = tmp_path / "kernels" / "short"
    folder.mkdir(parents=True)
    spec = {"argv": ["sh", "-c", ends, "{connection_file}"], "display_name": "Short", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    path = write(
        tmp_path / "short.ipynb", "x = 1", kernelspec={"name": "short", "display_name": "Short", "language": "python"}
    )
    done = execution.execute(here.store, path)
    assert (done.exit, done.failure_class) == (status, failure_class)
    assert told in (done.cause or "")


# What is refused before a run begins


def test_an_unknown_parameter_is_refused_naming_the_nearest(here: Workspace, tmp_path: Path) -> None:
    before = count(here)
    path = write(
        tmp_path / "known.ipynb",
        ("parameters", "alpha = 1\ndepth: int | None = None\nregion: str\na, b = 1, 2"),
        "x = 1",
    )
    with pytest.raises(
        ParameterError, match=r"Unknown parameter 'alhpa' for known\.ipynb\. Known: alpha, depth, region, a, b\."
    ) as caught:
        execution.execute(here.store, path, parameters={"alhpa": 2, "region": "eu"})
    assert caught.value.hint == "Did you mean 'alpha'?"
    bare = write(tmp_path / "bare.ipynb", "x = 1")
    with pytest.raises(ParameterError, match="has no parameters") as none:
        execution.execute(here.store, bare, parameters={"x": 2})
    assert "'parameters'" in none.value.hint
    assert count(here) == before


def test_a_notebook_that_is_being_saved_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "saved.ipynb", "x = 1")
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    rest = threading.Timer(0.3, lambda: path.write_text(whole))
    rest.start()
    assert reading.read(path).cells[0].source == "x = 1"
    rest.join()


def test_parameters_of_a_language_that_is_not_read_are_passed_on(here: Workspace, tmp_path: Path) -> None:
    path = write(tmp_path / "r.ipynb", ("parameters", "depth <- 1"), language_info={"name": "R"})
    outcome = execution.execute(here.store, path, parameters={"depth": 2}, kernel="no-r-here")
    assert outcome.code == "execution.environment"
    assert here.run(outcome.run_id).params == {"depth": 2}


@pytest.mark.parametrize("content", ["", "{}", "[]", "x = 1", '{"cells": 3}', "\0\1"])
def test_what_is_no_notebook_is_refused(here: Workspace, tmp_path: Path, content: str) -> None:
    before = count(here)
    (tmp_path / "broken.ipynb").write_text(content)
    with pytest.raises(UsageError, match=r"broken\.ipynb is not a notebook"):
        execution.execute(here.store, tmp_path / "broken.ipynb")
    assert count(here) == before


def test_a_missing_notebook_is_told_with_its_nearest_neighbour(here: Workspace, tmp_path: Path) -> None:
    before = count(here)
    write(tmp_path / "train.ipynb", "x = 1")
    with pytest.raises(NotFound, match=r"no notebook 'tran\.ipynb' in /") as caught:
        execution.execute(here.store, tmp_path / "tran.ipynb")
    assert caught.value.hint == "Did you mean 'train.ipynb'?"
    with pytest.raises(NotFound, match="no notebook"):
        execution.execute(here.store, tmp_path)
    assert count(here) == before


def test_an_output_that_cannot_be_written_is_refused_before_the_work(here: Workspace, tmp_path: Path) -> None:
    before = count(here)
    path = write(tmp_path / "train.ipynb", "x = 1")
    for output, message in ((tmp_path, "is a folder"), (path / "out.ipynb", "cannot be written")):
        with pytest.raises(UsageError, match=message):
            execution.execute(here.store, path, output)
    assert count(here) == before


# Where it runs


def test_one_notebook_reaches_one_store_from_anywhere(shared: Project, here: Workspace) -> None:
    path = write(shared.folder / "notebooks" / "deep" / "anywhere.ipynb", "x = 1")
    places: list[tuple[Path, Path]] = [
        (Path("/"), path),
        (path.parent, Path(path.name)),
        (shared.folder, path.relative_to(shared.folder)),
    ]
    for cwd, spelled in places:
        # A kernel that does not exist: what matters is where the run is written.
        assert shell("run", spelled, "-k", "none", cwd=cwd, bare=True).returncode == 26
    found = here.search_runs("anywhere")
    assert found["source"].tolist() == ["notebooks/deep/anywhere.ipynb"] * 3


# A kernel that a person works in


def test_a_cell_that_is_run_again_ends_the_run_that_it_began(shared: Project, here: Workspace) -> None:
    environ = {**os.environ, "JPY_SESSION_NAME": "work/explore.ipynb"}
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(shared.folder), env=environ)
    session = client.session

    def cell(cell_id: str, code: str) -> str:
        """Run a cell as JupyterLab sends it; gives the reply's status."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        message = session.msg("execute_request", content, metadata={"cellId": cell_id})
        client.shell_channel.send(message)
        while True:
            reply = client.get_shell_msg(timeout=60)
            if reply["parent_header"]["msg_id"] == message["header"]["msg_id"]:
                return str(reply["content"]["status"])

    def states() -> list[tuple[str, str | None, dict[str, float]]]:
        runs = [here.run(run_id) for run_id in here.search_runs("explore", order_by="start_time")["run_id"]]
        return [(run.status, run.info.cell, run.metrics) for run in runs]

    try:
        assert cell("first", "import nbops\nrun = nbops.start_run()\nrun.log_metric('m', 1)") == "ok"
        assert states() == [("running", "first", {"m": 1.0})], "the end of a cell sends what was logged"
        assert cell("second", "run.log_metric('m', 2)") == "ok"
        assert cell("first", "# changed\nrun = nbops.start_run()\nrun.log_metric('m', 3)") == "ok"
        assert states() == [("finished", "first", {"m": 2.0}), ("running", "first", {"m": 3.0})]
        assert cell("third", "other = nbops.start_run(name='other')") == "ok"
        assert cell("fourth", "nbops.log_metric('m', 4)") == "error"
        assert cell("third", "other.end()\nnbops.log_metric('m', 5)") == "ok"
        assert cell("fifth", "raise RuntimeError('gave up')") == "error"
        client.shutdown()
        wait_until(lambda: not manager.is_alive(), seconds=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert states() == [("finished", "first", {"m": 2.0}), ("failed", "first", {"m": 5.0}), ("finished", "third", {})]
    failed = here.search_runs("explore", filter="status = 'failed'")
    assert failed["cause"].tolist() == ["RuntimeError: gave up"]
    assert failed["source"].tolist() == ["explore.ipynb"]
