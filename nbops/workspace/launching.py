"""Runs of pipelines that outlive whoever asks for them: as `execution.launching`, for a folder, or for a run to go on with."""

from __future__ import annotations

from pathlib import Path

from nbops.execution import launching
from nbops.execution.launching import Begun, Say
from nbops.records import Record

_MODULE = "nbops.workspace.launching"


class Order(Record):
    """A pipeline to run: the project, the folder's whole path, and texts as `-p NAME TEXT` takes them; or a run to `resume`.

    `release` is `current` or a number where that is to run, and not the folder as it is.
    """

    project: str
    folder: str
    values: dict[str, str] = {}
    force: bool = False
    release: str = ""
    resume: str = ""


def launch(order: Order) -> Begun:
    """Begin a run, or go on with one, and leave it to itself. Raises what `driver.run` raises before anything runs."""
    return launching.begin(_MODULE, order, order.project, Path(order.folder).name)


def _run(order: Order, say: Say) -> None:
    from nbops import config
    from nbops.execution import reading
    from nbops.execution.parameters import Word
    from nbops.pipelines import course
    from nbops.workspace import piping

    reading.only_files()
    given: dict[str, object] = {name: Word(text) for name, text in order.values.items()}
    asked = course.Asked(
        folder="" if order.resume else order.folder, parameters=given, resume=order.resume, force=order.force, release=order.release
    )  # fmt: skip
    piping.carry_out(asked, config.settings(order.project), watch=lambda at: say(Begun(at.run_id)))


if __name__ == "__main__":
    launching.carry_out(Order, _run)
