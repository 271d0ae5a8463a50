"""A pipeline is seen, run, stopped, mended and decided on without leaving JupyterLab."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from nbops.pipelines import releases
from nbops.pipelines.schedules import listing
from nbops.pipelines.schedules.spec import Spec
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

    def run(self, name: str, status: int, *more: str) -> None:
        """Run a folder to its end."""
        words = [sys.executable, "-m", "nbops", "run", name, *more, "--json", "--detailed-exit-code"]
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
    dialog.get_by_text("Publish the forecast?").wait_for()
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
    run = page.locator(PAGE).get_by_role("button", name="Run…")
    assert run.get_attribute("aria-disabled") == "true"
    assert panel.violations(".nbops-Page") == []
    page.locator(PAGE).get_by_role("button", name="pipeline.yaml, line 2").click()
    page.locator(".jp-FileEditor:visible").wait_for()
    page.evaluate("jupyterapp.shell.currentWidget.close()")
    panel.do("nbops:open-panel")
    assert panel.errors == []


def test_what_is_likely_to_be_misspelt_is_told_above_the_graph(panel: Desk, pipes: Pipes) -> None:
    counts = [*COLLECT, "import nbops; nbops.start_run().log_metrics({'read': rows})"]
    fill(pipes.folder / "spelt", collect=counts, train=TRAIN)
    pipes.run("spelt", 0)
    (pipes.folder / "spelt" / "pipeline.yaml").write_text("steps:\n  train: {when: collect.raed > 1}\n")
    found = go(panel, "spelt")
    told = found.locator(".nbops-Section", has_text="What is likely to be misspelt").inner_text()
    assert "pipeline.yaml, line 2" in told
    assert "Did you mean 'read'?" in told
    assert found.locator(".nbops-Graph").count() == 1
    assert found.get_by_role("button", name="Run…").get_attribute("aria-disabled") == "false"
    assert panel.violations(".nbops-Page") == []
    panel.shot("pipeline-warning")
    assert panel.errors == []


def test_a_run_is_begun_watched_and_stopped(panel: Desk, pipes: Pipes) -> None:
    found = go(panel, "slow")
    assert "It has not run yet." in found.inner_text()
    found.get_by_role("button", name="Run…").click()
    panel.page.locator(DIALOG).get_by_role("button", name="Run now").click()
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


SETS = [
    "flights: 'in' = '{0}/flights.txt'\nmodel: 'out' = '{0}/model.txt'\ndepth: int = 4  # 1..12 how deep\nday: str = 'never'",
    "open(model, 'w').write(f'{depth} {day}')",
]
FLAKY = "import os\nif not os.path.exists('tried'):\n    open('tried', 'w').close()\n    raise ConnectionResetError(104, 'reset')\nos.remove('tried')"  # noqa: E501 - one cell


@pytest.fixture(scope="module")
def timed(pipes: Pipes) -> str:
    """A pipeline that was healed again and again, and that has a release."""
    fill(pipes.folder / "timed", collect=[COLLECT[0], FLAKY, COLLECT[1]], train=SETS)
    (pipes.folder / "timed" / "pipeline.yaml").write_text("defaults: {heal: {transient: {wait: 0.01 s}}}\n")
    for rows in ("1", "2", "3"):
        pipes.run("timed", 10, "-p", "rows", rows)
    releases.freeze(pipes.here.store, pipes.folder / "timed", "the first one")
    return "timed"


def problem(dialog: Locator, name: str) -> Locator:
    """What is wrong with a field of a dialog."""
    return dialog.locator(".nbops-Field", has_text=name).locator(".nbops-Problem")


def test_a_schedule_is_saved_from_the_run_dialog_with_the_times_that_come_while_one_types(
    panel: Desk, pipes: Pipes, timed: str
) -> None:
    found = go(panel, timed)
    assert "It runs only when somebody runs it." in found.inner_text()
    found.get_by_role("button", name="Save as schedule…").click()
    dialog = panel.page.locator(DIALOG)
    dialog.get_by_text("Next: 20").wait_for()
    assert dialog.get_by_label("Time zone").input_value() == panel.page.evaluate(
        "Intl.DateTimeFormat().resolvedOptions().timeZone"
    )
    # What was released is what runs, unless somebody wants it otherwise.
    assert dialog.get_by_label("Release 1, the current one").is_checked()
    assert panel.violations(DIALOG) == []
    panel.shot("schedule-dialog")

    dialog.get_by_label("How often", exact=True).select_option("cron")
    dialog.get_by_label("Expression").fill("0 6 * *")
    problem(dialog, "Expression").get_by_text("has 4 fields, not five").wait_for()
    save = dialog.get_by_role("button", name="Save schedule")
    assert save.get_attribute("aria-disabled") == "true"
    dialog.get_by_label("Time zone").fill("Europe/Berlim")
    dialog.get_by_text("Did you mean 'Europe/Berlin'?").wait_for()
    panel.shot("schedule-dialog-mistakes")
    dialog.get_by_label("Time zone").fill("Europe/Berlin")
    dialog.get_by_label("How often", exact=True).select_option("weekdays")
    dialog.get_by_label("At", exact=True).fill("17:30")
    dialog.get_by_text("17:30, 20").wait_for()
    dialog.get_by_label("day", exact=True).fill("{dat}")
    dialog.get_by_text("stands for nothing").wait_for()
    dialog.get_by_label("day", exact=True).fill("{date}")
    dialog.get_by_label("depth", exact=True).fill("13")
    problem(dialog, "depth").wait_for()
    dialog.get_by_label("depth", exact=True).fill("7")
    dialog.locator("pre", has_text="-p depth 7 -p day '{date}'").wait_for()
    assert "--working-tree" not in dialog.locator("pre").inner_text()
    save.click()
    dialog.wait_for(state="detached")
    row = found.locator(".nbops-Chosen[aria-label=timed]")
    told = row.inner_text()
    assert "on weekdays at 17:30" in told
    assert "30 17 * * 1-5 (Europe/Berlin)" in told
    assert "the current release of timed, now 1" in told
    assert "Nothing has ever looked at what is due." in found.inner_text()
    spec = listing.get(pipes.here.store, "timed").spec
    assert (spec.working_tree, spec.parameters) == (False, {"depth": "7", "day": "{date}"})
    assert panel.errors == []


def test_a_notebook_is_scheduled_with_a_date_that_moves(panel: Desk, pipes: Pipes) -> None:
    notebook(pipes.folder / "dated.ipynb", ["from datetime import date\nday: date = date(2026, 1, 1)", "print(day)"])
    page = panel.page
    panel.do("nbops:run-notebook", path="pipes/dated.ipynb")
    dialog = page.locator(DIALOG)
    assert dialog.get_by_label("day", exact=True).get_attribute("type") == "date"
    dialog.get_by_label("Save as schedule").focus()
    page.keyboard.press("Space")
    dialog.get_by_label("How often", exact=True).select_option("hourly")
    dialog.get_by_label("At minute").fill("15")
    dialog.get_by_text(":15, 20").wait_for()
    dialog.get_by_label("day", exact=True).fill("tomorrow")
    problem(dialog, "day").wait_for()
    dialog.get_by_label("day", exact=True).fill("{date}")
    dialog.get_by_label("Name").fill("by the hour")
    # A notebook has no release: there is nothing to choose.
    assert dialog.get_by_label("The working tree").count() == 0
    dialog.locator("pre", has_text="nbops schedule add dated.ipynb --cron '15 * * * *'").wait_for()
    dialog.locator("pre", has_text="--name 'by the hour' -p day '{date}'").wait_for()
    dialog.get_by_label("day", exact=True).press("Enter")
    dialog.wait_for(state="detached")
    spec = listing.get(pipes.here.store, "by the hour").spec
    assert (spec.target, spec.cron, spec.parameters) == ("dated.ipynb", "15 * * * *", {"day": "{date}"})
    assert panel.errors == []


def test_a_schedule_is_run_paused_resumed_and_deleted_by_keyboard_on_the_pipelines_page(
    panel: Desk, pipes: Pipes, timed: str
) -> None:
    listing.put(
        pipes.here.store,
        "nightly-timed",
        Spec(target=timed, cron="0 3 * * *", working_tree=True, parameters={"depth": "9"}),
    )
    page = panel.page
    found = go(panel, timed)
    row = found.locator(".nbops-Chosen[aria-label=nightly-timed]")
    row.get_by_role("button", name="Pause…").focus()
    page.keyboard.press("Enter")
    dialog = page.locator(DIALOG)
    dialog.get_by_label("Until").fill("2999-01-01T12:00")
    dialog.locator("textarea").fill("the source moves")
    assert panel.violations(DIALOG) == []
    panel.shot("schedule-pause")
    dialog.get_by_role("button", name="Pause", exact=True).click()
    row.get_by_text("until 2999-01-01").wait_for()
    row.get_by_role("button", name="Resume schedule").focus()
    page.keyboard.press("Enter")
    row.get_by_role("button", name="Pause…").wait_for()

    row.get_by_role("button", name="Run now").click()
    # The source was not asked again, so nothing had to be healed.
    found.locator("header .nbops-mod-done").wait_for(timeout=90_000)
    assert (pipes.folder / "data" / timed / "model.txt").read_text() == "9 never"
    assert panel.violations(".nbops-Page") == []

    row.get_by_role("button", name="Delete…").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    row.wait_for(state="detached")
    acts = pipes.here.sql("select act, why from schedule_acts where until is not null or act = 'removed' order by time")
    assert acts["act"].tolist()[-2:] == ["paused", "removed"]
    assert acts["why"].tolist()[-2] == "the source moves"
    assert panel.errors == []


def test_the_health_of_the_healing_is_told_as_by_the_command(panel: Desk, pipes: Pipes, timed: str) -> None:
    healing = go(panel, timed).get_by_role("region", name="Healing").first
    told = healing.inner_text()
    assert "only by healing" in told
    assert "Chronic: collect was healed of transient in" in told
    cells = healing.locator("tbody tr").first.inner_text().split()
    assert cells[1:3] == ["collect", "transient"]
    assert cells[-1] == "yes"


def test_a_run_takes_parameters_by_step_and_a_release(panel: Desk, pipes: Pipes, timed: str) -> None:
    page = panel.page
    fill(
        pipes.folder / timed,
        train=[SETS[0].replace("depth: int = 4", "width: int = 2"), SETS[1].replace("depth", "width")],
    )
    found = go(panel, timed)
    found.get_by_role("button", name="Run…").click()
    dialog = page.locator(DIALOG)
    dialog.get_by_label("width", exact=True).wait_for()
    assert dialog.locator("h2").all_inner_texts() == ["collect", "train"]
    labels = dialog.locator(".nbops-Field > label").all_inner_texts()
    assert labels == ["rows", "width", "day"]
    assert "timed is not as it was released" in dialog.inner_text()
    dialog.get_by_label("Release 1, the current one").check()
    dialog.get_by_label("depth", exact=True).fill("11")
    dialog.get_by_label("Run even if").check()
    dialog.locator("pre", has_text="nbops run timed -p depth 11 --release current --force").wait_for()
    assert panel.violations(DIALOG) == []
    panel.shot("run-dialog")
    dialog.get_by_role("button", name="Run now").click()
    dialog.wait_for(state="detached")
    found.locator("header .nbops-mod-running").wait_for(timeout=60_000)
    found.locator("header .nbops-mod-healed, header .nbops-mod-done").first.wait_for(timeout=90_000)
    assert (pipes.folder / "data" / timed / "model.txt").read_text() == "11 never"
    assert panel.errors == []


def test_a_script_that_is_a_step_runs_from_the_file_browser(panel: Desk, pipes: Pipes) -> None:
    page = panel.page
    scripts = pipes.folder / "scripts"
    scripts.mkdir()
    (scripts / "clean.py").write_text('# %% tags=["parameters"]\nlimit: int = 3  # 1..9\n# %%\nprint(limit)\n')
    (scripts / "daily.sql").write_text("-- limit: int = 3\nselect 1\n")
    (scripts / "tools.py").write_text("def add(a, b):\n    return a + b\n")
    (scripts / "notes.txt").write_text("nothing to run")
    page.evaluate(
        "jupyterapp.commands.execute('filebrowser:go-to-path', {path: 'pipes/scripts', dontShowBrowser: false})"
    )
    entry = page.get_by_role("menuitem", name="Run as Step…")

    def menu(name: str) -> None:
        page.locator(f".jp-DirListing-item[title*='{name}']").click(button="right")
        page.locator(".lm-Menu").wait_for()

    menu("notes.txt")
    assert entry.count() == 0
    page.keyboard.press("Escape")
    menu("tools.py")
    entry.click()
    dialog = page.locator(DIALOG)
    dialog.get_by_text("tools.py is no step.").wait_for()
    page.keyboard.press("Escape")
    for name in ("daily.sql", "clean.py"):
        menu(name)
        entry.click()
        dialog.get_by_label("limit", exact=True).wait_for()
        if name == "daily.sql":
            page.keyboard.press("Escape")
    dialog.get_by_label("limit", exact=True).fill("5")
    dialog.get_by_role("button", name="Run now").click()
    page.locator(PAGE).locator("h1", has_text="clean.py").wait_for()
    page.locator(PAGE).locator(".nbops-mod-finished").first.wait_for(timeout=60_000)
    panel.do("nbops:open-panel")
    # Chromium tells of what was refused on purpose.
    assert [error for error in panel.errors if "400 (Bad Request)" not in error] == []


def test_schedules_and_dialogs_read_in_the_dark_and_in_a_narrow_window(panel: Desk, pipes: Pipes, timed: str) -> None:
    page = panel.page
    usual = page.viewport_size
    assert usual is not None
    for theme, width in (("Light", 1300), ("Dark", 800)):
        panel.do("apputils:change-theme", theme=f"JupyterLab {theme}")
        page.wait_for_selector(f"body[data-jp-theme-light={str(theme == 'Light').lower()}]", state="attached")
        page.set_viewport_size({"width": width, "height": 900})
        found = go(panel, timed)
        found.get_by_role("button", name="Save as schedule…").scroll_into_view_if_needed()
        assert panel.violations(".nbops-Page:not(.lm-mod-hidden)") == []
        assert found.evaluate("node => node.scrollWidth <= node.clientWidth")
        panel.shot(f"schedules-{theme.lower()}-{width}")
        found.get_by_role("button", name="Save as schedule…").click()
        dialog = page.locator(DIALOG)
        dialog.get_by_text("Next: 20").wait_for()
        assert panel.violations(DIALOG) == []
        assert dialog.evaluate("node => node.scrollWidth <= node.clientWidth")
        panel.shot(f"schedule-dialog-{theme.lower()}-{width}")
        page.keyboard.press("Escape")
        panel.leave()
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
