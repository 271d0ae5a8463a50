"""The handle of a project."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from nbops import config
from nbops.errors import UsageError
from nbops.records import Better
from nbops.store.client import Store, connect
from nbops.tracking import recording, runs
from nbops.tracking.requests import DefineMetric
from nbops.tracking.values import metric_key
from nbops.workspace._run import Run

if TYPE_CHECKING:
    import pandas as pd

    from nbops.evaluation.choice import Choice
    from nbops.evaluation.decision import Costs, Label
    from nbops.predictions.segments import Logged
    from nbops.registry.models import LoadedModel
    from nbops.tracking.compare import Comparison
    from nbops.workspace._board import RunBoard
    from nbops.workspace._dataset import Dataset
    from nbops.workspace._evaluation import Evaluation
    from nbops.workspace._incident import Incident
    from nbops.workspace._model import Model, Version
    from nbops.workspace._review import Review
    from nbops.workspace._sweep import Sweep


class Workspace:
    """A project and its store. `nbops.open()` gives the one that the current folder lies in."""

    def __init__(self, settings: config.Settings) -> None:
        self.settings = settings

    @property
    def project(self) -> Path:
        """The project's folder."""
        return self.settings.project

    @property
    def store(self) -> Store:
        """This process's connection to the store; nothing is started before it is used."""
        return connect(self.settings)

    @property
    def _settled(self) -> Store:
        """The store, once it has all that this process logged. Raises NotFound when nobody began it."""
        recording.flush_all()
        if not self.store.spooling:
            config.existing(self.settings)
        return self.store

    @property
    def _asked(self) -> Store:
        """The same for a question whose answer a notebook may go on with: its runner hears of it."""
        sys.audit("nbops.uses", "the store of nbops")
        return self._settled

    def start_run(
        self,
        experiment: str | None = None,
        *,
        name: str | None = None,
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> Run:
        """Begin a run; its experiment is the notebook's or script's name unless given.

        In a notebook that a runner executes, the first one joins the runner's run and later ones are its children.
        """
        begun = runs.begin(self.store, experiment, name=name, params=params, tags=tags, frame=sys._getframe(1))  # noqa: SLF001 - the caller's cell
        return Run(self.store, begun.run_id, begun)

    def run(self, run: str | Run) -> Run:
        """The run that a full id, its last digits or a name means. Raises NotFound or Ambiguous."""
        return run if isinstance(run, Run) else Run(self.store, runs.find(self._asked, run))

    def search_runs(
        self,
        experiment: str | Sequence[str] | None = None,
        *,
        filter: str | None = None,  # noqa: A002 - the name that people know
        order_by: str | None = None,
        limit: int | None = None,
        deleted: bool = False,
    ) -> pd.DataFrame:
        """Runs as a DataFrame, one row each: run fields, then `metrics.x`, `params.x`, `tags.x`. See docs/search.md.

        Raises FilterError, with the position of what cannot be read.
        """
        from nbops.tracking import search

        experiments = [experiment] if isinstance(experiment, str) else list(experiment or [])
        return search.search(
            self._asked, filter, experiments=experiments, order_by=order_by, limit=limit, deleted=deleted
        )

    def compare(self, *chosen: str | Run, model: str | None = None, everything: bool = False) -> Comparison:
        """Runs side by side, or the versions of a model with how they did when they were evaluated. Shows itself in a notebook.

        Raises UsageError for fewer than two, and for runs beside a model.
        """
        from nbops.tracking import compare

        if model is not None:
            from nbops.registry import side_by_side

            if chosen:
                raise UsageError("Runs and a model are not compared.", hint="Name runs, or compare(model=NAME) alone.")
            return side_by_side.versions(self._asked, model, everything=everything)
        ids = [self.run(item).run_id for item in chosen]
        return compare.compare(self._asked, ids, everything=everything)

    def board(self, *, text: str = "", status: str | None = None, limit: int = 50) -> RunBoard:
        """The latest runs and the models; shows itself in a notebook, where it can be filtered and refreshed.

        `text` is looked for in notebooks, names, experiments, states and ids; at most 200 runs. Raises UsageError for an unknown status.
        """
        from nbops.workspace._board import RunBoard

        return RunBoard(self._asked, text=text, status=status, limit=limit)

    def sql(self, query: str, values: Sequence[object] = ()) -> pd.DataFrame:
        """The rows of one SELECT over the documented views, with bound `?` values. Raises QueryError or QueryTimeout."""
        return self._asked.frame(query, values)

    def define_metric(
        self, key: str, *, better: Better, unit: str | None = None, description: str | None = None
    ) -> None:
        """Say whether higher or lower is better, for the whole project. Raises UsageError for another word."""
        if better not in get_args(Better):
            raise UsageError(f"{key!r} cannot be better {better!r}.", hint="Say better='lower' or better='higher'.")
        self.store.write(DefineMetric(key=metric_key(key), better=better, unit=unit, description=description))

    def register_model(
        self,
        source: str | Run,
        name: str,
        *,
        model: str = "model",
        description: str | None = None,
        trust: Collection[str] | bool = (),
    ) -> Version:
        """Make a run's logged model the next version of `name`, after it has been loaded and tried in a fresh process.

        Raises NotFound when the run has no such model, ModelError when it does not load, and TrustRefused when somebody else logged
        it and it brings what neither `trust` nor an acknowledged key vouches for.
        """
        from nbops.registry import models
        from nbops.workspace._model import Version

        run = self.run(source)
        run.flush()
        made = models.register(self._settled, run.run_id, name, logged=model, description=description, trust=trust)
        return Version(self.store, made)

    def model(self, name: str) -> Model:
        """A registered model, or one that is to be described before its first version."""
        from nbops.workspace._model import Model

        return Model(self._asked, name)

    def version(self, reference: str) -> Version:
        """The version that "NAME/3", "NAME@ALIAS" or "NAME", the latest one, means. Raises NotFound."""
        from nbops.registry import models

        name, number, alias = models.parsed(reference)
        return self.model(name).version(number if alias is None else alias)

    def evaluate(  # noqa: PLR0913 - what may be looked at
        self,
        model: str | Run | Version,
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
        """Hold a version, an alias or a run's model against rows with known truth; the result is kept with the rows, and shows itself.

        `data` (n, any) is a DataFrame, a version of data, or a CSV or Parquet file; `target` the column of truth (remembered by
        log_model), with its `unit`. `slices` are columns whose values are looked at apart, `protected` those whose groups must be
        treated alike, a pair together. `time` (days) or `groups` names what makes rows depend on each other, so that intervals tell how
        certain the figures really are. `metric` is the one to go by. `sizing` measures processor and memory, too (seconds).
        At most 100,000 rows are taken. Raises NotFound, UsageError, ModelError and TrustRefused.
        """
        from nbops.workspace import _evaluation

        if isinstance(model, Run):
            return model.evaluate(
                data, target=target, slices=slices, protected=protected, time=time, groups=groups, metric=metric, unit=unit,
                sizing=sizing,
            )  # fmt: skip
        store = self._asked
        reference = model if isinstance(model, str) else model.reference
        return _evaluation.evaluate(
            store, reference, data, target=target, slices=slices, protected=protected, time=time, groups=groups, metric=metric,
            unit=unit, sizing=sizing, trust=trust,
        )  # fmt: skip

    def choose_threshold(  # noqa: PLR0913 - one wish, and what the rows are
        self,
        model: Any,
        data: Any,
        *,
        target: str | None = None,
        positive: Label | None = None,
        costs: Costs | None = None,
        precision: float | None = None,
        recall: float | None = None,
        capacity: float | None = None,
        reject_cost: float | None = None,
        time: str | None = None,
        groups: str | None = None,
        trust: Collection[str] | bool = (),
    ) -> Choice:
        """The decision rule that serves exactly one wish best on rows with known truth, to be given to `log_model(rule=choice.rule)`.

        `model` is a fitted classifier of two classes, or a version, an alias or a run's model; `data` as for `evaluate`, best rows that
        the model was neither fitted nor will be judged on: their digest goes into the rule, and a review tells when it is. `positive` is
        by default the model's second class. The wishes: least expected cost by `costs`; the highest recall with at least `precision`;
        the highest precision with at least `recall`; the highest recall with at most the share `capacity` of rows flagged. With costs,
        `reject_cost` is what it costs when a person looks at a row, and a reject band is found, too. `time` (days) or `groups` names
        what makes rows depend on each other. Raises UsageError, NotFound, ModelError and TrustRefused.
        """
        from nbops.registry import choosing, models
        from nbops.workspace._model import Version

        if isinstance(model, Run):
            model.flush()
        if isinstance(model, (str, Run, Version)):
            reference = model if isinstance(model, str) else model.run_id if isinstance(model, Run) else model.reference
            model = models.load(self._asked, reference, trust=trust)
        wish = choosing.Wish(costs, precision, recall, capacity, reject_cost)
        return choosing.choose(
            model, data, wish, target=target, positive=positive, time=time, groups=groups, project=self.project
        )

    def review(self, review: str) -> Review:
        """The review that a full id or its last digits mean. Raises NotFound or Ambiguous."""
        from nbops.promotion import reviews
        from nbops.workspace._review import Review

        return Review(self.store, reviews.find(self._asked, review))

    def reviews(self, model: str | None = None, *, everything: bool = False) -> pd.DataFrame:
        """The reviews that wait for somebody, of a model or of all, the oldest first; or `everything`, the newest first."""
        sql = (
            "select * from reviews where (? is null or model = ?) order by created desc"
            if everything
            else "select * from reviews where (? is null or model = ?) and status in ('open', 'sent back') order by created"
        )
        from nbops.workspace._model import aware

        return aware(self._asked.frame(sql, [model, model]))

    def incident(self, incident: str) -> Incident:
        """The incident that a full id or its last digits mean. Raises NotFound or Ambiguous."""
        from nbops.monitoring import incidents
        from nbops.workspace._incident import Incident

        return Incident(self.store, incidents.find(self._asked, incident))

    def incidents(self, model: str | None = None, *, everything: bool = False) -> pd.DataFrame:
        """The open incidents, of a model or of all, the most severe first; or `everything`, the newest first."""
        sql = (
            "select * from incidents where (? is null or model = ?) order by opened desc"
            if everything
            else "select * from incidents where (? is null or model = ?) and status = 'open'"
            " order by list_position(['page', 'warn', 'watch', 'info'], severity), since"
        )
        from nbops.workspace._model import aware

        return aware(self._asked.frame(sql, [model, model]))

    def rollback(self, model: str, alias: str = "champion", *, reason: str) -> Version:
        """Let an alias stand again for the last version that held it and is fit to; gives that version. Raises Conflict, NotFound."""
        return self.model(model).rollback(alias, reason=reason)

    def load_model(self, reference: str, *, trust: Collection[str] | bool = ()) -> LoadedModel:
        """The model that "NAME" (latest version), "NAME/3" or "RUN_ID" means; loading it runs nothing it brought along.

        Raises NotFound, StoreCorrupt, or TrustRefused naming what nobody vouched for.
        """
        from nbops.registry import models

        return models.load(self._asked, reference, trust=trust)

    def log_predictions(  # noqa: PLR0913 - what the columns are
        self,
        version: str | Version,
        data: Any,
        *,
        id: str | Sequence[str] | None,  # noqa: A002 - the name that people know
        time: str,
        prediction: str = "prediction",
        probabilities: Mapping[Any, str] | None = None,
        decision: str | None = None,
        features: bool | Sequence[str] = True,
        trust: Collection[str] | bool = (),
    ) -> Logged:
        """Keep what a version, or what an alias stands for, said of rows, so that it can be held against the truth later.

        `data` is a DataFrame, a Parquet or CSV file, a version of data; without a column `prediction` the version predicts, and what it
        says of probabilities and decisions is kept too. `id` names the rows, in several columns if need be; with None ids are made, and
        given back. `time` is the column of the moment that a row is about; a time without a zone is UTC. `probabilities` are columns by
        class. `features` are kept as well: all columns that are left, none, or these. The same rows again are not kept twice. Raises
        NotFound, UsageError, SourceError for rows without id or time, Conflict, ModelError and TrustRefused.
        """
        from nbops.workspace import _predictions

        told = _predictions.Columns(id, time, prediction, decision, probabilities, features)
        store = self._asked
        found = self.version(version) if isinstance(version, str) else version
        return _predictions.log(store, found.record, data, told, trust=trust)

    def log_labels(
        self,
        model: str,
        truth: Any,
        *,
        id: str | Sequence[str],  # noqa: A002 - as in log_predictions
        label: str,
        observed: str | None = None,
    ) -> Logged:
        """Keep what turned out to be true, whenever it becomes known, in any order.

        `truth` is a DataFrame, a Parquet or CSV file, a version of data, with the same `id` as the predictions and the column `label`.
        `observed` is the column that says when each label became known (UTC without a zone), now without it; the label observed last
        counts, of those the one logged last, and an empty one takes the label back. Raises NotFound, UsageError, SourceError for rows
        without an id or with two labels of one time.
        """
        from nbops.workspace import _predictions

        return _predictions.log_labels(self._asked, model, truth, id, label, observed)

    def load_sweep(self, sweep: str) -> Sweep:
        """The sweep that a full id, its last digits or a name means. Raises NotFound or Ambiguous."""
        from nbops.execution.sweeps import results
        from nbops.workspace._sweep import Sweep

        return Sweep(self.store, results.load(self._settled, sweep).run_id)

    def dataset(
        self,
        name: str,
        source: object = None,
        *,
        contract: str | os.PathLike[str] | Mapping[str, object] | None = None,
        **more: object,
    ) -> Dataset:
        """The data that the project declares as `name`, or that `source` gives: an address, a DataFrame, a function, a mapping.

        `contract` is a YAML file below the project or a dict; `more` are the other fields of a declaration, see docs/data.md. Raises
        ConfigError.
        """
        from nbops.workspace import _dataset

        return _dataset.made(self.store, name, source, contract, **more)

    def model_versions(self, name: str | None = None) -> pd.DataFrame:
        """Registered versions, newest first."""
        where = "where model = ?" if name else ""
        sql = f"select model, version, run_id, state, created, actor, description from model_versions {where} order by created desc"  # noqa: S608 - fixed text
        found = self._asked.frame(sql, [name] if name else [])
        return found.assign(created=found["created"].dt.tz_localize("UTC"))

    def __repr__(self) -> str:
        return f"Workspace({str(self.project)!r})"


def open_project(project: str | os.PathLike[str] | None = None) -> Workspace:
    """The workspace of a folder, or of the project that the current folder lies in. Raises ConfigError."""
    return Workspace(config.settings(project))
