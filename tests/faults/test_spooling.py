"""While the store cannot be written, training goes on with one warning; what it logged is in the store, exactly, once the fault is over."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import pytest

from nbops.errors import StoreFull
from nbops.records import now_us
from nbops.store import blobs, spool
from nbops.store.client import Store
from nbops.store.places import Places
from nbops.store.spool import Rejected, Spool
from nbops.tracking.requests import EndRun
from tests.conftest import Project, finish, is_locked, wait_until
from tests.store.inside import envelope, start

# Their own stores tell the tests what they tell everybody.
pytestmark = pytest.mark.filterwarnings("ignore::nbops.store.client.StoreWarning")

TRAIN = """
import json, sys, warnings
import nbops

workspace = nbops.open()

def train(count):
    for n in range(count):
        with workspace.start_run("training", params={"n": n}) as run:
            for step in range(10):
                run.log_metric("loss", 1 / (step + 1), step=step)
            run.log_text("model " + str(n), "model")

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    %s
told = [str(warning.message) for warning in caught if warning.category.__name__ == "StoreWarning"]
print(json.dumps(told))
"""
STEADY = TRAIN % "train(int(sys.argv[1]))"
SPOOL = "train(1); print('ready', flush=True); sys.stdin.readline(); train(2)"
SAY = "print('spooled', flush=True); sys.stdin.readline()"
# Before the fault and during it, the test says when; and once more when it is over, or with a run that is open when it is killed.
THRICE = TRAIN % f"{SPOOL}; {SAY}; train(1)"
KILLED = TRAIN % f"{SPOOL}; workspace.start_run('open').flush(); {SAY}"


def told(out: str) -> list[str]:
    """The store's warnings that a training printed at its end."""
    return list(msgspec.json.decode(out.splitlines()[-1], type=list[str]))


def say(process: subprocess.Popen[str]) -> None:
    """Let a training go on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str], word: str) -> None:
    """Wait until a training has come to that point."""
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n"


def counts(store: Store) -> list[object]:
    """Finished runs, their params, points and files."""
    sql = """
        select
            (select count(*) from runs where status = 'finished'), (select count(*) from core.params),
            (select count(*) from core.metrics), (select count(*) from core.artifacts)
    """
    return store.read(sql).rows[0]


def exactly(runs: int) -> list[object]:
    return [runs, runs, runs * 10, runs]


def ready(project: Project) -> Store:
    """The store, as soon as it can be written again."""
    store = project.store()
    wait_until(lambda: store.hello().state == "ready")
    return store


def folded(project: Project) -> Store:
    """The store, as soon as nothing waits for it any more."""
    store = ready(project)
    wait_until(lambda: not list(spool.segments(project.places)))
    kept = project.places.rejected.glob("*.msgpack") if project.places.rejected.exists() else ()
    assert not [msgspec.msgpack.decode(path.read_bytes(), type=spool.Rejected).problem for path in kept]
    files = store.read("select sha256 from artifacts").rows
    assert all(store.get_blob(str(sha256)) for (sha256,) in files)
    return store


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's state folder, for this test alone."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # An owner looks around more often the sooner it would leave.
    monkeypatch.setenv("NBOPS_STORE_IDLE_MINUTES", "0.03")
    return tmp_path / "state"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    point = tmp_path / "disk"
    point.mkdir()
    if (
        os.getuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(point)], check=False).returncode
    ):
        pytest.skip("mounting a small disk needs root")
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


# Another program has the file


def hold(project: Project) -> duckdb.DuckDBPyConnection:
    """Have the store's file open as another program would; it is this one."""
    project.store().stop_owner()
    return duckdb.connect(str(project.places.database))


def test_another_program_that_holds_the_file_is_named_and_training_goes_on(project: Project, state: Path) -> None:
    project.run(STEADY, 1)
    holder = hold(project)
    (warning,) = told(project.run(STEADY, 5))
    assert f"(process {os.getpid()})" in warning
    assert "Close it there" in warning
    assert list(spool.segments(project.places))
    holder.close()
    assert counts(folded(project)) == exactly(6)


