"""kill -9 of owners and clients: what was acknowledged is there once, and nothing is there by halves."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from nbops.store import spool
from nbops.store.client import Store
from tests.conftest import DUCKDBS, Project, finish, hang_up, wait_until

WRITER = """
import sys, threading, time
import nbops

over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), over.set()), daemon=True).start()
workspace = nbops.open()
with open(sys.argv[1], "w", buffering=1) as acknowledged:
    while not over.is_set():
        began = time.monotonic()
        with workspace.start_run("storm", params={key: 1 for key in "abcde"}) as run:
            run.log_metrics({f"m{n}": n for n in range(10)})
        acknowledged.write(f"{run.run_id} {time.monotonic() - began}\\n")
"""
WHOLE = """
    select r.run_id::varchar, r.status, coalesce(p.n, 0), coalesce(m.n, 0) from core.runs r
    left join (select run_id, count(*) as n from core.params group by run_id) p on p.run_id = r.run_id
    left join (select run_id, count(*) as n from core.metrics group by run_id) m on m.run_id = r.run_id
"""


def acknowledged(project: Project) -> dict[str, float]:
    """The runs that the writers were told to be there, and how long each took in seconds."""
    lines = [line.split() for path in project.folder.glob("*.acknowledged") for line in path.read_text().splitlines()]
    assert len({run for run, _ in lines}) == len(lines)
    return {run: float(seconds) for run, seconds in lines}


def settled(project: Project) -> Store:
    """The store, when nothing waits for it any more."""
    store = project.store()
    store.ready()
    wait_until(lambda: not list(spool.segments(project.places)))
    assert not project.places.rejected.exists()
    return store


def answer(project: Project) -> None:
    """Return as soon as an owner has the store's file open."""
    store = project.store()
    wait_until(lambda: store.hello().state == "ready", 60)


@pytest.mark.parametrize("python", DUCKDBS.values(), ids=DUCKDBS)
@pytest.mark.parametrize(
    ("kills", "pause"),
    [(3, 0.6), *(pytest.param(20, 3, marks=pytest.mark.long, id=f"60 s, turn {turn}") for turn in range(1, 6))],
)
def test_kill_9_of_the_owner_under_eight_writers_costs_nothing(
    project: Project, python: str, kills: int, pause: float, record_property: Callable[[str, object], None]
) -> None:
    project.python = python
    project.start_owner()
    writers = [project.start(WRITER, f"{n}.acknowledged") for n in range(8)]
    wait_until(lambda: len(list(project.folder.glob("*.acknowledged"))) == 8)
    done, respawns = 0, []
    while done < kills:
        # Not in step with anything.
        time.sleep(pause * (0.7 + 0.1 * (done % 7)))
        done += bool(project.kill_owner())
        began = time.monotonic()
        answer(project)
        respawns.append(time.monotonic() - began)
    for writer in writers:
        hang_up(writer)
    for writer in writers:
        # No warning: nobody had to spool, everybody waited for the next owner.
        _, err = writer.communicate(timeout=120)
        assert (writer.returncode, err) == (0, "")
    store, told = settled(project), acknowledged(project)
    found = store.read(WHOLE).rows
    assert len({run for run, *_ in found}) == len(found)
    assert {tuple(rest) for _, *rest in found} == {("finished", 5, 10)}
    assert set(told) == {run for run, *_ in found}
    assert store.read("select count(*) - count(distinct tx) from core.ledger").rows == [[0]]
    figures = {
        "kills": done,
        "acknowledged": len(told),
        "longest stall": max(told.values()),
        "respawn, median": statistics.median(respawns),
        "respawn, longest": max(respawns),
    }
    record_property("figures", json.dumps(figures))
    sys.stderr.write(f"{figures}\n")


def test_kill_9_of_the_first_owner_at_any_moment_of_its_start_leaves_a_store_that_opens(project: Project) -> None:
    for turn in range(8):
        starter = project.start("import nbops; nbops.open().store.hello()")
        wait_until(project.owners)
        time.sleep(0.03 * turn)
        project.kill_owner()
        starter.kill()
        starter.wait()
        project.kill_owner()
    store = project.store()
    assert store.ready().state == "ready"
    assert store.read("select verb from events").rows == [["store.created"]]


CLIENT = """
import sys
import nbops
from nbops.records import Param, new_id, now_us
from nbops.tracking.requests import EndRun, LogRun, StartRun
store = nbops.open().store
text = "x" * int(sys.argv[1])
while True:
    run = new_id()
    store.write(
        StartRun(run_id=run, experiment="e", name="n", started=now_us(), host="elsewhere", pid=1),
        LogRun(run_id=run, time=now_us(), params=[Param(key=key, value=text, kind="str") for key in "abcde"]),
        EndRun(run_id=run, status="finished", ended=now_us()),
    )
    print(run, flush=True)
"""


