"""Whether a process of this machine that asks Jupyter's server for something is inside an executed notebook.

What flows in is the connection's socket. A browser elsewhere, or behind a proxy, is seen as what connects here: nothing more is known.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from nbops.store import marks

_GONE = "the process that asks for it is gone or cannot be seen"
_ESTABLISHED = "01"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))

Address = tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]


class _Entry(NamedTuple):
    """One end of a connection of this machine, as the kernel lists it."""

    local: Address
    remote: Address
    state: str
    uid: int
    inode: str


def impersonal(sock: socket.socket | None) -> str:
    """Why what comes through a connection, None for one that is closed, cannot be a person's act; empty where it may be one."""
    if not marks.SUPPORTED:
        return ""
    try:
        if sock is not None and sock.family == socket.AF_UNIX:
            return marks.peer(sock).impersonal
        ends = None if sock is None else (_address(sock.getpeername()), _address(sock.getsockname()))
    except OSError:
        ends = None
    if ends is None:
        return _GONE
    return _of_process(*ends) if _is_local(*ends) else ""


def _of_process(asker: Address, here: Address) -> str:
    """The same for a process of this machine, by both ends of the connection."""
    found = next((one for one in _entries() if one.local == asker and one.remote == here), None)
    if found is None or found.state != _ESTABLISHED:
        return _GONE
    if found.uid != os.getuid():
        # Another user's: an executed notebook of ours cannot become one.
        return ""
    holders = list(_holders(found.inode))
    return next((told for told in map(marks.found, holders) if told), "") if holders else _GONE


def _is_local(asker: Address, here: Address) -> bool:
    """Whether the other end is on this machine: a loopback address, or the one that it was reached at."""
    return asker[0].is_loopback or asker[0] == here[0]


def _address(name: tuple[str, int] | tuple[str, int, int, int]) -> Address:
    return _plain(ipaddress.ip_address(name[0].partition("%")[0])), name[1]


def _plain(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IPv4 address also where it came through a socket of IPv6."""
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _entries() -> Iterator[_Entry]:
    for table in _TABLES:
        with suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                yield _Entry(_listed(fields[1]), _listed(fields[2]), fields[3], int(fields[7]), fields[9])


def _listed(text: str) -> Address:
    """An address as the kernel lists it: words of four bytes in the machine's order."""
    digits, _, port = text.partition(":")
    packed = b"".join(struct.pack("=I", int(digits[place : place + 8], 16)) for place in range(0, len(digits), 8))
    return _plain(ipaddress.ip_address(packed)), int(port, 16)


def _holders(inode: str) -> Iterator[int]:
    """The processes of this user that hold a socket."""
    wanted = f"socket:[{inode}]"
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):
            for handle in (folder / "fd").iterdir():
                with suppress(OSError):
                    if str(handle.readlink()) == wanted:
                        yield int(folder.name)
                        break
