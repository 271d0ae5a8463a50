"""A kernel's start as jupyter_client asks for it, by a fork server where that gives the same kernel, else as usual.

A kernelspec may name it as `nbops-fork`, with the servers' folder as its configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Unicode

from nbops.errors import ExecutionError
from nbops.execution.kernels import servers
from nbops.execution.kernels.process import ForkedProcess, OrdinaryProcess, Process, Usage

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

_BOUND_SECONDS = 30.0
# What `ipykernel install` writes; it only makes frozen modules visible to debuggers.
_NO_MATTER = ("-Xfrozen_modules=off",)


class ForkProvisioner(LocalProvisioner):
    """Starts kernels by a fork server, else ordinary ones, and waits for their end without polling."""

    folder = Unicode("", config=True, help="Where the fork servers of the project meet; empty for ordinary kernels.")

    process: Any = None
    """A `Process` once started; jupyter_client, which has `Popen` here, asks no more of it."""
    forked = False
    _last: Process | None = None

    @property
    def usage(self) -> Usage | None:
        """How the kernel ended and what it used; None while it runs."""
        if self._last is None or self._last.poll() is None:
            return None
        return self._last.usage

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel; a forked one's sockets are bound on return."""
        self.forked = False
        argv = forkable(cmd, kwargs)
        if self.folder and argv:
            try:
                watch = getattr(self.parent, "watch", None)
                self.process = self._last = await _fork(Path(self.folder), argv, kwargs, watch)
            except (OSError, ExecutionError) as error:
                self.log.debug("No forked kernel, an ordinary one: %s", error)
            else:
                self.forked = True
                self.pid = self.pgid = self.process.pid
                self.cwd = kwargs.get("cwd") or Path.cwd()
                return self.connection_info
        info = await super().launch_kernel(cmd, **kwargs)
        self.process = self._last = OrdinaryProcess(self.process)
        return info

    async def wait(self) -> int | None:
        """Wait for the process's end."""
        code = await self._last.ended() if self._last else None
        self.process = None
        return code

    async def ended(self) -> Usage | None:
        """Wait for the process's end and tell how it was; the process is still held."""
        if self._last is not None:
            await self._last.ended()
        return self.usage


def forkable(cmd: list[str], options: dict[str, Any]) -> list[str]:
    """The arguments of a kernel that a fork of this interpreter can be, the launcher's path first; empty for any other."""
    if not servers.SUPPORTED or not _this_interpreter(cmd[0]):
        return []
    rest = [argument for argument in cmd[1:] if argument not in _NO_MATTER]
    usual = {"env", "cwd", "stdin", "stdout", "stderr", "kernel_id", "extra_arguments", "independent"}
    if rest[:2] != ["-m", "ipykernel_launcher"] or options.keys() - usual or options.get("independent"):
        return []
    if any(options.get(name) == subprocess.PIPE for name in ("stdin", "stdout", "stderr")):
        return []
    if not re.fullmatch(r"-f\0[^\0]+(\0--\w+(\.\w+)+=[^\0]*)*", "\0".join(rest[2:])):
        return []
    import ipykernel

    launcher = Path(ipykernel.__file__).parent.with_name("ipykernel_launcher.py")
    return [str(launcher), *(os.path.expanduser(argument) for argument in rest[2:])]  # noqa: PTH111 - arguments, as the launcher does


def _this_interpreter(executable: str) -> bool:
    given, ours = Path(executable), Path(sys.executable)
    if given == ours:
        return True
    # The folder that the interpreter's link lies in tells the virtual environment.
    return (
        given.is_absolute()
        and given.exists()
        and given.parent.resolve() == ours.parent.resolve()
        and given.samefile(ours)
    )


async def _fork(folder: Path, argv: list[str], options: dict[str, Any], watch: tuple[str, str] | None) -> ForkedProcess:
    # Joined, not resolved: links in the name stay.
    cwd = os.path.join(os.getcwd(), str(options.get("cwd") or ""))  # noqa: PTH109, PTH118
    environ = {**options["env"], "JPY_PARENT_PID": str(os.getpid())}
    asked = servers.request(ask="kernel", argv=argv, environ=environ, cwd=cwd, watch=watch)
    sock = servers.connect(servers.socket_for(folder, environ))
    process = ForkedProcess(sock)
    with contextlib.ExitStack() as otherwise:
        # Also when this is cancelled: the kernel's life ends with the connection.
        otherwise.callback(process.close)
        with _streams(options) as handles:
            sent = socket.send_fds(sock, [asked], handles)
        if sent < len(asked):
            await asyncio.get_running_loop().sock_sendall(sock, asked[sent:])
        async with asyncio.timeout(_BOUND_SECONDS):
            await process.bound()
        otherwise.pop_all()
    return process


@contextlib.contextmanager
def _streams(options: dict[str, Any]) -> Iterator[list[int]]:
    """The descriptors of a kernel's standard input, output and error, as Popen understands what was asked for."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)

    def handle(stream: Any, otherwise: int) -> int:
        if stream is None:
            return otherwise
        number: int = stream if isinstance(stream, int) else stream.fileno()
        return number if number >= 0 else null

    try:
        stdout, stderr = handle(options.get("stdout"), 1), options.get("stderr")
        # Nothing can be typed into a kernel.
        yield [null, stdout, stdout if stderr == subprocess.STDOUT else handle(stderr, 2)]
    finally:
        os.close(null)
