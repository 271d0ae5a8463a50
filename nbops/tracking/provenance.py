"""Where a run comes from: its notebook and cell, its code's commit, its environment. Nothing here fails a run."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from nbops.errors import NotFound, StoreError
from nbops.records import Record
from nbops.render import view
from nbops.store.client import Store
from nbops.tracking.installed import installed, remember
from nbops.tracking.requests import Facts
from nbops.tracking.values import storable

NOTEBOOK_VARIABLE = "NBOPS_NOTEBOOK"
# A loop of short runs asks git once in a while, a person who commits between two cells is seen.
_COMMIT_SECONDS = 5.0
_ENVIRONMENTS = 8
_known: dict[tuple[Store, Path], tuple[float, Facts]] = {}


class Place(Record):
    """Where a run was started: in which notebook or script, cell and spot in the code."""

    source: str | None
    cell: str | None
    site: str


def place(frame: FrameType | None) -> Place:
    """The place of the call that `frame` is."""
    caller = frame
    while caller is not None and caller.f_globals.get("__name__", "").partition(".")[0] == "nbops":
        caller = caller.f_back
    ip = view.shell()
    if ip is not None and getattr(ip, "kernel", None) is not None:
        cell = _cell_id(ip)
        spot = caller.f_code.co_filename if caller else ""
        return Place(source=_notebook(ip), cell=cell, site=cell or spot)
    if caller is None:
        return Place(source=None, cell=None, site="")
    name = caller.f_code.co_filename
    script = str(Path(name).resolve()) if Path(name).is_file() else None
    return Place(source=script, cell=None, site=f"{name}:{caller.f_lineno}")


def experiment_of(source: str | None) -> str:
    """The experiment that a run belongs to when none is named: its notebook or script."""
    return storable(Path(source).stem) if source else "default"


def relative(source: str | None, project: Path) -> str | None:
    """A path as it is stored: relative to the project where it lies in it."""
    if source is None:
        return None
    path = Path(source)
    return storable(path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path))


def code_folder(source: str | None, project: Path) -> Path:
    """Where a run's commit is asked for: beside the notebook or script if the project holds it, else in the current folder."""
    path = Path(source) if source else None
    return path.parent if path is not None and path.is_relative_to(project) else Path.cwd()


def facts(store: Store, folder: Path) -> Facts:
    """Commit and dirty flag of the code in `folder`, and the digest of this process's environment, kept as a blob. Takes a while."""
    commit, dirty = _commit(folder)
    digest = None
    with contextlib.suppress(StoreError):
        digest = _kept(store)
    found = Facts(commit=commit, dirty=dirty, environment=digest)
    _known[store, folder] = time.monotonic(), found
    return found


def known_facts(store: Store, folder: Path) -> Facts | None:
    """What `facts` found a moment ago."""
    when, found = _known.get((store, folder), (0.0, None))
    return found if found is not None and time.monotonic() - when < _COMMIT_SECONDS else None


def _kept(store: Store) -> str:
    """The digest of this process's environment, kept as a blob; remembered until something is installed or removed. Raises StoreError."""
    known_by = (sys.version, os.uname(), [installed(str(Path(folder).absolute())) for folder in sys.path])
    key = hashlib.sha256(repr(known_by).encode()).hexdigest()[:16]
    memory = store.places.run / "environments.json"
    known: dict[str, str] = {}
    with contextlib.suppress(OSError, msgspec.DecodeError):
        told = msgspec.json.decode(memory.read_bytes(), type=dict[str, str])
        known = {one: digest for one, digest in told.items() if one != key}
        with contextlib.suppress(NotFound, KeyError):
            store.blob_path(told[key])
            return told[key]
    digest = store.put_blob(environment()).sha256
    remember(memory, {**known, key: digest}, _ENVIRONMENTS)
    return digest


@functools.cache
def environment() -> bytes:
    """This process's Python and packages as JSON, always in the same order: the lock by which it can be made again.

    Beside each version stands the SHA-256 of the record that the installer left of the package's files and their hashes. Another build of
    the same version has another one; so may the same build that another installer put there.
    """
    from importlib.metadata import distributions

    versions: dict[str, str] = {}
    records: dict[str, str] = {}
    for found in distributions():
        # What an uninstallation left behind may have no metadata.
        with contextlib.suppress(OSError, UnicodeDecodeError):
            # Parsed whole, as `found.metadata`, it takes ten times as long.
            head = _head(found.read_text("METADATA") or found.read_text("PKG-INFO") or "")
            name, version = head.get("name"), head.get("version")
            # The first one on the search path is the one that is imported.
            if name is None or version is None or name in versions:
                continue
            versions[name] = version
            if record := found.read_text("RECORD"):
                records[name] = hashlib.sha256(record.encode()).hexdigest()
    told = {"python": platform.python_version(), "platform": platform.platform(), "machine": platform.machine()}
    packages = {"packages": dict(sorted(versions.items())), "records": dict(sorted(records.items()))}
    return msgspec.json.encode({**told, **packages})


def latest_facts(store: Store, folder: Path) -> Facts:
    """What `facts` finds now, or found a moment ago."""
    return known_facts(store, folder) or facts(store, folder)


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _head(metadata: str) -> dict[str, str]:
    """The fields of a distribution's metadata, by their names in small letters; its description is left out."""
    lines = metadata.partition("\n\n")[0].splitlines()
    return {name.lower(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}


def _cell_id(ip: Any) -> str | None:
    parent = ip.get_parent() if hasattr(ip, "get_parent") else {}
    found = parent.get("metadata", {}).get("cellId")
    return str(found) if found else None


def _notebook(ip: Any) -> str | None:
    executed = os.environ.get(NOTEBOOK_VARIABLE)
    if executed and executed.endswith((".py", ".sql")):
        return executed
    named = executed or ip.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    if not named or not str(named).endswith(".ipynb"):
        return None
    path = Path(named)
    # The Jupyter server names the notebook relative to its own root; the kernel runs in the notebook's folder.
    return str(path) if path.is_absolute() else str(Path.cwd() / path.name)


def _commit(folder: Path) -> tuple[str | None, bool | None]:
    head = _git(folder, "rev-parse", "HEAD")
    if head is None:
        return None, None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return head.strip(), bool(changed.strip()) if changed is not None else None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's git
            capture_output=True, text=True, errors="replace", timeout=10, check=True, env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
