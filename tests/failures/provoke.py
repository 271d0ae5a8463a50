"""Real failures: a kernel that executes cells, a server that answers badly, processes that die."""

from __future__ import annotations

import http.server
import linecache
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec
from jupyter_client.manager import KernelManager

from nbops.failures import Evidence, evidence_from_error, evidence_from_exit, evidence_from_outputs, evidence_from_text

# Much faster than %reset.
_FORGET = """
for _ in [n for n in globals() if n[0] != '_' and n not in ('In', 'Out', 'get_ipython', 'exit', 'quit', 'open')]:
    del globals()[_]
"""


CELL = "# %%\n"


class Runner(Protocol):
    """Whatever executes cells."""

    def execute(self, source: str) -> list[dict[str, Any]]:
        """The error outputs of cells with `# %%` between them."""


class Kernel:
    """A Python kernel in `folder`; its cells know `URL`, the bad server's address."""

    def __init__(self, folder: Path, url: str) -> None:
        # The sockets lie beside the connection file, and their paths must be short.
        self._sockets = tempfile.TemporaryDirectory()
        self._manager = KernelManager(transport="ipc", connection_file=f"{self._sockets.name}/kernel.json")
        self._manager.start_kernel(cwd=str(folder), env={**os.environ, "NO_PROXY": "*"})
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        self._execute(f"import builtins; builtins.URL = {url!r}")

    def execute(self, source: str) -> list[dict[str, Any]]:
        """The error outputs of cells with `# %%` between them, as a notebook keeps them; what was assigned before is gone."""
        self._execute(_FORGET)
        return [output for cell in source.split(CELL) for output in self._execute(cell)]

    def close(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._sockets.cleanup()

    def _execute(self, source: str) -> list[dict[str, Any]]:
        outputs: list[dict[str, Any]] = []

        def keep(message: dict[str, Any]) -> None:
            if message["msg_type"] == "error":
                outputs.append({"output_type": "error", **message["content"]})

        self._client.execute_interactive(source, timeout=60, output_hook=keep, allow_stdin=False)
        return outputs


class Inside:
    """Executes cells in this process, which is much faster; its tracebacks are Python's own. Cells know `URL`, the bad server's address."""

    def __init__(self, url: str) -> None:
        self._url = url

    def execute(self, source: str) -> list[dict[str, Any]]:
        """The error output of the first cell that fails."""
        space: dict[str, Any] = {"__name__": "__main__", "URL": self._url}
        for number, one in enumerate(source.split(CELL), start=1):
            name = f"Cell In[{number}]"
            linecache.cache[name] = (len(one), None, one.splitlines(keepends=True), name)
            try:
                exec(compile(one, name, "exec"), space)  # noqa: S102 - our own lines
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever fails is what is asked for
                # The first frame is this one.
                frames = error.__traceback__ and error.__traceback__.tb_next
                text = "".join(traceback.format_exception(type(error), error, frames))
                return [
                    {"output_type": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": [text]}
                ]
        return []


class _Bad(http.server.BaseHTTPRequestHandler):
    """/503 answers with that status, /reset hangs up in the middle, /cut sends less than it promised, /slow takes its time."""

    def do_GET(self) -> None:
        word = self.path.strip("/").partition("/")[0]
        if word == "reset":
            # With no time to linger, closing a connection resets it.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if word == "slow":
            time.sleep(0.6)
        self.send_response(int(word) if word.isdigit() else 200)
        body = b"<html>this is no JSON</html>"
        self.send_header("Content-Length", str(len(body) * (1 + (word == "cut"))))
        self.end_headers()
        self.wfile.write(body)

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def bad_server() -> Iterator[str]:
    """The address of a server that answers badly."""
    server = _Server(("127.0.0.1", 0), _Bad)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def cell(source: str) -> Callable[[Runner], Evidence]:
    """What the error output of a cell tells, or of the last of cells with `# %%` between them."""
    return lambda runner: evidence_from_outputs(runner.execute(source), cells=source.split(CELL))


def process(
    source: str, *, limit: int | None = None, seconds: float | None = None, text: bool = False
) -> Callable[[object], Evidence]:
    """What the end of a process that runs `source` tells; killed when it outgrows `limit` bytes, as a cgroup does it, or after `seconds`.

    With `text`, its traceback instead.
    """

    def provoke(_: object) -> Evidence:
        child = subprocess.Popen(
            [sys.executable, "-c", source], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        if text:
            return evidence_from_text(child.communicate(timeout=60)[1])
        while limit is not None and not _outgrown(child.pid, limit):
            time.sleep(0.002)
        time.sleep(seconds or 0)
        if limit is not None or seconds is not None:
            child.kill()
        status, usage = os.wait4(child.pid, 0)[1:]
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.stderr is not None
        child.stderr.close()
        ended = evidence_from_exit(child.returncode, peak_memory=usage.ru_maxrss * 1024, memory_limit=limit)
        return msgspec.structs.replace(ended, timed_out=seconds is not None, seconds=seconds)

    return provoke


def _outgrown(pid: int, limit: int) -> bool:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() > limit


def runner(call: Callable[[], object]) -> Callable[[object], Evidence]:
    """What an error of the runner itself tells."""

    def provoke(_: object) -> Evidence:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever fails is what is asked for
            return evidence_from_error(error)
        raise AssertionError("nothing failed")

    return provoke


def execute(source: str, *, timeout: int | None = None, kernel: str = "python3") -> None:
    """Execute a notebook of one cell."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, timeout=timeout, kernel_name=kernel, interrupt_on_timeout=False).execute()
