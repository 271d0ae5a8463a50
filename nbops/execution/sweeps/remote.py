"""A sweep whose driver is a process of its own: as `execution.remote`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nbops.execution import remote
from nbops.execution.sweeps.asked import Asked
from nbops.execution.sweeps.dealing import Ended, Progress
from nbops.records import Record

_DRIVER = remote.Driver("nbops.execution.sweeps.remote", "sweep")


class _Call(Record):
    project: str
    asked: Asked


def sweep(asked: Asked, project: Path, watch: Callable[[Progress], None]) -> tuple[Ended, bool]:
    """As the driver's; tells also whether it was interrupted here. Raises what the driver raises."""
    return remote.drive(_DRIVER, _Call(str(project), asked), watch, Progress, Ended)


def _work(call: _Call, tell: Callable[[Record], None], stop: int) -> Ended:
    from nbops import config
    from nbops.execution.sweeps import driver

    return driver.sweep(call.asked, config.settings(call.project), watch=tell, stop=stop)


if __name__ == "__main__":
    remote.serve(_Call, _work)
