"""What keeps nbops from working here: each thing is tried, not guessed."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys

import nbops
from nbops import config, duck
from nbops.errors import NbopsError
from nbops.records import Record
from nbops.render import values
from nbops.store import spool
from nbops.store.client import connect
from nbops.store.places import network_file_system

_ROOM = 200 * 2**20


class Check(Record):
    """One thing that was tried; `remedy` is empty when it is well."""

    what: str
    told: str
    remedy: str = ""


def examine(settings: config.Settings) -> list[Check]:
    """Try everything that a project needs."""
    found = [
        Check(what="python", told=f"{platform.python_version()} at {sys.executable}"),
        Check(what="nbops", told=f"{nbops.__version__}, DuckDB {duck.version()}"),
        Check(what="project", told=f"{settings.project} ({settings.origins['project']})"),
        _file_system(settings),
        _room(settings),
    ]
    found += _store(settings)
    found += [_package(name) for name in ("papermill", "ipykernel", "sklearn", "skops", "nbconvert")]
    found.append(_kernel())
    return found


def _file_system(settings: config.Settings) -> Check:
    kind = network_file_system(settings.project)
    remedy = (
        "Move the project to a local disk, or set store.allow_network_fs."
        if kind and not settings.store.allow_network_fs
        else ""
    )
    return Check(what="file system", told=f"{kind}, over the network" if kind else "local", remedy=remedy)


def _room(settings: config.Settings) -> Check:
    free = shutil.disk_usage(settings.project).free
    return Check(what="disk", told=f"{values.size(free)} free", remedy="Free some space." if free < _ROOM else "")


def _store(settings: config.Settings) -> list[Check]:
    store = connect(settings)
    try:
        hello = store.ready()
    except NbopsError as error:
        return [Check(what="store", told=error.message, remedy=error.hint)]
    checks = [
        Check(
            what="store",
            told=f"{hello.state}, schema {hello.schema}, {hello.seq:,} changes",
            remedy=hello.hint if hello.message else "",
        ),
        Check(
            what="owner",
            told=f"process {hello.pid}, nbops {hello.nbops}, DuckDB {hello.duckdb}, {hello.clients} connections",
        ),
    ]
    waiting = list(spool.segments(store.places))
    rejected = list(store.places.rejected.glob("*")) if store.places.rejected.exists() else []
    told = f"{len(waiting)} segments wait" if waiting else "nothing waits"
    remedy = f"{len(rejected)} records were refused; look at them in {store.places.rejected}." if rejected else ""
    return [*checks, Check(what="spool", told=told, remedy=remedy)]


def _package(name: str) -> Check:
    present = importlib.util.find_spec(name) is not None
    return Check(
        what=name,
        told="installed" if present else "missing",
        remedy="" if present else "pip install --force-reinstall nbops",
    )


def _kernel() -> Check:
    from jupyter_client.kernelspec import KernelSpecManager

    found = KernelSpecManager().find_kernel_specs()
    remedy = "" if "python3" in found else "python -m ipykernel install --sys-prefix"
    return Check(what="kernels", told=", ".join(sorted(found)) or "none", remedy=remedy)
