"""What whoever delivers asks of the owner."""

from __future__ import annotations

from typing import Literal

from nbops.records import Record
from nbops.store.wire import Request

Outcome = Literal["delivered", "failed", "given up"]


class Message(Record):
    """What somebody is told: `recipient` is a mail address or the name of a channel, `time` UTC microseconds.

    `attempt` counts from 1; `claim` is what its outcome is told with.
    """

    message_id: str
    kind: str
    subject: str
    recipient: str
    title: str
    text: str
    link: str | None
    time: int
    actor: str
    attempt: int
    claim: str


class ClaimMessages(Request, tag="messages.claim"):
    """Take up to `limit` messages that are due for `lease` seconds, in which nobody else gets them. Answers with `Message`s.

    None of `but` is among them. One whose deliverer ended without a word that many `attempts` long is given up.
    """

    claim: str
    limit: int
    lease: float
    attempts: int
    but: list[str] = []


class SettleMessage(Request, tag="messages.settle"):
    """What became of a message: a failed one is due again in `again` seconds. Answers whether it was still to be told."""

    message_id: str
    claim: str
    outcome: Outcome
    reason: str = ""
    again: float = 0.0
