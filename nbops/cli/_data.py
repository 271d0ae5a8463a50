"""`nbops data …`: sources and what comes from them: contracts, quarantine, versions, freshness."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from nbops import config
from nbops.cli._base import Here, cli, here, json_option, records, show, table
from nbops.data.declared import FOLDER
from nbops.errors import ConfigError, NbopsError, UsageError
from nbops.render import values
from nbops.store.client import Store, connect

if TYPE_CHECKING:
    from nbops.data.collection import Collection
    from nbops.data.profile import Profile

CONTRACT, STALE = 21, 20
"""Exit statuses: a contract is broken; a source is not as fresh as it should be."""
_REFERENCE = re.compile(r"[^/@]+(/\d+|@.+)?")


@cli.group("data")
def data_group() -> None:
    """Collect data under contracts, look after what they set aside, and keep every version."""


why_option = click.option("--why", required=True, metavar="TEXT", help="The reason, which is kept with the rows.")
reason_option = click.option(
    "--reason", default="", metavar="TEXT", help="Only rows that have a reason with this text."
)


@data_group.command("list")
@json_option
@here
def list_sources(obj: Here, as_json: bool) -> None:
    """List what the project declares and what was collected, with versions and quarantine."""
    from nbops.data.freshness import freshness

    view = freshness(_store(obj))
    show(msgspec.to_builtins(view.lines), as_json=as_json, text=view.to_text)


@data_group.command("collect")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--why", default=None, metavar="TEXT", help="What to keep with the versions.")
@json_option
@here
def collect(obj: Here, names: tuple[str, ...], why: str | None, as_json: bool) -> int:
    """Bring NAME (default: all that is declared) up to date, each after what it is made of.

    Exit status 21 if a contract forbids a new version, 20 if a source cannot be had or read, 64 if its declaration cannot; the others are
    collected all the same.
    """
    from nbops.data import collecting, declared
    from nbops.render.progress import told

    store = _store(obj)
    project = store.settings.project
    known = declared.told(project)
    wanted = names or tuple(known)
    readable = {name: made for name, made in known.items() if not isinstance(made, ConfigError)}
    for name in {*wanted} - {*known}:
        declared.find(project, name)
    status, documents = 0, []
    broken = [name for name in wanted if name not in readable]
    for name in [*broken, *declared.in_order(readable, [name for name in wanted if name in readable], project)]:
        try:
            if isinstance(made := known[name], ConfigError):
                raise made
            with told(name) as progress:
                done = collecting.collect(store, made, why=why, progress=progress)
        except NbopsError as error:
            status = max(status, error.exit.status) if status != CONTRACT else status
            documents.append(
                {"source": name, "status": "failed", "message": error.message, "hint": error.hint, "code": error.code}
            )
            click.echo(f"{name}: {error.message}\n{' ' * len(name)}  {error.hint}", err=True)
            continue
        status = CONTRACT if done.status == "refused" else status
        documents.append(_document(done))
        if not as_json:
            click.echo(done.to_text().rstrip())
    if not documents:
        raise UsageError(
            "The project declares no sources.", hint=f"Declare one in {declared.FOLDER}/NAME.yaml: see docs/data.md."
        )
    if as_json:
        show(documents, as_json=True, text=str)
    return status


@data_group.command("check")
@click.argument("data")
@click.argument("contract", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--table", "tables", multiple=True, metavar="NAME=PATH", help="A table that the contract's foreign keys name."
)
@click.option(
    "--broken", type=click.Path(dir_okay=False), help="Write the rows that are set aside to this Parquet file."
)
@click.option("--sql", is_flag=True, help="Show the one scan that the contract is compiled to.")
@json_option
def check(data: str, contract: str, tables: tuple[str, ...], broken: str | None, sql: bool, as_json: bool) -> int:
    """Judge the rows of DATA, a file or a pattern of files, by CONTRACT; exit status 21 if it is broken. Needs no project."""
    from nbops.data.checking import check

    others = dict(table.split("=", 1) for table in tables if "=" in table)
    if len(others) < len(tables):
        raise UsageError("A table is given as NAME=PATH.", hint="Such as --table planes=planes.parquet.")
    found = check(data, contract, tables=others, broken=broken)
    document = {
        "contract": found.contract, "rows": found.rows, "good": found.good, "quarantined": found.quarantined, "ok": found.ok,
        "rules": msgspec.to_builtins(found.judged), **({"sql": found.sql} if sql else {}),
    }  # fmt: skip
    show(document, as_json=as_json, text=lambda: f"{found.to_text()}\n{found.sql}" if sql else found.to_text())
    return 0 if found.ok else CONTRACT


@data_group.command("infer")
@click.argument("data")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), help="Write the contract here; an existing file is kept."
)
@json_option
def infer(data: str, output: str | None, as_json: bool) -> None:
    """Write a first contract for DATA, a file or a pattern of files, from what its values are like. Needs no project."""
    from nbops.data.inferring import infer, to_yaml
    from nbops.data.profiling import profile

    name = (
        Path(output).stem if output else re.sub(r"\W+", "-", Path(data).name.partition(".")[0]).strip("-") or "contract"
    )
    made = infer(profile(data), name)
    if output:
        try:
            Path(output).parent.mkdir(parents=True, exist_ok=True)
            with Path(output).open("x", encoding="utf-8") as file:
                file.write(to_yaml(made))
        except FileExistsError as error:
            raise UsageError(
                f"{output} is there already.", hint="Choose another name, or take it away first."
            ) from error
    show(made, as_json=as_json, text=lambda: f"Wrote {output}." if output else to_yaml(made))


@data_group.command("profile")
@click.argument("data")
@json_option
@here
def profile(obj: Here, data: str, as_json: bool) -> None:
    """Show how the values of DATA lie: a file or pattern of files, or a version such as flights, flights/3, flights@2026-01-31."""
    found = _profile(obj, data)
    show(msgspec.to_builtins(found), as_json=as_json, text=lambda: repr(found))


@data_group.command("quarantine")
@click.argument("name")
@reason_option
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many rows to show.")
@click.option("--discard", is_flag=True, help="Give the rows up, now and when they come again; says --why.")
@click.option("--why", default="", metavar="TEXT", help="The reason, which is kept with the rows that are given up.")
@json_option
@here
def quarantine(obj: Here, name: str, reason: str, limit: int, discard: bool, why: str, as_json: bool) -> None:
    """Show the rows of NAME that are set aside, with their reasons."""
    from nbops.data import quarantine as rows

    store = _store(obj)
    if discard:
        done = rows.discard(store, name, why=why, reason=reason)
        show(
            _document(done), as_json=as_json, text=lambda: f"{values.counted(done.dropped, 'row')} of {name} given up."
        )
        return
    found = rows.Quarantine(store, name, reason)
    document = {"source": name, "rows": found.rows, "reasons": found.reasons if found.rows else {}}
    if as_json:
        document["open"] = records(found.frame(limit)) if found.rows and limit else []
    show(document, as_json=as_json, text=lambda: found.to_text(limit))


@data_group.command("repair")
@click.argument("name")
@click.argument("change", required=False, default="")
@click.option("--sql", type=click.Path(exists=True, dir_okay=False), help="A file with a SELECT over `quarantine`.")
@click.option("--python", "function", metavar="FILE.py:FUNCTION", help="A function over a DataFrame of the rows.")
@reason_option
@why_option
@json_option
@here
def repair(
    obj: Here, name: str, change: str, sql: str | None, function: str | None, reason: str, why: str, as_json: bool
) -> int:
    """Take rows of NAME after all: as CHANGE makes them, such as "air_time = null", or as they are under the contract of today.

    Exit status 21 if the contract refuses them still.
    """
    from nbops.data import quarantine
    from nbops.data.sources.functions import imported

    if sum(map(bool, (change, sql, function))) > 1:
        raise UsageError("There are several ways to repair here.", hint="Give assignments, or --sql, or --python.")
    made: dict[str, Any] = {"sql": Path(sql).read_text(encoding="utf-8") if sql else change}
    if function:
        made = {"function": imported(f"python:{function}", Path.cwd())}
    done = quarantine.repair(_store(obj), name, why=why, reason=reason, **made)
    show(_document(done), as_json=as_json, text=done.to_text)
    return 0 if done.ok else CONTRACT


@data_group.command("snapshots")
@click.argument("name")
@json_option
@here
def list_snapshots(obj: Here, name: str, as_json: bool) -> None:
    """List the versions of NAME, newest first, with the runs and models that were made from them."""
    from nbops.workspace._workspace import Workspace

    found = Workspace(_store(obj).settings).dataset(name).snapshots()
    shown = ["version", "rows", "bytes", "created", "runs", "models", "content_hash"]
    rows = [[row[column] for column in shown] for row in records(found)]
    show(records(found), as_json=as_json, text=lambda: table(shown, rows))


@data_group.command("prune")
@click.argument("name")
@click.option("--keep", type=click.IntRange(min=1), default=None, help="Keep this many of the last versions.")
@click.option("--older", metavar="SPAN", default=None, help="Only versions older than this, such as 90d.")
@json_option
@here
def prune(obj: Here, name: str, keep: int | None, older: str | None, as_json: bool) -> None:
    """Give up old versions of NAME; what a registered model was made from stays. `nbops db gc` frees the space."""
    from nbops.data import spans
    from nbops.data.retention import prune

    try:
        seconds = spans.seconds(older) if older else 0.0
    except ValueError as error:
        raise UsageError(f"{older!r} is no span of time.", hint="Such as 90d, 12h.") from error
    gone = prune(_store(obj), name, keep=keep or 0, older=seconds)
    told = f"Versions {', '.join(map(str, gone))} of {name} are given up." if gone else "There is nothing to give up."
    show({"source": name, "versions": gone}, as_json=as_json, text=lambda: told)


@data_group.command("diff")
@click.argument("name")
@click.argument("before", type=int, required=False)
@click.argument("after", type=int, required=False)
@click.option("--rows", type=click.IntRange(min=0), default=0, help="Show so many rows that differ.")
@json_option
@here
def diff(obj: Here, name: str, before: int | None, after: int | None, rows: int, as_json: bool) -> None:
    """Show what changed from version BEFORE to AFTER of NAME; by default the last two."""
    from nbops.workspace._workspace import Workspace

    found = Workspace(_store(obj).settings).dataset(name).diff(before, after)
    differing = found.rows(rows) if rows else None
    document = {
        "before": found.before.reference, "after": found.after.reference, "added": found.added, "removed": found.removed,
        "changed": found.changed, "columns": found.columns, "schema": found.schema, "same": found.same,
        **({"rows": records(differing)} if differing is not None else {}),
    }  # fmt: skip
    more = f"\n{differing.to_string(index=False)}" if differing is not None else ""
    show(document, as_json=as_json, text=lambda: f"{found.to_text()}{more}")


@data_group.command("freshness")
@click.option(
    "--html",
    type=click.Path(dir_okay=False),
    help="Write the page with freshness, contracts, quarantine and versions here.",
)
@click.option("--strict", is_flag=True, help="Exit with status 20 if any source needs a look.")
@json_option
@here
def show_freshness(obj: Here, html: str | None, strict: bool, as_json: bool) -> int:
    """Say whether all sources are updated regularly."""
    from nbops.data.freshness import freshness
    from nbops.reports import data_page

    store = _store(obj)
    view = freshness(store)
    if html:
        data_page.write(store, Path(html))
    show(msgspec.to_builtins(view.lines), as_json=as_json, text=view.to_text)
    return STALE if strict and not view.ok else 0


def _store(obj: Here) -> Store:
    """The project's store; one that declares sources is a project."""
    settings = obj.settings()
    return connect(settings if (settings.project / FOLDER).is_dir() else config.existing(settings))


def _profile(obj: Here, data: str) -> Profile:
    from nbops.data import snapshots
    from nbops.data.profiling import profile

    if Path(data).is_file() or not _REFERENCE.fullmatch(data) or "*" in data or Path(data.partition("/")[0]).suffix:
        return profile(data)
    return snapshots.resolve(_store(obj), data).profile()


def _document(done: Collection) -> dict[str, Any]:
    return {
        "source": done.source, "status": done.status, "rows": done.rows, "good": done.good, "quarantined": done.quarantined,
        "dropped": done.dropped, "version": done.snapshot.version if done.snapshot else None, "message": done.message,
        "reasons": done.reasons, "rules": msgspec.to_builtins(done.outcomes),
    }  # fmt: skip
