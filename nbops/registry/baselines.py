"""What a version will be held against in use: the profile of its reference, with that of its answers to the rows it was evaluated on."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from nbops.data.counts import Categories
from nbops.data.profile import ColumnProfile, Profile
from nbops.errors import NbopsError
from nbops.evaluation.answers import class_name
from nbops.evaluation.decision import Label, decide
from nbops.records import Record
from nbops.registry.formats import Manifest
from nbops.store.client import Store

if TYPE_CHECKING:
    import pandas as pd

TRUTH = "_label"
"""The column of what turned out to be true, beside `_prediction`."""


class Reference(Record):
    """A `Profile` and a `Variation`, both as JSON."""

    rows: int
    profile: str
    variation: str | None


def reference(store: Store, run_id: str, sha256: str, manifest: Manifest) -> Reference | None:
    """That of a run's logged model, with its answers if it was evaluated; None where it was logged without a reference.

    Raises StoreCorrupt.
    """
    origin = manifest.origin
    if origin is None or origin.profile is None:
        return None
    profile = Profile.from_json(store.get_blob(origin.profile))
    found = store.read(
        "select report_sha256 from evaluations where run_id = ? and sha256 = ? order by time limit 1",
        [run_id, sha256],
    ).rows
    # An evaluation that cannot be read keeps no model from being registered.
    with contextlib.suppress(NbopsError, msgspec.DecodeError):
        answers = _answers(store, found[0][0]) if found else None
        if answers is not None:
            profile = with_answers(profile, manifest, answers)
    variation = store.get_blob(origin.variation).decode() if origin.variation else None
    return Reference(profile.rows, profile.to_json().decode(), variation)


class _Report(Record):
    """What is needed here of `evaluations.Report`."""

    answers: bytes = b""


def _answers(store: Store, report: str) -> pd.DataFrame | None:
    import pandas as pd

    kept = msgspec.msgpack.decode(store.get_blob(report), type=_Report).answers
    return pd.read_parquet(io.BytesIO(kept)) if kept else None


def with_answers(profile: Profile, manifest: Manifest, answers: pd.DataFrame) -> Profile:
    """The profile with the columns of what the model said, and its target as labels are written.

    Where a rule decides, its `_decision` is there as it is logged. An evaluation of two classes goes by it, too, and does not tell the
    model's own `_prediction`.
    """
    import pandas as pd

    from nbops.data.profiling import profile as profiled

    answers = answers[[name for name in answers.columns if is_answer(name)]]
    rule, classes = manifest.rule, manifest.output.classes or ()
    shares = [f"_p_{class_name(label)}" for label in classes]
    if rule is not None and rule.response == "predict_proba" and shares and {*shares} <= {*answers.columns}:
        decided = decide(rule, answers[shares], classes)
        told = [None if label is None else class_name(label) for label in decided]
        own = [name for name in answers.columns if name != "_prediction" or rule.positive is None]
        answers = answers[own].assign(_decision=pd.array(told, dtype="string"))
    target = manifest.output.name or ""
    columns = {name: one for name, one in profile.columns.items() if name != target}
    truth = profile.columns.get(target)
    if truth is not None and manifest.output.classes:
        truth = _as_labels(truth, manifest.output.classes)
    if truth is not None:
        columns[TRUTH] = truth
    return Profile(profile.rows, columns | profiled(answers).columns)


def is_answer(column: str) -> bool:
    """Whether a column holds what the model said, or what was decided by it."""
    return column in {"_prediction", "_decision"} or column.startswith("_p_")


def _as_labels(truth: ColumnProfile, classes: Sequence[Label]) -> ColumnProfile | None:
    """A profile of classes of any kind as one of their names; None where they cannot be told."""
    found: dict[str, int] = {}
    if truth.numbers is not None and truth.numbers.atoms:
        found = {class_name(edge): count for edge, count in zip(truth.numbers.edges, truth.numbers.at, strict=True)}
    elif truth.categories is not None:
        names = {str(label).lower() if isinstance(label, bool) else str(label): class_name(label) for label in classes}
        found = {
            names.get(level, level): count
            for level, count in zip(truth.categories.levels, truth.categories.counts, strict=True)
        }
    counts = [found.get(class_name(label), 0) for label in classes]
    if sum(counts) != truth.rows - truth.nulls:
        return None
    told = Categories(levels=tuple(map(class_name, classes)), counts=tuple(counts))
    return ColumnProfile("VARCHAR", "category", truth.rows, truth.nulls, sum(map(bool, counts)), categories=told)
