"""`nbops failures …`: how failures are told apart."""

from __future__ import annotations

import msgspec

from nbops.cli._base import cli, json_option, show, table


@cli.group("failures")
def failures_group() -> None:
    """Look at how failures are told apart."""


@failures_group.command("rules")
@json_option
def rules(as_json: bool) -> None:
    """List the rules that class a failure, in the order in which they are tried."""
    from nbops.failures import all_rules

    found = all_rules()
    rows = [[rule.id, rule.failure_class, rule.why, _told(rule.conditions)] for rule in found]
    show(msgspec.to_builtins(found), as_json=as_json, text=lambda: table(["rule", "class", "which says", "when"], rows))


def _told(conditions: dict[str, object]) -> str:
    """Such as: ename KeyError; own True."""
    values = {
        name: "|".join(map(str, value)) if isinstance(value, tuple) else value for name, value in conditions.items()
    }
    return "; ".join(f"{name} {value}" for name, value in values.items())
