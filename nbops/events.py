"""What happened and has to stay known; the writer adds sequence, time, actor and the hash chain."""

from __future__ import annotations

from nbops.records import Better, Record


class Event(Record, tag_field="verb"):
    """The base: `subject` is what it happened to, as `kind:name`."""

    subject: str


class StoreCreated(Event, tag="store.created"):
    """The first event of every store."""

    nbops: str
    duckdb: str


class StoreMigrated(Event, tag="store.migrated"):
    """The schema moved from one version to the next; `backup` is the copy made before."""

    before: int
    after: int
    backup: str


class StoreGap(Event, tag="store.gap"):
    """Acknowledged writes after `last` up to `promised` are missing from the file."""

    last: int
    promised: int


class StoreRestored(Event, tag="store.restored"):
    """A backup took the file's place; writes after `last` up to `promised` are not in it."""

    backup: str
    last: int
    promised: int


class RunLost(Event, tag="run.lost"):
    """A runner died without ending its run."""

    host: str
    pid: int


class RunDeleted(Event, tag="run.deleted"):
    """A run was hidden from searches."""


class RunRestored(Event, tag="run.restored"):
    """A hidden run came back."""


class RunRenamed(Event, tag="run.renamed"):
    """A run got another name."""

    before: str
    after: str


class MetricDefined(Event, tag="metric.defined"):
    """A metric got a direction and a unit."""

    better: Better
    unit: str | None


class ModelCreated(Event, tag="model.created"):
    """The first version of a model is about to be registered."""


class VersionRegistered(Event, tag="version.registered"):
    """A model got a new version."""

    version: int
    run_id: str
    sha256: str


class ModelTrusted(Event, tag="model.trusted"):
    """Somebody answered for what a model brings, and loaded it: `types` by name, its `code`, or a `pickle`."""

    sha256: str
    types: list[str]
    code: list[str]
    pickle: bool


class SnapshotTaken(Event, tag="snapshot.taken"):
    """Data got a new version; `why` is what the person said who repaired rows of it."""

    version: int
    content_hash: str
    rows: int
    why: str | None = None


class RowsDiscarded(Event, tag="rows.discarded"):
    """So many rows of a source's quarantine were given up; `why` is what the person said."""

    rows: int
    why: str


class SnapshotsPruned(Event, tag="snapshots.pruned"):
    """Versions of data were given up."""

    versions: list[int]


EVENTS: tuple[type[Event], ...] = tuple(Event.__subclasses__())
"""Every kind of event, for the documentation and the audit."""
