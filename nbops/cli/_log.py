"""`nbops log …`: what a process that an executed notebook starts adds to the notebook's run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nbops.cli._base import Here, cli, here
from nbops.errors import UsageError
from nbops.tracking import runs

if TYPE_CHECKING:
    from nbops.workspace._run import Run


@cli.group("log")
def log_group() -> None:
    """Add to the run of the notebook that this is started by, in whatever language: see docs/running.md."""


@log_group.command("metric", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("value", type=float)
@click.option("--step", type=int, help="The place of the number in a curve.")
@here
def metric(obj: Here, name: str, value: float, step: int | None) -> None:
    """Log the number VALUE as the metric NAME."""
    _run(obj).log_metric(name, value, step=step)


@log_group.command("param", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("value")
@here
def param(obj: Here, name: str, value: str) -> None:
    """Log VALUE as the parameter NAME: a number, true, false or null is taken as such."""
    from nbops.execution.parameters.typed import ANY, Word, fit

    _run(obj).log_param(name, fit(Word(value), ANY))


@log_group.command("artifact")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--path", help="The artifact's path (default: the file's name).")
@here
def artifact(obj: Here, file: Path, path: str | None) -> None:
    """Keep a copy of FILE, or of a folder."""
    _run(obj).log_artifact(file, path)


@log_group.command("tag")
@click.argument("tags", nargs=-1, required=True, metavar="KEY=VALUE...")
@here
def tag(obj: Here, tags: tuple[str, ...]) -> None:
    """Set tags of the run."""
    pairs = {key: value if equals else "true" for key, equals, value in (item.partition("=") for item in tags)}
    _run(obj).set_tags(pairs)


def _run(obj: Here) -> Run:
    run_id = runs.invited()
    if run_id is None:
        raise UsageError(
            "There is no run to log to: no notebook that nbops executes has started this process.",
            hint="Start it from a cell of a notebook, and that with `nbops run NOTEBOOK`; it is told by the variable NBOPS_RUN.",
        )
    return obj.workspace().run(run_id)
