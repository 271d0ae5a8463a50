"""What keeps nbops from working here."""

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
from nbops.store.client import Store, connect
from nbops.store.places import network_file_system

_ROOM = 200 * 2**20


class Check(Record):
    """One thing that was tried; `remedy` is empty when it is well."""

    what: str
    told: str
    remedy: str = ""


def examine(settings: config.Settings) -> list[Check]:
    """Try everything that a project needs."""
    kind = network_file_system(settings.project)
    refused = kind and not settings.store.allow_network_fs
    free = shutil.disk_usage(settings.project).free
    return [
        Check("python", f"{platform.python_version()} at {sys.executable}"),
        Check("nbops", f"{nbops.__version__}, DuckDB {duck.version()}"),
        Check("project", f"{settings.project} ({settings.origins['project']})"),
        Check(
            "file system",
            f"{kind}, over the network" if kind else "local",
            "Move the project to a local disk, or set store.allow_network_fs." if refused else "",
        ),
        Check("disk", f"{values.size(free)} free", "Free some space." if free < _ROOM else ""),
        *_store(settings),
        *(_package(name) for name in ("papermill", "ipykernel", "sklearn", "skops", "nbconvert")),
        _kernel(),
    ]


def _store(settings: config.Settings) -> list[Check]:
    store = connect(settings)
    try:
        hello = store.ready()
    except NbopsError as error:
        return [Check("store", error.message, error.hint)]
    waiting = list(spool.segments(store.places))
    rejected = list(store.places.rejected.glob("*"))
    return [
        Check(
            "store",
            f"{hello.state}, schema {hello.schema}, {hello.seq:,} changes",
            hello.hint if hello.message else "",
        ),
        Check("owner", f"process {hello.pid}, nbops {hello.nbops}, DuckDB {hello.duckdb}, {hello.clients} connections"),
        Check(
            "spool",
            f"{len(waiting)} segments wait" if waiting else "nothing waits",
            f"{len(rejected)} records were refused; look at them in {store.places.rejected}." if rejected else "",
        ),
        _messages(store),
    ]


def _messages(store: Store) -> Check:
    waiting, lost = store.read(
        """
        select
            count(*) filter (where state not in ('delivered', 'given up')),
            count(*) filter (where state = 'given up' and changed > now()::timestamp - interval 7 days)
        from outbox
        """
    ).rows[0]
    told = f"{waiting} wait" if waiting else "nothing waits"
    if not lost:
        return Check("messages", told)
    why = "`nbops sql \"select recipient, title, reason from outbox where state = 'given up'\"` says why."
    return Check("messages", f"{told}, {lost} of the last week were given up", why)


def _package(name: str) -> Check:
    if importlib.util.find_spec(name):
        return Check(name, "installed")
    return Check(name, "missing", "pip install --force-reinstall nbops")


def _kernel() -> Check:
    from jupyter_client.kernelspec import KernelSpecManager

    found = KernelSpecManager().find_kernel_specs()
    remedy = "" if "python3" in found else "python -m ipykernel install --sys-prefix"
    return Check("kernels", ", ".join(sorted(found)) or "none", remedy)
