"""`nbops models …`: look at registered models, make versions and verify them."""

from __future__ import annotations

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, records, show, table
from nbops.errors import UsageError
from nbops.records import short


@cli.group("models")
def models_group() -> None:
    """Look at registered models, make versions, verify them."""


@models_group.command("list")
@click.argument("name", required=False)
@json_option
@here
def list_models(obj: Here, name: str | None, as_json: bool) -> None:
    """List model versions, newest first."""
    found = records(obj.workspace().model_versions(name))
    rows = [
        [row["model"], row["version"], row["state"], short(row["run_id"]), str(row["created"])[:19], row["actor"]]
        for row in found
    ]
    columns = ["model", "version", "state", "run", "created", "actor"]
    show(found, as_json=as_json, text=lambda: table(columns, rows))


@models_group.command("register")
@click.argument("run")
@click.argument("name")
@click.option("--model", default="model", show_default=True, help="The name it was logged under.")
@click.option("--description")
@here
def register(obj: Here, run: str, name: str, model: str, description: str | None) -> None:
    """Make a run's model the next version of NAME."""
    version = obj.workspace().register_model(run, name, model=model, description=description)
    click.echo(f"registered {version.model}/{version.version}")


@models_group.command("verify")
@click.argument("model", metavar="NAME[/VERSION]", required=False)
@click.option("--all", "everything", is_flag=True, help="Every version, and every model that a run keeps.")
@click.option("--load", is_flag=True, help="Prove each load in a fresh process, too.")
@json_option
@here
def verify(obj: Here, model: str | None, everything: bool, load: bool, as_json: bool) -> int:
    """Check the bytes, manifest, signature and types of models. Exit status 40 if any is damaged, 30 if one is not to be trusted.

    With --load it is 26 if one does not load.
    """
    from nbops.registry import verifying

    if (model is None) is not everything:
        raise UsageError("Name a model, or say --all.", hint="nbops models verify NAME, NAME/3 or --all")
    findings = verifying.verify(obj.store(), model, load=load)
    rows = [["✗" if found.problem else "✓", found.what, found.problem or found.told] for found in findings]
    show(
        msgspec.to_builtins(findings),
        as_json=as_json,
        text=lambda: table(["", "model", "found"], rows) if rows else "No model is kept yet.",
    )
    return verifying.worst(findings)
