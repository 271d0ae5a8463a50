"""Servers fail in many ways: a file is there as a whole, or not at all, and a sentence says why."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nbops.data.sources import network
from nbops.errors import SourceError
from tests.data.sources.server import OLD, Answer, Handler, Server, cut, drip, drip_headers, file, hang, serving, status
from tests.data.sources.trial import Fetching, rows

CSV = b"a,b\n1,x\n2,y\n"
LARGE = b"a,b\n" + b"".join(b"%d,%d\n" % (number, number * 7) for number in range(80_000))


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def moment(away: timedelta) -> str:
    """A time so far away from now, as HTTP writes it."""
    return format_datetime(datetime.now(UTC) + away, usegmt=True)


def until(away: timedelta) -> Answer:
    """A server that wants to be left alone until a time so far away from when it is asked."""

    def answer(to: Handler) -> None:
        status(429, Retry_After=moment(away))(to)

    return answer


def test_file_is_staged_under_the_sources_name_with_its_origin(server: Server, fetching: Fetching) -> None:
    url = server.says("/..%2F..%2Fevil.csv", file(CSV, etag='"1"', modified=OLD))
    fetched = fetching(url)
    assert rows(fetched) == [(1, "x"), (2, "y")]
    assert fetching.left() == ["flights.csv"]
    found = fetched.origin.files[0]
    assert (found.size, found.sha256, found.etag, found.modified) == (
        len(CSV),
        hashlib.sha256(CSV).hexdigest(),
        '"1"',
        OLD,
    )
    assert (fetched.origin.kind, fetched.origin.attempts, fetched.origin.bytes) == ("http", 1, len(CSV))


@pytest.mark.parametrize("validators", [{"etag": '"1"'}, {"modified": OLD}])
def test_what_the_server_says_is_unchanged_is_not_fetched(validators: Any, server: Server, fetching: Fetching) -> None:
    url = server.says("/a.csv", file(CSV, **validators))
    first = fetching(url)
    again = fetching(url, seen=first.origin)
    assert (again.unchanged, again.data, again.origin.files) == (True, None, first.origin.files)
    server.says("/a.csv", file(CSV + b"3,z\n", etag='"2"'))
    assert len(rows(fetching(url, seen=first.origin))) == 3


def test_same_bytes_without_any_validator_are_unchanged(server: Server, fetching: Fetching) -> None:
    url = server.says("/a.csv", file(CSV))
    assert fetching(url, seen=fetching(url).origin).unchanged
    assert not fetching(url, seen=fetching(url).origin, options={"delimiter": ","}).unchanged


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (status(500), None),
        (status(502), None),
        (status(408), None),
        (status(503, Retry_After="7"), 7),
        (status(429, Retry_After="11"), 11),
        (status(503, Retry_After="86400"), 300),
        (until(timedelta(seconds=200)), 190),
        (until(timedelta(days=-1)), 0),
        (cut(CSV, 6), None),
        (cut(CSV, len(CSV), claimed=999), None),
        (file(CSV, Repr_Digest="sha-256=:" + base64.b64encode(bytes(32)).decode() + ":"), None),
        (file(CSV, Digest="SHA-256=" + base64.b64encode(bytes(32)).decode()), None),
        (file(CSV, Content_MD5=base64.b64encode(bytes(16)).decode()), None),
        (file(CSV, x_amz_checksum_sha256=base64.b64encode(bytes(32)).decode()), None),
    ],
)
def test_what_heals_is_tried_again(answer: Any, wait: float | None, server: Server, fetching: Fetching) -> None:
    fetched = fetching(server.says("/a.csv", answer, file(CSV)))
    assert rows(fetched) == [(1, "x"), (2, "y")]
    assert (fetched.origin.attempts, len(fetched.origin.waits)) == (2, 1)
    assert fetching.waits == [pytest.approx(fetching.waits[0])]
    if wait is None:
        assert 0 <= fetching.waits[0] <= 1
    else:
        assert wait <= fetching.waits[0] <= wait + 10


def test_right_checksums_of_the_server_are_accepted(server: Server, fetching: Fetching) -> None:
    sha, md5 = hashlib.sha256(CSV).digest(), hashlib.md5(CSV, usedforsecurity=False).digest()
    headers: Any = {
        "Repr_Digest": f"sha-256=:{base64.b64encode(sha).decode()}:, unixsum=:AAAA:",
        "Content_MD5": base64.b64encode(md5).decode(),
    }
    assert fetching(server.says("/a.csv", file(CSV, **headers))).origin.attempts == 1


def test_silence_ends_with_a_sentence(server: Server, fetching: Fetching) -> None:
    told = fetching.refused(server.says("/a.csv", hang), timeout=0.2, retries=1)
    assert "sends less than 65 kB in 0.2 seconds, after 2 attempts" in told


@pytest.mark.parametrize("answer", [drip(CSV, 0.05), drip_headers(0.05)], ids=["body", "headers"])
def test_endless_drip_ends(answer: Any, server: Server, fetching: Fetching) -> None:
    begun = time.monotonic()
    told = fetching.refused(server.says("/a.csv", answer), timeout=0.4, retries=1)
    assert "sends less than 65 kB" in told
    assert time.monotonic() - begun < 25


def test_all_attempts_together_are_bounded(server: Server, fetching: Fetching) -> None:
    url = server.says("/a.csv", file(LARGE, pace=0.1))
    assert "was not there after 0.4 seconds, after 1 attempt" in fetching.refused(url, within=0.4)
    assert "after 1 attempt" in fetching.refused(server.says("/b.csv", status(503, Retry_After="100")), within=50)
    assert fetching.waits == []


def test_server_that_is_not_there_is_tried_and_told(fetching: Fetching) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        told = fetching.refused(f"http://127.0.0.1:{taken.getsockname()[1]}/a.csv", retries=2)
    assert "nobody answers there, after 3 attempts" in told
    assert len(fetching.waits) == 2


def test_name_that_is_unknown_is_told(monkeypatch: pytest.MonkeyPatch, fetching: Fetching) -> None:
    def nowhere(host: str, port: int) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(network, "addresses", nowhere)
    assert "its name is unknown" in fetching.refused("http://data.example.org/a.csv", retries=0)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (404, "there is nothing at that address"),
        (401, "`headers: {Authorization: Bearer $TOKEN}`"),
        (403, "wants to know who asks"),
        (410, "nothing"),
        (400, "its server expects"),
    ],
)
def test_refusal_is_not_tried_again_and_names_the_remedy(
    code: int, words: str, server: Server, fetching: Fetching
) -> None:
    told = fetching.refused(server.says("/a.csv", status(code)))
    assert (str(code) in told, words in told) == (True, True)
    assert (len(server.asked), fetching.waits) == (1, [])


def test_page_in_place_of_data_is_refused(server: Server, fetching: Fetching) -> None:
    page = b"\n<!DOCTYPE html><html><head><title>Log in</title></head></html>"
    told = fetching.refused(server.says("/a.csv", status(200, page, Content_Type="text/html")))
    assert "answers with a web page ('Log in'), and not with csv" in told


# Going on


def test_download_goes_on_where_it_broke_off(server: Server, fetching: Fetching) -> None:
    url = server.says("/a.csv", cut(LARGE, 300_000, ETag='"1"'), file(LARGE, etag='"1"'))
    fetched = fetching(url)
    assert fetched.origin.files[0].sha256 == hashlib.sha256(LARGE).hexdigest()
    asked = server.asked[1][1]
    assert (asked["If-Range"], asked["Range"]) == ('"1"', "bytes=300000-")


def test_download_begins_anew_when_the_file_is_another_one(server: Server, fetching: Fetching) -> None:
    other = LARGE.replace(b"7", b"8")
    fetched = fetching(server.says("/a.csv", cut(LARGE, 300_000, ETag='"1"'), file(other, etag='"2"')))
    assert fetched.origin.files[0].sha256 == hashlib.sha256(other).hexdigest()


def test_part_of_another_address_is_not_gone_on_with(server: Server, fetching: Fetching) -> None:
    fetching.refused(server.says("/a.csv", cut(LARGE, 300_000, ETag='"1"')), retries=0)
    fetching(server.says("/b.csv", file(LARGE, etag='"1"')))
    assert "Range" not in server.asked[1][1]


@pytest.mark.parametrize("validators", [{}, {"ETag": 'W/"1"'}, {"Last_Modified": moment(timedelta(days=1))}])
def test_download_begins_anew_when_nothing_proves_that_the_file_is_the_same(
    validators: Any, server: Server, fetching: Fetching
) -> None:
    fetching(server.says("/a.csv", cut(LARGE, 300_000, **validators), file(LARGE)))
    assert "Range" not in server.asked[1][1]


def test_server_that_begins_the_rest_elsewhere_is_not_believed(server: Server, fetching: Fetching) -> None:
    def wrong(to: Any) -> None:
        to.begin(
            206, {"Content-Range": f"bytes 5-{len(LARGE) - 1}/{len(LARGE)}", "Content-Length": str(len(LARGE) - 5)}
        )
        to.wfile.write(LARGE[5:])

    fetched = fetching(server.says("/a.csv", cut(LARGE, 300_000, ETag='"1"'), wrong, file(LARGE, etag='"1"')))
    assert fetched.origin.files[0].sha256 == hashlib.sha256(LARGE).hexdigest()
    assert fetched.origin.attempts == 3


def test_server_that_sends_the_rest_of_another_file_is_not_believed(server: Server, fetching: Fetching) -> None:
    other = LARGE.replace(b"7", b"8")

    def wrong(to: Any) -> None:
        rest = {
            "Content-Range": f"bytes 300000-{len(LARGE) - 1}/{len(LARGE)}",
            "Content-Length": str(len(LARGE) - 300_000),
        }
        to.begin(206, {**rest, "ETag": '"2"'})
        to.wfile.write(other[300_000:])

    fetched = fetching(server.says("/a.csv", cut(LARGE, 300_000, ETag='"1"'), wrong, file(other, etag='"2"')))
    assert fetched.origin.files[0].sha256 == hashlib.sha256(other).hexdigest()


@settings(max_examples=20, deadline=None)
@example([30_000, 60_000, 60_000], {"etag": '"1"'})
@given(st.lists(st.integers(0, 60_000), max_size=4), st.sampled_from([{"etag": '"1"'}, {"modified": OLD}, {}]))
def test_wherever_it_breaks_off_the_same_bytes_arrive(cuts: list[int], validators: Any) -> None:
    body = LARGE[:150_000]
    with serving() as server, tempfile.TemporaryDirectory() as folder:
        answers = [file(body, most=cut, **validators) for cut in cuts]
        fetched = Fetching(Path(folder))(server.says("/a.csv", *answers, file(body, **validators)), retries=5)
    assert fetched.origin.files[0].sha256 == hashlib.sha256(body).hexdigest()
    # What is gone on with may be whole before the last of them.
    there = [sum(cuts[: number + 1]) if validators else cut for number, cut in enumerate(cuts)]
    assert fetched.origin.attempts == sum(size < len(body) for size in there) + 1


def test_part_that_is_complete_already_is_asked_for_its_last_byte(server: Server, fetching: Fetching) -> None:
    url = server.says("/a.csv", cut(LARGE, 300_000, ETag='"1"'))
    fetching.refused(url, retries=0)
    part = fetching.folder / "staging" / "flights" / "flights.part"
    part.write_bytes(LARGE)
    server.says("/a.csv", file(LARGE, etag='"1"'))
    assert fetching(url).origin.files[0].sha256 == hashlib.sha256(LARGE).hexdigest()
    assert server.asked[-1][1]["Range"] == f"bytes={len(LARGE) - 1}-"


FETCH = """
import sys, pathlib
from nbops.data.sources.declaration import read
from nbops.data.sources.fetching import fetch
folder = pathlib.Path(sys.argv[1])
fetch(read({"from": sys.argv[2]}, name="flights"), folder / "staging", project=folder)
"""


def test_fetch_that_was_killed_goes_on(server: Server, fetching: Fetching) -> None:
    url = server.says("/a.csv", file(LARGE, etag='"1"', pace=0.2))
    process = subprocess.Popen([sys.executable, "-c", FETCH, fetching.folder, url])
    part = fetching.folder / "staging" / "flights" / "flights.part"
    until = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 200_000) and time.monotonic() < until:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert fetching.left() == []
    there = part.stat().st_size
    assert 200_000 < there < len(LARGE)
    server.says("/a.csv", file(LARGE, etag='"1"'))
    fetched = fetching(url)
    assert fetched.origin.files[0].sha256 == hashlib.sha256(LARGE).hexdigest()
    assert server.asked[-1][1]["Range"] == f"bytes={there}-"
    assert list((fetching.folder / "staging" / "flights").iterdir()) == [part.with_name("flights.csv")]


def test_second_fetch_into_the_same_folder_is_refused(server: Server, fetching: Fetching) -> None:
    url = server.says("/a.csv", file(LARGE, pace=0.2))
    process = subprocess.Popen([sys.executable, "-c", FETCH, fetching.folder, url])
    try:
        part = fetching.folder / "staging" / "flights" / "flights.part"
        until = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size) and time.monotonic() < until:
            time.sleep(0.005)
        with pytest.raises(SourceError, match="by another process"):
            fetching(url)
    finally:
        process.kill()
        process.wait()


# What is refused


def test_file_that_is_not_the_declared_one_is_refused(server: Server, fetching: Fetching) -> None:
    url = server.says("/a.csv", file(CSV))
    fetching(url, sha256=hashlib.sha256(CSV).hexdigest())
    assert "is declared" in fetching.refused(url, sha256="0" * 64)
    assert len(server.asked) == 2


@pytest.mark.parametrize("answer", [file(LARGE), file(LARGE, pace=0.001)])
def test_file_that_is_too_large_is_refused(answer: Any, server: Server, fetching: Fetching) -> None:
    assert "is larger than 100 kB" in fetching.refused(server.says("/a.csv", answer), max_bytes="100 kB")


def test_bombs_are_refused_and_leave_nothing(server: Server, fetching: Fetching) -> None:
    bomb = gzip.compress(bytes(30_000_000))
    assert "it is refused" in fetching.refused(server.says("/a.csv.gz", file(bomb)))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", bytes(30_000_000))
    assert "it is refused" in fetching.refused(server.says("/a.zip", file(packed.getvalue())), format="csv")


def test_compressed_files_are_expanded(server: Server, fetching: Fetching) -> None:
    assert rows(fetching(server.says("/a.csv.gz", file(gzip.compress(CSV))))) == [(1, "x"), (2, "y")]
    assert fetching.left() == ["flights.csv"]
    url = server.says("/b.csv", file(gzip.compress(CSV), Content_Encoding="gzip"))
    assert rows(fetching(url)) == [(1, "x"), (2, "y")]


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ({"Content_Type": "text/csv; charset=utf-8"}, "csv"),
        ({"Content_Type": "application/octet-stream", "Content_Disposition": 'attachment; filename="../x.csv"'}, "csv"),
    ],
)
def test_format_is_what_the_server_says_where_the_address_does_not(
    headers: Any, form: str, server: Server, fetching: Fetching
) -> None:
    assert rows(fetching(server.says("/export", file(CSV, **headers)))) == [(1, "x"), (2, "y")]
    assert fetching.left() == [f"flights.{form}"]


def test_format_that_nobody_tells_is_asked_for(server: Server, fetching: Fetching) -> None:
    url = server.says("/export", file(CSV, Content_Type="application/octet-stream"))
    assert "Say `format: csv`" in fetching.refused(url)
    assert rows(fetching(url, format="csv")) == [(1, "x"), (2, "y")]


# Redirects and secrets


def test_redirects_are_followed_ten_times(server: Server, fetching: Fetching) -> None:
    for number in range(10):
        server.says(f"/{number}", status(302, Location=f"/{number + 1}"))
    server.says("/10", file(CSV))
    assert rows(fetching(server.url("/0"))) == [(1, "x"), (2, "y")]
    server.says("/10", status(302, Location="/0"))
    assert "redirects more than 10 times" in fetching.refused(server.url("/1"))


NAMES = ["Content-Length", "Content-Range", "Content-Type", "Content-Encoding", "Location", "Retry-After", "ETag", "Last-Modified",
         "Date", "Digest", "Repr-Digest", "Content-MD5", "Content-Disposition", "Transfer-Encoding"]  # fmt: skip
VALUES = st.one_of(
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20),
    st.sampled_from(
        ["-1", "²", "9" * 30, "bytes 5-9/²", "http://[::1", "http://a:99999/", "//", "sha-256=:x:", "chunked", "gzip"]
    ),
    st.just("Mon, 99 Foo 99999 00:00:00 -0000"),
)
CODES = st.sampled_from([200, 206, 302, 304, 416, 429, 503, 999])


@settings(max_examples=60, deadline=None)
@given(CODES, st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=4), st.binary(max_size=40))
def test_whatever_a_server_answers_it_ends_in_a_file_or_a_sentence(
    code: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    def answer(to: Handler) -> None:
        told = "".join(f"{name}: {value}\r\n" for name, value in headers)
        to.wfile.write(f"HTTP/1.1 {code} x\r\n{told}\r\n".encode("latin-1") + body)

    with serving() as server, tempfile.TemporaryDirectory() as folder:
        trial = Fetching(Path(folder))
        try:
            trial(server.says("/a.csv", answer), retries=1, timeout=2)
        except SourceError:
            assert trial.left() == []
        else:
            assert trial.left() == ["flights.csv"]
        assert all(0 <= wait <= 300 for wait in trial.waits)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a.csv", "gopher://127.0.0.1/"])
def test_redirects_lead_to_web_servers_only(target: str, server: Server, fetching: Fetching) -> None:
    assert "which is not followed" in fetching.refused(server.says("/a.csv", status(302, Location=target)))


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that passes for a public one, by the name data.example.org."""
    real = network.reach
    names = {"data.example.org": "127.0.0.2", "moved.example.org": "127.0.0.2", "inside.example.org": "127.0.0.1"}
    monkeypatch.setattr(network, "reach", lambda address: "public" if address == "127.0.0.2" else real(address))
    monkeypatch.setattr(network, "addresses", lambda host, port: [(2, 1, 6, "", (names.get(host, host), port))])
    with serving(host="127.0.0.2") as made:
        yield made


