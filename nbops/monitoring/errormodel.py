"""How large the errors of predicted numbers are to be expected, learnt from rows with truth: boosted trees over features and prediction.

Each of the laboratory's days is judged by trees that were grown without it; what these were off by on average corrects the estimate, and
how much it varies from day to day says how sure that is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nbops.errors import NotFound
from nbops.evaluation.answers import Answers
from nbops.evaluation.means import means
from nbops.monitoring import spread
from nbops.monitoring.spread import Found, Off, Sides, Variance

if TYPE_CHECKING:
    import pandas as pd

    from nbops.evaluation.arrays import Codes, Floats

    Predict = Callable[[Floats], Floats]

_TREES, _LEAVES, _RATE, _LEAST = 60, 15, 0.1, 50
_MOST_CATEGORIES = 250


class Errors:
    """What was learnt of errors: trees for the absolute and for the squared one, a set without each fold of the laboratory's days."""

    def __init__(self, laboratory: Answers, features: pd.DataFrame, folds: int, seed: int) -> None:
        import numpy as np

        self.seed = seed
        self.columns = _Columns(features)
        unit = spread.units(laboratory, seed)
        blocks = int(unit.max()) + 1
        fold = np.arange(len(unit)) % folds if blocks == 1 else (np.arange(blocks) * min(folds, blocks) // blocks)[unit]
        rows = self.columns.of(features, laboratory)
        error = np.asarray(laboratory.predicted - laboratory.truth, dtype=np.float64)
        self._learnt = {
            name: _Learnt(rows, each, (unit, fold), self.columns, seed)
            for name, each in (("mae", np.abs(error)), ("rmse", error**2))
        }

    def estimate(self, answers: Answers, features: pd.DataFrame | None, level: float) -> dict[str, Found]:
        """MAE and RMSE as they are to be expected of answers without truth. Raises NotFound for features that are missing."""
        rows, unit = self.columns.of(features, answers), spread.units(answers, self.seed)
        absolute, squared = self._learnt["mae"], self._learnt["rmse"]
        mean, sides = absolute.mean(rows, unit)
        square, of_square = squared.mean(rows, unit)
        # A root's variance is its square's by the slope there.
        of_root = Sides(*(one._replace(value=one.value / (4 * square)) if square else one for one in of_square))
        many = answers.rows
        return {
            "mae": spread.found(mean, sides, absolute.off(), many, level=level, most=math.inf),
            "rmse": spread.found(math.sqrt(square), of_root, squared.off(0.5), many, level=level, most=math.inf),
        }


class _Learnt:
    """Trees for one kind of error, and what they were off by on the days that they had not seen."""

    def __init__(self, rows: Floats, error: Floats, parts: tuple[Codes, Codes], columns: _Columns, seed: int) -> None:
        import numpy as np

        self._unit, fold = parts
        self._trees: list[Predict] = []
        self._error, self._thought = error, np.zeros(len(error))
        for one in range(int(fold.max()) + 1):
            outside = fold != one
            self._trees.append(_grown(rows[outside], error[outside], columns.categories, seed))
            self._thought[~outside] = self._trees[-1](rows[~outside])

    def mean(self, rows: Floats, unit: Codes) -> tuple[float, Sides]:
        """The error of these rows on average, and its variances: of their days, and of the laboratory's."""
        import numpy as np

        each = np.mean([trees(rows) for trees in self._trees], axis=0)
        middle, of_window = _of_days(each, unit)
        less, of_laboratory = _of_days(self._error - self._thought, self._unit)
        return max(middle + less, 0.0), Sides(of_window, of_laboratory)

    def off(self, power: float = 1.0) -> Off:
        """By how much the mean error of each day, to this power, was above what the other days' trees said."""
        import numpy as np

        rows = np.bincount(self._unit).astype(np.float64)
        came, thought = (np.bincount(self._unit, one) / rows for one in (self._error, self._thought))
        return Off(came**power - np.maximum(thought, 0) ** power, rows)


class _Columns:
    """The features that errors are learnt from, as numbers: texts as places among their commonest values, times left out."""

    def __init__(self, features: pd.DataFrame) -> None:
        from pandas.api import types

        self._known: dict[str, Any] = {}
        for name in features.columns:
            column = features[name]
            if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
                continue
            number = types.is_numeric_dtype(column)
            self._known[str(name)] = None if number else column.astype("str").value_counts().index[:_MOST_CATEGORIES]

    @property
    def categories(self) -> list[int]:
        """The places of the texts among the columns; the last column of all is the prediction."""
        return [place for place, known in enumerate(self._known.values()) if known is not None]

    def of(self, features: pd.DataFrame | None, answers: Answers) -> Floats:
        """Numbers (n, columns) of these features and predictions; NaN for what is missing or was not there before."""
        import numpy as np
        import pandas as pd

        missing = [name for name in self._known if features is None or name not in features.columns]
        if features is None or missing:
            raise NotFound(
                f"The rows of the window lack features that errors were learnt from: {', '.join(missing[:8])}.",
                hint="Log predictions with the features of the model: features=True.",
            )
        found = []
        for name, known in self._known.items():
            if known is None:
                found.append(pd.to_numeric(features[name], errors="coerce").to_numpy(np.float64, na_value=np.nan))
            else:
                place = known.get_indexer(features[name].astype("str")).astype(np.float64)
                found.append(np.where(place < 0, np.nan, place))
        return np.column_stack([*found, answers.predicted])


def _grown(rows: Floats, error: Floats, categories: list[int], seed: int) -> Predict:
    """What predicts a mean error: trees of Poisson's loss, which keep it above zero and bear single large ones."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    if not error.any():
        return lambda given: np.zeros(len(given))
    trees = HistGradientBoostingRegressor(
        loss="poisson",
        max_iter=_TREES,
        max_leaf_nodes=_LEAVES,
        learning_rate=_RATE,
        min_samples_leaf=_LEAST,
        categorical_features=categories or None,
        early_stopping=False,
        random_state=seed,
    )
    with threadpool_limits(1):
        trees.fit(rows, error)

    def predict(given: Floats) -> Floats:
        with threadpool_limits(1):
            return np.asarray(trees.predict(given), dtype=np.float64)

    return predict


def _of_days(each: Floats, unit: Codes) -> tuple[float, Variance]:
    """The mean, and how sure it is as days go."""
    import numpy as np

    found = means(each, np.zeros(len(each), np.int64), 1, unit).mean
    error, freedom = float(found.error[0]), float(found.freedom[0])
    return float(found.value[0]), Variance(error**2, freedom if math.isfinite(error) else 0.0)
