"""A rehearsal: a throw-away child boots a kernel and another runs a cell in it, so that what that imports can be preloaded."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from jupyter_client.connect import write_connection_file

from nbops.execution.kernels.forked import Lines, Order, be_kernel

_SECONDS = 60.0


def rehearse(stem: str) -> list[str]:
    """What a kernel imports anew to boot and to run a cell; `stem` begins the names of its files.

    Ends this process when the kernel does not work.
    """
    # jupyter_client marks the folder of such a file.
    folder = tempfile.mkdtemp(prefix="nbops-rehearsal-")
    file, _ = write_connection_file(
        f"{folder}/c.json", ip=f"{stem}.r", transport="ipc", key=os.urandom(16).hex().encode()
    )
    report, reporting = os.pipe()
    life, living = os.pipe()
    children = []
    if (kernel := os.fork()) == 0:
        os.close(living)
        os.close(report)
        stdio = (os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY), os.dup(2))
        order = Order(["rehearsal", "-f", file, "--HistoryManager.hist_file=:memory:"], dict(os.environ), "/")
        be_kernel(order, Lines(stdio, reporting, life))
    children.append(kernel)
    os.close(reporting)
    try:
        lines = _lines(report)
        if b"bound" in next(lines, b""):
            if (client := os.fork()) == 0:
                _be_client(file)
            children.append(client)
        told = next(lines, b"")
    finally:
        for handle in (report, life, living):
            os.close(handle)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        shutil.rmtree(folder, ignore_errors=True)
        for path in Path(stem).parent.glob(f"{Path(stem).name}.r-*"):
            path.unlink(missing_ok=True)
    if not told:
        sys.exit("The rehearsal failed: a kernel forked from here does not work.")
    names: list[str] = json.loads(told)["imported"]
    return names


def _lines(handle: int) -> Iterator[bytes]:
    deadline = time.monotonic() + _SECONDS
    buffer = b""
    while select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0]:
        data = os.read(handle, 1 << 16)
        if not data:
            return
        *whole, buffer = (buffer + data).split(b"\n")
        yield from whole


def _be_client(file: str) -> NoReturn:
    from jupyter_client.blocking.client import BlockingKernelClient

    try:
        client = BlockingKernelClient(connection_file=file)
        client.load_connection_file()
        client.start_channels(hb=False)
        client.kernel_info(reply=True, timeout=_SECONDS)
        client.execute("print('rehearsal')\n1 + 1", reply=True, timeout=_SECONDS)
        client.shutdown(reply=True, timeout=_SECONDS)
    finally:
        os._exit(0)
