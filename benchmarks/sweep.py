"""A whole `nbops sweep` beside papermill: one command from its start until nothing of it is left, with everything that it started."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from benchmarks import execution
from benchmarks.measure import Figures, Party, Report, Size, environment, median, times

# It is the one to whom whatever is left falls: the lanes, the fork server with its kernels, the store's owner.
_PROGRAM = """
import ctypes, json, os, resource, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
began = time.perf_counter()
command = subprocess.Popen([sys.executable, "-m", "nbops", "sweep", *sys.argv[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
wall = 0.0
while True:
    try:
        pid, status = os.wait()
    except ChildProcessError:
        break
    if pid == command.pid:
        assert status == 0, status
        wall = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime}))
"""


# A fork server's start, in which it imports what the notebook imports; the engine alone is measured with one that has started.
_SERVER = """
import os, pathlib
import nbops
from nbops.execution.kernels import servers
server = servers.server_for(nbops.open().store.places.kernels, start=True)
fields = pathlib.Path(f"/proc/{server.status().pid}/stat").read_text().rpartition(")")[2].split()
print(sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK"))
server.close()
"""

_SHORT = "nbops sweep, a short one"


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Seconds a notebook, interleaved; papermill gets fewer of them, and its imports are not counted in the loop."""
    folder.mkdir(parents=True)
    report = Report(["notebook, way", "n", "wall ms", "cpu ms", "loop / wall", "loop / cpu"])
    party, many, some, few = parties[0], size.of(10, 50, 50), size.of(4, 10, 10), size.of(2, 6, 10)
    for name, cells in execution.CELLS.items():
        place = folder / name.split()[0]
        notebook = execution.notebook_of(place, cells)
        (place / ".git").mkdir()
        found: dict[str, list[Figures]] = {}
        starts: list[float] = []
        for turn in range(size.of(1, 3, 5)):
            first = execution.notebook_of(folder / f"{name.split()[0]}-{turn}", cells)
            (first.parent / ".git").mkdir()
            ways = {
                "papermill, Python loop": lambda: execution.run(party, "papermill", notebook, few, 1),  # noqa: B023 - called at once
                "papermill, xargs -P2": lambda: execution.run(party, "command", notebook, few, 2),  # noqa: B023 - the same
                "nbops sweep, the first in a project": lambda: _sweep(party, first, many),  # noqa: B023 - the same
                "nbops sweep": lambda: _sweep(party, notebook, many) if turn else _second(party, notebook, many),  # noqa: B023
                _SHORT: lambda: _sweep(party, notebook, some),  # noqa: B023 - the same
                "nbops' engine alone": lambda: execution.run(party, "engine", notebook, many, 2),  # noqa: B023 - the same
            }
            for way, run in ways.items():
                found.setdefault(way, []).append(run())
            starts.append(_server(party, notebook))
            shutil.rmtree(first.parent)
        loop: Figures = {}
        for way, turns in found.items():
            own = {key: median([turn[key] for turn in turns]) for key in ("wall", "cpu")}
            loop = loop or own
            count = some if way == _SHORT else many if way.startswith("nbops") else few
            figures = [f"{1000 * own['wall']:,.1f}", f"{1000 * own['cpu']:,.1f}"]
            report.rows.append(
                [f"{name}, {way}", count, *figures, times(loop["wall"] / own["wall"]), times(loop["cpu"] / own["cpu"])]
            )
        turns = list(zip(found["nbops sweep"], found[_SHORT], found["nbops' engine alone"], starts, strict=True))
        beside = median([one["cpu"] - engine["cpu"] for one, _, engine, _ in turns])
        own = median([one["cpu"] - engine["cpu"] - start / many for one, _, engine, start in turns])
        # What one point more costs has no start in it.
        more = median(
            [
                (many * one["cpu"] - some * short["cpu"]) / (many - some) - engine["cpu"]
                for one, short, engine, _ in turns
            ]
        )
        report.notes.append(
            f"{name}, cpu beside the engine: {1000 * more:,.1f} ms for a point more; {1000 * own:,.1f} ms a point with the starts of"
            f" command, lanes and owner; {1000 * beside:,.1f} ms with the fork server's too, {median(starts):.2f} s for all points"
        )
        report.raw[name] = found
    report.notes.append(
        "a sweep is counted from its command to the end of everything that it started, its runs are recorded"
    )
    report.notes.extend(execution.failures(report.raw))
    return report


def _server(party: Party, notebook: Path) -> float:
    command = [str(party.python), "-c", _SERVER]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(), cwd=notebook.parent)
    return float(done.stdout)


def _second(party: Party, notebook: Path, count: int) -> Figures:
    _sweep(party, notebook, 2)
    return _sweep(party, notebook, count)


def _sweep(party: Party, notebook: Path, count: int) -> Figures:
    values = ",".join(str(1 + n) for n in range(count))
    command = [str(party.python), "-c", _PROGRAM, str(notebook), "--grid", "alpha", values, "--lanes", "2", "--force"]
    surroundings = environment() | {"NBOPS_STORE_IDLE_MINUTES": "0.1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings, cwd=notebook.parent)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    told: Figures = json.loads(done.stdout.splitlines()[-1])
    return {key: value / count for key, value in told.items()}
