"""What the store knows of a model that is monitored, as its page tells it: windows, figures, columns, incidents, wishes, moves.

Read from the views, which hold a row for each window; of the reports of windows, which hold everything, a handful is opened.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from nbops.data.profile import Profile
from nbops.errors import NbopsError
from nbops.evaluation.bootstrap import Interval
from nbops.evaluation.metrics import metric
from nbops.monitoring import baseline, incidents, running, status, windows
from nbops.monitoring.backtest import Backtest, Pair, Trust, backtest
from nbops.monitoring.incidents import Case, Done
from nbops.monitoring.performance import Performance
from nbops.monitoring.performance import Standing as Stands
from nbops.monitoring.policy import SEVERITIES, MonitorPolicy
from nbops.monitoring.results import WindowReport
from nbops.monitoring.windows import Window
from nbops.promotion import retrain, reviews
from nbops.promotion.retrain import Verdicts, Wish
from nbops.records import Record
from nbops.registry import evaluations, models
from nbops.registry.card import Card
from nbops.reports import sources
from nbops.reports.standing import Move, history
from nbops.store.client import Store
from nbops.times import microseconds

CHAMPION = "champion"
RECENT = 30
"""So many windows have their columns told."""
_INCIDENTS = 30
_NEWEST, _OLDEST = 4, 2
_PEOPLE = ("acknowledged", "commented", "muted", "unmuted")


class Looked(NamedTuple):
    """A window of a version that was looked at; times in UTC microseconds, `seen` when that was."""

    version: int
    start: int
    until: int
    rows: int
    labelled: int
    sha256: str
    seen: int

    @property
    def window(self) -> Window:
        """Its ends."""
        return Window.between(self.start, self.until)


class Figure(NamedTuple):
    """The success measure in a window: `realised`, or `estimated` without labels."""

    version: int
    start: int
    until: int
    kind: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    laboratory: float | None
    standing: str | None
    band: float | None


class Square(NamedTuple):
    """A column in a window: how far it moved, and what it takes."""

    start: int
    column: str
    verdict: str
    effect: float | None
    threshold: float | None
    sentence: str


class Judged(NamedTuple):
    """A check of data or an assumption in a window, and who said it."""

    kind: str
    rule: str
    outcome: str
    broken: int
    rows: int
    sentence: str
    author: str | None


class Asked(NamedTuple):
    """A wish for a retraining, when its last step was, and what the gate said of the version that came of it."""

    wish: Wish
    changed: int
    actor: str
    verdicts: Verdicts | None


class Known(Record):
    """Everything that the page tells from.

    `version` is the one in focus: the champion if a window of its predictions was looked at, else the last one that was. `figures` are of
    `metric`, the success measure, by version and kind. `judged` is its last report with a judgement of known truth, `worse` the last one
    that says where to look first. `until` is the time (UTC microseconds) up to which everything is told, if not all is.
    """

    model: str
    card: Card
    policy: MonitorPolicy
    word: status.Word
    looked: tuple[Looked, ...]
    version: int | None
    holder: int | None
    names: dict[int, str]
    metric: str
    figures: dict[tuple[int, str], dict[int, Figure]]
    squares: tuple[Square, ...]
    checks: tuple[Judged, ...]
    cases: tuple[Case, ...]
    asked: tuple[Asked, ...]
    moves: tuple[Move, ...]
    pending: tuple[reviews.Case, ...]
    last: WindowReport | None
    judged: WindowReport | None
    worse: WindowReport | None
    promised: Interval | None
    target: str
    data_until: int | None
    seen: int | None
    until: int | None
    as_of: datetime

    @property
    def zone(self) -> ZoneInfo:
        """That of the policy's windows."""
        return windows.zone(self.policy.timezone)

    @property
    def own(self) -> tuple[Looked, ...]:
        """The windows of the version in focus, in order."""
        return tuple(one for one in self.looked if one.version == self.version)

    @property
    def performance(self) -> Performance | None:
        """How good the version in focus was when that was judged last."""
        return self.judged.performance if self.judged is not None else None

    @property
    def stands(self) -> Stands | None:
        """How that stands to its bound."""
        found = self.performance
        return found.standings[0] if found is not None and found.standings else None

    @property
    def open(self) -> tuple[Case, ...]:
        """What is wrong, the worst first."""
        return tuple(case for case in self.cases if case.status == "open")

    @property
    def trouble(self) -> Case | None:
        """The incident that the page is about: one that is open and matters, else the last one of known truth that is over."""
        known = [case for case in self.open if case.severity in {"warn", "page"}]
        over = [case for case in self.cases if case.kind == "performance"]
        return next(iter(known), None) or max(over, key=lambda case: case.opened, default=None)

    @property
    def limit(self) -> float | None:
        """How bad the success measure may get, in its own unit."""
        stands = self.stands
        if stands is None or self.performance is None:
            return None
        bound, laboratory = stands.bound, stands.laboratory
        if bound.limit is not None or laboratory is None or bound.worse_than is None:
            return bound.limit
        return laboratory / bound.worse_than if self.higher else laboratory * bound.worse_than

    @property
    def higher(self) -> bool:
        """Whether more of the success measure is better."""
        return self.performance is not None and metric(self.performance.task, self.metric).better == "higher"

    def of(self, version: int | None, kind: str = "realised") -> list[Figure]:
        """The figures of a version, in the order of its windows."""
        found = self.figures.get((version, kind), {}) if version is not None else {}
        return [found[start] for start in sorted(found)]

    def trusts(self, version: int | None) -> list[tuple[int, Backtest]]:
        """For the window of each estimate of a version, what estimates were worth by then."""
        realised = self.figures.get((version, "realised"), {}) if version is not None else {}
        found, pairs = [], list[Pair]()
        for one in self.of(version, "estimated"):
            found.append((one.start, backtest(pairs, name=self.metric, unit=one.unit)))
            truth = realised.get(one.start)
            if truth and truth.value is not None and one.value is not None and one.band is not None:
                pairs += [Pair(one.value, truth.value, one.band)] if truth.standing != "unknown" else []
        return found

    def trust_since(self, version: int | None) -> tuple[Trust, int] | None:
        """What estimates of a version are worth now, and since which window."""
        course = self.trusts(version)
        if not course:
            return None
        word = course[-1][1].trust
        since = course[-1][0]
        for start, one in reversed(course):
            if one.trust != word:
                break
            since = start
        return word, since


