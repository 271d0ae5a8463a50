"""What processes ask the owner to record about monitoring: signals, what people do about incidents, and the policy."""

from __future__ import annotations

from typing import Literal

from nbops.monitoring.policy import MonitorPolicy, Severity
from nbops.monitoring.signals import Signal
from nbops.records import Record
from nbops.store.wire import Request

Verb = Literal[
    "opened", "seen", "raised", "lowered", "acknowledged", "commented", "muted", "unmuted", "closed", "healed"
]
"""All that is done about incidents: `seen` is one more window, `healed` is closed by good windows."""
Deed = Literal["acknowledge", "comment", "mute", "unmute", "close"]
"""What people do."""


class SetMonitorPolicy(Request, tag="monitoring.policy"):
    """From now on a model is monitored by this policy. Answers with the number of the policy."""

    model: str
    policy: MonitorPolicy
    why: str | None = None


class KeepSignals(Request, tag="signals.keep"):
    """All that was seen in one or more windows of a subject such as "model:air-time"; it takes the place of what was kept of them.

    The owner judges what that does to incidents in the same transaction, from all that is kept, by the policy in force. Answers with
    `Change`s; sent again, it changes nothing.
    """

    subject: str
    signals: list[Signal]


class Change(Record):
    """What was done about an incident: `told` is the severity at which people hear of it, None when nobody does."""

    incident_id: str
    cause: str
    act: Verb
    severity: Severity
    start: int
    told: Severity | None = None


class ActOnIncident(Request, tag="incident.act"):
    """A person does something about an incident; `until` (UTC microseconds) ends a mute. Answers whether it was still to be done."""

    incident_id: str
    deed: Deed
    text: str
    until: int | None = None
