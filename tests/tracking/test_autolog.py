"""Promises of `nbops.autolog()`: what fits and scores leave behind, which calls count, and that scikit-learn stays what it is."""

from __future__ import annotations

import gc
import inspect
import json
import multiprocessing
import pickle
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib.externals.loky.backend.reduction import dumps as dump_for_a_worker
from scipy.sparse import csr_matrix
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin, clone
from sklearn.cluster import KMeans, k_means
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - what makes HalvingGridSearchCV importable
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, KFold, RandomizedSearchCV, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import nbops
from nbops.execution import notebook
from nbops.records import now_us
from nbops.tracking import estimators, recording, sklearn_hook
from nbops.tracking.autolog import AutologWarning
from nbops.tracking.recording import RevisionWarning, open_recordings
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace
from tests.conftest import Project

X, Y = make_classification(n_samples=60, n_features=4, random_state=0)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One project for all tests here; each looks at the runs that it made."""
    project = Project(tmp_path_factory.mktemp("autolog"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        patch.setenv("NBOPS_PROJECT", str(project.folder))
        yield Workspace(project.settings())
        # The commit and environment of the last runs are asked for after their end.
        recording._flusher.finish()  # noqa: SLF001 - nothing else tells when it has nothing left to do
    project.close()


@pytest.fixture
def made(home: Workspace) -> Iterator[Callable[[], list[Run]]]:
    """Autolog without models; gives the runs that began since, oldest first."""
    begun = now_us()
    nbops.autolog(models=False)
    yield lambda: [
        home.run(row[0])
        for row in home.store.read(
            "select run_id::varchar from runs where epoch_us(start_time) >= ? order by start_time, run_id", [begun]
        ).rows
    ]
    nbops.autolog(disable=True)
    for left in open_recordings():
        left.end("finished")


def anatomy() -> dict[tuple[type, str], object]:
    """Every attribute of every class that estimators are made of."""

    def below(kind: type) -> Iterator[type]:
        yield kind
        derived: type
        for derived in kind.__subclasses__():
            yield from below(derived)

    gc.collect()
    kinds = {owner for kind in below(BaseEstimator) for owner in kind.__mro__}
    return {
        (kind, name): value for kind in kinds for name, value in vars(kind).items() if name != "__abstractmethods__"
    }


UNTOUCHED = anatomy()
Made = Callable[[], list[Run]]


def only(runs: list[Run]) -> Run:
    assert [run.info.name for run in runs] == [runs[0].info.name]
    return runs[0]


class Mean(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator of the user's own; tells its run a number while it fits, or raises."""

    def __init__(self, shift: float = 0.0, error: BaseException | None = None) -> None:
        self.shift = shift
        self.error = error

    def fit(self, data: Any, target: Any) -> Mean:
        if self.error is not None:
            raise self.error
        self.mean_ = float(np.mean(target)) + self.shift
        return self

    def predict(self, data: Any) -> Any:
        return np.full(len(data), self.mean_)


class Best(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A meta-estimator of the user's own, which fits others from its own code."""

    def __init__(self, members: tuple[Any, ...] = ()) -> None:
        self.members = members

    def fit(self, data: Any, target: Any) -> Best:
        self.members_ = [clone(member).fit(data, target) for member in self.members]
        nbops.log_metric("members", len(self.members_))
        return self

    def predict(self, data: Any) -> Any:
        return self.members_[0].predict(data)


# What a fit leaves behind


def test_a_fit_without_an_open_run_is_a_finished_run_with_parameters_data_and_metrics(made: Made) -> None:
    model = LogisticRegression(C=0.5).fit(FRAME, Y)
    run = only(made())
    assert (run.name, run.status, run.experiment) == ("LogisticRegression", "finished", "test_autolog")
    assert run.params == model.get_params()
    assert run.tags == {"estimator_class": "sklearn.linear_model._logistic.LogisticRegression"}
    assert run.metrics.keys() == {
        "training_rows", "training_columns", "fit_seconds", "training_accuracy", "training_f1", "training_log_loss",
    }  # fmt: skip
    assert (run.metrics["training_rows"], run.metrics["training_columns"]) == (60, 4)
    assert run.metrics["training_accuracy"] == model.score(FRAME, Y)
    assert nbops.sql("select name, rows from run_inputs where run_id = ?", [run.run_id]).to_numpy().tolist() == [
        ["training", 60]
    ]
    assert open_recordings() == []


def test_the_same_training_data_has_the_same_digest(made: Made) -> None:
    for data in (FRAME, FRAME.copy(), FRAME + 1):
        LogisticRegression().fit(data, Y)
    digests = [nbops.sql("select digest from run_inputs where run_id = ?", [run.run_id]).digest[0] for run in made()]
    assert digests[0] == digests[1] != digests[2]


def test_a_regressor_has_its_metrics(made: Made) -> None:
    LinearRegression().fit(X, X[:, 0] * 2)
    metrics = only(made()).metrics
    assert metrics["training_r2"] == pytest.approx(1)
    assert metrics["training_mae"] == pytest.approx(0)
    assert metrics["training_rmse"] == pytest.approx(0)


def test_the_fitted_model_is_kept_and_predicts_the_same(made: Made) -> None:
    nbops.autolog()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, Y)
    loaded = nbops.load_model(only(made()).run_id)
    assert (loaded.predict(FRAME) == model.predict(FRAME)).all()
    assert [column.name for column in loaded.manifest.signature.columns] == ["a", "b", "c", "d"]  # type: ignore[union-attr]  # a frame has one


