"""`nbops keys …`: the keys that this user signs with and has acknowledged."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from nbops.cli._base import Here, cli, here, json_option, show, table
from nbops.errors import NotFound
from nbops.security.keys import Key, Keys, read_public
from nbops.security.signing import fingerprint


@cli.group("keys")
def keys_group() -> None:
    """Look after the keys that sign models: yours, and those of people you trust."""


@keys_group.command("new")
@click.argument("name")
@json_option
@here
def new(obj: Here, name: str, as_json: bool) -> None:
    """Make a key to sign with, in your own configuration folder."""
    _told(_keys(obj).new(name), as_json=as_json)


@keys_group.command("list")
@json_option
@here
def listed(obj: Here, as_json: bool) -> None:
    """List your keys and those that you have acknowledged, with the line that others acknowledge."""
    found = _keys(obj).listed()
    rows = [["yours" if key.own else "", key.name, key.fingerprint, key.public] for key in found]
    show(
        msgspec.to_builtins(found),
        as_json=as_json,
        text=lambda: table(["", "name", "fingerprint", "public key"], rows) if rows else "You have no keys.",
    )


@keys_group.command("trust")
@click.argument("name")
@click.argument("file", metavar="[FILE]", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@here
def trust(obj: Here, name: str, file: Path | None, yes: bool, as_json: bool) -> None:
    """Acknowledge somebody's public key, in FILE or on standard input: what it signs may run code as you."""
    if file is not None and not file.exists():
        raise NotFound(f"There is no file {str(file)!r}.", hint=f"The current folder is {Path.cwd()}.")
    public = (file.read_bytes() if file else sys.stdin.buffer.read()).strip()
    if not yes and file:
        key = fingerprint(read_public(public))
        click.confirm(f"Let what {key} signs run code as you? Ask {name} whether it is theirs", abort=True, err=True)
    _told(_keys(obj).trust(name, public), as_json=as_json)


@keys_group.command("forget")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@here
def forget(obj: Here, name: str, yes: bool, as_json: bool) -> None:
    """Acknowledge a key no longer; of one of yours the secret half is removed, too."""
    keys = _keys(obj)
    if keys.key(name).own and not yes:
        click.confirm(f"Remove your key {name!r} for good? Nothing can be signed with it again", abort=True, err=True)
    _told(keys.forget(name), as_json=as_json)


def _keys(obj: Here) -> Keys:
    return Keys(obj.settings().project)


def _told(key: Key, *, as_json: bool) -> None:
    show(msgspec.to_builtins(key), as_json=as_json, text=lambda: f"{key.name}: {key.fingerprint}\n{key.public}")
