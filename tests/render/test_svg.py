from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.errors import UsageError
from nbops.render import drawing, svg
from nbops.render.model import Column

Parsed = Callable[[str], ET.Element]

_VALUE = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-(10**400), 10**400),
    st.sampled_from([1e300, -1e308, 5e-324, math.inf]),
    st.text(max_size=3),
)
_LABEL = st.text(max_size=40)
_WEEKS = ["2013-02-04", "2013-02-11", "2013-02-18", "2013-02-25", "2013-03-04"]


def _texts(tree: ET.Element) -> list[str]:
    return ["".join(node.itertext()) for node in tree.iter("text")]


def _numbers(markup: str) -> list[float]:
    """Every number of every attribute that places something."""
    places = re.findall(r' (?:x|y|x1|y1|x2|y2|cx|cy|r|width|height|d|viewBox)="([^"]*)"', markup)
    return [float(number) for place in places for number in re.findall(r"-?[\d.]+|nan|inf", place)]


def _sound(markup: str, parsed: Parsed) -> None:
    drawn = parsed(markup)[0]
    assert drawn.tag == "svg"
    assert drawn.get("role") == "img"
    assert drawn.get("aria-label")
    assert all(math.isfinite(number) and abs(number) < 5000 for number in _numbers(markup))


@given(
    st.lists(st.tuples(_LABEL, st.lists(_VALUE, max_size=12)), max_size=20),
    _LABEL,
    st.dictionaries(_LABEL, st.floats(), max_size=3),
)
def test_lines_draw_whatever_they_are_given(
    parsed: Parsed, series: list[tuple[str, list[object]]], title: str, limits: dict[str, float]
) -> None:
    lines = [svg.Line(label, values) for label, values in series]
    _sound(svg.line(lines, title=title, y_label=title, x_label=title, limits=limits), parsed)


@given(st.lists(st.tuples(st.one_of(_VALUE, _LABEL), _VALUE), max_size=12))
def test_lines_draw_any_steps(parsed: Parsed, points: list[tuple[object, object]]) -> None:
    _sound(svg.line([svg.Line("a", [y for _, y in points], [x for x, _ in points])]), parsed)


@given(st.lists(st.tuples(_LABEL, _VALUE, _VALUE, st.booleans()), max_size=12), st.integers(150, 900))
def test_scatter_draws_whatever_it_is_given(
    parsed: Parsed, points: list[tuple[str, object, object, bool]], width: int
) -> None:
    _sound(svg.scatter([svg.Point(*point) for point in points], title="t", width=width), parsed)


@given(
    st.lists(st.tuples(_LABEL, _VALUE, st.booleans()), max_size=12), st.dictionaries(_LABEL, st.floats(), max_size=2)
)
def test_bars_draw_whatever_they_are_given(
    parsed: Parsed, items: list[tuple[str, object, bool]], limits: dict[str, float]
) -> None:
    _sound(svg.bars([svg.Bar(*item) for item in items], limits=limits, unit="min", title="t"), parsed)


@given(st.lists(st.tuples(_VALUE, _VALUE, _VALUE), max_size=8), st.sets(st.integers(0, 9)))
def test_parallel_coordinates_draw_whatever_they_are_given(
    parsed: Parsed, rows: list[tuple[object, ...]], chosen: set[int]
) -> None:
    columns: list[Column | str] = [Column("a", "number"), "b", Column("c", "number", unit="min")]
    _sound(svg.parallel(columns, rows, highlight=chosen, title="t"), parsed)
    _sound(svg.parallel([], []), parsed)


@given(st.lists(_VALUE, max_size=200))
def test_a_sparkline_draws_whatever_it_is_given(parsed: Parsed, course: list[object]) -> None:
    _sound(svg.sparkline(course), parsed)


@given(st.lists(_VALUE, max_size=100))
def test_a_histogram_draws_whatever_it_is_given(parsed: Parsed, shares: list[object]) -> None:
    _sound(svg.histogram(shares), parsed)


def test_a_histogram_has_a_bar_from_the_ground_for_everything_above_zero() -> None:
    [path] = re.findall(r' d="([^"]*)"', svg.histogram([0, 1, 1e-9, 2], width=40, height=10))
    assert path.split("M")[1:] == ["10 10v-5h8.5v5z", "20 10v-1h8.5v1z", "30 10v-10h8.5v10z"]


@given(st.lists(_VALUE, max_size=30), st.lists(_VALUE, max_size=30))
def test_two_histograms_draw_whatever_they_are_given(parsed: Parsed, then: list[object], now: list[object]) -> None:
    _sound(svg.histograms(then, now), parsed)


def test_two_histograms_share_their_height_and_tell_where_they_differ_most() -> None:
    drawn = svg.histograms([0.5, 0.5], [0.1, 0.9], width=40, height=20)
    bars, line = re.findall(r' d="([^"]*)"', drawn)
    assert bars == "M0 20v-11.11h17V20zM20 20v-11.11h17V20z"
    assert line == "M0 17L20 17L20 1L40 1"
    assert "2 bars; the largest change is at number 1, from 50.0% to 10.0%" in drawn
    assert svg.histograms([], []).count("no values") == 1


def test_a_gap_interrupts_the_line_and_a_value_between_two_gaps_is_a_dot() -> None:
    [path] = re.findall(r' d="([^"]*)"', svg.line([svg.Line("a", [1, 2, None, 3, math.nan, 4, 5])]))
    assert [len(stroke.split("L")) for stroke in path.split("M")[1:]] == [2, 1, 2]
    assert path.count("h0") == 1


