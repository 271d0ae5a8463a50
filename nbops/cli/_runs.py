"""`nbops runs …`: find, show, compare and change runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, show
from nbops.errors import NotFound
from nbops.records import at
from nbops.store.client import connect
from nbops.tracking import runs

if TYPE_CHECKING:
    from nbops.execution.skipping.why import Why
    from nbops.pipelines.account import Reasons
    from nbops.store.client import Store


@cli.group("runs")
def runs_group() -> None:
    """Find, show, compare and change runs."""


@runs_group.command("list")
@click.argument("experiment", required=False)
@click.option("-f", "--filter", "condition", help="Such as: metrics.mae < 9 and params.max_iter >= 100")
@click.option("-o", "--order-by", help="Such as: metrics.mae desc")
@click.option("-n", "--limit", default=20, show_default=True, help="At most that many.")
@click.option("--deleted", is_flag=True, help="The hidden ones instead.")
@json_option
@here
def list_runs(
    obj: Here,
    experiment: str | None,
    condition: str | None,
    order_by: str | None,
    limit: int,
    deleted: bool,
    as_json: bool,
) -> None:
    """List runs, newest first unless ordered otherwise."""
    from nbops.tracking import search, search_sql
    from nbops.tracking import show as views

    wanted = [experiment] if experiment else []
    query = search_sql.runs_query(condition, order_by=order_by, limit=limit, experiments=wanted, deleted=deleted)
    store = obj.store()
    found = search.rows(store, query)
    for sentence in search.unknown(store, query, found[0] if found else ()):
        click.echo(sentence, err=True)
    show(found, as_json=as_json, text=lambda: views.runs_text(found))


@runs_group.command("show")
@click.argument("run")
@click.option("--follow", is_flag=True, help="While it is being executed, print what it does until it has ended.")
@json_option
@here
def show_run(obj: Here, run: str, follow: bool, as_json: bool) -> None:
    """Show one run: an id, its last digits, or a name."""
    from nbops.pipelines import account
    from nbops.tracking import show as views

    found = obj.workspace().run(run)
    for line in _following(obj.store(), found.run_id, found.tags) if follow else ():
        click.echo(line, err=as_json)
    info, told = found.info, account.of_run(obj.store(), found.run_id)
    document: dict[str, Any] = {}
    if as_json:
        times = {"start_time": at(info.start_time), "end_time": at(info.end_time) if info.end_time else None}
        kept = {"params": found.params, "metrics": found.metrics, "tags": found.tags}
        document = {
            **msgspec.to_builtins(info),
            **times,
            **kept,
            **({"pipeline": msgspec.to_builtins(told)} if told else {}),
        }
    show(document, as_json=as_json, text=lambda: told.to_text() if told else views.run_text(obj.store(), info))


def _following(store: Store, run_id: str, tags: Mapping[str, str]) -> Iterator[str]:
    """What a run does, a line at each change, until it has ended."""
    from nbops.execution import live
    from nbops.execution.sweeps import results
    from nbops.pipelines import sheet

    if live.SWEEP in tags:
        for points in results.follow(store, run_id):
            yield ", ".join(f"{count} {status}" for status, count in points.items())
    if sheet.of_runs(store, [run_id]):
        yield from sheet.follow(store, run_id)
        return
    for state in live.follow(store, run_id):
        usage = f"{state.cpu:.1f} s cpu, {state.memory / 2**20:,.0f} MB"
        yield f"cell {state.cell}/{state.cells}, {state.seconds:.0f} s, {usage}  {state.line}".rstrip()


@runs_group.command("compare")
@click.argument("run", nargs=-1, required=True)
@click.option("--all", "everything", is_flag=True, help="What is the same, too.")
@json_option
@here
def compare(obj: Here, run: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Show runs side by side: what differs, the best metrics marked."""
    view = obj.workspace().compare(*run, everything=everything)
    show(view.to_dict() if as_json else None, as_json=as_json, text=view.to_text)


