"""`nbops schedule tick|run|backfill|doctor|timer|cron`: who looks at what is due."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from nbops import times
from nbops.cli._base import Here, here, json_option, show, table
from nbops.cli._schedule import schedule_group
from nbops.errors import EXITS, StoreError
from nbops.records import at, short

if TYPE_CHECKING:
    from nbops.pipelines.schedules.listing import Schedule
    from nbops.pipelines.schedules.scheduler import Fire, Round
    from nbops.pipelines.schedules.units import Place
    from nbops.promotion.ticking import Ticked
    from nbops.store.client import Store

parallel_option = click.option(
    "--parallel", type=click.IntRange(1, 1000), help="How many run at once (default: one for each core)."
)
take_over_option = click.option(
    "--take-over", is_flag=True, help="Run them on this host from now on, though another one did."
)


@schedule_group.command("tick")
@click.argument("model", required=False)
@click.option("--until", metavar="TIME", help="Look at models as if it were then, and at no schedule.")
@click.option("--leave", is_flag=True, help="Do not wait for what is begun; a later tick sees how it ended.")
@click.option("--quiet", is_flag=True, help="Say nothing when nothing was done.")
@parallel_option
@take_over_option
@json_option
@here
def tick(
    obj: Here,
    model: str | None,
    until: str | None,
    leave: bool,
    quiet: bool,
    parallel: int | None,
    take_over: bool,
    as_json: bool,
) -> None:
    """Run what is due; then look at the models that have new predictions or labels, and take wishes for a retraining as far as they go.

    To be called from time to time, by cron or systemd (see `nbops schedule timer` and `cron`); what another process is at is left to
    it. With a MODEL, or with --until, schedules are left alone.
    """
    from nbops.pipelines import approving
    from nbops.promotion import reviews, ticking
    from nbops.render.progress import told

    store = obj.store()
    fires = None
    went: dict[str, int] = {}
    if model is None and until is None:
        fires = _fires(store, leave=leave, parallel=parallel, take_over=take_over)
        went = {run_id: approving.go_on(store, run_id) for run_id in approving.decided(store)}
    when = times.moment(until) if until is not None else datetime.now(UTC)
    with told("due") as tell:
        done = ticking.tick(store, model, until=when, progress=lambda what: tell(what, 0))
    reviews.tell(store)
    if quiet and not fires and not went and not done.wishes and not any(one.reports for one in done.monitored):
        return
    document = {
        **msgspec.to_builtins(done),
        "fires": msgspec.to_builtins(fires) if fires is not None else None,
        "resumed": went,
    }
    show(
        document,
        as_json=as_json,
        text=lambda: "\n".join([*(_lines(fires) if fires is not None else []), *_went(went), *_models(done)]),
    )


def _went(runs: dict[str, int]) -> list[str]:
    """A line for each run that had waited for a person."""
    return [
        f"Run {short(run_id)} had waited for a person; it went on, exit status {status}."
        for run_id, status in runs.items()
    ]


def _fires(store: Store, *, leave: bool, parallel: int | None, take_over: bool) -> Round:
    from nbops.pipelines.schedules.scheduler import Scheduler

    scheduler = Scheduler(store, parallel=parallel)
    scheduler.beat("tick", take_over=take_over)
    return scheduler.tick(datetime.now(UTC), leave=leave)


def _models(done: Ticked) -> list[str]:
    from nbops.render import values

    looked = sum(len(one.reports) for one in done.monitored)
    said = [
        f"Incident {short(change.incident_id)} of {one.model} {change.act}: {change.cause} ({change.severity})"
        for one in done.monitored
        for change in one.changes
        if change.act != "seen"
    ]
    rows = [
        [
            short(one.request_id),
            one.model,
            one.state,
            one.challenger,
            one.review_id and short(one.review_id),
            one.message,
        ]
        for one in done.wishes
    ]
    columns = ["request", "model", "is", "challenger", "review", "what"]
    words = f"Looked at {values.counted(looked, 'window')} of {values.counted(len(done.monitored), 'model')}."
    return [words, *said, *([table(columns, rows)] if rows else [])]


@schedule_group.command("run")
@parallel_option
@take_over_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document for each thing that happens.")
@here
def run(obj: Here, parallel: int | None, take_over: bool, as_json: bool) -> None:
    """Run what is due, all the time, until SIGTERM or Ctrl-C; what was begun then goes on. Models are not looked at."""
    from nbops.pipelines.schedules.loop import Bell, work
    from nbops.pipelines.schedules.scheduler import Scheduler

    def watch(done: Round) -> None:
        for line in _documents(done) if as_json else _lines(done):
            click.echo(line)

    def trouble(error: StoreError) -> None:
        click.echo(f"Error: {error}", err=True)

    bell = Bell()
    with bell.listening():
        work(Scheduler(obj.store(), parallel=parallel), bell, watch=watch, trouble=trouble, take_over=take_over)


@schedule_group.command("backfill")
@click.argument("name")
@click.argument("stretch", metavar="FROM..UNTIL")
@click.option("--parallel", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many run at once.")
@click.option("--force", is_flag=True, help="Run again what has succeeded, too.")
@take_over_option
@json_option
@here
def backfill(obj: Here, name: str, stretch: str, parallel: int, force: bool, take_over: bool, as_json: bool) -> int:
    """Run NAME for all its times of a stretch such as 2026-10-01..2026-10-31, both days included. What has succeeded is not run again.

    Exit status 25 when one of them did not succeed.
    """
    from nbops.pipelines.schedules import listing

    store = obj.store()
    found = listing.get(store, name)
    return fill(store, found, stretch, parallel=parallel, force=force, take_over=take_over, as_json=as_json)


def fill(
    store: Store, schedule: Schedule, stretch: str, *, parallel: int, force: bool, take_over: bool, as_json: bool
) -> int:
    """Run all times of a stretch, tell how they ended, and return the exit status."""
    from nbops.pipelines.schedules import listing, scheduler

    nominal = listing.stretch(schedule.spec, stretch, datetime.now(UTC))
    working = scheduler.Scheduler(store, parallel=parallel)
    working.beat("backfill", take_over=take_over)
    watch = (lambda _: None) if as_json else (lambda fire: click.echo(_line(fire)))
    found = scheduler.backfill(working, schedule.name, nominal, force=force, watch=watch)
    good = sum(fire.state == "done" for fire in found)
    told = {"name": schedule.name, "times": len(nominal), "done": good, "fires": msgspec.to_builtins(found)}
    show(told, as_json=as_json, text=lambda: f"{good} of {len(nominal)} are done.")
    return 0 if good == len(nominal) else EXITS["execution"].status


@schedule_group.command("doctor")
@click.option("--user", default="", help="For that user (default: you).")
@click.option("--environment", type=click.Path(path_type=Path), help="With the variables of that file.")
@click.option("--exit-code", is_flag=True, help="Exit status 26 when something is wrong, for outer monitors.")
@json_option
@here
def doctor(obj: Here, user: str, environment: Path | None, exit_code: bool, as_json: bool) -> int:
    """Look for what keeps schedules from being run: interpreter, permissions, secrets, clock, and whether anything looks at all."""
    from nbops.pipelines.schedules import doctor as examining
    from nbops.pipelines.schedules import targets

    store = obj.store()
    place = _place(obj, user, environment)
    checks = examining.examine(store, datetime.now(UTC), place, targets.environment(environment))
    rows = [[one.state, one.what, one.told, one.remedy] for one in checks]
    show(
        [msgspec.to_builtins(one) for one in checks],
        as_json=as_json,
        text=lambda: f"{table(['', 'what', 'is', 'remedy'], rows)}\n{examining.summary(checks)}",
    )
    return EXITS["execution.environment"].status if exit_code and any(one.state == "wrong" for one in checks) else 0


@schedule_group.command("timer")
@click.option("--user", default="", help="For the machine, run as that user (default: for your own systemd).")
@click.option("--environment", type=click.Path(path_type=Path), help="A file with variables, such as secrets.")
@click.option("--service", is_flag=True, help="A service that looks all the time, in place of a timer.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), help="Write the files into that folder.")
@here
def timer(obj: Here, user: str, environment: Path | None, service: bool, to: Path | None) -> None:
    """Print the files that let systemd look at what is due each minute. Refused when a schedule's secrets would not be there."""
    from nbops.pipelines.schedules import units

    place = _fit(obj, user, environment)
    files = units.service(place) if service else units.timer(place)
    for name, text in files.items():
        if to is not None:
            to.mkdir(parents=True, exist_ok=True)
            (to / name).write_text(text, encoding="utf-8")
            click.echo(to / name)
        else:
            click.echo(f"# {name}\n{text}")
    click.echo(f"# {units.install(place, service=service)}", err=True)


