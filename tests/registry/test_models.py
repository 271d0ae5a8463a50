"""From a run's model to a version that anybody can load: numbered, proven elsewhere, verified, and honest about what it is not."""

from __future__ import annotations

import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import FunctionTransformer

import nbops
from nbops.errors import Ambiguous, ModelError, NotFound, ParameterError, StoreCorrupt, TrustRefused
from nbops.registry import models
from nbops.registry.requests import MoveAlias, RegisterVersion
from nbops.workspace._model import Version
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace
from tests.conftest import Project

X = pd.DataFrame({"age": np.arange(20.0), "size": np.arange(20.0)[::-1], "site": ["a", "b"] * 10})
Y = (X["age"] > 9).astype(int).rename("left")
NUMBERS = X[["age", "size"]]
BOLD = LogisticRegression(C=10).fit(NUMBERS, Y)
MILD = LogisticRegression(C=0.01).fit(NUMBERS, Y)

FEATURES = """
from sklearn.base import BaseEstimator
import numpy as np

class Middle(BaseEstimator):
    def fit(self, X, y):
        self.middle_ = float(np.median(y))
        return self
    def predict(self, X):
        return np.full(len(X), self.middle_)
"""


class Notebook(BaseEstimator):  # type: ignore[misc]  # scikit-learn is not annotated
    """A class of this process alone, as one that is defined in a notebook's cell."""

    __module__ = "__main__"

    def fit(self, rows: Any, target: Any) -> Notebook:
        self.rows_ = len(rows)
        return self

    def predict(self, rows: Any) -> Any:
        return np.zeros(len(rows))


@pytest.fixture(scope="module")
def trained(here: Workspace) -> Run:
    """A run that has logged two models, and is over."""
    with here.start_run("leavers", name="trained") as run:
        run.log_model(BOLD)
        run.log_model(MILD, "mild", input_example=NUMBERS.head(), reference=NUMBERS.assign(left=Y), target="left")
    return run


@pytest.fixture(scope="module")
def versions(here: Workspace, trained: Run) -> list[Version]:
    """Two versions of one model, from two models of one run."""
    return [
        here.register_model(trained, "leavers", description="bold"),
        here.register_model(trained.id, "leavers", model="mild"),
    ]


@pytest.fixture
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "middle_features.py"
    path.write_text(FEATURES)
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    sys.modules.pop("middle_features", None)


def test_versions_are_numbered_and_told(here: Workspace, trained: Run, versions: list[Version]) -> None:
    one, two = versions
    assert [(item.model, item.version, item.run_id, item.state, item.artifact) for item in versions] == [
        ("leavers", 1, trained.run_id, "registered", "models/model.skops"),
        ("leavers", 2, trained.run_id, "registered", "models/mild.skops"),
    ]
    assert (one.description, two.description) == ("bold", None)
    assert repr(one) == f"<Version leavers/1 (registered) from run {trained.id}>"
    listed = here.model_versions("leavers")
    assert listed["version"].tolist() == [2, 1]
    assert str(listed["created"].dt.tz) == "UTC"
    rows = here.store.read("select verb from events where subject = 'model:leavers' order by seq").rows
    assert [row[0] for row in rows] == ["model.created", "version.registered", "version.registered"]


def test_registering_the_same_again_gives_the_same_version(here: Workspace, versions: list[Version]) -> None:
    one = versions[0]
    request = RegisterVersion(
        model="leavers",
        run_id=one.run_id,
        artifact=one.artifact,
        sha256=one.sha256,
        manifest=msgspec.json.encode(one.manifest).decode(),
    )
    assert here.store.write(request) == [1]
    assert models.version(here.store, "leavers").version == 2
    assert models.version(here.store, "leavers", 1) == one.record


def test_the_versions_of_a_model_are_compared_under_their_numbers(here: Workspace, versions: list[Version]) -> None:
    one, manifest = versions[0], msgspec.json.encode(versions[0].manifest).decode()
    with here.start_run("leavers", params={"C": 3}) as other:
        pass
    for run_id in (one.run_id, other.run_id):
        here.store.write(
            RegisterVersion(
                model="compared", run_id=run_id, artifact=one.artifact, sha256=one.sha256, manifest=manifest
            )
        )
    assert here.compare(model="compared").runs == ("compared/1", "compared/2")


