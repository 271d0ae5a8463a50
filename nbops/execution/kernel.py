"""The kernel of an execution: which one, and what it finds in its environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nbops.tracking import runs
from nbops.tracking.provenance import NOTEBOOK_VARIABLE

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

    from nbops.execution.execution import Execution


def manager(kernel_name: str) -> AsyncKernelManager:
    """A kernel that is not started yet."""
    from jupyter_client.manager import AsyncKernelManager

    # Sockets in a private folder: no port can be taken, and nothing crosses the network in clear.
    return AsyncKernelManager(kernel_name=kernel_name, transport="ipc")


def options(execution: Execution) -> dict[str, Any]:
    """What the kernel is started with: its folder, and an environment that names its run. This process's own stays as it is."""
    store = execution.recording.store
    environ = {
        **os.environ,
        runs.RUN_VARIABLE: f"{execution.recording.run_id}@{os.getpid()}",
        NOTEBOOK_VARIABLE: execution.notebook,
        "NBOPS_PROJECT": str(store.settings.project),
        "NBOPS_HEADLESS": "1",
    }
    return {"env": environ, **({"cwd": str(execution.cwd)} if execution.cwd else {})}
