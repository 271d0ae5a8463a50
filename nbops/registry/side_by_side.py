"""The versions of a model side by side: what they were made with, how they did, what they go by, what they take.

Read from the store alone. Evaluations on the same rows are compared where there are such; those on other rows are told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from nbops.errors import UsageError
from nbops.evaluation.bootstrap import Interval
from nbops.evaluation.metrics import METRICS
from nbops.evaluation.telling import figures, interval, label, with_unit
from nbops.records import Record
from nbops.registry import evaluations, models
from nbops.registry.evaluations import Evaluation
from nbops.registry.models import ModelVersion
from nbops.render import html
from nbops.render.model import Html
from nbops.render.spans import Span, intervals
from nbops.store.client import Store
from nbops.tracking import compare
from nbops.tracking.compare import Comparison, Row

_IMPORTANT = 12


class Side(Record):
    """A version beside others; `evaluation` is its last one on the rows that most were held against, else its last one."""

    record: ModelVersion
    aliases: tuple[str, ...]
    created: str
    evaluation: Evaluation | None


class Versions(Comparison):
    """What `compare(model=)` gives; `sides` are the versions in order."""

    always: Collection[str] = ("metrics", "evaluation")

    def __init__(self, sides: Sequence[Side], rows: Sequence[Row], *, everything: bool, store: Store) -> None:
        self.sides = tuple(sides)
        self.caption = f"Versions of {sides[0].record.model}"
        names = [f"{side.record.model}/{side.record.version}" for side in sides]
        source = (store, [side.record.run_id for side in sides])
        super().__init__(names, rows, everything=everything, source=source)

    def only(self, metrics: Collection[str], params: Collection[str], *, everything: bool) -> Versions:
        """As of runs."""
        kept = super().only(metrics, params, everything=everything).rows
        return Versions(self.sides, kept, everything=everything, store=self._source[0])

    def cells_of(self, row: Row) -> Sequence[object]:
        """Figures of an evaluation with their intervals."""
        return [_told(one) for one in self._measured(row.key)] if row.place == "evaluation" else row.cells

    def plot(self) -> Html:
        """The success measure of each version with its interval; below it metrics and parameters as of runs."""
        return html.stack(self._success(), super().plot())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: figures of evaluations with `low` and `high`."""
        told = super().to_dict()
        for row in told["rows"]:
            if row["kind"] == "evaluation":
                measured = self._measured(row["name"])
                row["low"] = [None if one is None else one.low for one in measured]
                row["high"] = [None if one is None else one.high for one in measured]
        return told

    @property
    def note(self) -> str:
        """As of runs, and which versions were held against other rows, or none."""
        told = [super().note] if super().note else []
        known = [(name, side.evaluation) for name, side in zip(self.runs, self.sides, strict=True)]
        never = [name for name, found in known if found is None]
        if never:
            told.append(f"never evaluated: {', '.join(never)}")
        rows = _shared(found for _, found in known)
        other = [name for name, found in known if found is not None and found.rows_sha256 != rows]
        if other:
            told.append(f"evaluations may not compare: {', '.join(other)} was held against other rows")
        return "; ".join(told)

    def _success(self) -> Html:
        """The metric that the newest evaluation goes by."""
        found = [side.evaluation for side in self.sides if side.evaluation is not None]
        if not found:
            return Html("")
        assessment = found[-1].assessment
        unit = _unit(assessment.task, assessment.metric, assessment.unit)
        spans = [
            Span(name, one.value, one.low, one.high, told=_told(one, unit) or "", highlight=bool(side.aliases))
            for name, side, one in zip(self.runs, self.sides, self._measured(assessment.metric), strict=True)
            if one is not None
        ]
        return intervals(
            spans, unit=f"{label(assessment.metric)}{f', {unit}' if unit else ''}", title="Success measure"
        )

    def _measured(self, metric: str) -> list[Interval | None]:
        return [None if side.evaluation is None else side.evaluation.assessment.of(metric) for side in self.sides]


def versions(store: Store, model: str, *, everything: bool = False) -> Versions:
    """The versions of a model beside each other, the newest 100 of them. Raises NotFound, and UsageError when there is only one."""
    models.version(store, model)
    found = models.versions(store, model)[-compare.MOST :]
    if len(found) < 2:
        raise UsageError(
            f"{model} has one version, and nothing to compare it with.",
            hint=f"`nbops.model({model!r}).version(1).card()` shows it.",
        )
    sides = _sides(store, model, found)
    run_ids = list(dict.fromkeys(one.run_id for one in found))
    there, _, rows = compare.rows_of(store, run_ids)
    # Two versions may be of one run.
    places = [there.index(one.run_id) for one in found]
    spread = [_spread(row, places) for row in rows]
    return Versions(sides, [*_of_evaluations(sides), *spread, *_of_versions(sides)], everything=everything, store=store)


def _spread(row: Row, places: Sequence[int]) -> Row:
    return Row(row.place, row.key, tuple(row.cells[place] for place in places), row.better, row.unit)


