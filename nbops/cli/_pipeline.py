"""`nbops pipeline …`: a folder of notebooks as a pipeline."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, show, table
from nbops.cli._given import UNCHANGED, merged_parameters
from nbops.records import at, short
from nbops.store.client import connect

if TYPE_CHECKING:
    from nbops.pipelines.course import Asked, Ended, Progress
    from nbops.pipelines.requests import Decision
    from nbops.store.client import Store

# By outcome, when asked for.
_DETAILED = {"healed": 10, "degraded": 10, "waiting": 11, "unchanged": UNCHANGED}

_folder = click.argument("folder", type=click.Path(path_type=Path), default=Path())
_pairs = click.option(
    "-p",
    "--parameters",
    "pairs",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter, for all steps that have it.",
)
_files = click.option(
    "-f", "--parameters-file", "files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Parameters from a YAML or JSON file.",
)  # fmt: skip
_force = click.option("--force", is_flag=True, help="Execute steps even if that repeats unchanged runs.")
_lanes = click.option(
    "--lanes", type=click.IntRange(min=1), metavar="N", help="So many steps side by side (default: the cores)."
)
_detailed = click.option(
    "--detailed-exit-code",
    is_flag=True,
    help="Exit status 10 when it was healed, 11 when it waits, 12 when nothing changed.",
)


@cli.group("pipeline")
def pipeline_group() -> None:
    """Plan and run folders of notebooks."""


@pipeline_group.command("plan")
@_folder
@_pairs
@_files
@_force
@click.option("--svg", "svg", type=click.Path(path_type=Path), help="Draw it into this file.")
@json_option
@here
def plan(
    obj: Here,
    folder: Path,
    pairs: tuple[tuple[str, str], ...],
    files: tuple[Path, ...],
    force: bool,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Say what a run of FOLDER would execute now, and why; execute nothing."""
    from nbops.execution import reading
    from nbops.pipelines import definition, planning

    reading.only_files()
    made = definition.load(folder, merged_parameters(pairs, (), files, ()))
    planned = planning.make(connect(obj.settings(start=made.folder)), made, force=force)
    if svg is not None:
        from nbops.pipelines import drawing
        from nbops.render import diagram

        svg.write_text(diagram.standalone(drawing.of_plan(planned)), encoding="utf-8")
    show(msgspec.to_builtins(planned), as_json=as_json, text=planned.to_text)


@pipeline_group.command("run")
@_folder
@_pairs
@_files
@_force
@_lanes
@click.option(
    "--release", default="", metavar="N", help="Run a release, `current` or a number, not the folder as it is."
)
@_detailed
@json_option
@here
def run(
    obj: Here,
    folder: Path,
    pairs: tuple[tuple[str, str], ...],
    files: tuple[Path, ...],
    force: bool,
    lanes: int | None,
    release: str,
    detailed_exit_code: bool,
    as_json: bool,
) -> int:
    """Run FOLDER: every step that is not as it was, each after what it reads; `nbops run FOLDER` is the same."""
    given = merged_parameters(pairs, (), files, ())
    return run_folder(
        obj, folder, given, force=force, lanes=lanes or 0, release=release, detailed_exit_code=detailed_exit_code, as_json=as_json,
    )  # fmt: skip


@pipeline_group.command("resume")
@click.argument("run")
@click.option("--expired", is_flag=True, help="What nobody has approved in time is left out, and not asked again.")
@_force
@_lanes
@_detailed
@json_option
@here
def resume(
    obj: Here, run: str, expired: bool, force: bool, lanes: int | None, detailed_exit_code: bool, as_json: bool
) -> int:
    """Go on with what is missing of RUN: what failed, was stopped, or waited for a person. Nothing that is done runs again."""
    from nbops.pipelines.course import Asked

    return _drive(
        obj,
        Asked(resume=run, expired=expired, force=force, lanes=lanes or 0),
        None,
        detailed_exit_code=detailed_exit_code,
        as_json=as_json,
    )


@pipeline_group.command("approve")
@click.argument("run")
@click.argument("step", required=False)
@click.option("--reason", required=True, help="Why, for those who read it later.")
@here
def approve(obj: Here, run: str, step: str | None, reason: str) -> None:
    """Let a step of RUN go on that waits for a person."""
    _decide(obj, run, step, "approve", reason)


@pipeline_group.command("reject")
@click.argument("run")
@click.argument("step", required=False)
@click.option("--reason", required=True, help="Why, for those who read it later.")
@here
def reject(obj: Here, run: str, step: str | None, reason: str) -> None:
    """Do not let a step of RUN go on; what comes after it is left out."""
    _decide(obj, run, step, "reject", reason)


