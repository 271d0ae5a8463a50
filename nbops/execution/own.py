"""The fork server of a sweep or pipeline, shared with others that need the very same one."""

from __future__ import annotations

import ast
import contextlib
import fcntl
import importlib.util
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nbops.execution import reading, secrets
from nbops.execution.kernels import servers
from nbops.execution.kernels.key import site_folders
from nbops.execution.kernels.preload import Memory
from nbops.execution.parameters import python
from nbops.execution.parameters.reading import is_python
from nbops.store.client import Store

_LONELY_MINUTES = 1.0


class Own:
    """The server that forks the kernels of lanes. The environment is taken as it is when this is made."""

    def __init__(self, store: Store) -> None:
        self._folder = store.places.kernels
        self._environ = secrets.without_secrets(store.settings, os.environ)
        self._stays = store.settings.execution.fork_server
        self._minutes = store.settings.execution.fork_server_minutes

    def hold(self) -> int:
        """The descriptor of a lock while which nobody else sends the server away; -1 where there are no servers."""
        if not servers.SUPPORTED:
            return -1
        # Makes the folder, too.
        servers.memory_for(self._folder, self._environ)
        path = servers.socket_for(self._folder, self._environ).with_suffix(".sweeps")
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_SH)
        return lock

    def start(self, notebooks: Iterable[tuple[Any, Path]]) -> None:
        """Have it running, if it can be had here, with what these notebooks, each in its folder, will import preloaded."""
        if not servers.SUPPORTED:
            return
        Memory(servers.memory_for(self._folder, self._environ)).learn(
            list(dict.fromkeys(name for node, folder in notebooks for name in imported(node, folder)))
        )
        # Should everybody die who is to send it away, it does not stay for long.
        minutes = self._minutes if self._stays else min(self._minutes, _LONELY_MINUTES)
        servers.server_for(self._folder, start=True, idle_minutes=minutes, environ=self._environ)

    def send_away(self, lock: int) -> None:
        """Let it leave, unless another sweep uses it or the settings want it to stay."""
        if self._stays:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        servers.Server(self._folder, self._environ, started=True).close()


def imported(node: Any, folder: Path) -> list[str]:
    """The installed modules that a notebook's cells import at their top level; none that its own folder may have."""
    names: dict[str, None] = {}
    for cell in node.cells if is_python(reading.language_of(node)) else ():
        if cell.cell_type != "code":
            continue
        with contextlib.suppress(SyntaxError):
            for statement in python.parse(cell.source).body:
                if isinstance(statement, ast.Import):
                    names |= dict.fromkeys(alias.name for alias in statement.names)
                elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
                    names[statement.module] = None
    tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    own = {top for top in tops if (folder / f"{top}.py").exists() or (folder / top).is_dir()}
    known = {top for top in tops - own if _is_installed(top)}
    return [name for name in names if name.partition(".")[0] in known]


def _is_installed(top: str) -> bool:
    found = importlib.util.find_spec(top)
    return bool(found and found.origin and any(Path(found.origin).is_relative_to(place) for place in site_folders()))
