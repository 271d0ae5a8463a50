"""Processes that come of a fork: of their own like all others, with imports that have been done once for all of them.

Owners for folders whose tests need a store and are about something else, and the fresh processes that models are proven in for tests
that register versions and are not about the proof. What is about the store, its faults or its versions starts owners as users do;
what is about the proof starts interpreters.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nbops.registry import proof
from nbops.store import client

_SOURCE = """
import importlib, json, logging, os, runpy, socket, sys, traceback

*imports, module = sys.argv[2:]
for name in imports:
    importlib.import_module(name)
if module == "nbops._owner":
    for name in importlib.import_module(module).DOMAINS:
        importlib.import_module(name)
# It runs as the main module, as `python -m` has it.
sys.modules.pop(module, None)
asked = socket.socket(fileno=int(sys.argv[1]))
while True:
    text, files, _, _ = socket.recv_fds(asked, 1 << 20, 2)
    if not text:
        os._exit(0)
    wanted = json.loads(text)
    if "pid" in wanted:
        asked.send(json.dumps(os.waitpid(wanted["pid"], os.WNOHANG)).encode())
        continue
    pid = os.fork()
    if pid:
        for file in files:
            os.close(file)
        asked.send(json.dumps([pid]).encode())
        continue
    asked.close()
    os.setsid()
    os.dup2(files[0], 0)
    os.dup2(files[1], 1)
    os.dup2(files[1], 2)
    for file in files:
        os.close(file)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    sys.argv = [module, *wanted["arguments"]]
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
"""


class Forge:
    """The process that processes of a module of ours come of: what `python -P -m MODULE` starts, once `imports` are done."""

    def __init__(self, *imports: str, module: str) -> None:
        # Its command line ends as an owner's begins: that tells whoever looks for owners that these are some.
        self._words = [*imports, module]
        self._turn = threading.Lock()
        self._socket: socket.socket | None = None

    def start(self, command: list[str], *, stdin: int, stdout: int, env: dict[str, str], cwd: Path, **_: Any) -> Forked:
        """What `subprocess.Popen` is for the store's client."""
        asked = {"arguments": command[4:], "env": env, "cwd": str(cwd)}
        with Path(os.devnull).open("rb") as nothing:
            files = [nothing.fileno() if stdin == subprocess.DEVNULL else stdin, stdout]
            return Forked(self, self._ask(asked, files)[0])

    def run(
        self, command: list[str], *, cwd: Path, env: dict[str, str], timeout: float, **ways: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """What `subprocess.run` is for the proof of a model."""
        with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
            asked.write(ways["input"])
            asked.seek(0)
            forked = self.start(command, stdin=asked.fileno(), stdout=said.fileno(), env=env, cwd=cwd)
            deadline = time.monotonic() + timeout
            while (status := forked.poll()) is None:
                if time.monotonic() > deadline:
                    os.kill(forked.pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(command, timeout)
                time.sleep(0.005)
            said.seek(0)
            return subprocess.CompletedProcess(command, status, b"", said.read())

    def ended(self, pid: int) -> int | None:
        """The exit status of a process, None while it lives."""
        found, status = self._ask({"pid": pid})
        return os.waitstatus_to_exitcode(status) if found else None

    def close(self) -> None:
        """End it; what came of it stays."""
        if self._socket:
            self._socket.close()
            self._process.wait(20)

    def _ask(self, asked: dict[str, Any], files: Sequence[int] = ()) -> list[int]:
        with self._turn:
            self._socket = self._socket or self._begun()
            socket.send_fds(self._socket, [json.dumps(asked).encode()], files)
            answer: list[int] = json.loads(self._socket.recv(100))
            return answer

    def _begun(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SOURCE, str(theirs.fileno()), *self._words],
                stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        return ours


class Forked:
    """A process, as the one that started it sees it."""

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
def owners() -> Iterator[Forge]:
    """Where this process's owners come from."""
    made = Forge("nbops.store.owner", "nbops.store.meeting", "duckdb", "pyarrow", module="nbops._owner")
    yield made
    made.close()


@pytest.fixture(scope="session")
def proofs() -> Iterator[Forge]:
    """Where the processes come from that this process proves models in."""
    made = Forge(
        "nbops.registry.verifying", "pandas", "sklearn.linear_model", "skops.io", module="nbops.registry.proof"
    )
    yield made
    made.close()


@pytest.fixture(scope="module", autouse=True)
def warm(owners: Forge) -> Iterator[None]:
    """Owners that this process starts come of a fork."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "subprocess", SimpleNamespace(Popen=owners.start, DEVNULL=subprocess.DEVNULL))
        yield


@pytest.fixture(scope="module", autouse=True)
def proven(proofs: Forge) -> Iterator[None]:
    """What this process proves models in comes of a fork; a module about that has a `proven` of its own, which does nothing."""
    with quickly_proven(proofs):
        yield


@contextlib.contextmanager
def quickly_proven(proofs: Forge) -> Iterator[None]:
    """Meanwhile, what this process proves models in comes of a fork."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof, "subprocess", SimpleNamespace(run=proofs.run, TimeoutExpired=subprocess.TimeoutExpired))
        yield