def _sides(store: Store, model: str, found: Sequence[ModelVersion]) -> list[Side]:
    held: dict[int, list[str]] = {}
    for alias, number in store.read("select alias, version from aliases where model = ? order by alias", [model]).rows:
        held.setdefault(number, []).append(alias)
    created = dict(
        store.read(
            "select version, strftime(created, '%Y-%m-%d %H:%M') from model_versions where model = ?", [model]
        ).rows
    )
    judged = _evaluations(store, found)
    return [
        Side(one, tuple(held.get(one.version, ())), str(created[one.version]), evaluation)
        for one, evaluation in zip(found, judged, strict=True)
    ]


def _evaluations(store: Store, found: Sequence[ModelVersion]) -> list[Evaluation | None]:
    """Of each version its last evaluation on the rows that most of them were held against, else its last one."""
    sql = """
        select evaluation_id::varchar, run_id::varchar, sha256, rows_sha256 || target as asked from evaluations
        where run_id in (select unnest(?::uuid[])) order by time
    """
    rows = store.read(sql, [[one.run_id for one in found]]).rows
    by_model: dict[tuple[str, str], dict[str, str]] = {}
    for evaluation_id, run_id, sha256, asked in rows:
        known = by_model.setdefault((run_id, sha256), {})
        known.pop(asked, None)  # the last one comes last
        known[asked] = evaluation_id
    mine = [by_model.get((one.run_id, one.sha256), {}) for one in found]
    shared = _most(asked for known in mine for asked in known)
    chosen = [known.get(shared) or next(reversed(known.values()), None) for known in mine]
    return [None if one is None else evaluations.get(store, one) for one in chosen]


def _most(found: Iterable[str]) -> str:
    """The commonest, of equally common ones the last."""
    counts: dict[str, int] = {}
    for one in found:
        counts[one] = counts.pop(one, 0) + 1
    return max(reversed(counts), key=lambda one: counts[one], default="")


def _shared(found: Iterable[Evaluation | None]) -> str:
    return _most(one.rows_sha256 for one in found if one is not None)


def _of_evaluations(sides: Sequence[Side]) -> list[Row]:
    """A row for each metric that was measured, then for the columns that matter."""
    told: list[Row] = []
    found = [None if side.evaluation is None else side.evaluation.assessment for side in sides]
    known = [one for one in found if one is not None]
    for metric in [
        metric for task, metrics in METRICS.items() if any(one.task == task for one in known) for metric in metrics
    ]:
        measured = [None if one is None else one.of(metric.name) for one in found]
        if any(row.key == metric.name for row in told) or not any(measured):
            continue
        better = metric.better if metric.better != "none" else None
        unit = known[-1].unit if metric.unit == "target" else None
        cells = tuple(None if one is None else _clear(one.value) for one in measured)
        told.append(Row("evaluation", metric.name, cells, better, unit or None))
    drops = [{} if one is None else {" and ".join(it.columns): it.drop for it in one.importance} for one in found]
    names = sorted({name for one in drops for name in one}, key=lambda name: -max(one.get(name, 0.0) for one in drops))
    told += [
        Row("importance", f"relies on {name}", tuple(_clear(one.get(name), 4) for one in drops))
        for name in names[:_IMPORTANT]
    ]
    return told


def _clear(value: float | None, digits: int = 9) -> float | None:
    """A figure without the digits in which equal models differ by the order of their sums."""
    return None if value is None else float(f"{value:.{digits}g}")


def _of_versions(sides: Sequence[Side]) -> list[Row]:
    """What is known of the versions themselves, and the kind of each column that they take."""
    records = [side.record for side in sides]
    manifests = [record.manifest for record in records]
    told = [
        Row("version", "alias", tuple(", ".join(side.aliases) or None for side in sides)),
        Row("version", "state", tuple(record.state for record in records)),
        Row("version", "registered", tuple(side.created for side in sides)),
        Row("version", "registered by", tuple(record.actor for record in records)),
        Row("version", "model", tuple(manifest.estimator.rpartition(".")[2] for manifest in manifests)),
        Row("version", "format", tuple(manifest.format for manifest in manifests)),
        Row("version", "size", tuple(manifest.size for manifest in manifests), unit="B"),
    ]
    taken = [
        {column.name: column.kind for column in one.signature.columns} if one.signature is not None else {}
        for one in manifests
    ]
    names = dict.fromkeys(name for one in taken for name in one)
    return [*told, *(Row("signature", f"takes {name}", tuple(one.get(name) for one in taken)) for name in names)]


def _told(one: Interval | None, unit: str = "") -> str | None:
    """A figure with its interval: "4.72 (4.35 to 5.26)"."""
    if one is None or one.value is None:
        return None
    if one.low is None or one.high is None:
        return with_unit(figures([one.value], abs(one.value) / 100)[0], unit)
    return interval(figures([one.value, one.low, one.high], (one.high - one.low) / 2), unit)


def _unit(task: str, metric: str, unit: str) -> str:
    return (
        unit
        if any(
            one.name == metric and one.unit == "target"
            for kind, known in METRICS.items()
            if kind == task
            for one in known
        )
        else ""
    )