def test_a_process_that_lives_through_the_fault_is_told_once_and_writes_straight_afterwards(
    project: Project, state: Path
) -> None:
    process = project.start(THRICE)
    hear(process, "ready")
    holder = hold(project)
    say(process)
    hear(process, "spooled")
    holder.close()
    ready(project)
    time.sleep(1.2)
    say(process)
    assert len(told(finish(process))) == 1
    assert counts(folded(project)) == exactly(4)


def test_a_process_that_is_killed_while_it_spools_loses_nothing_it_was_promised(project: Project, state: Path) -> None:
    process = project.start(KILLED)
    hear(process, "ready")
    holder = hold(project)
    say(process)
    hear(process, "spooled")
    process.kill()
    holder.close()
    store = folded(project)
    assert counts(store) == exactly(3)
    wait_until(lambda: store.read("select status from runs where experiment = 'open'").rows == [["lost"]])


def test_a_run_that_began_before_the_fault_ends_in_it(project: Project, state: Path) -> None:
    process = project.start("""
import sys, nbops
run = nbops.start_run("e")
for n in range(100):
    run.log_metric("m", n)
run.flush()
print("ready", flush=True)
sys.stdin.readline()
for n in range(100):
    run.log_metric("m", n)
run.end()
""")
    hear(process, "ready")
    holder = hold(project)
    say(process)
    finish(process)
    holder.close()
    sql = "select status, count(*) from runs join metrics using (run_id) group by all"
    assert folded(project).read(sql).rows == [["finished", 200]]


# The disk


def make_read_only(disk: Path, project: Project) -> None:
    """The disk must not be busy for that, and whoever logs starts an owner again at any moment."""
    for _ in range(50):
        project.kill_owner()
        if subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=False, capture_output=True).returncode == 0:
            return
    pytest.fail("the disk is busy")


def test_a_read_only_disk_is_named_and_read_and_written_again_when_it_can_be(disk: Path, state: Path) -> None:
    project = Project(disk / "project")
    try:
        project.run(STEADY, 1)
        project.store().stop_owner()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        (warning,) = told(project.run(STEADY, 3))
        assert "cannot be written" in warning
        assert "Make the folder writable" in warning
        # What is there can be read meanwhile.
        store = project.store()
        assert store.ready().state == "read-only"
        assert counts(store) == exactly(1)
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        ready(project)
        assert counts(folded(project)) == exactly(4)
    finally:
        project.close()


def test_a_disk_that_becomes_read_only_under_a_living_owner_costs_nothing(disk: Path, state: Path) -> None:
    project = Project(disk / "project")
    try:
        process = project.start(THRICE)
        hear(process, "ready")
        make_read_only(disk, project)
        say(process)
        hear(process, "spooled")
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        ready(project)
        time.sleep(1.2)
        say(process)
        assert len(told(finish(process))) == 1
        assert counts(folded(project)) == exactly(4)
    finally:
        project.close()


