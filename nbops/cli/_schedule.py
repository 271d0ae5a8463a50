"""`nbops schedule …`: what runs when; `_scheduler` has what looks at it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, show, table
from nbops.cli._reviews import end_of
from nbops.records import at, short

if TYPE_CHECKING:
    from nbops.pipelines.schedules.listing import Schedule
    from nbops.pipelines.schedules.spec import Spec

_COMING, _PAST = 5, 10


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
    from nbops.pipelines.schedules import listing, targets
    from nbops.store.client import connect

    whole = target.expanduser().resolve()
    store = connect(obj.settings(start=whole if whole.is_dir() else whole.parent))
    project = store.settings.project
    place = listing.target(project, target)
    spec = targets.asked(project, place, timing, dict(pairs), working_tree=working_tree)
    targets.check(store, spec)
    called = name or targets.called(project, place)
    what = listing.put(store, called, spec, change=change)
    coming = [one.isoformat() for one in listing.coming(spec, datetime.now(UTC), _COMING)]
    local = [_local(spec, one) for one in listing.coming(spec, datetime.now(UTC), 1)]
    words = {"added": "is scheduled", "changed": "is changed", "same": "was so already"}[what]
    show(
        {"name": called, "what": what, "spec": msgspec.to_builtins(spec), "next": coming},
        as_json=as_json,
        text=lambda: f"{called} {words}: {place}, next {local[0] if local else 'never'}.",
    )


@schedule_group.command("list")
@json_option
@here
def list_schedules(obj: Here, as_json: bool) -> None:
    """List the schedules with their next and their last time."""
    from nbops.pipelines.schedules import listing

    now = datetime.now(UTC)
    found = listing.every(obj.store())
    rows = [
        [one.name, one.spec.target, one.spec.cron or f"every {one.spec.every}", one.spec.tz,
         "paused" if one.paused(now) else _local(one.spec, one.next), one.last_state, _local(one.spec, one.last_nominal)]
        for one in found
    ]  # fmt: skip
    columns = ["name", "target", "when", "zone", "next", "last", "of"]
    told = [{**msgspec.to_builtins(one), "paused": one.paused(now)} for one in found]
    show(told, as_json=as_json, text=lambda: table(columns, rows) if rows else "There is no schedule.")


@schedule_group.command("show")
@click.argument("name")
@json_option
@here
def show_schedule(obj: Here, name: str, as_json: bool) -> None:
    """Show a schedule: what it is, the times that come, and what became of those that were."""
    from nbops.pipelines.schedules import listing

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
    show(told, as_json=as_json, text=lambda: _page(found, coming, past.rows, now))


@schedule_group.command("pause")
@click.argument("name", required=False)
@click.option(
    "--until", metavar="TIME", help="When that ends, such as 2026-12-31, whose end is meant (default: never)."
)
@click.option("--reason", default="", help="Why, for those who read it later.")
@here
def pause(obj: Here, name: str | None, until: str | None, reason: str) -> None:
    """Begin nothing of NAME, or of all schedules; what runs goes on, and what comes meanwhile is not made up for."""
    from nbops.pipelines.schedules import listing

    end = end_of(until) if until else None
    done = listing.act(obj.store(), name, "paused", until=end, why=reason)
    which = name or "Everything"
    told = f"until {end.astimezone():%Y-%m-%d %H:%M}" if end else "until `nbops schedule resume`"
    click.echo(f"{which} is paused {told}." if done else f"{which} was paused so already.")


@schedule_group.command("resume")
@click.argument("name", required=False)
@here
def resume(obj: Here, name: str | None) -> None:
    """End the pause of NAME, or that of all schedules."""
    from nbops.pipelines.schedules import listing

    store = obj.store()
    done = listing.act(store, name, "resumed")
    still = name is not None and listing.get(store, name).paused(datetime.now(UTC))
    more = " Everything is paused besides: `nbops schedule resume` without a name ends that." if still else ""
    click.echo(f"{name or 'Everything'} {'goes on' if done else 'was not paused'}.{more}")


@schedule_group.command("remove")
@click.argument("name")
@click.option("--reason", default="", help="Why, for those who read it later.")
@here
def remove(obj: Here, name: str, reason: str) -> None:
    """Run NAME no more. What it ran stays, and what runs goes on."""
    from nbops.pipelines.schedules import listing

    listing.act(obj.store(), name, "removed", why=reason)
    click.echo(f"{name} is removed.")


def _page(found: Schedule, coming: list[datetime], past: list[list[Any]], now: datetime) -> str:
    spec = found.spec
    lines = [
        f"{found.name}: {spec.target}",
        f"  when      {spec.cron or f'every {spec.every}'} ({spec.tz})",
        f"  missed    {spec.missed}{f', at most {spec.limit}' if spec.missed == 'all' else ''}",
        f"  overlap   {spec.overlap}",
        *(f"  {key:<9} {value}" for key, value in (("jitter", spec.jitter), ("grace", spec.grace)) if value),
        *(f"  {key} = {value}" for key, value in spec.parameters.items()),
        "  paused" if found.paused(now) else f"  next      {', '.join(_local(spec, one) for one in coming) or 'never'}",
    ]
    rows = [
        [_local(spec, row[0]), row[1], row[2], row[3], row[4] and short(row[4]), row[5]] for row in past
    ]  # fmt: skip
    columns = ["time", "is", "attempts", "outcome", "run", "why"]
    return "\n".join([*lines, *(["", table(columns, rows)] if rows else [])])


def _local(spec: Spec, moment: datetime | int | None) -> str:
    """A time as the schedule's zone shows it."""
    if moment is None:
        return "–"
    when = at(moment) if isinstance(moment, int) else moment
    return f"{when.astimezone(spec.zone):%Y-%m-%d %H:%M}"
