"""The parts that every plot is made of: the frame with its axes, marks, and labels that keep out of each other's way.

Lengths are CSS pixels from the top left corner. Widths of text are estimates, since nothing here can measure a font.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from nbops.render import values
from nbops.render.model import Html, coordinate, element
from nbops.render.scales import Axis

BLUE, ORANGE, GREEN, PINK, PURPLE, OLIVE = "#2f7fd1", "#d5731a", "#2e9463", "#cf5590", "#9a6fd0", "#8d8526"
RED, GREY = "#d9484a", "#808080"
TONES: dict[values.Tone, str] = {
    "good": GREEN,
    "bad": RED,
    "attention": ORANGE,
    "busy": BLUE,
    "waiting": GREY,
    "neutral": GREY,
}
"""The colour of each tone."""

FONT = 12
SMALL = 11
MUTED = 0.7
ROW = 15
_DESCRIBED = 6  # items that the description for screen readers spells out


class Frame(NamedTuple):
    """The rectangle that data is drawn in."""

    left: float
    top: float
    right: float
    bottom: float
    width: int
    height: int
    x_axis: Axis
    y_axis: Axis
    furniture: list[Html]

    def x(self, value: float) -> float:
        """Where `value` is drawn."""
        return self.left + self.x_axis.place(value) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Where `value` is drawn."""
        return self.bottom - self.y_axis.place(value) * (self.bottom - self.top)

    def drawing(self, label: str, *parts: Html) -> Html:
        """The frame with `parts` in it."""
        return canvas(self.width, self.height, label, *self.furniture, *parts)


class Pen(NamedTuple):
    """How a line is drawn; `weight` is its width."""

    colour: str
    dash: str | None = None
    weight: float = 2

    def draw(self, d: str, opacity: float | None = None) -> Html:
        """The path `d`, with round ends so that a stroke of no length is a dot."""
        return element(
            "path", d=d, fill="none", stroke=self.colour, stroke_width=self.weight, stroke_dasharray=self.dash, stroke_opacity=opacity,
            stroke_linecap="round", stroke_linejoin="round",
        )  # fmt: skip


class Spot(NamedTuple):
    """A place on a course, or without `y` a gap."""

    x: float
    y: float | None


class End(NamedTuple):
    """Where a line ends, and the label that wants to stand beside it."""

    label: str
    x: float
    y: float
    pen: Pen


def frame(
    x_axis: Axis, y_axis: Axis, *, width: int, room: float, labels: tuple[str, str, str], above: float = 0
) -> Frame:
    """Axes with ticks and a light grid; `room` is kept free on the right and `above`, `labels` are of x, of y and the title."""
    x_label, y_label, title = labels
    height = max(220, min(280, round(width * 0.42))) + round(above)
    ends = [extent(label, SMALL) / 2 for label in (x_axis.labels[:1] + x_axis.labels[-1:])] or [0]
    left = max([extent(label, SMALL) + 10 for label in y_axis.labels] + [ends[0], 12])
    right = width - max(room, ends[-1] + 2, 12)
    top = 12 + (22 if title else 0) + (18 if y_label else 0) + round(above)
    plot = Frame(left, top, right, height - (42 if x_label else 24), width, height, x_axis, y_axis, [])
    middle = (plot.left + plot.right) / 2
    parts = heading(title, width)
    if y_label:
        parts.append(words(0, top - 14 - round(above), values.shorten(y_label, 60), muted=True))
    if x_label:
        parts.append(words(plot.right, height - 5, values.shorten(x_label, 60), anchor="end", muted=True))
    for tick, label in zip(y_axis.ticks, y_axis.labels, strict=True):
        parts.append(rule(plot.left, plot.y(tick), plot.right, plot.y(tick), opacity=0.12))
        parts.append(words(plot.left - 8, plot.y(tick) + 4, label, anchor="end", muted=True))
    parts.append(rule(plot.left, plot.bottom, plot.right, plot.bottom, opacity=0.5))
    for tick, label in thinned(x_axis, plot.right - plot.left):
        parts.append(rule(plot.x(tick), plot.bottom, plot.x(tick), plot.bottom + 4, opacity=0.5))
        parts.append(words(plot.x(tick), plot.bottom + 17, label, anchor="middle", muted=True))
    if not y_axis.ticks:
        parts.append(words(middle, (plot.top + plot.bottom) / 2, "no values", anchor="middle", muted=True))
    return plot._replace(furniture=parts)


def canvas(width: float, height: float, label: str, *parts: Html, least: float = 0, role: str = "img") -> Html:
    """The whole drawing around its parts; `label` is what a screen reader says. It never shrinks below the `least` width."""
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {coordinate(width)} {coordinate(height)}",
        width=width,
        role=role,
        aria_label=label,
        font_size=FONT,
        style=f"display:block;max-width:100%;{f'min-width:{least:.0f}px;' if least else ''}height:auto;font-variant-numeric:tabular-nums",
    )


