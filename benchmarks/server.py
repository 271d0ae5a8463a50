"""A Jupyter server of a party over a folder, and requests to it."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from benchmarks.measure import environment

_TOKEN = "benchmark"  # noqa: S105 - of a server that lives for a benchmark
_PATIENCE = 120.0


class Server:
    """Runs as long as its context: `application` is the module of a server or of JupyterLab, `more` its further arguments."""

    def __init__(
        self, python: Path, folder: Path, application: str, *more: str, environ: Mapping[str, str] | None = None
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        places = {
            name: str(folder / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        }
        command = [
            python, "-m", application, "--allow-root", "--no-browser", f"--port={self._port}", f"--IdentityProvider.token={_TOKEN}",
            f"--ServerApp.root_dir={folder}", *more,
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, cwd=folder, env={**environment(), **places, **(environ or {})},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.until(self._up, {False})
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def fetch(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """One request and its answer, all of it."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        connection.request(
            method, path, None if body is None else json.dumps(body), {"Authorization": f"token {_TOKEN}"}
        )
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, data

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """One request and what its answer says."""
        status, data = self.fetch(method, path, body)
        return status, json.loads(data)

    def until(self, state: Callable[[], Any], waiting: set[Any]) -> Any:
        """The first state that is none to wait in. Raises TimeoutError."""
        deadline = time.monotonic() + _PATIENCE
        while (now := state()) in waiting:
            if time.monotonic() > deadline:
                raise TimeoutError("It did not end in time.")
            time.sleep(0.1)
        return now

    def _up(self) -> bool:
        try:
            return self.ask("GET", "/api/status")[0] == 200
        except OSError:
            if self._process.poll() is not None:
                raise
            return False
