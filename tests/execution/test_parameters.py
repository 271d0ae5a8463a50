"""The parameters cell is read as its author means it, without being run, and shown to those who may set it."""

from __future__ import annotations

import json
import math
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nbformat import v4

from nbops.execution import parameters
from nbops.execution.parameters import Expression, Interface, Parameter, Type

CELL = """
%matplotlib inline
from typing import Literal, Optional
import datetime as dt
# Where it all comes from and goes to, relative to the notebook.

flights: "in" = "../data/flights.parquet"   # where the flights are
model_out: "out" = "../models/air_time.skops"
token: "secret" = "secret://crew-db"
max_iter: int = 150        # 10..1000  number of boosting rounds
rate: float = 0.1          # 0.01..0.5
month: Literal["jan", "feb"] = "jan"
cols: list[str] = [
    "a",  # one a line
    "b",
]  # what to learn from
# The first day
# of training.
start: dt.date = dt.date(2013, 1, 1)  # 2013-01-01..2013-12-31
note = None
twice = 2 * 3
region: str
"""


def node(*cells: str, tag: int = 0) -> Any:
    """A notebook of code cells, one of them tagged."""
    made = [v4.new_code_cell(cell.strip("\n")) for cell in cells]
    made[tag].metadata["tags"] = ["parameters"]
    return v4.new_notebook(cells=made)


def read(*cells: str, tag: int = 0) -> Interface:
    return parameters.read(node(*cells, tag=tag), "python", "train.ipynb")


def only(source: str, before: str = "") -> Parameter:
    """The last parameter of a cell."""
    return read(before, source, tag=1).parameters[-1]


# Reading


def test_a_cell_is_read_with_types_defaults_ranges_roles_and_help() -> None:
    interface = read(CELL)
    told = {one.name: (str(one.type), one.default, one.range, one.direction, one.help) for one in interface.parameters}
    assert told == {
        "flights": ("str", "../data/flights.parquet", "", "in", "where the flights are"),
        "model_out": ("str", "../models/air_time.skops", "", "out", ""),
        "token": ("str", "secret://crew-db", "", "secret", ""),
        "max_iter": ("int", 150, "10..1000", None, "number of boosting rounds"),
        "rate": ("float", 0.1, "0.01..0.5", None, ""),
        "month": ("Literal['jan', 'feb']", "jan", "", None, ""),
        "cols": ("list[str]", ["a", "b"], "", None, "what to learn from"),
        "start": ("date", date(2013, 1, 1), "2013-01-01..2013-12-31", None, "The first day of training."),
        "note": ("any", None, "", None, ""),
        "twice": ("any", Expression("2 * 3"), "", None, ""),
        "region": ("str", None, "", None, ""),
    }
    assert interface.parameters[5].choices == ("jan", "feb")
    assert [one.name for one in interface.parameters if one.required] == ["region"]
    assert [one.name for one in interface.parameters if not one.declared] == ["note", "twice"]
    assert interface.parameters[0].line == 6


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("x: int | None = 1", "int | None"),
        ("x: Optional[int] = 1", "int | None"),
        ("x: int = None", "int | None"),
        ("import typing as t\nx: t.Union[int, str, None] = 1", "int | str | None"),
        ('x: "list[int]" = []', "list[int]"),
        ("x: List[Dict[str, float]] = []", "list[dict[str, float]]"),
        ("x: tuple[int, ...] = ()", "tuple[int, ...]"),
        ("from datetime import datetime as when\nx: when = None", "datetime | None"),
        ("import numpy\nx: numpy.int_ = 1", "np.int64"),
        ("x = 1  # type: float", "float"),
        ("x = 1  # type: Optional[Dict[str, int]] the depth", "dict[str, int] | None"),
        ("x = None  # type: ignore", "any"),
        ("x: pd.DataFrame = None", "any"),
        ("x: Rate = 0.5", "float"),
        ("x = True", "bool"),
        ("x = y = 1", "int"),
        ("y, x = 1, 'a'", "str"),
        ("y, (x, *z) = 1, f()", "any"),
        ("x: float = 1\nx = 2", "float"),
        ("x = 1\nx += 1", "any"),
        ('from pathlib import Path\nx: "in" = Path("a")', "Path"),
        ('x: "out" = None', "str | None"),
        ("import nbops\nx: nbops.Input = 'a'", "str"),
        ("from nbops import Secret\nx: Secret = 'secret://a'", "str"),
    ],
)
def test_types_come_from_annotations_comments_and_defaults(source: str, kind: str) -> None:
    assert str({one.name: one for one in read(source).parameters}["x"].type) == kind


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("x = -1", -1),
        ("x = 1 - 2j", 1 - 2j),
        ("x = 'a' 'b'", "ab"),
        ("x = {'a': [1, (2,)]}", {"a": [1, (2,)]}),
        ("x = set()", set()),
        ("x = dict(a=1)", {"a": 1}),
        ("x = float('inf')", math.inf),
        ("import math\nx = -math.inf", -math.inf),
        ("x = Decimal('0.10')", Decimal("0.10")),
        ("from datetime import *\nx = datetime(2013, 1, 1, 8)", datetime(2013, 1, 1, 8)),  # noqa: DTZ001 - as it is written
        ("import datetime\nx = datetime.date.fromisoformat('2013-01-01')", date(2013, 1, 1)),
        ("x = Path('a', 'b')", Path("a/b")),
        ("x = pd.to_datetime('2013-01-01')", pd.Timestamp("2013-01-01")),
        ("x = pd.Timestamp(2013, 1, 1, tz='UTC')", pd.Timestamp("2013-01-01", tz="UTC")),
        ("x = np.float32(0.5)", np.float32(0.5)),
    ],
)
def test_literals_and_known_constructors_are_values(source: str, value: object) -> None:
    default = read(source).parameters[-1].default
    assert (type(default), default) == (type(value), value)


