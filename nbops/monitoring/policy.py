"""The policy by which a model is monitored: what is looked at, what is odd, when that becomes an incident, and who hears of it.

The owner reads these records, too: reading a person's YAML is `policy_yaml`'s part.
"""

from __future__ import annotations

import re
from calendar import isleap
from datetime import date, timedelta
from typing import Annotated, Literal

import msgspec

from nbops.errors import UsageError
from nbops.monitoring.windows import Every, Window, zone
from nbops.notify.outbox import OPERATORS
from nbops.records import Record

Kind = Literal["data", "assumption", "drift", "prediction", "estimate", "performance", "run"]
"""What a signal is about: the rules for data and a version's assumptions; columns; answers; quality without and with labels; whether
a pipeline ran as it should."""
Severity = Literal["info", "watch", "warn", "page"]
"""How much something matters; `page` is to be looked at now."""
SEVERITIES: tuple[Severity, ...] = ("info", "watch", "warn", "page")
"""From the least to the most severe."""

DAY = 86_400
_MOST = 10**9
_Count = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
_AtLeastOne = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0)]
_Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
_Seconds = Annotated[int, msgspec.Meta(ge=DAY, le=_MOST)]
_YEARLY = re.compile(r"(\d{1,2})-(\d{1,2})")


class Warmup(Record):
    """What there has to be before anything is judged."""

    rows: _Count = 200
    windows: _Count = 2


class Drift(Record):
    """When a column has moved: both the effect and its adjusted p."""

    columns: tuple[str, ...] | Literal["all"] = "all"
    effect: _NotNegative = 0.1
    p: _Share = 0.01


class Performance(Record):
    """When the realised metric is bad: by its ratio to what the laboratory measured, or beyond a limit, whichever comes first."""

    metric: str | None = None
    worse_than: Annotated[float, msgspec.Meta(gt=1)] | None = 1.25
    limit: float | None = None
    min_labels: _AtLeastOne = 100


class Value(Record):
    """What an error of one unit of the target costs, in a unit of money or of whatever is lost."""

    per_unit_error: Annotated[float, msgspec.Meta(gt=0, le=_MOST)] | None = None
    unit: str = ""


class OpenAfter(Record):
    """So many odd windows of the last `of` open an incident."""

    odd: _AtLeastOne = 2
    of: _AtLeastOne = 3


class Severities(Record):
    """How much each kind of signal matters."""

    data: Severity = "page"
    assumption: Severity = "page"
    drift: Severity = "info"
    prediction: Severity = "watch"
    estimate: Severity = "warn"
    performance: Severity = "page"


class Notify(Record):
    """Who is told of incidents of each severity: mail addresses, or names of channels in the settings."""

    info: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    warn: tuple[str, ...] = (OPERATORS,)
    page: tuple[str, ...] = (OPERATORS,)


class Season(Record):
    """Days, the last one included, on which something odd is expected: month and day for every year, or dates with their year."""

    start: str = msgspec.field(name="from")
    until: str
    reason: str

    @property
    def yearly(self) -> bool:
        """Whether it comes every year."""
        return bool(_YEARLY.fullmatch(self.start) and _YEARLY.fullmatch(self.until))

    def overlaps(self, first: date, last: date) -> bool:
        """Whether one of these days is in it. Raises UsageError for what are no days."""
        if self.yearly:
            turned = _day(self.until, 2000) < _day(self.start, 2000)
            years = range(first.year - 1, last.year + 1)
            return any(_day(self.start, year) <= last and first <= _day(self.until, year + turned) for year in years)
        return _day(self.start) <= last and first <= _day(self.until)


class Retrain(Record):
    """When and how a new version is trained; none is without a notebook.

    `start` and `until` are the notebook's parameters that get the ends of `months` of data, `last` the one that gets the last day in
    place of the one after it; `cooldown` and `every` are seconds.
    """

    notebook: str | None = None
    start: str = "start"
    until: str = "until"
    last: str | None = None
    months: _AtLeastOne = 2
    cooldown: _Seconds = 28 * DAY
    budget: _AtLeastOne = 6
    every: _Seconds | None = None


class MonitorPolicy(Record):
    """How a model is monitored; `policy_yaml.KEYS` says what each key means."""

    window: Every = "week"
    timezone: str = "UTC"
    baseline: str = "reference"
    warmup: Warmup = Warmup()
    drift: Drift = Drift()
    slices: tuple[str, ...] = ()
    contract: str | None = None
    performance: Performance = Performance()
    value: Value = Value()
    estimate: bool = True
    open_after: OpenAfter = OpenAfter()
    close_after: _AtLeastOne = 3
    severities: Severities = Severities()
    notify: Notify = Notify()
    seasons: tuple[Season, ...] = ()
    retrain: Retrain = Retrain()

    def season(self, window: Window) -> str | None:
        """Why something odd is expected in a window; None when it is not."""
        here = zone(self.timezone)
        first = window.start.astimezone(here).date()
        last = (window.until - timedelta(microseconds=1)).astimezone(here).date()
        return next((season.reason for season in self.seasons if season.overlaps(first, last)), None)


PIPELINES = MonitorPolicy(close_after=1, warmup=Warmup(rows=0, windows=0))
"""How pipelines are monitored: from the first run on, and one good run ends what was wrong before."""


def by_default(subject: str) -> MonitorPolicy:
    """The policy that holds for a subject such as "model:air-time" when nothing is said."""
    return PIPELINES if subject.startswith("pipeline:") else MonitorPolicy()


def worst(severities: list[Severity]) -> Severity:
    """The most severe one of at least one."""
    return max(severities, key=SEVERITIES.index)


def _day(told: str, year: int | None = None) -> date:
    """Raises UsageError."""
    try:
        if year is None:
            return date.fromisoformat(told)
        month, day = map(int, told.split("-"))
        # 29 February of a year that has none is the day before March.
        return date(year, 2, 28) if (month, day) == (2, 29) and not isleap(year) else date(year, month, day)
    except ValueError as error:
        raise UsageError(f"{told!r} is no day.", hint="Such as 2026-12-20, or 12-20 for every year.") from error
