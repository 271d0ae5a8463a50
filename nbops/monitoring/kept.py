"""What processes ask the owner to keep of monitoring: windows with all that was found in them, baselines, and wishes for a retraining."""

from __future__ import annotations

from typing import Literal

from nbops.monitoring.signals import Signal
from nbops.records import Record
from nbops.store.wire import Request

Act = Literal["blocked", "started", "trained", "waiting", "proposed", "refused", "failed", "withdrawn"]
"""What becomes of a wish for a retraining; see `nbops.promotion.retrain`."""


class Check(Record):
    """How a rule of a contract, or an assumption of the model's card, fared; `author` said the assumption."""

    kind: Literal["contract", "assumption"]
    rule: str
    outcome: str
    broken: int
    rows: int
    sentence: str
    author: str | None = None


class DayProfile(Record):
    """A day of a version's predictions: its ends in UTC microseconds, and its profile as JSON."""

    start: int
    until: int
    rows: int
    profile: str


class KeepBaseline(Request, tag="monitoring.baseline"):
    """What a version is held against from now on: a profile and a `Variation`, both as JSON."""

    model: str
    version: int
    rows: int
    profile: str
    variation: str


class DriftRow(Record):
    """A column of a window, or of a slice of it, as it is kept for queries: see `nbops.monitoring.drift.ColumnDrift`."""

    slice: str | None
    column: str
    verdict: str
    sentence: str
    effect: float | None = None
    threshold: float | None = None
    no_drift_99: float | None = None
    natural_99: float | None = None
    p: float | None = None
    adjusted_p: float | None = None
    null_share: float | None = None
    null_share_reference: float | None = None
    unseen_share: float | None = None
    psi: float | None = None
    jensen_shannon: float | None = None
    hellinger: float | None = None
    total_variation: float | None = None
    cramers_v: float | None = None
    ks: float | None = None
    ks_low: float | None = None
    ks_high: float | None = None
    wasserstein: float | None = None
    wasserstein_scaled: float | None = None


class PerformanceRow(Record):
    """A metric of a window, or of a slice of it, as it is kept for queries: see `nbops.monitoring.performance.Performance`."""

    slice: str | None
    metric: str
    kind: Literal["realised", "estimated"]
    value: float | None
    low: float | None
    high: float | None
    unit: str
    rows: int
    laboratory: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    standing: str | None = None
    sentence: str | None = None
    band: float | None = None


class KeepWindow(Request, tag="monitoring.window"):
    """What was found in a window, from `start` until before `until` (UTC microseconds), as rows; all of it is a blob.

    `place` is that of the last segment of predictions or labels that was known.
    Its signals are judged in the same transaction; an incident that opens by it asks for a retraining where the policy says so. Answers
    with the `Change`s of incidents.
    """

    window_id: str
    model: str
    version: int
    every: str
    start: int
    until: int
    rows: int
    labelled: int
    baseline: str
    report_sha256: str
    place: int
    days: list[DayProfile]
    drift: list[DriftRow]
    performance: list[PerformanceRow]
    checks: list[Check]
    signals: list[Signal]


class EndMonitoring(Request, tag="monitoring.end"):
    """A version was looked at up to `until` (UTC microseconds), with everything that was logged up to `place`."""

    model: str
    version: int
    place: int
    until: int
    windows: int


class AskRetrain(Request, tag="retrain.ask"):
    """Ask for a new version, trained on data between two times (UTC microseconds). Answers with the id of the wish that stands."""

    request_id: str
    model: str
    cause: Literal["schedule", "person"]
    reason: str
    data_from: int
    data_until: int


class ActOnRetrain(Request, tag="retrain.act"):
    """Keep what became of a wish. Raises Conflict when it did not stand as `expected` any more."""

    request_id: str
    expected: str
    act: Act
    message: str = ""
    run_id: str | None = None
    version: int | None = None
    review_id: str | None = None
    verdict: str | None = None
