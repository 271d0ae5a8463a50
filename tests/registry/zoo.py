"""The models that formats are tried on: what scikit-learn has, what people build of it, and boosters. Without nbops, for its peers too."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, SplineTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils import all_estimators


class Fitted(NamedTuple):
    """A fitted model, and the name of the rows that it predicts for."""

    name: str
    model: Any
    rows: str


@functools.cache
def data(name: str) -> tuple[Any, Any]:
    """Rows and target: "iris", "diabetes", "linnerud" as bundled with scikit-learn; "mixed", with text and gaps; "texts"."""
    if name == "mixed":
        rows, target = datasets.load_iris(return_X_y=True, as_frame=True)
        rows = rows.assign(colour=["red", "green", "blue"] * 50, size=pd.Categorical(["s", "m"] * 75))
        rows.loc[rows.index % 11 == 0, rows.columns[:4]] = np.nan
        return rows, target
    if name == "texts":
        words = ["sea breeze in the morning", "hot sand at noon", "a late train home"]
        return words * 20, np.arange(60) % 3
    loaded = getattr(datasets, f"load_{name}")(return_X_y=True)
    return loaded[0], loaded[1]


def of_scikit_learn() -> Iterator[Fitted]:
    """Every classifier and regressor that fits one of the bundled data sets with its default arguments."""
    for kind, names in (("classifier", ("iris",)), ("regressor", ("diabetes", "linnerud"))):
        for name, found in all_estimators(type_filter=kind):
            for rows in names:
                with contextlib.suppress(TypeError, ValueError):  # it wraps another, or wants other targets
                    yield Fitted(name, _fitted(found(), rows), rows)
                    break


def of_people() -> Iterator[Fitted]:
    """What is built of them."""
    for name, (model, rows) in _built().items():
        yield Fitted(name, _fitted(model, rows), rows)


def of_boosters() -> Iterator[Fitted]:
    """XGBoost, LightGBM and CatBoost, alone and inside of scikit-learn's models; those that are installed."""
    for name, (model, rows) in _boosters().items():
        yield Fitted(name, _fitted(model, rows), rows)


def _fitted(model: Any, rows: str) -> Any:
    given, target = data(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(given, target)


def _columns() -> Any:
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include=np.number)),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude=np.number)),
    )


def _built() -> dict[str, tuple[Any, str]]:
    forest = RandomForestClassifier(10, random_state=0)
    some = RandomForestRegressor(10, random_state=0)
    line = LogisticRegression(max_iter=500)
    ordinal = make_column_transformer(
        (OrdinalEncoder(), make_column_selector(dtype_exclude=np.number)), remainder="passthrough"
    )
    return {
        "columns and logistic regression": (make_pipeline(_columns(), line), "mixed"),
        "columns and forest": (make_pipeline(_columns(), forest), "mixed"),
        "columns and neighbours": (make_pipeline(_columns(), KNeighborsClassifier()), "mixed"),
        "ordinal and boosting": (make_pipeline(ordinal, HistGradientBoostingClassifier(max_iter=10)), "mixed"),
        "gaps filled by neighbours": (make_pipeline(ordinal, KNNImputer(), line), "mixed"),
        "union, splines, best and components": (
            make_pipeline(make_union(PCA(2), SplineTransformer()), SelectKBest(k=5), line), "iris",
        ),
        "tf-idf": (make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LinearSVC()), "texts"),
        "counts": (make_pipeline(CountVectorizer(stop_words="english"), MultinomialNB()), "texts"),
        "hashes": (make_pipeline(HashingVectorizer(n_features=256), SGDClassifier(random_state=0)), "texts"),
        "grid": (GridSearchCV(forest, {"max_depth": [2, 3]}, cv=2, scoring="f1_macro"), "iris"),
        "grid of a pipeline": (
            GridSearchCV(make_pipeline(_columns(), clone(line)), {"logisticregression__C": [0.1, 1]}, cv=2), "mixed",
        ),
        "random search": (RandomizedSearchCV(forest, {"max_depth": [2, 3, 4]}, n_iter=2, cv=2, random_state=0), "iris"),
        "calibrated": (CalibratedClassifierCV(LinearSVC(), cv=2), "iris"),
        "calibrated, isotonic": (CalibratedClassifierCV(forest, method="isotonic", cv=2), "iris"),
        "stack": (StackingClassifier([("forest", forest), ("line", line)], cv=2), "iris"),
        "stack of regressors": (StackingRegressor([("forest", some), ("ridge", Ridge())], cv=2), "diabetes"),
        "vote": (VotingClassifier([("forest", forest), ("line", line)], voting="soft"), "iris"),
        "vote of regressors": (VotingRegressor([("forest", some), ("ridge", Ridge())]), "diabetes"),
        "bag": (BaggingClassifier(KNeighborsClassifier(), 3, random_state=0), "iris"),
        "one against the rest": (OneVsRestClassifier(line), "iris"),
        "several targets": (MultiOutputRegressor(Ridge()), "linnerud"),
        "transformed target": (TransformedTargetRegressor(some, transformer=StandardScaler()), "diabetes"),
    }  # fmt: skip


def _boosters() -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for name, classifier, regressor in _installed():
        found |= {
            f"{name} classifier": (classifier, "iris"),
            f"{name} regressor": (regressor, "diabetes"),
            f"{name} behind columns": (make_pipeline(_columns(), clone(classifier)), "mixed"),
            f"{name} in a vote": (VotingClassifier([("one", clone(classifier))], voting="soft"), "iris"),
            f"{name} in a grid": (GridSearchCV(clone(classifier), {"max_depth": [2, 3]}, cv=2), "iris"),
            f"{name} calibrated": (CalibratedClassifierCV(clone(classifier), cv=2), "iris"),
            f"{name} in a stack": (
                StackingRegressor([("one", clone(regressor)), ("ridge", Ridge())], cv=2),
                "diabetes",
            ),
        }
    return found


def _installed() -> Iterator[tuple[str, Any, Any]]:
    with contextlib.suppress(ImportError):
        import xgboost

        few: dict[str, Any] = {"n_estimators": 5, "n_jobs": 1}
        yield "XGBoost", xgboost.XGBClassifier(**few), xgboost.XGBRegressor(**few)
    with contextlib.suppress(ImportError):
        import lightgbm

        light: dict[str, Any] = {"n_estimators": 5, "n_jobs": 1, "verbose": -1}
        yield "LightGBM", lightgbm.LGBMClassifier(**light), lightgbm.LGBMRegressor(**light)
    with contextlib.suppress(ImportError):
        import catboost

        cat: dict[str, Any] = {"iterations": 5, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
        yield "CatBoost", catboost.CatBoostClassifier(**cat), catboost.CatBoostRegressor(**cat)
