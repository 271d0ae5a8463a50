"""What the owner does about corrective actions."""

from __future__ import annotations

from nbops.errors import NotFound
from nbops.failures.requests import RecordAction
from nbops.store.commands import Bulk, Transaction, command

_ACTIONS = Bulk.into(
    "core.corrective_actions", action_id="uuid", run_id="uuid", step="varchar", attempt="integer", failure_class="varchar",
    rule="varchar", signal="varchar", action="varchar", outcome="varchar", cost_seconds="double", actor="varchar", time="us", seq="bigint",
)  # fmt: skip


@command(RecordAction)
def record(tx: Transaction, request: RecordAction) -> None:
    """Append the action."""
    did = request.action
    if did.run_id and not tx.rows("select 1 from core.runs where run_id = ?", did.run_id):
        raise NotFound(f"There is no run {did.run_id}.", hint="`nbops runs list` shows the runs of this project.")
    tx.add(
        _ACTIONS, did.action_id, did.run_id, did.step, did.attempt, did.failure_class, did.rule, did.signal, did.action, did.outcome,
        did.cost_seconds, tx.actor.name, tx.time, tx.next_seq(),
    )  # fmt: skip
