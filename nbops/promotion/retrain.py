"""Wishes for a new version, fulfilled: the training notebook once more on newer data, and its version held against what is in use.

A wish is a row, and so is each step that is taken; whoever dies between two, the next call goes on from there. Nothing is promoted here:
what comes out best is a review that waits for a person.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.errors import Conflict, NbopsError, NotFound, UsageError
from nbops.evaluation.assessing import FEWEST_DAYS, Asked
from nbops.execution import notebook as execution
from nbops.monitoring import baseline, incidents, windows
from nbops.monitoring.kept import Act, ActOnRetrain, AskRetrain
from nbops.monitoring.policy import MonitorPolicy, Retrain
from nbops.predictions import joining
from nbops.promotion import reviews
from nbops.promotion.evidence import Inquiry, inquire
from nbops.records import Record, at, new_id, short
from nbops.registry import evaluations, models
from nbops.registry.baselines import TRUTH
from nbops.store.client import Store
from nbops.tracking import runs

if TYPE_CHECKING:
    import pandas as pd

CHAMPION = "champion"
_GOES_ON = ("requested", "blocked", "started", "trained", "waiting")
_TRIES = 2
_YEAR = timedelta(days=365)
_ALIVE = ("running", "starting")


class Wish(Record):
    """A wish as it stands; times in UTC microseconds, `data_from` and `data_until` are those of the data to train on."""

    request_id: str
    model: str
    cause: str
    reason: str
    state: str
    data_from: int
    data_until: int
    version: int | None
    run_id: str | None
    challenger: int | None
    review_id: str | None
    message: str | None
    created: int


class Verdicts(Record):
    """What the gate said of a challenger: beside the champion, and beside the champion's predecessor where there is one."""

    champion: Inquiry
    predecessor: Inquiry | None = None


def ask(store: Store, model: str, *, reason: str, until: datetime | None = None, cause: str = "person") -> str:
    """Ask for a new version, trained on the last full months before a time (now); gives the id of the wish, or of the one that stands.

    Raises UsageError without a reason or a notebook to train with, NotFound.
    """
    if not reason.strip():
        raise UsageError("A reason is needed.", hint="Say why, for those who read it later.")
    policy = incidents.policies(store, model)[0].policy
    if policy.retrain.notebook is None:
        raise UsageError(
            f"Nobody said how {model} is trained.",
            hint=f"Name the notebook: `retrain.notebook` in `nbops monitor policy {model}`.",
        )
    data = windows.months_before(until or datetime.now(UTC), policy.retrain.months, windows.zone(policy.timezone)).span
    request = AskRetrain(
        request_id=new_id(), model=model, cause="schedule" if cause == "schedule" else "person", reason=reason.strip(),
        data_from=data[0], data_until=data[1],
    )  # fmt: skip
    return str(store.write(request)[0])


def wishes(store: Store, model: str | None = None, *, everything: bool = False) -> list[Wish]:
    """The wishes that are not done with, or all of them, the oldest first."""
    sql = """
        select request_id::varchar, model, cause, reason, state, epoch_us(data_from), epoch_us(data_until), version, run_id::varchar,
            challenger, review_id::varchar, message, epoch_us(created)
        from retrain_requests where (? is null or model = ?) and (? or list_contains(?, state)) order by created
    """
    return [Wish(*row) for row in store.read(sql, [model, model, everything, list(_GOES_ON)]).rows]


def tick(
    store: Store,
    model: str | None = None,
    *,
    until: datetime | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Wish]:
    """Take each wish as far as it goes now, with what was logged `until` a time (now); gives those that were looked at.

    What another process is at is left to it. Failures are kept with the wish, and tell no one here.
    """
    touched = []
    for found in wishes(store, model):
        with _alone(store, found.request_id) as alone:
            wish = _again(store, found.request_id)
            if not alone or wish.state not in _GOES_ON:
                continue
            progress(f"{wish.model}: {wish.state}")
            # Somebody may withdraw it meanwhile.
            with contextlib.suppress(Conflict):
                _Wish(store, wish, until or datetime.now(UTC), progress).go_on()
            touched.append(_again(store, wish.request_id))
    return touched


@contextlib.contextmanager
def _alone(store: Store, request_id: str) -> Iterator[bool]:
    """Whether no other process is at a wish; the lock is gone when its process is, however that ended."""
    path = store.places.run / f"retrain-{request_id}.lock"
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
        path.unlink(missing_ok=True)


def _again(store: Store, request_id: str) -> Wish:
    return next(one for one in wishes(store, everything=True) if one.request_id == request_id)


