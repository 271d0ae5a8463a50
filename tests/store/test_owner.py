"""One owner for any number of processes: found or started by whoever comes first, replaced when it dies, gone when nobody needs it."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import msgspec
import pytest

from nbops.errors import Conflict, NbopsError, TrustRefused, UsageError
from nbops.records import new_id
from nbops.store.client import Store
from nbops.store.meeting import BUSY, Meeting, Page
from nbops.store.places import LONGEST_ADDRESS
from nbops.store.wire import Hello
from tests.conftest import Project, wait_until
from tests.store.inside import start


def count(store: Store, table: str) -> int:
    return int(store.read(f"select count(*) from core.{table}").rows[0][0])  # noqa: S608 - a name of the test's own


def test_a_write_that_returned_is_there_after_kill_9_of_the_owner(project: Project, store: Store) -> None:
    for turn in range(3):
        store.write(start())
        assert project.kill_owner() == 1
        assert count(store, "runs") == turn + 1


def test_of_four_owners_that_start_at_once_one_stays_and_the_others_say_why_they_leave(project: Project) -> None:
    project.places.create()
    command = [sys.executable, "-P", "-m", "nbops._owner", str(project.places.folder)]
    environ = {**os.environ, "NBOPS_STORE_TIMEOUT": "0.5"}
    owners = [subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) for _ in range(4)]
    wait_until(lambda: sum(owner.poll() is not None for owner in owners) == 3)
    assert sorted(owner.poll() or 0 for owner in owners) == [0, BUSY, BUSY, BUSY]
    (stays,) = (owner for owner in owners if owner.poll() is None)
    assert project.owners() == [stays.pid]
    assert project.store().ready().pid == stays.pid
    stays.kill()
    stays.wait()


def test_an_idle_owner_leaves_a_whole_file_and_nothing_else(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBOPS_STORE_IDLE_MINUTES", "0.005")
    project.store().write(start())
    wait_until(lambda: not project.owners())
    assert not (project.places.run / "owner.sock").exists()
    assert not project.places.database.with_suffix(".duckdb.wal").exists()
    con = duckdb.connect(str(project.places.database), read_only=True)
    assert con.execute("select count(*) from core.runs").fetchall() == [(1,)]
    con.close()


def test_stop_ends_the_owner_of_now_also_for_one_who_knew_the_owner_before(project: Project) -> None:
    early, late = project.store(), project.store()
    early.hello()
    project.kill_owner()
    late.hello()
    # What early kept is a connection to an owner that was killed.
    assert early.stop_owner()
    assert project.owners() == []
    assert not early.stop_owner()


def test_one_poisoned_request_among_63_good_ones_is_one_error(store: Store) -> None:
    taken = start()
    store.write(taken)
    requests = [start(taken.run_id), *(start() for _ in range(63))]
    with ThreadPoolExecutor(64) as pool:
        errors = [future.exception() for future in [pool.submit(store.write, request) for request in requests]]
    assert [type(error) for error in errors if error] == [Conflict]
    assert errors[0]
    assert not store.spooling
    assert count(store, "runs") == count(store, "ledger") == 64


# Places


@pytest.mark.parametrize("name", ["a 'folder' with \"quotes\"; and 100%_{} more--", "Größe ☃ données"])
def test_a_project_may_be_called_anything(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path / name)
    try:
        assert project.run("import nbops; print(nbops.start_run('e').status)") == "running\n"
        # A backup has its path in SQL, too.
        assert (project.places.backups / project.store().control("backup")).exists()
    finally:
        project.close()


def test_a_path_that_is_too_long_for_a_socket_is_reached_through_its_folder(tmp_path: Path) -> None:
    project = Project(tmp_path / ("long" * 30) / "deep")
    try:
        assert len(str(project.places.run / "owner.sock")) > LONGEST_ADDRESS
        pid = project.store().hello().pid
        assert project.store().hello().pid == pid
        assert (project.places.run / "owner.sock").is_socket()
    finally:
        project.close()


def test_a_linked_project_is_the_same_store(project: Project, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(project.folder)
    there = Project(tmp_path / "link")
    there.store().write(start())
    assert count(project.store(), "runs") == 1
    assert len(project.owners()) == 1


def test_libraries_that_lie_in_the_project_do_not_reach_the_owner(project: Project) -> None:
    folders = [project.folder, project.places.folder]
    project.places.create()
    for folder in folders:
        for name in (
            "duckdb",
            "msgspec",
            "uvicorn",
            "httptools",
            "nbops",
            "asyncio",
            "logging",
            "sitecustomize",
            "usercustomize",
        ):
            (folder / f"{name}.py").write_text("raise SystemExit('the wrong one')")
    project.store().write(start())
    assert count(project.store(), "runs") == 1


def test_a_notebooks_own_duckdb_py_does_not_disturb_its_process(project: Project) -> None:
    for name in ("duckdb", "uvicorn", "httptools"):
        (project.folder / f"{name}.py").write_text("raise SystemExit('the wrong one')")
    assert project.run("import nbops; run = nbops.start_run('e'); run.end(); print(run.status)") == "finished\n"


# Who may


def test_tcp_serves_whoever_has_the_token(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBOPS_TRANSPORT", "tcp")
    assert project.run("import nbops; print(nbops.start_run('e').status)") == "running\n"
    store = project.store()
    assert count(store, "runs") == 1
    page = Meeting(project.places, transport="tcp").page()
    assert page is not None
    assert (project.places.run / "owner.json").stat().st_mode & 0o777 == 0o600
    write_page(project, page, token="guessed")
    with pytest.raises(TrustRefused, match="another user"):
        project.store().hello()
    write_page(project, page, token=page.token)
    assert project.store().hello().pid == page.pid
    assert store.stop_owner()
    assert not (project.places.run / "owner.json").exists()


def write_page(project: Project, page: Page, *, token: str, port: int = 0) -> None:
    changed = msgspec.structs.replace(page, token=token, port=port or page.port)
    (project.places.run / "owner.json").write_bytes(msgspec.json.encode(changed))


class Stranger(http.server.BaseHTTPRequestHandler):
    """Another program that has come to listen on the port of an owner that was killed."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<h1>hello</h1>")

    def log_message(self, *_: object) -> None:
        pass


