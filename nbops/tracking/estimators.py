"""What a scikit-learn estimator says about itself and its fit, as plain values: parameters, training metrics, a search's points.

Nothing is recorded here, and nothing is changed: not the estimator, not the data, not numpy's random state.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nbops.records import Record

LONGEST_PARAM = 500
"""Characters of a parameter; the whole of a longer one goes into a file."""
HASHED_VALUES, HASHED_COLUMNS = 1_000_000, 500
"""Training data with more values (rows times columns) or columns is not hashed, so that a fit is not held up."""
SCORED_ROWS, SCORED_VALUES, SCORED_SECONDS = 100_000, 2_000_000, 10
"""Training data with more rows or values, or where it would take longer, is not predicted for its metrics."""
MOST_POINTS = 100
"""So many points of a search become runs, the best ones."""
# So many rows tell how long all will take.
_PROBE = 2_000
# An array or collection with more entries is told by its type and shape, in the file too.
_MOST_ENTRIES = 10_000
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Point(Record):
    """One point of a search: its parameters, and mean, standard deviation and rank of its test scores."""

    rank: int
    params: dict[str, object]
    metrics: dict[str, float]

    @property
    def failed(self) -> bool:
        """Whether it has no score."""
        return any(math.isnan(value) for key, value in self.metrics.items() if key.startswith("mean_test_"))


def params(estimator: Any) -> tuple[dict[str, object], dict[str, object] | None]:
    """All parameters, those of steps as `step__name`, estimators by class name; and the whole set when one had to be cut."""
    whole = {key: _plain(value) for key, value in estimator.get_params().items()}
    short = {key: _short(value) for key, value in whole.items()}
    cut = [key for key, value in short.items() if value is not whole[key]]
    return short, whole if cut else None


def size(data: Any) -> dict[str, int]:
    """Rows and columns of data, as far as it has them."""
    return dict(zip(("training_rows", "training_columns"), _shape(data), strict=False))


def is_small(data: Any) -> bool:
    """Whether data is hashed in a moment."""
    shape = _shape(data)
    columns = shape[1] if len(shape) > 1 else 1
    return (
        1 <= len(shape) <= 2
        and columns <= HASHED_COLUMNS
        and shape[0] * columns <= HASHED_VALUES
        and not hasattr(data, "tocsr")
    )


def head(data: Any) -> Any:
    """The first rows of a frame or an array; None of anything else."""
    import numpy as np

    rows = getattr(data, "iloc", data if isinstance(data, np.ndarray) else None)
    return None if rows is None else rows[:5]


def training_metrics(estimator: Any, data: Any, target: Any) -> dict[str, float]:
    """How well a fitted classifier or regressor repeats what it was fitted on.

    Classifiers: accuracy, F1 (weighted by class) and log loss; regressors: R², mean absolute and root mean squared error.
    Rows count alike, whatever their weights in the fit. Empty for others, for large data, and where the fit may have
    overwritten its data (`copy=False`).
    """
    from sklearn.base import is_classifier, is_regressor

    shape = _shape(data)
    small = shape and shape[0] <= SCORED_ROWS and math.prod(shape) <= SCORED_VALUES
    metrics = _classification if is_classifier(estimator) else _regression if is_regressor(estimator) else None
    if target is None or not small or metrics is None or not hasattr(estimator, "predict"):
        return {}
    known = estimator.get_params()
    if any(key.rpartition("__")[2].startswith("copy") and value is False for key, value in known.items()):
        return {}
    with _same_randomness(known.values()):
        return metrics(estimator, data, target) if _is_quick(estimator, data, shape[0]) else {}


def is_search(estimator: Any) -> bool:
    """Whether it is a fitted search: `cv_results_` with the points' `params`."""
    return "params" in getattr(estimator, "cv_results_", ())


def best(search: Any) -> tuple[dict[str, object], dict[str, float]]:
    """Parameters (`best_…`, and the number of splits) and metrics of a fitted search."""
    chosen: dict[str, object] = {
        f"best_{key}": _short(_plain(value)) for key, value in getattr(search, "best_params_", {}).items()
    }
    if hasattr(search, "n_splits_"):
        chosen["cv_splits"] = int(search.n_splits_)
    return chosen, {"best_score": float(search.best_score_)} if hasattr(search, "best_score_") else {}


def results(search: Any) -> dict[str, list[object]]:
    """A fitted search's `cv_results_` as columns of plain values, one row for each point."""
    found = search.cv_results_
    columns = {key: list(found[key]) for key in found if key != "params" and not key.startswith("param_")}
    for key in (key for key in found if key.startswith("param_")):
        columns[key] = _one_kind([_plain(value) for value in found[key].tolist()])
    return columns


