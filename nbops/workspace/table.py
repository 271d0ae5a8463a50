"""A table as `nbops init` needs to know it: what the target asks for, and what each of the other columns is good for.

All rows are read of the target, and the first of the other columns.
"""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nbops.errors import NotFound, UsageError
from nbops.records import Record
from nbops.workspace.source import Source, column, is_text, sample

if TYPE_CHECKING:
    import pandas as pd

    Values = pd.Series[Any]

FEW = 30
"""With more distinct values long texts are prose and numbered ids are ids; with fewer both can be categories."""
MOST_CLASSES = 100
FEWEST_ROWS = 10
RARE = 3
"""A class with fewer rows than this can be neither learned nor tested."""

Kind = Literal["classification", "regression"]
Task = Literal["binary", "multiclass", "regression"]
Use = Literal["number", "category"]
Reason = Literal["constant", "empty", "unique", "identifier", "text", "date", "nested", "odd"]
Label = Literal["int", "bool", "str"]
Options = dict[str, Any]


class Target(Record):
    """What is to be predicted. `rows` counts all rows, `unlabelled` those without a value, `rare` the classes with hardly a row.

    `classes` go from frequent to seldom. `alternative` is what else it could be taken for, `labels` the type to bring it to.
    """

    name: str
    task: Task
    alternative: Kind | None
    classes: tuple[str, ...]
    rows: int
    unlabelled: int
    rare: int
    labels: Label | None


class Repairs(Record):
    """Columns that need something before they are of use.

    `twice` share a name, `nested` hold lists or mappings, `numeric` numbers that are kept as something else; `dates` come with the
    options of `pandas.to_datetime`, none where they are dates already.
    """

    twice: tuple[str, ...]
    nested: tuple[str, ...]
    numeric: tuple[str, ...]
    infinite: tuple[str, ...]
    dates: dict[str, Options]


