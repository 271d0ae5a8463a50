"""Databases are read in one transaction that cannot write; columns keep their types, and only what is new comes when asked."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from nbops.data.sources.appending import beginning
from nbops.data.sources.declaration import Append
from nbops.errors import SourceError
from tests.data.sources.trial import Fetching, columns, rows

BINARIES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


# SQLite


@pytest.fixture
def database(fetching: Fetching) -> Path:
    path = fetching.folder / "flights.db"
    with closing(sqlite3.connect(path)) as con:
        con.execute(
            "create table flights (id integer, delay real, carrier text, code, raw blob, note text, mixed, at text)"
        )
        con.executemany(
            "insert into flights values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (1, 1.5, "UA", 1, b"\x00\xff", None, 1, "2013-01-01 05:00:00"),
                (2, 2, "é", "x", None, None, 2.5, "2013-01-03 05:00:00"),
                (2**62, None, None, b"\x01", None, None, None, "2013-01-04 05:00:00"),
            ],
        )
        con.commit()
    return path


def test_columns_of_sqlite_have_the_type_of_their_values(database: Path, fetching: Fetching) -> None:
    fetched = fetching("flights.db", table="flights")
    assert columns(fetched) == {
        "id": "BIGINT", "delay": "DOUBLE", "carrier": "VARCHAR", "code": "VARCHAR", "raw": "BLOB", "note": "VARCHAR",
        "mixed": "DOUBLE", "at": "VARCHAR",
    }  # fmt: skip
    assert [row[:7] for row in rows(fetched)] == [
        (1, 1.5, "UA", "1", b"\x00\xff", None, 1.0),
        (2, 2.0, "é", "x", None, None, 2.5),
        (2**62, None, None, "01", None, None, None),
    ]
    assert fetching("sqlite:///flights.db", table="flights", seen=fetched.origin).unchanged is False
    assert fetching("flights.db", table="flights", seen=fetched.origin).unchanged


def test_integers_that_a_double_does_not_know_stay_exact(fetching: Fetching) -> None:
    with closing(sqlite3.connect(fetching.folder / "a.db")) as con:
        con.execute("create table t as select 9007199254740993 as a union all select 0.5")
    assert rows(fetching("a.db", table="t")) == [("0.5",), ("9007199254740993",)]


def test_query_and_empty_table_of_sqlite(database: Path, fetching: Fetching) -> None:
    assert rows(fetching("flights.db", query="select id, carrier from flights where id < 3 -- two;")) == [
        (1, "UA"),
        (2, "é"),
    ]
    fetched = fetching("flights.db", query="select * from flights where false")
    assert (rows(fetched), len(columns(fetched))) == ([], 8)
    with closing(sqlite3.connect(database)) as con:
        con.execute('create table "e""m" (a integer, b real, c, d text)')
    assert list(columns(fetching("flights.db", table='e"m')).values()) == ["BIGINT", "DOUBLE", "VARCHAR", "VARCHAR"]


def test_many_rows_of_sqlite_come_in_batches(fetching: Fetching) -> None:
    with closing(sqlite3.connect(fetching.folder / "a.db")) as con:
        con.execute("create table t (a integer)")
        con.executemany("insert into t values (?)", ((number,) for number in range(120_001)))
        con.commit()
    assert rows(fetching("a.db", table="t")) == [(number,) for number in range(120_001)]


ENDLESS = "with recursive a(n) as (select 1 union all select n + 1 from a) select max(n) from a"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"table": "flihgts"}, "There is no table 'flihgts'.\nHint: Did you mean 'flights'?"),
        ({"query": "select nope from flights"}, "no such column: nope"),
        ({"query": "select load_extension('x')"}, "does more than to read"),
        ({"query": "with a as (select 1) select * from pragma_database_list"}, "does more than to read"),
        ({"query": "select 1 from"}, "syntax error"),
        ({"query": ENDLESS, "within": 0.3}, "was stopped after 0.3 seconds"),
    ],
)
def test_what_sqlite_refuses_is_told(fields: dict[str, Any], words: str, database: Path, fetching: Fetching) -> None:
    assert words in fetching.refused("flights.db", **fields)


def test_file_that_is_no_database_is_told(fetching: Fetching) -> None:
    (fetching.folder / "a.db").write_bytes(b"x" * 5000)
    assert "no database of SQLite" in fetching.refused("a.db", table="t")
    assert "There is no database 'b.db'" in fetching.refused("b.db", table="t")


def test_database_that_is_written_to_is_tried_again(database: Path, fetching: Fetching) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as con:
        con.execute("begin exclusive")
        assert "somebody is writing to it, after 2 attempts" in fetching.refused(
            "flights.db", table="flights", timeout=0.1, retries=1
        )
        con.execute("rollback")
    assert len(rows(fetching("flights.db", table="flights"))) == 3


def test_only_what_is_new_is_read_from_sqlite(database: Path, fetching: Fetching) -> None:
    newest = "2013-01-04 05:00:00"

    def ids(**append: Any) -> list[Any]:
        return [
            row[0]
            for row in rows(
                fetching("flights.db", table="flights", append={"by": "at", **append}, key="id", since=newest)
            )
        ]

    assert (ids(), ids(look_back="1d"), ids(look_back="1d 1s"), ids(look_back="1w")) == (
        [],
        [2**62],
        [2, 2**62],
        [1, 2, 2**62],
    )
    fetched = fetching("flights.db", table="flights", append={"by": "id", "look_back": 1}, key="id", since=2)
    assert [row[0] for row in rows(fetched)] == [2, 2**62]
    assert fetched.origin.since == "2"


@pytest.mark.parametrize(
    ("look_back", "since", "expected"),
    [
        ("2d", datetime(2013, 1, 3, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC)),
        ("1h", date(2013, 1, 3), date(2013, 1, 2)),
        ("2d", "2013-01-03", "2013-01-01"),
        ("1h", "2013-01-03T00:30:00Z", "2013-01-02T23:30:00Z"),
        ("1h", "2013-01-03 00:30:00.500000", "2013-01-02 23:30:00.500000"),
        (5, 7, 2), (0.5, 7, 6.5), (5, Decimal("7.25"), Decimal("2.25")), (0, "any", "any"),
    ],
)  # fmt: skip
def test_look_back_begins_before_the_newest(look_back: Any, since: Any, expected: Any) -> None:
    span = {"2d": 172_800.0, "1h": 3600.0}.get(look_back)
    append = Append(by="at", look_back=float(look_back) if span is None else span, is_span=span is not None)
    assert beginning(append, since) == expected


@pytest.mark.parametrize(
    ("append", "since"),
    [
        (Append(by="a", look_back=5), "2013"),
        (Append(by="a", look_back=5, is_span=True), 7),
        (Append(by="a", look_back=5, is_span=True), "x"),
        (Append(by="a", look_back=5, is_span=True), "20130103"),
        (Append(by="a", look_back=5, is_span=True), "20130103T05:00"),
    ],
)
def test_look_back_of_another_kind_is_told(append: Append, since: object) -> None:
    with pytest.raises(SourceError, match="does not fit the column 'a'"):
        beginning(append, since)


# PostgreSQL


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a server of this test's own, on a socket in a folder of its own."""
    pytest.importorskip("adbc_driver_postgresql")
    if BINARIES is None:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql")
    # A socket's path is short, and a server is not started by root.
    folder = Path(tempfile.mkdtemp(prefix="nbops-pg-", dir="/tmp"))
    user = {"user": "nobody"} if os.getuid() == 0 else {}
    if user:
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    data = folder / "data"
    server = None
    try:
        subprocess.run(
            [BINARIES / "initdb", "-D", data, "-U", "tester", "-A", "scram-sha-256", "--pwfile", _password(folder), "-N"],
            check=True, capture_output=True, cwd=folder, **user,  # type: ignore[call-overload]  # a name or nothing
        )  # fmt: skip
        server = subprocess.Popen(
            [BINARIES / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **user,  # type: ignore[call-overload]  # the same
        )  # fmt: skip
        until = time.monotonic() + 30
        while (
            subprocess.run([BINARIES / "pg_isready", "-q", "-h", folder], check=False).returncode
            and time.monotonic() < until
        ):
            time.sleep(0.05)
        yield f"postgresql://tester:$NBOPS_TEST_PG@/postgres?host={folder}"
    finally:
        if server is not None:
            server.terminate()
            server.wait()
        shutil.rmtree(folder)


def _password(folder: Path) -> Path:
    path = folder / "password"
    path.write_text("geheim/&?@", encoding="utf-8")
    path.chmod(0o644)
    return path


@pytest.fixture
def address(postgres: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("NBOPS_TEST_PG", "geheim/&?@")
    return postgres


@pytest.fixture
def table(address: str) -> Iterator[None]:
    from adbc_driver_postgresql import dbapi

    def run(*statements: str) -> None:
        uri = address.replace("$NBOPS_TEST_PG", "geheim%2F%26%3F%40")
        with dbapi.connect(uri) as con, con.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            con.commit()

    run(
        'create table "Flights" (id int, price numeric(10, 2), free numeric, day date, at timestamptz, name text, ok boolean, raw bytea,'
        " told jsonb, uid uuid, span interval, many int[])",
        "insert into \"Flights\" values (1, 3.45, 0.1, '2013-01-01', '2013-01-01 05:00+00', 'é', true, '\\x00ff', '{\"a\": 1}',"
        " 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1 month 2 days', '{1,2}'),"
        " (2, 'NaN', 'NaN', null, '2013-01-03 05:00+00', null, null, null, null, null, null, null)",
    )
    yield
    run('drop table "Flights"')


def test_columns_of_postgresql_keep_their_types(table: None, address: str, fetching: Fetching) -> None:
    fetched = fetching(address, table="Flights")
    assert columns(fetched) == {
        "id": "INTEGER", "price": "DECIMAL(10,2)", "free": "DOUBLE", "day": "DATE", "at": "TIMESTAMP WITH TIME ZONE", "name": "VARCHAR",
        "ok": "BOOLEAN", "raw": "BLOB", "told": "VARCHAR", "uid": "VARCHAR", "span": "VARCHAR", "many": "INTEGER[]",
    }  # fmt: skip
    fetched = fetching(address, query='select id, price, day, name, ok, raw, told, uid, span, many from "Flights"')
    uid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    assert rows(fetched) == [
        (
            1,
            Decimal("3.45"),
            date(2013, 1, 1),
            "é",
            True,
            b"\x00\xff",
            '{"a": 1}',
            uid,
            "1 months 2 days 0 seconds",
            [1, 2],
        ),
        (2, None, None, None, None, None, None, None, None, None),
    ]
    assert fetching(
        address, seen=fetched.origin, query='select id, price, day, name, ok, raw, told, uid, span, many from "Flights"'
    ).unchanged


def test_longest_limits_are_taken(table: None, address: str, fetching: Fetching) -> None:
    assert rows(fetching(address, query='select id from "Flights" where id = 1', within="30d", timeout="30d")) == [(1,)]


def test_no_password_is_told(table: None, address: str, fetching: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "geheim" not in repr(fetching(address, table="Flights"))
    monkeypatch.setenv("NBOPS_TEST_PG", "wrong-geheim")
    told = fetching.refused(address, table="Flights")
    assert ("password authentication failed" in told, "geheim" in told) == (True, False)


def test_only_what_is_new_is_read_from_postgresql(table: None, address: str, fetching: Fetching) -> None:
    def count(look_back: object, since: object, by: str = "at") -> int:
        # Python's DuckDB needs a package for times with a zone that nothing else needs: Arrow tells how many rows there are.
        fetched = fetching(address, table="Flights", append={"by": by, "look_back": look_back}, key="id", since=since)
        return int(pq.read_table(fetched.data).num_rows)

    newest = datetime(2013, 1, 3, 5, tzinfo=UTC)
    assert (count(0, newest), count("1d", newest), count("3d", newest)) == (0, 1, 2)
    assert (count(0, 1, "id"), count(1, 1, "id")) == (1, 2)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"table": "nowhere"}, 'relation "nowhere" does not exist'),
        ({"query": "select pg_sleep(5)", "within": 0.5}, "was stopped after 0.5 seconds"),
        (
            {"query": 'with gone as (delete from "Flights" returning *) select * from gone'},
            "A query is one SELECT that changes nothing",
        ),
        ({"query": "select 'infinity'::timestamp as at"}, "The column 'at' has an infinite time"),
        ({"query": "select nope"}, 'column "nope" does not exist'),
        (
            {"query": "select repeat('x', 100000) as a from generate_series(1, 100)", "max_bytes": "1 MB"},
            "gives more than 1 MB",
        ),
    ],
)
def test_what_postgresql_refuses_is_told(
    fields: dict[str, Any], words: str, table: None, address: str, fetching: Fetching
) -> None:
    assert words in fetching.refused(address, **fields)
    assert fetching.waits == []


def test_query_stays_read_only_whatever_it_says(table: None, address: str, fetching: Fetching) -> None:
    fetching.refused(address, query='with gone as (delete from "Flights" returning *) select * from gone')
    assert len(rows(fetching(address, query='select id from "Flights"'))) == 2


def test_server_that_is_not_there_is_tried_again(fetching: Fetching) -> None:
    pytest.importorskip("adbc_driver_postgresql")
    told = fetching.refused("postgresql://me:geheim@127.0.0.1:1/x", table="t", retries=2)
    assert ("nobody answers there, after 3 attempts" in told, "geheim" in told, len(fetching.waits)) == (True, False, 2)