@pytest.mark.parametrize(
    ("size", "kills"),
    [(300_000, 6), *(pytest.param(size, 60, marks=pytest.mark.long) for size in (10, 30_000, 300_000))],
)
def test_kill_9_of_clients_in_mid_request_leaves_whole_transactions_only(
    project: Project, size: int, kills: int
) -> None:
    project.store().hello()
    told: set[str] = set()
    clients: list[subprocess.Popen[str]] = []
    for turn in range(kills // 3):
        clients = [project.start(CLIENT, size) for _ in range(3)]
        for client in clients:
            assert client.stdout is not None
            told.add(client.stdout.readline().strip())
        time.sleep(0.013 * (turn % 8))
        for client in clients:
            client.send_signal(signal.SIGKILL)
        for client in clients:
            # The last line may have been cut short.
            told |= {line for line in client.communicate()[0].splitlines() if len(line) == 36}
    found = project.store().read(WHOLE).rows
    assert told <= {str(run) for run, *_ in found}
    assert {tuple(rest) for _, *rest in found} == {("finished", 5, 0)}


def test_no_metric_older_than_a_second_is_missing_after_kill_9_and_the_run_is_lost_with_a_cause(
    project: Project,
) -> None:
    process = project.start("""
import time, nbops
run = nbops.start_run("e")
print(run.run_id, flush=True)
while True:
    run.log_metric("time", time.time())
    time.sleep(0.001)
""")
    assert process.stdout is not None
    run = process.stdout.readline().strip()
    time.sleep(1.7)
    wait_until(lambda: project.store().read("select count(*) from metrics").rows[0][0] > 100)
    store = project.store()
    began = time.time()
    store.read("select count(*) from metrics")
    killed = time.time()
    # What a round trip takes on this machine at this moment comes on top.
    busy = killed - began
    process.kill()
    process.wait()
    # The next owner looks for the dead when it starts, this one every two seconds.
    project.kill_owner()
    wait_until(lambda: store.read("select status from runs").rows == [["lost"]])
    sql = "select cause, (select max(value) from metrics), (select count(*) from metrics) from runs where run_id = ?"
    ((cause, newest, count),) = store.read(sql, [run]).rows
    assert cause == f"process {process.pid} ended without closing the run"
    # So does the longest time for which the process itself had no turn.
    gaps = "select max(gap) from (select value - lag(value) over (order by value) as gap from metrics)"
    assert newest > killed - 1 - busy - store.read(gaps).rows[0][0]
    assert count > 100
    assert [verb for (verb,) in store.read("select verb from events order by seq").rows] == [
        "store.created",
        "run.lost",
    ]


def test_a_run_that_was_killed_right_after_its_beginning_is_there(project: Project) -> None:
    process = project.start("""
import os, signal, nbops
nbops.start_run("first").end()
run = nbops.start_run("killed", params={"alpha": 1})
print(run.run_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
""")
    run = process.communicate()[0].strip()
    project.kill_owner()
    store = project.store()
    sql = "select r.run_id::varchar, status, value from runs r join params using (run_id) where experiment = 'killed'"
    wait_until(lambda: store.read(sql).rows == [[run, "lost", "1"]])
    wait_until(lambda: not list(project.places.alive.iterdir()))


def test_a_run_of_a_living_process_is_never_taken_for_lost(project: Project) -> None:
    process = project.start("""
import sys, nbops
runs = [nbops.start_run(f"e{n}") for n in range(3)]
for run in runs:
    run.flush()
print("ready", flush=True)
sys.stdin.readline()
for run in runs:
    run.end()
""")
    assert process.stdout is not None
    process.stdout.readline()
    store = project.store()
    for _ in range(3):
        # Each owner looks for the dead when it starts.
        project.kill_owner()
        store.ready()
        time.sleep(0.2)
    finish(process)
    assert store.read("select status, count(*) from runs group by all").rows == [["finished", 3]]


@pytest.mark.long
def test_an_owner_that_is_asked_to_leave_does_not_wait_for_a_query_that_takes_forever(project: Project) -> None:
    store = project.store()
    store.hello()
    project.start("import nbops; nbops.open().store.read('select count(*) from range(10000000000000)', timeout=3600)")
    time.sleep(2)
    owners = project.owners()
    assert store.stop_owner()
    assert not set(owners) & set(project.owners())


def test_readers_never_see_half_a_transaction(project: Project) -> None:
    project.start_owner()
    for _ in range(4):
        project.start(CLIENT, 10)
    store, seen = project.store(), 0
    wait_until(lambda: store.read("select 1 from runs limit 1").rows)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        found = store.read(WHOLE).rows
        assert {tuple(rest) for _, *rest in found} == {("finished", 5, 0)}
        assert len(found) >= seen
        seen = len(found)