def test_a_model_is_loaded_by_name_version_or_run(here: Workspace, trained: Run, versions: list[Version]) -> None:
    for reference, model, shown in (
        ("leavers", MILD, "leavers/2"),
        (" leavers/1 ", BOLD, "leavers/1"),
        ("models:/leavers/2", MILD, "leavers/2"),
        (trained.run_id, BOLD, f"run {trained.id}"),
        (trained.id, BOLD, f"run {trained.id}"),
        ("trained", BOLD, f"run {trained.id}"),
    ):
        loaded = here.load_model(reference)
        assert loaded.reference == shown
        np.testing.assert_array_equal(loaded.predict_proba(NUMBERS), model.predict_proba(NUMBERS))
        assert isinstance(loaded.estimator, LogisticRegression)


def test_a_model_is_loaded_by_what_stands_for_a_version_now(here: Workspace, versions: list[Version]) -> None:
    for number, model in ((1, BOLD), (2, MILD)):
        here.store.write(MoveAlias(model="leavers", alias="candidate", version=number))
        for reference in ("leavers@candidate", "models:/leavers@candidate"):
            loaded = here.load_model(reference)
            assert loaded.reference == f"leavers/{number}"
            np.testing.assert_array_equal(loaded.predict_proba(NUMBERS), model.predict_proba(NUMBERS))
    with pytest.raises(NotFound, match="no alias 'candidte'") as caught:
        here.load_model("leavers@candidte")
    assert caught.value.hint == "Did you mean 'candidate'?"
    here.store.write(MoveAlias(model="leavers", alias="candidate", version=None))
    with pytest.raises(NotFound, match="no alias"):
        here.load_model("leavers@candidate")
    with pytest.raises(NotFound, match="names no model"):
        here.load_model("leavers/1@candidate")


def test_another_process_loads_what_was_registered(shared: Project, versions: list[Version]) -> None:
    code = "import nbops, pandas as pd; print(nbops.load_model('leavers/1').predict(pd.DataFrame({'size': [3.0], 'age': [12.0]})).tolist())"
    assert shared.run(code).strip() == "[1]"


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("leavrs", "no model 'leavrs'", "'leavers'"),
        ("zzz", "no model 'zzz'", "Registered: "),
        ("leavers/9", "no version 9", "It has 1, 2."),
        ("leavers@champion", "no alias 'champion'", "leavers/1"),
        ("", "names no model", "NAME/3"),
        ("a/b/c", "names no model", "NAME/3"),
    ],
)
def test_a_model_that_is_not_there_is_told_with_the_nearest(
    here: Workspace, versions: list[Version], reference: str, message: str, hint: str
) -> None:
    with pytest.raises(NotFound, match=message) as caught:
        here.load_model(reference)
    assert hint in caught.value.hint


def test_a_name_of_several_runs_is_not_taken_for_a_missing_model(here: Workspace) -> None:
    for _ in range(2):
        with here.start_run("leavers", name="twice"):
            pass
    with pytest.raises(Ambiguous, match="'twice' fits 2 runs"):
        here.load_model("twice")


@pytest.mark.parametrize("name", ["", "a/b", "a@b", "two\nlines", " x", "x ", "_x", "x" * 101, "../x"])
def test_an_unfit_name_for_a_model_is_refused_at_once(here: Workspace, trained: Run, name: str) -> None:
    with pytest.raises(ParameterError, match="cannot be the name of a model"):
        here.register_model(trained, name)


def test_a_run_without_that_model_says_which_it_has(here: Workspace, trained: Run, run: Run) -> None:
    with pytest.raises(NotFound, match="no logged model 'modl'") as caught:
        here.register_model(trained, "leavers", model="modl")
    assert caught.value.hint == "It has: mild, model."
    with pytest.raises(NotFound, match="no logged model 'model'") as none:
        here.register_model(run, "leavers")
    assert "run.log_model" in none.value.hint


# Predicting


