"""Pipelines are tested on a project that the tests of a module share, each in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbops.workspace._workspace import Workspace
from tests.pipelines.parts import Pipeline
from tests.shared import here, nothing_left, quick, run, shared, typed

__all__ = ["here", "nothing_left", "quick", "run", "shared", "typed"]


@pytest.fixture
def pipeline(here: Workspace, request: pytest.FixtureRequest) -> Pipeline:
    """An empty folder of notebooks in the shared project."""
    folder = Path(here.settings.project) / request.node.name.replace("[", "-").rstrip("]")[:80]
    folder.mkdir()
    # What is begun in the folder finds the project.
    (folder.parent / "nbops.toml").touch()
    return Pipeline(folder)
