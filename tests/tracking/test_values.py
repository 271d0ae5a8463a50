"""What people log comes back equal and of its kind, or is refused with the remedy; nothing that one value does harms another."""

from __future__ import annotations

import enum
import math
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.errors import ParameterError
from nbops.records import Param
from nbops.tracking.recording import RevisionWarning
from nbops.tracking.runs import value_of
from nbops.tracking.values import LONGEST_VALUE, experiment_name, metric_key, number, param, tag
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
NESTED = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


class Colour(enum.StrEnum):
    RED = "red"


class Old(str, enum.Enum):  # noqa: UP042 - as it was written before StrEnum
    RED = "red"


class Size(int, enum.Enum):
    LARGE = 3


class Scalar:
    """A library's number, as PyTorch's: `size` is a method and `item` gives the value."""

    ndim = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def size(self) -> tuple[()]:
        return ()

    def item(self) -> float:
        return self.value


class Several(Scalar):
    def item(self) -> float:
        raise RuntimeError("a tensor with 2 elements cannot be converted to a scalar")


def same(one: Any, other: Any) -> bool:
    """Equal and of one type, all the way down; NaN equals NaN, and 0.0 is not -0.0."""
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(value, other[key]) for key, value in one.items())
        )
    return type(one) is type(other) and (repr(one) == repr(other))