def gather(store: Store, model: str, *, until: datetime | None = None, as_of: datetime | None = None) -> Known:
    """What the store knows of a model: all of it, or what was known of windows that had ended `until` a time. Raises NotFound."""
    models.known(store, model)
    end = None if until is None else microseconds(until)
    policy = incidents.policies(store, model)[0].policy
    looked = _looked(store, model, policy, end)
    moves = tuple(one for one in history(store, model) if end is None or microseconds(one.since) <= end)
    holder = next((one.version for one in moves if one.alias == CHAMPION), None)
    version = _focus(looked, holder)
    cases = _cases(store, model, looked, end)
    name, figures = _figures(store, model, version, end)
    own = [one for one in looked if one.version == version]
    record = models.version(store, model, version) if version is not None else None
    held = baseline.evaluation(store, record) if record is not None else None
    severities = [case.severity for case in cases if case.status == "open"]
    learns = version is not None and not severities and status.learns(store, model, version, end)
    last = store.read("select epoch_us(max(last)) from prediction_segments where model = ?", [model]).rows[0][0]
    pending = tuple(
        one
        for one in (reviews.get(store, key) for key in reviews.pending(store, model))
        if end is None or one.created <= end
    )
    return Known(
        model=model, card=evaluations.card_of(store, model), policy=policy,
        word=status.word_for(severities, learns=learns) if own else "not monitored",
        looked=looked, version=version, holder=holder, names=_names(moves, holder, pending), metric=name, figures=figures,
        squares=_squares(store, model, own), checks=_checks(store, model, own), cases=cases, asked=_asked(store, model, end), moves=moves,
        pending=pending,
        last=_report(store, own[-1]) if own else None,
        judged=_judged(store, own, figures.get((version, "realised"), {}) if version is not None else {}),
        worse=_worse(store, looked, figures), promised=held.assessment.of(name) if held is not None else None,
        target=(record.manifest.output.name if record is not None else None) or "the target",
        data_until=last if end is None or last is None else min(last, end),
        seen=max((one.seen for one in looked), default=None), until=end, as_of=as_of or sources.now(),
    )  # fmt: skip


