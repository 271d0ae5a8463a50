"""A real Jupyter server over a project, and a small client for its routes."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from tests.conftest import Project, wait_until
from tests.warm import proven, warm

__all__ = ["TOKEN", "Answer", "Server", "project", "proven", "server", "warm"]

TOKEN = "of-a-server-for-tests"  # noqa: S105 - of a server that lives for a test


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str]


class Server:
    """A Jupyter server in a process of its own; `log` is what it has printed."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project = project
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._log = folder / "server.log"
        places = {
            name: str(folder / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        }
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("NBOPS_", "JPY_"))}
        command = [
            sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser", f"--port={self.port}",
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={project.folder}", "--ServerApp.allow_unauthenticated_access=False",
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env={**environ, **places, **project.environ}, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(self._answers, seconds=60)

    @property
    def log(self) -> str:
        """All that it has printed."""
        return self._log.read_text()

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = TOKEN,
        headers: dict[str, str] | None = None,
        query: dict[str, object] | None = None,
    ) -> Answer:
        """One request below `/nbops/api/`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=150)
        told = {"Authorization": f"token {token}"} if token else {}
        text = f"/nbops/api/{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        connection.request(method, text, None if body is None else json.dumps(body), {**told, **(headers or {})})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        try:
            found = json.loads(data)
        except ValueError:
            found = data.decode(errors="replace")
        return Answer(response.status, found, dict(response.getheaders()))

    def get(self, path: str, **query: object) -> Any:
        """The body of what must succeed."""
        found = self.ask("GET", path, query=query)
        assert found.status == 200, found
        return found.body

    def post(self, path: str, body: object) -> Any:
        """The body of what must succeed."""
        found = self.ask("POST", path, body)
        assert found.status in {200, 202}, found
        return found.body

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "version").status == 200
        except OSError:
            assert self.process.poll() is None, self.log
            return False


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project for the tests of a module."""
    made = Project(tmp_path_factory.mktemp("ext") / "project")
    (made.folder / "nbops.toml").write_text("[execution]\nfork_server = true\n")
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that shows it."""
    made = Server(project, tmp_path_factory.mktemp("server"))
    yield made
    made.close()
