"""Attempts at nominal times as processes: begun, looked after by their lock, told to end, and what became of them.

An attempt has a folder `run/fires/<id>`: `lock`, held as long as its keeper or what it runs lives; `out`, `log` and `ended` from the
keeper; `stop` from whoever told it to end. So whoever comes later knows as much as who began it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from nbops.config import FIRE_VARIABLE
from nbops.pipelines.schedules import keeper
from nbops.pipelines.schedules.requests import EndAttempt
from nbops.pipelines.schedules.spec import Spec
from nbops.records import Record
from nbops.store.client import Store
from nbops.store.marks import VARIABLE as RUN_VARIABLE
from nbops.store.places import Places, locked, make_folder, open_file
from nbops.tracking.runs import FIRE_TAG, Fire

KEPT = 30 * 86_400
"""Seconds: so long an attempt's log is kept."""
_UNAVAILABLE = 40
_LONGEST = 400


class _Ended(Record):
    """What a keeper wrote at the end; `signalled` when its whole group was told to end."""

    status: int
    signalled: bool
    time: int


def folder(places: Places, attempt_id: str) -> Path:
    """Where an attempt's files are."""
    return places.run / "fires" / attempt_id


def prepare(places: Places, attempt_id: str) -> int:
    """A new attempt's folder, and its lock, held; to be done before anybody can hear of the attempt."""
    place = folder(places, attempt_id)
    make_folder(place)
    lock = open_file(place / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def drop(places: Places, attempt_id: str, lock: int) -> None:
    """Take back what was prepared: it was not to begin."""
    os.close(lock)
    shutil.rmtree(folder(places, attempt_id), ignore_errors=True)


def begin(store: Store, fire: Fire, lock: int, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Its keeper, which has the lock from now on. Raises OSError when no process can be started."""
    environ = {name: value for name, value in os.environ.items() if name != RUN_VARIABLE}
    environ[FIRE_VARIABLE] = str(fire)
    try:
        return subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            [sys.executable, "-I", "-S", keeper.__file__, str(folder(store.places, fire.attempt_id)), str(lock), *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, pass_fds=[lock],
            cwd=store.settings.project, env=environ,
        )  # fmt: skip
    finally:
        os.close(lock)


def command(project: Path, spec: Spec, texts: dict[str, str], *, force: bool = False) -> list[str]:
    """What runs a schedule's target with the parameters of a nominal time."""
    target = project / spec.target
    given = [word for name, text in texts.items() for word in ("-p", name, text)]
    release = ["--release", "current"] if target.is_dir() and not spec.working_tree else []
    forced = ["--force"] if force else []
    words = ["-m", "nbops", "-C", str(project), "run", str(target), *given, *release, *forced, "--json"]
    return [sys.executable, "-P", *words]


def going_on(project: Path, run_id: str, *, force: bool = False) -> list[str]:
    """What goes on with a run of a pipeline."""
    forced = ["--force"] if force else []
    return [sys.executable, "-P", "-m", "nbops", "-C", str(project), "pipeline", "resume", run_id, *forced, "--json"]


def lives(places: Places, attempt_id: str) -> bool:
    """Whether its keeper, what it runs, or who is about to begin it lives, on this host."""
    try:
        return locked(folder(places, attempt_id) / "lock")
    except FileNotFoundError:
        return False


def stop(places: Places, attempt_id: str, why: str, *, patience: float = 30) -> None:
    """Tell an attempt to end, as `nbops runs stop` does; kill it when it was told that long ago (seconds)."""
    place = folder(places, attempt_id)
    number = signal.SIGTERM
    try:
        since = time.time() - (place / "stop").stat().st_mtime
        if 0 <= since < patience:
            return
        number = signal.SIGKILL
    except FileNotFoundError:
        # First: whoever finds it ended must know why.
        (place / "stop").write_text(why, encoding="utf-8")
    with contextlib.suppress(OSError, ValueError):
        group = int((place / "lock").read_text())
        if lives(places, attempt_id):
            os.killpg(group, number)


def verdict(store: Store, attempt_id: str) -> EndAttempt | None:
    """How an attempt ended that lives no more; None when that shows a little later."""
    place = folder(store.places, attempt_id)
    ended = _ended(place / "ended")
    document = _document(place / "out")
    run_id, status, seen = _run(store, attempt_id)
    if seen and status == "running":
        # Its runner is dead, and the owner has not looked yet.
        return None
    run_id = document.get("run_id") or run_id
    made = EndAttempt(
        attempt_id=attempt_id, end="failed", run_id=run_id, outcome=_outcome(document, status),
        exit_status=ended.status if ended else document.get("exit"), message=_message(place, document),
        begun=_pid(place) is not None,
    )  # fmt: skip
    if (document and document.get("exit") == 0) or status == "finished":
        return msgspec.structs.replace(made, end="done", message="", exit_status=0)
    if (place / "stop").exists():
        return msgspec.structs.replace(made, end="stopped", message=(place / "stop").read_text(encoding="utf-8"))
    if why := _interruption(ended, document, status):
        return msgspec.structs.replace(made, end="interrupted", message=why)
    if "stopped" in {status, document.get("status"), document.get("outcome")}:
        return msgspec.structs.replace(made, end="stopped", message=made.message or "stopped")
    return made


def prune(places: Places, now: float) -> None:
    """Take away what is left of attempts that ended long ago."""
    for place in (places.run / "fires").glob("*"):
        with contextlib.suppress(OSError):
            if now - place.stat().st_mtime > KEPT and not lives(places, place.name):
                shutil.rmtree(place, ignore_errors=True)


def _interruption(ended: _Ended | None, document: dict[str, Any], status: str | None) -> str:
    """Why nothing that the process said, or did not say, is a verdict on the work; empty when it is one."""
    if ended is None:
        return "" if document else "Its processes ended without a word."
    if ended.signalled:
        return "It was told to end from outside, as when the machine is shut down."
    if ended.status < 0 and not document:
        return f"Its process was killed by signal {-ended.status}."
    if ended.status == _UNAVAILABLE and not document:
        return "The store was unavailable."
    return "Its process died." if status == "lost" and not document else ""


def _outcome(document: dict[str, Any], status: str | None) -> str:
    told = document.get("outcome") or ("unchanged" if document.get("unchanged") else document.get("status"))
    return str(told or status or "")


def _message(place: Path, document: dict[str, Any]) -> str:
    """What went wrong: the run's cause, or the last words of the process."""
    if told := document.get("cause") or document.get("sentence"):
        return str(told)[:_LONGEST]
    lines = _last(place / "log").strip().splitlines()
    first = next((line for line in reversed(lines) if line.startswith("Error: ")), "")
    return (first.removeprefix("Error: ") or (lines[-1] if lines else ""))[:_LONGEST]


def _run(store: Store, attempt_id: str) -> tuple[str | None, str | None, bool]:
    """The run that was begun, how it stands, and whether there is one."""
    found = store.read(
        "select r.run_id::varchar, r.status from tags t join runs r using (run_id) where t.key = ? and t.value = ? limit 1",
        [FIRE_TAG, attempt_id],
    ).rows
    return (str(found[0][0]), str(found[0][1]), True) if found else (None, None, False)


def _ended(path: Path) -> _Ended | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Ended)
    except (OSError, msgspec.DecodeError):
        return None


def _document(path: Path) -> dict[str, Any]:
    """The one document that `nbops run --json` prints, as its last line."""
    for line in reversed(_last(path).splitlines()):
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            return found if "run_id" in found and "exit" in found else {}
    return {}


def _last(path: Path) -> str:
    """The end of a file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - keeper.TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _pid(place: Path) -> int | None:
    try:
        return int((place / "lock").read_text())
    except (OSError, ValueError):
        return None
