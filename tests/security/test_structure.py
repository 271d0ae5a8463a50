"""A model whose compiled parts point outside their arrays is refused before anything is predicted with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import skops.io
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import SplineTransformer
from sklearn.tree import DecisionTreeClassifier

from nbops.errors import TrustRefused
from nbops.security import trust
from nbops.security.structure import check_structure, parts

rng = np.random.default_rng(0)
X = rng.random((80, 3))
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0.8).astype(int)


def fitted_tree() -> DecisionTreeClassifier:
    return DecisionTreeClassifier(random_state=0).fit(X, Y)


def with_tree(model: DecisionTreeClassifier, **state: Any) -> DecisionTreeClassifier:
    """The model with a tree of other content, as a file would bring it."""
    tree = model.tree_
    _, arguments, before = tree.__reduce__()
    model.tree_ = type(tree)(*arguments)
    model.tree_.__setstate__({**before, **state})
    return model


def with_node(model: DecisionTreeClassifier, field: str, value: int) -> DecisionTreeClassifier:
    nodes = model.tree_.__getstate__()["nodes"].copy()
    nodes[field][0] = value
    return with_tree(model, nodes=nodes)


def whole(model: Any) -> Any:
    check_structure(model)
    return model


def test_models_as_they_come_from_training_pass() -> None:
    for model in (
        fitted_tree(), RandomForestClassifier(3).fit(X, Y), GradientBoostingRegressor(n_estimators=3).fit(X, Y),
        HistGradientBoostingClassifier(max_iter=3).fit(X, Y), IsolationForest(n_estimators=3).fit(X),
        KNeighborsClassifier(algorithm="kd_tree").fit(X, Y), KNeighborsClassifier(algorithm="ball_tree").fit(X, Y),
        SplineTransformer().fit(X), KNeighborsClassifier().fit(scipy.sparse.csr_matrix(X), Y), DecisionTreeClassifier(),
        DecisionTreeClassifier().fit(X, np.zeros(80)),
    ):  # fmt: skip
        check_structure(model)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: with_node(fitted_tree(), "left_child", 10**6),
        lambda: with_node(fitted_tree(), "right_child", -5),
        lambda: with_node(fitted_tree(), "left_child", 0),  # for ever round
        lambda: with_node(fitted_tree(), "feature", 3),
        lambda: with_node(fitted_tree(), "feature", -2),
        lambda: with_tree(fitted_tree(), node_count=0),
        lambda: with_tree(fitted_tree(), max_depth=0),
    ],
)
def test_a_decision_tree_that_leads_astray_is_refused(broken: Callable[[], DecisionTreeClassifier]) -> None:
    with pytest.raises(TrustRefused, match="DecisionTreeClassifier points outside"):
        check_structure(broken())


def test_a_node_with_two_parents_is_refused() -> None:
    nodes = fitted_tree().tree_.__getstate__()["nodes"].copy()
    nodes["left_child"][0] = nodes["right_child"][0]
    with pytest.raises(TrustRefused):
        check_structure(with_tree(fitted_tree(), nodes=nodes))


def test_a_tree_that_takes_more_columns_than_its_model_checks_is_refused() -> None:
    model = fitted_tree()
    model.n_features_in_ = 2
    with pytest.raises(TrustRefused):
        check_structure(model)
    del model.n_features_in_  # scikit-learn then checks nothing at all
    with pytest.raises(TrustRefused):
        check_structure(model)


def test_a_broken_tree_deep_inside_a_forest_is_found() -> None:
    model = RandomForestClassifier(5, random_state=0).fit(X, Y)
    with_node(model.estimators_[3], "feature", 99)
    with pytest.raises(TrustRefused, match="DecisionTreeClassifier"):
        check_structure({"model": [model]})


def test_boosted_trees_must_suit_their_model() -> None:
    model = GradientBoostingRegressor(n_estimators=3).fit(X, Y)
    model.n_features_in_ = 2
    with pytest.raises(TrustRefused, match="GradientBoostingRegressor"):
        check_structure(model)


@pytest.mark.parametrize(("field", "value"), [("left", 10**6), ("right", 0), ("feature_idx", 3), ("is_categorical", 1)])
def test_a_histogram_tree_that_leads_astray_is_refused(field: str, value: int) -> None:
    model = HistGradientBoostingClassifier(max_iter=3).fit(X, Y)
    vars(model)["_predictors"][1][0].nodes[field][0] = value
    with pytest.raises(TrustRefused, match="HistGradientBoostingClassifier"):
        check_structure(model)


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
def test_neighbours_outside_the_data_are_refused(algorithm: str) -> None:
    model = NearestNeighbors(algorithm=algorithm, leaf_size=5).fit(X)
    whole(model)
    tree = vars(model)["_tree"]
    state = list(tree.__getstate__())
    state[1] = state[1] + 10**6
    tree.__setstate__(tuple(state))
    with pytest.raises(TrustRefused, match="Tree points outside"):
        check_structure(model)


def test_a_spline_with_too_few_knots_is_refused() -> None:
    model = SplineTransformer().fit(X)
    model.bsplines_[0].t = model.bsplines_[0].t[:2]
    with pytest.raises(TrustRefused, match="BSpline"):
        check_structure(model)


def test_a_sparse_matrix_that_points_outside_is_refused_from_its_file() -> None:
    model = KNeighborsClassifier().fit(scipy.sparse.csr_matrix(X), Y)
    vars(model)["_fit_X"].indices[0] = 10**6
    with pytest.raises(TrustRefused, match="csr_matrix"):
        trust.load(trust.unzip(skops.io.dumps(model)))


def test_a_crafted_file_is_refused_at_load() -> None:
    data = skops.io.dumps(with_node(fitted_tree(), "left_child", 10**6))
    with pytest.raises(TrustRefused, match="points outside"):
        trust.load(trust.unzip(data))


def test_parts_gives_each_object_once_and_ends_on_cycles() -> None:
    inner: list[Any] = [1, "a"]
    outer: dict[str, Any] = {"one": inner, "two": inner}
    inner.append(outer)
    assert [id(part) for part in parts(outer)] == [id(outer), id(inner)]