@pipeline_group.command("release")
@_folder
@click.option("--reason", required=True, help="What is new, for those who read it later.")
@json_option
@here
def release(obj: Here, folder: Path, reason: str, as_json: bool) -> None:
    """Freeze FOLDER: notebooks, pipeline.yaml, contracts, modules and packages, by hash. Schedules run the current release."""
    from nbops.execution import reading
    from nbops.pipelines import releases

    reading.only_files()
    store = connect(obj.settings(start=folder.expanduser().resolve()))
    made = releases.freeze(store, folder, reason)
    show(
        msgspec.to_builtins(made),
        as_json=as_json,
        text=lambda: (
            f"Release {made.number} of {made.pipeline} is the current one: {len(made.files)} files, sha256 {made.digest[:12]}."
        ),
    )


@pipeline_group.command("rollback")
@click.argument("pipeline")
@click.option("--to", "number", type=int, metavar="N", help="The release to go back to (default: the one before).")
@click.option("--reason", required=True, help="Why, for those who read it later.")
@here
def rollback(obj: Here, pipeline: str, number: int | None, reason: str) -> None:
    """Let an earlier release of PIPELINE, by its name or folder, be the current one again."""
    from nbops.pipelines import releases

    store, name = _named(obj, pipeline)
    made = releases.roll_back(store, name, reason, number)
    click.echo(f"Release {made.number} of {made.pipeline} is the current one.")


@pipeline_group.command("releases")
@click.argument("pipeline", required=False)
@json_option
@here
def list_releases(obj: Here, pipeline: str | None, as_json: bool) -> None:
    """List the releases of PIPELINE, by its name or folder, or of all, and what of the folder differs from the current one."""
    from nbops import times
    from nbops.pipelines import releases
    from nbops.render.model import Column

    store, name = _named(obj, pipeline) if pipeline else (obj.store(), None)
    known = releases.every(store, name)
    differs = {one.pipeline: releases.changed(store, one) for one in known if one.current}
    rows = [
        [
            "*" if one.current else "", one.pipeline, one.number, f"{at(one.created).astimezone():%Y-%m-%d %H:%M}", one.actor,
            len(one.files), one.why,
        ]
        for one in known
    ]  # fmt: skip
    made = Column("made", "time", unit=times.zone(at(one.created) for one in known))
    told = [releases.differs(name, what) for name, what in differs.items() if what]
    show(
        {"releases": msgspec.to_builtins(known), "differs": differs},
        as_json=as_json,
        text=lambda: "\n".join([table(["", "pipeline", "release", made, "by", "files", "why"], rows), *told]),
    )


@pipeline_group.command("drill")
@_folder
@_pairs
@_files
@json_option
@here
def drill(obj: Here, folder: Path, pairs: tuple[tuple[str, str], ...], files: tuple[Path, ...], as_json: bool) -> None:
    """Provoke failures in a copy of the project, and say what of them would heal, stop or page. The notebooks run for real."""
    from nbops.execution import reading
    from nbops.pipelines import drills
    from nbops.render.progress import told

    reading.only_files()
    store = connect(obj.settings(start=folder.expanduser().resolve()))
    with told("drill") as tell:
        done = drills.drill(store, folder, merged_parameters(pairs, (), files, ()), progress=lambda what: tell(what, 0))
    show(msgspec.to_builtins(done), as_json=as_json, text=done.to_text)


