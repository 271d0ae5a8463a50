"""Predictions on their way in: rows of any kind become a file of Parquet with an id, a time and what was said, then a row that names it.

Its columns are `_id`, `_time` (UTC), `_prediction` (a double, or a class as text), `_decision` where there is a rule, `_p_CLASS` for each
probability that is known, and the features under their own names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbops import duck
from nbops.data.canonical import stored_as
from nbops.data.relation import Relation, opened, parquet
from nbops.data.taking import described
from nbops.duck import name
from nbops.errors import SourceError, UsageError
from nbops.predictions import again, canonical, writing
from nbops.predictions.requests import LogPredictions
from nbops.records import Record, new_id
from nbops.store.client import Store


class Meaning(Record):
    """What the columns of a frame are; without `ids` they are made. `features` are kept: all columns left, none, or these.

    `classes` says that predictions are classes even where they are numbers, and `verbatim` that those of CSV are read as they stand
    there, as ids are; `probabilities` are columns by class.
    """

    ids: tuple[str, ...]
    time: str
    prediction: str = "prediction"
    decision: str | None = None
    probabilities: dict[str, str] = {}
    features: bool | tuple[str, ...] = True
    classes: bool = False
    verbatim: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that are texts, whatever they look like."""
        said = (self.prediction, *([self.decision] if self.decision else ())) if self.verbatim else ()
        return (*self.ids, *said)


class Logged(Record):
    """What was logged: `segment` is its id, or that of the segment that had the same rows already (not `new`); none without any row.

    `new` is None where the store could not be reached, and the rows wait in the spool.
    """

    segment: str | None
    rows: int
    new: bool | None
    made: str | None = None

    @property
    def ids(self) -> list[str]:
        """The ids that were made, in the order of the rows. Raises UsageError where the rows brought their own."""
        if self.made is None:
            raise UsageError("These rows brought their own ids.", hint="Ids are made when none are named: id=None.")
        return [f"{self.made}-{row}" for row in range(1, self.rows + 1)]


def log(store: Store, model: str, version: int, data: Any, meaning: Meaning) -> Logged:
    """Keep what a version said of rows, as `nbops.data.relation.opened` takes them; the same again is not kept twice.

    Raises NotFound for a column that is not there, UsageError for one that cannot be what it is said to be, SourceError for rows
    without an id or a time and for ids that name two rows, Conflict, StoreFull.
    """
    segment = new_id()
    with writing.temporary(store) as path:
        with opened(data, texts=meaning.texts, reads=[path]) as relation:
            rows = writing.write(_said(relation, meaning, segment), path, ("_id", "_time"))
            if not rows:
                return Logged(None, 0, new=False)
            _refuse_twice(relation, path)
            low, high, first, last = writing.said_of(
                relation, path, "min(_id)", "max(_id)", "epoch_us(min(_time))", "epoch_us(max(_time))"
            )
            by_day = f"select _time::date::varchar, count(*) from {parquet([path])} group by 1 order by 1"
            days = dict(duck.rows(relation.connection, by_day))
            columns = described(relation.connection, path)
        written = writing.kept(store, path, rows, (low, high))
        request = LogPredictions(
            segment_id=segment, model=model, version=version, written=written, columns=columns, first=first, last=last, days=days,
            apart=again.predictions_apart(store, model, version, path, written),
        )  # fmt: skip
    answer = store.write(request)[0]
    return Logged(
        answer or segment, rows, None if answer is None else answer == segment, None if meaning.ids else segment
    )


def _said(relation: Relation, meaning: Meaning, segment: str) -> Relation:
    columns = relation.columns
    said = [meaning.prediction, *([meaning.decision] if meaning.decision else []), *meaning.probabilities.values()]
    canonical.known(columns, *said)
    row = (
        canonical.row_id(columns, meaning.ids)
        if meaning.ids
        else f"{duck.literal(segment)} || '-' || row_number() over ()"
    )
    kept = _features(columns, meaning, said)
    found = {"_id": row, "_time": canonical.moment(columns, meaning.time), "_prediction": _prediction(columns, meaning)}
    if meaning.decision:
        found["_decision"] = canonical.class_text(name(meaning.decision), columns[meaning.decision])
    for label, column in meaning.probabilities.items():
        if not canonical.is_number(columns[column]):
            raise UsageError(
                f"The column {column!r} holds values of type {columns[column]}, which are no probabilities.",
                hint="Name columns of numbers: probabilities={'late': 'p_late'}.",
            )
        found[f"_p_{label}"] = canonical.number(column, columns[column])
    found |= {column: _stored(column, columns[column]) for column in kept}
    listed = ", ".join(f"{value} as {name(column)}" for column, value in found.items())
    return relation._replace(sql=f"(select {listed} from {relation.sql})")


def _features(columns: dict[str, str], meaning: Meaning, said: Sequence[str]) -> list[str]:
    if not isinstance(meaning.features, bool):
        canonical.known(columns, *meaning.features)
        kept = [*meaning.features]
    else:
        # The id alone is there already; parts of one are features as well.
        left_out = {*said, *(meaning.ids if len(meaning.ids) == 1 else ())}
        kept = [column for column in columns if column not in left_out] if meaning.features else []
    if reserved := [column for column in kept if column.startswith("_")]:
        raise UsageError(
            f"Names that begin with _ are nbops' own: {', '.join(reserved)}.",
            hint="Rename these columns, or say which are to be kept: features=[…].",
        )
    return kept


def _prediction(columns: dict[str, str], meaning: Meaning) -> str:
    column, kind = meaning.prediction, columns[meaning.prediction]
    if canonical.is_number(kind) and not meaning.classes:
        return canonical.number(column, kind)
    return canonical.class_text(name(column), kind)


def _stored(column: str, kind: str) -> str:
    stored = stored_as(kind)
    return name(column) if stored == kind else f"{name(column)}::{stored}"


def _refuse_twice(relation: Relation, path: Path) -> None:
    count, told = writing.twice(relation, path, "_id")
    if count:
        raise SourceError(
            f"Nothing was logged: {count:,} {'id names' if count == 1 else 'ids name'} more than one row: {told}.",
            hint="Name columns that tell rows apart: id=['flight', 'date'].",
        )
