"""How logged models did on rows with known truth: measured once, and kept with the rows, so that others can be held against the same."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.errors import Ambiguous, NotFound, ParameterError, StoreCorrupt
from nbops.evaluation import assessing, cases
from nbops.evaluation.assessing import Asked
from nbops.evaluation.assessment import Assessment
from nbops.evaluation.cases import CaseResult
from nbops.evaluation.metrics import metric
from nbops.evaluation.sizing import Sizing, size
from nbops.records import Record, new_id, short
from nbops.registry import formats, models
from nbops.registry.card import Card
from nbops.registry.formats import Manifest, Vouching
from nbops.registry.models import LoadedModel
from nbops.registry.natives import predicting
from nbops.registry.requests import KeepEvaluation, Measured
from nbops.store.client import Store
from nbops.tracking import artifacts

if TYPE_CHECKING:
    import pandas as pd

_SIZED_ROWS = 1000
_CANDIDATES = 5
_SHORTEST = 4


class Report(Record):
    """What is kept as one blob: what was asked, and what was found."""

    asked: Asked
    assessment: Assessment


class Evaluation(Record):
    """A stored evaluation of what `reference` names; `sha256` is the model's.

    `data_digest` is that of the rows as they were given, `rows_sha256` that of those kept.
    """

    evaluation_id: str
    reference: str
    run_id: str
    sha256: str
    data_name: str
    data_digest: str
    rows_sha256: str
    asked: Asked
    assessment: Assessment


class Subject:
    """A loaded model as `nbops.evaluation` asks it."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        estimator = loaded.estimator
        if hasattr(estimator, "classes_"):
            self.classes_ = estimator.classes_
        if hasattr(estimator, "predict_proba"):
            self.predict_proba: Callable[[Any], Any] = estimator.predict_proba

    def predict(self, features: Any) -> Any:
        """What the estimator says of prepared rows."""
        return self.loaded.estimator.predict(predicting(self.loaded.estimator, features))


def evaluate(
    store: Store,
    reference: str,
    data: Any,
    asked: Asked,
    *,
    logged: str = "model",
    sizing: bool = False,
    trust: Collection[str] | bool = (),
) -> Evaluation:
    """Hold the model that `reference` means against rows, and keep what was found, and the rows.

    What its card says of assumptions and acceptance cases is tried, too. Raises NotFound, UsageError and ModelError.
    """
    run_id, sha256, shown = models.resolve(store, reference, logged)
    loaded = models.load_blob(store, run_id, sha256, shown, trust=trust)
    frame = frame_of(data)
    described = artifacts.describe(data, "data", store.settings.project)
    if asked.rule is None and loaded.manifest.rule is not None:
        asked = msgspec.structs.replace(asked, rule=loaded.manifest.rule)
    card = card_of(store, run_id, sha256)
    if card is not None and card.assumptions and not asked.assumptions:
        asked = msgspec.structs.replace(asked, assumptions=card.assumptions)
    if card is not None and card.unit and not asked.unit:
        asked = msgspec.structs.replace(asked, unit=card.unit)
    rows = assessing.rows_of(frame, asked)
    kept = _parquet(rows)
    found = assessing.assess(Subject(loaded), rows, loaded.prepared, asked)
    found = msgspec.structs.replace(
        found,
        given=len(frame),
        without_truth=int(frame[asked.target].isna().sum()),
        cases=tried(store, loaded, card, asked.unit),
        sizing=_sized(store, (run_id, sha256), loaded, rows, trust) if sizing else None,
    )
    return _keep(store, (shown, run_id, sha256), (described.source, described.digest), kept, Report(asked, found))


