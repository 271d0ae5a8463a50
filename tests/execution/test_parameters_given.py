"""What is given to a notebook is converted to the parameter's type or refused, all problems at once, and the cell makes exactly it."""

from __future__ import annotations

import enum
import json
import math
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat import v4

from nbops.errors import ParameterError
from nbops.execution import parameters
from nbops.execution.parameters import Interface, Word
from nbops.tracking.values import param


class Color(enum.IntEnum):
    RED = 1


class Summer(tzinfo):
    def utcoffset(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=2)

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def tzname(self, dt: datetime | None) -> str:
        return "summer"


class Season(enum.StrEnum):
    WINTER = "w"


def interface(source: str) -> Interface:
    cell = v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    return parameters.read(v4.new_notebook(cells=[cell]), "python", "train.ipynb")


def given(source: str, value: object) -> Any:
    """What becomes of a value for the parameter `x`."""
    return parameters.resolve(interface(source), {"x": value})["x"]


def refusal(source: str, **values: object) -> ParameterError:
    with pytest.raises(ParameterError) as caught:
        parameters.resolve(interface(source), values)
    return caught.value


CONVERTED: list[tuple[str, object, object]] = [
    ("x: int = 1", "3", 3),
    ("x: int = 1", Word("-3"), -3),
    ("x: int = 1", np.int64(3), 3),
    ("x: int = 1", np.array(3), 3),
    ("x: int = 1", Color.RED, 1),
    ("x: float = 1", "1e3", 1000.0),
    ("x: float = 1", "inf", math.inf),
    ("x: float = 1", 3, 3.0),
    ("x: float = 1", np.float32(0.5), 0.5),
    ("x: bool = True", Word("false"), False),
    ("x: bool = True", np.bool_(False), False),
    ("x: str = ''", Word("007"), "007"),
    ("x: str = ''", Word("null"), "null"),
    ("x: str = ''", Season.WINTER, "w"),
    ("x: str = ''", Path("a"), "a"),
    ("x: Path = None", "a/b", Path("a/b")),
    ("x: date = None", "2013-02-01", date(2013, 2, 1)),
    ("x: date = None", pd.Timestamp("2013-02-01"), date(2013, 2, 1)),
    ("x: date = None", np.datetime64("2013-02-01"), date(2013, 2, 1)),
    ("x: datetime = None", date(2013, 2, 1), datetime(2013, 2, 1)),  # noqa: DTZ001 - a date has no time zone
    ("x: datetime = None", pd.Timestamp("2013-02-01 08:00"), datetime(2013, 2, 1, 8)),  # noqa: DTZ001 - the same
    ("x: timedelta = None", "P1DT2H", timedelta(days=1, hours=2)),
    ("x: timedelta = None", pd.Timedelta("90s"), timedelta(seconds=90)),
    ("x: Decimal = None", "0.10", Decimal("0.10")),
    ("x: Decimal = None", 0.1, Decimal("0.1")),
    ("x: pd.Timestamp = None", "2013-02-01", pd.Timestamp("2013-02-01")),
    ("x: pd.Timestamp = None", date(2013, 2, 1), pd.Timestamp("2013-02-01")),
    ("x: np.float32 = None", "0.5", np.float32(0.5)),
    ("x: np.int8 = None", 3, np.int8(3)),
    ("x: list[int] = []", "[1, 2]", [1, 2]),
    ("x: list[int] = []", (1, np.int8(2)), [1, 2]),
    ("x: list[float] = []", np.array([1, 2]), [1.0, 2.0]),
    ("x: list[float] = []", pd.Series([1.5]), [1.5]),
    ("x: list[date] = []", '["2013-02-01"]', [date(2013, 2, 1)]),
    ("x: list[str] = []", "['a', 'b']", ["a", "b"]),
    ("x: list[int] = []", "1, 2", [1, 2]),
    ("x: dict[int, float] = {}", '{"1": 2}', {1: 2.0}),
    ("x: tuple[int, str] = ()", '[1, "a"]', (1, "a")),
    ("x: set[str] = set()", ["a", "a"], {"a"}),
    ("x: int | None = 1", Word("null"), None),
    ("x: int = None", None, None),
    ("x: int | str = 1", Word("5"), 5),
    ("x: int | str = 1", "5", "5"),
    ("x: str | None = None", Word("None"), None),
    ("x: str | None = None", "None", "None"),
    ("x: Literal['a', 2] = 'a'", Word("2"), 2),
    ("x: Literal[True, 1] = 1", 1, 1),
    ("x = None", Word("1e3"), 1000.0),
    ("x = None", "1e3", "1e3"),
    ("x = None", (1, {"a": np.int8(1)}), (1, {"a": np.int8(1)})),
    ("x = 1", np.int64(3), np.int64(3)),
    ("x = 0.5", np.float32(0.5), np.float32(0.5)),
    ("x = date(2013, 1, 1)", pd.Timestamp("2013-02-01"), pd.Timestamp("2013-02-01")),
    ("x = 0.5", 1, 1.0),
    ("x = f()", Word("true"), True),
    ('x: "in" = "a"', Path("b"), "b"),
    ('x: "in" = Path("a")', "b", Path("b")),
    ('x: "secret" = None', "secret://crew-db", "secret://crew-db"),
    ("x: int = 1  # 1..3", 3, 3),
    ("x: int | None = 1  # 1..3", None, None),
    ("x: date = None  # 2013-01-01..2013-02-01", "2013-02-01", date(2013, 2, 1)),
    ("x: datetime = None  # ..2013-02-01", "2013-02-01T23:59", datetime(2013, 2, 1, 23, 59)),  # noqa: DTZ001 - as it is given
    ("x: pd.Timestamp = None  # ..2013-02-01", "2013-02-01T00:00:00.000000001", pd.Timestamp(1359676800000000001)),
    ("x: Rate = 0.5", 0.25, 0.25),
]


