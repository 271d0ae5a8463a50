"""Damage to the store's files is noticed: the store opens with what is whole and names what is missing, or says why it does not open."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nbops import duck
from nbops.config import Settings
from nbops.errors import StoreCorrupt, StoreError, StoreVersion
from nbops.store import care, database
from nbops.store.places import Places
from nbops.store.sidecar import Sidecar
from tests.conftest import DUCKDBS, Project, is_locked
from tests.store.inside import Inside, start

RUNS = 60
WRITE = """
import sys
import nbops
from nbops.records import Param, new_id, now_us
from nbops.tracking.requests import LogRun, StartRun
store = nbops.open().store
for n in range(int(sys.argv[1])):
    run = new_id()
    begun = StartRun(run_id=run, experiment="e", name=str(n), started=now_us(), host="elsewhere", pid=1)
    store.write(begun, LogRun(run_id=run, time=now_us(), params=[Param(key=str(k), value="x" * 500, kind="str") for k in range(5)]))
"""


@pytest.fixture(scope="module", params=list(DUCKDBS.values()), ids=list(DUCKDBS))
def crashed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A store whose owner was killed: half of its runs are in the file, half in the log beside it."""
    project = Project(tmp_path_factory.mktemp("crashed") / "project")
    project.python = request.param
    project.run(WRITE, RUNS)
    project.store().control("backup")
    project.store().stop_owner()
    project.run(WRITE, RUNS)
    project.kill_owner()
    yield project
    project.close()


