"""An incident becomes a notebook that opens on what went wrong, and executes; the handles that it uses show themselves."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pytest

import nbops
from nbops.errors import Conflict, NotFound, UsageError
from nbops.monitoring import incidents
from nbops.registry.requests import RegisterVersion
from nbops.workspace import scaffold
from nbops.workspace._workspace import Workspace
from tests.monitoring.ward import weeks
from tests.monitoring.watched import ROWS, Watched, begin, later, register, week
from tests.shared import Type


@pytest.fixture(scope="module")
def worse(quick: None, here: Workspace) -> Watched:
    """A model two weeks of which were bad; another version of it is the champion."""
    version = register(here, "minutes")
    made = Watched(here, version, "worse")
    (again,) = here.store.read("select run_id::varchar, manifest from model_versions where model = 'worse'").rows
    copy = RegisterVersion(model="worse", run_id=again[0], artifact="copy", sha256=version.sha256, manifest=again[1])
    made.reign(int(here.store.write(copy)[0]))
    made.use(week(0), later(week(1), 1.0), later(week(2), 1.0))
    made.look(3)
    return made


def bad(here: Workspace, model: str = "worse") -> str:
    """The incident of its quality."""
    found = here.incidents(model)
    return str(found.loc[found["cause"] == "performance: mae", "incident_id"].item())


def test_a_notebook_of_an_incident_is_executed_as_a_run(
    here: Workspace, worse: Watched, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here.project)
    key = bad(here)
    told = typed("monitor", "investigate", key[-8:], "--json").told
    path = Path(told["notebook"])
    assert path == here.project / "investigations" / f"worse-{key[-8:]}-2026-01-19.ipynb"
    node = nbformat.read(path, as_version=4)
    nbformat.validate(node)
    outputs = [output for cell in node.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    shown = "\n".join(str(output.get("data", {}).get("text/plain", "")) for output in outputs)
    assert f"{ROWS} rows, {ROWS} with a label" in shown
    assert "beyond the bound of 1.25 times as bad" in shown
    assert "champion" in shown
    (run,) = here.store.read("select status, source from runs where source like '%investigations%'").rows
    assert run[0] == "finished"
    with pytest.raises(Conflict, match="exists already"):
        nbops.incident(key).investigate()


def test_a_notebook_may_only_be_written(
    here: Workspace, worse: Watched, typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here.project)
    key = bad(here)
    answer = typed("monitor", "investigate", key[-8:], "--no-execute", "--out", tmp_path / "new" / "one.ipynb")
    assert (answer.status, answer.out) == (0, f"{tmp_path / 'new' / 'one.ipynb'}\n")
    node = nbformat.read(tmp_path / "new" / "one.ipynb", as_version=4)
    (parameters,) = [cell for cell in node.cells if "parameters" in cell.metadata.get("tags", [])]
    assert f'incident: str = "{key[-8:]}"' in parameters.source
    assert 'window: str = "2026-01-19T00:00:00+00:00"' in parameters.source
    assert max(len(cell.source.splitlines()) for cell in node.cells if cell.cell_type == "code") <= 4
    for cell in node.cells:
        if cell.cell_type == "code":
            compile(cell.source, "cell", "exec")


def test_what_cannot_be_investigated_is_told(here: Workspace, worse: Watched) -> None:
    (pipeline,) = incidents.keep(here.store, "pipeline:nightly", weeks("b", version=None))
    with pytest.raises(UsageError, match="is of pipeline:nightly"):
        nbops.open(here.project).incident(pipeline.incident_id).investigate()
    Watched(here, worse.version, "unlooked")
    (opened,) = incidents.keep(here.store, "model:unlooked", weeks("b"))
    with pytest.raises(NotFound, match="No window of unlooked/1 that holds"):
        nbops.open(here.project).incident(opened.incident_id).investigate()


def test_handles_show_how_a_model_is(here: Workspace, worse: Watched) -> None:
    model = here.model("worse")
    assert (model.health.word, model.health.incidents[0]) == ("in trouble", bad(here))
    assert "worse/1 is in trouble" in repr(model.health)
    assert "<script" not in model.health._repr_html_()
    assert "Nothing is new" in repr(model.monitor(begin(3)))
    looked = model.monitor(begin(3), again=True)
    assert looked.windows == 3
    assert "beyond" in repr(looked)
    assert "<table" in looked._repr_html_()
    version = model.version(1)
    told = version.windows
    assert told["labelled"].tolist() == [ROWS] * 3
    assert told["standing"].tolist() == ["within", "beyond", "beyond"]
    assert str(told["start"].dt.tz) == "UTC"
    assert {*version.laboratory.columns} >= {"_prediction", "_label", "a", "carrier"}


def test_a_window_has_everything_that_was_found_in_it(here: Workspace, worse: Watched) -> None:
    version = here.model("worse").version(1)
    found = version.window("2026-01-21 12:00+00:00")
    assert len(found.rows) == ROWS
    error = (found.rows["_prediction"] - found.rows["_label"]).abs().mean()
    assert found.report.performance is not None
    assert found.report.performance.standings[0].value == pytest.approx(error)
    assert {"cause", "state", "sentence"} <= {*found.signals.columns}
    assert found.drift.reference.rows == 4 * ROWS
    assert found.drift.current.rows == ROWS
    assert "a" in repr(found.drift)
    assert found.slices["loss"].gt(found.slices["laboratory"]).all()
    assert len(found.slices)
    assert "Who loses most" in repr(found)
    assert "<script" not in found._repr_html_()
    calm = version.window(begin(0))
    assert calm.slices.empty
    with pytest.raises(NotFound, match="was looked at"):
        version.window(begin(9))
    assert np.isfinite(error)


def test_nothing_in_a_sentence_becomes_markup() -> None:
    shown = scaffold._plain("a *b* [c](d) <e>\n# f_g")  # noqa: SLF001 - no sentence of ours has all of these
    assert shown == r"a \*b\* \[c\]\(d\) \<e\> \# f\_g"
