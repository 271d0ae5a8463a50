"""The verbs of `import nbops`, of the current folder's project or the one open run."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbops.records import Better
from nbops.tracking import runs
from nbops.workspace._run import Run
from nbops.workspace._sweep import Sweep
from nbops.workspace._workspace import open_project

if TYPE_CHECKING:
    import pandas as pd

    from nbops.evaluation.choice import Choice
    from nbops.evaluation.decision import Costs, Label
    from nbops.predictions.segments import Logged
    from nbops.registry.models import LoadedModel
    from nbops.tracking.compare import Comparison
    from nbops.tracking.recording import Recording
    from nbops.workspace._board import RunBoard
    from nbops.workspace._dataset import Dataset
    from nbops.workspace._evaluation import Evaluation
    from nbops.workspace._incident import Incident
    from nbops.workspace._model import Model, Version
    from nbops.workspace._review import Review

open = open_project


def start_run(
    experiment: str | None = None,
    *,
    name: str | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, object] | None = None,
) -> Run:
    """Begin a run in this project; see Workspace.start_run."""
    return open_project().start_run(experiment, name=name, params=params, tags=tags)


def log_param(key: str, value: object) -> None:
    """Record a parameter of the one open run; see Run.log_param."""
    _run().log_param(key, value)


def log_params(params: Mapping[str, object]) -> None:
    """Record parameters of the one open run; see Run.log_params."""
    _run().log_params(params)


def log_metric(key: str, value: object, step: int | None = None) -> None:
    """Record a number of the one open run; see Run.log_metric."""
    _run().log_metric(key, value, step)


def log_metrics(metrics: Mapping[str, object], step: int | None = None) -> None:
    """Record numbers of the one open run; see Run.log_metrics."""
    _run().log_metrics(metrics, step)


def log_artifact(source: str | os.PathLike[str], path: str | None = None) -> None:
    """Keep a file or folder with the one open run; see Run.log_artifact."""
    _run().log_artifact(source, path)


def log_table(table: pd.DataFrame | Mapping[str, Sequence[object]], name: str) -> None:
    """Keep a table with the one open run; see Run.log_table."""
    _run().log_table(table, name)


def log_figure(figure: object, name: str) -> None:
    """Keep a figure with the one open run; see Run.log_figure."""
    _run().log_figure(figure, name)


def log_dict(value: object, name: str) -> None:
    """Keep a dict or list with the one open run as JSON; see Run.log_dict."""
    _run().log_dict(value, name)


def log_text(text: str, name: str) -> None:
    """Keep text with the one open run; see Run.log_text."""
    _run().log_text(text, name)


def log_input(data: object, name: str = "data") -> str:
    """Name data that the one open run reads; see Run.log_input."""
    return _run().log_input(data, name)


def set_tag(key: str, value: object) -> None:
    """Set a tag of the one open run; see Run.set_tag."""
    _run().set_tag(key, value)


def search_runs(
    experiment: str | Sequence[str] | None = None,
    *,
    filter: str | None = None,  # noqa: A002 - the name that people know
    order_by: str | None = None,
    limit: int | None = None,
    deleted: bool = False,
) -> pd.DataFrame:
    """Runs of this project as a DataFrame; see Workspace.search_runs."""
    return open_project().search_runs(experiment, filter=filter, order_by=order_by, limit=limit, deleted=deleted)


def compare(*chosen: str | Run, model: str | None = None, everything: bool = False) -> Comparison:
    """Runs or versions side by side; see Workspace.compare."""
    return open_project().compare(*chosen, model=model, everything=everything)


def board(*, text: str = "", status: str | None = None, limit: int = 50) -> RunBoard:
    """The latest runs and the models of this project; see Workspace.board."""
    return open_project().board(text=text, status=status, limit=limit)


def sql(query: str, values: Sequence[object] = ()) -> pd.DataFrame:
    """The rows of one SELECT over this project's views; see Workspace.sql."""
    return open_project().sql(query, values)


def define_metric(key: str, *, better: Better, unit: str | None = None, description: str | None = None) -> None:
    """Say what a metric means in this project; see Workspace.define_metric."""
    open_project().define_metric(key, better=better, unit=unit, description=description)


