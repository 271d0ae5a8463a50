"""The handle of an incident: what is wrong since when, what people did, and what there is to do."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nbops import times
from nbops.errors import UsageError
from nbops.monitoring import incidents
from nbops.records import at, short
from nbops.render import html, text
from nbops.render.model import Column, Html
from nbops.render.view import View

if TYPE_CHECKING:
    from nbops.store.client import Store


class Incident(View):
    """Something that is wrong with a model or a pipeline, of one cause. It shows itself."""

    kind = "incident"

    def __init__(self, store: Store, incident_id: str) -> None:
        self._store, self.incident_id = store, incident_id

    @property
    def id(self) -> str:
        """The last 8 hex digits, as shown everywhere."""
        return short(self.incident_id)

    @property
    def case(self) -> incidents.Case:
        """Everything that is known of it, as it stands now."""
        return incidents.get(self._store, self.incident_id)

    @property
    def status(self) -> str:
        """open, healed, or closed by a person."""
        return self.case.status

    @property
    def severity(self) -> str:
        """info, watch, warn or page."""
        return self.case.severity

    def ack(self, text: str = "") -> None:
        """Say that you see to it. Raises Conflict when it is over."""
        incidents.act(self._store, self.incident_id, "acknowledge", text)

    def comment(self, text: str) -> None:
        """Say something about it."""
        incidents.act(self._store, self.incident_id, "comment", text)

    def mute(self, *, until: datetime, reason: str) -> None:
        """Tell nobody of it before `until`; its windows are counted all the same. Raises Conflict, UsageError."""
        incidents.act(self._store, self.incident_id, "mute", _reason(reason), until)

    def unmute(self) -> None:
        """Tell of it again. Raises Conflict."""
        incidents.act(self._store, self.incident_id, "unmute")

    def close(self, *, reason: str) -> None:
        """Say that it is over; windows after those that are judged by now can open another. Raises Conflict, UsageError."""
        from nbops.promotion import reviews

        incidents.act(self._store, self.incident_id, "close", _reason(reason))
        reviews.tell(self._store)

    def investigate(self, *, execute: bool = True, path: str | os.PathLike[str] | None = None) -> Path:
        """Write a notebook about it, below the project's `investigations` or to `path`, and execute it as a run; gives its path.

        It has the rows of its last window, drift, who loses most, the model and the champion. Raises Conflict for a file that exists,
        NotFound when nobody looked at its windows, and ExecutionError when it fails.
        """
        from nbops.workspace import investigating

        where = Path(path) if path is not None else None
        return investigating.investigate(self._store, self.incident_id, execute=execute, path=where)

    def to_text(self) -> str:
        """What is wrong, since when, and what was done."""
        case = self.case
        return "\n".join([text.facts(*_facts(case)), text.table(*_acts(case))])

    def to_html(self) -> Html:
        """The same as tables."""
        case = self.case
        return html.section(f"Incident {self.id}", html.facts(*_facts(case)), html.table(*_acts(case)))


def _facts(case: incidents.Case) -> tuple[list[Column | str], list[object]]:
    about = f"{case.name}/{case.version}" if case.version is not None else case.name
    told: list[tuple[Column | str, object]] = [
        ("incident", short(case.incident_id)),
        ("about", about),
        ("cause", case.cause),
        (Column("status", "status"), case.status),
        ("severity", case.severity),
        (Column("what", "prose"), case.text),
        ("since", f"{_day(case.since)}, {case.windows} windows, last of them from {_day(case.last_window)}"),
        ("opened", times.shown(at(case.opened))),
        ("acknowledged by", case.acknowledged_by),
        ("muted until", None if case.muted_until is None else times.shown(at(case.muted_until))),
        ("over", None if case.closed is None else f"{times.shown(at(case.closed))}, {case.closed_by}"),
    ]
    known = [(name, value) for name, value in told if value is not None]
    return [name for name, _ in known], [value for _, value in known]


def _acts(case: incidents.Case) -> tuple[list[Column | str], list[list[object]]]:
    columns: list[Column | str] = ["time", "who", "what", "window", "severity", "told", Column("text", "prose")]
    rows: list[list[object]] = [
        [
            f"{at(one.time).astimezone():%Y-%m-%d %H:%M}", one.actor,
            one.act if one.until is None else f"{one.act} until {at(one.until).astimezone():%Y-%m-%d %H:%M}",
            None if one.start is None else _day(one.start), one.severity, one.told, one.text,
        ]
        for one in case.acts
    ]  # fmt: skip
    return columns, rows


def _day(start: int) -> str:
    return f"{at(start).astimezone():%Y-%m-%d}"


def _reason(reason: str) -> str:
    if not reason.strip():
        raise UsageError("A reason is needed.", hint="Say why, for those who read it later.")
    return reason
