"""`nbops schedule …`: what is due, done by whoever calls from time to time."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, show, table
from nbops.records import short
from nbops.render import values


@cli.group("schedule")
def schedule_group() -> None:
    """Do what is due."""


@schedule_group.command("tick")
@click.argument("model", required=False)
@click.option("--until", metavar="TIME", help="As if it were then; now by default.")
@json_option
@here
def tick(obj: Here, model: str | None, until: str | None, as_json: bool) -> None:
    """Look at the models that have new predictions or labels, and take wishes for a retraining as far as they go.

    To be called from time to time, by cron or systemd; what another process is at is left to it.
    """
    from nbops import times
    from nbops.promotion import reviews, ticking
    from nbops.render.progress import told

    store = obj.store()
    when = times.moment(until) if until is not None else datetime.now(UTC)
    with told("due") as tell:
        done = ticking.tick(store, model, until=when, progress=lambda what: tell(what, 0))
    reviews.tell(store)
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
    show(
        msgspec.to_builtins(done),
        as_json=as_json,
        text=lambda: "\n".join([words, *said, *([table(columns, rows)] if rows else [])]),
    )
