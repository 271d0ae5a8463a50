"""A notebook at a glance is what nbformat reads, and what is not plain is left to nbformat."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import v4

from nbops.errors import UsageError
from nbops.execution import reading
from nbops.execution.glancing import glance

ROOT = Path(__file__).parents[2]


def written(path: Path, **changed: Any) -> Path:
    cells = [v4.new_markdown_cell("# One\ntwo\n"), v4.new_code_cell("a = 1\nb = 2", metadata={"tags": ["parameters"]})]
    path.write_text(json.dumps(v4.new_notebook(cells=cells) | changed), encoding="utf-8")
    return path


@pytest.mark.parametrize("notebook", sorted(ROOT.glob("notebooks/*.ipynb")), ids=lambda path: path.name)
def test_what_is_seen_is_what_nbformat_reads(notebook: Path) -> None:
    assert nbformat.from_dict(glance(notebook)) == reading.read(notebook)
    assert [cell.source for cell in glance(notebook).cells] == [cell.source for cell in reading.read(notebook).cells]


def test_nbformat_is_not_imported_for_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from nbops.execution.glancing import glance; glance(Path(sys.argv[1]))"
    )
    words = [sys.executable, "-c", f"{code}; sys.exit('nbformat' in sys.modules)", str(written(tmp_path / "a.ipynb"))]
    assert subprocess.run(words, check=False).returncode == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"nbformat_minor": 4},
        {"cells": [v4.new_code_cell("a = 1", id="same"), v4.new_code_cell("b = 2", id="same")]},
        {"cells": [{"cell_type": "code", "source": "a = 1", "metadata": {}, "outputs": [], "execution_count": None}]},
    ],
    ids=["an older format", "an id twice", "no id"],
)
def test_what_is_not_plain_is_as_nbformat_makes_it(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = written(tmp_path / "a.ipynb", **changed)
    found, expected = glance(path), reading.read(path)
    assert isinstance(found, nbformat.NotebookNode)
    assert [cell.source for cell in found.cells] == [cell.source for cell in expected.cells]


def test_a_notebook_of_the_format_before_is_upgraded(tmp_path: Path) -> None:
    old = nbformat.convert(v4.new_notebook(cells=[v4.new_code_cell("a = 1")]), 3)
    (tmp_path / "a.ipynb").write_text(json.dumps(old), encoding="utf-8")
    assert [cell.source for cell in glance(tmp_path / "a.ipynb").cells] == ["a = 1"]


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[1, 2]", '{"cells": 1, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}']
)
def test_what_is_no_notebook_is_refused_in_the_same_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as seen:
        glance(path)
    with pytest.raises(UsageError) as read:
        reading.read(path)
    assert seen.value.message == read.value.message
