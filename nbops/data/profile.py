"""What is kept of data so that later data can be held against it.

A `Profile` is a value of some 30 kB whatever the data's size; `nbops.data.profiling` makes it. Profiles made with the same edges add up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from nbops.data.counts import Categories, Family, Ks, Numbers, listed, psi
from nbops.errors import UsageError
from nbops.records import Record

if TYPE_CHECKING:
    from nbops.data.profile_views import ProfileView

Certainty = Literal["exact", "estimate", "at least"]


class ColumnProfile(Record, omit_defaults=True):
    """A column: its DuckDB type, how many rows have no value (NaN is none), how many values differ, and how they lie.

    `distinct` is exact, an estimate (within about a tenth), or what there are at least, as `certainty` says; None for the family `other`.
    """

    type: str
    family: Family
    rows: int
    nulls: int
    distinct: int | None = None
    certainty: Certainty = "exact"
    numbers: Numbers | None = None
    categories: Categories | None = None

    @property
    def null_share(self) -> float:
        """Of the rows; 0 without rows."""
        return self.nulls / self.rows if self.rows else 0.0

    def quantile(self, q: float) -> float | None:
        """As `Numbers.quantile`. Raises UsageError for a column that is not ordered."""
        return self._ordered().quantile(q)

    def cdf(self, x: float) -> float | None:
        """As `Numbers.cdf`. Raises UsageError for a column that is not ordered."""
        return self._ordered().cdf(x)

    def ks(self, other: ColumnProfile) -> Ks | None:
        """As `Numbers.ks`. Raises UsageError for a column that is not ordered, or when the edges differ."""
        return self._ordered().ks(other._ordered())

    def psi(self, current: ColumnProfile) -> float | None:
        """The population stability index of `current` against this: over at most ten groups of numbers, or over all levels.

        None without values, and where there is no such index. Raises UsageError when edges or levels differ.
        """
        return psi(self.grouped(current))

    def grouped(self, current: ColumnProfile) -> list[tuple[int, int]]:
        """Counts here and of `current` in the same groups; empty where there are none. Raises UsageError when edges or levels differ."""
        if self.numbers is not None and current.numbers is not None:
            return self.numbers.grouped(current.numbers)
        if self.categories is not None and current.categories is not None:
            return self.categories.grouped(current.categories)
        return []

    def merged(self, other: ColumnProfile) -> ColumnProfile:
        """Both counted together; how many values differ is then a lower bound, unless every value is counted for itself.

        Raises UsageError when types, edges or levels differ.
        """
        if self.type != other.type:
            raise UsageError(f"The column is {self.type} here and {other.type} there.", hint="Cast one of them.")
        numbers = self.numbers and other.numbers and self.numbers.merged(other.numbers)
        categories = self.categories and other.categories and self.categories.merged(other.categories)
        certainty: Certainty = "exact"
        distinct = listed(numbers, categories)
        if distinct is None and self.distinct is not None and other.distinct is not None:
            distinct, certainty = max(self.distinct, other.distinct), "at least"
        return msgspec.structs.replace(
            self, rows=self.rows + other.rows, nulls=self.nulls + other.nulls, distinct=distinct, certainty=certainty,
            numbers=numbers, categories=categories,
        )  # fmt: skip

    def _ordered(self) -> Numbers:
        if self.numbers is None:
            raise UsageError(
                f"A column of {self.type} has no order.", hint="Ask a column of numbers, dates or timestamps."
            )
        return self.numbers


class Profile(Record):
    """What data was like: how many rows, and each column. It shows itself as a table; `to_json` is some 30 kB for 20 columns."""

    rows: int
    columns: dict[str, ColumnProfile]

    def __getitem__(self, column: str) -> ColumnProfile:
        try:
            return self.columns[column]
        except KeyError:
            known = ", ".join(self.columns)
            raise UsageError(f"The profile has no column {column!r}.", hint=f"It has {known or 'none'}.") from None

    def merged(self, other: Profile) -> Profile:
        """The profile of the rows of both. Raises UsageError when columns, types, edges or levels differ."""
        if self.columns.keys() != other.columns.keys():
            odd = ", ".join(sorted(self.columns.keys() ^ other.columns.keys()))
            raise UsageError(f"Only one of the profiles has the column {odd}.", hint="Profile the same columns.")
        columns = {}
        for name, column in self.columns.items():
            try:
                columns[name] = column.merged(other.columns[name])
            except UsageError as error:
                raise UsageError(f"Column {name!r} does not add up: {error.message}", hint=error.hint) from error
        return Profile(self.rows + other.rows, columns)

    def to_json(self) -> bytes:
        """UTF-8; `from_json` gives back an equal profile."""
        return msgspec.json.encode(self)

    @staticmethod
    def from_json(data: bytes | str) -> Profile:
        """What `to_json` wrote. Raises UsageError."""
        try:
            return msgspec.json.decode(data, type=Profile)
        except msgspec.MsgspecError as error:
            raise UsageError(f"This is not a profile: {error}", hint="Give what Profile.to_json wrote.") from error

    def _repr_html_(self) -> str:
        return self._view()._repr_html_()

    def __repr__(self) -> str:
        return self._view().to_text()

    def _ipython_display_(self) -> None:
        self._view()._ipython_display_()

    def _view(self) -> ProfileView:
        from nbops.data.profile_views import ProfileView

        return ProfileView(self)


def beyond_chance(reference: ColumnProfile, current: ColumnProfile) -> float | None:
    """The population stability index less what it is on average where nothing changed; None where there is none.

    Without a change it is about (1/n + 1/m) times a chi-squared number of one degree of freedom less than there are groups.
    """
    groups = reference.grouped(current)
    index = psi(groups)
    if index is None:
        return None
    rows = (reference.rows - reference.nulls, current.rows - current.nulls)
    return max(0.0, index - (len(groups) - 1) * sum(1 / count for count in rows))
