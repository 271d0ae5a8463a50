"""Rows that people wrote, in a spreadsheet's CSV or a frame, as columns of numbers, times and text; what is unclear is told by its line."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nbops.errors import NotFound, UsageError
from nbops.render import values

if TYPE_CHECKING:
    import pandas as pd

Faults = list[tuple[int, str]]
"""What is wrong in a row, counted from 0."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_WITH_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_LIKE_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[,.]\d{3}")
_SHOWN = 30
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}


class Table(NamedTuple):
    """Fields by row and column, missing ones None; `lines` are their places in the `source`, `frame` what they came from, if it is one."""

    source: str
    names: list[str]
    lines: list[int]
    rows: list[list[Any]]
    comma: bool = False
    frame: pd.DataFrame | None = None

    def place(self, row: int) -> str:
        """Where a row stands."""
        return f"{'line' if self.frame is None else 'row'} {self.lines[row]}"

    def texts(self, name: str) -> list[str]:
        """A column as text; what is missing is empty."""
        return ["" if one is None else values.clean(str(one)) for one in self._column(name)]

    def numbers(self, name: str, faults: Faults) -> list[float | None]:
        """A column as numbers; what is none is added to the `faults`."""
        return self._read(name, "no number", self._number, faults)

    def decimals(self, name: str, row: int) -> int:
        """How many decimals a number was written with."""
        field = self.rows[row][self.names.index(name)]
        written = field.strip().replace(",", ".") if isinstance(field, str) else repr(float(field))
        exponent = (
            Decimal(written).as_tuple().exponent
            if isinstance(field, str)
            else Decimal(written).normalize().as_tuple().exponent
        )
        return max(0, -int(exponent))

    def features(self, kinds: Mapping[str, str], faults: Faults) -> pd.DataFrame:
        """The columns of these kinds as a frame; one that came as a frame keeps its types."""
        import pandas as pd

        if self.frame is not None:
            return self.frame[list(kinds)].reset_index(drop=True)
        return pd.DataFrame({name: self._feature(name, kind, faults) for name, kind in kinds.items()})

    def _feature(self, name: str, kind: str, faults: Faults) -> pd.Series[Any]:
        import pandas as pd

        if kind in {"int", "float"}:
            numbers = self.numbers(name, faults)
            whole = kind == "int" and all(one is not None and one.is_integer() for one in numbers)
            return pd.Series(numbers, dtype="int64" if whole else "float64")
        if kind == "bool":
            truths = self._read(name, "neither true nor false", _truth, faults)
            return pd.Series(truths, dtype=bool if None not in truths else object)
        if kind == "datetime":
            return pd.to_datetime(pd.Series(self._read(name, "no time", _time, faults), dtype=object))
        return pd.Series(self._column(name), dtype=object)

    def _column(self, name: str) -> list[Any]:
        place = self.names.index(name)
        return [row[place] for row in self.rows]

    def _read(self, name: str, what: str, parse: Callable[[Any], Any], faults: Faults) -> list[Any]:
        """A column, each field of it parsed; one of which nothing comes is a fault."""
        found: list[Any] = []
        for row, field in enumerate(self._column(name)):
            found.append(None if field is None else parse(field))
            if field is not None and found[-1] is None:
                shown = values.shorten(values.clean(str(field)), _SHOWN)
                faults.append((row, f"{name} {shown!r} is {what}"))
        return found

    def _number(self, field: Any) -> float | None:
        if not isinstance(field, str):
            return None if isinstance(field, bool) or not values.is_number(field) or math.isnan(field) else float(field)
        text = field.strip()
        if self.comma and "." not in text:
            text = text.replace(",", ".")
        return float(text) if _NUMBER.fullmatch(text) else None


def _truth(field: Any) -> bool | None:
    return _TRUTHS.get(str(field).strip().lower())


def _time(field: Any) -> datetime | None:
    try:
        # The zone is the writer's matter: a model may take local times.
        return datetime.fromisoformat(str(field).strip())
    except ValueError:
        return None


def of_frame(given: pd.DataFrame) -> Table:
    """The rows of a frame, counted from 1."""
    names = [str(name) for name in given.columns]
    missing = given.isna().to_numpy()
    rows = [
        [None if gone[place] else field for place, field in enumerate(row)]
        for row, gone in zip(given.itertuples(index=False, name=None), missing, strict=True)
    ]
    return Table("The cases", names, list(range(1, len(rows) + 1)), rows, frame=given.set_axis(names, axis="columns"))


