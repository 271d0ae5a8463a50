"""`nbops audit …`: whether the store's history is what it was, signed and exported for others to see."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, show, table

FILE = click.Path(dir_okay=False, path_type=Path)


@cli.group("audit")
def audit_group() -> None:
    """Verify the chain of events, sign its head, export it."""


@audit_group.command("verify")
@click.option(
    "--anchor", type=FILE, metavar="FILE", help="What `nbops audit anchor` wrote: the chain must pass through it."
)
@json_option
@here
def verify(obj: Here, anchor: Path | None, as_json: bool) -> int:
    """Follow the chain of events from its beginning. Exit status 40 where it breaks, 30 for an anchor that is not to be trusted."""
    from nbops.security import audit

    found = audit.verify(obj.store(), anchor)
    rows = [["✗" if f.problem else "✓", f.what, f.problem or f.told] for f in found.findings]
    show(msgspec.to_builtins(found), as_json=as_json, text=lambda: table(["", "what", "found"], rows))
    return 0 if found.sound else 40


@audit_group.command("anchor")
@click.argument("file", type=FILE, required=False)
@click.option("--key", metavar="NAME", help="The key to sign with (default: your only one).")
@json_option
@here
def anchor(obj: Here, file: Path | None, key: str | None, as_json: bool) -> None:
    """Sign the head of the chain into FILE (default: nbops-anchor.json), to be kept where who writes the store cannot write."""
    from nbops.security import audit

    file = file or Path("nbops-anchor.json")
    made = audit.anchor(obj.store(), file, key=key)
    show(
        {"file": str(file), **msgspec.to_builtins(made)},
        as_json=as_json,
        text=lambda: (
            f"{file}: sequence {made.seq}, head {made.head}\nKeep it elsewhere, then: nbops audit verify --anchor FILE"
        ),
    )


@audit_group.command("export")
@click.argument("file", type=FILE, required=False)
@click.option("--since", metavar="TIME", help="Events from then on; local unless it names a zone.")
@click.option("--model", metavar="NAME", help="Events of one model.")
@here
def export(obj: Here, file: Path | None, since: str | None, model: str | None) -> None:
    """Write the events as lines of JSON with their hashes into FILE (default: standard output); docs/audit.md tells how to check them."""
    from nbops.security import audit

    lines = audit.export(obj.store(), since=since, model=model)
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(audit.whole(file)) if file else sys.stdout.buffer
        count = sum(1 for line in lines if target.write(line))
    if file:
        click.echo(f"{file}: {count:,} events", err=True)
