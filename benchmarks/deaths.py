"""What the executed notebook says after each way to die: papermill with nbops' engine beside papermill with its own, turn by turn.

Both are asked by papermill's command line and judged by the same rules; the nbops engine keeps each execution as a run besides.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Party, Report, Size, environment

_CELLS = 5
_SLEEPS = "open('begun', 'w').close(); import time; time.sleep(60)"
_FILLS = """with open('fill', 'wb') as file:
    for size in (1 << 20, 1 << 12, 1):
        try:
            while True:
                file.write(bytes(size)); file.flush()
        except OSError as error:
            full = error
raise full"""


class _Way(NamedTuple):
    """What the cell does, the signal that the runner then gets, and papermill's options."""

    code: str
    kill: signal.Signals | None = None
    options: tuple[str, ...] = ()


_WAYS = {
    "ordinary exception": _Way("raise ValueError('wrong')"),
    "kernel exits": _Way("import os; os._exit(3)"),
    "kernel SIGKILL": _Way("import os; os.kill(os.getpid(), 9)"),
    "cell timeout": _Way(_SLEEPS, options=("--execution-timeout", "1")),
    "disk full": _Way(_FILLS),
    "runner SIGINT": _Way(_SLEEPS, signal.SIGINT),
    "runner SIGTERM": _Way(_SLEEPS, signal.SIGTERM),
    "runner SIGKILL": _Way(_SLEEPS, signal.SIGKILL),
}


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Wrong notebooks of each engine, with what is wrong most often; each way at each of five cells."""
    report = Report(
        ["way to die", "executions", "nbops wrong", "papermill wrong", "what papermill's notebooks say wrong"]
    )
    rounds = size.of(1, 2, 20)
    for name, way in _WAYS.items():
        wrong: dict[str, list[list[str]]] = {"nbops": [], "papermill": []}
        with _place(folder / name.replace(" ", "-"), small=way.code is _FILLS) as place:
            if place is None:
                report.notes.append(f"{name}: left out, mounting a small disk needs root")
                continue
            for at in [at for _ in range(rounds) for at in range(_CELLS if not size.quick else 1)]:
                for engine, found in wrong.items():
                    found.append(_die(parties[0], engine, way, at, place))
        report.raw[name] = wrong
        said = Counter(problem for problems in wrong["papermill"] for problem in problems).most_common(3)
        report.rows.append(
            [name, len(wrong["nbops"]), *(sum(map(bool, found)) for found in wrong.values()), "; ".join(f"{n}x {what}" for what, n in said)]
        )  # fmt: skip
    report.notes.append(
        "wrong: no valid notebook, a false status, a lost output, no end time, no named cause, a process left after 2 s"
    )
    return report


@contextlib.contextmanager
def _place(folder: Path, *, small: bool) -> Iterator[Path | None]:
    """A folder to execute in; on a small disk of its own if wanted, and None where that cannot be had."""
    folder.mkdir(parents=True)
    if not small:
        yield folder
        return
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _die(party: Party, engine: str, way: _Way, at: int, folder: Path) -> list[str]:
    """Execute a notebook that dies in one cell; everything that its notebook says wrong."""
    import nbformat

    cells = [f"import os; open('pids', 'a').write(f'{{os.getpid()}}\\n'); print('done {n}')" for n in range(_CELLS)]
    cells[at] = way.code
    nbformat.write(nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells))), folder / "five.ipynb")
    for name in ("begun", "pids", "fill", "out.ipynb"):
        (folder / name).unlink(missing_ok=True)
    own = ["--engine", "nbops"] if engine == "nbops" else []
    environ = environment() | {"XDG_STATE_HOME": str(folder.parent / "state")}
    runner = subprocess.Popen(
        [party.python, "-m", "papermill", "five.ipynb", "out.ipynb", "-k", "python3", "--no-progress-bar", *own, *way.options],
        cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    if way.kill:
        deadline = time.monotonic() + 60
        while not (folder / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        runner.send_signal(way.kill)
    runner.wait(120)
    over = time.monotonic()
    (folder / "fill").unlink(missing_ok=True)
    if engine == "nbops":
        # The next process that looks mends what a killed one left.
        _look(party, folder)
    wrong = _judge(folder, at)
    pids = {int(line) for line in (folder / "pids").read_text().split()} if (folder / "pids").exists() else set()
    while time.monotonic() < over + 2 and any(map(_runs, pids)):
        time.sleep(0.02)
    for pid in filter(_runs, pids):
        wrong.append("a process is left")
        os.kill(pid, signal.SIGKILL)
    return wrong


_LOOK = """
import sys, nbops
from pathlib import Path
from nbops.execution import notebook
store = nbops.open(sys.argv[1]).store
run_id = store.read("select run_id::varchar from runs order by start_time desc limit 1").rows[0][0]
Path("out.ipynb").write_bytes(notebook.executed(store, run_id).read_bytes())
"""


def _look(party: Party, folder: Path) -> None:
    subprocess.run(
        [party.python, "-c", _LOOK, folder], cwd=folder, check=True, capture_output=True,
        env=environment() | {"XDG_STATE_HOME": str(folder.parent / "state")},
    )  # fmt: skip


def _judge(folder: Path, at: int) -> list[str]:
    try:
        told = json.loads((folder / "out.ipynb").read_text("utf-8"))
    except (OSError, ValueError) as error:
        return [f"no valid notebook ({type(error).__name__})"]
    cells = [cell for cell in told["cells"] if cell["cell_type"] == "code"]
    statuses = [cell["metadata"].get("papermill", {}).get("status") for cell in cells]
    outputs = ["".join("".join(output.get("text", "")) for output in cell["outputs"]) for cell in cells[:at]]
    about = told["metadata"].get("papermill", {})
    last = cells[at]
    checks = {
        "a false status": statuses == ["completed"] * at + ["failed"] + ["pending"] * (_CELLS - at - 1),
        "an output is lost": outputs == [f"done {n}\n" for n in range(at)],
        "no error output": any(output["output_type"] == "error" for output in last["outputs"]),
        "exception: null": about.get("exception") is True,
        "no end time": bool(about.get("end_time") and last["metadata"].get("papermill", {}).get("end_time")),
    }
    return [problem for problem, right in checks.items() if not right]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
