"""A model's predictions and labels in, windows with everything that was found in them out: what is new or changed is looked at, and kept.

Each window is kept at once, with what it does to incidents; whoever dies between two goes on where that stopped.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.data import checking, profiling
from nbops.data.profile import Profile
from nbops.errors import NbopsError, NotFound, UsageError
from nbops.evaluation.answers import Answers, Task, class_name, losses
from nbops.evaluation.assumptions import hold
from nbops.evaluation.metrics import metric
from nbops.monitoring import baseline, estimation, flat, incidents, judging, logged, performance, rows, windows
from nbops.monitoring.backtest import Backtest, Pair, backtest
from nbops.monitoring.baseline import Baseline
from nbops.monitoring.causes import Causes, Slice, added_losses, causes
from nbops.monitoring.drift import ColumnDrift, Drift, DriftPolicy, compare_each
from nbops.monitoring.drift import Pair as Beside
from nbops.monitoring.estimation import Estimation, Estimator
from nbops.monitoring.kept import Check, DayProfile, EndMonitoring, KeepWindow
from nbops.monitoring.performance import Bound, Performance
from nbops.monitoring.policy import MonitorPolicy
from nbops.monitoring.requests import Change
from nbops.monitoring.results import WindowReport
from nbops.monitoring.rows import Question
from nbops.monitoring.windows import Window
from nbops.predictions import joining
from nbops.records import Record, at, new_id
from nbops.registry import baselines, evaluations, models
from nbops.registry.baselines import TRUTH
from nbops.registry.models import ModelVersion
from nbops.store.client import Store

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Monitored(Record):
    """What was looked at just now, in the order of the windows, and what that did to incidents."""

    model: str
    reports: tuple[WindowReport, ...]
    changes: tuple[Change, ...]


def monitor(
    store: Store,
    model: str,
    *,
    until: datetime | None = None,
    version: int | None = None,
    again: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Monitored:
    """Look at every window of the model's predictions that is complete by `until` (now) and new, or whose rows or labels changed.

    All versions with predictions, or one; with `again` every window anew. Raises NotFound for a model without predictions, StoreCorrupt.
    """
    policy = incidents.policies(store, model)[0].policy
    when = until or datetime.now(UTC)
    versions = _versions(store, model, version)
    if not versions:
        raise NotFound(
            f"No version of {model!r} has logged predictions{f' as version {version}' if version else ''}.",
            hint="Log them: nbops.log_predictions(version, frame, id=…, time=…), or `nbops score`.",
        )
    looks = [_Look(store, policy, models.version(store, model, number)) for number in versions]
    reports, changes = list[WindowReport](), list[Change]()
    # In the order of time, whichever version it is: an incident is of the model.
    due = sorted(
        ((window, place) for place, look in enumerate(looks) for window in look.due(when, again=again)),
        key=lambda one: one[0],
    )
    for window, place in due:
        progress(f"{model}/{versions[place]}: {window.start:%d %b %Y}")
        report, days = looks[place].look(window)
        if report is not None:
            reports.append(report)
            changes += _keep(store, report, days, looks[place].place)
    for look in looks:
        look.end(when)
    return Monitored(model, tuple(reports), tuple(changes))


def monitored(store: Store) -> list[str]:
    """The models whose versions have logged predictions."""
    return [row[0] for row in store.read("select distinct model from prediction_segments order by 1").rows]


def report(store: Store, sha256: str) -> WindowReport:
    """A report that was kept. Raises NotFound, StoreCorrupt."""
    return msgspec.msgpack.decode(store.get_blob(sha256), type=WindowReport)


def profiles(store: Store, version: ModelVersion, found: WindowReport) -> tuple[Profile, Profile]:
    """What a report held beside each other: the profile of its baseline, and that of its window. Raises NotFound."""
    policy = incidents.policies(store, version.model)[0].policy
    look, window = _Look(store, policy, version), Window.between(found.start, found.until)
    base, now = baseline.stored(store, version.model, version.version), look.kept_days(window)
    if base is None or now is None:
        raise NotFound(
            f"The profiles of {version.model}/{version.version} are gone.",
            hint="`nbops monitor run --again` makes them anew.",
        )
    other = look.other(window) if found.baseline == policy.baseline else None
    then = base.profile if other is None else look.kept(other, base, [*now.columns], window)
    return _only(then or base.profile, [*now.columns]), now


def _versions(store: Store, model: str, version: int | None) -> list[int]:
    sql = "select distinct version from prediction_segments where model = ? and (? is null or version = ?) order by 1"
    return [row[0] for row in store.read(sql, [model, version, version]).rows]


def _keep(store: Store, found: WindowReport, days: list[DayProfile], place: int) -> list[Change]:
    kept = store.put_blob(msgspec.msgpack.encode(found))
    request = KeepWindow(
        window_id=new_id(), model=found.model, version=found.version, every=found.every, start=found.start, until=found.until,
        rows=found.rows, labelled=found.labelled, baseline=found.baseline, report_sha256=kept.sha256, place=place, days=days,
        drift=flat.drift_rows(found), performance=flat.performance_rows(found), checks=list(found.checks), signals=list(found.signals),
    )  # fmt: skip
    return msgspec.convert(store.write(request)[0], list[Change])


class _Look:
    """A version, what it is held against, and what was learnt of it."""

    def __init__(self, store: Store, policy: MonitorPolicy, version: ModelVersion) -> None:
        self.store, self.policy, self.version = store, policy, version
        self.model, self.number = version.model, version.version
        self.zone = windows.zone(policy.timezone)
        self.held = baseline.evaluation(store, version)
        self.card = evaluations.card_of(store, version.model)
        self.when = datetime.now(UTC)
        self.place = 0
        self._done = 0

    def due(self, when: datetime, *, again: bool) -> list[Window]:
        """The complete windows with predictions that were not looked at yet, or whose rows or labels changed; and what leans on them."""
        self.when = when
        key = [self.model, self.number]
        first, last = self.store.read(
            "select epoch_us(min(first)), epoch_us(max(last)) from prediction_segments where model = ? and version = ?",
            key,
        ).rows[0]
        looked = self.store.read(
            "select epoch_us(start), place from monitor_windows where model = ? and version = ? and every = ?",
            [*key, self.policy.window],
        ).rows
        known: dict[int, int] = {row[0]: row[1] for row in looked}
        since = self.store.read(
            "select coalesce(max(place), 0) from monitor_runs where model = ? and version = ?", key
        ).rows[0][0]
        changed = joining.changed(self.store, self.model, self.number, since)
        self.place = changed.seq
        then = logged.since(self.store, self.model, self.number, upto=since)
        there = [one for one in windows.complete(at(first), when, self.policy.window, self.zone) if one.span[0] <= last]
        # Who looked at it last may have been stopped before the end: what is newer than its place counts.
        behind = [one for one in there if known.get(one.span[0], -1) < self.place]
        fresh = (
            {
                one
                for one in behind
                if one.span[0] not in known
                or any(_within(day, one) for day in changed.days)
                or logged.expected(self.takes, one, then) != logged.expected(self.takes, one, self.since)
            }
            if not again
            else {*there}
        )
        return [one for one in there if one in fresh or (fresh and self._leans(one, fresh))]

    def _leans(self, window: Window, fresh: Collection[Window]) -> bool:
        """Whether what was found in a window goes by what is looked at anew: by its baseline, or by how far earlier estimates were off."""
        if self.policy.baseline != "reference" and self.other(window) in fresh:
            return True
        return min(fresh) < window and not isinstance(self.estimator, str)

    def other(self, window: Window) -> Window | None:
        """The window that the policy has a window held against; None where that is the reference."""
        told = self.policy.baseline
        if told == "reference":
            return None
        if told in {"previous", "year ago"}:
            before = timedelta(microseconds=1) if told == "previous" else timedelta(days=364)
            return windows.containing(window.start - before, self.policy.window, self.zone)
        return windows.of_day(date.fromisoformat(told), self.policy.window, self.zone)

    def kept(self, window: Window, base: Baseline, columns: Sequence[str], before: Window) -> Profile | None:
        """The profile of a window that has ended: the sum of its days, or of its rows where it is not looked at `before` this one."""
        if window.until > self.when:
            return None
        if window < before and (found := self.kept_days(window)) is not None:
            return found
        rows = joining.joined(self.store, self.model, self.number, window.start, window.until)
        there = [name for name in columns if name in rows.column_names]
        return profiling.profile(rows.select(there), like=base.profile) if len(rows) else None

    def kept_days(self, window: Window) -> Profile | None:
        """The sum of a window's days; None where none was kept, or where a column changed its kind within the window."""
        with contextlib.suppress(UsageError):
            return _stored_window(self.store, self.model, self.number, window)
        return None

    def end(self, when: datetime) -> None:
        """Remember that everything that was logged is looked at."""
        self.store.write(
            EndMonitoring(
                model=self.model,
                version=self.number,
                place=self.place,
                until=int(when.timestamp() * 1e6),
                windows=self._done,
            )
        )

    def look(self, window: Window) -> tuple[WindowReport | None, list[DayProfile]]:
        """Everything about a window; None where no row is in it."""
        table = joining.joined(self.store, self.model, self.number, window.start, window.until)
        if not len(table):
            return None, []
        self._done += 1
        looking = _Window(self, window, table)
        return looking.report(), looking.days

    @functools.cached_property
    def laboratory(self) -> pd.DataFrame | None:
        """The laboratory's rows as predictions are logged."""
        return None if self.held is None else baseline.laboratory(self.store, self.version, self.held)

    @functools.cached_property
    def base(self) -> Baseline | None:
        """What windows are held against, if the version brought it or a window became it."""
        return baseline.of_version(self.store, self.version, self.laboratory)

    def becomes_base(self, table: pa.Table) -> Baseline:
        """What a version without a reference is held against: its first window."""
        columns = [
            name
            for name in table.column_names
            if not name.startswith("_") or baselines.is_answer(name) or name == TRUTH
        ]
        found = Baseline(profiling.profile(table.select(columns)))
        baseline.keep(self.store, self.model, self.number, found)
        self.__dict__["base"] = found
        return found

    @functools.cached_property
    def since(self) -> logged.Since:
        """Since when its columns are logged."""
        return logged.since(self.store, self.model, self.number)

    @property
    def takes(self) -> tuple[str, ...]:
        """The columns that the model takes; those of the reference where nobody said which."""
        if (signature := self.version.manifest.signature) is not None:
            return tuple(column.name for column in signature.columns)
        known = self.base.profile.columns if self.base is not None else ()
        return tuple(name for name in known if not name.startswith("_"))

    @functools.cached_property
    def question(self) -> Question:
        """How its predictions are read."""
        manifest = self.version.manifest
        classes = tuple(class_name(label) for label in manifest.output.classes or ())
        task: Task = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
        unit = self.card.unit or (self.held.asked.unit if self.held is not None else "")
        told = self.policy.value
        value = None if told.per_unit_error is None else rows.PerUnitError(told.per_unit_error, told.unit)
        return Question(
            task=task, classes=classes, unit=unit if task == "regression" else "", rule=manifest.rule, value=value,
            slices=self.policy.slices, zone=self.policy.timezone,
        )  # fmt: skip

    @functools.cached_property
    def promised(self) -> Answers | None:
        """The laboratory's answers."""
        if self.laboratory is None:
            return None
        given = self.laboratory if "_time" in self.laboratory.columns else self.laboratory.assign(_time=self._some_day)
        return rows.told(given, msgspec.structs.replace(self.question, slices=())).answers

    @property
    def _some_day(self) -> Any:
        import pandas as pd

        return pd.Timestamp(0, tz="UTC")

    @functools.cached_property
    def bound(self) -> Bound:
        """How bad it may get."""
        told = self.policy.performance
        usual = performance.default_bound(
            self.question.task, probabilities=self.promised is None or self.promised.probabilities is not None
        )
        name = told.metric or (self.held.assessment.metric if self.held is not None else usual.metric)
        if told.limit is not None and told.worse_than is None:
            return Bound(name, limit=told.limit)
        return Bound(name, worse_than=told.worse_than or performance.WORSE_THAN)

    @functools.cached_property
    def bounds(self) -> tuple[Bound, ...]:
        """Each bound that the policy has."""
        told = self.policy.performance
        both = told.limit is not None and told.worse_than is not None
        return (self.bound, Bound(self.bound.metric, limit=told.limit)) if both else (self.bound,)

    @functools.cached_property
    def estimator(self) -> Estimator | str:
        """What estimates quality without labels, or why nothing does."""
        if not self.policy.estimate:
            return "the policy does without estimates"
        if self.promised is None or self.laboratory is None:
            return "it was never held against rows with known truth"
        try:
            return estimation.learn(self.promised, self.features(self.laboratory))
        except NbopsError as error:
            return error.message

    def features(self, frame: pd.DataFrame) -> pd.DataFrame | None:
        """The columns that the model takes, if all were logged."""
        signature = self.version.manifest.signature
        names = [column.name for column in signature.columns] if signature is not None else []
        return frame[names] if names and {*names} <= {*frame.columns} else None

    @functools.cached_property
    def beside(self) -> Mapping[profiling.Slice, Profile]:
        """The laboratory's rows by slice, where the policy has slices that they know."""
        if self.laboratory is None or self.base is None or not self.policy.slices:
            return {}
        columns = [name for name in self.base.profile.columns if name in self.laboratory.columns]
        return profiling.sliced(self.laboratory[columns], self.slices(columns), like=self.base.profile)

    def slices(self, columns: Sequence[str]) -> list[str]:
        return [name for name in self.policy.slices if name in columns]

    def author(self) -> str | None:
        """Who said last what the model is."""
        found = self.store.read("select actor from model_cards where model = ?", [self.model]).rows
        return found[0][0] if found else None

    def before(self, window: Window) -> list[Pair]:
        """What was estimated for earlier windows of which the truth is known by now, beside it."""
        sql = """
            select e.value, r.value, e.band from performance e
            join performance r on r.window_id = e.window_id and r.metric = e.metric and r.kind = 'realised' and r.slice is null
            where e.kind = 'estimated' and e.model = ? and e.version = ? and e.metric = ? and e.start < make_timestamp(?)
                and e.value is not null and r.value is not null and e.band is not null and r.standing <> 'unknown'
            order by e.start
        """
        found = self.store.read(sql, [self.model, self.number, self.bound.metric, window.span[0]]).rows
        return [Pair(*row) for row in found]


