"""Forked children, worker processes, threads and interrupts: each value counts once, for the run that it was logged to."""

from __future__ import annotations

import os
import signal
import time

import pytest

from nbops.store.client import Store
from tests.conftest import Project, wait_until


def points(store: Store) -> list[list[object]]:
    """Experiment, status and how many points each metric has, of every run."""
    sql = """
        select r.experiment, r.status, m.key, count(*) from runs r left join metrics m on m.run_id = r.run_id
        group by all order by all
    """
    return store.read(sql).rows


def test_a_forked_child_logs_to_its_own_run_and_the_parent_goes_on(project: Project) -> None:
    project.run("""
import os, nbops
mine = nbops.start_run("parent")
for _ in range(100):
    mine.log_metric("before", 1)
if not (child := os.fork()):
    theirs = nbops.start_run("child")
    for _ in range(100):
        theirs.log_metric("own", 1)
    theirs.end()
    os._exit(0)
for _ in range(100):
    mine.log_metric("after", 1)
os.waitpid(child, 0)
mine.end()
""")
    assert points(project.store()) == [
        ["child", "finished", "own", 100],
        ["parent", "finished", "after", 100],
        ["parent", "finished", "before", 100],
    ]


def test_a_child_that_logs_to_its_parents_run_is_heard_and_does_not_end_it(project: Project) -> None:
    project.run("""
import os, sys, nbops
nbops.start_run("first").end()
with nbops.start_run("parent") as run:
    run.log_metric("parents", 1)
    if not (child := os.fork()):
        run.log_metric("childs", 1)
        sys.exit(3)
    os.waitpid(child, 0)
    assert run.status == "running", run.status
    run.log_metric("parents", 2)
""")
    assert points(project.store())[1:] == [["parent", "finished", "childs", 1], ["parent", "finished", "parents", 2]]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing_lose_nothing_whichever_way_they_start(project: Project, method: str) -> None:
    # `spawn` imports the script anew, so it has to be one.
    script = project.folder / "sweep.py"
    script.write_text("""
import multiprocessing, sys, nbops

def work(n):
    run = nbops.start_run("worker")
    for _ in range(50):
        run.log_metric("own", n)
    # No end: the worker's own end is to send what waits.

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    run = nbops.start_run("main")
    run.log_metric("own", 0)
    workers = [multiprocessing.Process(target=work, args=(n,)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    run.log_metric("own", 0)
""")
    project.run(
        "import runpy, sys; sys.argv = ['sweep.py', sys.argv[1]]; runpy.run_path('sweep.py', run_name='__main__')",
        method,
    )
    assert points(project.store()) == [["main", "finished", "own", 2], ["worker", "finished", "own", 150]]


def test_a_fork_while_other_threads_log_neither_hangs_nor_counts_twice(project: Project) -> None:
    project.run("""
import os, threading, nbops
run = nbops.start_run("parent")
over = threading.Event()
sent = [0] * 4
def log(n):
    while not over.is_set():
        run.log_metric("m", n)
        sent[n] += 1
        if sent[n] % 50 == 0:
            run.flush()
threads = [threading.Thread(target=log, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
for _ in range(10):
    if not (child := os.fork()):
        with nbops.start_run("child") as own:
            own.log_metric("own", 1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
over.set()
for thread in threads:
    thread.join()
run.end()
assert nbops.sql("select count(*) as n from metrics where key = 'm'").n[0] == sum(sent)
""")
    assert points(project.store())[0] == ["child", "finished", "own", 10]


def test_a_fork_while_the_environment_is_looked_for_leaves_a_child_that_can_do_the_same(project: Project) -> None:
    # A module that another thread is importing is locked in the child for ever.
    project.run("""
import importlib.abc, importlib.machinery, os, signal, sys, threading, time
import nbops

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "importlib.metadata":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module
        def slowly(module):
            importing.set()
            time.sleep(0.5)
            load(module)
        spec.loader.exec_module = slowly
        return spec

importing = threading.Event()
sys.meta_path.insert(0, Slow())
with nbops.start_run("parent") as run:
    assert importing.wait(10)
    if not (child := os.fork()):
        signal.alarm(20)
        with nbops.start_run("child") as own:
            own.log_metric("own", 1)
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
""")
    assert project.store().read("select status, count(environment) from runs group by status").rows == [["finished", 2]]


def test_a_childs_copy_of_the_lock_does_not_keep_a_dead_parents_run_alive(project: Project) -> None:
    process = project.start("""
import os, time, nbops
run = nbops.start_run("parent")
run.flush()
if not os.fork():
    # A worker that outlives its parent.
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
""")
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    try:
        store = project.store()
        wait_until(lambda: store.read("select status from runs").rows == [["lost"]])
        assert "ended without closing" in str(store.read("select cause from runs").rows[0][0])
    finally:
        os.kill(child, signal.SIGKILL)


def test_threads_that_share_a_run_lose_nothing(project: Project) -> None:
    project.run("""
import threading, nbops
run = nbops.start_run("shared")
def log(n):
    for i in range(2000):
        run.log_metric(f"m{n % 2}", i, step=i)
        if i % 500 == 0:
            run.log_param(f"p{n}.{i}", i)
            run.set_tag(f"t{n}.{i}", i)
threads = [threading.Thread(target=log, args=(n,)) for n in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
run.end()
""")
    store = project.store()
    assert points(store) == [["shared", "finished", "m0", 8000], ["shared", "finished", "m1", 8000]]
    assert store.read("select (select count(*) from params), (select count(*) from tags)").rows == [[32, 32]]


@pytest.mark.parametrize(
    "block", ["with nbops.start_run('thread') as run:", "run = nbops.start_run('thread')\n    if True:"]
)
def test_threads_that_begin_runs_at_the_same_line_do_not_end_each_others(project: Project, block: str) -> None:
    project.run(f"""
import threading, nbops
meet = threading.Barrier(4)
def work(n):
    {block}
        run.log_metric("before", n)
        meet.wait()
        assert run.status == "running"
        run.log_metric("after", n)
    run.end()
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
""")
    assert points(project.store()) == [["thread", "finished", "after", 4], ["thread", "finished", "before", 4]]


def test_what_is_logged_after_the_end_of_a_run_is_not_lost(project: Project) -> None:
    project.run("""
import nbops
run = nbops.start_run("e")
run.end()
run.log_metric("late", 1)
run.log_params({"late": 1})
run.set_tag("late", 1)
""")
    store = project.store()
    assert points(store) == [["e", "finished", "late", 1]]
    assert store.read("select (select count(*) from params), (select count(*) from tags)").rows == [[1, 1]]


def test_an_interrupted_send_counts_once(project: Project) -> None:
    """Somebody interrupts a cell that waits for the store: what was sent may have arrived already."""
    process = project.start("""
import os, signal, sys, nbops
run = nbops.start_run("e")
run.flush()
run.log_metric("m", 1)
os.kill(nbops.open().store.hello().pid, signal.SIGSTOP)
print("stopped", flush=True)
try:
    run.flush()
except KeyboardInterrupt:
    print("interrupted", flush=True)
sys.stdin.readline()
run.log_metric("m", 2)
run.end()
""")
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "stopped\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    line = process.stdout.readline()
    os.kill(project.owners()[0], signal.SIGCONT)
    process.stdin.write("\n")
    process.stdin.flush()
    assert line == "interrupted\n"
    assert process.wait(30) == 0
    assert points(project.store()) == [["e", "finished", "m", 2]]
