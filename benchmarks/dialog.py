"""Values that somebody types into a form: nbops' run dialog beside jupyter-scheduler's, each through its own HTTP endpoint."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import peer
from benchmarks.measure import Party, Report, Size
from benchmarks.server import Server
from nbops.execution.parameters.form import as_typed

_IMPORTS = "from datetime import *\nfrom pathlib import Path\n"


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """The same values to both, one execution each; of jupyter-scheduler also as a programmer would type them, with their quotes."""
    folder.mkdir(parents=True)
    report = Report(["way", "values", "arrived equal", "another value", "failed or refused", "evaluated"])
    values = _values(size.of(2, 6, 20), folder)
    theirs = peer.environment("jupyter-scheduler", "2.12.1", "jupyterlab", "ipykernel")
    ways: dict[str, tuple[Path, Callable[[Server, str, int, str], object], Callable[[object], str]]] = {
        "nbops, as one types it": (parties[0].python, _run, as_typed),
        "jupyter-scheduler, as one types it": (theirs, _job, as_typed),
        "jupyter-scheduler, as Python code": (theirs, _job, repr),
    }
    for way, (python, begin, write) in ways.items():
        place = folder / way.replace(",", "").replace(" ", "-")
        place.mkdir()
        found = {"equal": 0, "other": 0, "failed": 0, "evaluated": 0}
        with Server(python, place, "jupyterlab", environ={"NBOPS_EXECUTION_FORK_SERVER": "true"}) as server:
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


def _outcome(server: Server, begin: Any, place: Path, number: int, kind: str, value: object, text: str) -> str:
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


def _run(server: Server, notebook: str, _number: int, text: str) -> bool:
    status, answer = server.ask("POST", "/nbops/api/runs", {"notebook": notebook, "values": {"p": text}})
    if status != 202:
        return False
    return (
        server.until(lambda: server.ask("GET", f"/nbops/api/runs/{answer['id']}/live")[1]["status"], {"running"})
        == "finished"
    )


def _runtime(server: Server) -> str:
    """The name of jupyter-scheduler's environment, which is that of its own interpreter."""
    return str(server.ask("GET", "/scheduler/runtime_environments")[1][0]["name"])


def _job(server: Server, notebook: str, number: int, text: str) -> bool:
    body = {
        "input_uri": notebook, "runtime_environment_name": _runtime(server), "runtime_environment_parameters": {},
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
