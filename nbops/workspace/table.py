"""A table in a file as `nbops init` needs to know it: how pandas reads it, what the target is, what each column is good for.

A path and the name of a column flow in, a `Table` flows out. All rows are read of the target and at most `SAMPLE` of the other
columns, so a large file costs seconds. What is decided here is only a beginning: the notebook that is made of it says it in
code that a person changes.
"""

from __future__ import annotations

import codecs
import csv
import functools
import io
import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nbops.errors import NotFound, UsageError, nearest
from nbops.records import Record

if TYPE_CHECKING:
    import pandas as pd

    Values = pd.Series[Any]

SAMPLE = 50_000
"""Rows that are looked at; of the target all are."""
FEW = 30
"""Texts and numbered identifiers with more distinct values than this may be no categories."""
MOST_CLASSES = 100
FEWEST_ROWS = 10
RARE = 3
"""A class with fewer rows than this can be neither learned nor tested."""

Kind = Literal["classification", "regression"]
Task = Literal["binary", "multiclass", "regression"]
Repair = Literal["nested", "twice", "numeric", "infinite"]
Use = Literal["number", "category"]
Reason = Literal["constant", "empty", "unique", "identifier", "text", "date", "nested", "odd"]


class Reading(Record):
    """How pandas reads the file: the function and its keyword arguments."""

    function: Literal["read_csv", "read_parquet"]
    options: dict[str, Any]


