"""A pipeline is seen, run, stopped, mended and decided on without leaving JupyterLab."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from nbops.workspace._workspace import Workspace
from tests.conftest import Project

from .conftest import Desk, Server, notebook, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

PAGE = ".nbops-Page:visible"
DIALOG = ".nbops-Modal"
COLLECT = ["rows: int = 3\nflights: 'out' = '{0}/flights.txt'", "open(flights, 'w').write('x' * rows)"]
TRAIN = [
    "flights: 'in' = '{0}/flights.txt'\nmodel: 'out' = '{0}/model.txt'",
    "open(model, 'w').write(open(flights).read() * 2)",
]
BAD = [
    "model: 'in' = '{0}/model.txt'\npage: 'out' = '{0}/page.txt'",
    "told = open(model).read()",
    "raise ValueError('no <b>such</b> page')",
]
GOOD = [BAD[0], "open(page, 'w').write(open(model).read())"]
ASKS = "steps: {publish: {approval: {expires: 3 d, asks: 'Publish the forecast?'}}}\n"


class Pipes(NamedTuple):
    """A project with folders that are pipelines."""

    here: Workspace
    folder: Path

    def run(self, name: str, status: int) -> None:
        """Run a folder to its end."""
        words = [sys.executable, "-m", "nbops", "run", name, "--json", "--detailed-exit-code"]
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr

    def steps(self, name: str) -> list[str]:
        """The names of the runs that executed steps of a folder, in their order."""
        found = self.here.sql("select source from runs where parent_run_id is not null order by start_time")
        return [Path(source).stem for source in found["source"] if Path(source).parent.name == name]


def fill(folder: Path, **steps: list[str]) -> None:
    """Write the notebooks of a folder; `{0}` is where their products go."""
    folder.mkdir(exist_ok=True)
    for name, cells in steps.items():
        notebook(folder / f"{name}.ipynb", [cell.replace("{0}", f"../data/{folder.name}") for cell in cells])
    (folder.parent / "data" / folder.name).mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="module")
def pipes(server: Server) -> Iterator[Pipes]:
    made = Project(server.root / "pipes")
    (made.folder / "nbops.toml").touch()
    notebook(made.folder / "look.ipynb", ["limit: int = 3"])
    found = Pipes(Workspace(made.settings()), made.folder)
    fill(made.folder / "nightly", collect=COLLECT, train=TRAIN, report=BAD)
    found.run("nightly", 25)
    fill(made.folder / "gated", collect=COLLECT, publish=[*TRAIN])
    (made.folder / "gated" / "pipeline.yaml").write_text(ASKS)
    found.run("gated", 11)
    fill(made.folder / "wrong", train=TRAIN)
    (made.folder / "wrong" / "pipeline.yaml").write_text("steps:\n  tarin: {retries: 2}\n")
    fill(made.folder / "slow", wait=["done: 'out' = '{0}/done.txt'", "import time; print('waiting'); time.sleep(300)"])
    yield found
    made.close()


@pytest.fixture(scope="module")
def opened(server: Server, pipes: Pipes, browser: Browser) -> Iterator[Desk]:
    """JupyterLab in that project, for all tests of the module."""
    with page_of(browser) as page:
        made = Desk(page, server)
        made.open(server.lab("pipes/look.ipynb"))
        made.do("nbops:open-panel")
        page.wait_for_selector("[data-nbops-kind=pipeline]")
        yield made


@pytest.fixture
def panel(opened: Desk) -> Iterator[Desk]:
    """The same page, with nothing left of the test before."""
    yield opened
    opened.leave()


def go(desk: Desk, folder: str) -> Locator:
    """The page of a pipeline."""
    desk.do("nbops:open-pipeline", folder=f"pipes/{folder}")
    page = desk.page.locator(PAGE)
    page.locator("h1", has_text=folder).wait_for()
    return page


def line(desk: Desk, folder: str) -> Locator:
    """The line of a pipeline's run among the latest runs."""
    runs = desk.page.locator(".nbops-List", has=desk.page.locator("summary", has_text="Runs"))
    return runs.locator("[data-nbops-kind=pipeline]", has_text=folder).first


