"""`nbops init`: a notebook for a table of one's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from nbops import config
from nbops.cli._base import Here, cli, here, json_option, show

if TYPE_CHECKING:
    from nbops.workspace.table import Table


@cli.command("init")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="The table: CSV or Parquet. It stays where it is.")
@click.option("--target", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("--name", default="train", show_default=True, help="The notebook's name, in the folder notebooks.")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="What to do, if the guess is wrong.")
@click.option("--force", is_flag=True, help="Replace the notebook if it exists.")
@json_option
@here
def init(
    obj: Here, data: Path, target: str, name: str, task: Literal["classification", "regression"] | None, force: bool, as_json: bool
) -> None:
    """Write a notebook that trains a first model on your table, and the project's settings."""
    from nbops.workspace import scaffold

    made = scaffold.create(_project(obj.project), data, target, name=name, task=task, force=force)
    table, notebook = made.table, os.path.relpath(made.notebook)
    left_out: dict[str, str] = {name: reason for name, reason in table.left_out.items()}
    document = {
        "notebook": str(made.notebook), "settings": str(made.settings) if made.settings else None, "task": table.task, "rows": table.rows,
        "unlabelled": table.unlabelled, "features": list(table.features), "left_out": left_out, "suspects": list(table.suspects),
    }  # fmt: skip
    wrote = f"{notebook} and {os.path.relpath(made.settings)}" if made.settings else notebook
    lines = [f"Wrote {wrote}.", _decided(table), f"Next: nbops run {click.format_filename(notebook)}  (or open it in JupyterLab and run all cells)"]
    show(document, as_json=as_json, text=lambda: "\n".join(lines))


def _project(named: str | None) -> Path:
    """The project that this folder lies in, else this folder: a git root above it is no project yet."""
    root, found = config.find_project(named)
    return Path.cwd() if found == "git root" else root


def _decided(table: Table) -> str:
    kind = {"binary": "Binary classification", "multiclass": "Classification", "regression": "Regression"}[table.task]
    classes = f" ({', '.join(table.classes[:4])}{', …' if len(table.classes) > 4 else ''})" if table.classes else ""
    rows = f"{table.rows:,} rows" + (f" ({table.unlabelled:,} without a target)" if table.unlabelled else "")
    left_out = ", ".join(f"{name} ({reason})" for name, reason in list(table.left_out.items())[:6])
    more = f" and {len(table.left_out) - 6} more" if len(table.left_out) > 6 else ""
    otherwise = f" Not what you want? --task {table.alternative} --force." if table.alternative else ""
    features = f"{len(table.features)} feature{'s' if len(table.features) > 1 else ''}"
    return f"{kind} of {table.target}{classes}: {rows}, {features}; left out: {left_out or 'nothing'}{more}.{otherwise}"
