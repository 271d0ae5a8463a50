"""What monitoring found, as people look at it: how a model is, what was looked at just now, and a window with everything in it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from nbops import times
from nbops.errors import NotFound
from nbops.monitoring import running, status
from nbops.monitoring.drift_views import DriftView
from nbops.monitoring.results import WindowReport
from nbops.monitoring.running import Monitored
from nbops.monitoring.signals import BAD, Signal
from nbops.records import at, short
from nbops.registry.models import ModelVersion
from nbops.render import html, text, values
from nbops.render.model import Column, Html
from nbops.render.view import View
from nbops.workspace import _predictions

if TYPE_CHECKING:
    import pandas as pd

    from nbops.store.client import Store

_LOOKED = (
    Column("version"), Column("from"), Column("until"), Column("rows", kind="number"), Column("labelled", kind="number"),
    Column("metric"), Column("value", kind="number"), Column("laboratory", kind="number"), Column("standing"),
    Column("drifted", kind="prose"),
)  # fmt: skip
_SIGNALS = (Column("is", kind="status"), Column("about"), Column("in words", kind="prose"))


class Health(View):
    """How a model in use is: `word`, `sentence`, and what is wrong with it. It shows itself."""

    kind = "health"

    def __init__(self, found: status.Health) -> None:
        self.found = found

    @property
    def word(self) -> str:
        """healthy, learning, watched, doubtful, in trouble, or not monitored."""
        return self.found.word

    @property
    def sentence(self) -> str:
        """Why it is called so."""
        return self.found.sentence

    @property
    def incidents(self) -> list[str]:
        """The ids of the incidents that are open, the worst first."""
        return [one.incident_id for one in self.found.incidents]

    def to_text(self) -> str:
        """The word and the sentence, how good it was last, and each open incident."""
        return "\n".join([self._head, *self._lines])

    def to_html(self) -> Html:
        """The same."""
        return html.section(self._head, *self._lines)

    @property
    def _head(self) -> str:
        version = f"/{self.found.version}" if self.found.version is not None else ""
        return f"{self.found.model}{version} is {self.word}"

    @property
    def _lines(self) -> list[str]:
        found, told = self.found, [self.sentence]
        if found.value is not None and found.value_until is not None:
            unit = f" {found.unit}" if found.unit else ""
            promised = (
                "" if found.laboratory is None else f"; in the laboratory {values.number(found.laboratory)}{unit}"
            )
            told.append(
                f"{found.metric} {values.number(found.value)}{unit} up to {at(found.value_until):%d %B %Y}{promised}."
            )
        return [*told, *(f"{one.severity}, {short(one.incident_id)}: {one.text}" for one in found.incidents)]


class Looked(View):
    """What was looked at just now: a line for each window, and what that did to incidents. It shows itself."""

    kind = "looked"

    def __init__(self, found: Monitored) -> None:
        self.found = found

    @property
    def windows(self) -> int:
        """How many were looked at."""
        return len(self.found.reports)

    def to_text(self) -> str:
        """The table, or that nothing is new."""
        return "\n".join([text.table(_LOOKED, self._rows), *self._said]) if self.windows else self._nothing

    def to_html(self) -> Html:
        """The same."""
        return html.stack(html.table(_LOOKED, self._rows), *self._said) if self.windows else html.stack(self._nothing)

    @property
    def _rows(self) -> list[list[object]]:
        return [line(report) for report in self.found.reports]

    @property
    def _said(self) -> list[str]:
        return [
            f"Incident {short(change.incident_id)} {change.act}: {change.cause} ({change.severity})"
            for change in self.found.changes
            if change.act != "seen"
        ]

    @property
    def _nothing(self) -> str:
        return "Nothing is new: every complete window was looked at."


class WindowView(View):
    """A window of a version's predictions with everything that was found in it; `report` has every figure. It shows itself."""

    kind = "window"

    def __init__(self, store: Store, version: ModelVersion, report: WindowReport) -> None:
        self._store, self._version, self.report = store, version, report

    @property
    def rows(self) -> pd.DataFrame:
        """What the version said of the rows, and what turned out to be true as it is known now; see `Version.predictions`."""
        return _predictions.frame(self._store, self._version, at(self.report.start), at(self.report.until), None)

    @property
    def signals(self) -> pd.DataFrame:
        """Everything that was looked at, with how it is, and a sentence."""
        import pandas as pd

        return pd.DataFrame([msgspec.to_builtins(one) for one in self.report.signals])

    @property
    def drift(self) -> DriftView:
        """Each column beside the baseline, with both histograms. Raises NotFound when its profiles are gone."""
        then, now = running.profiles(self._store, self._version, self.report)
        return DriftView(self.report.drift[0], then, now, self.report.drift[1:])

    @property
    def slices(self) -> pd.DataFrame:
        """The rows that lose most beside the laboratory, the worst first; none where the window is not beyond its bound."""
        import pandas as pd

        found = self.report.causes.slices if self.report.causes is not None else ()
        columns = ["column", "group", "rows", "loss", "laboratory", "added", "share"]
        return pd.DataFrame([msgspec.to_builtins(one) for one in found], columns=columns)

    def to_text(self) -> str:
        """How good it was, what is not as it should be, and where to look first."""
        parts = [self._head, *self._sentences]
        return "\n".join([*parts, text.table(_SIGNALS, self._wrong)] if self._wrong else parts)

    def to_html(self) -> Html:
        """The same."""
        parts = [*self._sentences, html.table(_SIGNALS, self._wrong)] if self._wrong else self._sentences
        return html.section(self._head, *parts)

    @property
    def _head(self) -> str:
        one = self.report
        rows = f"{values.counted(one.rows, 'row')}, {one.labelled:,} with a label"
        return f"{one.model}/{one.version}, {at(one.start):%Y-%m-%d} until {at(one.until):%Y-%m-%d}: {rows}"

    @property
    def _sentences(self) -> list[str]:
        found = self.report.performance
        told = [one.sentence for one in found.standings] if found is not None else []
        causes = [self.report.causes.sentence] if self.report.causes is not None else []
        return [*told, *causes, *self.report.notes] or ["Nothing is known of how good it was."]

    @property
    def _wrong(self) -> list[list[object]]:
        order = sorted((one for one in self.report.signals if one.state in BAD), key=_order)
        return [[one.state, one.cause, one.sentence] for one in order]


