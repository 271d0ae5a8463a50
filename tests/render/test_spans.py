"""Intervals beside each other, and what came against what was predicted: readable whatever the figures are."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import pytest

from nbops.render.spans import Seen, Span, agreement, intervals

_LENGTHS = {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width"}
ODD = [None, math.nan, math.inf, -math.inf, 0.0, 1e300, -1e300, 5]


def parsed(drawing: str) -> ET.Element:
    return ET.fromstring(drawing)  # noqa: S314 - our own markup


def places(drawing: str, tag: str, *names: str) -> list[tuple[float, ...]]:
    return [tuple(float(one.attrib[name]) for name in names) for one in parsed(drawing).iter(tag)]


def test_figures_lie_on_one_scale_with_their_intervals() -> None:
    drawn = intervals(
        [Span("north", 4, 3, 5, "4 min"), Span("south", 8, 6, 10, "8 min", highlight=True)], limits={"all": 6}
    )
    (low, _), (high, _) = places(drawn, "circle", "cx", "cy")
    strokes = [one for one in parsed(drawn).iter("line") if one.get("stroke-width") == "2"]
    ends = [(float(one.attrib["x1"]), float(one.attrib["x2"])) for one in strokes if one.get("y1") == one.get("y2")]
    # As far from the middle as the figures say: 3, 4, 5 and 6, 8, 10 in one unit of length.
    unit = (high - low) / 4
    assert ends[0] == pytest.approx((low - unit, low + unit), abs=0.02)
    assert ends[1] == pytest.approx((high - 2 * unit, high + 2 * unit), abs=0.02)
    dashed = [float(one.attrib["x1"]) for one in parsed(drawn).iter("line") if one.get("stroke-dasharray")]
    assert dashed == pytest.approx([(low + high) / 2], abs=0.02)
    for words in ("north", "south", "4 min", "8 min", "all"):
        assert words in drawn


def test_two_limits_have_names_on_lines_of_their_own() -> None:
    drawn = intervals([Span("better by", 0.1, 0.05, 0.15)], limits={"no difference": 0.0, "asked: 0.01": 0.01})
    heights = [float(y) for y in re.findall(r'y="([\d.]+)"[^>]*>(?:no difference|asked)', drawn)]
    assert abs(heights[0] - heights[1]) >= 12


@pytest.mark.parametrize("value", ODD)
def test_no_figure_breaks_a_drawing(value: float | None) -> None:
    for drawn in (
        intervals([Span("odd", value, value, value), Span("b", 1, None, 2)], limits={"x": 1.0}),
        agreement([Seen(value, 1, 0, 2), Seen(1, value), Seen(2, 2, value, value)]),
        intervals([Span("odd", value)]),
        agreement([Seen(value, value)]),
    ):
        told = [one.attrib[name] for one in parsed(drawn).iter() for name in _LENGTHS & one.attrib.keys()]
        assert told
        assert all(abs(float(length)) < 1e4 for length in told)


def test_nothing_to_draw_is_said() -> None:
    assert "no values" in intervals([])
    assert "no values" in agreement([])


def test_what_came_lies_on_the_diagonal_where_it_was_predicted() -> None:
    drawn = agreement([Seen(10, 10, 8, 12), Seen(20, 30, 28, 32), Seen(30, 30)])
    dots = places(drawn, "circle", "cx", "cy")
    (diagonal,) = [one for one in parsed(drawn).iter("line") if one.get("stroke-dasharray")]
    x1, y1, x2, y2 = (float(diagonal.attrib[name]) for name in ("x1", "y1", "x2", "y2"))
    above = [y1 + (x - x1) * (y2 - y1) / (x2 - x1) - y for x, y in dots]
    assert above[0] == pytest.approx(0, abs=0.1)
    assert above[2] == pytest.approx(0, abs=0.1)
    assert above[1] > 20
    colours = [one.attrib["fill"] for one in parsed(drawn).iter("circle")]
    assert colours[0] == colours[2] != colours[1], "what is off by more than chance has another colour"


def test_labels_are_escaped() -> None:
    assert "<b>" not in intervals([Span("<b>", 1, 0, 2, "<b>")], unit="<b>", title="<b>", limits={"<b>": 1.0})
