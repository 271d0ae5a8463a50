"""`Answers` in, how good they are as numbers out.

What is a function of sums over rows is computed from sums, so that the same formula serves all rows, parts of them, and the thousand
weightings of them by which intervals are found. What needs an order of rows lives in `ordered`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from nbops.errors import NotFound
from nbops.evaluation import ordered
from nbops.evaluation.answers import Answers, Label, Task, losses
from nbops.records import Record

if TYPE_CHECKING:
    import numpy.typing as npt

    from nbops.evaluation.arrays import Codes, Floats, Mask

    Sums = Mapping[str, Floats]


class Metric(Record):
    """A way to say how good answers are; `unit` is "target" where it has the target's unit."""

    name: str
    better: Literal["higher", "lower", "none"]
    unit: Literal["target", ""]
    sentence: str


_REGRESSION = (
    Metric("mae", "lower", "target", "The mean distance between prediction and truth."),
    Metric("rmse", "lower", "target", "The root of the mean squared error: large errors count more."),
    Metric("median_ae", "lower", "target", "Half of the predictions are nearer to the truth than this."),
    Metric("p90_ae", "lower", "target", "Nine of ten predictions are nearer to the truth than this."),
    Metric("bias", "none", "target", "The mean of prediction minus truth: above zero it predicts too much."),
    Metric("r2", "higher", "", "The share of the truth's variance that is predicted; 0 is as good as the mean."),
)
_BINARY = (
    Metric("roc_auc", "higher", "", "The chance that a positive row is ranked above a negative one; 0.5 is guessing."),
    Metric("average_precision", "higher", "", "The mean precision over all thresholds, weighted by recall gained."),
    Metric("log_loss", "lower", "", "Minus the mean logarithm of the probability that the truth was given."),
    Metric("brier", "lower", "", "The mean squared distance between probability and truth."),
    Metric("accuracy", "higher", "", "The share of rows that are decided rightly."),
    Metric("balanced_accuracy", "higher", "", "The mean of the shares found of the positive and of the negative rows."),
    Metric("precision", "higher", "", "Of the rows called positive, the share that is."),
    Metric("recall", "higher", "", "Of the positive rows, the share that is found."),
    Metric("f1", "higher", "", "The harmonic mean of precision and recall."),
    Metric("mcc", "higher", "", "The correlation of decision and truth; 0 is guessing."),
    Metric("positive_rate", "none", "", "The share of rows that are called positive."),
)
_MULTICLASS = (
    Metric("accuracy", "higher", "", "The share of rows that are decided rightly."),
    Metric("balanced_accuracy", "higher", "", "The mean over the classes of the share that is found."),
    Metric("f1_macro", "higher", "", "The mean over the classes of the harmonic mean of precision and recall."),
    Metric("log_loss", "lower", "", "Minus the mean logarithm of the probability that the true class was given."),
)
METRICS: dict[Task, tuple[Metric, ...]] = {
    "regression": _REGRESSION, "binary": _BINARY, "multiclass": _MULTICLASS,
}  # fmt: skip
"""The metrics of each task, the telling ones first."""

_OF_PROBABILITIES = ("roc_auc", "average_precision", "log_loss", "brier")
_QUANTILES = {"median_ae": 0.5, "p90_ae": 0.9}


def metric(task: Task, name: str) -> Metric:
    """The metric of that name. Raises NotFound with the nearest."""
    known = {one.name: one for one in METRICS[task]}
    if name not in known:
        raise NotFound.of(f"metric of {task}", name, known, otherwise=f"Known: {', '.join(known)}.")
    return known[name]


def measure(
    answers: Answers,
    names: Iterable[str] | None = None,
    *,
    threshold: float | None = None,
    positive: Label | None = None,
) -> dict[str, float]:
    """The metrics of these names, or all of the task.

    With two classes the decision is the model's own, or a probability of `positive` (the last class) of at least `threshold`. What is
    not defined (one class only in the truth, nothing called positive, no probabilities, no rows) is NaN. Raises NotFound and UsageError.
    """
    import numpy as np

    told = answers.decided(threshold=threshold, positive=positive)
    asked = [metric(told.task, name).name for name in (names if names is not None else _names(told.task))]
    if not told.rows:
        return dict.fromkeys(asked, float("nan"))
    everything = np.zeros(told.rows, dtype=np.int64)
    found = weighted(told, asked, everything, np.ones((1, 1)))
    return {name: float(found[name][0]) for name in asked}


def weighted(answers: Answers, names: Iterable[str], unit: Codes, weights: Floats) -> dict[str, Floats]:
    """Each metric (draws,) under `weights` (draws, units), whole numbers of how often all rows of a unit count; `unit` (n,) is a row's."""
    import numpy as np

    asked = list(names)
    units = weights.shape[1]
    totals = {key: weights @ one for key, one in sums(answers, unit, units).items()}
    found: dict[str, Floats] = {}
    for name in asked:
        if name in _OF_PROBABILITIES and answers.probabilities is None:
            found[name] = np.full(len(weights), np.nan)
        elif name in _FORMULAS[answers.task]:
            with np.errstate(divide="ignore", invalid="ignore"):
                found[name] = np.asarray(_FORMULAS[answers.task][name](totals))
    if quantiles := [name for name in asked if name in _QUANTILES]:
        at = [_QUANTILES[name] for name in quantiles]
        found |= dict(zip(quantiles, ordered.quantiles(losses(answers), at, unit, weights), strict=True))
    if answers.probabilities is not None and (ranks := {"roc_auc", "average_precision"} & set(asked)):
        positive, scores = answers.truth == 1, answers.probabilities[:, 1]
        area, precision = ordered.ranking(positive, scores, unit, weights, precision="average_precision" in ranks)
        found |= {"roc_auc": area, "average_precision": precision}
    return {name: found[name] for name in asked}


