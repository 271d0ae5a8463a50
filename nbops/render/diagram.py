"""Boxes and the arrows between them as inline SVG, from left to right: where something comes from and what became of it.

Looks are those of `svg`: the colours of the page for text and lines, a colour and a word for each kind. A column that would be too long
ends with a box that counts the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from nbops.records import Record
from nbops.render import drawing as draw
from nbops.render import values
from nbops.render.model import Html, coordinate, element

_COLOURS = {"data": draw.BLUE, "run": draw.GREEN, "version": draw.PURPLE, "alias": draw.ORANGE}
_ROWS = 12
_TALL, _THIN, _SPACE, _GAP = 40, 10, 12, 40
_NARROW, _WIDE = 90, 210
_SWEEPS = 4
_READABLE = 0.85  # below it the smaller words would be hard to read
_MORE = "more"


class Box(Record):
    """A thing; `kind` decides on its colour and stands in its second line with the `note`. A strong one is what the drawing is about.

    `tone` decides on the colour instead, and puts its sign before the kind; `more` is told on hover.
    """

    key: str
    name: str
    kind: str
    note: str = ""
    strong: bool = False
    tone: values.Tone | None = None
    more: str = ""


class Arrow(Record):
    """A line from one box to another, by their keys; its `label` appears on hover."""

    start: str
    end: str
    label: str = ""


_Place = tuple[float, float]
_Columns = list[list[str]]


def draw_boxes(
    boxes: Sequence[Box],
    arrows: Sequence[Arrow],
    *,
    title: str = "",
    note: str = "",
    rows: int = _ROWS,
    pressed: str = "",
) -> Html:
    """The drawing, as wide as it needs; arrows whose boxes are not there are left out, and so are those that would lead back.

    No column is longer than so many `rows`. With `pressed`, boxes are buttons for the page that they stand in, which finds the key of
    each in the attribute of that name.
    """
    known = {box.key: box for box in boxes}
    there = [one for one in arrows if one.start in known and one.end in known and one.start != one.end]
    forward = _forward(list(known), there)
    ranks = _ranks(list(known), forward)
    known, forward, ranks = _limited(known, forward, ranks, rows)
    columns, steps = _columns(known, forward, ranks)
    _untangle(columns, steps)
    wide = [_width([known[key] for key in column if key in known]) for column in columns]
    lefts = [sum(wide[:index]) + _GAP * index + 1 for index in range(len(wide))]
    tall = [sum(_height(key, known) for key in column) + _SPACE * (len(column) - 1) for column in columns]
    top = 30 if title else 2
    height = top + max(tall, default=0) + (24 if note else 4)
    width = max([left + one for left, one in zip(lefts, wide, strict=True)] + [draw.extent(title, 13), 120]) + 2
    places: dict[str, _Place] = {}
    parts = draw.heading(title, width)
    for column, left, total in zip(columns, lefts, tall, strict=True):
        y = top + (max(tall) - total) / 2
        for key in column:
            places[key] = left, y + _height(key, known) / 2
            y += _height(key, known) + _SPACE
    spans = {key: wide[index] for index, column in enumerate(columns) for key in column}
    parts += [_arrow(arrow, [places[key] for key in way], [spans[key] for key in way]) for arrow, way in steps.items()]
    parts += [_box(known[key], place, spans[key], pressed) for key, place in places.items() if key in known]
    if note:
        parts.append(draw.words(0, height - 6, note, muted=True))
    story = [f"{known[arrow.start].name} to {known[arrow.end].name}" for arrow in forward]
    label = draw.describe(title or "Diagram", story or [box.name for box in boxes])
    return draw.canvas(width, height, label, *parts, least=width * _READABLE, role="group" if pressed else "img")


def standalone(drawing: Html) -> Html:
    """The drawing as a file of its own, which follows the reader's choice of light or dark."""
    looks = "color-scheme:light dark;color:CanvasText;background:Canvas;font-family:sans-serif;"
    named = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return Html(named.replace('style="', f'style="{looks}', 1))


