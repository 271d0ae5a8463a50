"""`python -m benchmarks [NAME ...] [--quick | --full] [--json FILE]`: measures and prints; asserts nothing."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbops
from benchmarks import (
    cold,
    contracts,
    deaths,
    dialog,
    drift,
    execution,
    first,
    formats,
    gate,
    imports,
    jupyter,
    kernel,
    loading,
    pipelines,
    profiles,
    runs,
    saving,
    search,
    sizing,
    sweep,
)
from benchmarks.measure import Figures, Party, Report, Size, Worker, parties, table

_MEASURES: dict[str, Callable[[tuple[Party, Party], Size, Path], Report]] = {
    "import": imports.measure,
    "saving": saving.measure,
    "kernel": kernel.measure,
    "execution": execution.measure,
    "sweep": sweep.measure,
    "pipelines": pipelines.measure,
    "deaths": deaths.measure,
    "first": first.measure,
    "cold": cold.measure,
    "jupyter": jupyter.measure,
    "dialog": dialog.measure,
    "runs": runs.measure,
    "search": search.measure,
    "profiles": profiles.measure,
    "contracts": contracts.measure,
    "drift": drift.measure,
    "gate": gate.measure,
    "sizing": sizing.measure,
    "formats": formats.measure,
    "loading": loading.measure,
}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    chosen = _arguments()
    both = parties()
    found: Figures = {}
    with tempfile.TemporaryDirectory(prefix="nbops-bench-") as folder:
        found["machine"] = _machine(both, Path(folder))
        for name in chosen.names or _MEASURES:
            found[name] = _one(name, both, Size(quick=chosen.quick, full=chosen.full), Path(folder) / name)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="nbops beside MLflow on SQLite, interleaved in one run."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one of {', '.join(_MEASURES)}; all of them when none is named"
    )
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--quick", action="store_true", help="a look in two minutes: fewer repeats, smaller stores")
    amount.add_argument(
        "--full", action="store_true", help="all repeats and points, 500 runs a process: most of an hour"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in _MEASURES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; known: {', '.join(_MEASURES)}")
    return chosen


def _machine(both: tuple[Party, Party], folder: Path) -> Figures:
    """What ran where, printed and given."""
    versions = {}
    for party in both:
        worker = Worker(party, folder)
        versions[party.name] = worker.answer()
        worker.close()
        print(f"{party.name}: {', '.join(f'{name} {version}' for name, version in versions[party.name].items())}")
    print(
        f"Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores, stores in {folder.parent}",
        flush=True,
    )
    return {
        "versions": versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
    }


def _one(name: str, both: tuple[Party, Party], size: Size, folder: Path) -> Figures:
    measure = _MEASURES[name]
    before, start = os.getloadavg()[0], time.perf_counter()
    try:
        report = measure(both, size, folder)
    finally:
        for project in folder.rglob(".nbops"):
            nbops.open(project.parent).store.stop_owner()
    seconds, after = time.perf_counter() - start, os.getloadavg()[0]
    print(f"\n{name}: {sys.modules[measure.__module__].__doc__}\n{table(report)}")
    print(f"  {seconds:.0f} s; load average {before:.1f} before, {after:.1f} after", flush=True)
    return {"seconds": seconds, "load": [before, after], **report.raw}


if __name__ == "__main__":
    main()
