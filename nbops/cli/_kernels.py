"""`nbops kernels …`: look after the processes that kernels are forked from."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from nbops import config
from nbops.cli._base import Here, cli, here, json_option, show, table
from nbops.store.places import Places


@cli.group("kernels")
def kernels_group() -> None:
    """Look after the servers that notebooks' kernels are forked from."""


@kernels_group.command("status")
@json_option
@here
def status(obj: Here, as_json: bool) -> None:
    """Which servers run for this project, with their kernels, memory and preloaded packages."""
    from nbops.execution.kernels import servers

    found = servers.status(_folder(obj))
    rows = [
        [str(told.pid), len(told.kernels), told.forks, f"{told.rss / 1e6:.0f} MB", _packages(told.preloaded)]
        for told in found
    ]
    columns = ["process", "kernels", "forks", "memory", "preloaded"]
    show(
        msgspec.to_builtins(found),
        as_json=as_json,
        text=lambda: table(columns, rows) if rows else "No server runs: kernels are started one by one.",
    )


@kernels_group.command("stop")
@json_option
@here
def stop(obj: Here, as_json: bool) -> None:
    """Let the servers of this project leave; kernels that run are not disturbed."""
    from nbops.execution.kernels import servers

    found = servers.stop(_folder(obj))
    running = sum(len(told.kernels) for told in found)
    rest = f" as soon as {running} running kernel(s) have ended" if running else ""
    show(
        {"stopped": [told.pid for told in found], "kernels": running},
        as_json=as_json,
        text=lambda: (
            f"{len(found)} server{'' if len(found) == 1 else 's'} will leave{rest}." if found else "No server runs."
        ),
    )


def _folder(obj: Here) -> Path:
    return Places(config.existing(obj.settings()).folder).kernels


def _packages(names: list[str]) -> str:
    tops = sorted({name.partition(".")[0] for name in names} - sys.stdlib_module_names)
    return ", ".join(name for name in tops if not name.startswith("_")) or "nothing but the kernel"