def sums(answers: Answers, unit: Codes, units: int) -> dict[str, Floats]:
    """What the formulas need, summed over the rows of each unit: (units,), or (units, k) for what is told by class."""
    import numpy as np

    def total(values: npt.NDArray[Any]) -> Floats:
        return np.array([values.sum()]) if units == 1 else np.bincount(unit, values, units).astype(np.float64)

    def counted(codes: Codes, size: int, rows: Mask | slice = slice(None)) -> Floats:
        found = np.bincount(unit[rows] * size + codes[rows], minlength=units * size)
        return found.reshape(units, size).astype(np.float64)

    found = {"rows": np.bincount(unit, minlength=units).astype(np.float64)}
    if answers.task == "regression":
        error = answers.predicted - answers.truth
        # About the middle, because squares of large numbers that differ little cancel out.
        truth = answers.truth - answers.truth.mean()
        return found | {
            "error": total(error), "absolute": total(np.abs(error)), "squared": total(error**2), "truth": total(truth),
            "truth squared": total(truth**2),
        }  # fmt: skip
    truth, predicted = answers.truth.astype(np.int64), answers.predicted.astype(np.int64)
    if answers.probabilities is not None:
        found["log"] = total(losses(answers))
    if answers.task == "multiclass":
        k, hit = len(answers.classes), truth == predicted
        hits = counted(truth, k, hit)
        return found | {"true": counted(truth, k), "told": counted(predicted, k), "hits": hits, "hit": hits.sum(axis=1)}
    if answers.probabilities is not None:
        found["brier"] = total((answers.probabilities[:, 1] - truth) ** 2)
    names = ("tn", "fp", "fn", "tp")
    return found | dict(zip(names, counted(2 * truth + predicted, 4).T, strict=True))


def _names(task: Task) -> list[str]:
    return [one.name for one in METRICS[task]]


def _r2(s: Sums) -> Floats:
    import numpy as np

    spread = s["truth squared"] - s["truth"] ** 2 / s["rows"]
    constant = spread <= 1e-12 * s["truth squared"]
    return np.where(constant, np.nan, 1 - s["squared"] / spread)


def _mcc(s: Sums) -> Floats:
    told, true = (s["tp"] + s["fp"]) * (s["tn"] + s["fn"]), (s["tp"] + s["fn"]) * (s["tn"] + s["fp"])
    found: Floats = (s["tp"] * s["tn"] - s["fp"] * s["fn"]) / (told**0.5 * true**0.5)
    return found


def _balanced(s: Sums) -> Floats:
    """The mean over the classes that are there, if those are two or more."""
    import numpy as np

    there = s["true"] > 0
    found = np.where(there, s["hits"] / s["true"], 0).sum(axis=-1) / there.sum(axis=-1)
    return np.where(there.sum(axis=-1) > 1, found, np.nan)


def _f1_macro(s: Sums) -> Floats:
    """The mean over the classes that are there or were told."""
    import numpy as np

    both = s["true"] + s["told"]
    found: Floats = np.where(both > 0, 2 * s["hits"] / both, 0).sum(axis=-1) / (both > 0).sum(axis=-1)
    return found


_FORMULAS: dict[Task, dict[str, Callable[[Sums], Floats]]] = {
    "regression": {
        "mae": lambda s: s["absolute"] / s["rows"],
        "rmse": lambda s: (s["squared"] / s["rows"]) ** 0.5,
        "bias": lambda s: s["error"] / s["rows"],
        "r2": _r2,
    },
    "binary": {
        "log_loss": lambda s: s["log"] / s["rows"],
        "brier": lambda s: s["brier"] / s["rows"],
        "accuracy": lambda s: (s["tp"] + s["tn"]) / s["rows"],
        "balanced_accuracy": lambda s: (s["tp"] / (s["tp"] + s["fn"]) + s["tn"] / (s["tn"] + s["fp"])) / 2,
        "precision": lambda s: s["tp"] / (s["tp"] + s["fp"]),
        "recall": lambda s: s["tp"] / (s["tp"] + s["fn"]),
        "f1": lambda s: 2 * s["tp"] / (2 * s["tp"] + s["fp"] + s["fn"]),
        "mcc": _mcc,
        "positive_rate": lambda s: (s["tp"] + s["fp"]) / s["rows"],
    },
    "multiclass": {
        "accuracy": lambda s: s["hit"] / s["rows"],
        "balanced_accuracy": _balanced,
        "f1_macro": _f1_macro,
        "log_loss": lambda s: s["log"] / s["rows"],
    },
}
