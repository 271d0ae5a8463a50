"""Incidents and policies as the processes of people see them: found, read, acted on, and how all causes of a subject stand."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import msgspec

from nbops import times
from nbops.errors import Ambiguous, NotFound, StoreCorrupt
from nbops.monitoring.policy import Kind, MonitorPolicy, Severity, by_default
from nbops.monitoring.requests import ActOnIncident, Change, Deed, KeepSignals, SetMonitorPolicy, Verb
from nbops.monitoring.shadows import PRESENT, REIGNED, without
from nbops.monitoring.signals import Closing, Signal, Standing, standing
from nbops.records import Record, short
from nbops.store.client import Store

_CANDIDATES, _SHORTEST = 5, 4
_OTHERWISE = "`nbops incidents list --all` shows those that there are."


class Done(Record):
    """What was done about an incident; times in UTC microseconds, `start` that of the window."""

    act: Verb
    severity: Severity
    text: str
    start: int | None
    until: int | None
    told: Severity | None
    actor: str
    time: int


class Case(Record):
    """An incident as it stands, with all that was done; times in UTC microseconds, `since` and `last_window` those of windows."""

    incident_id: str
    subject: str
    cause: str
    kind: Kind
    version: int | None
    status: str
    severity: Severity
    text: str
    since: int
    last_window: int
    windows: int
    opened: int
    acknowledged_by: str | None
    muted_until: int | None
    closed: int | None
    closed_by: str | None
    acts: tuple[Done, ...] = ()

    @property
    def name(self) -> str:
        """The model or the pipeline."""
        return self.subject.partition(":")[2]


class Said(Record):
    """A policy and who set it when (UTC microseconds) and why; `version` 0 is what holds when nothing is said."""

    policy: MonitorPolicy
    version: int = 0
    why: str | None = None
    actor: str = ""
    time: int = 0


def find(store: Store, text: str) -> str:
    """The id of the incident that a person means by a full id or its last digits. Raises NotFound or Ambiguous."""
    wanted = text.strip().lower()
    rows = store.read(
        "select incident_id::varchar, subject, cause, status from incidents where incident_id::varchar = ?"
        " or (? >= ? and ends_with(incident_id::varchar, ?)) order by opened desc limit ?",
        [wanted, len(wanted), _SHORTEST, wanted, _CANDIDATES + 1],
    ).rows
    if not rows:
        raise NotFound(f"There is no incident {text!r}.", hint=_OTHERWISE)
    if len(rows) > 1:
        told = "; ".join(f"{short(key)} ({subject}, {cause}, {status})" for key, subject, cause, status in rows)
        raise Ambiguous(f"{text!r} fits several incidents.", hint=f"Use more of its digits. The newest: {told}")
    return str(rows[0][0])


def get(store: Store, incident_id: str) -> Case:
    """An incident with everything that was done about it. Raises NotFound."""
    found = store.read(
        """
        select
            incident_id::varchar, subject, cause, kind, version, status, severity, text, epoch_us(since), epoch_us(last_window), windows,
            epoch_us(opened), acknowledged_by, epoch_us(muted_until), epoch_us(closed), closed_by
        from incidents where incident_id = ?::uuid
        """,
        [incident_id],
    ).rows
    if not found:
        raise NotFound(f"There is no incident {incident_id}.", hint=_OTHERWISE)
    sql = """
        select act, severity, text, epoch_us(window_start), epoch_us(until), told, actor, epoch_us(time)
        from core.incident_acts where incident_id = ?::uuid order by seq
        """
    acts = tuple(Done(*row) for row in store.read(sql, [incident_id]).rows)
    fields = dict(zip(Case.__struct_fields__, found[0], strict=False))
    return Case(**fields, acts=acts)


def act(store: Store, incident_id: str, deed: Deed, text: str = "", until: datetime | None = None) -> bool:
    """Acknowledge, comment, mute, unmute or close; whether that was still to be done.

    Raises UsageError without the words that it needs, Conflict for an incident that is over.
    """
    end = None if until is None else times.microseconds(times.moment(until))
    return bool(store.write(ActOnIncident(incident_id=incident_id, deed=deed, text=text, until=end))[0])


def keep(store: Store, subject: str, signals: list[Signal]) -> list[Change]:
    """Keep all that was seen in windows of a subject such as "model:air-time"; gives what that does to incidents.

    What was kept of these windows before is replaced. What people are to be told waits for delivery. Raises NotFound, UsageError.
    """
    return msgspec.convert(store.write(KeepSignals(subject=subject, signals=signals))[0], list[Change])


def policies(store: Store, model: str) -> list[Said]:
    """Every policy by which a model was monitored, the newest first; the last one is what holds when nothing is said."""
    sql = (
        "select policy, version, why, actor, epoch_us(time) from monitor_policies where model = ? order by version desc"
    )
    return [*(Said(_read(model, text), *rest) for text, *rest in store.read(sql, [model]).rows), Said(MonitorPolicy())]


def set_policy(store: Store, model: str, policy: MonitorPolicy, why: str | None = None) -> int:
    """Monitor a model by a policy from now on; gives its number. Raises NotFound, and UsageError inside of runs."""
    return int(store.write(SetMonitorPolicy(model=model, policy=policy, why=why))[0])


def breaks(store: Store, model: str) -> list[str]:
    """What is broken now in the data of a model, or of what it takes for granted, in words; the oldest first."""
    sql = "select text from incidents where subject = ? and status = 'open' and kind in ('data', 'assumption') order by opened"
    return [row[0] for row in store.read(sql, [f"model:{model}"]).rows]


def standings(store: Store, subject: str) -> dict[str, Standing]:
    """How each cause of a subject such as "model:air-time" stands, by the policy in force."""
    model = subject.removeprefix("model:")
    said = policies(store, model)[0]
    policy = said.policy if said.version else by_default(subject)
    seen = store.read(
        "select cause, kind, state, severity, sentence, epoch_us(window_start), epoch_us(window_end), item, version"
        " from signals where subject = ?",
        [subject],
    ).rows
    closed = store.read(
        "select cause, epoch_us(window_start) from incident_acts where subject = ? and act = 'closed'", [subject]
    ).rows
    reigned = [row[0] for row in store.read(REIGNED, [model]).rows]
    signals: dict[str, list[Signal]] = {}
    for one in without(itertools.starmap(Signal, seen), store.read(PRESENT, [subject]).rows, reigned):
        signals.setdefault(one.cause, []).append(one)
    return {
        cause: standing(policy, found, [Closing(start) for about, start in closed if about == cause])
        for cause, found in sorted(signals.items())
    }


def _read(model: str, text: Any) -> MonitorPolicy:
    try:
        return msgspec.json.decode(text, type=MonitorPolicy)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise StoreCorrupt(
            f"The monitoring policy of {model} cannot be read: {error}",
            hint="If a newer nbops wrote it, update this one; else see `nbops db check`.",
        ) from error
