"""kill -9, a full disk and two at once while data is collected: a collection has happened or it has not."""

from __future__ import annotations

import http.server
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nbops.data import canonical, collecting, snapshots
from nbops.data.quarantine import Quarantine
from nbops.data.sources import declaration
from nbops.errors import NbopsError
from nbops.store.client import Store
from tests.conftest import Project, finish, wait_until

ROWS = 20_000
COLLECTING = """
import itertools, pathlib, sys
import nbops
from nbops.errors import NbopsError

print("ready", flush=True)
flights = pathlib.Path("flights.csv")
for number in itertools.count(int(sys.argv[1])):
    new = flights.with_suffix(".new")
    new.write_bytes(pathlib.Path(f"flights-{number % 3}.csv").read_bytes())
    new.replace(flights)
    for name in ("flights", "weather", "delays", "nights"):
        try:
            print(name, nbops.dataset(name).collect().status, flush=True)
        except NbopsError as error:
            assert error.hint
            print(name, type(error).__name__, repr(error.message), flush=True)
"""
ONCE = """
import sys
import nbops
sys.stdin.readline()
print(nbops.dataset("flights").collect().status)
"""
SOURCES = {
    "flights.yaml": "from: flights.csv\n",
    "weather.yaml": "from: {address}/weather.csv\nallow_private: true\ncontract: {columns: {hour: integer, wind: integer}}\n",
    "delays.sql": "select f.id, f.delay + w.wind as late from flights f join weather w on f.id % 100 = w.hour\n",
    "nights.yaml": "from: flights.csv\nappend: {by: id, look_back: 500}\nkey: id\ncontract: contracts/flights.yaml\n",
}


@pytest.fixture
def address() -> Iterator[str]:
    """A server of weather, which is another one with every second request."""
    asked = iter(range(10**9))

    class Weather(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wind = next(asked) % 2
            body = "hour,wind\n" + "".join(f"{hour},{hour * (1 + wind)}\n" for hour in range(100)) + "x,y\n"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # What is slow can be killed in its middle.
            for start in range(0, len(body), 200):
                self.wfile.write(body[start : start + 200].encode())
                time.sleep(0.005)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Weather)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def declare(project: Project, address: str = "http://127.0.0.1:9") -> None:
    """Sources, a step, a contract, and three states of the flights, some of whose rows and lines are broken."""
    for folder in ("sources", "contracts"):
        (project.folder / folder).mkdir()
    for name, text in SOURCES.items():
        (project.folder / "sources" / name).write_text(text.replace("{address}", address))
    (project.folder / "contracts" / "flights.yaml").write_text(
        "columns:\n  id: {type: integer, unique: true}\n  delay: {type: number, range: {min: 0}}\n"
    )
    for number in range(3):
        rows = [f"{n},{n % 60 - (n % 500 == number)}" for n in range(ROWS + 100 * number)]
        (project.folder / f"flights-{number}.csv").write_text("\n".join(["id,delay", *rows, "7,x", "no row", ""]))
    (project.folder / "flights.csv").write_bytes((project.folder / "flights-0.csv").read_bytes())


def assert_whole(store: Store, seen: set[str]) -> None:
    """Nothing is there by halves; versions that were `seen` are not read again."""
    assert store.read("select count(*) from collections where rows <> good + quarantined + dropped").rows == [[0]]
    for name, version in store.read("select source, version from snapshots").rows:
        found = snapshots.get(store, name, version)
        if found.content_hash not in seen:
            assert canonical.content_hash_of(found.arrow()) == found.content_hash, found
            assert found.arrow().num_rows == found.rows
            seen.add(found.content_hash)
    last = """
        select source, arg_max(quarantined, seq) from collections
        where how = 'collected' and scanned and status in ('taken', 'unchanged') and source <> 'nights' group by source
    """
    for name, quarantined in store.read(last).rows:
        waiting = Quarantine(store, name)
        assert waiting.rows == len(waiting.frame()) == quarantined
    waiting = Quarantine(store, "nights")
    assert waiting.rows == len(waiting.frame())


def assert_swept(project: Project) -> None:
    """No collection left anything behind but its lock."""
    left = [path for path in (project.places.folder / "staging").rglob("*") if path.suffix != ".lock"]
    assert left == []