def benchmark(store: Store, reference: str, data: Any = None, *, trust: Collection[str] | bool = ()) -> Sizing:
    """What the model that `reference` means needs, measured now on `data`, or on rows of its last evaluation; nothing is kept.

    Raises NotFound when it was never evaluated and no rows are given.
    """
    run_id, sha256, shown = models.resolve(store, reference)
    rows = rows_of(store, latest(store, run_id, sha256)) if data is None else frame_of(data)
    return _sized(store, (run_id, sha256), models.load_blob(store, run_id, sha256, shown, trust=trust), rows, trust)


def latest(store: Store, run_id: str, sha256: str, *, target: str | None = None) -> Evaluation:
    """The last evaluation of a run's model. Raises NotFound with how to make one."""
    sql = """
        select evaluation_id::varchar from evaluations
        where run_id = ? and sha256 = ? and (? is null or target = ?) order by time desc limit 1
    """
    found = store.read(sql, [run_id, sha256, target, target]).rows
    if not found:
        raise NotFound(
            "This version was never held against rows with known truth.",
            hint='Evaluate it first: `version.evaluate(test, target="…")` or `nbops models evaluate NAME/VERSION FILE`.',
        )
    return get(store, found[0][0])


def find(store: Store, text: str) -> str:
    """The id of the evaluation that a person means by a full id or its last digits. Raises NotFound or Ambiguous."""
    wanted = text.strip().lower()
    rows = store.read(
        "select distinct evaluation_id::varchar, data_name from evaluations"
        " where evaluation_id::varchar = ? or (? >= ? and ends_with(evaluation_id::varchar, ?)) order by 1 desc limit ?",
        [wanted, len(wanted), _SHORTEST, wanted, _CANDIDATES + 1],
    ).rows
    if not rows:
        raise NotFound(f"There is no evaluation {text!r}.", hint="`nbops sql 'select * from evaluations'` shows them.")
    if len(rows) > 1:
        told = "; ".join(f"{short(key)} (on {name})" for key, name in rows)
        raise Ambiguous(f"{text!r} fits several evaluations.", hint=f"Use more of its digits. The newest: {told}")
    return str(rows[0][0])


def get(store: Store, evaluation_id: str) -> Evaluation:
    """A stored evaluation. Raises NotFound, StoreCorrupt."""
    sql = """
        select model, version, run_id::varchar, sha256, data_name, data_digest, rows_sha256, report_sha256 from evaluations
        where evaluation_id = ?::uuid limit 1
    """
    rows = store.read(sql, [evaluation_id]).rows
    if not rows:
        raise NotFound(f"There is no evaluation {evaluation_id}.", hint="`select * from evaluations` shows them.")
    model, version, run_id, *fields, report = rows[0]
    try:
        told = msgspec.msgpack.decode(store.get_blob(report), type=Report)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(
            f"The report of evaluation {evaluation_id} cannot be read: {error}",
            hint="If a newer nbops made it, update this one; else evaluate again.",
        ) from error
    reference = f"{model}/{version}" if model else f"run {short(run_id)}"
    names = ("sha256", "data_name", "data_digest", "rows_sha256")
    kept = dict(zip(names, fields, strict=True))
    return Evaluation(
        evaluation_id=evaluation_id, reference=reference, run_id=run_id, asked=told.asked, assessment=told.assessment, **kept
    )  # fmt: skip


def rows_of(store: Store, evaluation: Evaluation) -> pd.DataFrame:
    """The rows that a model was held against, verified."""
    import pandas as pd

    return pd.read_parquet(io.BytesIO(store.get_blob(evaluation.rows_sha256)))


def card_of(store: Store, run_id: str, sha256: str) -> Card | None:
    """The card of the model that this became a version of, if it did."""
    sql = """
        select c.card from model_cards c join model_versions v on v.model = c.model
        where v.run_id = ? and v.sha256 = ? order by v.version desc limit 1
    """
    found = store.read(sql, [run_id, sha256]).rows
    return msgspec.json.decode(found[0][0], type=Card) if found else None


