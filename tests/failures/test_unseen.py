"""Thirty everyday failures, listed without sight of the rules, executed by nbops from the notebook to the class of the run."""

from __future__ import annotations

from typing import get_args

import pytest

from nbops.execution.notebook import Outcome
from nbops.failures import FailureClass
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.failures.production import Notebook
from tests.failures.test_production import TRIED_AGAIN, execute
from tests.failures.unseen import UNSEEN
from tests.shared import here, nothing_left, quick, shared

__all__ = ["here", "nothing_left", "quick", "shared"]


@pytest.fixture(scope="module")
def outcomes(quick: None, here: Workspace, shared: Project) -> dict[Notebook, Outcome]:
    """Every notebook, executed once, in a folder of its own."""
    return {
        notebook: execute(here, shared.folder / f"u{number:02}", notebook) for number, notebook in enumerate(UNSEEN)
    }


@pytest.mark.long
def test_what_was_learnt_from_the_everyday_failures_is_not_forgotten(outcomes: dict[Notebook, Outcome]) -> None:
    """25 of the 30 in the first run, before any rule was changed for them; no label was corrected."""
    assert len(outcomes) == 30
    assert {n.name: o.failure_class for n, o in outcomes.items() if o.failure_class != n.label} == {
        "the report takes the interface too long": "transient",
    }


@pytest.mark.long
def test_no_everyday_code_bug_is_called_what_is_tried_again(outcomes: dict[Notebook, Outcome]) -> None:
    bugs = [(notebook, outcome) for notebook, outcome in outcomes.items() if notebook.label == "code_bug"]
    assert len(bugs) == 5
    assert [n.name for n, outcome in bugs if outcome.failure_class in TRIED_AGAIN] == []


def test_every_class_is_among_the_everyday_thirty() -> None:
    assert {notebook.label for notebook in UNSEEN} == set(get_args(FailureClass))
