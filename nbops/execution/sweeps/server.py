"""The fork server that a sweep starts for itself and sends away with its end, shared with other sweeps that need the very same one."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from nbops.execution import secrets
from nbops.store.client import Store


class Own:
    """The server that forks the kernels of a sweep. The environment is taken as it is when this is made."""

    def __init__(self, store: Store) -> None:
        self._folder = store.places.run / "kernels"
        self._environ = secrets.without_secrets(store.settings, os.environ)
        self._stays = store.settings.execution.fork_server
        self._minutes = store.settings.execution.fork_server_minutes

    def start(self) -> int:
        """Have it running; gives the descriptor of a lock that `send_away` needs, -1 when there is no server."""
        # Needs what only POSIX has.
        from nbops.execution.kernels import servers

        server = servers.server_for(self._folder, start=True, idle_minutes=self._minutes, environ=self._environ)
        if server is None:
            return -1
        path = servers.socket_for(self._folder, self._environ)
        lock = os.open(path.with_suffix(".sweeps"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_SH)
        return lock

    def send_away(self, lock: int) -> None:
        """Let it leave, unless another sweep uses it or the settings want it to stay."""
        from nbops.execution.kernels import servers

        if self._stays:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        path: Path = servers.socket_for(self._folder, self._environ)
        path.with_suffix(".sweeps").unlink(missing_ok=True)
        server = servers.Server(self._folder, self._environ, started=True)
        server.close()
