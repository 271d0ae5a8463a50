"""What a model takes: its input columns, read from data once, and any frame brought into that form.

No value of a refused row appears in a message.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from nbops.errors import ModelError, NotFound, ParameterError, nearest
from nbops.records import Record

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["int", "float", "bool", "str", "category", "datetime", "other"]
Scalar = str | int | float | bool

CATEGORIES = 50
"""A column with more distinct values than this is described without them."""


class Column(Record):
    """One input column; `low`, `high` and `categories` are known only from reference data."""

    name: str
    kind: Kind
    nullable: bool
    low: float | None = None
    high: float | None = None
    categories: tuple[Scalar, ...] | None = None


class Signature(Record):
    """The columns that a model takes, in its order; when not `named` it was fitted on an array and takes an array."""

    columns: tuple[Column, ...]
    named: bool


def infer(
    model: object, *, example: object, reference: object, target: str | None
) -> tuple[Signature | None, Kind | None]:
    """The signature of a fitted model and the kind of its target, as far as the data tells.

    The rows are `reference` or else `example`: a DataFrame or an array (rows, columns), which may hold more than the model's
    columns. Only `reference` proves ranges, categories and missing values. Other inputs (texts, sparse matrices) have no signature.
    Raises NotFound or ModelError when model and data do not fit.
    """
    observed = reference is not None
    fitted = getattr(model, "feature_names_in_", None)
    frame = as_frame(reference if observed else example, fitted)
    if frame is None:
        return None, None
    wanted = list(fitted) if fitted is not None else [name for name in frame.columns if name != target]
    asked = [*wanted, target] if observed and target is not None else wanted
    missing = [str(name) for name in asked if name not in frame.columns]
    if missing:
        raise _missing(missing, frame)
    width = getattr(model, "n_features_in_", len(wanted))
    if width != len(wanted):
        raise ModelError(
            f"The model was fitted on {width} columns without names, and the data has {len(wanted)}.",
            hint="Pass the columns that it was fitted on, in their order: reference=train[features].",
        )
    columns = tuple(_column(frame[name], observed=observed) for name in wanted)
    named = fitted is not None or not hasattr(model, "n_features_in_")  # a step of the user's own may take names unseen
    return Signature(columns=columns, named=named), kind_of(frame[target]) if target in frame.columns else None


def as_frame(rows: object, fitted: Any) -> pd.DataFrame | None:
    """A DataFrame, or an array (rows, columns) with the names that a model was `fitted` on if these fit; None for anything else."""
    import numpy as np
    import pandas as pd

    if isinstance(rows, pd.DataFrame):
        return rows
    if not isinstance(rows, np.ndarray) or rows.ndim != 2:
        return None
    width = rows.shape[1]
    names = fitted if fitted is not None and len(fitted) == width else [f"x{at}" for at in range(width)]
    return pd.DataFrame(rows, columns=names)


def conform(frame: pd.DataFrame, signature: Signature) -> pd.DataFrame:
    """The columns of `signature` out of `frame` (n, any), in its order, as the model takes them; rows and index are kept.

    Text of pandas' own types becomes Python objects, on which scikit-learn's encoders are nearly three times as fast. A model fitted
    on an array takes columns by position when the names are not there. Raises NotFound naming the missing columns and ParameterError
    for text in a numeric column.
    """
    names = [column.name for column in signature.columns]
    if not signature.named and frame.shape[1] == len(names) and not {*names} <= {*frame.columns}:
        frame = frame.set_axis(names, axis="columns")
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise _missing(missing, frame)
    chosen = frame.loc[:, names]
    if chosen.shape[1] > len(names):
        twice = sorted({*chosen.columns[chosen.columns.duplicated()]})
        raise ParameterError(f"Columns that are there twice: {', '.join(twice)}.", hint="Drop or rename one of each.")
    casts = {column.name: _cast(chosen[column.name], column) for column in signature.columns}
    changed = {name: values for name, values in casts.items() if values is not None}
    return chosen.assign(**changed) if changed else chosen


def kind_of(values: pd.Series[Any]) -> Kind:
    """What a column holds, in whichever of pandas' types."""
    import pandas as pd
    from pandas.api import types

    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if types.is_object_dtype(dtype):
        return _OBJECTS.get(types.infer_dtype(values, skipna=True), "other")
    tests: tuple[tuple[Callable[[Any], bool], Kind], ...] = (
        (types.is_bool_dtype, "bool"), (types.is_integer_dtype, "int"), (types.is_float_dtype, "float"),
        (types.is_datetime64_any_dtype, "datetime"), (types.is_string_dtype, "str"),
    )  # fmt: skip
    return next((kind for test, kind in tests if test(dtype)), "other")


def scalar(value: object) -> Scalar:
    """A value as JSON can carry it: what it cannot becomes text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)
    return str(value)


_OBJECTS: dict[str, Kind] = {
    "string": "str", "boolean": "bool", "integer": "int", "floating": "float", "mixed-integer-float": "float",
    "decimal": "float", "datetime64": "datetime", "datetime": "datetime", "date": "datetime",
}  # fmt: skip
_NUMBERS = {"boolean", "integer", "floating", "mixed-integer-float", "decimal", "empty"}


def _column(values: pd.Series[Any], *, observed: bool) -> Column:
    import numpy as np

    name, kind = str(values.name), kind_of(values)
    if not observed:
        return Column(name=name, kind=kind, nullable=True)
    low = high = categories = None
    if kind in {"int", "float"}:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        numbers = numbers[np.isfinite(numbers)]
        low, high = (float(numbers.min()), float(numbers.max())) if numbers.size else (None, None)
    elif kind in {"str", "category"}:
        categories = _categories(values)
    return Column(name=name, kind=kind, nullable=bool(values.isna().any()), low=low, high=high, categories=categories)


def _categories(values: pd.Series[Any]) -> tuple[Scalar, ...] | None:
    if values.iloc[:10_000].nunique() > CATEGORIES:  # settles it at once for names and texts
        return None
    distinct = values.dropna().unique()
    return None if len(distinct) > CATEGORIES else tuple(sorted(map(scalar, distinct), key=str))


def _cast(values: pd.Series[Any], column: Column) -> pd.Series[Any] | None:
    """The values as the model takes them, or None when they are that already."""
    import numpy as np
    import pandas as pd

    if column.kind in {"int", "float", "bool"} and not pd.api.types.is_numeric_dtype(values.dtype):
        objects = values.astype(object)
        if pd.api.types.infer_dtype(objects, skipna=True) not in _NUMBERS:
            raise ParameterError(
                f"The column {column.name!r} holds {kind_of(values)} values, and the model takes numbers there.",
                hint="Convert it first, for example with pandas.to_numeric, and decide what becomes of what is no number.",
            )
        return objects.where(objects.notna(), np.nan).astype(np.float64)
    if isinstance(values.dtype, pd.StringDtype):
        return values.astype(object).where(values.notna(), np.nan)
    return None


def _missing(names: list[str], frame: pd.DataFrame) -> NotFound:
    known = [str(name) for name in frame.columns]
    near = [f"{close!r} for {name!r}" for name in names if (close := nearest(name, known))]
    return NotFound(
        f"Columns that are wanted and not in the data: {', '.join(names)}.",
        hint=f"Is it {', '.join(near)}?" if near else f"The data has: {', '.join(known) or 'no columns'}.",
    )
