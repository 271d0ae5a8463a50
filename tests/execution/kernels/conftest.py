"""A fork server in a folder of its own, and kernels that run cells; none is left when the tests are over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nbops.execution.kernels import servers
from nbops.execution.kernels.manager import Client, Kernel
from nbops.execution.kernels.servers import Server

ENVIRON = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}


class Answer:
    """What one cell brought: its status, what it printed and showed, and the types of its messages."""

    def __init__(self, reply: dict[str, Any], messages: list[dict[str, Any]]) -> None:
        self.status = reply["content"]["status"]
        self.error = reply["content"].get("ename", "")
        self.traceback = "\n".join(reply["content"].get("traceback", []))
        told = [message["content"] for message in messages]
        self.printed = "".join(content["text"] for content in told if "text" in content and "name" in content)
        self.shown = [content["data"] for content in told if "data" in content and "metadata" in content]
        self.kinds = [message["msg_type"] for message in messages]

    @property
    def value(self) -> str:
        """The text of the cell's last expression."""
        assert self.shown, (self.error, self.traceback)
        return str(self.shown[-1]["text/plain"])


class Session:
    """A kernel and its client."""

    def __init__(self, kernel: Kernel, client: Client) -> None:
        self.kernel = kernel
        self.client = client

    async def run(self, code: str) -> Answer:
        """Run a cell."""
        messages: list[dict[str, Any]] = []
        reply = await self.client.execute_interactive(code, allow_stdin=False, timeout=60, output_hook=messages.append)
        return Answer(reply, messages)


@contextlib.asynccontextmanager
async def session(server: Server | None, **options: Any) -> AsyncIterator[Session]:
    """A started kernel, shut down at the end."""
    kernel = Kernel(server=server, **{"environ": ENVIRON, **options})
    await kernel.start_kernel(extra_arguments=["--HistoryManager.hist_file=:memory:"])
    client = kernel.client()
    client.start_channels()
    found = Session(kernel, client)
    try:
        await client.wait_for_ready(timeout=60)
        yield found
    finally:
        # First of all: a client that is left behind keeps the interpreter from ending.
        found.client.stop_channels()
        if await kernel.is_alive():
            await kernel.shutdown_kernel()
        else:
            await kernel.ended()
            await kernel.cleanup_resources()


def run(server: Server | None, *cells: str, **options: Any) -> list[Answer]:
    """The answers of a kernel of its own to some cells."""

    async def each() -> list[Answer]:
        async with session(server, **options) as kernel:
            return [await kernel.run(cell) for cell in cells]

    return asyncio.run(each())


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    """Whether a process runs; one that is over but not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server in a folder, gone afterwards."""
    folder.mkdir(mode=0o700, exist_ok=True)
    server = servers.server_for(folder, start=True, idle_minutes=1, environ=ENVIRON)
    assert server is not None, (*(path.read_text() for path in folder.glob("*.log")), "the server did not start")
    pids = [told.pid for told in servers.status(folder)]
    try:
        yield server
    finally:
        pids += [told.pid for told in servers.stop(folder)]
        assert eventually(lambda: not any(alive(pid) for pid in pids), 10)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that the tests of a module share."""
    with serving(tmp_path_factory.mktemp("k")) as found:
        yield found
