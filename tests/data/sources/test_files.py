"""Files of this machine are read once and scanned where they lie; what has to be converted is converted in staging."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.data.sources import files, reading
from nbops.data.sources.declaration import read
from nbops.data.sources.fetching import confirm
from nbops.data.sources.reading import Lines
from nbops.errors import SourceError
from tests.conftest import DUCKDBS
from tests.data.sources.trial import Fetching, columns, rows

CSV = b"a,b\n1,x\n2,y\n"


def age(path: Path) -> None:
    """Let a file be as old as files are that nobody works at."""
    os.utime(path, ns=(10**18, 10**18))


def test_file_is_scanned_where_it_lies(fetching: Fetching) -> None:
    path = fetching.folder / "a.csv"
    path.write_bytes(CSV)
    fetched = fetching("a.csv")
    assert (fetched.data, rows(fetched)) == (str(path), [(1, "x"), (2, "y")])
    assert fetching.left() == []
    found = fetched.origin.files[0]
    assert (found.name, found.size, found.sha256) == ("a.csv", len(CSV), hashlib.sha256(CSV).hexdigest())
    assert rows(fetching(f"file://{path}")) == rows(fetched)


def test_pattern_stands_for_files_below(fetching: Fetching) -> None:
    for year in (2012, 2013):
        (fetching.folder / f"year={year}").mkdir()
        pq.write_table(pa.table({"a": [year % 10]}), fetching.folder / f"year={year}" / "part.parquet")
    fetched = fetching("**/*.parquet")
    assert rows(fetched) == [(2, 2012), (3, 2013)]
    assert [file.name for file in fetched.origin.files] == ["year=2012/part.parquet", "year=2013/part.parquet"]


def test_signs_of_patterns_in_a_name_are_a_part_of_it(fetching: Fetching) -> None:
    (fetching.folder / "a[1].csv").write_bytes(CSV)
    (fetching.folder / "a1.csv").write_bytes(b"a,b\n9,z\n")
    assert rows(fetching("a[1].csv")) == [(1, "x"), (2, "y")]


SCAN = """
import sys
from nbops import duck
from nbops.data import relation
data = relation.Files((sys.argv[1],), "csv", ";", True, ("NA",), 3_000_000)
for texts in ((), ("a",), ("nowhere",)):
    with relation.opened(data, texts=texts) as there:
        print(duck.rows(there.connection, f"from {there.sql}"))
