"""What a version says of rows, in columns of its own: of a frame at once, of a file batch by batch, so that memory does not grow.

The columns are `prediction`, `decision` where the version has a rule, and `p_CLASS` for each probability that it gives.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbops import duck
from nbops.data.relation import Files, Query, Relation, opened
from nbops.data.taking import BATCH, storable
from nbops.duck import literal, name
from nbops.errors import ModelError, NotFound, ParameterError, SourceError, UsageError
from nbops.evaluation.decision import decide
from nbops.predictions import canonical, writing

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from nbops.registry.formats import Manifest
    from nbops.registry.models import LoadedModel

    Answers = dict[str, np.ndarray[Any, Any]]

PREDICTION, DECISION = "prediction", "decision"
_NUMBERS = {"int", "float", "bool"}
_TEXTS = {"str", "category"}
_FORMS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}
_UNFINISHED = re.compile(r"\.(?P<name>.+)\.(?P<process>[1-9]\d*)@(?P<host>.+)")


def classifies(manifest: Manifest) -> bool:
    """Whether predictions are classes, also where they look like numbers."""
    return manifest.task == "classifier"


def columns(manifest: Manifest) -> dict[str, str | None]:
    """The columns of answers, each probability with its class."""
    found: dict[str, str | None] = {PREDICTION: None}
    if manifest.rule is not None:
        found[DECISION] = None
    if classifies(manifest) and "predict_proba" in manifest.output.methods:
        found |= {f"p_{label}": label for label in map(canonical.class_name, manifest.output.classes or ())}
    return found


def answers(loaded: LoadedModel, rows: pd.DataFrame, aside: Collection[str]) -> Answers:
    """What a model says of rows (n, any), each column (n,); `aside` are columns that tell rows apart and are no features.

    Raises NotFound for missing columns, ParameterError for text in a column of numbers, UsageError for columns that are called like
    the answers, SourceError for rows that the model does not take.
    """
    import numpy as np

    manifest = loaded.manifest
    if taken := [column for column in columns(manifest) if column in rows.columns]:
        raise UsageError(
            f"The rows have columns that are called like what the model says: {', '.join(taken)}.",
            hint="Rename them, or leave them out.",
        )
    if not len(rows):
        numbers = {column for column, label in columns(manifest).items() if label is not None}
        numbers |= set() if classifies(manifest) else {PREDICTION}
        return {column: np.empty(0, dtype=np.float64 if column in numbers else object) for column in columns(manifest)}
    given = _features(loaded, rows, aside)
    try:
        return _asked(loaded, given, len(rows))
    except (ValueError, TypeError, KeyError, IndexError, ArithmeticError) as error:
        if isinstance(error, (NotFound, ParameterError, ModelError)):
            raise
        raise SourceError(
            f"{loaded.reference} does not take these rows: {str(error).strip().splitlines()[0]}",
            hint=_why(loaded, rows) or "Look at how the rows that it was trained on were prepared.",
        ) from error


def score(
    loaded: LoadedModel,
    data: str | Files | Query,
    aside: Collection[str],
    path: Path,
    *,
    texts: Collection[str] = (),
    progress: Callable[[str, int], None] | None = None,
) -> int:
    """Write rows with the model's answers behind them to `path`, as Parquet, and give their number.

    Of CSV the columns `texts`, and those that the model takes as text, are read as they stand there. Raises NotFound for an unknown
    column of `aside`, SourceError for rows that the model does not take, telling which; StoreFull.
    """
    import pyarrow.parquet as pq

    known = loaded.manifest.signature
    words = [column.name for column in known.columns if column.kind in _TEXTS] if known else []
    rows = 0
    with opened(data, texts=[*texts, *words]) as given, contextlib.ExitStack() as stack:
        relation = storable(given)
        canonical.known(relation.columns, *aside)
        _refuse_unfit(loaded, relation)
        stack.enter_context(writing.readable())
        batches = duck.batches(relation.connection, f"select * from {relation.sql}", (), BATCH)  # noqa: S608 - a reader
        writer: pq.ParquetWriter | None = None
        for table in writing.regrouped(batches, empty=True):
            made = _beside(table, _answers_of_file(loaded, table, aside, rows))
            if writer is None:
                writer = stack.enter_context(pq.ParquetWriter(path, made.schema, compression="zstd"))
            writer.write_table(made, row_group_size=BATCH)
            rows += table.num_rows
            if progress is not None:
                progress("rows", rows)
        writing.refuse_unreadable(given)
    return rows


def form(out: Path) -> str:
    """How a file is written, as its name says. Raises UsageError."""
    found = _FORMS.get(out.suffix.lower())
    if found is None:
        raise UsageError(f"It cannot be told from its name how {out} is written.", hint=f"Known: {', '.join(_FORMS)}.")
    return found


def put(path: Path, out: Path) -> None:
    """A file of Parquet as `out`, in the form that its name says, whole or not at all. Raises SourceError, UsageError.

    What somebody left in the folder who was killed while writing to it is removed.
    """
    kind = form(out)
    temporary = out.with_name(f".{out.name}.{os.getpid()}@{socket.gethostname()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(out.parent)
        if kind == "parquet":
            shutil.copyfile(path, temporary)
        else:
            _to_csv(path, temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(out)
    except (OSError, duck.errors()) as error:
        raise duck.full(error) or SourceError(
            f"{out} cannot be written: {str(error).splitlines()[0]}", hint="Look whether the folder may be written."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _remove_left(folder: Path) -> None:
    """Remove files that are named as `put` names them and whose process, of this host, is gone."""
    for path in folder.glob(".*@*"):
        told = _UNFINISHED.fullmatch(path.name)
        if told and Path(told["name"]).suffix.lower() in _FORMS and told["host"] == socket.gethostname():
            try:
                os.kill(int(told["process"]), 0)
            except (ProcessLookupError, OverflowError):
                with contextlib.suppress(OSError):
                    path.unlink()
            except PermissionError:  # it is there, and somebody else's
                continue


def _to_csv(path: Path, target: Path) -> None:
    with opened(Files(paths=(str(path),), format="parquet"), writes=[target.parent]) as relation:
        relation.connection.execute(f"copy (from {relation.sql}) to {literal(str(target))} (format csv, header)")


def _asked(loaded: LoadedModel, given: Any, count: int) -> Answers:
    import numpy as np

    estimator, manifest = loaded.estimator, loaded.manifest
    said = np.asarray(loaded.predict(given))
    if said.shape not in {(count,), (count, 1)}:
        raise ModelError(
            f"{loaded.reference} says {said.shape} of {count:,} rows, and one answer for each is logged.",
            hint="Register a model that gives one prediction for each row.",
        )
    said = said.reshape(count)
    found: Answers = {PREDICTION: _as_classes(said) if classifies(manifest) else _as_answers(said)}
    known = columns(manifest)
    labels = [column for column, label in known.items() if label is not None]
    shares = np.asarray(loaded.predict_proba(given), dtype=np.float64) if labels else None
    if manifest.rule is not None:
        known_shares = shares if manifest.rule.response == "predict_proba" else None
        decided = (
            loaded.decide(given) if known_shares is None else decide(manifest.rule, known_shares, _classes(estimator))
        )
        found[DECISION] = _as_classes(np.asarray(decided, dtype=object))
    if shares is not None:
        found |= {column: shares[:, place] for place, column in enumerate(labels)}
    return {column: found[column] for column in known}


def _answers_of_file(loaded: LoadedModel, table: pa.Table, aside: Collection[str], before: int) -> Answers:
    import numpy as np

    frame = table.to_pandas()
    # Arrow's missing text is None, which encoders that were fitted on a CSV file's NaN take for a category of its own.
    texts = {str(column): values for column, values in frame.items() if values.dtype == object}
    frame = frame.assign(**{column: values.where(values.notna(), np.nan) for column, values in texts.items()})
    try:
        return answers(loaded, frame, aside)
    except (NotFound, ParameterError) as error:
        raise SourceError(error.message, hint=error.hint) from error
    except SourceError as error:
        raise SourceError(
            f"Nothing was scored. Among the rows {before + 1:,} to {before + len(frame):,}: {error.message}",
            hint=error.hint,
        ) from error


def _features(loaded: LoadedModel, rows: pd.DataFrame, aside: Collection[str]) -> Any:
    """What of the rows the model looks at: a single column of which it knows nothing is a Series, texts mostly."""
    known = loaded.manifest.signature
    if known is not None and {column.name for column in known.columns} <= {*rows.columns}:
        return _categories(loaded, rows)
    rest = rows.drop(columns=[column for column in aside if column in rows.columns])
    return rest if known is not None or rest.shape[1] != 1 else rest.iloc[:, 0]


def _categories(loaded: LoadedModel, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with categories where the model was fitted on them: files do not keep which columns are."""
    import pandas as pd

    known = loaded.manifest.signature
    columns = known.columns if known else ()
    wanted = [
        one for one in columns if one.kind == "category" and not isinstance(rows[one.name].dtype, pd.CategoricalDtype)
    ]
    if not wanted:
        return rows
    if "xgboost" in loaded.manifest.versions:
        raise SourceError(
            f"{loaded.reference} was fitted on categories ({', '.join(one.name for one in wanted)}), whose order the rows do not tell.",
            hint="Score a DataFrame with the categories of the training data.",
        )
    made = {one.name: pd.Categorical(rows[one.name], categories=one.categories) for one in wanted}
    return rows.assign(**made)


