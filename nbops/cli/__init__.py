"""The command line: words become calls, results become lines; with `--json` one JSON document on standard output."""

from __future__ import annotations

import atexit
import gc
import sys

import click

from nbops.cli._base import cli
from nbops.cli._loading import everything as load_commands
from nbops.errors import NbopsError


def main() -> None:
    """Run the command line; every error leaves with the exit status of its code."""
    # Looking for garbage in a process that ends is in vain, and a tenth of a short command's work.
    atexit.register(gc.freeze)
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


__all__ = ["cli", "load_commands", "main"]
