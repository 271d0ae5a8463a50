"""Rows that events answer for: an event carries the SHA-256 of each row that was put with it, so that an edited row is found and named.

A verb puts its rows, asks `rows` for their digests and gives them to its event; `problems` holds every row against the event that
tells of it. The chain protects the events, so what is protected here is as good as the chain is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from nbops.events import Rows
from nbops.records import short

if TYPE_CHECKING:
    from nbops.store.client import Store
    from nbops.store.commands import Transaction


class Witnessed(NamedTuple):
    """A table of `core`: its columns as SQL, in the order of the digest, and an expression that names a row for people."""

    columns: tuple[str, ...]
    called: str


_WHO = ("actor", "seq")
_REVIEW = (
    "'review ' || right(review_id::varchar, 8) || coalesce((select ' of ' || v.model || '/' || v.version from core.reviews v"
    " where v.review_id = t.review_id), '')"
)
TABLES = {
    "models": Witnessed(("name", "epoch_us(created)", *_WHO), "'the name ' || name"),
    "model_versions": Witnessed(
        ("model", "version", "run_id::varchar", "artifact", "manifest", "sha256", "epoch_us(created)", "description", *_WHO),
        "model || '/' || version || ' or its manifest'",
    ),
    "model_cards": Witnessed(("model", "card", "why", "epoch_us(time)", *_WHO), "'the card of ' || model"),
    "comments": Witnessed(
        ("model", "version", "text", "epoch_us(time)", *_WHO), "'a comment on ' || model || coalesce('/' || version, '')"
    ),
    "evaluations": Witnessed(
        (
            "evaluation_id::varchar", "run_id::varchar", "sha256", "target", "task", "metric", "unit", "rows", "blocks", "data_name",
            "data_digest", "rows_sha256", "report_sha256", "epoch_us(time)", *_WHO,
        ),
        "'evaluation ' || right(evaluation_id::varchar, 8) || ' of run ' || right(run_id::varchar, 8)",
    ),
    "alias_moves": Witnessed(
        ("model", "alias", "before", "after", "kind", "review_id::varchar", "why", "epoch_us(time)", *_WHO),
        "'a move of ' || model || '@' || alias",
    ),
    "releases": Witnessed(
        (
            "release_id::varchar", "pipeline", "number", "folder", "digest", "files", "environment", "commit_hash", "dirty", "why",
            "epoch_us(created)", *_WHO,
        ),
        "'release ' || number || ' of ' || pipeline",
    ),
    "release_acts": Witnessed(
        ("pipeline", "number", "act", "why", "epoch_us(time)", *_WHO), "'release ' || number || ' of ' || pipeline || ' as the current one'"
    ),
    "step_decisions": Witnessed(
        ("run_id::varchar", "task", "decision", "reason", "epoch_us(time)", *_WHO),
        "'the decision on ' || task || ' of run ' || right(run_id::varchar, 8)",
    ),
    "freezes": Witnessed(
        ("model", "version", "frozen", "why", "epoch_us(time)", *_WHO), "'a freeze of ' || model || coalesce('/' || version, '')"
    ),
    "reviews": Witnessed(
        ("review_id::varchar", "model", "version", "alias", "reason", "epoch_us(expires)", "epoch_us(created)", *_WHO),
        "'review ' || right(review_id::varchar, 8) || ' of ' || model || '/' || version",
    ),
    "review_acts": Witnessed(
        (
            "review_id::varchar", "act", "outcome", "message", "reason", "holder", "passed", "verdict", "attested_by", "evidence",
            "epoch_us(until)", "epoch_us(time)", *_WHO,
        ),
        f"'an act on ' || {_REVIEW}",
    ),
    "prediction_segments": Witnessed(
        (
            "segment_id::varchar", "model", "version", "sha256", "rows", "bytes", "columns", "epoch_us(first)", "epoch_us(last)", "low",
            "high", "merged", "epoch_us(time)", "place", *_WHO,
        ),
        "'segment ' || right(segment_id::varchar, 8) || ' of predictions of ' || model || '/' || version",
    ),
    "label_segments": Witnessed(
        (
            "segment_id::varchar", "model", "sha256", "rows", "withdrawn", "bytes", "numeric", "dated", "epoch_us(observed)",
            "epoch_us(first)", "epoch_us(last)", "low", "high", "epoch_us(time)", "place", *_WHO,
        ),
        "'segment ' || right(segment_id::varchar, 8) || ' of labels of ' || model",
    ),
    "monitor_policies": Witnessed(("model", "policy", "why", "epoch_us(time)", *_WHO), "'a monitoring policy of ' || model"),
    "incidents": Witnessed(
        ("incident_id::varchar", "subject", "cause", "kind", "version", "epoch_us(created)", *_WHO),
        "'incident ' || right(incident_id::varchar, 8) || ' of ' || subject",
    ),
    "incident_acts": Witnessed(
        (
            "incident_id::varchar", "act", "severity", "text", "epoch_us(window_start)", "epoch_us(until)", "told", "epoch_us(time)",
            *_WHO,
        ),
        "'an act on incident ' || right(incident_id::varchar, 8)",
    ),
    "monitor_windows": Witnessed(
        (
            "window_id::varchar", "model", "version", "every", "epoch_us(start)", "epoch_us(until)", "rows", "labelled", "baseline",
            "report_sha256", "place", "epoch_us(time)", *_WHO,
        ),
        "'a window of ' || model || '/' || version",
    ),
    "retrain_requests": Witnessed(
        (
            "request_id::varchar", "model", "cause", "incident_id::varchar", "version", "reason", "epoch_us(data_from)",
            "epoch_us(data_until)", "epoch_us(time)", *_WHO,
        ),
        "'a wish to train ' || model || ' again'",
    ),
    "retrain_acts": Witnessed(
        (
            "request_id::varchar", "act", "run_id::varchar", "version", "review_id::varchar", "message", "verdict", "epoch_us(time)", *_WHO,
        ),
        "'what became of a wish to train again, ' || right(request_id::varchar, 8)",
    ),
    "schedules": Witnessed(("schedule_id::varchar", "name", "epoch_us(created)", *_WHO), "'the schedule ' || name"),
    "schedule_acts": Witnessed(
        ("schedule_id::varchar", "act", "spec", "epoch_us(until)", "why", "epoch_us(time)", *_WHO),
        "coalesce('an act on the schedule ' || (select s.name from core.schedules s where s.schedule_id = t.schedule_id),"
        " 'an act on all schedules')",
    ),
}  # fmt: skip
"""Everything in them but what a later verb changes: `model_versions.state` and `prediction_segments.replaced`."""
_SCHEMA = 6
"""The version of the schema with which events began to answer for rows."""
ALL = 1_000_000_000
"""The limit of a check's reads: what a limit leaves out is not looked at."""


