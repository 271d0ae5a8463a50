"""What the owner does about predictions and labels: a segment is known with all that is said of it, or not at all."""

from __future__ import annotations

import msgspec

from nbops.errors import Conflict, NotFound
from nbops.events import LabelsLogged, PredictionsLogged, SegmentsMerged
from nbops.predictions.requests import LogLabels, LogPredictions, MergeSegments
from nbops.store import witness
from nbops.store.commands import Bulk, Transaction, command

_DAYS = Bulk.into("core.prediction_days", segment_id="uuid", day="date", rows="bigint")


@command(LogPredictions)
def log_predictions(tx: Transaction, request: LogPredictions) -> str:
    """Record a segment of predictions, unless it is the last word on its rows already."""
    known = "select 1 from core.model_versions where model = ? and version = ?"
    if not tx.rows(known, request.model, request.version):
        raise NotFound(
            f"There is no version {request.model}/{request.version}.", hint="`nbops models list` shows what there is."
        )
    _same_kind(tx, request)
    written = request.written
    again = """
        select segment_id::varchar, place, low, high from core.prediction_segments
        where model = ? and version = ? and sha256 = ? and not merged order by place desc limit 1
    """
    for segment, place, low, high in tx.rows(again, request.model, request.version, written.sha256):
        later = """
            select 1 from core.prediction_segments
            where model = ? and version = ? and sha256 <> ? and not merged and place > ? and high >= ? and low <= ? limit 1
        """
        beyond = max(place, request.apart)
        if not tx.rows(later, request.model, request.version, written.sha256, beyond, low, high):
            return str(segment)
    seq = tx.next_seq()
    _put(tx, request, seq=seq, place=seq)
    event = PredictionsLogged(
        subject=f"predictions:{request.model}/{request.version}", segment_id=request.segment_id, sha256=written.sha256,
        count=written.rows, rows=witness.rows(tx, prediction_segments=seq),
    )  # fmt: skip
    tx.event(event)
    return request.segment_id


@command(MergeSegments)
def merge(tx: Transaction, request: MergeSegments) -> None:
    """Let one segment take the place of several that were written one after the other, and hold the same number of rows."""
    sql = """
        select count(*), coalesce(sum(rows), 0)::bigint, min(place), max(place) from core.prediction_segments
        where model = ? and version = ? and segment_id::varchar in ? and not replaced
    """
    ((count, rows, first, last),) = tx.rows(sql, request.model, request.version, request.parts)
    between = """
        select count(*) from core.prediction_segments
        where model = ? and version = ? and not replaced and place between ? and ?
    """
    there = tx.rows(between, request.model, request.version, first, last)[0][0]
    if (count, rows, there) != (len(request.parts), request.written.rows, count):
        raise Conflict(
            f"Some of the segments of {request.model}/{request.version} are others by now.",
            hint="Merge them again: nothing was changed.",
        )
    tx.run("update core.prediction_segments set replaced = true where segment_id::varchar in ?", request.parts)
    seq = tx.next_seq()
    _put(tx, request, seq=seq, place=last)
    event = SegmentsMerged(
        subject=f"predictions:{request.model}/{request.version}", segment_id=request.segment_id, sha256=request.written.sha256,
        count=rows, parts=request.parts, rows=witness.rows(tx, prediction_segments=seq),
    )  # fmt: skip
    tx.event(event)


@command(LogLabels)
def log_labels(tx: Transaction, request: LogLabels) -> str:
    """Record a segment of labels, unless it is the last word on its rows already."""
    if not tx.rows("select 1 from core.models where name = ?", request.model):
        raise NotFound(f"There is no model {request.model!r}.", hint="`nbops models list` shows what there is.")
    written = request.written
    again = """
        select segment_id::varchar, place, low, high from core.label_segments
        where model = ? and sha256 = ? and dated = ? and numeric = ? order by place desc limit 1
    """
    for segment, place, low, high in tx.rows(again, request.model, written.sha256, request.dated, request.numeric):
        later = """
            select 1 from core.label_segments
            where model = ? and sha256 <> ? and place > ? and high >= ? and low <= ? limit 1
        """
        if not tx.rows(later, request.model, written.sha256, max(place, request.apart), low, high):
            return str(segment)
    seq = tx.next_seq()
    tx.run(
        """
        insert into core.label_segments
        values (?, ?, ?, ?, ?, ?, ?, ?, make_timestamp(?), make_timestamp(?), make_timestamp(?), ?, ?, make_timestamp(?), ?, ?, ?)
        """,
        request.segment_id, request.model, written.sha256, written.rows, request.withdrawn, written.bytes, request.numeric,
        request.dated, request.observed, request.first, request.last, written.low, written.high, tx.time, tx.actor.name, seq, seq,
    )  # fmt: skip
    event = LabelsLogged(
        subject=f"labels:{request.model}", segment_id=request.segment_id, sha256=written.sha256, count=written.rows,
        withdrawn=request.withdrawn, rows=witness.rows(tx, label_segments=seq),
    )  # fmt: skip
    tx.event(event)
    return request.segment_id


def _put(tx: Transaction, request: LogPredictions | MergeSegments, *, seq: int, place: int) -> None:
    written = request.written
    tx.run(
        """
        insert into core.prediction_segments
        values (?, ?, ?, ?, ?, ?, ?, make_timestamp(?), make_timestamp(?), ?, ?, ?, false, make_timestamp(?), ?, ?, ?)
        """,
        request.segment_id, request.model, request.version, written.sha256, written.rows, written.bytes,
        msgspec.json.encode(request.columns).decode(), request.first, request.last, written.low, written.high,
        isinstance(request, MergeSegments), tx.time, tx.actor.name, place, seq,
    )  # fmt: skip
    for day, rows in request.days.items():
        tx.add(_DAYS, request.segment_id, day, rows)


def _same_kind(tx: Transaction, request: LogPredictions) -> None:
    """Raise Conflict when a version predicts numbers in one segment and classes in another."""
    sql = "select columns from core.prediction_segments where model = ? and version = ? order by seq desc limit 1"
    found = tx.rows(sql, request.model, request.version)
    before = msgspec.json.decode(found[0][0])["_prediction"] if found else request.columns["_prediction"]
    if before != request.columns["_prediction"]:
        was, now = ("classes", "numbers") if before == "VARCHAR" else ("numbers", "classes")
        raise Conflict(
            f"{request.model}/{request.version} has predicted {was} until now, and these are {now}.",
            hint="Log what the version's own `predict` gives, in a column of that type.",
        )
