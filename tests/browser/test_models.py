"""A version is proposed, needs somebody, is approved with a reason, and taken back; and a review's page without the notebook interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest

from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.versions import register

from .conftest import TOKEN, Desk, Server, notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = ".nbops-Page:visible"
DIALOG = ".nbops-Modal"


class Court(NamedTuple):
    """A project with a champion and a better version, and a review that its author may not approve."""

    here: Workspace
    strict: str


@pytest.fixture(scope="module")
def court(server: Server) -> Iterator[Court]:
    made = Project(server.root / "court")
    (made.folder / "nbops.toml").touch()
    notebook(made.folder / "look.ipynb", ["limit: int = 3"])
    here = Workspace(made.settings())
    register(here, "times", "a").propose(reason="the first").approve(reason="there was none")
    register(here, "times", "a", "b")
    strict = register(here, "strict", "a", "b")
    here.model("strict").describe(policy="four-eyes")
    yield Court(here, strict.propose(reason="both are <i>known</i>").review_id)
    made.close()


def reach(desk: Desk, host: str = "lab") -> None:
    desk.open(getattr(desk.server, host)("court/look.ipynb"))
    desk.do("nbops:open-panel")
    desk.page.wait_for_selector("[data-nbops-model]")


def tell_a_refusal(desk: Desk, court: Court) -> None:
    """What the policy forbids is told beside the reason that was typed; in a page that is open, as opening one takes longest."""
    page = desk.page
    desk.do("nbops:decide", id=court.strict, act="approve", folder="court")
    reason = page.get_by_label("Why it is good enough")
    reason.fill("I made it myself")
    page.locator(DIALOG).get_by_role("button", name="Approve", exact=True).click()
    told = page.locator(f"{DIALOG} [role=alert]")
    told.get_by_text("its policy wants somebody else to approve").wait_for(timeout=60_000)
    assert "nbops reviews show" in told.inner_text()
    assert reason.input_value() == "I made it myself"
    assert court.here.model("strict").aliases == {}
    assert desk.violations(DIALOG) == []


@pytest.mark.parametrize("host", ["lab", pytest.param("notebook7", marks=pytest.mark.long)])
def test_a_version_is_proposed_seen_approved_and_rolled_back_and_a_refusal_told(
    desk: Desk, court: Court, host: str
) -> None:
    reach(desk, host)
    page = desk.page
    times = page.locator("[data-nbops-model=times]")
    assert "champion 1" in times.inner_text()
    times.click()
    page.wait_for_selector(f"{PAGE} .nbops-Tables:has-text('times/1 on 600 rows')")
    page.locator(PAGE).get_by_label("Version", exact=True).select_option("2")
    page.wait_for_selector(f"{PAGE} .nbops-Tables:has-text('times/2 on 600 rows')")
    assert desk.violations(".nbops-Page") == []

    page.get_by_role("button", name="Propose a version…").click()
    page.wait_for_selector(f"{DIALOG} .nbops-Gate li:has-text('on the same 600 rows')", timeout=60_000)
    submit = page.locator(DIALOG).get_by_role("button", name="Propose", exact=True)
    assert submit.get_attribute("aria-disabled") == "true"
    page.get_by_label("What gets better").fill("b is known now")
    assert desk.violations(DIALOG) == []
    submit.click()
    page.wait_for_selector(f"{PAGE} h1:has-text('times version 2 for champion')", timeout=60_000)

    needs = page.locator(".nbops-List", has_text="Needs you")
    line = needs.locator("[data-nbops-review]", has_text="times/2 is proposed for champion by")
    line.wait_for()
    if host == "lab":
        assert "2 need you" in page.locator(".nbops-StatusItem").inner_text()
    line.click()
    page.locator(PAGE).get_by_role("button", name="Approve…").click()
    page.get_by_label("Why it is good enough").fill("better on all days")
    page.locator(DIALOG).get_by_role("button", name="Approve", exact=True).click()
    page.wait_for_selector(f"{PAGE} .nbops-Facts:has-text('approved')", timeout=60_000)
    assert "better on all days" in page.locator(PAGE).inner_text()
    page.wait_for_selector("[data-nbops-model=times]:has-text('champion 2')")
    line.wait_for(state="detached")
    assert desk.violations(".nbops-Page:not(.lm-mod-hidden)") == []

    desk.do("nbops:rollback", name="times", folder="court")
    page.wait_for_selector(f"{DIALOG}:has-text('It goes back to version 1, at once.')")
    page.get_by_label("What went wrong").fill("too little since Monday")
    page.locator(DIALOG).get_by_role("button", name="Roll back", exact=True).click()
    page.wait_for_selector("[data-nbops-model=times]:has-text('champion 1')")
    times.click()
    history = page.locator(f"{PAGE} section", has=page.get_by_role("heading", name="History of its aliases"))
    history.get_by_text("too little since Monday").first.wait_for()
    assert desk.errors == []
    tell_a_refusal(desk, court)
    assert desk.foreign == []


def test_a_review_is_answered_at_its_own_address_without_scripts(
    browser: Browser, server: Server, court: Court
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.base}nbops/reviews/{court.strict}?folder=court&token={TOKEN}")
    assert "both are <i>known</i>" in page.inner_text("main")
    page.get_by_label("Why, for those").fill("I made it myself")
    page.get_by_role("button", name="Approve").click()
    page.wait_for_selector("[role=alert]:has-text('wants somebody else')")
    assert page.get_by_label("Why, for those").input_value() == "I made it myself"
    page.get_by_label("Why, for those").fill("not before May")
    page.get_by_role("button", name="Reject").click()
    page.wait_for_selector("main:has-text('not before May')")
    assert page.locator("form").count() == 0
    assert page.url == f"{server.base}nbops/reviews/{court.strict}?folder=court"
    assert court.here.review(court.strict).status == "rejected"
    # A browser asks for a site's picture by itself.
    assert {url.partition("?")[0] for url in asked} <= {
        f"{server.base}nbops/reviews/{court.strict}",
        f"{server.base}favicon.ico",
    }
    context.close()
