from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.render import values


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (7, "7"),
        (1234567, "1,234,567"),
        (-1234, "−1,234"),
        (10**15, "1e15"),
        pytest.param(-(10**400), "−1e400", id="-(10**400)"),
        pytest.param(10**5000, "1e5000", id="10**5000"),
        (0.1, "0.1"),
        (150.0, "150"),
        (8.61423, "8.614"),
        (0.99996, "1.0000"),
        (12345.678, "12,346"),
        (0.000123456, "0.0001235"),
        (0.0000123456, "1.235e−5"),
        (1e300, "1e300"),
        (-5e-324, "−4.941e−324"),
        (-0.0, "0"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (Decimal("2.50"), "2.5"),
        (Decimal("sNaN"), "NaN"),
        (Fraction(1, 4), "0.25"),
        (np.float32(0.5), "0.5"),
        (np.int64(-12345), "−12,345"),
        (None, "–"),
        (True, "True"),
        ("n/a", "n/a"),
    ],
)
def test_a_number_on_its_own_is_short_and_exact_enough(value: object, shown: str) -> None:
    assert values.number(value) == shown


@pytest.mark.parametrize(
    ("column", "shown"),
    [
        ([8.61423, 6.62318, 14.5], ["8.61", "6.62", "14.50"]),
        ([0.91234, 0.9, None], ["0.9123", "0.9000", "–"]),
        ([0.5, 0.25, 1], ["0.50", "0.25", "1.00"]),
        ([1, 20, 51234], ["1", "20", "51,234"]),
        ([1e-5, 0.001, 0.1], ["0.00001", "0.00100", "0.10000"]),
        ([0.999912, 0.999915], ["0.999912", "0.999915"]),
        ([1e-12, 0.5, 1234567.0], ["1e−12", "0.5", "1,234,567"]),
        ([1e300, 1.0], ["1e300", "1"]),
        ([-0.0001, 5.0], ["−0.0001", "5.0000"]),
        ([-0.00001, 5.0, 12345.5], ["−1e−5", "5", "12,346"]),
        ([math.nan, math.inf, 0.25], ["NaN", "∞", "0.25"]),
        ([True, 2], ["True", "2"]),
        ([], []),
    ],
)
def test_numbers_of_a_column_share_their_decimals(column: list[object], shown: list[str]) -> None:
    assert values.numbers(column) == shown


@given(st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=1, unique=True))
def test_what_a_column_shows_is_near_what_it_holds(column: list[float]) -> None:
    for value, shown in zip(column, values.numbers(column), strict=True):
        read = float(shown.replace(",", "").replace("−", "-"))
        assert math.isclose(read, value, rel_tol=0.06, abs_tol=max(map(abs, column)) * 1e-3)


@given(
    st.lists(st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.text(), st.decimals(), st.fractions()))
)
def test_any_mixture_of_values_has_a_text_of_one_clean_line(column: list[object]) -> None:
    for shown in values.numbers(column):
        shown.encode("utf-8")
        assert values.clean(shown) == shown
        assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.0002, "<1 ms"),
        (0.3204, "320 ms"),
        (0.9996, "1.0 s"),
        (1.44, "1.4 s"),
        (59.96, "1 min"),
        (192.2, "3 min 12 s"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
        (47 * 3600 + 3599, "2 d"),
        (3 * 86400 + 4 * 3600, "3 d 4 h"),
        (1000 * 86400, "1,000 d"),
        (-90, "−1 min 30 s"),
        (math.nan, "NaN"),
        (None, "–"),
    ],
)
def test_a_duration_names_its_two_largest_units(seconds: float | None, shown: str) -> None:
    assert values.duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (3_400_000_000, "3.4 GB"),
        (10**18, "1,000.0 PB"),
        (-1500, "−1.5 kB"),
        (None, "–"),
    ],
)
def test_a_size_is_in_powers_of_a_thousand(count: int | None, shown: str) -> None:
    assert values.size(count) == shown


def test_every_status_word_has_an_icon_and_keeps_its_word() -> None:
    assert values.status("finished") == "✓ finished"
    assert values.status("failed") == "✗ failed"
    assert values.status("running") == "● running"
    assert values.status("sent back") == "▲ sent back"
    assert values.status("something new") == "· something new"


def test_values_can_neither_drive_a_terminal_nor_reorder_the_words_around_them() -> None:
    assert values.text("a\x1b[31mred\u202eback\ud800") == "a�[31mred�back�"
    assert values.text("two\nlines\u2028three\tfour") == "two lines three four"


def test_blocks_show_the_course_with_its_gaps() -> None:
    assert values.blocks([1, None, 8]) == "▁ █"
    assert values.blocks([5, 5]) == "▄▄"
    assert values.blocks([-1e308, 1e308]) == "▁█"
    assert values.blocks([math.nan]) == "–"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (list("abcdefgh"), "a, b, c, d, e, f and 2 more"),
    ],
)
def test_names_are_listed(names: list[str], told: str) -> None:
    assert values.listed(names) == told