def test_public_server_leads_nobody_inside(public: Server, server: Server, fetching: Fetching) -> None:
    server.says("/a.csv", file(CSV))
    port = server.server_address[1]
    for host in ("127.0.0.1", "inside.example.org", "169.254.169.254", "10.0.0.1", "[::1]"):
        public.says("/a.csv", status(302, Location=f"http://{host}:{port}/a.csv"))
        told = fetching.refused(public.url("/a.csv", "data.example.org"))
        assert "nothing was asked of it" in told
    assert server.asked == []
    public.says("/a.csv", status(302, Location=server.url("/a.csv")))
    assert rows(fetching(public.url("/a.csv", "data.example.org"), allow_private=True)) == [(1, "x"), (2, "y")]


def test_name_that_means_an_inner_address_is_refused(public: Server, server: Server, fetching: Fetching) -> None:
    server.says("/a.csv", file(CSV))
    assert "nothing was asked of it" in fetching.refused(server.url("/a.csv", "inside.example.org"))
    assert server.asked == []


def test_secrets_stay_with_their_host(
    monkeypatch: pytest.MonkeyPatch, public: Server, server: Server, fetching: Fetching
) -> None:
    monkeypatch.setenv("TOKEN", "s3cr3t-header")
    monkeypatch.setenv("PASS", "s3cr3t/pass")
    monkeypatch.setenv("KEY", "s3cr3t&key")
    public.says("/a.csv", status(302, Location="/b.csv"))
    public.says("/b.csv", status(302, Location=public.url("/c.csv", "moved.example.org")))
    public.says("/c.csv", file(CSV))
    url = public.url("/a.csv", "me:$PASS@data.example.org") + "?key=$KEY&sig=s3cr3t-sig&year=2013"
    fetched = fetching(url, headers={"X-Token": "Bearer $TOKEN"})
    first, second, third = (headers for _, headers in public.asked)
    login = "Basic " + base64.b64encode(b"me:s3cr3t/pass").decode()
    assert [headers.get("X-Token") for headers in (first, second, third)] == ["Bearer s3cr3t-header"] * 2 + [None]
    assert [headers.get("Authorization") for headers in (first, second, third)] == [login, login, None]
    assert public.asked[0][0] == "/a.csv?key=s3cr3t%26key&sig=s3cr3t-sig&year=2013"
    assert "s3cr3t" not in repr(fetched)
    assert "year=2013" in fetched.origin.address
    public.says("/a.csv", status(403))
    told = fetching.refused(url, headers={"X-Token": "Bearer $TOKEN"})
    assert ("s3cr3t" in told, "$TOKEN" in told) == (False, True)


