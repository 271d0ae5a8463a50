"""Predictions with what turned out to be true, as they are known now: the rows of a window, and the days that changed since.

Of an id that a version has predictions for in several segments, the segment written last wins, whichever day it puts the row on; of
its labels the one observed last, and of those the one written last. Only segments that can matter are opened, and of those beyond the
window nothing but their ids.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from nbops import duck, times
from nbops.data.relation import Query, opened, parquet
from nbops.duck import literal, name
from nbops.errors import NotFound, UsageError
from nbops.records import Record
from nbops.store.client import Store

if TYPE_CHECKING:
    import pyarrow as pa

OWN = ("_id", "_time", "_prediction", "_decision")
"""Columns of ours in the order in which they are given, before the probabilities and what turned out to be true."""
_ALL = 1_000_000_000


class Segment(NamedTuple):
    """What is known of a segment of predictions without opening it; times in UTC microseconds."""

    sha256: str
    columns: dict[str, str]
    first: int
    last: int
    low: str
    high: str
    place: int


class Labels(NamedTuple):
    """The same of a segment of labels; `observed` in UTC microseconds for those that do not say it (`dated`)."""

    sha256: str
    numeric: bool
    dated: bool
    observed: int
    low: str
    high: str
    place: int


class Coverage(Record):
    """How many rows a window has, and of how many the truth is known."""

    rows: int
    labelled: int

    @property
    def share(self) -> float:
        """The part of the rows whose truth is known, 0 without any row."""
        return self.labelled / self.rows if self.rows else 0.0


class Changed(Record):
    """The days, in UTC, whose rows may be others than they were; `seq` is what to ask with the next time."""

    days: tuple[date, ...]
    seq: int


def joined(
    store: Store,
    model: str,
    version: int,
    start: datetime,
    until: datetime,
    *,
    columns: Sequence[str] | None = None,
    memory_limit: str = "50%",
) -> pa.Table:
    """The rows of a version from `start` until before `until`, aware times, with their labels; ordered by time and id.

    `_id`, `_time` (UTC), `_prediction`, `_decision` and `_p_CLASS` where they are known, `_label` (of the prediction's type, null where
    the truth is not known), `_observed` (since when that label is known), then the features: all that these rows have, or those in
    `columns`, null where they were not logged. Raises NotFound for a feature that was never logged and without predictions, StoreCorrupt.
    """
    query = window(store, model, version, start, until, columns=columns)
    with opened(query, memory_limit=memory_limit) as relation:
        sql = f"select * from {relation.sql} order by _time, _id"
        return duck.batches(relation.connection, sql, (), 122_880).read_all()


def window(
    store: Store, model: str, version: int, start: datetime, until: datetime, *, columns: Sequence[str] | None = None
) -> Query:
    """The same rows, in no order, as what `nbops.data.relation.opened` takes, for what is too large to hold. Raises as `joined`."""
    bounds = times.microseconds(start), times.microseconds(until)
    segments = _segments(store, model, version)
    inside = [one for one in segments if one.first < bounds[1] and one.last >= bounds[0]]
    shown = _columns(inside or segments[-1:], segments, columns)
    if not inside:
        return Query(sql=_nothing(shown, segments[-1]))
    reader = _Reader(store)
    there = [column for column in shown if any(column in one.columns for one in inside)]
    own = [column for column in there if column in OWN or column.startswith("_p_")]
    rest = [
        f"p.{name(column)}" if column in there else f"null::{kind} as {name(column)}"
        for column, kind in shown.items()
        if column not in own
    ]
    sql = f"""
        with {_keys(reader, inside, segments, bounds)},
        truth as ({_truth(reader, _labels(store, model), inside, shown["_prediction"])})
        select {", ".join([*(f"p.{name(column)}" for column in own), "t._label", "t._observed", *rest])}
        from ({reader.scan(inside, there)}) p
        join keys k on k._id = p._id and k._place = p._place
        left join truth t on t._id = p._id
        where p._time >= make_timestamp({bounds[0]}) and p._time < make_timestamp({bounds[1]})
    """
    return Query(sql=sql, paths=tuple(reader.paths))


def coverage(store: Store, model: str, version: int, start: datetime, until: datetime) -> Coverage:
    """How many of a window's rows have a label by now, from ids and labels alone. Raises as `joined`."""
    query = window(store, model, version, start, until, columns=())
    with opened(query) as relation:
        sql = f"select count(*), count(_label) from {relation.sql}"
        ((rows, labelled),) = duck.rows(relation.connection, sql)
    return Coverage(rows, labelled)


