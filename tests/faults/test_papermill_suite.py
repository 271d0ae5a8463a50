"""Papermill's own tests, which its wheel brings along, pass with our engine as the default."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import papermill
import pytest

from tests.conftest import Project

# Cloud storage needs packages and accounts that nothing here has.
CLOUD = ("abs", "adl", "gcs", "hdfs", "s3")
PATCHED = "replaces a name inside papermill.engines, which our engine does not use"
# Some give parameters that their notebook does not have, or takes otherwise.
LENIENT = {"NBOPS_EXECUTION_STRICT_PARAMETERS": "false"}
EXPECTED = {
    "TestMidCellAutosave::test_end2end_autosave_slow_notebook": PATCHED,
    "TestNotebookHelpers::test_default_start_timeout": PATCHED,
    "TestNotebookHelpers::test_start_timeout": PATCHED,
}


def failed(project: Project, *plugins: str) -> tuple[set[str], int]:
    """The names of papermill's tests that fail, and how many pass."""
    folder = Path(papermill.__file__).parent / "tests"
    ignored = [f"--ignore={folder / f'test_{name}.py'}" for name in CLOUD]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *ignored, *plugins, str(folder)],
        cwd=project.folder, capture_output=True, text=True, check=False,
        env={**os.environ, "NBOPS_PROJECT": str(project.folder), **LENIENT, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout[-2000:]
    return set(re.findall(r"^FAILED \S*?::(\S+)", done.stdout, re.MULTILINE)), int(passed[1])


@pytest.mark.long
def test_papermills_own_tests_pass_with_our_engine(project: Project) -> None:
    before, _ = failed(project)
    ours, passed = failed(project, "-p", "tests.execution.papermill_default")
    assert ours - before == set(EXPECTED)
    assert passed > 400
