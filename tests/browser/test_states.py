"""What the pages show when there is nothing, not yet, or no answer; that they are reached by keyboard and read by screen readers."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Desk, Server

BUSY = '{"message": "The store is held by process 4242.", "hint": "Close it.", "code": "store.unavailable.held"}'
FORBIDDEN = '{"message": "You may not do this here.", "hint": "Ask.", "code": "forbidden"}'


def reach(desk: Desk, server: Server) -> None:
    desk.open(server.lab())
    desk.do("nbops:open-panel")
    desk.page.wait_for_selector(".nbops-Line")


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        pytest.param(503, BUSY, "The store is busy.", id="store busy"),
        pytest.param(403, FORBIDDEN, "You may not see or do this.", id="forbidden"),
        pytest.param(404, "<html>no such page</html>", "pip install nbops", id="extension missing"),
        pytest.param(200, '{"nbops": "9.0", "protocol": 9}', "of different versions", id="version mismatch"),
        pytest.param(0, "", "does not answer", id="offline"),
    ],
)
def test_a_problem_is_told_and_what_was_known_stays(lab: Desk, status: int, body: str, told: str) -> None:
    page = lab.page

    def answer(route: Any) -> None:
        if status:
            route.fulfill(status=status, body=body, content_type="application/json")
        else:
            route.abort()

    page.route("**/nbops/api/**", answer)
    # After a busy store the version is not asked again; after all others it is.
    lab.do("nbops:refresh")
    if told == "of different versions":
        page.unroute("**/nbops/api/**")
        page.route("**/nbops/api/board**", lambda route: route.abort())
        lab.do("nbops:refresh")
        page.wait_for_selector(".nbops-Notice:has-text('does not answer')")
        page.route("**/nbops/api/version**", answer)
        lab.do("nbops:refresh")
    page.wait_for_selector(f".nbops-Panel .nbops-Notice:has-text('{told}')")
    assert page.locator(".nbops-Line").count() > 0
    assert lab.violations(".nbops-Panel") == []
    page.unroute_all()
    lab.do("nbops:refresh")
    page.wait_for_selector(".nbops-Panel .nbops-Notice", state="detached")


def test_pages_are_loaded_when_the_first_is_opened_and_a_file_that_is_gone_is_told(desk: Desk, server: Server) -> None:
    asked: list[str] = []
    desk.page.on("request", lambda request: asked.append(request.url) if "/pages." in request.url else None)
    reach(desk, server)
    (run, *_) = desk.runs()
    assert asked == []
    desk.page.route("**/pages.*.js*", lambda route: route.abort())
    desk.do("nbops:open-run", id=run["id"], folder="flights")
    desk.page.locator(".jp-Notification-List, .Toastify").get_by_text("could not be loaded").first.wait_for()
    assert desk.page.locator(".nbops-Page").count() == 0
    desk.page.unroute_all()
    desk.do("nbops:open-run", id=run["id"], folder="flights")
    desk.page.locator(".nbops-Page h1").wait_for()
    assert len(asked) == 2


def test_where_nothing_ran_an_example_is_offered(desk: Desk, server: Server) -> None:
    from .conftest import notebook

    (server.root / "fresh").mkdir(exist_ok=True)
    (server.root / "fresh" / "nbops.toml").touch()
    notebook(server.root / "fresh" / "new.ipynb", [""], tags=[])
    desk.open(server.lab("fresh/new.ipynb"))
    desk.do("nbops:open-panel")
    desk.page.get_by_role("button", name="Insert an example").click()
    desk.page.wait_for_selector(".jp-CodeCell:has-text('nbops.start_run')")
    assert not (server.root / "fresh" / ".nbops").exists()


def test_an_empty_filter_says_so(lab: Desk) -> None:
    lab.page.fill(".nbops-Filter", "nothing like this")
    lab.page.wait_for_selector("text=No run matches “nothing like this”.")
    lab.page.fill(".nbops-Filter", "")
    lab.page.wait_for_selector("[data-nbops-run]")


def test_what_is_looked_for_while_an_answer_is_on_its_way_is_found_soon(lab: Desk) -> None:
    page = lab.page
    page.evaluate("""() => {
        const real = window.fetch;
        const late = (...words) => new Promise(done => setTimeout(() => done(real(...words)), 1500));
        window.fetch = (...words) => { window.fetch = real; return late(...words); };
    }""")
    lab.do("nbops:refresh")
    page.fill(".nbops-Filter", "nothing like this")
    # The next regular look would come after ten seconds.
    page.wait_for_selector("text=No run matches “nothing like this”.", timeout=6_000)
    page.fill(".nbops-Filter", "")
    page.wait_for_selector("[data-nbops-run]")


def test_loading_is_shown_once_it_takes_long(desk: Desk, server: Server) -> None:
    desk.page.route("**/nbops/api/board**", lambda _: None)
    desk.open(server.lab())
    desk.do("nbops:open-panel")
    desk.page.wait_for_selector(".nbops-Panel-content[aria-busy=true] .nbops-Skeleton")


def test_nothing_is_asked_while_the_page_is_hidden(lab: Desk) -> None:
    page = lab.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/nbops/api/" in request.url else None)
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true})")
    page.evaluate("window.away = true; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(500)
    asked.clear()
    lab.do("nbops:refresh")
    page.wait_for_timeout(1500)
    assert asked == []
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(1500)
    assert asked != []
    page.evaluate("delete document.hidden")


def test_lines_are_reached_by_arrow_keys_and_opened_by_enter(lab: Desk) -> None:
    page = lab.page
    page.focus(".nbops-Filter")
    # Past the heading of the first list.
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    chosen = page.evaluate("document.activeElement.dataset.nbopsRun")
    assert chosen
    page.keyboard.press("Enter")
    page.wait_for_selector(f".nbops-Page:visible .nbops-Head:has-text('{chosen[-8:]}')")


def test_a_dialog_begins_in_its_first_field_and_gives_the_focus_back(lab: Desk) -> None:
    page = lab.page
    page.focus(".nbops-Filter")
    lab.do("nbops:run-notebook", path="flights/train.ipynb")
    page.wait_for_selector(".nbops-Field input:focus")
    page.keyboard.press("Escape")
    page.wait_for_selector(".nbops-Modal", state="detached")
    assert page.evaluate("document.activeElement.classList.contains('nbops-Filter')")


@pytest.mark.parametrize(
    "theme",
    [
        "JupyterLab Light",
        *(pytest.param(f"JupyterLab Dark{more}", marks=pytest.mark.long) for more in ("", " High Contrast")),
    ],
)
def test_nothing_of_ours_is_hard_to_reach_or_to_read(desk: Desk, server: Server, theme: str) -> None:
    server.nbops("run", "broken.ipynb", "-p", "limit", "2", check=False)
    reach(desk, server)
    page = desk.page
    page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
    found = desk.violations(".nbops-Panel")
    rows = desk.runs()
    finished = [row["id"] for row in rows if row["status"] == "finished"]
    failed = next(row["id"] for row in rows if row["status"] == "failed")
    for command, arguments in (
        ("nbops:open-run", {"id": finished[0]}),
        ("nbops:open-run", {"id": failed}),
        ("nbops:compare", {"runs": finished[:2]}),
        ("nbops:open-model", {"name": "air-time"}),
        ("nbops:render-report", {"id": finished[0]}),
    ):
        desk.do(command, folder="flights", **arguments)
        page.wait_for_selector(".nbops-Page:visible :is(.nbops-Section, .nbops-Frame, .nbops-Cause)")
        page.evaluate(
            "document.querySelectorAll('.nbops-looked').forEach(node => node.classList.remove('nbops-looked'))"
        )
        page.locator(".nbops-Page:visible").evaluate("node => node.classList.add('nbops-looked')")
        found += desk.violations(".nbops-looked")
    desk.do("nbops:run-notebook", path="flights/train.ipynb", texts={"depth": "99"})
    page.wait_for_selector(".nbops-Problem")
    found += desk.violations(".nbops-Modal")
    page.keyboard.press("Escape")
    desk.do("nbops:compare", folder="flights")
    page.wait_for_selector(".nbops-Choice")
    found += desk.violations(".nbops-Modal")
    assert found == []


def test_every_command_says_what_it_takes(lab: Desk) -> None:
    described = lab.page.evaluate(
        """async () => Object.fromEntries(await Promise.all(
            jupyterapp.commands.listCommands().filter(id => id.startsWith('nbops:'))
                .map(async id => [id, (await jupyterapp.commands.describedBy(id)).args])))"""
    )
    assert len(described) == 26
    assert [name for name, schema in described.items() if not schema or schema.get("type") != "object"] == []
