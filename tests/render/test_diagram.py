from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from nbops.render.diagram import Arrow, Box, draw_boxes, standalone

Parsed = Callable[[str], ET.Element]

_KEYS = st.sampled_from("abcdefghijklmnopqrst")


def _boxes(keys: str) -> list[Box]:
    return [Box(key, f"box {key}", "run") for key in keys]


def _lefts(drawn: ET.Element) -> dict[str, float]:
    """Where each box begins, by the name that it shows."""
    found = {}
    for group in drawn.iter("g"):
        rect, text = group.find("rect"), group.find("text")
        if rect is not None and text is not None:
            found["".join(text.itertext())] = float(rect.get("x", "nan"))
    return found


def _edges(drawn: ET.Element) -> int:
    return len([path for path in drawn.iter("path") if path.get("fill") == "none"])


_WORDS = st.text(max_size=60)


@given(
    st.lists(st.builds(Box, _KEYS, _WORDS, _WORDS, _WORDS, st.booleans()), max_size=20, unique_by=lambda box: box.key),
    st.lists(st.builds(Arrow, _KEYS, _KEYS, _WORDS), max_size=60),
    _WORDS,
)
def test_anything_is_drawn_inside_the_picture(
    parsed: Parsed, boxes: list[Box], arrows: list[Arrow], title: str
) -> None:
    drawn = parsed(draw_boxes(boxes, arrows, title=title, note=title))[0]
    assert (drawn.tag, drawn.get("role")) == ("svg", "img")
    assert drawn.get("aria-label")
    width, height = map(float, drawn.get("viewBox", "").split()[2:])
    for rect in drawn.iter("rect"):
        x, y, wide, tall = (float(rect.get(name, "nan")) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + wide <= width
        assert 0 <= y <= y + tall <= height
    for d in (path.get("d", "") for path in drawn.iter("path")):
        assert re.fullmatch(r"[MCHlvz \d.-]+", d)


def test_arrows_lead_to_the_right_and_boxes_do_not_overlap(parsed: Parsed) -> None:
    arrows = [Arrow("a", "b"), Arrow("b", "d"), Arrow("a", "d"), Arrow("c", "d")]
    drawn = parsed(draw_boxes(_boxes("dcba"), arrows, title="Way"))[0]
    lefts = _lefts(drawn)
    assert lefts["box a"] < lefts["box b"] == lefts["box c"] < lefts["box d"]
    assert _edges(drawn) == 4
    places = [
        tuple(float(rect.get(name, "nan")) for name in ("x", "y", "height"))
        for rect in drawn.iter("rect")
        if rect.get("fill") == "none"
    ]
    column = sorted((y, y + tall) for x, y, tall in places if x == lefts["box b"])
    assert column[0][1] < column[1][0]
    assert set((drawn.get("aria-label") or "").removeprefix("Way: ").split("; ")) == {
        "box a to box b", "box b to box d", "box a to box d", "box c to box d",
    }  # fmt: skip


def test_a_circle_is_drawn_without_the_arrow_that_closes_it(parsed: Parsed) -> None:
    drawn = parsed(draw_boxes(_boxes("abc"), [Arrow("a", "b"), Arrow("b", "c"), Arrow("c", "a"), Arrow("c", "c")]))[0]
    lefts = _lefts(drawn)
    assert lefts["box a"] < lefts["box b"] < lefts["box c"]
    assert _edges(drawn) == 2


def test_what_a_column_has_no_room_for_is_counted_and_keeps_what_is_connected(parsed: Parsed) -> None:
    middle = [Box(f"m{number}", f"box m{number}", "run") for number in range(40)]
    arrows = [Arrow("a", box.key) for box in middle] + [Arrow("m33", "z")]
    boxes = [Box("a", "box a", "data", strong=True), *middle, Box("z", "box z", "version")]
    drawn = parsed(draw_boxes(boxes, arrows))[0]
    lefts = _lefts(drawn)
    assert len(lefts) == 14
    assert {"and 29 more", "box m33", "box z"} <= set(lefts)
    assert _edges(drawn) == 13


def test_two_arrows_between_the_same_boxes_are_one_with_both_labels(parsed: Parsed) -> None:
    drawn = parsed(
        draw_boxes(_boxes("ab"), [Arrow("a", "b", "train"), Arrow("a", "b", "test"), Arrow("a", "b", "test")])
    )[0]
    assert _edges(drawn) == 1
    assert "train, test" in ["".join(title.itertext()) for title in drawn.iter("title")]


def test_a_file_of_its_own_follows_the_readers_choice_of_light_or_dark(parsed: Parsed) -> None:
    alone = ET.fromstring(standalone(draw_boxes(_boxes("ab"), [Arrow("a", "b")])))  # noqa: S314 - our own markup
    assert alone.tag == "{http://www.w3.org/2000/svg}svg"
    assert "color-scheme:light dark" in (alone.get("style") or "")