@schedule_group.command("cron")
@click.option("--user", default="", help="For that user's crontab (default: yours).")
@here
def cron(obj: Here, user: str) -> None:
    """Print the line of a crontab that looks at what is due each minute. Refused when a schedule's secrets would not be there."""
    from nbops.pipelines.schedules import units

    click.echo(units.cron(_fit(obj, user, None)))
    whose = f"sudo crontab -u {user}" if user and user != getpass.getuser() else "crontab"
    click.echo(f"# Put it there with: {whose} -e", err=True)


def _place(obj: Here, user: str, environment: Path | None) -> Place:
    from nbops.pipelines.schedules import targets
    from nbops.pipelines.schedules.units import Place

    if user:
        targets.uid_of(user)
    return Place(project=obj.settings().project, user=user, environment=environment)


def _fit(obj: Here, user: str, environment: Path | None) -> Place:
    """Raise what keeps a schedule from its secrets when that user runs it."""
    from nbops.pipelines.schedules import listing, targets

    store, place = obj.store(), _place(obj, user, environment)
    variables = targets.environment(environment)
    for one in listing.every(store):
        targets.check_secrets(store.settings, one.spec, user or getpass.getuser(), variables)
    return place


def _lines(done: Round) -> list[str]:
    found = [*done.ended, *done.left]
    told = {(fire.schedule, fire.nominal) for fire in found}
    found += [fire for fire in done.begun if (fire.schedule, fire.nominal) not in told]
    return [_line(fire) for fire in found]


def _line(fire: Fire) -> str:
    run_id = f" {short(fire.run_id)}" if fire.run_id else ""
    why = f": {fire.message}" if fire.message else ""
    when = times.minute(at(fire.nominal))
    return f"{fire.schedule} of {when} {fire.state}{run_id}{why}"


def _documents(done: Round) -> list[str]:
    found: list[Any] = [*done.begun, *done.ended, *done.left]
    return [msgspec.json.encode(fire).decode() for fire in found]
