"""Every way in which an execution can die, at every cell: the store and the notebook tell the same truth, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from nbformat import v4

from nbops.execution import notebook as execution
from nbops.execution.execution import journals
from tests.conftest import Project, is_running, wait_until

CELLS = 5
# What is written stays, so everything that follows finds the disk full too.
FILLS = """
with open('fill', 'wb') as file:
    for size in (1 << 20, 1 << 12, 1):
        try:
            while True:
                file.write(bytes(size)); file.flush()
        except OSError as error:
            full = error
raise full
"""
SLEEPS = "open('begun', 'w').close(); import time; time.sleep(60)"


class Way(NamedTuple):
    """How the cell is brought to its end: its code, the signal to the runner, and what must be told."""

    code: str
    status: str
    cause: str
    output: str
    exit: int
    kill: signal.Signals | None = None
    options: tuple[str, ...] = ()


WAYS = {
    "exception": Way("raise ValueError('wrong')", "failed", "ValueError: wrong (cell [{n}])", "ValueError", 25),
    "kernel exits": Way("import os; os._exit(3)", "failed", "the kernel exited with status 3", "KernelDied", 24),
    "kernel killed": Way(
        "import os; os.kill(os.getpid(), 9)", "failed", "the kernel was killed by SIGKILL", "KernelDied", 24
    ),
    "cell timeout": Way(SLEEPS, "failed", "timeout after 1 s", "CellTimeout", 23, options=("--execution-timeout", "1")),
    "disk full": Way(FILLS, "failed", "OSError: [Errno 28] No space left on device", "OSError", 22),
    "SIGINT": Way(SLEEPS, "stopped", "interrupted by SIGINT", "KeyboardInterrupt", 130, signal.SIGINT),
    "SIGTERM": Way(SLEEPS, "stopped", "interrupted by SIGTERM", "KeyboardInterrupt", 130, signal.SIGTERM),
    "SIGKILL": Way(SLEEPS, "lost", "ended without closing the run", "RunLost", -9, signal.SIGKILL),
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small disk of its own, where that is possible."""
    point = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(point)]
    mounted = os.getuid() == 0 and subprocess.run(mount, check=False).returncode == 0
    yield point
    if mounted:
        subprocess.run(["umount", "-l", str(point)], check=True)


@pytest.fixture(scope="module")
def there(disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose owner looks often for dead runners."""
    made = Project(disk / "matrix")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBOPS_STORE_IDLE_MINUTES", "0.02")
        # What has no room in the project goes there; this process looks there too.
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield made
        made.close()


def notebook(way: Way, at: int, folder: Path) -> Path:
    """A notebook of five cells that each print their number and where they run; one of them meets its fate."""
    cells = [
        f"import os; open('pids', 'a').write(f'{{os.getpid()}}\\n'); print('done {n}')" if n != at else way.code
        for n in range(CELLS)
    ]
    path = folder / "five.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells]), path)
    return path


def die(project: Project, way: Way, at: int) -> tuple[int, float]:
    """Execute the notebook until it is over; the exit status and when that was."""
    if way.code == FILLS and not project.folder.parent.is_mount():
        pytest.skip("mounting a small disk needs root")
    path = notebook(way, at, project.folder)
    for name in ("begun", "pids", "fill"):
        (project.folder / name).unlink(missing_ok=True)
    runner = subprocess.Popen(
        [sys.executable, "-m", "nbops", "run", str(path), "--json", *way.options],
        env={**os.environ, **project.environ}, cwd=project.folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if way.kill:
        wait_until((project.folder / "begun").exists, 60)
        runner.send_signal(way.kill)
    runner.communicate(timeout=120)
    return runner.returncode, time.monotonic()


def judge(project: Project, way: Way, at: int) -> list[str]:
    """Everything that is not as it must be."""
    status, over = die(project, way, at)
    (project.folder / "fill").unlink(missing_ok=True)
    store = project.store()
    wrong = [] if status == way.exit else [f"exit {status}"]
    newest = "select run_id::varchar, status, cause, end_time from runs order by start_time desc limit 1"
    wait_until(lambda: store.read(newest).rows[0][1] != "running")
    run_id, told, cause, end = store.read(newest).rows[0]
    if told != way.status or way.cause.format(n=at + 1) not in (cause or "") or end is None:
        wrong.append(f"store: {told}, {cause}, {end}")
    found = nbformat.read(execution.executed(store, run_id), as_version=4)
    nbformat.validate(found)
    cells = [cell for cell in found.cells if cell.cell_type == "code"]
    wrong += _wrong_cells(cells, at, way)
    if found.metadata.papermill.exception is not True or not found.metadata.papermill.end_time:
        wrong.append(f"notebook: {found.metadata.papermill}")
    if list(journals(store).glob("*")):
        wrong.append("a journal is left")
    pids = {int(line) for line in (project.folder / "pids").read_text().split()} if at else set()
    wait_until(lambda: time.monotonic() > over + 20 or not any(map(is_running, pids)))
    wrong += [f"process {pid} is left" for pid in pids if is_running(pid)]
    return wrong


def _wrong_cells(cells: list[Any], at: int, way: Way) -> list[str]:
    expected = ["completed"] * at + ["failed"] + ["pending"] * (CELLS - at - 1)
    statuses = [cell.metadata.papermill.status for cell in cells]
    wrong = [] if statuses == expected else [f"cells: {statuses}"]
    printed = ["".join(output.get("text", "") for output in cell.outputs) for cell in cells[:at]]
    if printed != [f"done {n}\n" for n in range(at)]:
        wrong.append(f"outputs: {printed}")
    names = [output.ename for output in cells[at].outputs if output.output_type == "error"]
    if names[-1:] != [way.output] or not cells[at].metadata.papermill.end_time:
        wrong.append(f"error: {names}")
    return wrong


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("at", [3, pytest.param(0, marks=pytest.mark.long)])
def test_however_an_execution_dies_store_and_notebook_say_so(there: Project, way: Way, at: int) -> None:
    assert judge(there, way, at) == []


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("at", range(CELLS))
def test_twenty_deaths_of_each_kind_at_each_cell_are_told_as_they_were(there: Project, way: Way, at: int) -> None:
    wrong = [problems for _ in range(20) if (problems := judge(there, way, at))]
    sys.stderr.write(json.dumps({"deaths": 20, "wrong": wrong}) + "\n")
    assert wrong == []
