"""How a model in use is, in a word and a sentence: from its last windows and its open incidents, as they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from nbops.errors import NotFound
from nbops.monitoring import incidents
from nbops.monitoring.policy import SEVERITIES, Severity
from nbops.records import Record, at
from nbops.store.client import Store

Word = Literal["healthy", "learning", "watched", "doubtful", "in trouble", "not monitored"]
"""`watched`: something is odd that does not ask for anything; `doubtful`: an incident at `warn`; `in trouble`: one at `page`."""
_WORDS: dict[Severity, Word] = {"info": "healthy", "watch": "watched", "warn": "doubtful", "page": "in trouble"}


class OpenIncident(Record):
    """What is wrong, since which window (UTC microseconds)."""

    incident_id: str
    cause: str
    severity: Severity
    text: str
    since: int
    acknowledged_by: str | None


class Health(Record):
    """How a model is. `version` is the one in use, or the last that was looked at; `until` the end of its last window (UTC microseconds).

    `value` is the realised metric of the last window whose truth is known well enough, `laboratory` what was promised.
    """

    model: str
    word: Word
    sentence: str
    version: int | None = None
    until: int | None = None
    labelled: float | None = None
    metric: str = ""
    unit: str = ""
    value: float | None = None
    laboratory: float | None = None
    value_until: int | None = None
    report_sha256: str | None = None
    incidents: tuple[OpenIncident, ...] = ()


def health(store: Store, model: str) -> Health:
    """How a model is. Raises NotFound."""
    if not store.read("select 1 from models where name = ?", [model]).rows:
        names = [row[0] for row in store.read("select name from models order by name").rows]
        raise NotFound.of("model", model, names, otherwise="`nbops models list` shows what there is.")
    found = store.read(
        """
        select w.version, epoch_us(w.until), w.rows, w.labelled, w.report_sha256
        from monitor_windows w
        left join aliases a on a.model = w.model and a.version = w.version and a.alias = 'champion'
        where w.model = ? order by a.version is null, w.until desc, w.version desc limit 1
        """,
        [model],
    ).rows
    if not found:
        return Health(
            model,
            "not monitored",
            "No window of its predictions was looked at: `nbops monitor run` does once they are logged.",
        )
    version, until, rows, labelled, report = found[0]
    wrong = _open(store, model)
    share = labelled / rows if rows else None
    told = Health(model, "healthy", "", version, until, share, report_sha256=report, incidents=wrong)
    told = msgspec.structs.replace(told, **_value(store, model, version))
    word = word_for([one.severity for one in wrong], learns=not wrong and learns(store, model, version))
    return msgspec.structs.replace(told, word=word, sentence=_sentence(told, word))


def word_for(severities: Sequence[Severity], *, learns: bool = False) -> Word:
    """The word for a model with open incidents so severe; `learns` where nothing could be judged yet."""
    if severities:
        return _WORDS[max(severities, key=SEVERITIES.index)]
    return "learning" if learns else "healthy"


def learns(store: Store, model: str, version: int, until: int | None = None) -> bool:
    """Whether nothing of the last window could be judged yet, or of the last one that ended by a time (UTC microseconds).

    The first windows of a version are those in which the policy lets it warm up.
    """
    sql = """
        with own as (
            select state, window_start from signals
            where subject = ? and version = ? and (? is null or window_end <= make_timestamp(?))
        )
        select
            (select count(distinct window_start) from own),
            bool_and(state in ('learning', 'unknown'))
        from own where window_start = (select max(window_start) from own)
    """
    count, nothing = store.read(sql, [f"model:{model}", version, until, until]).rows[0]
    warmup = incidents.policies(store, model)[0].policy.warmup.windows
    return bool(nothing) or 0 < count <= warmup


def words(store: Store) -> dict[str, Word]:
    """The word for each model that is monitored, as `health` gives it, without its sentence and figures."""
    sql = """
        with focus as (
            select w.model, w.version from monitor_windows w
            left join aliases a on a.model = w.model and a.version = w.version and a.alias = 'champion'
            qualify row_number() over (partition by w.model order by a.version is null, w.until desc, w.version desc) = 1
        ), wrong as (
            select subject, list(distinct severity) as severities from incidents where status = 'open' group by subject
        )
        select f.model, f.version, coalesce(w.severities, [])
        from focus f left join wrong w on w.subject = 'model:' || f.model order by f.model
    """
    found = store.read(sql).rows
    return {
        model: word_for(severities, learns=not severities and learns(store, model, version))
        for model, version, severities in found
    }


def overall(store: Store) -> list[Health]:
    """That of every model, those in trouble first."""
    order = ("in trouble", "doubtful", "watched", "learning", "healthy", "not monitored")
    names = [row[0] for row in store.read("select name from models order by name").rows]
    return sorted((health(store, name) for name in names), key=lambda one: order.index(one.word))


def _open(store: Store, model: str) -> tuple[OpenIncident, ...]:
    sql = """
        select incident_id::varchar, cause, severity, text, epoch_us(since), acknowledged_by
        from incidents where subject = ? and status = 'open' order by since
    """
    found = [OpenIncident(*row) for row in store.read(sql, [f"model:{model}"]).rows]
    return tuple(sorted(found, key=lambda one: -SEVERITIES.index(one.severity)))


def _value(store: Store, model: str, version: int) -> dict[str, Any]:
    sql = """
        select metric, unit, value, laboratory, epoch_us(until) from performance
        where model = ? and version = ? and kind = 'realised' and slice is null and standing is not null and standing <> 'unknown'
        order by until desc limit 1
    """
    found = store.read(sql, [model, version]).rows
    return dict(zip(("metric", "unit", "value", "laboratory", "value_until"), found[0], strict=True)) if found else {}


def _sentence(told: Health, word: Word) -> str:
    until = f"{at(told.until):%d %B %Y}" if told.until is not None else ""
    if word == "learning":
        return f"There is too little to judge it by yet; looked at up to {until}."
    if told.incidents and word != "healthy":
        first = told.incidents[0]
        more = len(told.incidents) - 1
        others = f" (and {more} more)" if more else ""
        return f"Since {at(first.since):%d %B %Y}: {first.text}{others}"
    return f"Nothing is wrong that was looked at, up to {until}."