class Table(Record):
    """What was seen and decided. `rows` counts all, `unlabelled` those without a target, `rare` the classes with hardly a row.

    `numbers`, `categories` and `left_out` share the columns besides the target between them; `dates` are the options that read a column of text
    as dates, none where it is one already. `order` is the date that splits past from future, `suspects` are columns that
    alone tell the target. `repairs` are columns that need one before anything else; `labels` is the type that the target
    must be brought to, if any. `alternative` is what else the target could be taken for.
    """

    file: Path
    reading: Reading
    target: str
    task: Task
    alternative: Kind | None
    classes: tuple[str, ...]
    rows: int
    unlabelled: int
    rare: int
    sampled: bool
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    left_out: dict[str, Reason]
    dates: dict[str, dict[str, Any]]
    order: str | None
    suspects: tuple[str, ...]
    repairs: dict[Repair, tuple[str, ...]]
    labels: Literal["int", "bool", "str"] | None

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that the model looks at, numbers first."""
        return self.numbers + self.categories


def look(file: Path, target: str, task: Kind | None = None) -> Table:
    """What `file` (CSV or Parquet) holds for somebody who wants to predict its column `target`.

    Raises NotFound for a missing file or column, and UsageError for what cannot be read or learned from.
    """
    reading = _reading(file)
    frame, reading, sampled = _sample(file, reading)
    if target not in frame.columns:
        columns = [str(name) for name in frame.columns]
        raise NotFound.of("column", target, columns, otherwise=f"{file.name} has: {', '.join(columns[:30])}.")
    frame, repairs, dates = _repaired(frame)
    truth = _number_or_same(_column(file, reading, target)) if sampled else frame[target]
    rows, truth = len(truth), truth.dropna()
    _check_target(truth, target, rows, is_date=target in dates)
    kind, alternative = _task(truth, target, task)
    counts = truth.value_counts() if kind == "classification" else truth.head(0)
    decided = _classes(counts, target) if kind == "classification" else "regression"
    labelled = frame[frame[target].notna()]
    uses, left_out = _uses(labelled, target, dates, repairs)
    if not uses:
        raise UsageError(
            f"Beside {target!r} no column of {file.name} is left to learn from.",
            hint="Columns that are constant, unique in each row or dates are left out: add one that describes a row.",
        )
    return Table(
        file=file, reading=reading, target=target, task=decided, alternative=alternative,
        classes=tuple(str(value) for value in counts.index[counts >= RARE]),
        rows=rows, unlabelled=rows - len(truth), rare=int((counts < RARE).sum()), sampled=sampled,
        numbers=tuple(name for name, use in uses.items() if use == "number"),
        categories=tuple(name for name, use in uses.items() if use == "category"), left_out=left_out,
        dates={name: options for name, options in dates.items() if options}, order=_order(labelled, target, dates, decided),
        suspects=_suspects(labelled, target, uses, decided), repairs=repairs,
        labels=_labels(truth) if kind == "classification" else None,
    )  # fmt: skip


# The file

_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "packed with gzip",
    b"ARROW1": "an Arrow or Feather file",
}
_HEAD = 1 << 16


def _reading(file: Path) -> Reading:
    if not file.is_file():
        found = [path.name for path in file.parent.iterdir()] if file.parent.is_dir() else []
        near = nearest(file.name, found)
        raise NotFound(f"There is no file {file}.", hint=f"Did you mean {near!r}?" if near else "Give the path of a CSV or Parquet file.")
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    if head.startswith(b"PAR1"):
        return Reading(function="read_parquet", options={})
    foreign = next((what for magic, what in _FOREIGN.items() if head.startswith(magic)), None)
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if foreign is None and b"\0" in head and not wide:
        foreign = "not text"
    if foreign:
        raise UsageError(f"{file.name} is {foreign}, and a table in CSV or Parquet is wanted.", hint="Save it as CSV (UTF-8) from the program that made it.")
    encoding = "utf-16" if wide else "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else _encoding(file)
    text = head.decode(encoding, errors="ignore")
    if len(head) == _HEAD:
        text = text[: text.rfind("\n") + 1]
    separator = _separator(text)
    options: dict[str, Any] = {} if separator == "," else {"sep": separator}
    options |= {} if encoding == "utf-8" else {"encoding": encoding}
    if text.partition("\n")[0].count(f"{separator} "):
        options["skipinitialspace"] = True
    return Reading(function="read_csv", options=options)


def _encoding(file: Path) -> str:
    """The first of the usual encodings that the whole file can be read in."""
    # Excel writes cp1252, which is latin-1 with the euro sign and typographic quotes; five of its bytes mean nothing.
    return next((name for name in ("utf-8", "cp1252") if _decodes(file, name)), "latin-1")


def _decodes(file: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with file.open("rb") as opened:
            for chunk in iter(functools.partial(opened.read, 1 << 20), b""):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _separator(text: str) -> str:
    """What parts most lines into as many fields as the first has."""

    def fit(separator: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
        width = widths[0] if widths else 1
        return (widths.count(width), width) if width > 1 else (0, 0)

    return max((",", ";", "\t", "|"), key=fit)


def _sample(file: Path, reading: Reading) -> tuple[pd.DataFrame, Reading, bool]:
    """The first rows, how to read them all, and whether there are more."""
    frame = _read(file, reading, rows=SAMPLE + 1)
    if reading.function == "read_csv" and reading.options.get("sep") and _decimal_comma(frame):
        reading = Reading(function="read_csv", options={**reading.options, "decimal": ","})
        frame = _read(file, reading, rows=SAMPLE + 1)
    if not len(frame):
        raise UsageError(f"{file.name} has no rows.", hint="A table needs a line of column names and at least ten rows.")
    sampled = len(frame) > SAMPLE
    if sampled and reading.function == "read_csv":
        # In pieces, as pandas reads by default, a column could change its type half way.
        reading = Reading(function="read_csv", options={**reading.options, "low_memory": False})
    return frame.head(SAMPLE), reading, sampled


def _read(file: Path, reading: Reading, rows: int) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    try:
        if reading.function == "read_csv":
            return pd.read_csv(file, nrows=rows, **{"low_memory": False, **reading.options})
        return _first_rows(file, rows)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError, pa.ArrowException) as error:
        first = str(error).strip().partition("\n")[0]
        raise UsageError(
            f"{file.name} cannot be read as a table: {first}",
            hint="Look at the line that is named: every line needs as many fields as the first, which names the columns.",
        ) from error


def _first_rows(file: Path, rows: int) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import parquet

    opened = parquet.ParquetFile(file)
    batches, count = [], 0
    for batch in opened.iter_batches(batch_size=rows):
        batches.append(batch)
        count += len(batch)
        if count >= rows:
            break
    frame: pd.DataFrame = pa.Table.from_batches(batches, opened.schema_arrow).to_pandas()
    return frame.set_axis([str(name) for name in frame.columns], axis="columns").head(rows)


def _column(file: Path, reading: Reading, name: str) -> Values:
    """All values of one column."""
    import pandas as pd

    if reading.function == "read_parquet":
        return pd.read_parquet(file, columns=[name])[name]
    values: Values = pd.read_csv(file, usecols=[name], **reading.options)[name]
    return values


def _decimal_comma(frame: pd.DataFrame) -> bool:
    texts = (values.dropna().astype(str) for _, values in frame.items() if _is_text(values))
    return any(len(text) and text.str.fullmatch(r"-?\d*,?\d+").all() and text.str.contains(",").any() for text in texts)


# The columns


def _repaired(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[Repair, tuple[str, ...]], dict[str, dict[str, Any]]]:
    """The frame as the notebook will have it after its first cells, what had to be repaired, and the dates."""
    import numpy as np
    import pandas as pd

    twice = tuple(dict.fromkeys(frame.columns[frame.columns.duplicated()]))
    frame = frame.loc[:, ~frame.columns.duplicated()]
    nested = tuple(name for name, values in frame.items() if _is_nested(values))
    frame = frame.drop(columns=list(nested))
    numbers = {name: number for name, values in frame.items() if (number := _number_or_same(values)) is not values}
    dates = {name: options for name, values in frame.items() if name not in numbers and (options := _date(values)) is not None}
    read = {name: pd.to_datetime(frame[name], **options) for name, options in dates.items() if options}
    frame = frame.assign(**numbers, **read)
    floats = frame.select_dtypes("floating")
    infinite = tuple(floats.columns[np.isinf(floats).any()])
    frame = frame.replace([np.inf, -np.inf], np.nan) if infinite else frame
    found: dict[Repair, tuple[str, ...]] = {"twice": twice, "nested": nested, "numeric": tuple(numbers), "infinite": infinite}
    return frame, found, dates


def _is_text(values: Values) -> bool:
    from pandas.api import types

    kind = values.dtype
    return types.infer_dtype(values, skipna=True) == "string" if types.is_object_dtype(kind) else types.is_string_dtype(kind)


def _is_nested(values: Values) -> bool:
    known = values.dropna().head(100) if values.dtype == object else ()
    return any(getattr(type(value), "__hash__", None) is None for value in known)


def _number_or_same(values: Values) -> Values:
    """The numbers in a column that pandas keeps as something else; the same object when it is nothing but what it seems."""
    import pandas as pd
    from pandas.api import types

    if types.is_numeric_dtype(values.dtype) and not types.is_bool_dtype(values.dtype):
        return values if not types.is_extension_array_dtype(values.dtype) else values.astype("float64")
    decimal = values.dtype == object and types.infer_dtype(values, skipna=True) == "decimal"
    known = values.dropna()
    if decimal or (_is_text(values) and len(known)):
        number = pd.to_numeric(values, errors="coerce")
        strange = known[number[known.index].isna()] if not decimal else known.head(0)
        # A few words that stand for nothing ("?", " ", "n/a") do not make words of the rest.
        if len(strange) <= 0.05 * len(known) and strange.nunique() <= 3:
            return number.astype("float64")
    return values


_DATE = re.compile(r"\d{1,4}[-/.](?:\d{1,2}|[A-Za-z]{3})(?:[-/.]\d{2,4})?.*")
_DAYS = ("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y")
_FORMATS = ("ISO8601", *(f"{day}{time}" for day, time in product(_DAYS, ("", " %H:%M", " %H:%M:%S"))))


def _date(values: Values) -> dict[str, Any] | None:
    """How pandas.to_datetime reads the column: no options when it holds dates already, None when it holds none."""
    import pandas as pd
    from pandas.api import types

    if types.is_datetime64_any_dtype(values.dtype):
        return {}
    if values.dtype == object and types.infer_dtype(values, skipna=True) in {"date", "datetime"}:
        return {"errors": "coerce"}
    known = values.dropna()
    if not _is_text(values) or not len(known) or not known.head(20).astype(str).map(_DATE.fullmatch).all():
        return None
    texts = known.astype(str)
    zoned = bool(texts.head(100).str.contains(r"(?:Z|[+-]\d\d:?\d\d)$").any())
    for form in _FORMATS:
        options: dict[str, Any] = {"format": form, "errors": "coerce", **({"utc": True} if zoned else {})}
        if all(pd.to_datetime(part, **options).notna().mean() > 0.98 for part in (texts.head(100), texts)):
            return options
    return None


def _uses(
    frame: pd.DataFrame, target: str, dates: dict[str, dict[str, Any]], repairs: dict[Repair, tuple[str, ...]]
) -> tuple[dict[str, Use], dict[str, Reason]]:
    uses: dict[str, Use] = {}
    left_out: dict[str, Reason] = dict.fromkeys(repairs["nested"], "nested")
    for name, values in frame.drop(columns=target).items():
        use, reason = (None, "date") if name in dates else _use(str(name), values)
        if use is not None:
            uses[str(name)] = use
        else:
            left_out[str(name)] = reason or "odd"
    return uses, left_out


_IDENTIFIER = re.compile(r"(?:^|[\W_])(?:id|uuid|guid|key|no|nr)$|(?<=[a-z])(?:Id|ID|Key|No|Nr)$", re.IGNORECASE)


def _use(name: str, values: Values) -> tuple[Use | None, Reason | None]:
    """What a column is good for, or why it is left out."""
    from pandas.api import types

    known = values.dropna()
    distinct = known.nunique()
    if distinct <= 1 and (distinct == 0 or len(known) == len(values)):
        return None, "constant" if distinct else "empty"
    if types.is_numeric_dtype(values.dtype) and not types.is_bool_dtype(values.dtype):
        return _use_of_numbers(name, known, distinct)
    boolean = types.is_bool_dtype(values.dtype) or types.infer_dtype(values, skipna=True) == "boolean"
    if not boolean and not _is_text(values) and not isinstance(values.dtype, _categorical()):
        return None, "odd"
    if distinct > 10 and distinct > len(known) / 2:
        return None, "text" if _is_prose(known) else "unique"
    return (None, "text") if distinct > FEW and _is_prose(known) else ("category", None)


def _use_of_numbers(name: str, known: Values, distinct: int) -> tuple[Use | None, Reason | None]:
    whole = bool((known % 1 == 0).all())
    if whole and distinct == len(known) and known.max() - known.min() == distinct - 1:
        return None, "unique"
    if whole and _IDENTIFIER.search(name):
        return ("category", None) if distinct <= FEW and distinct <= len(known) / 10 else (None, "identifier")
    return "number", None


def _is_prose(known: Values) -> bool:
    texts = known.head(1000).astype(str)
    return bool(texts.str.len().mean() > 60 or texts.str.count(r"\s").mean() >= 4)


def _categorical() -> type:
    import pandas as pd

    return pd.CategoricalDtype


# The target


def _check_target(truth: Values, target: str, rows: int, *, is_date: bool) -> None:
    if truth.nunique() == 0:
        raise UsageError(f"The column {target!r} has no values.", hint="Choose another one with --target.")
    if is_date:
        raise UsageError(f"The column {target!r} is a date.", hint="Predict a number made of it, such as the days until it.")
    if truth.nunique() == 1:
        raise UsageError(
            f"The column {target!r} has only one value, {truth.iloc[0]!r}: there is nothing to tell apart.",
            hint="Choose another one with --target, or a table that holds the other cases too.",
        )
    if len(truth) < FEWEST_ROWS:
        missing = f", {rows - len(truth)} more are without one" if rows > len(truth) else ""
        raise UsageError(f"Only {len(truth)} rows have a {target!r}{missing}.", hint=f"At least {FEWEST_ROWS} are needed to learn and to test.")


def _task(truth: Values, target: str, asked: Kind | None) -> tuple[Kind, Kind | None]:
    """What to do, and what else could be done."""
    from pandas.api import types

    if types.is_bool_dtype(truth.dtype) or not types.is_numeric_dtype(truth.dtype):
        if asked == "regression":
            raise UsageError(f"The column {target!r} holds no numbers, and a regression predicts a number.", hint="Leave --task out, or choose another target.")
        return "classification", None
    distinct = truth.nunique()
    fractions = bool((truth % 1 != 0).any())
    amount = distinct > 2 and (fractions or distinct > 20 or distinct > len(truth) / 2)
    if asked == "regression" or (asked is None and amount):
        return "regression", "classification" if distinct <= FEW else None
    return "classification", "regression"


def _classes(counts: Values, target: str) -> Task:
    """Binary or multiclass. Raises UsageError when the classes are too many, or too thinly filled."""
    kept = int((counts >= RARE).sum())
    if kept < 2 or kept > MOST_CLASSES:
        shown = f"{len(counts)} different values, {kept} of them in at least {RARE} rows"
        raise UsageError(
            f"The column {target!r} has {shown}: these are no classes to learn.",
            hint=f"Group them into 2 to {MOST_CLASSES} classes first; a number can be predicted with --task regression.",
        )
    return "binary" if kept == 2 else "multiclass"


def _labels(truth: Values) -> Literal["int", "bool", "str"] | None:
    """The type to bring the target to, because missing values or a mixture have spoilt it."""
    from pandas.api import types

    if types.is_float_dtype(truth.dtype):
        return "int" if bool((truth % 1 == 0).all()) else "str"
    if truth.dtype == object or str(truth.dtype) == "boolean":
        kind = types.infer_dtype(truth, skipna=True)
        return "bool" if kind == "boolean" else None if kind == "string" else "str"
    return None


def _order(frame: pd.DataFrame, target: str, dates: dict[str, dict[str, Any]], task: Task) -> str | None:
    """The one date by which past and future can be split, both with rows of every class."""
    if len(dates) != 1:
        return None
    name = next(iter(dates))
    if frame[name].isna().any() or frame[name].nunique() < FEWEST_ROWS:
        return None
    truth = frame.sort_values(name, kind="stable")[target]
    cut = len(truth) * 4 // 5
    whole = task == "regression" or truth[:cut].nunique() == truth[cut:].nunique() == truth.nunique()
    return name if whole else None


def _suspects(frame: pd.DataFrame, target: str, uses: dict[str, Use], task: Task) -> tuple[str, ...]:
    """The columns in use that alone tell the target."""
    frame = frame.sample(min(len(frame), 10_000), random_state=0)
    tells = _orders if task == "regression" else _separates
    return tuple(name for name in uses if tells(frame[name], frame[target]))


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
    ordered = truth.iloc[codes.argsort(kind="stable")]
    pieces = int((ordered.to_numpy()[1:] != ordered.to_numpy()[:-1]).sum()) + 1
    return pieces <= truth.nunique() + 1 if numeric else values.nunique() <= len(values) / 5
