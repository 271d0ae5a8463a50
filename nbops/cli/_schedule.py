"""`nbops schedule …`: what runs when; `_scheduler` has what looks at it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, show, table
from nbops.cli._reviews import end_of
from nbops.records import short

if TYPE_CHECKING:
    from nbops.pipelines.schedules.telling import Told

_COMING, _PAST = 5, 10
_COLUMNS = ["name", "target", "when", "next", "last"]


@cli.group("schedule")
def schedule_group() -> None:
    """Run notebooks and pipelines when they are due."""


@schedule_group.command("add")
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--name", help="What to call it (default: as its target).")
@click.option("--cron", help="Five fields such as '0 6 * * 1-5', or @hourly, @daily, @weekly, @monthly, @yearly.")
@click.option("--every", metavar="SPAN", help="In place of --cron, such as 15m: counted from 1970 in UTC.")
@click.option("--tz", metavar="ZONE", help="The time zone of --cron, such as Europe/Berlin (default: UTC).")
@click.option("--missed", type=click.Choice(["skip", "latest", "all"]), help="What is run of times that were missed.")
@click.option("--limit", type=click.IntRange(1, 1000), help="How many of them, with --missed all (default: 24).")
@click.option("--overlap", type=click.Choice(["skip", "queue", "kill"]), help="What if the one before still runs.")
@click.option("--jitter", metavar="SPAN", help="Begin up to so much later, always the same for the same time.")
@click.option("--grace", metavar="SPAN", help="How late is not late (default: 10m).")
@click.option("--tries", type=click.IntRange(1, 100), help="How often to try what is interrupted (default: 3).")
@click.option(
    "-p", "--parameters", "pairs", nargs=2, multiple=True, metavar="NAME VALUE",
    help="Set a parameter; {date}, {time}, {start} and {end} stand for the time that it is run for.",
)  # fmt: skip
@click.option("--working-tree", is_flag=True, help="Run the folder as it is, not its release.")
@click.option("--may", multiple=True, metavar="USER", help="Who alone may change, pause or remove it.")
@click.option("--change", is_flag=True, help="Change the schedule of that name.")
@json_option
@here
def add(
    obj: Here,
    /,
    target: Path,
    name: str | None,
    pairs: tuple[tuple[str, str], ...],
    working_tree: bool,
    change: bool,
    as_json: bool,
    **timing: Any,
) -> None:
    """Run TARGET, a notebook or a pipeline's folder, from now on.

    Of a folder, the `schedule:` of its pipeline.yaml says what the options do not.
    """
    from nbops.pipelines.schedules import adding, listing, telling
    from nbops.store.client import connect

    whole, now = target.expanduser().resolve(), datetime.now(UTC)
    store = connect(obj.settings(start=whole if whole.is_dir() else whole.parent))
    told = {key: list(value) if key == "may" else value for key, value in timing.items() if value not in {None, ()}}
    if working_tree:
        told["working_tree"] = True
    made = adding.add(store, adding.wanted(store, whole, told, dict(pairs)), name or "", now, change=change)
    coming = [one.isoformat() for one in listing.coming(made.spec, now, _COMING)]
    show(
        {"name": made.name, "what": made.what, "spec": msgspec.to_builtins(made.spec), "next": coming},
        as_json=as_json,
        text=lambda: telling.put(made.name, made.what, made.spec, now),
    )


@schedule_group.command("list")
@json_option
@here
def list_schedules(obj: Here, as_json: bool) -> None:
    """List the schedules with their next and their last time."""
    from nbops.pipelines.schedules import listing, telling

    store, now = obj.store(), datetime.now(UTC)
    found = listing.every(store)
    document = [{**msgspec.to_builtins(one), "paused": one.paused(now)} for one in found]
    show(document, as_json=as_json, text=lambda: _list(telling.told(store, found, now, coming=1)))


@schedule_group.command("show")
@click.argument("name")
@json_option
@here
def show_schedule(obj: Here, name: str, as_json: bool) -> None:
    """Show a schedule: what it is, the times that come, and what became of those that were."""
    from nbops.pipelines.schedules import listing, telling

    store, now = obj.store(), datetime.now(UTC)
    found = listing.get(store, name)
    coming = listing.coming(found.spec, now, _COMING)
    past = store.read(
        "select epoch_us(nominal), state, attempts, outcome, run_id::varchar, message, cause from fires"
        " where schedule_id = ?::uuid order by nominal desc limit ?",
        [found.schedule_id, _PAST],
    )
    told = {
        **msgspec.to_builtins(found), "paused": found.paused(now), "coming": [one.isoformat() for one in coming],
        "fires": [dict(zip(["nominal", "state", "attempts", "outcome", "run_id", "message", "cause"], row, strict=True))
                  for row in past.rows],
    }  # fmt: skip
    show(told, as_json=as_json, text=lambda: _page(telling.told(store, [found], now, coming=_COMING)[0], past.rows))


@schedule_group.command("pause")
@click.argument("name", required=False)
@click.option(
    "--until", metavar="TIME", help="When that ends, such as 2026-12-31, whose end is meant (default: never)."
)
@click.option("--reason", default="", help="Why, for those who read it later.")
@here
def pause(obj: Here, name: str | None, until: str | None, reason: str) -> None:
    """Begin nothing of NAME, or of all schedules; what runs goes on, and what comes meanwhile is not made up for."""
    from nbops.pipelines.schedules import listing, telling

    store, end = obj.store(), end_of(until) if until else None
    done = listing.act(store, name, "paused", until=end, why=reason)
    click.echo(telling.acted(store, name, "paused", end, datetime.now(UTC), done=done))


@schedule_group.command("resume")
@click.argument("name", required=False)
@here
def resume(obj: Here, name: str | None) -> None:
    """End the pause of NAME, or that of all schedules."""
    from nbops.pipelines.schedules import listing, telling

    store = obj.store()
    done = listing.act(store, name, "resumed")
    click.echo(telling.acted(store, name, "resumed", None, datetime.now(UTC), done=done))


@schedule_group.command("remove")
@click.argument("name")
@click.option("--reason", default="", help="Why, for those who read it later.")
@here
def remove(obj: Here, name: str, reason: str) -> None:
    """Run NAME no more. What it ran stays, and what runs goes on."""
    from nbops.pipelines.schedules import listing, telling

    store = obj.store()
    done = listing.act(store, name, "removed", why=reason)
    click.echo(telling.acted(store, name, "removed", None, datetime.now(UTC), done=done))


def _list(found: list[Told]) -> str:
    rows = [[one.schedule.name, one.schedule.spec.target, one.when, one.due, one.last] for one in found]
    return table(_COLUMNS, rows) if rows else "There is no schedule."


def _page(one: Told, past: list[list[Any]]) -> str:
    from nbops.pipelines.schedules import telling
    from nbops.render.model import Column

    spec = one.schedule.spec
    lines = [
        f"{one.schedule.name}: {spec.target}",
        *(f"  {name:<9} {text}" for name, text in one.facts),
        *(f"  {name} = {value}" for name, value in spec.parameters.items()),
    ]
    rows = [[telling.local(spec, row[0]), row[1], row[2], row[3], row[4] and short(row[4]), row[5]] for row in past]
    columns: list[Column | str] = [Column("time", "time", unit=spec.tz), "is", "attempts", "outcome", "run", "why"]
    return "\n".join([*lines, *(["", table(columns, rows)] if rows else [])])
