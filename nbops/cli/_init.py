"""`nbops init`: a notebook for a table of one's own."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from nbops import config
from nbops.cli._base import Here, cli, here, json_option, show

if TYPE_CHECKING:
    from nbops.workspace.table import Table


@cli.command("init")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="The table: CSV or Parquet. It stays where it is."
)
@click.option("--target", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("--name", default="train", show_default=True, help="The notebook's name, in the folder notebooks.")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="What to do, if the guess is wrong.")
@click.option("--force", is_flag=True, help="Replace the notebook if it exists.")
@json_option
@here
def init(
    obj: Here,
    data: Path,
    target: str,
    name: str,
    task: Literal["classification", "regression"] | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write a notebook that trains a first model on your table, and the project's settings."""
    from nbops.workspace import scaffold

    made = scaffold.create(_project(obj.project), data, target, name=name, task=task, force=force)
    table, aim = made.table, made.table.target
    document = {
        "notebook": str(made.notebook), "settings": str(made.settings) if made.settings else None, "task": aim.task, "rows": aim.rows,
        "unlabelled": aim.unlabelled, "features": table.features, "left_out": table.left_out, "suspects": table.suspects,
    }  # fmt: skip
    notebook = os.path.relpath(made.notebook)
    settings = f" and {os.path.relpath(made.settings)}" if made.settings else ""
    lines = [
        f"Wrote {notebook}{settings}.",
        _decided(table),
        f"Next: nbops run {shlex.quote(notebook)}, or open it in JupyterLab and run all cells.",
    ]
    show(document, as_json=as_json, text=lambda: "\n".join(lines))


def _project(named: str | None) -> Path:
    """The project that this folder lies in, else this folder: a git root above it is no project yet."""
    root, found = config.find_project(named)
    return Path.cwd() if found == "git root" else root


def _decided(table: Table) -> str:
    target = table.target
    kind = {"binary": "Binary classification", "multiclass": "Classification", "regression": "Regression"}[target.task]
    classes = f" ({_some(target.classes)})" if target.classes else ""
    unlabelled = f" ({target.unlabelled:,} without a target)" if target.unlabelled else ""
    left_out = _some([f"{name} ({reason})" for name, reason in table.left_out.items()])
    features = f"{len(table.features)} feature{'s' if len(table.features) > 1 else ''}"
    otherwise = f" For {target.alternative}: --task {target.alternative} --force." if target.alternative else ""
    return f"{kind} of {target.name}{classes}: {target.rows:,} rows{unlabelled}, {features}, left out: {left_out or 'nothing'}.{otherwise}"


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:6]) + (f" and {len(words) - 6} more" if len(words) > 6 else "")
