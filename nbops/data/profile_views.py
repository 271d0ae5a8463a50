"""Profiles as people see them: one as a table with small histograms, two beside each other with what differs, in numbers only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from nbops.data.counts import Categories, Family, Ks
from nbops.errors import UsageError
from nbops.records import Record
from nbops.render import html, text, values
from nbops.render.model import Column, Html
from nbops.render.view import View

if TYPE_CHECKING:
    from nbops.data.profile import ColumnProfile, Profile

_BARS = 24
_COMMONEST = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A terminal's table is to be read by programs too.
_PLAIN = str.maketrans({"–": "-", "−": "-", "…": "~"})


class ProfileView(View):
    """A line for each column of a profile."""

    kind = "profile"

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    @property
    def summary(self) -> str:
        """How much there is, in one line."""
        return f"{self.profile.rows:,} rows, {len(self.profile.columns)} columns"

    def to_text(self) -> str:
        """A line for each column, without what is drawn."""
        return text.table(_COLUMNS[:-1], [line[:-1] for line in self._lines()], caption=self.summary).translate(_PLAIN)

    def to_html(self) -> Html:
        """A line for each column with its histogram: of numbers without a tail of some 1.5% on either side, of texts the commonest."""
        return html.table(_COLUMNS, self._lines(), caption=self.summary)

    def _lines(self) -> list[list[object]]:
        return [_line(name, column) for name, column in self.profile.columns.items()]


def shares(column: ColumnProfile) -> list[float] | None:
    """What is drawn of a column: the share of numbers in each of equal steps from the first edge to the last, or of each value.

    Of texts those of the commonest. None where there is nothing to draw; profiles made alike are drawn alike.
    """
    if column.categories is not None:
        total = column.categories.count
        return [count / total for count in column.categories.counts[:_BARS]] if total else None
    numbers = column.numbers
    if numbers is None or not numbers.edges or not numbers.count:
        return None
    if numbers.atoms:
        return [count / numbers.count for count in numbers.at]
    low, high = numbers.edges[0], numbers.edges[-1]
    if not math.isfinite(high - low):
        return None
    steps = [low + (high - low) * step / _BARS for step in range(_BARS + 1)]
    reached = [numbers.cdf(step) or 0.0 for step in (math.nextafter(low, -math.inf), *steps[1:])]
    return [later - earlier for earlier, later in pairwise(reached)]


class ColumnDifference(Record):
    """What became of a column: everything of the reference (`then`) beside the current (`now`); None where it cannot be said.

    `unseen` is how many rows have a text that the reference did not have, `examples` the first of these by alphabet.
    """

    column: str
    type_then: str | None
    type_now: str | None
    family: Family
    nulls_then: float | None
    nulls_now: float | None
    mean_then: float | None
    mean_now: float | None
    ks: Ks | None
    psi: float | None
    unseen: int | None
    examples: tuple[str, ...]

    @property
    def change(self) -> str:
        """What happened to the column itself, in words; empty when nothing did."""
        if self.type_now is None:
            return "gone"
        if self.type_then is None:
            return "new"
        return "" if self.type_then == self.type_now else f"{self.type_then}, now {self.type_now}"


class ProfileDifference(View):
    """Two profiles beside each other, column by column; numbers only, no verdict."""

    kind = "profile_difference"

    def __init__(self, rows_then: int, rows_now: int, columns: Sequence[ColumnDifference]) -> None:
        self.rows_then = rows_then
        self.rows_now = rows_now
        self.columns = tuple(columns)

    def __getitem__(self, column: str) -> ColumnDifference:
        for one in self.columns:
            if one.column == column:
                return one
        known = ", ".join(one.column for one in self.columns)
        raise UsageError(f"Neither profile has a column {column!r}.", hint=f"They have {known or 'none'}.")

    @property
    def summary(self) -> str:
        """How much there was and is, in one line."""
        return f"{self.rows_then:,} rows then, {self.rows_now:,} now"

    def to_text(self) -> str:
        """A line for each column."""
        return text.table(_DIFFERENCES, self._lines(), caption=self.summary).translate(_PLAIN)

    def to_html(self) -> Html:
        """As the text, as a table."""
        return html.table(_DIFFERENCES, self._lines(), caption=self.summary)

    def _lines(self) -> list[list[object]]:
        return [
            [
                one.column, one.change, _percent(one.nulls_then), _percent(one.nulls_now),
                *_told((one.mean_then, one.mean_now), one.family), *(one.ks or (None,) * 3), one.psi, one.unseen, ", ".join(one.examples),
            ]
            for one in self.columns
        ]  # fmt: skip


_COLUMNS = (
    Column("column"), Column("type"), Column("missing", kind="number", unit="%"), Column("distinct", kind="number"),
    Column("min", kind="number"), Column("median", kind="number"), Column("mean", kind="number"), Column("max", kind="number"),
    Column("commonest"), Column("distribution", kind="histogram"),
)  # fmt: skip
_DIFFERENCES = (
    Column("column"), Column("change"), Column("missing then", kind="number", unit="%"), Column("now", kind="number", unit="%"),
    Column("mean then", kind="number"), Column("now", kind="number"), Column("KS", kind="number"), Column("at least", kind="number"),
    Column("at most", kind="number"), Column("PSI", kind="number"), Column("unseen", kind="number", unit="rows"), Column("such as"),
)  # fmt: skip


def difference(reference: Profile, current: Profile) -> ProfileDifference:
    """What differs between two profiles, the second made `like` the first. Raises UsageError when it was not."""
    names = dict.fromkeys([*reference.columns, *current.columns])
    columns = [_difference(name, reference.columns.get(name), current.columns.get(name)) for name in names]
    return ProfileDifference(reference.rows, current.rows, columns)


def _difference(name: str, then: ColumnProfile | None, now: ColumnProfile | None) -> ColumnDifference:
    same = then is not None and now is not None and then.family == now.family
    ks = psi = unseen = None
    examples: tuple[str, ...] = ()
    try:
        if same and then is not None and now is not None:
            psi = then.psi(now)
            if then.numbers is not None:
                ks = then.ks(now)
            if then.categories is not None and now.categories is not None and not then.categories.other:
                unseen, examples = now.categories.other, now.categories.examples
    except UsageError as error:
        raise UsageError(f"Column {name!r} cannot be compared: {error.message}", hint=error.hint) from error
    known = now or then
    return ColumnDifference(
        name,
        then.type if then else None,
        now.type if now else None,
        known.family if known else "other",
        then.null_share if then else None,
        now.null_share if now else None,
        then.numbers.mean if then and then.numbers else None,
        now.numbers.mean if now and now.numbers and (same or then is None) else None,
        ks,
        psi,
        unseen,
        examples,
    )


def _line(name: str, column: ColumnProfile) -> list[object]:
    line = [name, column.type, _percent(column.null_share if column.rows else None), _distinct(column)]
    family, numbers, categories = column.family, column.numbers, column.categories
    if numbers is not None:
        ordered = (numbers.min, numbers.quantile(0.5), numbers.mean, numbers.max)
        return [*line, *_told(ordered, family), "", shares(column)]
    if categories is not None:
        return [*line, None, None, None, None, _commonest(categories), shares(column)]
    return [*line, None, None, None, None, "", None]


def _distinct(column: ColumnProfile) -> object:
    sign = {"exact": "", "estimate": "~", "at least": ">="}[column.certainty]
    return f"{sign}{values.number(column.distinct)}" if sign and column.distinct is not None else column.distinct


def _commonest(categories: Categories) -> str:
    total = categories.count
    pairs = sorted(zip(categories.levels, categories.counts, strict=True), key=lambda pair: -pair[1])[:_COMMONEST]
    return ", ".join(f"{values.shorten(value, 20)} {count / total:.0%}" for value, count in pairs if count)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _told(some: Sequence[float | None], family: Family) -> list[str | None]:
    """Numbers of one column with the same decimals, days and microseconds as what they stand for."""
    if family == "number":
        return [None if value is None else shown for value, shown in zip(some, values.numbers(some), strict=True)]
    return [None if value is None else _moment(value, family) for value in some]


def _moment(value: float, family: Family) -> str:
    try:
        if family == "date":
            return (date(1970, 1, 1) + timedelta(days=round(value))).isoformat()
        return (_EPOCH + timedelta(microseconds=value)).replace(microsecond=0, tzinfo=None).isoformat(" ")
    except OverflowError:  # infinite, or beyond the year 9999
        return values.number(value)
