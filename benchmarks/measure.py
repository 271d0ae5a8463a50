"""What every benchmark uses: the two parties, teams of worker processes that start together, statistics and the printed table.

A worker runs one of the modules in `workers/` under its party's interpreter and does jobs that arrive as lines of JSON. It has
finished its imports before its first job, so that no clock counts an import by accident.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from benchmarks import peer

_ROOT = Path(__file__).parent.parent
# A job that takes longer hangs.
_PATIENCE_SECONDS = 900

Figures = dict[str, Any]


@dataclass(frozen=True)
class Party:
    """One side of the comparison: its name, its interpreter and the module that does its jobs."""

    name: str
    python: Path
    module: str


@dataclass(frozen=True)
class Size:
    """How much is measured: `quick` and `full` of the command line; neither is the default."""

    quick: bool
    full: bool

    def of(self, quick: int, default: int, full: int) -> int:
        """The number that this size stands for."""
        return quick if self.quick else full if self.full else default


@dataclass
class Report:
    """A benchmark's outcome: rows under `columns` to print, sentences below them, and every figure for `--json`."""

    columns: Sequence[str]
    rows: list[Sequence[object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)


def parties() -> tuple[Party, Party]:
    """Nbops under this interpreter, MLflow under its own; byte code is there for both."""
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", _ROOT / "nbops", _ROOT / "benchmarks"], check=True, env=environment()
    )
    return (
        Party("nbops", Path(sys.executable), "benchmarks.workers.ours"),
        Party("MLflow", peer.interpreter(), "benchmarks.workers.theirs"),
    )


def environment() -> dict[str, str]:
    """This process's environment for both parties: byte code is kept, nothing is sent anywhere, no setting is inherited."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NBOPS_", "MLFLOW_", "PYTHON"))}
    # An owner that nobody could stop leaves by itself.
    return kept | {"NBOPS_STORE_IDLE_MINUTES": "3", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


class Worker:
    """A process of a party; its first answer comes when its imports are done."""

    def __init__(self, party: Party, folder: Path) -> None:
        self.party = party
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{party.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [party.python, "-P", "-m", party.module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder,
                env=environment() | {"PYTHONPATH": str(_ROOT), "XDG_STATE_HOME": str(folder)},
            )  # fmt: skip

    def send(self, job: str, **arguments: object) -> None:
        """Have it begin a job; `answer` waits for the outcome."""
        if self._process.stdin:
            print(json.dumps({"job": job, **arguments}), file=self._process.stdin, flush=True)

    def answer(self) -> Figures:
        """What the job gave: its figures, with `wall` and `cpu` in seconds, or `error`."""
        watchdog = threading.Timer(_PATIENCE_SECONDS, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline() if self._process.stdout else ""
        watchdog.cancel()
        answer: Figures = json.loads(line) if line else {"error": f"it died, or took more than {_PATIENCE_SECONDS} s"}
        return answer

    def do(self, job: str, **arguments: object) -> Figures:
        """Do a job and give its figures. Raises RuntimeError when it fails."""
        self.send(job, **arguments)
        answer = self.answer()
        if "error" in answer:
            raise RuntimeError(f"{self.party.name} failed at {job}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Team(list[Worker]):
    """Workers of one party."""

    @property
    def party(self) -> Party:
        """Whose workers they are."""
        return self[0].party

    @classmethod
    @contextmanager
    def of(cls, party: Party, size: int, folder: Path) -> Iterator[Self]:
        """A team for the length of a block, ready to work."""
        team = cls()
        try:
            for _ in range(size):
                team.append(Worker(party, folder))
            for worker in team:
                about = worker.answer()
                if "error" in about:
                    raise RuntimeError(f"{party.name}: {about['error']}; see {folder / party.name}.log")
            yield team
        finally:
            for worker in team:
                worker.close()

    def do(self, job: str, *, folder: Path, **arguments: object) -> Figures:
        """Have the first of them do a job; its `cpu` has that of the store's owner added, where there is one."""
        before = self[0].do("owner_cpu", folder=str(folder))["seconds"]
        figures = self[0].do(job, folder=str(folder), **arguments)
        figures["cpu"] += self[0].do("owner_cpu", folder=str(folder))["seconds"] - before
        return figures

    def all_do(self, job: str, *, members: int | None = None, **arguments: object) -> list[Figures]:
        """The first `members` (or all) do the job at the same moment; one answer each, failures among them."""
        chosen = self[:members]
        for worker in chosen:
            worker.send(job, **arguments)
        return [worker.answer() for worker in chosen]


def median(values: Sequence[float]) -> float:
    """The median; NaN of nothing."""
    return statistics.median(values) if values else float("nan")


def typical(figures: Sequence[Mapping[str, Any]], key: str) -> float:
    """The median of one figure over several rounds."""
    return median([one[key] for one in figures])


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed, by nearest rank; NaN of nothing."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


def milliseconds(seconds: float) -> str:
    """A time for a column of milliseconds."""
    return f"{seconds * 1000:,.1f}" if seconds < 0.1 else f"{seconds * 1000:,.0f}"


def times(ratio: float) -> str:
    """A ratio as people say it."""
    return f"{ratio:,.1f}x" if ratio < 10 else f"{ratio:,.0f}x"


def table(report: Report) -> str:
    """The report as aligned text: the first column to the left, figures to the right, notes below."""
    rows = [[str(cell) for cell in row] for row in (report.columns, *report.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(report.columns))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    ]
    return "\n".join([*lines, *(f"  {note}" for note in report.notes)])