def test_secret_that_is_not_set_is_named(fetching: Fetching) -> None:
    told = fetching.refused("https://data.example.org/a.csv", headers={"X-Token": "$NBOPS_TEST_UNSET"})
    assert "NBOPS_TEST_UNSET, which is not set" in told


def test_proxy_of_the_environment_is_used(server: Server, fetching: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url(""))
    monkeypatch.setenv("no_proxy", "")
    server.says("http://data.example.invalid/a.csv", file(CSV))
    assert rows(fetching("http://data.example.invalid/a.csv")) == [(1, "x"), (2, "y")]
    server.says("http://data.example.invalid/a.csv", status(302, Location="http://169.254.169.254/latest"))
    assert "nothing was asked of it" in fetching.refused("http://data.example.invalid/a.csv")


# TLS


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "certificate.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", tmp_path / "public.pem"],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("no openssl that makes certificates")
    path.write_bytes(path.read_bytes() + (tmp_path / "public.pem").read_bytes())
    return path


def test_server_proves_who_it_is(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, server: Server, fetching: Fetching
) -> None:
    with serving(certificate=certificate) as secure:
        url = secure.says("/a.csv", file(CSV))
        assert "cannot prove who it is" in fetching.refused(url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.with_name("public.pem")))
        assert rows(fetching(url)) == [(1, "x"), (2, "y")]
        server.says("/a.csv", file(CSV))
        told = fetching.refused(secure.says("/b.csv", status(302, Location=server.url("/a.csv"))))
        assert "redirects from https to http://127.0.0.1" in told
        assert "sends less" in fetching.refused(secure.says("/c.csv", drip(CSV, 0.05)), timeout=0.4, retries=0)