"""


@pytest.mark.parametrize("python", DUCKDBS.values(), ids=DUCKDBS)
def test_files_are_scanned_by_each_duckdb(python: str, tmp_path: Path) -> None:
    path = tmp_path / "a[1]*.csv"
    path.write_text("a;b\n1;NA\n", encoding="utf-8")
    done = subprocess.run([python, "-c", SCAN, path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[(1, None)]", "[('1', None)]", "[(1, None)]"]


def test_unchanged_files_are_known_without_being_read(fetching: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fetching.folder / "a.csv"
    path.write_bytes(CSV)
    first = fetching("a.csv").origin
    touched: list[str] = []

    class Touched(reading.Reading):
        def __init__(self, name: str, *given: Any) -> None:
            touched.append(name)
            super().__init__(name, *given)

    monkeypatch.setattr(files, "Reading", Touched)
    # It is too young for its times to prove anything.
    assert (fetching("a.csv", seen=first).unchanged, len(touched)) == (True, 1)
    monkeypatch.setattr(files, "_RECENT", -(10**12))
    again = fetching("a.csv", seen=first)
    assert (again.unchanged, again.data, len(touched)) == (True, None, 1)


def test_change_of_same_size_and_time_is_seen(fetching: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_RECENT", -(10**12))
    path = fetching.folder / "a.csv"
    path.write_bytes(CSV)
    age(path)
    first = fetching("a.csv").origin
    path.write_bytes(CSV.replace(b"x", b"w"))
    age(path)
    assert not fetching("a.csv", seen=first).unchanged


@pytest.mark.parametrize("fields", [{"options": {"null": "x"}}, {"format": "csv", "options": {"header": False}}])
def test_other_way_to_read_the_same_bytes_is_a_change(fields: dict[str, Any], fetching: Fetching) -> None:
    (fetching.folder / "a.csv").write_bytes(CSV)
    first = fetching("a.csv").origin
    assert fetching("a.csv", seen=first, owner="me").unchanged
    assert not fetching("a.csv", seen=first, **fields).unchanged


def test_new_or_missing_file_of_a_pattern_is_a_change(fetching: Fetching) -> None:
    (fetching.folder / "a.csv").write_bytes(CSV)
    (fetching.folder / "b.csv").write_bytes(CSV)
    first = fetching("*.csv").origin
    (fetching.folder / "c.csv").write_bytes(CSV)
    assert len(rows(fetching("*.csv", seen=first))) == 6
    (fetching.folder / "c.csv").rename(fetching.folder / "b.csv")
    assert fetching("*.csv", seen=first).unchanged


def test_file_that_is_being_written_is_tried_again(fetching: Fetching) -> None:
    path = fetching.folder / "a.csv"
    path.write_bytes(CSV)
    source = read({"from": "a.csv"}, name="flights")
    growing = [b"3,z\n", b"4,z\n"]

    def progress(done: int, total: int | None) -> None:
        if growing and done == total:
            with path.open("ab") as file:
                file.write(growing.pop())

    from nbops.data.sources.fetching import fetch

    fetched = fetch(
        source, fetching.folder / "s", project=fetching.folder, sleep=fetching.waits.append, progress=progress
    )
    assert (fetched.origin.attempts, len(rows(fetched))) == (3, 4)
    growing.extend([b"5,z\n"] * 9)
    with pytest.raises(SourceError, match="it was changed while it was read, after 5 attempts"):
        fetch(source, fetching.folder / "s", project=fetching.folder, sleep=fetching.waits.append, progress=progress)


def test_file_that_changes_under_a_scan_is_told(fetching: Fetching) -> None:
    path = fetching.folder / "a.csv"
    path.write_bytes(CSV)
    origin = fetching("a.csv").origin
    confirm(origin, project=fetching.folder)
    path.write_bytes(CSV + b"3,z\n")
    with pytest.raises(SourceError, match=r"a\.csv was changed while it was read"):
        confirm(origin, project=fetching.folder)
    path.unlink()
    with pytest.raises(SourceError, match="was changed"):
        confirm(origin, project=fetching.folder)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nowhere.csv", "There is no file 'nowhere.csv'"), ("*.parquet", "There is no file"), ("folder", "is a folder"),
        ("a.txt", "Say `format: csv`"), ("?.[cj]s*", "several formats: csv, json"), ("zero.csv.gz", "is damaged or cut off"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(given: str, words: str, fetching: Fetching) -> None:
    (fetching.folder / "folder").mkdir()
    for name, content in {"a.txt": CSV, "a.csv": CSV, "a.json": b"{}", "zero.csv.gz": gzip.compress(CSV)[:-4]}.items():
        (fetching.folder / name).write_bytes(content)
    assert words in fetching.refused(given, retries=0)


def test_declared_digest_is_that_of_one_file(fetching: Fetching) -> None:
    (fetching.folder / "a.csv").write_bytes(CSV)
    (fetching.folder / "b.csv").write_bytes(CSV)
    digest = hashlib.sha256(CSV).hexdigest()
    assert len(rows(fetching("a.csv", sha256=digest))) == 2
    assert "is declared" in fetching.refused("a.csv", sha256="0" * 64)
    assert "stands for 2 files" in fetching.refused("*.csv", sha256=digest)


def test_staging_touches_nothing_but_its_own_files(fetching: Fetching) -> None:
    folder = fetching.folder / "staging" / "flights"
    folder.mkdir(parents=True)
    for name in ("mine.csv", "flights-1.csv", "flights.csv.bak", "flights-00007.csv"):
        (folder / name).write_bytes(CSV)
    (fetching.folder / "a.csv.gz").write_bytes(gzip.compress(CSV))
    fetching("a.csv.gz")
    assert fetching.left() == ["flights-1.csv", "flights.csv", "flights.csv.bak", "mine.csv"]


def test_staging_that_cannot_be_made_is_told(fetching: Fetching) -> None:
    (fetching.folder / "staging").write_bytes(b"")
    with pytest.raises(SourceError, match="cannot be made"):
        fetching(lambda: pa.table({"a": [1]}))


# Text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_csv_of_each_encoding_has_the_same_rows(encoding: str, fetching: Fetching) -> None:
    text = "a;b\n1;é\n2;ü\n" * 1
    (fetching.folder / "a.csv").write_bytes(text.encode(encoding))
    assert rows(fetching("a.csv", options={"encoding": encoding, "delimiter": ";"})) == [(1, "é"), (2, "ü")]
    (fetching.folder / "a.csv.gz").write_bytes(gzip.compress(text.encode(encoding)))
    assert rows(fetching("a.csv.gz", options={"encoding": encoding, "delimiter": ";"})) == [(1, "é"), (2, "ü")]


def test_wrong_encoding_is_told_with_its_place(fetching: Fetching) -> None:
    body = b"a,b\n" + b"1,x\n" * 500_000 + "2,é\n".encode("latin-1")
    (fetching.folder / "a.csv").write_bytes(body)
    told = fetching.refused("a.csv")
    assert "a.csv is not utf-8: byte 2000006 (0xE9, in line 500002)" in told
    assert "encoding: latin-1" in told
    (fetching.folder / "b.csv").write_bytes("a,b\n1,x\n".encode("utf-16"))
    assert "encoding: utf-16" in fetching.refused("b.csv")


@given(
    st.text(max_size=300),
    st.lists(st.integers(1, 40), max_size=30),
    st.sampled_from(["utf-8", "utf-16", "latin-1", "utf-8-sig"]),
)
def test_text_in_any_pieces_becomes_the_same_utf8(text: str, cuts: list[int], encoding: str) -> None:
    text = text.encode(encoding, "ignore").decode(encoding)
    body, out, at = text.encode(encoding), b"", 0
    lines = Lines("x", read({"from": "x.csv", "options": {"encoding": encoding}}, name="x"), "csv")
    for cut in cuts:
        out += lines.add(body[at : at + cut])
        at += cut
    out += lines.add(body[at:]) + lines.end()
    assert out.decode() == text
    assert lines.longest >= max((len(line.encode()) for line in text.split("\n")), default=0) - 40


def test_long_line_is_read_and_a_longer_one_refused(fetching: Fetching) -> None:
    (fetching.folder / "a.csv").write_bytes(b"a,b\n1," + b"x" * 5_000_000 + b"\n")
    assert [len(b) for _, b in rows(fetching("a.csv"))] == [5_000_000]
    (fetching.folder / "b.csv").write_bytes(b"a,b\n1,2\n3," + b"x" * (reading.LONGEST_LINE + 2**20))
    assert "Line 3 of b.csv is longer than 16.8 MB" in fetching.refused("b.csv")


@pytest.mark.parametrize(
    ("body", "options", "expected"),
    [
        (b"a|b\n1|x\n", {"delimiter": "|"}, [(1, "x")]),
        (b"1,x\n2,y\n", {"header": False}, [(1, "x"), (2, "y")]),
        (b"a,b\n1,NA\n-,y\n", {"null": ["NA", "-"]}, [(1, None), (None, "y")]),
    ],
)
def test_options_of_csv_are_heeded(body: bytes, options: dict[str, Any], expected: object, fetching: Fetching) -> None:
    (fetching.folder / "a.csv").write_bytes(body)
    assert rows(fetching("a.csv", options=options)) == expected


@pytest.mark.parametrize(
    "body", [b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n', b'[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]']
)
@pytest.mark.parametrize("name", ["a.json", "a.ndjson", "a.txt"])
def test_json_is_objects_per_line_or_an_array(body: bytes, name: str, fetching: Fetching) -> None:
    (fetching.folder / name).write_bytes(body)
    assert rows(fetching(name, format="json")) == [(1, "x"), (2, "y")]


# Compressed files


def test_archives_are_expanded_under_our_own_name(fetching: Fetching) -> None:
    with zipfile.ZipFile(fetching.folder / "a.zip", "w") as archive:
        archive.writestr("../../evil.csv", CSV)
        archive.writestr("__MACOSX/._evil.csv", b"")
        archive.writestr("README.txt", b"read me")
    with pa.output_stream(str(fetching.folder / "a.csv.zst"), compression="zstd") as out:
        out.write(CSV)
    for name in ("a.zip", "a.csv.zst"):
        assert rows(fetching(name)) == [(1, "x"), (2, "y")]
        assert fetching.left() == ["flights.csv"]
    assert [path.name for path in fetching.folder.parent.rglob("evil*")] == []


def test_archive_of_several_files_is_refused(fetching: Fetching) -> None:
    with zipfile.ZipFile(fetching.folder / "a.zip", "w") as archive:
        archive.writestr("a.csv", CSV)
        archive.writestr("b.csv", CSV)
    assert "holds 2 files of data" in fetching.refused("a.zip")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.zip", "a.csv.zst"])
def test_bombs_are_refused(name: str, fetching: Fetching) -> None:
    body = bytes(40_000_000)
    path = fetching.folder / name
    if name == "a.zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", body)
    else:
        with pa.output_stream(str(path), compression="gzip" if name.endswith("gz") else "zstd") as out:
            out.write(body)
    assert "it is refused" in fetching.refused(name)


def test_expanding_ends_at_max_bytes(fetching: Fetching) -> None:
    (fetching.folder / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n" + os.urandom(600_000).hex().encode()))
    assert "more than 1 MB" in fetching.refused("a.csv.gz", max_bytes="1 MB")


# Frames and functions


def test_frame_is_taken_as_it_is(fetching: Fetching) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    fetched = fetching(frame)
    assert fetched.data is frame
    assert (fetched.origin.kind, fetched.origin.address, fetched.unchanged) == ("frame", "frame:pandas", False)
    assert rows(fetching(pa.table({"a": [1, 2]}))) == rows(fetched)


def test_function_yields_what_becomes_parquet(fetching: Fetching) -> None:
    def made() -> Iterator[object]:
        yield pd.DataFrame({"a": [1], "b": ["x"]})
        yield pa.record_batch({"a": [2], "b": ["y"]})
        yield pa.table({"a": [3], "b": pa.array(["z"], pa.string_view())}).to_reader()

    fetched = fetching(made)
    assert rows(fetched) == [(1, "x"), (2, "y"), (3, "z")]
    assert fetched.origin.address.startswith("python:")
    assert fetching.left() == ["flights.parquet"]
    assert fetching(made, seen=fetched.origin).unchanged


def test_batches_that_differ_in_columns_stand_together(fetching: Fetching) -> None:
    fetched = fetching(lambda: [pa.table({"a": [1]}), pa.table({"a": [2.5], "c": ["x"]})])
    assert (rows(fetched), columns(fetched)) == ([(1.0, None), (2.5, "x")], {"a": "DOUBLE", "c": "VARCHAR"})
    assert len(fetching.left()) == 2
    fetching(lambda: pa.table({"a": [1]}))
    assert fetching.left() == ["flights.parquet"]


def test_function_is_told_what_is_there_if_it_asks(fetching: Fetching) -> None:
    def made(since: int | None = None) -> pa.Table | None:
        return pa.table({"a": range(since or 0, 3)}) if (since or 0) < 3 else None

    assert len(rows(fetching(made))) == 3
    assert rows(fetching(made, since=2)) == [(2,)]
    assert fetching(made, since=3).unchanged
    assert len(rows(fetching(made, since=3, append={"by": "a", "look_back": 2}, key="a"))) == 2


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: None, "gave nothing, not even columns"), (lambda: 7, "gave a int"), (lambda: [{"a": 1}], "gave a dict"),
        (lambda: pd.DataFrame({"a": [1, "x", b"y"]}), "cannot be stored"),
    ],
)  # fmt: skip
def test_function_that_gives_no_rows_is_told(made: object, words: str, fetching: Fetching) -> None:
    assert words in fetching.refused(made)


def test_empty_table_has_columns(fetching: Fetching) -> None:
    assert columns(fetching(lambda: pa.table({"a": pa.array([], pa.int64())}))) == {"a": "BIGINT"}


def test_functions_connection_is_tried_again_and_its_own_error_is_its_own(fetching: Fetching) -> None:
    failures: list[Exception] = [ConnectionResetError("gone"), TimeoutError()]

    def made() -> pa.Table:
        if failures:
            raise failures.pop()
        return pa.table({"a": [1]})

    assert fetching(made).origin.attempts == 3
    failures.append(KeyError("mine"))
    with pytest.raises(KeyError, match="mine"):
        fetching(made)
    assert fetching.left() == ["flights.parquet"]


def test_failure_in_the_middle_leaves_no_half_file(fetching: Fetching) -> None:
    def made() -> Iterator[pa.Table]:
        yield pa.table({"a": [1]})
        yield pa.table({"b": [1]})
        raise KeyError

    with pytest.raises(KeyError):
        fetching(made)
    assert list((fetching.folder / "staging" / "flights").iterdir()) == []


def test_function_is_found_in_a_file_and_in_a_module(fetching: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import pyarrow as pa\ndef made(): return pa.table({'a': [%d]})\n"
    (fetching.folder / "code.py").write_text(code % 1, encoding="utf-8")
    assert rows(fetching("python:code.py:made")) == [(1,)]
    (fetching.folder / "code.py").write_text(code % 23, encoding="utf-8")
    assert rows(fetching("python:code.py:made")) == [(23,)]
    (fetching.folder / "nbops_test_source_module.py").write_text(code % 3, encoding="utf-8")
    assert rows(fetching("python:nbops_test_source_module.made")) == [(3,)]
    assert "There is no function 'mode' in code.py.\nHint: It has: made." in fetching.refused("python:code.py:mode")
    assert "There is no file 'cod.py'" in fetching.refused("python:cod.py:made")
    assert "cannot be imported" in fetching.refused("python:nbops_test_nowhere.made")
