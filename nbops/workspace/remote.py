"""A pipeline whose driver is a process of its own: as `execution.remote`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nbops.execution import remote
from nbops.execution.sweeps import texts
from nbops.execution.sweeps.texts import Given
from nbops.pipelines.course import Ended, Progress
from nbops.records import Record

_DRIVER = remote.Driver("nbops.workspace.remote", "pipeline")


class Call(Record):
    """What somebody asks for: a folder, whole, or a run to `resume`."""

    project: str
    folder: str = ""
    parameters: dict[str, Given] = {}
    resume: str = ""
    force: bool = False
    lanes: int = 0


def run(call: Call, watch: Callable[[Progress], None]) -> tuple[Ended, bool]:
    """As the driver's; tells also whether it was interrupted here. Raises what the driver raises."""
    return remote.drive(_DRIVER, call, watch, Progress, Ended)


def given(parameters: Mapping[str, object]) -> dict[str, Given]:
    """Parameters as they go to another process. Raises ParameterError for what no cell could hold."""
    return {name: texts.given(value) for name, value in parameters.items()}


def _work(call: Call, tell: Callable[[Record], None], stop: int) -> Ended:
    from nbops import config
    from nbops.execution import reading
    from nbops.pipelines import course
    from nbops.workspace import piping

    reading.only_files()
    asked = course.Asked(
        folder=call.folder, parameters={name: one.value for name, one in call.parameters.items()}, resume=call.resume,
        force=call.force, lanes=call.lanes,
    )  # fmt: skip
    return piping.carry_out(asked, config.settings(Path(call.project)), watch=tell, stop=stop)[0]


if __name__ == "__main__":
    remote.serve(Call, _work)
