"""Numbers with their uncertainty and unit as people read them: "6.6 min (6.4 to 6.8)"."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nbops.render.values import numbers

_LABELS = {
    "mae": "MAE", "rmse": "RMSE", "median_ae": "median error", "p90_ae": "90 % error", "r2": "R²", "roc_auc": "ROC AUC", "f1": "F1",
    "f1_macro": "macro F1", "mcc": "MCC", "brier": "Brier score",
}  # fmt: skip


def label(name: str) -> str:
    """A metric's name as people write it."""
    return _LABELS.get(name, name.replace("_", " "))


def interval(shown: Sequence[str], unit: str) -> str:
    """A value and the ends of its interval, as `figures` gives them: "6.6 min (6.4 to 6.8)"."""
    return f"{with_unit(shown[0], unit)} ({shown[1]} to {shown[2]})"


def with_unit(text: str, unit: str) -> str:
    """A number with its unit, if it has one."""
    return f"{text} {unit}".rstrip()


def figures(values: Sequence[float], spread: float) -> list[str]:
    """Values with the decimals that two digits of their spread take, and more where different ones would look alike or like zero."""
    places = 0
    if spread > 0 and math.isfinite(spread):
        places = max(0, 1 - math.floor(math.log10(spread)))
    different = len({*values, 0.0})
    while places < 8 and len({0.0, *(round(value, places) for value in values)}) < different:
        places += 1
    return numbers([round(value, places) for value in values])
