"""The command line: words become calls, results become lines; with `--json` one JSON document on standard output."""

from __future__ import annotations

import sys

from nbops.cli._base import cli
from nbops.errors import NbopsError


def main() -> None:
    """Run the command line; every error leaves with the exit status of its code."""
    import click

    from nbops.cli import _db, _project, _run, _runs  # noqa: F401 - each adds its commands

    try:
        status = cli.main(standalone_mode=False)
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
    except BrokenPipeError:
        # The reader of our output left; there is nobody to tell.
        sys.stderr.close()
        sys.exit(0)
    sys.exit(status if isinstance(status, int) else 0)


__all__ = ["cli", "main"]
