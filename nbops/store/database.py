"""Opening the store's file: creating it, migrating it forward, noticing what is missing from it, copying it.

Runs in the owner, and in `nbops db` while no owner lives. Only DuckDB ever opens the file.
"""

from __future__ import annotations

import importlib.resources
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import nbops
from nbops import duck
from nbops.config import Settings
from nbops.errors import StoreCorrupt, StoreError, StoreReadOnly, StoreVersion
from nbops.events import Event, StoreCreated, StoreGap, StoreMigrated
from nbops.records import now_us
from nbops.store.chain import GENESIS, linked
from nbops.store.places import Places
from nbops.store.sidecar import Promise, Sidecar

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection


class Opened(NamedTuple):
    """A store that is open; `notice` and `hint` say what is wrong with it, if anything is."""

    connection: Connection
    store_id: str
    schema: int
    read_only: bool
    notice: str
    hint: str


def migrations() -> list[tuple[int, str]]:
    """The numbered SQL files of this nbops, in order."""
    folder = importlib.resources.files("nbops.store") / "migrations"
    return sorted((int(entry.name[:4]), entry.read_text()) for entry in folder.iterdir() if entry.name.endswith(".sql"))


def open_store(places: Places, settings: Settings, sidecar: Sidecar | None) -> Opened:
    """Open the store, made or migrated if need be; for reading only where nothing can be written, which leaves it without a `sidecar`.

    Raises StoreHeld, StoreReadOnly, StoreFull, StoreCorrupt or StoreVersion.
    """
    promise = sidecar.read() if sidecar else None
    new = not places.database.exists()
    if new and promise:
        raise StoreCorrupt(
            f"{places.database} is gone, but {promise.seq} writes to it were acknowledged.",
            hint="Put the file back, or run `nbops db restore`. To begin anew on purpose, remove .nbops/run/sequence too.",
        )
    if new:
        _create(places, settings)
    try:
        return _ready(attach(places, settings), places, promise)
    except StoreReadOnly as error:
        con = attach(places, settings, read_only=True)
        try:
            return Opened(con, meta(con, "store_id"), schema_of(con), True, error.message, error.hint)
        except duck.errors() as problem:
            con.close()
            raise duck.translate(problem, places.database) from problem


def attach(places: Places, settings: Settings, *, file: Path | None = None, read_only: bool = False) -> Connection:
    """The locked-down instance with the store's file in it."""
    return duck.attach_store(
        file or places.database,
        read_only=read_only,
        allowed=places.backups,
        temporary=places.temporary,
        memory_limit=settings.store.memory_limit,
        threads=settings.store.threads,
    )


def meta(con: Connection, key: str) -> str:
    """A fact of the store about itself."""
    return str(duck.rows(con, "select value from core.meta where key = ?", [key])[0][0])


def schema_of(con: Connection) -> int:
    """The number of the last migration that the file has seen; 0 for an empty file."""
    tables = duck.rows(
        con, "select schema_name from duckdb_tables() where table_name = 'meta' and schema_name = 'core'"
    )
    return int(meta(con, "schema")) if tables else 0


def copy_to(con: Connection, target: Path) -> None:
    """A consistent copy of the whole store as another DuckDB file, which appears under its name only when it is whole.

    Reading the store's file by other means than DuckDB from this process would drop its lock.
    """
    partial = target.with_suffix(".partial")
    # A copy that was cut short would only take room.
    _clear(target.parent)
    try:
        con.execute(f"attach {duck.literal(str(partial))} as copied (storage_version {duck.literal(duck.STORAGE)})")
        try:
            con.execute(f"copy from database {duck.NAME} to copied")
        finally:
            con.execute("detach copied")
        partial.rename(target)
    finally:
        _clear(target.parent)


def _clear(folder: Path) -> None:
    for left in folder.glob("*.partial*"):
        left.unlink()


