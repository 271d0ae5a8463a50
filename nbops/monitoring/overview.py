"""Open incidents in a line each: what somebody sees of them before they act."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from nbops.monitoring.policy import Severity
from nbops.records import Record, at, short
from nbops.store.client import Store
from nbops.times import microseconds

_MOST = 200
_WORST_FIRST = "list_position(['page', 'warn', 'watch', 'info'], severity), since, incident_id"


class Line(Record):
    """An incident in a list; `since` is the day on which its first window began, `needs` why somebody should look, as a sentence."""

    incident_id: str
    short: str
    subject: str
    model: str | None
    version: int | None
    cause: str
    severity: Severity
    text: str
    since: datetime
    acknowledged_by: str | None
    muted_until: datetime | None
    needs: str


def waiting(store: Store, now: datetime) -> list[Line]:
    """Those that somebody has to see to, the worst first: at `warn` or `page`, and not muted."""
    return _lines(
        store,
        "severity in ('warn', 'page') and (muted_until is null or muted_until <= make_timestamp(?))",
        [microseconds(now)],
    )


def of_model(store: Store, model: str) -> list[Line]:
    """All that are open of a model, the worst first."""
    return _lines(store, "model = ?", [model])


def _lines(store: Store, chosen: str, values: list[object]) -> list[Line]:
    sql = f"""
        select incident_id::varchar, subject, model, version, cause, severity, text, epoch_us(since), acknowledged_by, epoch_us(muted_until)
        from incidents where status = 'open' and {chosen} order by {_WORST_FIRST} limit {_MOST}
        """  # noqa: S608 - fixed text
    return [_line(row) for row in store.read(sql, values).rows]


def _line(row: Any) -> Line:
    incident_id, subject, model, version, cause, severity, text, since, seen_to, muted = row
    day = at(since)
    by = f" ({seen_to} sees to it)" if seen_to else ""
    return Line(
        incident_id=incident_id, short=short(incident_id), subject=subject, model=model, version=version, cause=cause,
        severity=severity, text=text, since=day, acknowledged_by=seen_to, muted_until=None if muted is None else at(muted),
        needs=f"{subject.partition(':')[2]} since {day.day} {day:%B %Y}{by}: {text}",
    )  # fmt: skip
