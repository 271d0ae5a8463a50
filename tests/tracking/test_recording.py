"""What is logged leaves in the background, arrives once and in order, whoever logs it and whatever becomes of the process."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbops.errors import NotFound, ParameterError, UsageError
from nbops.tracking import recording
from nbops.tracking.requests import EndRun
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace
from tests.conftest import Project, wait_until

STEPS = st.none() | st.integers(-(2**63) + 1, 2**63 - 1)


def points(here: Workspace, run: Run) -> int:
    """How many points the store has, without asking this process to send any."""
    return int(here.store.read("select count(*) from metrics where run_id = ?", [run.run_id]).rows[0][0])


def test_a_metric_reaches_the_store_by_itself(here: Workspace, run: Run) -> None:
    run.log_metric("loss", 0.5)
    wait_until(lambda: points(here, run) == 1)


def test_what_one_writes_one_reads(here: Workspace, run: Run) -> None:
    run.log_metric("loss", 0.5)
    assert here.search_runs(run.experiment)["metrics.loss"].tolist() == [0.5]
    run.log_metric("loss", 0.25)
    assert here.sql("select value from latest_metrics where run_id = ?", [run.run_id])["value"].tolist() == [0.25]
    run.set_tag("kind", "x")
    assert here.run(run.id).tags == {"kind": "x"}
    run.rename("deep")
    assert (run.name, run.experiment) == ("deep", "test_what_one_writes_one_reads")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(history=st.lists(st.tuples(st.floats(), STEPS), min_size=1, max_size=30))
def test_a_history_comes_back_in_the_order_of_logging(
    here: Workspace, history: Sequence[tuple[float, int | None]]
) -> None:
    with here.start_run("history") as run:
        for value, step in history:
            run.log_metric("loss", value, step)
    rows = here.store.read("select value, step from metrics where run_id = ? order by seq", [run.run_id]).rows
    assert repr([tuple(row) for row in rows]) == repr(list(history))
    assert repr(here.run(run.run_id).metrics["loss"]) == repr(history[-1][0])


def test_a_history_is_a_frame_with_aware_times(run: Run) -> None:
    run.log_metrics({"loss": 0.5, "other": 1.0}, step=3)
    run.log_metric("loss", math.nan, step=1)
    history = run.metric_history("loss")
    assert history["step"].tolist() == [3, 1]
    assert history["value"].fillna(-1).tolist() == [0.5, -1]
    assert str(history["time"].dt.tz) == "UTC"
    assert history["time"].is_monotonic_increasing
    assert run.metric_history("never").columns.tolist() == ["step", "value", "time"]


@pytest.mark.parametrize("step", [1.5, "one", 2**63, math.nan, [1]], ids=repr)
def test_a_step_is_a_whole_number(run: Run, step: Any) -> None:
    with pytest.raises(ParameterError, match="is not a whole number"):
        run.log_metric("loss", 1.0, step=step)
    run.log_metric("loss", 1.0, step=np.int64(3))  # type: ignore[arg-type]  # numpy's integers are steps too
    assert run.metric_history("loss")["step"].tolist() == [3]


@pytest.mark.parametrize(
    "values",
    [[0.5, math.nan, math.inf], np.array([0.5, math.nan, math.inf]), pd.Series([0.5, math.nan, math.inf])],
    ids=["list", "array", "series"],
)
def test_a_series_is_kept_whole(run: Run, values: Any) -> None:
    run.log_metric("loss", 9.0)
    run.log_series("loss", values)
    run.log_series("loss", values, steps=[7, 5, 7])
    history = run.metric_history("loss")
    assert history["step"].fillna(-1).tolist() == [-1, 0, 1, 2, 7, 5, 7]
    assert repr(history["value"].tolist()) == repr([9.0, *[0.5, math.nan, math.inf] * 2])


def test_a_long_series_comes_back_number_by_number(here: Workspace, run: Run) -> None:
    values = np.random.default_rng(0).normal(size=20_000)
    run.log_series("loss", values)
    kept = here.store.frame("select value from metrics where run_id = ? order by seq", [run.run_id])["value"]
    assert np.array_equal(kept, values)


@pytest.mark.parametrize(
    ("values", "steps", "message"),
    [
        (["a"], None, "cannot be taken as points"),
        ([[1.0]], None, "shape"),
        ([1.0, 2.0], [1], "shape"),
        ([1.0], [1.5], "cannot be taken as points"),
        ([1.0], ["one"], "cannot be taken as points"),
    ],
)
def test_a_series_that_is_none_is_refused(run: Run, values: Any, steps: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=f"Metric 'loss' .*{message}"):
        run.log_series("loss", values, steps)
    assert run.metrics == {}


def test_threads_log_to_one_run_and_nothing_is_lost(here: Workspace, run: Run) -> None:
    def work(number: int) -> None:
        for step in range(500):
            run.log_metric(f"m{number}", step, step)
            run.log_param(f"p{number}.{step % 5}", number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run.metrics == {f"m{number}": 499.0 for number in range(8)}
    assert len(run.params) == 40
    assert points(here, run) == 4000


def test_what_is_logged_after_the_end_is_kept_too(here: Workspace) -> None:
    with here.start_run("late") as run:
        run.log_metric("m", 1.0)
    run.log_metric("m", 2.0)
    run.log_param("p", 1)
    run.set_tag("t", "x")
    run.log_text("late", "note")
    again = here.run(run.run_id)
    assert (again.metrics, again.params, again.tags, again.status) == ({"m": 2.0}, {"p": 1}, {"t": "x"}, "finished")
    assert again.load_artifact("note.txt") == b"late"


def test_nothing_is_lost_between_the_last_batch_and_the_end(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    run = here.start_run("race")
    run.flush()
    write = here.store.write

    def meanwhile(*requests: Any, **options: Any) -> Any:
        answer = write(*requests, **options)
        if any(isinstance(request, EndRun) for request in requests):
            monkeypatch.undo()
            thread = threading.Thread(target=run.log_metric, args=("m", 2))
            thread.start()
            thread.join()
        return answer

    monkeypatch.setattr(here.store, "write", meanwhile)
    run.log_metric("m", 1)
    run.end()
    assert points(here, run) == 2


def test_an_interrupt_while_something_is_sent_neither_loses_nor_doubles_it(
    here: Workspace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.flush()
    write = here.store.write

    def interrupted(*requests: Any, **options: Any) -> Any:
        answer = write(*requests, **options)
        if threading.current_thread() is threading.main_thread():
            monkeypatch.undo()
            raise KeyboardInterrupt
        return answer

    for step in range(10):
        run.log_metric("m", step)
    monkeypatch.setattr(here.store, "write", interrupted)
    with contextlib.suppress(KeyboardInterrupt):
        while True:  # until it is this thread that sends something
            run.log_metric("m", step := step + 1)
            run.flush()
    run.log_metric("m", step + 1)
    assert run.metric_history("m")["value"].tolist() == list(range(step + 2))


FORKED = """
import os, sys
import nbops

