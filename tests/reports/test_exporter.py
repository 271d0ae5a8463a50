"""`jupyter nbconvert --to nbops` gives the page that `nbops report` gives, wherever it is called, and says whose word the card is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert.exporters import get_exporter
from nbformat import v4

from nbops.execution.notebook import Outcome, execute
from nbops.reports import run_page
from nbops.reports.exporter import NbopsExporter
from nbops.workspace._workspace import Workspace
from tests.shared import here, nothing_left, shared

__all__ = ["here", "nothing_left", "shared"]

SOURCE = """
import nbops
nbops.start_run().log_metrics({"mae": 8.6})
print("sold", n)
"""


@pytest.fixture(scope="module")
def outcome(here: Workspace) -> Outcome:
    """A run whose notebook was also written beside the project's, as people ask for it."""
    path = here.project / "sales.ipynb"
    cells = [
        v4.new_markdown_cell("# Sales"),
        v4.new_code_cell("n: int = 3", metadata={"tags": ["parameters"]}),
        v4.new_code_cell(SOURCE.strip()),
    ]
    nbformat.write(v4.new_notebook(cells=cells), path)
    return execute(here.store, path, here.project / "out" / "sales of May.ipynb", parameters={"n": 4})


def convert(notebook: Path, *options: str, cwd: Path) -> str:
    """What a person gets who types the command in `cwd`."""
    output = cwd / "page.html"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "nbconvert",
            "--to",
            "nbops",
            str(notebook),
            "--output-dir",
            str(cwd),
            "--output",
            "page",
            *options,
        ],
        cwd=cwd,
        env={**os.environ, "NBOPS_STORE_IDLE_MINUTES": "0.2"},
        capture_output=True,
        check=True,
        timeout=120,
    )
    return output.read_text(encoding="utf-8")


def caveats(html: str) -> list[str]:
    return [unescape(text) for text in re.findall(r'<p class="caveat">(.*?)</p>', html)]


def test_nbconvert_finds_the_exporter_by_its_name() -> None:
    assert get_exporter("nbops") is NbopsExporter


def test_a_copy_of_an_executed_notebook_gets_the_page_of_its_run_from_any_folder(
    here: Workspace, outcome: Outcome, tmp_path: Path
) -> None:
    expected = run_page.page_of(here.store, outcome.run_id)

    assert convert(here.project / "out" / "sales of May.ipynb", cwd=tmp_path) == expected
    assert "<dt>mae</dt><dd>8.6</dd>" in expected
    assert caveats(expected) == []


def test_the_kept_notebook_gets_it_by_its_place_alone(here: Workspace, outcome: Outcome) -> None:
    html, _ = NbopsExporter().from_filename(str(outcome.notebook))

    assert html == run_page.page_of(here.store, outcome.run_id)


def test_a_notebook_that_was_changed_since_is_told_as_such(here: Workspace, outcome: Outcome) -> None:
    changed = here.project / "changed.ipynb"
    changed.write_bytes(outcome.notebook.read_bytes().replace(b"sold 4", b"sold 9"))
    html, _ = NbopsExporter().from_filename(str(changed))

    assert "sold 9" in html
    (doubt,) = caveats(html)
    assert doubt.startswith("This notebook was changed or saved again after run ")


def test_without_a_store_the_notebook_speaks_for_itself_and_none_is_begun(outcome: Outcome, tmp_path: Path) -> None:
    away = tmp_path / "sent.ipynb"
    shutil.copy(outcome.notebook, away)
    html, _ = NbopsExporter().from_filename(str(away))

    assert caveats(html) == ["No store that knows this run could be read: this is what the notebook says of itself."]
    assert '<span class="status finished">Finished' in html
    assert "<dd><code>4</code>" in html
    assert "mae" not in html
    assert [path.name for path in tmp_path.iterdir()] == ["sent.ipynb"]


@pytest.mark.parametrize(
    "metadata",
    [
        {"nbops": {"run_id": "../../etc"}, "papermill": {"start_time": 1}},
        {"nbops": [1], "papermill": []},
        {"nbops": {"run_id": None}, "papermill": {"start_time": "yesterday", "parameters": 3}},
        {},
    ],
)
def test_what_a_notebook_says_of_itself_may_be_nonsense(metadata: dict[str, Any], tmp_path: Path) -> None:
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell("# It")], metadata=metadata), tmp_path / "it.ipynb")
    html, _ = NbopsExporter().from_filename(str(tmp_path / "it.ipynb"))

    assert "<h1>It</h1>" in html
    assert 'class="card"' not in html


def test_what_is_executed_only_now_is_not_told_as_its_run(here: Workspace, outcome: Outcome, tmp_path: Path) -> None:
    html = convert(outcome.notebook, "--execute", cwd=tmp_path)

    assert "<h1>Sales</h1>" in html
    assert 'class="card"' not in html


def test_a_folder_of_hostile_templates_changes_nothing(
    here: Workspace, outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = run_page.page_of(here.store, outcome.run_id)
    for place in ("nbops", "templates/nbops", "base", "lab", "share/jupyter/nbconvert/templates/nbops", "."):
        folder = tmp_path / place
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("page.html.j2", "index.html.j2", "page.css"):
            (folder / name).write_text("taken over")

    assert convert(outcome.notebook, cwd=tmp_path) == clean
    assert convert(outcome.notebook, "--template", "nbops", cwd=tmp_path) == clean
    # Its own command reads these for all exporters that it knows; ours, called by itself, imports nothing that they name.
    for place in ("nbops", "base", "lab", "."):
        (tmp_path / place / "conf.json").write_text('{"preprocessors": {"1": {"type": "antigravity.Fly"}}}')
    monkeypatch.chdir(tmp_path)
    assert NbopsExporter().from_filename(str(outcome.notebook))[0] == clean


def test_code_is_folded_where_it_is_asked_for(outcome: Outcome, tmp_path: Path) -> None:
    html = convert(outcome.notebook, "--NbopsExporter.code=folded", cwd=tmp_path)

    assert re.findall(r'<details class="code"><summary>Code</summary><pre><code>(\w+ \w+)', html) == ["import nbops"]
    assert "its code is not shown" not in html