def test_integers_have_any_length() -> None:
    digits = "f" * 9000  # more than Python turns into decimals
    interface = read(f"x: int = 0x{digits}\ny = f(0x{digits})")
    assert interface.parameters[0].default == int(digits, 16)
    assert json.dumps(parameters.to_dict(interface))
    assert parameters.recorded(interface, {})["x"] == f"0x{digits}"


@pytest.mark.parametrize(
    "expression",
    [
        "f(1)",
        "date.today()",
        "pd.Timestamp('now')",
        "np.datetime64('today')",
        "[1, *rest]",
        "{**a}",
        "date(2013, 13, 1)",
        "f'{1}'",
        "...",
    ],
)
def test_other_expressions_keep_their_text(expression: str) -> None:
    assert only(f"x = {expression}").default == Expression(expression)


def test_a_name_means_what_the_notebook_imported_or_defined() -> None:
    assert only("x = d(2013, 1, 1)", "from datetime import date as d").default == date(2013, 1, 1)
    assert only("x = date(2013, 1, 1)", "def date(*args): ...").default == Expression("date(2013, 1, 1)")
    assert only("from datetime import date\ndate = date(2013, 1, 1)").default == date(2013, 1, 1)


@pytest.mark.parametrize(
    ("comment", "told", "words"),
    [
        ("1..5", "1..5", ""),
        ("1 .. 5 rounds", "1..5", "rounds"),
        ("rounds, range 1..5.", "1..5", "rounds"),
        ("rounds (-1..1e3)", "-1..1000.0", "rounds"),
        ("0..", "0..", ""),
        ("..9 at most", "..9", "at most"),
        ("see ../data", "", "see ../data"),
        ("from 1... on", "", "from 1... on"),
        ("5..1", "", "5..1"),
        ("2013-01-01..2013-02-01", "", "2013-01-01..2013-02-01"),
        ("type: int # 1..5 # noqa: E501", "1..5", ""),
    ],
)
def test_ranges_are_found_in_comments_and_the_rest_is_help(comment: str, told: str, words: str) -> None:
    found = only(f"x = 1  # {comment}")
    assert (found.range, found.help) == (told, words)


