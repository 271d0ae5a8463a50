"""What `log_predictions`, `log_labels` and `score` do: models and columns are told here, segments are written below."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.data.relation import Files, Query, opened
from nbops.data.snapshots import Snapshot
from nbops.errors import NotFound, UsageError
from nbops.predictions import canonical, joining, labels, segments, writing
from nbops.predictions.segments import Logged, Meaning
from nbops.records import Record
from nbops.registry import evaluations, models
from nbops.workspace import scoring

if TYPE_CHECKING:
    import pandas as pd

    from nbops.registry.models import ModelVersion
    from nbops.store.client import Store


class Columns(Record):
    """What the columns of a frame are, as people say it."""

    ids: str | Sequence[str] | None
    time: str
    prediction: str = scoring.PREDICTION
    decision: str | None = None
    probabilities: Mapping[Any, str] | None = None
    features: bool | Sequence[str] = True

    @property
    def meaning(self) -> Meaning:
        """The same for what writes a segment."""
        features = self.features if isinstance(self.features, bool) else tuple(self.features)
        given = {canonical.class_name(label): column for label, column in (self.probabilities or {}).items()}
        return Meaning(_names(self.ids), self.time, self.prediction, self.decision, given, features)


class Scored(Record):
    """What became of a file: `out` has its rows with what `version` says of them, `logged` is the segment that was kept."""

    version: str
    rows: int
    out: Path | None
    logged: Logged | None


def log(store: Store, version: ModelVersion, data: Any, told: Columns, *, trust: Collection[str] | bool) -> Logged:
    """See `nbops.log_predictions`."""
    rows, meaning = _rows(data), _meaning(told, version)
    there = _there(rows)
    if told.prediction in there:
        _refuse_classes(version, meaning)
        return segments.log(store, version.model, version.version, rows, meaning)
    if told.prediction != scoring.PREDICTION or told.probabilities or told.decision:
        raise NotFound.of(
            "column", told.prediction, there, otherwise="Without any of these columns the version predicts itself."
        )
    loaded = models.load(store, _called(version), trust=trust)
    aside = (*meaning.ids, meaning.time)
    if not isinstance(rows, (str, Files, Query)):
        frame = evaluations.frame_of(rows)
        return _log(store, version, frame.assign(**scoring.answers(loaded, frame, aside)), meaning)
    with writing.temporary(store) as path:
        scoring.score(loaded, rows, aside, path, texts=meaning.ids)
        return _log(store, version, str(path), meaning)


def score(
    store: Store,
    version: ModelVersion,
    file: Path,
    out: Path | None,
    told: Columns | None,
    *,
    ids: Sequence[str] = (),
    trust: Collection[str] | bool = (),
    progress: Callable[[str, int], None] | None = None,
) -> Scored:
    """Write what a version says of a file's rows beside them, whole or not at all, and log it as one segment, as `told`.

    Where it is not logged, `ids` are columns that are no features and of CSV read as they stand there. Raises NotFound, UsageError,
    SourceError for rows that the model does not take, and what loading and logging raise.
    """
    if out is not None:
        scoring.form(out)
        if out.resolve() == file.resolve():
            raise UsageError(f"{out} is the file that is scored.", hint="Name another file to write.")
    loaded = models.load(store, _called(version), trust=trust)
    meaning = None if told is None else _meaning(told, version)
    with writing.temporary(store) as path:
        aside, texts = ((*meaning.ids, meaning.time), meaning.ids) if meaning else (ids, ids)
        rows = scoring.score(loaded, str(file), aside, path, texts=texts, progress=progress)
        if out is not None:
            scoring.put(path, out)
        logged = _log(store, version, str(path), meaning) if meaning else None
    return Scored(_called(version), rows, out, logged)


def log_labels(
    store: Store, model: str, data: Any, ids: str | Sequence[str], label: str, observed: str | None
) -> Logged:
    """See `nbops.log_labels`."""
    found = models.versions(store, model)
    if not found:
        models.known(store, model)
    tasks = {one.manifest.task for one in found} - {"other"}
    return labels.log(
        store, model, _rows(data), ids=_names(ids), label=label, observed=observed,
        numeric=tasks == {"regressor"} if len(tasks) == 1 else None, verbatim=any(_says_texts(one) for one in found),
    )  # fmt: skip


def frame(
    store: Store,
    version: ModelVersion,
    start: datetime | str | None,
    until: datetime | str | None,
    columns: Sequence[str] | None,
) -> pd.DataFrame:
    """See `Version.predictions`."""
    ends = joining.bounds(start, until)
    found = joining.joined(store, version.model, version.version, *ends, columns=columns)
    made: pd.DataFrame = joining.aware(found).to_pandas()
    return made


def _log(store: Store, version: ModelVersion, rows: Any, meaning: Meaning) -> Logged:
    """Log rows with the answers of `scoring`."""
    known = scoring.columns(version.manifest)
    told = msgspec.structs.replace(
        meaning,
        decision=scoring.DECISION if scoring.DECISION in known else None,
        probabilities={label: column for column, label in known.items() if label is not None},
    )
    return segments.log(store, version.model, version.version, rows, told)


def _meaning(told: Columns, version: ModelVersion) -> Meaning:
    """What the columns are, for what a version says."""
    return msgspec.structs.replace(
        told.meaning, classes=scoring.classifies(version.manifest), verbatim=_says_texts(version)
    )


def _says_texts(version: ModelVersion) -> bool:
    """Whether the classes that a version tells apart are texts, also where these look like numbers or truth values."""
    return any(isinstance(label, str) for label in version.manifest.output.classes or ())


def _refuse_classes(version: ModelVersion, meaning: Meaning) -> None:
    """Raise NotFound for probabilities of what is no class of the version."""
    known = [canonical.class_name(label) for label in version.manifest.output.classes or ()]
    for label in meaning.probabilities:
        if known and label not in known:
            raise NotFound.of("class", label, known, otherwise=f"{_called(version)} tells apart: {', '.join(known)}.")


def _rows(data: Any) -> Any:
    """What holds the rows, as `opened` takes it."""
    if isinstance(data, Snapshot):
        return data.files()
    return os.fspath(data) if isinstance(data, (str, os.PathLike)) else data


def _there(rows: Any) -> Collection[str]:
    if hasattr(rows, "iloc"):
        return {str(column) for column in rows.columns}
    with opened(rows) as relation:
        return relation.columns


def _names(ids: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if ids is None else (ids,) if isinstance(ids, str) else tuple(ids)


def _called(version: ModelVersion) -> str:
    return f"{version.model}/{version.version}"
