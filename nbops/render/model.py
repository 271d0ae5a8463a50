"""The vocabulary of the renderers: columns, cells, and markup that is known to be safe.

`show` turns columns and rows of plain values into the strings that an HTML table and a terminal table then place and paint.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Literal, NamedTuple

from nbops.errors import UsageError
from nbops.records import Better, Record
from nbops.render import values

Kind = Literal["text", "prose", "number", "time", "code", "status", "trend", "histogram", "histograms"]
Mark = Literal["best", "changed"]
Along = Literal["columns", "rows"]

SIGNS: dict[Mark, str] = {"best": "★", "changed": "Δ"}
_SELF_CLOSING = frozenset({"circle", "line", "path", "rect"})


class Html(str):
    """Markup, which notebooks and templates show as it is. Every other string is escaped on its way into an `element`."""

    __slots__ = ()

    def __html__(self) -> str:
        """What Jinja asks for before it escapes."""
        return self

    def _repr_html_(self) -> str:
        return self

    def __repr__(self) -> str:
        # A notebook keeps the text of what it shows beside its markup: once is enough.
        return f"<Html, {len(self):,} characters>"


class Column(Record):
    """One column. `kind` decides alignment and format.

    Prose is text that is not cut, a time is text already, trend and histogram are sequences of numbers, histograms are two of them, before
    and after. With `better` its best number
    gets a star.
    """

    label: str
    kind: Kind = "text"
    unit: str | None = None
    better: Better | None = None


class Cell(Record):
    """A value with a mark, or a note that appears on hover; any other value stands in its row as it is."""

    value: object
    mark: Mark | None = None
    note: str | None = None


class Shown(NamedTuple):
    """A cell as it will be read: `text` is one clean line, `value` what it came from."""

    text: str
    value: object
    mark: Mark | None
    note: str | None


def as_columns(columns: Sequence[Column | str], rows: Sequence[Sequence[object]]) -> list[Column]:
    """The columns of a table with these rows; a plain string becomes one of numbers when all its values are, else of text.

    Raises UsageError when a row has a cell too many or too few.
    """
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise UsageError(
                f"Row {number} has {len(row)} cells for {len(columns)} columns.", hint="Give None for a missing value."
            )
    return [
        Column(column, _kind([row[index] for row in rows])) if isinstance(column, str) else column
        for index, column in enumerate(columns)
    ]


def show(columns: Sequence[Column], rows: Sequence[Sequence[object]], along: Along = "columns") -> list[list[Shown]]:
    """Every cell as it will be read; numbers share their decimals down each column, or `along` "rows" across each row."""
    cells = [[value if isinstance(value, Cell) else Cell(value) for value in row] for row in rows]
    texts = [[_text(column.kind, cell.value) for column, cell in zip(columns, row, strict=True)] for row in cells]
    marks = [[cell.mark for cell in row] for row in cells]
    for places in _number_places(columns, len(rows), along):
        formatted = values.numbers([cells[row][index].value for row, index in places])
        for (row, index), text in zip(places, formatted, strict=True):
            texts[row][index] = text
    for index, column in enumerate(columns):
        for row in best([line[index].value for line in cells], column.better) if column.better else ():
            marks[row][index] = marks[row][index] or "best"
    return [
        [Shown(text, cell.value, mark, cell.note) for text, cell, mark in zip(*parts, strict=True)]
        for parts in zip(texts, cells, marks, strict=True)
    ]


def best(candidates: Sequence[object], better: Better) -> list[int]:
    """The places of the best number, all of them at a tie; none when there is nothing to choose from."""
    known = [values.finite(value) for value in candidates]
    present = {value for value in known if value is not None}
    if len(present) < 2:  # a winner needs somebody to beat
        return []
    winner = max(present) if better == "higher" else min(present)
    return [index for index, value in enumerate(known) if value == winner]


def pair(value: object) -> tuple[Sequence[object], Sequence[object]] | None:
    """Two sequences that stand in one cell, if that is what the value is."""
    if isinstance(value, Sequence) and len(value) == 2:
        then, now = value
        if all(isinstance(one, Sequence) and not isinstance(one, str) for one in (then, now)):
            return then, now
    return None


def element(name: str, *children: str, **attributes: str | float | None) -> Html:
    """One element: strings are escaped, Html is kept, an attribute of None is left out, `_` in a name becomes `-`."""
    parts = "".join(
        f' {key.replace("_", "-")}="{coordinate(value) if isinstance(value, int | float) else escape(values.clean(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if not children and name in _SELF_CLOSING:
        return Html(f"<{name}{parts}/>")
    return Html(f"<{name}{parts}>{join(children)}</{name}>")


def join(parts: Sequence[str]) -> Html:
    """The parts in a row, escaped where they are not Html."""
    return Html("".join(part if isinstance(part, Html) else escape(values.clean(part), quote=False) for part in parts))


def coordinate(value: float) -> str:
    """A length in a drawing, as text."""
    return f"{value:z.2f}".rstrip("0").rstrip(".")


def _kind(cells: Sequence[object]) -> Kind:
    present = [value for cell in cells if (value := cell.value if isinstance(cell, Cell) else cell) is not None]
    return "number" if present and all(map(values.is_number, present)) else "text"


def _text(kind: Kind, value: object) -> str:
    if kind == "status" and value is not None:
        return values.status(str(value))
    if kind in {"trend", "histogram"} and isinstance(value, Sequence) and not isinstance(value, str):
        return values.blocks(value)
    if kind == "histograms" and (both := pair(value)) is not None:
        return " → ".join(map(values.blocks, both))
    return values.text(value)


def _number_places(columns: Sequence[Column], rows: int, along: Along) -> list[list[tuple[int, int]]]:
    """The (row, column) of the cells that share their decimals, by group."""
    numeric = [index for index, column in enumerate(columns) if column.kind == "number"]
    if along == "rows":
        return [[(row, index) for index in numeric] for row in range(rows)]
    return [[(row, index) for row in range(rows)] for index in numeric]
