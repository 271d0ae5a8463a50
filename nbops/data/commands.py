"""What the owner does about data: everything that came of a collection is there at once, or nothing of it."""

from __future__ import annotations

import hashlib

import msgspec

from nbops.data.requests import Collect, Declare, NewSnapshot, Prune
from nbops.errors import Conflict
from nbops.events import RowsDiscarded, SnapshotsPruned, SnapshotTaken
from nbops.store.commands import Bulk, Transaction, command

_OUTCOMES = Bulk.into(
    "core.contract_results", collection_id="uuid", rule="varchar", severity="varchar", outcome="varchar", broken="bigint",
    detail="varchar", seq="bigint",
)  # fmt: skip
_REASONS = Bulk.into("core.quarantine_reasons", batch_id="uuid", reason="varchar", rows="bigint", seq="bigint")
_INPUTS = Bulk.into(
    "core.snapshot_inputs", source="varchar", version="integer", input="varchar", input_version="integer", seq="bigint"
)
_SETTLED = Bulk.into(
    "core.settled_rows", source="varchar", hash="varchar", batch_id="uuid", rows="bigint", act="varchar", sha256="varchar",
    version="integer", why="varchar", time="us", actor="varchar", seq="bigint",
)  # fmt: skip
# Versions that a registered version's run read, and those that they were made of.
_NEEDED = """
    with recursive needed as (
        select s.source, s.version from core.snapshots s
        join core.inputs i on i.digest = s.content_hash join core.model_versions m on m.run_id = i.run_id
        union
        select i.input, i.input_version from needed n join core.snapshot_inputs i on i.source = n.source and i.version = n.version
    )
    select version from needed where source = ?
"""


@command(Declare)
def declare(tx: Transaction, request: Declare) -> None:
    """Record a source if it changed."""
    before = tx.rows(
        "select declaration, in_file from core.sources where name = ? order by seq desc limit 1", request.name
    )
    if before and before[0] == (request.declaration, request.in_file):
        return
    tx.run(
        "insert into core.sources values (?, ?, ?, ?, ?, ?, ?, ?, make_timestamp(?), ?, ?)",
        request.name, request.address, request.every, request.owner, request.licence, request.purpose, request.declaration,
        request.in_file, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip


@command(Collect)
def collect(tx: Transaction, request: Collect) -> int | None:
    """Record a collection, its contract's results, its batch of quarantine, its snapshot."""
    version = _snapshot(tx, request, request.snapshot) if request.snapshot else None
    digest = hashlib.sha256(request.contract.encode()).hexdigest() if request.contract else None
    if digest and not tx.rows("select 1 from core.contracts where digest = ?", digest):
        made = "insert into core.contracts values (?, ?, ?, ?)"
        tx.run(made, digest, request.contract_name, request.contract, tx.next_seq())
    tx.run(
        """
        insert into core.collections
        values (?, ?, ?, ?, make_timestamp(?), make_timestamp(?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        request.collection_id, request.source, request.how, request.status, request.started, request.ended, request.rows,
        request.good, request.quarantined, request.dropped, request.scanned, version, digest, request.origin, request.message, request.why,
        request.run_id, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    for one in request.outcomes:
        found = one.rule, one.severity, one.outcome, one.broken, one.detail
        tx.add(_OUTCOMES, request.collection_id, *found, tx.next_seq())
    if request.batch:
        batch = request.batch
        put = "insert into core.quarantine values (?, ?, ?, ?, ?, ?)"
        tx.run(put, request.collection_id, request.source, batch.sha256, batch.rows, batch.whole, tx.next_seq())
        for reason, rows in batch.reasons.items():
            tx.add(_REASONS, request.collection_id, reason, rows, tx.next_seq())
    _settle(tx, request, version)
    return version


@command(Prune)
def prune(tx: Transaction, request: Prune) -> list[int]:
    """Mark versions as removed; their files go when nothing else names them."""
    needed = {row[0] for row in tx.rows(_NEEDED, request.source)}
    there = tx.rows(
        "select version from core.snapshots where source = ? and not removed order by version", request.source
    )
    gone = [row[0] for row in there[:-1] if row[0] in request.versions and row[0] not in needed]
    if gone:
        tx.run("update core.snapshots set removed = true where source = ? and version in ?", request.source, gone)
        tx.event(SnapshotsPruned(subject=f"data:{request.source}", versions=gone))
    return gone


def _snapshot(tx: Transaction, request: Collect, made: NewSnapshot) -> int:
    last = tx.rows("select max(version) from core.snapshots where source = ?", request.source)[0][0]
    if last != made.parent:
        raise Conflict(
            f"{request.source!r} got version {last} while this one was made.",
            hint="Collect it again: nothing was changed.",
        )
    version = (last or 0) + 1
    tx.run(
        "insert into core.snapshots values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, make_timestamp(?), ?, false, ?)",
        request.source, version, made.content_hash, made.rows, sum(part.bytes for part in made.parts),
        msgspec.json.encode(made.columns).decode(), msgspec.json.encode(made.parts).decode(), made.profile, made.parent,
        made.watermark, request.collection_id, request.run_id, tx.time, tx.actor.name, tx.next_seq(),
    )  # fmt: skip
    for source, used in made.inputs.items():
        tx.add(_INPUTS, request.source, version, source, used, tx.next_seq())
    event = SnapshotTaken(
        subject=f"data:{request.source}",
        version=version,
        content_hash=made.content_hash,
        rows=made.rows,
        why=request.why,
    )
    tx.event(event)
    return version


def _settle(tx: Transaction, request: Collect, version: int | None) -> None:
    if not request.settled:
        return
    hashes = [one.hash for one in request.settled]
    if tx.rows("select 1 from core.settled_rows where source = ? and hash in ? limit 1", request.source, hashes):
        raise Conflict(
            "Some of these rows are dealt with already.",
            hint=f"`nbops data quarantine {request.source}` shows what is open.",
        )
    for one in request.settled:
        act = version if one.act == "readmitted" else None
        tx.add(
            _SETTLED, request.source, one.hash, one.batch_id, one.rows, one.act, one.sha256, act, request.why or "", tx.time,
            tx.actor.name, tx.next_seq(),
        )  # fmt: skip
    if rows := sum(one.rows for one in request.settled if one.act == "discarded"):
        tx.event(RowsDiscarded(subject=f"data:{request.source}", rows=rows, why=request.why or ""))
