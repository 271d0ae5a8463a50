"""Plots as inline SVG: lines by step, scatter, bars, parallel coordinates, sparklines and small histograms.

Looks are presentation attributes, which survive sanitizing where a style sheet does not. Text and axes have the colour of the page,
data has colours that keep a contrast above 3 on white and on black, and nothing is told by colour alone. Widths are CSS pixels; a
narrower place shrinks the whole drawing. What is None, NaN or infinite is a gap, never an error.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain, pairwise

from nbops.errors import UsageError
from nbops.records import Record
from nbops.render import drawing as draw
from nbops.render import scales, values
from nbops.render.model import Column, Html, as_columns, coordinate, element

_PALETTE = (draw.BLUE, draw.ORANGE, draw.GREEN, draw.PINK, draw.PURPLE, draw.OLIVE)
_DASHES = (None, "6 3", "2 3")  # the palette is used once with each, then again
_DOTTED = 150  # points of lines with a dot and a title each, which beyond it outweigh the drawing
_TITLED = 1500  # the same for scattered points
_BAR = 22
_UPRIGHT = 210

_LIMIT = draw.Pen("currentColor", "4 3", 1)

_Box = tuple[float, float, float, float]


class Line(Record):
    """A course of `values`; `steps` are numbers, or names in their order (dates), and count from 0 when not given."""

    label: str
    values: Sequence[object]
    steps: Sequence[object] | None = None


class Point(Record):
    """A point of a scatter plot; a highlighted one is larger and shows its label."""

    label: str
    x: object
    y: object
    highlight: bool = False


class Bar(Record):
    """One bar; a highlighted one has another colour and a bold value."""

    label: str
    value: object
    highlight: bool = False


def line(
    lines: Sequence[Line],
    *,
    x_label: str = "",
    y_label: str = "",
    title: str = "",
    limits: Mapping[str, float] | None = None,
    width: int = 560,
) -> Html:
    """Metrics by step, named at their ends; `limits` are dashed lines across.

    Raises UsageError when a line has more steps than values or fewer.
    """
    names, courses = _courses(lines)
    xs = [x for course in courses for x, _ in course]
    ys = [y for course in courses for _, y in course if y is not None]
    marks = _known(limits) if ys else {}
    labels = [source.label for source in lines] if len(lines) > 1 and ys else []
    whole = all(x.is_integer() for x in xs)
    plot = draw.frame(
        scales.categories(names) if names else scales.linear(xs, count=width // 90, whole=whole),
        scales.linear([*ys, *marks.values()], round_ends=True),
        width=width,
        room=max((draw.extent(draw.brief(label, width)) + 24 for label in [*labels, *marks]), default=0),
        labels=(x_label, y_label, title),
    )
    ends = [draw.End(label, plot.right, plot.y(limit), _LIMIT) for label, limit in marks.items()]
    parts = [draw.rule(plot.left, end.y, plot.right, end.y, dash=_LIMIT.dash) for end in ends]
    weight = 2 if len(lines) <= len(_PALETTE) else 1.3
    for index, (source, course) in enumerate(zip(lines, courses, strict=True)):
        pen = draw.Pen(_PALETTE[index % len(_PALETTE)], _DASHES[index // len(_PALETTE) % len(_DASHES)], weight)
        spots = [draw.Spot(plot.x(x), y if y is None else plot.y(y)) for x, y in course]
        said = [_said(names, x, y) for x, y in course] if len(ys) <= _DOTTED else []
        parts.append(_course(source.label, spots, pen, said))
        if labels:
            ends += [draw.End(source.label, spot.x, spot.y, pen) for spot in spots if spot.y is not None][-1:]
    stories = filter(None, map(_story, lines, courses))
    return plot.drawing(draw.describe(title or y_label or "Line plot", stories), *parts, *draw.end_labels(plot, ends))


def scatter(
    points: Sequence[Point], *, x_label: str = "x", y_label: str = "y", title: str = "", width: int = 560
) -> Html:
    """One mark per point with its label on hover; an axis is logarithmic where only that tells its values apart.

    Points without two finite coordinates are counted below the plot.
    """
    pairs = [(point, values.finite(point.x), values.finite(point.y)) for point in points]
    places = [(point, x, y) for point, x, y in pairs if x is not None and y is not None]
    x_axis, y_axis = _numeric([x for _, x, _ in places], width // 90), _numeric([y for _, _, y in places], 5)
    plot = draw.frame(
        x_axis, y_axis, width=width, room=12, labels=(_log(x_label, x_axis), _log(y_label, y_axis), title)
    )
    parts: list[Html] = []
    taken = [(plot.x(x) - 7, plot.y(y) - 7, plot.x(x) + 7, plot.y(y) + 7) for _, x, y in places]
    for point, x, y in sorted(places, key=lambda place: place[0].highlight):
        said = f"{point.label}: {x_label} {values.number(x)}, {y_label} {values.number(y)}"
        hover = [element("title", said)] if len(places) <= _TITLED else []
        radius, colour, opacity = (5.5, draw.ORANGE, None) if point.highlight else (3.5, draw.BLUE, 0.4)
        parts.append(
            element(
                "circle", *hover, cx=plot.x(x), cy=plot.y(y), r=radius, fill=colour, fill_opacity=opacity, stroke=colour
            )
        )
        if point.highlight:
            parts.append(_named(plot, plot.x(x), plot.y(y), draw.brief(point.label, width), taken))
    if 0 < len(places) < len(points):
        missing = f"{len(points) - len(places)} without finite values, not shown"
        parts.append(draw.words(0, plot.height - 5, missing, muted=True))
    chosen = [f"{point.label} at {values.number(x)}, {values.number(y)}" for point, x, y in places if point.highlight]
    story = [f"{len(places)} points", *chosen] if places else []
    return plot.drawing(draw.describe(title or f"{y_label} by {x_label}", story), *parts)


def bars(
    items: Sequence[Bar],
    *,
    unit: str = "",
    title: str = "",
    limits: Mapping[str, float] | None = None,
    width: int = 560,
) -> Html:
    """Horizontal bars from zero with their labels and values; `limits` are dashed lines down, named on top."""
    known = [values.finite(item.value) for item in items]
    marks = _known(limits)
    ends = [0.0, *(value for value in known if value is not None), *marks.values()]
    axis = scales.linear(ends if any(ends) else [0, 1])
    numbers = values.numbers([item.value for item in items])
    shown = [text if value is None else f"{text} {unit}".rstrip() for text, value in zip(numbers, known, strict=True)]
    names = [draw.brief(item.label, width) for item in items]
    room = max(map(draw.extent, shown), default=0) + 8
    left = max(map(draw.extent, names), default=0) + 12 + (room if axis.low < 0 else 0)
    top = (28 if title else 2) + (18 if marks else 0)
    bottom = top + max(len(items), 1) * _BAR

    def place(value: float) -> float:
        return left + axis.place(value) * (width - room - left)

    parts = draw.heading(title, width)
    for index, (item, value, name, text) in enumerate(zip(items, known, names, shown, strict=True)):
        middle = top + (index + 0.5) * _BAR
        parts.append(draw.words(0, middle + 4, name, whole=item.label))
        parts.extend(_bar(item, place(0), place(value or 0), middle, text))
    parts.append(draw.rule(place(0), top, place(0), bottom, opacity=0.5))
    for name, limit in marks.items():
        half = draw.extent(name, draw.SMALL) / 2
        parts.append(draw.rule(place(limit), top - 2, place(limit), bottom, dash=_LIMIT.dash))
        parts.append(draw.words(max(half, min(place(limit), width - half)), top - 6, name, anchor="middle", muted=True))
    if not items:
        parts.append(draw.words(width / 2, (top + bottom) / 2 + 4, "no values", anchor="middle", muted=True))
    story = [f"{item.label} {text}" for item, text in zip(items, shown, strict=True)]
    return draw.canvas(width, bottom + 2, draw.describe(title or "Bars", story), *parts)


def parallel(
    columns: Sequence[Column | str],
    rows: Sequence[Sequence[object]],
    *,
    highlight: Collection[int] = (),
    title: str = "",
    width: int = 560,
) -> Html:
    """One upright axis per column and one line per row; rows in `highlight` (their indices) are thick and dotted.

    Columns of numbers get a scale as in `scatter`, all others a place per value. Raises UsageError when a row has a cell too many or
    too few.
    """
    heads = as_columns(columns, rows)
    scaled = [_upright(head, [row[index] for row in rows]) for index, head in enumerate(heads)]
    top = 62 if title else 36
    bottom = top + _UPRIGHT
    first = max((draw.extent(label, draw.SMALL) for axis, _ in scaled[:1] for label in axis.labels), default=0)
    left = max(min(first, width / 3) + 12, 40)
    across = scales.categories([head.label for head in heads])
    xs = [left + (width - 48 - left) * across.place(index) for index in range(len(heads))]
    parts = draw.heading(title, width)
    # Many lines are told apart where they are faint, few where they are not.
    faint = 0.9 if len(rows) <= 12 else 0.5
    for row in sorted(range(len(rows)), key=lambda row: row in highlight):
        ys = [None if (place := places[row]) is None else bottom - place * _UPRIGHT for _, places in scaled]
        said = " · ".join(f"{head.label} {values.text(value)}" for head, value in zip(heads, rows[row], strict=True))
        parts.append(_strand(list(map(draw.Spot, xs, ys)), said, highlight=row in highlight, faint=faint))
    gaps = [left, *(later - x for x, later in pairwise(xs))]
    for head, x, gap, (axis, _) in zip(heads, xs, gaps, scaled, strict=False):
        label = f"{head.label}, {head.unit}" if head.unit else head.label
        parts.append(draw.words(x, top - 19, draw.fitting(label, gaps[-1] - 8), anchor="middle", whole=label))
        parts.append(draw.rule(x, top, x, bottom, opacity=0.5))
        # Beside an inner axis a label stands above the line that arrives there.
        lift = 4 if x == left else -4
        for tick, name in draw.thinned(axis, _UPRIGHT, across=False):
            y = bottom - axis.place(tick) * _UPRIGHT + lift
            short = draw.fitting(name, gap - 12, draw.SMALL)
            parts.append(draw.words(x - 6, y, short, anchor="end", muted=True, whole=name))
    if not heads or not rows:
        parts.append(draw.words(width / 2, (top + bottom) / 2, "no values", anchor="middle", muted=True))
    story = [f"{len(rows)} rows", *(head.label for head in heads)] if heads and rows else []
    return draw.canvas(width, bottom + 12, draw.describe(title or "Parallel coordinates", story), *parts)


def sparkline(course: Sequence[object], *, width: int = 80, height: int = 18) -> Html:
    """A course of values the size of a word, its last value dotted."""
    known = [values.finite(value) for value in course]
    axis = scales.linear([value for value in known if value is not None])
    steps = scales.categories([""] * len(known))
    spots = [
        draw.Spot(
            3 + steps.place(index) * (width - 6),
            None if value is None else height - 3 - axis.place(value) * (height - 6),
        )
        for index, value in enumerate(known)
    ]
    last = [(spot.x, spot.y) for spot in spots if spot.y is not None][-1:]
    return element(
        "svg",
        draw.Pen("currentColor", weight=1.3).draw(draw.path(spots), opacity=draw.MUTED),
        *(element("circle", cx=x, cy=y, r=2.2, fill=draw.BLUE) for x, y in last),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=_story(Line("", course), list(enumerate(known))) or "no values",
        style="vertical-align:middle",
    )


def histogram(shares: Sequence[object], *, width: int = 120, height: int = 18) -> Html:
    """Bars side by side from zero, the size of a word; anything above zero is seen."""
    known = [max(values.finite(share) or 0.0, 0.0) for share in shares]
    highest, step = max(known, default=0.0) or 1.0, width / max(len(known), 1)
    heights = [max(share / highest * height, 1.0) if share else 0.0 for share in known]
    bars = "".join(
        f"M{coordinate(index * step)} {height}v{coordinate(-tall)}h{coordinate(step * 0.85)}v{coordinate(tall)}z"
        for index, tall in enumerate(heights)
        if tall
    )
    return element(
        "svg",
        element("path", d=bars, fill=draw.BLUE),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=f"{len(known)} bars, the highest is number {known.index(max(known)) + 1}"
        if any(known)
        else "no values",
        style="vertical-align:middle",
    )


def histograms(then: Sequence[object], now: Sequence[object], *, width: int = 120, height: int = 24) -> Html:
    """Two histograms of the same steps over each other, the size of a word: bars of what was, a line of what is."""
    before, after = ([max(values.finite(share) or 0.0, 0.0) for share in shares] for shares in (then, now))
    highest, step = max([*before, *after], default=0.0) or 1.0, width / max(len(before), len(after), 1)
    bars = "".join(
        f"M{coordinate(place * step)} {height}v{coordinate(-share / highest * height)}h{coordinate(step * 0.85)}V{height}z"
        for place, share in enumerate(before)
        if share
    )
    heights = [height - 1 - share / highest * (height - 2) for share in after]
    tops = [draw.Spot((place + end) * step, y) for place, y in enumerate(heights) for end in (0, 1)]
    farthest = max(
        range(min(len(before), len(after))), key=lambda place: abs(after[place] - before[place]), default=None
    )
    said = (
        "no values"
        if farthest is None
        else f"{len(before)} bars; the largest change is at number {farthest + 1}, from {before[farthest]:.1%} to {after[farthest]:.1%}"
    )
    return element(
        "svg",
        element("path", d=bars, fill=draw.GREY, fill_opacity=0.5),
        draw.Pen(draw.ORANGE, weight=1.5).draw(draw.path(tops)),
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=said,
        style="vertical-align:middle",
    )


def _courses(lines: Sequence[Line]) -> tuple[list[str], list[list[tuple[float, float | None]]]]:
    """The names of the steps, if they have names, and each line as places along x with finite values or gaps."""
    for source in lines:
        if source.steps is not None and len(source.steps) != len(source.values):
            raise UsageError(
                f"Line {source.label!r} has {len(source.steps)} steps for {len(source.values)} values.",
                hint="Give one step per value, or none at all.",
            )
    steps = [range(len(source.values)) if source.steps is None else source.steps for source in lines]
    names: dict[str, float] = {}
    if any(isinstance(step, str) for own in steps for step in own):
        for step in chain.from_iterable(steps):
            names.setdefault(str(step), float(len(names)))
    courses = []
    for source, own in zip(lines, steps, strict=True):
        xs = [names[str(step)] if names else values.finite(step) for step in own]
        course = [(x, values.finite(value)) for x, value in zip(xs, source.values, strict=True) if x is not None]
        courses.append(sorted(course, key=lambda place: place[0]))
    return [values.clean(name) for name in names], courses


def _known(limits: Mapping[str, float] | None) -> dict[str, float]:
    return {name: known for name, limit in (limits or {}).items() if (known := values.finite(limit)) is not None}


def _said(names: Sequence[str], x: float, y: float | None) -> str:
    return f"{names[int(x)] if names else values.number(x)}: {values.text(y)}"


def _story(source: Line, course: Sequence[tuple[float, float | None]]) -> str | None:
    known = [y for _, y in course if y is not None]
    return f"{source.label} from {values.number(known[0])} to {values.number(known[-1])}".strip() if known else None


def _course(label: str, spots: Sequence[draw.Spot], pen: draw.Pen, said: Sequence[str]) -> Html:
    """One line, with a dot on each spot if `said` has titles for them."""
    dots = [
        element("circle", element("title", f"{label}, {words}"), cx=spot.x, cy=spot.y, r=2.5)
        for spot, words in zip(spots, said, strict=False)
        if spot.y is not None
    ]
    return element("g", element("title", label), pen.draw(draw.path(spots)), *dots, fill=pen.colour)


def _numeric(known: Sequence[float], count: int) -> scales.Axis:
    if scales.spans_decades(known):
        return scales.logarithmic(known, count=count)
    return scales.linear(known, count=count, round_ends=True, whole=all(value.is_integer() for value in known))


def _log(label: str, axis: scales.Axis) -> str:
    return f"{label}, logarithmic" if axis.log else label


def _named(plot: draw.Frame, x: float, y: float, label: str, taken: list[_Box]) -> Html:
    """The label of a highlighted point, on the first side of it where it is inside the plot and on nothing `taken`."""
    wide = draw.extent(label)
    sides = [(x + 9, y + 4), (x - 9 - wide, y + 4), (x - wide / 2, y - 11), (x - wide / 2, y + 20)]
    boxes = [(left, base - 10, left + wide, base + 2) for left, base in sides]
    inside = [box for box in boxes if plot.left <= box[0] and box[2] <= plot.width and box[3] <= plot.bottom]
    box = next((box for box in inside if not any(_overlap(box, other) for other in taken)), boxes[0])
    taken.append(box)
    return draw.words(box[0], box[3] - 2, label, weight="600")


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _bar(item: Bar, zero: float, end: float, middle: float, text: str) -> list[Html]:
    below = end < zero
    value = draw.words(
        end + (-6 if below else 6),
        middle + 4,
        text,
        anchor="end" if below else None,
        weight="600" if item.highlight else None,
    )
    if end == zero:
        return [value]
    said = element("title", f"{item.label}: {text}")
    colour = draw.ORANGE if item.highlight else draw.BLUE
    start, length = min(zero, end), max(1, abs(end - zero))
    return [element("rect", said, x=start, y=middle - 7, width=length, height=14, rx=2, fill=colour), value]


def _upright(column: Column, cells: Sequence[object]) -> tuple[scales.Axis, list[float | None]]:
    """The axis of a column, and where on it each cell lies."""
    if column.kind == "number":
        known = [values.finite(cell) for cell in cells]
        axis = _numeric([value for value in known if value is not None], 5)
        return axis, [None if value is None else axis.place(value) for value in known]
    names = dict.fromkeys(values.text(cell) for cell in cells if cell is not None)
    axis = scales.categories(list(names))
    index = {name: axis.place(place) for place, name in enumerate(names)}
    return axis, [None if cell is None else index[values.text(cell)] for cell in cells]


def _strand(spots: Sequence[draw.Spot], said: str, *, highlight: bool, faint: float) -> Html:
    pen, opacity = (draw.Pen(draw.ORANGE, weight=2.5), None) if highlight else (draw.Pen(draw.BLUE, weight=1.3), faint)
    dots = [element("circle", cx=spot.x, cy=spot.y, r=4) for spot in spots if highlight and spot.y is not None]
    return element("g", element("title", said), pen.draw(draw.path(spots), opacity), *dots, fill=pen.colour)