class Copy:
    """A copy of the crashed store to damage and open."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(folder / ".nbops")
        self.settings = Settings(project=folder)
        self.file = self.places.database
        self.log = self.file.with_name(f"{self.file.name}.wal")

    def open(self) -> tuple[str, list[tuple[Any, ...]]]:
        """The notice at the opening, and all runs with their number of params; everything is read."""
        sidecar = Sidecar(self.places.sidecar)
        try:
            opened = database.open_store(self.places, self.settings, sidecar)
        finally:
            sidecar.close()
        sql = """
            select r.name, count(p.key), coalesce(sum(length(p.value)), 0) from core.runs r left join core.params p on p.run_id = r.run_id
            group by r.run_id, r.name, r.seq order by r.seq
        """
        try:
            for table in ("events", "ledger", "experiments", "metrics", "tags"):
                duck.rows(opened.connection, f"from core.{table}")
            return opened.notice, duck.rows(opened.connection, sql)
        finally:
            opened.connection.close()


@pytest.fixture
def copy(crashed: Project, tmp_path: Path) -> Copy:
    shutil.copytree(crashed.places.folder, tmp_path / "copy" / ".nbops", ignore=shutil.ignore_patterns("owner.sock"))
    return Copy(tmp_path / "copy")


WHOLE = [(str(n), 5, 2500) for n in (*range(RUNS), *range(RUNS))]


def test_a_killed_owners_store_opens_whole_and_without_a_notice(copy: Copy) -> None:
    assert copy.log.stat().st_size > 0
    assert copy.open() == ("", WHOLE)


@pytest.mark.parametrize("cut", [1, 200, 5000])
def test_a_cut_log_costs_whole_writes_only_and_the_notice_names_them(copy: Copy, cut: int) -> None:
    os.truncate(copy.log, copy.log.stat().st_size - cut)
    notice, runs = copy.open()
    assert runs == WHOLE[: len(runs)]
    assert RUNS <= len(runs) < 2 * RUNS
    # Two for the store and the experiment; seven for each run, its five params and their place in the ledger.
    first, last = 3 + 7 * len(runs), 2 + 7 * 2 * RUNS
    assert f"sequence {first} to {last}" in notice
    assert copy.open()[0] == "", "it is told once, and then known as an event"


def test_a_log_that_is_gone_is_missed(copy: Copy) -> None:
    copy.log.unlink()
    notice, runs = copy.open()
    assert runs == WHOLE[:RUNS]
    assert f"({7 * RUNS} acknowledged changes" in f"({notice}"


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.9])
def test_garbage_in_the_log_is_an_error_or_a_notice_and_never_wrong_rows(copy: Copy, part: float) -> None:
    damage(copy.log, int(copy.log.stat().st_size * part), 64)
    try:
        notice, runs = copy.open()
    except StoreCorrupt:
        return
    assert runs == WHOLE[: len(runs)]
    assert "are missing" in notice


def test_garbage_in_the_files_head_is_an_error_that_tells_the_remedy(copy: Copy) -> None:
    damage(copy.file, 0, 12288)
    with pytest.raises(StoreCorrupt) as caught:
        copy.open()
    assert "nbops db restore" in caught.value.hint


def test_garbage_in_any_block_is_an_error_or_hits_nothing(copy: Copy) -> None:
    whole, log = copy.file.read_bytes(), copy.log.read_bytes()
    hits = 0
    for position in range(12288 + 1000, len(whole), 262144):
        copy.file.write_bytes(whole)
        copy.log.write_bytes(log)
        damage(copy.file, position, 64)
        try:
            _, runs = copy.open()
        except (StoreError, duck.errors()):
            hits += 1
        else:
            assert runs == WHOLE
    assert hits


def damage(path: Path, position: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        # Nothing in it repeats: DuckDB's checksum is an XOR over words, in which two equal ones cancel out.
        file.write(b"".join(hashlib.sha256(f"{position}.{n}".encode()).digest() for n in range(size // 32)))


def test_a_file_that_is_something_else_is_left_alone(copy: Copy) -> None:
    copy.log.unlink()
    copy.file.write_text("id,value\n" + "1,2\n" * 10_000)
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        copy.open()
    assert copy.file.read_text().startswith("id,value")


@pytest.mark.parametrize("size", [0, 100, 4096, 12288])
def test_a_file_that_is_only_begun_is_never_taken_for_a_new_store_when_writes_were_promised(
    copy: Copy, size: int
) -> None:
    copy.log.unlink()
    os.truncate(copy.file, size)
    try:
        notice, runs = copy.open()
    except StoreCorrupt:
        return
    assert runs == []
    assert "are missing" in notice


def test_a_file_that_is_gone_is_missed_and_not_made_anew(copy: Copy) -> None:
    copy.file.unlink()
    with pytest.raises(StoreCorrupt, match=f"is gone, but {2 + 7 * 2 * RUNS} writes"):
        copy.open()
    assert not copy.file.exists()


def test_an_older_copy_in_the_files_place_is_noticed(copy: Copy) -> None:
    copy.log.unlink()
    shutil.copy(next(copy.places.backups.iterdir()), copy.file)
    notice, runs = copy.open()
    assert runs == WHOLE[:RUNS]
    assert "are missing" in notice


def test_restore_names_the_range_that_is_lost_and_the_sequence_goes_on_behind_it(copy: Copy) -> None:
    from nbops.store.client import Store

    damage(copy.file, 0, 12288)
    store = Store(copy.settings)
    try:
        with pytest.raises(StoreCorrupt):
            store.ready()
        done = care.restore(store)
        assert (done.last, done.promised) == (2 + 7 * RUNS, 2 + 7 * 2 * RUNS)
        assert done.kept_aside is not None
        assert done.kept_aside.exists()
        assert store.read("select count(*) from runs").rows == [[RUNS]]
        assert [finding.problem for finding in care.check(store) if finding.what != "files"] == [""] * 6
        store.write(start())
        assert store.hello().seq > done.promised
        assert is_locked(copy.file)
    finally:
        store.stop_owner()


# Schemas


def test_a_store_of_a_newer_nbops_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    inside = Inside(tmp_path)
    inside.opened.connection.execute("update core.meta set value = '99' where key = 'schema'")
    inside.close()
    with pytest.raises(StoreVersion, match="schema 99") as caught:
        Inside(tmp_path)
    assert "pip install -U nbops" in caught.value.hint


def test_a_migration_keeps_everything_and_makes_a_copy_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.store.inside import envelope

    inside = Inside(tmp_path)
    inside.together(envelope(start()))
    newest = database.migrations()
    monkeypatch.setattr(
        database, "migrations", lambda: [*newest, (newest[-1][0] + 1, "alter table core.runs add column note varchar")]
    )
    inside.restart()
    assert inside.opened.schema == newest[-1][0] + 1
    assert inside.rows("select name, note from core.runs") == [("a run", None)]
    assert [verb for (verb,) in inside.rows("select verb from core.events order by seq")] == [
        "store.created",
        "store.migrated",
    ]
    (backup,) = inside.places.backups.iterdir()
    inside.close()
    con = duck.scratch()
    con.execute(f"attach {duck.literal(str(backup))} as b (read_only)")
    assert duck.rows(con, "select value from b.core.meta where key = 'schema'") == [(str(newest[-1][0]),)]
    assert duck.rows(con, "select name from b.core.runs") == [("a run",)]


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Inside(tmp_path)
    newest = database.migrations()
    broken = (newest[-1][0] + 1, "create table core.half (n integer); insert into core.nothing values (1);")
    with monkeypatch.context() as patch:
        patch.setattr(database, "migrations", lambda: [*newest, broken])
        inside.close()
        with pytest.raises(StoreError):
            Inside(tmp_path)
    inside = Inside(tmp_path)
    assert inside.opened.schema == newest[-1][0]
    assert inside.rows("select count(*) from duckdb_tables() where table_name = 'half'") == [(0,)]
    inside.close()


@pytest.mark.parametrize("python", DUCKDBS.values(), ids=DUCKDBS)
def test_the_lock_is_held_after_a_migration(project: Project, python: str) -> None:
    project.places.create()
    con = duck.scratch()
    con.execute(
        f"attach {duck.literal(str(project.places.database))} as old (storage_version {duck.literal(duck.STORAGE)})"
    )
    con.close()
    project.python = python
    project.start_owner()
    assert project.store().ready().schema == database.migrations()[-1][0]
    assert is_locked(project.places.database)


@pytest.mark.parametrize("before", range(len(database.migrations())))
def test_every_older_schema_and_an_empty_file_are_brought_forward(tmp_path: Path, before: int) -> None:
    places = Places(tmp_path / ".nbops")
    places.create()
    con = duck.scratch()
    con.execute(f"attach {duck.literal(str(places.database))} as old (storage_version {duck.literal(duck.STORAGE)})")
    con.execute("use old")
    for number, sql in database.migrations()[:before]:
        con.execute(sql)
        con.execute("insert or replace into core.meta values ('store_id', 'old'), ('schema', ?)", [str(number)])
    con.close()
    inside = Inside(tmp_path)
    assert inside.opened.schema == database.migrations()[-1][0]
    assert len(list(places.backups.iterdir())) == bool(before)
    assert (inside.opened.store_id == "old") == bool(before)
    inside.close()
