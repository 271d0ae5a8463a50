"""Terminal tables out of plain values, with the columns, cells and number formats of the HTML ones.

On a terminal they fit its width and use its own colours; anywhere else they are plain, at full length, with no rules between, so that
`grep` and `cut` find what they look for.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from nbops.render import values
from nbops.render.model import SIGNS, Along, Column, Shown, as_columns, show

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_UNLIMITED = 10_000_000
_LEAST = 8  # a column of text gives way down to this: the length of a short run id
_GAP = 3
_STYLES: dict[values.Tone, str] = {
    "good": "green",
    "bad": "red",
    "attention": "yellow",
    "busy": "blue",
    "waiting": "dim",
    "neutral": "dim",
}


def table(
    columns: Sequence[Column | str],
    rows: Sequence[Sequence[object]],
    *,
    caption: str | None = None,
    note: str | None = None,
    along: Along = "columns",
    width: int | None = None,
    styled: bool | None = None,
) -> str:
    """A table as lines of text; `width` and `styled` are asked of standard output when they are not given.

    Where it is too narrow, columns of text are cut first; then the last columns are left out and named. Raises UsageError when a row
    has a cell too many or too few.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    heads = as_columns(columns, rows)
    body = show(heads, rows, along)
    limit, styled = _surface(width, styled=styled)
    widths = _widths(heads, body, limit)
    grid = Table(box=box.SIMPLE_HEAD if styled else None, pad_edge=False, padding=(0, 1), header_style="bold")
    for column, cells_wide in zip(heads, widths, strict=False):
        side: Literal["left", "right"] = "right" if column.kind == "number" else "left"
        grid.add_column(Text(_label(column)), justify=side, vertical="bottom", width=cells_wide)
    for cells in body:
        grid.add_row(*map(_cell, heads[: len(widths)], cells))
    if not rows:
        note = f"no rows; {note}" if note else "no rows"
    hidden = ", ".join(column.label for column in heads[len(widths) :])
    above = [Text(values.clean(caption), style="bold")] if caption else []
    below = [Text(values.clean(words), style="dim") for words in (note, hidden and f"not shown: {hidden}") if words]
    return _lines([*above, grid, *below], limit, styled=styled)


def facts(
    columns: Sequence[Column | str], row: Sequence[object], *, width: int | None = None, styled: bool | None = None
) -> str:
    """One row upright, as names and values; a column's unit follows its value."""
    from rich.table import Table
    from rich.text import Text

    heads = as_columns(columns, [row])
    limit, styled = _surface(width, styled=styled)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for column, cell in zip(heads, show(heads, [row])[0], strict=True):
        value = _cell(column, cell)
        value.no_wrap, value.overflow = False, "fold"
        value.append(f" {values.clean(column.unit)}" if column.unit else "")
        grid.add_row(Text(values.clean(column.label), style="dim"), value)
    return _lines([grid], limit, styled=styled)


def _surface(width: int | None, *, styled: bool | None) -> tuple[int | None, bool]:
    """How wide the output is, if limited, and whether it is a terminal that knows styles."""
    from rich.console import Console

    output = Console()  # knows NO_COLOR, TERM and COLUMNS
    if styled is None:
        styled = output.is_terminal and not output.is_dumb_terminal
    return width or (output.width if styled else None), styled


def _widths(columns: Sequence[Column], body: Sequence[Sequence[Shown]], limit: int | None) -> list[int]:
    """How wide each column is, for as many of the first as fit; a number or a time is never cut."""
    from rich.cells import cell_len

    wanted, least = [], []
    for index, column in enumerate(columns):
        longest = max((cell_len(_plain(cells[index])) for cells in body), default=0)
        wanted.append(max(longest, cell_len(_label(column))))
        floor = min(longest, _LEAST) if column.kind in {"text", "prose", "code"} else longest
        least.append(max([floor, *map(cell_len, _label(column).split())]))
    if limit is None:
        return wanted
    fitting = max(1, sum(total <= limit for total in accumulate(width + _GAP for width in least)))
    widths = [max(floor, min(width, limit)) for floor, width in zip(least, wanted[:fitting], strict=False)]
    for _ in range(sum(widths) + _GAP * fitting - limit):
        roomiest = max(range(fitting), key=lambda index: widths[index] - least[index])
        widths[roomiest] -= widths[roomiest] > least[roomiest]
    return widths


def _label(column: Column) -> str:
    return values.clean(f"{column.label} ({column.unit})" if column.unit else column.label)


def _plain(cell: Shown) -> str:
    return f"{SIGNS[cell.mark]} {cell.text}" if cell.mark else cell.text


def _cell(column: Column, cell: Shown) -> Text:
    from rich.text import Text

    line = Text(_plain(cell), style="bold" if cell.mark == "best" else "", no_wrap=True, overflow="ellipsis")
    if column.kind == "status":
        icon = line.plain.find(cell.text)
        line.stylize(_STYLES[values.tone(str(cell.value))], icon, icon + 1)
    if cell.text == values.MISSING:
        line.stylize("dim")
    return line


def _lines(parts: Sequence[RenderableType], width: int | None, *, styled: bool) -> str:
    """The parts below each other, without blanks around them."""
    from rich.console import Console

    colours: Literal["standard"] | None = "standard" if styled else None
    # In a notebook rich would display what it prints, and leave an empty output beside it.
    console = Console(
        file=io.StringIO(), width=width or _UNLIMITED, force_terminal=styled, force_jupyter=False, color_system=colours, emoji=False
    )  # fmt: skip
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n") + "\n"
