"""A comparison as people see it: the columns worst first with both histograms over each other, and below the slices that differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nbops.data.profile import Profile
from nbops.data.profile_views import shares
from nbops.monitoring.drift import ColumnDrift, Drift
from nbops.monitoring.drift_words import shown_p
from nbops.render import html, text, values
from nbops.render.model import Column, Html
from nbops.render.view import View

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = (
    Column("verdict", kind="status"), Column("column"), Column("PSI", kind="number"), Column("chance, 99 %", kind="number"),
    Column("adjusted p"), Column("missing then", kind="number", unit="%"), Column("now", kind="number", unit="%"),
    Column("unseen", kind="number", unit="%"), Column("KS", kind="number"), Column("Wasserstein", kind="number"),
    Column("then and now", kind="histograms"), Column("in words", kind="prose"),
)  # fmt: skip
_DRAWN = 10
_SLICES = (
    Column("slice"), Column("rows then", kind="number"), Column("rows now", kind="number"), Column("differ"),
    Column("the worst, in words", kind="prose"),
)  # fmt: skip
_NOTE = "Bars: then; line: now. Wasserstein is in robust standard deviations of the reference."
_PLAIN = str.maketrans({"–": "-", "−": "-", "…": "~"})


class DriftView(View):
    """Each column of the current rows beside the reference, and the same of each slice that was asked for."""

    kind = "drift"

    def __init__(self, drift: Drift, reference: Profile, current: Profile, slices: Sequence[Drift] = ()) -> None:
        self.drift = drift
        self.reference = reference
        self.current = current
        self.slices = tuple(slices)

    def __getitem__(self, column: str) -> ColumnDrift:
        return self.drift[column]

    @property
    def drifted(self) -> list[str]:
        """The columns that differ in all rows, worst first."""
        return self.drift.drifted

    @property
    def summary(self) -> str:
        """What was found, in one line."""
        tests = f"({values.counted(self.drift.tests, 'test')} adjusted together)"
        rows = f"{values.counted(self.drift.rows_now, 'row')} beside {self.drift.rows_then:,}"
        told = f"{len(self.drifted)} of {values.counted(len(self.drift.columns), 'column')} differ"
        apart = sum(bool(one.drifted) for one in self.slices)
        beside = f", and in {apart} of {values.counted(len(self.slices), 'slice')} some" if self.slices else ""
        return f"{rows}: {told}{beside} {tests}"

    def frame(self) -> pd.DataFrame:
        """A row for each column; with slices also for each column of each of them, which `slice` and `value` name."""
        if not self.slices:
            return self.drift.frame()
        import pandas as pd

        frames = []
        for one in (self.drift, *self.slices):
            found = one.frame()
            for place, (label, part) in enumerate(zip(("slice", "value"), one.slice or (None, None), strict=True)):
                found.insert(place, label, part)
            frames.append(found)
        return pd.concat([found.astype(object) for found in frames], ignore_index=True).infer_objects()

    def to_text(self) -> str:
        """A line for each column, without what is drawn, and one for each slice that differs."""
        shown = [*_COLUMNS[:_DRAWN], *_COLUMNS[_DRAWN + 1 :]]
        lines = [[*line[:_DRAWN], *line[_DRAWN + 1 :]] for line in self._lines()]
        told = text.table(shown, lines, caption=self.summary)
        if apart := self._apart():
            told += "\n" + text.table(_SLICES, apart)
        return told.translate(_PLAIN)

    def to_html(self) -> Html:
        """As the text, with both histograms of each column over each other."""
        told = html.table(_COLUMNS, self._lines(), caption=self.summary, note=_NOTE)
        apart = self._apart()
        return html.stack(told, html.table(_SLICES, apart, caption="Slices that differ")) if apart else told

    def _lines(self) -> list[list[object]]:
        return [self._line(one) for one in self.drift.worst_first]

    def _line(self, one: ColumnDrift) -> list[object]:
        found, distances = one.moved, one.distances
        least = min((each.adjusted_p for each in one.evidence), default=None)
        percents = [
            None if share is None else 100 * share for share in (one.nulls_then, one.nulls_now, one.unseen_share)
        ]
        return [
            one.verdict, one.column, distances.psi, found.no_drift_99 if found else None,
            None if least is None else shown_p(least), *percents,
            distances.ks.estimate if distances.ks else None, distances.wasserstein_scaled, self._drawn(one.column), one.sentence,
        ]  # fmt: skip

    def _drawn(self, column: str) -> tuple[list[float], list[float]] | None:
        then, now = self.reference.columns.get(column), self.current.columns.get(column)
        if then is None or now is None or then.family != now.family:
            return None
        before, after = shares(then), shares(now)
        return (before, after or [0.0] * len(before)) if before else None

    def _apart(self) -> list[list[object]]:
        """The slices with columns that differ, those with the most first."""
        apart = sorted((one for one in self.slices if one.drifted), key=lambda one: -len(one.drifted))
        return [
            [
                " ".join(one.slice or ()),
                one.rows_then,
                one.rows_now,
                ", ".join(one.drifted),
                one.worst_first[0].sentence,
            ]
            for one in apart
        ]