def test_a_line_follows_its_steps_whatever_order_they_were_logged_in() -> None:
    ordered = svg.line([svg.Line("a", [1, 2, 4], [0, 10, 30])])
    assert svg.line([svg.Line("a", [4, 1, 2], [30, 0, 10])]) == ordered


def test_steps_that_are_names_stand_in_their_order(parsed: Parsed) -> None:
    tree = parsed(svg.line([svg.Line("error", [8, 9, None, 11, 12], _WEEKS)]))
    shown = [text for text in _texts(tree) if text.startswith("2013")]
    assert shown == sorted(shown)
    assert "error, 2013-02-04: 8" in [node.text for node in tree.iter("title")]


def test_several_lines_are_named_at_their_ends_without_overlap(parsed: Parsed) -> None:
    tree = parsed(svg.line([svg.Line(f"fold {index}", [1, 0.5 + index / 1000]) for index in range(6)]))
    heights = sorted(float(node.get("y", "")) for node in tree.iter("text") if (node.text or "").startswith("fold"))
    assert len(heights) == 6
    assert all(later - earlier >= 14 for earlier, later in pairwise(heights))


def test_lines_that_cannot_all_be_named_say_how_many_more_there_are(parsed: Parsed) -> None:
    texts = _texts(parsed(svg.line([svg.Line(f"run {index}", [index, index + 1]) for index in range(40)])))
    named = sum(text.startswith("run ") for text in texts)
    assert f"and {40 - named} more" in texts


def test_limits_are_drawn_and_named_within_the_plot(parsed: Parsed) -> None:
    tree = parsed(svg.line([svg.Line("error", [8, 8.5])], limits={"alert above 20": 20}))
    assert "alert above 20" in _texts(tree)
    assert any(node.get("stroke-dasharray") for node in tree.iter("line"))


def test_long_courses_stay_small_and_keep_their_extremes() -> None:
    course = [math.sin(index / 50) for index in range(50_000)]
    course[31_415] = 9.0
    spiked = svg.line([svg.Line("a", course)])
    assert len(spiked) < 20_000
    [path] = re.findall(r' d="([^"]*)"', spiked)
    heights = [float(corner.split()[1]) for corner in re.split("[ML]", path)[1:]]
    assert min(heights) < max(heights) - 150


def test_steps_and_values_that_do_not_match_are_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match="2 steps for 1 values") as refused:
        svg.line([svg.Line("a", [1], [1, 2])])
    assert refused.value.hint


def test_scatter_names_highlighted_points_and_counts_those_it_cannot_place(parsed: Parsed) -> None:
    points = [svg.Point("champion", 1, 2, highlight=True), svg.Point("other", 2, 3), svg.Point("lost", math.nan, 3)]
    texts = _texts(parsed(svg.scatter(points)))
    assert "champion" in texts
    assert "other" not in texts
    assert "1 without finite values, not shown" in texts


def test_scatter_is_logarithmic_only_where_it_has_to_be(parsed: Parsed) -> None:
    points = [svg.Point("", 10.0**-power, power) for power in range(5)]
    texts = _texts(parsed(svg.scatter(points, x_label="rate", y_label="error")))
    assert "rate, logarithmic" in texts
    assert "error" in texts


def test_bars_grow_from_zero_to_both_sides(parsed: Parsed) -> None:
    tree = parsed(svg.bars([svg.Bar("up", 2), svg.Bar("down", -1), svg.Bar("none", 0), svg.Bar("missing", None)]))
    up, down = ((float(bar.get("x", "")), float(bar.get("width", ""))) for bar in tree.iter("rect"))
    assert math.isclose(down[0] + down[1], up[0], abs_tol=0.02)
    assert math.isclose(up[1], 2 * down[1], abs_tol=0.02)
    assert [text for text in _texts(tree) if text in {"2", "−1", "0", "–"}] == ["2", "−1", "0", "–"]


def test_parallel_coordinates_draw_highlighted_rows_last_and_thickest(parsed: Parsed) -> None:
    tree = parsed(svg.parallel(["loss", Column("MAE", "number")], [["a", 1.5], ["b", None], ["a", 2.5]], highlight={0}))
    weights = [float(path.get("stroke-width", "")) for path in tree.iter("path")]
    assert weights[-1] == max(weights) > weights[0]
    assert "loss a · MAE 1.5" in [node.text for node in tree.iter("title")]


def test_colours_are_told_from_white_and_from_black() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in (
        drawing.BLUE,
        drawing.ORANGE,
        drawing.GREEN,
        drawing.PINK,
        drawing.PURPLE,
        drawing.OLIVE,
        drawing.RED,
        drawing.GREY,
    ):
        assert 1.05 / (luminance(colour) + 0.05) >= 3  # WCAG 2, contrast of graphics
        assert (luminance(colour) + 0.05) / (luminance("#1e1e1e") + 0.05) >= 3


def test_plots_look_as_they_were_approved(snapshot: Callable[[str, str], None]) -> None:
    error = [8.6, 8.4, None, 8.7, 9.9]
    snapshot(
        "line.svg",
        svg.line(
            [svg.Line("error", error, _WEEKS)], x_label="week", y_label="MAE, min", title="Error", limits={"alert": 9.5}
        ),
    )
    snapshot(
        "bars.svg",
        svg.bars([svg.Bar("carrier", 0.31, True), svg.Bar("distance", 0.024)], title="Drift", limits={"0.2": 0.2}),
    )
    snapshot(
        "parallel.svg",
        svg.parallel(
            [Column("rate", "number"), "loss"], [[0.001, "absolute"], [1.0, "squared"]], highlight={1}, width=320
        ),
    )
