"""Whatever rows come, each is taken or set aside, and what was taken is taken again."""

from __future__ import annotations

from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from nbops.data.checking import aside, check, taken
from tests.examples import some

DIRT = st.one_of(
    st.none(), st.integers().map(str), st.floats().map(str), st.text(max_size=5), st.dates().map(str), st.datetimes().map(str),
    st.sampled_from(["", " ", "NULL", "nan", "true", "1e3", "0x1F", "1_000", "٣", "1,5", "-0", "9" * 40, "2013-02-30", "24:00"]),
)  # fmt: skip
KINDS = st.sampled_from(["integer", "number", "string", "boolean", "date", "timestamp"])
CONTRACTS = st.fixed_dictionaries(
    {
        "a": st.fixed_dictionaries({"type": KINDS, "not_null": st.booleans(), "unique": st.booleans()}),
        "b": st.just({"type": "string", "in": ["", "true", "1"]}),
    }
)


@settings(deadline=None, max_examples=some(40))
@given(st.lists(st.tuples(DIRT, DIRT), max_size=12), CONTRACTS)
def test_counts_add_up_and_a_second_time_changes_nothing(rows: list[tuple[Any, Any]], columns: dict[str, Any]) -> None:
    frame = pd.DataFrame(rows, columns=["a", "b"], dtype="string")
    contract = {"columns": columns}
    found = check(frame, contract)
    good, bad = taken(frame, contract), aside(frame, contract)
    assert found.rows == len(frame) == len(good) + len(bad)
    assert (found.good, found.quarantined) == (len(good), len(bad))
    assert all(len(reasons) > 0 for reasons in bad["nbops_reasons"])
    again = check(good, contract)
    assert (again.rows, again.quarantined) == (len(good), 0)
    pd.testing.assert_frame_equal(taken(good, contract), good, check_dtype=False)
