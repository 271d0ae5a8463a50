"""A contract judges rows in one scan; the broken ones come with all of their reasons, as they were."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nbops.data import checking, looking_up
from nbops.data import contract as contracts
from nbops.data.checking import aside, check
from nbops.data.compiling import Compiled
from nbops.data.relation import opened
from nbops.errors import ConfigError, NotFound, UsageError

FLIGHTS = pd.DataFrame(
    {
        "id": [1, 2, 2, 4],
        "origin": ["EWR", "JFK", "XXX", None],
        "delay": ["1", "2.5", "x", None],
        "air": [90.0, -5.0, 700.0, np.nan],
    }
)
CONTRACT = {
    "contract": "flights",
    "columns": {
        "id": {"type": "integer", "unique": True},
        "origin": {"in": ["EWR", "JFK"], "not_null": True},
        "delay": "integer",
        "air": {"range": {"min": 0, "max": 500, "severity": "warn"}},
    },
}


def outcomes(data: object, contract: Any, **more: Any) -> dict[str, tuple[str, int]]:
    return {one.sentence: (one.outcome, one.broken) for one in check(data, contract, **more).judged}


def test_each_rule_tells_how_many_rows_break_it() -> None:
    found = check(FLIGHTS, CONTRACT)
    assert (found.rows, found.good, found.quarantined, found.ok) == (4, 1, 3, True)
    assert outcomes(FLIGHTS, CONTRACT) == {
        "id is an integer": ("passed", 0), "no two rows have the same id": ("quarantined", 2),
        "origin is one of EWR, JFK": ("quarantined", 1), "origin has a value": ("quarantined", 1),
        "delay is an integer": ("quarantined", 2), "air is at least 0 and at most 500": ("warning", 2),
    }  # fmt: skip


def test_broken_rows_come_as_they_were_with_all_their_reasons() -> None:
    found = aside(FLIGHTS, CONTRACT)
    assert found["id"].tolist() == [2, 2, 4]
    assert found["delay"].tolist()[:2] == ["2.5", "x"]
    assert [list(reasons) for reasons in found["nbops_reasons"]] == [
        ["no two rows have the same id", "delay is an integer"],
        ["no two rows have the same id", "origin is one of EWR, JFK", "delay is an integer"],
        ["origin has a value"],
    ]


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ({"severity": "quarantine"}, "quarantined"),
        ({"severity": "quarantine", "share": 0.4}, "quarantined"),
        ({"severity": "quarantine", "share": 0.1}, "failed"),
        ({"severity": "stop"}, "failed"),
        ({"severity": "stop", "share": 0.25}, "quarantined"),
        ({"severity": "warn"}, "warning"),
        ({"severity": "warn", "share": 0.3}, "passed"),
    ],
)
def test_severity_and_share_say_what_follows(rule: dict[str, Any], outcome: str) -> None:
    contract = {"columns": {"origin": {"not_null": {"value": True, **rule}}}}
    found = check(FLIGHTS, contract)
    assert found.judged[0].outcome == outcome
    assert found.ok == (outcome != "failed")
    assert found.quarantined == (0 if rule["severity"] == "warn" else 1)


def test_a_row_without_a_value_breaks_only_the_rule_that_wants_one() -> None:
    frame = pd.DataFrame({"a": [None, "x"]})
    contract = {"columns": {"a": {"in": ["x"], "regex": "x", "type": "string"}}, "rules": [{"expr": "a = 'x'"}]}
    assert check(frame, contract).quarantined == 0


def test_the_same_rows_are_judged_alike_whatever_they_come_in(tmp_path: Path) -> None:
    frame = FLIGHTS
    frame.to_parquet(tmp_path / "flights.parquet")
    frame.to_csv(tmp_path / "flights.csv", index=False)
    frame.to_json(tmp_path / "flights.jsonl", orient="records", lines=True)
    frame[:2].to_parquet(tmp_path / "part-1.parquet")
    frame[2:].to_parquet(tmp_path / "part-2.parquet")
    expected = outcomes(frame, CONTRACT)
    table = pa.Table.from_pandas(frame)
    for data in (
        table, tmp_path / "flights.parquet", tmp_path / "flights.csv", tmp_path / "flights.jsonl", str(tmp_path / "part-*.parquet"),
    ):  # fmt: skip
        assert outcomes(data, CONTRACT) == expected, data


def test_rules_of_a_table() -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    frame = pd.DataFrame({"at": [now - timedelta(days=3), now - timedelta(days=2)], "a": [1.0, np.nan]})
    rules = [
        {"row_count": {"min": 3}},
        {"fresh": {"column": "at", "within": "1d"}},
        {"null_share": {"column": "a", "max": 0.1}},
    ]
    found = check(frame, {"rules": rules})
    assert [one.outcome for one in found.judged] == ["failed"] * 3
    assert found.judged[0].detail == "there are 2"
    assert found.judged[1].detail.startswith("it is 2 days")
    assert found.judged[2].detail == "50.000% is missing"
    softer = [
        {"row_count": 2},
        {"fresh": {"column": "at", "within": "3d"}},
        {"null_share": {"column": "a", "max": 0.5}},
    ]
    assert all(one.outcome == "passed" for one in check(frame, {"rules": softer}).judged)


def test_a_foreign_key_is_looked_up_in_the_table_that_it_names() -> None:
    planes = pd.DataFrame({"tailnum": ["N1", "N2", None]})
    frame = pd.DataFrame({"tailnum": ["N1", "N3", None]})
    contract = {"columns": {"tailnum": {"foreign_key": "planes.tailnum"}}}
    assert outcomes(frame, contract, tables={"planes": planes}) == {
        "tailnum is a tailnum of planes": ("quarantined", 1)
    }


def test_columns_that_are_missing_or_too_many_are_told() -> None:
    contract = {"columns": {"a": "integer", "b": {"required": False, "not_null": True}}, "extra": "warn"}
    found = check(pd.DataFrame({"c": [1]}), contract)
    assert [(one.sentence, one.outcome, one.detail) for one in found.judged] == [
        ("a is there", "failed", "it is missing"), ("there are no other columns", "warning", "c"),
    ]  # fmt: skip
    assert not check(pd.DataFrame({"a": [1], "c": [1]}), {**contract, "extra": "stop"}).ok


def test_names_and_values_that_look_like_sql_are_only_names_and_values(tmp_path: Path) -> None:
    wild = 'a"; drop table x; --'
    frame = pd.DataFrame({wild: ["it's", "'); select 1; --"], "_b0": [1, 2], "reasons?": [1, 1]})
    contract = {"columns": {wild: {"in": ["it's"], "why": "wild"}, "_b0": "integer", "reasons?": {"unique": True}}}
    assert check(frame, contract).quarantined == 2
    assert len(aside(frame, contract)) == 2
    frame.to_parquet(tmp_path / "it's.parquet")
    assert check(tmp_path / "it's.parquet", contract).quarantined == 2


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        ("none.parquet", NotFound, "no file"),
        ("notes.txt", UsageError, "cannot be told"),
        (42, UsageError, "has no rows"),
    ],
)
def test_what_cannot_be_read_is_refused(data: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        check(data, CONTRACT)


def test_an_expression_that_is_none_is_refused() -> None:
    with pytest.raises((UsageError, ConfigError), match="does not fit the data"):
        check(FLIGHTS, {"rules": [{"expr": "no_such_column > 3"}]})


def test_the_sql_can_be_shown_and_executed() -> None:
    found = check(FLIGHTS, CONTRACT)
    assert found.sql.startswith("select false as dropped, count(*)")
    assert found.sql.lower().count(" from given") + found.sql.count('"given"') == 1
    assert isinstance(found, checking.Checked)


TAILS = ["N1", "N20", "n-1", "", None, "Né", "N1\n", "N" + "1" * 40] * 500


@pytest.mark.parametrize("wanted", ["N[0-9]+", ".*", "[^N]*", "x"])
@pytest.mark.parametrize("few", [True, False])
def test_a_pattern_is_judged_alike_whether_texts_are_looked_up_or_not(wanted: str, few: bool, tmp_path: Path) -> None:
    path = tmp_path / "tails.parquet"
    pq.write_table(pa.table({"tail": TAILS}), path, use_dictionary=few)
    contract = {"columns": {"tail": {"regex": wanted}}}
    broken = [text for text in TAILS if text is not None and not re.fullmatch(wanted, text)]
    found = check(path, contract, broken=tmp_path / "broken.parquet")
    assert (found.rows, found.quarantined) == (len(TAILS), len(broken))
    assert sorted(pd.read_parquet(tmp_path / "broken.parquet")["tail"]) == sorted(broken)
    assert found.sql == check(path, contract).sql
    assert "regexp" in found.sql
    with opened(path) as relation:
        compiled = Compiled(contracts.read(contract), relation.sql, relation.columns)
        looking_up.find(relation, compiled)
        assert ("regexp" in compiled.counted) == (not few)


def test_a_reader_of_arrow_is_judged_though_it_can_be_read_only_once(tmp_path: Path) -> None:
    def reader() -> pa.RecordBatchReader:
        return pa.table({"id": [1, 2, 2]}).to_reader()

    assert check(reader(), {"columns": {"id": {"range": [0, 1]}}}).quarantined == 2
    unique = {"columns": {"id": {"unique": True, "range": [0, 1]}}}
    assert check(reader(), unique, broken=tmp_path / "broken.parquet").quarantined == 2
    assert len(pd.read_parquet(tmp_path / "broken.parquet")) == 2


def test_a_list_of_whole_numbers_is_no_whole_number() -> None:
    lists = pa.table({"n": [[1], [2, 3], None]})
    assert outcomes(lists, {"columns": {"n": "integer"}}) == {"n is an integer": ("quarantined", 2)}


@pytest.mark.parametrize("folder", ["[a]", "a*", "a?b", "it's"])
def test_a_folder_may_have_any_name(folder: str, tmp_path: Path) -> None:
    # Taken for patterns, the names would mean these as well.
    for there in (folder, "a", "ab", "axb"):
        (tmp_path / there).mkdir(exist_ok=True)
        pq.write_table(pa.table({"n": [0 if there == folder else 9] * 3}), tmp_path / there / "n.parquet")
    out = tmp_path / folder / "out.parquet"
    found = check(tmp_path / folder / "n.parquet", {"columns": {"n": {"range": [1, 2]}}}, broken=out)
    assert (found.rows, found.quarantined) == (3, 3)
    assert len(pq.ParquetFile(out).read()) == 3


def test_a_line_that_is_no_row_is_told_also_by_a_contract_that_looks_at_no_column(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("'1\"")
    assert check(path, {"columns": {}}).quarantined == 1


def test_only_what_was_asked_for_is_written(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": [1, 2]}), tmp_path / "n.parquet")
    (tmp_path / "out.marked").write_text("mine")
    check(tmp_path / "n.parquet", {"columns": {"n": {"range": [1, 1]}}}, broken=tmp_path / "out.parquet")
    assert (tmp_path / "out.marked").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["n.parquet", "out.marked", "out.parquet"]
    with pytest.raises(UsageError, match="cannot be written"):
        check(tmp_path / "n.parquet", {"columns": {"n": {"range": [1, 1]}}}, broken=tmp_path / "no" / "out.parquet")
