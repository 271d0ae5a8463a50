"""The types that a type checker sees behind what people call; checked by `tests/workspace/test_facade.py`, never run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

import nbops
from nbops.evaluation.choice import Choice
from nbops.evaluation.sizing import Sizing
from nbops.monitoring.drift_views import DriftView
from nbops.monitoring.policy import MonitorPolicy
from nbops.registry.card import Card
from nbops.registry.models import LoadedModel, LoggedModel
from nbops.tracking.compare import Comparison
from nbops.workspace._board import RunBoard
from nbops.workspace._evaluation import Evaluation
from nbops.workspace._incident import Incident
from nbops.workspace._model import Model, Version
from nbops.workspace._review import Review


def a_run(frame: pd.DataFrame, figure: object) -> None:
    with nbops.start_run(
        "churn", name="deep", params={"depth": 8, "rate": np.float64(0.1)}, tags={"team": "crm"}
    ) as run:
        assert_type(run, nbops.Run)
        run.log_param("depth", 8)
        run.log_metric("mae", np.float64(6.5), step=3)
        run.log_metrics({"mae": 6.5, "rows": 3})
        run.log_series("loss", [1.0, 0.5], steps=[0, 1])
        run.log_series("loss", np.zeros(2), steps=np.arange(2))
        run.log_series("loss", frame["loss"])
        run.log_table(frame, "worst")
        run.log_table({"a": [1, 2]}, "plain")
        run.log_figure(figure, "residuals")
        run.log_artifact(Path("notes.md"), "docs/notes.md")
        run.log_dict({"a": 1}, "facts")
        run.set_tags({"stage": "draft"})
        assert_type(run.log_input(frame, "train"), str)
        assert_type(
            run.log_model(Ridge(), input_example=frame, reference=frame, target="y", code=["features.py"]), LoggedModel
        )
    assert_type(run.id, str)
    assert_type(run.start_time, datetime)
    assert_type(run.metrics, dict[str, float])
    assert_type(run.params, dict[str, object])
    assert_type(run.tags, dict[str, str])
    assert_type(run.artifacts, pd.DataFrame)
    assert_type(run.metric_history("mae"), pd.DataFrame)
    assert_type(run.load_table("worst"), pd.DataFrame)
    assert_type(run.load_artifact("notes.md"), bytes)
    assert_type(run.download("notes.md", "out"), Path)
    run.end("stopped", cause="enough")


def the_one_open_run(frame: pd.DataFrame) -> None:
    nbops.log_params({"depth": 8})
    nbops.log_metrics({"mae": 6.5}, step=1)
    nbops.log_text("x", "note")
    nbops.set_tag("team", "crm")
    assert_type(nbops.log_input(frame), str)
    nbops.autolog(models=False)


def a_project(run: nbops.Run) -> None:
    assert_type(nbops.search_runs(["churn"], filter="metrics.mae < 9", order_by="metrics.mae", limit=5), pd.DataFrame)
    assert_type(nbops.compare(run, "4f2a9c1e"), Comparison)
    assert_type(nbops.board(text="churn", status="failed"), RunBoard)
    assert_type(nbops.compare(model="churn", everything=True).frame, pd.DataFrame)
    assert_type(nbops.sql("select * from runs where name = ?", ["deep"]), pd.DataFrame)
    made = nbops.sweep("train.ipynb", {"alpha": [0.1, 1], "depth": np.arange(3)}, metric="mae", better="lower", lanes=2)
    assert_type(made, nbops.Sweep)
    assert_type(made.best(), nbops.Run)
    assert_type(made.runs, pd.DataFrame)
    nbops.sweep("train.ipynb", points=pd.DataFrame({"alpha": [1]}), params={"depth": 3})
    nbops.sweep("train.ipynb", ranges={"alpha": "0.1..10:log", "depth": (3, 12), "kind": ["a", "b"]}, random=30, seed=7)
    nbops.sweep("train.ipynb", {"alpha": 0.1})  # type: ignore[dict-item]  # a grid has lists of values
    assert_type(nbops.load_sweep("4f2a9c1e"), nbops.Sweep)
    flights = nbops.pipeline("notebooks")
    assert_type(flights, nbops.Pipeline)
    assert_type(flights.plan({"alpha": 0.1}), nbops.PipelinePlan)
    assert_type(flights.run({"alpha": 0.1}, lanes=2).resume(), nbops.PipelineRun)
    assert_type(flights.last.step("train"), nbops.Run)
    flights.run(alpha=0.1)  # type: ignore[call-arg]  # parameters are a mapping
    nbops.define_metric("cost", better="lower", unit="EUR")
    nbops.define_metric("cost", better="less")  # type: ignore[arg-type]  # there are two directions
    run.end("ended")  # type: ignore[arg-type]  # and a few ways to end
    assert_type(nbops.register_model(run, "churn"), Version)
    assert_type(nbops.load_model("churn/3", trust=["lib.Type"]), LoadedModel)
    assert_type(nbops.load_model("churn").predict([[1.0]]), Any)
    workspace = nbops.open("project")
    assert_type(workspace, nbops.Workspace)
    assert_type(workspace.run(run), nbops.Run)
    assert_type(workspace.project, Path)
    assert_type(workspace.model_versions(), pd.DataFrame)


def a_decision(run: nbops.Run, frame: pd.DataFrame) -> None:
    costs = nbops.Costs(false_positive=1, false_negative=4, unit="EUR")
    choice = nbops.choose_threshold(Ridge(), frame, target="late", positive="yes", costs=costs, reject_cost=0.5)
    assert_type(choice, Choice)
    assert_type(choice.rule, nbops.DecisionRule)
    assert_type(choice.sentences, tuple[str, ...])
    nbops.choose_threshold(run, Path("tune.csv"), recall=0.9, time="day")
    nbops.choose_threshold("churn@champion", frame, capacity=0.1, trust=True)
    nbops.choose_threshold(Ridge(), frame, costs=4)  # type: ignore[arg-type]  # what is wrong costs more than what is right
    run.log_model(Ridge(), rule=choice.rule)
    run.log_model(Ridge(), rule=nbops.DecisionRule(positive="yes", threshold=0.3, reject=(0.2, 0.4)))


def a_promotion(run: nbops.Run, frame: pd.DataFrame) -> None:
    model = nbops.model("churn")
    assert_type(model, Model)
    assert_type(
        model.describe(purpose="who leaves", policy="four-eyes", assumptions={"a is known": "a is not null"}), Card
    )
    assert_type(model.aliases, dict[str, int])
    assert_type(model.frozen, str | None)
    version = nbops.register_model(run, "churn")
    assert_type(version.aliases, list[str])
    assert_type(version.comments, pd.DataFrame)
    assert_type(version.benchmark(frame), Sizing)
    assert_type(nbops.evaluate(version, frame, slices=["region"], protected=["sex", ("sex", "age")]), Evaluation)
    review = version.propose(reason="finds a fifth more")
    assert_type(review, Review)
    assert_type(nbops.review("4f2a9c1e").approve(reason="seen", attested_by="Dr. Roe", evidence="minutes.pdf"), str)
    version.propose()  # type: ignore[call-arg]  # a reason is needed
    assert_type(nbops.rollback("churn", reason="too many calls"), Version)
    workspace = nbops.open("project")
    assert_type(workspace.version("churn@champion"), Version)
    assert_type(workspace.reviews("churn", everything=True), pd.DataFrame)


def a_comparison(frame: pd.DataFrame) -> None:
    found = nbops.drift("january.parquet", frame, columns=["temp"], slices=["carrier"], exact=True)
    assert_type(found, DriftView)
    assert_type(found.drifted, list[str])
    assert_type(found["temp"].sentence, str)
    assert_type(found.frame(), pd.DataFrame)


def trouble() -> None:
    assert_type(nbops.incidents(), pd.DataFrame)
    found = nbops.incident("91c0aa42")
    assert_type(found, Incident)
    assert_type(found.status, str)
    found.mute(until=datetime(2026, 12, 31), reason="strike")  # noqa: DTZ001 - as people type it
    found.close(reason="repaired")
    assert_type(nbops.model("air-time").monitor_policy, MonitorPolicy)
    assert_type(nbops.model("air-time").set_monitor_policy({"close_after": 4}, why="it came back"), list[str])


def an_error() -> None:
    try:
        nbops.load_model("churn")
    except nbops.NbopsError as error:
        assert_type(error.hint, str)
        assert_type(error.exit.status, int)
