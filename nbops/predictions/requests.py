"""What processes ask the owner to record about predictions and labels."""

from __future__ import annotations

from typing import ClassVar

from nbops.records import Record
from nbops.store.wire import Request


class Written(Record):
    """A file of Parquet that is kept as a blob; `low` and `high` are the first and the last of its ids, as texts compare."""

    sha256: str
    bytes: int
    rows: int
    low: str
    high: str


class LogPredictions(Request, tag="predictions.log"):
    """Rows with what a version said of them; times in UTC microseconds, `columns` by name with their DuckDB types, rows by day.

    Answers with the segment's id: that of the one before, when the same file is logged again and nothing came between. `apart` is the
    place up to which no segment after that one has an id of these rows; beyond it their first and last ids are gone by.
    """

    spools: ClassVar[bool] = True

    segment_id: str
    model: str
    version: int
    written: Written
    columns: dict[str, str]
    first: int
    last: int
    days: dict[str, int]
    apart: int = 0


class LogLabels(Request, tag="labels.log"):
    """What turned out to be true; `observed` is when it became known, where the rows do not say it themselves (`dated`).

    Answers as `predictions.log`.
    """

    spools: ClassVar[bool] = True

    segment_id: str
    model: str
    written: Written
    withdrawn: int
    numeric: bool
    dated: bool
    observed: int
    first: int
    last: int
    apart: int = 0


class MergeSegments(Request, tag="predictions.merge"):
    """A segment with the rows of others, which it takes the place of. Raises Conflict when something was written between them."""

    segment_id: str
    model: str
    version: int
    written: Written
    columns: dict[str, str]
    first: int
    last: int
    days: dict[str, int]
    parts: list[str]
