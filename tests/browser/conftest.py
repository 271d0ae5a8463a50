"""A Jupyter server of its own on a folder with real runs, and Debian's Chromium before it; skipped where one of them is absent."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from nbformat import v4, write
from sklearn.dummy import DummyRegressor

from nbops import config
from nbops.execution.kernels import servers
from nbops.store.places import Places
from nbops.workspace._workspace import Workspace
from tests.warm import Forge, proven, quickly_proven, warm

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["BROKEN", "TOKEN", "TRAIN", "Desk", "Server", "notebook", "page_of", "proven", "warm"]

TOKEN = "only-for-tests"  # noqa: S105 - of a server that lives for a minute
TRAIN = [
    "# How long will this flight be in the air?",
    """from typing import Literal
alpha: float = 0.5  # 0..1 how much to shrink
depth: int = 4  # 1..12
kind: Literal["ridge", "forest"] = "ridge"  # which estimator
quick: bool = True  # leave out the slow part
title: str = "air time"
seconds: float = 0.0""",
    """import nbops, time
run = nbops.start_run()
for step in range(5):
    run.log_metric("mae", 9 - depth * 0.3 + (1 - alpha) ** step, step=step)
    print("step", step)
    time.sleep(seconds)""",
    """from IPython.display import HTML, display
display(HTML(f"<b>depth {depth}</b><img src=x onerror='window.pwned = 1'><script>window.pwned = 1</script>"))""",
]
BROKEN = ["limit: int = 3", "rows = list(range(limit))", "print('about to fail')\nrows[limit + 4]", "'never'"]


class Server:
    """A running Jupyter server: `url` with its token; `flights` is the folder of the project that it shows."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.flights = root / "flights"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.base = f"http://127.0.0.1:{self.port}/"
        folders = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        overrides = home / "config" / "labconfig"
        overrides.mkdir(parents=True)
        # JupyterLab's question about news would cover what is looked at.
        (overrides / "page_config.json").write_text(
            json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}), encoding="utf-8"
        )
        self.environ = {**os.environ, **folders, "NBOPS_STORE_IDLE_MINUTES": "0.2", "HOME": str(home)}
        self.log = home / "server.log"

    def start(self) -> None:
        """Have it answer."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={self.port}",
                    f"--ServerApp.root_dir={self.root}", f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True",
                    "--JupyterNotebookApp.expose_app_in_browser=True", "--ServerApp.port_retries=0",
                    "--ServerApp.jpserver_extensions=notebook=True",
                ],
                cwd=self.root, env=self.environ, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.base}api", timeout=2).close()  # noqa: S310 - our own server
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    pytest.fail(self.log.read_text(encoding="utf-8")[-2000:])
                time.sleep(0.2)
            else:
                return

    def stop(self) -> None:
        """Have it gone, and its kernels with it."""
        self.process.terminate()
        self.process.wait(20)
        servers.stop(Places(self.flights / config.FOLDER).kernels)

    def lab(self, notebook: str = "flights/train.ipynb") -> str:
        """The address of a notebook in JupyterLab, with nothing else open."""
        return f"{self.base}lab/tree/{notebook}?reset&token={TOKEN}"

    def notebook7(self, notebook: str = "flights/train.ipynb") -> str:
        """The address of a notebook in Notebook 7."""
        return f"{self.base}notebooks/{notebook}?token={TOKEN}"

    def nbops(self, *words: str, check: bool = True) -> str:
        """What the command line says in the project's folder."""
        done = subprocess.run(
            [sys.executable, "-m", "nbops", *words], cwd=self.flights, env=self.environ, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout


def notebook(path: Path, sources: list[str], tags: Sequence[str] = ("parameters",)) -> None:
    """Write a notebook; what begins with # is text, the first code cell has the tags."""
    node = v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    for number, source in enumerate(sources):
        cell = v4.new_markdown_cell(source) if source.startswith("# ") else v4.new_code_cell(source)
        cell["id"] = f"cell-{number}"
        node.cells.append(cell)
    next(cell for cell in node.cells if cell.cell_type == "code").metadata["tags"] = [*tags]
    write(node, str(path))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, proofs: Forge) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("root")
    made = Server(root, tmp_path_factory.mktemp("home"))
    made.flights.mkdir()
    notebook(made.flights / "train.ipynb", TRAIN)
    notebook(made.flights / "broken.ipynb", BROKEN)
    (made.flights / "nbops.toml").write_text("[execution]\nfork_server = true\n", encoding="utf-8")
    with quickly_proven(proofs):
        here = Workspace(config.settings(made.flights, environ=made.environ))
        with here.start_run("model") as run:
            run.log_model(DummyRegressor().fit([[0.0], [1.0]], [0.0, 4.0]), input_example=[[0.0]])
        here.register_model(run, "air-time")
    made.nbops("run", "train.ipynb")
    made.nbops("run", "train.ipynb", "-p", "depth", "6", "-p", "kind", "forest")
    made.start()
    yield made
    made.stop()


