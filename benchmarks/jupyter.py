"""The pages of JupyterLab over 10,000 runs: how long each of the server extension's answers takes, and how much it carries."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.fill import fill
from benchmarks.measure import Party, Report, Size, median, milliseconds, percentile
from benchmarks.server import Server


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Median and 95th percentile of each question, asked one after the other; nobody else has such pages to compare with."""
    report = Report(["runs, question", "n", "median ms", "p95 ms", "kB"])
    for count in (2_000,) if size.quick else (10_000,):
        project = folder / str(count)
        project.mkdir(parents=True)
        fill(project, None, count)
        with Server(
            parties[0].python, project, "jupyter_server", "--ServerApp.jpserver_extensions=nbops.jupyter_ext=True"
        ) as server:
            ids = [row["id"] for row in json.loads(_get(server, "board", {"limit": 50}))["runs"]]
            questions: dict[str, tuple[str, dict[str, object]]] = {
                "board": ("board", {}), "board, filtered": ("board", {"text": "9"}),
                "board, nothing found": ("board", {"text": "no such words"}), "a run": (f"runs/{ids[0]}", {}),
                "a run, live": (f"runs/{ids[0]}/live", {}), "compare, two": ("compare", {"run": ids[:2]}),
                "compare, four, everything": ("compare", {"run": ids[:4], "everything": 1}),
            }  # fmt: skip
            for name, (path, query) in questions.items():
                found = [_timed(server, path, query) for _ in range(size.of(5, 30, 100))]
                walls = [wall for wall, _ in found]
                report.rows.append(
                    [f"{count:,}, {name}", len(found), milliseconds(median(walls)), milliseconds(percentile(walls, 0.95)),
                     f"{found[0][1] / 1000:.1f}"]
                )  # fmt: skip
                report.raw[f"{count} {name}"] = found
    return report


def _timed(server: Server, path: str, query: dict[str, object]) -> tuple[float, int]:
    """Seconds until all of the answer is there, and its bytes."""
    began = time.perf_counter()
    data = _get(server, path, query)
    return time.perf_counter() - began, len(data)


def _get(server: Server, path: str, query: dict[str, object]) -> bytes:
    status, data = server.fetch("GET", f"/nbops/api/{path}?{urlencode(query, doseq=True)}")
    if status != 200:
        raise RuntimeError(f"{path}: {status} {data[:300]!r}")
    return data