def test_a_folder_that_cannot_be_written_keeps_nobody_from_training(project: Project, state: Path) -> None:
    # Not even root may write where the folder forbids it, without these capabilities.
    unable = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    if unable and not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    project.folder.chmod(0o555)
    done = subprocess.run(
        [*unable, project.python, "-c", STEADY, "3"],
        cwd=project.folder,
        env={**os.environ, "NBOPS_STORE_IDLE_MINUTES": "0.01"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (warning,) = told(done.stdout)
    assert "cannot be written" in warning
    wait_until(lambda: not project.owners())
    project.folder.chmod(0o755)
    assert counts(folded(project)) == exactly(3)


def fill(disk: Path, leave: int) -> Path:
    """Take all room but that many bytes."""
    filler = disk / "filler"
    room = os.statvfs(disk)
    # Others may be quicker to take the last of it.
    with contextlib.suppress(OSError), filler.open("wb") as file:
        file.write(b"\0" * (room.f_bavail * room.f_bsize - leave))
    return filler


@pytest.mark.parametrize("leave", [0, *(pytest.param(size, marks=pytest.mark.long) for size in (40_000, 400_000))])
def test_a_full_disk_costs_nothing_that_was_logged(disk: Path, state: Path, leave: int) -> None:
    project = Project(disk / "project")
    try:
        process = project.start(THRICE)
        hear(process, "ready")
        filler = fill(disk, leave)
        say(process)
        hear(process, "spooled")
        filler.unlink()
        time.sleep(1.2)
        say(process)
        warnings = told(finish(process))
        assert len(warnings) <= 1
        assert all("is full" in warning and "Free some space" in warning for warning in warnings)
        assert counts(folded(project)) == exactly(4)
    finally:
        project.close()


def test_a_disk_that_is_full_from_the_start_keeps_nobody_from_training(disk: Path, state: Path) -> None:
    project = Project(disk / "project")
    try:
        filler = fill(disk, 0)
        (warning,) = told(project.run(STEADY, 3))
        assert "is full" in warning
        filler.unlink()
        assert counts(folded(project)) == exactly(3)
    finally:
        project.close()


def test_a_disk_that_fills_up_while_four_processes_log_costs_nothing(disk: Path, state: Path) -> None:
    project = Project(disk / "project")
    try:
        project.run(STEADY, 1)
        filler = disk / "filler"
        processes = [project.start(STEADY, 10) for _ in range(4)]
        for _ in range(3):
            time.sleep(0.2)
            filler = fill(disk, 0)
            time.sleep(0.2)
            filler.unlink()
        for process in processes:
            finish(process)
        assert counts(folded(project)) == exactly(41)
    finally:
        project.close()


def test_a_backup_that_finds_no_room_says_so_leaves_nothing_and_works_when_there_is(disk: Path, state: Path) -> None:
    project = Project(disk / "project")
    try:
        project.run(STEADY, 1)
        store = project.store()
        for leave in (0, 300_000):
            filler = fill(disk, leave)
            with pytest.raises(StoreFull, match="is full"):
                store.control("backup")
            assert not list(project.places.backups.iterdir())
            filler.unlink()
        kept = store.control("backup")
        assert [path.name for path in project.places.backups.iterdir()] == [kept]
        assert is_locked(project.places.database)
        project.run(STEADY, 1)
        assert counts(folded(project)) == exactly(2)
    finally:
        project.close()


# The owner


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("import sys; sys.executable = '/gone/python'", "cannot be started"),
        ("import pathlib; pathlib.Path('nbops.toml').write_text('[store')", "ended at once"),
        ("import os; os.environ['NBOPS_STORE_MEMORY_LIMIT'] = 'plenty'", "The store failed"),
    ],
)
def test_an_owner_that_cannot_start_keeps_nobody_from_training(
    project: Project, state: Path, fault: str, words: str
) -> None:
    project.run(STEADY, 1)
    process = project.start(TRAIN % f"train(1); print('ready', flush=True); sys.stdin.readline(); {fault}; train(2)")
    hear(process, "ready")
    project.kill_owner()
    say(process)
    (warning,) = told(finish(process))
    assert words in warning
    project.kill_owner()
    (project.folder / "nbops.toml").unlink(missing_ok=True)
    assert counts(folded(project)) == exactly(4)


def test_an_owner_that_stands_still_is_waited_for_only_so_long_and_nothing_counts_twice(
    project: Project, state: Path
) -> None:
    project.run(STEADY, 1)
    project.environ["NBOPS_STORE_TIMEOUT"] = "0.5"
    process = project.start(THRICE)
    hear(process, "ready")
    (owner,) = project.owners()
    os.kill(owner, signal.SIGSTOP)
    try:
        say(process)
        hear(process, "spooled")
    finally:
        os.kill(owner, signal.SIGCONT)
    time.sleep(1.2)
    say(process)
    (warning,) = told(finish(process))
    assert "cannot be reached" in warning
    assert counts(folded(project)) == exactly(5)


# The fold


def leave_spooled(project: Project, count: int) -> Path:
    """A segment of that many runs, whose writer is gone."""
    project.places.create()
    mine = Spool(project.places, store="", writer="w", host="here")
    path = Path()
    for _ in range(count):
        path = mine.append(envelope(start()))
    mine.seal()
    return path


