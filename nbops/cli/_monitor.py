"""`nbops monitor …`: whether models in use still do what they were approved for, and by which policy that is judged."""

from __future__ import annotations

from itertools import pairwise

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, show, table
from nbops.errors import UsageError
from nbops.records import at


@cli.group("monitor")
def monitor_group() -> None:
    """Watch models in use."""


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
