"""What a model's answers lead to: one frozen rule for batch, online and SQL, which all decide alike, to the last bit.

A score on the threshold is positive, as in scikit-learn. Whatever is missing, and whatever falls into the reject band, is left to a
person: the decision is None.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from nbops.duck import literal
from nbops.errors import ModelError, UsageError
from nbops.records import Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nbops.evaluation.arrays import Floats

    Decisions = npt.NDArray[np.object_]

Label = str | int | float | bool
Response = Literal["predict_proba", "decision_function"]


class Costs(Record):
    """What one row costs by its outcome, in `unit`; a decision that is right costs nothing unless said, and may be a gain (below 0)."""

    false_positive: float
    false_negative: float
    true_positive: float = 0.0
    true_negative: float = 0.0
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no cost, and wrong decisions that cost no more than right ones. Raises UsageError."""
        known = (self.false_positive, self.false_negative, self.true_positive, self.true_negative)
        if not all(map(math.isfinite, known)):
            raise UsageError("A cost is not a finite number.", hint="Say what one row costs, such as 5.0.")
        if self.false_positive <= self.true_negative or self.false_negative <= self.true_positive:
            raise UsageError(
                "A wrong decision costs no more than the right one, so there is nothing to choose.",
                hint="Costs are positive for what is lost: false_positive above true_negative, false_negative above true_positive.",
            )

    def of(self, tn: Any, fp: Any, fn: Any, tp: Any) -> Any:
        """What so many rows of each outcome cost together: numbers, or arrays of them."""
        positive = tp * self.true_positive + fp * self.false_positive
        return positive + fn * self.false_negative + tn * self.true_negative


