"""Stores, owners and clients of different versions get along, or part in peace."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

import nbops
from nbops import duck
from nbops.errors import StoreVersion
from nbops.store import spool
from nbops.store.client import Store
from nbops.store.meeting import Meeting
from tests.conftest import DUCKDBS, OLDEST, Project, finish, hang_up, wait_until
from tests.store.inside import start


@pytest.mark.skipif(not OLDEST, reason="OLDEST_DUCKDB_PYTHON names no interpreter with the oldest DuckDB")
@pytest.mark.parametrize("turns", [2, pytest.param(10, marks=pytest.mark.long)])
@pytest.mark.parametrize("killed", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_store_written_in_turn_by_the_oldest_and_the_newest_duckdb_stays_whole(
    project: Project, turns: int, *, killed: bool
) -> None:
    """With `killed` each leaves a log behind that the other one has to read."""
    for turn in range(turns):
        for python in DUCKDBS.values():
            project.python = python
            project.run("""
import nbops
with nbops.start_run("turn", params={"a": 1}) as run:
    run.log_series("m", range(6000))
    run.log_metric("n", 1)
""")
            if killed:
                project.kill_owner()
            else:
                project.store().stop_owner()
        assert storage_versions(project.places.database) == {duck.STORAGE.removesuffix(".0")}
        counts = json.loads(
            project.run("""
import json, nbops
store = nbops.open().store
print(json.dumps(store.read("select (select count(*) from runs), (select count(*) from params), (select count(*) from metrics)").rows))
""")
        )
        assert counts == [[2 * turn + 2, 2 * turn + 2, 6001 * (2 * turn + 2)]]
        project.kill_owner()


def storage_versions(database: Path) -> set[str]:
    """What a DuckDB reads in the file's head, as `v1.4`."""
    con = duckdb.connect()
    con.execute(f"attach {duck.literal(str(database))} as s (read_only)")
    tags = con.execute("select tags['storage_version'] from duckdb_databases() where database_name = 's'").fetchall()
    con.close()
    return {match[0] for (tag,) in tags if (match := re.match(r"v\d+\.\d+", tag))}


def test_a_new_store_can_be_opened_by_the_oldest_duckdb_we_support(project: Project, store: Store) -> None:
    store.write(start())
    store.stop_owner()
    assert storage_versions(project.places.database) == {"v1.4"}


# Another nbops


class Older:
    """A copy of this nbops that says it is older, in a folder of its own."""

    def __init__(self, folder: Path, version: str) -> None:
        shutil.copytree(Path(nbops.__file__).parent, folder / "nbops", ignore=shutil.ignore_patterns("__pycache__"))
        head = folder / "nbops" / "__init__.py"
        head.write_text(re.sub('__version__ = ".*"', f'__version__ = "{version}"', head.read_text()))
        self.folder = folder

    def own(self, project: Project) -> subprocess.Popen[bytes]:
        """Its owner process. Owners inherit no path to look for modules, so this one is started by hand, the usual way otherwise."""
        code = f"import sys; sys.path.insert(0, {str(self.folder)!r}); from nbops import _owner; sys.exit(_owner.main(sys.argv[3]))"
        # The arguments are those by which an owner is told from other processes.
        command = [sys.executable, "-P", "-c", code, "-m", "nbops._owner", str(project.places.folder)]
        project.places.create()
        with project.places.log.open("ab") as log:
            owner = subprocess.Popen(
                command, cwd=project.places.folder, stderr=log, start_new_session=True, env=os.environ
            )
        # A client that comes before it has the lock would start another one.
        wait_until(Meeting(project.places, transport="unix").owned)
        return owner


@pytest.fixture
def older(tmp_path: Path) -> Older:
    return Older(tmp_path / "older", "0.0.1")


LOGGER = """
import sys, threading
sys.path[:0] = sys.argv[2:]
import nbops
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), over.set()), daemon=True).start()
workspace = nbops.open()
with open(sys.argv[1], "w", buffering=1) as acknowledged:
    while not over.is_set():
        with workspace.start_run(nbops.__version__) as run:
            run.log_metric("m", 1)
        acknowledged.write(run.run_id + "\\n")
"""


def test_a_newer_client_replaces_an_older_owner_under_load_and_nothing_is_lost(project: Project, older: Older) -> None:
    owner = older.own(project)
    store = project.store()
    logs = [project.folder / f"{n}.acknowledged" for n in range(4)]
    writers = [project.start(LOGGER, log, older.folder) for log in logs]
    wait_until(lambda: all(log.exists() and log.read_text() for log in logs))
    assert owner.poll() is None
    # The newer ones come.
    hello = store.ready()
    assert hello.nbops == nbops.__version__
    assert owner.wait(30) == 0
    time.sleep(0.3)
    for writer in writers:
        hang_up(writer)
    for writer in writers:
        assert finish(writer) == ""
    told = [line for log in logs for line in log.read_text().splitlines()]
    wait_until(lambda: not list(spool.segments(project.places)))
    found = [run for (run,) in store.read("select run_id::varchar from runs where experiment = '0.0.1'").rows]
    assert len(found) == len(set(found))
    assert set(told) == set(found)
    assert store.read("select count(*) from metrics").rows == [[len(found)]]
    # The older ones have nothing against a newer owner.
    assert store.hello().pid == hello.pid


def test_an_older_client_is_served_by_a_newer_owner(project: Project, older: Older) -> None:
    store = project.store()
    pid = store.hello().pid
    out = project.run(
        "import sys; sys.path.insert(0, sys.argv[1]); import nbops; print(nbops.__version__, nbops.start_run('e').status)",
        older.folder,
    )
    assert out == "0.0.1 running\n"
    assert store.hello().pid == pid


def test_an_owner_that_speaks_a_newer_protocol_is_left_in_place_and_named(project: Project, tmp_path: Path) -> None:
    newer = Older(tmp_path / "newer", "99.0.0")
    wire = newer.folder / "nbops" / "store" / "wire.py"
    wire.write_text(wire.read_text().replace("PROTOCOL = 1", "PROTOCOL = 2"))
    owner = newer.own(project)
    wait_until((project.places.run / "owner.sock").exists)
    with pytest.raises(StoreVersion, match=r"99\.0\.0") as caught:
        project.store().hello()
    assert "pip install -U nbops" in caught.value.hint
    assert owner.poll() is None
    owner.kill()
    owner.wait()
