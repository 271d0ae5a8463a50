"""Where the owner and its clients meet: a lock that decides who owns the store, a socket to talk through, a page that explains.

They lie in the project's `run` folder, or in a private folder of the user where the file system refuses them.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec

from nbops.records import Record
from nbops.store.places import LONGEST_ADDRESS, Places, locked, make_private

_SOCKET = "owner.sock"
_PAGE = "owner.json"
BUSY = 3
"""The exit status of an owner that finds another one."""


class Page(Record):
    """Who the owner is, for people and, over TCP, how to reach it. The lock decides, this only explains."""

    pid: int
    nbops: str
    host: str
    port: int = 0
    token: str = ""


class Meeting:
    """One project's meeting point, as the owner or a client sees it."""

    def __init__(self, places: Places, *, transport: str) -> None:
        self._places = places
        self.transport = transport
        self._token = ""
        self._inode = 0

    @property
    def lock(self) -> Path:
        """The file whose lock the owner holds for life."""
        return self._locks / "lock"

    @property
    def starting(self) -> Path:
        """The file whose lock a client holds while it starts an owner."""
        return self._locks / "starting"

    @property
    def _locks(self) -> Path:
        first, second = self._places.meeting_points()
        # Asked of the kernel, which knows a read-only mount even for root; a full disk must not change the answer.
        return first if first.is_dir() and os.access(first, os.W_OK) else make_private(second)

    def listen(self, version: str) -> socket.socket:
        """The owner's listening socket, reachable from now on. Raises OSError."""
        if self.transport == "tcp":
            self._token = secrets.token_urlsafe(32)
            listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
            self._write_page(self._locks, version, listener.getsockname()[1])
            return listener
        try:
            return self._listen_in(self._locks, version)
        except OSError:
            # This file system takes no sockets, or no more files at all.
            return self._listen_in(make_private(self._places.meeting_points()[1]), version)

    def leave(self) -> None:
        """Take the socket away, if it is still ours."""
        for folder in self._places.meeting_points():
            path = folder / (_SOCKET if self.transport == "unix" else _PAGE)
            with contextlib.suppress(OSError):
                if self.transport == "tcp" or path.stat().st_ino == self._inode:
                    path.unlink()

    def token_is(self, header: str) -> bool:
        """Whether an Authorization header carries this owner's token; never true where there is none."""
        return bool(self._token) and hmac.compare_digest(header.encode(), f"Bearer {self._token}".encode())

    def connect(self, timeout: float) -> tuple[socket.socket, str]:
        """A connection to the owner and the token to show it. Raises OSError when nobody listens."""
        if self.transport == "tcp":
            page = self.page()
            # The page of an owner that was killed stays, and its port may be another program's by now: that must not see the token.
            if page is None or not self.owned():
                raise FileNotFoundError(self._places.run / _PAGE)
            return socket.create_connection(("127.0.0.1", page.port), timeout), page.token
        first, second = self._places.meeting_points()
        try:
            return _connect(first, timeout), ""
        except (FileNotFoundError, ConnectionRefusedError):
            return _connect(second, timeout), ""

    def page(self) -> Page | None:
        """What the last owner wrote about itself."""
        for folder in self._places.meeting_points():
            with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
                return msgspec.json.decode((folder / _PAGE).read_bytes(), type=Page)
        return None

    def owned(self) -> bool:
        """Whether some process holds the owner's lock now."""
        return self.lock.exists() and locked(self.lock)

    def _listen_in(self, folder: Path, version: str) -> socket.socket:
        listener = _bind(folder)
        self._inode = (folder / _SOCKET).stat().st_ino
        with contextlib.suppress(OSError):
            self._write_page(folder, version, 0)
        return listener

    def _write_page(self, folder: Path, version: str, port: int) -> None:
        page = Page(pid=os.getpid(), nbops=version, host=socket.gethostname(), port=port, token=self._token)
        temporary = folder / f"{_PAGE}.new"
        temporary.write_bytes(msgspec.json.encode(page))
        temporary.replace(folder / _PAGE)


def _connect(folder: Path, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        with _address(folder, _SOCKET) as address:
            sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def _bind(folder: Path) -> socket.socket:
    # Bound under another name and renamed: nobody ever meets a socket that does not listen yet.
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    temporary = f"{_SOCKET}.{os.getpid()}"
    (folder / temporary).unlink(missing_ok=True)
    with _address(folder, temporary) as address:
        listener.bind(address)
    listener.listen(1024)
    (folder / temporary).rename(folder / _SOCKET)
    return listener


@contextlib.contextmanager
def _address(folder: Path, name: str) -> Iterator[str]:
    """A socket address for a file; through the folder's descriptor where the path is too long for one."""
    plain = str(folder / name)
    if len(os.fsencode(plain)) <= LONGEST_ADDRESS:
        yield plain
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{name}"
    finally:
        os.close(handle)
