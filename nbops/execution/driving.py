"""What a process needs that drives lanes: to hear signals, to have imported what they inherit, and to share the cores."""

from __future__ import annotations

import os
import signal
from types import FrameType

from nbops.execution import reading
from nbops.tracking import provenance

# What sizes the pools of numeric libraries, when they are imported.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")


def listen() -> list[int]:
    """The signals that are heard from now on; each also interrupts what is going on, until somebody else listens."""
    signals: list[int] = []

    def heard(number: int, _: FrameType | None) -> None:
        # Where what is raised gets lost, as in the middle of a fork, it is heard later.
        signals.append(number)
        raise KeyboardInterrupt

    # A scheduler that gives up sends SIGTERM: what is driven is then stopped as by Ctrl-C, not lost.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, heard)
    return signals


def prepare() -> None:
    """Import and read what every lane needs, which inherits it."""
    reading.only_files()
    with reading.light_imports():
        import ipykernel.kernelspec  # noqa: F401 - the import is what counts, here and below
        import papermill  # noqa: F401
        import psutil  # noqa: F401
        from jupyter_client.provisioning.factory import KernelProvisionerFactory

        from nbops.execution import account, client, engine  # noqa: F401
        from nbops.execution.kernels import key, manager  # noqa: F401

    provenance.environment()
    key.site_key()
    KernelProvisionerFactory.instance()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def share_cores(lanes: int) -> None:
    """Let numeric libraries use a lane's share of the cores, unless somebody has said how many."""
    share = max(1, cores() // lanes)
    for name in _THREADS:
        os.environ.setdefault(name, str(share))
