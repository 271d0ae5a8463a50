"""Whoever looks at windows may be killed between two of them, or not be alone: each window is there once, whole, and the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbops.monitoring import running
from nbops.workspace._workspace import Workspace
from tests.conftest import Project, finish, hang_up
from tests.monitoring.watched import Watched, begin, later, register, week

LOOK = """
import os, signal, sys
import nbops
from nbops import times
from nbops.monitoring import running
store, seen = nbops.open().store, []
store.hello()
def at(window):
    seen.append(window)
    if len(seen) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
print("ready", flush=True)
sys.stdin.read()
running.monitor(store, "late", until=times.moment(sys.argv[1]), progress=at)
"""
WEEKS = 4


@pytest.fixture
def late(project: Project, workspace: Workspace) -> Watched:
    """A model of which nobody looked at any window yet; the last two were bad."""
    project.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    made = Watched(workspace, register(workspace, "minutes"), "late", estimate=False)
    made.use(week(0), week(1), later(week(2), 1.0), later(week(3), 1.0))
    return made


def kept(late: Watched) -> list[tuple[object, ...]]:
    return late.rows("monitor_windows", "start, report_sha256")


def whole(late: Watched) -> None:
    """Every window is there once with all that belongs to it, and looking at all of them anew changes nothing."""
    found = kept(late)
    assert len(found) == WEEKS
    assert late.rows("incidents", "cause, status, windows", "kind = 'performance'") == [("performance: mae", "open", 2)]
    assert len(late.rows("profiles", "start", "kind = 'day'")) == 7 * WEEKS
    for start, _ in found:
        columns = late.rows("drift", '"column"', f"start = '{start}'")
        assert len(columns) == len({*columns}) == 5
    again = late.look(WEEKS, again=True)
    assert (len(again.reports), again.changes) == (WEEKS, ())
    assert kept(late) == found


def test_kill_9_between_two_windows_leaves_whole_ones_and_the_next_goes_on(project: Project, late: Watched) -> None:
    process = project.start(LOOK, begin(WEEKS).isoformat(), 3)
    process.communicate("")
    assert process.returncode == -9
    assert len(kept(late)) == 2
    assert late.rows("monitor_runs", "*") == []
    assert len(late.look(WEEKS).reports) == WEEKS - 2
    whole(late)


def test_two_that_look_at_once_keep_each_window_once(project: Project, late: Watched) -> None:
    both = [project.start(LOOK, begin(WEEKS).isoformat(), 0) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        hang_up(process)
    for process in both:
        finish(process)
    whole(late)
    told = late.here.sql("select count(*) as n from outbox where kind = 'incident opened' and title like '%MAE%'")
    assert told["n"].tolist() == [1]


def test_who_knew_less_does_not_undo_what_is_kept(late: Watched) -> None:
    late.look(WEEKS)
    found = kept(late)
    report = running.report(late.here.store, str(found[0][1]))
    assert running._keep(late.here.store, report, [], 0) == []  # noqa: SLF001 - as one would that was stopped for a while
    assert kept(late) == found
    assert len(late.rows("profiles", "start", "kind = 'day'")) == 7 * WEEKS