class _Window:
    """A window of a version, looked at once."""

    def __init__(self, look: _Look, window: Window, table: pa.Table) -> None:
        self.of, self.window, self.table = look, window, table
        self.policy = look.policy
        self.notes: list[str] = []
        self.days: list[DayProfile] = []

    def report(self) -> WindowReport:
        """All that there is to say."""
        base = self.of.base or self.of.becomes_base(self.table)
        there = logged.logged(self.of.takes, self.window, self.of.since, self.table.column_names)
        now, then, against = self._profiles(base, gone={name for name in there if not there[name]})
        drift, others = self._drift(base, then, now, against)
        frame = joining.aware(self.table).to_pandas()
        realised = self._or_note("Performance", lambda: self._performance(frame))
        estimated = self._estimated(frame)
        found = WindowReport(
            model=self.of.model, version=self.of.number, every=self.policy.window, start=self.window.span[0], until=self.window.span[1],
            rows=len(frame), labelled=int(frame[TRUTH].notna().sum()), baseline=against, drift=drift, performance=realised,
            estimation=estimated, backtest=self._backtest(estimated), checks=(*self._contract(), *self._assumptions(frame)),
            causes=self._causes(frame, realised, drift[0], then, now), notes=tuple(self.notes),
            others=others, logged=there,
        )  # fmt: skip
        return msgspec.structs.replace(found, signals=judging.signals(found, self.policy))

    def _or_note(self, what: str, told: Callable[[], Any]) -> Any:
        try:
            return told()
        except NbopsError as error:
            self.notes.append(f"{what}: {error.message}")
            return None

    def _profiles(self, base: Baseline, gone: Collection[str]) -> tuple[Profile, Profile, str]:
        """The window's profile, the one that it is held against, of the same columns, and what that is."""
        known = [name for name in base.profile.columns if name in self.table.column_names]
        absent = [name for name in base.profile.columns if name not in {*known, *gone, TRUTH}]
        if absent:
            self.notes.append(f"Not logged, and not looked at: {', '.join(absent)}.")
        now = self._profile(base, known)
        then, against = self._against(base)
        return now, _only(then, known), against

    def _drift(
        self, base: Baseline, then: Profile, now: Profile, against: str
    ) -> tuple[tuple[Drift, ...], tuple[ColumnDrift, ...]]:
        """Each column beside the baseline, of all rows and of each slice; and the columns whose drift nobody asked for, of all rows."""
        known = [*then.columns]
        natural = dict(base.variation.get(self.policy.window, {})) if against == "reference" else {}
        if (target := self.of.version.manifest.output.name) in natural:
            natural[TRUTH] = natural.pop(str(target))
        pairs = [Beside(_compared(then, known), _compared(now, known), natural=natural)]
        slices = self.of.slices(known)
        if slices and self.of.beside:
            parts = profiling.sliced(self.table.select(known), slices, like=base.profile)
            shared = [part for part in parts if part and part in self.of.beside]
            pairs += [
                Beside(_compared(self.of.beside[part], known), _compared(parts[part], known), part) for part in shared
            ]
        told, policy = self.policy.drift, DriftPolicy(effect=self.policy.drift.effect, p=self.policy.drift.p)
        if told.columns == "all":
            return tuple(compare_each(pairs, policy=policy)), ()
        chosen = [name for name in known if name in told.columns or baselines.is_answer(name)]
        rest = [name for name in known if name not in chosen and not name.startswith("_")]
        others = compare_each(pairs[:1], policy=policy, columns=rest)[0].columns if rest else ()
        return tuple(compare_each(pairs, policy=policy, columns=chosen)), others

    def _profile(self, base: Baseline, known: Sequence[str]) -> Profile:
        """The profile of the window, as the sum of its days, each of which is kept."""
        found: Profile | None = None
        for day, part in self._by_day(known):
            profile = profiling.profile(part, like=base.profile)
            self.days.append(DayProfile(*day.span, len(part), profile.to_json().decode()))
            try:
                found = profile if found is None else found.merged(profile)
            except UsageError:
                # A column changed its kind meanwhile.
                return profiling.profile(self.table.select(known), like=base.profile)
        return found if found is not None else profiling.profile(self.table.select(known), like=base.profile)

    def _by_day(self, known: Sequence[str]) -> Iterator[tuple[Window, pa.Table]]:
        """The rows of each day that has some; they come in the order of their time."""
        import numpy as np

        times = np.asarray(self.table.column("_time").cast("int64").to_numpy())
        for day in windows.days(self.window, self.of.zone):
            first, last = times.searchsorted(day.span[0]), times.searchsorted(day.span[1])
            if last > first:
                yield day, self.table.slice(first, last - first).select(known)

    def _against(self, base: Baseline) -> tuple[Profile, str]:
        """The profile that the policy has windows held against, and what it is."""
        other = self.of.other(self.window)
        if other is None:
            return base.profile, "reference"
        known = [name for name in base.profile.columns if name in self.table.column_names]
        found = self.of.kept(other, base, known, self.window)
        if found is None:
            self.notes.append(
                f"There is no window {self.policy.baseline!r} to hold this one against: the reference is."
            )
            return base.profile, "reference"
        return found, self.policy.baseline

    def _performance(self, frame: pd.DataFrame) -> Performance:
        question = self.of.question
        slices = tuple(name for name in question.slices if name in frame.columns)
        held = self.of.held.assessment if self.of.held is not None else None
        return performance.performance(
            frame, msgspec.structs.replace(question, slices=slices), laboratory=self.of.promised, bounds=self.of.bounds,
            least=self.policy.performance.min_labels,
            slices=held.slices if held is not None and held.metric == self.of.bound.metric else (),
        )  # fmt: skip

    def _estimated(self, frame: pd.DataFrame) -> Estimation | None:
        learnt = self.of.estimator
        if isinstance(learnt, str):
            if self.policy.estimate:
                self.notes.append(f"No estimate without labels: {learnt}")
            return None
        told = rows.told(frame, self.of.question, which="all")
        given = self.of.features(frame.loc[told.rows].reset_index(drop=True))
        found: Estimation | None = self._or_note("Estimate", lambda: learnt.estimate(told.answers, given))
        return found

    def _backtest(self, found: Estimation | None) -> Backtest | None:
        if found is None or found.of(self.of.bound.metric) is None:
            return None
        unit = self.of.question.unit if metric(found.task, self.of.bound.metric).unit == "target" else ""
        return backtest(self.of.before(self.window), name=self.of.bound.metric, unit=unit)

    def _causes(
        self, frame: pd.DataFrame, found: Performance | None, drift: Drift, then: Profile, now: Profile
    ) -> Causes | None:
        if found is None or self.of.laboratory is None or not any(one.where == "beyond" for one in found.standings):
            return None
        question, laboratory = msgspec.structs.replace(self.of.question, slices=()), self.of.laboratory
        told = rows.told(frame, question)
        known = frame.loc[told.rows].reset_index(drop=True)
        signature = self.of.version.manifest.signature
        names = [column.name for column in signature.columns] if signature is not None else []
        columns = [name for name in names if name in known.columns and name in laboratory.columns]
        promised = self.of.promised
        slices: list[Slice] = []
        if promised is not None and promised.rows == len(laboratory):
            lost = (_series(losses(promised)), _series(losses(told.answers)))
            slices = added_losses(laboratory, known, lost, columns)
        importance = {
            one.columns[0]: one.drop
            for one in (self.of.held.assessment.importance if self.of.held else ())
            if len(one.columns) == 1
        }
        return causes(drift, then, now, importance, slices, self.of.question.unit)

    def _contract(self) -> tuple[Check, ...]:
        path = self.policy.contract
        if path is None:
            return ()
        own = [name for name in self.table.column_names if not name.startswith("_")]
        found = self._or_note(
            f"The contract {path}",
            lambda: checking.check(self.table.select(own), self.of.store.settings.project / path),
        )
        if found is None:
            return ()
        return tuple(
            Check(
                "contract",
                one.sentence,
                one.outcome,
                one.broken,
                found.rows,
                f"{one.sentence}: {one.detail or one.outcome}",
            )
            for one in found.judged
        )

    def _assumptions(self, frame: pd.DataFrame) -> tuple[Check, ...]:
        asked = self.of.card.assumptions
        if not asked:
            return ()
        own = [name for name in frame.columns if not name.startswith("_")]
        author = self.of.author()
        found = self._or_note("Assumptions", lambda: hold(frame[own], asked)) or ()
        return tuple(
            Check(
                "assumption", one.sentence, "passed" if one.holds else "skipped" if not one.broken else "broken", one.broken, one.rows,
                f"{one.told} Said by {author}." if author else one.told, author,
            )
            for one in found
        )  # fmt: skip


