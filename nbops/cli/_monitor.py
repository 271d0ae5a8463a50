"""`nbops monitor …`: whether models in use still do what they were approved for, and by which policy that is judged."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, show, table
from nbops.errors import UsageError
from nbops.records import at, short
from nbops.render import values


@cli.group("monitor")
def monitor_group() -> None:
    """Watch models in use."""


@monitor_group.command("run")
@click.argument("model", required=False)
@click.option("--until", metavar="TIME", help="Look at what was complete by then; now by default.")
@click.option("--version", type=int, metavar="N", help="Only the predictions of this version.")
@click.option("--again", is_flag=True, help="Look at every window anew, as after a change of the policy.")
@json_option
@here
def run(obj: Here, model: str | None, until: str | None, version: int | None, again: bool, as_json: bool) -> None:
    """Look at each window of MODEL's predictions, or of every model's, that is complete and new, or whose labels changed."""
    from nbops import times
    from nbops.monitoring import running
    from nbops.render.progress import told
    from nbops.workspace._monitoring import line

    store = obj.store()
    when = times.moment(until) if until is not None else datetime.now(UTC)
    names = [model] if model is not None else running.monitored(store)
    with told("looking at") as tell:
        found = [
            running.monitor(
                store, name, until=when, version=version, again=again, progress=lambda window: tell(window, 0)
            )
            for name in names
        ]
    document = [msgspec.to_builtins(one) for one in found]
    rows = [line(report) for one in found for report in one.reports]
    columns = ["model", "from", "until", "rows", "labelled", "metric", "value", "laboratory", "standing", "drifted"]
    said = [
        f"Incident {short(change.incident_id)} {change.act}: {change.cause} ({change.severity})"
        for one in found
        for change in one.changes
        if change.act != "seen"
    ]
    nothing = "Nothing is new: every complete window was looked at." if names else "No model has logged predictions."
    show(document, as_json=as_json, text=lambda: "\n".join([table(columns, rows) if rows else nothing, *said]))


@monitor_group.command("status")
@click.argument("model", required=False)
@json_option
@here
def status(obj: Here, model: str | None, as_json: bool) -> None:
    """Say how MODEL is, or every model: in a word, in numbers and in a sentence."""
    from nbops.monitoring import status as standing

    store = obj.store()
    found = standing.overall(store) if model is None else [standing.health(store, model)]
    rows = [
        [one.model, one.word, one.version, at(one.until).date().isoformat() if one.until else None,
         None if one.value is None else f"{one.metric} {values.number(one.value)} {one.unit}".rstrip(), one.laboratory,
         len(one.incidents) or None, one.sentence]
        for one in found
    ]  # fmt: skip
    columns = ["model", "is", "version", "looked at until", "last realised", "laboratory", "incidents", "why"]
    nothing = "There are no models yet."
    show(msgspec.to_builtins(found), as_json=as_json, text=lambda: table(columns, rows) if rows else nothing)


@monitor_group.command("retrain")
@click.argument("model", required=False)
@click.option("--reason", metavar="TEXT", help="Ask for a new version of MODEL, and say why.")
@click.option("--until", metavar="TIME", help="Train on the last full months before then; now by default.")
@json_option
@here
def retrain(obj: Here, model: str | None, reason: str | None, until: str | None, as_json: bool) -> None:
    """List what was asked of retraining, or ask for it; `nbops schedule tick` trains, and proposes what is better."""
    from nbops import times
    from nbops.promotion import retrain as retraining

    store = obj.store()
    if reason is not None:
        if model is None:
            raise UsageError("Which model is to be trained?", hint="nbops monitor retrain MODEL --reason TEXT")
        retraining.ask(store, model, reason=reason, until=times.moment(until) if until is not None else None)
    found = retraining.wishes(store, model, everything=reason is None)
    rows = [
        [short(one.request_id), one.model, one.cause, one.state, f"{at(one.data_from):%Y-%m-%d}", f"{at(one.data_until):%Y-%m-%d}",
         one.challenger, one.review_id and short(one.review_id), one.message or one.reason]
        for one in found
    ]  # fmt: skip
    columns = ["request", "model", "because of", "is", "data from", "until", "challenger", "review", "what"]
    show(
        msgspec.to_builtins(found),
        as_json=as_json,
        text=lambda: table(columns, rows) if rows else "Nobody has asked for a retraining.",
    )


@monitor_group.command("investigate")
@click.argument("incident", metavar="INCIDENT")
@click.option("--execute/--no-execute", default=True, help="Execute it as a run, or only write it.")
@click.option("--out", metavar="FILE", help="The notebook; investigations/MODEL-ID-DAY.ipynb by default.")
@json_option
@here
def investigate(obj: Here, incident: str, execute: bool, out: str | None, as_json: bool) -> None:
    """Write a notebook about INCIDENT and execute it: the window's rows, drift, who loses most, the model and the champion."""
    from nbops.workspace import investigating

    found = obj.workspace().incident(incident)
    path = investigating.investigate(
        obj.store(), found.incident_id, execute=execute, path=Path(out) if out is not None else None
    )
    show(
        {"incident_id": found.incident_id, "notebook": str(path), "executed": execute},
        as_json=as_json,
        text=lambda: str(path),
    )


@monitor_group.command("policy")
@click.argument("model")
@click.option(
    "--file", "path", metavar="FILE", help="Monitor by this YAML file from now on; what it leaves out is the default."
)
@click.option("--why", metavar="TEXT", help="Why it is changed.")
@click.option("--history", is_flag=True, help="What was changed when, by whom and why.")
@json_option
@here
def policy(obj: Here, model: str, path: str | None, why: str | None, history: bool, as_json: bool) -> None:
    """Print by which policy MODEL is monitored, as a YAML file with a word about every key, to be changed and given back."""
    from nbops.monitoring import incidents, policy_yaml

    if (path is not None and history) or (why is not None and path is None):
        raise UsageError(
            "What is to be done?", hint="`--file FILE --why TEXT` sets a policy, `--history` tells of earlier ones."
        )
    found = obj.workspace().model(model)
    if path is not None:
        changed = found.set_monitor_policy(path, why=why)
        told = "\n".join(changed) or "Nothing has changed."
        show({"model": model, "changed": changed}, as_json=as_json, text=lambda: told)
        return
    known = incidents.policies(obj.store(), model)
    if history:
        rows = [
            [new.version, f"{at(new.time).astimezone():%Y-%m-%d %H:%M}", new.actor, new.why,
             "; ".join(policy_yaml.changes(old.policy, new.policy))]
            for new, old in pairwise(known)
        ]  # fmt: skip
        document = [{**msgspec.to_builtins(one), "time": at(one.time)} for one in known[:-1]]
        columns = ["version", "time", "who", "why", "changed"]
        nothing = f"{model} is monitored by what holds when nothing is said."
        show(document, as_json=as_json, text=lambda: table(columns, rows) if rows else nothing)
        return
    now = known[0]
    by = (
        f"version {now.version}, by {now.actor} at {at(now.time).astimezone():%Y-%m-%d %H:%M}"
        if now.version
        else "the defaults"
    )
    head = f"How {model} is monitored: {by}.{f' {now.why}' if now.why else ''}"
    show(msgspec.to_builtins(now.policy), as_json=as_json, text=lambda: policy_yaml.text(now.policy, head))
