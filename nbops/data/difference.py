"""What changed between two versions of data: columns, counts, rows by their key, and how the values lie."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nbops import duck
from nbops.data.relation import Query, opened
from nbops.duck import name
from nbops.render import html, text
from nbops.render.model import Column, Html
from nbops.render.view import View

if TYPE_CHECKING:
    import pandas as pd

    from nbops.data.snapshots import Snapshot


class Difference(View):
    """What changed from `before` to `after`: `added`, `removed` and `changed` count rows, the last by the source's key."""

    kind = "data_difference"

    def __init__(
        self,
        before: Snapshot,
        after: Snapshot,
        key: Sequence[str],
        added: int,
        removed: int,
        changed: int,
        columns: dict[str, int],
    ) -> None:
        self.before, self.after, self.key = before, after, tuple(key)
        self.added, self.removed, self.changed = added, removed, changed
        self.columns = columns
        self.schema = _schema(before, after)

    @property
    def same(self) -> bool:
        """Whether both hold the same rows."""
        return self.before.content_hash == self.after.content_hash

    @property
    def summary(self) -> str:
        """What changed, in one line."""
        told = f"{self.before.reference} → {self.after.reference}: {self.before.rows:,} → {self.after.rows:,} rows"
        if self.same:
            return f"{told}, the same content"
        changed = f", {self.changed:,} changed" if self.key else ""
        return f"{told}, {self.added:,} added, {self.removed:,} removed{changed}"

    def to_text(self) -> str:
        """The summary, the columns that came, went or are of another type, and how many rows changed in which column."""
        lines = self._lines()
        return text.table(_COLUMNS, lines, caption=self.summary) if lines else self.summary

    def to_html(self) -> Html:
        """As the text."""
        return html.table(_COLUMNS, self._lines(), caption=self.summary)

    def rows(self, limit: int = 1000) -> pd.DataFrame:
        """Rows that are in one version only, or another in the other; `nbops_version` says of which version a line is."""
        with _both(self.before, self.after) as (con, before, after):
            shared = ", ".join(map(name, _shared(self.before, self.after)))
            each = [
                f"select {shared}, {version} as nbops_version from (select {shared} from {one} except all select {shared} from {other})"
                for one, other, version in ((before, after, self.before.version), (after, before, self.after.version))
            ]  # fmt: skip
            order = f" order by {', '.join(map(name, self.key))}, nbops_version" if self.key else ""
            return duck.frame(con, f"select * from ({' union all '.join(each)}){order} limit {int(limit)}")

    def _lines(self) -> list[list[object]]:
        told: list[list[object]] = [[column, what, None] for column, what in self.schema.items()]
        return told + [[column, "values changed", count] for column, count in self.columns.items() if count]


_COLUMNS = (Column("column"), Column("what"), Column("rows", kind="number"))


def compare(before: Snapshot, after: Snapshot, key: Sequence[str] = ()) -> Difference:
    """What changed. Without a key a row that changed counts as one removed and one added."""
    key = [column for column in key if column in before.columns and column in after.columns]
    if before.content_hash == after.content_hash:
        return Difference(before, after, key, 0, 0, 0, {})
    shared = _shared(before, after)
    others = [column for column in shared if column not in key]
    with _both(before, after) as (con, one, other):
        if not key:
            columns = ", ".join(map(name, shared))
            pairs = ((other, one), (one, other))
            only = (f"select {columns} from {a} except all select {columns} from {b}" for a, b in pairs)
            added, removed = (int(duck.rows(con, f"select count(*) from ({rows})")[0][0]) for rows in only)
            return Difference(before, after, key, added, removed, 0, {})
        keys = " and ".join(f"a.{name(k)} is not distinct from b.{name(k)}" for k in key)
        differs = [f"a.{name(c)} is distinct from b.{name(c)}" for c in others]
        both = "a.nbops_here and b.nbops_here"
        counts = ", ".join(
            [
                "count(*) filter (where a.nbops_here is null)", "count(*) filter (where b.nbops_here is null)",
                f"count(*) filter (where {both} and ({' or '.join(differs) or 'false'}))",
                *(f"count(*) filter (where {both} and {one_differs})" for one_differs in differs),
            ]
        )  # fmt: skip
        sides = (f"(select *, true as nbops_here from {side})" for side in (one, other))
        joined = f"{next(sides)} a full join {next(sides)} b on {keys}"
        added, removed, changed, *each = duck.rows(con, f"select {counts} from {joined}")[0]
    return Difference(before, after, key, added, removed, changed, dict(zip(others, each, strict=True)))


def _schema(before: Snapshot, after: Snapshot) -> dict[str, str]:
    told = {column: f"is new, {kind}" for column, kind in after.columns.items() if column not in before.columns}
    for column, kind in before.columns.items():
        if column not in after.columns:
            told[column] = "is gone"
        elif after.columns[column] != kind:
            told[column] = f"{kind} → {after.columns[column]}"
    return told


def _shared(before: Snapshot, after: Snapshot) -> list[str]:
    return [column for column in before.columns if column in after.columns]


@contextlib.contextmanager
def _both(before: Snapshot, after: Snapshot) -> Iterator[tuple[Any, str, str]]:
    tables = {"before": before.files(), "after": after.files()}
    with opened(Query(sql="select 1"), tables=tables) as relation:
        yield relation.connection, name("before"), name("after")
