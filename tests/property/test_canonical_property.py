# ruff: noqa: S608 - SQL of our own
"""The sum of a table is that of its parts, in whatever order they come, and tells apart whatever is not equal."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from nbops import duck
from nbops.data.canonical import Sum, content_hash, content_sum, families, row_halves
from nbops.data.relation import opened
from tests.examples import some

# What the canonical text is made of comes often, so that one row could look like another.
TEXTS = st.none() | st.text(alphabet="01:;[-é\x1f\0", max_size=4)
LISTS = st.none() | st.lists(TEXTS, max_size=3)
NUMBERS = st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 12)
REALS = st.none() | st.floats(allow_nan=False) | st.integers(-2, 12).map(float)
ROWS = st.tuples(TEXTS, NUMBERS, TEXTS, REALS, LISTS)
SCHEMA = {"a": pa.string(), "b": pa.int64(), "c": pa.string(), "d": pa.float64(), "e": pa.list_(pa.string())}


def table(rows: list[Any]) -> pa.Table:
    """Rows as Arrow."""
    return pa.table(
        [pa.array([row[place] for row in rows], kind) for place, kind in enumerate(SCHEMA.values())], list(SCHEMA)
    )


def content(row: tuple[Any, ...]) -> str:
    """What a row holds; 0.0 and -0.0 are one number."""
    return repr([0.0 if isinstance(cell, float) and cell == 0 else cell for cell in row])


@settings(deadline=None, max_examples=some(40))
@given(st.lists(ROWS, max_size=12), st.integers(0, 12), st.randoms(use_true_random=False))
def test_parts_add_up_to_the_whole_in_any_order(rows: list[Any], cut: int, chance: Any) -> None:
    shuffled = table(chance.sample(rows, len(rows))).select(chance.sample(sorted(SCHEMA), len(SCHEMA)))
    with opened(table(rows), threads=1) as relation:
        whole = content_sum(relation)
        total = content_hash(families(relation.columns), whole)
    with opened(shuffled, threads=1) as relation:
        first = content_sum(relation._replace(sql=f"(from given limit {cut})"))
        second = content_sum(relation._replace(sql=f"(from given offset {cut})"))
        assert content_hash(families(relation.columns), second + first) == total
    assert first + second == whole
    assert Sum() + whole == whole


@settings(deadline=None, max_examples=some())
@given(st.lists(ROWS, max_size=30))
def test_rows_have_the_same_halves_just_when_they_are_equal(rows: list[Any]) -> None:
    with opened(table(rows), threads=1) as relation:
        low, high = row_halves(relation.columns)
        found = duck.rows(relation.connection, f"select {low}, {high} from given")
    known = dict(zip(map(content, rows), found, strict=True))
    assert [known[content(row)] for row in rows] == found
    assert len(set(known.values())) == len(known) == len({low for low, _ in found})