@pipeline_group.command("backfill")
@_folder
@click.option("--from", "start", required=True, metavar="DATE", help="The first day or time, in the schedule's zone.")
@click.option("--to", "until", required=True, metavar="DATE", help="The last one, which is included.")
@click.option("--cron", help="Its times, where nothing says them: five fields, or @hourly, @daily, @weekly, @monthly.")
@click.option("--every", metavar="SPAN", help="In place of --cron, such as 15m.")
@click.option("--tz", metavar="ZONE", help="The time zone of --cron (default: UTC).")
@click.option(
    "-p", "--parameters", "pairs", nargs=2, multiple=True, metavar="NAME VALUE",
    help="A parameter; {date}, {time}, {start} and {end} stand for the time that it is run for.",
)  # fmt: skip
@click.option("--working-tree", is_flag=True, help="Run the folder as it is, not its release.")
@click.option("--parallel", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many run at once.")
@click.option("--force", is_flag=True, help="Run again what has succeeded, too.")
@click.option("--take-over", is_flag=True, help="Run them on this host from now on, though another one did.")
@json_option
@here
def backfill(
    obj: Here,
    /,
    folder: Path,
    start: str,
    until: str,
    pairs: tuple[tuple[str, str], ...],
    working_tree: bool,
    parallel: int,
    force: bool,
    take_over: bool,
    as_json: bool,
    **timing: str | None,
) -> int:
    """Run FOLDER for all its nominal times from a day to another, as `nbops schedule backfill` does. What has succeeded is not run again.

    The times are those of its schedule. Without one they are those of the options, or of its pipeline.yaml: a schedule is kept for
    them, paused. Exit status 25 when one of them did not succeed.
    """
    from nbops.cli._scheduler import fill
    from nbops.execution import reading
    from nbops.pipelines.schedules import filling

    reading.only_files()
    whole = folder.expanduser().resolve()
    store = connect(obj.settings(start=whole))
    found = filling.schedule(store, whole, timing, dict(pairs), working_tree=working_tree)
    stretch = f"{start}..{until}"
    return fill(store, found, stretch, parallel=parallel, force=force, take_over=take_over, as_json=as_json)


@pipeline_group.command("health")
@click.argument("pipeline", required=False)
@json_option
@here
def health(obj: Here, pipeline: str | None, as_json: bool) -> None:
    """Tell what of PIPELINE, by its name or folder, was healed, by step and week, at what cost, and how many runs end well only by that.

    Without PIPELINE it is of all.
    """
    from nbops.pipelines import health as healths

    store, name = _named(obj, pipeline) if pipeline else (obj.store(), None)
    found = [healths.of(store, one) for one in ([name] if name else healths.names(store))]
    show(
        msgspec.to_builtins([one.to_dict() for one in found]),
        as_json=as_json,
        text=lambda: "\n\n".join(one.to_text() for one in found) or "No pipeline has run yet.",
    )


@pipeline_group.command("lineage")
@click.argument("run")
@here
def lineage(obj: Here, run: str) -> None:
    """Print the events of RUN as OpenLineage, one in a line."""
    from nbops.pipelines import openlineage, results

    store = obj.store()
    for event in openlineage.events(store, run_id=results.load(store, run).run_id):
        click.echo(json.dumps(event))


@pipeline_group.command("schema")
def schema() -> None:
    """Print the JSON Schema of pipeline.yaml, for editors."""
    from nbops.pipelines import declaration

    click.echo(json.dumps(declaration.schema(), indent=2))


def run_folder(
    obj: Here,
    folder: Path,
    given: Mapping[str, Any],
    *,
    force: bool,
    detailed_exit_code: bool,
    as_json: bool,
    lanes: int = 0,
    release: str = "",
) -> int:
    """Run a folder, tell how it ended, and return the exit status."""
    from nbops.pipelines.course import Asked
    from nbops.tracking import runs

    folder = folder.expanduser().resolve()
    fire = runs.fire()
    asked = Asked(
        folder=str(folder), parameters=dict(given), force=force, lanes=lanes, release=release,
        trigger=fire.cause if fire else "person", nominal=fire.nominal if fire else None,  # type: ignore[arg-type]  # one of them
    )  # fmt: skip
    return _drive(obj, asked, folder, detailed_exit_code=detailed_exit_code, as_json=as_json)


def _drive(obj: Here, asked: Asked, start: Path | None, *, detailed_exit_code: bool, as_json: bool) -> int:
    from nbops.execution import reading
    from nbops.pipelines import lines
    from nbops.workspace import piping

    reading.only_files()
    lively = sys.stderr.isatty() and not as_json

    def watch(at: Progress) -> None:
        if lively:
            click.echo(f"\r\033[K{lines.progress(at)}", err=True, nl=False)

    settings = obj.settings(start=start)
    ended, trouble = piping.carry_out(asked, settings, watch=watch)
    if lively:
        click.echo("\r\033[K", err=True, nl=False)
    if trouble:
        click.echo(trouble, err=True)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(ended)))
    else:
        click.echo("\n".join(_lines(ended)))
    return _DETAILED.get(ended.outcome, ended.exit) if detailed_exit_code else ended.exit


def _named(obj: Here, pipeline: str) -> tuple[Store, str]:
    """The store, and a pipeline's name: it may be given as its folder. Raises NotFound for a name that is of none."""
    from nbops.pipelines import declaration, releases

    folder = Path(pipeline).expanduser().resolve()
    if not folder.is_dir():
        releases.known(store := obj.store(), pipeline)
        return store, pipeline
    return connect(obj.settings(start=folder)), declaration.read(folder)[0].name or folder.name


def _lines(ended: Ended) -> list[str]:
    """A line for each step that did something or did not come to it, and the outcome as the last one."""
    from nbops.pipelines import lines, standing

    remedy = standing.remedy(ended.outcome, short(ended.run_id))
    return [*lines.steps(ended), *filter(None, [remedy]), lines.summary(ended)]


def _decide(obj: Here, run: str, step: str | None, decision: Decision, reason: str) -> None:
    from nbops.pipelines import approving

    task, run_id = approving.decide(obj.store(), run, step, decision, reason)
    done = {
        "approve": f"approved {task}; the run goes on with the next `nbops schedule tick`, or now",
        "reject": f"rejected {task}; the run ends without it",
    }
    click.echo(f"{done[decision]}: nbops pipeline resume {short(run_id)}")
