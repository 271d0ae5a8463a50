"""The tour, as a newcomer takes it in a project where nothing is: every cell runs, and leaves what it promises."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

import nbops

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
STEP = NOTEBOOKS / "tour-step.ipynb"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nbops.Workspace]:
    """A new project with nothing but the two notebooks, once the tour has been taken."""
    folder = tmp_path_factory.mktemp("tour")
    (folder / "nbops.toml").touch()
    (folder / "notebooks").mkdir()
    for notebook in (NOTEBOOKS / "tour.ipynb", STEP):
        shutil.copy(notebook, folder / "notebooks")
    done = subprocess.run(
        [sys.executable, "-m", "nbops", "run", "notebooks/tour.ipynb", "taken.ipynb"],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    made = nbops.open(folder)
    yield made
    made.store.stop_owner()


@pytest.fixture(scope="module")
def outputs(project: nbops.Workspace) -> dict[str, list[Any]]:
    """What each cell has shown."""
    taken = nbformat.read(project.project / "taken.ipynb", as_version=4)
    return {cell.id: cell.outputs for cell in taken.cells if cell.cell_type == "code"}


def test_three_runs_a_sweep_of_four_and_a_version_are_there(project: nbops.Workspace) -> None:
    runs = project.search_runs("tour")
    assert sorted(runs["params.rate"]) == [0.03, 0.1, 0.3]
    assert runs["status"].tolist() == ["finished"] * 3
    points = project.search_runs("tour-step", filter="metrics.accuracy > 0.9")
    assert points["status"].tolist() == ["finished"] * 4
    assert project.model_versions("tumours")["version"].tolist() == [1]
    best = points.sort_values("metrics.log_loss").iloc[0]["run_id"]
    assert project.model_versions("tumours")["run_id"].astype(str).tolist() == [str(best)]


def test_what_the_text_says_of_the_curves_is_so(project: nbops.Workspace) -> None:
    fastest = project.search_runs("tour").sort_values("params.rate").iloc[-1]["run_id"]
    course = project.run(str(fastest)).metric_history("log_loss")["value"].tolist()
    assert 20 <= course.index(min(course)) <= 40
    assert course[-1] > min(course) * 1.1


def test_its_views_are_html_with_plots_and_its_report_is_a_page(
    project: nbops.Workspace, outputs: dict[str, list[Any]]
) -> None:
    assert [output.output_type for output in outputs["compare"]] == ["execute_result"]
    assert outputs["compare"][0].data["text/html"].count("<svg") == 2
    assert all("<svg" in outputs[cell][-1].data["text/html"] for cell in ("sweep", "points"))
    assert "tumours" in outputs["board"][0].data["text/html"]
    (page,) = (project.project / "notebooks").glob("tour-*.html")
    assert page.name in outputs["report"][0].text
    assert "One step: learn to tell benign from malignant" in page.read_text("utf-8")


def test_nothing_is_told_on_the_way_but_what_the_cells_say(outputs: dict[str, list[Any]]) -> None:
    told = [output for shown in outputs.values() for output in shown]
    assert [output.text for output in told if output.get("name") == "stderr"] == []
    assert outputs["load"][0].data["text/plain"].startswith("np.float64(0.9")


def test_both_notebooks_are_kept_without_outputs_and_name_their_parameters() -> None:
    for path in (NOTEBOOKS / "tour.ipynb", STEP):
        notebook = nbformat.read(path, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert not any(cell.outputs or cell.execution_count for cell in code)
        assert [cell.id for cell in code if "parameters" in cell.metadata.get("tags", [])] == ["parameters"]