@runs_group.command("why")
@click.argument("run", required=False, metavar="[RUN|NOTEBOOK]")
@click.option(
    "-p", "--parameters", "pairs", nargs=2, multiple=True, metavar="NAME VALUE", help="A parameter of NOTEBOOK."
)
@json_option
@here
def why(obj: Here, run: str | None, pairs: tuple[tuple[str, str], ...], as_json: bool) -> None:
    """Say why RUN (default: the last) was executed and not skipped, or what `nbops run NOTEBOOK` would do now.

    Of a pipeline's run it is told of each step; `nbops pipeline plan FOLDER` says what would run now.
    """
    from nbops.execution.parameters import Word
    from nbops.execution.reading import STEPS
    from nbops.execution.skipping import why as reasons
    from nbops.pipelines import account, sheet

    if run and run.endswith(STEPS):
        notebook = Path(run).expanduser().resolve()
        if not notebook.is_file():
            raise NotFound(
                f"There is no notebook {notebook}.", hint="Give the path of an .ipynb, .py or .sql file, or a run."
            )
        store = connect(obj.settings(start=notebook.parent))
        found: Why | Reasons = reasons.of_notebook(store, notebook, {name: Word(text) for name, text in pairs})
    else:
        store = obj.store()
        run_id = runs.find(store, run) if run else reasons.last(store)
        if run_id is None:
            raise NotFound("No notebook was executed yet.", hint="Execute one: nbops run NOTEBOOK.ipynb")
        line = sheet.of_runs(store, [run_id]).get(run_id)
        found = account.reasons(store, line) if line else reasons.of_run(store, run_id)
    show(msgspec.to_builtins(found), as_json=as_json, text=lambda: str(found))


@runs_group.command("stop")
@click.argument("run", nargs=-1, required=True)
@click.option("--kill", is_flag=True, help="At once; the running cell says nothing more.")
@here
def stop(obj: Here, run: tuple[str, ...], kill: bool) -> None:
    """Stop runs that are being executed on this host, as Ctrl-C would."""
    from nbops.execution import live

    for item in [obj.workspace().run(text) for text in run]:
        live.stop(obj.store(), item.run_id, kill=kill)
        click.echo(f"stopping {item.id}")


@runs_group.command("delete")
@click.argument("run", nargs=-1, required=True)
@here
def delete(obj: Here, run: tuple[str, ...]) -> None:
    """Hide runs from searches."""
    for item in [obj.workspace().run(text) for text in run]:
        item.delete()
        click.echo(f"hidden {item.id}; `nbops runs restore {item.id}` brings it back")


@runs_group.command("restore")
@click.argument("run", nargs=-1, required=True)
@here
def restore(obj: Here, run: tuple[str, ...]) -> None:
    """Bring hidden runs back."""
    for item in [obj.workspace().run(text) for text in run]:
        item.restore()
        click.echo(f"restored {item.id}")


@runs_group.command("rename")
@click.argument("run")
@click.argument("name")
@here
def rename(obj: Here, run: str, name: str) -> None:
    """Give a run another name."""
    obj.workspace().run(run).rename(name)


@runs_group.command("tag")
@click.argument("run")
@click.argument("tags", nargs=-1, required=True, metavar="KEY=VALUE...")
@here
def tag(obj: Here, run: str, tags: tuple[str, ...]) -> None:
    """Set tags of a run."""
    pairs = {key: value if equals else "true" for key, equals, value in (item.partition("=") for item in tags)}
    obj.workspace().run(run).set_tags(pairs)


@runs_group.command("open")
@click.argument("run")
@click.argument("step", required=False)
@click.option("--path", "only_path", is_flag=True, help="Print the path of the executed notebook, and open nothing.")
@here
def open_run(obj: Here, run: str, step: str | None, only_path: bool) -> None:
    """Bring RUN up in JupyterLab, to go on by hand: a copy of its executed notebook, beside the notebook, with the same parameters.

    RUN can be of a pipeline: then that STEP is brought up, or the first one that failed. A JupyterLab that runs and shows the folder
    opens the copy; else the command that does is printed. The last line is the path of the copy.
    """
    from nbops.execution import labs, notebook
    from nbops.pipelines import by_hand

    store = obj.store()
    run_id = by_hand.choose(store, obj.workspace().run(run).run_id, step)
    if only_path:
        click.echo(notebook.executed(store, run_id))
        return
    copy = by_hand.bring_up(store, run_id)
    lab = labs.showing(copy.path)
    if lab is None:
        click.echo(f"No JupyterLab that runs shows it. Open it: {shlex.join(['jupyter', 'lab', str(copy.path)])}")
    elif not labs.show(lab, copy.path, store.places.run):
        click.echo(f"There is no browser here. It is at {lab.address(copy.path, token=False)}")
    if not copy.made:
        click.echo("It was there already, and is as somebody left it.", err=True)
    click.echo(copy.path)
