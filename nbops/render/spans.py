"""Plots of figures with how certain they are: intervals beside each other, and what was predicted against what came.

Made like the plots of `svg`: presentation attributes only, nothing told by colour alone. A figure that is None, NaN or infinite is a
gap, and an interval without its ends is a dot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nbops.records import Record
from nbops.render import drawing as draw
from nbops.render import scales, values
from nbops.render.model import Html, element

_ROW = 26
_CAP = 5.0

_Place = Callable[[float], float]


class Span(Record):
    """A figure with its interval; `told` is how it is written beside it. A highlighted one has another colour and a bold figure."""

    label: str
    value: object
    low: object = None
    high: object = None
    told: str = ""
    highlight: bool = False


class Seen(Record):
    """What was predicted on average of some rows, and what came, with its interval."""

    given: object
    observed: object
    low: object = None
    high: object = None
    note: str = ""


def intervals(
    items: Sequence[Span],
    *,
    unit: str = "",
    title: str = "",
    limits: Mapping[str, float] | None = None,
    width: int = 640,
) -> Html:
    """Figures below each other as dots with their intervals, on one scale; `limits` are dashed lines down, named on top."""
    known = [[values.finite(end) for end in (item.low, item.value, item.high)] for item in items]
    marks = {name: end for name, limit in (limits or {}).items() if (end := values.finite(limit)) is not None}
    ends = [end for three in known for end in three if end is not None]
    axis = scales.linear([*ends, *marks.values()], count=max(3, width // 130), round_ends=True)
    names = [draw.brief(item.label, width) for item in items]
    left = max(map(draw.extent, names), default=0) + 20
    right = width - max((draw.extent(item.told) for item in items), default=0) - 20
    if right - left < 160:  # a figure needs its room before the words beside it
        right = max(left + 160, width - 20)
    top = (28 if title else 6) + draw.ROW * len(marks)
    bottom = top + max(len(items), 1) * _ROW

    def place(value: float) -> float:
        return left + axis.place(value) * (right - left)

    parts = [*draw.heading(title, width), *_ground(axis, place, (left, top, right, bottom), unit)]
    parts += _marks({name: place(limit) for name, limit in marks.items()}, top, bottom, width)
    for index, (item, three, name) in enumerate(zip(items, known, names, strict=True)):
        middle = top + (index + 0.5) * _ROW
        parts.append(draw.words(0, middle + 4, name, whole=item.label, weight="600" if item.highlight else None))
        low, value, high = (None if end is None else place(end) for end in three)
        parts += _whisker(item, (low, value, high), middle)
        parts.append(draw.words(right + 14, middle + 4, item.told, weight="600" if item.highlight else None))
    if not ends:
        parts.append(draw.words((left + right) / 2, (top + bottom) / 2 + 4, "no values", anchor="middle", muted=True))
    story = [f"{item.label} {item.told or values.text(item.value)}" for item in items]
    return draw.canvas(width, bottom + 38, draw.describe(title or "Figures with their intervals", story), *parts)


def agreement(
    points: Sequence[Seen], *, x_label: str = "predicted", y_label: str = "came", title: str = "", width: int = 460
) -> Html:
    """What came against what was predicted, with intervals, both on one scale; on the dashed diagonal they are equal."""
    known = [[values.finite(end) for end in (one.given, one.observed, one.low, one.high)] for one in points]
    there = [
        (one, four) for one, four in zip(points, known, strict=True) if four[0] is not None and four[1] is not None
    ]
    ends = [end for _, four in there for end in four if end is not None]
    axis = scales.linear(ends, count=5, round_ends=True)
    plot = draw.frame(axis, axis, width=width, room=16, labels=(x_label, y_label, title))
    parts = []
    if there:
        parts.append(draw.rule(plot.x(axis.low), plot.y(axis.low), plot.x(axis.high), plot.y(axis.high), dash="4 3"))
    for one, (given, observed, low, high) in there:
        if given is None or observed is None:
            continue
        x, colour = plot.x(given), draw.BLUE
        if low is not None and high is not None:
            # Where the interval leaves out what was predicted, the dot is another one, too.
            colour = draw.BLUE if low <= given <= high else draw.ORANGE
            parts += [
                _stroke(x, plot.y(low), x, plot.y(high), colour),
                *(_stroke(x - 4, plot.y(end), x + 4, plot.y(end), colour) for end in (low, high)),
            ]
        said = f"{x_label} {values.number(given)}, {y_label} {values.number(observed)}{one.note and f', {one.note}'}"
        parts.append(element("circle", element("title", said), cx=x, cy=plot.y(observed), r=4, fill=colour))
    story = [f"{values.number(four[0])} predicted, {values.number(four[1])} came" for _, four in there]
    return plot.drawing(draw.describe(title or f"{y_label} against {x_label}", story), *parts)


def _ground(axis: scales.Axis, place: _Place, box: tuple[float, float, float, float], unit: str) -> list[Html]:
    """The grid with its labels below."""
    left, top, right, bottom = box
    parts = [draw.rule(left, bottom, right, bottom, opacity=0.5)]
    for tick, label in draw.thinned(axis, right - left):
        parts.append(draw.rule(place(tick), top, place(tick), bottom, opacity=0.12))
        parts.append(draw.words(place(tick), bottom + 16, label, anchor="middle", muted=True))
    if unit:
        parts.append(draw.words(right, bottom + 32, unit, anchor="end", muted=True))
    return parts


def _marks(places: Mapping[str, float], top: float, bottom: float, width: float) -> list[Html]:
    parts = []
    for row, (name, x) in enumerate(places.items()):
        half, y = draw.extent(name, draw.SMALL) / 2, top - 8 - draw.ROW * row
        parts.append(draw.rule(x, y + 4, x, bottom, dash="4 3"))
        parts.append(draw.words(max(half, min(x, width - half)), y, name, anchor="middle", muted=True))
    return parts


def _whisker(item: Span, ends: tuple[float | None, float | None, float | None], middle: float) -> list[Html]:
    low, value, high = ends
    colour = draw.ORANGE if item.highlight else draw.BLUE
    parts = []
    if low is not None and high is not None:
        parts = [
            _stroke(low, middle, high, middle, colour),
            *(_stroke(end, middle - _CAP, end, middle + _CAP, colour) for end in (low, high)),
        ]
    if value is not None:
        said = element("title", f"{item.label}: {item.told or values.number(item.value)}")
        parts.append(element("circle", said, cx=value, cy=middle, r=5 if item.highlight else 4, fill=colour))
    return parts


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str) -> Html:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=2)
