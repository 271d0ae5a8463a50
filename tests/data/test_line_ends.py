"""CSV whose lines do not all end alike is refused with the line that is odd, not with the words of whoever could not read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.data import collecting, line_ends, relation
from nbops.data.relation import opened
from nbops.data.sources import declaration
from nbops.errors import SourceError
from nbops.store.client import Store

ENDS = {b"\n": "\\n", b"\r\n": "\\r\\n", b"\r": "\\r"}


def first(tmp: Path, body: bytes) -> str | None:
    path = tmp / "a.csv"
    path.write_bytes(body)
    found = line_ends.mixed([str(path)])
    return found.message if found else None


@pytest.mark.parametrize(
    ("body", "line", "end", "before"),
    [
        (b"id,name\r\n1,a\r\n2,b\n3,c\r\n", 3, "\\n", "\\r\\n"),
        (b"id,name\n1,a\n2,b\r\n3,c\n", 3, "\\r\\n", "\\n"),
        (b"id,name\n1,a\n2,b\r3,c\n4,d\n", 3, "\\r", "\\n"),
        (b"id,name\r\n1,a\rx\r\n2,b\r\n3,c\r\n", 2, "\\r", "\\r\\n"),
        (b'id,name\n1,"a\r\nb"\n2,b\r\n3,c\n', 4, "\\r\\n", "\\n"),
    ],
)
def test_a_csv_whose_lines_end_in_several_ways_is_told_with_its_line(
    tmp_path: Path, body: bytes, line: int, end: str, before: str
) -> None:
    (tmp_path / "a.csv").write_bytes(body)
    with pytest.raises(SourceError) as caught, opened(tmp_path / "a.csv"):
        pass
    assert caught.value.message == f"Line {line} of a.csv ends with {end}, and those before it with {before}."
    assert ("sed -i" in caught.value.hint) is ("\\r" not in {end, before})


def test_one_that_only_a_collection_finds_is_told_with_its_line_too(store: Store, tmp_path: Path) -> None:
    rows = b"".join(b"%d,abc\n" % number for number in range(300_000))
    (tmp_path / "a.csv").write_bytes(b"id,name\n" + rows + b"77,x\r\n" + rows)
    with pytest.raises(SourceError) as caught:
        collecting.collect(store, declaration.read({"from": str(tmp_path / "a.csv")}, "flights"))
    assert caught.value.message == "Line 300002 of a.csv ends with \\r\\n, and those before it with \\n."


def test_what_is_wrong_otherwise_is_told_as_before(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"a\r\nb\nc")
    with pytest.raises(SourceError, match="The data cannot be read"), opened(tmp_path / "a.parquet"):
        pass
    assert relation.uneven(relation.Files((str(tmp_path / "a.parquet"),), "parquet")) is None


@given(st.lists(st.tuples(st.sampled_from(["-", "a,b", 'x,"y\r\nz\n"']), st.sampled_from([*ENDS])), max_size=8))
def test_the_first_line_that_ends_otherwise_is_found(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, bytes]]
) -> None:
    # No line is empty: a \r and the \n of an empty line would be one end.
    body = b"".join(text.encode() + end for text, end in lines)
    found = first(tmp_path_factory.getbasetemp(), body)
    odd = next((number for number, (_, end) in enumerate(lines) if end != lines[0][1]), None)
    if odd is None:
        assert found is None
    else:
        before = sum(1 + 2 * text.startswith("x") for text, _ in lines[:odd])
        own = 2 * lines[odd][0].startswith("x")
        assert found is not None
        assert found.startswith(f"Line {before + own + 1} of a.csv ends with {ENDS[lines[odd][1]]}, and")


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_an_end_that_lies_across_two_pieces_is_one(tmp_path: Path, shift: int) -> None:
    body = b"x" * (2**20 - 2 + shift) + b"\r\nb\r\n"
    assert first(tmp_path, body) is None
    assert (first(tmp_path, body + b"c\n") or "").startswith("Line 3 of a.csv ends with \\n")
