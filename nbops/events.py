"""What happened and has to stay known; the writer adds sequence, time, actor and the hash chain."""

from __future__ import annotations

from nbops.records import Better, Record

Rows = dict[str, str]
"""Sequence -> SHA-256 of the rows that were put along with an event: see `nbops.store.witness`."""


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
    """A model got its name."""

    rows: Rows


class VersionRegistered(Event, tag="version.registered"):
    """A model got a new version; `inputs` are the digests of the data that its run had read by then, by name."""

    version: int
    run_id: str
    sha256: str
    rows: Rows
    inputs: dict[str, str] = {}


class ModelEvaluated(Event, tag="model.evaluated"):
    """A run's model was held against rows with known truth; the hashes are of the model, the rows and the report."""

    evaluation_id: str
    sha256: str
    rows_sha256: str
    report_sha256: str
    rows: Rows


class ModelDescribed(Event, tag="model.described"):
    """What a model is for, or by which policy it is promoted, was said anew; `card` is all of it as JSON."""

    card: str
    why: str | None
    rows: Rows


class VersionCommented(Event, tag="version.commented"):
    """A person said something about a version, or about the model where there is none."""

    version: int | None
    text: str
    rows: Rows


class VersionRetired(Event, tag="version.retired"):
    """A version is not to be used any more."""

    version: int
    why: str


class ModelFrozen(Event, tag="model.frozen"):
    """No alias of a model may be promoted, or not to `version`, until it is thawed again."""

    version: int | None
    frozen: bool
    why: str
    rows: Rows


class AliasMoved(Event, tag="alias.moved"):
    """An alias went from one version to another: set freely, promoted by a review, rolled back, or removed."""

    alias: str
    before: int | None
    after: int | None
    kind: str
    review_id: str | None
    why: str | None
    rows: Rows


class ReviewProposed(Event, tag="review.proposed"):
    """Somebody asked for an alias to move to a version; `sha256` is that of the gate's verdict."""

    review_id: str
    version: int
    alias: str
    holder: int | None
    passed: bool
    sha256: str
    reason: str
    rows: Rows


class ReviewActed(Event, tag="review.acted"):
    """What a person did about a review, or tried to do: then the outcome is `conflict` or `refused`."""

    review_id: str
    act: str
    outcome: str
    message: str | None
    reason: str | None
    holder: int | None
    passed: bool | None
    sha256: str | None
    attested_by: str | None
    evidence: str | None
    rows: Rows


class MonitoringChanged(Event, tag="monitoring.changed"):
    """By which policy a model is monitored was said anew; `policy` is all of it as JSON."""

    policy: str
    why: str | None
    rows: Rows


class IncidentActed(Event, tag="incident.acted"):
    """An incident opened, went on, got better or worse or ended, or a person did something about it; `window` is UTC microseconds."""

    incident_id: str
    cause: str
    act: str
    severity: str
    text: str
    window: int | None
    until: int | None
    rows: Rows


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


class PredictionsLogged(Event, tag="predictions.logged"):
    """What a version said of rows was logged: `count` of them, in a segment with the hash `sha256`."""

    segment_id: str
    sha256: str
    count: int
    rows: Rows


class SegmentsMerged(Event, tag="segments.merged"):
    """A segment of predictions took the place of `parts`, which hold the same `count` rows."""

    segment_id: str
    sha256: str
    count: int
    parts: list[str]
    rows: Rows


class LabelsLogged(Event, tag="labels.logged"):
    """What turned out to be true was logged, as `predictions.logged`; `withdrawn` labels were taken back."""

    segment_id: str
    sha256: str
    count: int
    withdrawn: int
    rows: Rows


class WindowJudged(Event, tag="window.judged"):
    """A window of predictions was looked at, from `start` until before `until` (UTC microseconds); `report` is a blob's hash."""

    version: int
    start: int
    until: int
    report: str
    rows: Rows


class RetrainAsked(Event, tag="retrain.asked"):
    """A new version is to be trained, because of an incident, by a schedule, or because a person wants it."""

    request_id: str
    cause: str
    incident_id: str | None
    reason: str
    rows: Rows


class RetrainActed(Event, tag="retrain.acted"):
    """What became of a wish for a retraining."""

    request_id: str
    act: str
    run_id: str | None
    version: int | None
    review_id: str | None
    message: str
    rows: Rows


class StepDecided(Event, tag="step.decided"):
    """A person decided on a step of a pipeline's run that had waited for it: `approve` or `reject`."""

    run_id: str
    task: str
    decision: str
    reason: str
    rows: Rows


class PipelineReleased(Event, tag="pipeline.released"):
    """A release of a pipeline became the current one, for the first time or again."""

    number: int
    act: str
    digest: str
    why: str
    rows: Rows


class ScheduleActed(Event, tag="schedule.acted"):
    """A schedule was added, changed, paused, resumed or removed.

    `spec` is all of it as JSON, `until` the end of a pause (UTC microseconds).
    """

    act: str
    spec: str | None
    until: int | None
    why: str | None
    rows: Rows


EVENTS: tuple[type[Event], ...] = tuple(Event.__subclasses__())
"""Every kind of event, for the documentation and the audit."""
