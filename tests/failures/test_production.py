"""Thirty failures in production that the rules were not made for, executed by nbops from the notebook to the class of the run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from nbops.execution import notebook as execution
from nbops.execution.notebook import Outcome
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.failures.production import PRODUCTION, Notebook
from tests.shared import here, nothing_left, quick, shared

__all__ = ["here", "nothing_left", "quick", "shared"]


@pytest.fixture(scope="module")
def outcomes(quick: None, here: Workspace, shared: Project) -> dict[Notebook, Outcome]:  # noqa: ARG001 - kernels are forked
    """Every notebook, executed once, in a folder of its own that its kernel may leave root's rights in."""
    return {notebook: execute(here, shared.folder / f"{number:02}", notebook) for number, notebook in enumerate(PRODUCTION)}


def execute(here: Workspace, folder: Path, notebook: Notebook) -> Outcome:
    folder.mkdir()
    cells = [v4.new_code_cell(source.strip()) for source in notebook.source.split("# %%\n")]
    nbformat.write(v4.new_notebook(cells=cells), folder / "step.ipynb")
    return execution.execute(here.store, folder / "step.ipynb", timeout=notebook.limit)
