"""Windows made up: predictions as they are logged, with labels that came."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import special

MONDAY = "2026-03-02"


def times(days: int, per_day: int, first: str = MONDAY) -> Any:
    """So many moments of each day, from midnight UTC on."""
    start = pd.Timestamp(first, tz="UTC")
    return [
        start + pd.Timedelta(days=day, seconds=second * (86_400 // per_day))
        for day in range(days)
        for second in range(per_day)
    ]


def numbers(rng: Any, days: int = 7, per_day: int = 100, *, spread: float = 1.0, bias: float = 0.0) -> pd.DataFrame:
    """Predictions of numbers that are off by `bias` and a normal error, whose size depends on the feature `wind`."""
    wind = rng.choice(["calm", "storm"], days * per_day)
    truth = rng.normal(100, 20, days * per_day)
    size = spread * np.where(wind == "storm", 3.0, 1.0)
    error = bias + size * rng.normal(size=len(truth))
    return pd.DataFrame(
        {
            "_time": times(days, per_day),
            "_prediction": truth + error,
            "_label": truth,
            "wind": wind,
            "distance": truth / 2,
        }
    )


def two_classes(
    rng: Any, days: int = 7, per_day: int = 100, *, shift: float = 0.0, concept: float = 0.0, daily: float = 0.3
) -> pd.DataFrame:
    """Answers of a model whose probabilities are too sure, on rows that lie `shift` away; `concept` changes what they come to."""
    day = np.repeat(np.arange(days), per_day)
    x = rng.normal(size=len(day)) + shift + daily * rng.normal(size=days)[day]
    came = rng.random(len(day)) < special.expit(1.5 * x - 0.7 - concept)
    yes = special.expit(0.8 * x - 0.2)
    return pd.DataFrame(
        {
            "_time": times(days, per_day),
            "_prediction": np.where(yes >= 0.5, "yes", "no"),
            "_p_no": 1 - yes,
            "_p_yes": yes,
            "_label": np.where(came, "yes", "no"),
            "x": x,
        }
    )


def three_classes(rng: Any, days: int = 7, per_day: int = 100, *, shift: float = 0.0) -> pd.DataFrame:
    """The same with three classes: what is given lies nearer to a third each than it should."""
    x = rng.normal(size=(days * per_day, 3)) + shift * np.array([1.0, 0.0, 0.0])
    true, given = special.softmax(2 * x, axis=1), special.softmax(x, axis=1)
    label = (true.cumsum(axis=1) < rng.random((len(x), 1))).sum(axis=1).clip(0, 2)
    names = np.array(["a", "b", "c"])
    told = {f"_p_{name}": given[:, place] for place, name in enumerate(names)}
    return pd.DataFrame(
        {"_time": times(days, per_day), "_prediction": names[given.argmax(axis=1)], **told, "_label": names[label]}
    )
