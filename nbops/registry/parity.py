"""ONNX behind a gate: a copy of a model for other runtimes, kept only when it was seen to predict as the model does.

What flows in are a fitted model and rows; what flows out are the bytes and a verdict with its figures. The copy is never what a version
is made of: it computes in 32 bits, and the model stays the truth. Needs the extra `onnx`.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nbops.errors import ModelError
from nbops.records import Record

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ROWS = 10_000
"""Rows that are compared at least; fewer given ones are drawn again and again."""
LARGEST = 1e-4
"""How far a probability may be off; of a regression, in standard deviations of its predictions."""
_LIBRARIES = ("skl2onnx", "onnx", "onnxruntime")
_BORDERS = 50
_HOLED = 200


class Verdict(Record):
    """What the comparison gave: rows by kind, what the model itself does not take, the largest difference, and changed decisions.

    `changed` counts rows with another class; a regression decides nothing.
    """

    accepted: bool
    why: str
    rows: dict[str, int]
    untaken: tuple[str, ...]
    largest: float
    changed: int
    versions: dict[str, str]


def export(model: Any, rows: pd.DataFrame | np.ndarray[Any, Any]) -> tuple[bytes, Verdict]:
    """The model as ONNX, and whether it may be used. Raises ModelError when it cannot be written, or the extra is not installed."""
    data = _convert(model, rows)
    return data, compare(model, data, rows)


def compare(model: Any, data: bytes, rows: pd.DataFrame | np.ndarray[Any, Any], *, seed: int = 0) -> Verdict:
    """Hold ONNX bytes against the model: on the rows, and on rows with gaps, unseen categories and values at the borders of splits."""
    counts: dict[str, int] = {}
    untaken: list[str] = []
    largest, changed = 0.0, 0
    scale = None
    for kind, some in _probes(rows, seed):
        try:
            expected, decisions = _predict(model, some)
        except (TypeError, ValueError):  # the model itself refuses gaps or unseen categories
            untaken.append(kind)
            continue
        found, decided = _run(data, some, len(expected))
        counts[kind] = len(some)
        if decisions is None and scale is None:
            scale = float(expected.std()) or 1.0
        largest = max(largest, _distance(expected, found) / (scale or 1.0))
        if decisions is not None:
            changed += int((decisions.astype(str) != decided.astype(str)).sum())
    why = _why(largest, changed)
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return Verdict(
        accepted=not why,
        why=why,
        rows=counts,
        untaken=tuple(untaken),
        largest=largest,
        changed=changed,
        versions=versions,
    )


def _why(largest: float, changed: int) -> str:
    if changed:
        return f"{changed} rows are decided otherwise."
    if not largest <= LARGEST:
        return f"Predictions differ by up to {largest:.2g}, and {LARGEST:g} are allowed."
    return ""


def _convert(model: Any, rows: Any) -> bytes:
    import pandas as pd

    try:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    except ImportError as error:
        raise ModelError("ONNX needs packages that are not installed.", hint="pip install 'nbops[onnx]'") from error
    if isinstance(rows, pd.DataFrame):
        kinds = [
            (str(name), (FloatTensorType if _is_number(rows[name]) else StringTensorType)([None, 1])) for name in rows
        ]
    else:
        kinds = [("rows", FloatTensorType([None, rows.shape[1]]))]
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    try:
        return bytes(to_onnx(model, initial_types=kinds, options=options).SerializeToString())
    except (RuntimeError, NameError, TypeError, ValueError, AttributeError, KeyError, NotImplementedError) as error:
        raise ModelError(
            f"The {type(model).__name__} cannot be written as ONNX: {error}",
            hint="Serve the model itself: ONNX is a copy for other runtimes, for the models that it knows.",
        ) from error


def _predict(model: Any, rows: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    import numpy as np

    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(rows), dtype=float), np.asarray(model.predict(rows))
    if hasattr(model, "classes_"):
        raise ModelError(
            "A classifier without probabilities cannot be compared.",
            hint="Calibrate it: CalibratedClassifierCV(model).",
        )
    return np.asarray(model.predict(rows), dtype=float), None


def _run(data: bytes, rows: Any, count: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What ONNX's runtime gives: values as the model's, and decisions."""
    import numpy as np
    import onnxruntime
    import pandas as pd

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    feeds: dict[str, Any] = {}
    if isinstance(rows, pd.DataFrame):
        for name in rows:
            number = _is_number(rows[name])
            values = (
                rows[name].to_numpy(dtype=np.float32) if number else rows[name].astype(object).fillna("").to_numpy()
            )
            feeds[str(name)] = values.reshape(-1, 1)
    else:
        feeds["rows"] = np.asarray(rows, dtype=np.float32)
    answers = session.run(None, feeds)
    values = np.asarray(answers[-1], dtype=float)
    return (values.reshape(count, -1) if len(answers) > 1 else values.reshape(count)), np.asarray(answers[0]).ravel()


