"""A fitted model and rows with known truth in, its `Answers` out: the plain arrays that everything else here works on.

The model is asked once. Labels become codes, rows without truth are left out and counted, what cannot be judged is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from nbops.errors import ModelError, UsageError, nearest

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from nbops.evaluation.arrays import Codes, Floats

Task = Literal["regression", "binary", "multiclass"]
Label = str | int | float | bool

_MOST_NAMED = 8
_FIT_AGAIN = "A model of scikit-learn's kind has predict, and for classes classes_ and, if it can, predict_proba."


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Answers:
    """What a model answered for n rows, and what was true.

    For classes `truth` and `predicted` (n,) hold codes 0 to k-1 into `classes`, and `probabilities` is (n, k) or None; for numbers both
    hold floats in the target's unit and `classes` is empty. `blocks` (n,) are codes of groups of rows that depend on each other.
    `without_truth` rows were left out.
    """

    task: Task
    truth: Floats | Codes
    predicted: Floats | Codes
    probabilities: Floats | None = None
    classes: tuple[Label, ...] = ()
    blocks: Codes | None = None
    without_truth: int = 0

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.truth)

    def take(self, rows: npt.NDArray[Any]) -> Answers:
        """The answers of some rows, by a mask (n,) of booleans or by their numbers."""
        return dataclasses.replace(
            self,
            truth=self.truth[rows],
            predicted=self.predicted[rows],
            probabilities=None if self.probabilities is None else self.probabilities[rows],
            blocks=None if self.blocks is None else self.blocks[rows],
        )

    def decided(self, *, threshold: float | None = None, positive: Label | None = None) -> Answers:
        """The same answers of two classes with `positive` as code 1, predicted where its probability is at least `threshold`.

        Without them they stay as they are: the last class is positive, and the model decided. Raises UsageError.
        """
        import numpy as np

        if threshold is None and positive is None:
            return self
        if self.task != "binary":
            raise UsageError(
                f"A threshold or a positive class is for two classes, not for {self.task}.", hint="Leave both out."
            )
        seen = self
        if positive is not None and self._code(positive) == 0:
            flipped = None if self.probabilities is None else self.probabilities[:, ::-1]
            seen = dataclasses.replace(
                self, truth=1 - self.truth, predicted=1 - self.predicted, probabilities=flipped, classes=self.classes[::-1]
            )  # fmt: skip
        if threshold is None:
            return seen
        if seen.probabilities is None:
            raise UsageError(
                "A threshold needs probabilities, and this model gives none.",
                hint="Calibrate it (sklearn.calibration.CalibratedClassifierCV), or leave the threshold out.",
            )
        return dataclasses.replace(seen, predicted=(seen.probabilities[:, 1] >= threshold).astype(np.int64))

    def frame(self) -> pd.DataFrame:
        """Each row's `_prediction` (a number, or the class as text) and, where they are known, its probabilities as `_p_CLASS`."""
        import pandas as pd

        if not self.classes:
            return pd.DataFrame({"_prediction": self.predicted})
        names = [class_name(label) for label in self.classes]
        told: dict[str, Any] = {"_prediction": [names[int(code)] for code in self.predicted]}
        if self.probabilities is not None:
            told |= {f"_p_{name}": self.probabilities[:, place] for place, name in enumerate(names)}
        return pd.DataFrame(told)

    def _code(self, label: Label) -> int:
        if label in self.classes:
            return self.classes.index(label)
        near = nearest(str(label), map(str, self.classes))
        raise UsageError(
            f"There is no class {label!r}; the classes are {_named(self.classes)}.",
            hint=f"Did you mean {near!r}?" if near else "The positive class is one of them.",
        )