def test_columns_may_come_in_any_order_and_with_others(here: Workspace, trained: Run, versions: list[Version]) -> None:
    shuffled = X[["site", "size", "age"]].assign(extra=1).sample(frac=1, random_state=0)
    for reference, model in (("leavers/1", BOLD), ("leavers/2", MILD)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_array_equal(
                here.load_model(reference).predict(shuffled), model.predict(shuffled[["age", "size"]])
            )
    as_array = here.load_model(trained.id)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(as_array.predict(NUMBERS.to_numpy()), BOLD.predict(NUMBERS.to_numpy()))


@pytest.mark.parametrize("reference", ["leavers/1", "leavers/2"])
def test_a_missing_column_is_named_with_the_nearest(here: Workspace, versions: list[Version], reference: str) -> None:
    with pytest.raises(NotFound, match="not in the data: age") as caught:
        here.load_model(reference).predict(NUMBERS.rename(columns={"age": "agee"}))
    assert "'agee' for 'age'" in caught.value.hint


def test_text_in_a_column_of_numbers_is_refused_without_showing_it(here: Workspace, versions: list[Version]) -> None:
    with pytest.raises(ParameterError, match="'age' holds str values") as caught:
        here.load_model("leavers/2").predict(NUMBERS.assign(age="secret"))
    assert "secret" not in str(caught.value)


def test_a_model_without_probabilities_says_so(here: Workspace, run: Run) -> None:
    run.log_model(Ridge().fit(NUMBERS, Y))
    with pytest.raises(ModelError, match="gives no probabilities"):
        here.load_model(run.id).predict_proba(NUMBERS)


# What only this process knows


def test_a_class_of_the_notebook_is_refused_offering_code(run: Run) -> None:
    with pytest.raises(ModelError, match="'Notebook' is defined in the notebook") as caught:
        run.log_model(Notebook().fit(NUMBERS, Y))
    assert "code=['features.py']" in caught.value.hint
    assert len(run.artifacts) == 0


def test_a_class_of_a_file_travels_with_the_model(shared: Project, here: Workspace, run: Run, features: Path) -> None:
    from middle_features import Middle  # type: ignore[import-not-found]  # the fixture writes it

    model = Middle().fit(NUMBERS, Y)
    with pytest.raises(ModelError, match=r"needs middle_features\.Middle") as caught:
        run.log_model(model)
    assert f"code=[{str(features)!r}]" in caught.value.hint
    run.log_model(model, code=[features])
    version = nbops.open(here.project).register_model(run, "middle")
    assert [file.name for file in version.manifest.code] == ["middle_features.py"]
    code = "import nbops, pandas as pd; print(nbops.load_model('middle').predict(pd.DataFrame({'a': [1, 2]})).tolist())"
    assert shared.run(code).strip() == "[0.5, 0.5]"


def test_a_type_that_nobody_reviewed_needs_somebody_to_vouch_for_it_twice(here: Workspace, run: Run) -> None:
    model = FunctionTransformer(textwrap.dedent).fit(NUMBERS)
    with pytest.raises(ModelError, match=r"textwrap\.dedent") as refused:
        run.log_model(model)
    assert "trust=['textwrap.dedent']" in refused.value.hint
    run.log_model(model, trust=["textwrap.dedent"])
    for trust in ((), False, ["textwrap.wrap"]):
        with pytest.raises(TrustRefused, match=r"textwrap\.dedent") as caught:
            here.load_model(run.id, trust=trust)
        assert "trust=['textwrap.dedent']" in caught.value.hint
    for trust in (["textwrap.dedent"], True):
        assert here.load_model(run.id, trust=trust).estimator.func is textwrap.dedent


def test_what_is_no_fitted_model_is_refused(run: Run) -> None:
    for model, message in (
        (LogisticRegression(), "is not fitted"),
        ("model", "is not a model"),
        (LogisticRegression, "is not a model"),
    ):
        with pytest.raises(ModelError, match=message):
            run.log_model(model)


def test_a_model_whose_bytes_changed_is_not_loaded(here: Workspace, run: Run) -> None:
    run.log_model(Ridge(alpha=3).fit(NUMBERS, Y))
    blob = here.store.blob_path(run.artifacts.set_index("path")["sha256"]["models/model.skops"])
    data = blob.read_bytes()
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(StoreCorrupt, match="has changed since it was kept"):
        here.load_model(run.id)
