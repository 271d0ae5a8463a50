"""A model comes back from its bytes as it was, and nothing comes back that should not."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import textwrap
import tracemalloc
import warnings
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, is_classifier
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, mutual_info_classif
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer, StandardScaler

from nbops.errors import ModelError, NotFound, TrustRefused
from nbops.registry import formats
from nbops.registry.formats import ModelVersionWarning, pack, unpack
from tests.registry.archives import members, sealed
from tests.registry.archives import resealed as resealed_as

X, Y = load_iris(return_X_y=True, as_frame=True)
X, Y = X[::3], Y[::3]
SMALL = LogisticRegression(max_iter=500).fit(X, Y)
PACKED = pack(SMALL, reference=X.assign(species=Y), target="species")

RATIO = """
    from sklearn.base import BaseEstimator, TransformerMixin
    import numpy as np

    def halve(x):
        return x / 2

    class Ratio(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            self.mean_ = np.asarray(X).mean()
            return self
        def transform(self, X):
            return np.asarray(X) / self.mean_
"""


@pytest.fixture
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module of the user's own, importable in this process as a notebook would have it."""
    path = tmp_path / "features.py"
    path.write_text(textwrap.dedent(RATIO))
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    sys.modules.pop("features", None)


def run_script(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(textwrap.dedent(text))
    return subprocess.run([sys.executable, str(script)], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("model", "rows"),
    [
        (
            make_pipeline(
                make_column_transformer(
                    (StandardScaler(), make_column_selector(dtype_include=np.number)),
                    (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude=np.number)),
                ),
                LogisticRegression(),
            ),
            X.assign(colour=["red", "green"] * 25),
        ),
        (HistGradientBoostingClassifier(max_iter=5), X.assign(colour=pd.Categorical(["red", "green"] * 25))),
        (HistGradientBoostingClassifier(max_iter=5, early_stopping=True, scoring="accuracy"), X),
        (GridSearchCV(RandomForestClassifier(3), {"max_depth": [2, 3]}, scoring="f1_macro", cv=ShuffleSplit(2)), X),
        (make_pipeline(SplineTransformer(), SelectKBest(mutual_info_classif), MLPClassifier(max_iter=5)), X),
        (make_pipeline(FunctionTransformer(np.log1p), PCA(2), KNeighborsClassifier(algorithm="ball_tree", p=3)), X),
        (GaussianProcessRegressor(Matern() + WhiteKernel()), X),
        (StackingClassifier([("forest", RandomForestClassifier(3))], cv=2), X),
        (KNeighborsClassifier(), scipy.sparse.csr_matrix(X)),
        (make_pipeline(TfidfVectorizer(stop_words="english"), LogisticRegression()), ["sea breeze", "hot sand"] * 25),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_people_build_comes_back_as_it_was(model: Any, rows: Any) -> None:
    model.fit(rows, Y)
    again = unpack(pack(model).data).estimator
    np.testing.assert_array_equal(again.predict(rows), model.predict(rows))


def test_the_manifest_tells_what_the_model_is() -> None:
    manifest = PACKED.manifest
    assert manifest.estimator == "sklearn.linear_model._logistic.LogisticRegression"
    assert (manifest.format, manifest.task) == ("skops", "classifier")
    assert (manifest.sha256, manifest.size) == (hashlib.sha256(PACKED.data).hexdigest(), len(PACKED.data))
    assert manifest.output.classes == (0, 1, 2)
    assert (manifest.output.name, manifest.output.kind) == ("species", "int")
    assert "predict_proba" in manifest.output.methods
    assert manifest.signature is not None
    assert [column.name for column in manifest.signature.columns] == list(X.columns)
    assert set(manifest.versions) == {"python", "scikit-learn", "numpy", "scipy", "pandas", "skops"}
    assert unpack(PACKED.data).manifest == formats.describe(PACKED.data) == manifest
    assert msgspec.json.decode(msgspec.json.encode(manifest), type=formats.Manifest) == manifest


def test_the_blob_is_a_skops_file_that_skops_itself_opens() -> None:
    np.testing.assert_array_equal(skops.io.loads(PACKED.data).predict(X), SMALL.predict(X))


@given(at=st.integers(0, len(PACKED.data) - 1), bit=st.integers(0, 7))
def test_any_changed_bit_is_refused(at: int, bit: int) -> None:
    data = bytearray(PACKED.data)
    data[at] ^= 1 << bit
    with pytest.raises(ModelError, match="changed since"):
        unpack(bytes(data))


@given(st.integers(0, len(PACKED.data) - 1))
def test_a_blob_cut_short_is_refused(length: int) -> None:
    with pytest.raises(ModelError, match="changed since"):
        unpack(PACKED.data[:length])


def test_os_system_inside_a_pipeline_is_refused_at_both_ends() -> None:
    name = f"{os.system.__module__}.system"
    model = make_pipeline(FunctionTransformer(), Ridge()).fit(X, Y)
    model[0].set_params(func=os.system)
    with pytest.raises(ModelError, match=name):
        pack(model)
    packed = pack(model, trust=[name])
    assert packed.manifest.unreviewed == (name,)
    with pytest.raises(TrustRefused, match=name):  # what the one who packed it trusted is not in the file
        unpack(packed.data)


def test_a_model_that_is_not_fitted_is_refused() -> None:
    for model in (LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())):
        with pytest.raises(ModelError, match=r"is not fitted.\nHint: Call fit first"):
            pack(model)


@pytest.mark.parametrize("thing", [X, 3, "model", None, LogisticRegression])
def test_what_is_no_model_is_refused(thing: object) -> None:
    with pytest.raises(ModelError, match="is not a model"):
        pack(thing)


@pytest.mark.parametrize(
    "definition",
    [
        """
        from sklearn.base import BaseEstimator
        class Mine(BaseEstimator):
            def fit(self):
                self.a_ = 1
                return self
        model = Mine().fit()
        """,
        """
        from sklearn.preprocessing import FunctionTransformer
        def Mine(x):
            return x
        model = FunctionTransformer(Mine).fit([[1]])
        """,
    ],
)
def test_what_a_notebook_defines_is_refused_with_the_way_out(definition: str, tmp_path: Path) -> None:
    done = run_script(textwrap.dedent(definition) + "from nbops.registry.formats import pack\npack(model)\n", tmp_path)
    assert done.returncode == 1
    assert "ModelError: 'Mine' is defined in the notebook" in done.stderr
    assert "code=['features.py']" in done.stderr


def test_lambdas_and_local_functions_are_refused() -> None:
    def local(rows: Any) -> Any:
        return rows

    for function in (local, lambda rows: rows):
        with pytest.raises(ModelError, match="where no other process finds it"):
            pack(FunctionTransformer(function).fit(X))


def test_a_class_of_a_loose_file_needs_its_file(features: Path) -> None:
    from features import Ratio  # type: ignore[import-not-found]  # written by the fixture

    with pytest.raises(ModelError, match=r"features\.Ratio") as caught:
        pack(Ratio().fit(X))
    assert caught.value.hint == f"Pass code=[{str(features)!r}]."


def test_code_travels_with_the_model_into_a_fresh_process(features: Path, tmp_path: Path) -> None:
    from features import Ratio, halve

    model = make_pipeline(Ratio(), FunctionTransformer(halve), LogisticRegression()).fit(X, Y)
    packed = pack(model, code=[features])
    assert [file.name for file in packed.manifest.code] == ["features.py"]
    assert packed.manifest.unreviewed == ()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "model.skops").write_bytes(packed.data)
    X.to_json(elsewhere / "rows.json", orient="split")
    done = run_script(
        """
        import sys, pandas, json
        from pathlib import Path
        from nbops.errors import TrustRefused
        from nbops.registry.formats import unpack
        data = Path("model.skops").read_bytes()
        before = list(sys.path), list(sys.meta_path)
        try:
            unpack(data)
        except TrustRefused as error:
            assert "features.py" in error.message and "features" not in sys.modules
        else:
            raise SystemExit("loaded without trust")
        model = unpack(data, code_trusted=True).estimator
        assert before == (sys.path, sys.meta_path)
        assert type(model[0]).__module__ == "features" and not list(Path.cwd().glob("features*"))
        print(json.dumps(model.predict(pandas.read_json("rows.json", orient="split")).tolist()))
        """,
        elsewhere,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == model.predict(X).tolist()


def test_code_does_not_widen_trust_beyond_its_own_module(features: Path) -> None:
    from features import Ratio

    model = make_pipeline(Ratio(), FunctionTransformer(), Ridge()).fit(X, Y)
    model[1].set_params(func=os.system)
    name = f"{os.system.__module__}.system"
    packed = pack(model, code=[features], trust=[name])
    with pytest.raises(TrustRefused, match=name):
        unpack(packed.data, code_trusted=True)


def test_another_sklearn_is_warned_of_and_another_numpy_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    here = PACKED.manifest.versions
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setattr(formats, "_versions", lambda: {**here, "numpy": "1.0", "pandas": "0.1"})
        unpack(PACKED.data)
    monkeypatch.setattr(formats, "_versions", lambda: {**here, "scikit-learn": "99.1.0"})
    with pytest.warns(ModelVersionWarning, match=r"loaded with 99\.1\.0"):
        unpack(PACKED.data)


def test_a_search_over_distributions_is_refused_with_the_way_out() -> None:
    from scipy.stats import loguniform

    search = RandomizedSearchCV(LogisticRegression(max_iter=500), {"C": loguniform(0.1, 1)}, n_iter=2, cv=2).fit(X, Y)
    with pytest.raises(ModelError, match="best_estimator_"):
        pack(search)
    pack(search.best_estimator_)


def test_a_model_that_holds_itself_is_refused() -> None:
    model = LogisticRegression(max_iter=500).fit(X, Y)
    model.owner = model
    with pytest.raises(ModelError, match="holds itself"):
        pack(model)


def test_what_skops_cannot_write_is_refused() -> None:
    from sklearn.cluster import Birch

    with pytest.raises(ModelError, match="Birch cannot be written"):
        pack(Birch().fit(X))


def test_a_model_of_zeros_is_packed_though_it_shrinks_like_a_bomb() -> None:
    model = LogisticRegression(max_iter=500).fit(X, Y)
    model.zeros_ = np.zeros(6_000_000)
    packed = pack(model)
    assert unpack(packed.data).estimator.zeros_.shape == (6_000_000,)


def resealed(**members: bytes) -> bytes:
    """`PACKED` with other members and a seal that fits: what a forger would write."""
    buffer = BytesIO()
    with zipfile.ZipFile(BytesIO(PACKED.data)) as source, zipfile.ZipFile(buffer, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, members.get(name.partition(".")[0], source.read(name)))
        archive.comment = bytes(64)
    body = buffer.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


def test_a_sealed_bomb_is_refused_with_little_memory() -> None:
    """200 kB that unpack to 200 MB, with a seal and a manifest that fit."""
    bomb = sealed({**members(PACKED.data), "bomb.npy": bytes(200 << 20)})
    assert len(bomb) < 250_000
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="unpacks to"):
            unpack(bomb)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_a_list_of_trust_that_came_with_an_artifact_is_not_read() -> None:
    model = make_pipeline(FunctionTransformer(), Ridge()).fit(X, Y)
    model[0].set_params(func=os.system)
    name = f"{os.system.__module__}.system"
    data = pack(model, trust=[name]).data
    lists = {"trusted.json": msgspec.json.encode([name]), "keys.pub": b"ssh-ed25519 AAAA"}
    manifest = {**msgspec.json.decode(members(data)["manifest.json"]), "trusted": [name], "unreviewed": []}
    with pytest.raises(TrustRefused, match=name):
        unpack(resealed_as(data, {**lists, "manifest.json": msgspec.json.encode(manifest)}))


def test_a_manifest_of_a_newer_nbops_says_so() -> None:
    assert unpack(resealed()).estimator.classes_.tolist() == [0, 1, 2]
    for manifest in (b'{"format": "onnx"}', b"", b"[]"):
        with pytest.raises(ModelError, match="manifest cannot be read"):
            unpack(resealed(manifest=manifest))


def test_a_manifest_cannot_name_code_that_is_not_there_or_not_its_own() -> None:
    for name, digest in (("missing.py", ""), ("schema.json", "0" * 64), ("manifest.json", "0" * 64)):
        manifest = msgspec.json.decode(msgspec.json.encode(PACKED.manifest))
        manifest["code"] = [{"name": name, "sha256": digest}]
        with pytest.raises(ModelError, match="manifest"):
            unpack(resealed(manifest=msgspec.json.encode(manifest)), code_trusted=True)


def test_a_missing_code_file_names_its_neighbour(features: Path) -> None:
    with pytest.raises(NotFound, match=r"features\.py"):
        pack(SMALL, code=[features.with_name("featuers.py")])


def test_a_loaded_model_can_be_packed_again(features: Path) -> None:
    from features import Ratio

    first = pack(make_pipeline(Ratio(), Ridge()).fit(X, Y), code=[features])
    again = pack(unpack(first.data, code_trusted=True).estimator, code=[features])
    assert again.manifest.code == first.manifest.code


def test_packing_leaves_the_model_as_it_was() -> None:
    model = HistGradientBoostingClassifier(max_iter=3, early_stopping=True, scoring="accuracy").fit(X, Y)
    before = model.predict(X)
    pack(model)
    np.testing.assert_array_equal(model.predict(X), before)


class Rule(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A class of this test's own module: loose for nbops, which is what the test below is about."""

    def fit(self) -> Rule:
        return self


def test_a_class_that_learns_nothing_is_told_how_to_say_so() -> None:
    with pytest.raises(ModelError, match="__sklearn_is_fitted__") as caught:
        pack(Rule().fit())
    assert isinstance(caught.value.__cause__, NotFittedError)


def test_the_task_of_a_classifier_is_what_sklearn_says() -> None:
    assert is_classifier(SMALL) == (PACKED.manifest.task == "classifier")
    assert pack(Ridge().fit(X, Y)).manifest.task == "regressor"
    assert pack(PCA(2).fit(X)).manifest.task == "other"
