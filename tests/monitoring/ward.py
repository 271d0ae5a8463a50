"""Weeks of a model and what was seen in them, with and without a store; nothing here starts a process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

import nbops.monitoring.commands
import nbops.registry.commands  # noqa: F401 - both teach the writer their verbs
from nbops import times
from nbops.errors import NbopsError
from nbops.monitoring.policy import MonitorPolicy, Warmup
from nbops.monitoring.requests import ActOnIncident, Change, Deed, KeepSignals, SetMonitorPolicy
from nbops.monitoring.signals import Signal, State
from nbops.records import Actor, new_id
from nbops.registry.requests import RegisterVersion
from nbops.store.wire import Request
from tests.store.inside import Inside, envelope, start

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
READY = MonitorPolicy(warmup=Warmup(rows=0, windows=0))
"""The default policy, but that it judges from the first window on."""
LETTERS: dict[str, State] = {".": "fine", "o": "odd", "b": "broken", "?": "unknown", "l": "learning"}


def week(number: int) -> tuple[int, int]:
    """The ends of a week as the store keeps them."""
    begin = FIRST + timedelta(weeks=number)
    return times.microseconds(begin), times.microseconds(begin + timedelta(weeks=1))


def seen(number: int, state: State = "odd", **more: Any) -> Signal:
    """What was seen in a week."""
    begin, until = week(number)
    given = {
        "cause": "performance: mae",
        "kind": "performance",
        "severity": "page",
        "item": "mae",
        "version": 1,
        **more,
    }
    return Signal(
        state=state, start=begin, until=until, **{"sentence": f"The error of week {number} is {state}.", **given}
    )


def weeks(states: str, first: int = 0, **more: Any) -> list[Signal]:
    """A week for each letter, but for spaces: fine (.), odd (o), broken (b), unknown (?), learning (l)."""
    return [seen(first + n, LETTERS[letter], **more) for n, letter in enumerate(states) if letter != " "]


class Ward:
    """A model of its own in a store, watched by the default policy without a warm-up."""

    def __init__(self, inside: Inside, policy: MonitorPolicy = READY) -> None:
        self.inside = inside
        self.model = f"m{new_id()}"
        self.subject = f"model:{self.model}"
        self.version()
        self.ask("boss", SetMonitorPolicy(model=self.model, policy=policy, why="to begin with"))

    def version(self) -> int:
        """A new version."""
        begun = start()
        made = RegisterVersion(model=self.model, run_id=begun.run_id, artifact="a", sha256=new_id(), manifest="{}")
        reply = self.inside.together(envelope(begun, made), actor=Actor(name="ann", uid=1, host="here", pid=1))[0]
        return int(reply.results[1])

    def ask(self, who: str, request: Request, impersonal: str = "") -> Any:
        """What the owner answers. Raises what it refuses."""
        actor = Actor(name=who, uid=1, host="here", pid=1, impersonal=impersonal)
        reply = self.inside.together(envelope(request), actor=actor)[0]
        if reply.problem is not None:
            raise NbopsError(reply.problem.message, hint=reply.problem.hint, code=reply.problem.code)
        return reply.results[0]

    def keep(self, *signals: Signal) -> list[Change]:
        """What signals do to incidents."""
        return msgspec.convert(self.ask("cron", KeepSignals(subject=self.subject, signals=list(signals))), list[Change])

    def act(self, who: str, incident: str, deed: Deed, text: str = "looked at it", until: int | None = None) -> bool:
        """Whether a person's act was still to be done."""
        return bool(self.ask(who, ActOnIncident(incident_id=incident, deed=deed, text=text, until=until)))

    def incidents(self, columns: str = "cause, status, severity") -> list[tuple[Any, ...]]:
        """The model's incidents, oldest first."""
        sql = f"select {columns} from incidents where subject = ? order by opened, incident_id"  # noqa: S608 - our own
        return self.inside.rows(sql, self.subject)

    def acts(self, columns: str = "act") -> list[tuple[Any, ...]]:
        """What was done about them, in order."""
        sql = f"select {columns} from core.incident_acts a join core.incidents i using (incident_id) where subject = ? order by a.seq"  # noqa: S608 - our own
        return self.inside.rows(sql, self.subject)

    def messages(self, columns: str = "kind, recipient, title") -> list[tuple[Any, ...]]:
        """What people were told, in order."""
        sql = f"select {columns} from outbox where subject = ? order by seq"  # noqa: S608 - our own
        return self.inside.rows(sql, self.subject)
