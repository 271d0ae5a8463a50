"""A script in the percent format is the notebook that Jupytext takes it for, and nothing that is no script becomes one."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.errors import UsageError
from nbops.execution import parameters, reading

SCRIPT = '''\
#!/usr/bin/env python
# ---
# jupyter:
#   jupytext:
#     text_representation: {format_name: percent}
#   kernelspec:
#     name: data
# ---

"""What it is for."""

# %% [markdown]
# # A title
#
# and words # with a sign

# %% Settings tags=["parameters"]
flights: "in" = "../data/flights.parquet"  # where they are
n: int = 3  # 1..10


# %%
# %matplotlib inline
# !ls -l \\
#   --all
files = 5 % n
# names = !ls
# 5 % of them, and a word!
text = """
# %% no cell
# %no magic
"""

# %% language="bash" magic_args="--out x"
# echo hi

# %% [raw] {"tags": ["kept"], "format": "text/html"}
# <b>raw</b>

# %%% tags="one, two" deletable=false
if n:
    # %time sum([])
    pass
# %% loss = mse
a = 1
# %%
'''
MAGICS = '''\
%matplotlib inline
!ls -l \\
  --all
files = 5 % n
names = !ls
# 5 % of them, and a word!
text = """
# %% no cell
# %no magic
"""'''


def read(folder: Path, text: str | bytes, name: str = "step.py") -> Any:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    node = reading.read(path)
    nbformat.validate(node)
    return node


def sources(node: Any) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in node.cells]


def test_a_script_is_read_as_jupytext_reads_it(tmp_path: Path) -> None:
    node = read(tmp_path, SCRIPT)
    assert sources(node) == [
        ("code", '"""What it is for."""'),
        ("markdown", "# A title\n\nand words # with a sign"),
        ("code", 'flights: "in" = "../data/flights.parquet"  # where they are\nn: int = 3  # 1..10'),
        ("code", MAGICS),
        ("code", "%%bash --out x\necho hi"),
        ("raw", "<b>raw</b>"),
        ("code", "if n:\n    %time sum([])\n    pass"),
        ("code", "a = 1"),
    ]
    told = [{key: value for key, value in cell.metadata.items() if key != "nbops"} for cell in node.cells]
    assert told[2] == {"title": "Settings", "tags": ["parameters"]}
    assert told[5] == {"tags": ["kept"], "format": "text/html"}
    assert told[6] == {"tags": ["one", "two"], "deletable": False}
    assert told[7] == {"title": "loss = mse"}
    assert node.metadata == {"kernelspec": {"name": "data", "display_name": "data"}}


def test_each_cell_knows_the_line_that_it_begins_at(tmp_path: Path) -> None:
    node = read(tmp_path, SCRIPT)
    lines = SCRIPT.split("\n")
    for cell in node.cells[:4]:
        first = cell.source.partition("\n")[0]
        assert first.split()[-1] in lines[cell.metadata.nbops.line - 1]


def test_a_cell_has_the_same_id_in_every_reading_and_two_alike_have_two(tmp_path: Path) -> None:
    text = "# %%\na = 1\n# %%\na = 1\n# %%\nb = 2\n"
    first, second = (read(tmp_path, text, name) for name in ("a.py", "b.py"))
    ids = [cell.id for cell in first.cells]
    assert ids == [cell.id for cell in second.cells]
    assert len(set(ids)) == 3


def test_parameters_are_typed_as_in_a_notebook(tmp_path: Path) -> None:
    node = read(tmp_path, SCRIPT)
    interface = parameters.read(node, reading.language_of(node), "step.py")
    told = [(one.name, one.direction, str(one.type), one.range, one.help) for one in interface.parameters]
    assert told == [("flights", "in", "str", "", "where they are"), ("n", None, "int", "1..10", "")]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_and_line_ends_of_other_systems_change_nothing(tmp_path: Path, ends: str, mark: str) -> None:
    other = mark + SCRIPT.replace("\n", ends)
    assert sources(read(tmp_path, other, "a.py")) == sources(read(tmp_path, SCRIPT, "b.py"))


def test_a_script_in_another_encoding_says_so_as_python_asks(tmp_path: Path) -> None:
    node = read(tmp_path, "# -*- coding: latin-1 -*-\n# %%\nname = 'Größe'\n".encode("latin-1"))
    assert "name = 'Größe'" in node.cells[-1].source


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import os\nprint(os.getcwd())\n", "has no cell: no line of it begins with `# %%`"),
        ("", "has no cell"),
        ("text = '''\n# %%\n'''\n", "has no cell"),
        (b"\x89PNG\r\n\x1a\n\0\0# %%\n", "cannot be read as text"),
        (b"# %%\na = '\xff'\n", "line 2 is not utf-8"),
        ("# %%\na = 1\n".encode("utf-16"), "cannot be read as text"),
        ("# coding: klingon\n# %%\n", "cannot be read as text: unknown encoding"),
        ("# ---\n# jupyter: [\n# ---\n# %%\na = 1\n", "line 2: the header"),
    ],
)
def test_what_is_no_step_is_refused_with_a_sentence(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert said in caught.value.message


def test_a_script_is_executable_only_with_a_cell(tmp_path: Path) -> None:
    texts = {
        "a.py": "# %%\n",
        "b.py": "x = 1  # %%\n",
        "c.sql": "",
        "d.ipynb": "",
        "e.txt": "# %%\n",
        "f.py": "#%% title\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    found = [name for name in (*texts, "gone.py") if reading.is_executable(tmp_path / name)]
    assert found == ["a.py", "c.sql", "d.ipynb", "f.py"]


@pytest.mark.parametrize(
    "head", ["a=" + "[" * 100_000, "{" * 100_000, "a=[ " * 500, " " * 100_000 + "x", "[markdown" * 1000]
)
def test_a_mark_of_any_kind_is_a_title_at_worst(tmp_path: Path, head: str) -> None:
    assert sources(read(tmp_path, f"# %% {head}\na = 1\n")) == [("code", "a = 1")]


def test_an_unclosed_string_in_one_cell_hides_no_other(tmp_path: Path) -> None:
    node = read(tmp_path, "# %%\na = '''\n# %%\nb = 2\n")
    assert sources(node) == [("code", "a = '''"), ("code", "b = 2")]


def test_cells_for_one_kind_of_file_are_where_they_belong(tmp_path: Path) -> None:
    node = read(
        tmp_path, '# %% active="ipynb"\n# a = 1\n# %% active="py"\nb = 2\n# %% tags=["active-ipynb"]\n# c = 3\n'
    )
    assert sources(node) == [("code", "a = 1"), ("raw", "b = 2"), ("code", "c = 3")]


code = st.sampled_from(
    ["a = 1", "def f():\n    return 1", "# words", "x = 'a # %% b'", "", "é = 2", "s = '''\n# %%\n'''"]
)


@given(st.lists(st.tuples(st.sampled_from(["", " [markdown]", ' tags=["parameters"]', " a title"]), code), min_size=1))
def test_no_line_of_code_is_lost_or_made(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]]
) -> None:
    text = "".join(f"# %%{head}\n{body}\n\n" for head, body in cells)
    node = read(tmp_path_factory.mktemp("any"), text)
    wanted = [body for head, body in cells if body and "markdown" not in head]
    made = [cell.source for cell in node.cells if cell.cell_type == "code"]
    assert made == wanted
    for source in made:
        ast.parse(source)
