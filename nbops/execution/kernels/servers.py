"""Fork servers as their users see them: found or started by key, asked how they are, told to leave.

A folder holds a socket and a log for each key, and what was learnt to preload. Where its path is too long for a socket's address, a
private temporary folder stands in.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from nbops.errors import PathRefused
from nbops.execution.kernels.server import LENGTH, Plan, command, peer
from nbops.records import Record
from nbops.store.places import LONGEST_ADDRESS, make_private, private_temporary

SUPPORTED = sys.platform == "linux"
"""Linux alone lets a process safely fork that has imported things, and tells us its end."""
_START_SECONDS = 60.0
_ANSWER_SECONDS = 5.0
# Key, suffix, and the number that a server adds while it binds.
_NAME = len("/0123456789abcdef.sock999")


class Status(Record):
    """A running server: its process, key, what it has preloaded or dropped, its kernels' processes, its memory in bytes."""

    pid: int
    key: str
    preloaded: list[str]
    dropped: dict[str, str]
    kernels: list[int]
    forks: int
    rss: int


class Server:
    """A server for one folder and environment, which may be replaced by its successor, or leave, without notice here.

    May be used by any thread. `close` it when you have started it for yourself.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], *, started: bool) -> None:
        self.folder = folder
        self.environ = dict(environ)
        self.started = started

    def status(self) -> Status | None:
        """How it is; None when it is gone."""
        return _ask(socket_for(self.folder, self.environ), "status")

    def close(self) -> None:
        """Let a server that was started for this handle leave when its kernels have; one that was there before stays."""
        if self.started:
            _ask(socket_for(self.folder, self.environ), "stop")


def server_for(
    folder: Path, *, start: bool, idle_minutes: float = 10.0, environ: Mapping[str, str] | None = None
) -> Server | None:
    """The server that forks kernels with `environ` (default: this process's own) as this process would start them.

    With `start`, one is started when none runs, in a second or two. None when there is none or it cannot be had here: then kernels
    are ordinary. Numbers of threads (OMP_NUM_THREADS) belong into `environ`: libraries read them at import, in the server.
    """
    if not SUPPORTED:
        return None
    environ = os.environ if environ is None else environ
    path = socket_for(folder, environ)
    if _listens(path):
        return Server(folder, environ, started=False)
    if not start:
        return None
    with _starting(path):
        if _listens(path):
            return Server(folder, environ, started=False)
        return Server(folder, environ, started=True) if _start(path, idle_minutes, environ) else None


def status(folder: Path) -> list[Status]:
    """The servers that run for a folder."""
    return [told for path in _sockets(folder) if (told := _ask(path, "status"))]


def stop(folder: Path) -> list[Status]:
    """Let the servers of a folder leave, each when its kernels have ended; gives how they were."""
    return [told for path in _sockets(folder) if (told := _ask(path, "stop"))]


def socket_for(folder: Path, environ: Mapping[str, str]) -> Path:
    """Where a server for kernels with this environment would listen. Reads much, but quickly."""
    # Needs what only POSIX has.
    from nbops.execution.kernels.key import key

    return _meeting_point(folder) / f"{key(environ)}.sock"


def memory_for(folder: Path, environ: Mapping[str, str]) -> Path:
    """Where servers for kernels with this environment remember what to preload."""
    path = socket_for(folder, environ)
    make_private(path.parent)
    return _memory(path)


def _memory(path: Path) -> Path:
    return path.parent / f"preload-{sys.version_info.major}{sys.version_info.minor}.json"


def connect(path: Path) -> socket.socket:
    """A connection to a server. Raises OSError, also for another user's: it would be told our environment."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(_ANSWER_SECONDS)
        sock.connect(str(path))
        if peer(sock) != os.getuid():
            raise PermissionError(errno.EPERM, "somebody else listens", str(path))
    except OSError:
        sock.close()
        raise
    return sock


def request(**asked: Any) -> bytes:
    """A request as it goes over the connection."""
    text = json.dumps(asked).encode()
    return LENGTH.pack(len(text)) + text


def _meeting_point(folder: Path) -> Path:
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - as it is named: links may lead to longer names
    if len(os.fsencode(folder)) + _NAME <= LONGEST_ADDRESS:
        return folder
    return private_temporary() / f"k-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"


def _sockets(folder: Path) -> list[Path]:
    return sorted(_meeting_point(folder).glob("*.sock"))


def _listens(path: Path) -> bool:
    try:
        connect(path).close()
    except OSError:
        return False
    return True


def _ask(path: Path, what: str) -> Status | None:
    try:
        with connect(path) as sock, sock.makefile("rb") as answers:
            sock.sendall(request(ask=what))
            return msgspec.json.decode(answers.readline(), type=Status)
    except (OSError, msgspec.DecodeError):
        return None


@contextlib.contextmanager
def _starting(path: Path) -> Iterator[None]:
    folder = make_private(path.parent)
    handle = os.open(folder / f"{path.stem}.starting", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _for_us(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _start(path: Path, idle_minutes: float, environ: Mapping[str, str]) -> bool:
    if path.parent.stat().st_uid != os.getuid() or path.parent.stat().st_mode & 0o077:
        raise PathRefused(
            f"{path.parent} does not belong to this user alone, and whoever reaches it could run code as you.",
            hint=f"chmod 700 {path.parent}",
        )
    memory = _memory(path)
    ready, told = os.pipe()
    with open(path.parent / f"{path.stem}.log", "wb", opener=_for_us) as log:
        plan = Plan(str(path), str(memory), path.stem, idle_minutes, told)
        process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            command(plan), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(environ), cwd=path.parent,
            start_new_session=True, pass_fds=[told],
        )  # fmt: skip
    os.close(told)
    with contextlib.ExitStack() as otherwise:
        # Whoever is interrupted here never knows of the server.
        otherwise.callback(process.kill)
        try:
            heard = bool(select.select([ready], [], [], _START_SECONDS)[0] and os.read(ready, 1))
        finally:
            os.close(ready)
        otherwise.pop_all()
    return heard
