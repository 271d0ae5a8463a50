# ruff: noqa: S608 - SQL of our own
"""Drift of 20 columns by nbops, Evidently and NannyML: a process for each job from start to end, under its party's interpreter.

Takes a job and its arguments as JSON and prints figures; imports are done before the clock of a job starts, and are told beside it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
Job = Callable[[], Figures]

_LEVELS = (2, 7, 20, 60)


def columns(rows: int, seed: list[int], shift: float = 0.0) -> dict[str, Any]:
    """16 columns of numbers, some with gaps, and 4 of texts; the first is shifted by so many standard deviations."""
    import numpy as np

    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {f"normal{i}": rng.normal(i, 1 + i, rows) for i in range(4)}
    found["normal0"] += shift
    found |= {f"lognormal{i}": rng.lognormal(0, 1 + i / 2, rows) for i in range(3)}
    found |= {f"t{i}": rng.standard_t(2, rows) for i in range(3)}
    found |= {f"poisson{i}": rng.poisson(3 * (i + 1), rows).astype(float) for i in range(3)}
    for i in range(3):
        found[f"gamma{i}"] = np.where(rng.random(rows) < 0.05 * (i + 1), np.nan, rng.gamma(2, 1 + i, rows))
    for levels in _LEVELS:
        shares = 1 / np.arange(1, levels + 1)
        names = np.array([f"level {i}" for i in range(levels)], object)
        found[f"text{levels}"] = names[rng.choice(levels, rows, p=shares / shares.sum())]
    return found


def make(path: str, rows: int, seed: int) -> Job:
    """Write rows as Parquet, a million at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def job() -> Figures:
        writer, left, part = None, rows, 0
        while left:
            some = min(left, 1_000_000)
            told = columns(some, [seed, part])
            # NaN in a file is a value to most who read it; what is missing is missing.
            table = pa.table({name: pa.array(values, from_pandas=True) for name, values in told.items()})
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=122_880)
            left, part = left - some, part + 1
        if writer is not None:
            writer.close()
        return {}

    return job


def keep(path: str, out: str) -> Job:
    """Keep a reference as nbops does: as a profile."""
    from nbops.data.profiling import profile

    def job() -> Figures:
        told = profile(path).to_json()
        Path(out).write_bytes(told)
        return {"size": len(told)}

    return job


def floor(path: str) -> Job:
    """Read everything there is, and add it up."""
    import duckdb

    def job() -> Figures:
        con = duckdb.connect()
        con.execute("set threads = 2")
        told = con.execute(f"describe select * from '{path}'").fetchall()
        sums = (f'sum(length("{name}"))' if kind == "VARCHAR" else f'sum("{name}")' for name, kind, *_ in told)
        con.execute(f"select {', '.join(sums)} from '{path}'").fetchall()
        return {}

    return job


def nbops(path: str, reference: str, memory_limit: str = "50%") -> Job:
    """Every distance and verdict of ours, beside a stored profile."""
    from nbops.data.profile import Profile
    from nbops.monitoring.drifting import drift

    for library in ("duckdb", "numpy", "pyarrow.compute", "pyarrow.parquet"):
        import_module(library)

    def job() -> Figures:
        stored = Profile.from_json(Path(reference).read_bytes())
        return {"drifted": drift(stored, path, memory_limit=memory_limit).drifted}

    return job


def evidently(path: str, reference: str) -> Job:
    """Evidently's preset as it is shipped."""
    import pandas as pd
    from evidently import Report  # type: ignore[import-not-found]  # it lies in the peer's environment only
    from evidently.presets import DataDriftPreset  # type: ignore[import-not-found]  # the same

    def job() -> Figures:
        told = Report([DataDriftPreset()]).run(pd.read_parquet(path), pd.read_parquet(reference))
        return {"drifted": _by_evidently(told)}

    return job


def nannyml(path: str, reference: str) -> Job:
    """NannyML's univariate drift by Jensen-Shannon distance alone, in ten chunks, its default."""
    import nannyml as nml  # type: ignore[import-not-found]  # the same
    import pandas as pd

    def job() -> Figures:
        then, now = pd.read_parquet(reference), pd.read_parquet(path)
        way = nml.UnivariateDriftCalculator(
            column_names=list(then), continuous_methods=["jensen_shannon"], categorical_methods=["jensen_shannon"]
        )
        told = way.fit(then).calculate(now).to_df()
        return {"drifted": [name for name in then if told[name, "jensen_shannon", "alert"].any()]}

    return job