def sent(item: Param) -> Param:
    """A parameter after its way over the wire."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(item), type=Param)


@given(NESTED)
def test_a_parameter_of_any_plain_kind_comes_back_as_it_was(value: Any) -> None:
    assert same(value_of(sent(param("p", value))), value)


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(3), 3),
        (Scalar(0.25), 0.25),
        (Colour.RED, "red"),
        (Old.RED, "red"),
        (Size.LARGE, 3),
        ((1, "a"), [1, "a"]),
        ({2, 1}, [1, 2]),
        (
            {"rate": np.float32(0.5), "of": np.array([1, 2]), "at": pd.Timestamp("2026-01-02")},
            {"rate": 0.5, "of": [1, 2], "at": "2026-01-02 00:00:00"},
        ),
        (pd.Timestamp("2026-01-02 03:04"), "2026-01-02 03:04:00"),
        (np.datetime64("2026-01-02", "ns"), "2026-01-02T00:00:00.000000000"),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (10**300, 10**300),
        ("half \ud83d of an emoji", "half \\ud83d of an emoji"),
    ],
)
def test_a_value_of_a_library_comes_back_as_what_it_stands_for(value: object, back: object) -> None:
    assert same(value_of(sent(param("p", value))), back)


@given(
    st.floats() | st.integers() | st.fractions() | st.decimals(allow_nan=False) | st.floats(width=32).map(np.float32)
)
def test_any_real_number_is_a_metric(value: Any) -> None:
    found = number("m", value)
    try:
        assert found == float(value) or (math.isnan(found) and math.isnan(float(value)))
    except OverflowError:
        assert found == (math.inf if value > 0 else -math.inf)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Scalar(0.5), 0.5),
        (np.array([2.0]), 2.0),
        (np.array(3), 3.0),
        (pd.Series([4.0]), 4.0),
        (Decimal("1.5"), 1.5),
        (Fraction(1, 4), 0.25),
        (True, 1.0),
        pytest.param(10**5000, math.inf, id="an integer beyond any float"),
        pytest.param(-(10**5000), -math.inf, id="one below any float"),
    ],
)
def test_a_number_in_the_wrapping_of_a_library_is_a_metric(value: object, expected: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert number("m", value) == expected


@pytest.mark.parametrize(
    "value",
    ["0.5", None, pd.NA, 1j, np.complex128(1j), np.array([1.0, 2.0]), Several(1.0), [1.0], {"a": 1.0}, object(), float,
     np.datetime64("2026-01-01", "ns"), np.timedelta64(5, "ns"), pd.Timestamp("2026-01-01"), Decimal("sNaN")],
    ids=lambda value: repr(value).split(" at 0x")[0],
)  # fmt: skip
def test_what_is_no_number_is_refused_as_a_metric_naming_the_verb_for_it(value: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ParameterError, match=r"'mae'.*not a number") as caught:
            number("mae", value)
    assert "log_param" in caught.value.hint
    assert "set_tag" in caught.value.hint


NAMERS: dict[str, Callable[[Any], object]] = {
    "a parameter": lambda name: param(name, 1),
    "a metric": metric_key,
    "a tag": lambda name: tag(name, 1),
    "an experiment": experiment_name,
}


@pytest.mark.parametrize("what", NAMERS)
@pytest.mark.parametrize(
    "name", ["", "  ", "two\nlines", "nul\0", "tab\t", "sep\u2028arator", "half \ud83d", "x" * 251, 7, None], ids=repr
)
def test_an_unfit_name_is_refused_saying_what_fits(what: str, name: Any) -> None:
    with pytest.raises(ParameterError, match=f"cannot be the name of {what}") as caught:
        NAMERS[what](name)
    assert "1 to 250 characters on one line" in caught.value.hint
    assert len(caught.value.message) < 120


@pytest.mark.parametrize("what", NAMERS)
@pytest.mark.parametrize(
    "name", ['it\'s "quoted"', "müßig 🚀", "; drop table runs --", "a/b.c:d", "x" * 250, "metrics.mae"]
)
def test_quotes_accents_and_emoji_make_a_fine_name(what: str, name: str) -> None:
    NAMERS[what](name)


@pytest.mark.parametrize(
    "value", ["x" * 100_000_000, ["x" * LONGEST_VALUE], 10**4299 * 10**20], ids=["text", "list", "digits"]
)
def test_a_parameter_too_large_is_refused_naming_the_verb_for_it(value: object) -> None:
    with pytest.raises(ParameterError, match="Parameter 'prompt'") as caught:
        param("prompt", value)
    assert "log_text(…" in caught.value.hint
    assert len(str(caught.value)) < 300


def test_a_tag_too_large_is_refused() -> None:
    with pytest.raises(ParameterError, match="Tag 'note' is 70,000 characters"):
        tag("note", "x" * 70_000)


KEPT: dict[str, object] = {
    "truth": False, "count": 7, "huge": 2**80, "rate": 0.1, "nothing": None, "nan": math.nan, "far": -math.inf, "empty": "",
    "text": "it's \"ü\" 𝄞 '; drop table runs --", "nul": "a\0b", "words": "two\nlines", "list": [1, 2.5, None, "a", [True]],
    "dict": {"a": {"b": [math.nan]}}, "none-like": "None", "number-like": "7", "longest": "ä" * LONGEST_VALUE,
}  # fmt: skip


def test_every_kind_of_parameter_and_metric_comes_back_from_the_store(here: Workspace) -> None:
    metrics = {
        "loss": 0.1,
        "nan": math.nan,
        "up": math.inf,
        "down": -math.inf,
        "tiny": 5e-324,
        "zero": -0.0,
        'it\'s "ü"': 2.0,
    }
    with here.start_run("kinds", params=KEPT, tags={"ü": "it's", "count": 3}) as run:
        run.log_metrics(metrics)
    again = here.run(run.run_id)
    assert same(again.params, dict(sorted(KEPT.items())))
    assert same(again.metrics, dict(sorted(metrics.items())))
    assert again.tags == {"ü": "it's", "count": "3"}


def test_one_refused_value_keeps_nothing_of_its_call_and_harms_nothing_else(run: Run) -> None:
    with pytest.raises(ParameterError):
        run.log_metrics({"good": 1.0, "bad": "x"})
    with pytest.raises(ParameterError):
        run.log_params({"good": 1, "": 2})
    run.log_metric("later", 2.0)
    assert run.metrics == {"later": 2.0}
    assert run.params == {}


def test_another_value_is_a_revision_told_once_at_the_line_of_the_caller_and_both_are_kept(
    here: Workspace, run: Run
) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run.log_param("rate", 0.1)
        run.log_param("rate", 0.1)
        run.log_params({"rate": 0.2, "other": 1})
        run.log_param("rate", 0.2)
    assert [str(one.message) for one in told] == ["Parameter 'rate' was 0.1, is now 0.2; both are kept."]
    assert told[0].category is RevisionWarning
    assert told[0].filename == __file__
    assert run.params == {"rate": 0.2, "other": 1}
    kept = here.store.read("select value from core.params where run_id = ? and key = 'rate' order by seq", [run.run_id])
    assert kept.rows == [["0.1"], ["0.2"]]
    assert here.sql("select revisions from params where run_id = ? and key = 'rate'", [run.run_id])[
        "revisions"
    ].tolist() == [1]


def test_a_revision_of_a_past_run_is_told_too_and_the_same_value_is_none(here: Workspace) -> None:
    with here.start_run("past", params={"rate": 0.1}) as made:
        pass
    past = here.run(made.id)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        past.log_param("rate", 0.1)
    with pytest.warns(RevisionWarning, match=r"was 0\.1, is now 0\.3"):
        past.log_param("rate", 0.3)
    assert past.params == {"rate": 0.3}
    assert here.sql("select revisions from params where run_id = ?", [made.run_id])["revisions"].tolist() == [1]
