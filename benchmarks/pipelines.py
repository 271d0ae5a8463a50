"""A folder of notebooks as a pipeline: workers killed while it runs, nothing to do, and forty trivial notebooks.

nbops by `nbops run FOLDER --json` with two lanes, beside a two-process pool of papermill 2.7 in the same environment and Ploomber
0.23.3 with its parallel executor of two processes, in an environment of its own. Ploomber runs with the newest of what it needs
(papermill 2.7, nbclient 0.11, jupytext 1.19, click 8.5, setuptools as `python -m venv` brings it): nothing had to be held back.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import psutil
from nbformat import v4

import nbops
from benchmarks import peer
from benchmarks.measure import Figures, Party, Report, Size, environment, median, times

PLOOMBER = "0.23.3"
_KILL_SECONDS, _GRACE_SECONDS, _PATIENCE_SECONDS = 5.0, 2.0, 600.0
_HALF = 4096

# It takes its time between the halves of what it writes, and notes when it began and when it was done.
_WRITES = """
import os, time
def note(word):
    with open({log!r}, "a") as file:
        file.write(f"{{word}} {name} {{os.getpid()}} {{time.time()}}\\n")
note("begun")
with open(target, "w") as file:
    file.write("x" * {half}); file.flush()
    time.sleep({seconds})
    file.write("y" * {half})
note("done")
"""
_TRIVIAL = "with open(target, 'w') as file:\n    file.write('{name}')"

_POOL = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
import papermill

def one(notebook):
    papermill.execute_notebook(
        str(notebook), str(Path("executed", notebook.name)), parameters={"turn": int(sys.argv[1])}, cwd="steps", progress_bar=False,
    )

Path("executed").mkdir(exist_ok=True)
with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
    waiting = [pool.submit(one, notebook) for notebook in sorted(Path("steps").glob("*.ipynb"))]
sys.exit(any(future.exception() for future in waiting))
"""

# It is the one to whom whatever is left falls, the store's owner too, unless that is to stay; `wall` is the command's own.
_WHOLE = """
import ctypes, json, os, resource, subprocess, sys, time
if sys.argv[1] == "all":
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
began = time.perf_counter()
with open("log", "ab") as log:
    command = subprocess.Popen(sys.argv[2:], stdout=log, stderr=log)
wall, ended = 0.0, None
while True:
    try:
        pid, status = os.wait()
    except ChildProcessError:
        break
    if pid == command.pid:
        wall, ended = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "exit": ended}))
"""


class _Tool(NamedTuple):
    """A party: its command, and how far below it its workers are, which have its command line because they are forked."""

    name: str
    command: tuple[str, ...]
    depth: int


class _Step(NamedTuple):
    """A notebook to be: what its code does once `target` is known, and the step whose product it reads."""

    name: str
    code: str
    after: str = ""


def measure(parties: tuple[Party, Party], size: Size, folder: Path) -> Report:
    """Three tables in one: deaths of workers, cpu of doing nothing, wall and cpu of trivial notebooks; tools take turns."""
    folder.mkdir(parents=True)
    python = str(parties[0].python)
    ploomber = peer.environment("ploomber", PLOOMBER)
    ours = _Tool("nbops", (python, "-m", "nbops", "run", "steps", "--json"), depth=2)
    pool = _Tool("papermill pool", (python, "-c", _POOL), depth=1)
    build = _Tool("Ploomber", (str(ploomber.with_name("ploomber")), "build"), depth=1)
    report = Report(
        ["what", "tool", "done", "begun again", "by halves", "kernels left", "wall s", "cpu s", "beside nbops"]
    )
    _deaths(report, (ours, pool, build), size, folder)
    _nothing(report, (ours, build), size, folder)
    _trivial(report, (ours, pool), size, folder)
    report.notes.append(
        "begun again: though their product was in its place; by halves: products that lie in their place unfinished;"
        " kernels left: 2 s after the end. Over all rounds"
    )
    report.notes.append(
        "cpu of everything that a command started, the store's owner with its start too; medians of wall and cpu"
    )
    return report


