"""Looking after the store: is it whole, copies of it, and getting it back from a copy.

What replaces the file first asks the owner to leave and holds its lock meanwhile, so that nobody starts another one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from nbops import duck
from nbops.errors import NbopsError, NotFound, StoreError, StoreUnavailable
from nbops.events import StoreRestored
from nbops.records import Record, at
from nbops.store import blobs, database, spool, witness
from nbops.store.chain import walk
from nbops.store.client import Store
from nbops.store.meeting import Meeting
from nbops.store.places import Places, open_file, shared
from nbops.store.sidecar import Promise, Sidecar, read_promise
from nbops.store.witness import ALL, said

GRACE_SECONDS = 24 * 3600
"""What nothing names is kept this long: a run may be about to name it."""
_LEDGER_DAYS = 90
_REFERENCES = {
    "runs of an unknown experiment": """
        select count(*) from core.runs where experiment_id not in (select experiment_id from core.experiments)
    """,
    "params of an unknown run": "select count(*) from core.params where run_id not in (select run_id from core.runs)",
    "metrics of an unknown run": "select count(*) from core.metrics where run_id not in (select run_id from core.runs)",
    "tags of an unknown run": "select count(*) from core.tags where run_id not in (select run_id from core.runs)",
    "files of an unknown run": "select count(*) from core.artifacts where run_id not in (select run_id from core.runs)",
    "actions of an unknown run": """
        select count(*) from core.corrective_actions where run_id is not null and run_id not in (select run_id from core.runs)
    """,
    "results of an unknown collection": """
        select count(*) from core.contract_results where collection_id not in (select collection_id from core.collections)
    """,
    "batches of an unknown collection": """
        select count(*) from core.quarantine where batch_id not in (select collection_id from core.collections)
    """,
    "snapshots of an unknown collection": """
        select count(*) from core.snapshots where collection_id not in (select collection_id from core.collections)
    """,
    "versions of an unknown model": "select count(*) from core.model_versions where model not in (select name from core.models)",
    "inputs of an unknown version": """
        select count(*) from core.version_inputs i
        where not exists (select 1 from core.model_versions v where v.model = i.model and v.version = i.version)
    """,
    "reviews of an unknown version": """
        select count(*) from core.reviews r
        where not exists (select 1 from core.model_versions v where v.model = r.model and v.version = r.version)
    """,
    "predictions of an unknown version": """
        select count(*) from core.prediction_segments s
        where not exists (select 1 from core.model_versions v where v.model = s.model and v.version = s.version)
    """,
    "labels of an unknown model": "select count(*) from core.label_segments where model not in (select name from core.models)",
    "segments whose days are not all there": """
        select count(*) from core.prediction_segments s
        where rows <> (select coalesce(sum(d.rows), 0) from core.prediction_days d where d.segment_id = s.segment_id)
    """,
    "aliases that are not what their moves say": """
        select count(*) from (
            select before, lag(after) over (partition by model, alias order by seq) as last from core.alias_moves
        ) where before is distinct from last
    """,
}
_NAMED = """
    select sha256 from core.artifacts union select sha256 from core.model_versions
    union select environment from core.runs where environment is not null
    union select unnest(json_extract_string(parts, '$[*].sha256')) from core.snapshots where not removed
    union select profile from core.snapshots where profile is not null and not removed
    union select sha256 from core.quarantine
    union select sha256 from core.settled_rows where sha256 is not null
    union select evidence from core.review_acts where evidence is not null
    union select rows_sha256 from core.evaluations union select report_sha256 from core.evaluations
    union select json_extract_string(card, '$.cases') from core.model_cards where json_extract_string(card, '$.cases') is not null
    union select environment from main.version_facts where environment is not null
    union select profile from main.version_facts where profile is not null
    union select example from main.version_facts where example is not null
    union select sha256 from core.prediction_segments where not replaced union select sha256 from core.label_segments
    union select unnest(json_extract_string(files, '$[*].sha256')) from core.releases
    union select environment from core.releases where environment is not null
