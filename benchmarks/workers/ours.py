"""nbops' side of every job; theirs.py does the same with MLflow, job for job."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbops
from benchmarks.workers.serve import cpu, serve
from nbops.store.client import Store

Figures = dict[str, Any]


def cold(folder: str) -> Figures:
    """Meet a store that may not exist: one run of the one experiment."""
    _in(folder)
    with nbops.start_run("sweep") as run:
        run.log_metric("mae", 1.0)
    return {"run": run.run_id}


def runs(folder: str, experiment: str, count: int, way: str) -> Figures:  # noqa: ARG001 - MLflow has two ways
    """`count` runs from start to end, 5 params and 10 metrics each; the seconds that each took, and what failed."""
    _in(folder)
    params = {f"p{i}": i / 7 for i in range(5)}
    metrics = {f"m{i}": i / 3 for i in range(10)}
    seconds, errors = [], []
    for _ in range(count):
        start = time.perf_counter()
        try:
            with nbops.start_run(experiment, params=params) as run:
                run.log_metrics(metrics)
        except nbops.NbopsError as error:
            errors.append(type(error).__name__)
        else:
            seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "errors": errors}


def whole(folder: str, experiment: str, params: int, metrics: int) -> Figures:
    """How many runs are in the store at all, and how many finished with that many params and metrics."""
    _in(folder)
    found = _store().read(
        "select count(*), count(*) filter (status = 'finished' and end_time is not null"
        " and (select count(*) from params p where p.run_id = r.run_id) = ?"
        " and (select count(*) from metrics m where m.run_id = r.run_id) = ?)"
        " from runs r where experiment = ?",
        [params, metrics, experiment],
    )
    return {"all": found.rows[0][0], "whole": found.rows[0][1]}


def first(folder: str) -> Figures:
    """The first `start_run` in an empty folder; `cpu` counts the owner that it starts, `kept` the runs in the store then."""
    _in(folder)
    start, used = time.perf_counter(), cpu()
    run = nbops.start_run("first")
    seconds, used = time.perf_counter() - start, cpu() - used + owner_cpu(folder)["seconds"]
    kept = _store().read("select count(*) from runs").rows[0][0]
    run.end()
    # Commit and environment are looked up in the background and sent when found: to an owner started anew, had it left before.
    while not _store().read("select 1 from runs where environment is not null").rows:
        time.sleep(0.02)
    leave(folder)
    return {"seconds": seconds, "cpu": used, "kept": kept}


def log_metric(folder: str, calls: int, pause: float, background: bool) -> Figures:  # noqa: ARG001, FBT001 - MLflow has a choice
    """The seconds that each call takes its caller, with a pause after each; `flush` until all are durable."""
    _in(folder)
    with nbops.start_run("metrics") as run:
        seconds = []
        for step in range(calls):
            start = time.perf_counter()
            run.log_metric("loss", 1 / (step + 1), step=step)
            seconds.append(time.perf_counter() - start)
            time.sleep(pause)
        start = time.perf_counter()
        run.flush()
        return {"seconds": seconds, "flush": time.perf_counter() - start}


def points(folder: str, count: int, batch: int) -> Figures:
    """`count` points of one metric, `batch` a call, durable when the clock stops; `kept` counts them in the store."""
    _in(folder)
    values = [1 / (step + 1) for step in range(count)]
    with nbops.start_run("points") as run:
        start = time.perf_counter()
        for at in range(0, count, batch):
            run.log_series("loss", values[at : at + batch], steps=range(at, min(at + batch, count)))
        seconds = time.perf_counter() - start
    kept = _store().read("select count(*) from metrics where run_id = ?", [run.run_id]).rows[0][0]
    return {"seconds": seconds, "kept": kept}


def search(folder: str, filter: str | None, order_by: str | None, limit: int | None) -> Figures:  # noqa: A002 - its name
    """Runs as a DataFrame: how many `rows` came, and the ids of the `first` hundred."""
    _in(folder)
    start = time.perf_counter()
    frame = nbops.search_runs("search", filter=filter, order_by=order_by, limit=limit)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "rows": len(frame),
        "first": [run.replace("-", "") for run in frame["run_id"].astype(str)[:100]],
    }


def owner_cpu(folder: str) -> Figures:
    """Seconds of processor time that the store's owner has used."""
    _in(folder)
    # clock_getcpuclockid(3) of another process: to the microsecond, where /proc tells hundredths of a second.
    return {"seconds": time.clock_gettime(~_store().hello().pid << 3 | 2)}


def leave(folder: str) -> Figures:
    """Have the store's owner leave."""
    _in(folder)
    pid = _store().hello().pid
    _store().stop_owner()
    # Where this process started it, its time must not be counted among that of children waited for by a later job.
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)
    return {}


def _in(folder: str) -> None:
    """Work in that folder from now on, which is a project whatever lies above it."""
    if os.environ.get("NBOPS_PROJECT") != folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        os.environ["NBOPS_PROJECT"] = folder


def _store() -> Store:
    return nbops.open().store


if __name__ == "__main__":
    # The facade loads names when they are first used; the jobs' clocks are not to count that.
    for name in ("start_run", "search_runs", "open"):
        getattr(nbops, name)
    serve(
        ("nbops", "duckdb", "pandas", "numpy"),
        cold=cold, runs=runs, whole=whole, first=first, log_metric=log_metric, points=points, search=search,
        owner_cpu=owner_cpu, leave=leave,
    )  # fmt: skip