def window(store: Store, version: ModelVersion, when: datetime | str) -> WindowView:
    """See `Version.window`."""
    moment = times.microseconds(times.moment(when))
    shown = f"{version.model}/{version.version}"
    found = store.read(
        """
        select report_sha256 from monitor_windows
        where model = ? and version = ? and start <= make_timestamp(?) and until > make_timestamp(?) order by start desc limit 1
        """,
        [version.model, version.version, moment, moment],
    ).rows
    if not found:
        raise NotFound(
            f"No window of {shown} that holds {when} was looked at.",
            hint=f"`nbops monitor run {version.model}` looks at those that are complete; {shown}'s `windows` lists them.",
        )
    return WindowView(store, version, running.report(store, found[0][0]))


def windows(store: Store, version: ModelVersion) -> pd.DataFrame:
    """See `Version.windows`."""
    sql = """
        select
            w.start, w.until, w.rows, w.labelled, r.metric, r.unit, r.value, r.low, r.high, r.laboratory, r.ratio, r.standing,
            e.value as estimated, w.baseline
        from monitor_windows w
        left join performance r on r.window_id = w.window_id and r.kind = 'realised' and r.slice is null and r.standing is not null
        left join performance e on e.window_id = w.window_id and e.kind = 'estimated' and e.slice is null and e.metric = r.metric
        where w.model = ? and w.version = ? order by w.start
    """
    return store.frame(sql, [version.model, version.version])


def line(report: WindowReport) -> list[object]:
    """A window in the cells of a table: version, ends, rows, labels, how good it was, and which columns drifted."""
    found = report.performance
    stands = found.standings[0] if found is not None and found.standings else None
    drifted = [one.column for one in report.drift[0].columns if one.verdict == "differs"] if report.drift else []
    return [
        f"{report.model}/{report.version}", at(report.start).date().isoformat(), at(report.until).date().isoformat(), report.rows,
        report.labelled, stands.metric if stands else None, stands.value if stands else None, stands.laboratory if stands else None,
        stands.where if stands else None, ", ".join(drifted),
    ]  # fmt: skip


def _order(signal: Signal) -> tuple[bool, int]:
    return signal.state != "broken", ("info", "watch", "warn", "page").index(signal.severity) * -1
