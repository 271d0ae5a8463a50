"""Whether a loaded model holds together: the indices that compiled code follows without looking.

skops checks which types a file holds, never their content, and for that reason leaves trees out of its own list: `predict` follows
a node's children and feature with no check of bounds, so a crafted file reads or writes outside the array and takes the process
down (https://github.com/scikit-learn/scikit-learn/pull/34558). Our list holds them because they are checked here, which finds damage
and the known ways, and is no proof that no crafted array can upset compiled code. Nothing of the model is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from nbops.errors import TrustRefused

if TYPE_CHECKING:
    import numpy as np

ATOMS = (
    str, bytes, bool, int, float, complex, slice, type, type(None), type(...),
    FunctionType, BuiltinFunctionType, ModuleType,
)  # fmt: skip


def check_structure(model: object) -> None:
    """Refuse a model whose trees, neighbour indices, splines or sparse matrices point outside themselves.

    Raises TrustRefused. Costs about a tenth of the load.
    """
    checks = _checks()
    for part in parts(model):
        for kinds, check in checks:
            if isinstance(part, kinds):
                try:
                    sound = check(part)
                except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError):
                    sound = False  # an attribute is missing or is not what it should be
                if not sound:
                    raise TrustRefused(
                        f"The model's {type(part).__name__} points outside its own arrays: predicting with it could crash"
                        " or misuse this process.",
                        hint="The file is damaged or was made to do harm. Take it from where it was trained, or train again.",
                    )


def parts(model: object) -> Iterator[object]:
    """`model` and every object that it holds, each once, but for numbers and text."""
    seen: set[int] = set()
    stack: list[object] = [model]
    while stack:
        part = stack.pop()
        if isinstance(part, ATOMS) or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        stack.extend(held for held in _held(part) if not isinstance(held, ATOMS))


def _held(part: object) -> Iterable[object]:
    if isinstance(part, dict):
        return part.values()
    if isinstance(part, list | tuple | set | frozenset):
        return part
    if isinstance(part, partial):
        return (part.func, part.args, part.keywords)
    if isinstance(part, MethodType):
        return (part.__self__,)
    # An array of objects: the trees of gradient boosting.
    if getattr(getattr(part, "dtype", None), "kind", None) == "O":
        return getattr(part, "flat", ())
    attributes = getattr(part, "__dict__", None)
    return attributes.values() if isinstance(attributes, dict) else ()


def _checks() -> list[tuple[type | tuple[type, ...], Callable[[Any], bool]]]:
    from scipy.interpolate import BSpline
    from scipy.sparse import sparray, spmatrix
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        GradientBoostingRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )
    from sklearn.neighbors import BallTree, KDTree
    from sklearn.tree import BaseDecisionTree

    return [
        (BaseDecisionTree, _decision_tree),
        ((GradientBoostingClassifier, GradientBoostingRegressor), _gradient_boosting),
        ((HistGradientBoostingClassifier, HistGradientBoostingRegressor), _hist_gradient_boosting),
        ((KDTree, BallTree), _neighbour_tree),
        (BSpline, _spline),
        ((spmatrix, sparray), _sparse),
    ]


def _decision_tree(estimator: Any) -> bool:
    tree = vars(estimator).get("tree_")
    if tree is None:
        return True
    # predict holds the width of its rows against n_features_in_, and only if there is one.
    if tree.node_count < 1 or tree.n_features != vars(estimator)["n_features_in_"]:
        return False
    inner = tree.children_left != -1
    depth = levels(tree.children_left, tree.children_right, inner)
    # decision_path writes max_depth + 1 entries for each row.
    return 0 <= depth <= tree.max_depth and within(tree.feature[inner], tree.n_features)


def _gradient_boosting(estimator: Any) -> bool:
    trees = vars(estimator).get("estimators_")
    if trees is None:
        return True
    # Its own loop goes over the trees of each stage: they are not asked whether the rows suit them.
    return trees.shape[1] == estimator.n_trees_per_iteration_ and all(
        tree.n_features_in_ == estimator.n_features_in_ and tree.tree_.value.shape[1:] == (1, 1) for tree in trees.flat
    )


def _hist_gradient_boosting(estimator: Any) -> bool:
    import numpy as np

    if "_predictors" not in vars(estimator):
        return True
    width = vars(estimator)["n_features_in_"]
    # The categories of a feature are looked up by feature, so the table must have a row for each.
    categorical = np.asarray(vars(estimator)["_bin_mapper"].is_categorical_, dtype=bool)
    if categorical.shape != (width,):
        return False
    for predictor in (predictor for stage in vars(estimator)["_predictors"] for predictor in stage):
        nodes = predictor.nodes
        inner = nodes["is_leaf"] == 0
        split = nodes[inner & (nodes["is_categorical"] != 0)]
        bitsets = predictor.raw_left_cat_bitsets
        if not (
            levels(nodes["left"], nodes["right"], inner) >= 0
            and within(nodes["feature_idx"][inner], width)
            and within(split["bitset_idx"], len(bitsets))
            and bitsets.shape[1:] == (8,)  # 256 bins in words of 32 bits
            and categorical[split["feature_idx"]].all()
        ):
            return False
    return True


def _neighbour_tree(tree: Any) -> bool:
    data, order, nodes, bounds, _, _, count, *_, metric, _ = tree.__getstate__()
    rows, width = data.shape
    weights = metric.__getstate__()[2]
    metric._validate_data(data)  # noqa: SLF001 - the one check that each metric has; raises ValueError for another width
    return bool(
        0 < count == len(nodes)
        and bounds.shape == (2 if type(tree).__name__ == "KDTree" else 1, count, width)
        and weights.shape[0] == weights.shape[1]
        and len(order) == rows
        and within(order, rows)
        and within(nodes["idx_start"], rows + 1)
        and within(nodes["idx_end"], rows + 1)
        and nodes["is_leaf"][(count - 1) // 2 :].all()  # the children of node i are 2i + 1 and 2i + 2
    )


def _spline(spline: Any) -> bool:
    # Making it anew raises ValueError when knots, coefficients and degree do not fit.
    type(spline)(spline.t, spline.c, spline.k, spline.extrapolate, spline.axis)
    return True


def _sparse(matrix: Any) -> bool:
    if matrix.format in {"csr", "csc", "bsr"}:
        matrix.check_format(full_check=True)  # raises ValueError; loading checks the lengths only
    return True


def within(numbers: np.ndarray[Any, Any], limit: int) -> bool:
    """Whether all numbers are at least 0 and below `limit`."""
    return bool(((numbers >= 0) & (numbers < limit)).all())


def levels(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any], inner: np.ndarray[Any, Any]) -> int:
    """Levels below the root, or -1 when the children (nodes,) of the `inner` nodes do not form a tree."""
    import numpy as np

    parents = np.flatnonzero(inner)
    children = np.concatenate([left[parents], right[parents]]).astype(np.int64)
    # scikit-learn appends a node after its parent, so a larger index at each step means: no cycle.
    if len(inner) == 0 or not within(children, len(inner)) or (children <= np.tile(parents, 2)).any():
        return -1
    if children.size and np.bincount(children).max() > 1:  # two parents
        return -1
    depth, level = 0, np.flatnonzero(inner[:1])
    while level.size:
        depth += 1
        level = np.concatenate([left[level], right[level]])
        level = level[inner[level]]
    return depth
