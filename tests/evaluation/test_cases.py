"""Acceptance cases: what a process owner writes in a spreadsheet is read as meant, or refused with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from nbops.errors import NotFound, UsageError
from nbops.evaluation.cases import Cases, judge, read

COLUMNS = {"origin": "str", "month": "int", "distance": "float"}
TWO = {"origin": "str", "month": "int"}


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(*lines: str, columns: dict[str, str] | None = None, encoding: str = "utf-8", end: str = "\n") -> Cases:
        path = tmp_path / "cases.csv"
        path.write_bytes((end.join(lines) + end).encode(encoding))
        return read(path, COLUMNS if columns is None else columns)

    return write


# Judging


def test_a_range_is_kept_or_missed(written: Any) -> None:
    cases = written(
        "case,origin,month,distance,at_least,at_most,why",
        "JFK to HNL in January,JFK,1,4983,560,700,crew planning",
        ",EWR,7,200,,60,",
        ",EWR,7,200,60,,",
    ).cases
    found = judge([611.0, 75.5, 60.0], cases, unit="min")
    assert [one.passed for one in found] == [True, False, True]
    assert [one.sentence for one in found] == [
        "case 1, JFK to HNL in January: predicted 611 min, between 560 and 700 expected.",
        "case 2: predicted 75.5 min, but at most 60.0 expected.",
        "case 3: predicted 60 min, at least 60 expected.",
    ]
    failed = judge([720.0], cases[:1])[0]
    assert (
        failed.sentence
        == "case 1, JFK to HNL in January: predicted 720, but between 560 and 700 expected (crew planning)."
    )


def test_a_miss_by_little_is_seen_in_the_sentence(written: Any) -> None:
    cases = written("origin,month,at_most", "JFK,1,700", columns=TWO).cases
    (found,) = judge([700.04], cases)
    assert (found.passed, found.sentence) == (False, "case 1: predicted 700.04, but at most 700.00 expected.")


def test_a_value_is_met_to_the_last_digit_written_or_within_what_is_said(written: Any) -> None:
    cases = written("origin,month,expected,within", "JFK,1,600,", "JFK,1,600.0,", "JFK,1,600,12.5", columns=TWO).cases
    assert [one.passed for one in judge([600.4, 600.04, 612.5], cases)] == [True, True, True]
    assert [one.passed for one in judge([600.6, 600.06, 612.6], cases)] == [False, False, False]


def test_classes_are_compared_as_text(written: Any) -> None:
    cases = written("origin,month,expected_class", "JFK,1,late", "JFK,1,1", columns=TWO).cases
    assert [one.passed for one in judge(np.array(["late", "1"], dtype=object), cases)] == [True, True]
    assert [one.passed for one in judge(np.array([0, 1]), cases)] == [False, True]
    assert judge(["late", np.int64(1)], cases)[1].sentence == "case 2: predicted 1, as expected."
    assert judge(["on time", 1.0], cases)[0].sentence == "case 1: predicted on time, but late expected."


def test_no_number_passes_no_range(written: Any) -> None:
    cases = written("origin,month,at_least", "JFK,1,0", columns=TWO).cases
    assert not judge([np.nan], cases)[0].passed
    with pytest.raises(UsageError, match="case 1 expects a number, and 'late' is predicted"):
        judge(["late"], cases)
    with pytest.raises(UsageError, match="1 case and 2 predictions"):
        judge([1, 2], cases)
    assert msgspec.json.decode(msgspec.json.encode(judge([1.0], cases)))[0]["passed"]


# Reading


def test_rows_have_the_types_that_the_model_takes(written: Any) -> None:
    columns = {
        "origin": "category",
        "month": "int",
        "distance": "float",
        "late": "bool",
        "time": "datetime",
        "seats": "int",
    }
    found = written(
        "origin,month,distance,late,time,seats,at_least",
        "JFK,1,,TRUE,2013-01-31 17:30,,5",
        "EWR,2,1e3,0,2013-02-01,4,6",
        columns=columns,
    ).frame
    assert found["month"].dtype == "int64"
    assert found["distance"].isna().tolist() == [True, False]
    assert found["seats"].tolist()[1] == 4.0
    assert found["late"].tolist() == [True, False]
    assert found["time"].tolist() == [pd.Timestamp("2013-01-31 17:30"), pd.Timestamp("2013-02-01")]
    assert [*found.columns] == [*columns]


@pytest.mark.parametrize(
    ("lines", "encoding", "end"),
    [
        (["origin,month,distance,at_most", "JFK,1,4983.5,700"], "utf-8", "\n"),
        (["origin;month;distance;at_most", "JFK;1;4983,5;700"], "utf-8-sig", "\r\n"),
        (["sep=;", "origin;month;distance;at_most", "JFK;1;4983,5;700"], "utf-8", "\r\n"),
        (["origin\tmonth\tdistance\tat_most", "JFK\t1\t4983,5\t700"], "utf-16", "\r\n"),
        (["origin;month;distance;at_most", "JFK;1;4983.5;700"], "utf-8", "\n"),
        (["distance;origin;at_most;month", "", "4983,5;JFK;700;1", ";;;"], "utf-8", "\n"),
    ],
)
def test_whatever_a_spreadsheet_writes_means_the_same(written: Any, lines: list[str], encoding: str, end: str) -> None:
    found = written(*lines, encoding=encoding, end=end)
    assert found.frame.to_dict("records") == [{"origin": "JFK", "month": 1, "distance": 4983.5}]
    assert [case.high for case in found.cases] == [700]


def test_formulas_and_figures_in_text_stay_text(written: Any) -> None:
    found = written("origin;month;distance;at_most", "=1+1;1;2,5;3", '"=HYPERLINK(""x"")";1;2,5;3', "1.234,5;1;2,5;3")
    assert found.frame["origin"].tolist() == ["=1+1", '=HYPERLINK("x")', "1.234,5"]


def test_a_frame_keeps_its_types() -> None:
    given = pd.DataFrame(
        {"at_least": [1.5, None], "at_most": [None, 2], "month": [1, 2], "origin": pd.Categorical(["a", "b"])}
    )
    found = read(given, TWO)
    assert found.frame.dtypes.to_dict() == {"origin": given["origin"].dtype, "month": given["month"].dtype}
    assert [(case.low, case.high) for case in found.cases] == [(1.5, None), (None, 2)]
    cases = read(pd.DataFrame({"origin": ["a"], "month": [1], "expected": [600.0]}), TWO).cases
    assert (cases[0].low, cases[0].high) == (599.5, 600.5)
    with pytest.raises(UsageError, match=r"row 2: neither an expected value nor a range"):
        read(given.assign(at_most=None), TWO)


HEAD = "case,origin,month,distance,expected,within,at_least,at_most,expected_class"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (",JFK,1,2,,,,,", "line 3: neither an expected value nor a range"),
        (",JFK,1,2,1,,2,,", "line 3: more than one of `expected`, a range and `expected_class`"),
        (",JFK,1,2,1,,,,late", "line 3: more than one of"),
        (",JFK,1,2,,,3,2,", "line 3: at least 3 and at most 2"),
        (",JFK,1,2,,1,3,,", "line 3: `within` is a distance from `expected`, 0 or more"),
        (",JFK,1,2,1,-1,,,", "line 3: `within` is a distance"),
        (",JFK,1,12 km,,,3,,", "line 3: distance '12 km' is no number"),
        (',JFK,1,"4,983",,,3,,', "line 3: distance '4,983' is no number"),
        (",JFK,=1+1,2,,,3,,", "line 3: month '=1+1' is no number"),
        (",JFK,1,nan,,,3,,", "line 3: distance 'nan' is no number"),
        (",JFK,1,2,,,560 min,,", "line 3: at_least '560 min' is no number"),
        (",JFK,1,2,,,3", "line 3 has 7 fields, and the first one 9"),
        (',"JFK,1,2,,,3,,', "line 3 cannot be read"),
    ],
)
def test_a_row_that_is_not_clear_is_refused_with_its_line(written: Any, line: str, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        written(HEAD, ",JFK,1,2,,,3,,", line)
    assert f"cases.csv: {told}" in refused.value.message


def test_lines_are_counted_as_an_editor_does(written: Any) -> None:
    with pytest.raises(UsageError, match=r"cases\.csv: line 5: distance 'x' is no number; line 6: neither"):
        written("case,origin,month,distance,at_least", '"two', 'lines",JFK,1,2,3', "", ",JFK,1,x,3", ",JFK,1,2,")


def test_many_faults_are_counted(written: Any) -> None:
    with pytest.raises(UsageError, match=r"line 6: .*; and 4 more\."):
        written("origin,month,distance,at_least", *["JFK,1,x,3"] * 9)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["origin;month;distance;at_least", "JFK;1;4983,5;3.5"],
            "a comma and a point: '4983,5' in line 2, '3.5' in line 2",
        ),
        (["origin;month;distance;at_least", "JFK;1;1.234,5;3,5"], "distance '1.234,5' is no number"),
        (["origin;month;distance;at_least", "JFK;1;4,983;3"], "line 2: '4,983' may be 4983 or 4.983"),
        (["origin;month;distance;at_least", "JFK;1;4.983;3"], "line 2: '4.983' may be 4983 or 4.983"),
    ],
)
def test_numbers_that_may_mean_two_things_are_refused(written: Any, lines: list[str], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        written(*lines)
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("origin,moth,distance,at_least", r"(?s)unknown columns: 'moth'.*Is it 'month' for 'moth'"),
        ("origin,month,at_least", "columns of the model that are missing: distance"),
        ("origin,month,distance,why", "no column says what is expected"),
        ("origin,month,month,distance,at_least", "there twice: month"),
        ("origin,month,distance,at_least", "there are no cases"),
        ("", "it is empty"),
    ],
)
def test_columns_that_do_not_fit_are_refused(written: Any, head: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        written(head)


def test_a_file_that_is_not_there_or_no_text_is_refused(written: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no file"):
        read(tmp_path / "none.csv", COLUMNS)
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path, COLUMNS)
    with pytest.raises(UsageError, match=r"(?s)line 2 is not UTF-8.*CSV UTF-8"):
        written("origin,month,distance,at_least", "Zürich,1,2,3", encoding="cp1252")