class Table(Record):
    """What was seen and decided.

    `sampled` when there are more rows than were looked at; `order` is the date that splits past from future, `suspects` are
    columns that alone tell the target.
    """

    source: Source
    sampled: bool
    target: Target
    repairs: Repairs
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    left_out: dict[str, Use | Reason]
    order: str | None
    suspects: tuple[str, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """What the model looks at."""
        return self.numbers + self.categories


def look(file: Path, target: str, task: Kind | None = None) -> Table:
    """What `file` (CSV or Parquet) holds to predict its column `target` from.

    Raises NotFound for a missing file or column, and UsageError for what cannot be read or learned from.
    """
    seen = sample(file)
    names = [str(name) for name in seen.frame.columns]
    if target not in names:
        raise NotFound.of("column", target, names, otherwise=f"{file.name} has: {', '.join(names[:30])}.")
    decimal = seen.source.options.get("decimal", ".")
    frame, repairs = _repaired(seen.frame, decimal)
    if target in repairs.dates or target in repairs.nested:
        raise UsageError(
            f"The column {target!r} holds {'dates' if target in repairs.dates else 'lists or mappings'}.",
            hint="Predict a number or a word made of it, such as the days until that date.",
        )
    truth = _as_number(column(seen.source, target), decimal) if seen.more else frame[target]
    aim = _target(truth, target, task)
    judged: dict[str, Use | Reason] = dict.fromkeys(repairs.nested, "nested")
    judged |= {str(key): _judged(str(key), values) for key, values in frame.drop(columns=target).items()}
    numbers = tuple(key for key, word in judged.items() if word == "number")
    categories = tuple(key for key, word in judged.items() if word == "category")
    if not numbers and not categories:
        raise UsageError(
            f"Beside {target!r} no column of {file.name} is left to learn from.",
            hint="Columns that are constant, different in each row, or dates are left out: add one that describes a row.",
        )
    labelled = frame[frame[target].notna()]
    return Table(
        source=seen.source,
        sampled=seen.more,
        target=aim,
        repairs=repairs,
        numbers=numbers,
        categories=categories,
        left_out={key: word for key, word in judged.items() if word not in {"number", "category"}},
        order=_order(labelled, aim, list(repairs.dates)),
        suspects=_suspects(labelled, aim, [*numbers, *categories]),
    )


def _repaired(frame: pd.DataFrame, decimal: str) -> tuple[pd.DataFrame, Repairs]:
    """The frame as the notebook will have it after its first cells."""
    import numpy as np
    import pandas as pd

    twice = dict.fromkeys(map(str, frame.columns[frame.columns.duplicated()]))
    frame = frame.loc[:, ~frame.columns.duplicated()]
    columns = {str(name): values for name, values in frame.items()}
    nested = [name for name, values in columns.items() if _is_nested(values)]
    for name in nested:
        del columns[name]
    numbers = {
        name: number for name, values in columns.items() if (number := _as_number(values, decimal)) is not values
    }
    columns |= numbers
    dates = {name: options for name, values in columns.items() if (options := _date(values)) is not None}
    columns |= {name: pd.to_datetime(columns[name], **options) for name, options in dates.items() if options}
    floats = {name: values for name, values in columns.items() if values.dtype == "float64"}
    infinite = {name: values for name, values in floats.items() if np.isinf(values.to_numpy()).any()}
    columns |= {name: values.replace([np.inf, -np.inf], np.nan) for name, values in infinite.items()}
    repairs = Repairs(
        twice=tuple(twice), nested=tuple(nested), numeric=tuple(numbers), infinite=tuple(infinite), dates=dates
    )
    return pd.DataFrame(columns), repairs


def _is_nested(values: Values) -> bool:
    return values.dtype == object and any(type(value).__hash__ is None for value in values.dropna().head(100))


def _as_number(values: Values, decimal: str) -> Values:
    """The numbers in a column that is kept as something else; else the very same column."""
    import pandas as pd
    from pandas.api import types

    if types.is_bool_dtype(values.dtype):
        return values
    if types.is_numeric_dtype(values.dtype):
        return values.astype("float64") if types.is_extension_array_dtype(values.dtype) else values
    if values.dtype == object and types.infer_dtype(values, skipna=True) == "decimal":
        return values.astype("float64")
    known = values.dropna()
    if not is_text(values) or not len(known):
        return values
    numbers = pd.to_numeric(values.str.replace(decimal, ".", regex=False), errors="coerce")
    strange = known[numbers[known.index].isna()]
    # A few words that stand for nothing ("?", " ", "n/a") do not make words of the rest.
    placeholders = len(strange) <= len(known) * 0.05 and strange.nunique() <= 3
    return numbers.astype("float64") if placeholders else values


_DATE = re.compile(r"\d{1,4}[-/.](?:\d{1,2}|[A-Za-z]{3})(?:[-/.]\d{2,4})?.*")
_DAYS = (
    "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y",
)  # fmt: skip
_FORMATS = ("ISO8601", *(f"{day}{time}" for day, time in product(_DAYS, ("", " %H:%M", " %H:%M:%S"))))
_ZONE = r"(?:Z|[+-]\d\d:?\d\d)$"


def _date(values: Values) -> Options | None:
    """How pandas.to_datetime reads the column: no options when it holds dates already, None when it holds none."""
    import pandas as pd
    from pandas.api import types

    if types.is_datetime64_any_dtype(values.dtype):
        return {}
    if values.dtype == object and types.infer_dtype(values, skipna=True) in {"date", "datetime"}:
        return {"errors": "coerce"}
    if not is_text(values):
        return None
    texts = values.dropna().astype(str)
    if not len(texts) or not texts.head(20).map(lambda text: bool(_DATE.fullmatch(text))).all():
        return None
    zone = {"utc": True} if texts.head(100).str.contains(_ZONE).any() else {}
    for form in _FORMATS:
        options: Options = {"format": form, "errors": "coerce", **(zone if form == "ISO8601" else {})}
        if all(pd.to_datetime(part, **options).notna().mean() > 0.98 for part in (texts.head(100), texts)):
            return options
    return None


def _judged(name: str, values: Values) -> Use | Reason:
    from pandas.api import types

    known = values.dropna()
    distinct = known.nunique()
    if distinct == 0:
        return "empty"
    if distinct == 1 and len(known) == len(values):
        return "constant"
    if types.is_datetime64_any_dtype(values.dtype):
        return "date"
    if types.is_numeric_dtype(values.dtype) and not types.is_bool_dtype(values.dtype):
        return _judged_numbers(name, known, distinct)
    return _judged_words(values, known, distinct)


_IDENTIFIER = re.compile(r"(?:^|[\W_])(?i:id|uuid|guid|key|no|nr)$|[a-z](?:Id|ID|Key|No|Nr)$")


def _judged_numbers(name: str, known: Values, distinct: int) -> Use | Reason:
    whole = bool((known % 1 == 0).all())
    counted = known.is_monotonic_increasing or known.max() - known.min() == distinct - 1
    if whole and distinct == len(known) and counted:
        return "unique"
    if whole and _IDENTIFIER.search(name):
        return "category" if distinct <= FEW and distinct <= len(known) / 10 else "identifier"
    return "number"


def _judged_words(values: Values, known: Values, distinct: int) -> Use | Reason:
    import pandas as pd
    from pandas.api import types

    if types.is_bool_dtype(values.dtype) or types.infer_dtype(values, skipna=True) == "boolean":
        return "category"
    if not is_text(values) and not isinstance(values.dtype, pd.CategoricalDtype):
        return "odd"
    if distinct > 10 and distinct > len(known) / 2:
        return "text" if _is_prose(known) else "unique"
    return "text" if distinct > FEW and _is_prose(known) else "category"


def _is_prose(known: Values) -> bool:
    texts = known.head(1000).astype(str)
    return bool(texts.str.len().mean() > 60 or texts.str.count(r"\s").mean() >= 4)


def _target(values: Values, name: str, asked: Kind | None) -> Target:
    truth = values.dropna()
    unlabelled = len(values) - len(truth)
    distinct = truth.nunique()
    if distinct < 2:
        only = f"only one value, {str(truth.iloc[0])!r}: there is nothing to tell apart" if distinct else "no values"
        raise UsageError(
            f"The column {name!r} has {only}.", hint="Choose another --target, or a table with the other cases too."
        )
    if len(truth) < FEWEST_ROWS:
        others = f"; {unlabelled} have none" if unlabelled else ""
        raise UsageError(
            f"Only {len(truth)} rows have a value in {name!r}{others}.",
            hint=f"At least {FEWEST_ROWS} are needed to learn and to test.",
        )
    kind, alternative = _kind(truth, name, asked)
    if kind == "regression":
        return Target(
            name=name, task="regression", alternative=alternative, classes=(), rows=len(values), unlabelled=unlabelled, rare=0, labels=None
        )  # fmt: skip
    labels = _labels(truth)
    counts = (truth.astype(labels) if labels else truth).value_counts()
    kept = counts[counts >= RARE]
    if not 2 <= len(kept) <= MOST_CLASSES:
        raise UsageError(
            f"The column {name!r} has {len(counts)} different values, {len(kept)} of them in at least {RARE} rows: no classes to learn.",
            hint=f"Group them into 2 to {MOST_CLASSES} classes first; numbers can be predicted with --task regression.",
        )
    return Target(
        name=name, task="binary" if len(kept) == 2 else "multiclass", alternative=alternative,
        classes=tuple(str(value) for value in kept.index), rows=len(values), unlabelled=unlabelled,
        rare=len(counts) - len(kept), labels=labels,
    )  # fmt: skip


def _kind(truth: Values, name: str, asked: Kind | None) -> tuple[Kind, Kind | None]:
    from pandas.api import types

    if types.is_bool_dtype(truth.dtype) or not types.is_numeric_dtype(truth.dtype):
        if asked == "regression":
            raise UsageError(
                f"The column {name!r} holds no numbers, and a regression predicts one.",
                hint="Leave --task out, or choose another --target.",
            )
        return "classification", None
    distinct = truth.nunique()
    amount = distinct > 20 or distinct > len(truth) / 2 or (distinct > 2 and bool((truth % 1 != 0).any()))
    if asked == "regression" or (asked is None and amount):
        return "regression", "classification" if distinct <= min(FEW, len(truth) / 5) else None
    return "classification", "regression" if distinct > 2 else None


def _labels(truth: Values) -> Label | None:
    from pandas.api import types

    if types.is_float_dtype(truth.dtype):
        return "int" if bool((truth % 1 == 0).all()) else "str"
    if truth.dtype == object or str(truth.dtype) == "boolean":
        kind = types.infer_dtype(truth, skipna=True)
        return "bool" if kind == "boolean" else None if kind == "string" else "str"
    return None


def _order(frame: pd.DataFrame, target: Target, dates: list[str]) -> str | None:
    """The one date by which past and future can be split, both with rows of every class."""
    if len(dates) != 1 or frame[dates[0]].isna().any() or frame[dates[0]].nunique() < FEWEST_ROWS:
        return None
    truth = frame.sort_values(dates[0], kind="stable")[target.name]
    cut = len(truth) * 4 // 5
    whole = target.task == "regression" or truth[:cut].nunique() == truth[cut:].nunique() == truth.nunique()
    return dates[0] if whole else None


def _suspects(frame: pd.DataFrame, target: Target, names: list[str]) -> tuple[str, ...]:
    if frame[target.name].nunique() < 2:  # the first rows of a file that is sorted by it
        return ()
    frame = frame.sample(min(len(frame), 10_000), random_state=0)
    tells = _orders if target.task == "regression" else _separates
    return tuple(name for name in names if tells(frame[name], frame[target.name]))


def _orders(values: Values, truth: Values) -> bool:
    from pandas.api import types

    if not types.is_numeric_dtype(values.dtype) or values.nunique() < FEWEST_ROWS:
        return False
    return bool(abs(values.rank().corr(truth.rank())) > 0.9999)


def _separates(values: Values, truth: Values) -> bool:
    """Whether each value, missing being one, stands with one class only, and not just because hardly a value repeats."""
    from pandas.api import types

    numeric = types.is_numeric_dtype(values.dtype) and not types.is_bool_dtype(values.dtype)
    codes = values.rank(method="dense").fillna(0) if numeric else values.astype("category").cat.codes
    if truth.groupby(codes).nunique().max() > 1:
        return False
    ordered = truth.iloc[codes.argsort(kind="stable").to_numpy()].to_numpy()
    pieces = int((ordered[1:] != ordered[:-1]).sum()) + 1
    return pieces <= truth.nunique() + 1 if numeric else values.nunique() <= len(values) / 5