class Desk:
    """A page of JupyterLab or Notebook 7 with what happened in it beside what it shows."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.on("console", lambda message: self._say(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self._say(str(error)))
        page.on("request", self._request)

    def _say(self, text: str) -> None:
        if not any(known in text for known in NOT_OURS):
            self.errors.append(text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(
            (self.server.base, f"ws://127.0.0.1:{self.server.port}", "data:", "blob:", "about:")
        ):
            self.foreign.append(request.url)

    def open(self, address: str) -> None:
        """Go there, and wait until commands can be given."""
        self.page.goto(address)
        self.page.wait_for_function("window.jupyterapp", timeout=60_000)
        self.page.evaluate("jupyterapp.restored.then(() => 1)")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", state="attached")

    def do(self, command: str, **arguments: object) -> None:
        """Give a command, and do not wait for its end, which may be somebody's answer."""
        self.page.evaluate("([id, args]) => void jupyterapp.commands.execute(id, args)", [command, arguments])

    def ask(self, path: str) -> Any:
        """What the server's API answers."""
        return self.page.evaluate("path => fetch(path).then(answer => answer.json())", f"/{path}")

    def runs(self) -> list[dict[str, Any]]:
        """The rows of the project's latest runs."""
        found: list[dict[str, Any]] = self.ask("nbops/api/board?folder=flights")["runs"]
        return found

    def leave(self) -> None:
        """Have nothing of ours open but the panel, and nothing held against the page, for the test that comes next."""
        self.page.unroute_all()
        self.page.keyboard.press("Escape")
        self.page.evaluate(LEAVE)
        self.page.wait_for_selector(".nbops-Page", state="detached")
        self.errors.clear()
        self.do("nbops:refresh")

    def shot(self, name: str) -> None:
        """A picture for people, where `SHOTS_FOLDER` names a folder for them."""
        if folder := os.environ.get("SHOTS_FOLDER"):
            self.page.screenshot(path=Path(folder) / f"{name}.png")

    def violations(self, selector: str) -> list[str]:
        """What axe finds in our nodes that is serious or critical."""
        found = Axe().run(self.page, context={"include": [[selector]]}).response
        return [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in found["violations"] if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]  # fmt: skip


NOT_OURS = (
    # Notebook 7.6 says these by itself, also where nbops is not installed.
    "Cannot read properties of undefined (reading 'schema')",
    "Command 'filebrowser:open-path' not registered.",
    "Cannot read properties of null (reading 'updateRenderOption')",
    # ipywidgets' manager expects a kernel of every notebook.
    "Cannot read properties of null (reading 'kernel')",
    # Two pages with one kernel hear of each other's comms.
    "Comm not found for comm id",
    # JupyterLab takes its splash away twice when the theme changes early.
    "Failed to execute 'removeChild' on 'Node'",
)


@pytest.fixture
def desk(server: Server, browser: Browser) -> Iterator[Desk]:
    """A page of its own, with nothing opened."""
    with page_of(browser) as page:
        yield Desk(page, server)


@pytest.fixture(scope="module")
def shared(server: Server, browser: Browser) -> Iterator[Desk]:
    """JupyterLab with the panel open, for all tests of a module that do not need a page of their own."""
    with page_of(browser) as page:
        made = Desk(page, server)
        made.open(server.lab())
        made.do("nbops:open-panel")
        page.wait_for_selector(".nbops-Line")
        yield made


@pytest.fixture
def lab(shared: Desk) -> Iterator[Desk]:
    """The shared page, with nothing left of the test before."""
    yield shared
    shared.leave()


LEAVE = """
[...jupyterapp.shell.widgets('main')]
    .filter(one => one.id.startsWith('nbops-') || one.context?.path.startsWith('nbops:'))
    .forEach(one => one.close())
"""


@contextlib.contextmanager
def page_of(browser: Browser) -> Iterator[Page]:
    """A page that knows of no other."""
    context = browser.new_context(viewport={"width": 1300, "height": 850})
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()
