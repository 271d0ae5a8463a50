"""A kernel that holds more memory than it may is killed, and what is told says how much that was."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from nbops.data import spans
from nbops.errors import UsageError
from nbops.execution import memory, notebook
from nbops.workspace._workspace import Workspace
from tests.conftest import wait_until
from tests.pipelines.parts import NBOPS, Pipeline, stand

MANY = 400 * 2**20
NEVER = "defaults: {{memory: {memory}, heal: {{resource: {{retries: {retries}}}}}}}"
TOLD = r"it used \d+(\.\d+)? [MG]iB of the 300 MiB that pipeline.yaml allows"


def test_a_step_that_needs_more_memory_than_it_may_is_told_how_much(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("a", f"held = bytearray({MANY})\nimport time; time.sleep(30)").makes("b", reads="a")
    pipeline.operate(NEVER.format(memory="300 MiB", retries=0))
    began = time.monotonic()
    told = pipeline.run()
    assert time.monotonic() - began < 25
    assert (told["outcome"], told["status"], stand(told)) == ("failed", 22, {"a": "failed", "b": "blocked"})
    assert re.fullmatch(TOLD, told["tasks"]["a"]["sentence"])
    run_id = told["tasks"]["a"]["run_id"]
    assert here.store.read("select failure_class, exit_status from runs where run_id = ?", [run_id]).rows == [
        ["resource", 22]
    ]
    executed = nbformat.read(notebook.executed(here.store, run_id), as_version=4)
    assert executed.metadata.papermill.exception is True
    assert any(re.search(TOLD, str(output)) for cell in executed.cells for output in cell.get("outputs", ()))


def test_what_a_step_starts_counts_and_ends_with_it(pipeline: Pipeline) -> None:
    child = f"import os, time; open('pid', 'w').write(str(os.getpid())); held = bytearray({MANY}); time.sleep(60)"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}], start_new_session=True)"
    pipeline.makes("a", code).operate("steps: {a: {memory: 300 MiB, retries: 0}}")
    told = pipeline.run()
    assert re.fullmatch(TOLD, told["tasks"]["a"]["sentence"])
    pid = int((pipeline.folder / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text())


def test_a_step_with_enough_memory_runs_and_one_of_its_own_goes_before_all(pipeline: Pipeline) -> None:
    pipeline.makes("a", f"held = bytearray({MANY})").operate(
        "defaults: {memory: 300 MiB}\nsteps: {a: {memory: 2G, retries: 0}}"
    )
    assert pipeline.run()["outcome"] == "done"


def test_it_is_healed_as_any_lack_of_resources(pipeline: Pipeline) -> None:
    once = f"import os, time\nif not os.path.exists('once'):\n    open('once', 'w').close()\n    held = bytearray({MANY}); time.sleep(30)"
    pipeline.makes("a", once).operate(NEVER.format(memory="300 MiB", retries=1))
    told = pipeline.run()
    assert (told["outcome"], told["tasks"]["a"]["attempt"]) == ("healed", 2)


def test_memory_that_processes_share_counts_once(tmp_path: Path) -> None:
    code = (
        f"import os, time\nheld = bytearray({MANY})\n"
        "for _ in range(3):\n    if not os.fork(): time.sleep(60); os._exit(0)\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert len(memory.family(process.pid)) == 4
        assert memory.held(process.pid, 10 * MANY) > 3 * MANY
        assert MANY < memory.held(process.pid, 2 * MANY) < 1.5 * MANY
        os.killpg(process.pid, signal.SIGKILL)
    assert memory.held(process.pid, MANY) == 0


@pytest.mark.parametrize("forked", ["true", "false"])
def test_a_notebook_alone_may_have_a_limit_too(pipeline: Pipeline, forked: str) -> None:
    pipeline.makes("a", f"held = bytearray({MANY})\nimport time; time.sleep(30)")
    environ = {**os.environ, "NBOPS_EXECUTION_FORK_SERVER": forked}
    command = [*NBOPS, "run", "a.ipynb", "--memory", "300MiB"]
    done = subprocess.run(command, cwd=pipeline.folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 22
    assert re.search(r"it used .* of the 300 MiB that --memory allows", done.stdout)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("2 GiB", 2**31), ("2G", 2**31), ("500 MB", 5 * 10**8), ("512m", 2**29), ("1.5 GiB", 3 * 2**29)],
)
def test_memory_is_written_as_other_programs_write_it(text: str, wanted: int) -> None:
    assert spans.memory(text) == wanted


@pytest.mark.parametrize("text", ["2", "2 G B", "GiB", "2 iB", "-2G"])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no amount of bytes"):
        spans.memory(text)
