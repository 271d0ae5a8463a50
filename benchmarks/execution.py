"""Executing one small notebook many times with other parameters: nbops with forked kernels beside papermill, in one environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.measure import Figures, Party, Report, Size, environment, median, times

_FIT = """
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split
rng = np.random.default_rng(0)
frame = pd.DataFrame(rng.normal(size=(500, 5)), columns=list("abcde"))
train, test = train_test_split(frame, random_state=0)
model = Ridge(alpha=alpha).fit(train[["a", "b", "c", "d"]], train["e"])
"""
CELLS = {
    "pandas and scikit-learn": [
        _FIT,
        "mae = (model.predict(test[['a', 'b', 'c', 'd']]) - test['e']).abs().mean()",
        "print(mae)",
    ],
    "30 trivial cells": [f"x = {n}" for n in range(30)],
}
# Every way counts all processes that work for it: this one, those it waited for, the fork server with its kernels, the owner.
_PROGRAM = """
import json, os, subprocess, sys, time
from pathlib import Path

way, notebook, count, lanes = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
ticks = os.sysconf("SC_CLK_TCK")

def of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / ticks

def ours(numbers):
    for n in numbers:
        outcome = notebook_of.execute(store, notebook, parameters={"alpha": 1 + n})
        assert outcome.status == "finished", outcome

class Unrecorded:
    "What an execution needs of a run, where none is kept."
    def __init__(self):
        self.store, self.run_id, self.ended = store, new_id(), False
    def end(self, *_, **__):
        self.ended = True

def engine(numbers):
    for n in numbers:
        execution = Execution(Unrecorded(), str(notebook), cwd=notebook.parent)
        pm.execute_notebook(
            str(notebook), None, parameters={"alpha": 1 + n}, cwd=notebook.parent, progress_bar=False, engine_name="nbops", nbops=execution,
        )
        assert execution.ending.status == "finished", execution.ending

def papermill(numbers):
    for n in numbers:
        pm.execute_notebook(str(notebook), str(notebook.with_suffix(".out.ipynb")), parameters={"alpha": 1 + n}, progress_bar=False)

def command(numbers):
    one = f"{sys.executable} -m papermill {notebook} {notebook}.N.ipynb -p alpha N --no-progress-bar"
    line = f"seq {count} | xargs -P{lanes} -I N sh -c '{one} || echo failed'"
    # Two that start at once may choose the same port.
    global failed
    failed = subprocess.run(line, shell=True, check=True, capture_output=True).stdout.count(b"failed")

def limit(numbers):
    cells = json.loads(notebook.read_text())["cells"]
    code = [compile("".join(cell["source"]), "cell", "exec") for cell in cells[1:]]
    for n in numbers:
        names = {"alpha": 1 + n}
        for cell in code:
            exec(cell, names)

others, failed = [], 0
# As many as each lane's share of two cores, for whomever.
if lanes > 1:
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
if way in {"ours", "engine"}:
    os.environ["NBOPS_EXECUTION_FORK_SERVER"] = "true"
    import nbops
    import papermill as pm
    from nbops.execution import notebook as notebook_of
    from nbops.execution.execution import Execution
    from nbops.execution.kernels import servers
    from nbops.records import new_id
    store = nbops.open().store
    ours([-0.5])
    server = servers.server_for(store.places.kernels, start=True)
    if "again" in sys.argv:
        # What the first kernel imported is preloaded by the next server.
        server.started = True
        server.close()
        time.sleep(1)
        ours([-0.5])
    others = [servers.server_for(store.places.kernels, start=False).status().pid]
    if way == "ours":
        others.append(store.hello().pid)
elif way == "papermill":
    import papermill as pm
    papermill([-0.5])
elif way == "limit":
    limit([-0.5])
work = {"ours": ours, "engine": engine, "papermill": papermill, "command": command, "limit": limit}[way]
before = sum(map(of, others))
used = lambda: time.process_time() + sum(os.times()[2:4])
spent, began = used(), time.perf_counter()
if way in {"ours", "engine"} and lanes > 1:
    children = []
    for lane in range(lanes):
        if (pid := os.fork()) == 0:
            work(range(lane, count, lanes))
            os._exit(0)
        children.append(pid)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
else:
    work(range(count))
wall = time.perf_counter() - began
cpu = used() - spent + sum(map(of, others)) - before
count -= failed
print(json.dumps({"wall": wall / count, "cpu": cpu / count, "failed": failed}))
"""


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Seconds a notebook, interleaved; papermill gets fewer of them, which does not change its seconds."""
    folder.mkdir(parents=True)
    report = Report(["notebook, way", "n", "wall ms", "cpu ms", "loop / wall", "loop / cpu"])
    many, few = size.of(10, 50, 50), size.of(2, 6, 10)
    ways = {
        "papermill, Python loop": ("papermill", few, 1), "papermill, xargs -P2": ("command", few, 2),
        "nbops' engine alone, one at a time": ("engine", many, 1), "nbops' engine alone, two lanes": ("engine", many, 2),
        "nbops with tracking and keys, one at a time": ("ours", many, 1),
        "nbops with tracking and keys, two lanes": ("ours", many, 2),
        "the same code in one warm process": ("limit", many, 1),
    }  # fmt: skip
    for name, cells in CELLS.items():
        notebook = notebook_of(folder / name.split()[0], cells)
        found: dict[str, list[Figures]] = {way: [] for way in ways}
        for _ in range(size.of(1, 3, 5)):
            for way, (program, count, lanes) in ways.items():
                found[way].append(run(parties[0], program, notebook, count, lanes))
        loop: Figures = {}
        for way, turns in found.items():
            own = {key: median([turn[key] for turn in turns]) for key in ("wall", "cpu")}
            loop = loop or own
            report.rows.append(
                [
                    f"{name}, {way}", ways[way][1], f"{1000 * own['wall']:,.1f}", f"{1000 * own['cpu']:,.1f}",
                    times(loop["wall"] / own["wall"]), times(loop["cpu"] / own["cpu"]),
                ]
            )  # fmt: skip
        report.raw[name] = found
    report.notes.append(
        "imports and the first execution are not counted; nbops alone keeps a run, the run key and what was read of each"
    )
    report.notes.extend(failures(report.raw))
    return report


def notebook_of(folder: Path, cells: list[str]) -> Path:
    """A notebook with the parameter `alpha` and these cells, in a folder of its own."""
    folder.mkdir()
    made = [{"cell_type": "code", "execution_count": None, "id": f"c{n}", "metadata": {}, "outputs": [], "source": cell.strip()}
            for n, cell in enumerate(["alpha = 1.0", *cells])]  # fmt: skip
    made[0]["metadata"] = {"tags": ["parameters"]}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = folder / "fit.ipynb"
    path.write_text(
        json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8"
    )
    return path


def failures(raw: dict[str, Any]) -> list[str]:
    """A line for each way in which notebooks failed; their seconds are spread over those that did not."""
    return [
        f"{name}, {way}: {failed:g} notebooks failed" for name, found in raw.items() for way, turns in found.items()
        if (failed := sum(turn.get("failed", 0) for turn in turns))
    ]  # fmt: skip


def run(party: Party, way: str, notebook: Path, count: int, lanes: int) -> Figures:
    """Wall and cpu seconds a notebook of executing it `count` times in one of the ways."""
    command = [str(party.python), "-c", _PROGRAM, way, str(notebook), str(count), str(lanes), "again"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), cwd=notebook.parent)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    told: Figures = json.loads(done.stdout.splitlines()[-1])
    return told
