"""What people read when an incident opens, gets worse or is over: one message that needs no other page at 3 a.m."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from nbops.monitoring import windows
from nbops.monitoring.policy import Kind, Severity
from nbops.monitoring.signals import Episode
from nbops.records import Record, short
from nbops.render.values import counted

_MEANS: dict[Severity, str] = {
    "info": "info: good to know, nothing to do",
    "watch": "watch: keep an eye on it",
    "warn": "warn: look at it today",
    "page": "page: somebody has to look now",
}
_SAFE: dict[Kind, str] = {
    "data": "Not for rows like these: what it is given is not what it was made for.",
    "assumption": "In doubt: what its card assumes of the rows does not hold.",
    "drift": "As far as is known: what it is given has moved, its answers have not been shown to be worse.",
    "prediction": "As far as is known: its answers have moved, they have not been shown to be worse.",
    "estimate": "In doubt: its quality is estimated to be bad, and the labels that would tell are not there yet.",
    "performance": "No: its answers are worse than what was approved.",
    "run": "What was made before is still there, and gets older.",
}
_MUTE = timedelta(days=7)


class Standby(Record):
    """Who answers, and who could instead: the champion's version, and the one to which a rollback leads; None where there is none."""

    champion: int | None = None
    fallback: int | None = None


class Notice(Record):
    """An incident of a subject such as "model:air-time" at the moment at which people are told of it."""

    incident_id: str
    subject: str
    severity: Severity
    change: Literal["opened", "raised"]
    episode: Episode
    standby: Standby = Standby()

    @property
    def name(self) -> str:
        """The model or the pipeline."""
        return self.subject.partition(":")[2]


def message(notice: Notice, zone: ZoneInfo, now: datetime) -> tuple[str, list[str]]:
    """The title, and the lines of the text."""
    episode, key = notice.episode, short(notice.incident_id)
    begin = "Worse" if notice.change == "raised" else notice.severity.capitalize()
    first, *more = episode.sentences
    lines = [
        f"What: {first}",
        *(f"And: {one}" for one in more),
        f"Since: {windows.named(episode.first, zone)}; {_windows(episode, zone)}.",
        f"How bad: {_MEANS[notice.severity]}.",
        f"Healed already: {', '.join(episode.healed) or 'nothing'}.",
        *_safe(notice),
        "",
        f"Look at it:   nbops incidents show {key}",
        f"Take it on:   nbops incidents ack {key}",
        *_fall_back(notice),
        f"Silence it:   nbops incidents mute {key} --until {(now + _MUTE).astimezone(zone):%Y-%m-%d} --reason '…'",
    ]
    return f"{begin}: {notice.name}: {first}", lines


def closing(incident_id: str, subject: str, cause: str, actor: str | None, text: str) -> tuple[str, list[str]]:
    """The same of one that is over; without an actor it healed by itself."""
    begin = f"Closed by {actor}" if actor else "Healed"
    return f"Over: {subject.partition(':')[2]}: {cause}", [
        f"{begin}: {text}",
        "",
        f"nbops incidents show {short(incident_id)}",
    ]


def _windows(episode: Episode, zone: ZoneInfo) -> str:
    count = len(episode.bad)
    return (
        "in that window alone"
        if count == 1
        else f"{counted(count, 'window')}, last {windows.named(episode.last, zone)}"
    )


def _safe(notice: Notice) -> list[str]:
    """Whether the model may be used meanwhile, and what falls back."""
    if not notice.subject.startswith("model:"):
        return ["Still safe to use: what it made before is still there, and gets older."]
    champion, fallback, version = notice.standby.champion, notice.standby.fallback, notice.episode.version
    if champion is None:
        return [f"Still safe to use: {_SAFE[notice.episode.kind]} No version of it is champion."]
    if version is not None and version != champion:
        return [f"Still safe to use: the champion, version {champion}, is not concerned: version {version} is."]
    back = f"It can fall back to version {fallback}." if fallback else "There is no version that it could fall back to."
    return [f"Still safe to use: {_SAFE[notice.episode.kind]}", f"Champion is version {champion}. {back}"]


def _fall_back(notice: Notice) -> list[str]:
    concerned = notice.episode.version in {None, notice.standby.champion}
    if notice.standby.fallback is None or not concerned:
        return []
    return [f"Fall back:    nbops models rollback {notice.name} --reason 'incident {short(notice.incident_id)}'"]
