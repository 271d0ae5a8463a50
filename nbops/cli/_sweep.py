"""`nbops sweep`: execute a notebook at many points."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbops.cli._base import Here, cli, here, json_option
from nbops.cli._given import merged_parameters
from nbops.cli._run import cwd_option, kernel_option, timeout_option
from nbops.errors import UsageError

if TYPE_CHECKING:
    from nbops.execution.sweeps.asked import Asked
    from nbops.execution.sweeps.dealing import Ended, Progress
    from nbops.records import Better


@cli.command("sweep")
@click.argument("notebook", required=False, type=click.Path(path_type=Path))
@click.option(
    "--grid",
    "grid",
    nargs=2,
    multiple=True,
    metavar="NAME VALUES",
    help="Values of a parameter, as in 0.1,1,10; every combination runs.",
)
@click.option(
    "--points",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV, JSON or YAML file with one point in each row.",
)
@click.option("--random", "random", type=click.IntRange(min=1), metavar="N", help="Draw N points from the ranges.")
@click.option("--sampler", metavar="NAME", help="Let an installed sampler, such as optuna, choose from the ranges.")
@click.option(
    "--range", "ranges", nargs=2, multiple=True, metavar="NAME RANGE", help="Such as 3..12, 0.001..10:log or a,b,c."
)
@click.option("--most", type=click.IntRange(min=1), metavar="N", help="So many points of a sampler at most.")
@click.option("--seed", type=int, help="The same seed draws the same points.")
@click.option(
    "-p",
    "--parameters",
    "pairs",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter that is the same in all points.",
)
@click.option(
    "-f",
    "--parameters-file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Such parameters from a YAML or JSON file.",
)
@click.option("-y", "--parameters-yaml", "yamls", multiple=True, metavar="YAML", help="Such parameters as YAML.")
@click.option("--metric", default="", help="The metric that says which point is better.")
@click.option("--minimize", is_flag=True, help="Lower values of the metric are better.")
@click.option("--maximize", is_flag=True, help="Higher values of the metric are better.")
@click.option(
    "--stop-hopeless", is_flag=True, help="Stop points that are worse than half of the others at the same step."
)
@click.option(
    "--lanes", type=click.IntRange(min=1), metavar="N", help="So many at a time (default: the cores of this process)."
)
@click.option("--max-failures", type=click.IntRange(min=0), metavar="N", help="Give up when more points have failed.")
@timeout_option
@click.option("--resume", metavar="SWEEP", help="Go on with what is missing of an earlier sweep.")
@click.option("--force", is_flag=True, help="Take no earlier run; go on although the code has changed.")
@click.option("--name", default="", help="The sweep's name.")
@cwd_option
@kernel_option
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the executed notebooks there too.",
)
@json_option
@here
def sweep(obj: Here, /, notebook: Path | None, **options: Any) -> int:
    """Execute NOTEBOOK once for each of many points, several at a time; every point is a run, child of the sweep's.

    The exit status is 0 when all points are done, else that of the most frequent failure.
    """
    from nbops.execution.sweeps import driver, telling

    asked = _asked(notebook, options)
    start = Path(asked.notebook).parent if asked.notebook else None
    lively = sys.stderr.isatty() and not options["as_json"]

    def watch(at: Progress) -> None:
        if lively:
            click.echo(f"\r\033[K{telling.progress(at)}", err=True, nl=False)

    ended = driver.sweep(asked, obj.settings(start=start), watch=watch)
    if lively:
        click.echo("\r\033[K", err=True, nl=False)
    _tell(obj, ended, as_json=options["as_json"])
    return ended.exit


# What only a new sweep can be given, by the name of its variable.
_OF_ITS_OWN = (
    "grid", "points", "random", "sampler", "ranges", "most", "seed", "pairs", "files", "yamls", "metric", "minimize", "maximize",
    "stop_hopeless", "execution_timeout", "name", "cwd", "kernel", "output",
)  # fmt: skip


def _asked(notebook: Path | None, options: dict[str, Any]) -> Asked:
    """Raises UsageError for options that contradict each other."""
    from nbops.execution.sweeps import files, space
    from nbops.execution.sweeps.asked import Asked, Goal, Ways, absolute
    from nbops.execution.sweeps.texts import given

    if (notebook is None) == (options["resume"] is None):
        raise UsageError(
            "A sweep is of one notebook, or goes on with one.",
            hint="nbops sweep NOTEBOOK …, or nbops sweep --resume SWEEP",
        )
    lost = [name for name in _OF_ITS_OWN if options[name]] if options["resume"] else []
    if lost:
        told = ", ".join(f"--{name.replace('_', '-')}" for name in lost)
        raise UsageError(
            f"A sweep that goes on keeps what it was asked for; given was {told}.",
            hint="Leave that out, or begin a new sweep. --lanes, --max-failures and --force can be given.",
        )
    if options["minimize"] and options["maximize"]:
        raise UsageError("--minimize and --maximize contradict each other.", hint="Give one of them.")
    if options["random"] and (options["sampler"] or options["most"]):
        raise UsageError("--random says already how many points are drawn.", hint="Leave out --sampler and --most.")
    for option in ("grid", "ranges"):
        names = [name for name, _ in options[option]]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UsageError(
                f"Parameter {twice!r} is varied twice.", hint="Put all its values into one option, separated by commas."
            )
    points, origins = files.read(options["points"]) if options["points"] else (None, [])
    better: Better | None = "lower" if options["minimize"] else "higher" if options["maximize"] else None
    fixed = merged_parameters(options["pairs"], (), options["files"], options["yamls"])
    return Asked(
        notebook=absolute(notebook) or "", grid={name: space.words(text) for name, text in options["grid"]}, points=points,
        origins=origins, ranges=dict(options["ranges"]), sampler=options["sampler"] or ("random" if options["random"] else ""),
        most=options["random"] or options["most"], seed=options["seed"], fixed={name: given(value) for name, value in fixed.items()},
        name=options["name"], resume=options["resume"] or "", force=options["force"],
        ways=Ways(
            lanes=options["lanes"] or 0, max_failures=options["max_failures"], timeout=options["execution_timeout"],
            cwd=absolute(options["cwd"]), kernel=options["kernel"], output=absolute(options["output"]),
        ),
        goal=Goal(options["metric"], better, options["stop_hopeless"]),
    )  # fmt: skip


def _tell(obj: Here, ended: Ended, *, as_json: bool) -> None:
    from nbops.execution.sweeps import results, telling
    from nbops.store.client import connect

    store = connect(obj.settings(start=Path(ended.notebook).parent))
    sweep = results.load(store, ended.run_id)
    if as_json:
        click.echo(json.dumps(telling.document(sweep, ended)))
    else:
        click.echo(telling.outcome(sweep, ended))