def class_name(label: Label) -> str:
    """A class as text: whole numbers without decimals, so that 1 and 1.0 are one."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def answers(model: Any, features: Any, truth: Any, *, blocks: Any = None) -> Answers:
    """What a fitted `model` answers for `features`, n rows of whatever it takes, beside `truth` (n,).

    A model with `classes_` tells classes apart, any other predicts numbers. `blocks` (n,) names the day, group or whatever else makes
    rows depend on each other; rows without a name form one block. Raises UsageError when the lengths differ or truth holds a label that
    the model does not know, ModelError when the model's answers cannot be judged.
    """
    import numpy as np
    import pandas as pd

    known = pd.Series(_flat(truth, "truth"))
    _same_length(features, len(known), "rows of features")
    kept = known.notna().to_numpy()
    codes = None
    if blocks is not None:
        codes = pd.factorize(pd.Series(_flat(blocks, "blocks")), use_na_sentinel=False)[0].astype(np.int64)
        _same_length(codes, len(known), "blocks")
    classes = _classes(model)
    found = _labels(model, features, known, kept, classes) if classes else _numbers(model, features, known, kept)
    return dataclasses.replace(found, blocks=None if codes is None else codes[kept], without_truth=int((~kept).sum()))


def losses(answers: Answers) -> Floats:
    """One loss (n,) per row, by which the worst are found.

    It is the absolute error in the target's unit; for classes minus the logarithm of the probability that the true one was given
    (at least 2^-52, which makes 36), or without probabilities 1 where the answer is wrong.
    """
    import numpy as np

    if answers.task == "regression":
        error: Floats = np.abs(answers.predicted - answers.truth)
        return error
    if answers.probabilities is None:
        wrong: Floats = (answers.predicted != answers.truth).astype(np.float64)
        return wrong
    given = answers.probabilities[np.arange(answers.rows), answers.truth.astype(np.int64)]
    least = np.finfo(np.float64).eps
    found: Floats = -np.log(np.clip(given, least, 1 - least))
    return found


def _numbers(model: Any, features: Any, known: Any, kept: npt.NDArray[Any]) -> Answers:
    """The answers of a model that predicts numbers."""
    import numpy as np

    try:
        truth = known[kept].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelError(
            "Truth is no number, and the model has no classes_: it cannot be told what its answers mean.",
            hint=_FIT_AGAIN,
        ) from error
    predicted = np.asarray(_predicted(model, features, len(known)), dtype=np.float64)[kept]
    if not np.isfinite(truth).all():
        raise UsageError("Truth holds an infinite number.", hint="Leave those rows out, or make their truth missing.")
    _all_there(predicted, "predictions")
    return Answers("regression", truth, predicted)


def _labels(model: Any, features: Any, known: Any, kept: npt.NDArray[Any], classes: tuple[Label, ...]) -> Answers:
    """The answers of a model that tells classes apart."""
    import numpy as np

    truth = known[kept].to_numpy()
    codes = _coded(truth, classes)
    if (codes < 0).any():
        strange = _named(dict.fromkeys(_plain(truth[codes < 0].tolist())))
        raise UsageError(
            f"Truth holds labels that the model does not know: {strange}; it knows {_named(classes)}.",
            hint="Is it the right column, of the type that the model was fitted with?",
        )
    given = _predicted(model, features, len(known))[kept]
    predicted = _coded(given, classes)
    if (predicted < 0).any():
        strange = _named(dict.fromkeys(_plain(given[predicted < 0].tolist())))
        raise ModelError(f"The model predicts what is none of its classes: {strange}.", hint=_FIT_AGAIN)
    probabilities = None
    if hasattr(model, "predict_proba"):
        probabilities = np.asarray(model.predict_proba(features), dtype=np.float64)
        if probabilities.shape != (len(known), len(classes)):
            raise ModelError(
                f"predict_proba gives {probabilities.shape} for {len(known):,} rows and {len(classes)} classes.",
                hint="It has one row per row and one column per class.",
            )
        probabilities = probabilities[kept]
        _all_there(probabilities, "probabilities")
        if ((probabilities < -1e-6) | (probabilities > 1 + 1e-6)).any():
            raise ModelError("predict_proba gives values outside 0 to 1.", hint="Scores are no probabilities.")
    return Answers("binary" if len(classes) == 2 else "multiclass", codes, predicted, probabilities, classes)


def _classes(model: Any) -> tuple[Label, ...]:
    """The model's classes as plain values, empty for numbers."""
    found = getattr(model, "classes_", None)
    if found is None:
        return ()
    if isinstance(found, list | tuple) and any(getattr(one, "ndim", 0) for one in found):
        raise ModelError("The model has several targets.", hint="Evaluate one model per target.")
    classes: tuple[Label, ...] = tuple(_plain(found.tolist() if hasattr(found, "tolist") else found))
    if len(classes) < 2:
        raise ModelError(
            f"The model knows one class only: {_named(classes)}.", hint="Fit it on rows of two classes or more."
        )
    return classes


def _predicted(model: Any, features: Any, rows: int) -> npt.NDArray[Any]:
    import numpy as np

    found = np.asarray(model.predict(features))
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.shape != (rows,):
        raise ModelError(
            f"predict gives {found.shape} for {rows:,} rows.", hint="One answer per row can be judged, of one target."
        )
    return found


def _coded(labels: npt.NDArray[Any], classes: tuple[Label, ...]) -> Codes:
    """Codes of labels (n,); -1 where one is none of the classes."""
    import numpy as np
    import pandas as pd

    numbers = labels.dtype.kind in "biuf" and all(isinstance(one, int | float) for one in classes)
    kind = np.float64 if numbers else object
    given = labels.astype(kind) if numbers else np.array(_plain(labels.tolist()), dtype=kind)
    return np.asarray(pd.Index(np.array(classes, dtype=kind)).get_indexer(pd.Index(given)), dtype=np.int64)


def _flat(given: Any, what: str) -> Any:
    """A column (n,) as it is; a frame or array of one column as that."""
    import numpy as np

    if getattr(given, "ndim", 1) == 2 and given.shape[1] == 1:
        given = given.iloc[:, 0] if hasattr(given, "iloc") else given[:, 0]
    if getattr(given, "ndim", 1) != 1:
        raise UsageError(f"The {what} given has {given.ndim} dimensions.", hint="It is one value per row.")
    return given.reset_index(drop=True) if hasattr(given, "reset_index") else np.asarray(given)


def _same_length(given: Any, rows: int, what: str) -> None:
    found = given.shape[0] if hasattr(given, "shape") else len(given)
    if found != rows:
        raise UsageError(f"There are {found:,} {what}, but truth has {rows:,} rows.", hint="Each row has its truth.")


def _all_there(given: Floats, what: str) -> None:
    import numpy as np

    strange = ~np.isfinite(given)
    if strange.any():
        rows = int(strange.reshape(len(given), -1).any(axis=1).sum())
        raise ModelError(
            f"The model's {what} are not a number, or infinite, in {rows:,} of {len(given):,} rows.",
            hint="Put an imputer before the model, or leave out what it cannot answer.",
        )


def _plain(values: Sequence[Any]) -> list[Any]:
    """Values without numpy's types; also those of arrays of objects."""
    return [value.item() if hasattr(value, "item") else value for value in values]


def _named(labels: Any) -> str:
    """At most eight labels."""
    listed = list(labels)
    more = f" and {len(listed) - _MOST_NAMED:,} more" if len(listed) > _MOST_NAMED else ""
    return ", ".join(repr(one) for one in listed[:_MOST_NAMED]) + more