def _deaths(report: Report, tools: Sequence[_Tool], size: Size, folder: Path) -> None:
    """A worker, chosen at random, gets kill -9 every five seconds."""
    count, rounds = size.of(8, 40, 40), size.of(1, 3, 5)
    found: dict[str, list[Figures]] = {tool.name: [] for tool in tools}
    for turn in range(rounds):
        chance = random.Random(turn)  # noqa: S311 - for a benchmark
        seconds = [chance.uniform(1, 2) for _ in range(count)]
        for tool in tools:
            place = folder / f"deaths-{tool.name}-{turn}"
            log = place / "begun"
            steps = [
                _Step(f"s{n:02}", _WRITES.format(log=str(log), name=f"s{n:02}", half=_HALF, seconds=round(each, 2)))
                for n, each in enumerate(seconds)
            ]
            _write(tool, steps, place)
            found[tool.name].append(_killed(tool, place, random.Random(turn), count))  # noqa: S311 - the same
            shutil.rmtree(place / "products")
    for tool in tools:
        turns = found[tool.name]
        told = [sum(turn[key] for turn in turns) for key in ("done", "again", "halves", "left")]
        kills, twice = (sum(turn[key] for turn in turns) for key in ("kills", "ended twice"))
        report.rows.append(
            [f"{count} notebooks, {kills} workers killed", tool.name, f"{told[0]} of {count * rounds}", *told[1:],
             f"{median([turn['wall'] for turn in turns]):.1f}", "", ""]
        )  # fmt: skip
        if twice:
            report.notes.append(
                f"{tool.name}: {twice} steps began again whose code had ended before the worker was killed"
            )
        _tell_failure(report, f"{tool.name} while workers are killed", turns)
    report.raw["deaths"] = found


def _killed(tool: _Tool, place: Path, chance: random.Random, count: int) -> Figures:
    """Run it to its end while its workers are killed; what is there then."""
    log = place / "begun"
    began = time.monotonic()
    with (place / "log").open("ab") as told:
        command = subprocess.Popen(
            [*tool.command, *(["0"] if "-c" in tool.command else [])],
            cwd=place,
            env=_surroundings(place),
            stdout=told,
            stderr=told,
        )
    kills: list[float] = []
    whole: dict[str, float] = {}
    due = float("inf")
    while command.poll() is None:
        now = time.monotonic()
        if due == float("inf") and log.exists():
            due = now + _KILL_SECONDS
        if now >= due and (workers := _workers(command.pid, tool.depth)):
            with contextlib.suppress(psutil.NoSuchProcess):
                chance.choice(workers).kill()
                kills.append(time.time())
            due += _KILL_SECONDS
        if now > began + _PATIENCE_SECONDS:
            command.kill()
        for name in _whole_ones(place):
            whole.setdefault(name, time.time())
        time.sleep(0.02)
    over = time.monotonic()
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    pids = {int(pid) for _, _, pid, _ in lines}
    while time.monotonic() < over + _GRACE_SECONDS and any(map(_runs, pids)):
        time.sleep(0.02)
    left = [pid for pid in pids if _runs(pid)]
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    done = len(_whole_ones(place))
    # A step whose product was seen in its place is finished, as others can see it; one whose code had just ended may not be.
    begun = [(name, float(moment)) for word, name, _, moment in lines if word == "begun"]
    ended = Counter(name for word, name, *_ in lines if word == "done")
    return {
        "done": done, "of": count, "halves": len(list((place / "products").glob("s*.txt"))) - done,
        "again": len({name for name, moment in begun if moment > whole.get(name, float("inf"))}),
        "ended twice": sum(times > 1 for times in ended.values()), "begun": len(begun), "lines": lines, "killed": kills,
        "left": len(left), "kills": len(kills), "wall": over - began, "exit": command.returncode, "said": _last(place),
    }  # fmt: skip


