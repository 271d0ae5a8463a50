"""`Kernel`, the kernel manager of nbops: quick to start where a fork server is offered, certain about the end, measured.

It is jupyter_client's own manager, so Papermill and nbclient take it. Sockets are files in a private folder: nothing listens on the
network, and no port can be taken.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.factory import KernelProvisionerFactory

from nbops.errors import ExecutionError
from nbops.execution.kernels.process import Usage
from nbops.execution.kernels.provisioner import ForkProvisioner
from nbops.execution.kernels.servers import Server
from nbops.execution.kernels.specs import Specs
from nbops.store.places import LONGEST_ADDRESS, make_private, private_temporary

_GRACE_SECONDS = 5.0
_YOUNG_SECONDS = 60.0
_ORDINARY = "local-provisioner"


class Client(AsyncKernelClient):
    """A client that is ready when the kernel has answered, without the silence that jupyter_client waits for."""

    language_info: dict[str, Any] | None = None
    """What the kernel says of its language, once it has answered."""

    def start_channels(
        self, shell: bool = True, iopub: bool = True, stdin: bool = True, hb: bool = False, control: bool = True  # noqa: FBT001, FBT002
    ) -> None:  # fmt: skip
        """As in jupyter_client, without the heartbeat: the manager knows whether the process lives."""
        super().start_channels(shell, iopub, stdin, hb, control)

    def _handle_kernel_info_reply(self, msg: dict[str, Any]) -> None:
        super()._handle_kernel_info_reply(msg)
        self.language_info = msg["content"].get("language_info")

    async def wait_for_ready(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - jupyter_client's name
        """Wait until the kernel answers and its output arrives. Raises RuntimeError, as jupyter_client does."""
        if not (isinstance(self.parent, Kernel) and self.parent.forked):
            await self._async_wait_for_ready(timeout)
            return
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        asked: set[str] = set()
        while True:
            asked.add(self.kernel_info())
            if await self._answered(asked, min(0.5, deadline - time.monotonic())):
                return
            if not await self.parent.is_alive():
                raise _not_ready("died before it answered")
            if time.monotonic() > deadline:
                raise _not_ready(f"did not answer within {timeout:g} s")

    async def _answered(self, asked: set[str], seconds: float) -> bool:
        """Whether a reply came and the end of a question of ours was published: from then on no output is missed."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(Empty):
            reply = await self.shell_channel.get_msg(timeout=seconds)
            while True:
                told = await self.iopub_channel.get_msg(timeout=max(0.0, deadline - time.monotonic()))
                idle = told["msg_type"] == "status" and told["content"]["execution_state"] == "idle"
                if idle and told["parent_header"].get("msg_id") in asked:
                    self._handle_kernel_info_reply(reply)
                    return True
        return False


def _not_ready(what: str) -> ExecutionError:
    return ExecutionError(
        f"The kernel {what}.",
        hint="See whether the machine is out of memory or overloaded; `nbops doctor` tries an ordinary kernel.",
        code="execution.kernel",
    )


