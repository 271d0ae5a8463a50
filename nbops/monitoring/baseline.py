"""What a version is held against: the profile of its reference with that of its answers in the laboratory, and the laboratory's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from nbops.data.profile import Profile
from nbops.data.variation import Variation
from nbops.errors import NotFound
from nbops.monitoring.kept import KeepBaseline
from nbops.records import Record
from nbops.registry import evaluations, facts
from nbops.registry.baselines import TRUTH, is_answer, with_answers
from nbops.registry.evaluations import Evaluation, Subject
from nbops.registry.models import ModelVersion, load_blob
from nbops.store.client import Store

if TYPE_CHECKING:
    import pandas as pd


class Baseline(Record):
    """A profile that windows are made like, and how much its days, weeks and months differ in themselves."""

    profile: Profile
    variation: Variation = {}


def stored(store: Store, model: str, version: int) -> Baseline | None:
    """What is kept of a version, if anything is."""
    sql = "select profile, variation from profiles where model = ? and version = ? and kind = 'reference'"
    found = store.read(sql, [model, version]).rows
    if not found:
        return None
    variation = msgspec.json.decode(found[0][1], type=Variation) if found[0][1] else {}
    return Baseline(Profile.from_json(found[0][0]), variation)


def keep(store: Store, model: str, version: int, baseline: Baseline) -> None:
    """Hold a version against this from now on."""
    store.write(
        KeepBaseline(
            model=model,
            version=version,
            rows=baseline.profile.rows,
            profile=baseline.profile.to_json().decode(),
            variation=msgspec.json.encode(baseline.variation).decode(),
        )
    )


def of_version(store: Store, version: ModelVersion, laboratory: pd.DataFrame | None) -> Baseline | None:
    """What a version is held against: its reference, with its answers to the laboratory's rows; None without a reference.

    What was kept at its registration is completed with the answers once they are known.
    """
    known = stored(store, version.model, version.version)
    if known is None:
        told = facts.read(store, version)
        known = Baseline(told.profile, told.variation) if told.profile is not None else None
    if known is None:
        return None
    if laboratory is not None and not any(map(is_answer, known.profile.columns)):
        profile = with_answers(known.profile, version.manifest, laboratory)
        known = msgspec.structs.replace(known, profile=profile)
        keep(store, version.model, version.version, known)
    return known


def evaluation(store: Store, version: ModelVersion) -> Evaluation | None:
    """The evaluation that a version is held to: that of the review by which it was approved last, else its first one."""
    sql = """
        with approved as (
            select json_extract_string(a.verdict, '$.evaluation_id') as evaluation_id, a.time
            from reviews r join review_acts a on a.review_id = r.review_id and a.outcome = 'done' and a.act = 'approve'
            where r.model = ? and r.version = ?
        )
        select e.evaluation_id::varchar from evaluations e left join approved a on a.evaluation_id = e.evaluation_id::varchar
        where e.run_id = ? and e.sha256 = ?
        order by a.time desc nulls last, e.time limit 1
    """
    found = store.read(sql, [version.model, version.version, version.run_id, version.sha256]).rows
    return evaluations.get(store, found[0][0]) if found else None


def laboratory(store: Store, version: ModelVersion, held: Evaluation) -> pd.DataFrame:
    """The rows of an evaluation as predictions are logged: `_prediction`, `_p_CLASS`, `_label`, `_time` where it had one, and all columns.

    Answers that an older nbops did not keep are asked for again.
    """
    import pandas as pd

    rows = evaluations.rows_of(store, held)
    answers = evaluations.answers_of(held)
    if answers is None:
        answers = _asked_again(store, version, held, rows)
    told = pd.concat([rows, answers], axis="columns").assign(**{TRUTH: _truth(rows[held.asked.target], held)})
    if held.asked.time is not None:
        told["_time"] = pd.to_datetime(rows[held.asked.time], utc=True)
    return told


def _truth(column: pd.Series, held: Evaluation) -> pd.Series:
    """What was true, as labels are written: a number, or the class as text."""
    from nbops.evaluation.answers import class_name

    if held.assessment.task == "regression":
        return column.astype("float64")
    return column.map(class_name, na_action="ignore")


def _asked_again(store: Store, version: ModelVersion, held: Evaluation, rows: pd.DataFrame) -> pd.DataFrame:
    from nbops.evaluation.assessing import answered

    shown = f"{version.model}/{version.version}"
    subject = Subject(load_blob(store, version.run_id, version.sha256, shown))
    found = answered(subject, rows, subject.features(held.asked), held.asked)
    if found.without_truth:
        raise NotFound(f"Some rows of an evaluation of {shown} have no truth.", hint="Evaluate it again.")
    return found.frame()