def tried(store: Store, loaded: LoadedModel, card: Card | None, unit: str) -> tuple[CaseResult, ...]:
    """How the process owner's acceptance cases go; columns that only other versions take are not read.

    Raises UsageError when they do not fit the model.
    """
    if card is None or card.cases is None:
        return ()
    kinds = _kinds(loaded.manifest)
    others = {name for manifest in _manifests(store, loaded.reference) for name in _kinds(manifest)} - {*kinds}
    asked = cases.read(store.blob_path(card.cases), kinds, others=others, source="The acceptance cases")
    return cases.judge(loaded.predict(asked.frame), asked.cases, unit=unit)


def _kinds(manifest: Manifest) -> dict[str, str]:
    return {column.name: column.kind for column in manifest.signature.columns} if manifest.signature is not None else {}


def _manifests(store: Store, reference: str) -> list[Manifest]:
    """Those of all versions of the model that a reference such as "NAME/3" names."""
    return [one.manifest for one in models.versions(store, reference.rpartition("/")[0])]


def _sized(
    store: Store,
    model: tuple[str, str],
    loaded: LoadedModel,
    rows: pd.DataFrame,
    trust: Collection[str] | bool,  # noqa: FBT001 - as people say it
) -> Sizing:
    run_id, sha256 = model
    given = loaded.prepared(rows.head(_SIZED_ROWS))
    vouched = models.vouching(store, run_id, formats.look(store.get_blob(sha256)), trust)
    load = functools.partial(_predictor, str(store.blob_path(sha256)), vouched)
    return size(lambda some: loaded.estimator.predict(predicting(loaded.estimator, some)), given, load=load)


def _predictor(path: str, vouched: Vouching) -> Callable[[Any], object]:
    """The function that predicts, of a model in a file: what a fresh process measures."""
    estimator = formats.build(formats.look(Path(path).read_bytes()), vouched).estimator
    return lambda rows: estimator.predict(predicting(estimator, rows))


def _keep(store: Store, model: tuple[str, str, str], data: tuple[str, str], rows: bytes, report: Report) -> Evaluation:
    found, asked = report.assessment, report.asked
    evaluation_id = new_id()
    kept, told = store.put_blob(rows), store.put_blob(msgspec.msgpack.encode(report))
    measured = [
        Measured(
            one.metric, one.value, one.low, one.high, asked.unit if metric(found.task, one.metric).unit == "target" else ""
        )
        for one in found.metrics
    ]  # fmt: skip
    store.write(
        KeepEvaluation(
            evaluation_id=evaluation_id,
            run_id=model[1],
            sha256=model[2],
            target=asked.target,
            task=found.task,
            metric=found.metric,
            unit=found.unit,
            rows=found.rows,
            blocks=found.blocks,
            data_name=data[0],
            data_digest=data[1],
            rows_sha256=kept.sha256,
            report_sha256=told.sha256,
            metrics=measured,
        )
    )
    return Evaluation(evaluation_id, *model, *data, rows_sha256=kept.sha256, asked=asked, assessment=found)


def frame_of(data: Any) -> pd.DataFrame:
    """The rows as a DataFrame: a frame, a version of data, or a Parquet or CSV file. Raises NotFound."""
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    if hasattr(data, "frame") and callable(data.frame):
        told: pd.DataFrame = data.frame()
        return told
    path = Path(data)
    if not path.is_file():
        raise NotFound(f"There is no file {str(path)!r}.", hint=f"The current folder is {Path.cwd()}.")
    return pd.read_csv(path) if path.suffix in {".csv", ".tsv", ".txt"} else pd.read_parquet(path)


def _parquet(rows: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    try:
        rows.to_parquet(buffer, index=False, compression="zstd")
    except (ValueError, TypeError, NotImplementedError, OSError) as error:
        raise ParameterError(
            f"The rows cannot be kept as Parquet: {error}.",
            hint="Columns need text names and one type each; convert or leave out the one that is named.",
        ) from error
    return buffer.getvalue()
