"""What all commands share."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import nbops
from nbops import config
from nbops.cli import _loading
from nbops.errors import UsageError, nearest
from nbops.store.client import Store, connect

if TYPE_CHECKING:
    import pandas as pd

    from nbops.render.model import Column
    from nbops.workspace._workspace import Workspace


class Nouns(click.Group):
    """A group whose nouns work in singular and plural."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or of its plural."""
        return super().get_command(ctx, cmd_name) or super().get_command(ctx, f"{cmd_name}s")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion in the error."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = nearest(args[0], self.list_commands(ctx)) if args else None
            hint = f"Did you mean {near!r}?" if near else f"`{ctx.command_path} --help` lists what there is."
            raise UsageError(error.message, hint=hint) from error


class Commands(Nouns):
    """All that `nbops` can do; a module is imported when a command of it is asked for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or of its plural."""
        _loading.one(cmd_name)
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        _loading.everything()
        return super().list_commands(ctx)


class Here:
    """The project that a command works on."""

    def __init__(self, project: str | None) -> None:
        self.project = project

    def settings(self, start: Path | None = None) -> config.Settings:
        """The settings of the project; `start` is where to look for it when none is named."""
        return config.settings(self.project, start=start)

    def workspace(self) -> Workspace:
        """The handle of the project. Raises NotFound when there is none."""
        from nbops.workspace._workspace import Workspace

        return Workspace(config.existing(self.settings()))

    def store(self) -> Store:
        """The store of the project. Raises NotFound when there is none."""
        return connect(config.existing(self.settings()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-C", "--project", metavar="DIR", help="The project's folder (default: the one this folder lies in).")
@click.version_option(nbops.__version__, prog_name="nbops")
@click.pass_context
def cli(ctx: click.Context, project: str | None) -> None:
    """Run experiment notebooks as production pipelines and operate the models that come out of them."""
    ctx.obj = Here(project)


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
here = click.pass_obj


def show(value: object, *, as_json: bool, text: Callable[[], str]) -> None:
    """Print a result: as JSON, or as the text that `text` makes of it."""
    if as_json:
        click.echo(
            json.dumps(_finite(value), default=_told, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)
        )
    else:
        click.echo(text().rstrip("\n"))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A DataFrame's rows as dicts for JSON, missing values as null."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")  # type: ignore[return-value]  # columns are named by text


def _finite(value: Any) -> Any:
    """The same, with null for numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def _told(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def table(columns: Sequence[Column | str], rows: Sequence[Sequence[object]]) -> str:
    """A table for a terminal."""
    from nbops.render import text

    return text.table(columns, rows)