def _workers(command: int, depth: int) -> list[psutil.Process]:
    """The processes so far below the command that are forks of it."""
    try:
        found = [psutil.Process(command)]
        line = found[0].cmdline()
        for _ in range(depth):
            found = [child for parent in found for child in parent.children()]
        return [process for process in found if process.cmdline() == line]
    except psutil.NoSuchProcess:
        return []


def _whole_ones(place: Path) -> list[str]:
    """The steps whose product lies in its place, from its beginning to its end."""
    found = []
    for path in (place / "products").glob("s*.txt"):
        # Whoever writes it may be putting another one into its place.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size == 2 * _HALF:
                found.append(path.stem)
    return found


def _nothing(report: Report, tools: Sequence[_Tool], size: Size, folder: Path) -> None:
    """A pipeline in which nothing has changed: chains of ten steps."""
    count = size.of(20, 100, 100)
    steps = [
        _Step(f"s{n:02}", _TRIVIAL.format(name=f"s{n:02}"), after=f"s{n - 1:02}" if n % 10 else "")
        for n in range(count)
    ]
    first: dict[str, Figures] = {}
    for tool in tools:
        _write(tool, steps, folder / f"nothing-{tool.name}")
        first[tool.name] = _whole(tool, folder / f"nothing-{tool.name}")
    found: dict[str, list[Figures]] = {tool.name: [] for tool in tools}
    there: list[Figures] = []
    for _ in range(size.of(2, 5, 9)):
        for tool in tools:
            found[tool.name].append(_whole(tool, folder / f"nothing-{tool.name}"))
            if tool.name == "nbops":
                there.append(_with_owner(tool, folder / f"nothing-{tool.name}"))
    _compare(report, f"nothing to do in {count} steps", found)
    _compare(report, f"nothing to do in {count} steps, the store's owner is there", {**found, "nbops": there})
    report.raw["nothing"] = {"first": first, "again": found, "with owner": there}


def _trivial(report: Report, tools: Sequence[_Tool], size: Size, folder: Path) -> None:
    """Notebooks that do next to nothing, in a project that has run them before; the first time of all is told beside."""
    count = size.of(8, 40, 40)
    steps = [_Step(f"s{n:02}", _TRIVIAL.format(name=f"s{n:02}")) for n in range(count)]
    for tool in tools:
        _write(tool, steps, folder / f"trivial-{tool.name}")
    found: dict[str, list[Figures]] = {tool.name: [] for tool in tools}
    for turn in range(1 + size.of(2, 5, 9)):
        for tool in tools:
            place = folder / f"trivial-{tool.name}"
            # Another value is another run for whoever skips what is unchanged.
            value = [str(turn)] if "-c" in tool.command else ["-p", "turn", str(turn)]
            for product in (place / "products").iterdir():
                product.unlink()
            figures = _whole(tool, place, *value)
            figures["done"] = len(list((place / "products").glob("s*.txt")))
            found[tool.name].append(figures)
    for name, turns in found.items():
        if any(turn["done"] < count for turn in turns):
            report.notes.append(f"{name}: {[turn['done'] for turn in turns]} of {count} trivial notebooks done")
    _compare(report, f"{count} trivial notebooks, the first time", {name: turns[:1] for name, turns in found.items()})
    _compare(report, f"{count} trivial notebooks", {name: turns[1:] for name, turns in found.items()})
    report.raw["trivial"] = found


def _compare(report: Report, what: str, found: dict[str, list[Figures]]) -> None:
    """A row for each tool; the last column is its wall and cpu as multiples of nbops'."""
    middle = {
        name: {key: median([turn[key] for turn in turns]) for key in ("wall", "cpu")} for name, turns in found.items()
    }
    ours = middle["nbops"]
    failed = any(turn["exit"] for turn in found["nbops"])
    for name, own in middle.items():
        ratio = (
            "failed" if failed else f"{times(own['wall'] / ours['wall'])} wall, {times(own['cpu'] / ours['cpu'])} cpu"
        )
        report.rows.append([what, name, "", "", "", "", f"{own['wall']:.2f}", f"{own['cpu']:.2f}", ratio])
        _tell_failure(report, f"{name}, {what}", found[name])


