"""What the routes about monitoring do: how a model in use is, what is wrong with it, and what a person does about that.

As in `verbs`, a verb runs on a thread. Everything shown was kept when windows were looked at; nothing is scored or measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nbops import times
from nbops.errors import UsageError
from nbops.jupyter_ext.verbs import Asked, InProject
from nbops.monitoring.requests import Deed
from nbops.records import at

if TYPE_CHECKING:
    from nbops.monitoring.incidents import Case
    from nbops.reports.document import Part

# Columns that can be chosen, the worst first.
_COLUMNS = 200


class Response(InProject, kw_only=True):
    """What is done about an incident, and why; `until` is when a mute ends."""

    act: Deed
    reason: str = ""
    until: datetime | None = None


def monitoring(asked: Asked, name: str) -> dict[str, object]:
    """How a model in use is: a word and a sentence, its course, how its columns moved, and what is open."""
    from nbops.monitoring import overview
    from nbops.reports import monitoring_parts, watched, watched_words
    from nbops.reports.watched_pictures import plain

    store = asked.store
    known = watched.gather(store, name)
    said = watched_words.banner(known)
    told: dict[str, object] = {
        "word": known.word, "tone": said.tone, "sentence": said.sentence, "incidents": overview.of_model(store, name),
    }  # fmt: skip
    if known.version is None:
        return {**told, "fresh": "", "course": _drawn([monitoring_parts.beginning(known)]), "heat": "", "window": None}
    found = known.last.drift[0].worst_first[:_COLUMNS] if known.last is not None and known.last.drift else []
    columns = [{"name": one.column, "label": plain(one.column), "moved": one.verdict == "differs"} for one in found]
    last = known.own[-1]
    return {
        **told, "fresh": watched_words.fresh(known), "course": _drawn([monitoring_parts.course(known)]),
        "heat": _drawn(monitoring_parts.columns(known)),
        "window": {"version": last.version, "start": last.start, "columns": columns} if columns else None,
    }  # fmt: skip


def column(asked: Asked, name: str) -> dict[str, object]:
    """How the values of a column lie in a window, on how they lay when the version was made, and what is said of it."""
    from nbops.render import html
    from nbops.reports import watched, watched_pictures
    from nbops.workspace._model import Model

    store, chosen = asked.store, asked.one("column")
    version, start = asked.number("version", 1), asked.number("start", 0)
    report = Model(store, name).version(version).window(at(start)).report
    if not report.drift:
        raise UsageError("No column of that window was compared.", hint="Look at it anew: `nbops monitor run --again`.")
    sentence = report.drift[0][chosen].sentence
    both = watched.profiles(store, report)
    pictures = watched_pictures.overlays(*both, [(chosen, watched_pictures.plain(chosen))]) if both is not None else []
    drawn: list[str] = [one.drawing for one in pictures] or [
        "There is no picture of it: the values of that window were not kept."
    ]
    return {"html": str(html.stack(sentence, *drawn))}


def incident(asked: Asked, incident_id: str) -> dict[str, object]:
    """An incident as a person reads it, and what can be done about it."""
    from nbops.workspace._incident import Incident

    found = Incident(asked.store, incident_id)
    case = found.case
    return {
        "id": case.incident_id, "short": found.id, "subject": case.subject, "name": case.name, "cause": case.cause,
        "status": case.status, "severity": case.severity, "text": case.text, "acknowledged_by": case.acknowledged_by,
        "choices": choices(case), "is_model": case.subject.startswith("model:"), "html": str(found.to_html()),
    }  # fmt: skip


def choices(case: Case) -> tuple[Deed, ...]:
    """What can be done about an incident as it stands."""
    if case.status != "open":
        return ("comment",)
    muted = case.muted_until is not None and at(case.muted_until) > datetime.now(UTC)
    first: tuple[Deed, ...] = () if case.acknowledged_by else ("acknowledge",)
    return (*first, "unmute" if muted else "mute", "close", "comment")


def act(asked: Asked, incident_id: str) -> dict[str, object]:
    """Acknowledge, comment, mute, unmute or close."""
    from nbops.workspace._incident import Incident

    told: Response = asked.body
    found = Incident(asked.store, incident_id)
    reason = told.reason.strip()
    if told.act == "acknowledge":
        found.ack(reason)
        return {"message": f"Incident {found.id} is yours."}
    if told.act == "mute":
        until = None if told.until is None else times.moment(told.until)
        if until is None or until <= datetime.now(UTC):
            raise UsageError("A mute needs an end that is still to come.", hint="Choose a later day.")
        found.mute(until=until, reason=reason)
        return {"message": f"Nobody hears of incident {found.id} before {until.astimezone():%Y-%m-%d %H:%M}."}
    if told.act == "unmute":
        found.unmute()
        return {"message": f"Incident {found.id} is told of again."}
    if told.act == "close":
        found.close(reason=reason)
        return {"message": f"Incident {found.id} is closed."}
    found.comment(reason)
    return {"message": f"Kept with incident {found.id}."}


def investigate(asked: Asked, incident_id: str) -> dict[str, object]:
    """The notebook of an incident, written unless it is there already; whoever opens it executes it."""
    from nbops.monitoring import incidents
    from nbops.workspace import investigating

    store = asked.store
    path = investigating.place(store, incidents.get(store, incident_id))
    made = not path.exists()
    if made:
        investigating.investigate(store, incident_id, execute=False)
    return {"path": asked.root.shown(str(path)), "file": str(path), "made": made}


def _drawn(parts: Sequence[Part]) -> str:
    """Parts of the page without their tables, which it has."""
    from nbops.reports.document import Part, Table, fragment

    return str(
        fragment([Part(part.title, tuple(one for one in part.blocks if not isinstance(one, Table))) for part in parts])
    )