def alarms_of_nbops(rows: int, trials: int, shift: float) -> Job:
    """In how many trials any column differs, and in how many the first."""
    import pyarrow as pa

    from nbops.data.profiling import profile
    from nbops.monitoring.drift import compare

    def judged(then: Figures, now: Figures) -> list[str]:
        tables = [
            pa.table({name: pa.array(values, from_pandas=True) for name, values in one.items()}) for one in (then, now)
        ]
        reference = profile(tables[0])
        return compare(reference, profile(tables[1], like=reference)).drifted

    return _alarms(judged, rows, trials, shift)


def alarms_of_evidently(rows: int, trials: int, shift: float) -> Job:
    """The same by Evidently's preset."""
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    def judged(then: Figures, now: Figures) -> list[str]:
        return _by_evidently(Report([DataDriftPreset()]).run(pd.DataFrame(now), pd.DataFrame(then)))

    return _alarms(judged, rows, trials, shift)


def outlier_of_nbops() -> Job:
    """A shift of one standard deviation, with and without one cell of the reference at 1e6."""
    import pyarrow as pa

    from nbops.monitoring.drifting import drift

    def judged(then: Any, now: Any) -> Figures:
        found = drift(pa.table({"x": then}), pa.table({"x": now}))["x"]
        ks = found.distances.ks
        return {"differs": found.verdict == "differs", "KS": ks and ks.estimate, "PSI": found.distances.psi}

    return _outlier(judged)


def outlier_of_evidently() -> Job:
    """The same by Evidently's preset."""
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    def judged(then: Any, now: Any) -> Figures:
        told = Report([DataDriftPreset()]).run(pd.DataFrame({"x": now}), pd.DataFrame({"x": then}))
        return {"differs": _by_evidently(told) == ["x"], "Wasserstein/sd": _scores(told)["x"]}

    return _outlier(judged)


def outlier_of_nannyml() -> Job:
    """The same by NannyML: its distances, since its limits come from chunks of the reference."""
    import nannyml as nml
    import pandas as pd

    def judged(then: Any, now: Any) -> Figures:
        ways = ["kolmogorov_smirnov", "jensen_shannon"]
        way = nml.UnivariateDriftCalculator(column_names=["x"], continuous_methods=ways, chunk_number=1)
        told = way.fit(pd.DataFrame({"x": then})).calculate(pd.DataFrame({"x": now})).filter(period="analysis").to_df()
        scores = [float(told["x", name, "value"].iloc[0]) for name in ways]
        return {"differs": None, "KS": scores[0], "JS": scores[1]}

    return _outlier(judged)


def _alarms(judged: Callable[[Figures, Figures], list[str]], rows: int, trials: int, shift: float) -> Job:
    def job() -> Figures:
        any_of, first = 0, 0
        for trial in range(trials):
            found = judged(columns(5000, [trial, rows, 0]), columns(rows, [trial, rows, 1], shift))
            any_of, first = any_of + bool(found), first + ("normal0" in found)
        return {"any": any_of, "first": first, "trials": trials}

    return job


def _outlier(judged: Callable[[Any, Any], Figures]) -> Job:
    import numpy as np

    def job() -> Figures:
        rng = np.random.default_rng(7)
        then, now = rng.normal(size=20_000), rng.normal(1, 1, 20_000)
        clean = judged(then, now)
        then[0] = 1e6
        return {"clean": clean, "outlier": judged(then, now)}

    return job


def _scores(told: Any) -> dict[str, float]:
    return {
        metric["config"]["column"]: float(metric["value"])
        for metric in told.dict()["metrics"]
        if "ValueDrift" in metric["metric_name"]
    }


def _by_evidently(told: Any) -> list[str]:
    """The columns that are drifted by the thresholds that Evidently ships."""
    found = []
    for metric in told.dict()["metrics"]:
        if "ValueDrift" in metric["metric_name"]:
            config, value = metric["config"], metric["value"]
            tests = "p_value" in config["method"]
            found += (
                [config["column"]] if (value < config["threshold"] if tests else value >= config["threshold"]) else []
            )
    return found


_JOBS = {
    one.__name__: one
    for one in (
        make, keep, floor, nbops, evidently, nannyml, alarms_of_nbops, alarms_of_evidently, outlier_of_nbops, outlier_of_evidently,
        outlier_of_nannyml,
    )
}  # fmt: skip


def _used() -> float:
    told = resource.getrusage(resource.RUSAGE_SELF)
    return told.ru_utime + told.ru_stime


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    ready = _JOBS[sys.argv[1]](**json.loads(sys.argv[2]))
    cpu, wall = _used(), time.perf_counter()
    done = ready()
    now, ended = _used(), time.perf_counter()
    figures = {"cpu": now - cpu, "wall": ended - wall, "cpu all": now, "wall all": ended - began, **done}
    print(json.dumps({**figures, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
