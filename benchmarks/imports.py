"""What an import costs beside an interpreter that does nothing."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from benchmarks.measure import Figures, Party, Report, Size, environment, milliseconds, times, typical


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Interleaved processes of their own, after one round that is not counted; wall and cpu of the whole process."""
    folder.mkdir(parents=True)
    ours, theirs = parties
    programs = {
        "bare interpreter (nbops' environment)": (ours, "pass"),
        "import nbops": (ours, "import nbops"),
        "import nbops; nbops.start_run": (ours, "import nbops; nbops.start_run"),
        "bare interpreter (MLflow's environment)": (theirs, "pass"),
        "import mlflow": (theirs, "import mlflow"),
    }
    found: dict[str, list[Figures]] = {name: [] for name in programs}
    for turn in range(size.of(3, 20, 20) + 1):
        for name, (party, program) in programs.items():
            one = _run(party, program, folder)
            found[name] += [one] if turn else []
    report = Report(["", "wall ms", "cpu ms", "wall / bare", "cpu / bare"], raw={**found})
    bare: list[float] = []
    for name, turns in found.items():
        own = [typical(turns, "wall"), typical(turns, "cpu")]
        bare = own if name.startswith("bare") else bare
        ratios = [times(one / least) for one, least in zip(own, bare, strict=True)]
        report.rows.append([name, *map(milliseconds, own), *ratios])
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
