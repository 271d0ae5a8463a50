"""A data contract of 19 rules over a Parquet file: nbops in one DuckDB scan beside pandera on polars and on pandas, each from start to end.

Every way judges every row and has the broken ones in hand: nbops writes them with their reasons, pandera collects its failure cases.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import peer
from benchmarks.measure import Figures, Party, Report, Size, environment, times, typical
from benchmarks.workers.judges import CONTRACT

_ROOT = Path(__file__).parent.parent
VERSION = "0.35.0"
_WITH = ("pandas==3.1.1", "polars==2.1.0", "pyarrow==26.0.1")
_RULES = sum(map(len, CONTRACT["columns"].values()))


def measure(_: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Wall, cpu and peak memory of each way, interleaved, without and with exact uniqueness."""
    folder.mkdir(parents=True)
    ours, theirs = Path(sys.executable), peer.environment("pandera", VERSION, *_WITH)
    ways = {"nbops": ours, "polars": theirs, "pandas": theirs}
    rows, turns = size.of(200_000, 10_000_000, 10_000_000), size.of(1, 3, 5)
    path = folder / "rows.parquet"
    _do(ours, "make", path=str(path), rows=rows)
    report = Report(
        ["rules", "way", "wall s", "cpu s", "peak MB", "wall / nbops", "cpu / nbops", "peak / nbops", "broken rows", "equal"]
    )  # fmt: skip
    for unique in (False, True):
        found: dict[str, list[Figures]] = {way: [] for way in ways}
        out = {way: folder / f"{way}{unique:d}.{'parquet' if way == 'nbops' else 'csv'}" for way in ways}
        for _turn in range(turns):
            for way, python in ways.items():
                out[way].unlink(missing_ok=True)
                found[way].append(_do(python, way, path=str(path), out=str(out[way]), unique=unique))
        for way, some in found.items():
            if way != "nbops":
                compared = _do(ours, "compare", path=str(path), ours=str(out["nbops"]), theirs=str(out[way]))
                some[-1]["different"] = compared["different"]
            report.rows.append([f"{_RULES} and uniqueness" if unique else _RULES, *_line(way, some, found["nbops"])])
        report.raw["unique" if unique else "rules"] = found
    report.notes += [
        f"{rows:,} rows of 10 columns in Parquet; whole processes with imports and reading, medians of {turns} interleaved turns",
        f"pandera {VERSION} with {', '.join(_WITH)}; equal: the broken rows are those of nbops, row for row and value for value",
    ]
    return report


def _line(way: str, some: list[Figures], ours: list[Figures]) -> list[object]:
    """The cells of one way."""
    middle, least = ({key: typical(turns, key) for key in ("wall", "cpu", "peak")} for turns in (some, ours))
    different = some[-1].get("different")
    equal = "" if different is None else f"no, {different:,} differ" if different else "yes"
    return [
        way, f"{middle['wall']:.2f}", f"{middle['cpu']:.2f}", f"{middle['peak']:,.0f}",
        *(times(middle[key] / least[key]) for key in least), f"{some[-1]['broken']:,}", equal,
    ]  # fmt: skip


def _do(python: Path, job: str, **arguments: object) -> Figures:
    """One job in a process of its own. Raises RuntimeError when it fails."""
    began = time.perf_counter()
    done = subprocess.run(
        [python, "-P", "-m", "benchmarks.workers.judges", job, json.dumps(arguments)], capture_output=True, text=True, check=False,
        env=environment() | {"PYTHONPATH": str(_ROOT)},
    )  # fmt: skip
    wall = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{job}: {done.stderr[-2000:]}")
    return {"wall": wall, **json.loads(done.stdout.splitlines()[-1])}
