"""The handles of a model and of a version of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.errors import NotFound, StoreError, UsageError
from nbops.records import short
from nbops.registry import models
from nbops.registry.models import ModelVersion
from nbops.registry.requests import Comment, DescribeModel, Freeze, MoveAlias, Retire, Rollback

if TYPE_CHECKING:
    import pandas as pd

    from nbops.evaluation.decision import DecisionRule
    from nbops.evaluation.sizing import Sizing
    from nbops.monitoring.policy import MonitorPolicy
    from nbops.records import RunStatus
    from nbops.registry.card import Card
    from nbops.registry.facts import Facts
    from nbops.registry.formats import Manifest
    from nbops.registry.history import Held, History
    from nbops.registry.lineage import Graph
    from nbops.registry.models import LoadedModel
    from nbops.reports.document import Document
    from nbops.store.client import Store
    from nbops.workspace._evaluation import Evaluation
    from nbops.workspace._monitoring import Health, Looked, WindowView
    from nbops.workspace._review import Review

CHAMPION = "champion"


class Model:
    """A registered model, as `nbops.model("air-time")` gives it."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self.name = store, name

    @property
    def card(self) -> Card:
        """What it is for, whom it serves and by which policy it is promoted."""
        from nbops.registry import evaluations

        return evaluations.card_of(self._store, self.name)

    def describe(  # noqa: PLR0913 - one field of the card each
        self,
        *,
        purpose: str | None = None,
        decision: str | None = None,
        owner: str | None = None,
        measure: str | None = None,
        unit: str | None = None,
        out_of_scope: str | None = None,
        consumers: Sequence[str] | None = None,
        policy: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        assumptions: Mapping[str, str] | None = None,
        cases: str | os.PathLike[str] | pd.DataFrame | None = None,
        why: str | None = None,
    ) -> Card:
        """Say what the model is for; what is not given stays. A model that does not exist yet is made.

        `decision` is the decision that it supports, `owner` who answers for the process, `measure` the measure of success with its `unit`.
        `consumers` are told of promotions and rollbacks. `policy` is a YAML file, a dict, "solo" or "four-eyes": see docs/models.md.
        `assumptions` are SQL expressions over a row by the sentence that they mean, `cases` acceptance cases as a CSV file or a frame.
        Raises ConfigError, UsageError, and Conflict for an alias that is to be protected and stands for what nobody approved.
        """
        from nbops.evaluation.assumptions import Assumption

        texts = {
            "purpose": purpose, "decision": decision, "owner": owner, "measure": measure, "unit": unit, "out_of_scope": out_of_scope,
        }  # fmt: skip
        changed: dict[str, Any] = {key: value for key, value in texts.items() if value is not None}
        if consumers is not None:
            changed["consumers"] = tuple(consumers)
        if policy is not None:
            from nbops.promotion import policy as policies

            given = policy if isinstance(policy, Mapping) else os.fspath(policy)
            changed["policy"], changed["gate"] = policies.read(given)
        if assumptions is not None:
            changed["assumptions"] = tuple(Assumption(sentence, sql) for sentence, sql in assumptions.items())
        if cases is not None:
            changed["cases"] = self._store.put_blob(_csv(cases)).sha256
        card = msgspec.structs.replace(self.card, **changed)
        self._store.write(DescribeModel(model=self.name, card=card, why=why))
        return card

    def monitoring(self, until: datetime | str | None = None) -> Document:
        """One page about how it does in use, from what the store holds; it shows itself, and `save(path)` writes it.

        What is wrong, since when, how bad, why, and what was done; `until` a time, as it was known of windows that had ended by then. See
        docs/reports.md. Raises UsageError for what is no time.
        """
        from nbops import times
        from nbops.reports import monitoring_page

        return monitoring_page.page(self._store, self.name, until=None if until is None else times.moment(until))

    @property
    def versions(self) -> pd.DataFrame:
        """Its versions, newest first."""
        sql = "select version, state, run_id, created, actor, description from model_versions where model = ? order by version desc"
        return aware(self._store.frame(sql, [self.name]))

    def version(self, version: int | str | None = None) -> Version:
        """A version by its number or an alias, the latest one by default. Raises NotFound."""
        number = models.holder(self._store, self.name, version) if isinstance(version, str) else version
        return Version(self._store, models.version(self._store, self.name, number))

    @property
    def aliases(self) -> dict[str, int]:
        """The version that each alias stands for."""
        rows = self._store.read("select alias, version from aliases where model = ? order by alias", [self.name]).rows
        return {row[0]: row[1] for row in rows}

    @property
    def alias_history(self) -> pd.DataFrame:
        """Every move of its aliases, newest first: what it stood for from when to when, by what, by whom, and why."""
        sql = "select * exclude (model) from alias_history where model = ? order by since desc"
        return aware(self._store.frame(sql, [self.name]))

    def history(self) -> History:
        """What was done about it, by whom and why, oldest first, as the chain of events says. Shows itself."""
        from nbops.registry import history

        return history.history(self._store, self.name)

    def at(self, time: datetime | str, alias: str = CHAMPION) -> Held:
        """What an alias stood for at a time, which is local unless it names a zone. Raises NotFound, UsageError."""
        from nbops.registry import history

        return history.holder_at(self._store, self.name, alias, time)

    @property
    def reviews(self) -> pd.DataFrame:
        """Its reviews, newest first."""
        sql = "select * exclude (model) from reviews where model = ? order by created desc"
        return aware(self._store.frame(sql, [self.name]))

    @property
    def monitor_policy(self) -> MonitorPolicy:
        """How it is monitored: the policy in force, or what holds when nothing is said."""
        from nbops.monitoring import incidents

        return incidents.policies(self._store, self.name)[0].policy

    def set_monitor_policy(
        self, policy: str | os.PathLike[str] | Mapping[str, Any] | MonitorPolicy, *, why: str | None = None
    ) -> list[str]:
        """Monitor it by a YAML file or a dict from now on; what is left out is the default. Gives what has changed, in words.

        `nbops monitor policy MODEL` prints one with all its keys. Raises ConfigError with the line of what is not understood, NotFound,
        and UsageError inside of runs.
        """
        from nbops.monitoring import incidents, policy_yaml

        made = policy_yaml.read(Path(policy) if isinstance(policy, (str, os.PathLike)) else policy)
        before = self.monitor_policy
        incidents.set_policy(self._store, self.name, made, why)
        return policy_yaml.changes(before, made)

    @property
    def health(self) -> Health:
        """How it is in use: a word and a sentence, from the windows that were looked at and its open incidents. Shows itself."""
        from nbops.monitoring import status
        from nbops.workspace._monitoring import Health

        return Health(status.health(self._store, self.name))

    def monitor(self, until: datetime | str | None = None, *, again: bool = False) -> Looked:
        """Look at each window of its predictions that is complete by `until` (now) and new, or whose labels changed; with `again` at all.

        Gives what was found, which shows itself as a table. Raises NotFound without predictions.
        """
        from nbops import times
        from nbops.monitoring import running
        from nbops.workspace._monitoring import Looked

        when = None if until is None else times.moment(until)
        return Looked(running.monitor(self._store, self.name, until=when, again=again))

    def retrain(self, *, reason: str) -> str:
        """Ask for a new version, trained as its policy says on the last full months; gives the id of the request.

        `nbops schedule tick` trains it, holds it against the champion and proposes it where it is better. Raises UsageError without a
        reason or a notebook in the policy.
        """
        from nbops.promotion import retrain

        return retrain.ask(self._store, self.name, reason=reason)

    @property
    def frozen(self) -> str | None:
        """Why none of its versions may be promoted now; None when they may."""
        return _frozen(self._store, self.name, None)

    def set_alias(self, alias: str, version: int, *, reason: str | None = None) -> None:
        """Let an alias that is not protected stand for a version. Raises Conflict."""
        self._store.write(MoveAlias(model=self.name, alias=alias, version=version, why=reason))

    def remove_alias(self, alias: str, *, reason: str | None = None) -> None:
        """Let an alias that is not protected stand for nothing. Raises Conflict."""
        self._store.write(MoveAlias(model=self.name, alias=alias, version=None, why=reason))

    def rollback(self, alias: str = CHAMPION, *, reason: str) -> Version:
        """Let an alias stand again for the last version that held it and is fit to; gives that version.

        Raises UsageError without a reason, NotFound, and Conflict when there is none to go back to.
        """
        from nbops.promotion import reviews

        why = _reason(reason, 'Say what went wrong: reason="predicts too little since Monday".')
        number = self._store.write(Rollback(model=self.name, alias=alias, why=why))[0]
        reviews.tell(self._store)
        return self.version(int(number))

    def freeze(self, *, reason: str) -> None:
        """Forbid promotions until it is thawed; rollback stays possible. Raises UsageError without a reason."""
        self._store.write(Freeze(model=self.name, frozen=True, why=_reason(reason)))

    def thaw(self, *, reason: str) -> None:
        """Allow promotions again. Raises UsageError without a reason."""
        self._store.write(Freeze(model=self.name, frozen=False, why=_reason(reason)))

    def comment(self, text: str) -> None:
        """Say something about it."""
        self._store.write(Comment(model=self.name, text=text))

    @property
    def comments(self) -> pd.DataFrame:
        """What people said about it and its versions, newest first."""
        sql = "select version, text, time, actor from comments where model = ? order by time desc"
        return aware(self._store.frame(sql, [self.name]))

    def __repr__(self) -> str:
        held = ", ".join(f"{alias} = {version}" for alias, version in self.aliases.items())
        return f"<Model {self.name!r}{f': {held}' if held else ''}>"


