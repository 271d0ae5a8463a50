"""Lanes and drivers of sweeps are killed: what ran is lost and told so, nothing is left behind, and the missing is made up for."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat import v4

from nbops.execution.kernels import servers
from nbops.execution.sweeps import results
from tests.conftest import Project, is_running, wait_until

NBOPS = [sys.executable, "-m", "nbops"]
WAITS = """
import os, time
from pathlib import Path
Path(f"pids/{os.getpid()}").touch()
while alpha >= 100 and not Path("go").exists():
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose owner looks often for dead runners."""
    made = Project(tmp_path_factory.mktemp("sweeps"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBOPS_STORE_IDLE_MINUTES", "0.02")
        made.start_owner()
        yield made
        made.close()


@pytest.fixture
def notebook(there: Project, request: pytest.FixtureRequest) -> Path:
    """A notebook that tells its process and waits where alpha is large."""
    folder = there.folder / str(request.node.name)
    (folder / "pids").mkdir(parents=True)
    cells = [v4.new_code_cell("alpha = 1", metadata={"tags": ["parameters"]}), v4.new_code_cell(WAITS)]
    cells.append(v4.new_code_cell("mae = alpha", metadata={"tags": ["metrics"]}))
    nbformat.write(v4.new_notebook(cells=cells), folder / "waits.ipynb")
    return folder / "waits.ipynb"


def is_pending(pid: int, number: signal.Signals) -> bool:
    """Whether a process was sent a signal that it has not met yet."""
    status = Path(f"/proc/{pid}/status").read_text()
    return any(
        int(mask, 16) >> number - 1 & 1 for mask in re.findall(r"^(?:Sig|Shd)Pnd:\s*(\w+)", status, re.MULTILINE)
    )


def start(notebook: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*NBOPS, "sweep", *([str(notebook)] if "--resume" not in words else []), "--json", *words],
        stdout=subprocess.PIPE, text=True, cwd=notebook.parent,
    )  # fmt: skip


def waiting(notebook: Path, count: int) -> list[int]:
    """The processes of kernels, once that many have begun."""
    wait_until(lambda: len(list((notebook.parent / "pids").iterdir())) >= count, 90)
    return [int(path.name) for path in (notebook.parent / "pids").iterdir()]


def around(driver: int) -> set[int]:
    """Everything that a driver has started, and the fork servers of the project."""
    return {process.pid for process in psutil.Process(driver).children(recursive=True)}


def lanes(driver: int) -> list[psutil.Process]:
    """The lanes: what the nursery has forked."""
    found: list[psutil.Process] = nursery(driver).children()
    return found


def nursery(driver: int) -> psutil.Process:
    """The driver's own child."""
    children = psutil.Process(driver).children()
    return next(one for one in children if len(one.cmdline()) > 2 and "sweep" in one.cmdline())


def served(there: Project) -> list[int]:
    return [one.pid for one in servers.status(there.places.run / "kernels")]


def newest(there: Project) -> str:
    sql = "select run_id::varchar from runs where name like 'sweep %' order by start_time desc limit 1"
    return str(there.store().read(sql).rows[0][0])


def statuses(there: Project, sweep: str) -> list[tuple[str, str]]:
    sql = "select name, status from runs where parent_run_id = ? order by name"
    return [(name, status) for name, status in there.store().read(sql, [sweep]).rows]


def test_a_lane_that_is_killed_costs_its_point_and_nothing_else(there: Project, notebook: Path) -> None:
    process = start(notebook, "--grid", "alpha", "100,101,1,2,3", "--lanes", "2")
    kernels = waiting(notebook, 2)
    lanes(process.pid)[0].kill()
    time.sleep(0.2)
    (notebook.parent / "go").touch()
    found = json.loads(process.communicate(timeout=90)[0])
    assert process.returncode == 24
    assert sorted(point["status"] for point in found["points"]).count("finished") == 4
    assert (found["status"], found["cause"]) == ("finished", "1 of 5 points failed")
    wait_until(
        lambda: sorted(status for _, status in statuses(there, found["sweep_id"])) == ["finished"] * 4 + ["lost"]
    )
    assert not any(map(is_running, kernels))
    assert served(there) == []


