"""Assumptions: what breaks them is counted and shown, and what is no expression over a row is refused before it is computed."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from nbops.errors import QueryTimeout, UsageError
from nbops.evaluation.assumptions import Assumption, Held, hold

FLIGHTS = pd.DataFrame({
    "dep_delay": [1.0, 1500.0, None, 3000.0, 2.0], "Carrier": ["AA", "UA", None, "x\ny", "AA"],
    "time": pd.date_range("2013-01-01", periods=5, tz="UTC"), "row": [5, 4, 3, 2, 1],
})  # fmt: skip


def held(expression: str, frame: pd.DataFrame = FLIGHTS, seconds: float = 60) -> Held:
    (found,) = hold(frame, [Assumption("delays are under a day", expression)], seconds=seconds)
    return found


def test_rows_that_break_it_are_counted_and_shown() -> None:
    found = held("dep_delay < 1440")
    assert (found.holds, found.rows, found.broken, found.share, found.unknown) == (False, 5, 2, 0.4, 1)
    assert [(one.row, one.fields) for one in found.examples] == [
        (1, {"dep_delay": "1,500"}),
        (3, {"dep_delay": "3,000"}),
    ]
    assert found.told == (
        "delays are under a day: broken by 2 of 5 rows (40 %), such as row 1 (dep_delay = 1,500)."
        " 1 row cannot be told: a value is missing."
    )
    assert msgspec.json.decode(msgspec.json.encode(found))["broken"] == 2


def test_what_holds_is_said_with_what_is_not_known() -> None:
    found = held("dep_delay < 9999")
    assert (found.holds, found.examples) == (True, ())
    assert found.told == "delays are under a day: holds in all 4 rows. 1 row cannot be told: a value is missing."


def test_all_of_an_expression_may_be_used_that_looks_at_one_row() -> None:
    assert held('year(time) = 2013 and "row" between 1 and 5 -- as it was').holds
    assert held("coalesce(carrier, 'none') in ('AA', 'UA', 'none', 'it;s') or dep_delay is distinct from 7").holds
    assert held("len(list_filter([dep_delay], lambda x: x > 1)) <= 1").holds
    assert held("case when Carrier like 'A%' then dep_delay < 10 else true end").holds


def test_at_most_five_examples_in_the_order_of_the_rows_with_text_made_safe() -> None:
    frame = pd.DataFrame({"x": range(100), "text": ["a\x1b[31m" + "b" * 100] * 100})
    found = held("x < 0 and text is not null", frame)
    assert [one.row for one in found.examples] == [0, 1, 2, 3, 4]
    assert "\x1b" not in found.told
    assert all(len(one.fields["text"]) <= 60 for one in found.examples)


def test_what_is_known_of_no_row_does_not_hold() -> None:
    found = held("dep_delay < 1440", FLIGHTS.iloc[[2]])
    assert (found.holds, found.broken, found.unknown) == (False, 0, 1)
    assert found.told == "delays are under a day: cannot be told for any of 1 row, a value is missing."


def test_no_rows_break_nothing() -> None:
    found = held("dep_delay < 1440", FLIGHTS.iloc[:0])
    assert (found.holds, found.share) == (True, 0)


@pytest.mark.parametrize(
    "expression",
    [
        "dep_delay < 1; drop table given", "dep_delay < 1; select 1", "1 = 1) or (1 = 1", "dep_delay < 1) from given; drop table given --",
        "dep_delay in (select 1)", "exists (from given)", "dep_delay < (select count(*) from read_csv('{secret}'))",
        "dep_delay < 1 from given", "dep_delay < 1 union select true", "dep_delay < 1 order by 1", "dep_delay < 1 limit 1",
        "sum(dep_delay) > 1", "row_number() over () > 1", "columns(*) is not null", "*", "dep_delay < 1, true", "$1 < dep_delay", "? < 1",
        "unnest([true])", "read_text('{secret}') is null", "dep_delay", "'a'", "null", "", "dep_delay <",
        "nope < 1", "Carrier < 1", "dep_delay < 1 /* never closed", "attach 'x' as y", "set threads = 1",
    ],
)  # fmt: skip
def test_what_is_no_expression_over_a_row_is_refused(expression: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with pytest.raises(UsageError, match="delays are under a day") as refused:
        held(expression.replace("{secret}", str(secret)))
    assert "such as `dep_delay < 1440`" in refused.value.hint


def test_files_and_settings_are_out_of_reach(tmp_path: Path) -> None:
    outside = tmp_path / "out.csv"
    for expression in (
        f"dep_delay < (copy given to '{outside}')",
        "current_setting('memory_limit') = '1'",
        f"glob('{tmp_path}/*') is null",
    ):
        try:
            found = held(expression)
        except UsageError:
            continue
        assert expression.startswith("current_setting"), found
    assert not outside.exists()


def test_an_expression_that_takes_too_long_is_stopped() -> None:
    frame = pd.DataFrame({"x": np.arange(4_000_000)})
    start = time.monotonic()
    with pytest.raises(QueryTimeout, match=r"longer than 200 ms"):
        held("list_sum(list_transform(range(2000), lambda y: y * x)) >= 0", frame, seconds=0.2)
    assert time.monotonic() - start < 30


def test_rows_that_sql_cannot_read_are_refused() -> None:
    with pytest.raises(UsageError, match="same name"):
        held("a < 1", pd.DataFrame([[1, 2]], columns=["a", "A"]))
