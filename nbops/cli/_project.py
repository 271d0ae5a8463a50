"""Commands about the project as a whole, and how failures are told apart."""

from __future__ import annotations

import operator

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, show, table


@cli.group("config")
def config_group() -> None:
    """Look at the settings."""


@config_group.command("show")
@json_option
@here
def config_show(obj: Here, as_json: bool) -> None:
    """Print each setting's value and where it comes from."""
    from nbops.config import KEYS

    settings = obj.settings()
    values = {"project": str(settings.project), **{key: operator.attrgetter(key)(settings) for key in KEYS}}
    document = {key: {"value": value, "origin": settings.origins.get(key, "default")} for key, value in values.items()}
    rows = [[key, str(told["value"]), told["origin"]] for key, told in document.items()]
    show(document, as_json=as_json, text=lambda: table(["setting", "value", "from"], rows))


@cli.command("sql")
@click.argument("query")
@click.option("-n", "--limit", default=1000, show_default=True, help="At most that many rows.")
@json_option
@here
def sql(obj: Here, query: str, limit: int, as_json: bool) -> None:
    """Print the rows of one SELECT over the views of docs/views.md."""
    found = obj.store().read(query, limit=limit)
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    note = f"cut at {limit} rows" if found.truncated else ""
    show(rows, as_json=as_json, text=lambda: table(found.columns, found.rows) + note)


@cli.command("doctor")
@json_option
@here
def doctor(obj: Here, as_json: bool) -> int:
    """Look for what keeps nbops from working here, with the remedy. Exit status 26 when something does."""
    from nbops.workspace import doctor as checks

    found = checks.examine(obj.settings())
    rows = [["✗" if item.remedy else "✓", item.what, item.told, item.remedy] for item in found]
    show(msgspec.to_builtins(found), as_json=as_json, text=lambda: table(["", "what", "found", "remedy"], rows))
    return 26 if any(item.remedy for item in found) else 0


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
    return "; ".join(
        f"{name} {'|'.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in conditions.items()
    )
