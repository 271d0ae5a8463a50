"""Connections to the addresses of sources: no server leads us to an address that only this machine or its network can reach.

The address that a connection is made to is looked at, not the name: a name may mean another address each time it is asked for.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from typing import Any, Literal, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util import connection as plain

from nbops.errors import SourceError

UNKNOWN = "its name is unknown"
Reach = Literal["public", "loopback", "private", "link-local", "reserved"]

# Names that no public server has.
_PRIVATE_ENDINGS = (".local", ".lan", ".internal", ".intranet", ".corp", ".home.arpa")


def reach(address: str) -> Reach:
    """From where an IP address can be reached."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # An address of version 4 in the clothes of version 6.
        tunnelled = ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if tunnelled is not None:
            # Nobody serves data through a tunnel of that kind.
            inside = reach(str(tunnelled))
            return "reserved" if inside == "public" else inside
        inner = ip.ipv4_mapped
        if inner is None and ip in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        ip = inner or ip
    if ip.is_loopback:
        return "loopback"
    if ip.is_link_local:
        return "link-local"
    if ip.is_reserved or ip.is_multicast or ip.is_unspecified:
        return "reserved"
    return "public" if ip.is_global else "private"


_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


def declared_reach(host: str) -> Reach:
    """What the address that a person wrote down says of itself, without asking anybody."""
    host = host.strip("[]").lower().rstrip(".")
    with contextlib.suppress(ValueError):
        return reach(host)
    if host == "localhost" or host.endswith(".localhost"):
        return "loopback"
    return "private" if "." not in host or host.endswith(_PRIVATE_ENDINGS) else "public"


def addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    """What a name means at this moment, as `socket.getaddrinfo` tells it."""
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class Border:
    """Decides on addresses: those that can be reached from everywhere, and those of the kind that was declared."""

    def __init__(self, declared: Reach, *, allow_private: bool) -> None:
        self._allowed = {"public", declared}
        self._all = allow_private
        self._open: set[socket.socket] = set()

    def check(self, address: str, host: str) -> None:
        """Raise SourceError when the address is out of bounds; `host` is the name that led there."""
        found = reach(address)
        if not self._all and found not in self._allowed:
            raise SourceError(
                f"{host} is the {found} address {address}, and not what was declared: nothing was asked of it.",
                hint="If that server is meant, write its address into `from`, or `allow_private: true` below it.",
            )

    def connected(self, connection: HTTPConnection) -> socket.socket:
        """A connection to an address that was looked at."""
        # What urllib3 calls the host when it looks for its address: without brackets.
        host = connection._dns_host  # noqa: SLF001 - it has no other name
        try:
            found = addresses(host, connection.port)
        except socket.gaierror as error:
            raise NewConnectionError(connection, UNKNOWN) from error
        for one in found:
            self.check(one[4][0], host)
        last: OSError | None = None
        for one in found:
            try:
                made = plain.create_connection(
                    (one[4][0], connection.port), connection.timeout, socket_options=connection.socket_options
                )
            except OSError as error:
                last = error
                continue
            # The connection may be wrapped and closed by others: what ends it is a descriptor of our own.
            self._open.add(made.dup())
            return made
        raise last or OSError("the name has no address")

    def end(self) -> None:
        """End all connections, also while somebody reads from one."""
        while self._open:
            with self._open.pop() as made, contextlib.suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of all connections."""
        while self._open:
            self._open.pop().close()


class Watch:
    """Ends connections when what is awaited does not come in time: a server that sends a byte now and then is silent for no time-out."""

    def __init__(self, border: Border) -> None:
        self._border = border
        self._changed = threading.Condition()
        self._until: float | None = time.monotonic() + 86_400
        self._wakes = 0.0
        self.is_late = False
        self._thread = threading.Thread(target=self._run, name="nbops-source-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._until = None
            self._changed.notify()
        self._thread.join()
        self._border.close()

    def expect(self, seconds: float) -> None:
        """The next thing comes within so many seconds."""
        with self._changed:
            self._until = time.monotonic() + max(seconds, 0.01)
            # The thread wakes by itself when it is time: it need not hear of each delay.
            if self._until < self._wakes:
                self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while self._until is not None:
                left = self._until - time.monotonic()
                if left <= 0:
                    self.is_late = True
                    self._border.end()
                    return
                self._wakes = time.monotonic() + left
                self._changed.wait(left)


def session(border: Border) -> requests.Session:
    """A session whose connections are looked at. It takes no passwords from files; proxies are given with each request."""
    made = _Session()
    made.trust_env = False
    made.mount("http://", _Adapter(border))
    made.mount("https://", _Adapter(border))
    return made


class _Session(requests.Session):
    def get_redirect_target(self, _: requests.Response) -> None:
        """It looks ahead even when it does not follow, and stumbles over what is no address."""


class _Adapter(HTTPAdapter):
    def __init__(self, border: Border) -> None:
        self._border = border
        super().__init__()

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = _pools(self._border)


def _pools(border: Border) -> dict[str, type[HTTPConnectionPool]]:
    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(border, self)

    class SecureConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(border, self)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


def _connected(border: Border, connection: HTTPConnection) -> socket.socket:
    """Failures by the names that urllib3 gives them."""
    try:
        return border.connected(connection)
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, "no answer") from error
    except OSError as error:
        raise NewConnectionError(connection, str(error)) from error