def test_a_failed_step_is_found_in_the_graph_gone_on_with_by_hand_and_the_run_resumed(
    panel: Desk, pipes: Pipes
) -> None:
    page = panel.page
    # One line for the pipeline's run, none for those of its steps.
    assert "nightly 3 steps" in line(panel, "nightly").inner_text().replace("\n", " ")
    titles = page.locator(".nbops-Line-name").all_inner_texts()
    assert [title for title in titles if ".ipynb" in title] == []
    line(panel, "nightly").click()
    found = page.locator(PAGE)
    boxes = found.locator(".nbops-Graph [data-nbops-task]")
    boxes.nth(2).wait_for()
    assert boxes.evaluate_all("all => all.map(one => one.dataset.nbopsTask)") == ["collect", "train", "report"]
    assert "ValueError: no <b>such</b> page" in found.locator("header").inner_text()
    assert panel.violations(".nbops-Page") == []

    # By keyboard alone: the third box, its button, the notebook.
    boxes.nth(2).focus()
    page.keyboard.press("Enter")
    chosen = found.locator(".nbops-Chosen")
    assert "failed" in chosen.inner_text()
    assert boxes.nth(2).get_attribute("aria-pressed") == "true"
    assert panel.violations(".nbops-Page") == []
    chosen.get_by_role("button", name="Go on by hand").focus()
    page.keyboard.press("Enter")
    sheet = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")
    sheet.locator("strong", has_text="This is run").wait_for()
    path = page.evaluate("jupyterapp.shell.currentWidget.context.path")
    assert path.startswith("pipes/nightly/report-")
    node = json.loads((panel.server.root / path).read_text())
    assert "../data/nightly/page.txt" in "".join(node["cells"][1]["source"])
    # A kernel that goes while it comes is a complaint of JupyterLab's.
    page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(
        timeout=60_000
    )
    page.evaluate("jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
    page.evaluate("jupyterapp.commands.execute('docmanager:save').then(() => jupyterapp.shell.currentWidget.close())")

    fill(pipes.folder / "nightly", report=GOOD)
    found = go(panel, "nightly")
    found.get_by_role("button", name="Resume").click()
    found.locator("header .nbops-mod-done").wait_for(timeout=90_000)
    found.locator("[data-nbops-task=report][aria-label*=finished]").wait_for()
    # The copy is no step, and what was done was not done again.
    assert boxes.count() == 3
    assert pipes.steps("nightly").count("collect") == pipes.steps("nightly").count("train") == 1
    found.get_by_role("button", name="What would run now").click()
    found.locator("[data-nbops-task=report][aria-label*=skip]").wait_for()
    assert panel.errors == []
    assert panel.foreign == []


def test_a_step_that_waits_is_among_what_needs_you_and_its_run_goes_on_at_once(panel: Desk, pipes: Pipes) -> None:
    page = panel.page
    asked = page.locator("[data-nbops-approval]")
    told = asked.inner_text()
    assert "gated: Publish the forecast? publish waits until" in told
    before = int(page.locator(".nbops-Count.nbops-mod-urgent").inner_text())
    asked.click()
    found = page.locator(PAGE)
    found.get_by_role("button", name="Approve publish…").click()
    dialog = page.locator(DIALOG)
    assert "Publish the forecast?" in dialog.inner_text()
    send = dialog.get_by_role("button", name="Approve", exact=True)
    assert send.get_attribute("aria-disabled") == "true"
    assert panel.violations(DIALOG) == []
    dialog.locator("textarea").fill("the numbers are those of last week")
    send.click()
    page.locator(".jp-Dialog").get_by_role("button", name="Go on").click()
    found.locator("header .nbops-mod-done").wait_for(timeout=90_000)
    asked.wait_for(state="detached")
    assert (
        before - 1 == page.locator("[data-nbops-approval], .nbops-List:has(.nbops-mod-urgent) [data-nbops-run]").count()
    )
    assert pipes.steps("gated") == ["collect", "publish"]
    decided = pipes.here.sql("select reason, status from step_approvals").iloc[0]
    assert tuple(decided) == ("the numbers are those of last week", "approved")
    assert panel.errors == []


def test_a_folder_of_the_file_browser_opens_as_a_pipeline_with_its_mistakes(panel: Desk) -> None:
    page = panel.page
    page.evaluate("jupyterapp.commands.execute('filebrowser:go-to-path', {path: 'pipes', dontShowBrowser: false})")
    page.locator(".jp-DirListing-item[title*='wrong']").click(button="right")
    page.get_by_role("menuitem", name="Open as Pipeline").click()
    found = page.locator(f"{PAGE} .nbops-Mistakes")
    found.wait_for()
    told = found.inner_text()
    assert "pipeline.yaml, line 2" in told
    assert "Did you mean 'train'?" in told
    assert "train.ipynb, line 1" in told
    assert page.locator(f"{PAGE} .nbops-Graph").count() == 0
    run = page.locator(PAGE).get_by_role("button", name="Run", exact=True)
    assert run.get_attribute("aria-disabled") == "true"
    assert panel.violations(".nbops-Page") == []
    page.locator(PAGE).get_by_role("button", name="pipeline.yaml, line 2").click()
    page.locator(".jp-FileEditor:visible").wait_for()
    page.evaluate("jupyterapp.shell.currentWidget.close()")
    panel.do("nbops:open-panel")
    assert panel.errors == []


def test_a_run_is_begun_watched_and_stopped(panel: Desk, pipes: Pipes) -> None:
    found = go(panel, "slow")
    assert "It has not run yet." in found.inner_text()
    found.get_by_role("button", name="Run", exact=True).click()
    box = found.locator("[data-nbops-task=wait]")
    found.locator("[data-nbops-task=wait][aria-label*='running · cell ']").wait_for(timeout=60_000)
    assert "0/1 steps" in line(panel, "slow").inner_text().replace("\n", " ")
    # A picture that is drawn anew keeps the focus.
    box.focus()
    with panel.page.expect_response("**/nbops/api/pipeline/live?*"):
        pass
    assert panel.page.evaluate("document.activeElement.dataset.nbopsTask") == "wait"
    found.get_by_role("button", name="Stop").click()
    found.locator("header .nbops-mod-stopped").wait_for(timeout=60_000)
    found.get_by_role("button", name="Resume").wait_for()
    assert panel.errors == []


def test_it_reads_in_the_dark_and_in_a_narrow_window(panel: Desk) -> None:
    page = panel.page
    usual = page.viewport_size
    assert usual is not None
    panel.do("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
    page.set_viewport_size({"width": 800, "height": 900})
    for folder in ("nightly", "wrong"):
        found = go(panel, folder)
        found.locator(".nbops-Graph, .nbops-Mistakes").first.wait_for()
        assert panel.violations(".nbops-Page:not(.lm-mod-hidden)") == []
        assert found.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert page.locator(".nbops-Panel").evaluate("node => node.scrollWidth <= node.clientWidth")
    assert panel.violations(".nbops-Panel") == []
    panel.do("apputils:change-theme", theme="JupyterLab Light")
    page.wait_for_selector("body[data-jp-theme-light=true]", state="attached")
    page.set_viewport_size(usual)


@pytest.mark.long
def test_notebook_7_shows_it_below_its_notebook(desk: Desk, pipes: Pipes) -> None:
    desk.open(desk.server.notebook7("pipes/look.ipynb"))
    desk.do("nbops:open-panel")
    desk.page.wait_for_selector("[data-nbops-kind=pipeline]")
    found = go(desk, "nightly")
    found.locator(".nbops-Graph [data-nbops-task]").nth(2).wait_for()
    assert desk.violations(".nbops-Page") == []
    assert desk.errors == []
    assert desk.foreign == []
