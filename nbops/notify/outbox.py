"""How a command tells somebody: the message is committed with what it tells of, or not at all."""

from __future__ import annotations

from collections.abc import Iterable

from nbops.records import new_id
from nbops.store.commands import Bulk, Transaction

REVIEWERS = "reviewers"
"""The channel of those who look at proposals."""
OPERATORS = "operators"
"""The channel of those who see to it that models and pipelines work."""

_OUTBOX = Bulk.into(
    "core.outbox", message_id="uuid", kind="varchar", subject="varchar", recipient="varchar", title="varchar", text="varchar",
    link="varchar", time="us", actor="varchar", seq="bigint",
)  # fmt: skip


def put(
    tx: Transaction, kind: str, subject: str, recipients: Iterable[str], title: str, *text: str, link: str | None = None
) -> None:
    """Keep a message to each recipient, a mail address or a channel's name; `subject` as in events, each `text` is a line."""
    for recipient in dict.fromkeys(recipients):
        tx.add(
            _OUTBOX, new_id(), kind, subject, recipient, title, "\n".join(text), link, tx.time, tx.actor.name, tx.next_seq()
        )  # fmt: skip
