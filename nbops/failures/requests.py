"""What processes ask the owner to record about corrective actions."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from nbops.records import FailureClass, Record, new_id
from nbops.store.wire import Request

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
