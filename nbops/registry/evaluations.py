"""How logged models did on rows with known truth: measured once, and kept with the rows, so that others can be held against the same."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.errors import Ambiguous, NotFound, ParameterError, StoreCorrupt, UsageError
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
    """What is kept as one blob: what was asked, what was found, and the model's answers as Parquet, row by row (see `answers_of`)."""

    asked: Asked
    assessment: Assessment
    answers: bytes = b""


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
    answers: bytes = b""


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

    def features(self, asked: Asked) -> Callable[[pd.DataFrame], Any]:
        """What makes of rows what the model takes.

        Where it does not know its columns it takes all that the question does not name, and a single one as a Series: texts, mostly.
        """

        def prepared(rows: pd.DataFrame) -> Any:
            known = self.loaded.prepared(rows)
            if known is not rows:
                return known
            rest = rows.drop(columns=[name for name in assessing.named(asked) if name in rows.columns])
            return rest.iloc[:, 0] if rest.shape[1] == 1 else rest

        return prepared


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
    if not asked.target:
        asked = msgspec.structs.replace(asked, target=_target(loaded))
    frame = frame_of(data)
    described = artifacts.describe(frame if _is_table(data) else data, "data", store.settings.project)
    if asked.rule is None and loaded.manifest.rule is not None:
        asked = msgspec.structs.replace(asked, rule=loaded.manifest.rule)
    card = card_of(store, shown.rpartition("/")[0])
    asked = msgspec.structs.replace(
        asked, assumptions=asked.assumptions or card.assumptions, unit=asked.unit or card.unit
    )
    rows = assessing.rows_of(frame, asked)
    kept = _parquet(rows)
    subject = Subject(loaded)
    found, answers = assessing.assess(subject, rows, subject.features(asked), asked)
    results, unfit = _tried(store, loaded, card, asked.unit)
    found = msgspec.structs.replace(
        found,
        given=len(frame),
        without_truth=int(frame[asked.target].isna().sum()),
        cases=results,
        notes=(*found.notes, *unfit),
        sizing=_sized(store, (run_id, sha256), loaded, rows, trust) if sizing else None,
    )
    return _keep(
        store,
        (shown, run_id, sha256),
        (described.source, described.digest),
        kept,
        Report(asked, found, _parquet(answers.frame())),
    )


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
        evaluation_id=evaluation_id, reference=reference, run_id=run_id, asked=told.asked, assessment=told.assessment,
        answers=told.answers, **kept,
    )  # fmt: skip


def rows_of(store: Store, evaluation: Evaluation) -> pd.DataFrame:
    """The rows that a model was held against, verified."""
    import pandas as pd

    return pd.read_parquet(io.BytesIO(store.get_blob(evaluation.rows_sha256)))


def answers_of(evaluation: Evaluation) -> pd.DataFrame | None:
    """What the model answered for each of the rows, as `Answers.frame` gives it; None where an older nbops kept none."""
    import pandas as pd

    return pd.read_parquet(io.BytesIO(evaluation.answers)) if evaluation.answers else None


def card_of(store: Store, model: str) -> Card:
    """What was said last of a model."""
    found = store.read("select card from model_cards where model = ?", [model]).rows
    return msgspec.json.decode(found[0][0], type=Card) if found else Card()


def _tried(store: Store, loaded: LoadedModel, card: Card, unit: str) -> tuple[tuple[CaseResult, ...], tuple[str, ...]]:
    """How the cases go, or a note that says why they cannot be tried."""
    try:
        return tried(store, loaded, card, unit), ()
    except UsageError as error:
        return (), (error.message,)


def tried(store: Store, loaded: LoadedModel, card: Card, unit: str) -> tuple[CaseResult, ...]:
    """How the process owner's acceptance cases go; columns that only other versions take are not read.

    Raises UsageError when they do not fit the model.
    """
    if card.cases is None:
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
    return Evaluation(
        evaluation_id, *model, *data, rows_sha256=kept.sha256, asked=asked, assessment=found, answers=report.answers
    )


def _target(loaded: LoadedModel) -> str:
    if loaded.manifest.output.name is None:
        raise UsageError(
            "It is not known which column holds the truth.",
            hint='Name it: target="air_time". log_model(target=…) remembers it.',
        )
    return loaded.manifest.output.name


def _is_table(data: Any) -> bool:
    return hasattr(data, "to_pandas")


def frame_of(data: Any) -> pd.DataFrame:
    """The rows as a DataFrame: a frame (of polars or Arrow, too), a version of data, or a Parquet or CSV file.

    Raises NotFound, UsageError.
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    if hasattr(data, "frame") and callable(data.frame):
        told: pd.DataFrame = data.frame()
        return told
    if _is_table(data):
        given: pd.DataFrame = data.to_pandas()
        return given
    if not isinstance(data, (str, os.PathLike)):
        raise UsageError(
            f"A {type(data).__name__} holds no rows to judge by.",
            hint="Give a DataFrame, a version of data, or a Parquet or CSV file.",
        )
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