def thinned(axis: Axis, length: float, *, across: bool = True) -> list[tuple[float, str]]:
    """The ticks whose labels fit beside each other along `length`, or below each other when not `across`."""
    pairs = list(zip(axis.ticks, axis.labels, strict=True))
    if len(pairs) < 2:  # one label has nobody to collide with
        return pairs
    needed = max(extent(label, SMALL) for label in axis.labels) + 14 if across else ROW
    distance = (axis.place(pairs[1][0]) - axis.place(pairs[0][0])) * length
    return pairs[:: max(1, -int(-needed // distance))]


def describe(name: str, items: Iterable[str]) -> str:
    """What a screen reader says: what it is and what its first items are."""
    head = list(islice(items, _DESCRIBED))
    return f"{name}: {'; '.join(head)}" if head else f"{name}: no values"


def heading(title: str, width: float) -> list[Html]:
    """The title, if there is one, cut to the `width`."""
    short = fitting(title, width, 13)
    return [element("text", short, x=0, y=14, font_size=13, font_weight="600", fill="currentColor")] if title else []


def words(
    x: float,
    y: float,
    content: str,
    *,
    anchor: str | None = None,
    muted: bool = False,
    weight: str | None = None,
    whole: str | None = None,
) -> Html:
    """Text with its baseline at `y`; the muted kind is smaller and lighter. `whole` is what `content` was cut from, shown on hover."""
    return element(
        "text",
        *([element("title", whole)] if whole and whole != content else []),
        content,
        x=x,
        y=y,
        text_anchor=anchor,
        fill="currentColor",
        fill_opacity=MUTED if muted else None,
        font_size=SMALL if muted else None,
        font_weight=weight,
    )


def rule(x1: float, y1: float, x2: float, y2: float, *, dash: str | None = None, opacity: float = MUTED) -> Html:
    """A thin line in the colour of the page."""
    return element(
        "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke="currentColor", stroke_opacity=opacity, stroke_dasharray=dash
    )


def path(spots: Sequence[Spot]) -> str:
    """The `d` of a path through `spots`, interrupted at gaps; what lies between two gaps alone becomes a dot.

    Of many spots within two pixels the first, lowest, highest and last are kept, which look the same.
    """
    strokes: list[str] = []
    for present, run in groupby(spots, key=lambda spot: spot.y is not None):
        if not present:
            continue
        corners = [(round(spot.x, 1), round(spot.y, 1)) for spot in run if spot.y is not None]
        if len(corners) > 2 * (corners[-1][0] - corners[0][0]) + 4:
            corners = _outline(corners)
        strokes.append("M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in corners))
        if len(corners) == 1:
            strokes.append("h0")
    return "".join(strokes)


def end_labels(plot: Frame, ends: Sequence[End]) -> list[Html]:
    """The labels of lines, right of the plot, each with a sample of its line, pushed apart where they would overlap."""
    room = max(1, int((plot.bottom - plot.top) // ROW) + 1)
    kept = list(ends if len(ends) <= room else ends[: room - 1])
    kept.sort(key=lambda end: end.y)
    heights = _spread([end.y for end in kept], plot.top, plot.bottom - (ROW if len(kept) < len(ends) else 0))
    parts = []
    for end, y in zip(kept, heights, strict=True):
        start, join, stop = plot.right + 4, plot.right + 16, plot.right + 20
        if abs(y - end.y) > 1 or end.x < plot.right - 1:
            lead = f"M{coordinate(end.x)} {coordinate(end.y)}L{coordinate(start)} {coordinate(y)}"
            parts.append(end.pen._replace(dash=None, weight=1).draw(lead, opacity=0.5))
        parts.append(end.pen.draw(f"M{coordinate(start)} {coordinate(y)}H{coordinate(join)}"))
        parts.append(words(stop, y + 4, brief(end.label, plot.width), whole=end.label))
    if len(kept) < len(ends):
        parts.append(words(plot.right + 20, plot.bottom + 4, f"and {len(ends) - len(kept)} more", muted=True))
    return parts


def extent(label: str, font: float = FONT) -> float:
    """About how wide `label` is: generous, so that nothing is clipped."""
    return font * sum(1.05 if unicodedata.east_asian_width(letter) in "WF" else 0.6 for letter in label)


def brief(label: str, width: float) -> str:
    """`label` as the name of one mark in a drawing of that `width`."""
    return fitting(label, min(width / 3, 190))


def fitting(label: str, width: float, font: float = FONT) -> str:
    """As much of `label` as `width` has room for."""
    return values.shorten(label, max(4, int(width / (0.6 * font))))


def _outline(corners: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for _, column in groupby(corners, key=lambda corner: corner[0] // 2):
        together = list(column)
        lowest, highest = (edge(together, key=lambda corner: corner[1]) for edge in (min, max))
        kept += sorted({together[0], lowest, highest, together[-1]}, key=together.index)
    return kept


def _spread(wanted: Sequence[float], top: float, bottom: float) -> list[float]:
    """Sorted places moved as little as it takes to be a row apart."""
    placed = list(wanted)
    for index in range(1, len(placed)):
        placed[index] = max(placed[index], placed[index - 1] + ROW)
    limit = bottom
    for index in reversed(range(len(placed))):
        placed[index] = max(min(placed[index], limit), top - ROW / 2)
        limit = placed[index] - ROW
    return placed
