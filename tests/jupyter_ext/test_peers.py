"""Jupyter's routes of promotion are a person's: whatever comes out of an executed notebook is found, however it goes about it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from nbops.jupyter_ext import peers
from nbops.store import marks

pytestmark = pytest.mark.skipif(not marks.SUPPORTED, reason="the system marks no processes")
# A marked process leaves its session and has a child of its child connect.
MARKED = """
import os, socket, sys, time
from nbops.store import marks
marks.put(os.getpid())
os.setsid()
if os.fork() == 0:
    held = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    if len(sys.argv) > 3:
        held.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
        os._exit(0)
    time.sleep(60)
"""


@pytest.fixture(params=["127.0.0.1", "::1", "mapped"])
def listening(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, str]]:
    """A server's socket, and the address by which it is reached; `mapped` is IPv4 through a socket of IPv6."""
    mapped = request.param == "mapped"
    with socket.socket(socket.AF_INET if request.param == "127.0.0.1" else socket.AF_INET6) as made:
        if mapped:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(("::" if mapped else request.param, 0))
        made.listen()
        yield made, "127.0.0.1" if mapped else request.param


def test_a_person_may(listening: tuple[socket.socket, str]) -> None:
    server, address = listening
    with socket.create_connection((address, server.getsockname()[1])):
        accepted, _ = server.accept()
        assert peers.impersonal(accepted) == ""
    assert "is gone" in peers.impersonal(accepted)
    accepted.close()
    assert "is gone" in peers.impersonal(accepted)
    assert "is gone" in peers.impersonal(None)


@pytest.mark.parametrize("leaves", [False, True])
def test_what_an_executed_notebook_started_may_not(listening: tuple[socket.socket, str], *, leaves: bool) -> None:
    """Nor one that has sent its request and is gone."""
    server, address = listening
    words = [address, str(server.getsockname()[1]), *(["leave"] if leaves else [])]
    with subprocess.Popen([sys.executable, "-c", MARKED, *words]) as started:
        accepted, _ = server.accept()
        with accepted:
            if leaves:
                while accepted.recv(1000):
                    pass
            told = peers.impersonal(accepted)
        started.kill()
    subprocess.run(["pkill", "-f", f"{address} {words[1]}"], check=False)
    assert told.startswith(
        "the process that asks for it is gone" if leaves else "it comes from inside an executed notebook"
    )
