"""What an import costs beside an interpreter that does nothing."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from benchmarks.measure import Figures, Party, Report, Size, environment, median, milliseconds, times


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Interleaved processes of their own, after one round that is not counted; wall and cpu of the whole process."""
    folder.mkdir(parents=True)
    ours, theirs = parties
    programs = {
        "bare interpreter, nbops' environment": (ours, "pass"),
        "import nbops": (ours, "import nbops"),
        "import nbops; nbops.start_run": (ours, "import nbops; nbops.start_run"),
        "bare interpreter, MLflow's environment": (theirs, "pass"),
        "import mlflow": (theirs, "import mlflow"),
    }
    found: dict[str, list[Figures]] = {name: [] for name in programs}
    for turn in range(size.of(5, 20, 20) + 1):
        for name, (party, program) in programs.items():
            one = _run(party, program, folder)
            if turn:
                found[name].append(one)
    report = Report(["", "wall ms", "cpu ms", "x bare wall", "x bare cpu"], raw=found)  # type: ignore[arg-type]  # wider than it needs
    bare: Figures = {}
    for name, turns in found.items():
        one = {key: median([turn[key] for turn in turns]) for key in ("wall", "cpu")}
        bare = one if name.startswith("bare") else bare
        report.rows.append([name, *(milliseconds(one[key]) for key in one), *(times(one[key] / bare[key]) for key in one)])
    return report


def _run(party: Party, program: str, folder: Path) -> Figures:
    start = time.perf_counter()
    process = subprocess.Popen([party.python, "-c", program], cwd=folder, env=environment())
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{party.name}: {program!r} ended with status {process.returncode}")
    return {"wall": wall, "cpu": used.ru_utime + used.ru_stime}
