"""The command line: words become calls, results become lines; with `--json` one JSON document on standard output."""

from __future__ import annotations

import importlib
import sys

import click

from nbops.cli._base import cli
from nbops.errors import NbopsError

_MODULES = (
    "_audit",
    "_data",
    "_db",
    "_demo",
    "_incidents",
    "_init",
    "_kernels",
    "_keys",
    "_models",
    "_lineage",
    "_log",
    "_monitor",
    "_notify",
    "_pages",
    "_params",
    "_pipeline",
    "_project",
    "_report",
    "_reviews",
    "_run",
    "_runs",
    "_schedule",
    "_scheduler",
    "_scoring",
    "_status",
    "_sweep",
    "_versions",
)


def main() -> None:
    """Run the command line; every error leaves with the exit status of its code."""
    load_commands()
    try:
        status = cli.main(prog_name="nbops", standalone_mode=False)
    except NbopsError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit.status)
    except click.UsageError as error:
        error.show()
        sys.exit(64)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except SystemExit:
        # What click makes of a reader of our output that left: there is nobody to tell.
        sys.exit(0)
    sys.exit(status if isinstance(status, int) else 0)


def load_commands() -> None:
    """Import the modules that each add their commands."""
    for name in _MODULES:
        importlib.import_module(f"nbops.cli.{name}")


__all__ = ["cli", "load_commands", "main"]
