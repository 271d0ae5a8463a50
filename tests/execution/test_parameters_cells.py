"""The cells around a parameters cell: those that would throw a given value away are found, and a missing cell is proposed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import v4

from nbops.errors import Conflict, ParameterError, UsageError
from nbops.execution import parameters
from nbops.execution.parameters import Proposal, Reassigned


def node(*cells: str, tag: int | None = None) -> Any:
    made = [v4.new_code_cell(cell) for cell in cells]
    if tag is not None:
        made[tag].metadata["tags"] = ["parameters"]
    return v4.new_notebook(cells=made)


def found(*cells: str) -> list[Reassigned]:
    """Where the parameters n, m and token are set again after their cell."""
    notebook = node("n = 0", 'n = 1\nm = 2\ntoken: "secret" = "secret://a"', *cells, tag=1)
    return parameters.reassigned(notebook, parameters.read(notebook, "python"))


@pytest.mark.parametrize(
    "source",
    [
        "n = 5", "n: int = 5", "a = n = 5", "a, (n, *b) = f()", "[n] = f()", "for n in range(3): pass", "for n, a in b: pass",
        "with f() as n: pass", "with f() as (a, n): pass", "import numpy as n", "from a import n", "from a import b as n", "import n.a",
        "def n(): pass", "async def n(): pass", "class n: pass", "print(n := 5)", "if (n := 5) > 3: pass", "[n := a for a in b]", "del n",
        "with a:\n    n = 5", "for a in b:\n    n = 5", "while a:\n    n = 5", "try:\n    n = 5\nfinally:\n    pass", "n = !nproc",
        "async for n in a: pass",
    ],
)  # fmt: skip
def test_every_way_to_set_a_parameter_again_is_found(source: str) -> None:
    assert [(place.name, place.cell) for place in found(f"m + 1\n{source}")] == [("n", 2)]


@pytest.mark.parametrize(
    "source",
    [
        "n += 1", "n = n * 2", "n = str(n)", "n, a = a, n", "for n in range(n): pass", "with open(n) as n: pass", "print(n := n + 1)",
        "if n is None:\n    n = 100", "try:\n    a()\nexcept ValueError:\n    n = 5", "def f():\n    n = 5", "f = lambda n: (n := 1)",
        "[n for n in a]", "class A:\n    n = 5", "n.a = 5", "n[0] = 5", "n: int", "n == 5", "f(n=5)", "%time n = 5", "!n = 5",
        "%%bash\nn=5", "n = = 5", "del token", "'''\nn = 5\n'''",
    ],
)  # fmt: skip
def test_what_builds_on_the_given_value_or_fills_a_gap_is_fine(source: str) -> None:
    assert found(source) == []


def test_places_are_told_by_cell_and_line_and_the_cell_of_an_execution_is_passed_over() -> None:
    notebook = node("n = 1", "n = 2", "%%time\n\nn = 3\nm = 4", "n = 5", tag=0)
    notebook.cells[1].metadata["tags"] = ["injected-parameters"]
    assert parameters.reassigned(notebook, parameters.read(notebook, "python")) == [
        Reassigned("n", 2, 3),
        Reassigned("n", 3, 1),
    ]


def test_only_a_parameter_that_is_given_is_refused() -> None:
    notebook = node("n = 1\nm = 2", "x = n\nn = 3  # again", tag=0)
    interface = parameters.read(notebook, "python", "train.ipynb")
    parameters.check(notebook, interface, {"m": 1})
    with pytest.raises(ParameterError, match=r"of train\.ipynb would be given in vain") as caught:
        parameters.check(notebook, interface, {"n": 1, "m": 2})
    assert caught.value.message.endswith("\n- 'n' in cell 2, line 2: n = 3  # again")


# Proposals


def test_the_first_cell_of_nothing_but_settings_is_proposed() -> None:
    imports = "import pandas as pd\nseed = 1\nframe = pd.read_csv('a')"
    settings = "# all of it\nfrom datetime import date\nstart = date(2013, 1, 1)\nrate: float = 0.1\n"
    assert parameters.propose(node(imports, settings, "f(start, rate, seed)"), "python") == Proposal(
        1, ("start", "rate")
    )


@pytest.mark.parametrize(
    "cells",
    [
        ("a = 1",),  # nobody reads it
        ("results = []", "results.append(1)"),
        ("a = f()", "a"),
        ("a = 1", "a = 2", "a"),
        ("print(a)", "a = 1", "a"),
        ("_a = 1", "_a"),
        ("a = b", "a"),
        *[tuple(["f()"] * 10 + ["a = 1", "a"])],
    ],
)
def test_what_is_no_setting_is_not_proposed(cells: tuple[str, ...]) -> None:
    assert parameters.propose(node(*cells), "python") is None


MIXED = """import pandas as pd
# where it is
path = "a.csv"
frame = pd.read_csv(path)
# how
rate: float = 0.1; x = 1
steps = [
    1,
    2,
]
limit = pd.Timestamp("2013-01-01")
seen = seen + 1
size = 3
size = 4
"""


def test_settings_are_taken_out_of_a_mixed_cell_with_their_comments() -> None:
    notebook = node(MIXED, "f(path, rate, x, steps, limit, size)")
    proposal = parameters.propose(notebook, "python")
    assert proposal == Proposal(0, ("path", "steps"), (2, 3, 7, 8, 9, 10))
    cells = parameters.tagged(notebook, proposal).cells
    assert cells[0].source == '# where it is\npath = "a.csv"\nsteps = [\n    1,\n    2,\n]'
    assert cells[0].metadata.tags == ["parameters"]
    assert cells[1].source.splitlines()[:4] == [
        "import pandas as pd",
        "frame = pd.read_csv(path)",
        "# how",
        "rate: float = 0.1; x = 1",
    ]
    assert notebook.cells[0].source == MIXED


def test_a_named_cell_is_taken_as_it_is() -> None:
    notebook = node("import a", "x = f()", "x")
    assert parameters.propose(notebook, "python", 1) == Proposal(1, ("x",))
    with pytest.raises(UsageError, match="Cell 4 is no code cell"):
        parameters.propose(notebook, "python", 3)
    with pytest.raises(Conflict, match="Cell 2 has the tag"):
        parameters.propose(node("", "x = 1", tag=1), "python")


# The commands


def command(*words: object) -> subprocess.CompletedProcess[str]:
    program = "import nbops.cli._params; from nbops.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, check=False
    )


def test_the_commands_show_propose_and_write(tmp_path: Path) -> None:
    path = tmp_path / "train.ipynb"
    nbformat.write(node("import json\n\nrate = 0.1  # 0..1\nprint(json.dumps(rate))", "rate"), path)
    before = path.read_bytes()
    shown = command("params", "tag", path)
    assert shown.stdout.splitlines() == [
        "A new cell 1 with the tag 'parameters' (1 parameter: rate):",
        "+ rate = 0.1  # 0..1",
        "Cell 1, then 2:",
        "  import json",
        "  ",
        "- rate = 0.1  # 0..1",
        "  print(json.dumps(rate))",
        "Nothing is written yet: --write does it.",
    ]
    assert path.read_bytes() == before
    written = command("params", "tag", path, "--write", "--json")
    assert json.loads(written.stdout)["names"] == ["rate"]
    assert [file.name for file in tmp_path.iterdir()] == ["train.ipynb"]
    after = nbformat.read(path, as_version=4)
    assert after.cells[0].id == "parameters"
    assert nbformat.writes(after) + "\n" == path.read_text()
    assert [cell.source for cell in after.cells] == [
        "rate = 0.1  # 0..1",
        "import json\n\nprint(json.dumps(rate))",
        "rate",
    ]
    assert "0..1" in command("params", "show", path).stdout
    assert json.loads(command("params", "show", path, "--json").stdout)["parameters"][0]["high"] == 1
    again = command("params", "tag", path)
    assert (again.returncode, "has the tag 'parameters' already" in again.stderr) == (64, True)
