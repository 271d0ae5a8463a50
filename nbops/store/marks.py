"""What tells an executed notebook's processes from a person's: a mark that all that they start inherits and cannot take off.

On Linux it is a hard limit. That of file locks has limited nothing since Linux 2.4.25; it stays through fork and exec, in whatever
session, group or environment, and also when everything above the process has ended; without the system's leave it can only be
lowered. Anybody may read it. Other systems have nothing of the kind: there a process is believed what it says of itself.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
from pathlib import Path
from typing import NamedTuple

SUPPORTED = sys.platform == "linux"
VARIABLE = "NBOPS_RUN"
"""In the environment of an executed notebook's kernel: its run."""
# RLIMIT_LOCKS of Linux's resource.h, which Python does not name.
_LIMIT = 10
_MARK = int.from_bytes(b"nbops")
_LINE = re.compile(r"^Max file locks +\S+ +(\d+|unlimited)", re.MULTILINE)
# SO_PEERPIDFD of Linux 6.5, which Python does not name.
_PEER_HANDLE = 77
_EXECUTED = "it comes from inside an executed notebook"
_UNKNOWN = "the process that asks for it is gone or cannot be seen"


class Peer(NamedTuple):
    """Who is at the other end of a local socket.

    `impersonal` says why what it asks for cannot be a person's act; it is empty where it may be one.
    """

    uid: int
    gid: int
    pid: int
    impersonal: str


def put(pid: int) -> None:
    """Mark a process of this user's as an executed notebook's, for good; one that has ended is left alone. Raises PermissionError."""
    if not SUPPORTED:
        return
    import resource

    try:
        _, hard = resource.prlimit(pid, _LIMIT)
        if not _is_mark(hard):
            resource.prlimit(pid, _LIMIT, (_MARK, _MARK))
    except ProcessLookupError:
        return


def found(pid: int) -> str:
    """Why what a process asks for cannot be a person's act; empty where it may be one."""
    if not SUPPORTED:
        return ""
    try:
        line = _LINE.search(Path(f"/proc/{pid}/limits").read_text())
    except OSError:
        return _UNKNOWN
    if line is None:
        # A process that has ended, but was not waited for.
        return _UNKNOWN
    hard = -1 if line[1] == "unlimited" else int(line[1])
    if not _is_mark(hard):
        return ""
    # An administrator's limit looks like it.
    return f"{_EXECUTED} (process {pid}{'' if hard == _MARK else f', whose hard limit of file locks is {hard}'})"


def peer(sock: socket.socket) -> Peer:
    """Who is at the other end of a connected local socket, as the system says."""
    pid, uid, gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return Peer(uid, gid, pid, _held(sock, pid))


def declared() -> str:
    """What this process says of itself, for systems that say nothing of it."""
    return _EXECUTED if os.environ.get(VARIABLE) else ""


def _held(sock: socket.socket, pid: int) -> str:
    """As `found`, sure that the number has not been given to another process meanwhile, where the system lets one be sure."""
    try:
        handle = sock.getsockopt(socket.SOL_SOCKET, _PEER_HANDLE)
    except OSError:
        return found(pid)
    try:
        told = found(pid)
        line = re.search(r"^Pid:\s+(-?\d+)", Path(f"/proc/self/fdinfo/{handle}").read_text(), re.MULTILINE)
        return told if line and int(line[1]) == pid else _UNKNOWN
    finally:
        os.close(handle)


def _is_mark(hard: int) -> bool:
    """Below the mark, too: that way is open to everybody."""
    return 0 <= hard <= _MARK
