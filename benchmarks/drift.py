"""Drift of 20 columns beside a stored profile: nbops, Evidently's drift preset and NannyML's Jensen-Shannon distance, and the scan floor.

Then how often each alarms where nothing drifts, how often it finds half a standard deviation, and what one bad cell of the reference does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import peer
from benchmarks.measure import Figures, Party, Report, Size, environment, times, typical

_ROOT = Path(__file__).parent.parent
EVIDENTLY, NANNYML = "0.7.23", "0.13.1"
_WINDOWS = (100, 200, 500, 1000, 5000)
_PARTS = 5
_LIMIT = "2GB"


def measure(_: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Cpu, wall and peak memory of each way, interleaved; the same of 50 million rows; alarms, power and the bad cell."""
    folder.mkdir(parents=True)
    # Neither says what it needs: Evidently does not import beside pandas 3, NannyML not without statsmodels.
    pythons = {
        "evidently": peer.environment("evidently", EVIDENTLY, "pandas<3"),
        "nannyml": peer.environment("nannyml", NANNYML, "statsmodels"),
    }
    report = Report(
        [
            "what",
            "way",
            "cpu s",
            "wall s",
            "peak MB",
            "cpu / floor",
            "cpu / nbops",
            "with imports: cpu s",
            "cpu / nbops",
        ]
    )
    _costs(report, size, folder, pythons)
    _many(report, size, folder)
    _alarms(report, size, pythons)
    _outlier(report, pythons)
    return report


def _costs(report: Report, size: Size, folder: Path, pythons: dict[str, Path]) -> None:
    """A million rows beside a stored profile; the peers are given a million rows to compare with."""
    rows, turns = size.of(100_000, 1_000_000, 1_000_000), size.of(1, 3, 5)
    path, reference, stored = (str(folder / name) for name in ("rows.parquet", "reference.parquet", "reference.json"))
    _do("make", path=path, rows=rows, seed=1)
    _do("make", path=reference, rows=rows, seed=2)
    kept = _do("keep", path=reference, out=stored)
    found: dict[str, list[Figures]] = {way: [] for way in ("floor", "nbops", *pythons)}
    for turn in range(turns):
        for way, some in found.items():
            if way == "floor":
                some.append(_do(way, path=path))
            elif way == "nbops":
                some.append(_do(way, path=path, reference=stored))
            # Evidently takes minutes: three turns of it are enough.
            elif turn < 3:
                some.append(_do(way, pythons[way], path=path, reference=reference))
    _tell(report, f"{rows:,} rows", found)
    report.notes.append(
        f"{rows:,} rows against {rows:,}, medians of {turns} interleaved turns; the stored profile is {kept['size'] / 1000:.1f} kB"
    )
    report.raw["costs"] = found


def _many(report: Report, size: Size, folder: Path) -> None:
    """Fifty million rows of Parquet under a limit of memory."""
    rows, turns = size.of(100_000, 2_000_000, 10_000_000), size.of(1, 1, 3)
    _do("make", path=str(folder / "part0.parquet"), rows=rows, seed=3)
    for part in range(1, _PARTS):
        (folder / f"part{part}.parquet").symlink_to(folder / "part0.parquet")
    path, stored = str(folder / "part*.parquet"), str(folder / "reference.json")
    found: dict[str, list[Figures]] = {"floor": [], "nbops": []}
    for _turn in range(turns):
        found["floor"].append(_do("floor", path=path))
        found["nbops"].append(_do("nbops", path=path, reference=stored, memory_limit=_LIMIT))
    _tell(report, f"{rows * _PARTS:,} rows", found)
    report.notes.append(f"{rows * _PARTS:,} rows in {_PARTS} files under a limit of {_LIMIT}, medians of {turns}")
    report.raw["many"] = found


def _alarms(report: Report, size: Size, pythons: dict[str, Path]) -> None:
    """How often any of 20 columns alarms without drift, and how often half a standard deviation is found."""
    # A run of Evidently takes seconds, one of ours a tenth of one.
    trials, theirs = size.of(10, 50, 200), size.of(2, 10, 50)
    found: Figures = {}
    for rows in _WINDOWS:
        for way, python, many in (("nbops", None, trials), ("evidently", pythons["evidently"], theirs)):
            none, half = (_do(f"alarms_of_{way}", python, rows=rows, trials=many, shift=shift) for shift in (0.0, 0.5))
            found[f"{way} {rows}"] = {"none": none, "half": half}
            report.notes.append(
                f"windows of {rows:,} rows, {way}: any alarm without drift in {_share(none, 'any')}, "
                f"half a standard deviation found in {_share(half, 'first')}"
            )
    report.raw["alarms"] = found


def _outlier(report: Report, pythons: dict[str, Path]) -> None:
    """One cell of the reference at 1e6, and a shift of a whole standard deviation."""
    for way, python in (("nbops", None), *pythons.items()):
        found = _do(f"outlier_of_{way}", python)
        report.raw[f"outlier {way}"] = found
        clean, bad = (
            ", ".join(f"{name} {_figure(value)}" for name, value in found[kind].items())
            for kind in ("clean", "outlier")
        )
        report.notes.append(
            f"a shift of one standard deviation, {way}: {clean}; with one cell of the reference at 1e6: {bad}"
        )


def _tell(report: Report, what: str, found: dict[str, list[Figures]]) -> None:
    middle = {
        way: {key: typical(some, key) for key in ("cpu", "wall", "peak", "cpu all")} for way, some in found.items()
    }
    for way, one in middle.items():
        report.rows.append(
            [
                what, way, f"{one['cpu']:.2f}", f"{one['wall']:.2f}", f"{one['peak']:,.0f}", times(one["cpu"] / middle["floor"]["cpu"]),
                times(one["cpu"] / middle["nbops"]["cpu"]), f"{one['cpu all']:.2f}", times(one["cpu all"] / middle["nbops"]["cpu all"]),
            ]
        )  # fmt: skip


def _share(found: Figures, key: str) -> str:
    return f"{found[key] / found['trials']:.1%} of {found['trials']}"


def _figure(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value).lower()


def _do(job: str, python: Path | None = None, **arguments: object) -> Figures:
    """One job in a process of its own. Raises RuntimeError when it fails."""
    command: Sequence[str | Path] = [
        python or Path(sys.executable), "-P", "-m", "benchmarks.workers.drifts", job, json.dumps(arguments),
    ]  # fmt: skip
    began = time.perf_counter()
    # NannyML sends a message for each call unless it is told so in words of its own; Evidently knows DO_NOT_TRACK.
    quiet = {"PYTHONPATH": str(_ROOT), "NML_DISABLE_USAGE_LOGGING": "true"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment() | quiet)
    if done.returncode:
        raise RuntimeError(f"{job}: {done.stderr[-2000:]}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return {"process": time.perf_counter() - began, **figures}
