"""A file that holds a table: how pandas reads it, and its first rows. Separator, encoding and decimal sign are found by looking."""

from __future__ import annotations

import codecs
import csv
import functools
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from nbops.errors import NotFound, UsageError, nearest
from nbops.records import Record

if TYPE_CHECKING:
    import pandas as pd

    Values = pd.Series[Any]

SAMPLE = 50_000
"""Rows that are looked at, so that a file of any size takes seconds."""


class Source(Record):
    """How pandas reads a file; `then` are method calls that follow."""

    file: Path
    function: Literal["read_csv", "read_parquet"]
    options: dict[str, Any]
    then: str = ""


class Sample(Record):
    """The first rows of a table, and whether there are `more`."""

    source: Source
    frame: Any
    more: bool


def sample(file: Path) -> Sample:
    """The first `SAMPLE` rows of a CSV or Parquet file.

    Raises NotFound when there is no such file, and UsageError when it is empty or holds no table.
    """
    if not file.is_file():
        found = [path.name for path in file.parent.iterdir()] if file.parent.is_dir() else []
        near = nearest(file.name, found)
        raise NotFound(
            f"There is no file {file}.",
            hint=f"Did you mean {near!r}?" if near else "Give the path of a CSV or Parquet file.",
        )
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
    frame, source = _parquet(file) if head.startswith(b"PAR1") else _csv(file, head)
    if not len(frame):
        raise UsageError(
            f"{file.name} has no rows.", hint="A table needs a line of column names and at least ten rows."
        )
    return Sample(source=source, frame=frame.head(SAMPLE), more=len(frame) > SAMPLE)


def column(source: Source, name: str) -> Values:
    """All values of one column."""
    import pandas as pd
    from pyarrow import parquet

    if source.function == "read_parquet":
        return cast("Values", parquet.read_table(source.file, columns=[name])[name].to_pandas())
    return cast("Values", pd.read_csv(source.file, usecols=[name], **source.options)[name])


def is_text(values: Values) -> bool:
    """Whether a column holds text and nothing else."""
    from pandas.api import types

    if types.is_object_dtype(values.dtype):
        return types.infer_dtype(values, skipna=True) == "string"
    return types.is_string_dtype(values.dtype) and not types.is_numeric_dtype(values.dtype)


_HEAD = 1 << 16
_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "packed with gzip",
    b"ARROW1": "an Arrow or Feather file",
}


def _csv(file: Path, head: bytes) -> tuple[pd.DataFrame, Source]:
    wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    foreign = next((what for magic, what in _FOREIGN.items() if head.startswith(magic)), None)
    if foreign or (b"\0" in head and not wide):
        raise UsageError(
            f"{file.name} is {foreign or 'not text'}, and a table in CSV or Parquet is wanted.",
            hint="Save it as CSV (UTF-8) with the program that made it.",
        )
    encoding = "utf-16" if wide else "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else _encoding(file)
    text = head.decode(encoding, errors="ignore")
    if len(head) == _HEAD:  # the last line is cut
        text = text[: text.rfind("\n") + 1]
    separator = _separator(text)
    options: dict[str, Any] = {} if separator == "," else {"sep": separator}
    if encoding != "utf-8":
        options["encoding"] = encoding
    if f"{separator} " in text.partition("\n")[0]:
        options["skipinitialspace"] = True
    frame = _read_csv(file, options)
    if separator != "," and _has_decimal_comma(frame):
        options["decimal"] = ","
        frame = _read_csv(file, options)
    if len(frame) > SAMPLE:
        # In pieces, as pandas reads by default, a column could change its type half way.
        options["low_memory"] = False
    return frame, Source(file=file, function="read_csv", options=options)


def _encoding(file: Path) -> str:
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


def _read_csv(file: Path, options: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    try:
        frame: pd.DataFrame = pd.read_csv(file, nrows=SAMPLE + 1, **{**options, "low_memory": False})
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError) as error:
        raise UsageError(
            f"{file.name} cannot be read as a table: {str(error).strip().partition(chr(10))[0]}",
            hint="The first line names the columns, and every line needs as many fields: look at the line that is named.",
        ) from error
    return frame


def _has_decimal_comma(frame: pd.DataFrame) -> bool:
    texts = [values.dropna().astype(str) for _, values in frame.items() if is_text(values)]
    # Of a column with a few words in between, too.
    shares = [text.str.fullmatch(r"-?\d*,?\d+").mean() for text in texts if text.str.contains(",").any()]
    return max(shares, default=0) >= 0.95


def _parquet(file: Path) -> tuple[pd.DataFrame, Source]:
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    batches, count = [], 0
    try:
        opened = parquet.ParquetFile(file)
        for batch in opened.iter_batches(batch_size=SAMPLE + 1):
            batches.append(batch)
            count += len(batch)
            if count > SAMPLE:
                break
        frame: pd.DataFrame = pa.Table.from_batches(batches, opened.schema_arrow).to_pandas()
    except pa.ArrowException as error:
        raise UsageError(
            f"{file.name} cannot be read as Parquet: {str(error).strip().partition(chr(10))[0]}",
            hint="Get or write the file again: it is damaged, or was not finished.",
        ) from error
    then = ""
    if not isinstance(frame.index, pd.RangeIndex):
        named = any(name is not None for name in frame.index.names)
        frame = frame.reset_index(drop=not named)
        then += ".reset_index()" if named else ".reset_index(drop=True)"
    if not all(isinstance(name, str) for name in frame.columns):
        frame = frame.rename(columns=str)
        then += ".rename(columns=str)"
    return frame, Source(file=file, function="read_parquet", options={}, then=then)