def of_text(path: Path, known: Collection[str], numeric: Collection[str], source: str | None = None) -> Table:
    """The rows of a CSV file, whose first one names the columns: some of those `known`, of which some are `numeric`.

    Messages call it `source`, or by its name.

    Raises NotFound, and UsageError for what is no such file, or has numbers that can be read in two ways.
    """
    source = source or path.name
    lines = list(io.StringIO(_decoded(path), newline=""))
    skipped = 0
    told = re.fullmatch(r"sep=(.)\s*", lines[0]) if lines else None
    if told:
        # Excel's own way to say it.
        lines, skipped = lines[1:], 1
    if not any(line.strip() for line in lines):
        raise UsageError(
            f"{source}: it is empty.", hint="The first line names the columns, each further one is a case."
        )
    delimiter = told[1] if told else _delimiter(lines, known)
    names, places, rows = _fields(source, lines, delimiter, skipped)
    table = Table(source, names, places, rows)
    return table if delimiter == "," else table._replace(comma=_has_decimal_comma(table, numeric))


def _decoded(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {str(path)!r}.", hint="Look at the path.") from error
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error.strerror}.", hint="Look at its permissions.") from error
    try:
        return raw.decode("utf-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{path.name}: line {before} is not UTF-8.",
            hint="In Excel, save it as `CSV UTF-8`; a workbook (.xlsx) is no CSV.",
        ) from error


def _delimiter(lines: Sequence[str], known: Collection[str]) -> str:
    """The sign between fields: the one with which the first line has most of the known names, or else most names."""
    heads = {sign: next(csv.reader(io.StringIO("".join(lines[:20])), delimiter=sign), []) for sign in ",;\t"}
    return max(heads, key=lambda sign: (len({name.strip() for name in heads[sign]} & {*known}), len(heads[sign])))


def _fields(
    source: str, lines: Sequence[str], delimiter: str, skipped: int
) -> tuple[list[str], list[int], list[list[Any]]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    names: list[str] = []
    places: list[int] = []
    rows: list[list[Any]] = []
    first = skipped + 1
    try:
        for fields in reader:
            place, first = first, reader.line_num + skipped + 1
            if not any(field.strip() for field in fields):
                continue
            if not names:
                names = [field.strip() for field in fields]
                continue
            if len(fields) != len(names):
                raise UsageError(
                    f"{source}: line {place} has {values.counted(len(fields), 'field')}, and the first one {len(names)}.",
                    hint=f"Between fields stands {delimiter!r}; a field that holds one is put in double quotes.",
                )
            places.append(place)
            rows.append([field if field.strip() else None for field in fields])
    except csv.Error as error:
        raise UsageError(
            f"{source}: line {first} cannot be read: {error}.", hint="Look at its double quotes: each has to be closed."
        ) from error
    return names, places, rows


def _has_decimal_comma(table: Table, numeric: Collection[str]) -> bool:
    """Whether numbers have a decimal comma. Raises UsageError where that cannot be told."""
    columns = [place for place, name in enumerate(table.names) if name in numeric]
    fields = [
        (row[place].strip(), line)
        for row, line in zip(table.rows, table.lines, strict=True)
        for place in columns
        if row[place]
    ]
    commas = [(text, line) for text, line in fields if _WITH_COMMA.fullmatch(text)]
    points = [(text, line) for text, line in fields if "." in text and _NUMBER.fullmatch(text)]
    if commas and points:
        (comma, line), (point, other) = commas[0], points[0]
        raise UsageError(
            f"{table.source}: numbers have a comma and a point: {comma!r} in line {line}, {point!r} in line {other}.",
            hint="Use one of them as the decimal sign, and no thousands separators.",
        )
    told = commas or points
    if told and all(_LIKE_THOUSANDS.fullmatch(text) for text, _ in told):
        text, line = told[0]
        raise UsageError(
            f"{table.source}: line {line}: {text!r} may be {re.sub('[,.]', '', text)} or {text.replace(',', '.')}.",
            hint="Part the fields by commas and write numbers such as 4983 or 4.983.",
        )
    return bool(commas)
