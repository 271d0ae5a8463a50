"""The kernel of an execution: which one, and what it finds in its environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbops.execution import secrets
from nbops.tracking import runs
from nbops.tracking.provenance import NOTEBOOK_VARIABLE

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

    from nbops.execution.execution import Execution


def manager(kernel_name: str, execution: Execution) -> AsyncKernelManager:
    """A kernel to be started: a fork of a server that runs for this project, else an ordinary one."""
    from nbops.execution.kernels.manager import Kernel
    from nbops.execution.kernels.servers import server_for

    store = execution.recording.store
    wanted = store.settings.execution
    environ = secrets.without_secrets(store.settings, os.environ)
    server = server_for(
        store.places.kernels, start=wanted.fork_server, idle_minutes=wanted.fork_server_minutes, environ=environ
    )
    made = Kernel(kernel_name=kernel_name, server=server)
    if execution.standing:
        made.watch = str(execution.standing.plan.project), str(execution.standing.plan.folder)
    return made


def options(execution: Execution, handed: Mapping[str, str]) -> dict[str, Any]:
    """What the kernel is started with: its folder, and this environment without secrets, with its run and what is `handed` over."""
    store = execution.recording.store
    environ = {
        **secrets.without_secrets(store.settings, os.environ),
        runs.RUN_VARIABLE: f"{execution.recording.run_id}@{os.getpid()}",
        NOTEBOOK_VARIABLE: execution.notebook,
        "NBOPS_PROJECT": str(store.settings.project),
        "NBOPS_HEADLESS": "1",
        **handed,
    }
    told: dict[str, Any] = {"env": environ, **({"cwd": str(execution.cwd)} if execution.cwd else {})}
    if execution.secrets or execution.part:
        # ipykernel also writes what the processes of a cell print to where it was started: there it would tell a secret, or get
        # mixed up with that of other kernels.
        told |= {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return told