def profiles(store: Store, report: WindowReport) -> tuple[Profile, Profile] | None:
    """What the version of a report is held against, and the window's rows; None where they are not kept."""
    base = baseline.stored(store, report.model, report.version)
    sql = """
        select profile from profiles where model = ? and version = ? and kind = 'day'
            and start >= make_timestamp(?) and until <= make_timestamp(?) order by start
    """
    rows = store.read(sql, [report.model, report.version, report.start, report.until]).rows
    if base is None or not rows:
        return None
    try:
        return base.profile, functools.reduce(Profile.merged, (Profile.from_json(row[0]) for row in rows))
    except NbopsError:
        # A column changed its kind within the window.
        return None


def valued(store: Store, known: Known, most: int) -> list[WindowReport]:
    """The reports of the last windows of the version in focus that tell what its decisions cost."""
    if known.performance is None or known.performance.value is None:
        return []
    found = [_report(store, one) for one in known.own[-most:]]
    return [one for one in found if one.performance is not None and one.performance.value is not None]


def _looked(store: Store, model: str, policy: MonitorPolicy, end: int | None) -> tuple[Looked, ...]:
    sql = """
        select version, epoch_us(start), epoch_us(until), rows, labelled, report_sha256, epoch_us(time) from monitor_windows
        where model = ? and every = ? and (? is null or until <= make_timestamp(?)) order by start, version
    """
    return tuple(Looked(*row) for row in store.read(sql, [model, policy.window, end, end]).rows)


def _focus(looked: Sequence[Looked], holder: int | None) -> int | None:
    if any(one.version == holder for one in looked):
        return holder
    return max(looked, key=lambda one: (one.until, one.version)).version if looked else None


def _figures(
    store: Store, model: str, version: int | None, end: int | None
) -> tuple[str, dict[tuple[int, str], dict[int, Figure]]]:
    """The metric that is judged by, and its figures by version and kind."""
    sql = """
        select metric from performance where model = ? and version = ? and slice is null and standing is not null
            and (? is null or until <= make_timestamp(?)) order by kind = 'realised' desc, until desc limit 1
    """
    found = store.read(sql, [model, version, end, end]).rows if version is not None else []
    if not found:
        return "", {}
    sql = """
        select version, epoch_us(start), epoch_us(until), kind, value, low, high, unit, laboratory, standing, band from performance
        where model = ? and metric = ? and slice is null and (? is null or until <= make_timestamp(?))
    """
    told: dict[tuple[int, str], dict[int, Figure]] = {}
    for row in store.read(sql, [model, found[0][0], end, end]).rows:
        one = Figure(*row)
        told.setdefault((one.version, one.kind), {})[one.start] = one
    return str(found[0][0]), told


def _squares(store: Store, model: str, own: Sequence[Looked]) -> tuple[Square, ...]:
    """The columns in the last windows."""
    if not own:
        return ()
    sql = """
        select epoch_us(start), "column", verdict, effect, threshold, sentence from drift
        where model = ? and version = ? and slice is null and start between make_timestamp(?) and make_timestamp(?)
    """
    ends = own[-RECENT:][0].start, own[-1].start
    return tuple(Square(*row) for row in store.read(sql, [model, own[0].version, *ends]).rows)


def _checks(store: Store, model: str, own: Sequence[Looked]) -> tuple[Judged, ...]:
    """What was checked in the last window."""
    if not own:
        return ()
    sql = """
        select kind, rule, outcome, broken, rows, sentence, author from checks
        where model = ? and version = ? and start = make_timestamp(?) order by kind, rule
    """
    return tuple(Judged(*row) for row in store.read(sql, [model, own[0].version, own[-1].start]).rows)


def _cases(store: Store, model: str, looked: Sequence[Looked], end: int | None) -> tuple[Case, ...]:
    """The incidents, those that are open and severe first, then the newest."""
    sql = "select incident_id::varchar from incidents where subject = ? order by status = 'open' desc, opened desc limit ?"
    found = [incidents.get(store, row[0]) for row in store.read(sql, [f"model:{model}", _INCIDENTS]).rows]
    if end is not None:
        last = max((one.start for one in looked), default=0)
        found = [known for case in found if (known := _as_it_was(case, last, end)) is not None]
    return tuple(sorted(found, key=lambda one: (one.status != "open", -SEVERITIES.index(one.severity), -one.opened)))