def points(search: Any) -> list[Point]:
    """The best points of a fitted search, best first."""
    found = search.cv_results_
    ranks = [key for key in found if key.startswith("rank_test_")]
    deciding = f"rank_test_{search.refit}" if f"rank_test_{search.refit}" in ranks else ranks[0]
    told = [key for key in found if key.startswith(("mean_test_", "std_test_", "rank_test_"))]
    order = sorted(range(len(found["params"])), key=lambda at: int(found[deciding][at]))
    return [
        Point(
            rank=int(found[deciding][at]),
            params={key: _short(_plain(value)) for key, value in found["params"][at].items()},
            metrics={key: float(found[key][at]) for key in told},
        )
        for at in order[:MOST_POINTS]
    ]


def _shape(data: Any) -> tuple[int, ...]:
    """The shape of data, of a list of rows or texts its length; () of anything else."""
    if isinstance(data, (list, tuple)):
        return (len(data),)
    return tuple(map(int, getattr(data, "shape", ())))


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= LONGEST_PARAM else f"{text[: LONGEST_PARAM - 1]}…"


def _plain(value: Any) -> Any:
    """A parameter as JSON, the same in every process: no addresses."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "tolist") and not isinstance(value, type):
        many = math.prod(value.shape) > _MOST_ENTRIES
        return f"{type(value).__name__} {value.shape} {value.dtype}" if many else _plain(value.tolist())
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return _collection(value)
    return _name(value)


def _collection(value: Any) -> Any:
    if len(value) > _MOST_ENTRIES:
        return f"{type(value).__name__} of {len(value):,}"
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in (sorted(value, key=str) if isinstance(value, (set, frozenset)) else value)]


def _name(value: Any) -> str:
    from sklearn.base import BaseEstimator

    if isinstance(value, BaseEstimator):
        return type(value).__name__
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "dist") and hasattr(value, "args") and hasattr(value, "kwds"):
        # A frozen distribution of scipy, which shows itself by its address only.
        arguments = [*map(str, value.args), *(f"{key}={item}" for key, item in value.kwds.items())]
        return f"{value.dist.name}({', '.join(arguments)})"
    return _ADDRESS.sub("", repr(value))


def _one_kind(values: list[Any]) -> list[object]:
    """A column that Parquet takes: a mixture becomes text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or kinds in ({bool}, {str}):
        return values
    return [
        None if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for value in values
    ]


def _is_quick(estimator: Any, data: Any, rows: int) -> bool:
    """Whether predicting all rows takes a moment: nearest neighbours fit in no time and predict for minutes."""
    if rows < 2 * _PROBE:
        return True
    begun = time.perf_counter()
    estimator.predict(getattr(data, "iloc", data)[:_PROBE])
    return (time.perf_counter() - begun) * rows / _PROBE <= SCORED_SECONDS


def _classification(estimator: Any, data: Any, target: Any) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    if len(getattr(target, "shape", (0,))) > 1 and target.shape[1] > 1:
        # Several targets have no one accuracy.
        return {}
    predicted = estimator.predict(data)
    found = {
        "training_accuracy": float(accuracy_score(target, predicted)),
        "training_f1": float(f1_score(target, predicted, average="weighted", zero_division=0)),
    }
    if hasattr(estimator, "predict_proba") and len(estimator.classes_) > 1:
        found["training_log_loss"] = float(log_loss(target, estimator.predict_proba(data), labels=estimator.classes_))
    return found


def _regression(estimator: Any, data: Any, target: Any) -> dict[str, float]:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    predicted = estimator.predict(data)
    return {
        "training_r2": float(r2_score(target, predicted)),
        "training_mae": float(mean_absolute_error(target, predicted)),
        "training_rmse": float(root_mean_squared_error(target, predicted)),
    }


@contextmanager
def _same_randomness(params: Iterable[object]) -> Iterator[None]:
    """DummyClassifier's predictions draw random numbers: the next draws are as they would have been."""
    import numpy as np

    states = [(value, value.get_state()) for value in params if isinstance(value, np.random.RandomState)]
    common = np.random.get_state()  # noqa: NPY002 - scikit-learn draws from it when random_state is None
    try:
        yield
    finally:
        np.random.set_state(common)  # noqa: NPY002 - the same
        for generator, state in states:
            generator.set_state(state)