class DecisionRule(Record):
    """How answers become decisions; one for each version of a model.

    With two classes: `positive` is decided when its score is at least `threshold`. A `reject` band (low, high) takes the threshold's
    place: below low the other class, from high on the positive one, between them nobody's. With more classes `positive` is None, and
    the most probable class is decided unless its probability is below `least`. `chosen_on` is the digest of the data that it was chosen
    on, or a word for it: a review tells when a version is judged on the same.
    """

    positive: Label | None = None
    threshold: float = 0.5
    reject: tuple[float, float] | None = None
    least: float | None = None
    response: Response = "predict_proba"
    costs: Costs | None = None
    chosen_on: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant. Raises UsageError."""
        if not math.isfinite(self.threshold):
            raise UsageError(
                f"A threshold of {self.threshold} decides nothing.", hint="Give a finite number, such as 0.5."
            )
        if self.reject is not None and not -math.inf < self.reject[0] <= self.threshold <= self.reject[1] < math.inf:
            raise UsageError(
                f"The reject band {self.reject} does not enclose the threshold {self.threshold}.",
                hint="Give (low, high) with low <= threshold <= high.",
            )
        if self.positive is None and (self.reject is not None or self.response != "predict_proba"):
            raise UsageError(
                "A rule without a positive class decides by the most probable class, and has no reject band and no scores.",
                hint="Name the positive class, or give `least`, the least probability that is decided on.",
            )
        if self.least is not None and (self.positive is not None or not 0 <= self.least <= 1):
            raise UsageError(
                f"least={self.least} is for three classes or more, as a probability.",
                hint="With two classes give a reject band: reject=(0.4, 0.6).",
            )


def decide(rule: DecisionRule, probabilities: npt.ArrayLike, classes: Sequence[Label]) -> Decisions:
    """The class decided for each row, or None where a person has to look; shape (n,).

    `probabilities` are what the rule's `response` method of the model gives: (n, k) in the order of `classes`, or the values of
    decision_function (n,). Probabilities of shape (n,) are the positive class's. Numbers are compared as doubles. Raises UsageError
    when shape, classes and rule do not belong together.
    """
    import numpy as np

    known = np.asarray(probabilities, dtype=np.float64)
    labels = _labels(rule, classes)
    if rule.positive is None:
        return _most_probable(rule, known, labels)
    place = labels.index(rule.positive)
    scores = _scores(rule, known, place)
    low, high = _bounds(rule)
    decided = np.full(len(scores), None, dtype=object)
    decided[scores >= high] = labels[place]
    decided[scores < low] = labels[1 - place]
    return decided


def sql(rule: DecisionRule, columns: str | Sequence[str], classes: Sequence[Label]) -> str:
    """A SQL expression of DuckDB that decides as `decide` does, NULL where that says None.

    With two classes `columns` is an expression of the positive class's probability, or of the decision function's value; with more,
    one for each of `classes`. A name has to come quoted. Raises UsageError as `decide` does.
    """
    labels = _labels(rule, classes)
    asked = [columns] if isinstance(columns, str) else [*columns]
    if len(asked) != (len(labels) if rule.positive is None else 1):
        raise UsageError(
            f"{len(asked)} columns for {len(labels)} classes.",
            hint="Give the positive class's column, or with three classes and more a column for each.",
        )
    if rule.positive is None:
        return _most_probable_sql(rule, asked, labels)
    place = labels.index(rule.positive)
    low, high = _bounds(rule)
    score = f"({asked[0]})::double"
    if rule.response == "decision_function" and place == 0:
        score = f"(-{score})"
    # To DuckDB a NaN is the largest number.
    return (
        f"case when {score} is null or isnan({score}) then null when {score} >= {_double(high)} then {_literal(labels[place])} "
        f"when {score} < {_double(low)} then {_literal(labels[1 - place])} end"
    )


def of_estimator(model: object) -> DecisionRule | None:
    """The rule inside a fitted model that brings its own threshold; None when it brings none.

    Reads scikit-learn's TunedThresholdClassifierCV and FixedThresholdClassifier, as the model itself, as the last step of a pipeline or
    as what a search found best. The rule is tried against the model's own predict on scores about the threshold. Raises ModelError when
    it is not fitted, or decides otherwise than a rule can say.
    """
    from sklearn.exceptions import NotFittedError
    from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
    from sklearn.utils.validation import check_is_fitted

    found = _last(model)
    if not isinstance(found, FixedThresholdClassifier | TunedThresholdClassifierCV):
        return None
    inner = getattr(found, "estimator_", found.estimator)
    try:
        check_is_fitted(inner)
    except NotFittedError as error:
        raise ModelError(
            "The model's threshold is not known before it is fitted.", hint="Fit the model first."
        ) from error
    response: Response = "predict_proba" if _answers_probabilities(found, inner) else "decision_function"
    given = found.best_threshold_ if isinstance(found, TunedThresholdClassifierCV) else found.threshold
    threshold = float({"predict_proba": 0.5, "decision_function": 0.0}[response] if isinstance(given, str) else given)
    kind = type(found).__name__
    if not math.isfinite(threshold):
        raise _unspoken(f"The threshold of {kind} is {threshold}, which decides nothing.")
    labels = [_plain(label) for label in inner.classes_]
    why = f"found by scikit-learn's {kind}" if isinstance(found, TunedThresholdClassifierCV) else f"set in {kind}"
    for positive in reversed(labels):
        rule = DecisionRule(positive=positive, threshold=threshold, response=response, why=why)
        if _agrees(rule, found, inner, labels):
            return rule
    raise _unspoken(f"{kind} decides otherwise than by a threshold on {response} at {threshold}.")


def _labels(rule: DecisionRule, classes: Sequence[Label]) -> list[Label]:
    labels = [_plain(label) for label in classes]
    if rule.positive is None:
        if len(labels) < 2:
            raise UsageError("There is nothing to decide with one class.", hint="Give all classes of the model.")
    elif len(labels) != 2 or rule.positive not in labels:
        raise UsageError(
            f"The rule's positive class {rule.positive!r} is not one of two classes {labels!r}.",
            hint="Use the rule with the model it was chosen for.",
        )
    return labels


def _scores(rule: DecisionRule, known: Floats, place: int) -> Floats:
    if known.ndim == 1:
        # A decision function speaks for the second class.
        return -known if rule.response == "decision_function" and place == 0 else known
    if known.ndim == 2 and known.shape[1] == 2 and rule.response == "predict_proba":
        return known[:, place]
    raise UsageError(
        f"{rule.response} of two classes does not have the shape {known.shape}.",
        hint="Pass what the model answers: predict_proba (n, 2), or decision_function (n,).",
    )


def _bounds(rule: DecisionRule) -> tuple[float, float]:
    return rule.reject or (rule.threshold, rule.threshold)


def _most_probable(rule: DecisionRule, known: Floats, labels: Sequence[Label]) -> Decisions:
    import numpy as np

    if known.ndim != 2 or known.shape[1] != len(labels):
        raise UsageError(
            f"Probabilities of {len(labels)} classes do not have the shape {known.shape}.",
            hint="Pass what the model's predict_proba answers: (n, classes).",
        )
    choice = np.empty(len(labels), dtype=object)
    choice[:] = labels
    top = known.argmax(axis=1)
    decided: Decisions = choice[top]
    unsure = np.isnan(known).any(axis=1)
    if rule.least is not None:
        unsure |= known[np.arange(len(known)), top] < rule.least
    decided[unsure] = None
    return decided


def _most_probable_sql(rule: DecisionRule, columns: Sequence[str], labels: Sequence[Label]) -> str:
    scores = [f"({column})::double" for column in columns]
    missing = " or ".join(f"{score} is null or isnan({score})" for score in scores)
    top = f"greatest({', '.join(scores)})"
    unsure = f" when {top} < {_double(rule.least)} then null" if rule.least is not None else ""
    first = " ".join(
        f"when {score} = {top} then {_literal(label)}" for score, label in zip(scores, labels, strict=True)
    )
    return f"case when {missing} then null{unsure} {first} end"


def _double(value: float) -> str:
    """A double in SQL; without the cast it would be a decimal."""
    return f"{literal(repr(value))}::double"


def _literal(label: Label) -> str:
    if isinstance(label, str):
        return literal(label)
    return str(label).lower() if isinstance(label, bool) else _double(label) if isinstance(label, float) else str(label)


def _plain(label: Any) -> Label:
    """A label without numpy."""
    plain = label.item() if hasattr(label, "item") else label
    if not isinstance(plain, str | int | float | bool):
        raise UsageError(
            f"A class of type {type(plain).__name__} cannot be kept in a rule.",
            hint="Label the classes with text, numbers or booleans.",
        )
    return plain


def _last(model: Any) -> Any:
    """The estimator that has the last word."""
    while True:
        if getattr(model, "steps", None):
            model = model.steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model


def _answers_probabilities(found: Any, inner: Any) -> bool:
    asked: str = found.response_method
    return asked == "predict_proba" or (asked == "auto" and hasattr(inner, "predict_proba"))


def _agrees(rule: DecisionRule, found: Any, inner: Any, labels: Sequence[Label]) -> bool:
    """Whether the model decides as the rule does, for scores that lie on the threshold, next to it and far from it.

    What scikit-learn takes for the positive class may be hidden in a scorer; it shows in what is decided.
    """
    import numpy as np
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Echo(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
        """Answers with what it is asked."""

        def fit(self, _: object, classes: object) -> Echo:
            self.classes_ = classes
            return self

        def predict_proba(self, answers: Floats) -> Floats:
            return answers

        def decision_function(self, answers: Floats) -> Floats:
            return answers[:, 1]

    at = rule.threshold
    near = [at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf), -at, 0.0, 0.5, 1.0, at - 1, at + 1]
    answers = np.array([(one, two) for one in near for two in near])
    tried = copy.copy(found).set_params(response_method=rule.response)
    tried.estimator = tried.estimator_ = Echo().fit(None, inner.classes_)
    decided = [_plain(label) for label in tried.predict(answers)]
    ours = decide(rule, answers if rule.response == "predict_proba" else answers[:, 1], labels)
    return decided == [*ours]


def _unspoken(message: str) -> ModelError:
    return ModelError(
        message,
        hint="Register the model without its threshold, and choose a rule: nbops.choose_threshold(model, data, …).",
    )