def _forward(keys: Sequence[str], arrows: Sequence[Arrow]) -> list[Arrow]:
    """The arrows without those that close a circle, one for each pair of boxes."""
    labels: dict[tuple[str, str], list[str]] = {}
    for arrow in arrows:
        labels.setdefault((arrow.start, arrow.end), []).append(arrow.label)
    following: dict[str, dict[str, Arrow]] = {key: {} for key in keys}
    for (start, end), told in labels.items():
        following[start][end] = Arrow(start, end, ", ".join(filter(None, dict.fromkeys(told))))
    kept: list[Arrow] = []
    entered, left = set[str](), set[str]()
    for root in keys:
        way = [] if root in left else [root]
        while way:
            key = way[-1]
            entered.add(key)
            if not following[key]:
                left.add(way.pop())
                continue
            arrow = following[key].pop(next(iter(following[key])))
            if arrow.end in entered and arrow.end not in left:
                continue
            kept.append(arrow)
            if arrow.end not in left:
                way.append(arrow.end)
    return kept


def _ranks(keys: Sequence[str], arrows: Sequence[Arrow]) -> dict[str, int]:
    """The column of each box: behind all that lead to it, and what nothing leads to right before what it leads to."""
    ahead: dict[str, list[str]] = {key: [] for key in keys}
    for arrow in arrows:
        ahead[arrow.start].append(arrow.end)
    waited = Counter(arrow.end for arrow in arrows)
    ready = [key for key in keys if not waited[key]]
    ranks = dict.fromkeys(keys, 0)
    first = list(ready)
    for key in ready:
        for end in ahead[key]:
            ranks[end] = max(ranks[end], ranks[key] + 1)
            waited[end] -= 1
            if not waited[end]:
                ready.append(end)
    for key in first:
        ranks[key] = min((ranks[end] for end in ahead[key]), default=1) - 1
    return ranks


def _limited(
    known: Mapping[str, Box], arrows: Sequence[Arrow], ranks: Mapping[str, int], rows: int
) -> tuple[dict[str, Box], list[Arrow], dict[str, int]]:
    """The same with one box for all that a column has no room for: the least connected."""
    degree = Counter(key for arrow in arrows for key in (arrow.start, arrow.end))
    stands: dict[str, str] = {key: key for key in known}
    boxes, placed = dict(known), dict(ranks)
    for rank in sorted(set(ranks.values())):
        column = [key for key in known if ranks[key] == rank]
        if len(column) <= rows:
            continue
        ordered = sorted(column, key=lambda key: (not known[key].strong, -degree[key]))
        rest = ordered[rows - 1 :]
        kinds = {known[key].kind for key in rest}
        more = f"{_MORE}:{rank}"
        boxes[more] = Box(more, f"and {len(rest):,} more", kinds.pop() if len(kinds) == 1 else "")
        placed[more] = rank
        for key in rest:
            stands[key] = more
            del boxes[key], placed[key]
    merged = {(stands[arrow.start], stands[arrow.end]): arrow for arrow in reversed(arrows)}
    return boxes, [Arrow(start, end, arrow.label) for (start, end), arrow in reversed(merged.items())], placed


def _columns(
    boxes: Iterable[str], arrows: Sequence[Arrow], ranks: Mapping[str, int]
) -> tuple[_Columns, dict[Arrow, list[str]]]:
    """What stands in each column, and the way of each arrow: through a gap of its own in the columns that it passes."""
    columns: _Columns = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for key in boxes:
        columns[ranks[key]].append(key)
    ways = {}
    for index, arrow in enumerate(arrows):
        passed = {rank: f"gap:{index}:{rank}" for rank in range(ranks[arrow.start] + 1, ranks[arrow.end])}
        for rank, gap in passed.items():
            columns[rank].append(gap)
        ways[arrow] = [arrow.start, *passed.values(), arrow.end]
    return columns, ways


