"""Views are live where a person sits and still everywhere else: real kernels, real widgets, and what a saved notebook holds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager, start_new_kernel
from nbconvert import HTMLExporter
from nbformat import v4

from nbops.errors import NotFound, UsageError
from nbops.reports import page as pages
from nbops.tracking.compare import Comparison
from nbops.widgets import board, comparison
from nbops.widgets.live import Live
from nbops.workspace._workspace import Workspace

VIEW = "application/vnd.jupyter.widget-view+json"
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def view(here: Workspace) -> Comparison:
    """Three runs with courses, two parameters that differ, one that does not, and words of an attacker."""
    runs = []
    for depth, mae in ((2, 9.0), (4, 7.0), (8, 8.0)):
        with here.start_run(
            "live", name=EVIL, params={"depth": depth, "rate": 1 / depth, "seed": 1, EVIL: EVIL * depth}
        ) as run:
            for step in range(5):
                run.log_metric("loss", mae / (step + 1), step)
            run.log_metric("mae", mae)
            runs.append(run)
    return here.compare(*runs)


def control(live: Live, words: str) -> Any:
    """The control that is called so."""
    stack = [live.box]
    while stack:
        one = stack.pop()
        if getattr(one, "description", None) == words:
            return one
        stack += getattr(one, "children", ())
    raise AssertionError(words)


def names_of_rows(markup: str) -> list[str]:
    return [re.sub(r"<.*?>", "", row) for row in re.findall(r"<tr[^>]*><td[^>]*>(.*?)</td>", markup)]


# Static


def test_where_nobody_sits_a_view_is_html_and_its_live_form_is_not_even_imported(view: Comparison) -> None:
    with pytest.raises(NotImplementedError):
        view._ipython_display_()
    markup = view._repr_html_()
    assert (markup.count("<table"), markup.count("<svg")) == (1, 2)
    assert "<script" not in markup
    done = subprocess.run(
        [sys.executable, "-c", "import nbops, sys; nbops.compare; nbops.board; print('ipywidgets' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"


def test_a_value_that_no_run_has_cannot_be_drawn(view: Comparison) -> None:
    with pytest.raises(NotFound, match=r"no column 'params.deepth'") as caught:
        view.scatter("params.deepth", "metrics.mae")
    assert caught.value.hint == "Did you mean 'params.depth'?"


# Comparison


def test_a_comparison_begins_with_what_it_shows_by_itself(view: Comparison) -> None:
    live = comparison.live(view)
    assert view.table() in live.drawn
    assert view.plot() in live.drawn
    assert control(live, "metrics").value == ("loss", "mae")
    assert control(live, "parameters").value == (EVIL, "depth", "rate", "seed")


def test_what_is_chosen_is_compared(view: Comparison) -> None:
    live = comparison.live(view)
    control(live, "metrics").value = ["mae"]
    control(live, "parameters").value = ["depth"]
    assert names_of_rows(live.drawn)[:2] == ["mae", "depth"]
    assert "rate" not in live.drawn
    control(live, "parameters").value = ["depth", "seed"]
    assert "seed" not in names_of_rows(live.drawn)
    control(live, "what is the same, too").value = True
    assert "seed" in names_of_rows(live.drawn)


def test_two_columns_are_scattered_and_their_choice_appears_only_then(view: Comparison) -> None:
    live = comparison.live(view)
    assert control(live, "x").layout.display == "none"
    control(live, "plot").value = "scatter"
    assert control(live, "x").layout.display is None
    control(live, "x").value, control(live, "y").value = "params.depth", "metrics.mae"
    assert view.scatter("params.depth", "metrics.mae") in live.drawn
    before = live.drawn
    control(live, "x").value = "params.rate"
    assert view.scatter("params.rate", "metrics.mae") in live.drawn
    assert live.drawn != before


def test_courses_are_drawn_by_step_with_a_line_for_each_run(view: Comparison) -> None:
    live = comparison.live(view)
    control(live, "plot").value = "curves by step"
    assert control(live, "metric").options == ("loss",)
    assert view.curves("loss") in live.drawn
    assert live.drawn.count("<path") >= 3


def test_runs_without_courses_offer_none(here: Workspace) -> None:
    runs = []
    for value in (1.0, 2.0):
        with here.start_run("plain") as run:
            run.log_metric("mae", value)
        runs.append(run)
    live = comparison.live(here.compare(*runs))
    assert "curves by step" not in control(live, "plot").options
    assert control(comparison.live(here.compare(*runs)), "parameters").options == ()


def test_no_word_of_a_run_becomes_a_tag(view: Comparison, here: Workspace) -> None:
    live = comparison.live(view)
    for picture in ("parallel coordinates", "scatter", "curves by step"):
        control(live, "plot").value = picture
        assert "<img" not in live.drawn
        assert "&lt;img" in live.drawn
    assert "<img" not in board.live(here.board()).drawn


# Run board


def test_the_board_shows_runs_and_filters_them_by_words_and_status(here: Workspace, view: Comparison) -> None:
    with here.start_run("broken") as run:
        run.end("failed", "ValueError: no rows")
    shown = here.board()
    assert {"live", "broken"} <= set(shown.runs["experiment"])
    assert "ValueError: no rows" in shown.to_text()
    live = board.live(shown)
    assert "ValueError: no rows" in live.drawn
    control(live, "status").value = "finished"
    assert "ValueError: no rows" not in live.drawn
    assert "✓" in live.drawn
    control(live, "status").value = ""
    control(live, "filter").value = "BROKEN"
    assert "ValueError: no rows" in live.drawn
    assert "live" not in names_of_rows(live.drawn)
    control(live, "filter").value = "nothing is called so"
    assert "no rows" in live.drawn
    with pytest.raises(UsageError, match="ever 'done'"):
        here.board(status="done")


def test_refresh_looks_again(here: Workspace) -> None:
    live = board.live(here.board())
    with here.start_run("a-newcomer"):
        assert "a-newcomer" not in live.drawn
        control(live, "Refresh").click()
        assert "a-newcomer" in live.drawn


# Kernels and saved notebooks

CELL = "import nbops\nnbops.{call}"
CHOOSE = """
from ipywidgets.widgets.widget import _instances
[one for one in _instances.values() if getattr(one, "description", "") == "plot"][0].value = "curves by step"
"""


@pytest.fixture
def kernel(here: Workspace) -> Iterator[Any]:
    """A kernel as a person has it, in the project's folder."""
    manager: KernelManager
    manager, client = start_new_kernel(cwd=str(here.project))
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def outputs(client: Any, code: str) -> list[Any]:
    """What a cell with this code would hold, updates of its outputs included."""
    made: list[Any] = []
    places: dict[str, Any] = {}

    def take(message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        if kind == "update_display_data":
            places[content["transient"]["display_id"]].update(content["data"])
        elif kind in {"display_data", "execute_result", "error", "stream"}:
            made.append(v4.output_from_msg({"header": {"msg_type": kind}, "content": content}))
            if name := content.get("transient", {}).get("display_id"):
                places[name] = made[-1]["data"]

    client.execute_interactive(code, output_hook=take, timeout=60)
    return made


def test_a_person_gets_html_that_stays_and_a_live_form_that_hides_it(view: Comparison, kernel: Any) -> None:
    ids = ", ".join(repr(run.rpartition(" ")[2]) for run in view.runs)
    still, live = outputs(kernel, CELL.format(call=f"compare({ids})"))
    assert view.plot() in still["data"]["text/html"]
    assert VIEW not in still["data"]
    assert live["data"][VIEW]["model_id"]
    name = re.search(r'class="(nbops-\w+)"', still["data"]["text/html"])
    assert name
    told = outputs(
        kernel,
        "from ipywidgets.widgets import widget; [one.value for one in widget._instances.values() if type(one).__name__ == 'HTML'][0][:99]",
    )
    assert f".{name[1]}{{display:none}}" in told[0]["data"]["text/plain"]


def test_what_a_person_chose_is_what_the_notebook_keeps(view: Comparison, kernel: Any) -> None:
    ids = ", ".join(repr(run.rpartition(" ")[2]) for run in view.runs)
    still, _ = outputs(
        kernel, f"import nbops\nfrom IPython.display import display\ndisplay(nbops.compare({ids})){CHOOSE}"
    )
    assert view.curves("loss") in still["data"]["text/html"]


def test_a_saved_notebook_shows_the_view_in_a_page_of_nbconvert_without_a_kernel(view: Comparison, kernel: Any) -> None:
    ids = ", ".join(repr(run.rpartition(" ")[2]) for run in view.runs)
    cells = [CELL.format(call=f"compare({ids})"), CELL.format(call="board()")]
    notebook = v4.new_notebook(cells=[v4.new_code_cell(code, outputs=outputs(kernel, code)) for code in cells])
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert page.count("<svg") >= 2
    assert "Runs of " in page
    assert "application/vnd.jupyter.widget-view+json" not in page
    report = pages.page(notebook)
    assert report.count("<svg") == page.count("<svg")
    assert "jp-OutputArea" not in report


def test_a_notebook_that_nbops_executes_holds_no_widget(view: Comparison, here: Workspace) -> None:
    ids = ", ".join(repr(run.rpartition(" ")[2]) for run in view.runs)
    cells = [CELL.format(call=f"compare({ids})"), CELL.format(call="board()")]
    path = Path(here.project) / "views.ipynb"
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(
        v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernelspec}), path
    )
    done = subprocess.run(
        [sys.executable, "-m", "nbops", "run", str(path), "out.ipynb"], cwd=here.project, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    executed = nbformat.read(here.project / "out.ipynb", as_version=4)
    assert "widget" not in json.dumps(executed.cells)
    shown = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert [output.output_type for output in shown] == ["execute_result"] * 2
    assert all("<table" in output.data["text/html"] for output in shown)
