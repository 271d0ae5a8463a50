"""What somebody does with the pages, from the first click to the report, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import itertools

import pytest

from .conftest import Desk, Server

# Another one each time: what is compared is to differ, in whatever order the turns come.
DEPTHS = itertools.cycle(map(str, range(5, 13)))
RUN = ".nbops-Page:visible .nbops-Head"


def reach(desk: Desk, server: Server, host: str, notebook: str = "flights/train.ipynb") -> None:
    desk.open(getattr(server, host)(notebook))
    desk.do("nbops:open-panel")
    desk.page.wait_for_selector(".nbops-Line")


@pytest.mark.parametrize("turn", [0, *(pytest.param(turn, marks=pytest.mark.long) for turn in range(1, 20))])
@pytest.mark.parametrize("host", ["lab", pytest.param("notebook7", marks=pytest.mark.long)])
def test_a_notebook_is_run_watched_compared_and_read(desk: Desk, server: Server, host: str, turn: int) -> None:
    reach(desk, server, host)
    page = desk.page
    depth = next(DEPTHS)

    page.click("[data-jp-item-name=nbops-run] :is(button, jp-button)")
    page.get_by_label("depth", exact=True).fill("77")
    page.wait_for_selector(".nbops-Problem")
    refused = page.get_by_role("button", name="Run now")
    assert refused.get_attribute("aria-disabled") == "true"
    page.get_by_label("depth", exact=True).fill(depth)
    page.get_by_label("seconds", exact=True).fill("0.5")
    page.wait_for_selector(".nbops-Problem", state="detached")
    page.wait_for_selector(f".nbops-Command pre:has-text('-p depth {depth} -p seconds')")
    page.get_by_role("button", name="Run now").click()

    page.wait_for_selector(".nbops-Progress progress", timeout=60_000)
    page.wait_for_selector(f"{RUN} .nbops-mod-finished", timeout=60_000)
    line = page.locator(".nbops-Page:visible tr", has=page.get_by_role("rowheader", name="depth", exact=True))
    assert depth in line.locator(".nbops-mod-changed").inner_text()
    page.wait_for_selector("text=train.ipynb finished.")

    desk.do("nbops:run-notebook", path="flights/broken.ipynb")
    page.wait_for_selector(".nbops-Command pre:has-text('nbops run broken.ipynb')")
    page.get_by_label("Run even if nothing has changed").check()
    page.get_by_role("button", name="Run now").click()
    page.wait_for_selector(".nbops-Cause pre:visible:has-text('IndexError')", timeout=60_000)
    assert page.locator(f"{RUN} .nbops-mod-failed").count() == 1
    page.wait_for_selector("text=/broken.ipynb failed.*IndexError/")

    finished = [row["id"] for row in desk.runs() if row["status"] == "finished"]
    desk.do("nbops:compare", runs=finished[:2], folder="flights")
    page.wait_for_selector(".nbops-Cell:visible .nbops-mod-only")
    page.wait_for_selector(".nbops-Page:visible .nbops-mod-best")
    assert page.evaluate("window.pwned") is None

    page.click("[data-nbops-model='air-time']")
    page.wait_for_selector(".nbops-Page:visible th:has-text('Registered')")

    desk.do("nbops:render-report", id=finished[0], folder="flights")
    frame = page.wait_for_selector(".nbops-Frame:visible")
    assert frame is not None
    assert frame.get_attribute("sandbox") == ""
    assert "<script" not in (frame.get_attribute("srcdoc") or "<script").lower()

    assert desk.errors == []
    assert desk.foreign == []


def test_an_executed_notebook_opens_at_its_failure_without_a_kernel(lab: Desk, server: Server) -> None:
    server.nbops("run", "broken.ipynb", "-p", "limit", "4", check=False)
    page = lab.page
    lab.do("nbops:refresh")
    page.click(".nbops-Line:has-text('broken.ipynb') >> nth=0")
    page.get_by_role("button", name="Show the cell").click()
    page.wait_for_selector(".jp-NotebookPanel:visible .jp-mod-active.jp-CodeCell:has-text('about to fail')")
    page.wait_for_selector("text=notebook is read-only")
    # Nobody is asked to save it when it is closed.
    assert page.evaluate("jupyterapp.shell.currentWidget.context.model.dirty") is False
    assert [one["path"] for one in lab.ask("api/sessions") if one["path"].startswith("nbops:")] == []
    assert lab.errors == []


def test_an_executed_notebook_has_no_kernel_in_notebook_7(desk: Desk, server: Server) -> None:
    reach(desk, server, "notebook7")
    row = next(row for row in desk.runs() if row["status"] == "finished" and not row["is_sweep"])
    with desk.page.context.expect_page() as opened:
        desk.do("nbops:open-executed", id=row["id"], folder="flights")
    opened.value.wait_for_selector(".jp-OutputArea-output")
    opened.value.wait_for_selector("text=No Kernel")
    assert [one["path"] for one in desk.ask("api/sessions") if one["path"].startswith("nbops:")] == []


def test_views_are_there_again_after_a_reload(desk: Desk, server: Server) -> None:
    reach(desk, server, "lab")
    row = next(row for row in desk.runs() if row["status"] == "finished")
    desk.do("nbops:open-run", id=row["id"], folder="flights")
    desk.page.wait_for_selector(RUN)
    with desk.page.expect_response(lambda answer: "api/workspaces" in answer.url and answer.request.method == "PUT"):
        desk.do("nbops:open-executed", id=row["id"], folder="flights")
        desk.page.wait_for_selector(".jp-NotebookPanel:visible >> text=notebook is read-only")
    desk.page.wait_for_timeout(1500)
    desk.open(f"{server.base}lab")
    desk.page.wait_for_selector(f".lm-TabBar-tab:has-text('{row['short']}') >> nth=1")
    desk.page.click(f".lm-TabBar-tab:has-text('· {row['short']}')")
    desk.page.wait_for_selector(f"{RUN}:has-text('{row['short']}')")
    assert [one["path"] for one in desk.ask("api/sessions") if one["path"].startswith("nbops:")] == []


def test_a_run_is_stopped_and_run_again_with_its_values(lab: Desk) -> None:
    page = lab.page
    lab.do("nbops:run-notebook", path="flights/train.ipynb", texts={"seconds": "20", "depth": "7"})
    page.wait_for_selector(".nbops-Command pre:has-text('-p depth 7 -p seconds 20')")
    page.get_by_role("button", name="Run now").click()
    page.wait_for_selector(".nbops-Progress pre:has-text('step 0')", timeout=60_000)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.wait_for_selector(f"{RUN} .nbops-mod-stopped", timeout=30_000)
    page.wait_for_selector("text=train.ipynb was stopped.")
    page.get_by_role("button", name="Run again with changes…").click()
    page.wait_for_selector(".nbops-Command pre:has-text('-p depth 7')")
    assert page.get_by_label("depth", exact=True).input_value() == "7"
    assert lab.errors == []


def test_a_sweep_is_begun_with_several_values(lab: Desk) -> None:
    page = lab.page
    lab.do("nbops:run-notebook", path="flights/train.ipynb")
    page.get_by_label("Sweep: several values per parameter").check()
    page.get_by_label("depth", exact=True).fill("2, 3")
    page.wait_for_selector(".nbops-Command pre:has-text('nbops sweep train.ipynb --grid depth 2,3')")
    assert "2 runs" in page.locator(".nbops-Modal-foot").inner_text()
    page.get_by_role("button", name="Run sweep").click()
    page.wait_for_selector(f"{RUN} .nbops-mod-finished", timeout=90_000)
    assert page.locator(".nbops-Page:visible tbody .nbops-mod-finished").count() == 2
    assert lab.errors == []


def test_what_is_typed_is_data(lab: Desk, server: Server) -> None:
    page = lab.page
    told = "'); import os; os.system('touch evaluated') #\u2028\"\\"
    lab.do("nbops:run-notebook", path="flights/train.ipynb", texts={"title": told})
    page.wait_for_selector(".nbops-Command pre:has-text('-p title')")
    page.get_by_role("button", name="Run now").click()
    page.wait_for_selector(f"{RUN} .nbops-mod-finished", timeout=60_000)
    row = lab.runs()[0]
    params = {one["name"]: one["value"] for one in lab.ask(f"nbops/api/runs/{row['id']}?folder=flights")["params"]}
    assert params["title"] == told
    assert not (server.flights / "evaluated").exists()


def test_a_cell_is_tagged_from_the_dialog(lab: Desk, server: Server) -> None:
    from .conftest import notebook

    notebook(server.flights / "untagged.ipynb", ["rate = 0.1\nword = 'x'", "rate * 2"], tags=[])
    lab.do("docmanager:open", path="flights/untagged.ipynb")
    lab.page.wait_for_selector(".jp-NotebookPanel:visible .jp-CodeCell:has-text('rate * 2')")
    lab.do("nbops:run-notebook")
    lab.page.get_by_role("button", name="Tag that cell").click()
    lab.page.wait_for_selector(".nbops-Field:has-text('rate')")
    assert '"parameters"' in (server.flights / "untagged.ipynb").read_text(encoding="utf-8")
    assert lab.errors == []