def _untangle(columns: _Columns, ways: Mapping[Arrow, Sequence[str]]) -> None:
    """Order each column by where its neighbours stand, to and fro, so that fewer lines cross."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for way in ways.values():
        for one, other in pairwise(way):
            after.setdefault(one, []).append(other)
            before.setdefault(other, []).append(one)
    for sweep in range(_SWEEPS):
        near, order = (before, columns[1:]) if sweep % 2 == 0 else (after, columns[-2::-1])
        at = {key: index / max(len(column) - 1, 1) for column in columns for index, key in enumerate(column)}
        for column in order:
            middle = {
                key: sum(at[other] for other in near[key]) / len(near[key]) if near.get(key) else at[key]
                for key in column
            }
            column.sort(key=middle.__getitem__)
            at.update({key: index / max(len(column) - 1, 1) for index, key in enumerate(column)})


def _height(key: str, known: Mapping[str, Box]) -> float:
    return _TALL if key in known else _THIN


def _width(boxes: Sequence[Box]) -> float:
    longest = [max(draw.extent(box.name), draw.extent(_told(box), draw.SMALL)) + 22 for box in boxes]
    return min(max([*longest, _NARROW]), _WIDE)


def _told(box: Box) -> str:
    kind = f"{values.ICONS[box.tone]} {box.kind}" if box.tone else box.kind
    return " · ".join(filter(None, [kind, box.note]))


def _box(box: Box, place: _Place, width: float, pressed: str) -> Html:
    left, middle = place
    colour = draw.TONES[box.tone] if box.tone else _COLOURS.get(box.kind, draw.GREY)
    top = middle - _TALL / 2
    whole = " · ".join(filter(None, [box.name, box.kind, box.note, box.more]))
    button: dict[str, str | float] = {}
    if pressed:
        button = {"role": "button", "tabindex": 0, "aria_label": whole, "cursor": "pointer", pressed: box.key}
    line = element(
        "rect", x=left, y=top, width=width, height=_TALL, rx=4, fill=colour if box.tone else "none",
        fill_opacity=0.1 if box.tone else None, stroke=colour if box.strong else "currentColor",
        stroke_width=2 if box.strong else 1, stroke_opacity=None if box.strong else 0.35,
    )  # fmt: skip
    name = draw.fitting(box.name, width - 20)
    said = draw.fitting(_told(box), width - 20, draw.SMALL)
    return element(
        "g",
        element("title", whole),
        line,
        element("rect", x=left, y=top, width=5, height=_TALL, rx=2, fill=colour),
        draw.words(left + 13, middle - 3, name, weight="600" if box.strong else None),
        draw.words(left + 13, middle + 13, said, muted=True),
        **button,
    )


def _arrow(arrow: Arrow, places: Sequence[_Place], spans: Sequence[float]) -> Html:
    """The line along its way: straight through gaps, curved between columns."""
    x, y = places[0][0] + spans[0], places[0][1]
    d = [f"M{coordinate(x)} {coordinate(y)}"]
    for (left, middle), span in zip(places[1:], spans[1:], strict=True):
        half = (left - x) / 2
        points = (x + half, y, x + half, middle, left, middle)
        d.append("C" + " ".join(map(coordinate, points)))
        if (left, middle) != places[-1]:
            d.append(f"H{coordinate(left + span)}")
        x, y = left + span, middle
    end, level = places[-1]
    said = element("title", values.clean(arrow.label)) if arrow.label else None
    head = f"M{coordinate(end - 1)} {coordinate(level)}l-7 -3.5v7z"
    return element(
        "g",
        *([said] if said else []),
        element("path", d="".join(d), fill="none", stroke="currentColor", stroke_opacity=0.5),
        element("path", d=head, fill="currentColor", fill_opacity=0.6),
    )
