"""What the gate looks at, gathered: the candidate and today's champion asked about the same stored rows, and all else that is known.

What flows in are names and stored rows; what flows out is an `Inquiry`: policy, evidence and verdict, which is kept with the review.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from nbops.errors import ModelError, NotFound, UsageError
from nbops.evaluation import policy as policies
from nbops.evaluation.answers import Answers
from nbops.evaluation.assessing import Asked, answered, by_row, default_metric
from nbops.evaluation.assumptions import hold
from nbops.evaluation.bootstrap import Interval, Paired, intervals, paired
from nbops.evaluation.calibration import calibrate, calibrate_regression
from nbops.evaluation.evidence import Evidence, Part, Told, Verdict
from nbops.evaluation.gate import gate
from nbops.evaluation.metrics import METRICS, measure
from nbops.evaluation.policy import Policy
from nbops.evaluation.slices import Slice, by_slices
from nbops.evaluation.telling import Scale
from nbops.monitoring import incidents
from nbops.records import Record
from nbops.registry import evaluations, models
from nbops.registry.card import Card
from nbops.registry.evaluations import Evaluation, Subject
from nbops.registry.models import LoadedModel, ModelVersion
from nbops.registry.signature import Signature
from nbops.store.client import Store

if TYPE_CHECKING:
    import pandas as pd

_TUNING = ("train", "valid", "tun", "calib", "dev")
_CALLS = 15


class Inquiry(Record):
    """What the gate was given and what it said; `evaluation_id` names the stored rows, `holder` the version under the alias."""

    model: str
    version: int
    alias: str
    holder: int | None
    evaluation_id: str
    policy: Policy
    evidence: Evidence
    verdict: Verdict


class _Scored(NamedTuple):
    """A version and its answers on the rows."""

    version: ModelVersion
    loaded: LoadedModel
    answers: Answers


class _Beside(NamedTuple):
    """The candidate beside the champion, and the champion alone; or why there is neither."""

    paired: Paired | None = None
    alone: Interval | None = None
    why_not: str = ""


def inquire(
    store: Store,
    model: str,
    version: int,
    alias: str,
    *,
    waiver: str = "",
    evaluation_id: str | None = None,
    against: int | None = None,
    trust: Collection[str] | bool = (),
) -> Inquiry:
    """Hold a version against its alias' holder, or the version `against`, on the rows of its last evaluation, or of the one that is named.

    Raises NotFound when it was never evaluated, and ModelError when a model's answers cannot be judged.
    """
    candidate = models.version(store, model, version)
    if evaluation_id is None:
        evaluation = evaluations.latest(store, candidate.run_id, candidate.sha256)
    else:
        evaluation = evaluations.get(store, evaluation_id)
    card = evaluations.card_of(store, model)
    holder = against if against is not None else _holder(store, model, alias)
    case = _Case(store, candidate, evaluation, card, trust)
    policy, evidence = case.evidence(holder if holder != version else None, waiver)
    return Inquiry(
        model=model,
        version=version,
        alias=alias,
        holder=holder,
        evaluation_id=evaluation.evaluation_id,
        policy=policy,
        evidence=evidence,
        verdict=gate(policy, evidence),
    )


class _Case:
    """A candidate, and the rows on which it is judged."""

    def __init__(
        self,
        store: Store,
        version: ModelVersion,
        evaluation: Evaluation,
        card: Card,
        trust: Collection[str] | bool,  # noqa: FBT001 - as people say it
    ) -> None:
        self.store, self.evaluation, self.card, self.trust = store, evaluation, card, trust
        self.asked: Asked = evaluation.asked
        self.rows: pd.DataFrame = evaluations.rows_of(store, evaluation)
        self.own = self._scored(version)
        told = policies.of(card.gate, f"the policy of {version.model}")
        self.policy = msgspec.structs.replace(told, metric=told.metric or default_metric(self.own.answers))
        self.unit = self.asked.unit or card.unit

    def evidence(self, holder: int | None, waiver: str) -> tuple[Policy, Evidence]:
        """Everything that the policy may ask for."""
        own, policy = self.own.answers, self.policy
        champion = None if holder is None else models.version(self.store, self.own.version.model, holder)
        found = _Beside() if champion is None else self._compared(champion)
        names = dict.fromkeys([policy.metric, *(name for name in policy.limits if _is_metric(own, name))])
        units = {one.name: self.unit for one in METRICS[own.task] if one.unit == "target"}
        return policy, Evidence(
            rows=own.rows,
            metrics=intervals(own, names),
            blocks=None if own.blocks is None else len(set(own.blocks.tolist())),
            units=units,
            champion=None if champion is None else f"{champion.model}/{champion.version}",
            paired=found.paired,
            incomparable=found.why_not,
            beside=found.alone,
            tuned=self._tuned(champion),
            parts=self._parts() if policy.slices is not None else None,
            calibration_error=self._calibration() if policy.calibration is not None else None,
            cases=self._cases() if policy.cases else (),
            signature=None if champion is None else differences(self.own.version, champion),
            latency_ms=self._latency() if policy.latency_ms is not None else None,
            assumptions=self._assumptions() if policy.assumptions else (),
            incidents=self._broken() if policy.incidents else (),
            failed_run=bool(self.own.version.doubt),
            waiver=waiver,
        )

    def _scored(self, version: ModelVersion) -> _Scored:
        shown = f"{version.model}/{version.version}"
        loaded = models.load_blob(self.store, version.run_id, version.sha256, shown, trust=self.trust)
        rule = loaded.manifest.rule
        asked = self.asked if rule is None else msgspec.structs.replace(self.asked, rule=rule)
        subject = Subject(loaded)
        return _Scored(version, loaded, answered(subject, self.rows, subject.features(asked), asked))

    def _compared(self, champion: ModelVersion) -> _Beside:
        """The candidate beside the champion on the same rows, and the champion alone, or why it cannot be asked about them."""
        metric = self.policy.metric
        try:
            other = self._scored(champion).answers
            return _Beside(paired(other, self.own.answers, metric), intervals(other, [metric])[metric])
        except (ModelError, NotFound, UsageError) as error:
            return _Beside(why_not=error.message)

    def _tuned(self, champion: ModelVersion | None) -> tuple[str, ...]:
        """What else these rows were used for, as far as runs and reviews tell."""
        told: list[str] = []
        digest, own = self.evaluation.data_digest, self.own.version
        for version in (own, champion):
            if version is None:
                continue
            names = self.store.read(
                "select name from run_inputs where run_id = ? and digest = ?", [version.run_id, digest]
            ).rows
            if any(str(name).lower().startswith(_TUNING) for (name,) in names):
                told.append(f"training {version.model}/{version.version}")
            rule = version.manifest.rule
            if rule is not None and rule.chosen_on in {digest, self.evaluation.rows_sha256}:
                told.append(f"choosing the threshold of {version.model}/{version.version}")
        if champion is not None and self._chosen_on_them(champion):
            told.append(f"choosing {champion.model}/{champion.version}")
        return tuple(told)

    def _chosen_on_them(self, champion: ModelVersion) -> bool:
        """Whether these rows decided the review that made the champion."""
        sql = """
            select 1 from reviews r
            join review_acts a on a.review_id = r.review_id and a.act = 'approve' and a.outcome = 'done'
            join evaluations e on e.evaluation_id::varchar = json_extract_string(a.verdict, '$.evaluation_id')
            where r.model = ? and r.version = ? and e.rows_sha256 = ? limit 1
        """
        values = [champion.model, champion.version, self.evaluation.rows_sha256]
        return bool(self.store.read(sql, values).rows)

    def _parts(self) -> tuple[Part, ...] | None:
        if not self.asked.slices:
            return None
        own, name = self.own.answers, self.policy.metric
        each, scale = by_row(own, name)
        given: Any = each if each is not None else lambda rows: measure(own.take(rows), [name])[name]
        overall = measure(own, [name])[name]
        found = by_slices(self.rows, self.asked.slices, given, scale=scale, blocks=own.blocks)
        return tuple(_part(one, scale, overall) for one in found)

    def _calibration(self) -> float | None:
        own = self.own.answers
        if own.probabilities is not None:
            return calibrate(own.truth, own.probabilities, blocks=own.blocks).debiased.value
        return calibrate_regression(own.truth, own.predicted).error if own.task == "regression" else None

    def _cases(self) -> tuple[Told, ...]:
        try:
            found = evaluations.tried(self.store, self.own.loaded, self.card, self.unit)
        except UsageError as error:
            return (Told("all", passed=False, sentence=error.message),)
        return tuple(Told(one.name, one.passed, one.sentence) for one in found)

    def _assumptions(self) -> tuple[Told, ...]:
        asked = self.card.assumptions or self.asked.assumptions
        return tuple(Told(one.sentence, one.holds, one.told) for one in hold(self.rows, asked)) if asked else ()

    def _broken(self) -> tuple[str, ...]:
        """What is broken in the model's data now: no version is judged on it. That the champion is bad keeps nobody from its place."""
        return tuple(incidents.breaks(self.store, self.own.version.model))

    def _latency(self) -> float:
        """Milliseconds that the answer for one row takes on one core: the fastest of some calls, for a busy machine makes it longer only.

        Several threads have nothing to share in one row, and wait a second for each other where other processes have the cores.
        """
        from threadpoolctl import threadpool_limits

        loaded, row = self.own.loaded, self.rows.head(1)
        taken = []
        with threadpool_limits(1):
            loaded.predict(row)
            for _ in range(_CALLS):
                begun = time.perf_counter()
                loaded.predict(row)
                taken.append(time.perf_counter() - begun)
        return 1000 * min(taken)