def _series(found: Any) -> pd.Series:
    import pandas as pd

    return pd.Series(found)


def _within(day: date, window: Window) -> bool:
    """Whether a day of UTC has a moment in common with a window."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return begin < window.until and begin + timedelta(days=1) > window.start


def _only(profile: Profile, columns: Sequence[str]) -> Profile:
    return Profile(profile.rows, {name: profile.columns[name] for name in columns if name in profile.columns})


def _compared(profile: Profile, columns: Sequence[str]) -> Profile:
    """These columns as they are compared: that the truth of some rows is not known yet is no news."""
    found = _only(profile, columns)
    if TRUTH not in found.columns:
        return found
    truth = found.columns[TRUTH]
    return Profile(
        found.rows, found.columns | {TRUTH: msgspec.structs.replace(truth, rows=truth.rows - truth.nulls, nulls=0)}
    )


def _stored_window(store: Store, model: str, version: int, window: Window) -> Profile | None:
    """The sum of a window's days, if any was kept."""
    sql = """
        select profile from profiles where model = ? and version = ? and kind = 'day'
            and start >= make_timestamp(?) and until <= make_timestamp(?) order by start
    """
    found = [Profile.from_json(row[0]) for row in store.read(sql, [model, version, *window.span]).rows]
    return functools.reduce(Profile.merged, found) if found else None
