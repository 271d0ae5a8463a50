"""Where a value came from is read from a notebook's cells, and never guessed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbops.failures import Evidence, Fault, Frame, Rule, classify, evidence_from_outputs
from nbops.failures.origins import origin

CELLS = [
    "import os\nparts = []\nfor name in os.listdir('regions'):\n    parts.append(read(name))",
    "%matplotlib inline\nregions = concat(\n    parts,\n    axis=0,\n)",
]


def test_the_whole_statement_of_a_line_is_told_and_what_made_its_values() -> None:
    assert origin("parts,", CELLS).splitlines() == [
        "regions = concat( parts, axis=0, )",
        "parts <- parts = []",
        "parts <- parts.append(read(name))",
        "name <- for name in os.listdir('regions'):",
    ]


def test_what_a_function_gave_is_told_by_the_function() -> None:
    cells = ["def load(url):\n    return get(url).json()", "reply = load(URL)", "total = reply['total']"]
    assert origin("total = reply['total']", cells).splitlines() == [
        "total = reply['total']",
        "reply <- reply = load(URL)",
        "load <- def load(url): return get(url).json()",
    ]


def test_the_last_that_made_a_name_before_the_line_is_told() -> None:
    cells = ["rows = read('a')", "rows = clean(rows)\nfirst = rows[0]", "rows = []"]
    assert origin("first = rows[0]", cells).splitlines()[1:] == [
        "rows <- rows = read('a')",
        "rows <- rows = clean(rows)",
    ]


def test_a_line_that_is_in_no_cell_stands_for_itself() -> None:
    assert origin("return rows[0]", ["rows = []"]) == "return rows[0]"
    assert origin("x = 1", ["x = = 1", "!ls"]) == "x = 1"


def test_the_conditions_that_a_line_stands_under_are_told_the_nearest_first() -> None:
    cells = ["files = glob('*')", "if strict:\n    if not files:\n        raise Late('x')\n    else:\n        go()"]
    assert origin("raise Late('x')", cells).splitlines() == [
        "raise Late('x')",
        "if <- not files",
        "if <- strict",
        "files <- files = glob('*')",
    ]
    assert origin("go()", cells).splitlines() == ["go()", "if <- strict"]


@given(st.text(), st.lists(st.text()))
def test_whatever_stands_in_cells_is_no_trouble(line: str, cells: list[str]) -> None:
    assert origin(line, cells)[: len(line)].strip() == line.strip() or line.strip() in origin(line, cells)


def test_the_cells_that_ran_become_the_evidence_of_the_line_that_failed() -> None:
    trace = [
        "IndexError  Traceback (most recent call last)",
        "Cell In[2], line 1\n----> 1 last = files[-1]\n",
        "IndexError: x",
    ]
    output = {"output_type": "error", "ename": "IndexError", "evalue": "x", "traceback": trace}
    found = evidence_from_outputs([output], cells=["files = glob('*')", "last = files[-1]"])
    assert found.faults[-1].origin == "last = files[-1]\nfiles <- files = glob('*')"
    assert evidence_from_outputs([output]).faults[-1].origin == ""


def test_a_rule_may_ask_where_a_value_came_from_and_takes_the_own_line_where_nothing_else_is_known() -> None:
    rule = Rule("files", "data_access", "There are no files.", ename=("IndexError",), origin="glob")
    frames = (
        Frame("Cell In[1]", "", "last = glob('*')[-1]"),
        Frame("/lib/python3.11/x.py", "f", "raise IndexError", own=False),
    )
    assert classify(Evidence(faults=(Fault("IndexError", frames=frames),)), [rule]).rule == "files"
    assert (
        classify(Evidence(faults=(Fault("IndexError", frames=frames, origin="last = a[-1]"),)), [rule]).rule
        == "code.other"
    )