def differences(candidate: ModelVersion, champion: ModelVersion) -> tuple[str, ...]:
    """What a caller of the champion would have to change for the candidate: columns that it needs besides, kinds, classes, methods."""
    one, other = candidate.manifest, champion.manifest
    told = [*_columns(one.signature, other.signature)]
    if one.task != other.task:
        told.append(f"it is a {one.task}, the champion a {other.task}")
    if one.output.classes != other.output.classes:
        told.append(f"its classes are {_listed(one.output.classes)}, the champion's {_listed(other.output.classes)}")
    if missing := [name for name in other.output.methods if name not in one.output.methods]:
        told.append(f"it has no {', '.join(missing)}")
    return tuple(told)


def _columns(one: Signature | None, other: Signature | None) -> list[str]:
    if one is None or other is None:
        return []
    known = {column.name: column for column in other.columns}
    told = [f"it needs {column.name!r}" for column in one.columns if column.name not in known]
    for column in one.columns:
        there = known.get(column.name)
        if there is not None and there.kind != column.kind and {there.kind, column.kind} != {"int", "float"}:
            told.append(f"{column.name!r} is {column.kind}, for the champion {there.kind}")
    return told


def _listed(classes: Collection[object] | None) -> str:
    return "not known" if classes is None else ", ".join(map(str, classes))


def _part(one: Slice, scale: Scale, overall: float) -> Part:
    """How much worse a slice is than all rows; where it is better, below zero."""
    gap, ends = scale.worse(one.metric - overall), (scale.worse(one.difference_low), scale.worse(one.difference_high))
    return Part(
        name=f"{one.column} = {one.group}",
        rows=one.rows,
        value=None if math.isnan(one.metric) else one.metric,
        gap=None if math.isnan(gap) else gap,
        low=None if any(map(math.isnan, ends)) else min(ends),
    )


def _is_metric(own: Answers, name: str) -> bool:
    return any(one.name == name for one in METRICS[own.task])


def _holder(store: Store, model: str, alias: str) -> int | None:
    found = store.read("select version from aliases where model = ? and alias = ?", [model, alias]).rows
    return int(found[0][0]) if found else None
