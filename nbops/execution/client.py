"""The conversation with the kernel: cells go in, outputs come back, and whatever ends it before its time has a name and a cause.

One event loop does it all. A first interrupt stops the running cell and lets the kernel go in peace; a second one kills it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_core.utils import ensure_async, run_sync
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient

from nbops.execution import memory
from nbops.execution.account import Account
from nbops.execution.kernels.manager import Kernel
from nbops.security.masking import Filter, Mask
from nbops.store import marks

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager
    from nbformat import NotebookNode

    from nbops.execution.memory import Allowance

_GRACE = 2.0
_TICK = 1.0
_GLANCE = 0.1
_LAST_WORDS = 0.1
_DISPLAYS = ("display_data", "execute_result", "update_display_data")


class Stopped(KeyboardInterrupt):
    """Somebody interrupted the execution."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")


class Client(PapermillNotebookClient):  # type: ignore[misc]  # papermill has no types
    """Executes the cells of an account's notebook in a kernel that it starts, unless it gets one, and stops."""

    def __init__(  # noqa: PLR0913 - each is a moment of the conversation
        self,
        account: Account,
        km: AsyncKernelManager,
        *,
        kernel_options: dict[str, Any],
        mask: Mask,
        first: Callable[[Client], None] | None,
        after: Callable[[Client, NotebookNode], Awaitable[None]],
        last: Callable[[Client], Awaitable[None]] | None,
        tick: Callable[[], None],
        stopped: Callable[[], object] | None,
        allowance: Allowance | None = None,
        **options: Any,
    ) -> None:
        """`kernel_options` go to the kernel's start; what it publishes goes through `mask` before anybody sees it.

        `first` is called before the first cell, `after` each cell that ended well, `last` when all did, `tick` each second; `stopped`
        tells whether somebody has stopped the execution before signals were heard here. A kernel that holds more memory than its
        `allowance` is killed.
        """
        super().__init__(account, km=km, **options)
        self.manager = km
        """Also when nbclient has let go of it, because the kernel never answered."""
        self._account = account
        self._kernel_options = kernel_options
        self._filter = Filter(mask)
        self._first = first
        self._after = after
        self._last = last
        self._tick = tick
        self._stopped = stopped
        self._allowance = allowance
        self.exceeded = 0
        """The bytes that the kernel held when it was killed because it may not."""
        # The cells that show a display, by its id.
        self._shown: dict[str, list[NotebookNode]] = {}
        self._stop: int | None = None
        self._main: asyncio.Task[None] | None = None
        self._ending = False
        self._killed = False

    def execute(self, **_: Any) -> NotebookNode:
        """Execute the notebook. Raises Stopped, DeadKernelError, CellTimeoutError, and RuntimeError when there is no kernel."""
        self.reset_execution_trackers()
        run_sync(self._execute)()
        notebook: NotebookNode = self.nb
        return notebook

    async def _execute(self) -> None:
        self._main = asyncio.current_task()
        with self._signals():
            if self._stopped and self._stopped():
                raise Stopped(signal.SIGTERM)
            beside = [asyncio.create_task(self._ticks())]
            try:
                await self._live(beside)
            except (asyncio.CancelledError, DeadKernelError):
                # nbclient takes a cancelled wait for a dead kernel.
                if self._stop is None:
                    raise
            finally:
                for task in beside:
                    task.cancel()
        if self._stop is not None:
            raise Stopped(self._stop)

    async def _live(self, beside: list[asyncio.Task[None]]) -> None:
        if not self.km.has_kernel:
            if self.km.ipykernel:
                # %history has what this kernel executed; a database for what others did is of no use.
                self.extra_arguments.append("--HistoryManager.enabled=False")
            await self.async_start_new_kernel(**self._kernel_options)
            _mark(self.km)
        if isinstance(self.km, Kernel):
            beside.append(asyncio.create_task(self._death(self.km)))
        if self._allowance is not None:
            beside.append(asyncio.create_task(self._watch(self._allowance)))
        try:
            if self.kc is None:
                await self.async_start_new_kernel_client()
            await self._cells()
            self.set_widgets_metadata()
        except (DeadKernelError, CellTimeoutError, asyncio.CancelledError):
            self._killed = True
            raise
        finally:
            self._ending = True
            await asyncio.shield(self._end())

    async def _cells(self) -> None:
        # Before any cell: it makes a notebook that failed as readable as any.
        self.nb.metadata["language_info"] = await self._language()
        if self._first:
            self._first(self)
        for index, cell in enumerate(self.nb.cells):
            self._account.cell_start(cell, index)
            try:
                await self.async_execute_cell(cell, index)
                if cell.cell_type == "code":
                    await self._after(self, cell)
            except CellExecutionError:
                self._account.cell_exception(cell)
                self._account.cell_complete(cell, index)
                return
            self._account.cell_complete(cell, index)
        if self._last:
            await self._last(self)

    async def _language(self) -> Any:
        known = getattr(self.kc, "language_info", None)
        if known:
            return known
        message = await self.async_wait_for_reply(await ensure_async(self.kc.kernel_info()))
        return message["content"]["language_info"] if message else {}

    async def _end(self) -> None:
        alive = self.km is not None and self.km.has_kernel
        if alive and not self._killed and isinstance(self.km, Kernel) and self.km.owns_kernel and self.kc is not None:
            await self.km.leave(self.kc)
            return
        if self.kc is not None:
            self.kc.stop_channels()
        if alive:
            await ensure_async(self.km.shutdown_kernel(now=self._killed))

    async def _death(self, kernel: Kernel) -> None:
        """Wait for the kernel's end, for which nbclient would look once a second; what it sent before is heard first."""
        await kernel.ended()
        await asyncio.sleep(_LAST_WORDS)
        if not self._ending and self.task_poll_for_reply is not None:
            self.task_poll_for_reply.cancel()

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._tick()

    async def _watch(self, allowance: Allowance) -> None:
        """Kill the kernel with all that it has started once they hold more than they may."""
        while (pid := getattr(self.km, "pid", None)) is not None:
            held = memory.held(pid, allowance.memory)
            if held > allowance.memory:
                processes = memory.family(pid)
                self.exceeded = held
                await self._kill()
                for one in processes:
                    # What left the kernel's group, too.
                    with contextlib.suppress(OSError):
                        os.kill(one, signal.SIGKILL)
                return
            await asyncio.sleep(_GLANCE)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            loop.add_signal_handler(number, self._interrupt, int(number))
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    def _interrupt(self, number: int) -> None:
        if self._main is None:
            return
        if self._stop is None:
            self._stop = number
            self._stopping = asyncio.ensure_future(self._stop_cell())
            return
        self._killed = True
        if self._ending:
            self._stopping = asyncio.ensure_future(self._kill())
        else:
            self._main.cancel()

    async def _stop_cell(self) -> None:
        """Interrupt the running cell, whose traceback then says where it was; cancel if it does not listen."""
        with contextlib.suppress(RuntimeError, OSError):
            await ensure_async(self.km.interrupt_kernel())
        running = self._account.running
        for _ in range(int(_GRACE / 0.05)):
            await asyncio.sleep(0.05)
            if self._account.running is None or self._account.running != running:
                break
        if self._main is not None and not self._main.done():
            self._main.cancel()

    async def _kill(self) -> None:
        with contextlib.suppress(RuntimeError, OSError):
            await ensure_async(self.km.signal_kernel(signal.SIGKILL))

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """As nbclient does, without secrets; the document hears which cells changed."""
        output: NotebookNode | None = None
        for message in self._filter(msg):
            self._account.document.touch(cell)
            display = (message["content"].get("transient") or {}).get("display_id")
            if display and message["msg_type"] in _DISPLAYS:
                shown = self._shown.setdefault(display, [])
                for other in shown:
                    # An update edits every place that shows it, in cells that ended long ago too.
                    self._account.edited(other)
                if message["msg_type"] != "update_display_data" and cell not in shown:
                    shown.append(cell)
            output = super().process_message(message, cell, cell_index)
        return output


def _mark(manager: AsyncKernelManager) -> None:
    """Before it gets a cell, a kernel is marked: nothing that it starts can approve."""
    provisioner = manager.provisioner
    # The number of a process elsewhere is another process's here.
    if isinstance(provisioner, LocalProvisioner) and provisioner.pid is not None:
        # One of another user's is somebody else by its user.
        with contextlib.suppress(PermissionError):
            marks.put(provisioner.pid)
