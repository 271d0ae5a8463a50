"""A review's page at its own address: read and answered by a plain form, as a browser without scripts does it."""

from __future__ import annotations

import http.client
import re
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest

from nbops.workspace._review import Review
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.jupyter_ext.conftest import TOKEN, Answer, Server
from tests.versions import register


class Browser:
    """What a browser without scripts keeps: cookies, and nothing else."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> Answer:
        """Get a page, or send a form."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=150)
        headers |= {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = None if fields is None else urlencode(fields)
        if body is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("GET" if fields is None else "POST", path, body, headers)
        response = connection.getresponse()
        text = response.read().decode()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        connection.close()
        return Answer(response.status, text, dict(response.getheaders()))

    def fields(self, page: str) -> dict[str, str]:
        """What the form on a page sends along unseen."""
        return {
            name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)
        }


@pytest.fixture(scope="module")
def here(project: Project) -> Workspace:
    return Workspace(project.settings())


@pytest.fixture
def review(here: Workspace, request: pytest.FixtureRequest) -> Review:
    """An open review of a model of the test's own."""
    return register(here, f"m{abs(hash(request.node.name))}", "a", "b").propose(reason="the <script>first</script>")


@pytest.fixture
def browser(server: Server) -> Browser:
    """One that is logged in."""
    made = Browser(server)
    assert made.ask(f"/api/status?token={TOKEN}").status == 200
    return made


def address(review: Review) -> str:
    return f"/nbops/reviews/{review.review_id}"


def test_a_review_is_read_and_approved_without_scripts(browser: Browser, review: Review) -> None:
    page = browser.ask(address(review))
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert "script" not in page.headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"):
        assert rule in page.headers["Content-Security-Policy"]
    assert "<script" not in page.body
    assert "the &lt;script&gt;first&lt;/script&gt;" in page.body
    assert re.findall(r'name="act" value="([\w ]+)"', page.body) == ["approve", "reject", "send back", "withdraw"]

    sent = browser.ask(address(review), {**browser.fields(page.body), "act": "approve", "reason": "seen, it's fine"})
    assert (sent.status, sent.headers["Location"]) == (303, "?folder=")
    assert review.status == "approved"
    after = browser.ask(f"{address(review)}?folder=")
    assert "seen, it's fine" in unescape(after.body)
    assert "<form" not in after.body


@pytest.mark.parametrize("act", ["reject", "send back"])
def test_a_review_is_rejected_or_sent_back(browser: Browser, review: Review, act: str) -> None:
    # Its last digits are what people read to each other.
    page = browser.ask(f"/nbops/reviews/{review.id}")
    fields = {**browser.fields(page.body), "act": act, "reason": "since when?"}
    assert browser.ask(f"/nbops/reviews/{review.id}", fields).status == 303
    assert review.status == {"reject": "rejected", "send back": "sent back"}[act]


def test_a_form_with_another_token_changes_nothing(browser: Browser, review: Review) -> None:
    page = browser.ask(address(review))
    right = {**browser.fields(page.body), "act": "approve", "reason": "from elsewhere"}
    for wrong in ({**right, "_xsrf": "2|0|0|0"}, {name: text for name, text in right.items() if name != "_xsrf"}):
        answer = browser.ask(address(review), wrong)
        assert answer.status == 403
        assert "reload the page" in answer.body
    assert browser.ask(address(review), right, Origin="https://elsewhere.example").status in {403, 404}
    assert review.status == "open"
    assert len(review.case.deeds) == 1


def test_nobody_reads_or_answers_who_is_not_logged_in(server: Server, review: Review) -> None:
    stranger = Browser(server)
    asked = stranger.ask(address(review))
    assert asked.status == 302
    assert "/login" in asked.headers["Location"]
    assert stranger.ask(address(review), {"act": "approve", "reason": "mine"}).status == 403
    assert review.status == "open"


READERS = """
from jupyter_server.auth import Authorizer

class Readers(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return action != "write"

c.ServerApp.authorizer_class = Readers
"""


def test_who_may_not_decide_reads_and_finds_no_form(project: Project, review: Review, tmp_path: Path) -> None:
    (tmp_path / "jupyter_config_dir").mkdir()
    (tmp_path / "jupyter_config_dir" / "jupyter_server_config.py").write_text(READERS)
    server = Server(project, tmp_path)
    reader = Browser(server)
    page = reader.ask(f"{address(review)}?token={TOKEN}")
    assert page.status == 200
    assert "<form" not in page.body
    answer = {"act": "reject", "reason": "I may not"}
    assert server.ask("GET", f"reviews/{review.review_id}").status == 200
    assert server.ask("POST", f"reviews/{review.review_id}/acts", answer).status == 403
    sent = reader.ask(f"{address(review)}?token={TOKEN}", answer)
    assert sent.status == 403
    assert "You may not do this here." in sent.body
    server.close()
    assert len(review.case.deeds) == 1


def test_what_is_not_taken_is_told_on_the_page_with_what_was_typed(
    browser: Browser, review: Review, here: Workspace
) -> None:
    here.model(review.case.model).describe(policy="four-eyes")
    page = browser.ask(address(review))
    fields = browser.fields(page.body)
    lacking = browser.ask(address(review), {**fields, "act": "approve", "reason": "  "})
    assert lacking.status == 400
    assert "A reason is needed." in lacking.body
    refused = browser.ask(address(review), {**fields, "act": "approve", "reason": "</textarea>mine"})
    assert refused.status == 403
    assert "its policy wants somebody else to approve" in refused.body
    assert "&lt;/textarea&gt;mine</textarea>" in refused.body
    unpressed = browser.ask(address(review), {**fields, "reason": "no button"})
    assert unpressed.status == 400
    assert "No button was pressed." in unpressed.body
    review.withdraw(reason="only a trial")
    late = browser.ask(address(review), {**fields, "act": "reject", "reason": "too late"})
    assert late.status == 409
    assert "The review is withdrawn." in late.body
    assert "<form" not in late.body


def test_a_review_that_there_is_not_is_told(browser: Browser) -> None:
    answer = browser.ask("/nbops/reviews/ffffffff")
    assert answer.status == 404
    assert "There is no review" in answer.body