def changed(store: Store, model: str, version: int, since: int = 0) -> Changed:
    """The days whose rows or labels became others after the sequence number `since`, from ids and times alone.

    None is missed; one whose rows were written again as they were may be among them. Raises NotFound, StoreCorrupt.
    """
    segments, labels = _segments(store, model, version), _labels(store, model)
    seq = max([one.place for one in segments] + [one.place for one in labels])
    new = [one for one in segments if one.place > since]
    told = [one for one in labels if one.place > since]
    reader = _Reader(store)
    asked: list[str] = []
    if new:
        asked.append(f"select _time::date as day from ({reader.scan(new, ('_id', '_time'))})")
        before = [one for one in segments if one.place <= since and _meets(one, _hull(new))]
        if before:
            asked.append(f"""
                select _time::date as day from ({reader.scan(before, ("_id", "_time"))})
                where _id in (select _id from ({reader.scan(new, ("_id",))}))
            """)
    touched = [one for one in segments if told and _meets(one, _hull(told))]
    if touched:
        # Numbers and texts side by side: what is compared is each label as it is written.
        now = _winners(reader, labels, told, "VARCHAR")
        then = _winners(reader, [one for one in labels if one.place <= since], told, "VARCHAR")
        asked.append(f"""
            select _time::date as day from ({reader.scan(touched, ("_id", "_time"))}) where _id in (
                select coalesce(a._id, b._id) from ({now}) a full join ({then}) b on a._id = b._id
                where a._label is distinct from b._label or a._observed is distinct from b._observed
            )
        """)
    if not asked:
        return Changed((), seq)
    sql = f"select distinct day from ({' union all '.join(asked)}) order by day"
    with opened(Query(sql=sql, paths=tuple(reader.paths))) as relation:
        return Changed(tuple(row[0] for row in duck.rows(relation.connection, sql)), seq)


def aware(found: pa.Table) -> pa.Table:
    """The rows with times that say that they are UTC."""
    import pyarrow as pa

    for column in ("_time", "_observed"):
        place = found.schema.get_field_index(column)
        found = found.set_column(place, column, found.column(place).cast(pa.timestamp("us", "UTC")))
    return found


def bounds(start: datetime | str | None, until: datetime | str | None) -> tuple[datetime, datetime]:
    """The ends of a window as people say them, in UTC; without one, from the beginning or to the end of time. Raises UsageError."""
    low = times.moment(start) if start is not None else datetime(1, 1, 1, tzinfo=UTC)
    high = times.moment(until) if until is not None else datetime(9999, 12, 31, tzinfo=UTC)
    if low >= high:
        raise UsageError(f"A window from {low} until {high} holds nothing.", hint="Name the earlier time first.")
    return low, high


