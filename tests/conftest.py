"""What all tests share: a project folder with its store, worked on by real processes; its owner is gone when the test is over."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import settings

from nbops import config
from nbops.store.client import Store
from nbops.store.places import Places
from nbops.workspace._workspace import Workspace
from tests import warm

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

owners, proofs = warm.owners, warm.proofs

# A job that a shell put into the background ignores SIGINT, and so would every process that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about what else the machine does.
settings.register_profile("whatever it takes", deadline=None)
settings.load_profile("whatever it takes")

OLDEST = os.environ.get("OLDEST_DUCKDB_PYTHON", "")
"""An interpreter that has nbops with the oldest supported DuckDB; empty when there is none."""

DUCKDBS = {"this DuckDB": sys.executable, **({"oldest DuckDB": OLDEST} if OLDEST else {})}
"""The interpreters that a promise about DuckDB is tried with."""


LONGEST = (
    "browser/test_scenario.py", "integration/", "failures/", "execution/", "browser/", "faults/", "reports/", "widgets/",
    "data/", "property/",
)  # fmt: skip
"""What takes longest comes first, so that no core waits for it at the end; what drives a browser is spread."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into the order in which they are begun."""
    here = Path(__file__).parent

    def turn(item: pytest.Item) -> int:
        path = item.path.relative_to(here).as_posix()
        return next((number for number, name in enumerate(LONGEST) if path.startswith(name)), len(LONGEST))

    items.sort(key=turn)


class Project:
    """A project folder and the processes that a test lets work on it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.python = sys.executable
        self.environ: dict[str, str] = {}
        self.places = Places(folder.resolve() / config.FOLDER)
        self._started: list[subprocess.Popen[str]] = []

    def settings(self) -> config.Settings:
        """The settings of a process that is started here."""
        return config.settings(self.folder, environ={**os.environ, **self.environ})

    def store(self) -> Store:
        """A store of its own, as each process has one."""
        return Store(self.settings())

    def start(self, code: str, *arguments: object) -> subprocess.Popen[str]:
        """A process that runs `code` in the project's folder; over by the end of the test."""
        process = subprocess.Popen(
            [self.python, "-c", code, *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, **self.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def run(self, code: str, *arguments: object) -> str:
        """What `code` prints, run to its end in a process of its own."""
        return finish(self.start(code, *arguments))

    def start_owner(self) -> None:
        """Let the project's interpreter start the owner, whichever process needs it next."""
        self.run("import nbops; nbops.open().store.hello()")

    def owners(self) -> list[int]:
        """The owner's process, and those that wait to become it."""
        name = b"\0nbops._owner\0"
        line = name + f"{self.places.folder}\0".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                told = path.read_bytes()
                # One that came of a fork (see `tests.warm`) is told by its folder.
                if line in told or (told.endswith(name) and (path.parent / "cwd").readlink() == self.places.folder):
                    found.append(int(path.parent.name))
        return found

    def kill_owner(self) -> int:
        """kill -9 of every owner, seen to be over; tells how many there were."""
        owners = self.owners()
        for owner in owners:
            with contextlib.suppress(ProcessLookupError):
                os.kill(owner, signal.SIGKILL)
        wait_until(lambda: not any(map(is_running, owners)))
        return len(owners)

    def close(self) -> None:
        """End every process that works here, the quick way: nobody needs the store any more."""
        for process in self._started:
            if process.poll() is None:
                # Whatever it started may hold its pipes.
                for started in [*psutil.Process(process.pid).children(recursive=True), process]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        started.kill()
            process.communicate(timeout=60)
        while self.kill_owner():
            pass


def is_running(pid: int) -> bool:
    """Whether a process still holds what it opened: one of its threads goes on, or is about to end."""
    try:
        states = [path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        return True
    return any(state not in {"Z", "X"} for state in states)


def finish(process: subprocess.Popen[str]) -> str:
    """What a process prints by its end, which must be a good one."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def hang_up(process: subprocess.Popen[str]) -> None:
    """Tell a process that waits for its input that no more will come."""
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None


def wait_until(true: Callable[[], object], seconds: float = 30) -> None:
    """Return as soon as it is true; fail when that takes longer."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


def is_locked(database: Path) -> bool:
    """Whether a second process, which this one is, is kept from opening the store's file."""
    import duckdb

    try:
        duckdb.connect(str(database)).close()
    except duckdb.IOException as error:
        return "lock" in str(error)
    return False


@pytest.fixture(scope="session", autouse=True)
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No setting of the developer's own, no spool in their home, and no owner that outlives a crash of the tests by much."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [
            name
            for name in os.environ
            if name.startswith(("NBOPS_PROJECT", "NBOPS_RUN", "NBOPS_STORE", "NBOPS_TRANSPORT"))
        ]:
            patch.delenv(name)
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("NBOPS_STORE_IDLE_MINUTES", "0.1")
        yield


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A new project."""
    made = Project(tmp_path / "project")
    yield made
    made.close()


@pytest.fixture
def store(project: Project) -> Store:
    """The store of a new project; its owner starts when it is first needed."""
    return project.store()


@pytest.fixture
def workspace(project: Project) -> Workspace:
    """The handle of a new project."""
    return Workspace(project.settings())


# Not for longer than a module: Playwright's event loop runs meanwhile, and no other could.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser; a test that asks for it is skipped where Playwright or Chromium is absent."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH: `apt install chromium` brings one")
    with playwright.sync_playwright() as driver:
        # The tests may run as root, where Chromium's own sandbox does not start.
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()
