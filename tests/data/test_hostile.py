"""What comes from outside may be made to do harm: it stays data, costs what it may cost, and reaches nothing else."""

from __future__ import annotations

import http.server
import resource
import threading
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nbops.data import collecting, declared, snapshots
from nbops.data.checking import check
from nbops.data.collection import Collection
from nbops.data.difference import compare
from nbops.data.profile_views import ProfileView
from nbops.data.quarantine import Quarantine
from nbops.data.sources import declaration, network
from nbops.errors import ConfigError, NbopsError, NotFound, SourceError, UsageError
from nbops.store.client import Store
from tests.conftest import Project

FORMULAS = ["=1+1", "+1", "-1", "@sum(a1)", "=cmd|' /C calc'!A0", "\t=1", '=HYPERLINK("http://x","y")']  # fmt: skip
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
SQL = "a\"); drop table given; copy (select 1) to 'out.csv'; --"


def taken(store: Store, data: object, name: str = "flights", **told: Any) -> Collection:
    return collecting.collect(store, declaration.read({"from": data, **told}, name))


class Tags(HTMLParser):
    """The elements of a text and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(f"{tag}.{name}" for name, _ in attrs)}


# Text


def test_formulas_stay_text(store: Store, project: Project) -> None:
    path = project.folder / "flights.csv"
    pd.DataFrame({"a": FORMULAS, "n": range(len(FORMULAS))}).to_csv(path, index=False)
    taken(store, str(path), contract={"columns": {"a": "string"}})
    assert list(snapshots.get(store, "flights").frame()["a"]) == FORMULAS
    taken(store, str(path), contract={"columns": {"a": "string", "n": {"in": [0]}}})
    waiting = Quarantine(store, "flights")
    assert sorted(waiting.frame()["a"]) == sorted(FORMULAS[1:])
    assert not Tags(waiting.to_html()).found & {"script", "a", "a.href"}


def test_html_in_values_names_and_reasons_is_shown_as_text(store: Store) -> None:
    frame = pd.DataFrame({SCRIPT: ["1", SCRIPT, "2"], "b": [SCRIPT, "x", "y"]})
    contract = {"columns": {SCRIPT: {"type": "integer"}, "b": {"in": ["y", SCRIPT], "why": SCRIPT}}}
    done = taken(store, frame, contract=contract)
    assert (done.good, done.quarantined) == (2, 1)
    found = check(frame, contract)
    second = taken(store, pd.DataFrame({SCRIPT: [1], "b": ["y"]}), contract=contract)
    assert second.snapshot is not None
    assert done.snapshot is not None
    views = [
        done,
        found,
        Quarantine(store, "flights"),
        compare(done.snapshot, second.snapshot, ()),
        ProfileView(done.snapshot.profile()),
    ]
    for view in views:
        told = view.to_html()
        assert not Tags(told).found & {"script", "img", "img.onerror"}, type(view)
        assert SCRIPT not in told
    refused = taken(
        store, frame, contract={"columns": {SCRIPT: "integer"}, "extra": "stop", "rules": [{"unique": ["b", SCRIPT]}]}
    )
    assert not Tags(refused.to_html()).found & {"script", "img"}


@pytest.mark.parametrize(
    "text", [SQL, "'; drop table x; --", "{a}", "%s", "$1", "\\", '""', "[0]", "a.b", " ", "é\u202e", "select"]
)
def test_names_and_values_that_look_like_sql_are_names_and_values(store: Store, project: Project, text: str) -> None:
    frame = pd.DataFrame({text: [text, text, "x"], "n": [1, 2, 3]})
    contract = {
        "columns": {text: {"in": [text], "not_null": True, "regex": ".*", "why": text}},
        "rules": [{"unique": [text, "n"], "why": text}, {"null_share": {"column": text, "max": 0.5}}],
    }
    done = taken(store, frame, contract=contract, key=["n"], order=text, dedup=True)
    assert (done.rows, done.good, done.quarantined) == (3, 2, 1)
    assert snapshots.get(store, "flights").frame([text])[text].tolist() == [text, text]
    path = project.folder / "files" / f"{text.replace('/', '')}.csv"
    path.parent.mkdir()
    frame.to_csv(path, index=False)
    try:
        assert taken(store, str(path), "file", contract=contract).rows == 3
    except NbopsError as error:
        assert error.hint  # noqa: PT017 - either of both
    assert not (project.folder / "out.csv").exists()


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b", "", ".", "..", ".hidden", "a..b", "x\0", "x\n", "é", "a'b", "a b", "x" * 101]
)
def test_a_name_that_could_be_a_path_is_refused(store: Store, project: Project, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name"):
        taken(store, pd.DataFrame({"a": [1]}), name)
    with pytest.raises(NbopsError):
        collecting.collect(store, name)
    with pytest.raises(NotFound), collecting.staging(store, name):
        pass
    assert not (project.places.folder / "staging").exists()


@pytest.mark.parametrize("name", ["work", "good", "x.lock", "_", "select", "-x", "x.sql"])
def test_any_other_name_can_be_collected(store: Store, project: Project, name: str) -> None:
    path = project.folder / "x.csv"
    path.write_text("a\n1\n")
    taken(store, pd.DataFrame({"a": [1]}), "x")
    assert taken(store, str(path), name).good == 1
    assert snapshots.resolve(store, f"{name}/1").rows == 1


# SQL that others wrote

READS = [
    "(select count(*) from read_csv('/etc/passwd')) > 0", "(select count(*) from '/etc/passwd') > 0",
    "(select content from read_text('/etc/passwd')) is null", "len(getenv('HOME')) < 0", "(select count(*) from glob('/*')) = 0",
    "(select count(*) from duckdb_settings()) < 0 and (select count(*) from read_blob('/etc/passwd')) = 0",
]  # fmt: skip
WRITES = [
    "true); copy (select 1) to 'out.csv'; select (true", "true); attach 'out.db'; select (true", "true); install httpfs; select (true",
    "true); set enable_external_access = true; select (true", "true) to 'out.csv'; --",
]  # fmt: skip


def test_the_expression_of_a_contract_reaches_nothing_else(store: Store, project: Project) -> None:
    frame = pd.DataFrame({"a": [1]})
    for condition in (*READS, *WRITES):
        contract = {"rules": [{"expr": condition}]}
        for judge in (check, lambda rows, asked: taken(store, rows, contract=asked)):
            with pytest.raises((UsageError, SourceError)) as caught:
                judge(frame, contract)
            assert "root:" not in str(caught.value), condition
    assert [path.name for path in project.folder.iterdir() if path.name.startswith("out")] == []
    assert not Path("out.csv").exists()
    assert not Path("out.db").exists()


STEPS = [
    "select * from read_csv('/etc/passwd')", "select * from '/etc/passwd'", "copy (select 1) to 'out.csv'", "attach 'out.db'",
    "install httpfs", "load httpfs", "select 1; select 2", "pragma version", "create table x as select 1", "set threads = 1",
    "select * from flights, read_text('/etc/passwd')", "select getenv('HOME')", "from glob('/*')", "call dbgen(sf=1)",
    "with x as (select * from read_blob('/etc/passwd')) select * from x", "export database 'out'", "import database '/etc'",
    "select * from duckdb_secrets()", "explain analyze select * from read_csv('/etc/passwd')", "",
]  # fmt: skip


def test_a_step_reads_sources_and_nothing_else(store: Store, project: Project) -> None:
    taken(store, pd.DataFrame({"a": [1]}))
    path = project.folder / "sources" / "step.sql"
    path.parent.mkdir()
    for sql in STEPS:
        path.write_text(sql)
        with pytest.raises(NbopsError) as caught:
            collecting.collect(store, "step")
        assert caught.value.hint
        assert "root:" not in str(caught.value), sql
        # What is given in Python is no more able.
        source = declaration.read({"from": "sources/step.sql"}, "step")
        with pytest.raises(NbopsError):
            collecting.collect(store, declared.Step(source, sql, ()))
        assert {path.name for path in project.folder.iterdir()} <= {".nbops", "sources"}, sql


# Files


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.parquet", b""), ("x.parquet", b"PAR1"), ("x.parquet", b"PAR1" + b"\xff" * 500 + b"PAR1"), ("x.parquet", b"no parquet"),
        ("x.json", b"{"), ("x.json", b"\xff\xfe\x00"), ("x.csv", b"a,b\n\xff\xfe\n"), ("x.csv", b"\0" * 100), ("x.jsonl", b"[1]\n{\n"),
        ("x.csv.gz", b"\x1f\x8b\x08\0"), ("x.csv.zip", b"PK\x03\x04broken"), ("x.xlsx", b"PK\x03\x04broken"),
        ("x.csv.zst", b"\x28\xb5\x2f\xfd"),
        ("x.csv", b'"' * 1001), ("x.csv", b"," * 3000),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_told_and_nothing_is_taken(
    store: Store, project: Project, name: str, content: bytes
) -> None:
    path = project.folder / name
    path.write_bytes(content)
    try:
        done = taken(store, str(path))
    except NbopsError as error:
        assert error.hint  # noqa: PT017 - either of both
        assert store.read("select count(*) from snapshots").rows == [[0]]
    else:
        assert name == "x.csv"
        assert done.rows == done.good + done.quarantined


def test_a_parquet_file_that_ends_too_early_or_is_damaged_is_told(store: Store, project: Project) -> None:
    path = project.folder / "x.parquet"
    pq.write_table(pa.table({"a": [f"{n}" for n in range(200_000)]}), path, row_group_size=20_000)
    whole = path.read_bytes()
    damaged = [whole[: len(whole) // 2], whole[:-10], whole[10:], whole[:1000] + b"\xff" * 5000 + whole[6000:]]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(SourceError) as caught:
            taken(store, str(path))
        assert caught.value.hint
    assert store.read("select count(*) from snapshots").rows == [[0]]
    path.write_bytes(whole)
    assert taken(store, str(path)).good == 200_000


def test_a_zip_bomb_is_refused_before_it_fills_the_disk(store: Store, project: Project) -> None:
    path = project.folder / "x.csv.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.csv", "w", force_zip64=True) as file,
    ):
        for _ in range(300):
            file.write(b"0\n" * 2**19)
    assert path.stat().st_size < 2**20
    with pytest.raises(SourceError) as caught:
        taken(store, str(path), max_bytes=10 * 2**20)
    assert caught.value.hint
    left = [found.stat().st_size for found in (project.places.folder / "staging").rglob("*") if found.is_file()]
    assert sum(left) < 20 * 2**20


def test_a_line_without_an_end_is_refused_with_little_memory(store: Store, project: Project) -> None:
    path = project.folder / "x.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n1,")
        file.truncate(2**30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SourceError, match="longer than"):
        taken(store, str(path), contract={"columns": {"a": "integer"}})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


# Networks


@pytest.fixture
def server() -> Iterator[str]:
    """It sends who asks for /away to another port of this machine."""

    class Redirecting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            away = self.path.startswith("/away")
            self.send_response(302 if away else 200)
            if away:
                self.send_header("Location", f"http://localhost:{self.server.server_port}/secret.csv")  # type: ignore[attr-defined]  # an HTTP server's
            self.send_header("Content-Length", "0" if away else "4")
            self.end_headers()
            self.wfile.write(b"" if away else b"a\n1\n")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1.nip.invalid/x.csv", "http://0.0.0.0:9/x.csv", "http://[::1]:9/x.csv"]
)
def test_an_address_that_leads_nowhere_good_is_a_sentence(store: Store, address: str) -> None:
    with pytest.raises(NbopsError) as caught:
        taken(store, address, retries=0)
    assert caught.value.hint


def test_a_name_that_leads_to_this_machine_is_not_followed(
    store: Store, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "addresses", lambda _, port: [(0, 0, 0, "", ("127.0.0.1", port))])
    port = server.rpartition(":")[2]
    with pytest.raises(SourceError, match="is the loopback address"):
        taken(store, f"http://data.example.org:{port}/x.csv", retries=0)
    assert taken(store, f"http://data.example.org:{port}/x.csv", "allowed", allow_private=True).good == 1


def test_a_redirect_to_this_machine_is_not_followed(store: Store, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address 127.0.0.1 stands for one on the internet, which a test cannot ask."""
    plain = network.reach
    monkeypatch.setattr(network, "reach", lambda ip: "public" if ip == "127.0.0.1" else plain(ip))
    met = {"data.example.org": "127.0.0.1"}
    monkeypatch.setattr(network, "addresses", lambda host, port: [(0, 0, 0, "", (met.get(host, "127.0.0.2"), port))])
    port = server.rpartition(":")[2]
    with pytest.raises(SourceError, match="localhost is the loopback address"):
        taken(store, f"http://data.example.org:{port}/away.csv", retries=0)
    assert taken(store, f"http://data.example.org:{port}/x.csv", retries=0).good == 1


def test_what_is_declared_to_be_on_this_machine_may_redirect_there(store: Store, server: str) -> None:
    assert taken(store, f"{server}/x.csv").good == 1
    assert taken(store, f"{server}/away.csv", "away").good == 1
