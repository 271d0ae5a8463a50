"""Schemas of pandera judge rows as pandera does."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from nbops.data.checking import aside, check
from nbops.data.contract import read
from nbops.errors import ConfigError

pa: Any = pytest.importorskip("pandera.pandas", reason="pandera is not installed")

FRAME = pd.DataFrame(
    {
        "id": [1, 2, 2, 4, 5],
        "origin": ["EWR", "JFK", "LGA", "XXX", None],
        "tail": ["N1", "x2", "N33333", "N4", "N5"],
        "delay": [0.0, 5.0, -1.0, 100.0, None],
    }
)
SCHEMA = pa.DataFrameSchema(
    {
        "id": pa.Column(int, unique=True, description="the flight"),
        "origin": pa.Column(str, pa.Check.isin(["EWR", "JFK", "LGA"])),
        "tail": pa.Column(str, [pa.Check.str_matches("N[0-9]"), pa.Check.str_length(2, 5)]),
        "delay": pa.Column(float, pa.Check.in_range(0, 100, include_max=False), nullable=True),
    },
    strict=True,
)


def failing(schema: Any) -> set[int]:
    with pytest.raises(pa.errors.SchemaErrors) as caught:
        schema.validate(FRAME, lazy=True)
    return {int(index) for index in caught.value.failure_cases["index"]}


def test_the_rows_that_pandera_refuses_are_set_aside() -> None:
    found = aside(FRAME.assign(row=range(len(FRAME))), pa.DataFrameSchema(SCHEMA.columns))
    assert set(found["row"]) == failing(SCHEMA) == {1, 2, 3, 4}
    assert not check(FRAME.assign(row=0), SCHEMA).ok


def test_a_model_is_read_and_a_warning_only_warns() -> None:
    class Flights(pa.DataFrameModel):  # type: ignore[misc]  # pandera has no stubs that fit
        id: int = pa.Field(ge=2, raise_warning=True)

    found = check(FRAME, Flights)
    assert (found.ok, found.quarantined) == (True, 0)
    assert [one.outcome for one in found.judged if one.broken] == ["warning"]


@pytest.mark.parametrize(
    "check_of",
    [
        pa.Check.ge(2),
        pa.Check.gt(2),
        pa.Check.le(2),
        pa.Check.lt(2),
        pa.Check.eq(2),
        pa.Check.ne(2),
        pa.Check.notin([2]),
    ],
)
def test_comparisons_mean_the_same(check_of: Any) -> None:
    schema = pa.DataFrameSchema({"id": pa.Column(int, check_of)})
    found = aside(FRAME.assign(row=range(len(FRAME))), schema)
    assert set(found["row"]) == failing(schema)


@pytest.mark.parametrize(
    "words", [pa.Check.str_contains("3"), pa.Check.str_startswith("N"), pa.Check.str_endswith("5")]
)
def test_texts_mean_the_same(words: Any) -> None:
    schema = pa.DataFrameSchema({"tail": pa.Column(str, words)})
    found = aside(FRAME.assign(row=range(len(FRAME))), schema)
    assert set(found["row"]) == failing(schema)


def test_python_code_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match="'positive' of 'id'"):
        read(pa.DataFrameSchema({"id": pa.Column(int, pa.Check(lambda values: values > 0, name="positive"))}))
    with pytest.raises(ConfigError, match="whole table"):
        read(pa.DataFrameSchema({"id": pa.Column(int)}, checks=pa.Check(lambda frame: frame["id"] > 0)))
