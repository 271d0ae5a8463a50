"""What was found in a window in, signals out: one for everything that was looked at, also where nothing is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from nbops.monitoring.drift import ColumnDrift, Drift
from nbops.monitoring.flat import estimated_rows
from nbops.monitoring.performance import Performance
from nbops.monitoring.policy import Kind, MonitorPolicy
from nbops.monitoring.results import WindowReport
from nbops.monitoring.signals import Signal, State, cause
from nbops.registry.baselines import is_answer

EMPTY, KIND, UNSEEN = "a column has no values", "a column is of another kind", "values that nobody knew"
GONE = "a column is not logged any more"
_MOST_UNSEEN = 0.2
_STATES: dict[str, State] = {"learning": "learning", "same": "fine", "differs": "odd"}
_RULES: dict[str, State] = {
    "passed": "fine", "warning": "odd", "quarantined": "odd", "failed": "broken", "skipped": "unknown", "broken": "broken",
}  # fmt: skip


def signals(report: WindowReport, policy: MonitorPolicy) -> tuple[Signal, ...]:
    """All signals of a window.

    A column that is not logged any more, lost all its values or became of another kind, and values that the reference never had in more
    than a fifth of the rows, are breaks of data by themselves, as are broken rules of a contract and assumptions.
    """
    judging = _Judging(report, policy)
    return tuple(judging.all())


class _Judging:
    def __init__(self, report: WindowReport, policy: MonitorPolicy) -> None:
        self.report, self.policy = report, policy

    def all(self) -> Iterator[Signal]:
        yield from self._data()
        yield from self._checks()
        for drift in self.report.drift:
            yield from self._drift(drift)
        yield from self._estimate()
        if self.report.performance is not None:
            yield from self._performance(self.report.performance)

    def _signal(self, kind: Kind, rule: str, state: State, sentence: str, item: str = "") -> Signal:
        report = self.report
        return Signal(
            cause=cause(kind, rule), kind=kind, state=state, severity=getattr(self.policy.severities, kind), sentence=sentence,
            start=report.start, until=report.until, item=item, version=report.version,
        )  # fmt: skip

    def _data(self) -> Iterator[Signal]:
        for column, there in self.report.logged.items():
            yield self._signal("data", GONE, "fine" if there else "broken", _gone(column, there=there), column)
        if not self.report.drift or not self.report.rows:
            return
        for one in (*self.report.drift[0].columns, *self.report.others):
            if one.column.startswith("_") or one.change == "new":
                continue
            lost = one.nulls_now == 1 and (one.nulls_then or 0) < 1
            yield self._signal("data", EMPTY, "broken" if lost else "fine", _lost(one, lost=lost), one.column)
            # Whole numbers that became decimals are still numbers, and are tested; a column without any value has no kind of its own.
            other = bool(one.change) and one.change != "gone" and not one.evidence and not lost
            other = other and one.verdict == "differs"
            yield self._signal("data", KIND, "broken" if other else "fine", one.sentence, one.column)
            if one.unseen_share is not None:
                strange = one.unseen_share > _MOST_UNSEEN and one.unseen is not None and one.unseen.differs
                yield self._signal("data", UNSEEN, "broken" if strange else "fine", one.sentence, one.column)

    def _checks(self) -> Iterator[Signal]:
        for check in self.report.checks:
            kind: Kind = "data" if check.kind == "contract" else "assumption"
            yield self._signal(kind, check.rule, _RULES[check.outcome], check.sentence)

    def _drift(self, drift: Drift) -> Iterator[Signal]:
        of = "" if drift.slice is None else f"{drift.slice[0]} = {drift.slice[1]}: "
        few = drift.rows_now < self.policy.warmup.rows
        for one in drift.columns:
            if one.change == "new":
                continue
            kind: Kind = "prediction" if is_answer(one.column) else "drift"
            yield self._signal(
                kind, "", "learning" if few else _STATES[one.verdict], f"{of}{one.sentence}", f"{of}{one.column}"
            )

    def _estimate(self) -> Iterator[Signal]:
        found, tested = self.report.estimation, self.report.backtest
        for row in estimated_rows(self.report):
            if found is None or row.standing is None:
                continue
            state: State = "odd" if row.standing == "beyond" else "fine" if row.standing == "within" else "unknown"
            if tested is not None and not tested.usable:
                state = "unknown"
            realised = self.report.performance
            if realised is not None and any(
                one.metric == row.metric and one.where != "unknown" for one in realised.standings
            ):
                # The truth is known: what seemed to be does not count any more.
                state = "fine"
            yield self._signal("estimate", row.metric, state, row.sentence or "")

    def _performance(self, found: Performance) -> Iterator[Signal]:
        for one in found.standings:
            state: State = "odd" if one.where == "beyond" else "fine" if one.where == "within" else "unknown"
            if found.labelled < self.policy.warmup.rows and state != "unknown":
                state = "learning"
            yield self._signal("performance", one.metric, state, one.sentence)


def _gone(column: str, *, there: bool) -> str:
    return f"{column} is logged." if there else f"{column} is not logged any more: no row of the window has it."


def _lost(one: ColumnDrift, *, lost: bool) -> str:
    if not lost:
        return f"{one.column} has values."
    return f"{one.column} has no value in any row; before {100 * (one.nulls_then or 0):.3g} % of the rows had none."