def test_a_model_that_cannot_be_kept_is_one_warning(made: Made) -> None:
    nbops.autolog()
    pipeline = make_pipeline(FunctionTransformer(lambda data: data), LogisticRegression())
    with pytest.warns(AutologWarning, match="model.*<lambda>") as told:
        [clone(pipeline).fit(X, Y) for _ in range(3)]
    assert [one.filename for one in told if one.category is AutologWarning] == [__file__]
    assert [run.status for run in made()] == ["finished"] * 3
    assert all("training_accuracy" in run.metrics for run in made())


def test_a_pipeline_is_one_run_with_the_parameters_of_its_steps(made: Made) -> None:
    columns = ColumnTransformer([("number", StandardScaler(), ["a", "b"]), ("kind", OneHotEncoder(), ["k"])])
    frame = FRAME.assign(k=["x", "y", "z"] * 20)
    Pipeline([("columns", columns), ("model", LogisticRegression(C=3))]).fit(frame, Y)
    params = only(made()).params
    assert params["model__C"] == 3
    assert params["columns__number__with_mean"] is True
    assert (params["model"], params["columns__kind"]) == ("LogisticRegression", "OneHotEncoder")
    assert params["steps"] == [["columns", "ColumnTransformer"], ["model", "LogisticRegression"]]


def test_texts_and_sparse_matrices_train_without_a_word(made: Made) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", AutologWarning)
        make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good", "bad", "good day"], [1, 0, 1])
        LogisticRegression().fit(csr_matrix(X), Y)
    texts, sparse = made()
    assert texts.metrics["training_rows"] == 3
    assert sparse.metrics["training_columns"] == 4
    assert {"training_accuracy"} <= texts.metrics.keys() & sparse.metrics.keys()


@pytest.mark.parametrize("method", ["fit_predict", "fit_transform"])
def test_fit_predict_and_fit_transform_are_one_fit(method: str, made: Made) -> None:
    getattr(KMeans(2, n_init=1), method)(X)
    getattr(make_pipeline(StandardScaler(), KMeans(2, n_init=1)), method)(X)
    assert [run.name for run in made()] == ["KMeans", "Pipeline"]


def test_an_estimator_of_the_users_own_counts(made: Made) -> None:
    class Later(Mean):
        def fit(self, data: Any, target: Any) -> Mean:
            nbops.log_metric("seen", len(data))
            return super().fit(data, target)

    Mean(1.0).fit(X, X[:, 0])
    Later(2.0).fit(X, X[:, 0])
    first, second = made()
    assert (first.name, first.params["shift"]) == ("Mean", 1.0)
    assert (second.name, second.params["shift"], second.metrics["seen"]) == ("Later", 2.0, 60)


def test_a_long_parameter_is_cut_and_whole_in_a_file(made: Made) -> None:
    weights = {f"class {number}": number for number in range(200)}
    DummyClassifier(constant=weights).fit(X, Y)
    run = only(made())
    kept = str(run.params["constant"])
    assert len(kept) == estimators.LONGEST_PARAM
    assert kept.startswith('{"class 0": 0')
    assert json.loads(run.load_artifact("estimator_params.json"))["constant"] == weights


