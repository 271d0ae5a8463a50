"""`nbops incidents …`: what is wrong with models and pipelines, and what people do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, records, show, table
from nbops.cli._reviews import end_of, reason_option
from nbops.records import at, short

if TYPE_CHECKING:
    from nbops.workspace._incident import Incident


@cli.group("incidents")
def incidents_group() -> None:
    """Look at what is wrong, and say what you do about it."""


@incidents_group.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too; the newest first.")
@click.option("--model", metavar="NAME", help="Only those of a model.")
@json_option
@here
def list_incidents(obj: Here, everything: bool, model: str | None, as_json: bool) -> None:
    """List the open incidents, the most severe first."""
    found = records(obj.workspace().incidents(model, everything=everything))
    rows = [
        [short(row["incident_id"]), row["severity"], row["subject"].partition(":")[2], row["cause"], row["status"],
         str(row["since"])[:10], row["windows"], row["acknowledged_by"], row["text"]]
        for row in found
    ]  # fmt: skip
    columns = ["id", "severity", "of", "cause", "status", "since", "windows", "acknowledged by", "what"]
    nothing = "No incident is kept yet." if everything else "No incident is open."
    show(found, as_json=as_json, text=lambda: table(columns, rows) if rows else nothing)


@incidents_group.command("show")
@click.argument("incident", metavar="ID")
@json_option
@here
def show_incident(obj: Here, incident: str, as_json: bool) -> None:
    """Show what is wrong, since when, and what was done about it."""
    found = obj.workspace().incident(incident)
    show(document(found) if as_json else None, as_json=as_json, text=found.to_text)


@incidents_group.command("ack")
@click.argument("incident", metavar="ID")
@click.option("--reason", default="", metavar="TEXT", help="What you are going to do.")
@json_option
@here
def ack(obj: Here, incident: str, reason: str, as_json: bool) -> None:
    """Say that you see to it."""
    found = obj.workspace().incident(incident)
    found.ack(reason)
    _show(found, f"Incident {found.id} is yours.", as_json=as_json)


@incidents_group.command("comment")
@click.argument("incident", metavar="ID")
@click.argument("text")
@json_option
@here
def comment(obj: Here, incident: str, text: str, as_json: bool) -> None:
    """Say something about it."""
    found = obj.workspace().incident(incident)
    found.comment(text)
    _show(found, f"Kept with incident {found.id}.", as_json=as_json)


@incidents_group.command("mute")
@click.argument("incident", metavar="ID")
@click.option("--until", required=True, metavar="DATE", help="Tell nobody up to the end of this day, or to this time.")
@reason_option("Why nobody needs to hear of it.")
@json_option
@here
def mute(obj: Here, incident: str, until: str, reason: str, as_json: bool) -> None:
    """Tell nobody of it for some time; its windows are counted all the same."""
    found = obj.workspace().incident(incident)
    end = end_of(until)
    found.mute(until=end, reason=reason)
    _show(found, f"Nobody hears of incident {found.id} before {end.astimezone():%Y-%m-%d %H:%M}.", as_json=as_json)


@incidents_group.command("unmute")
@click.argument("incident", metavar="ID")
@json_option
@here
def unmute(obj: Here, incident: str, as_json: bool) -> None:
    """Tell of it again."""
    found = obj.workspace().incident(incident)
    found.unmute()
    _show(found, f"Incident {found.id} is told of again.", as_json=as_json)


@incidents_group.command("close")
@click.argument("incident", metavar="ID")
@reason_option("Why it is over.")
@json_option
@here
def close(obj: Here, incident: str, reason: str, as_json: bool) -> None:
    """Say that it is over; another opens only by windows after those that are judged by now."""
    found = obj.workspace().incident(incident)
    found.close(reason=reason)
    _show(found, f"Incident {found.id} is closed.", as_json=as_json)


def document(incident: Incident) -> dict[str, Any]:
    """An incident for JSON: how it stands, and what was done."""
    case = incident.case
    times = ("since", "last_window", "opened", "muted_until", "closed")
    told = msgspec.to_builtins(case)
    acts = [
        {**msgspec.to_builtins(one), **{name: _at(getattr(one, name)) for name in ("start", "until", "time")}}
        for one in case.acts
    ]
    return {**told, **{name: _at(told[name]) for name in times}, "acts": acts}


def _at(us: int | None) -> object:
    return None if us is None else at(us)


def _show(incident: Incident, outcome: str, *, as_json: bool) -> None:
    show(document(incident) if as_json else None, as_json=as_json, text=lambda: outcome)
