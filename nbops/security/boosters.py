"""Whether a file of XGBoost or LightGBM holds together, asked before its library sees it: both follow indices without looking.

A crafted file makes `predict` read, and LightGBM also write, outside its arrays (https://github.com/dmlc/xgboost/issues/7903,
https://github.com/lightgbm-org/LightGBM/issues/7357). What is checked here is written anew from what was read, so that the library
cannot read it in another way: no name stands twice, no offset is taken from the file. CatBoost's files cannot be checked like this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.errors import TrustRefused
from nbops.security.structure import levels, within

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_WIDEST = 1 << 24
"""Columns, categories and classes that a model may have; XGBoost makes a bit for each category below the highest."""
_NO_PARENT = (1 << 31) - 1


def check_xgboost(data: bytes) -> bytes:
    """The same model in XGBoost's JSON, written anew. Raises TrustRefused when it points outside itself or is none."""
    try:
        model = msgspec.json.decode(data)
        _xgboost(model["learner"])
        return msgspec.json.encode(model)
    except (*_ODD, msgspec.DecodeError) as error:
        raise _refused("XGBoost", error) from error


def check_lightgbm(data: bytes) -> bytes:
    """The same model in LightGBM's text format, written anew. Raises TrustRefused when it points outside itself or is none."""
    try:
        return "\n".join(_lightgbm(data.decode())).encode()
    except _ODD as error:
        raise _refused("LightGBM", error) from error


def _refused(library: str, error: Exception) -> TrustRefused:
    return TrustRefused(
        f"The model's {library} part points outside itself or is none: predicting with it could crash or misuse this process"
        f" ({type(error).__name__}: {error}).",
        hint="The file is damaged or was made to do harm. Take it from where it was trained, or train again.",
    )


class _Unsound(Exception):
    """What is wrong with a file, for `_refused` to tell."""


_ODD = (_Unsound, AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)


def _need(sound: object, what: str) -> None:
    if not sound:
        raise _Unsound(what)


def _integers(values: Any, size: int | None = None) -> Array:
    """Whole numbers as an array, of `size` if one is given."""
    import numpy as np

    array = np.asarray(values if len(values) else [], dtype=None if len(values) else np.int64)
    _need(array.ndim == 1 and array.dtype.kind in "iu", "numbers that are not whole")
    _need(size is None or len(array) == size, f"{len(array)} numbers, and {size} belong there")
    return array.astype(np.int64)


def _ascending(offsets: Array, start: int, end: int) -> bool:
    return bool(len(offsets) and offsets[0] == start and offsets[-1] == end and (offsets[1:] >= offsets[:-1]).all())


# XGBoost


def _xgboost(learner: Mapping[str, Any]) -> None:
    told = learner["learner_model_param"]
    width, classes, targets = (int(told[name]) for name in ("num_feature", "num_class", "num_target"))
    _need(0 <= width <= _WIDEST and 0 <= classes <= _WIDEST and 1 <= targets <= _WIDEST, "unlikely sizes")
    for names in ("feature_names", "feature_types"):
        _need(len(learner.get(names, ())) in {0, width}, f"{names} of other columns")
    objective = learner["objective"]
    said = int(objective.get("softmax_multiclass_param", {}).get("num_class", classes))
    _need(said == classes, "an objective of other classes")
    groups = max(classes, targets)
    _need(str(told["base_score"]).count(",") in {0, groups - 1}, "a beginning for other classes")
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        _need(len(booster["model"]["weights"]) == (width + 1) * groups, "weights of other columns")
        return
    _need(booster["name"] in {"gbtree", "dart"}, "a kind of booster that is not known")
    dart = booster["name"] == "dart"
    model = (booster["gbtree"] if dart else booster)["model"]
    trees = model["trees"]
    _need(int(model["gbtree_model_param"]["num_trees"]) == len(trees), "a wrong number of trees")
    _need(not dart or len(booster["weight_drop"]) == len(trees), "a wrong number of weights")
    _need(within(_integers(model["tree_info"], len(trees)), groups), "a tree of no class")
    if "iteration_indptr" in model:
        _need(_ascending(_integers(model["iteration_indptr"]), 0, len(trees)), "iterations of other trees")
    _xgboost_categories(model.get("cats") or {}, width)
    for at, tree in enumerate(trees):
        _need(int(tree["id"]) == at, "trees in another order")
        _xgboost_tree(tree, width, groups)