run = nbops.start_run("forked")
run.flush()
run.log_metric("m", 1)
run.log_param("p", 1)
child = os.fork()
if child == 0:
    run.log_metric("m", 2)
    run.end("failed", "a child has no say")
    own = nbops.start_run("own")
    own.log_metric("m", 3)
    own.end()
    os._exit(0)
os.waitpid(child, 0)
assert run.status == "running"
run.log_metric("m", 4)
print(run.run_id)
"""


def test_a_forked_child_logs_to_its_parents_run_and_cannot_end_it(shared: Project, here: Workspace) -> None:
    parent = here.run(shared.run(FORKED).strip())
    assert sorted(parent.metric_history("m")["value"]) == [1, 2, 4]
    assert (parent.status, parent.params) == ("finished", {"p": 1})
    own = here.search_runs("own")
    assert own[["status", "metrics.m"]].to_numpy().tolist() == [["finished", 3.0]]
    assert own["parent_run_id"].isna().all()


WORKERS = """
import multiprocessing
import nbops

def work(number):
    run = nbops.start_run("workers")
    run.log_metric("m", number)

def fail(number):
    work(number)
    raise ValueError("no data")

if __name__ == "__main__":
    nbops.start_run("parent").end()
    for target in (work, fail):
        for method in ("fork", "spawn"):
            process = multiprocessing.get_context(method).Process(target=target, args=(1,))
            process.start()
            process.join()
"""


def test_a_run_ends_with_its_worker_process(shared: Project, here: Workspace) -> None:
    script = shared.folder / "workers.py"
    script.write_text(WORKERS)
    shared.run("import runpy, sys; sys.argv = ['workers.py']; runpy.run_path('workers.py', run_name='__main__')")
    found = here.search_runs("workers", order_by="start_time")
    assert found[["status", "metrics.m"]].to_numpy().tolist() == [["finished", 1.0]] * 2 + [["failed", 1.0]] * 2
    assert found["cause"].tolist()[2] == "ValueError: no data"


def test_what_an_uninstallation_left_behind_disturbs_nothing(shared: Project, here: Workspace) -> None:
    for name in ("gone-1.0.dist-info", "~umpy-2.0.dist-info"):
        (shared.folder / "leftovers" / name).mkdir(parents=True)
    (shared.folder / "leftovers" / "~umpy-2.0.dist-info" / "METADATA").write_bytes(b"\xff\xfe")
    code = "import sys; sys.path.insert(0, 'leftovers'); import nbops; print(nbops.start_run('odd').run_id)"
    run = here.run(shared.run(code).strip())
    assert run.status == "finished"
    assert run.info.environment


def test_what_fails_in_the_background_stops_nothing_else() -> None:
    flusher, done = recording._Flusher(), threading.Event()  # noqa: SLF001 - the process's own has a thread that would be faster

    def gone() -> None:
        raise NotFound("There is no run 1.", hint="")

    def refused() -> None:
        raise UsageError("It does not fit.", hint="Look at it.")

    # The last one that waits is done first.
    for job in (done.set, gone, refused):
        flusher._pending.append(job)  # noqa: SLF001 - `wake` starts a thread
    with pytest.warns(UserWarning, match="does not fit"):
        flusher.finish()
    assert done.is_set()
