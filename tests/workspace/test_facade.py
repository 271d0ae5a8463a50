"""`import nbops`: every verb on the one open run or the current project, typed, with errors that survive other processes."""

from __future__ import annotations

import copy
import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

import nbops
from nbops import errors
from nbops.errors import ConfigError, NbopsError
from nbops.workspace._workspace import Workspace
from tests.conftest import Project

ROOT = Path(__file__).parents[2]
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NbopsError)]


def test_every_verb_reaches_the_one_open_run(here: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(here.project)
    (tmp_path / "notes.md").write_text("x")
    with nbops.start_run("facade", params={"a": 1}) as run:
        nbops.log_param("b", 2)
        nbops.log_params({"c": 3})
        nbops.log_metric("m", 1.0, step=2)
        nbops.log_metrics({"n": 2.0})
        nbops.set_tag("t", "x")
        nbops.log_text("x", "text")
        nbops.log_dict({}, "dict")
        nbops.log_table(pd.DataFrame({"a": [1]}), "table")
        nbops.log_figure(Figure(), "figure")
        nbops.log_artifact(tmp_path / "notes.md")
        nbops.log_input(pd.DataFrame({"a": [1]}))
    again = nbops.open().run(run.id)
    assert (again.params, again.metrics, again.tags) == ({"a": 1, "b": 2, "c": 3}, {"m": 1.0, "n": 2.0}, {"t": "x"})
    assert again.artifacts["path"].tolist() == [
        "dict.json",
        "figures/figure.png",
        "notes.md",
        "tables/table.parquet",
        "text.txt",
    ]
    assert nbops.search_runs("facade")["metrics.m"].tolist() == [1.0]
    assert nbops.sql("select name from run_inputs where run_id = ?", [run.run_id])["name"].tolist() == ["data"]


def test_a_project_is_opened_by_its_folder_or_from_anywhere_inside(
    here: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inner = here.project / "deep" / "er"
    inner.mkdir(parents=True)
    here.store.hello()
    assert nbops.open(here.project).project == here.project
    monkeypatch.chdir(inner)
    assert nbops.open().project == here.project
    assert nbops.open().store is nbops.open().store
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBOPS_PROJECT", str(here.project))
    assert nbops.open().project == here.project
    assert repr(nbops.open()) == f"Workspace({str(here.project)!r})"
    with pytest.raises(ConfigError, match="does not exist"):
        nbops.open(tmp_path / "missing")


def test_asking_for_a_project_creates_nothing(tmp_path: Path) -> None:
    nbops.open(tmp_path).store  # noqa: B018 - it is the asking that is tried
    assert list(tmp_path.iterdir()) == []


def test_the_first_run_makes_the_project_privately_and_says_where(project: Project) -> None:
    process = project.start("import os; os.umask(0o022); import nbops; nbops.start_run().end()")
    told = process.communicate(timeout=60)[1]
    folder = project.places.folder
    assert told == f"nbops keeps this project's runs and models in {folder}\n"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_survives_a_pickle_and_a_copy(kind: type[NbopsError]) -> None:
    special = {"position": 3} if kind is errors.FilterError else {}
    error = kind("what was asked", hint="what to do", **special)  # type: ignore[arg-type]  # one of them takes a position
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own bytes
        assert type(again) is kind
        assert (str(again), again.code, again.exit) == (
            "what was asked\nHint: what to do",
            kind.default_code,
            error.exit,
        )
        assert vars(again) == vars(error)


def test_an_error_in_a_worker_process_arrives_as_it_was(shared: Project) -> None:
    code = """
    from concurrent.futures import ProcessPoolExecutor
    import nbops
    from nbops.errors import NotFound
    with ProcessPoolExecutor(1) as pool:
        try:
            pool.submit(nbops.load_model, "nothing").result()
        except NotFound as error:
            print(error.hint)
    """
    assert "Register one" in shared.run("\n".join(line[4:] for line in code.splitlines()))


def test_public_calls_have_the_types_that_they_say() -> None:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed: `make check` brings it")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "tests/typing"],
        cwd=ROOT, env={**os.environ, "MYPY_FORCE_COLOR": "0"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr
