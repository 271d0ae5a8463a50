"""Boosters alone and inside scikit-learn's models: each travels as its own library's file, and a crafted file is told before it is read."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from nbops.errors import ModelError, TrustRefused
from nbops.registry.formats import describe, pack, unpack
from nbops.registry.proof import prove
from nbops.security.boosters import check_lightgbm, check_xgboost
from tests.registry.archives import resealed

CHANCE = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "a": np.where(CHANCE.random(300) < 0.1, np.nan, CHANCE.normal(size=300)),
        "b": CHANCE.normal(size=300),
        "c": pd.Categorical(CHANCE.choice(list("abcd"), 300)),
    }
)
NUMBERS = X[["a", "b"]]
TWO = ((X["b"] > 0) ^ (X["c"] == "b")).astype(int)
THREE = TWO + (X["b"] > 1)
NAMES = THREE.map(lambda value: ["red", "green", "blue"][value])
SIZE = X["b"] * 2 + (X["c"] == "a")
CAT: dict[str, Any] = {"iterations": 4, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
LIGHT: dict[str, Any] = {"n_estimators": 4, "verbose": -1, "min_data_per_group": 5, "max_cat_to_onehot": 1, "n_jobs": 1}


@pytest.fixture(scope="module", autouse=True)
def proven() -> None:
    """What a model is proven in is an interpreter of its own here, as it is for users: what libraries hold is not forked."""


def xgb(**params: Any) -> Any:
    return xgboost.XGBClassifier(n_estimators=4, n_jobs=1, **params)


def encoded(model: Any) -> Any:
    return make_pipeline(make_column_transformer((OneHotEncoder(), ["c"]), remainder="passthrough"), model)


MODELS: dict[str, tuple[Any, pd.DataFrame, Any]] = {
    "xgboost": (xgb(), NUMBERS, TWO),
    "xgboost: three classes": (xgb(), NUMBERS, THREE),
    "xgboost: categories": (xgb(enable_categorical=True), X, TWO),
    "xgboost: pruned": (xgboost.XGBRegressor(n_estimators=4, tree_method="exact", gamma=3.0), NUMBERS, SIZE),
    "xgboost: linear": (xgboost.XGBRegressor(n_estimators=4, booster="gblinear"), NUMBERS.fillna(0), SIZE),
    "xgboost: dart": (xgboost.XGBRegressor(n_estimators=4, booster="dart", rate_drop=0.5), NUMBERS, SIZE),
    "xgboost: two targets": (
        xgboost.XGBRegressor(n_estimators=4, multi_strategy="multi_output_tree"), NUMBERS, np.c_[SIZE, TWO],
    ),
    "xgboost: forest": (xgboost.XGBRFClassifier(n_estimators=4), NUMBERS, TWO),
    "lightgbm": (lightgbm.LGBMClassifier(**LIGHT), X, NAMES),
    "lightgbm: one against all": (lightgbm.LGBMClassifier(objective="multiclassova", **LIGHT), X, NAMES),
    "lightgbm: linear": (lightgbm.LGBMRegressor(linear_tree=True, **LIGHT), X, SIZE),
    "lightgbm: one leaf": (lightgbm.LGBMRegressor(**LIGHT), X, SIZE * 0),
    "lightgbm: forest": (
        lightgbm.LGBMClassifier(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, **LIGHT), X, NAMES,
    ),
    "lightgbm: monotone": (lightgbm.LGBMRegressor(monotone_constraints=[1, 0, 0], **LIGHT), X, SIZE),
    "catboost": (catboost.CatBoostClassifier(cat_features=["c"], **CAT), X, NAMES),
    "catboost: regressor": (catboost.CatBoostRegressor(grow_policy="Lossguide", **CAT), NUMBERS, SIZE),
    "catboost: plain": (catboost.CatBoost({**CAT, "loss_function": "RMSE"}), NUMBERS, SIZE),
    "pipeline of xgboost": (encoded(xgb()), X, TWO),
    "pipeline of lightgbm": (encoded(lightgbm.LGBMClassifier(**LIGHT)), X, NAMES),
    "pipeline of catboost": (encoded(catboost.CatBoostClassifier(**CAT)), X, NAMES),
    "vote of three": (
        VotingClassifier([("x", xgb()), ("l", lightgbm.LGBMClassifier(**LIGHT)), ("c", catboost.CatBoostClassifier(**CAT))]),
        NUMBERS, TWO,
    ),
    "stack": (
        StackingClassifier([("x", xgb()), ("l", lightgbm.LGBMClassifier(**LIGHT))], LogisticRegression(), cv=2), NUMBERS, TWO,
    ),
    "calibrated": (CalibratedClassifierCV(lightgbm.LGBMClassifier(**LIGHT), cv=2), NUMBERS, NAMES),
    "search": (GridSearchCV(xgb(), {"max_depth": [2, 3]}, cv=2), NUMBERS, TWO),
    "bag": (BaggingClassifier(xgb(), 2), NUMBERS, TWO),
    "transformed target": (
        TransformedTargetRegressor(lightgbm.LGBMRegressor(**LIGHT), transformer=StandardScaler()), NUMBERS, SIZE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_booster_comes_back_as_it_was(name: str) -> None:
    model, rows, target = MODELS[name]
    model.fit(rows, target)
    before = {method: getattr(model, method)(rows) for method in ("predict", "predict_proba") if hasattr(model, method)}
    packed = pack(model)
    assert packed.manifest.unreviewed == ()
    again = unpack(packed.data, code_trusted=True).estimator
    for method, expected in before.items():
        np.testing.assert_array_equal(getattr(again, method)(rows), expected)
        np.testing.assert_array_equal(getattr(model, method)(rows), expected)
    for known in ("classes_", "n_features_in_", "feature_names_in_"):
        if hasattr(model, known):
            np.testing.assert_array_equal(getattr(again, known), getattr(model, known))
    twice = unpack(pack(again).data, code_trusted=True).estimator
    np.testing.assert_array_equal(twice.predict(rows), before["predict"])


XGB = xgb(enable_categorical=True, max_cat_to_onehot=1).fit(X, THREE)
LGB = lightgbm.LGBMClassifier(**LIGHT).fit(X, THREE)
CATB = catboost.CatBoostClassifier(**CAT).fit(NUMBERS, TWO)


def test_the_file_inside_is_one_that_the_library_itself_opens() -> None:
    for model, file, opened in (
        (XGB, "booster-1.xgboost.json", lambda data: xgboost.Booster(model_file=bytearray(data))),
        (LGB, "booster-1.lightgbm.txt", lambda data: lightgbm.Booster(model_str=data.decode())),
        (CATB, "booster-1.catboost.cbm", lambda data: catboost.CatBoostClassifier().load_model(blob=data)),
    ):
        archive = zipfile.ZipFile(BytesIO(pack(model).data))
        assert opened(archive.read(file)) is not None
        assert model.__class__.__module__.partition(".")[0] in describe(pack(model).data).versions


def test_a_bare_booster_predicts_with_the_rows_that_it_was_trained_on() -> None:
    for booster, rows in (
        (xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(NUMBERS, TWO), 3), xgboost.DMatrix(NUMBERS)),
        (lightgbm.train({"verbose": -1}, lightgbm.Dataset(NUMBERS, TWO), 3), NUMBERS),
    ):
        again = unpack(pack(booster).data).estimator
        np.testing.assert_array_equal(again.predict(rows), booster.predict(rows))


def test_the_best_iteration_is_remembered() -> None:
    half = slice(0, 150), slice(150, None)
    early = lightgbm.LGBMClassifier(n_estimators=60, verbose=-1).fit(
        NUMBERS[half[0]], TWO[half[0]], eval_X=NUMBERS[half[1]], eval_y=TWO[half[1]],
        callbacks=[lightgbm.early_stopping(3, verbose=False)],
    )  # fmt: skip
    other = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=3).fit(
        NUMBERS[half[0]], TWO[half[0]], eval_set=[(NUMBERS[half[1]], TWO[half[1]])], verbose=False
    )
    assert early.best_iteration_ < 60
    for model in (early, other):
        again = unpack(pack(model).data).estimator
        np.testing.assert_array_equal(again.predict_proba(NUMBERS), model.predict_proba(NUMBERS))


def test_they_work_in_a_fresh_process() -> None:
    bare = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(NUMBERS, TWO), 3)
    vote, rows, target = MODELS["vote of three"]
    for model in (vote.fit(rows, target), bare):
        prove(pack(model).data, example=rows.head())


def test_one_that_is_not_fitted_is_refused() -> None:
    for model in (xgb(), lightgbm.LGBMClassifier(), catboost.CatBoostClassifier()):
        with pytest.raises(ModelError, match="is not fitted"):
            pack(model)


def test_a_library_that_is_missing_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pack(XGB).data
    version = xgboost.__version__
    monkeypatch.setitem(sys.modules, "xgboost", None)  # how Python marks what cannot be imported
    with pytest.raises(ModelError, match=f"trained with xgboost {version}, which cannot be imported") as caught:
        unpack(data)
    assert f"pip install 'xgboost=={version}'" in caught.value.hint


def test_a_catboost_file_is_read_only_when_its_maker_is_trusted() -> None:
    data = pack(CATB).data
    with pytest.raises(TrustRefused, match="can crash or misuse the process"):
        unpack(data)
    np.testing.assert_array_equal(unpack(data, code_trusted=True).estimator.predict(NUMBERS), CATB.predict(NUMBERS))


XGB_FILE = bytes(XGB.get_booster().save_raw("json"))
LGB_FILE = LGB.booster_.model_to_string(num_iteration=-1).encode()


def test_a_sound_file_is_given_on_as_it_was() -> None:
    assert check_lightgbm(LGB_FILE) == LGB_FILE
    assert json.loads(check_xgboost(XGB_FILE)) == json.loads(XGB_FILE)


def tree(model: dict[str, Any]) -> dict[str, Any]:
    """The first tree that splits by a category."""
    trees = model["learner"]["gradient_booster"]["model"]["trees"]
    found: dict[str, Any] = next(one for one in trees if one["categories_nodes"])
    return found


@pytest.mark.parametrize(
    "spoil",
    [
        lambda model: tree(model)["left_children"].__setitem__(0, 1 << 30),
        lambda model: tree(model)["left_children"].__setitem__(0, 0),
        lambda model: tree(model)["right_children"].__setitem__(0, tree(model)["left_children"][0]),
        lambda model: tree(model)["parents"].__setitem__(-1, 1 << 20),
        lambda model: tree(model).__setitem__("id", 0 if tree(model)["id"] else 1),
        lambda model: tree(model)["split_indices"].__setitem__(0, 9),
        lambda model: tree(model)["split_conditions"].pop(),
        lambda model: tree(model)["base_weights"].pop(),
        lambda model: tree(model)["categories_sizes"].__setitem__(0, 1 << 30),
        lambda model: tree(model)["categories_segments"].__setitem__(0, -1),
        lambda model: tree(model)["categories"].__setitem__(0, 1 << 30),
        lambda model: tree(model)["categories_nodes"].clear(),
        lambda model: tree(model)["tree_param"].__setitem__("size_leaf_vector", "1000000"),
        lambda model: model["learner"]["gradient_booster"]["model"]["tree_info"].__setitem__(0, 3),
        lambda model: model["learner"]["gradient_booster"]["model"]["iteration_indptr"].__setitem__(-1, 99),
        lambda model: model["learner"]["gradient_booster"]["model"]["cats"]["sorted_idx"].__setitem__(0, 77),
        lambda model: model["learner"]["learner_model_param"].__setitem__("num_class", "7"),
        lambda model: model["learner"]["learner_model_param"].__setitem__("num_feature", "1"),
        lambda model: model["learner"]["gradient_booster"].__setitem__("name", "other"),
        lambda model: model.clear(),
    ],
)
def test_an_xgboost_file_that_points_outside_itself_is_refused(spoil: Callable[[dict[str, Any]], object]) -> None:
    model = json.loads(XGB_FILE)
    spoil(model)
    with pytest.raises(TrustRefused, match="XGBoost part"):
        check_xgboost(json.dumps(model).encode())


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("left_child", "left_child=99999"), ("left_child", "left_child="), ("split_feature", "split_feature=7 7 7"),
        ("num_leaves", "num_leaves=1000000"), ("num_leaves", "num_leaves=-1"), ("leaf_value", "leaf_value=1"),
        ("cat_boundaries", "cat_boundaries=0 1000"), ("cat_threshold", "cat_threshold=-1"), ("num_cat", "num_cat=99"),
        ("num_class", "num_class=9"), ("objective", "objective=multiclass num_class:9"), ("is_linear", "is_linear=1"),
        ("max_feature_idx", "max_feature_idx=0"), ("num_tree_per_iteration", "num_tree_per_iteration=2"),
        ("threshold", "threshold=nine"), ("version", "version=v4\nversion=v4"), ("version", "unknown=1"),
    ],
)  # fmt: skip
def test_a_lightgbm_file_that_points_outside_itself_is_refused(line: str, instead: str) -> None:
    text = LGB_FILE.decode()
    place = 0 if f"\n{line}=" in text[: text.index("Tree=0")] else text.rindex("Tree=", 0, text.index("cat_boundaries"))
    spoilt = text[:place] + re.sub(rf"^{line}=.*$", instead, text[place:], count=1, flags=re.MULTILINE)
    assert spoilt != text
    with pytest.raises(TrustRefused, match="LightGBM part"):
        check_lightgbm(spoilt.encode())


def test_the_sizes_of_trees_are_not_taken_from_the_file() -> None:
    """LightGBM jumps by them."""
    spoilt = re.sub(rb"tree_sizes=[\d ]+", b"tree_sizes=" + b"9" * 9, LGB_FILE)
    assert check_lightgbm(spoilt) == LGB_FILE


def test_parameters_of_another_form_are_refused() -> None:
    with pytest.raises(TrustRefused, match="LightGBM part"):
        check_lightgbm(LGB_FILE.replace(b"[num_leaves: ", b"[num_leaves "))


def test_a_name_that_stands_twice_is_read_once() -> None:
    spoilt = XGB_FILE.replace(b'"tree_info":', b'"tree_info":[7],"tree_info":')
    assert json.loads(check_xgboost(spoilt)) == json.loads(XGB_FILE)


def test_a_forged_archive_is_refused_before_the_library_sees_its_file() -> None:
    data = pack(XGB).data
    for forged in (
        resealed(data, {"booster-1.xgboost.json": XGB_FILE.replace(b'"tree_info":[0', b'"tree_info":[9')}),
        resealed(data, {"booster-1.xgboost.json": b"{}"}),
        resealed(data, {"booster-1.xgboost.json": b"[" * 100_000}),
    ):
        with pytest.raises(TrustRefused, match="XGBoost part"):
            unpack(forged)
    schema = zipfile.ZipFile(BytesIO(data)).read("schema.json")
    for spoilt in (schema.replace(b"xgboost.core.Booster", b"os.system"), schema.replace(b"booster-1.", b"booster-9.")):
        with pytest.raises(ModelError, match="The model has no booster-"):
            unpack(resealed(data, {"schema.json": spoilt}))