@pytest.fixture
def unusual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that no fork server offers."""
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--no-secure"]
    folder = tmp_path / "kernels" / "unusual"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Unusual", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))


@pytest.mark.usefixtures("unusual")
@pytest.mark.parametrize("kernel", ["python3", "unusual"])
def test_a_driver_that_is_killed_leaves_nothing_and_resume_runs_exactly_the_missing(
    there: Project, notebook: Path, kernel: str
) -> None:
    process = start(notebook, "--grid", "alpha", "1,2,100,101,3,4", "--lanes", "2", "-k", kernel)
    kernels = waiting(notebook, 4)
    everything = around(process.pid) | set(kernels) | set(served(there))
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_running, everything)), 20)
    assert served(there) == []
    sweep = newest(there)
    # What died before the store heard of it is known once somebody has looked.
    wait_until(
        lambda: (
            sorted(statuses(there, sweep), key=lambda row: len(row[0]))
            == [("alpha=1", "finished"), ("alpha=2", "finished"), ("alpha=100", "lost"), ("alpha=101", "lost")]
        )
    )
    wait_until(lambda: there.store().read("select 1 from runs where status = 'running'").rows == [])
    (notebook.parent / "go").touch()
    again = start(notebook, "--resume", sweep)
    found = json.loads(again.communicate(timeout=90)[0])
    assert (again.returncode, found["kept"], found["status"]) == (0, 2, "finished")
    assert [point["status"] for point in found["points"]] == ["finished"] * 6
    assert len(statuses(there, sweep)) == 8
    assert there.store().read("select status from runs where run_id = ?", [sweep]).rows == [["finished"]]


def test_a_driver_whose_lanes_die_with_what_starts_them_is_lost_and_another_one_goes_on(
    there: Project, notebook: Path
) -> None:
    process = start(notebook, "--grid", "alpha", "1,100,2,3", "--lanes", "1")
    waiting(notebook, 2)
    for one in [nursery(process.pid), *lanes(process.pid)]:
        one.kill()
    (notebook.parent / "go").touch()
    assert (process.communicate(timeout=90)[0], process.returncode) == ("", 25)
    sweep = newest(there)
    told = "select status, failure_class from runs where run_id = ?"
    assert there.store().read(told, [sweep]).rows == [["lost", "kernel_death"]]
    again = start(notebook, "--resume", sweep)
    found = json.loads(again.communicate(timeout=90)[0])
    assert (again.returncode, found["kept"], found["status"]) == (0, 1, "finished")


def test_code_that_has_changed_is_resumed_by_force_alone(there: Project, notebook: Path) -> None:
    process = start(notebook, "--grid", "alpha", "1,100", "--lanes", "1")
    waiting(notebook, 2)
    busy = subprocess.run(
        [*NBOPS, "sweep", "--resume", newest(there)], capture_output=True, text=True, check=False, cwd=notebook.parent
    )
    assert (busy.returncode, "is running" in busy.stderr) == (64, True)
    process.terminate()
    stopped = json.loads(process.communicate(timeout=30)[0])
    assert (process.returncode, stopped["cause"]) == (130, "interrupted by SIGTERM")
    changed = nbformat.read(notebook, as_version=4)
    changed.cells[1].source = "pass"
    nbformat.write(changed, notebook)
    refused = subprocess.run(
        [*NBOPS, "sweep", "--resume", stopped["sweep_id"]],
        capture_output=True,
        text=True,
        check=False,
        cwd=notebook.parent,
    )
    assert (refused.returncode, "--force" in refused.stderr) == (64, True)
    forced = start(notebook, "--resume", stopped["sweep_id"], "--force")
    found = json.loads(forced.communicate(timeout=60)[0])
    assert [point["status"] for point in found["points"]] == ["finished", "finished"]


def test_a_notebook_that_is_edited_meanwhile_is_executed_as_it_was(there: Project, notebook: Path) -> None:
    process = start(notebook, "--grid", "alpha", "100,1", "--lanes", "1")
    waiting(notebook, 1)
    notebook.write_text("{}")
    (notebook.parent / "go").touch()
    found = json.loads(process.communicate(timeout=60)[0])
    assert [point["status"] for point in found["points"]] == ["finished", "finished"]


def test_a_caller_that_dies_takes_its_sweep_along(there: Project, notebook: Path) -> None:
    code = "import nbops, sys; nbops.sweep(sys.argv[1], {'alpha': [1, 100]}, lanes=1)"
    process = there.start(code, notebook)
    kernels = waiting(notebook, 2)
    everything = around(process.pid) | set(kernels)
    process.kill()
    wait_until(lambda: not any(map(is_running, everything)), 20)
    sweep = newest(there)
    assert results.load(there.store(), sweep).children[1].status == "stopped"


def test_two_sweeps_at_once_share_a_server_that_leaves_with_the_last(there: Project, notebook: Path) -> None:
    first = start(notebook, "--grid", "alpha", "1,2,3", "--lanes", "2")
    second = start(notebook, "--grid", "alpha", "4,100", "--lanes", "2")
    done = json.loads(first.communicate(timeout=90)[0])
    assert [point["status"] for point in done["points"]] == ["finished"] * 3
    waiting(notebook, 5)
    assert len(served(there)) == 1
    (notebook.parent / "go").touch()
    done = json.loads(second.communicate(timeout=90)[0])
    assert [point["status"] for point in done["points"]] == ["finished"] * 2
    wait_until(lambda: served(there) == [])


def test_too_many_failures_end_the_sweep(there: Project, notebook: Path) -> None:
    cells = nbformat.read(notebook, as_version=4)
    cells.cells[1].source = "1 / (alpha % 2)"
    nbformat.write(cells, notebook)
    process = start(notebook, "--grid", "alpha", "1,2,4,6,8,10", "--lanes", "1", "--max-failures", "1")
    found = json.loads(process.communicate(timeout=90)[0])
    assert (process.returncode, found["status"], found["cause"]) == (25, "failed", "more than 1 points failed")
    assert [point["status"] for point in found["points"]] == ["finished", "failed", "failed"]


def test_the_second_interrupt_kills(there: Project, notebook: Path) -> None:
    cells = nbformat.read(notebook, as_version=4)
    cells.cells[1].source = "import time, signal, os\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + WAITS
    nbformat.write(cells, notebook)
    process = start(notebook, "--grid", "alpha", "100,101", "--lanes", "2")
    kernels = waiting(notebook, 2)
    process.send_signal(signal.SIGINT)
    # Two that wait together are one.
    wait_until(lambda: not is_pending(process.pid, signal.SIGINT))
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    found = json.loads(process.communicate(timeout=30)[0])
    assert [point["status"] for point in found["points"]] == ["stopped", "stopped"]
    assert not any(map(is_running, kernels))


@pytest.mark.long
def test_a_thousand_points_in_eight_lanes_leave_no_error_no_port_no_process_and_no_leak(
    there: Project, notebook: Path
) -> None:
    cells = nbformat.read(notebook, as_version=4)
    cells.cells[1].source = "import numpy as np, pandas as pd\npd.DataFrame(np.ones((100, 3))).sum()"
    nbformat.write(cells, notebook)
    began = time.monotonic()
    values = ",".join(map(str, range(1000)))
    with (notebook.parent / "told.json").open("w") as told_to:
        # More than a pipe holds.
        process = subprocess.Popen(
            [*NBOPS, "sweep", str(notebook), "--grid", "alpha", values, "--lanes", "8", "--json"], stdout=told_to, cwd=notebook.parent
        )  # fmt: skip
    ports: set[str] = set()
    grown: dict[int, list[int]] = {}
    everything: set[psutil.Process] = set()
    while process.poll() is None:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        told = servers.status(there.places.run / "kernels")
        for server in told:
            # The first kernels teach it; from then on it has nothing to learn.
            if server.forks > 20:
                grown.setdefault(server.pid, []).append(server.rss)
            family += [psutil.Process(server.pid)]
        for one in family:
            with contextlib.suppress(psutil.Error):
                everything.add(one)
                ports |= {
                    f"{one.name()} {told.laddr}" for told in one.net_connections("tcp") if told.status == "LISTEN"
                }
                everything |= {*one.children(recursive=True)}
        time.sleep(0.5)
    found = json.loads((notebook.parent / "told.json").read_text())
    rss = max(grown.values(), key=len)
    figures = {
        "seconds": round(time.monotonic() - began, 1), "ports": sorted(ports), "growth": round(max(rss) / rss[0] - 1, 4), "looks": len(rss),
        "left": [str(one) for one in psutil.wait_procs(everything, timeout=10)[1]],
    }  # fmt: skip
    sys.stderr.write(json.dumps(figures) + "\n")
    assert process.returncode == 0
    assert [point["status"] for point in found["points"]] == ["finished"] * 1000
    assert (figures["ports"], figures["left"]) == ([], [])
    assert max(rss) < 1.05 * rss[0]