class Kernel(AsyncKernelManager):
    """One kernel: `start_kernel`, `client`, `shutdown_kernel` as jupyter_client has them; `usage` once it is over.

    `server` offers forked kernels; without one, or where this interpreter's IPython kernel is not asked for, an ordinary one is
    started. `environ` and `cwd` go before what `start_kernel` is called with.
    """

    def __init__(
        self, *, server: Server | None = None, environ: Mapping[str, str] | None = None, cwd: Path | None = None, **options: Any
    ) -> None:  # fmt: skip
        super().__init__(**options)
        self.client_factory = Client
        self.watch: tuple[str, str] | None = None
        """The folders of the project and the notebook, if a forked kernel is to note what its cells read."""
        # Half of it for the kernel to leave by itself, half between SIGTERM and SIGKILL.
        self.shutdown_wait_time = 2 * _GRACE_SECONDS
        self._server = server
        self._environ = environ
        self._cwd = cwd
        self._folder: PrivateFolder | None = None

    def _kernel_spec_manager_default(self) -> Specs:
        return Specs(data_dir=self.data_dir)

    @property
    def pid(self) -> int | None:
        """The kernel's process; None before the start, and where another provisioner does not tell."""
        return getattr(self.provisioner, "pid", None)

    @property
    def forked(self) -> bool:
        """Whether the kernel came from a fork server."""
        return isinstance(self.provisioner, ForkProvisioner) and self.provisioner.forked

    def client(self, **options: Any) -> Client:  # type: ignore[override]  # as jupyter_client's own asynchronous one
        """A client of the kernel, not connected yet."""
        made: Client = super().client(**options)  # type: ignore[assignment]  # see `client_factory`
        return made

    @property
    def usage(self) -> Usage | None:
        """How the kernel ended and what it used. None while it runs and where nobody measures it."""
        return self.provisioner.usage if isinstance(self.provisioner, ForkProvisioner) else None

    async def ended(self) -> Usage | None:
        """Wait until the kernel's process is gone, and tell how. May be cancelled."""
        if isinstance(self.provisioner, ForkProvisioner):
            return await self.provisioner.ended()
        await self._async_wait()
        return None

    async def leave(self, client: AsyncKernelClient) -> None:
        """Have a kernel that executes nothing leave; then it is gone, and the client's channels are closed.

        `shutdown_kernel` would interrupt it first, which can keep a leaving kernel for seconds.
        """
        self.shutting_down = True
        if self.ipykernel and not self.forked:
            # The control channel's thread may wait for output to be published by one that the main thread has ended.
            client.shell_channel.send(client.session.msg("shutdown_request", {"restart": False}))
        else:
            await self.request_shutdown()
        client.stop_channels()
        await self.finish_shutdown()
        await self.cleanup_resources()

    async def _async_pre_start_kernel(self, **options: Any) -> tuple[list[str], dict[str, Any]]:
        if self._environ is not None:
            options["env"] = dict(self._environ)
        if self._cwd is not None:
            options["cwd"] = str(self._cwd)
        if self._folder is None:
            self._meet_in_private()
        if self.provisioner is None and self._chooses():
            self.provisioner = ForkProvisioner(
                kernel_id=self.kernel_id or "", kernel_spec=self.kernel_spec, parent=self,
                folder=str(self._server.folder) if self._server else "",
            )  # fmt: skip
        return await super()._async_pre_start_kernel(**options)

    pre_start_kernel = _async_pre_start_kernel

    async def _async_wait(self, pollinterval: float = 0.1) -> None:
        if isinstance(self.provisioner, ForkProvisioner):
            await self.provisioner.wait()
        else:
            await super()._async_wait(pollinterval)

    async def _async_cleanup_resources(self, restart: bool = False) -> None:  # noqa: FBT001, FBT002 - as jupyter_client
        await super()._async_cleanup_resources(restart)
        if self._folder is not None and not restart:
            self._folder.remove()
            self._folder = None

    cleanup_resources = _async_cleanup_resources

    def _chooses(self) -> bool:
        """Nobody else has said how the kernel is to be started."""
        named = self.kernel_spec is not None and "kernel_provisioner" in self.kernel_spec.metadata
        return not named and KernelProvisionerFactory.instance().default_provisioner_name == _ORDINARY

    def _meet_in_private(self) -> None:
        self._folder = PrivateFolder()
        self.connection_file = str(self._folder.path / "c.json")
        stem = str(self._folder.path / "s")
        if len(os.fsencode(stem)) + len("-5") <= LONGEST_ADDRESS:
            self.transport = "ipc"
            self.ip = stem


class PrivateFolder:
    """A folder of a short name for one kernel's sockets; its lock tells that the kernel's manager lives."""

    def __init__(self) -> None:
        place = make_private(private_temporary() / "k")
        _sweep(place)
        self.path = Path(tempfile.mkdtemp(prefix="", dir=place))
        self._lock = os.open(self.path / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Remove it with its content."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _sweep(place: Path) -> None:
    """Remove the folders of killed managers; a young one may be about to be locked."""
    for folder in place.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime < _YOUNG_SECONDS:
                continue
            lock = os.open(folder / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