def _xgboost_tree(tree: Mapping[str, Any], width: int, groups: int) -> None:
    import numpy as np

    count, vector = int(tree["tree_param"]["num_nodes"]), int(tree["tree_param"]["size_leaf_vector"])
    _need(int(tree["tree_param"]["num_feature"]) in {0, width}, "a tree of other columns")
    _need(vector in {0, 1, groups} and len(tree.get("leaf_weights", ())) <= count * vector, "leaves of other targets")
    _need(len(tree["base_weights"]) == count * max(vector, 1), "weights of other nodes")
    for name in ("split_conditions", "default_left", "loss_changes", "sum_hessian"):
        _need(len(tree[name]) == count, f"{name} of other nodes")
    left = _integers(tree["left_children"], count)
    right = _integers(tree["right_children"], count)
    inner = left != -1
    _need(levels(left, right, inner) >= 0, "nodes that do not form a tree")
    _need((right[inner] == left[inner] + 1).all(), "a right child that is not beside the left one")
    parents = _integers(tree["parents"], count)
    _need(
        parents[0] in {-1, _NO_PARENT} and (parents[left[inner]] == np.flatnonzero(inner)).all(), "a stranger's child"
    )
    _need((parents[right[inner]] == np.flatnonzero(inner)).all(), "a stranger's child")
    if vector > 1:
        _need(len(tree["leaf_weights"]) % vector == 0, "leaves of other targets")
        _need(within(right[~inner], len(tree["leaf_weights"]) // vector), "a leaf without weights")
    _need(within(_integers(tree["split_indices"], count)[inner], width), "a split by no column")
    kinds = _integers(tree.get("split_type", [0] * count), count)
    nodes = _integers(tree.get("categories_nodes", ()))
    begins = _integers(tree.get("categories_segments", ()), len(nodes))
    sizes = _integers(tree.get("categories_sizes", ()), len(nodes))
    categories = _integers(tree.get("categories", ()))
    _need(within(nodes, count) and (np.diff(nodes) > 0).all() and within(sizes, len(categories) + 1), "odd categories")
    _need((begins >= 0).all() and (begins + sizes <= len(categories)).all(), "categories that are not there")
    _need(within(categories, _WIDEST), "a category of no number")
    _need(within(kinds, 2) and set(np.flatnonzero(kinds & inner)) <= set(nodes.tolist()), "a split by no categories")


def _xgboost_categories(cats: Mapping[str, Any], width: int) -> None:
    """How XGBoost 3.1 and later keep the names of categories: one item for each column, and an order of each column's names."""
    columns = cats.get("enc", ())
    if not columns:
        return
    _need(len(columns) == width, "categories of other columns")
    counts = []
    for column in columns:
        values = column["values"]
        if "offsets" in column:
            offsets = _integers(column["offsets"])
            _need(_ascending(offsets, 0, len(values)) if len(offsets) else not values, "names that are not there")
            counts.append(max(len(offsets) - 1, 0))
        else:
            counts.append(len(values))
    bounds = _integers(cats["feature_segments"], width + 1)
    order = _integers(cats["sorted_idx"])
    _need(_ascending(bounds, 0, len(order)), "an order of other names")
    for at, count in enumerate(counts):
        mine = order[bounds[at] : bounds[at + 1]]
        _need(len(mine) == count and within(mine, count), "an order of other names")


# LightGBM

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|inf|nan)")
_AFTER = re.compile(
    r"\nfeature_importances:\n(?:[^\n]+=[\d.e+-]+\n)*\nparameters:\n(?:\[\w+: [^\n]*\]\n)*\nend of parameters\n"
    r"(?:\npandas_categorical:[^\n]*\n)?"
)
_WHOLE = re.compile(r"-?\d{1,10}")
_HEADER = {
    "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective", "average_output",
    "feature_names", "monotone_constraints", "feature_infos", "tree_sizes",
}  # fmt: skip
_NODES = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")
_TOLD = ("internal_value", "internal_weight", "internal_count")
_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_LINEAR = ("leaf_const", "num_features", "leaf_features", "leaf_coeff")
_ONE = ("num_leaves", "num_cat", "is_linear", "shrinkage")
_TREE = {*_NODES, *_TOLD, *_LEAVES, *_LINEAR, *_ONE, "cat_boundaries", "cat_threshold"}


def _lightgbm(text: str) -> Iterator[str]:
    body, end, rest = text.partition("\nend of trees\n")
    _need(end and not {*text} & {"\r", "\0"}, "no end of the trees")
    _need(_AFTER.fullmatch(rest), "parameters of another form")
    head, *trees = body.split("\nTree=")
    first, *lines = head.split("\n")
    _need(first == "tree", "no beginning")
    header = _fields(lines, _HEADER)
    width, groups = int(header["max_feature_idx"]) + 1, int(header["num_tree_per_iteration"])
    _need(0 < width <= _WIDEST and 0 < groups <= _WIDEST, "unlikely sizes")
    _need(int(header["num_class"]) == groups and len(trees) % groups == 0, "trees of other classes")
    _lightgbm_objective(header.get("objective", "").split(), groups)
    for name in ("feature_names", "feature_infos"):
        _need(len(header[name].split(" ")) == width, f"{name} of other columns")
    texts = [f"Tree={at}\n{_lightgbm_tree(tree, at, width)}\n\n\n" for at, tree in enumerate(trees)]
    header["tree_sizes"] = " ".join(str(len(tree.encode())) for tree in texts)
    yield "tree"
    yield from (name if name == "average_output" else f"{name}={value}" for name, value in header.items())
    yield ""
    yield f"{''.join(texts)}end of trees\n{rest}"


def _fields(lines: list[str], known: set[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in filter(None, lines):
        name, _, value = line.partition("=")
        _need(name in known and name not in fields, f"the line {name[:40]!r}")
        fields[name] = value
    return fields


def _lightgbm_objective(words: list[str], groups: int) -> None:
    """The number of classes that an objective writes probabilities for must be the number that there is room for."""
    if not words:
        return
    several = words[0] in {"multiclass", "multiclassova"}
    said = [word.partition(":")[2] for word in words[1:] if word.startswith("num_class:")]
    _need(said == ([str(groups)] if several else []) and (several or groups == 1), "an objective of other classes")


def _lightgbm_tree(text: str, at: int, width: int) -> str:
    number, *lines = text.split("\n")
    _need(number == str(at), "trees in another order")
    tree = _fields(lines, _TREE)
    leaves, categorical = int(tree["num_leaves"]), int(tree["num_cat"])
    _need(0 < leaves <= _WIDEST and 0 <= categorical < leaves, "unlikely sizes")
    for names, size in ((_NODES, leaves - 1), (_TOLD, leaves - 1), (_LEAVES, leaves), (_ONE, 1)):
        for name in names:
            values = tree.get(name, "").split()
            # A tree of one leaf tells no weight and no count, and an old one no means of its inner nodes.
            spare = name not in {*_NODES, *_ONE, "leaf_value"} or (name == "is_linear" and name not in tree)
            _need(len(values) == size or (not values and spare), f"{name} of other nodes")
            _need(all(map(_NUMBER.fullmatch, values)), f"{name} that are no numbers")
    if leaves > 1:
        _lightgbm_nodes(tree, leaves, categorical, width)
    _need(categorical or "cat_threshold" not in tree, "categories that are not there")
    if tree.get("is_linear", "0") != "0":
        _lightgbm_linear(tree, leaves, width)
    return "\n".join(f"{name}={value}" for name, value in tree.items())


def _whole(tree: Mapping[str, str], name: str) -> Array:
    words = tree[name].split()
    _need(all(map(_WHOLE.fullmatch, words)), f"{name} that are not whole")
    return _integers([int(word) for word in words])


def _lightgbm_nodes(tree: Mapping[str, str], leaves: int, categorical: int, width: int) -> None:
    import numpy as np

    left, right = _whole(tree, "left_child"), _whole(tree, "right_child")
    children = np.concatenate([left, right])
    # A leaf is written as the complement of its number; nodes come after their parents.
    _need(sorted((~children[children < 0]).tolist()) == list(range(leaves)), "leaves that are not there")
    _need(sorted(children[children >= 0].tolist()) == list(range(1, leaves - 1)), "nodes that are not there")
    _need(all((side[side > 0] > np.flatnonzero(side > 0)).all() for side in (left, right)), "a node above itself")
    _need(within(_whole(tree, "split_feature"), width), "a split by no column")
    kinds = _whole(tree, "decision_type")
    _need(within(kinds, 128), "a split of no kind")
    chosen = np.array(tree["threshold"].split(), dtype=float)[kinds & 1 == 1]
    if chosen.size:
        _need(((chosen >= 0) & (chosen < categorical)).all(), "categories that are not there")
    if categorical:
        bounds, words = _whole(tree, "cat_boundaries"), _whole(tree, "cat_threshold")
        _need(len(bounds) == categorical + 1 and _ascending(bounds, 0, len(words)), "categories that are not there")
        _need(within(words, 1 << 32), "a set of no categories")


def _lightgbm_linear(tree: Mapping[str, str], leaves: int, width: int) -> None:
    counts = _whole(tree, "num_features")
    _need(len(tree["leaf_const"].split()) == len(counts) == leaves and (counts >= 0).all(), "models of other leaves")
    _need(within(_whole(tree, "leaf_features"), width), "a model of no column")
    for name in ("leaf_features", "leaf_coeff"):
        words = tree[name].split()
        _need(len(words) == counts.sum() and all(map(_NUMBER.fullmatch, words)), f"{name} of other leaves")
    _need(all(map(_NUMBER.fullmatch, tree["leaf_const"].split())), "leaf_const that are no numbers")
