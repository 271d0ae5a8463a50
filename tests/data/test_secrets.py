"""What lets one into a source is in no view, no event and no file of the store, whether it was collected or failed to be."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from nbops.data import declared
from nbops.data.collecting import collect
from nbops.data.freshness import freshness
from nbops.data.sheet import sheet
from nbops.data.sources import declaration
from nbops.data.sources.address import unsaid
from nbops.errors import ConfigError, SourceError
from nbops.store.client import Store
from tests.conftest import Project
from tests.data.sources.server import Server, file, serving

VALUE = "geheim/&é7"
QUOTED = quote(VALUE, safe="")
CSV = b"a,b\n1,x\n2,y\n"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def told(store: Store, project: Project) -> list[str]:
    """Where the secret stands: the views, what people are shown, and the files of the store, but for the declaration itself."""
    views = [row[0] for row in store.read("select view_name from duckdb_views() where not internal").rows]
    assert {"sources", "collections", "events", "freshness"} <= set(views)
    shown = {view: repr(store.read(f'select * from "{view}"').rows) for view in views}  # noqa: S608 - names of our own
    found = freshness(store)
    shown["freshness as shown"] = found.to_text() + found.to_html()
    for line in found.lines:
        drawn = sheet(store, line.source)
        shown[f"sheet of {line.source}"] = drawn.to_text() + drawn.to_html()
    project.kill_owner()
    for path in project.places.folder.rglob("*"):
        if path.is_file():
            shown[path.name] = path.read_bytes().decode(errors="surrogateescape")
    return [where for where, text in shown.items() if any(form in text for form in (VALUE, QUOTED, "geheim"))]


def collected(store: Store, address: str, **more: object) -> str:
    """How it ended; the source is called as its kind of address."""
    told = {"from": address, "retries": 0, "timeout": 2, **more}
    return collect(store, declaration.read(told, f"of-{address.partition(':')[0]}")).status


def test_what_was_collected_tells_no_secret_of_its_address(store: Store, project: Project, server: Server) -> None:
    server.says("/a.csv", file(CSV, etag='"1"'))
    address = f"{server.url('/a.csv', f'me:{QUOTED}@127.0.0.1')}?token={QUOTED}&year=2013"
    assert collected(store, address) == "taken"
    assert server.asked[0][0] == f"/a.csv?token={QUOTED}&year=2013"
    assert told(store, project) == []
    assert store.read("select address from sources").rows == [[f"{server.url('/a.csv')}?token=•••&year=2013"]]


def test_what_was_collected_of_an_object_store_tells_no_secret_of_its_address(store: Store, project: Project) -> None:
    memory = pytest.importorskip("fsspec").filesystem("memory")
    folder = uuid.uuid4().hex
    memory.pipe(f"/me:{VALUE}@{folder}/a.csv", CSV)
    address = f"memory://me:{VALUE}@{folder}/a.csv"
    assert collected(store, address) == "taken"
    assert collected(store, address) == "unchanged"
    assert told(store, project) == []


def test_a_server_that_says_a_secret_again_is_not_quoted(
    store: Store, project: Project, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBOPS_TEST_TOKEN", "geheim-of-the-environment")

    def echo(to: object) -> None:
        to.send_response(403, "no geheim-of-the-environment")  # type: ignore[attr-defined]  # a handler
        to.end_headers()  # type: ignore[attr-defined]  # a handler

    server.says("/a.csv", echo)
    with pytest.raises(SourceError):
        collected(store, server.url("/a.csv"), headers={"X-Token": "Bearer $NBOPS_TEST_TOKEN"})
    assert server.asked[0][1]["X-Token"] == "Bearer geheim-of-the-environment"
    assert told(store, project) == []
    ((message,),) = store.read("select message from collections").rows
    assert "answers 403 no •••" in message


@pytest.mark.parametrize(
    ("address", "more"),
    [
        (f"postgresql://me:{QUOTED}@127.0.0.1:1/flights", {"table": "flights"}),
        # Unquoted, with a sign that no host may have: the parser of addresses tells all of it.
        ("postgresql://me:geheim℀@127.0.0.1:1/flights", {"table": "flights"}),
        (f"http://me:{QUOTED}@127.0.0.1:1/a.csv?access_token={QUOTED}", {}),
        (f"ftp://me:{QUOTED}@127.0.0.1:1/a.csv", {}),
        (f"s3://key:{QUOTED}@bucket/a.csv?sig={QUOTED}", {}),
        (f"memory://me:{VALUE}@nowhere/a.csv?token={QUOTED}", {}),
        (f"memory://me:{VALUE}@nowhere/*.csv", {}),
    ],
)  # fmt: skip
def test_what_failed_tells_no_secret_of_its_address(
    address: str, more: dict[str, object], store: Store, project: Project
) -> None:
    with pytest.raises(SourceError) as failed:
        collected(store, address, **more)
    assert "geheim" not in f"{failed.value}{failed.value.__cause__!r}"
    assert store.read("select status from collections").rows == [["failed"]]
    assert told(store, project) == []


def test_a_variable_that_an_address_names_stays_a_name(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBOPS_TEST_TOKEN", VALUE)
    source = declaration.read({"from": "https://data.invalid/a.csv?key=$NBOPS_TEST_TOKEN", "retries": 0}, "flights")
    with pytest.raises(SourceError) as failed:
        collect(store, source)
    assert VALUE not in str(failed.value)
    assert told(store, project) == []
    assert store.read("select address from sources").rows == [["https://data.invalid/a.csv?key=$NBOPS_TEST_TOKEN"]]


@pytest.mark.parametrize(
    "text",
    [
        'from: "postgresql://me:geheim@db/flights\n', "from: postgresql://me:geheim@db/flights\ntable: a: b\n",
        "from: [postgresql://me:geheim@db/flights]\n", "from: {a: postgresql://me:geheim@db/flights}\n",
        "from: postgresql://me:geheim@db/flights\n", "from: https://me:geheim@[::1/a.csv\n",
    ],
)  # fmt: skip
def test_a_declaration_that_cannot_be_read_is_told_without_its_secret(
    text: str, store: Store, project: Project
) -> None:
    folder = project.folder / declared.FOLDER
    folder.mkdir()
    (folder / "flights.yaml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        collect(store, "flights")
    assert "geheim" not in str(refused.value)
    assert freshness(store)["flights"].state == "unreadable"
    assert told(store, project) == []


@pytest.mark.parametrize(
    ("text", "address", "clean"),
    [
        ("it is geheim, says me", "postgresql://me:geheim@db/x", "it is •••, says me"),
        ("//me:pw@db and pw", "postgresql://me:pw@db/x", "//•••db and pw"),
        ("a@2.csv of h", "https://h/a@2.csv", "a@2.csv of h"),
        ("token abcd%2Fe, abcd/e", "https://h/a?token=abcd%2Fe&page=abcd", "token •••, •••"),
        ("$NAME is not set, name", "postgresql://me:$NAME@db/x", "$NAME is not set, name"),
        ("a name of abcdef", "postgresql://me:${NAME}@db/x", "a name of •••"),
    ],
)  # fmt: skip
def test_what_lets_one_in_is_taken_out_of_a_sentence(text: str, address: str, clean: str) -> None:
    assert unsaid(text, address, (), {"NAME": "abcdef", "OTHER": "says"}) == clean


def test_the_test_would_find_a_secret(store: Store, project: Project) -> None:
    source = declaration.read({"from": str(Path("geheim.csv")), "retries": 0}, "flights")
    with pytest.raises(SourceError):
        collect(store, source)
    assert {"sources", "collections", "freshness as shown", "sheet of flights"} <= set(told(store, project))