class _Wish:
    """A wish that is taken further; each step is kept before the next one begins."""

    def __init__(self, store: Store, wish: Wish, until: datetime, progress: Callable[[str], None]) -> None:
        self.store, self.wish, self.until, self.progress = store, wish, until, progress
        self.state = wish.state
        self.policy: MonitorPolicy = incidents.policies(store, wish.model)[0].policy

    @property
    def retrain(self) -> Retrain:
        return self.policy.retrain

    def go_on(self) -> None:
        """As far as it goes."""
        if self.state in {"requested", "blocked"} and not self._may_start():
            return
        if self.state == "started" and not self._died():
            return
        run_id = self.wish.run_id
        if self.state in {"requested", "blocked", "started"}:
            run_id = self._train()
        if run_id is not None:
            self._judge(run_id)

    def _act(self, act: Act, message: str = "", **fields: Any) -> None:
        self.store.write(
            ActOnRetrain(request_id=self.wish.request_id, expected=self.state, act=act, message=message, **fields)
        )
        self.state = act

    def _may_start(self) -> bool:
        """Whether nothing forbids it; what does is kept, once."""
        if broken := incidents.breaks(self.store, self.wish.model):
            told = f"Data are broken: {'; '.join(broken)}"
            if (self.state, self.wish.message) != ("blocked", told):
                self._act("blocked", told)
            return False
        refused = self._refused()
        if refused:
            self._act("refused", refused)
        return not refused

    def _refused(self) -> str:
        """Why there is no training by the policy: no notebook, too soon after the last one, or too many in a year."""
        if self.retrain.notebook is None:
            return "The policy names no notebook to train with."
        if not (self.store.settings.project / self.retrain.notebook).is_file():
            return f"There is no notebook {self.retrain.notebook} in the project."
        # By the data's own time: what is caught up with on one evening is as far apart as it would have been. What failed gave no version.
        mine = at(self.wish.data_until)
        earlier = [
            at(one.data_until)
            for one in wishes(self.store, self.wish.model, everything=True)
            if one.request_id != self.wish.request_id
            and one.run_id is not None
            and one.state != "failed"
            and one.data_until <= self.wish.data_until
        ]
        if earlier and mine - max(earlier) < timedelta(seconds=self.retrain.cooldown):
            return f"The last training was on data until {max(earlier):%d %B %Y}, and the policy wants more time between two."
        if sum(mine - one < _YEAR for one in earlier) >= self.retrain.budget:
            return f"There were {self.retrain.budget} trainings in a year already, which is what the policy allows."
        return ""

    def _died(self) -> bool:
        """Whether the training that was begun came to nothing; one too many ends the wish."""
        if self.wish.run_id is not None:
            status = runs.info(self.store, self.wish.run_id).status
            if status in _ALIVE:
                return False
            if status == "finished":
                self._act("trained", run_id=self.wish.run_id)
                return True
        tries = self.store.read(
            "select count(*) from retrain_acts where request_id = ?::uuid and act = 'started' and run_id is null",
            [self.wish.request_id],
        ).rows[0][0]
        if tries >= _TRIES:
            self._act("failed", "The training ended twice without a word.")
            return False
        return True

    def _train(self) -> str | None:
        """Execute the notebook; the id of its run, or None when it failed."""
        if self.state == "trained":
            return self.wish.run_id
        self._act("started")
        notebook = self.store.settings.project / str(self.retrain.notebook)
        self.progress(f"training {self.wish.model} with {notebook.name}")
        try:
            outcome = execution.execute(
                self.store, notebook, parameters=self._parameters(notebook),
                begun=lambda run_id: self._act("started", run_id=run_id),
            )  # fmt: skip
        except NbopsError as error:
            self._act("failed", error.message)
            return None
        if outcome.code:
            self._act("failed", f"Run {short(outcome.run_id)} {outcome.status}: {outcome.cause}", run_id=outcome.run_id)
            return None
        self._act("trained", run_id=outcome.run_id)
        return outcome.run_id

    def _parameters(self, notebook: Any) -> dict[str, object]:
        """Those of the champion's run that the notebook knows, with the new data's ends."""
        known = execution.defaults(notebook)
        zone = windows.zone(self.policy.timezone)
        first, after = (at(end).astimezone(zone).date() for end in (self.wish.data_from, self.wish.data_until))
        found: dict[str, object] = {}
        holder = _holder(self.store, self.wish.model)
        if holder is not None:
            run = models.version(self.store, self.wish.model, holder).run_id
            found = {name: value for name, value in runs.params(self.store, run).items() if name in known}
        found[self.retrain.start] = first.isoformat()
        if self.retrain.last is not None:
            found[self.retrain.last] = (after - timedelta(days=1)).isoformat()
        else:
            found[self.retrain.until] = after.isoformat()
        return found

    def _judge(self, run_id: str) -> None:
        """Make a version of what was trained, and hold it against what is in use on rows after its training."""
        try:
            version = models.register(
                self.store, run_id, self.wish.model, description=f"Trained anew: {self.wish.reason}"
            ).version
            self.progress(f"judging {self.wish.model}/{version}")
            rows, until = self._rows(version)
            if not len(rows):
                self._wait(version, "No row after its training has a label yet.")
                return
            days = rows[_TIME].dt.floor("D").nunique()
            if days < FEWEST_DAYS:
                # Hours of one day are too much alike to be judged by.
                self._wait(
                    version, f"Rows after its training have labels on {days} days so far, up to {until:%d %B %Y}."
                )
                return
            evaluation_id = self._evaluated(version, rows)
            verdicts = self._verdicts(version, evaluation_id)
        except NbopsError as error:
            self._act("failed", error.message, run_id=run_id)
            return
        told = msgspec.json.encode(verdicts).decode()
        verdict, blocks = verdicts.champion.verdict, verdicts.champion.evidence.blocks
        if verdict.outcome == "too_few":
            since = f"{verdicts.champion.evidence.rows:,} rows{f' of {blocks} days' if blocks is not None else ''}"
            self._wait(version, f"{verdict.sentence} So far there are {since} with labels, up to {until:%d %B %Y}.")
        elif not verdict.passed:
            self._act("refused", _whole(verdicts), version=version, verdict=told)
        else:
            review = self._proposed(version, verdicts.champion)
            self._act("proposed", _whole(verdicts), version=version, review_id=review, verdict=told)

    def _wait(self, version: int, message: str) -> None:
        if (self.state, self.wish.message) != ("waiting", message):
            self._act("waiting", message, version=version)

    def _rows(self, version: int) -> tuple[pd.DataFrame, datetime]:
        """The labelled rows of the champion's predictions after the training's data, as they are evaluated; and the last one's time."""
        holder = _holder(self.store, self.wish.model)
        asked = holder if holder is not None and holder != version else self.wish.version
        if asked is None:
            raise NotFound(
                f"{self.wish.model} has no champion whose predictions could be judged again.",
                hint="Propose a version for the alias first.",
            )
        table = joining.joined(self.store, self.wish.model, asked, at(self.wish.data_until), self.until)
        frame = joining.aware(table).to_pandas()
        frame = frame[frame[TRUTH].notna()].reset_index(drop=True)
        target = models.version(self.store, self.wish.model, version).manifest.output.name or "target"
        own = [name for name in frame.columns if not name.startswith("_")]
        rows = frame[own].assign(**{target: frame[TRUTH], _TIME: frame["_time"]})
        return rows, frame["_time"].max().to_pydatetime() if len(frame) else self.until

    def _evaluated(self, version: int, rows: pd.DataFrame) -> str:
        """The id of the version's evaluation on these rows."""
        card = evaluations.card_of(self.store, self.wish.model)
        target = models.version(self.store, self.wish.model, version).manifest.output.name or "target"
        holder = _holder(self.store, self.wish.model)
        held = baseline.evaluation(self.store, models.version(self.store, self.wish.model, holder)) if holder else None
        wanted = self.policy.slices or (held.asked.slices if held is not None else ())
        slices = tuple(name for name in wanted if name in rows.columns)
        asked = Asked(target=target, time=_TIME, slices=slices, unit=card.unit)
        return evaluations.evaluate(self.store, f"{self.wish.model}/{version}", rows, asked).evaluation_id

    def _verdicts(self, version: int, evaluation_id: str) -> Verdicts:
        model = self.wish.model
        champion = inquire(self.store, model, version, CHAMPION, evaluation_id=evaluation_id)
        before = _predecessor(self.store, model, champion.holder)
        if before is None or before == version:
            return Verdicts(champion)
        return Verdicts(
            champion, inquire(self.store, model, version, CHAMPION, evaluation_id=evaluation_id, against=before)
        )

    def _proposed(self, version: int, found: Inquiry) -> str:
        """The id of the review, which may be there already."""
        sql = """
            select review_id::varchar from reviews
            where model = ? and version = ? and alias = ? and status in ('open', 'sent back') limit 1
        """
        there = self.store.read(sql, [self.wish.model, version, CHAMPION]).rows
        if there:
            return str(there[0][0])
        reason = f"Trained anew because of this: {self.wish.reason}"
        return reviews.propose(self.store, self.wish.model, version, CHAMPION, reason=reason, found=found)


_TIME = "predicted_for"
"""The column in which the rows of a challenger's evaluation have their time."""


def _holder(store: Store, model: str) -> int | None:
    found = store.read("select version from aliases where model = ? and alias = ?", [model, CHAMPION]).rows
    return int(found[0][0]) if found else None


def _predecessor(store: Store, model: str, holder: int | None) -> int | None:
    """The version that the champion took over from."""
    sql = """
        select version_before from alias_history where model = ? and alias = ? and version = ? and version_before is not null
        order by since desc limit 1
    """
    found = store.read(sql, [model, CHAMPION, holder]).rows if holder is not None else []
    return int(found[0][0]) if found else None


def _whole(verdicts: Verdicts) -> str:
    """What the gate said, in a line."""
    told = [_beside(verdicts.champion)]
    if verdicts.predecessor is not None:
        told.append(_beside(verdicts.predecessor))
    return f"{verdicts.champion.verdict.sentence} {' '.join(told)}"


def _beside(found: Inquiry) -> str:
    checks: Mapping[str, str] = {check.name: check.sentence for check in found.verdict.checks}
    return checks.get("comparison", "")