# Which run


def test_the_first_model_goes_to_the_open_run_which_stays_open(made: Made) -> None:
    with nbops.start_run("mine", params={"seed": 1}) as run:
        LogisticRegression(C=0.5).fit(X, Y)
        nbops.log_metric("afterwards", 1)
        assert run.status == "running"
    assert only(made()) == run
    assert (run.params["C"], run.params["seed"]) == (0.5, 1)
    assert {"training_accuracy", "afterwards"} <= run.metrics.keys()


def test_further_fits_become_children_and_never_change_the_first(made: Made) -> None:
    with warnings.catch_warnings(), nbops.start_run("mine") as run:
        warnings.simplefilter("error", RevisionWarning)
        LogisticRegression(C=1.0).fit(X, Y)
        nbops.autolog(models=False)
        LogisticRegression(C=2.0).fit(X, Y)
        Best((LinearRegression(),)).fit(X, Y)
    first, *rest = made()
    assert (first, first.params["C"]) == (run, 1.0)
    assert "members" not in run.metrics
    assert [(child.name, child.params.get("C"), child.status) for child in rest] == [
        ("LogisticRegression", 2.0, "finished"),
        ("Best", None, "finished"),
    ]
    assert rest[1].metrics["members"] == 1
    assert {(child.info.parent_run_id, child.experiment) for child in rest} == {(run.run_id, "mine")}


def test_preparing_data_does_not_take_the_run_from_the_model(made: Made) -> None:
    with nbops.start_run("mine") as run:
        scaled = StandardScaler().fit_transform(X)
        LogisticRegression(C=0.5).fit(scaled, Y)
    _, child = made()
    assert (run.params["C"], run.tags["estimator_class"].rpartition(".")[2]) == (0.5, "LogisticRegression")
    assert (child.name, child.params["with_mean"], child.info.parent_run_id) == ("StandardScaler", True, run.run_id)


def test_what_the_user_logged_stays_as_it_is(made: Made) -> None:
    with warnings.catch_warnings(), nbops.start_run("mine", params={"C": "small", "tol": 1e-4}) as run:
        warnings.simplefilter("error", RevisionWarning)
        LogisticRegression(C=0.1).fit(X, Y)
    assert (run.params["C"], run.params["LogisticRegression.C"], run.params["tol"]) == ("small", 0.1, 1e-4)


def test_a_cell_without_with_keeps_its_run_over_many_fits(made: Made) -> None:
    run = nbops.start_run("mine")
    for strength in (1.0, 2.0, 3.0):
        LogisticRegression(C=strength).fit(X, Y)
    assert run.status == "running"
    run.end()
    assert [child.params["C"] for child in made()] == [1.0, 2.0, 3.0]


