"""A model in use is in trouble: it is seen in the sidebar and on the model's page, and somebody sees to it without leaving JupyterLab."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest

from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.reports import weeks

from .conftest import TOKEN, Desk, Server, notebook, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

PAGE = ".nbops-Page:visible"
DIALOG = ".nbops-Modal"


class Ward(NamedTuple):
    """A project with a model whose incident `worse` is, and one that does well."""

    here: Workspace
    worse: str

    def trouble(self, name: str) -> str:
        """The incident of another model, which got worse in its fourth week."""
        self.here.register_model(self.here.model("air-time").version(1).run_id, name)
        for number, error in enumerate([8.1, 8.2, 8.0, 15.2, 15.6, 16.0]):
            weeks.keep(self.here.store, weeks.report(name, 1, number, weeks.Week(error)))
        return str(self.here.incidents(name)["incident_id"].item())

    def acts(self, incident: str) -> list[str]:
        """What was done about one, windows left out."""
        return [one.act for one in self.here.incident(incident).case.acts if one.act != "seen"]


@pytest.fixture(scope="module")
def ward(server: Server) -> Iterator[Ward]:
    made = Project(server.root / "ward")
    (made.folder / "nbops.toml").touch()
    notebook(made.folder / "look.ipynb", ["limit: int = 3"])
    here = Workspace(made.settings())
    one, _ = weeks.decayed(here)
    weeks.predicted(here, 9)
    weeks.well(here, one.run_id)
    found = here.incidents("air-time")
    yield Ward(here, str(found.loc[found["severity"] == "page", "incident_id"].iloc[0]))
    made.close()


@pytest.fixture(scope="module")
def opened(server: Server, ward: Ward, browser: Browser) -> Iterator[Desk]:
    """JupyterLab in that project, for all tests that do not need a page of their own."""
    with page_of(browser) as page:
        made = Desk(page, server)
        reach(made)
        yield made


@pytest.fixture
def panel(opened: Desk) -> Iterator[Desk]:
    """The same page, with nothing left of the test before."""
    yield opened
    opened.leave()


def reach(desk: Desk, host: str = "lab") -> None:
    desk.open(getattr(desk.server, host)("ward/look.ipynb"))
    desk.do("nbops:open-panel")
    desk.page.wait_for_selector("[data-nbops-model]")


def answer(desk: Desk, deed: str, reason: str) -> Locator:
    """Press the button of what is done, say why, and send it; gives the dialog."""
    desk.page.locator(PAGE).get_by_role("button", name=f"{deed}…").click()
    dialog = desk.page.locator(DIALOG)
    dialog.locator("textarea").fill(reason)
    dialog.get_by_role("button", name=deed, exact=True).click()
    return dialog


def test_a_model_in_trouble_is_seen_with_its_course_its_columns_and_its_incidents(panel: Desk, ward: Ward) -> None:
    page = panel.page
    lines = {name: page.locator(f"[data-nbops-model={name}]").inner_text() for name in ("air-time", "ferry")}
    assert "in trouble" in lines["air-time"]
    assert "healthy" in lines["ferry"]
    page.click("[data-nbops-model=air-time]")
    part = page.locator(f"{PAGE} section", has=page.get_by_role("heading", name="Monitoring", exact=True))
    part.locator("svg").nth(2).wait_for()
    told = part.inner_text()
    assert "in trouble" in told
    assert "Since 9 February 2026 version 1 is worse than allowed: its average error was 17.0 min" in told
    assert "Data up to 15 March 2026; looked at on" in told
    course, heat = (part.locator("svg").nth(place).text_content() or "" for place in (0, 1))
    for word in ("measured", "promised", "allowed", "incident since 9 Feb"):
        assert word in course
    assert "wind" in heat

    choice = part.get_by_label("Column", exact=True)
    assert choice.evaluate("node => node.selectedOptions[0].text") == "wind (moved)"
    assert "wind has moved: PSI 0.80." in told
    choice.select_option("distance")
    part.get_by_text("distance is as it was: PSI 0.01.").wait_for()
    assert page.evaluate("window.pwned") is None
    assert panel.violations(".nbops-Page") == []
    assert panel.violations(".nbops-Panel") == []

    part.get_by_role("button", name=ward.worse[-8:]).click()
    page.wait_for_selector(f"{PAGE} h1:has-text('air-time, performance: mae')")
    assert panel.errors == []
    assert panel.foreign == []


def test_the_page_that_the_model_links_to_is_read_without_scripts(panel: Desk, browser: Browser) -> None:
    panel.page.click("[data-nbops-model=air-time]")
    link = panel.page.locator(PAGE).get_by_role("link", name="As a page of its own, with everything")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{link.get_attribute('href')}&token={TOKEN}")
    assert "Since 9 February 2026 version 1 is worse than allowed" in page.inner_text("body")
    assert page.locator("svg").count() >= 3
    # A browser asks for a site's picture by itself.
    places = {url.partition("?")[0].removeprefix(panel.server.base) for url in asked}
    assert places <= {"nbops/monitoring/air-time", "favicon.ico"}
    context.close()


def test_it_reads_in_the_dark_and_in_a_narrow_window(panel: Desk, ward: Ward) -> None:
    page = panel.page
    usual = page.viewport_size
    assert usual is not None
    panel.do("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
    page.set_viewport_size({"width": 800, "height": 900})
    sidebar = page.locator(".nbops-Panel")
    assert sidebar.evaluate("node => node.scrollWidth <= node.clientWidth")
    for selector in ("[data-nbops-model=air-time]", f"[data-nbops-incident='{ward.worse}']"):
        page.click(selector)
        page.wait_for_selector(f"{PAGE} .nbops-Tables")
        assert panel.violations(".nbops-Page:not(.lm-mod-hidden)") == []
    assert panel.violations(".nbops-Panel") == []
    panel.do("apputils:change-theme", theme="JupyterLab Light")
    page.wait_for_selector("body[data-jp-theme-light=true]", state="attached")
    page.set_viewport_size(usual)


def test_an_incident_is_reached_by_keyboard_and_becomes_a_notebook_that_runs(panel: Desk, ward: Ward) -> None:
    page = panel.page
    page.get_by_placeholder("Filter runs").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    focused = page.evaluate("document.activeElement.dataset.nbopsIncident")
    assert focused == ward.worse
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{PAGE} h1:has-text('Incident')")
    investigate = page.locator(PAGE).get_by_role("button", name="Investigate")
    investigate.focus()
    page.keyboard.press("Enter")
    path = f"ward/investigations/air-time-{ward.worse[-8:]}-2026-03-09.ipynb"
    sheet = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")
    sheet.locator("h1", has_text="What is wrong with").wait_for()
    sheet.locator(".jp-OutputArea-output", has_text="1,000 rows, 980 with a label").first.wait_for(timeout=60_000)
    assert page.evaluate("jupyterapp.shell.currentWidget.context.path") == path
    assert sheet.locator(".jp-OutputArea-output[data-mime-type*=error]").count() == 0
    page.evaluate("jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
    page.evaluate("jupyterapp.commands.execute('docmanager:save').then(() => jupyterapp.shell.currentWidget.close())")
    assert panel.errors == []


@pytest.mark.parametrize("host", ["lab", pytest.param("notebook7", marks=pytest.mark.long)])
def test_somebody_sees_to_an_incident_mutes_it_is_told_again_and_closes_it(desk: Desk, ward: Ward, host: str) -> None:
    key = ward.trouble(f"bus-{host}")
    reach(desk, host)
    page, dialog = desk.page, desk.page.locator(DIALOG)
    line, count = page.locator(f"[data-nbops-incident='{key}']"), page.locator(".nbops-List", has_text="Needs you")
    assert f"bus-{host} since 26 January 2026: MAE 16.0 min" in line.inner_text()
    before = int(count.locator(".nbops-Count").inner_text())
    line.click()
    page.wait_for_selector(f"{PAGE} h1:has-text('bus-{host}, performance: mae')")
    assert desk.violations(".nbops-Page") == []
    # What one is going to do may be said, and need not be.
    answer(desk, "Acknowledge", "").wait_for(state="detached")
    line.get_by_text("sees to it").wait_for()

    answer(desk, "Mute", "the feed is <i>repaired</i> today").wait_for(state="detached")
    line.wait_for(state="detached")
    page.wait_for_selector(f".nbops-Count.nbops-mod-urgent:text-is('{before - 1}')")
    answer(desk, "Unmute", "").wait_for(state="detached")
    line.wait_for()

    assert desk.errors == []
    page.locator(PAGE).get_by_role("button", name="Mute…").click()
    page.get_by_label("Up to the end of").fill(f"{datetime.now(UTC) - timedelta(days=2):%Y-%m-%d}")
    page.get_by_label("Why nobody needs to hear of it").fill("it is known")
    dialog.get_by_role("button", name="Mute", exact=True).click()
    dialog.get_by_role("alert").get_by_text("A mute needs an end that is still to come.").wait_for()
    assert page.get_by_label("Why nobody needs to hear of it").input_value() == "it is known"
    # The browser tells of every answer that refuses.
    assert len(desk.errors) == 1
    desk.errors.clear()
    assert desk.violations(DIALOG) == []
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")

    page.locator(PAGE).get_by_role("button", name="Close…").click()
    close = dialog.get_by_role("button", name="Close", exact=True)
    assert close.get_attribute("aria-disabled") == "true"
    assert dialog.get_by_text("A reason is needed.").is_visible()
    page.get_by_label("Why it is over").fill("trained anew")
    close.click()
    page.wait_for_selector(f"{PAGE} .nbops-Facts:has-text('closed')")
    assert "the feed is <i>repaired</i> today" in page.locator(PAGE).inner_text()
    assert page.locator(PAGE).get_by_role("button", name="Mute…").count() == 0
    line.wait_for(state="detached")
    page.wait_for_selector(f"[data-nbops-model=bus-{host}]:has-text('healthy')")
    assert ward.acts(key) == ["opened", "acknowledged", "muted", "unmuted", "closed"]
    assert desk.errors == []
    assert desk.foreign == []