@pytest.mark.parametrize(("source", "value", "expected"), CONVERTED)
def test_values_are_converted_to_the_declared_type(source: str, value: object, expected: object) -> None:
    found = given(source, value)
    assert type(found) is type(expected)
    assert found == expected


@pytest.mark.parametrize(
    ("source", "value", "words"),
    [
        ("x: int = 1", "1e3", "is int; given was '1e3', which is no int"),
        ("x: int = 1", "lots", "which is no int"),
        ("x: int = 1", True, "given was True, which is no integer"),
        ("x: int = 1", 3.0, "which is no integer"),
        ("x: int = 1", None, "which is no integer"),
        ("x: float = 1", True, "which is no number"),
        ("x: float = 1", 10**400, "which is no float"),
        ("x: Decimal = Decimal('1')", True, "which is no number"),
        ("x: bool = True", 1, "which is neither true nor false"),
        ("x: bool = True", "yes", "which is neither true nor false"),
        ("x: str = ''", 5, "which is no text"),
        ("x: date = None", pd.Timestamp("2013-02-01 08:00"), "is none of date, None"),
        ("x: date = date(2013, 1, 1)", "2013-02-30", "which is no date"),
        ("x: datetime = datetime(2013, 1, 1)", pd.NaT, "which is no time"),
        ("x: pd.Timestamp = pd.NaT", "now", "which is no time"),
        ("x: np.int8 = np.int8(1)", 300, "which is"),
        ("x: list[int] = []", "[1, 2.5]", "which holds 2.5, which is no integer"),
        ("x: list[int] = []", "one, two", "which is no list such as"),
        ("x: tuple[int, str] = ()", "[1, 2]", "which holds 2, which is no text"),
        ("x: list = []", {1}, "which has no order"),
        ("x: tuple[int, str] = (1, 'a')", [1], "which holds 1 and not 2"),
        ("x: set[list[int]] = None", [[1]], "which is none of"),
        (
            "x: Literal['jan', 'feb'] = 'jan'",
            "mar",
            "is Literal['jan', 'feb']; given was 'mar', which is none of 'jan', 'feb'",
        ),
        ("x: Literal[1] = 1", True, "which is none of 1"),
        ("x: int = 10  # 10..1000", 5, "is int, 10..1000; given was 5, which is not within 10..1000"),
        ("x: float = 0.5  # ..1", math.nan, "which is not within ..1"),
        ("x: list[float] = []  # 0..1", [0.5, 2], "which is not within 0..1"),
        ("x: date = date(2013, 1, 1)  # 2013-01-01..", "2012-12-31", "which is not within 2013-01-01.."),
        ("x = 3", 2.5, "is int; given was 2.5, which is no integer"),
        ("x = None", object, "which is of the type builtins.type, which no cell could write down"),
        ("x = None", np.array([1]), "which is of the type numpy.ndarray"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_type_and_value(source: str, value: object, words: str) -> None:
    error = refusal(source, x=value)
    assert error.message.startswith("Parameter 'x' of train.ipynb")
    assert words in error.message
    assert error.hint


def test_values_that_cannot_be_shown_are_refused_all_the_same() -> None:
    assert "given was a value of the type int, which is no text" in refusal("x: str = 'a'", x=16**9000).message
    value: list[object] = []
    value.append(value)
    assert "nested more than" in refusal("x = None", x=value).message


def test_hints_tell_the_remedy() -> None:
    assert refusal("x: int = 1", x="a").hint == "Give an int, such as 3."
    assert refusal("x: Literal['jan', 'feb'] = 'jan'", x="fab").hint == "Did you mean 'feb'?"
    assert "in YAML between quotes" in refusal("x: str = ''", x=date(2013, 1, 1)).hint
    assert "annotate it: x: float | str" in refusal("x = 3", x=2.5).hint
    assert "within 1..2" in refusal("x = 1  # 1..2", x=3).hint


def test_problems_are_told_together() -> None:
    error = refusal("alpha: int = 1\nbeta: float = 1  # 0..1\nregion: str", alpha="a", beta=2, alhpa=3)
    assert [line[:40] for line in error.message.splitlines()] == [
        "4 parameters of train.ipynb are refused:",
        "- Parameter 'alpha' of train.ipynb is in",
        "- Parameter 'beta' of train.ipynb is flo",
        "- Unknown parameter 'alhpa' for train.ip",
        "- Parameter 'region' of train.ipynb has ",
    ]
    assert error.hint == "`nbops params show NOTEBOOK` lists what each of them takes."


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    error = refusal("alpha = 1\ndepth = 2", alhpa=2)
    assert error.message == "Unknown parameter 'alhpa' for train.ipynb. Known: alpha, depth."
    assert error.hint == "Did you mean 'alpha'?"
    assert "has no parameters" in refusal("pass", x=1).message


def test_what_is_unknown_or_does_not_fit_is_set_as_it_is_when_that_is_wanted() -> None:
    cell = interface("alpha = 1\ntoken: 'secret' = 'secret://db'")
    given = {"alpha": "one", "beta": [1]}
    assert parameters.resolve(cell, given, strict=False) == {**given, "token": "secret://db"}
    with pytest.raises(ParameterError, match="is a secret"):
        parameters.resolve(cell, {"token": "hunter22"}, strict=False)


def test_a_cell_that_cannot_be_read_takes_nothing() -> None:
    broken = interface("x = = 1")
    assert parameters.resolve(broken, {}) == {}
    with pytest.raises(ParameterError, match=r"train\.ipynb cannot be read: line 1"):
        parameters.resolve(broken, {"x": 1})


def test_names_of_a_language_that_is_not_read_are_passed_on() -> None:
    taken = parameters.resolve(Interface("a.ipynb", "R", 0, open=True), {"depth": Word("2"), "name": Word("x")})
    assert taken == {"depth": 2, "name": "x"}


# Secrets


def test_a_secret_takes_a_reference_and_is_never_shown() -> None:
    error = refusal('token: "secret" = None', token="hunter2")
    assert "hunter2" not in str(error)
    assert "secret://token" in error.hint
    assert "written in the notebook" in refusal('token: "secret" = "hunter2"').message
    assert parameters.resolve(interface('token: "secret" = os.environ["T"]'), {}) == {}


def test_a_secret_of_the_notebook_is_set_too_and_written_as_a_lookup() -> None:
    found = interface('token: "secret" = "secret://crew-db"')
    values = parameters.resolve(found, {})
    assert values == {"token": "secret://crew-db"}
    assert (
        parameters.source(found, values, secret=lambda name: f"look_up({name!r})")
        == "# Parameters\ntoken = look_up('token')"
    )
    assert parameters.recorded(found, values) == {"token": "secret://crew-db"}


# Out


def test_the_cell_is_readable_and_imports_under_names_of_its_own() -> None:
    found = interface("start = date(2013, 1, 1)\npd = 1\nfloat = None\n_nbops_math = None\nnote = None")
    values = parameters.resolve(
        found, {"start": date(2013, 2, 1), "pd": 2, "float": math.nan, "note": ["a", Decimal("0.10")]}
    )
    assert parameters.source(found, values, secret=str).splitlines() == [
        "# Parameters",
        "import datetime as _nbops_datetime",
        "import builtins as _nbops_builtins",
        "import decimal as _nbops_decimal",
        "start = _nbops_datetime.date(2013, 2, 1)",
        "pd = 2",
        'float = _nbops_builtins.float("nan")',
        "note = ['a', _nbops_decimal.Decimal('0.10')]",
    ]


def test_a_time_zone_without_a_text_of_its_own_keeps_its_offset() -> None:
    at = datetime(2013, 7, 1, tzinfo=Summer())
    found = interface("x: datetime = None\ny = None")
    text = parameters.source(found, parameters.resolve(found, {"x": at, "y": [at]}), secret=str)
    made = "_nbops_datetime.datetime(2013, 7, 1, 0, 0, tzinfo=_nbops_datetime.timezone(_nbops_datetime.timedelta(seconds=7200)))"
    assert text.splitlines()[2:] == [f"x = {made}", f"y = [{made}]"]


def test_what_is_kept_is_json_and_what_is_recorded_keeps_numbers() -> None:
    found = interface("a = 1\nb = f()\nc: str\nd = None\ne = None\nf = None")
    values = parameters.resolve(
        found, {"c": "x", "d": math.nan, "e": {(1, 2): date(2013, 1, 1)}, "f": {np.float32(0.5), 1}}
    )
    kept = parameters.plain(values)
    assert json.loads(json.dumps(kept, allow_nan=False)) == {
        "c": "x",
        "d": "nan",
        "e": {"[1, 2]": "2013-01-01"},
        "f": [0.5, 1],
    }
    recorded = parameters.recorded(found, values)
    assert {name: param(name, value).kind for name, value in recorded.items()} == {
        "a": "int", "b": "str", "c": "str", "d": "float", "e": "json", "f": "json",
    }  # fmt: skip
    assert recorded["b"] == "f()"


@pytest.mark.parametrize("minor", [4, 5])
def test_the_cell_follows_the_parameters_and_replaces_that_of_an_earlier_execution(minor: int) -> None:
    cells = [
        v4.new_markdown_cell("#"),
        v4.new_code_cell("x = 1", metadata={"tags": ["parameters"]}),
        v4.new_code_cell("x"),
    ]
    if minor == 4:
        for cell in cells:
            del cell["id"]
    node = v4.new_notebook(cells=cells, nbformat_minor=minor)
    found = parameters.read(node, "python")
    parameters.inject(node, found, {}, secret=str)
    assert len(node.cells) == 3
    for value in (2, 3):
        parameters.inject(node, found, {"x": value}, secret=str)
        assert [cell.source for cell in node.cells] == ["#", "x = 1", f"# Parameters\nx = {value}", "x"]
        assert node.metadata.papermill["parameters"] == {"x": value}
    nbformat.validate(node)
    assert node.cells[2].metadata.tags == ["injected-parameters"]
    assert ("id" in node.cells[2]) == (minor == 5)