class _Reader:
    """Scans of segments, whose files are verified when they are first named."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.paths: dict[str, None] = {}

    def files(self, segments: Iterable[Segment | Labels]) -> str:
        """What stands behind FROM for the files of segments; `_file` is the name of each."""
        found = dict.fromkeys(str(self._store.whole_blob(one.sha256)) for one in segments)
        self.paths |= found
        return parquet(found, ", filename = '_file'")

    def scan(self, segments: Sequence[Segment], columns: Iterable[str]) -> str:
        """A SELECT of columns of segments, with the place of each segment as `_place`."""
        listed = ", ".join(f"p.{name(column)}" for column in columns)
        places = ", ".join(f"({literal(one.sha256)}, {one.place})" for one in segments)
        return f"""
            select {listed}, s._place from {self.files(segments)} p
            join (values {places}) s(_sha256, _place) on s._sha256 = parse_filename(p._file)
        """


def _keys(reader: _Reader, inside: list[Segment], segments: list[Segment], bounds: tuple[int, int]) -> str:
    """The ids of a window with the segment that has the last word on each, as common table expressions; `keys` is the last of them."""
    there = f"""
        there as (
            select _id, _place from ({reader.scan(inside, ("_id", "_time"))})
            where _time >= make_timestamp({bounds[0]}) and _time < make_timestamp({bounds[1]})
        )
    """
    first, hull = min(one.place for one in inside), _hull(inside)
    rivals = [one for one in segments if one.place > first and _meets(one, hull)]
    if _are_apart(inside) and all(one in inside for one in rivals):
        return f"{there}, keys as (select * from there)"
    return f"""
        {there},
        later as (
            select _id, max(_place) as _place from ({reader.scan(rivals, ("_id",))})
            where _id in (select _id from there) group by _id
        ),
        keys as (
            select h._id, h._place from there h left join later l on l._id = h._id where l._place is null or l._place <= h._place
        )
    """


def _truth(reader: _Reader, labels: list[Labels], inside: list[Segment], kind: str) -> str:
    """A SELECT of the label that counts for each id of the window."""
    hull = _hull(inside)
    return _winners(reader, [one for one in labels if _meets(one, hull)], None, kind)


def _winners(reader: _Reader, labels: list[Labels], only: list[Labels] | None, kind: str) -> str:
    """A SELECT of the label that counts for each of the ids in `keys`, or in the segments `only`, and since when it is known.

    A label that was told again stands since it was first told; one that was taken back is null.
    """
    if only is not None:
        hull = _hull(only)
        labels = [one for one in labels if _meets(one, hull)]
    if not labels:
        return f"select null::varchar as _id, null::{kind} as _label, null::timestamp as _observed where false"
    chosen = "keys" if only is None else reader.files(only)
    return f"""
        select _id, _label, case when _label is not null then _observed end as _observed from (
            select * from ({_told(reader, labels, kind)}) where _id in (select _id from {chosen})
            window w as (partition by _id order by _observed, _place)
            qualify lag(_place) over w is null or _label is distinct from lag(_label) over w
        )
        qualify row_number() over (partition by _id order by _observed desc, _place desc) = 1
    """


def _told(reader: _Reader, labels: list[Labels], kind: str) -> str:
    """A SELECT of everything that was ever told, one part for each form that segments have."""
    parts = []
    for numeric, dated in sorted({(one.numeric, one.dated) for one in labels}):
        alike = [one for one in labels if (one.numeric, one.dated) == (numeric, dated)]
        places = ", ".join(f"({literal(one.sha256)}, {one.place}, make_timestamp({one.observed}))" for one in alike)
        parts.append(f"""
            select l._id, {_as_kind(numeric, kind)} as _label, {"l._observed" if dated else "s._observed"} as _observed, s._place
            from {reader.files(alike)} l
            join (values {places}) s(_sha256, _place, _observed) on s._sha256 = parse_filename(l._file)
        """)
    return " union all ".join(parts)


def _as_kind(numeric: bool, kind: str) -> str:  # noqa: FBT001 - it is a field
    """A label as the type of the predictions that it is held against: classes are texts, also those that look like numbers."""
    if kind != "VARCHAR":
        return "l._label" if numeric else "try_cast(l._label as double)"
    whole = "l._label = trunc(l._label) and abs(l._label) <= 9007199254740992"
    return f"case when {whole} then l._label::bigint::varchar else l._label::varchar end" if numeric else "l._label"


def _hull(segments: Iterable[Segment | Labels]) -> tuple[str, str]:
    """The ends of all ids together; texts compare in Python as they do in DuckDB."""
    found = list(segments)
    return min(one.low for one in found), max(one.high for one in found)


def _meets(one: Segment | Labels, hull: tuple[str, str]) -> bool:
    """Whether a segment may have an id between these ends."""
    return one.low <= hull[1] and hull[0] <= one.high


def _are_apart(segments: Iterable[Segment]) -> bool:
    """Whether no two of them can have an id in common."""
    ordered = sorted((one.low, one.high) for one in segments)
    return all(one[1] < other[0] for one, other in itertools.pairwise(ordered))


def _columns(inside: Sequence[Segment], segments: Sequence[Segment], asked: Sequence[str] | None) -> dict[str, str]:
    """The columns of a window with their types: ours, then its features in the order in which they were first logged, or those asked."""
    known = _kinds(inside)
    ours = [column for column in known if column.startswith("_")]
    features = [column for column in known if not column.startswith("_")]
    if asked is not None:
        features = [column for column in asked if not column.startswith("_")]
        # Another window may have what this one has not.
        known = _kinds([*inside, *segments]) if any(column not in known for column in features) else known
        for column in features:
            if column not in known:
                there = [other for other in known if not other.startswith("_")]
                raise NotFound.of("column", column, there, otherwise=f"There are {', '.join(there) or 'none'}.")
    order = {column: place for place, column in enumerate(OWN)}
    return {column: known[column] for column in [*sorted(ours, key=lambda c: order.get(c, len(OWN))), *features]}


def _kinds(segments: Iterable[Segment]) -> dict[str, str]:
    """Every column of segments, with the type that it has first."""
    known: dict[str, str] = {}
    for one in segments:
        known |= {column: kind for column, kind in one.columns.items() if column not in known}
    return known


def _nothing(columns: dict[str, str], last: Segment) -> str:
    kinds = {column: kind for column, kind in columns.items() if column.startswith("_")}
    kinds |= {"_label": last.columns["_prediction"], "_observed": "TIMESTAMP"}
    kinds |= {column: kind for column, kind in columns.items() if column not in kinds}
    return f"select {', '.join(f'null::{kind} as {name(column)}' for column, kind in kinds.items())} where false"


def _segments(store: Store, model: str, version: int) -> list[Segment]:
    """In the order in which they were written; of those that have the same rows the last. Raises NotFound without any."""
    sql = """
        select sha256, columns, epoch_us(first), epoch_us(last), low, high, place from prediction_segments
        where model = ? and version = ? order by place
    """
    found = store.read(sql, [model, version], limit=_ALL).rows
    if not found:
        raise NotFound(
            f"There are no predictions of {model}/{version}.",
            hint=f"`nbops score {model}/{version} FILE …` or nbops.log_predictions logs some.",
        )
    columns = {text: msgspec.json.decode(text, type=dict[str, str]) for text in {row[1] for row in found}}
    last = {row[0]: Segment(row[0], columns[row[1]], *row[2:]) for row in found}
    return sorted(last.values(), key=lambda one: one.place)


def _labels(store: Store, model: str) -> list[Labels]:
    sql = """
        select sha256, numeric, dated, epoch_us(observed), low, high, place from label_segments where model = ? order by place
    """
    return [Labels(*row) for row in store.read(sql, [model], limit=_ALL).rows]
