"""The pages of JupyterLab over 10,000 runs: how long each of the server extension's answers takes, and how much it carries."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

from benchmarks.fill import fill
from benchmarks.measure import Party, Report, Size, environment, median, milliseconds, percentile

_TOKEN = "benchmark"  # noqa: S105 - of a server that lives for a benchmark


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Medians and the slowest of each question, asked one after the other; nobody else has such pages to compare with."""
    report = Report(["runs, question", "n", "median ms", "slowest of 20 ms", "kB"])
    for count in (2_000,) if size.quick else (10_000,):
        project = folder / str(count)
        project.mkdir(parents=True)
        fill(project, None, count)
        with _Server(parties[0], project) as server:
            ids = [row["id"] for row in server.ask("board", limit=50)["runs"]]
            questions: dict[str, dict[str, object]] = {
                "board": {}, "board, filtered": {"text": "9"}, "board, nothing found": {"text": "no such words"},
                f"runs/{ids[0]}": {}, f"runs/{ids[0]}/live": {}, "compare": {"run": ids[:2]}, "compare ": {"run": ids[:4], "everything": 1},
            }  # fmt: skip
            for question, query in questions.items():
                found = [server.timed(question.partition(",")[0].strip(), **query) for _ in range(size.of(5, 30, 100))]
                walls = [wall for wall, _ in found]
                name = question.replace(ids[0], "ID").replace("compare ", "compare, four, everything")
                report.rows.append(
                    [f"{count:,}, {name}", len(found), milliseconds(median(walls)), milliseconds(percentile(walls, 0.95)),
                     f"{found[0][1] / 1000:.1f}"]
                )  # fmt: skip
                report.raw[f"{count} {name}"] = found
    return report


class _Server:
    def __init__(self, party: Party, project: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        places = {
            name: str(project / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        }
        command = [
            party.python, "-m", "jupyter_server", "--allow-root", "--no-browser", f"--port={self._port}",
            f"--IdentityProvider.token={_TOKEN}",
            f"--ServerApp.root_dir={project}", "--ServerApp.jpserver_extensions=nbops.jupyter_ext=True",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, cwd=project, env=environment() | places, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 60
        while True:
            try:
                self.ask("version")
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def ask(self, path: str, **query: object) -> dict[str, list[dict[str, str]]]:
        """The answer to a question."""
        found: dict[str, list[dict[str, str]]] = json.loads(self._get(path, query))
        return found

    def timed(self, path: str, **query: object) -> tuple[float, int]:
        """Seconds until all of the answer is there, and its bytes."""
        began = time.perf_counter()
        data = self._get(path, query)
        return time.perf_counter() - began, len(data)

    def _get(self, path: str, query: dict[str, object]) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request(
            "GET", f"/nbops/api/{path}?{urlencode(query, doseq=True)}", headers={"Authorization": f"token {_TOKEN}"}
        )
        response = connection.getresponse()
        data = response.read()
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {data[:300]!r}")
        return data
