"""A run's life: how it begins and ends, whose child it is, where it came from, and how a person finds it again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import nbops
from nbops.errors import Ambiguous, NotFound, ParameterError, UsageError
from nbops.tracking import provenance
from nbops.tracking.requests import StartRun
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace
from tests.conftest import Project, wait_until


def events(here: Workspace, run: Run) -> list[tuple[str, dict[str, Any]]]:
    rows = here.store.read("select verb, detail from events where subject = ? order by seq", [f"run:{run.run_id}"]).rows
    return [
        (verb, {key: value for key, value in json.loads(detail).items() if key not in {"verb", "subject"}})
        for verb, detail in rows
    ]


def ended(run: Run) -> bool:
    return run.status != "running"


# The end of a block


@pytest.mark.parametrize(
    ("error", "status", "cause"),
    [
        (None, "finished", None),
        (SystemExit(), "finished", None),
        (SystemExit(0), "finished", None),
        (SystemExit(3), "failed", "SystemExit: 3"),
        (SystemExit("no data"), "failed", "SystemExit: no data"),
        (ValueError("no rows left"), "failed", "ValueError: no rows left"),
        (ValueError(), "failed", "ValueError"),
        (
            FileNotFoundError(2, "No such file", "half \udcff name"),
            "failed",
            "FileNotFoundError: [Errno 2] No such file: 'half \\udcff name'",
        ),
        (KeyboardInterrupt(), "stopped", "KeyboardInterrupt"),
    ],
    ids=repr,
)
def test_a_block_decides_how_its_run_ends(
    here: Workspace, error: BaseException | None, status: str, cause: str | None
) -> None:
    run = here.start_run("ends")
    with pytest.raises(type(error)) if error else contextlib.nullcontext() as caught, run:
        if error:
            raise error
    assert caught is None or caught.value is error
    info = here.run(run.run_id).info
    assert (info.status, info.cause) == (status, cause)
    assert info.end_time is not None
    assert info.end_time >= info.start_time


def test_a_long_cause_is_cut(here: Workspace) -> None:
    with pytest.raises(ValueError, match=r"x{1000}"), here.start_run("long") as run:
        raise ValueError("x" * 1_000_000)
    cause = here.run(run.run_id).info.cause
    assert cause is not None
    assert cause.startswith("ValueError: xxx")
    assert len(cause) == 500


def test_the_first_end_counts(here: Workspace) -> None:
    run = here.start_run("twice")
    run.end("stopped", "enough")
    run.end()
    with run:
        pass
    info = here.run(run.run_id).info
    assert (info.status, info.cause) == ("stopped", "enough")


@pytest.mark.parametrize("status", ["running", "lost", "FINISHED", ""])
def test_a_run_ends_in_words_that_exist(run: Run, status: Any) -> None:
    with pytest.raises(UsageError, match="cannot end as") as caught:
        run.end(status)
    assert "finished, failed, stopped" in caught.value.hint
    assert run.status == "running"


# Which runs are open


def test_a_loop_ends_the_run_that_it_began_before(here: Workspace) -> None:
    made = []
    for step in range(3):
        run = here.start_run("loop")
        run.log_metric("m", step)
        made.append(run)
    assert [here.run(one.run_id).status for one in made] == ["finished", "finished", "running"]
    made[-1].end()
    assert [here.run(one.run_id).metrics for one in made] == [{"m": 0.0}, {"m": 1.0}, {"m": 2.0}]


def test_runs_of_different_lines_stay_open_together(here: Workspace) -> None:
    one = here.start_run("side")
    other = here.start_run("side")
    assert (one.status, other.status) == ("running", "running")
    assert other.info.parent_run_id is None
    one.end()
    other.end()


def test_threads_that_come_by_the_same_line_leave_each_other_alone(here: Workspace) -> None:
    meet = threading.Barrier(4)

    def work(number: int) -> tuple[str, str]:
        with here.start_run("threads", params={"number": number}) as held:
            meet.wait()
            held.log_metric("m", number)
        loose = here.start_run("threads", params={"number": number})
        meet.wait()
        status = loose.status
        loose.end()
        return here.run(held.run_id).status, status

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [("finished", "running")] * 4
    found = here.search_runs("threads", filter="metrics.m is not null")
    assert (found["params.number"] == found["metrics.m"]).all()


def test_tasks_that_come_by_the_same_line_leave_each_other_alone(here: Workspace) -> None:
    async def work() -> str:
        with here.start_run("tasks") as run:
            await asyncio.sleep(0.01)
            return run.status

    async def both() -> list[str]:
        return [*await asyncio.gather(work(), work())]

    assert asyncio.run(both()) == ["running", "running"]
    assert here.search_runs("tasks")["parent_run_id"].isna().all()


def test_what_begins_inside_a_block_is_its_child(here: Workspace) -> None:
    with here.start_run("family", name="outer") as outer:
        with here.start_run("family", name="inner") as inner, here.start_run("family", name="innermost") as innermost:
            pass
        sibling = here.start_run("family")
        sibling.end()
    after = here.start_run("family")
    after.end()
    parents = [here.run(run.run_id).info.parent_run_id for run in (outer, inner, innermost, sibling, after)]
    assert parents == [None, outer.run_id, inner.run_id, outer.run_id, None]


def test_module_verbs_mean_the_one_open_run_or_the_innermost_block(here: Workspace) -> None:
    with pytest.raises(UsageError, match="No run is open") as nothing:
        nbops.log_metric("m", 1)
    assert "nbops.start_run()" in nothing.value.hint
    one = here.start_run("module")
    nbops.log_metric("m", 1)
    other = here.start_run("module")
    with pytest.raises(UsageError, match=r"2 runs are open") as several:
        nbops.log_param("p", 1)
    assert one.id in several.value.message
    assert other.id in several.value.message
    with other:
        nbops.log_metric("m", 2)
        with here.start_run("module") as inner:
            nbops.log_metric("m", 3)
        nbops.log_metric("m", 4)
    nbops.set_tag("t", "x")
    one.end()
    assert [here.run(run.run_id).metrics for run in (one, other, inner)] == [{"m": 1.0}, {"m": 4.0}, {"m": 3.0}]
    assert here.run(one.run_id).tags == {"t": "x"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"experiment": "two\nlines"},
        {"experiment": ""},
        {"name": "two\nlines"},
        {"name": " "},
        {"params": {"": 1}},
        {"params": {"p": "x" * 70_000}},
        {"tags": {"": 1}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_run_with_an_unfit_name_or_value_does_not_begin(here: Workspace, wrong: dict[str, Any]) -> None:
    before = here.store.read("select count(*) from runs").rows
    with pytest.raises(ParameterError):
        here.start_run(**wrong)
    assert here.store.read("select count(*) from runs").rows == before


@pytest.mark.parametrize("name", ['it\'s "quoted"', "müßig 🚀", "'; drop table runs --"])
def test_experiments_and_runs_may_be_named_as_people_do(here: Workspace, name: str) -> None:
    with here.start_run(name, name=name) as run:
        pass
    assert here.search_runs(name)["name"].tolist() == [name]
    assert here.run(name) == run


# The end of a process

ENDS = {
    "finishes": ("", "finished", None),
    "raises": ("raise ValueError('no rows left')", "failed", "ValueError: no rows left"),
    "leaves": ("sys.exit()", "finished", None),
    "leaves with 0": ("sys.exit(0)", "finished", None),
    "leaves with 3": ("sys.exit(3)", "failed", "SystemExit: 3"),
    "leaves with words": ("sys.exit('model too bad')", "failed", "SystemExit: model too bad"),
    "is interrupted": ("os.kill(os.getpid(), signal.SIGINT); time.sleep(10)", "stopped", "KeyboardInterrupt"),
    "is killed": (
        "run.flush(); os.kill(os.getpid(), signal.SIGKILL)",
        "lost",
        "process {pid} ended without closing the run",
    ),
    "vanishes": ("run.flush(); os._exit(0)", "lost", "process {pid} ended without closing the run"),
}
SCRIPT = """
import os, signal, sys, time
import nbops
run = nbops.start_run({name!r}, tags={{"pid": os.getpid()}})
run.log_metric("m", 1)
{end}
"""


def test_a_process_decides_how_its_run_ends(shared: Project, here: Workspace) -> None:
    started = {name: shared.start(SCRIPT.format(name=name, end=end)) for name, (end, _, _) in ENDS.items()}
    for process in started.values():
        process.communicate(timeout=60)
    found = {}
    for name, (_, status, cause) in ENDS.items():
        run = here.run(here.search_runs(name)["run_id"][0])
        wait_until(partial(ended, run))
        info = run.info
        assert info.end_time is not None
        found[name] = (info.status, info.cause)
        assert found[name] == (status, cause and cause.format(pid=run.tags["pid"])), name
        assert run.metrics == {"m": 1.0}
        assert ("run.lost" in dict(events(here, run))) == (status == "lost")


def test_the_run_of_a_killed_process_is_not_taken_for_lost_while_it_lives(shared: Project, here: Workspace) -> None:
    process = shared.start(
        "import nbops; run = nbops.start_run('alive'); run.flush(); print(run.run_id, flush=True); input()"
    )
    assert process.stdout is not None
    run = here.run(process.stdout.readline().strip())
    time.sleep(3)  # longer than from one look at the living to the next
    assert run.status == "running"
    process.kill()
    wait_until(lambda: run.status == "lost")
    assert events(here, run)[0][0] == "run.lost"


# Where it came from


def test_a_script_is_told_with_its_commit_and_whether_files_had_changed(
    shared: Project, here: Workspace, tmp_path: Path
) -> None:
    folder = shared.folder / "repository"
    (folder / "jobs").mkdir(parents=True)
    script = folder / "jobs" / "train churn.py"
    script.write_text("import nbops\nrun = nbops.start_run()\nprint(run.run_id)\n")

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e", *arguments],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def run() -> Run:
        environ = {**os.environ, "NBOPS_PROJECT": str(shared.folder)}
        done = subprocess.run(
            [sys.executable, str(script)], cwd=tmp_path, env=environ, check=True, capture_output=True, text=True
        )
        return here.run(done.stdout.strip())

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    clean = run().info
    assert (clean.experiment, clean.source) == ("train churn", "repository/jobs/train churn.py")
    assert (clean.commit, clean.dirty) == (git("rev-parse", "HEAD").strip(), False)
    script.write_text(script.read_text() + "# changed\n")
    changed = run().info
    assert (changed.commit, changed.dirty) == (clean.commit, True)


def test_the_environment_can_be_read_back(shared: Project, here: Workspace) -> None:
    run = here.run(shared.run("import nbops; run = nbops.start_run('packages'); print(run.run_id)").strip())
    assert (run.experiment, run.info.source, run.info.commit) == ("packages", None, None)
    told = json.loads(here.store.get_blob(run.info.environment or ""))
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told["packages"]["nbops"] == nbops.__version__
    assert run.info.actor
    assert run.info.host


def test_the_environment_is_looked_through_again_when_something_is_installed_or_it_was_lost(
    shared: Project, here: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[bytes] = []

    def look() -> bytes:
        looked.append(b"")
        return json.dumps({"packages": len(looked)}).encode()

    monkeypatch.setattr(provenance, "environment", look)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    first = provenance.facts(here.store, tmp_path).environment or ""
    assert (provenance.facts(here.store, tmp_path).environment, len(looked)) == (first, 1)
    here.store.blob_path(first).unlink()
    second = provenance.facts(here.store, tmp_path).environment or ""
    assert json.loads(here.store.get_blob(second)) == {"packages": 2}
    (tmp_path / "more-1.0.dist-info").mkdir()
    third = provenance.facts(here.store, tmp_path).environment or ""
    assert json.loads(here.store.get_blob(third)) == {"packages": 3}
    (here.store.places.run / "environments.json").write_text("{")
    provenance.facts(here.store, tmp_path)
    assert len(looked) == 4


def test_code_without_a_file_belongs_to_the_default_experiment(shared: Project, here: Workspace) -> None:
    run = here.run(shared.run("import nbops; print(nbops.start_run().run_id)").strip())
    assert run.experiment == "default"


# Finding it again


@pytest.fixture(scope="module")
def sweep(here: Workspace) -> list[Run]:
    """Eight runs of one name, all ended."""
    made = []
    for _ in range(8):
        with here.start_run("sweep", name="same") as run:
            made.append(run)
    return made


def test_a_run_is_found_by_its_last_digits_its_id_or_its_name(here: Workspace) -> None:
    with here.start_run("found", name="My Run") as run:
        pass
    for text in (run.id, run.id.upper(), run.run_id, run.run_id.upper(), run.id[-4:], f" {run.id} ", "My Run"):
        assert here.run(text) == run, text
    assert here.run(run) is run


@pytest.mark.parametrize("text", ["%", "____", "%%%%%%%%", "", " ", "my run", "no such run", "' or true --"])
def test_what_fits_no_run_is_told_with_where_to_look(here: Workspace, sweep: list[Run], text: str) -> None:
    with pytest.raises(NotFound, match=re.escape(f"There is no run {text!r}")) as caught:
        here.run(text)
    assert "nbops runs list" in caught.value.hint


def test_digits_too_few_or_from_the_front_mean_no_run(here: Workspace, sweep: list[Run]) -> None:
    for text in (sweep[0].id[-3:], sweep[0].run_id[:8]):
        with pytest.raises(NotFound):
            here.run(text)


def test_a_name_of_several_runs_lists_the_newest(here: Workspace, sweep: list[Run]) -> None:
    with pytest.raises(Ambiguous, match="'same' fits more than 5 runs") as caught:
        here.run("same")
    assert [run.id in caught.value.hint for run in sweep] == [False] * 3 + [True] * 5
    assert "(same, sweep, finished)" in caught.value.hint


def test_two_runs_whose_ids_end_alike_are_told_apart_by_more_digits(here: Workspace) -> None:
    alike = [f"0190aaaa-0000-7000-8000-{number:04d}abcd1234" for number in (1, 2)]
    for run_id in alike:
        here.store.write(StartRun(run_id=run_id, experiment="alike", name="", started=0, host="elsewhere", pid=1))
    with pytest.raises(Ambiguous, match="'abcd1234' fits 2 runs"):
        here.run("abcd1234")
    assert here.run("2abcd1234").run_id == alike[1]


# Changing it


def test_a_deleted_run_is_hidden_and_comes_back(here: Workspace) -> None:
    with here.start_run("hidden") as run:
        pass
    run.delete()
    run.delete()
    assert len(here.search_runs("hidden")) == 0
    assert here.search_runs("hidden", deleted=True)["run_id"].tolist() == [run.run_id]
    assert here.run(run.id).info.deleted
    run.restore()
    assert here.search_runs("hidden")["run_id"].tolist() == [run.run_id]
    assert len(here.search_runs("hidden", deleted=True)) == 0
    assert [verb for verb, _ in events(here, run)] == ["run.deleted", "run.restored"]


def test_a_rename_is_an_event_and_refuses_what_no_run_can_be_named(here: Workspace) -> None:
    with here.start_run("renamed", name="before") as run:
        run.rename("after")
        run.rename("after")
        with pytest.raises(ParameterError, match="cannot be the name of a run"):
            run.rename("two\nlines")
    assert here.run("after") == run
    assert events(here, run) == [("run.renamed", {"before": "before", "after": "after"})]


def test_the_last_value_of_a_tag_counts(here: Workspace, run: Run) -> None:
    run.set_tags({"stage": "draft", "n": 1})
    run.set_tag("stage", "final")
    other = here.run(run.id)
    other.set_tag("n", 2)
    assert run.tags == {"stage": "final", "n": "2"}


def test_a_worker_that_is_handed_a_run_logs_to_it_and_ends_nothing(here: Workspace, run: Run) -> None:
    run.log_metric("m", 1)
    again: Run = pickle.loads(pickle.dumps(run))  # noqa: S301 - our own bytes
    assert again == run
    with again:
        again.log_metric("m", 2)
    assert here.store.read("select value from metrics where run_id = ? order by seq", [run.run_id]).rows == [
        [1.0],
        [2.0],
    ]
    assert run.status == "running"


def test_two_handles_of_one_run_are_equal(here: Workspace, run: Run) -> None:
    assert here.run(run.id) == run
    assert len({run, here.run(run.id)}) == 1
    assert repr(run) == f"Run('{run.id}')"
    assert run.start_time.tzinfo is not None
