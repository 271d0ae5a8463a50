"""`nbops models history|at|lineage|using`: what became of models, and what they are made from."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from nbops import times
from nbops.cli._base import Here, here, json_option, show, table
from nbops.cli._models import models_group
from nbops.records import short


@models_group.command("history")
@click.argument("name")
@json_option
@here
def history(obj: Here, name: str, as_json: bool) -> None:
    """Tell what was done about a model, by whom and why, oldest first."""
    from nbops.registry import history

    found = history.history(obj.store(), name)
    show(msgspec.to_builtins(found.happenings), as_json=as_json, text=found.to_text)


@models_group.command("at")
@click.argument("name")
@click.argument("time")
@click.option("--alias", default="champion", show_default=True, help="The alias that is asked for.")
@json_option
@here
def held_at(obj: Here, name: str, time: str, alias: str, as_json: bool) -> None:
    """Tell which version an alias of NAME stood for at TIME, such as "2026-01-31 08:00"; local unless it names a zone."""
    from nbops.registry import history

    found = history.holder_at(obj.store(), name, alias, time)
    show(msgspec.to_builtins(found), as_json=as_json, text=lambda: str(found))


@models_group.command("lineage")
@click.argument("reference", metavar="NAME[/VERSION]")
@click.option("--up", "way", flag_value="up", help="Only what it was made from.")
@click.option("--down", "way", flag_value="down", help="Only what was made from it.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the picture here.")
@json_option
@here
def lineage(obj: Here, reference: str, way: str | None, svg: Path | None, as_json: bool) -> None:
    """Show what a version (default: the latest) was made from and what became of it; also of NAME@ALIAS, data:NAME and run:ID."""
    from nbops.registry import lineage
    from nbops.render import diagram

    follow = {"up": lineage.up, "down": lineage.down}.get(way or "", lineage.around)
    found = follow(obj.store(), reference)
    if svg:
        svg.write_text(diagram.standalone(found.to_svg()), encoding="utf-8")
    show(msgspec.to_builtins(found), as_json=as_json, text=found.to_text)


@models_group.command("using")
@click.argument("data")
@click.option(
    "--alias", metavar="NAME", help="Only versions that this alias stands for or stood for, such as champion."
)
@json_option
@here
def using(obj: Here, data: str, alias: str | None, as_json: bool) -> None:
    """List the versions that were made from DATA: a name, NAME/VERSION, a path, or the beginning of a digest."""
    from nbops.registry import lineage

    found = lineage.using(obj.store(), data, alias=alias)
    rows = [
        [
            f"{one.model}/{one.version}", one.state, short(one.run_id), one.alias,
            times.shown(one.since) if one.since else None, times.shown(one.until) if one.until else "now" if one.alias else None,
        ]
        for one in found
    ]  # fmt: skip
    columns = ["version", "state", "run", "alias", "since", "until"]
    show(
        msgspec.to_builtins(found),
        as_json=as_json,
        text=lambda: (
            table(columns, rows) if rows else f"No {'model' if alias is None else alias} was made from {data}."
        ),
    )