def _as_classes(said: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    texts = [None if label is None else canonical.class_name(label) for label in said.tolist()]
    return np.array(texts, dtype=object)


def _as_answers(said: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    return said.astype(np.float64) if said.dtype.kind in "fiu" else _as_classes(said)


def _classes(estimator: Any) -> list[Any]:
    return [one.item() if hasattr(one, "item") else one for one in estimator.classes_]


def _beside(table: pa.Table, found: Answers) -> pa.Table:
    """The rows with the answers behind them; a column without any value keeps its type from batch to batch."""
    import pyarrow as pa

    for column, values in found.items():
        table = table.append_column(column, pa.array(values, pa.float64() if values.dtype.kind == "f" else pa.string()))
    return table


def _refuse_unfit(loaded: LoadedModel, relation: Relation) -> None:
    """Raise SourceError, telling which rows, when a column of numbers holds text."""
    known = loaded.manifest.signature
    texts = [
        one.name
        for one in (known.columns if known else ())
        if one.kind in _NUMBERS and relation.columns.get(one.name) == "VARCHAR"
    ]
    for column in texts:
        found = writing.faults(relation, f"{name(column)} is not null and try_cast({name(column)} as double) is null")
        if found.rows:
            raise SourceError(
                f"Nothing was scored: the model takes numbers in {column!r}, and {found} {'holds' if found.rows == 1 else 'hold'} text.",
                hint="Mend these rows or leave them out; what is missing stays empty.",
            )


def _why(loaded: LoadedModel, rows: pd.DataFrame) -> str:
    """Which columns lack values that were always there when the model was trained."""
    known = loaded.manifest.signature
    lacking = {
        one.name: int(rows[one.name].isna().sum())
        for one in (known.columns if known else ())
        if not one.nullable and one.name in rows.columns
    }
    told = [f"{column} in {count:,} rows" for column, count in lacking.items() if count]
    return f"Values are missing that never were in training: {', '.join(told)}." if told else ""
