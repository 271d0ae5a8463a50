"""Workbooks: a sheet, or a range of one, becomes Parquet with one type per column. docs/decisions/0010-excel.md says by what."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from nbops.data.sources import expanding
from nbops.data.sources.parquet import Writer
from nbops.data.sources.reading import Raw
from nbops.data.sources.task import Task
from nbops.errors import SourceError, nearest

if TYPE_CHECKING:
    import pyarrow as pa


def converted(task: Task, raw: Raw, number: int | None) -> Raw:
    """The sheet as Parquet: its first row names the columns, empty rows are none. Raises SourceError."""
    expanding.check_workbook(task, raw)
    names, columns = _named(raw, _rows(task, raw))
    arrays = [_typed(column) for column in columns]
    import pyarrow as pa

    with Writer(task, number) as writer:
        writer.add(pa.record_batch(arrays, names=names))
    return raw._replace(path=writer.paths[0], format="parquet", longest=0)


def _rows(task: Task, raw: Raw) -> list[list[Any]]:
    """The cells of the range; None where one is empty."""
    try:
        import python_calamine as calamine
    except ImportError as error:
        raise SourceError("Workbooks need python-calamine.", hint="pip install 'nbops[excel]'") from error
    try:
        # By its content: the name may be ours, or wrong.
        with raw.path.open("rb") as file, calamine.CalamineWorkbook.from_filelike(file) as book:
            sheet = _sheet(book, task.source.sheet, raw)
            top, left, bottom, right = _corners(task.source.range)
            return [
                [None if cell == "" else cell for cell in row[left:right]]
                for row in sheet.to_python(skip_empty_area=False)[top:bottom]
            ]
    except (calamine.CalamineError, OSError) as error:
        raise SourceError(
            f"{raw.file.name} is no workbook that can be read: {error}.",
            hint="Open it, and save it as .xlsx without a password.",
        ) from error


def _sheet(book: Any, wanted: str | int, raw: Raw) -> Any:
    names = book.sheet_names
    if wanted == "" and len(names) > 1:
        raise SourceError(
            f"{raw.file.name} has several sheets.", hint=f"Say which: `sheet: {names[0]}`. It has {names}."
        )
    if isinstance(wanted, int) and 0 < wanted <= len(names):
        return book.get_sheet_by_index(wanted - 1)
    if wanted == "":
        return book.get_sheet_by_index(0)
    if str(wanted) not in names:
        near = nearest(str(wanted), names)
        raise SourceError(
            f"{raw.file.name} has no sheet {wanted!r}.", hint=f"Did you mean {near!r}?" if near else f"It has {names}."
        )
    return book.get_sheet_by_name(str(wanted))


def _corners(text: str) -> tuple[int, int, int | None, int | None]:
    """`B3:F200` as top, left, bottom and right; the latter two are behind the range."""
    found = re.fullmatch(r"([A-Z]+)(\d+):([A-Z]+)(\d+)", text)
    if not found:
        return 0, 0, None, None
    rows, columns = sorted((int(found[2]), int(found[4]))), sorted((_number(found[1]), _number(found[3])))
    return rows[0] - 1, columns[0] - 1, rows[1], columns[1]


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _named(raw: Raw, rows: list[list[Any]]) -> tuple[list[str], list[list[Any]]]:
    """Names and values of the columns; what has neither is no column."""
    while rows and not any(cell is not None for cell in rows[0]):
        rows.pop(0)
    if not rows:
        raise SourceError(
            f"{raw.file.name} has no cells there.", hint="Look at `sheet` and `range`, such as `range: B3:F200`."
        )
    head, *body = rows
    body = [row for row in body if any(cell is not None for cell in row)]
    columns = [list(column) for column in zip(*body, strict=True)] or [[] for _ in head]
    kept = [
        (told, column)
        for told, column in zip(head, columns, strict=True)
        if told is not None or any(x is not None for x in column)
    ]
    if any(told is None for told, _ in kept):
        raise SourceError(
            f"A column of {raw.file.name} has values, but no name in the first row.",
            hint="Say which cells are meant: `range: B3:F200`; its first row holds the names.",
        )
    names = [_text(told) for told, _ in kept]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SourceError(
            f"{raw.file.name} has several columns {twice[0]!r}.", hint="Rename one, or narrow the `range`."
        )
    return names, [column for _, column in kept]


def _typed(column: list[Any]) -> pa.Array:
    """The values in one type; in text where they are of several."""
    import pyarrow as pa

    kinds = {type(value) for value in column if value is not None}
    if kinds <= {int, float} and kinds:
        whole = all(value is None or (float(value).is_integer() and abs(value) <= 2**53) for value in column)
        return pa.array(
            [value if value is None or not whole else int(value) for value in column],
            pa.int64() if whole else pa.float64(),
        )
    if kinds == {date, datetime}:
        return pa.array([_moment(value) for value in column], pa.timestamp("us"))
    if len(kinds) == 1 and not kinds & {str}:
        return pa.array(column)
    return pa.array([None if value is None else _text(value) for value in column], pa.string())


def _moment(value: Any) -> datetime | None:
    """A day without a time is its midnight: a cell does not tell them apart."""
    return value if value is None or isinstance(value, datetime) else datetime.combine(value, time())


def _text(value: Any) -> str:
    """A cell as one would type it."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return str(int(value))
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)
