"""What nbops shows in a notebook is still there where nothing runs: in nbconvert's own page without a network, and in our report."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat import v4

from nbops.execution.notebook import Outcome, execute
from nbops.reports import run_page
from nbops.workspace._workspace import Workspace
from tests.shared import here, nothing_left, shared

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["here", "nothing_left", "shared"]

POINT = "depth: int = 1"
SCORE = "mae = 9 - depth"
TRAIN = """
import nbops
nbops.define_metric("mae", better="lower", unit="min")
made = []
for depth in (2, 4, 8):
    with nbops.start_run(f"views", name=f"depth {depth}", params={"depth": depth, "alpha": 1 / depth}) as run:
        for step in range(20):
            run.log_metric("loss", 1 / (1 + step * depth), step=step)
        run.log_metrics({"mae": 8.6 - depth / 4, "rmse": 11 - depth / 3})
    made.append(run)
"""
VIEWS = {
    "run": "made[0]",
    "compare": "nbops.compare(*made)",
    "sweep": 'import nbops\nnbops.sweep("point.ipynb", {"depth": [1, 2, 3]})',
    "search": 'nbops.search_runs("views", order_by="metrics.mae")',
    "sql": 'nbops.sql("select run_id, key, value from latest_metrics order by key, value limit 5")',
}


@pytest.fixture(scope="module")
def outcome(here: Workspace) -> Outcome:
    """A headless run of a notebook that shows every view there is, one to a cell."""
    point = [
        v4.new_code_cell(POINT, metadata={"tags": ["parameters"]}),
        v4.new_code_cell(SCORE, metadata={"tags": ["metrics"]}),
    ]
    nbformat.write(v4.new_notebook(cells=point), here.project / "point.ipynb")
    path = here.project / "views.ipynb"
    shown = [v4.new_code_cell(source, metadata={"tags": [name]}) for name, source in VIEWS.items()]
    nbformat.write(
        v4.new_notebook(cells=[v4.new_markdown_cell("# Views"), v4.new_code_cell(TRAIN.strip()), *shown]), path
    )
    found = execute(here.store, path)
    assert found.status == "finished", found.cause
    return found


# What a reader can see of a page: tables with rows, drawings with lines that have an extent and a colour.
SEEN = """() => {
    const visible = (element) => element.checkVisibility({opacityProperty: true}) && element.getBoundingClientRect().height > 5;
    const drawn = (element) => {
        const box = element.getBoundingClientRect(), style = getComputedStyle(element);
        return box.width + box.height > 5 && (style.stroke !== "none" || style.fill !== "none");
    };
    return [
        [...document.querySelectorAll("table")].filter((table) => visible(table) && table.rows.length > 1).length,
        [...document.querySelectorAll("svg[role=img]")].filter(
            (plot) => visible(plot) && [...plot.querySelectorAll("path, polyline, line")].filter(drawn).length > 2
        ).length,
        document.querySelectorAll(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").length,
    ];
}"""


def said(outcome: Outcome) -> tuple[int, int]:
    """The tables and plots that the executed notebook holds."""
    node = nbformat.read(outcome.notebook, as_version=4)
    html = [
        output.data.get("text/html", "")
        for cell in node.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    return sum(text.count("<table") for text in html), sum(
        len(re.findall(r'<svg[^>]*role="img"', text)) for text in html
    )


def seen(browser: Browser, page: Path, scheme: str = "light") -> list[int]:
    """What is seen where every request off this machine fails."""
    context = browser.new_context(offline=True, color_scheme=scheme)  # type: ignore[arg-type]  # one of two words
    context.route(re.compile("^https?:"), lambda route: route.abort())
    view = context.new_page()
    view.goto(page.as_uri())
    found = view.evaluate(SEEN)
    context.close()
    return list(found)


def test_every_view_puts_a_table_into_the_notebook_and_the_runs_their_plots(outcome: Outcome) -> None:
    node = nbformat.read(outcome.notebook, as_version=4)
    html = {
        cell.metadata.tags[0]: "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)
        for cell in node.cells
        if cell.cell_type == "code" and cell.metadata.get("tags")
    }
    assert [name for name in VIEWS if "<table" not in html[name]] == []
    assert {name for name in VIEWS if "<svg" in html[name]} >= {"run", "compare"}


def test_a_stock_conversion_without_a_network_shows_every_table_and_plot(
    browser: Browser, outcome: Outcome, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "nbconvert",
        "--to",
        "html",
        str(outcome.notebook),
        "--output-dir",
        str(tmp_path),
        "--output",
        "page",
    ]
    subprocess.run(command, capture_output=True, check=True, timeout=120)

    tables, plots, complaints = seen(browser, tmp_path / "page.html")
    assert (tables, plots, complaints) == (*said(outcome), 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_shows_them_too_in_at_most_60_kilobytes(
    browser: Browser, here: Workspace, outcome: Outcome, tmp_path: Path, scheme: str
) -> None:
    html = run_page.page_of(here.store, outcome.run_id)
    (tmp_path / "page.html").write_text(html, encoding="utf-8")

    tables, plots, _ = seen(browser, tmp_path / "page.html", scheme)
    assert (tables, plots) == said(outcome)
    assert len(re.sub(r"data:image/[^\"]*", "", html).encode()) < 60_000
    assert "<script" not in html
