"""Runs side by side and one by one, as people see them in a terminal and in a notebook."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

import nbops
from nbops.errors import NotFound, UsageError
from nbops.tracking import search, search_sql, show
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace


@pytest.fixture(scope="module")
def trio(here: Workspace) -> tuple[Run, Run, Run]:
    """Three runs that differ in some of what they have."""
    here.define_metric("cost", better="lower", unit="EUR")
    here.define_metric("gain", better="higher")
    made = []
    for name, params, metrics in (
        (
            "deep",
            {"depth": 8, "seed": 1, "only": "<b>x</b>"},
            {"mae": 6.5, "cost": 100.0, "gain": 1.0, "odd": 1.0, "worse": math.nan},
        ),
        ("flat", {"depth": 2, "seed": 1}, {"mae": 8.5, "cost": 90.0, "gain": 3.0, "odd": 2.0}),
        ("wide", {"depth": 2, "seed": 1}, {"mae": 7.5, "cost": 90.0, "gain": 2.0, "worse": math.inf}),
    ):
        with here.start_run("compared", name=name, params=params, tags={"team": "crm"}) as run:
            run.log_metrics(metrics)
            made.append(run)
    return made[0], made[1], made[2]


def parsed(markup: str) -> ET.Element:
    """The markup as XML, which holds nothing that runs and fetches nothing."""
    root = ET.fromstring(f"<r>{markup}</r>")  # noqa: S314 - our own markup
    for element in root.iter():
        assert element.tag.rpartition("}")[2] not in {"script", "link", "iframe", "object", "img"}
        assert not [name for name in element.attrib if name.lower().startswith("on") or name in {"href", "src"}]
    return root


def test_what_differs_is_shown_and_the_best_of_each_metric_is_marked(
    here: Workspace, trio: tuple[Run, Run, Run]
) -> None:
    view = here.compare(*trio)
    lines = {line.split("  ")[0].strip(): line for line in repr(view).splitlines()}
    assert [name in lines for name in ("depth", "only", "seed", "team", "status", "experiment")] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert "★ 6.5" in lines["mae"]
    assert lines["cost (EUR)"].count("★") == 2
    assert "★ 3" in lines["gain"]
    assert "★" not in lines["odd"]
    assert ("NaN" in lines["worse"], "∞" in lines["worse"], "–" in lines["worse"]) == (True, True, True)
    assert "values that are the same in all are not shown" in repr(view)


def test_everything_can_be_shown(here: Workspace, trio: tuple[Run, Run, Run]) -> None:
    view = here.compare(*trio, everything=True)
    assert {"seed", "team", "status", "experiment"} <= {row.key for row in view.shown}
    assert "not shown" not in repr(view)


def test_the_frame_behind_it_has_the_values_themselves(here: Workspace, trio: tuple[Run, Run, Run]) -> None:
    view = here.compare(*trio)
    assert view.frame.columns.tolist() == list(view.runs)
    cells = {key: values for key, *values in view.frame.itertuples()}
    assert cells["params", "depth"] == [8, 2, 2]
    assert cells["metrics", "cost"] == [100.0, 90.0, 90.0]
    assert cells["params", "only"] == ["<b>x</b>", None, None]
    assert cells["metrics", "worse"][1:] == [None, math.inf]


def test_the_best_is_told_by_definition_or_by_a_common_name(here: Workspace, trio: tuple[Run, Run, Run]) -> None:
    view = here.compare(*trio)
    assert [view.best(metric) for metric in ("mae", "cost", "gain")] == [view.runs[0], view.runs[1], view.runs[1]]
    for metric in ("odd", "no such"):
        with pytest.raises(UsageError, match=f"the best '{metric}'") as caught:
            view.best(metric)
        assert "nbops.define_metric" in caught.value.hint
    with pytest.raises(UsageError, match="cannot be better 'less'") as unknown:
        here.define_metric("odd", better="less")  # type: ignore[arg-type]  # a slip
    assert "better='lower'" in unknown.value.hint
    here.define_metric("odd", better="lower")
    assert here.compare(*trio).best("odd") == view.runs[0]


@pytest.mark.parametrize(
    ("metric", "best"),
    [
        ("val_loss", 0),
        ("rmse", 0),
        ("test/mae", 0),
        ("log-loss", 0),
        ("accuracy", 1),
        ("roc_auc", 1),
        ("f1.macro", 1),
        ("R2", 1),
    ],
)
def test_common_names_of_metrics_have_their_direction(here: Workspace, metric: str, best: int) -> None:
    made = []
    for value in (0.1, 0.9):
        with here.start_run("named") as run:
            run.log_metric(metric, value)
            made.append(run)
    view = here.compare(*made)
    assert view.best(metric) == view.runs[best]


def test_equal_runs_have_no_winner_and_say_that_nothing_differs(here: Workspace) -> None:
    made = []
    for _ in range(2):
        with here.start_run("equal", params={"p": 1, "nan": math.nan}) as run:
            run.log_metric("mae", 1.0)
            made.append(run)
    view = here.compare(*made)
    assert "★" not in repr(view)
    assert [row.key for row in view.shown if row.place != "run"] == ["mae"]
    parsed(view.to_html())


def test_metrics_of_different_data_are_marked_as_such(here: Workspace) -> None:
    runs = []
    for rows in ([1, 2], [1, 2], [1, 3]):
        with here.start_run("data") as run:
            run.log_input(pd.DataFrame({"a": rows}), "test")
            run.log_metric("mae", 1.0)
        runs.append(run)
    assert "read different data" not in here.compare(*runs[:2]).to_text()
    view = here.compare(*runs)
    assert "metrics may not compare: the runs read different data as 'test'" in view.to_text()
    row = next(row for row in view.shown if row.place == "inputs")
    assert (row.key, row.cells[0] == row.cells[1], row.cells[0] == row.cells[2]) == ("test", True, False)


def test_runs_with_nothing_in_common_but_themselves_can_be_compared(here: Workspace) -> None:
    with here.start_run("bare") as one, here.start_run("bare") as other:
        pass
    assert "not shown" in repr(here.compare(one, other.id))
    parsed(here.compare(one, other).to_html())


def test_a_comparison_is_a_table_and_a_picture_without_any_script(here: Workspace, trio: tuple[Run, Run, Run]) -> None:
    view = here.compare(*trio)
    root = parsed(view._repr_html_())
    assert len(root.findall(".//table")) == 1
    assert root.findall(".//{*}svg")
    assert "<b>x</b>" not in view._repr_html_()
    assert "<b>x</b>" in "".join(root.itertext())
    assert "★" in "".join(root.itertext())


def test_too_few_runs_or_a_model_that_is_not_there_are_refused(here: Workspace, trio: tuple[Run, Run, Run]) -> None:
    for chosen in ((), (trio[0],), (trio[0], trio[0].id)):
        with pytest.raises(UsageError, match="given to compare"):
            here.compare(*chosen)
    with pytest.raises(NotFound, match="no run 'nobody'"):
        here.compare(trio[0], "nobody")
    with pytest.raises(NotFound, match="no model 'nothing'"):
        here.compare(model="nothing")


def test_the_facade_compares_in_the_project_of_the_current_folder(
    here: Workspace, trio: tuple[Run, Run, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(here.project)
    assert nbops.compare(*trio).runs == here.compare(*trio).runs


def test_a_run_shows_itself_with_its_curves(here: Workspace) -> None:
    with here.start_run("shown", name="<script>x</script>", params={"p": "<b>"}) as run:
        run.log_series("loss", np.linspace(1, 0, 20_001))
        run.log_series("odd", [1.0, math.nan, math.inf, 2.0], steps=[3, 1, 2, 2])
        run.log_metric("single", 1.0)
        run.log_text("x", "note")
    root = parsed(run._repr_html_())
    words = "".join(root.itertext())
    assert len(root.findall(".//{*}svg")) == 2
    assert {"loss", "odd", "note.txt", "finished"} <= {word.strip() for word in root.itertext()}
    assert "<script>x</script>" in words
    assert "20,000" in words, "a long curve is drawn to its end"
    assert len(run._repr_html_()) < 200_000


def test_a_run_and_a_list_of_runs_read_well_in_a_terminal(here: Workspace, trio: tuple[Run, Run, Run]) -> None:
    told = show.run_text(here.store, trio[0].info)
    for words in (f"{trio[0].id} deep", "compared", "✓ finished", "mae", "6.5", "depth", "8", "team", "crm"):
        assert words in told
    listed = show.runs_text(search.rows(here.store, search_sql.runs_query(experiments=["compared"])))
    lines = listed.splitlines()
    assert len(lines) == 4
    assert lines[1].startswith(trio[2].id)
    assert "–" in lines[1]
    assert "no rows" in show.runs_text([])
    with here.start_run("failing", name="x") as run:
        run.end("failed", "ValueError: no rows")
    assert "ValueError: no rows" in show.run_text(here.store, run.info)
