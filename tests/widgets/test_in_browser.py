"""The live forms in real front ends, operated in a real browser: a choice redraws, and a saved notebook shows it without its kernel."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import v4
from nbformat.reader import NotJSONError

from nbops.workspace._workspace import Workspace
from tests.conftest import wait_until

SCREENSHOTS = os.environ.get("SCREENSHOTS_OF_NBOPS", "")
"""A folder for pictures to look at; none are made without it."""
TOKEN = "views"  # noqa: S105 - of a server that lives for a test
PATHS = {"jupyterlab": "lab/tree", "notebook": "notebooks"}
"""The front ends, and where they open a notebook."""
RUNS = """\
import nbops
EVIL = "<img src=x onerror=window.pwned=1>"
runs = []
for depth, mae in ((2, 9.0), (4, 7.0), (8, 8.0)):
    with nbops.start_run("browser", name=f"depth {depth}", params={"depth": depth, EVIL: EVIL * depth}) as run:
        for step in range(6):
            run.log_metric("loss", mae / (step + 1), step)
        run.log_metric("mae", mae)
    runs.append(run)
nbops.compare(*runs)"""


@contextlib.contextmanager
def server(folder: Path, state: Path, application: str) -> Iterator[str]:
    """Where a front end serves the folder, knowing nothing of the user's own settings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"JUPYTER_{kind}_DIR": str(state / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    process = subprocess.Popen(
        [sys.executable, "-m", application, "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0",
         f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True",
         "--JupyterNotebookApp.expose_app_in_browser=True"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, **own, "JUPYTER_PREFER_ENV_PATH": "1", "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces")},
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"{address}/api", timeout=5).read())  # noqa: S310 - our own server
        return False

    try:
        wait_until(answers, 60)
        yield f"{address}/{PATHS[application]}"
    finally:
        process.terminate()
        process.wait(30)


def opened(browser: Any, address: str, name: str) -> Any:
    """The page of a notebook, with its kernel started; messages of the page's console are collected in `page.told`."""
    page = browser.new_page(viewport={"width": 1400, "height": 1300})
    page.told = []
    page.set_default_timeout(15_000)
    page.on("console", lambda message: page.told.append(message.text) if message.type == "error" else None)
    page.goto(f"{address}/{name}?reset&token={TOKEN}")
    settle(page)
    return page


def settle(page: Any) -> None:
    """Wait until the page is there, and its kernel."""
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60_000)
    # Cells that are run before the kernel is there make JupyterLab ask which one it should be.
    ready = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    page.wait_for_function(ready, timeout=60_000)
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.ready")


def picture(page: Any, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"))


def visible(page: Any, selector: str) -> Any:
    return page.locator(f".jp-OutputArea {selector}").filter(visible=True)


@pytest.mark.parametrize("application", ["jupyterlab", pytest.param("notebook", marks=pytest.mark.long)])
def test_a_choice_redraws_and_the_saved_notebook_shows_it_without_a_kernel(
    browser: Any, here: Workspace, tmp_path: Path, application: str
) -> None:
    file = here.project / f"{application}.ipynb"
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [v4.new_code_cell(RUNS), v4.new_code_cell("nbops.board()")]
    nbformat.write(v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec}), file)
    with server(here.project, tmp_path, application) as address:
        page = opened(browser, address, file.name)
        page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_selector(".jupyter-button:has-text('Refresh')", timeout=60_000)
        assert visible(page, "caption:has-text('Comparison of runs')").count() == 1, "the HTML beside it is hidden"
        picture(page, f"{application}-parallel")
        choose(page, "plot", "scatter")
        choose(page, "x", "params.depth")
        choose(page, "y", "metrics.mae")
        wait_until(lambda: visible(page, "svg[aria-label^='mae by depth'] circle").count() == 3)
        picture(page, f"{application}-scatter")
        choose(page, "plot", "curves by step")
        wait_until(lambda: visible(page, "svg[aria-label^=loss]").count() == 1)
        picture(page, f"{application}-curves")
        words = page.get_by_role("textbox", name="filter", exact=True)
        words.fill("nothing is called so")
        wait_until(lambda: visible(page, "td:has-text('no rows')").count() == 1)
        words.fill("")
        wait_until(lambda: visible(page, "td:has-text('finished')").count() >= 3)
        page.evaluate("void window.jupyterapp.commands.execute('docmanager:save')")
        wait_until(lambda: 'aria-label="loss' in saved(file))

        page.reload()
        settle(page)
        wait_until(lambda: visible(page, "svg[aria-label^=loss]").count() == 1)
        choose(page, "plot", "parallel coordinates")
        wait_until(lambda: visible(page, "svg[aria-label^=Parallel]").count() == 1)
        page.set_viewport_size({"width": 800, "height": 1300})
        wait_until(lambda: fits(visible(page, "svg[aria-label^=Parallel]"), 800))
        assert page.evaluate("window.pwned") is None
        assert page.told == []
        page.close()
    with server(here.project, tmp_path, application) as address:
        page = opened(browser, address, file.name)
        page.wait_for_selector("text=model not found", state="attached")
        assert visible(page, "svg[aria-label^=loss]").count() == 1
        assert visible(page, ":text('model not found')").count() == 0
        picture(page, f"{application}-without-kernel")
        page.close()


def choose(page: Any, control: str, option: str) -> None:
    page.get_by_label(control, exact=True).select_option(option)


def fits(drawing: Any, width: int) -> bool:
    """Whether a drawing shrinks with its place: nothing of it is beyond the page's edge."""
    box = drawing.bounding_box()
    return bool(box["x"] + box["width"] < width)


def saved(path: Path) -> str:
    """The HTML that a notebook keeps of its first cell; none while it is being written."""
    try:
        outputs = nbformat.read(path, as_version=4).cells[0].outputs
    except NotJSONError:
        return ""
    return "".join(output.data["text/html"] for output in outputs if "data" in output)