class Version:
    """A registered version of a model."""

    def __init__(self, store: Store, record: ModelVersion) -> None:
        self._store, self.record = store, record

    @property
    def model(self) -> str:
        """The model's name."""
        return self.record.model

    @property
    def version(self) -> int:
        """Its number."""
        return self.record.version

    @property
    def run_id(self) -> str:
        """The run that made it."""
        return self.record.run_id

    @property
    def artifact(self) -> str:
        """Its path among the run's files."""
        return self.record.artifact

    @property
    def sha256(self) -> str:
        """The hash of its bytes."""
        return self.record.sha256

    @property
    def manifest(self) -> Manifest:
        """What it takes and gives, and how it was made."""
        return self.record.manifest

    @property
    def rule(self) -> DecisionRule | None:
        """How its answers become decisions, where it is another way than the model's own."""
        return self.record.manifest.rule

    @property
    def state(self) -> str:
        """Registered or retired."""
        return self.record.state

    @property
    def run_status(self) -> RunStatus | None:
        """How its run stands now; None when the run is gone."""
        return self.record.run_status

    @property
    def facts(self) -> Facts:
        """Where it comes from: environment, commit, notebook, data, code, profile."""
        from nbops.registry import facts

        return facts.read(self._store, self.record)

    @property
    def degraded(self) -> str | None:
        """On what old data it rests, because something could not be made anew; None when on none."""
        from nbops.data import degraded

        return degraded.of_run(self._store, self.run_id)

    @property
    def description(self) -> str | None:
        """What was said when it was registered."""
        return self.record.description

    @property
    def actor(self) -> str:
        """Who registered it."""
        return self.record.actor

    @property
    def reference(self) -> str:
        """As in "air-time/3"."""
        return f"{self.model}/{self.version}"

    @property
    def aliases(self) -> list[str]:
        """The aliases that stand for it now."""
        held = Model(self._store, self.model).aliases
        return [alias for alias, version in held.items() if version == self.version]

    @property
    def frozen(self) -> str | None:
        """Why it may not be promoted now; None when it may. A frozen model says so itself."""
        return _frozen(self._store, self.model, self.version)

    @property
    def comments(self) -> pd.DataFrame:
        """What people said about it, newest first."""
        found = Model(self._store, self.model).comments
        return found[found["version"] == self.version].drop(columns="version").reset_index(drop=True)

    def load(self, *, trust: Collection[str] | bool = ()) -> LoadedModel:
        """The model, ready to predict; see `nbops.load_model`."""
        return models.load(self._store, self.reference, trust=trust)

    def evaluate(  # noqa: PLR0913 - what may be looked at
        self,
        data: Any,
        *,
        target: str | None = None,
        slices: Sequence[str] = (),
        protected: Sequence[str | tuple[str, str]] = (),
        time: str | None = None,
        groups: str | None = None,
        metric: str | None = None,
        unit: str = "",
        sizing: bool = False,
        trust: Collection[str] | bool = (),
    ) -> Evaluation:
        """Hold it against rows with known truth, and keep the result with the rows; see `nbops.evaluate`."""
        from nbops.workspace import _evaluation

        return _evaluation.evaluate(
            self._store, self.reference, data, target=target, slices=slices, protected=protected, time=time,
            groups=groups, metric=metric, unit=unit, sizing=sizing, trust=trust,
        )  # fmt: skip

    @property
    def evaluation(self) -> Evaluation:
        """The last evaluation of it. Raises NotFound."""
        from nbops.registry import evaluations
        from nbops.workspace._evaluation import Evaluation

        found = evaluations.latest(self._store, self.run_id, self.sha256)
        return Evaluation(msgspec.structs.replace(found, reference=self.reference))

    def benchmark(self, data: Any = None, *, trust: Collection[str] | bool = ()) -> Sizing:
        """What it needs of processor and memory, measured now (seconds) on `data`, or on rows of its last evaluation.

        `nbops.evaluate(…, sizing=True)` keeps it, too. Raises NotFound when it was never evaluated and no rows are given.
        """
        from nbops.registry import evaluations
        from nbops.render.progress import told

        with told("measuring"):
            return evaluations.benchmark(self._store, self.reference, data, trust=trust)

    def card(self) -> Document:
        """One page about it for those who rely on it, from what the store holds; it shows itself, and `save(path)` writes it.

        What it is for, how good it is and how certain that is, for whom worse, what it needs, who approved it and why, and what happens
        if nothing is done; see docs/reports.md.
        """
        from nbops.reports import model_card

        return model_card.card(self._store, self.record)

    def propose(
        self,
        alias: str = CHAMPION,
        *,
        reason: str,
        waiver: str = "",
        evaluation: str | None = None,
        trust: Collection[str] | bool = (),
    ) -> Review:
        """Ask for an alias to stand for this version: the gate compares it with today's holder on the rows of its last evaluation.

        `evaluation` is the id of another one, or its last digits. `waiver` says why a version of a failed run may pass. Gives the review,
        which a person approves. Raises NotFound when it was never evaluated, UsageError without a reason, and Conflict when there is
        nothing to decide.
        """
        from nbops.promotion import reviews
        from nbops.registry import evaluations
        from nbops.workspace._review import Review

        rows = None if evaluation is None else evaluations.find(self._store, evaluation)
        made = reviews.propose(
            self._store, self.model, self.version, alias, reason=reason, waiver=waiver, evaluation_id=rows, trust=trust
        )  # fmt: skip
        return Review(self._store, made)

    def predictions(
        self,
        start: datetime | str | None = None,
        until: datetime | str | None = None,
        *,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """What it said of rows from `start` until before `until`, with what turned out to be true, as it is known now.

        One row for each id: `_id`, `_time`, `_prediction`, where there are some `_decision` and `_p_CLASS`, then `_label`, `_observed`
        and the features, or those in `columns`. Times without a zone are local. Raises NotFound when nothing was logged.
        """
        from nbops.workspace import _predictions

        return _predictions.frame(self._store, self.record, start, until, columns)

    @property
    def windows(self) -> pd.DataFrame:
        """How good it was in each window that was looked at, beside the laboratory and what was estimated without labels; oldest first."""
        from nbops.workspace import _monitoring

        return aware(_monitoring.windows(self._store, self.record))

    def window(self, when: datetime | str) -> WindowView:
        """The window that holds a moment, with its rows, what was found in them, drift and the slices that lose most. Shows itself.

        A time without a zone is local. Raises NotFound when it was not looked at.
        """
        from nbops.workspace import _monitoring

        return _monitoring.window(self._store, self.record, when)

    @property
    def laboratory(self) -> pd.DataFrame:
        """The rows that it was evaluated on, as `predictions` gives those in use. Raises NotFound when it never was."""
        from nbops.monitoring import baseline
        from nbops.registry import evaluations

        held = baseline.evaluation(self._store, self.record) or evaluations.latest(
            self._store, self.run_id, self.sha256
        )
        return baseline.laboratory(self._store, self.record, held)

    def lineage(self) -> Graph:
        """What it was made from and what became of it: data, runs, versions, aliases. Shows itself as a picture."""
        from nbops.registry import lineage

        return lineage.around(self._store, self.reference)

    def retire(self, *, reason: str) -> None:
        """Say that it is not to be used any more. Raises UsageError without a reason, Conflict while an alias stands for it."""
        self._store.write(Retire(model=self.model, version=self.version, why=_reason(reason)))

    def freeze(self, *, reason: str) -> None:
        """Forbid promotions of this version until it is thawed. Raises UsageError without a reason."""
        self._store.write(Freeze(model=self.model, version=self.version, frozen=True, why=_reason(reason)))

    def thaw(self, *, reason: str) -> None:
        """Allow promotions of this version again. Raises UsageError without a reason."""
        self._store.write(Freeze(model=self.model, version=self.version, frozen=False, why=_reason(reason)))

    def comment(self, text: str) -> None:
        """Say something about it."""
        self._store.write(Comment(model=self.model, version=self.version, text=text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and other.record == self.record

    def __hash__(self) -> int:
        return hash((self.model, self.version))

    def __repr__(self) -> str:
        doubt = f"; {self.record.doubt}" if self.record.doubt else ""
        # What is shown in passing must not fail where the store cannot be asked.
        with contextlib.suppress(StoreError):
            if told := self.degraded:
                doubt += f"; {told[0].lower()}{told[1:].rstrip('.')}"
        return f"<Version {self.reference} ({self.state}{doubt}) from run {short(self.run_id)}>"


def aware(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of a view, whose times are UTC and do not say so, with times that do."""
    times = frame.select_dtypes("datetime")
    return frame.assign(**{str(name): times[name].dt.tz_localize("UTC") for name in times})


def _reason(reason: str, hint: str = "Say why, for those who read it later.") -> str:
    if not reason.strip():
        raise UsageError("A reason is needed.", hint=hint)
    return reason.strip()


def _frozen(store: Store, model: str, version: int | None) -> str | None:
    sql = "select why from freezes where model = ? and version is not distinct from ?"
    found = store.read(sql, [model, version]).rows
    return str(found[0][0]) if found else None


def _csv(cases: str | os.PathLike[str] | pd.DataFrame) -> bytes:
    import pandas as pd

    if isinstance(cases, pd.DataFrame):
        return cases.to_csv(index=False).encode()
    path = Path(cases)
    if not path.is_file():
        raise NotFound(f"There is no file {str(path)!r}.", hint=f"The current folder is {Path.cwd()}.")
    return path.read_bytes()
