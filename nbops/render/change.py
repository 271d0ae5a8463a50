"""Plots of what changes: a figure from window to window with what happened, two distributions on each other, columns by windows.

Made like the plots of `svg`: presentation attributes only, nothing told by colour alone. A figure that is None, NaN or infinite is a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from nbops.errors import UsageError
from nbops.records import Record
from nbops.render import drawing as draw
from nbops.render import scales, values
from nbops.render.model import Html, coordinate, element

_COLOURS = (draw.BLUE, draw.ORANGE, draw.GREEN, draw.PURPLE, draw.PINK)
_CELL_HEIGHT, _CELL_WIDTH = 20, 22
_STAND = 60


class Course(Record):
    """A figure in each window (n,), with the ends of its intervals (n,) where there are such; one that is only estimated is dashed."""

    label: str
    values: Sequence[object]
    lows: Sequence[object] = ()
    highs: Sequence[object] = ()
    estimated: bool = False


class Band(Record):
    """Where the figure is expected to lie."""

    low: float
    high: float
    label: str


class Mark(Record):
    """Something that happened in a window, by its number from 0; half a window further it happened at its end."""

    at: float
    label: str


class Time(Record):
    """Windows in which something lasted: the first and the last, by their numbers from 0."""

    first: int
    last: int
    label: str


class Cell(Record):
    """A square of a heat map: how strong it is from 0 to 1 (None where nothing is known), whether it is marked, and what it says."""

    strength: float | None
    marked: bool = False
    said: str = ""


def course(  # noqa: PLR0913 - what may be drawn
    windows: Sequence[str],
    courses: Sequence[Course],
    *,
    y_label: str = "",
    title: str = "",
    band: Band | None = None,
    limit: tuple[str, float] | None = None,
    marks: Sequence[Mark] = (),
    times: Sequence[Time] = (),
    width: int = 720,
) -> Html:
    """Figures by window with their intervals as shades, the `band` in which they are expected, and a dashed `limit` across.

    `times` are shaded from top to bottom, `marks` are vertical lines named on top. Raises UsageError when a course has more figures than
    there are windows, or fewer.
    """
    known = [_Known.of(one, len(windows)) for one in courses]
    ends = [end for one in known for end in one.all()]
    bounds = [*([band.low, band.high] if band else []), *([limit[1]] if limit else [])]
    said = [*(one.label for one in courses), *([band.label] if band else []), *([limit[0]] if limit else [])]
    plot = draw.frame(
        scales.categories(windows),
        scales.linear([*ends, *bounds], round_ends=True) if ends else scales.linear([]),
        width=width,
        room=max((draw.extent(draw.brief(label, width)) + 24 for label in said), default=0),
        labels=("", y_label, title),
        above=draw.ROW * len(marks),
    )
    parts = [*_times(plot, times), *_marks(plot, marks)]
    labels: list[draw.End] = []
    if ends and band:
        top, bottom = plot.y(band.high), plot.y(band.low)
        shade = element(
            "rect",
            x=plot.left,
            y=top,
            width=plot.right - plot.left,
            height=max(bottom - top, 1),
            fill=draw.GREEN,
            fill_opacity=0.18,
        )
        parts.append(shade)
        labels.append(draw.End(band.label, plot.right, (top + bottom) / 2, draw.Pen(draw.GREEN, None, 1)))
    if ends and limit:
        parts.append(draw.rule(plot.left, plot.y(limit[1]), plot.right, plot.y(limit[1]), dash="4 3"))
        labels.append(draw.End(limit[0], plot.right, plot.y(limit[1]), draw.Pen("currentColor", "4 3", 1)))
    for index, (one, told) in enumerate(zip(courses, known, strict=True)):
        pen = draw.Pen(_COLOURS[index % len(_COLOURS)], "5 3" if one.estimated else None)
        parts += _shades(plot, told, pen)
        parts += _drawn(plot, one.label, windows, told, pen)
        last = [(place, value) for place, value in enumerate(told.values) if value is not None][-1:]
        labels += [draw.End(one.label, plot.x(place), plot.y(value), pen) for place, value in last]
    story = [f"{one.label} from {_ends(told)}" for one, told in zip(courses, known, strict=True) if any(told.all())]
    story += [f"{mark.label} at {windows[min(int(mark.at), len(windows) - 1)]}" for mark in marks if windows]
    return plot.drawing(
        draw.describe(title or y_label or "Figures by window", story), *parts, *draw.end_labels(plot, labels)
    )


def overlay(
    bins: Sequence[str],
    before: Sequence[float],
    after: Sequence[float],
    *,
    labels: tuple[str, str] = ("reference", "now"),
    title: str = "",
    width: int = 360,
) -> Html:
    """Two distributions over the same bins (n,), as shares: the first filled, the second an outline on it.

    Raises UsageError when there are not as many shares of each as there are bins.
    """
    if not len(bins) == len(before) == len(after):
        raise UsageError("There is not one share of each for every bin.", hint="Give as many as there are bins.")
    top, height, bottom = (26 if title else 6) + draw.ROW, 84, 22
    most = max([*before, *after, 1e-12])
    step = width / max(len(bins), 1)
    floor = top + height

    def rise(share: float) -> float:
        return floor - height * share / most

    parts = draw.heading(title, width)
    parts += _key(labels, top - 6)
    outline = []
    for place, (name, one, other) in enumerate(zip(bins, before, after, strict=True)):
        told = element("title", f"{name}: {labels[0]} {one:.1%}, {labels[1]} {other:.1%}")
        parts.append(
            element(
                "rect",
                told,
                x=place * step + 1,
                y=rise(one),
                width=max(step - 2, 1),
                height=max(floor - rise(one), 0.5),
                fill=draw.GREY,
                fill_opacity=0.45,
            )
        )
        outline += [(place * step + 1, rise(other)), ((place + 1) * step - 1, rise(other))]
    if outline:
        d = "M" + " L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in outline)
        parts.append(draw.Pen(draw.ORANGE).draw(d))
    parts.append(draw.rule(0, floor, width, floor, opacity=0.5))
    if bins:
        parts.append(draw.words(0, floor + 15, draw.fitting(bins[0], width / 2 - 6, draw.SMALL), muted=True))
        last = draw.fitting(bins[-1], width / 2 - 6, draw.SMALL)
        parts += [draw.words(width, floor + 15, last, anchor="end", muted=True)] if len(bins) > 1 else []
    moved = sorted(zip(bins, before, after, strict=True), key=lambda three: -abs(three[2] - three[1]))
    story = [f"{name} {one:.1%} before, {other:.1%} after" for name, one, other in moved]
    return draw.canvas(width, floor + bottom, draw.describe(title or "Two distributions", story), *parts)


def heat(
    names: Sequence[str], windows: Sequence[str], cells: Sequence[Sequence[Cell]], *, title: str = "", width: int = 720
) -> Html:
    """A row of squares for each name, one a window, the darker the stronger; what is marked has a dot in it, what is unknown is empty.

    Raises UsageError when a row has more squares than there are windows, or fewer.
    """
    if len(names) != len(cells) or any(len(row) != len(windows) for row in cells):
        raise UsageError("There is not one cell for every name and window.", hint="Give a row a name, a cell a window.")
    shown = [draw.brief(name, width) for name in names]
    left = round(max(map(draw.extent, shown), default=0)) + 12
    # Whole pixels: a square is crisp, and its place is short.
    step = max(min((width - left) // max(len(windows), 1), 2 * _CELL_WIDTH), 3)
    top = 28 if title else 4
    bottom = top + max(len(names), 1) * _CELL_HEIGHT
    parts = draw.heading(title, width)
    for row, (name, short, line) in enumerate(zip(names, shown, cells, strict=True)):
        y = top + row * _CELL_HEIGHT
        parts.append(draw.words(0, y + _CELL_HEIGHT - 6, short, whole=name))
        squares = [part for place, cell in enumerate(line) for part in _square(cell, left + place * step, y, step)]
        parts.append(element("g", *squares, fill=draw.ORANGE))
    every = max(1, -int(-_STAND // step)) if windows else 1
    for place, window in enumerate(windows):
        if place % every == 0 and left + place * step + draw.extent(window, draw.SMALL) <= width:
            parts.append(draw.words(left + place * step, bottom + 14, window, muted=True))
    if not names or not windows:
        parts.append(draw.words(width / 2, bottom - 6, "nothing to show", anchor="middle", muted=True))
    marked = [
        f"{name} in {windows[place]}"
        for name, line in zip(names, cells, strict=True)
        for place, cell in enumerate(line)
        if cell.marked
    ]
    about = f"{title or 'Columns by windows'}, {values.counted(len(marked), 'square')} marked"
    return draw.canvas(width, bottom + 22, draw.describe(about, marked) if marked else about, *parts)


class _Known(Record):
    """The finite figures of a course."""

    values: list[float | None]
    lows: list[float | None]
    highs: list[float | None]

    @staticmethod
    def of(one: Course, windows: int) -> _Known:
        """Raises UsageError for another number of figures than windows."""
        for some in (one.values, one.lows or one.values, one.highs or one.values):
            if len(some) != windows:
                raise UsageError(
                    f"{one.label!r} has {len(some)} figures for {values.counted(windows, 'window')}.",
                    hint="Give one a window, None where there is none.",
                )
        none = [None] * windows
        return _Known(*([values.finite(value) for value in some or none] for some in (one.values, one.lows, one.highs)))

    def all(self) -> Iterator[float]:
        """Every figure and end."""
        return (value for some in (self.values, self.lows, self.highs) for value in some if value is not None)


def _times(plot: draw.Frame, times: Sequence[Time]) -> list[Html]:
    half = (plot.x(1) - plot.x(0)) / 2
    parts = []
    for time in times:
        left, right = max(plot.x(time.first) - half, plot.left), min(plot.x(time.last) + half, plot.right)
        parts.append(
            element(
                "rect",
                element("title", time.label),
                x=left,
                y=plot.top,
                width=max(right - left, 2),
                height=plot.bottom - plot.top,
                fill=draw.RED,
                fill_opacity=0.1,
            )
        )
    return parts


def _marks(plot: draw.Frame, marks: Sequence[Mark]) -> list[Html]:
    parts = []
    for row, mark in enumerate(marks):
        half = draw.extent(mark.label, draw.SMALL) / 2
        x, y = plot.x(mark.at), plot.top - 8 - draw.ROW * (len(marks) - 1 - row)
        parts.append(draw.rule(x, y + 4, x, plot.bottom, dash="2 3"))
        parts.append(draw.words(max(half, min(x, plot.width - half)), y, mark.label, anchor="middle", muted=True))
    return parts


def _shades(plot: draw.Frame, told: _Known, pen: draw.Pen) -> list[Html]:
    """The intervals, where there are two of them beside each other."""
    parts = []
    there = [
        (plot.x(place), plot.y(low), plot.y(high)) if low is not None and high is not None else None
        for place, (low, high) in enumerate(zip(told.lows, told.highs, strict=True))
    ]
    for one, other in pairwise(there):
        if one is not None and other is not None:
            corners = [(one[0], one[1]), (other[0], other[1]), (other[0], other[2]), (one[0], one[2])]
            d = "M" + " L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in corners) + " Z"
            parts.append(element("path", d=d, fill=pen.colour, fill_opacity=0.16))
    return parts


def _drawn(plot: draw.Frame, label: str, windows: Sequence[str], told: _Known, pen: draw.Pen) -> list[Html]:
    spots = [draw.Spot(plot.x(place), y if y is None else plot.y(y)) for place, y in enumerate(told.values)]
    parts = [pen.draw(draw.path(spots))]
    for window, spot, value, low, high in zip(windows, spots, told.values, told.lows, told.highs, strict=True):
        if spot.y is None or value is None:
            continue
        between = "" if low is None or high is None else f" ({values.number(low)} to {values.number(high)})"
        said = element("title", f"{window}: {label} {values.number(value)}{between}")
        parts.append(element("circle", said, cx=spot.x, cy=spot.y, r=3.2, fill=pen.colour))
    return parts


def _ends(told: _Known) -> str:
    there = [value for value in told.values if value is not None]
    return f"{values.number(there[0])} to {values.number(there[-1])}" if there else "nothing"


def _key(labels: tuple[str, str], y: float) -> list[Html]:
    second = 16 + draw.extent(labels[0], draw.SMALL) + 18
    return [
        element("rect", x=0, y=y - 9, width=10, height=10, fill=draw.GREY, fill_opacity=0.45),
        draw.words(16, y, labels[0], muted=True),
        draw.Pen(draw.ORANGE).draw(f"M{coordinate(second)} {coordinate(y - 4)} h12"),
        draw.words(second + 18, y, labels[1], muted=True),
    ]


def _square(cell: Cell, x: float, y: float, step: float) -> list[Html]:
    said = [element("title", cell.said)] if cell.said else []
    if cell.strength is None:
        return [
            element(
                "rect", *said, x=x + 1, y=y + 1, width=step - 2, height=_CELL_HEIGHT - 2, fill="none",
                stroke=draw.GREY, stroke_opacity=0.35, stroke_dasharray="2 2",
            )
        ]  # fmt: skip
    strength = 0.06 + 0.84 * max(0.0, min(1.0, cell.strength))
    parts = [
        element(
            "rect", *said, x=x + 1, y=y + 1, width=step - 2, height=_CELL_HEIGHT - 2, fill_opacity=round(strength, 2),
        )
    ]  # fmt: skip
    if cell.marked:
        parts.append(element("circle", cx=x + step / 2, cy=y + _CELL_HEIGHT / 2, r=3, fill="currentColor"))
    return parts
