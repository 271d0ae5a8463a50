"""Values that somebody types into a form: nbops' run dialog beside jupyter-scheduler's, each through its own HTTP endpoint."""

from __future__ import annotations

import http.client
import json
import random
import socket
import subprocess
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from benchmarks import peer
from benchmarks.measure import Party, Report, Size, environment
from nbops.execution.parameters.form import as_typed

_TOKEN = "benchmark"  # noqa: S105 - of a server that lives for a benchmark
_IMPORTS = "from datetime import *\nfrom pathlib import Path\n"
_PATIENCE = 120.0


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """The same values to both, one execution each; of jupyter-scheduler also as a programmer would type them, with their quotes."""
    folder.mkdir(parents=True)
    report = Report(["way", "values", "arrived equal", "another value", "failed or refused", "evaluated"])
    values = _values(size.of(2, 6, 20), folder)
    theirs = peer.environment("jupyter-scheduler", "2.12.1", "jupyterlab", "ipykernel")
    ways: dict[str, tuple[Path, Callable[[_Server, str, int, str], object], Callable[[object], str]]] = {
        "nbops, as one types it": (parties[0].python, _run, as_typed),
        "jupyter-scheduler, as one types it": (theirs, _job, as_typed),
        "jupyter-scheduler, as Python code": (theirs, _job, repr),
    }
    for way, (python, begin, write) in ways.items():
        place = folder / way.replace(",", "").replace(" ", "-")
        place.mkdir()
        found = {"equal": 0, "other": 0, "failed": 0, "evaluated": 0}
        with _Server(python, place) as server:
            for number, (kind, value) in enumerate(values):
                found[_outcome(server, begin, place, number, kind, value, write(value))] += 1
        found["evaluated"] += len(list(folder.glob("evil-*")))
        for evil in folder.glob("evil-*"):
            evil.unlink()
        report.rows.append([way, len(values), *found.values()])
        report.raw[way] = found
    report.notes.append("evaluated: texts that are Python expressions, given to parameters that take text or a path")
    return report


def _values(each: int, folder: Path) -> list[tuple[str, object]]:
    chance = random.Random(1)  # noqa: S311 - the same values each time
    texts = ["eu", "it's", '"', "007", "nan", "True", "a, b", "", "x = 1", "日本"]

    def evil() -> str:
        return f"__import__('pathlib').Path({str(folder)!r}, 'evil-{chance.random()}').touch()"

    day = date(2013, 1, 1)
    makers: dict[str, Callable[[], object]] = {
        "bool": lambda: chance.random() < 0.5,
        "int": lambda: chance.randint(-(10**20), 10**20),
        "float": lambda: chance.choice([chance.gauss(0, 1e3), 1e-300, float("inf"), -0.0]),
        "str": lambda: chance.choice([*texts, evil()]),
        "Path": lambda: Path(chance.choice(["data/a.csv", "/tmp/b c", evil()])),  # noqa: S108 - a text
        "date": lambda: day + timedelta(days=chance.randint(0, 9999)),
        "datetime": lambda: datetime(2013, 1, 1) + timedelta(seconds=chance.randint(0, 10**8)),  # noqa: DTZ001 - without a zone
        "list[str]": lambda: chance.sample(texts, 3),
        "dict[str, int]": lambda: {text: chance.randint(0, 9) for text in chance.sample(texts, 2)},
        "int | None": lambda: chance.choice([None, 3, -1]),
    }
    return [(kind, make()) for kind, make in makers.items() for _ in range(each)]


def _outcome(server: _Server, begin: Any, place: Path, number: int, kind: str, value: object, text: str) -> str:
    notebook, out = place / f"n{number}.ipynb", place / f"out{number}.txt"
    cells = [f"{_IMPORTS}p: {kind} = None", f"from pathlib import Path\nPath({str(out)!r}).write_text(ascii(p))"]
    made = [{"cell_type": "code", "execution_count": None, "id": f"c{n}", "metadata": {"tags": ["parameters"]} if n == 0 else {},
             "outputs": [], "source": cell} for n, cell in enumerate(cells)]  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook.write_text(json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}), "utf-8")
    ended = begin(server, notebook.name, number, text)
    if not ended or not out.exists():
        return "failed"
    return "equal" if out.read_text("utf-8") == ascii(value) else "other"


def _run(server: _Server, notebook: str, _number: int, text: str) -> bool:
    status, answer = server.ask("POST", "/nbops/api/runs", {"notebook": notebook, "values": {"p": text}})
    if status != 202:
        return False
    return (
        server.until(lambda: server.ask("GET", f"/nbops/api/runs/{answer['id']}/live")[1]["status"], {"running"})
        == "finished"
    )


def _job(server: _Server, notebook: str, number: int, text: str) -> bool:
    body = {
        "input_uri": notebook, "runtime_environment_name": server.runtime(), "runtime_environment_parameters": {},
        "output_formats": ["ipynb"], "name": f"job {number}", "parameters": {"p": text},
    }  # fmt: skip
    status, answer = server.ask("POST", "/scheduler/jobs", body)
    if status != 200:
        return False
    # A job that has not begun calls itself stopped.
    waiting = {"CREATED", "QUEUED", "IN_PROGRESS", "STOPPED"}
    return (
        server.until(lambda: server.ask("GET", f"/scheduler/jobs/{answer['job_id']}")[1]["status"], waiting)
        == "COMPLETED"
    )


class _Server:
    """A Jupyter server of a party over a folder."""

    def __init__(self, python: Path, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        places = {
            name: str(folder / name.lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        }
        command = [
            python, "-m", "jupyterlab", "--allow-root", "--no-browser", f"--port={self._port}", f"--IdentityProvider.token={_TOKEN}",
            f"--ServerApp.root_dir={folder}",
        ]  # fmt: skip
        self._runtime = ""
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment() | places | {"NBOPS_EXECUTION_FORK_SERVER": "true"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.until(self._up, {False})
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """One request and its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        connection.request(
            method, path, None if body is None else json.dumps(body), {"Authorization": f"token {_TOKEN}"}
        )
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, json.loads(data)

    def runtime(self) -> str:
        """The name of jupyter-scheduler's environment, which is that of its own interpreter."""
        self._runtime = self._runtime or str(self.ask("GET", "/scheduler/runtime_environments")[1][0]["name"])
        return self._runtime

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
            return False
