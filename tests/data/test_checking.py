"""A contract judges rows in one scan; the broken ones come with all of their reasons, as they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nbops.data import checking
from nbops.data.checking import aside, check
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
