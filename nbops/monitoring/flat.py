"""A window's report as the rows that are kept for queries."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from nbops.evaluation.answers import Task
from nbops.evaluation.metrics import metric
from nbops.monitoring.drift import ColumnDrift, Drift
from nbops.monitoring.estimation import Estimated
from nbops.monitoring.kept import DriftRow, PerformanceRow
from nbops.monitoring.performance import Standing
from nbops.monitoring.results import WindowReport
from nbops.render import values


def drift_rows(report: WindowReport) -> list[DriftRow]:
    """A row for each column, of all rows of the window and of each slice."""
    return [_of_column(one, _slice(drift)) for drift in report.drift for one in drift.columns]


def performance_rows(report: WindowReport) -> list[PerformanceRow]:
    """A row for each metric: realised, by slice, and estimated."""
    return [*_realised(report), *estimated_rows(report)]


def estimated_rows(report: WindowReport) -> Iterator[PerformanceRow]:
    """The estimated metrics, with how they stand to the laboratory's where that one has a bound."""
    found = report.estimation
    if found is None:
        return
    standings = {one.metric: one for one in (report.performance.standings if report.performance else ())}
    for one in found.metrics:
        if one.value is not None:
            yield _estimated(report, found.task, one, standings.get(one.metric))


def _of_column(one: ColumnDrift, part: str | None) -> DriftRow:
    found, away = one.moved, one.distances
    ks = away.ks
    return DriftRow(
        slice=part,
        column=one.column,
        verdict=one.verdict,
        sentence=one.sentence,
        effect=found.effect if found else None,
        threshold=found.limit if found else None,
        no_drift_99=found.no_drift_99 if found else None,
        natural_99=found.natural if found else None,
        p=found.p if found else None,
        adjusted_p=found.adjusted_p if found else None,
        null_share=one.nulls_now,
        null_share_reference=one.nulls_then,
        unseen_share=one.unseen_share,
        psi=away.psi,
        jensen_shannon=away.jensen_shannon,
        hellinger=away.hellinger,
        total_variation=away.total_variation,
        cramers_v=away.cramers_v,
        ks=ks.estimate if ks else None,
        ks_low=ks.low if ks else None,
        ks_high=ks.high if ks else None,
        wasserstein=away.wasserstein,
        wasserstein_scaled=away.wasserstein_scaled,
    )


def _slice(drift: Drift) -> str | None:
    return None if drift.slice is None else f"{drift.slice[0]} = {drift.slice[1]}"


def _realised(report: WindowReport) -> Iterator[PerformanceRow]:
    found = report.performance
    if found is None:
        return
    standings = {one.metric: one for one in found.standings}
    for one in found.metrics:
        stands = standings.get(one.metric)
        ratio = stands.ratio if stands else None
        yield PerformanceRow(
            slice=None, metric=one.metric, kind="realised", value=one.value, low=one.low, high=one.high,
            unit=_unit(report, one.metric), rows=found.labelled, laboratory=stands.laboratory if stands else None,
            ratio=ratio.value if ratio else None, ratio_low=ratio.low if ratio else None, ratio_high=ratio.high if ratio else None,
            standing=stands.where if stands else None, sentence=stands.sentence if stands else None,
        )  # fmt: skip
    beside = {(one.column, one.group): one for one in found.beside}
    for part in found.slices:
        known = beside.get((part.column, part.group))
        yield PerformanceRow(
            slice=f"{part.column} = {part.group}", metric=found.standings[0].metric, kind="realised", value=_known(part.metric),
            low=_known(part.low), high=_known(part.high), unit=_unit(report, found.standings[0].metric), rows=part.rows,
            laboratory=known.laboratory if known else None, ratio=known.ratio.value if known else None,
            ratio_low=known.ratio.low if known else None, ratio_high=known.ratio.high if known else None,
            standing=known.where if known else None, sentence=known.sentence if known else part.sentence,
        )  # fmt: skip


def _estimated(report: WindowReport, task: Task, one: Estimated, stands: Standing | None) -> PerformanceRow:
    row = PerformanceRow(
        slice=None, metric=one.metric, kind="estimated", value=one.value, low=one.low, high=one.high, unit=_unit(report, one.metric),
        rows=report.rows, band=one.band,
    )  # fmt: skip
    if stands is None or one.value is None or stands.laboratory is None:
        return row
    ends = _ends(one)
    if stands.bound.limit is not None:
        most, value = stands.bound.limit, one.value
    elif stands.laboratory and stands.bound.worse_than is not None:
        most, value = stands.bound.worse_than, one.value / stands.laboratory
        ends = None if ends is None else (ends[0] / stands.laboratory, ends[1] / stands.laboratory)
    else:
        return row
    higher = metric(task, one.metric).better == "higher"
    if higher and stands.bound.limit is None:
        most = 1 / most
    beyond = value < most if higher else value > most
    surely = ends is not None and (ends[1] < most if higher else ends[0] > most)
    standing = "beyond" if surely else "perhaps" if beyond else "within"
    ratio = one.value / stands.laboratory if stands.laboratory else None
    told = f"{one.metric} seems to be {values.number(one.value)}{f' {row.unit}' if row.unit else ''}"
    times = (
        f", {values.number(ratio)} times the laboratory's {values.number(stands.laboratory)}"
        if ratio is not None
        else ""
    )
    words = {"within": "within", "perhaps": "perhaps beyond", "beyond": "beyond"}[standing]
    return msgspec.structs.replace(
        row, laboratory=stands.laboratory, ratio=ratio, standing=standing,
        sentence=f"{told}{times}, before any label: {words} the bound.",
    )  # fmt: skip


def _ends(one: Estimated) -> tuple[float, float] | None:
    """Between what just these rows may come out: the interval, or the band where that is wider."""
    if one.value is None or (one.band is None and (one.low is None or one.high is None)):
        return None
    band = one.band or 0.0
    low = min(one.value - band, one.low if one.low is not None else one.value)
    return low, max(one.value + band, one.high if one.high is not None else one.value)


def _unit(report: WindowReport, name: str) -> str:
    found = report.performance
    return found.unit if found is not None and metric(found.task, name).unit == "target" else ""


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
