"""MLflow's side of every job, on SQLite; ours.py does the same with nbops, job for job."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow  # type: ignore[import-not-found]  # it lies in the peer's environment only
from mlflow.entities import Metric, Param  # type: ignore[import-not-found]  # the same
from mlflow.tracking.client import MlflowClient  # type: ignore[import-not-found]  # the same

from benchmarks.workers.serve import cpu, serve

Figures = dict[str, Any]


def cold(folder: str) -> Figures:
    """Meet a store that may not exist: one run of the one experiment."""
    _in(folder)
    try:
        mlflow.set_experiment("sweep")
        with mlflow.start_run() as run:
            mlflow.log_metric("mae", 1.0)
        return {"run": run.info.run_id}
    finally:
        # A run that could not be closed would be in the way of the next job.
        while mlflow.active_run():
            mlflow.end_run()


def runs(folder: str, experiment: str, count: int, way: str) -> Figures:
    """`count` runs from start to end, 5 params and 10 metrics each; the seconds that each took, and what failed.

    Two documented ways: `fluent`, a verb for each step, and `client`, with everything in one batch.
    """
    _in(folder)
    experiment_id = mlflow.set_experiment(experiment).experiment_id
    one: Callable[[str, dict[str, float], dict[str, float]], None] = _fluent if way == "fluent" else _client
    params = {f"p{i}": i / 7 for i in range(5)}
    metrics = {f"m{i}": i / 3 for i in range(10)}
    seconds, errors = [], []
    for _ in range(count):
        start = time.perf_counter()
        try:
            one(experiment_id, params, metrics)
        except mlflow.MlflowException as error:
            errors.append(type(error).__name__)
        else:
            seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "errors": errors}


def _fluent(experiment_id: str, params: dict[str, float], metrics: dict[str, float]) -> None:
    with mlflow.start_run(experiment_id=experiment_id):
        mlflow.log_params(params)
        mlflow.log_metrics(metrics)


def _client(experiment_id: str, params: dict[str, float], metrics: dict[str, float]) -> None:
    client, now = MlflowClient(), int(time.time() * 1000)
    run_id = client.create_run(experiment_id).info.run_id
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
        params=[Param(key, str(value)) for key, value in params.items()],
    )
    client.set_terminated(run_id)


def whole(folder: str, experiment: str, params: int, metrics: int) -> Figures:
    """How many runs are in the store at all, and how many finished with that many params and metrics."""
    found, kept = _rows(
        folder,
        "select count(*), count(*) filter (where r.status = 'FINISHED' and r.end_time is not null"
        " and (select count(*) from params p where p.run_uuid = r.run_uuid) = ?"
        " and (select count(*) from metrics m where m.run_uuid = r.run_uuid) = ?)"
        " from runs r join experiments e on e.experiment_id = r.experiment_id where e.name = ?",
        params, metrics, experiment,
    )[0]  # fmt: skip
    return {"all": found, "whole": kept}


def first(folder: str) -> Figures:
    """The first `start_run` in an empty folder; `kept` counts the runs in the store then."""
    _in(folder)
    start, used = time.perf_counter(), cpu()
    mlflow.start_run()
    seconds, used = time.perf_counter() - start, cpu() - used
    kept = _rows(folder, "select count(*) from runs")[0][0]
    mlflow.end_run()
    return {"seconds": seconds, "cpu": used, "kept": kept}


def log_metric(folder: str, calls: int, pause: float, background: bool) -> Figures:  # noqa: FBT001 - a line of JSON holds it
    """The seconds that each call takes its caller, with a pause after each; `flush` until all are durable.

    MLflow writes before it returns, unless it is asked for its `background` logging.
    """
    _in(folder)
    mlflow.set_experiment("metrics")
    with mlflow.start_run():
        mlflow.log_metric("loss", 0.0, step=0, synchronous=not background)  # its thread is started here
        seconds = []
        for step in range(1, calls + 1):
            start = time.perf_counter()
            mlflow.log_metric("loss", 1 / step, step=step, synchronous=not background)
            seconds.append(time.perf_counter() - start)
            time.sleep(pause)
        start = time.perf_counter()
        mlflow.flush_async_logging()
        return {"seconds": seconds, "flush": time.perf_counter() - start}


def points(folder: str, count: int, batch: int) -> Figures:
    """`count` points of one metric, `batch` a call, durable when the clock stops; `kept` counts them in the store."""
    _in(folder)
    values = [1 / (step + 1) for step in range(count)]
    mlflow.set_experiment("points")
    client, now = MlflowClient(), int(time.time() * 1000)
    with mlflow.start_run() as run:
        start = time.perf_counter()
        for at in range(0, count, batch):
            made = [Metric("loss", value, now, at + i) for i, value in enumerate(values[at : at + batch])]
            client.log_batch(run.info.run_id, metrics=made)
        seconds = time.perf_counter() - start
    kept = _rows(folder, "select count(*) from metrics where run_uuid = ?", run.info.run_id)[0][0]
    return {"seconds": seconds, "kept": kept}


def search(folder: str, filter: str | None, order_by: str | None, limit: int | None) -> Figures:  # noqa: A002 - nbops' name
    """Runs as a DataFrame: how many `rows` came, and the ids of the `first` hundred."""
    _in(folder)
    start = time.perf_counter()
    frame = mlflow.search_runs(
        experiment_names=["search"],
        filter_string=filter or "",
        order_by=[order_by] if order_by else None,
        max_results=limit or 100_000,
    )
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "rows": len(frame), "first": list(frame["run_id"][:100])}


def durability(folder: str) -> Figures:
    """How durable SQLite is, of which version: MLflow leaves both settings at this library's default."""
    found = {name: _rows(folder, f"pragma {name}")[0][0] for name in ("journal_mode", "synchronous")}
    return {"sqlite": sqlite3.sqlite_version, **found}


def owner_cpu(folder: str) -> Figures:  # noqa: ARG001 - nbops has an owner
    """Nobody works here beside the callers."""
    return {"seconds": 0.0}


def leave(folder: str) -> Figures:  # noqa: ARG001 - the same
    """Nobody is there to leave."""
    return {}


def _in(folder: str) -> None:
    """Work in that folder from now on, with MLflow's default kind of store."""
    uri = f"sqlite:///{folder}/mlflow.db"
    if mlflow.get_tracking_uri() != uri:
        Path(folder).mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        mlflow.set_tracking_uri(uri)


def _rows(folder: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"{folder}/mlflow.db") as connection:
        return connection.execute(sql, values).fetchall()


if __name__ == "__main__":
    serve(
        ("mlflow", "sqlalchemy", "pandas", "numpy"),
        cold=cold, runs=runs, whole=whole, first=first, log_metric=log_metric, points=points, search=search,
        durability=durability, owner_cpu=owner_cpu, leave=leave,
    )  # fmt: skip
