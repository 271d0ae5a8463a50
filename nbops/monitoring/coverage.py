"""Which rows of a window have a label, and whether those stand for the others: late labels and chosen ones tell another story."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nbops.evaluation.telling import share as percent
from nbops.records import Record
from nbops.render import values

if TYPE_CHECKING:
    import numpy.typing as npt

    from nbops.evaluation.arrays import Codes, Mask

LEAST_LABELS = 200
"""With fewer labels nothing is judged."""

MOST_MOVED = 0.1
"""Labels that differ from all rows by more than this share of them do not stand for the rest."""

_GROUPS = 10
_SMALL = 0.01

Trust = Literal["whole", "few", "partial", "none"]
"""`partial`: there are enough labels, but not those of all kinds of rows or of all days."""


class Day(Record):
    """A day of a window, as YYYY-MM-DD: how many rows it has, and how many with a label."""

    day: str
    rows: int
    labelled: int


class Coverage(Record):
    """How many of the rows have a label.

    `moved_days` and `moved_predictions` are the shares (0 to 1) of the labelled rows that would have to be others for them to be spread
    over the days, or over the predictions, as all rows are; what chance may do is no share.
    """

    rows: int
    labelled: int
    days: tuple[Day, ...]
    moved_days: float
    moved_predictions: float
    trust: Trust
    sentence: str

    @property
    def share(self) -> float:
        """The labelled part of the rows, 0 to 1."""
        return self.labelled / self.rows if self.rows else 0.0


def coverage(
    days: npt.NDArray[Any],
    predictions: npt.NDArray[Any],
    labelled: Mask,
    *,
    least: int = LEAST_LABELS,
    most_moved: float = MOST_MOVED,
) -> Coverage:
    """Which of n rows are labelled, by their days (n,) and by what was predicted (n,): numbers, or codes of classes.

    Labelled rows are held against all by total variation, over days and over ten groups of the predictions. It counts where a
    chi-square test of labelled against other rows says that it is not chance (p below 0.01).
    """
    import numpy as np

    codes, names = _coded(days)
    counts = np.bincount(codes, minlength=len(names)), np.bincount(codes[labelled], minlength=len(names))
    told = tuple(Day(str(name)[:10], int(rows), int(known)) for name, rows, known in zip(names, *counts, strict=True))
    by_day, by_prediction = _moved(codes, labelled), _moved(_groups(predictions), labelled)
    known = int(labelled.sum())
    trust: Trust = "whole"
    if not known:
        trust = "none"
    elif known < least:
        trust = "few"
    elif max(by_day, by_prediction) > most_moved:
        trust = "partial"
    sentence = _sentence(trust, len(labelled), told, (by_day, by_prediction), least)
    return Coverage(len(labelled), known, told, by_day, by_prediction, trust, sentence)


def _moved(codes: Codes, labelled: Mask) -> float:
    """The total variation between the labelled rows' groups and all rows', 0 where chance explains it."""
    import numpy as np
    from scipy.stats import chi2_contingency

    if not 0 < labelled.sum() < len(labelled):
        return 0.0
    every, known = np.bincount(codes), np.bincount(codes[labelled], minlength=int(codes.max()) + 1)
    table = np.array([known, every - known])[:, every > 0]
    if table.shape[1] < 2 or chi2_contingency(table, correction=False).pvalue >= _SMALL:
        return 0.0
    return float(np.abs(known / known.sum() - every / every.sum()).sum() / 2)


def _groups(predictions: npt.NDArray[Any]) -> Codes:
    """Ten groups of equally many numbers, or the codes as they are."""
    import numpy as np

    if predictions.dtype.kind != "f":
        return predictions.astype(np.int64)
    finite = predictions[np.isfinite(predictions)]
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, _GROUPS + 1)[1:-1])) if len(finite) else np.zeros(0)
    return np.searchsorted(edges, predictions).astype(np.int64)


def _coded(days: npt.NDArray[Any]) -> tuple[Codes, npt.NDArray[Any]]:
    import numpy as np

    names, codes = np.unique(days, return_inverse=True)
    return codes.astype(np.int64), names


def _sentence(trust: Trust, rows: int, days: tuple[Day, ...], moved: tuple[float, float], least: int) -> str:
    known = sum(day.labelled for day in days)
    if not rows:
        return "There are no rows."
    if not known:
        return f"None of {values.counted(rows, 'row')} has a label yet."
    some = f"{known:,} of {values.counted(rows, 'row')} ({percent(known / rows)}) have a label"
    if trust == "few":
        return f"{some}: too few to judge by, which takes {least:,}."
    if trust == "whole":
        return f"{some}."
    if moved[0] >= moved[1]:
        worst = min(days, key=lambda day: (day.labelled / day.rows, day.day))
        return (
            f"{some}, but not alike on all days: of {worst.day} {worst.labelled:,} of {worst.rows:,}. "
            f"{percent(moved[0])} of them would have to be of other days."
        )
    return f"{some}, but not of all kinds of rows: {percent(moved[1])} of them would have to be predicted otherwise to stand for all."