def _tell_failure(report: Report, who: str, turns: Sequence[Figures]) -> None:
    """A note where a tool ended with an error, with the last that it said."""
    failed = [turn for turn in turns if turn["exit"]]
    if failed:
        statuses = ", ".join(str(turn["exit"]) for turn in failed)
        report.notes.append(f"{who}: {len(failed)} of {len(turns)} ended with status {statuses}: {failed[0]['said']}")


def _whole(tool: _Tool, place: Path, *words: str, which: str = "all") -> Figures:
    """Wall seconds of the command, cpu seconds of it and of everything that it started, to the end of all of that.

    `which` is "own" for what it waited for alone.
    """
    done = subprocess.run(
        [sys.executable, "-c", _WHOLE, which, *tool.command, *words], capture_output=True, text=True, check=True, cwd=place,
        env=_surroundings(place), timeout=_PATIENCE_SECONDS,
    )  # fmt: skip
    told: Figures = json.loads(done.stdout)
    return told | {"said": _last(place)}


def _with_owner(tool: _Tool, place: Path) -> Figures:
    """Wall and cpu seconds of the command and of the store's owner, which was there before and is stopped afterwards."""
    store = nbops.open(place).store
    owner = psutil.Process(store.hello().pid)
    before = owner.cpu_times()
    told = _whole(tool, place, which="own")
    after = owner.cpu_times()
    told["cpu"] += after.user + after.system - before.user - before.system
    store.stop_owner()
    return told


def _surroundings(place: Path) -> dict[str, str]:
    return environment() | {
        "NBOPS_STORE_IDLE_MINUTES": "0.1", "PLOOMBER_STATS_ENABLED": "false", "XDG_STATE_HOME": str(place / "state"),
    }  # fmt: skip


def _last(place: Path) -> str:
    """The last line that a tool said."""
    lines = (place / "log").read_text("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else "nothing"


def _write(tool: _Tool, steps: Sequence[_Step], place: Path) -> None:
    """The notebooks as the tool wants them, in a project of their own."""
    for name in ("steps", "products", ".git"):
        (place / name).mkdir(parents=True)
    for step in steps:
        head = _ploomber(step) if tool.name == "Ploomber" else _plain(step)
        cells = [
            v4.new_code_cell(head[0], metadata={"tags": ["parameters"]}),
            v4.new_code_cell(f"{head[1]}\n{step.code}"),
        ]
        node = v4.new_notebook(
            cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        )
        nbformat.write(node, place / "steps" / f"{step.name}.ipynb")
    if tool.name == "nbops":
        (place / "steps" / "pipeline.yaml").write_text("lanes: 2\n", "utf-8")
    if tool.name == "Ploomber":
        tasks: list[dict[str, Any]] = [
            {"source": f"steps/{step.name}.ipynb",
             "product": {"nb": f"products/{step.name}.ipynb", "data": f"products/{step.name}.txt"}} for step in steps
        ]  # fmt: skip
        executor = {"dotted_path": "ploomber.executors.Parallel", "processes": 2, "start_method": "fork"}
        # JSON is YAML.
        (place / "pipeline.yaml").write_text(json.dumps({"executor": executor, "tasks": tasks}), "utf-8")


def _plain(step: _Step) -> tuple[str, str]:
    """Parameters as nbops reads them, which papermill takes too, and what makes them the code's names."""
    read = f'before: "in" = "../products/{step.after}.txt"\n' if step.after else ""
    return (
        f'{read}turn = 0\nproduct: "out" = "../products/{step.name}.txt"',
        "target = product" + ("\nopen(before).read()" if step.after else ""),
    )


def _ploomber(step: _Step) -> tuple[str, str]:
    """The same as Ploomber has it."""
    upstream = [step.after] if step.after else None
    read = f"\nopen(upstream[{step.after!r}]['data']).read()" if step.after else ""
    return f"upstream = {upstream!r}\nproduct = None", f"target = product['data']{read}"


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
