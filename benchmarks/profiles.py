"""A profile of 20 columns of Parquet beside the floor: DuckDB summing every number and the length of every text of the same file.

The third way is the same profile through the scratch engine, as of CSV, frames and Parquet that has to be cast.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure import Figures, Party, Report, Size, environment, median, times

_ROWS = """
import sys, numpy as np, pyarrow as pa, pyarrow.parquet as pq
path, left, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
randomness, writer = np.random.default_rng(seed), None
while left:
    rows = min(left, 1_000_000)
    left -= rows
    columns = {f"normal{i}": randomness.normal(i, 1 + i, rows) for i in range(4)}
    columns |= {f"lognormal{i}": randomness.lognormal(0, 1 + i / 2, rows) for i in range(3)}
    columns |= {f"t{i}": randomness.standard_t(2, rows) for i in range(3)}
    columns |= {f"poisson{i}": randomness.poisson(3 * (i + 1), rows).astype(float) for i in range(3)}
    for i in range(3):
        columns[f"gamma{i}"] = pa.array(randomness.gamma(2, 1 + i, rows), mask=randomness.random(rows) < 0.05 * (i + 1))
    for levels in (2, 7, 20, 60):
        shares = 1 / np.arange(1, levels + 1)
        chosen = pa.array(randomness.choice(levels, rows, p=shares / shares.sum()))
        columns[f"text{levels}"] = pa.array([f"level {i}" for i in range(levels)]).take(chosen)
    table = pa.table(columns)
    writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
    writer.write_table(table, row_group_size=122_880)
writer.close()
"""
_PROGRAM = """
import json, resource, sys, time
way, path = sys.argv[1:3]
began = time.perf_counter()
def used():
    told = resource.getrusage(resource.RUSAGE_SELF)
    return told.ru_utime + told.ru_stime
import duckdb
if way != "floor":
    import numpy, pyarrow.compute, pyarrow.parquet
    from nbops.data.profiling import profile
    from nbops.data.relation import Query
cpu, wall, size = used(), time.perf_counter(), 0
if way == "floor":
    con = duckdb.connect()
    con.execute("set threads = 2")
    columns = con.execute(f"describe select * from '{path}'").fetchall()
    told = (f'sum(length("{name}"))' if kind == "VARCHAR" else f'sum("{name}")' for name, kind, *_ in columns)
    con.execute(f"select {', '.join(told)} from '{path}'").fetchall()
else:
    found = profile(path if way == "ours" else Query(sql=f"select * from '{path}'", paths=(path,)))
    size = len(found.to_json())
now, ended = used(), time.perf_counter()
print(json.dumps({"cpu": now - cpu, "wall": ended - wall, "cpu all": now, "wall all": ended - began, "size": size,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
_DISTANCES = """
import json, sys, time
import numpy as np, pyarrow.parquet as pq
from nbops.data.profiling import profile
then, now = sys.argv[1:3]
reference = profile(then)
current = profile(now, like=reference)
one, two = pq.read_table(then), pq.read_table(now)
errors, inside, widths = [], [], []
for name, column in reference.columns.items():
    if column.numbers is None:
        continue
    told = column.ks(current[name])
    a, b = (np.sort(table.column(name).drop_null().to_numpy()) for table in (one, two))
    every = np.concatenate([a, b])
    exact = abs(a.searchsorted(every, "right") / len(a) - b.searchsorted(every, "right") / len(b)).max()
    errors.append(abs(told.estimate - exact))
    widths.append(told.high - told.low)
    inside.append(bool(told.low - 1e-12 <= exact <= told.high + 1e-12))
print(json.dumps({"error": max(errors), "width": max(widths), "inside": sum(inside), "columns": len(inside)}))
"""
_WAYS = ("floor", "ours", "engine")


def measure(_: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Cpu, wall and peak memory of each way, interleaved; the size of the profile, and how far its distances are from exact ones."""
    folder.mkdir(parents=True)
    rows, turns = size.of(200_000, 1_000_000, 10_000_000), size.of(1, 5, 5)
    path, other, sample = folder / "rows.parquet", folder / "other.parquet", folder / "sample.parquet"
    _run(_ROWS, path, rows, 7)
    _run(_ROWS, sample, 100_000, 8)
    _run(_ROWS, other, 80_000, 9)
    found: dict[str, list[Figures]] = {way: [] for way in _WAYS}
    for _turn in range(turns):
        for way in _WAYS:
            found[way].append(json.loads(_run(_PROGRAM, way, path)))
    middle = {way: {key: median([one[key] for one in some]) for key in some[0]} for way, some in found.items()}
    floor = middle["floor"]
    report = Report(
        ["way", "cpu s", "wall s", "peak MB", "cpu / floor", "with imports: cpu s", "wall s", "cpu / floor"]
    )
    for way, one in middle.items():
        report.rows.append(
            [
                way, f"{one['cpu']:.2f}", f"{one['wall']:.2f}", f"{one['peak']:.0f}", times(one["cpu"] / floor["cpu"]),
                f"{one['cpu all']:.2f}", f"{one['wall all']:.2f}", times(one["cpu all"] / floor["cpu all"]),
            ]
        )  # fmt: skip
    distances = json.loads(_run(_DISTANCES, sample, other))
    report.notes.append(f"{rows:,} rows of 16 numeric columns and 4 of text, medians of {turns}")
    report.notes.append(f"the profile is {middle['ours']['size'] / 1000:.1f} kB of JSON")
    report.notes.append(
        f"100,000 rows against 80,000: KS at most {distances['error']:.5f} from exact, "
        f"brackets at most {distances['width']:.4f} wide, {distances['inside']} of {distances['columns']} hold it"
    )
    report.raw.update(found, distances=distances)
    return report


def _run(program: str, *arguments: Any) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False,
        env=environment() | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    # DuckDB draws its progress where a program has no file.
    return done.stdout.splitlines()[-1] if done.stdout else ""
