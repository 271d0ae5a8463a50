"""HTML out of plain values: tables, facts about one thing, and the spacing between pieces.

All looks are inline styles and the colours of the page they stand in, so the pieces read the same in JupyterLab, a report and a
mail, light or dark, with no style sheet, script or link.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbops.render import drawing, svg, values
from nbops.render.model import SIGNS, Along, Column, Html, Shown, as_columns, element, pair, show

_LONGEST = 60
_LONGEST_HOVER = 1000
# An alignment stands alone in its style: the sanitizer of reports keeps that much of a style, and no more.
_LEFT, _RIGHT = "text-align:left", "text-align:right"
_LINE = "1px solid rgba(128,128,128,.25)"
_STRONG_LINE = "1px solid rgba(128,128,128,.6)"
_CHANGED = "background:rgba(213,115,26,.18);color:inherit;border-radius:3px;padding:1px 4px"
_CAPTION = "caption-side:top;text-align:left;padding:8px;font-weight:600;color:inherit"
_MUTED = "opacity:.7"
_NAME = f"{_MUTED};font-weight:400;padding-right:12px"
# JupyterLab centres tables, fixes their layout and aligns cells to the right.
_TABLE = (
    "border-collapse:collapse;table-layout:auto;width:auto;margin:0;color:inherit;"
    "font-size:inherit;font-variant-numeric:tabular-nums;line-height:1.3"
)


def table(
    columns: Sequence[Column | str],
    rows: Sequence[Sequence[object]],
    *,
    caption: str | None = None,
    note: str | None = None,
    along: Along = "columns",
) -> Html:
    """A table; it scrolls sideways where it does not fit.

    Long text that is no prose is cut, with the whole of it on hover. Numbers share their decimals down each column, or across each row
    when `along` is "rows". Raises UsageError when a row has a cell too many or too few.
    """
    heads = as_columns(columns, rows)
    head = element("tr", *map(_head, heads), style=f"vertical-align:bottom;border-bottom:{_STRONG_LINE}")
    body = [
        element("tr", *map(_cell, heads, cells), style=f"border-bottom:{_LINE}") for cells in show(heads, rows, along)
    ] or [_across(heads, "no rows")]
    parts = [element("thead", head), element("tbody", *body)]
    if caption:
        parts.insert(0, element("caption", caption, style=_CAPTION))
    if note:
        parts.append(element("tfoot", _across(heads, note)))
    return element("div", element("table", *parts, cellpadding=8, style=_TABLE), style="overflow-x:auto")


def facts(columns: Sequence[Column | str], row: Sequence[object]) -> Html:
    """One row upright, as names and values; a column's unit follows its value."""
    heads = as_columns(columns, [row])
    lines = [
        element(
            "tr",
            element("th", element("span", column.label, style=_NAME), scope="row", style=_LEFT),
            element("td", _content(column, cell), _unit(column), title=_hover(column, cell), style=_LEFT),
            style="background:none",
        )
        for column, cell in zip(heads, show(heads, [row])[0], strict=True)
    ]
    return element("table", element("tbody", *lines), cellpadding=4, style=_TABLE)


def status(word: str) -> Html:
    """A status word behind its icon."""
    icon = element("span", values.ICONS[values.tone(word)], style=f"color:{drawing.TONES[values.tone(word)]}")
    return element("span", icon, f"\N{NO-BREAK SPACE}{word}")


def section(title: str, *parts: str, level: int = 3) -> Html:
    """A heading and its parts below each other."""
    return element("section", element(f"h{level}", title, style="margin:0 0 8px;line-height:1.3"), stack(*parts))


def stack(*parts: str) -> Html:
    """Parts below each other at an even distance; a plain string becomes a paragraph."""
    return element("div", *(element("div", _part(part), style="margin:0 0 16px") for part in parts if part))


def beside(*parts: str) -> Html:
    """Parts next to each other where there is room, else below each other."""
    boxes = (element("div", _part(part), style="flex:1 1 400px;min-width:0") for part in parts if part)
    return element("div", *boxes, style="display:flex;flex-wrap:wrap;gap:16px 24px;align-items:flex-start")


def _part(part: str) -> Html:
    return part if isinstance(part, Html) else element("p", part, style="margin:0;max-width:70ch")


def _align(column: Column) -> str:
    return _RIGHT if column.kind == "number" else _LEFT


def _head(column: Column) -> Html:
    return element("th", column.label, _unit(column), scope="col", style=_align(column))


def _unit(column: Column) -> str:
    return element("span", f"\N{NO-BREAK SPACE}{column.unit}", style=f"{_MUTED};font-weight:400") if column.unit else ""


def _cell(column: Column, cell: Shown) -> Html:
    return element("td", _content(column, cell), title=_hover(column, cell), style=_align(column))


def _content(column: Column, cell: Shown) -> str:
    inner: str = values.shorten(cell.text, _LONGEST)
    if cell.text == values.MISSING:
        inner = element("span", inner, style=_MUTED)
    elif column.kind == "prose":
        inner = element("div", cell.text, style="min-width:14em;max-width:60ch;white-space:normal")
    elif column.kind == "status":
        inner = status(str(cell.value))
    elif column.kind == "code":
        inner = element("code", inner)
    elif column.kind == "time":
        inner = element("time", inner, style="white-space:nowrap")
    elif column.kind == "trend" and isinstance(cell.value, Sequence):
        inner = svg.sparkline(cell.value)
    elif column.kind == "histogram" and isinstance(cell.value, Sequence):
        inner = svg.histogram(cell.value)
    elif column.kind == "histograms" and (both := pair(cell.value)) is not None:
        inner = svg.histograms(*both)
    if cell.mark is None:
        return inner
    sign = element("span", SIGNS[cell.mark], role="img", aria_label=cell.mark, title=cell.mark, style="font-size:.85em")
    if cell.mark == "best":
        return element("b", sign, "\N{NO-BREAK SPACE}", inner)
    return element("mark", sign, "\N{NO-BREAK SPACE}", inner, style=_CHANGED)


def _hover(column: Column, cell: Shown) -> str | None:
    cut = len(cell.text) > _LONGEST and column.kind != "prose"
    whole = values.shorten(cell.text, _LONGEST_HOVER) if cut else None
    return " · ".join(words for words in (cell.note, whole) if words) or None


def _across(columns: Sequence[Column], words: str) -> Html:
    small = element("span", words, style=f"{_MUTED};font-size:.9em")
    return element("tr", element("td", small, colspan=max(len(columns), 1), style=_LEFT))