def register_model(
    source: str | Run,
    name: str,
    *,
    model: str = "model",
    description: str | None = None,
    trust: Collection[str] | bool = (),
) -> Version:
    """Make a run's model the next version of `name`; see Workspace.register_model."""
    return open_project().register_model(source, name, model=model, description=description, trust=trust)


def load_model(reference: str, *, trust: Collection[str] | bool = ()) -> LoadedModel:
    """A registered or logged model of this project; see Workspace.load_model."""
    return open_project().load_model(reference, trust=trust)


def model(name: str) -> Model:
    """A registered model of this project; see Workspace.model."""
    return open_project().model(name)


def evaluate(  # noqa: PLR0913 - what may be looked at
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
    """Hold a model against rows with known truth, and keep the result with the rows; see Workspace.evaluate."""
    return open_project().evaluate(
        model, data, target=target, slices=slices, protected=protected, time=time, groups=groups, metric=metric, unit=unit,
        sizing=sizing, trust=trust,
    )  # fmt: skip


def choose_threshold(  # noqa: PLR0913 - one wish, and what the rows are
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
    """The decision rule that serves a wish best, of a fitted or a kept model; see Workspace.choose_threshold."""
    return open_project().choose_threshold(
        model, data, target=target, positive=positive, costs=costs, precision=precision, recall=recall, capacity=capacity,
        reject_cost=reject_cost, time=time, groups=groups, trust=trust,
    )  # fmt: skip


def review(review: str) -> Review:
    """A review of this project; see Workspace.review."""
    return open_project().review(review)


def incident(incident: str) -> Incident:
    """An incident of this project; see Workspace.incident."""
    return open_project().incident(incident)


def incidents(model: str | None = None, *, everything: bool = False) -> pd.DataFrame:
    """The open incidents of this project, or every one; see Workspace.incidents."""
    return open_project().incidents(model, everything=everything)


def rollback(model: str, alias: str = "champion", *, reason: str) -> Version:
    """Let an alias go back to the version before; see Workspace.rollback."""
    return open_project().rollback(model, alias, reason=reason)


def log_predictions(  # noqa: PLR0913 - what the columns are
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
    """Keep what a version said of rows; see Workspace.log_predictions."""
    return open_project().log_predictions(
        version, data, id=id, time=time, prediction=prediction, probabilities=probabilities, decision=decision, features=features,
        trust=trust,
    )  # fmt: skip


def log_labels(
    model: str,
    truth: Any,
    *,
    id: str | Sequence[str],  # noqa: A002 - as in log_predictions
    label: str,
    observed: str | None = None,
) -> Logged:
    """Keep what turned out to be true; see Workspace.log_labels."""
    return open_project().log_labels(model, truth, id=id, label=label, observed=observed)


def load_sweep(sweep: str) -> Sweep:
    """A sweep of this project; see Workspace.load_sweep."""
    return open_project().load_sweep(sweep)


def dataset(
    name: str,
    source: object = None,
    *,
    contract: str | os.PathLike[str] | Mapping[str, object] | None = None,
    **more: object,
) -> Dataset:
    """The data that this project declares as `name`, or that `source` gives; see Workspace.dataset."""
    return open_project().dataset(name, source, contract=contract, **more)


def autolog(*, models: bool = True, disable: bool = False) -> None:
    """Record what scikit-learn estimators do from now on: parameters, data, duration, training metrics, scores, searches.

    Each `fit` of yours goes to the open run, or to a run of its own when none is open. The first model fitted in an open run
    is the run's; further ones, and transformers, become its children, so parameters of two fits never mix. The points of a
    search (the 100 best) are children of its run. `score` of a fitted estimator goes to the run of its fit. Fits inside fits,
    in `cross_validate` and in joblib's workers are part of what they are in. With `models` each fitted model is kept too.
    Trouble is told as an AutologWarning and never keeps an estimator from working; `disable=True` stops all this.
    """
    from nbops.registry import models as registered
    from nbops.tracking import autolog as switch

    def keep(recording: Recording, model: object, example: object) -> None:
        registered.log(recording, model, "model", registered.Given(example=example))

    if disable:
        switch.off()
    else:
        switch.on(lambda: open_project().store, keep if models else None)


def _run() -> Run:
    """The one that is meant; in a notebook that is executed, its own run, without `start_run` too."""
    if runs.is_awaited():
        return start_run()
    recording = runs.current()
    return Run(recording.store, recording.run_id, recording)