@pytest.mark.parametrize(("turns", "size"), [(3, 100), pytest.param(60, 1000, marks=pytest.mark.long)])
def test_a_fold_that_is_killed_again_and_again_counts_everything_once(project: Project, turns: int, size: int) -> None:
    for _ in range(3):
        leave_spooled(project, size)
    for turn in range(turns):
        store = project.store()
        store.hello()
        time.sleep(0.02 * (turn % 8))
        project.kill_owner()
    store = folded(project)
    assert store.read("select count(*), count(distinct run_id) from core.runs").rows == [[3 * size, 3 * size]]
    assert store.read("select count(*), count(distinct tx) from core.ledger").rows == [[3 * size, 3 * size]]


def test_a_torn_last_record_is_left_out_of_the_fold(project: Project) -> None:
    path = leave_spooled(project, 3)
    os.truncate(path, path.stat().st_size - 5)
    assert folded(project).read("select count(*) from runs").rows == [[2]]


def test_what_the_store_refuses_at_the_fold_is_put_aside_and_named_and_holds_nothing_up(project: Project) -> None:
    project.places.create()
    mine = Spool(project.places, store="", writer="w", host="here")
    taken = start()
    mine.append(envelope(taken))
    refused = envelope(start(taken.run_id))
    mine.append(refused)
    mine.append(envelope(start()))
    mine.seal()
    store = ready(project)
    wait_until(lambda: not list(spool.segments(project.places)))
    assert store.read("select count(*) from runs").rows == [[2]]
    (kept,) = project.places.rejected.iterdir()
    record = msgspec.msgpack.decode(kept.read_bytes(), type=Rejected)
    assert (record.envelope.tx, record.problem.code) == (refused.tx, "conflict")
    assert str(kept) in project.places.log.read_text()


def test_a_segment_that_cannot_be_read_holds_no_other_up(project: Project) -> None:
    project.places.create()
    odd = project.places.spool / "00000000-0000-7000-8000-000000000000.spool"
    odd.mkdir()
    leave_spooled(project, 2)
    store = ready(project)
    wait_until(lambda: store.read("select count(*) from runs").rows == [[2]])
    assert str(odd) in project.places.log.read_text()


def end(run_id: str) -> EndRun:
    return EndRun(run_id=run_id, status="finished", ended=now_us())


def test_a_segment_whose_files_find_no_room_holds_up_those_that_may_build_on_it(disk: Path, state: Path) -> None:
    project = Project(disk / "project")
    try:
        project.run(STEADY, 1)
        store = ready(project)
        run = start()
        full = Places(project.places.folder)
        full.spool = Path("/proc/full")
        begun = Spool(full, store="", writer="w", host="here")
        path = begun.append(envelope(run))
        begun.seal()
        blobs.put(path.parent / spool.BLOBS, os.urandom(2_000_000))
        ended = Spool(project.places, store="", writer="w", host="here")
        ended.append(envelope(end(run.run_id)))
        ended.seal()
        filler = fill(disk, 1_000_000)
        with pytest.raises(StoreFull):
            store.control("fold")
        filler.unlink()
        assert folded(project).read("select count(*) from runs where status = 'finished'").rows == [[2]]
    finally:
        project.close()


def test_what_one_thread_puts_aside_while_another_brings_in_the_rest_comes_before_what_follows(
    project: Project, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ready(project)
    store.spooling = "a fault that is over"
    first, second = start(), start()
    fold = store.control

    def while_folding(action: str, *_: object, **__: object) -> object:
        answer = fold(action)
        with monkeypatch.context() as other:
            # The other thread asked just before, when it was too early.
            other.setattr(store, "_recovered", lambda: False)
            store.write(second)
        return answer

    with monkeypatch.context() as here:
        here.setattr(store, "control", while_folding)
        store.write(first)
    store.write(end(second.run_id))
    store.write(end(first.run_id))
    wait_until(lambda: store.read("select count(*) from runs where status = 'finished'").rows == [[2]])
    assert not project.places.rejected.exists()


def test_a_living_writers_segment_is_folded_while_it_grows(project: Project) -> None:
    project.places.create()
    mine = Spool(project.places, store="", writer="w", host="here")
    store = ready(project)
    for n in range(3):
        mine.append(envelope(start()))
        store.control("fold")
        assert store.read("select count(*) from runs").rows == [[n + 1]]
        assert len(list(spool.segments(project.places))) == 1
    mine.seal()
    store.control("fold")
    assert not list(spool.segments(project.places))
    assert store.read("select count(*) from core.ledger").rows == [[3]]
