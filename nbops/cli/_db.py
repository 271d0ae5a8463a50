"""`nbops db …`: look after the store's file."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, show, table


@cli.group("db")
def db_group() -> None:
    """Look after the store: check, back up, restore, export, clean."""


@db_group.command("check")
@json_option
@here
def check(obj: Here, as_json: bool) -> int:
    """Read everything and say whether it holds together. Exit status 40 when something is wrong."""
    from nbops.store import care

    store = obj.store()
    findings = care.check(store)
    hello = store.hello()
    if hello.message:
        findings.insert(0, care.Finding(what="owner", told="", problem=hello.message))
    rows = [["✗" if f.problem else "✓", f.what, f.problem or f.told] for f in findings]
    show(msgspec.to_builtins(findings), as_json=as_json, text=lambda: table(["", "what", "found"], rows))
    return 40 if any(finding.problem for finding in findings) else 0


@db_group.command("backup")
@json_option
@here
def backup(obj: Here, as_json: bool) -> None:
    """Make a consistent copy in .nbops/backups, while work goes on."""
    from nbops.store import care

    path = care.backup(obj.store())
    show({"backup": str(path), "size": path.stat().st_size}, as_json=as_json, text=lambda: f"{path}")


@db_group.command("restore")
@click.argument("name", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@here
def restore(obj: Here, name: str | None, yes: bool, as_json: bool) -> None:
    """Put a backup (default: the newest) in the place of the store's file, which is kept aside."""
    from nbops.store import care

    store = obj.store()
    known = care.backups(store.places)
    if known and not yes:
        click.confirm(f"Put {name or known[0].name} in the place of {store.places.database}?", abort=True, err=True)
    done = care.restore(store, name)
    lost = (
        f"Missing from it: sequence {done.last + 1} to {done.promised}, everything since {done.made:%Y-%m-%d %H:%M:%S} UTC."
        if done.promised > done.last
        else "Nothing that was acknowledged is missing from it."
    )
    show(
        msgspec.to_builtins(done, enc_hook=str),
        as_json=as_json,
        text=lambda: f"Restored {done.backup.name}. {lost}\nThe file before it: {done.kept_aside or 'there was none'}",
    )


@db_group.command("open")
@json_option
@here
def open_copy(obj: Here, as_json: bool) -> None:
    """Make a copy to look at with other programs, and print its path."""
    from nbops.store import care

    path = care.open_copy(obj.store())
    show({"path": str(path)}, as_json=as_json, text=lambda: str(path))


@db_group.command("export")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@json_option
@here
def export(obj: Here, folder: Path, as_json: bool) -> None:
    """Write every documented view as Parquet into FOLDER."""
    from nbops.store import care

    written = care.export(obj.store(), folder)
    show(written, as_json=as_json, text=lambda: table(["view", "rows"], [list(item) for item in written.items()]))


@db_group.command("migrate")
@json_option
@here
def migrate(obj: Here, as_json: bool) -> None:
    """Bring the store to this nbops' schema; a backup is made first. Starting its owner does the same."""
    store = obj.store()
    store.stop_owner()
    hello = store.ready()
    show({"schema": hello.schema}, as_json=as_json, text=lambda: f"The store has schema {hello.schema}.")


@db_group.command("gc")
@json_option
@here
def collect(obj: Here, as_json: bool) -> None:
    """Put small segments of predictions together, and remove stored files that nothing has named for a day."""
    from nbops.predictions import merging
    from nbops.render import values
    from nbops.store import care

    store = obj.store()
    before, after = merging.merge(store)
    count, size = care.collect(store)
    merged = f"merged {before} segments into {after}, " if before else ""
    document = {"removed": count, "bytes": size, "merged": before}
    show(document, as_json=as_json, text=lambda: f"{merged}removed {count} files, {values.size(size)}")


@db_group.command("stop")
@here
def stop(obj: Here) -> None:
    """Ask the owner process to finish and leave; the next request starts another."""
    click.echo("stopped" if obj.store().stop_owner() else "no owner was running")
