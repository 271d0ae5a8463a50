"""What turned out to be true, on its way in: a file of Parquet with `_id`, `_label` and, where rows say when it became known, `_observed`.

Rows are sorted, so that the same labels in another order are the same file. A label is a double, or a class as text; null takes it back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbops.data.relation import Relation, opened
from nbops.duck import name
from nbops.errors import SourceError
from nbops.predictions import again, canonical, writing
from nbops.predictions.requests import LogLabels
from nbops.predictions.segments import Logged
from nbops.records import new_id, now_us
from nbops.store.client import Store


def log(
    store: Store,
    model: str,
    data: Any,
    *,
    ids: tuple[str, ...],
    label: str,
    observed: str | None = None,
    numeric: bool | None = None,
    verbatim: bool = False,
) -> Logged:
    """Keep what turned out to be true of rows, as `nbops.data.relation.opened` takes them; the same again is not kept twice.

    `observed` is the column that says when it became known, now without one. `numeric` says whether labels are numbers; by default
    the column's type does. With `verbatim` those of CSV are read as they stand there, as ids are. Raises NotFound, UsageError,
    SourceError for rows without an id, labels that are no numbers and ids with two labels of one time, Conflict, StoreFull.
    """
    now, segment = now_us(), new_id()
    with writing.temporary(store) as path:
        with opened(data, texts=[*ids, label] if verbatim else ids, reads=[path]) as relation:
            canonical.known(relation.columns, *ids, label, *([observed] if observed else []))
            is_number = canonical.is_number(relation.columns[label]) if numeric is None else numeric
            found = _labels(relation, ids, label, observed, numeric=is_number)
            rows = writing.write(_sorted(found), path, ("_id", "_observed") if observed else ("_id",), told_of=found)
            if not rows:
                return Logged(None, 0, new=False)
            _refuse_conflicts(relation, path, dated=observed is not None)
            times = ("epoch_us(min(_observed))", "epoch_us(max(_observed))") if observed else (str(now), str(now))
            taken_back = "count(*) filter (_label is null)"
            low, high, withdrawn, first, last = writing.said_of(
                relation, path, "min(_id)", "max(_id)", taken_back, *times
            )
        written = writing.kept(store, path, rows, (low, high))
        request = LogLabels(
            segment_id=segment, model=model, written=written, withdrawn=withdrawn, numeric=is_number, dated=observed is not None,
            observed=last, first=first, last=last, apart=again.labels_apart(store, model, path, written),
        )  # fmt: skip
    answer = store.write(request)[0]
    return Logged(answer or segment, rows, None if answer is None else answer == segment)


def _labels(relation: Relation, ids: tuple[str, ...], label: str, observed: str | None, *, numeric: bool) -> Relation:
    columns = relation.columns
    kind = columns[label]
    if numeric and not canonical.is_number(kind):
        value = f"try_cast({name(label)} as double)"
        if (found := writing.faults(relation, f"{name(label)} is not null and {value} is null")).rows:
            raise SourceError(
                f"Nothing was logged: {found} of {label!r} {'is' if found.rows == 1 else 'are'} no number.",
                hint="The model predicts numbers: give numbers, and nothing where the truth is not known.",
            )
    value = canonical.number(label, kind) if numeric else canonical.class_text(name(label), kind)
    fields = {"_id": canonical.row_id(columns, ids), "_label": value}
    if observed:
        fields["_observed"] = canonical.moment(columns, observed)
    listed = ", ".join(f"{field} as {column}" for column, field in fields.items())
    return relation._replace(sql=f"(select {listed} from {relation.sql})")


def _sorted(relation: Relation) -> Relation:
    return relation._replace(sql=f"(select distinct * from {relation.sql} order by all)")


def _refuse_conflicts(relation: Relation, path: Path, *, dated: bool) -> None:
    count, told = writing.twice(relation, path, "_id, _observed" if dated else "_id")
    if count:
        raise SourceError(
            f"Nothing was logged: {count:,} {'id has' if count == 1 else 'ids have'} two labels of one time: {told}.",
            hint="Say which one is true, or name the column that tells when each became known: observed='…'.",
        )
