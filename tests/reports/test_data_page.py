"""The data of a project as a page: for people without nbops, without rows, without a script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from nbops.data.collecting import collect
from nbops.reports import data_page, index
from tests.conftest import Project
from tests.past import let_pass

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROWS = 3000
CONTRACT = "contract: flights\ncolumns:\n  id: {type: int}\n  origin: {in: [JFK, LGA]}\n  delay: {type: float, range: [0, 600]}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with a source that brought dirt and is late, one that was never collected, and one that is markup."""
    made = Project(tmp_path_factory.mktemp("page"))
    (made.folder / "sources").mkdir()
    (made.folder / "contracts").mkdir()
    (made.folder / "contracts" / "flights.yaml").write_text(CONTRACT)
    (made.folder / "sources" / "flights.yaml").write_text("from: flights.csv\nevery: 1d\nowner: <i>anna</i>\n")
    rows = [f"{n},{'secret' if n % 7 == 0 else 'JFK'},{n % 500}" for n in range(ROWS)]
    (made.folder / "flights.csv").write_text("\n".join(["id,origin,delay", *rows, ""]))
    store = made.store()
    collect(store, "flights")
    let_pass(made, 4)
    collect(store, "flights")
    (made.folder / "sources" / "weather.yaml").write_text("from: weather.csv\n")
    yield made
    made.close()


@pytest.fixture(scope="module")
def page(project: Project) -> str:
    return data_page.page(project.store())


def test_the_page_says_first_which_sources_need_a_look(page: str) -> None:
    said = "2 of 2 sources need a look: flights is 3 days late; weather was never collected."
    assert said in page
    assert page.index(said) < page.index("<table")


def test_the_page_shows_reasons_versions_and_values_but_no_row(page: str) -> None:
    for words in ("origin is one of JFK, LGA", f"{-(-ROWS // 7):,}", "Versions", "Values of version 1", "<svg"):
        assert words in page
    assert "secret" not in page


def test_the_page_runs_nothing_and_asks_nobody(page: str) -> None:
    assert page.index("Content-Security-Policy") < page.index("<title>")
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert "<i>anna" not in page
    assert len(page.encode()) < 50_000


def test_the_page_is_whole_or_not_at_all_and_the_index_lists_it(project: Project, tmp_path: Path) -> None:
    path = data_page.write(project.store(), tmp_path / "pages" / data_page.DEFAULT)
    assert [file.name for file in path.parent.iterdir()] == ["data.html"]
    data_page.write(project.store(), path)
    listed = index.listed(path.parent)
    assert [(one.title, one.status, one.run) for one in listed] == [
        (f"Data of {project.folder.name}", "needs a look", None)
    ]


def test_a_project_without_data_has_a_page_that_says_so(tmp_path: Path) -> None:
    made = Project(tmp_path / "empty")
    try:
        assert "No source of data is declared or collected yet." in data_page.page(made.store())
    finally:
        made.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_reader_sees_it_in_either_scheme_and_nothing_is_asked_for(
    browser: Browser, page: str, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    path = tmp_path / "data.html"
    path.write_text(page, encoding="utf-8")
    context = browser.new_context(color_scheme=scheme, viewport={"width": 700, "height": 900}, offline=True)
    asked: list[str] = []
    shown = context.new_page()
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto(path.as_uri())
    ground = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 200) == (scheme == "dark")
    assert shown.locator("section h2").all_inner_texts() == ["flights ▲\xa0late", "weather ▲\xa0never"]
    shown.get_by_role("link", name="weather").click()
    assert shown.locator("section:target h2").inner_text().startswith("weather")
    # What is too wide scrolls by itself, and the page does not.
    assert shown.evaluate("document.documentElement.scrollWidth") <= 700
    assert asked == [path.as_uri()]
    context.close()
