"""The rows of a window as they were logged, in; the arrays that are judged, out: those whose truth is known, or all of them.

A frame has `_time`, `_prediction` (a number, or the class as text), `_p_<class>` where probabilities are known, `_decision` where there
is a rule, `_label`, which is missing until somebody tells it, and the features under their own names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nbops.errors import NotFound, UsageError
from nbops.evaluation import assessing
from nbops.evaluation.answers import Answers, Task
from nbops.evaluation.assessing import Asked
from nbops.evaluation.decision import DecisionRule
from nbops.records import Record

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from nbops.evaluation.arrays import Codes, Floats, Mask

    Dates = npt.NDArray[Any]


class PerUnitError(Record):
    """What an error of one unit of the target costs, in `unit`, on whichever side it is."""

    per_unit_error: float
    unit: str = ""

    def __post_init__(self) -> None:
        """Refuse what is no cost. Raises UsageError."""
        if not 0 < self.per_unit_error < float("inf"):
            raise UsageError(
                f"An error cannot cost {self.per_unit_error} per unit.", hint="Say what is lost, such as 2.5."
            )


class Question(Record):
    """How the predictions of a version are to be read and judged.

    `classes` are its classes as text, those of `_p_<class>`; empty for numbers. `unit` is the target's. `rule` decides between two
    classes, and its costs give the value line; of numbers `value` does. `slices` are features. Days begin at midnight in `zone`.
    """

    task: Task
    classes: tuple[str, ...] = ()
    unit: str = ""
    rule: DecisionRule | None = None
    value: PerUnitError | None = None
    slices: tuple[str, ...] = ()
    zone: str = "UTC"
    level: float = 0.95
    draws: int = 1000
    seed: int = 0


class Told(NamedTuple):
    """What was read of n rows: the `answers` of some of them, which those are (n,), and what could not be read, in sentences."""

    answers: Answers
    rows: Mask
    notes: tuple[str, ...]


def told(frame: pd.DataFrame, question: Question, *, which: Literal["labelled", "all"] = "labelled") -> Told:
    """The answers of the rows that have a label, or of all; without a label the truth that they hold means nothing.

    A prediction that is missing or not finite is left out, and so is a label that the model does not know; both are told. Raises
    NotFound for a column that is not there and UsageError for what cannot be numbers.
    """
    import dataclasses

    given = frame.reset_index(drop=True)
    found = _numbers(given) if question.task == "regression" else _classes(given, question)
    kept = found.rows & labelled(given) if which == "labelled" else found.rows
    notes = found.notes if which == "labelled" else found.notes[:1]
    whole = dataclasses.replace(found.answers, blocks=_blocks(given, question))
    if which == "labelled" and found.strange is not None:
        kept &= ~found.strange
    return Told(whole.take(kept), kept, tuple(note for note in notes if note))


def labelled(frame: pd.DataFrame) -> Mask:
    """Which rows (n,) have a label."""
    found: Mask = frame["_label"].notna().to_numpy() if "_label" in frame.columns else _none(len(frame))
    return found


def days(frame: pd.DataFrame, zone: str) -> Dates:
    """The day (n,) of each row where the clocks show `zone`."""
    found: Dates = local(frame, zone).dt.floor("D").to_numpy()
    return found


def local(frame: pd.DataFrame, zone: str) -> Any:
    """The times of the rows as the clocks show them in `zone`."""
    import pandas as pd

    times = pd.to_datetime(_column(frame, "_time"), utc=True)
    return times.dt.tz_convert(zone).dt.tz_localize(None)


class _Read(NamedTuple):
    """Answers of all rows, which of them are readable, what to say of the others, and whose label no class is."""

    answers: Answers
    rows: Mask
    notes: tuple[str, str]
    strange: Mask | None = None


def _numbers(frame: pd.DataFrame) -> _Read:
    import numpy as np

    predicted, truth = _floats(frame, "_prediction"), _floats(frame, "_label", missing=True)
    rows = np.isfinite(predicted)
    strange = np.isinf(truth)
    notes = (_left_out(~rows, "prediction is no number"), _left_out(strange, "label is infinite"))
    return _Read(Answers("regression", truth, predicted), rows, notes, strange)


def _classes(frame: pd.DataFrame, question: Question) -> _Read:
    import numpy as np

    classes = question.classes
    if len(classes) < 2:
        raise UsageError("The classes of the model are not told.", hint='Such as Question("binary", ("no", "yes")).')
    predicted = _codes(_column(frame, "_prediction"), classes)
    truth = _codes(frame["_label"], classes) if "_label" in frame.columns else np.full(len(frame), -1)
    rows = predicted >= 0
    probabilities = _probabilities(frame, classes)
    if probabilities is not None:
        rows = rows & np.isfinite(probabilities).all(axis=1)
    strange = labelled(frame) & (truth < 0)
    names = ", ".join(sorted({repr(str(one)) for one in frame.loc[strange, "_label"]})[:5]) if strange.any() else ""
    notes = (
        _left_out(~rows, "prediction is none of the classes, or no probability"),
        _left_out(strange, f"label is a class that the model does not know ({names})"),
    )
    answers = Answers(question.task, np.maximum(truth, 0), np.maximum(predicted, 0), probabilities, classes)
    return _Read(_decided(answers, question.rule), rows, notes, strange)


def _decided(answers: Answers, rule: DecisionRule | None) -> Answers:
    """As the laboratory counts them: decided by the rule where there are probabilities; its positive class is the last one."""
    if rule is None or rule.positive is None or answers.task != "binary":
        return answers
    if rule.response != "predict_proba" or answers.probabilities is None:
        return answers.decided(positive=str(rule.positive))
    return answers.decided(threshold=rule.threshold, positive=str(rule.positive))


def _blocks(frame: pd.DataFrame, question: Question) -> Codes | None:
    """Days, or of less than five of them hours or minutes, in their order: what makes rows depend on each other."""
    import numpy as np

    if not len(frame):
        return None
    times = local(frame, question.zone).to_frame("_time")
    order = times["_time"].argsort(kind="stable").to_numpy()
    found = assessing.blocks_of(times.iloc[order], Asked(target="", time="_time"))
    return None if found is None else found[np.argsort(order)]


def _probabilities(frame: pd.DataFrame, classes: tuple[str, ...]) -> Floats | None:
    import numpy as np

    names = [f"_p_{one}" for one in classes]
    missing = [name for name in names if name not in frame.columns]
    if len(missing) == len(names):
        return None
    if missing:
        raise NotFound(
            f"The predictions have no column {missing[0]!r}.", hint="Log the probabilities of all classes, or of none."
        )
    return np.column_stack([_floats(frame, name) for name in names])


def _codes(labels: Any, classes: tuple[str, ...]) -> Codes:
    """Places of labels (n,) among the classes; -1 for what is missing or none of them."""
    import numpy as np
    import pandas as pd

    known = pd.Series(labels).astype("object")
    texts = known.where(known.isna(), known.astype(str))
    return np.asarray(pd.Index(np.array(classes, dtype=object)).get_indexer(pd.Index(texts)), dtype=np.int64)


def _floats(frame: pd.DataFrame, name: str, *, missing: bool = False) -> Floats:
    import numpy as np
    import pandas as pd

    if missing and name not in frame.columns:
        return np.full(len(frame), np.nan)
    try:
        found: Floats = pd.to_numeric(_column(frame, name)).to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{name!r} holds what is no number: {error}.",
            hint="A model with classes has the task binary or multiclass.",
        ) from error
    return found


def _column(frame: pd.DataFrame, name: str) -> Any:
    if name not in frame.columns:
        raise NotFound(f"The rows have no column {name!r}.", hint="Give the rows of a window as they were logged.")
    return frame[name]


def _left_out(rows: Mask, why: str) -> str:
    count = int(rows.sum())
    return f"{count:,} {'row is' if count == 1 else 'rows are'} left out, whose {why}." if count else ""


def _none(rows: int) -> Mask:
    import numpy as np

    return np.zeros(rows, dtype=bool)
