"""A pattern that is computed without a regular expression means what it means with one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nbops import duck
from nbops.data.patterns import differs

TEXTS = st.text(st.sampled_from("aZN09_- ä\n\0é[9"), max_size=6)
PATTERNS = st.builds(
    lambda begin, text, chosen, times, end: f"{begin}{text}{chosen}{times}{end}",
    st.sampled_from(["", "^"]), st.sampled_from(["", "N", "N0", "a-", "é", "a.", "(a)", " "]),
    st.sampled_from(["[0-9]", "[0-9A-Z]", "[a-zA-Z_]", "[N0]", r"\d", "[^0]", "[9-0]", "[A-z]", "[a-]", "[ä]", "9"]),
    st.sampled_from(["", "+", "*", "{2}", "{1,2}", "{2,}", "{,2}", "{3,2}", "?", "+?"]), st.sampled_from(["", "$"]),
)  # fmt: skip


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    """An engine that nothing is kept in."""
    made = duck.scratch(memory_limit="1GB", threads=1)
    yield made
    made.close()


def outcome(con: Any, condition: str, text: str | None) -> bool | str | None:
    try:
        query = f"select {condition} from (select ?::varchar as t)"  # noqa: S608 - of the pattern alone
        found: bool | None = duck.rows(con, query, [text])[0][0]
    except duck.errors():
        return "refused"
    return found


@settings(deadline=None, max_examples=150)
@given(PATTERNS, TEXTS)
@example("N[0-9]+", "N")
@example("N[0-9]+", "N1")
@example("[A-Z]{3}", "ABC")
@example("[A-Z]{3}", "ABCD")
@example("[0-9]*", "")
@example("[0-9]+$", "1\n")
def test_it_means_the_same(con: Any, pattern: str, text: str) -> None:
    plain = f"not regexp_full_match(t, {duck.literal(pattern)})"
    assert outcome(con, differs("t", pattern), text) == outcome(con, plain, text)


@pytest.mark.parametrize(
    ("pattern", "simple"), [("N[0-9A-Z]+", True), (r"\d{5}", True), ("[A-Z]{3}|X", False), (".*", False)]
)
def test_it_is_for_names_and_numbers_of_things(con: Any, pattern: str, simple: bool) -> None:
    assert ("regexp" not in differs("t", pattern)) == simple
    assert outcome(con, differs("t", pattern), None) is None