def backup_path(places: Places, seq: int) -> Path:
    """A new name for a backup: when it was made and the last sequence in it."""
    return places.backups / f"nbops-{datetime.now(UTC):%Y%m%dT%H%M%S}-{seq}.duckdb"


def append_event(con: Connection, event: Event) -> None:
    """Put an event of nbops' own at the end of the chain, outside the writer."""
    seq, head = last(con)
    row = linked(head, seq + 1, now_us(), "nbops", event)
    con.execute("insert into core.events values (?, make_timestamp(?), ?, ?, ?, ?, ?, ?)", list(row))


def last(con: Connection) -> tuple[int, str]:
    """The last sequence in the file and the head of its event chain."""
    written = duck.rows(con, "select coalesce(max(seq), 0) from core.ledger")[0][0]
    seq, head = duck.rows(
        con, "select coalesce(max(seq), 0), coalesce(arg_max(hash, seq), ?) from core.events", [GENESIS]
    )[0]
    return max(written, seq), head


def skip_to(con: Connection, seq: int) -> None:
    """Let the sequence go on behind `seq`, so that no number ever stands for two writes."""
    con.execute("insert into core.ledger values (?, ?, make_timestamp(?), null)", [str(uuid.uuid4()), seq, now_us()])


def _create(places: Places, settings: Settings) -> None:
    """Under another name first: a file that was only begun when its maker was killed would pass for a store that broke."""
    fresh = places.database.with_suffix(".new")
    try:
        for left in (fresh, fresh.with_name(f"{fresh.name}.wal")):
            left.unlink(missing_ok=True)
        with attach(places, settings, file=fresh) as con:
            _migrate(con, places, 0)
            con.execute(f"checkpoint {duck.NAME}")
        fresh.rename(places.database)
    except StoreError:
        # Some of them are OSErrors too.
        raise
    except (duck.errors(), OSError) as error:
        raise duck.translate(error, places.database) from error


def _ready(con: Connection, places: Places, promise: Promise | None) -> Opened:
    try:
        schema = schema_of(con)
        newest = migrations()[-1][0]
        if schema > newest:
            raise StoreVersion(
                f"{places.database} has schema {schema}, this nbops {nbops.__version__} knows up to {newest}.",
                hint="Upgrade: pip install -U nbops.",
            )
        if schema < newest:
            _migrate(con, places, schema)
        notice = _missing(con, places, promise)
        return Opened(
            con,
            meta(con, "store_id"),
            newest,
            False,
            notice,
            "`nbops db check` tells what, `nbops db restore` from when a copy is.",
        )
    except (duck.errors(), OSError) as error:
        con.close()
        raise duck.translate(error, places.database) from error
    except StoreVersion:
        con.close()
        raise


def _migrate(con: Connection, places: Places, schema: int) -> None:
    target = migrations()[-1][0]
    saved = ""
    if schema:
        backup = backup_path(places, last(con)[0])
        copy_to(con, backup)
        saved = backup.name
    con.execute("begin transaction")
    for number, sql in migrations():
        if number > schema:
            con.execute(sql)
    if schema:
        con.execute("update core.meta set value = ? where key = 'schema'", [str(target)])
        append_event(con, StoreMigrated(subject="store", before=schema, after=target, backup=saved))
    else:
        con.execute("insert into core.meta values ('store_id', ?), ('schema', ?)", [str(uuid.uuid4()), str(target)])
        append_event(con, StoreCreated(subject="store", nbops=nbops.__version__, duckdb=duck.version()))
    con.execute("commit")


def _missing(con: Connection, places: Places, promise: Promise | None) -> str:
    """What was promised and is not in the file is told now and kept as an event; the sequence goes on behind it."""
    seq, _ = last(con)
    if promise is None or promise.seq <= seq:
        return ""
    con.execute("begin transaction")
    skip_to(con, promise.seq)
    append_event(con, StoreGap(subject="store", last=seq, promised=promise.seq))
    con.execute("commit")
    return f"{promise.seq - seq} acknowledged changes (sequence {seq + 1} to {promise.seq}) are missing from {places.database}."
