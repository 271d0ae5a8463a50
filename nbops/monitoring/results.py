"""What came of looking at a window of a version's predictions: the report that is kept whole, as MessagePack."""

from __future__ import annotations

from nbops.monitoring.backtest import Backtest
from nbops.monitoring.causes import Causes
from nbops.monitoring.drift import ColumnDrift, Drift
from nbops.monitoring.estimation import Estimation
from nbops.monitoring.kept import Check
from nbops.monitoring.performance import Performance
from nbops.monitoring.signals import Signal
from nbops.records import Record


class WindowReport(Record):
    """Everything that was found in a window, from `start` until before `until` (UTC microseconds), held against the `baseline`.

    `drift` is of all rows first, then of each slice; `others` are columns whose drift the policy does not ask for, which may break all
    the same. `logged` says of each column that the model takes whether it was logged, but for those that never were. `causes` are told
    where the realised metric is beyond its bound. `notes` say what could not be looked at.
    """

    model: str
    version: int
    every: str
    start: int
    until: int
    rows: int
    labelled: int
    baseline: str
    drift: tuple[Drift, ...] = ()
    performance: Performance | None = None
    estimation: Estimation | None = None
    backtest: Backtest | None = None
    checks: tuple[Check, ...] = ()
    signals: tuple[Signal, ...] = ()
    causes: Causes | None = None
    notes: tuple[str, ...] = ()
    others: tuple[ColumnDrift, ...] = ()
    logged: dict[str, bool] = {}
