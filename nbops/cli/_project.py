"""Commands about the project as a whole: its settings, its health and SQL."""

from __future__ import annotations

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
    values = {key: getattr(getattr(settings, key.split(".")[0]), key.split(".")[1]) for key in KEYS}
    rows: list[list[object]] = [["project", str(settings.project), settings.origins["project"]]]
    rows += [[key, value, settings.origins.get(key, "default")] for key, value in values.items()]
    document = {str(key): {"value": value, "origin": origin} for key, value, origin in rows}
    shown = [[key, str(value), origin] for key, value, origin in rows]
    show(document, as_json=as_json, text=lambda: table(["setting", "value", "from"], shown))


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
