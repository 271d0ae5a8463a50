"""Data that is collected with dirt and comes late is seen in the sidebar, and what is wrong with it on a page of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from nbops.data.collecting import collect
from nbops.errors import SourceError
from tests.conftest import Project
from tests.past import let_pass

from .conftest import Desk, Server, notebook, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CONTRACT = """
contract: flights
columns:
  id: {type: int, unique: true}
  origin: {in: [JFK, LGA, EWR]}
  delay: {type: float, range: [-60, 600]}
  note: {not_null: true}
rules:
  - row_count: {min: 10}
"""
PAGE = ".nbops-Page:visible"


def bring(project: Project, rows: int, dirt: int) -> None:
    """So many rows, the first of them dirty in two ways."""
    lines = [
        f"{n},{'<img src=x onerror=window.pwned=1>' if n < dirt else 'JFK'},{9999 if n < dirt // 2 else n % 300},seen"
        for n in range(rows)
    ]
    (project.folder / "flights.csv").write_text("\n".join(["id,origin,delay,note", *lines, ""]), encoding="utf-8")


@pytest.fixture(scope="module")
def supplies(server: Server) -> Iterator[Project]:
    """A project with a source that brought dirt and is late, one that is in time, one that fails, one never collected."""
    made = Project(server.root / "supplies")
    (made.folder / "nbops.toml").touch()
    for folder in ("sources", "contracts"):
        (made.folder / folder).mkdir()
    (made.folder / "contracts" / "flights.yaml").write_text(CONTRACT, encoding="utf-8")
    (made.folder / "sources" / "flights.yaml").write_text(
        "from: flights.csv\nevery: 1d\nowner: data team\nlicence: CC0-1.0\n", encoding="utf-8"
    )
    notebook(made.folder / "look.ipynb", ["limit: int = 3"])
    store = made.store()
    for dirt in (4, 0, 12, 30):
        bring(made, 900 + dirt, dirt)
        collect(store, "flights")
    let_pass(made, 3)
    collect(store, "flights")
    (made.folder / "airports.csv").write_text("code\nJFK\n", encoding="utf-8")
    (made.folder / "sources" / "airports.yaml").write_text("from: airports.csv\nevery: 30d\n", encoding="utf-8")
    collect(store, "airports")
    (made.folder / "sources" / "weather.yaml").write_text("from: weather-of-2026.csv\n", encoding="utf-8")
    with pytest.raises(SourceError):
        collect(store, "weather")
    (made.folder / "sources" / "stations.yaml").write_text("from: stations.csv\nevery: 1h\n", encoding="utf-8")
    yield made
    made.close()


def reach(desk: Desk, host: str = "lab") -> None:
    desk.open(getattr(desk.server, host)("supplies/look.ipynb"))
    desk.do("nbops:open-panel")
    desk.page.wait_for_selector("[data-nbops-data]")


@pytest.fixture(scope="module")
def opened(server: Server, supplies: Project, browser: Browser) -> Iterator[Desk]:
    """JupyterLab in that project, for all tests that do not need a page of their own."""
    with page_of(browser) as page:
        made = Desk(page, server)
        reach(made)
        yield made


@pytest.fixture
def panel(opened: Desk) -> Iterator[Desk]:
    """The same page, with nothing left of the test before."""
    yield opened
    opened.page.get_by_placeholder("Filter runs").fill("")
    opened.leave()


@pytest.mark.parametrize("host", ["lab", pytest.param("notebook7", marks=pytest.mark.long)])
def test_late_data_needs_somebody_who_sees_why_and_which_rows(desk: Desk, supplies: Project, host: str) -> None:
    reach(desk, host)
    page = desk.page
    needs = page.locator(".nbops-List", has_text="Needs you").locator(".nbops-Line")
    assert [text.strip() for text in needs.locator(".nbops-Line-sentence").all_inner_texts()] == [
        "weather failed: There is no file 'weather-of-2026.csv'.", "flights is 2 days late", "stations was never collected",
    ]  # fmt: skip
    if host == "lab":
        assert "3 need you" in page.locator(".nbops-StatusItem").inner_text()
    airports = page.locator("[data-nbops-data=airports]")
    assert "version 1" in airports.inner_text()
    assert "30 rows in quarantine" in page.locator("[data-nbops-data=flights]").inner_text()

    needs.nth(1).click()
    page.wait_for_selector(f"{PAGE} .nbops-Notice:has-text('flights is 2 days late.')")
    titles = page.locator(f"{PAGE} h2").all_inner_texts()
    assert titles == ["Contract", "Quarantine", "Versions", "Values of version 4", "Collections"]
    quarantine = page.locator(f"{PAGE} section", has=page.get_by_role("heading", name="Quarantine"))
    assert "30 rows set aside and open" in quarantine.inner_text()
    assert "origin is one of JFK, LGA, EWR" in quarantine.inner_text()
    assert "the first 20 of 30" in quarantine.inner_text()
    assert quarantine.locator("svg").count() == 2
    assert page.evaluate("window.pwned") is None
    assert desk.violations(".nbops-Page") == []
    assert desk.violations(".nbops-Panel") == []
    assert desk.errors == []
    assert desk.foreign == []


def test_data_is_filtered_like_runs_and_models(panel: Desk) -> None:
    page = panel.page
    page.get_by_placeholder("Filter runs").fill("air")
    page.wait_for_selector("[data-nbops-data=flights]", state="detached")
    assert page.locator("[data-nbops-data]").count() == 1
    page.get_by_placeholder("Filter runs").fill("zzz")
    page.wait_for_selector("text=No data matches “zzz”.")
    # Whom it concerns hears of it whatever is looked for.
    assert page.locator("[data-nbops-needs]").count() == 3


def test_what_was_never_collected_has_a_page_that_says_so(panel: Desk) -> None:
    panel.page.click("[data-nbops-data=stations]")
    panel.page.wait_for_selector(f"{PAGE} .nbops-Notice:has-text('stations was never collected.')")
    assert "every hour" in panel.page.locator(PAGE).inner_text()
    assert panel.violations(".nbops-Page") == []


def test_it_reads_in_the_dark_and_in_a_narrow_sidebar(panel: Desk) -> None:
    page = panel.page
    usual = page.viewport_size
    panel.do("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
    page.click("[data-nbops-data=flights]")
    page.wait_for_selector(f"{PAGE} h2:has-text('Quarantine')")
    page.set_viewport_size({"width": 800, "height": 900})
    sidebar = page.locator(".nbops-Panel")
    assert sidebar.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert sidebar.evaluate("node => node.clientWidth") <= 260
    assert panel.violations(".nbops-Page") == []
    assert panel.violations(".nbops-Panel") == []
    panel.do("apputils:change-theme", theme="JupyterLab Light")
    page.wait_for_selector("body[data-jp-theme-light=true]", state="attached")
    assert usual is not None
    page.set_viewport_size(usual)


def test_a_page_that_is_refreshed_has_what_was_collected_meanwhile(panel: Desk, supplies: Project) -> None:
    rows = supplies.folder / "carriers.csv"
    rows.write_text("code\nAA\n", encoding="utf-8")
    (supplies.folder / "sources" / "carriers.yaml").write_text("from: carriers.csv\n", encoding="utf-8")
    collect(supplies.store(), "carriers")
    panel.do("nbops:refresh")
    panel.page.click("[data-nbops-data=carriers]")
    panel.page.wait_for_selector(f"{PAGE} .nbops-Facts:has-text('version 1')")
    rows.write_text("code\nAA\nUA\n", encoding="utf-8")
    collect(supplies.store(), "carriers")
    panel.page.locator(PAGE).get_by_role("button", name="Refresh").click()
    panel.page.wait_for_selector(f"{PAGE} .nbops-Facts:has-text('version 2')")
    assert "+1" in panel.page.locator(PAGE).inner_text()


def test_the_page_is_there_again_after_a_reload(desk: Desk, supplies: Project) -> None:
    reach(desk)
    with desk.page.expect_response(lambda answer: "api/workspaces" in answer.url and answer.request.method == "PUT"):
        desk.do("nbops:open-data", name="airports", folder="supplies")
        desk.page.wait_for_selector(f"{PAGE} h1:has-text('airports')")
    desk.page.wait_for_timeout(1500)
    desk.open(f"{desk.server.base}lab")
    desk.page.wait_for_selector(".lm-TabBar-tab:has-text('airports')")
    desk.page.click(".lm-TabBar-tab:has-text('airports')")
    desk.page.wait_for_selector(f"{PAGE} h1:has-text('airports')")
