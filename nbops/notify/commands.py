"""What the owner does about messages that wait: hands them out, each to one deliverer at a time, and keeps what became of them."""

from __future__ import annotations

from nbops.notify.requests import ClaimMessages, Message, SettleMessage
from nbops.store.commands import Bulk, Transaction, command

_DELIVERIES = Bulk.into(
    "core.deliveries", message_id="uuid", state="varchar", claim="uuid", reason="varchar", until="us", time="us", actor="varchar",
    seq="bigint",
)  # fmt: skip
_DUE = """
select
    message_id::varchar, kind, subject, recipient, title, text, link, epoch_us(created), actor, attempts, state
from main.outbox
where (state = 'waiting' or (state in ('claimed', 'failed') and until <= make_timestamp(?)))
    and not list_contains(?::uuid[], message_id)
order by seq limit ?
"""
_FIELDS = Message.__struct_fields__[:-2]
_SILENT = "Whoever was to deliver it ended each time without a word."


@command(ClaimMessages)
def claim(tx: Transaction, request: ClaimMessages) -> list[Message]:
    """Hand out what is due, oldest first."""
    handed = []
    for row in tx.rows(_DUE, tx.time, request.but, request.limit):
        attempts, state = row[-2:]
        message = Message(**dict(zip(_FIELDS, row, strict=False)), attempt=attempts + 1, claim=request.claim)
        if state == "claimed" and attempts >= request.attempts:
            _keep(tx, message.message_id, "given up", request.claim, _SILENT)
            continue
        _keep(tx, message.message_id, "claimed", request.claim, "", tx.time + round(request.lease * 1e6))
        handed.append(message)
    return handed


@command(SettleMessage)
def settle(tx: Transaction, request: SettleMessage) -> bool:
    """Keep the outcome. What was delivered is so even if it took too long; a failure that comes too late says nothing any more."""
    found = tx.rows(
        "select state, claim::varchar from core.deliveries where message_id = ? order by seq desc limit 1",
        request.message_id,
    )
    if not found or found[0][0] in {"delivered", "given up"}:
        return False
    if request.outcome != "delivered" and found[0] != ("claimed", request.claim):
        return False
    again = tx.time + round(request.again * 1e6) if request.outcome == "failed" else None
    _keep(tx, request.message_id, request.outcome, request.claim, request.reason, again)
    return True


def _keep(tx: Transaction, message_id: str, state: str, claim_id: str, reason: str, until: int | None = None) -> None:
    tx.add(
        _DELIVERIES, message_id, state, claim_id, reason or None, until, tx.time, tx.actor.name, tx.next_seq()
    )  # fmt: skip
