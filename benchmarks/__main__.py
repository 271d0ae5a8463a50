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

from benchmarks import cold, first, imports, runs, search
from benchmarks.measure import Party, Report, Size, Worker, parties, table

_MEASURES: dict[str, Callable[[tuple[Party, Party], Size, Path], Report]] = {
    "import": imports.measure,
    "first": first.measure,
    "cold": cold.measure,
    "runs": runs.measure,
    "search": search.measure,
}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="nbops beside MLflow on SQLite, interleaved in one run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(_MEASURES)}; all of them when none is named")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--quick", action="store_true", help="a look in two minutes: fewer repeats, smaller stores")
    amount.add_argument("--full", action="store_true", help="every repeat and the largest stores: most of an hour")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(_MEASURES)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; known: {', '.join(_MEASURES)}")
    size, both = Size(quick=chosen.quick, full=chosen.full), parties()
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="nbops-bench-") as folder:
        found["machine"] = _machine(both, Path(folder))
        for name in chosen.names or _MEASURES:
            before, start = os.getloadavg()[0], time.perf_counter()
            report = _MEASURES[name](both, size, Path(folder) / name)
            print(f"\n{name}: {sys.modules[_MEASURES[name].__module__].__doc__}")
            print(table(report))
            seconds, load = time.perf_counter() - start, (before, os.getloadavg()[0])
            print(f"  {seconds:.0f} s; load average {load[0]:.1f} before, {load[1]:.1f} after", flush=True)
            found[name] = {"seconds": seconds, "load": load, **report.raw}
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))


def _machine(both: tuple[Party, Party], folder: Path) -> dict[str, object]:
    """What ran where, printed and given."""
    versions = {}
    for party in both:
        worker = Worker(party, folder)
        versions[party.name] = worker.about
        worker.close()
        print(f"{party.name}: {', '.join(f'{name} {version}' for name, version in worker.about.items())}")
    print(f"Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores, stores in {folder.parent}")
    return {"versions": versions, "python": platform.python_version(), "platform": platform.platform(), "cores": os.cpu_count()}


if __name__ == "__main__":
    main()
