"""What was done about failures: into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbops.failures.requests import CorrectiveAction, RecordAction

if TYPE_CHECKING:
    # The owner loads this package too, and has no use for a client.
    from nbops.store.client import Store


def record_action(store: Store, action: CorrectiveAction) -> None:
    """Record what was done about a failure, or the outcome of what was pending; spooled while the store cannot be reached.

    Raises NotFound when the project has no such run.
    """
    store.write(RecordAction(action=action))