def _distance(expected: np.ndarray[Any, Any], found: np.ndarray[Any, Any]) -> float:
    """The largest difference; infinite where one of the two is no number."""
    import numpy as np

    found = found.reshape(expected.shape)
    if (np.isfinite(expected) != np.isfinite(found)).any():
        return float("inf")
    return float(np.nanmax(np.abs(expected - found), initial=0.0))


def _probes(rows: Any, seed: int) -> Iterator[tuple[str, Any]]:
    """Kinds of rows: as given, with gaps, with unseen categories, and at the borders where 32 bits may fall on the other side."""
    import numpy as np
    import pandas as pd

    chance = np.random.default_rng(seed)
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)

    def back(some: pd.DataFrame) -> Any:
        return some if isinstance(rows, pd.DataFrame) else some.to_numpy()

    more = max(0, ROWS - len(frame))
    drawn = frame.iloc[chance.integers(0, len(frame), more)]
    yield "given", back(pd.concat([frame, drawn], ignore_index=True))
    numbers = [name for name in frame if _is_number(frame[name])]
    texts = [name for name in frame if name not in numbers]
    some = frame.iloc[chance.integers(0, len(frame), min(_HOLED, ROWS))].reset_index(drop=True)
    if numbers:
        holed = [_put(some, name, np.nan) for name in numbers]
        yield "gaps", back(pd.concat(holed, ignore_index=True))
        yield "borders", back(_borders(frame, some, numbers))
    if texts:
        yield (
            "unseen categories",
            back(pd.concat([_put(some, name, "\u2203 never seen") for name in texts], ignore_index=True)),
        )


def _borders(frame: pd.DataFrame, some: pd.DataFrame, numbers: list[Any]) -> pd.DataFrame:
    """Rows whose values lie where trees split, halfway between two seen ones: there, and one 32-bit step to each side."""
    import numpy as np
    import pandas as pd

    found = []
    for name in numbers:
        seen = np.unique(frame[name].dropna().to_numpy(dtype=float))
        if len(seen) < 2:
            continue
        chosen = np.linspace(0, len(seen) - 2, min(_BORDERS, len(seen) - 1)).astype(int)
        halves = (seen[chosen] + seen[chosen + 1]) / 2
        near = halves.astype(np.float32)
        steps = [np.nextafter(near, np.float32(side)).astype(float) for side in (-np.inf, np.inf)]
        values = np.concatenate([halves, near.astype(float), *steps])
        found.append(_put(some.iloc[np.arange(len(values)) % len(some)].reset_index(drop=True), name, values))
    return pd.concat(found, ignore_index=True) if found else some


def _put(frame: pd.DataFrame, name: Any, values: Any) -> pd.DataFrame:
    changed = frame.copy()
    changed[name] = values
    return changed


def _is_number(values: pd.Series[Any]) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(values.dtype))
