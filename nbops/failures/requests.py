"""What was done about failures, and the request that the owner records it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import msgspec

from nbops.records import FailureClass, Record, new_id
from nbops.store.wire import Request

if TYPE_CHECKING:
    # The owner loads this package too, and has no use for a client.
    from nbops.store.client import Store

Outcome = Literal["healed", "failed", "skipped", "pending"]


class CorrectiveAction(Record):
    """What was done about one failure: `signal` is what was seen, `attempt` counts from 1.

    Recorded again with the same `action_id`, it takes the place of what was recorded before: a pending action gets its outcome so.
    """

    failure_class: FailureClass
    rule: str
    signal: str
    action: str
    outcome: Outcome
    run_id: str | None = None
    step: str | None = None
    attempt: Annotated[int, msgspec.Meta(ge=1)] = 1
    cost_seconds: float | None = None
    action_id: str = msgspec.field(default_factory=new_id)


class RecordAction(Request, tag="action.record"):
    """Something was done about a failure."""

    spools: ClassVar[bool] = True

    action: CorrectiveAction


def record_action(store: Store, action: CorrectiveAction) -> None:
    """Record what was done about a failure, or the outcome of what was pending; spooled while the store cannot be reached.

    Raises NotFound when the project has no such run.
    """
    store.write(RecordAction(action=action))