class Row(NamedTuple):
    """What an event says of a row: its `digest`; and what the `event` is called."""

    digest: str
    event: str


def rows(tx: Transaction, **put: int) -> Rows:
    """Sequence -> digest of rows that were put in this transaction: for each table the sequence of one row."""
    found: Rows = {}
    for table, seq in put.items():
        ((_, digest),) = _digests(table, tx.rows(f"{_select(table)} where seq = ?", seq))
        found[str(seq)] = digest
    return found


def problems(store: Store) -> tuple[int, list[str]]:
    """How many rows there are, and what is wrong: rows that are not what their event says, that no event tells of, or that are gone."""
    told, first = _told(store), _first(store)
    wrong: list[str] = []
    seen: set[int] = set()
    count = 0
    for table in TABLES:
        found = store.read(_select(table), limit=ALL).rows
        for seq, digest in _digests(table, found):
            row = told.get(seq)
            if row is None and seq < first:
                continue
            if row is None or seq in seen:
                wrong.append(f"{_called(store, table, seq)} is not what any event tells of")
            elif row.digest != digest:
                wrong.append(f"{_called(store, table, seq)} was changed: {row.event} says otherwise")
            seen.add(seq)
        count += len(found)
    wrong += [f"what {row.event} left is gone" for seq, row in told.items() if seq not in seen]
    return count, wrong + list(_states(store))


def said(detail: str, name: str, default: Any) -> Any:
    """What the text of an event says; `default` when that cannot be told, which the chain finds."""
    try:
        found = json.loads(detail)[name]
    except (KeyError, TypeError, ValueError):
        return default
    return found if isinstance(found, type(default)) else default


def _told(store: Store) -> dict[int, Row]:
    sql = "select verb, subject, detail from core.events where detail like '%\"rows\":{%' order by seq"
    return {
        int(seq): Row(str(digest), _event(verb, subject, detail))
        for verb, subject, detail in store.read(sql, limit=ALL).rows
        for seq, digest in said(detail, "rows", {}).items()
        if seq.isdecimal()
    }


def _first(store: Store) -> int:
    """The sequence from which on events answer for rows: a store that was begun before they did was migrated then."""
    sql = "select seq, detail from core.events where verb = 'store.migrated' order by seq"
    found = store.read(sql, limit=ALL).rows
    return next((seq for seq, detail in found if said(detail, "before", 0) < _SCHEMA <= said(detail, "after", 0)), 0)


def _event(verb: str, subject: str, detail: str) -> str:
    version, alias, review = said(detail, "version", 0), said(detail, "alias", ""), said(detail, "review_id", "")
    name = subject.removeprefix("model:") + (f"/{version}" if version else "") + (f"@{alias}" if alias else "")
    return f"{verb} of {name}" + (f", review {short(review)}," if review else "")


def _states(store: Store) -> Iterator[str]:
    """The versions whose state is not what the events say."""
    sql = "select subject, detail from core.events where verb = 'version.retired'"
    retired = {(subject, said(detail, "version", 0)) for subject, detail in store.read(sql, limit=ALL).rows}
    for model, version, state in store.read("select model, version, state from core.model_versions", limit=ALL).rows:
        by_events = "retired" if (f"model:{model}", version) in retired else "registered"
        if state != by_events:
            yield f"{model}/{version} was changed: it is {state}, and by its events {by_events}"


def _called(store: Store, table: str, seq: int) -> str:
    sql = f"select {TABLES[table].called} from core.{table} t where seq = ?"  # noqa: S608 - our own table
    return " or ".join(str(row[0]) for row in store.read(sql, [seq]).rows)


def _select(table: str) -> str:
    return f"select {', '.join(TABLES[table].columns)} from core.{table}"  # noqa: S608 - our own table


def _digests(table: str, found: list[Any]) -> Iterator[tuple[int, str]]:
    """The sequence and the digest of each row; the sequence stands last in it."""
    for row in found:
        yield row[-1], hashlib.sha256(msgspec.json.encode([table, *row])).hexdigest()