def test_comments_above_help_where_nothing_is_said_behind() -> None:
    cell = "# ---- data ----\na = 1\n\n# general\n\nb = 2\n# c = 'old'\n# the new one\nc = 3  # 1..9\n# above\nd = 4  # behind"
    assert {one.name: (one.help, one.range) for one in read(cell).parameters} == {
        "a": ("---- data ----", ""), "b": ("", ""), "c": ("the new one", "1..9"), "d": ("behind", ""),
    }  # fmt: skip


def test_only_a_name_that_nothing_else_sets_is_required() -> None:
    cell = "a: str\nb: int\nif True:\n    b = 1\nc: int\nc = 2"
    assert [one.name for one in read(cell).parameters if one.required] == ["a"]


def test_what_ipython_alone_reads_does_not_hide_the_rest() -> None:
    cell = "%%time\n!pip list \\\n  | grep x\nif True:\n    %cd ..\nx = 1\nlist?\nfiles = !ls\n'''\n%s'''\ny = ('%s'\n     % 3)"
    assert read(cell).names == ("x", "files", "y")


def test_a_cell_that_is_no_python_says_why() -> None:
    assert read("x = = 1").problem.startswith("line 1: ")
    assert read("%%bash\nx=1").names == ()


def test_a_secret_written_in_the_cell_is_not_told() -> None:
    found = read('token: "secret" = "hunter2"')
    assert "hunter2" not in f"{found}{parameters.help_text(found)}{parameters.to_dict(found)}"


def test_other_languages_are_open_and_no_cell_is_no_interface() -> None:
    assert parameters.read(node("depth <- 1"), "R").open
    assert parameters.read(v4.new_notebook(cells=[v4.new_code_cell("x = 1")]), "python") == Interface(
        "the notebook", "python"
    )


# Telling


def test_help_is_one_aligned_line_for_each_parameter() -> None:
    told = parameters.help_text(read(CELL), width=160)
    assert told.splitlines() == [
        "Parameters of train.ipynb:",
        "name       role    type                   default                     range                   help",
        "flights    in      str                    '../data/flights.parquet'                           where the flights are",
        "model_out  out     str                    '../models/air_time.skops'",
        "token      secret  str                    'secret://crew-db'",
        "max_iter           int                    150                         10..1000                number of boosting rounds",
        "rate               float                  0.1                         0.01..0.5",
        "month              Literal['jan', 'feb']  'jan'",
        "cols               list[str]              ['a', 'b']                                          what to learn from",
        "start              date                   2013-01-01                  2013-01-01..2013-12-31  The first day of training.",
        "note                                      None",
        "twice                                     2 * 3",
        "region             str                    (required)",
    ]


def test_help_says_why_there_is_none() -> None:
    assert "cannot be read: line 1" in parameters.help_text(read("x = = 1"))
    assert parameters.help_text(Interface("a.ipynb", "python")) == "a.ipynb has no cell with the tag 'parameters'."
    assert "has no parameters" in parameters.help_text(read("pass"))


def test_an_interface_is_json_with_a_schema_for_each_value() -> None:
    told = json.loads(json.dumps(parameters.to_dict(read(CELL)), allow_nan=False))
    found = {one["name"]: one for one in told["parameters"]}
    assert found["max_iter"]["schema"] == {"type": "integer", "minimum": 10, "maximum": 1000}
    assert found["month"]["schema"] == {"enum": ["jan", "feb"]}
    assert found["cols"]["schema"] == {"type": "array", "items": {"type": "string"}}
    assert found["start"]["schema"] == {"type": "string", "format": "date"}
    assert (found["start"]["default"], found["start"]["low"]) == ("2013-01-01", "2013-01-01")
    assert (found["twice"]["default"], found["twice"]["expression"]) == (None, "2 * 3")
    assert found["token"]["schema"] == {"type": "string", "pattern": "^secret://"}
    assert found["region"]["required"]


def test_types_are_equal_by_value() -> None:
    assert only("x: list[int] = []").type == Type("list", (Type("int"),))
