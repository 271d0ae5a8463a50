"""Thirty failures in production that the rules were not made for, executed by nbops from the notebook to the class of the run."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import nbformat
import pytest
from nbformat import v4

from nbops.execution import notebook as execution
from nbops.execution.notebook import Outcome
from nbops.failures import FailureClass
from nbops.pipelines.healing import POLICIES
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.failures.production import LATER, PRODUCTION, Notebook
from tests.shared import here, nothing_left, quick, shared

__all__ = ["here", "nothing_left", "quick", "shared"]

TRIED_AGAIN = {failure_class for failure_class, policy in POLICIES.items() if policy.retries}


@pytest.fixture(scope="module")
def outcomes(quick: None, here: Workspace, shared: Project) -> dict[Notebook, Outcome]:
    """Every notebook, executed once, in a folder of its own."""
    return {
        notebook: execute(here, shared.folder / f"{number:02}", notebook) for number, notebook in enumerate(PRODUCTION)
    }


@pytest.fixture(scope="module")
def later(quick: None, here: Workspace, shared: Project) -> dict[Notebook, Outcome]:
    """The same of those that came later."""
    return {notebook: execute(here, shared.folder / f"l{number:02}", notebook) for number, notebook in enumerate(LATER)}


def execute(here: Workspace, folder: Path, notebook: Notebook) -> Outcome:
    folder.mkdir()
    cells = [v4.new_code_cell(source.strip()) for source in notebook.source.split("# %%\n")]
    nbformat.write(v4.new_notebook(cells=cells), folder / "step.ipynb")
    return execution.execute(here.store, folder / "step.ipynb", timeout=notebook.limit)


def test_nine_of_ten_failures_in_production_are_classed_right(outcomes: dict[Notebook, Outcome]) -> None:
    """19 of the 30 in the first run, before any rule was changed for them: see `production`."""
    confused = [f"{n.name}: {o.failure_class}, is {n.label}" for n, o in outcomes.items() if o.failure_class != n.label]
    assert len(outcomes) == 30
    assert len(confused) <= 3, confused


def test_no_code_bug_in_production_is_called_what_is_tried_again(outcomes: dict[Notebook, Outcome]) -> None:
    """So it was in the first run, too."""
    bugs = [(notebook, outcome) for notebook, outcome in outcomes.items() if notebook.label == "code_bug"]
    assert len(bugs) >= 6
    assert [n.name for n, outcome in bugs if outcome.failure_class in TRIED_AGAIN] == []


def test_every_class_is_among_the_thirty() -> None:
    assert {notebook.label for notebook in PRODUCTION} == set(get_args(FailureClass))


@pytest.mark.long
def test_no_code_bug_that_came_later_is_called_what_is_tried_again(later: dict[Notebook, Outcome]) -> None:
    bugs = [(notebook, outcome) for notebook, outcome in later.items() if notebook.label == "code_bug"]
    assert len(bugs) >= 4
    assert [n.name for n, outcome in bugs if outcome.failure_class in TRIED_AGAIN] == []


@pytest.mark.long
def test_what_was_learnt_from_those_that_came_later_is_not_forgotten(later: dict[Notebook, Outcome]) -> None:
    """What is still wrong: nothing tells these from code bugs, or the reason is only in what the kernel wrote as it died."""
    assert [notebook.name for notebook, outcome in later.items() if outcome.failure_class != notebook.label] == [
        "the server of shared features goes away in a call",
        "polars asks for more memory than there is",
        "the service's user has no home",
    ]
