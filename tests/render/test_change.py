"""Plots of change: figures by window with what happened, two distributions, columns by windows."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import pytest

from nbops.errors import UsageError
from nbops.render.change import Band, Cell, Course, Mark, Time, course, heat, overlay
from nbops.reports.sanitize import clean

WEEKS = ["4 Mar", "11 Mar", "18 Mar", "25 Mar"]
ODD = [None, math.nan, math.inf, -math.inf, 0.0, 1e300, -1e300, 5]


def parsed(drawing: str) -> ET.Element:
    return ET.fromstring(drawing)  # noqa: S314 - our own markup


def placed(drawing: str, tag: str, *names: str) -> list[tuple[float, ...]]:
    return [tuple(float(one.attrib[name]) for name in names) for one in parsed(drawing).iter(tag)]


def test_a_course_tells_each_window_its_interval_the_band_and_what_happened() -> None:
    drawn = course(
        WEEKS,
        [Course("air-time/1", [8, 9, 12, 14], [7, 8, 11, 13], [9, 10, 13, 15]), Course("estimated", [8, 8, 9, 9], estimated=True)],
        band=Band(8, 9, "laboratory"),
        limit=("bound", 11.0),
        marks=[Mark(2.5, "incident opened")],
        times=[Time(2, 3, "incident")],
    )  # fmt: skip
    assert "18 Mar: air-time/1 12 (11 to 13)" in drawn
    for words in ("laboratory", "bound", "incident opened", "estimated"):
        assert words in drawn
    dots = placed(drawn, "circle", "cx", "cy")
    # The higher figure is drawn higher, windows go from left to right, and both courses share their windows.
    assert [x for x, _ in dots[:4]] == sorted(x for x, _ in dots[:4]) == [x for x, _ in dots[4:]]
    assert [y for _, y in dots[:4]] == sorted((y for _, y in dots[:4]), reverse=True)
    marked = [one for one in parsed(drawn).iter("line") if one.get("stroke-dasharray") == "2 3"]
    assert float(marked[0].attrib["x1"]) == pytest.approx((dots[2][0] + dots[3][0]) / 2, abs=0.1)
    shade = next(one for one in parsed(drawn).iter("rect") if one.get("fill") == "#2e9463")
    limit = next(one for one in parsed(drawn).iter("line") if one.get("stroke-dasharray") == "4 3")
    assert dots[1][1] == pytest.approx(float(shade.attrib["y"]), abs=0.1)  # 9 is the band's upper end
    assert float(shade.attrib["y"]) > float(limit.attrib["y1"]) > dots[2][1]


def test_marks_have_names_on_lines_of_their_own_above_the_plot() -> None:
    drawn = course(WEEKS, [Course("a", [1, 2, 3, 4])], title="t", marks=[Mark(1, "one"), Mark(1, "other")])
    heights = [float(y) for y in re.findall(r'y="([\d.]+)"[^>]*>(?:one|other)<', drawn)]
    assert abs(heights[0] - heights[1]) >= 12
    assert max(heights) < min(y for _, y in placed(drawn, "circle", "cx", "cy"))


@pytest.mark.parametrize("value", ODD)
def test_no_figure_breaks_a_course(value: float | None) -> None:
    for figures in ([value] * 4, [1, value, 3, 4], [value, 1, value, 2]):
        drawn = course(WEEKS, [Course("odd", figures, figures, figures)], band=Band(0, 1, "b"), limit=("l", 2.0))
        told = [
            one.attrib[name]
            for one in parsed(drawn).iter()
            for name in {"x1", "y1", "cx", "cy", "y"} & one.attrib.keys()
        ]
        assert all(abs(float(length)) < 1e4 for length in told)


def test_a_course_needs_a_figure_for_each_window() -> None:
    with pytest.raises(UsageError, match="'a' has 3 figures for 4 windows"):
        course(WEEKS, [Course("a", [1, 2, 3])])


def test_nothing_to_draw_says_so() -> None:
    assert "no values" in course([], [])
    assert "nothing to show" in heat([], [], [])
    assert parsed(overlay([], [], [])).tag == "svg"


def test_two_distributions_lie_on_each_other() -> None:
    drawn = overlay(["low", "high"], [0.75, 0.25], [0.25, 0.75], title="wind_speed")
    bars = [one for one in parsed(drawn).iter("rect") if one.find("title") is not None]
    heights = [float(one.attrib["height"]) for one in bars]
    assert heights[0] == pytest.approx(3 * heights[1], rel=0.01)
    assert "low: reference 75.0%, now 25.0%" in drawn
    with pytest.raises(UsageError, match="not one share of each"):
        overlay(["low"], [1.0], [0.5, 0.5])


def test_a_heat_map_is_darker_where_more_changed_and_marks_what_matters() -> None:
    cells = [[Cell(0.1), Cell(0.9, marked=True, said="wind_speed in 11 Mar: PSI 0.4"), Cell(None), Cell(2.0)]]
    drawn = heat(["wind_speed"], WEEKS, cells, title="Columns by week")
    strengths = [float(one.attrib["fill-opacity"]) for one in parsed(drawn).iter("rect") if one.get("fill") != "none"]
    assert strengths[0] < strengths[1] < strengths[2] <= 1
    assert len(placed(drawn, "circle", "cx", "cy")) == 1
    assert "wind_speed in 11 Mar" in parsed(drawn).attrib["aria-label"]
    with pytest.raises(UsageError, match="one cell for every name and window"):
        heat(["a"], WEEKS, [[Cell(1.0)]])


def test_what_is_typed_stays_text_and_all_of_it_survives_sanitizing() -> None:
    nasty = "<script>x</script>"
    drawn = (
        course([nasty], [Course(nasty, [1.0])], band=Band(0, 1, nasty), marks=[Mark(0, nasty)], times=[Time(0, 0, nasty)])
        + overlay([nasty], [1.0], [1.0], labels=(nasty, nasty))
        + heat([nasty], [nasty], [[Cell(1.0, marked=True, said=nasty)]])
    )  # fmt: skip
    assert "<script" not in drawn
    kept = clean(drawn)
    for tag in ("<svg", "<rect", "<path", "<circle", "<line", "<text"):
        assert kept.count(tag) == drawn.count(tag)