def test_fits_of_two_threads_are_two_runs(made: Made) -> None:
    both = threading.Barrier(2, timeout=60)

    class Waiting(Mean):
        def fit(self, data: Any, target: Any) -> Mean:
            both.wait()
            return super().fit(data, target)

    threads = [threading.Thread(target=Waiting(shift).fit, args=(X, X[:, 0])) for shift in (1.0, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((run.info.parent_run_id, run.params["shift"]) for run in made()) == [(None, 1.0), (None, 2.0)]


def test_runs_of_an_executed_notebook(home: Workspace, tmp_path: Path) -> None:
    cells = [
        "import nbops; nbops.autolog(models=False)",
        "from sklearn.linear_model import LinearRegression, Ridge",
        "rows, truth = [[1.0], [2.0], [4.0]], [1.0, 2.0, 5.0]",
        "LinearRegression().fit(rows, truth).score(rows, truth)",
        "Ridge(alpha=2.0).fit(rows, truth);",
        "with nbops.start_run('renamed', params={'alpha': 'mine'}): Ridge(alpha=3.0).fit(rows, truth)",
        "raise ValueError('in the end')",
    ]
    source = tmp_path / "train.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), source)
    done = notebook.execute(home.store, source)
    run = home.run(done.run_id)
    assert (run.status, str(run.info.cause).partition(" (")[0]) == ("failed", "ValueError: in the end")
    assert (run.experiment, run.params["fit_intercept"], run.params["alpha"]) == ("renamed", True, "mine")
    assert {"training_r2", "test_score"} <= run.metrics.keys()
    sql = (
        "select p.value from runs r join params p using (run_id) where parent_run_id = ? and p.key = 'alpha' order by 1"
    )
    assert nbops.sql(sql, [done.run_id]).value.tolist() == ["2.0", "3.0"]


# When something goes wrong


def test_a_fit_that_raises_is_a_failed_run_and_the_exception_is_untouched(made: Made) -> None:
    error = ZeroDivisionError("no rows")
    with pytest.raises(ZeroDivisionError) as caught:
        Mean(error=error).fit(X, Y)
    assert caught.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    run = only(made())
    assert (run.status, run.info.cause) == ("failed", "ZeroDivisionError: no rows")
    assert run.metrics.keys() == {"training_rows", "training_columns"}


def test_an_interrupted_fit_is_a_stopped_run(made: Made) -> None:
    with pytest.raises(KeyboardInterrupt):
        Mean(error=KeyboardInterrupt()).fit(X, Y)
    assert only(made()).status == "stopped"


def test_a_failed_fit_is_told_in_the_open_run_and_the_next_one_is_a_child(made: Made) -> None:
    with nbops.start_run("mine") as run:
        with pytest.raises(ValueError, match="NaN"):
            LogisticRegression(C=1.0).fit(np.full((4, 1), np.nan), [0, 1, 0, 1])
        LogisticRegression(C=2.0).fit(X, Y)
    assert (run.status, run.params["C"]) == ("finished", 1.0)
    assert run.tags["fit_error"].startswith("ValueError: Input X contains NaN")
    assert made()[1].params["C"] == 2.0


def test_without_a_store_a_fit_works_and_one_warning_tells_why(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NBOPS_PROJECT", "/no/such/folder")
    with pytest.warns(AutologWarning, match="/no/such/folder does not exist") as told:
        fitted = [LogisticRegression().fit(X, Y) for _ in range(3)]
    assert [model.score(X, Y) > 0.5 for model in fitted] == [True] * 3
    assert [one.category for one in told].count(AutologWarning) == 1


def test_parameters_that_raise_are_one_warning(made: Made) -> None:
    class Unready(Mean):
        def get_params(self, **_: Any) -> dict[str, Any]:
            raise LookupError("not ready")

    with pytest.warns(AutologWarning, match="LookupError: not ready") as told:
        Unready().fit(X, Y)
    assert [str(one.message).partition(" could")[0] for one in told] == ["The parameters", "The training metrics"]
    assert only(made()).status == "finished"


# Searches


def test_a_grid_search_is_a_run_whose_points_are_children(made: Made) -> None:
    nbops.autolog()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"logisticregression__C": [0.01, 1.0], "standardscaler": [StandardScaler(), "passthrough"]}
    search = GridSearchCV(pipeline, grid, cv=KFold(3), n_jobs=2).fit(FRAME, Y)
    assert search.score(FRAME, Y) == search.best_estimator_.score(FRAME, Y)
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
    run, *points = made()
    assert (run.name, run.params["cv"], run.params["cv_splits"]) == (
        "GridSearchCV", "KFold(n_splits=3, random_state=None, shuffle=False)", 3,
    )  # fmt: skip
    assert run.params["best_logisticregression__C"] == search.best_params_["logisticregression__C"]
    assert run.metrics["best_score"] == search.best_score_
    assert run.metrics["training_score"] == run.metrics["training_accuracy"]
    assert nbops.load_model(run.run_id).manifest.estimator == "sklearn.pipeline.Pipeline"

    found = search.cv_results_
    assert len(points) == 4
    assert {point.info.parent_run_id for point in points} == {run.run_id}
    assert [point.metrics["rank_test_score"] for point in points] == sorted(found["rank_test_score"])
    told = {
        (point.params["logisticregression__C"], point.params["standardscaler"]): point.metrics["mean_test_score"]
        for point in points
    }
    steps = ["StandardScaler" if isinstance(step, StandardScaler) else step for step in found["param_standardscaler"]]
    assert told == dict(
        zip(zip(found["param_logisticregression__C"], steps, strict=True), found["mean_test_score"], strict=True)
    )

    table = run.load_table("cv_results")
    assert table["mean_test_score"].tolist() == found["mean_test_score"].tolist()
    assert table["param_standardscaler"].tolist() == steps


def test_the_best_hundred_points_are_children_and_all_are_in_the_table(made: Made) -> None:
    space = {"constant": range(130)}
    target = np.arange(60) % 2
    search = RandomizedSearchCV(
        DummyRegressor(strategy="constant"), space, n_iter=130, cv=2, scoring="neg_mean_absolute_error", random_state=0
    ).fit(X, target)
    run, *points = made()
    assert [point.params["constant"] for point in points] == list(range(estimators.MOST_POINTS))
    assert sorted(run.load_table("cv_results")["param_constant"]) == list(range(130))
    assert run.params["best_constant"] == search.best_params_["constant"]
    assert run.params["estimator"] == "DummyRegressor"


def test_distributions_and_functions_are_told_without_addresses(made: Made) -> None:
    search = RandomizedSearchCV(LogisticRegression(), {"C": loguniform(0.1, 10)}, n_iter=2, cv=2, random_state=0)
    search.fit(X, Y)
    FunctionTransformer(np.abs, inverse_func=len, check_inverse=False).fit(X)
    run, *_, function = made()
    assert run.params["param_distributions"] == {"C": "loguniform(0.1, 10)"}
    assert (function.params["func"], function.params["inverse_func"]) == ("numpy.absolute", "builtins.len")


@pytest.mark.filterwarnings("ignore:(?s).*fits failed", "ignore:.*test scores are non-finite")
def test_a_point_whose_fits_fail_is_a_failed_child(made: Made) -> None:
    grid = {"error": [None, ZeroDivisionError("no rows")]}
    GridSearchCV(Mean(), grid, cv=2).fit(X, X[:, 0])
    run, good, bad = made()
    assert [run.status, good.status, bad.status] == ["finished", "finished", "failed"]
    assert np.isnan(bad.metrics["mean_test_score"])


def test_a_successive_halving_search_is_a_search(made: Made) -> None:
    with nbops.start_run("mine") as run:
        HalvingGridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=2, min_resources=20, random_state=0).fit(
            X, Y
        )
    _, *points = made()
    assert {"iter", "n_resources"} <= set(run.load_table("cv_results").columns)
    assert {(point.info.parent_run_id, point.experiment) for point in points} == {(run.run_id, "mine")}


def test_a_search_by_several_metrics_without_refit_has_points(made: Made) -> None:
    grid = {"strategy": ["prior", "uniform"]}
    with nbops.start_run("mine") as run:
        GridSearchCV(DummyClassifier(), grid, cv=2, scoring=["accuracy", "f1"], refit=False).fit(X, Y)
    _, *points = made()
    assert [(point.experiment, point.info.parent_run_id) for point in points] == [("mine", run.run_id)] * 2
    assert all({"mean_test_accuracy", "std_test_f1", "rank_test_f1"} <= point.metrics.keys() for point in points)


# Scores


def test_scores_go_to_the_run_of_their_fit(made: Made) -> None:
    first, second = LogisticRegression().fit(X[:40], Y[:40]), LogisticRegression().fit(FRAME, Y)
    scores = [first.score(X[40:], Y[40:]), second.score(FRAME, Y), first.score(X[50:], Y[50:])]
    one, two = made()
    assert (one.metrics["test_score"], one.metrics["test_score_2"]) == (scores[0], scores[2])
    assert two.metrics["training_score"] == scores[1]
    assert "test_score" not in two.metrics


def test_a_score_after_the_users_run_is_over_is_not_added(made: Made) -> None:
    with nbops.start_run("mine") as run:
        model = LogisticRegression().fit(X[:40], Y[:40])
        model.score(X[40:], Y[40:])
    model.score(X[50:], Y[50:])
    assert {"test_score"} == {key for key in run.metrics if "score" in key}


def test_a_score_of_what_was_not_fitted_here_is_only_a_score(made: Made) -> None:
    nbops.autolog(disable=True)
    model = LogisticRegression().fit(X, Y)
    nbops.autolog(models=False)
    assert model.score(X, Y) > 0.5
    assert made() == []


# Which calls count


def test_fits_inside_fits_are_part_of_them(made: Made) -> None:
    VotingClassifier([("a", LogisticRegression()), ("b", DummyClassifier())]).fit(X, Y)
    with joblib.parallel_backend("threading", n_jobs=2):
        BaggingClassifier(LogisticRegression(), n_estimators=4, n_jobs=2).fit(X, Y)
    Best((LogisticRegression(), DummyClassifier())).fit(X, Y)
    runs = made()
    assert [run.name for run in runs] == ["VotingClassifier", "BaggingClassifier", "Best"]
    assert runs[-1].metrics["members"] == 2


def test_fits_inside_functions_of_scikit_learn_are_not_runs(made: Made) -> None:
    with joblib.parallel_backend("threading", n_jobs=2):
        cross_validate(make_pipeline(StandardScaler(), LogisticRegression()), X, Y, cv=3)
    k_means(X, 2, n_init=1)
    assert made() == []


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_fits_in_the_workers_of_joblib_are_not_runs(backend: str, made: Made) -> None:
    work = [joblib.delayed(LogisticRegression(C=strength).fit)(X, Y) for strength in (1.0, 2.0)]
    fitted = joblib.Parallel(n_jobs=2, backend=backend)(work)
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
    assert [model.C for model in fitted] == [1.0, 2.0]
    assert made() == []


def test_a_forked_process_does_not_record(made: Made) -> None:
    child = multiprocessing.get_context("fork").Process(target=LogisticRegression().fit, args=(X, Y))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert made() == []


# Scikit-learn stays what it is


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """Listening without a store; gives "Class.method" of each call."""
    calls: list[str] = []

    def report(call: sklearn_hook.Call) -> Any:
        calls.append(f"{type(call.estimator).__name__}.{call.method}")
        return call.proceed()

    sklearn_hook.install(report)
    yield calls
    sklearn_hook.remove()


def test_disabling_gives_every_attribute_of_every_class_back(made: Made) -> None:
    nbops.autolog()
    listening = anatomy()
    assert {kind for (kind, name), value in UNTOUCHED.items() if listening[kind, name] is not value} >= {
        KMeans,
        Pipeline,
    }
    nbops.autolog(disable=True)
    nbops.autolog(disable=True)
    after, kinds = anatomy(), {kind for kind, _ in UNTOUCHED}
    assert [place for place, value in UNTOUCHED.items() if after[place] is not value] == []
    # copyreg remembers that it has pickled one.
    assert {name for kind, name in after.keys() - UNTOUCHED.keys() if kind in kinds} <= {"__slotnames__"}


def test_classes_made_meanwhile_are_heard_and_given_back(heard: list[str]) -> None:
    def fit(self: Any, data: Any, target: Any = None) -> Any:
        self.n_features_in_ = data.shape[1]
        return self

    def fit_transform(self: Any, data: Any, target: Any = None) -> Any:
        return self.fit(data).transform(data)

    def transform(self: Any, data: Any) -> Any:
        return data

    def get_feature_names_out(self: Any, names: Any = None) -> list[str]:
        return [f"new{number}" for number in range(self.n_features_in_)]

    members = {
        "fit": fit, "fit_transform": fit_transform, "transform": transform, "get_feature_names_out": get_feature_names_out,
    }  # fmt: skip
    orders = (TransformerMixin, BaseEstimator), (BaseEstimator, TransformerMixin)
    kinds = [type(BaseEstimator)(f"Same{number}", bases, members) for number, bases in enumerate(orders)]
    for kind in kinds:
        made = kind().set_output(transform="pandas").fit_transform(X)
        assert list(made.columns) == ["new0", "new1", "new2", "new3"]
    assert heard == ["Same0.fit_transform", "Same1.fit_transform"]
    sklearn_hook.remove()
    for kind in kinds:
        assert vars(kind)["fit"] is fit
        assert inspect.isfunction(vars(kind)["fit_transform"])


def test_a_class_shows_its_own_methods_and_instances_the_same_signature(heard: list[str]) -> None:
    method = LogisticRegression.fit
    signature, name = inspect.signature(LogisticRegression().fit), LogisticRegression().fit.__qualname__
    sklearn_hook.remove()
    assert method is LogisticRegression.fit
    assert signature == inspect.signature(LogisticRegression().fit)
    assert name == "LogisticRegression.fit"


def test_a_method_that_is_there_only_sometimes_still_is(heard: list[str]) -> None:
    assert hasattr(make_pipeline(KMeans(2)), "fit_predict")
    assert not hasattr(make_pipeline(StandardScaler()), "fit_predict")
    assert not hasattr(make_pipeline(StandardScaler()), "score")


def test_requests_for_metadata_work_for_classes_made_meanwhile(heard: list[str]) -> None:
    class Weighted(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
        def fit(self, data: Any, target: Any, sample_weight: Any = None) -> Any:
            return self

    assert "sample_weight" in inspect.signature(Weighted().set_fit_request).parameters


def test_clones_parameters_and_pickles_are_unaffected(heard: list[str]) -> None:
    model = LogisticRegression(C=2).fit(X, Y)
    listening = pickle.dumps(model), pickle.dumps(clone(model)), repr(model), model.set_params(C=3).get_params()
    assert heard == ["LogisticRegression.fit"]
    sklearn_hook.remove()
    model.set_params(C=2)
    assert listening == (
        pickle.dumps(model),
        pickle.dumps(clone(model)),
        repr(model),
        model.set_params(C=3).get_params(),
    )
    assert (pickle.loads(listening[0]).predict(X) == model.predict(X)).all()  # noqa: S301 - our own


def test_an_estimator_pickled_by_value_needs_no_nbops_where_it_is_loaded(heard: list[str], tmp_path: Path) -> None:
    class Local(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
        def fit(self, data: Any, target: Any) -> Any:
            self.fitted_ = True
            return self

    (tmp_path / "local.pickle").write_bytes(dump_for_a_worker(Local()))
    code = (
        "import sys; sys.modules['nbops'] = None\nimport pickle\n"
        "print(pickle.load(open('local.pickle', 'rb')).fit([], []).fitted_)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_predictions_and_the_course_of_randomness_are_the_same(made: Made) -> None:
    def course() -> list[Any]:
        np.random.seed(0)  # noqa: NPY002 - what scikit-learn draws from
        own = np.random.RandomState(1)
        first = DummyClassifier(strategy="stratified").fit(X, Y).predict(X).tolist()
        second = DummyClassifier(strategy="stratified", random_state=own).fit(X, Y).predict(X).tolist()
        return [first, second, np.random.random(3).tolist(), own.random(3).tolist()]  # noqa: NPY002 - the same

    recorded = course()
    assert [run.metrics["training_accuracy"] > 0 for run in made()] == [True, True]
    nbops.autolog(disable=True)
    assert recorded == course()


# What an estimator says about itself


def test_large_data_is_neither_hashed_nor_predicted() -> None:
    model = LinearRegression().fit(X, Y)
    many, wide = np.broadcast_to(0.0, (2_000_000, 4)), np.broadcast_to(0.0, (10, 1000))
    assert [estimators.is_small(data) for data in (X, many, wide)] == [True, False, False]
    assert estimators.training_metrics(model, many, np.broadcast_to(0.0, (2_000_000,))) == {}


def test_what_predicts_slowly_is_not_predicted_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Mean):
        def predict(self, data: Any) -> Any:
            asked.append(len(data))
            return super().predict(data)

    asked: list[int] = []
    rows = np.zeros((100_000, 1))
    model = Slow().fit(rows, rows[:, 0])
    assert estimators.training_metrics(model, rows, rows[:, 0])
    assert max(asked) == 100_000
    asked.clear()
    monkeypatch.setattr(estimators, "SCORED_SECONDS", 0)
    assert estimators.training_metrics(model, rows, rows[:, 0]) == {}
    assert max(asked) < 5_000


def test_data_that_the_fit_may_have_overwritten_is_not_scored() -> None:
    rows = X.copy()
    model = LinearRegression(copy_X=False).fit(rows, X[:, 0])
    assert estimators.training_metrics(model, rows, X[:, 0]) == {}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.builds(object)
    | st.sampled_from(
        [np.float64, np.float64(1), np.arange(3), np.array("x"), len, Mean, KFold(3), loguniform(1, 2), {1, "x"}]
    ),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner) | st.builds(Mean, inner)
    ),
)


@given(VALUES)
def test_any_parameter_is_told_the_same_each_time_and_never_too_long(value: Any) -> None:
    short, whole = estimators.params(Mean(value))
    assert json.dumps(short) == json.dumps(estimators.params(Mean(value))[0])
    assert all(len(text) <= estimators.LONGEST_PARAM for text in short.values() if isinstance(text, str))
    assert whole is None or json.dumps(whole) != json.dumps(short)


def test_a_parameter_is_told_without_an_address_that_differs_in_each_process() -> None:
    assert estimators.params(Mean([object(), Mean()]))[0]["shift"] == ["<object object>", "Mean"]  # type: ignore[arg-type]  # anything may stand there
