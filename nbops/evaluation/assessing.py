"""A model and rows with known truth in, an `Assessment` out: everything that this package measures, measured at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nbops.errors import NbopsError, NotFound, UsageError, nearest
from nbops.evaluation.answers import Answers, answers, losses
from nbops.evaluation.assessment import Assessment, WorstRow
from nbops.evaluation.assumptions import Assumption, hold
from nbops.evaluation.bootstrap import intervals
from nbops.evaluation.calibration import calibrate, calibrate_regression
from nbops.evaluation.decision import DecisionRule
from nbops.evaluation.fairness import fairness, protected
from nbops.evaluation.importance import importance
from nbops.evaluation.metrics import METRICS, measure, metric
from nbops.evaluation.slices import by_slices
from nbops.evaluation.telling import Scale, label
from nbops.evaluation.worst import worst_rows, worst_slices
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from nbops.evaluation.arrays import Codes, Floats

FEWEST_DAYS = 5
"""Rows of fewer days than these are parted by hours or minutes."""
_FIELDS = 12
_SEARCHED_ROWS = 200
_DEALT_ROWS = 2500


class Asked(Record):
    """What an evaluation is to look at, by the names of columns.

    `slices` and `protected` are columns whose values part the rows, a pair in `protected` both together. `time` or `groups` names what
    makes rows depend on each other. `metric` is the one to go by, `unit` that of the target. At most `most` rows are taken.
    """

    target: str
    slices: tuple[str, ...] = ()
    protected: tuple[str | tuple[str, str], ...] = ()
    time: str | None = None
    groups: str | None = None
    metric: str | None = None
    unit: str = ""
    rule: DecisionRule | None = None
    assumptions: tuple[Assumption, ...] = ()
    most: int = 100_000
    seed: int = 0


def rows_of(frame: pd.DataFrame, asked: Asked) -> pd.DataFrame:
    """The rows (n, any) that are judged: those with truth, at most `asked.most`, of which whole blocks are drawn.

    Raises NotFound for columns that are not there and UsageError when no row has a truth.
    """
    import numpy as np

    for name in named(asked):
        _known(frame, name)
    kept = frame.loc[frame[asked.target].notna()].reset_index(drop=True)
    if not len(kept):
        raise UsageError(
            f"No row has a value in {asked.target!r}.", hint="Evaluate on rows of which the truth is known by now."
        )
    if len(kept) <= asked.most:
        return kept
    rng = np.random.default_rng(asked.seed)
    blocks = blocks_of(kept, asked)
    if blocks is None:
        chosen = np.sort(rng.choice(len(kept), asked.most, replace=False))
    else:
        sizes = np.bincount(blocks)
        order = rng.permutation(len(sizes))
        whole = order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), asked.most, side="right")))]
        chosen = np.flatnonzero(np.isin(blocks, whole))
    return kept.iloc[chosen].reset_index(drop=True)


def blocks_of(frame: pd.DataFrame, asked: Asked) -> Codes | None:
    """Codes (n,) of what makes rows depend on each other: the group, or the day, and of less than five days the hour or the minute."""
    import pandas as pd

    if asked.groups is not None:
        return _codes(frame[asked.groups])
    if asked.time is None:
        return None
    try:
        times = pd.to_datetime(frame[asked.time], utc=True)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{asked.time!r} holds no times: {error}.", hint="Name a column of times, or give it as `groups`."
        ) from error
    found = _codes(times.dt.floor("D"))
    for shorter in ("h", "min"):
        if len(set(found.tolist())) >= FEWEST_DAYS:
            break
        found = _codes(times.dt.floor(shorter))
    return found


def assess(
    model: Any, frame: pd.DataFrame, features: Callable[[pd.DataFrame], Any], asked: Asked
) -> tuple[Assessment, Answers]:
    """Hold `model` against the rows of `frame` (n, any), as `rows_of` gives them; `features` makes of such a frame what the model takes.

    Gives what was measured, and the model's answers that it was measured on. Raises NotFound, UsageError, and ModelError for answers that
    cannot be judged. What only some rows do not allow becomes a note.
    """
    asking = _Assessing(model, frame, features, asked)
    return asking.whole(), asking.found


def answered(model: Any, frame: pd.DataFrame, features: Callable[[pd.DataFrame], Any], asked: Asked) -> Answers:
    """What the model answers for these rows, decided by the rule; in blocks where rows depend on each other."""
    found = answers(model, features(frame), frame[asked.target])
    rule = asked.rule
    if rule is not None and found.task == "binary" and rule.positive is not None and rule.response == "predict_proba":
        found = found.decided(threshold=rule.threshold, positive=rule.positive)
    return dataclasses.replace(found, blocks=blocks_of(frame, asked))


def default_metric(found: Answers) -> str:
    """What a model is judged by when nobody says so."""
    if found.task == "regression":
        return "mae"
    return "accuracy" if found.probabilities is None else "log_loss"


def by_row(found: Answers, name: str) -> tuple[Floats | None, Scale]:
    """Values (n,) of which the metric is the mean, if there are such, and what it measures without its unit."""
    import numpy as np

    scale = Scale(label(name), "", metric(found.task, name).better)
    right: Floats = (found.predicted == found.truth).astype(np.float64)
    if name == "accuracy":
        return right, scale
    exact = name == "mae" or (name == "log_loss" and found.probabilities is not None)
    return losses(found) if exact else None, scale


class _Assessing:
    """One model and its rows, asked once."""

    def __init__(self, model: Any, frame: pd.DataFrame, features: Callable[[pd.DataFrame], Any], asked: Asked) -> None:
        self.model, self.frame, self.asked = model, frame, asked
        self.given = features(frame)
        self.found = answered(model, frame, lambda _: self.given, asked)
        self.metric = metric(self.found.task, asked.metric or default_metric(self.found)).name
        each, scale = by_row(self.found, self.metric)
        unit = asked.unit if metric(self.found.task, self.metric).unit == "target" else ""
        self.each, self.scale = each, Scale(scale.name, unit, scale.better)
        self.notes: list[str] = []

    def whole(self) -> Assessment:
        asked, found = self.asked, self.found
        names = [one.name for one in METRICS[found.task]]
        return Assessment(
            task=found.task,
            target=asked.target,
            unit=asked.unit,
            metric=self.metric,
            given=len(self.frame),
            rows=found.rows,
            without_truth=found.without_truth,
            by=asked.groups or asked.time,
            blocks=None if found.blocks is None else len(set(found.blocks.tolist())),
            rule=asked.rule,
            classes=tuple(map(str, found.classes)),
            metrics=tuple(intervals(found, names).values()),
            slices=self._or_note("Slices", self._slices) or (),
            fairness=self._or_note("Fairness", self._fairness) or (),
            worst=self._or_note("The worst slices", self._worst) or (),
            worst_rows=self._worst_rows(),
            calibration=self._or_note("Calibration", self._calibration),
            regression=self._or_note("Calibration", self._regression),
            importance=self._or_note("Importance", self._importance) or (),
            assumptions=hold(self.frame, asked.assumptions) if asked.assumptions else (),
            notes=tuple(self.notes),
        )

    def _or_note(self, what: str, told: Callable[[], Any]) -> Any:
        """What is found, or None with a note that says why not."""
        try:
            return told()
        except NbopsError as error:
            self.notes.append(f"{what}: {error.message}")
            return None

    def _slices(self) -> Any:
        if not self.asked.slices:
            return ()
        each: Any = self.each
        given = each if each is not None else lambda rows: measure(self.found.take(rows), [self.metric])[self.metric]
        return by_slices(self.frame, self.asked.slices, given, scale=self.scale, blocks=self.found.blocks)

    def _fairness(self) -> Any:
        if not self.asked.protected:
            return ()
        groups = protected(self.frame, self.asked.protected)
        return fairness(
            groups, self.found.truth, self.found.predicted, task=self.found.task, blocks=self.found.blocks,
            unit=self.asked.unit,
        )  # fmt: skip

    def _worst(self) -> Any:
        if self.found.rows < _SEARCHED_ROWS:
            return ()
        told = Scale("mean error" if self.found.task == "regression" else "mean loss", self._unit_of_loss())
        columns = [name for name in self.frame.columns if name != self.asked.target]
        return worst_slices(self.frame, losses(self.found), columns=columns, scale=told, blocks=self.found.blocks)

    def _unit_of_loss(self) -> str:
        return self.asked.unit if self.found.task == "regression" else ""

    def _worst_rows(self) -> tuple[WorstRow, ...]:
        lost = losses(self.found)
        names = list(getattr(self.given, "columns", ()))[:_FIELDS]
        shown = [(name, self.frame[name]) for name in names if name in self.frame.columns]
        return tuple(
            WorstRow(
                row=int(place),
                truth=self._text(self.found.truth[place]),
                predicted=self._text(self.found.predicted[place]),
                loss=float(lost[place]),
                fields={str(name): values.shorten(values.text(column.iloc[place]), 60) for name, column in shown},
            )
            for place in worst_rows(lost)
        )

    def _text(self, value: Any) -> str:
        return str(self.found.classes[int(value)]) if self.found.classes else values.number(float(value))

    def _calibration(self) -> Any:
        if self.found.probabilities is None:
            return None
        return calibrate(self.found.truth, self.found.probabilities, blocks=self.found.blocks)

    def _regression(self) -> Any:
        if self.found.task != "regression":
            return None
        found = self.found
        return calibrate_regression(found.truth, found.predicted, unit=self.asked.unit, blocks=found.blocks)

    def _importance(self) -> Any:
        if not hasattr(self.given, "columns"):
            raise UsageError("the model does not know its columns by name.", hint="Fit it on a DataFrame.")
        if len(self.given) < 2:
            return ()
        return importance(self.given, self._answers, self._measured, scale=self.scale, most=_DEALT_ROWS)

    def _answers(self, features: pd.DataFrame) -> Any:
        """What the metric is computed from: probabilities where there are such, else predictions."""
        return (self.model.predict if self.found.probabilities is None else self.model.predict_proba)(features)

    def _measured(self, given: np.ndarray[Any, Any], rows: Any) -> float:
        import numpy as np

        taken = dataclasses.replace(self.found.take(rows), blocks=None)
        if self.found.probabilities is None:
            told = given if not self.found.classes else _coded(given, self.found.classes)
            taken = dataclasses.replace(taken, predicted=np.asarray(told).reshape(len(rows)))
        else:
            flipped = self._flipped
            known = given[:, ::-1] if flipped else given
            threshold = self.asked.rule.threshold if self.asked.rule is not None else 0.5
            likely = (known[:, 1] >= threshold).astype(np.int64) if known.shape[1] == 2 else known.argmax(axis=1)
            taken = dataclasses.replace(taken, probabilities=known, predicted=likely)
        return measure(taken, [self.metric])[self.metric]

    @property
    def _flipped(self) -> bool:
        """Whether the positive class is the model's first one."""
        own = [one.item() if hasattr(one, "item") else one for one in self.model.classes_]
        return len(own) == 2 and tuple(own) != self.found.classes


def _coded(labels: Any, classes: Sequence[Any]) -> Any:
    import numpy as np

    places = {one: place for place, one in enumerate(classes)}
    return np.array([places[one] for one in np.asarray(labels).tolist()])


def named(asked: Asked) -> list[str]:
    """The columns that a question names, the target first."""
    flat = [name for one in asked.protected for name in ([one] if isinstance(one, str) else one)]
    more = [name for name in (asked.time, asked.groups) if name is not None]
    return [asked.target, *asked.slices, *flat, *more]


def _known(frame: pd.DataFrame, name: str) -> None:
    if name not in frame.columns:
        near = nearest(name, map(str, frame.columns))
        raise NotFound(
            f"The rows have no column {name!r}.",
            hint=f"Did you mean {near!r}?" if near else f"They have: {', '.join(map(str, frame.columns[:20]))}.",
        )


def _codes(column: Any) -> Codes:
    import numpy as np
    import pandas as pd

    found: Codes = pd.factorize(column, use_na_sentinel=False)[0].astype(np.int64)
    return found
