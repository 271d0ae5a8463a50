"""Owners that come of a fork: processes of their own like all others, whose imports have been done once for all of them.

For folders whose tests need a store and are about something else. What is about the store, its faults or its versions starts owners as
users do.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nbops.store import client

_SOURCE = """
import importlib, json, logging, os, socket, sys
import duckdb, pyarrow
from nbops import _owner, config
from nbops.store import meeting, owner, places

for name in _owner.DOMAINS:
    importlib.import_module(name)
asked = socket.socket(fileno=int(sys.argv[1]))
while True:
    text, files, _, _ = socket.recv_fds(asked, 1 << 20, 1)
    if not text:
        os._exit(0)
    wanted = json.loads(text)
    if "pid" in wanted:
        asked.send(json.dumps(os.waitpid(wanted["pid"], os.WNOHANG)).encode())
        continue
    pid = os.fork()
    if pid:
        os.close(files[0])
        asked.send(json.dumps([pid]).encode())
        continue
    asked.close()
    os.setsid()
    os.dup2(files[0], 1)
    os.dup2(files[0], 2)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    status = 1
    try:
        status = _owner.main(wanted["folder"])
    except BaseException:
        logging.exception("the owner ends")
    finally:
        os._exit(status)
"""


class Forge:
    """The process that owners come of."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Its command line tells whoever looks for owners that these are some.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SOURCE, str(theirs.fileno()), "nbops._owner"],
            stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
        )  # fmt: skip
        theirs.close()

    def start(self, command: list[str], *, stdout: int, env: dict[str, str], cwd: Path, **_: Any) -> Owner:
        """What `subprocess.Popen` is for the store's client."""
        asked = {"folder": command[-1], "env": env, "cwd": str(cwd)}
        socket.send_fds(self._socket, [json.dumps(asked).encode()], [stdout])
        return Owner(self, json.loads(self._socket.recv(100))[0])

    def ended(self, pid: int) -> int | None:
        """The exit status of an owner, None while it lives."""
        self._socket.send(json.dumps({"pid": pid}).encode())
        found, status = json.loads(self._socket.recv(100))
        return os.waitstatus_to_exitcode(status) if found else None

    def close(self) -> None:
        """End it; owners stay as long as their projects."""
        self._socket.close()
        self._process.wait(20)


class Owner:
    """An owner, as the process that started it sees it."""

    def __init__(self, forge: Forge, pid: int) -> None:
        self._forge = forge
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit status, None while it lives."""
        if self.returncode is None:
            self.returncode = self._forge.ended(self.pid)
        return self.returncode


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    """Where this process's owners come from."""
    made = Forge()
    yield made
    made.close()


@pytest.fixture(scope="module", autouse=True)
def warm(forge: Forge) -> Iterator[None]:
    """Owners that this process starts come of a fork."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "subprocess", SimpleNamespace(Popen=forge.start, DEVNULL=subprocess.DEVNULL))
        yield
