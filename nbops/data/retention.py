"""Which versions of data may go: never the last one, never what a registered model needs."""

from __future__ import annotations

from nbops.data import snapshots
from nbops.data.requests import Prune
from nbops.errors import UsageError
from nbops.records import now_us
from nbops.store.client import Store


def prune(store: Store, source: str, *, keep: int = 0, older: float = 0.0) -> list[int]:
    """Give up all but the last `keep` versions, of those only the ones that are older than so many seconds; tells which went.

    The last one stays, and what a version of a model was made from, with what that was made of. The space comes free with
    `nbops db gc`. Raises UsageError when neither is said.
    """
    if keep < 1 and older <= 0:
        raise UsageError("It is not said which versions may go.", hint="Such as --keep 10, or --older 90d.")
    there = snapshots.every(store, source)
    before = now_us() / 1e6 - older
    chosen = [one.version for one in there[: -keep or None] if not older or one.created.timestamp() < before]
    gone: list[int] = store.write(Prune(source=source, versions=chosen))[0]
    return gone