"""
_HOLDERS = """
    select model || '/' || version from core.model_versions where sha256 = ?
    union all select path || ' of run ' || right(run_id::varchar, 8) from core.artifacts where sha256 = ?
    union all select 'what shows an act on review ' || right(review_id::varchar, 8) from core.review_acts where evidence = ?
    union all select 'predictions of ' || model || '/' || version from core.prediction_segments where sha256 = ? and not replaced
    union all select 'labels of ' || model from core.label_segments where sha256 = ?
    union all select 'release ' || number || ' of ' || pipeline from core.releases
    where list_contains(json_extract_string(files, '$[*].sha256'), ?)
"""


class Finding(Record):
    """One thing that was looked at; `problem` is empty when it is as it should be."""

    what: str
    told: str
    problem: str = ""


class Restored(Record):
    """What a restore did: `last` is the last sequence in the backup, `promised` the last that was acknowledged."""

    backup: Path
    kept_aside: Path | None
    last: int
    promised: int
    made: datetime


def check(store: Store) -> list[Finding]:
    """Whether the store holds together: file, references, acknowledged sequence, event chain, what events answer for, files."""
    counts = store.read(
        "select 'runs', count(*) from core.runs union all select 'metrics', count(*) from core.metrics order by 1 desc"
    ).rows
    wrong = {what: store.read(sql).rows[0][0] for what, sql in _REFERENCES.items()}
    broken = ", ".join(f"{count} {what}" for what, count in wrong.items() if count)
    return [
        Finding(what="database", told=", ".join(f"{count:,} {name}" for name, count in counts)),
        Finding(what="references", told="every row belongs to something", problem=broken),
        _sequence(store),
        _chain(store),
        _registry(store),
        _files(store),
        _spool(store.places),
    ]


def backup(store: Store) -> Path:
    """A consistent copy in `.nbops/backups`, made while work goes on. Raises StoreFull or StoreUnavailable."""
    return store.places.backups / str(store.control("backup"))


def backups(places: Places) -> list[Path]:
    """The backups, newest first."""
    return sorted(places.backups.glob("nbops-*.duckdb"), reverse=True)


def restore(store: Store, name: str | None = None) -> Restored:
    """Put a backup in the place of the store's file, which is kept aside. Raises NotFound when there is no such backup.

    What was acknowledged after the backup is missing from it: the result says from which sequence on, and an event keeps it.
    """
    places = store.places
    found = backups(places)
    chosen = next((path for path in found if name is None or name in {path.name, str(path)}), None)
    if chosen is None:
        known = ", ".join(path.name for path in found[:5]) or "none"
        raise NotFound(
            f"There is no backup {name or 'at all'}.", hint=f"There are: {known}. `nbops db backup` makes one."
        )
    with _alone(store):
        before = read_promise(places.sidecar)
        stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
        aside = None
        for path in (places.database, places.database.with_name(f"{places.database.name}.wal")):
            if path.exists():
                kept = path.with_name(f"{path.name}.before-{stamp}")
                path.rename(kept)
                aside = aside or kept
        fresh = places.database.with_suffix(".restoring")
        shutil.copyfile(chosen, fresh)
        fresh.chmod(0o660 if shared(places.folder) else 0o600)
        fresh.rename(places.database)
        last = _mark_restored(store, chosen, before)
        return Restored(
            backup=chosen,
            kept_aside=aside,
            last=last,
            promised=max(before.seq if before else 0, last),
            made=at(int(chosen.stat().st_mtime * 1_000_000)),
        )


def open_copy(store: Store) -> Path:
    """A copy of the store for other programs to open."""
    source = backup(store)
    target = store.places.run / "read-copy.duckdb"
    source.replace(target)
    return target


def export(store: Store, folder: Path) -> dict[str, int]:
    """Every documented view as Parquet into a folder; gives the rows of each. Memory stays flat."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    names = [
        row[0]
        for row in store.read(
            "select view_name from duckdb_views() where schema_name = 'main' and not internal order by 1"
        ).rows
    ]
    written = {}
    for name in names:
        target, rows = folder / f"{name}.parquet", 0
        temporary = target.with_suffix(".partial")
        with store.batches(f'select * from "{name}"') as reader, pq.ParquetWriter(temporary, reader.schema) as writer:  # noqa: S608 - our own view
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
        temporary.replace(target)
        written[name] = rows
    return written


