"""The demo's months: the champion predicts week after week, the truth comes in, and what the monitoring makes of it.

The wind turns in May: an incident opens, the same notebook trains a new version on the two full months before, and a review waits for a
person. `whole` goes on to December, when winter comes back and new versions are worse than what they would replace.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from nbops.promotion import retrain, ticking
from nbops.records import Record, at, short
from nbops.workspace._model import CHAMPION
from nbops.workspace._review import Review
from nbops.workspace._workspace import Workspace
from nbops.workspace.demo_review import JUDGED, Step
from nbops.workspace.demo_review import step as step_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from nbops.promotion.ticking import Ticked

FIRST, SHORT, WHOLE = "2013-03-11", "2013-06-03", "2013-12-30"
"""The Mondays up to which the pipeline predicts in the whole year's demo and in the short one, and up to which the year is gone through."""
_WEEK = timedelta(days=7)
_AGAIN = ("2013-11-01", "2013-12-01")


class Watched(Record):
    """A model that is watched: the column with its truth, those that it may take, the policy, and how its measure is told of a week."""

    model: str
    label: str
    features: tuple[str, ...]
    policy: dict[str, Any]
    told: str


class Months(Record):
    """What came of the months: how many weeks were looked at, the incident's id and when it opened, and each challenger with its outcome.

    `reviews` are those that were opened, `champion` the version that is in use at the end.
    """

    weeks: int
    until: str
    incident: str
    opened: str
    challengers: dict[str, str]
    reviews: tuple[str, ...]
    champion: str


def watch(
    workspace: Workspace, watched: Watched, data: Path, tell: Callable[[Step], None], *, begun: int = 0
) -> Months:
    """Let the champion predict, week by week, to the end of the year, and do what the monitoring asks for; so many weeks are `begun`.

    Reviews are approved in the name of who runs the demo.
    """
    flights = _flights(data, WHOLE)
    weeks = _Weeks(workspace, watched, flights, tell)
    last = _moment(WHOLE)
    when = _monday(flights["time_hour"].min()) + (begun + 1) * _WEEK
    while when <= last:
        weeks.go(when)
        when += _WEEK
    return told(workspace, watched.model, begun + weeks.count, last)


def train_anew(workspace: Workspace, watched: Watched, until: str, weeks: int, tell: Callable[[Step], None]) -> Months:
    """Do what the monitoring of these weeks asks for, as of the time at which it asked: a new version, whose review waits for a person."""
    model = watched.model
    found = told(workspace, model, weeks, _moment(until))
    with step_of(tell, f"what is due for {model}") as said:
        when = _moment(found.opened or until)
        done = ticking.tick(workspace.store, model, until=when, progress=lambda what: tell(Step(text=what)))
        words = [f"retraining {wish.state}: {wish.message}" for wish in done.wishes]
        said(f"what is due for {model} in the week before {when:%d %B}: {'; '.join(words) or 'nothing'}")
    return told(workspace, model, weeks, _moment(until))


def told(workspace: Workspace, model: str, weeks: int, until: datetime) -> Months:
    """What came of the weeks."""
    store = workspace.store
    opened = store.read(
        """
        select i.incident_id::varchar, max(epoch_us(s.window_end)) from incidents i
        join incident_acts a on a.incident_id = i.incident_id and a.act = 'opened'
        join signals s on s.subject = i.subject and s.cause = i.cause and s.window_start = a.window_start
        where i.model = ? and i.kind = 'performance' group by i.incident_id, i.opened order by i.opened limit 1
        """,
        [model],
    ).rows
    wishes = retrain.wishes(store, model, everything=True)
    return Months(
        weeks=weeks, until=until.date().isoformat(), incident=short(opened[0][0]) if opened else "",
        opened=at(opened[0][1]).date().isoformat() if opened else "",
        challengers={
            f"{model}/{one.challenger}": f"{one.state}: {one.message}" for one in wishes if one.challenger is not None
        },
        reviews=tuple(short(one.review_id) for one in wishes if one.review_id is not None),
        champion=f"{model}/{workspace.model(model).aliases[CHAMPION]}",
    )  # fmt: skip


