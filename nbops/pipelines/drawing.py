"""A pipeline as a picture: its tasks in columns, each after what it waits for, with lines between them. Pure: plain values to SVG."""

from __future__ import annotations

from html import escape

from nbops.pipelines.planning import PipelinePlan
from nbops.records import Record

_WIDE, _HIGH, _GAP_X, _GAP_Y, _EDGE = 170, 44, 56, 18, 12
_COLOURS = {
    "run": "#1f6feb", "perhaps": "#8a6d1d", "skip": "#6e7781", "finished": "#2da44e", "unchanged": "#6e7781", "degraded": "#bf8700",
    "failed": "#cf222e", "blocked": "#8c959f", "excluded": "#8c959f", "stopped": "#8c959f", "running": "#1f6feb", "parked": "#8250df",
    "waiting": "#8c959f",
}  # fmt: skip
_LONGEST = 24


class Node(Record):
    """A task: its word decides on the colour, `note` is shown when one points at it."""

    key: str
    word: str
    note: str
    before: list[str]


def of_plan(planned: PipelinePlan) -> str:
    """The picture of a plan."""
    return draw([Node(one.task, one.verdict, one.why, one.before) for one in planned.tasks], title=planned.pipeline)


def draw(nodes: list[Node], *, title: str) -> str:
    """The picture of tasks, which come after what they wait for."""
    places = _places(nodes)
    columns = 1 + max((column for column, _ in places.values()), default=0)
    rows = 1 + max((row for _, row in places.values()), default=0)
    width = 2 * _EDGE + columns * _WIDE + (columns - 1) * _GAP_X
    height = 2 * _EDGE + rows * _HIGH + (rows - 1) * _GAP_Y
    lines = [_line(places[before], places[node.key]) for node in nodes for before in node.before if before in places]
    boxes = [_box(node, places[node.key]) for node in nodes]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
        f' font-family="system-ui, sans-serif" font-size="12"><title>{escape(title)}</title>{"".join(lines)}{"".join(boxes)}</svg>'
    )


def _places(nodes: list[Node]) -> dict[str, tuple[int, int]]:
    """Column and row of each: one column beyond the last of what it waits for."""
    columns: dict[str, int] = {}
    for node in nodes:
        columns[node.key] = 1 + max((columns[before] for before in node.before if before in columns), default=-1)
    used: dict[int, int] = {}
    places = {}
    for key, column in columns.items():
        row = used.get(column, 0)
        used[column] = row + 1
        places[key] = column, row
    return places


def _at(place: tuple[int, int]) -> tuple[int, int]:
    return _EDGE + place[0] * (_WIDE + _GAP_X), _EDGE + place[1] * (_HIGH + _GAP_Y)


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = _at(start), _at(end)
    x1, y1, y2 = x1 + _WIDE, y1 + _HIGH // 2, y2 + _HIGH // 2
    middle = (x1 + x2) // 2
    return (
        f'<path d="M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}" fill="none" stroke="#8c959f" stroke-width="1.3"/>'
    )


def _box(node: Node, place: tuple[int, int]) -> str:
    x, y = _at(place)
    colour = _COLOURS.get(node.word, "#8c959f")
    name = node.key if len(node.key) <= _LONGEST else f"{node.key[: _LONGEST - 1]}…"
    return (
        f"<g><title>{escape(f'{node.key}: {node.word}. {node.note}')}</title>"
        f'<rect x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" rx="6" fill="{colour}" fill-opacity="0.12" stroke="{colour}"/>'
        f'<text x="{x + 10}" y="{y + 18}" fill="currentColor">{escape(name)}</text>'
        f'<text x="{x + 10}" y="{y + 34}" fill="{colour}">{escape(node.word)}</text></g>'
    )