def collect(store: Store, *, now: float | None = None) -> tuple[int, int]:
    """Remove files that nothing has named for a day; gives how many and their bytes. What a row names is never touched."""
    now = time.time() if now is None else now
    # What waits in a spool may name some of them.
    store.control("fold")
    named = {row[0] for row in store.read(_NAMED).rows}
    count = size = 0
    for path in list(blobs.every(store.places.blobs)) + list(store.places.blobs.glob(".new-*")):
        status = path.stat()
        if path.name not in named and now - max(status.st_mtime, status.st_ctime) > GRACE_SECONDS:
            path.unlink()
            count, size = count + 1, size + status.st_size
    if not list(spool.segments(store.places)):
        store.control("prune", str(_LEDGER_DAYS))
    return count, size


def _sequence(store: Store) -> Finding:
    promise = read_promise(store.places.sidecar)
    last = store.read(
        "select greatest((select coalesce(max(seq), 0) from core.ledger), (select coalesce(max(seq), 0) from core.events))"
    ).rows[0][0]
    gaps = store.read("select detail from core.events where verb = 'store.gap' order by seq").rows
    lost = "; ".join(f"{said(row[0], 'last', 0) + 1} to {said(row[0], 'promised', 0)}" for row in gaps)
    behind = promise is not None and promise.seq > last
    problem = f"sequence {last + 1} to {promise.seq} was acknowledged and is missing" if behind and promise else ""
    return Finding(
        what="sequence",
        told=f"{last:,} acknowledged" + (f"; missing since earlier faults: {lost}" if lost else ""),
        problem=problem,
    )


def _chain(store: Store) -> Finding:
    found = walk(store)
    return Finding(what="events", told=f"{found.count:,} events, each linked to the one before", problem=found.problem)


def _registry(store: Store) -> Finding:
    count, wrong = witness.problems(store)
    return Finding(what="registry", told=f"{count:,} rows, each as its event says", problem=_some(wrong))


def _files(store: Store) -> Finding:
    named = [row[0] for row in store.read(_NAMED, limit=ALL).rows]
    bad = []
    for sha256 in named:
        try:
            store.get_blob(sha256)
        except NbopsError as error:
            holders = [row[0] for row in store.read(_HOLDERS, [sha256] * _HOLDERS.count("?"), limit=3).rows]
            bad.append(f"{', '.join(holders)}: {error.message}" if holders else error.message)
    return Finding(
        what="files",
        told=f"{len(named):,} read and verified",
        problem=_some(bad),
    )


def _some(found: list[str]) -> str:
    return "; ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")


def _spool(places: Places) -> Finding:
    waiting, rejected = list(spool.segments(places)), list(places.rejected.glob("*.msgpack"))
    return Finding(
        what="spool",
        told=f"{len(waiting)} segments wait to be folded in" if waiting else "nothing waits",
        problem=f"{len(rejected)} refused records lie in {places.rejected}" if rejected else "",
    )


@contextlib.contextmanager
def _alone(store: Store) -> Iterator[None]:
    """Nobody owns the store, and nobody can begin to, while the block runs."""
    store.stop_owner()
    lock = Meeting(store.places, transport=store.settings.store.transport).lock
    handle = open_file(lock, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StoreUnavailable(
            "Another process owns the store.", hint="Close the notebooks that use it, then try again."
        ) from None
    finally:
        os.close(handle)


def _mark_restored(store: Store, chosen: Path, before: Promise | None) -> int:
    """Keep the gap as an event, and go on with the sequence behind everything that was ever promised."""
    con = database.attach(store.places, store.settings)
    try:
        last, _ = database.last(con)
        promised = max(before.seq if before else 0, last)
        con.execute("begin transaction")
        database.skip_to(con, promised)
        database.append_event(con, StoreRestored(subject="store", backup=chosen.name, last=last, promised=promised))
        con.execute("commit")
        con.execute(f"checkpoint {duck.NAME}")
        seq, head = database.last(con)
    except duck.errors() as error:
        raise duck.translate(error, store.places.database) from error
    finally:
        con.close()
    sidecar = Sidecar(store.places.sidecar)
    try:
        sidecar.promise(seq, head)
    except OSError as error:
        raise StoreError(
            f"The sequence could not be kept: {error}.", hint="Free some space and run `nbops db check`."
        ) from error
    finally:
        sidecar.close()
    return last
