"""A contract is read in the words of several tools, and refused by the place that does not fit."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from nbops.data import contract, meaning
from nbops.data.rules import (
    AnyRule,
    Expr,
    ForeignKey,
    Fresh,
    In,
    NotNull,
    NullShare,
    Range,
    Regex,
    RowCount,
    Type,
    Unique,
)
from nbops.errors import ConfigError


def rules(told: dict[str, Any]) -> tuple[AnyRule, ...]:
    return contract.read({"contract": "c", **told}).rules


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ({"not_null": True}, NotNull(column="a")),
        ({"nullable": False}, NotNull(column="a")),
        ({"expect_column_values_to_not_be_null": {}}, NotNull(column="a")),
        ({"type": "int64"}, Type(column="a", kind="integer")),
        ({"dtype": "float"}, Type(column="a", kind="number")),
        ({"in": [1, 2]}, In(column="a", values=[1, 2])),
        ({"isin": ["x"]}, In(column="a", values=["x"])),
        ({"expect_column_values_to_be_in_set": {"value_set": ["x"]}}, In(column="a", values=["x"])),
        ({"range": [1, 2]}, Range(column="a", min=1, max=2)),
        ({"range": {"min": date(2013, 1, 1)}}, Range(column="a", min=date(2013, 1, 1))),
        ({"in_range": {"min_value": 0, "max_value": 9}}, Range(column="a", min=0, max=9)),
        ({"expect_column_values_to_be_between": {"min_value": 0}}, Range(column="a", min=0)),
        ({"gt": 0}, Range(column="a", min=0, exclusive=True)),
        ({"le": 5}, Range(column="a", max=5)),
        ({"regex": "N[0-9]+"}, Regex(column="a", pattern="N[0-9]+")),
        ({"unique": True}, Unique(columns=["a"])),
        ({"foreign_key": "planes.tailnum"}, ForeignKey(column="a", references="planes", to="tailnum")),
        ({"null_share": 0.05}, NullShare(column="a", max=0.05)),
        ({"fresh": "2d"}, Fresh(column="a", within=172_800)),
        ({"fresh": {"within": "1h 30min", "severity": "warn"}}, Fresh(column="a", within=5400, severity="warn")),
    ],
)  # fmt: skip
def test_what_is_typed_for_a_column_is_a_rule(asked: dict[str, Any], rule: AnyRule) -> None:
    assert rules({"columns": {"a": asked}}) == (rule,)


@pytest.mark.parametrize("asked", [{"nullable": True}, {"not_null": False}, {"unique": False}, {}])
def test_what_asks_for_nothing_is_no_rule(asked: dict[str, Any]) -> None:
    assert rules({"columns": {"a": asked}}) == ()


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ({"unique": ["a", "b"]}, Unique(columns=["a", "b"])),
        ({"row_count": {"min": 1, "max": 9}}, RowCount(min=1, max=9)),
        ({"row_count": 5}, RowCount(min=5)),
        ({"expect_table_row_count_to_be_between": {"min_value": 5}}, RowCount(min=5)),
        ({"expr": "a < b", "severity": "stop", "why": "a comes first"}, Expr(condition="a < b", severity="stop", why="a comes first")),
    ],
)  # fmt: skip
def test_what_is_typed_for_a_table_is_a_rule(asked: dict[str, Any], rule: AnyRule) -> None:
    assert rules({"rules": [asked]}) == (rule,)


def test_a_rule_has_a_severity_a_share_and_a_sentence() -> None:
    asked = {"range": {"min": 20, "max": 700, "severity": "stop", "share": 0.01, "why": "a flight in the air"}}
    (rule,) = rules({"columns": {"air_time": asked}})
    assert (rule.severity, rule.limit, meaning.sentence(rule)) == ("stop", 0.01, "a flight in the air")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"columns": {"a": {"rang": [1, 2]}}}, "column 'a' has 'rang', which is no rule"),
        ({"columns": {"a": {"type": "imaginary"}}}, "column 'a' has the type 'imaginary'"),
        ({"columns": {"a": {"range": 5}}}, "column 'a', range does not fit"),
        ({"columns": {"a": {"class": "secret"}}}, "column 'a' does not fit"),
        ({"columns": {"a": 5}}, "column 'a' is neither"),
        ({"rules": [{"expr": "a", "unique": ["b"]}]}, "rule 1 has no rule, or several"),
        ({"rules": [{"row_count": {"min": -1}}]}, "rule 1 does not fit"),
        ({"rules": [{"fresh": {"column": "a", "within": "soon"}}]}, "no time within"),
        ({"rule": []}, "the contract has 'rule'"),
        ({"columns": 7}, "columns is 7"),
        ({"columns": ["a"]}, "columns is ['a']"),
        ({"rules": {"row_count": 3}}, "rules is {"),
        ({"extra": "drop"}, "the contract does not fit"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_place(told: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match="In c: ") as refused:
        rules(told)
    assert words in refused.value.message


def test_a_contract_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "flights.yaml"
    path.write_text("columns:\n  origin: {in: [EWR, JFK], class: public}\nrules:\n  - row_count: 3\n", encoding="utf-8")
    found = contract.read(path)
    assert found.name == "flights"
    assert found.columns["origin"].sensitivity == "public"
    assert [type(rule) for rule in found.rules] == [In, RowCount]
    with pytest.raises(ConfigError, match="There is no contract"):
        contract.read(tmp_path / "none.yaml")
    path.write_text("- a list", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds no contract"):
        contract.read(path)
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        contract.read(path)
