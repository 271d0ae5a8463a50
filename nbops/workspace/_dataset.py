"""The handle of a source of data: its versions, its quarantine, what changed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops.data import declared, snapshots
from nbops.errors import NotFound, UsageError
from nbops.tracking import artifacts, recording, runs

if TYPE_CHECKING:
    import pandas as pd

    from nbops.data.collection import Collection
    from nbops.data.contract_view import ContractView
    from nbops.data.declared import Step
    from nbops.data.difference import Difference
    from nbops.data.profile import Profile
    from nbops.data.quarantine import Quarantine
    from nbops.data.snapshots import Snapshot
    from nbops.data.sources.declaration import Source
    from nbops.store.client import Store
    from nbops.tracking.recording import Recording


class Dataset:
    """A source of data by its name, as `nbops.dataset("flights")` gives it."""

    def __init__(self, store: Store, name: str, source: Source | Step | None = None) -> None:
        self._store, self.name = store, name
        self._source = source

    def collect(self, *, why: str | None = None) -> Collection:
        """Bring it up to date: a new version, nothing new, or a contract that forbids it. Shows itself.

        Raises SourceError for what cannot be had or read, ConfigError for what is declared wrongly.
        """
        from nbops.data.collecting import collect
        from nbops.render.progress import told

        with told(self.name) as progress:
            return collect(
                self._ready, self._source or self.name, run_id=_run_id(self._ready), why=why, progress=progress
            )

    def snapshot(self, version: int | None = None) -> Snapshot:
        """A version, the last one by default; the open run remembers that it read it. Raises NotFound."""
        return _read(snapshots.get(self._ready, self.name, version))

    def as_of(self, time: datetime | str) -> Snapshot:
        """The version that was the last one at a time, such as "2026-01-31"; without a zone it is local. Raises NotFound, UsageError."""
        return _read(snapshots.as_of(self._ready, self.name, time))

    def snapshots(self) -> pd.DataFrame:
        """All versions, newest first, with their rows, bytes, times, and the models' versions that came out of them."""
        return self._ready.frame(
            """
            select
                s.version, s.rows, s.bytes, s.created, s.watermark, s.content_hash, s.actor, s.removed,
                count(distinct u.run_id) as runs,
                list(distinct u.model || '/' || u.model_version) filter (where u.model is not null) as models
            from snapshots s left join snapshot_uses u on u.source = s.source and u.version = s.version
            where s.source = ? group by all order by s.version desc
            """,
            [self.name],
        )

    def quarantine(self, reason: str = "") -> Quarantine:
        """The rows that are set aside, those with a `reason` or all. Shows itself."""
        from nbops.data.quarantine import Quarantine

        return Quarantine(self._ready, self.name, reason)

    def contract(self) -> ContractView:
        """What its data has to be. Shows itself. Raises NotFound when nobody said it, ConfigError."""
        from nbops.data.contract_view import ContractView

        source = declared.source_of(self._source or declared.find(self._store.settings.project, self.name))
        found = declared.contract_of(source, self._store.settings.project)
        if found is None:
            raise NotFound(
                f"{self.name!r} has no contract.",
                hint=f"Write {declared.CONTRACTS}/{self.name}.yaml; `nbops data infer` makes a first one.",
            )
        return ContractView(found)

    def repair(
        self,
        change: str | Callable[[pd.DataFrame], pd.DataFrame] = "",
        *,
        why: str,
        reason: str = "",
    ) -> Collection:
        """Take rows of the quarantine after all, if the contract takes them as `change` makes them: a new version.

        `change` is assignments such as "air_time = null", a SELECT over `quarantine`, or a function over a DataFrame; without it they
        are tried as they are. With `reason` only the rows that have it. Raises UsageError, and NotFound when nothing is open.
        """
        from nbops.data.quarantine import repair

        how: dict[str, Any] = {"sql": change} if isinstance(change, str) else {"function": change}
        return repair(
            self._ready, self._source or self.name, why=why, reason=reason, run_id=_run_id(self._ready), **how
        )

    def discard(self, *, why: str, reason: str = "") -> Collection:
        """Give rows of the quarantine up, those with a `reason` or all. Raises as `repair`."""
        from nbops.data.quarantine import discard

        return discard(self._ready, self._source or self.name, why=why, reason=reason, run_id=_run_id(self._ready))

    def diff(self, before: int | None = None, after: int | None = None) -> Difference:
        """What changed between two versions, by default the last two. Shows itself. Raises NotFound."""
        from nbops.data.difference import compare

        last = snapshots.get(self._ready, self.name, after)
        first = snapshots.get(self._store, self.name, last.version - 1 if before is None else before)
        return compare(first, last, self._key())

    def profile(self, version: int | None = None) -> Profile:
        """How the values of a version lie. Shows itself. Raises NotFound."""
        return snapshots.get(self._ready, self.name, version).profile()

    @property
    def _ready(self) -> Store:
        sys.audit("nbops.uses", "the store of nbops")
        recording.flush_all()
        return self._store

    def _key(self) -> tuple[str, ...]:
        if self._source is not None:
            return declared.source_of(self._source).key
        with suppress(NotFound):
            return declared.source_of(declared.find(self._store.settings.project, self.name)).key
        return ()

    def __repr__(self) -> str:
        return f"<Dataset {self.name!r}>"


def made(store: Store, name: str, source: object = None, contract: object = None, **more: Any) -> Dataset:
    """The handle for what a project declares as `name`, or for a `source` that is given: an address, a frame, a function, a mapping."""
    from nbops.data.sources import declaration

    if source is None and contract is None and not more:
        return Dataset(store, name)
    told: dict[str, Any] = dict(source) if isinstance(source, Mapping) else {"from": source}
    if contract is not None:
        told["contract"] = str(contract) if isinstance(contract, (str, Path)) else contract
    return Dataset(store, name, declaration.read({**told, **more}, name))


def _read(snapshot: Snapshot) -> Snapshot:
    if (run := _run()) is not None:
        artifacts.add_input(run, snapshot, snapshot.source)
    return snapshot


def _run_id(store: Store) -> str | None:
    """The run that takes data; in a notebook that is executed, its own, which is joined for it."""
    if runs.is_awaited():
        runs.begin(store, None, name=None, params=None, tags=None, frame=sys._getframe(1))  # noqa: SLF001 - the caller's cell
    run = _run()
    return run.run_id if run is not None else None


def _run() -> Recording | None:
    """The run that is open, if it is clear which one."""
    with suppress(UsageError):
        return runs.current()
    return None