def undisturbed(folder: Path, address: str) -> dict[str, str]:
    """The content hashes of the flights' states and of what is made of them, collected at leisure."""
    project = Project(folder)
    try:
        declare(project, address)
        store = project.store()
        return {name: hash_of(store, name) for name in ("flights", "nights")}
    finally:
        project.close()


def hash_of(store: Store, name: str) -> str:
    """The content hash after a collection."""
    found = collecting.collect(store, name).snapshot
    assert found is not None
    return found.content_hash


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.long)])
def test_a_collection_that_is_killed_has_happened_or_not(
    project: Project, tmp_path: Path, address: str, kills: int
) -> None:
    wanted = undisturbed(tmp_path / "undisturbed", address)
    declare(project, address)
    store, seen, chance = project.store(), set[str](), random.Random(7)
    struck = 0
    for number in range(kills):
        process = project.start(COLLECTING, number)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5 + chance.random() * 1.5)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        struck += any((project.places.folder / "staging").glob("*/work"))
        assert_whole(store, seen)
    assert struck > kills / 4
    (project.folder / "flights.csv").write_bytes((project.folder / "flights-0.csv").read_bytes())
    assert hash_of(store, "flights") == wanted["flights"]
    for name in ("weather", "delays", "nights"):
        collecting.collect(store, name)
    assert_whole(store, seen)
    assert_swept(project)


def test_a_store_whose_owner_is_killed_meanwhile_has_every_collection_once(project: Project, address: str) -> None:
    declare(project, address)
    store, chance = project.store(), random.Random(7)
    process = project.start(COLLECTING, 0)
    assert process.stdout is not None
    for _ in range(5):
        time.sleep(chance.random())
        project.kill_owner()
    said = [process.stdout.readline().split(maxsplit=2) for _ in range(13)][1:]
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate()
    assert all(said), err
    assert {line[1] for line in said} <= {"taken", "unchanged"}, said
    assert_whole(store, set())
    for name in ("flights", "weather", "delays", "nights"):
        collecting.collect(store, name)
    assert_swept(project)


def test_of_two_who_collect_at_once_one_makes_the_version(project: Project) -> None:
    declare(project)
    project.start_owner()
    both = [project.start(ONCE) for _ in range(2)]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert sorted(finish(process).strip() for process in both) == ["taken", "unchanged"]
    store = project.store()
    assert store.read("select version from snapshots").rows == [[1]]
    assert_whole(store, set())
    assert_swept(project)


def fill(path: Path, free: int) -> None:
    """Leave so many bytes of a disk."""
    status = os.statvfs(path.parent)
    with path.open("wb") as file:
        for _ in range((status.f_bavail * status.f_frsize - free) // 4096):
            file.write(b"\0" * 4096)


@pytest.mark.parametrize(
    "free", [0, *(pytest.param(size, marks=pytest.mark.long) for size in (100_000, 2_000_000, 5_000_000))]
)
def test_a_full_disk_is_told_and_collecting_goes_on_when_there_is_room(
    disk: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(disk / "state"))
    project = Project(disk / "project")
    try:
        store = project.store()
        numbers = np.random.default_rng(0).random(500_000)
        told = {"contract": {"columns": {"a": {"range": {"min": 0.5}}}}}
        source = declaration.read({"from": pd.DataFrame({"a": numbers}), **told}, "numbers")
        first = declaration.read({"from": pd.DataFrame({"a": numbers[:10]}), **told}, "numbers")
        collecting.collect(store, first)
        fill(disk / "filler", free)
        with pytest.raises(NbopsError) as caught:
            collecting.collect(store, source)
        assert "full" in caught.value.message.lower() or "no space" in caught.value.message.lower(), caught.value
        assert caught.value.hint
        (disk / "filler").unlink()
        wait_until(lambda: store.read("select 1").rows == [[1]])
        assert [version.version for version in snapshots.every(store, "numbers")] == [1]
        done = collecting.collect(store, source)
        assert (done.status, done.rows, done.snapshot and done.snapshot.version) == ("taken", 500_000, 2)
        assert_whole(store, set())
        assert_swept(project)
    finally:
        project.close()
