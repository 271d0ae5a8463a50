"""A sheet, or a range of it, becomes rows with one type per column."""

from __future__ import annotations

import zipfile
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from tests.data.sources.trial import Fetching, columns, rows

# A cell's time has no zone.
HALF_PAST = datetime(2013, 1, 1, 5, 30)  # noqa: DTZ001 - see above
MIDNIGHT = datetime(2013, 1, 2)  # noqa: DTZ001 - the same

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("python_calamine")


@pytest.fixture
def workbook(fetching: Fetching) -> Path:
    path = fetching.folder / "a.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Flights"
    sheet["A1"] = "Report of January"
    table: list[list[Any]] = [
        ["id", "at", "day", "price", "code", "ok", "mixed", "clock", "empty"],
        [1, HALF_PAST, date(2013, 1, 1), 1.5, "007", True, 0.25, time(5, 30), None],
        [None] * 9,
        [None, None, None, 2, None, None, "n/a", None, None],
        [4, MIDNIGHT, date(2013, 2, 28), None, "é", False, 3, time(23, 59, 59), None],
    ]
    for down, row in enumerate(table, 3):
        for right, value in enumerate(row, 2):
            sheet.cell(down, right, value)
    sheet["B20"] = "total"
    book.create_sheet("Other")["A1"] = "a"
    book["Other"]["A2"] = 7
    book.save(path)
    return path


def test_range_of_a_sheet_has_types(workbook: Path, fetching: Fetching) -> None:
    fetched = fetching("a.xlsx", sheet="Flights", range="B3:J19")
    assert columns(fetched) == {
        "id": "BIGINT", "at": "TIMESTAMP", "day": "DATE", "price": "DOUBLE", "code": "VARCHAR", "ok": "BOOLEAN", "mixed": "VARCHAR",
        "clock": "TIME", "empty": "VARCHAR",
    }  # fmt: skip
    assert rows(fetched) == [
        (1, HALF_PAST, date(2013, 1, 1), 1.5, "007", True, "0.25", time(5, 30), None),
        (4, MIDNIGHT, date(2013, 2, 28), None, "é", False, "3", time(23, 59, 59), None),
        (None, None, None, 2.0, None, None, "n/a", None, None),
    ]
    assert fetched.origin.files[0].name == "a.xlsx"
    assert fetching("a.xlsx", sheet="Flights", range="B3:J19", seen=fetched.origin).unchanged
    assert not fetching("a.xlsx", sheet="Flights", range="B3:J6", seen=fetched.origin).unchanged


def test_sheet_is_named_or_counted(workbook: Path, fetching: Fetching) -> None:
    assert rows(fetching("a.xlsx", sheet="Other")) == rows(fetching("a.xlsx", sheet=2)) == [(7,)]
    assert rows(fetching("a.xlsx", sheet="Flights", range="C6:B3")) == [(1, HALF_PAST)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "has several sheets.\nHint: Say which: `sheet: Flights`"),
        ({"sheet": "flights"}, "Did you mean 'Flights'?"),
        ({"sheet": 3}, "has no sheet 3"),
        ({"sheet": "Flights"}, "has values, but no name in the first row"),
        ({"sheet": "Flights", "range": "X1:Z9"}, "has no cells there"),
    ],
)
def test_what_does_not_fit_is_told(fields: dict[str, object], words: str, workbook: Path, fetching: Fetching) -> None:
    assert words in fetching.refused("a.xlsx", **fields)


def test_columns_of_one_name_are_refused(fetching: Fetching) -> None:
    book = openpyxl.Workbook()
    book.active.append(["a", "a"])
    book.active.append([1, 2])
    book.save(fetching.folder / "a.xlsx")
    assert "several columns 'a'" in fetching.refused("a.xlsx")


def test_workbook_that_is_none_or_a_bomb_is_refused(workbook: Path, fetching: Fetching) -> None:
    (fetching.folder / "b.xlsx").write_bytes(b"a,b\n1,2\n")
    assert "is no workbook that can be read" in fetching.refused("b.xlsx")
    with zipfile.ZipFile(workbook, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet9.xml", bytes(50_000_000))
    assert "it is refused" in fetching.refused("a.xlsx", sheet="Other")


def test_workbook_from_elsewhere_leaves_only_its_rows(workbook: Path, fetching: Fetching) -> None:
    memory = pytest.importorskip("fsspec").filesystem("memory")
    memory.pipe("/workbooks/report", workbook.read_bytes())
    fetched = fetching("memory://workbooks/report", format="excel", sheet="Other")
    assert (rows(fetched), fetching.left()) == ([(7,)], ["flights.parquet"])