def _as_it_was(case: Case, last: int, end: int) -> Case | None:
    """An incident after the window that began at `last`, and what people had done until a time; None if it had not begun."""

    def had_happened(done: Done) -> bool:
        return done.time <= end if done.act in _PEOPLE or done.start is None else done.start <= last

    acts = tuple(one for one in case.acts if had_happened(one))
    if not any(one.act == "opened" for one in acts):
        return None
    told = [one for one in acts if one.act in {"opened", "seen", "raised", "lowered"}]
    ended = next((one for one in acts if one.act in {"healed", "closed"}), None)
    acknowledged = next((one.actor for one in acts if one.act == "acknowledged"), None)
    bad = [one.start for one in told if one.act in {"opened", "seen"} and one.start is not None]
    return msgspec.structs.replace(
        case, acts=acts, severity=told[-1].severity, text=told[-1].text, acknowledged_by=acknowledged, last_window=max(bad),
        windows=len({*bad}), status={"healed": "healed", "closed": "closed"}[ended.act] if ended else "open",
        closed=ended.time if ended else None, closed_by=ended.actor if ended and ended.act == "closed" else None,
    )  # fmt: skip


def _asked(store: Store, model: str, end: int | None) -> tuple[Asked, ...]:
    """The wishes for a retraining, oldest first."""
    sql = """
        select request_id::varchar, epoch_us(max(time)), arg_max(verdict, time) filter (verdict is not null)
        from retrain_acts where request_id::varchar in (select unnest(?)) group by 1
    """
    found = [one for one in retrain.wishes(store, model, everything=True) if end is None or one.created <= end]
    rows = store.read(sql, [[one.request_id for one in found]]).rows if found else []
    acts = {row[0]: row[1:] for row in rows}
    said = store.read("select request_id::varchar, actor from retrain_requests where model = ?", [model]).rows
    actors = {row[0]: row[1] for row in said}
    told = []
    for wish in found:
        changed, verdict = acts.get(wish.request_id, (wish.created, None))
        then = msgspec.structs.replace(wish, state="requested", challenger=None, message=None)
        known = wish if end is None or changed <= end else then
        told.append(Asked(known, changed, actors[wish.request_id], _verdicts(verdict)))
    return tuple(told)


def _verdicts(text: str | None) -> Verdicts | None:
    """What was kept of the gate; what an older or newer nbops kept otherwise is left out, since the wish says it in words."""
    try:
        return None if text is None else msgspec.json.decode(text, type=Verdicts)
    except msgspec.MsgspecError:
        return None


def _names(moves: Sequence[Move], holder: int | None, pending: Iterable[reviews.Case]) -> dict[int, str]:
    """What versions are: the champion, those that were it, those that are to become it."""
    names = {one.before: "former champion" for one in moves if one.alias == CHAMPION and one.before is not None}
    names |= {one.version: "proposed" for one in pending if one.alias == CHAMPION}
    return names | ({holder: "champion"} if holder is not None else {})


def _report(store: Store, one: Looked) -> WindowReport:
    return running.report(store, one.sha256)


def _judged(store: Store, own: Sequence[Looked], realised: dict[int, Figure]) -> WindowReport | None:
    """The last report that held known truth against the bound."""
    for one in reversed(own):
        figure = realised.get(one.start)
        if figure is not None and figure.standing not in {None, "unknown"}:
            return _report(store, one)
    return None


def _worse(
    store: Store, looked: Sequence[Looked], figures: dict[tuple[int, str], dict[int, Figure]]
) -> WindowReport | None:
    """The last report of a window beyond its bound that says where to look first; of many the last and the first are opened."""
    beyond = [
        one
        for one in looked
        if (figure := figures.get((one.version, "realised"), {}).get(one.start)) is not None
        and figure.standing == "beyond"
    ]
    for one in dict.fromkeys([*beyond[: -_NEWEST - 1 : -1], *beyond[:_OLDEST]]):
        report = _report(store, one)
        if report.causes is not None:
            return report
    return None