def test_a_stranger_on_a_dead_owners_port_is_not_taken_for_the_owner(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBOPS_TRANSPORT", "tcp")
    project.store().write(start())
    page = Meeting(project.places, transport="tcp").page()
    assert page is not None
    project.kill_owner()
    with http.server.HTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        write_page(project, page, token=page.token, port=stranger.server_port)
        assert count(project.store(), "runs") == 1
        stranger.shutdown()


@pytest.fixture
def open_project() -> Iterator[Project]:
    """A project whose folders every user of the machine may enter."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    project = Project(folder / "project")
    yield project
    project.close()
    shutil.rmtree(folder)


def as_another_user(do: Callable[[], str]) -> str:
    """What a forked child of ours that is another user answers."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os.write(writer, do().encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        answer = file.read()
    os.waitpid(child, 0)
    return answer


def test_another_user_is_refused_even_where_the_folders_are_open(open_project: Project) -> None:
    store = open_project.store()
    store.hello()
    for path in (open_project.folder.parent, open_project.folder, open_project.places.folder, open_project.places.run):
        path.chmod(0o777)
    (open_project.places.run / "owner.sock").chmod(0o777)

    def ask() -> str:
        try:
            store.hello()
        except NbopsError as error:
            return error.code
        return "served"

    assert ask() == "served"
    assert as_another_user(ask) == "model.trust"


def test_every_file_of_the_store_is_private(project: Project) -> None:
    project.run("import nbops; run = nbops.start_run('e'); run.log_text('x', 'x'); run.flush()")
    project.store().control("backup")
    for path in [project.places.folder, *project.places.folder.rglob("*")]:
        if (
            path.is_dir()
            or path.suffix in {".duckdb", ".log", ".json", ".wal"}
            or re.fullmatch("[0-9a-f]{64}", path.name)
        ):
            assert path.stat().st_mode & 0o077 == 0, path


# Versions


def test_hello_tells_who_owns_the_store(store: Store) -> None:
    hello = store.ready()
    assert isinstance(hello, Hello)
    assert (hello.state, hello.code, hello.message) == ("ready", "", "")
    assert hello.duckdb == duckdb.__version__
    assert hello.store == store.read("select value from core.meta where key = 'store_id'").rows[0][0]


def test_what_is_no_request_of_ours_is_refused_and_harms_nobody(project: Project, store: Store) -> None:
    store.hello()
    for text in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\xff" * 100,
        b"POST /v1/write HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc",
    ):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(10)
            raw.connect(str(project.places.run / "owner.sock"))
            raw.sendall(text)
            assert b" 4" in raw.recv(1000).split(b"\r\n")[0]
    store.write(start())
    assert count(store, "runs") == 1


def test_a_request_that_is_too_large_is_refused_with_a_remedy(store: Store) -> None:
    from nbops.records import Param, now_us
    from nbops.tracking.requests import LogRun

    run = start()
    store.write(run)
    param = Param(key="much", value="x" * 70_000_000, kind="str")
    with pytest.raises(UsageError, match="64 MiB"):
        store.write(LogRun(run_id=run.run_id, time=now_us(), params=[param]))
    assert count(store, "runs") == 1


def test_a_client_that_dies_in_the_middle_of_a_request_leaves_nothing(project: Project, store: Store) -> None:
    store.hello()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(project.places.run / "owner.sock"))
        raw.sendall(b"POST /v1/write HTTP/1.1\r\ncontent-length: 1000\r\n\r\n\x82\xa2tx")
    assert count(store, "ledger") == 0
    assert store.read("select count(*) from runs where run_id = ?", [new_id()]).rows == [[0]]


def test_sigterm_is_a_clean_end(project: Project, store: Store) -> None:
    store.write(start())
    os.kill(project.owners()[0], signal.SIGTERM)
    wait_until(lambda: not project.owners())
    assert not project.places.database.with_suffix(".duckdb.wal").exists()
    assert count(store, "runs") == 1