class _Weeks:
    """Weeks that go by."""

    def __init__(
        self,
        workspace: Workspace,
        watched: Watched,
        flights: pd.DataFrame,
        tell: Callable[[Step], None],
    ) -> None:
        self.workspace, self.watched, self.flights, self.tell = workspace, watched, flights, tell
        self.model = watched.model
        self.count = 0
        self.asked: set[str] = set()

    def go(self, until: datetime) -> None:
        """A week: the versions in use predict it, its flights land, and what is due is done."""
        start = until - _WEEK
        week = self.flights[(self.flights["time_hour"] >= start) & (self.flights["time_hour"] < until)]
        with step_of(self.tell, f"the week of {start:%d %B}") as said:
            for version in self._in_use():
                self.workspace.log_predictions(
                    f"{self.model}/{version}",
                    week[["flight_id", "time_hour", *self.watched.features]],
                    id="flight_id",
                    time="time_hour",
                )
            label = self.watched.label
            landed = week.dropna(subset=label)[["flight_id", label]]
            self.workspace.log_labels(self.model, landed, id="flight_id", label=label)
            self._ask(until)
            done = ticking.tick(
                self.workspace.store, self.model, until=until, progress=lambda what: self.tell(Step(text=what))
            )
            self.count += 1
            said(self._sentence(start, len(week), done))
        for wish in done.wishes:
            if wish.state == "proposed" and wish.review_id is not None:
                self._approve(wish.review_id)

    def _in_use(self) -> list[int]:
        """The champion, and the one that it took over from."""
        history = self.workspace.model(self.model).alias_history
        now = self.workspace.model(self.model).aliases[CHAMPION]
        before = history[(history["alias"] == CHAMPION) & (history["version"] == now)]["version_before"].dropna()
        return [*dict.fromkeys([now, *(int(one) for one in before.head(1))])]

    def _ask(self, until: datetime) -> None:
        for day in _AGAIN:
            when = _moment(day)
            if when <= until and day not in self.asked:
                self.asked.add(day)
                retrain.ask(self.workspace.store, self.model, reason="Winter comes back.", until=when, cause="schedule")

    def _approve(self, review_id: str) -> None:
        review = Review(self.workspace.store, review_id)
        with step_of(self.tell, f"approving review {review.id}") as said:
            review.approve(reason="The demo's user lets the better version take over.")
            said(f"approved review {review.id}: {self.model}/{review.case.version} is the champion")

    def _sentence(self, start: datetime, flights: int, done: Ticked) -> str:
        champion = self.workspace.model(self.model).aliases[CHAMPION]
        told = f"the week of {start:%d %B}: {flights:,} flights"
        for report in (one for looked in done.monitored for one in looked.reports if one.version == champion):
            if report.performance is not None and report.performance.standings[0].value is not None:
                told += f", {self.model}/{champion} {self.watched.told.format(report.performance.standings[0].value)}"
        for change in (change for looked in done.monitored for change in looked.changes):
            if change.act in {"opened", "healed"} and change.severity == "page":
                told += f"; incident {short(change.incident_id)} {change.act}"
        for wish in done.wishes:
            told += f"; retraining {wish.state}"
        return told


def _flights(data: Path, until: str) -> pd.DataFrame:
    """The flights after those by which the champion was judged, with times that say that they are UTC."""
    import pandas as pd

    after = pd.Timestamp(JUDGED[1]) + pd.Timedelta(days=1)
    found = pd.read_parquet(data, filters=[("date", ">=", after), ("date", "<=", pd.Timestamp(until))])
    return found.assign(time_hour=found["time_hour"].dt.tz_localize("UTC"))


def _moment(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def _monday(when: pd.Timestamp) -> datetime:
    day = when.to_pydatetime().replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday()) + (_WEEK if day.weekday() else timedelta())
