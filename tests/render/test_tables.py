from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.errors import UsageError
from nbops.render import html, svg, text
from nbops.render.model import Along, Cell, Column, Html, Kind, best

Parsed = Callable[[str], ET.Element]
Snapshot = Callable[[str, str], None]

_COLUMNS: list[Column | str] = [
    Column("run", "code"),
    Column("status", "status"),
    "model",
    Column("started", "time"),
    Column("MAE", "number", unit="min", better="lower"),
    Column("rows", "number"),
    Column("course", "trend"),
]
_ROWS: list[list[object]] = [
    ["3fa9c201", "finished", "gradient boosting", "2026-11-03 12:00", 6.62318, 51234, [9, 7, 6.6]],
    ["88b1e0d4", "failed", "<b>ridge</b> & co", "2026-11-03 11:40", 8.6, 51234, [9, None, 8.6]],
    ["0c77aa19", "running", None, "2026-11-02 09:12", None, Cell(1200, mark="changed", note="was 51,234"), []],
]
_VALUE = st.one_of(
    st.none(),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.text(),
    st.lists(st.floats(), max_size=3),
    st.lists(st.lists(st.floats(), max_size=3), min_size=2, max_size=2),
)
_ALONG: tuple[Along, ...] = ("columns", "rows")
_KINDS: tuple[Kind, ...] = ("text", "number", "time", "code", "status", "trend", "histogram", "histograms")
_HOSTILE = st.text(st.sampled_from("<>&\"'/=` \0\n\x1b\u202eab"), max_size=70)


def _words(words: str) -> set[str]:
    return set(words.split())


# What the renderers emit and nothing else: sanitizers of reports and hosts are checked against these lists.
_TAGS = _words("""
    b body caption circle code div g h3 line mark p path rect section span svg table tbody td text tfoot th thead time title tr
""")
_ATTRIBUTES = _words("""
    aria-label cellpadding colspan cx cy d fill fill-opacity font-size font-weight height r role rx scope stroke stroke-dasharray
    stroke-linecap stroke-linejoin stroke-opacity stroke-width style text-anchor title viewBox width x x1 x2 y y1 y2
""")


def _page() -> Html:
    words = [Column("name"), Column("status", "status")]
    lines = [svg.Line("a", [1, 2]), svg.Line("b", [2, 1])]
    return html.stack(
        html.section(
            "Title", "words", html.table(_COLUMNS, _ROWS, caption="Runs", note="2 of 3"), html.facts(words, ["x", "ok"])
        ),
        html.beside(
            svg.line(lines, limits={"l": 1}, title="t", y_label="y"), svg.bars([svg.Bar("a", 1, highlight=True)])
        ),
        svg.scatter([svg.Point("a", 1, 2, highlight=True)]),
        svg.parallel(["a", "b"], [[1, "x"], [2, "y"]], highlight={0}),
    )


def _cells(tree: ET.Element, tag: str = "td") -> list[str]:
    return ["".join(node.itertext()).replace("\N{NO-BREAK SPACE}", " ") for node in tree.iter(tag)]


def test_tables_look_as_they_were_approved(snapshot: Snapshot) -> None:
    snapshot("table.html", html.table(_COLUMNS, _ROWS, caption="Runs", note="3 of 318").replace("<tr", "\n<tr"))
    snapshot("table.txt", text.table(_COLUMNS, _ROWS, caption="Runs", note="3 of 318", styled=False))
    snapshot("table-narrow.ansi", text.table(_COLUMNS, _ROWS, caption="Runs", width=72, styled=True))


def test_facts_look_as_they_were_approved(snapshot: Snapshot) -> None:
    snapshot("facts.html", html.facts(_COLUMNS, _ROWS[0]).replace("<tr", "\n<tr"))
    snapshot("facts.txt", text.facts(_COLUMNS, _ROWS[0], styled=False))


@given(st.lists(st.lists(_VALUE, min_size=len(_KINDS), max_size=len(_KINDS)), max_size=5), st.sampled_from(_ALONG))
def test_any_values_make_a_well_formed_table_with_a_cell_each(
    parsed: Parsed, rows: list[list[object]], along: Along
) -> None:
    columns = [Column(kind, kind) for kind in _KINDS]
    tree = parsed(html.table(columns, rows, along=along))
    assert len(list(tree.iter("td"))) == (len(rows) * len(_KINDS) or 1)
    printed = text.table(columns, rows, styled=False).splitlines()
    assert len(printed) == 1 + (len(rows) or 1)


@given(_HOSTILE, _HOSTILE)
def test_no_value_becomes_markup(parsed: Parsed, one: str, other: str) -> None:
    cell = Cell(one, mark="best", note=other)
    drawn = html.section(
        one,
        other,
        html.table([Column(one, unit=other), Column(other, "code")], [[cell, other]], caption=one, note=other),
        html.facts([Column(one, "status"), Column(one, "time")], [other, one]),
        svg.line(
            [svg.Line(one, [1, 2]), svg.Line(other, [2])], title=one, y_label=other, x_label=one, limits={other: 1}
        ),
        svg.scatter([svg.Point(one, 1, 2, highlight=True)], title=other, x_label=one),
        svg.bars([svg.Bar(one, 1)], unit=other, title=one, limits={one: 1}),
        svg.parallel([one, other], [[one, other]], title=one),
    )
    tree = parsed(drawn)
    assert {node.tag for node in tree.iter()} <= _TAGS
    assert {name for node in tree.iter() for name in node.attrib} <= _ATTRIBUTES
    tags = re.sub(r'<\w+(?: [\w:-]+="[^"<>]*")*/?>|</\w+>', "", drawn)
    assert not set("<>") & set(tags)


def test_nothing_emitted_can_run_load_or_leave_the_page(parsed: Parsed) -> None:
    tree = parsed(_page())
    assert {node.tag for node in tree.iter()} == _TAGS
    assert {name for node in tree.iter() for name in node.attrib} == _ATTRIBUTES
    assert not re.search(r"https?:|url\(|javascript:|@import| on\w+=", _page())


def test_plain_strings_are_escaped_and_markup_is_kept_in_every_container() -> None:
    for container in (html.stack, html.beside, lambda *parts: html.section("t", *parts)):
        built = container("<i>", Html("<b>kept</b>"))
        assert "&lt;i&gt;" in built
        assert "<b>kept</b>" in built


def test_the_best_of_a_column_is_starred_and_bold_and_ties_share_it(parsed: Parsed) -> None:
    column = Column("MAE", "number", better="lower")
    tree = parsed(html.table([column], [[8.6], [6.6], [None], [6.6], [float("nan")]]))
    assert _cells(tree) == ["8.6", "★ 6.6", "–", "★ 6.6", "NaN"]
    assert _cells(tree, "b") == ["★ 6.6", "★ 6.6"]


def test_nothing_is_best_where_there_is_no_choice() -> None:
    assert best([1, 1.0, None], "higher") == []
    assert best([float("nan"), float("inf")], "higher") == []
    assert best([], "lower") == []
    assert best([3, None, 5], "higher") == [2]


def test_numbers_share_their_decimals_along_rows_when_columns_are_runs(parsed: Parsed) -> None:
    columns: list[Column | str] = ["", Column("champion", "number"), Column("challenger", "number")]
    rows = [["MAE", 8.61423, Cell(6.62318, mark="best")], ["rows", 51234, Cell(60000, mark="changed")]]
    assert _cells(parsed(html.table(columns, rows, along="rows"))) == [
        "MAE",
        "8.614",
        "★ 6.623",
        "rows",
        "51,234",
        "Δ 60,000",
    ]


def test_a_plain_column_is_one_of_numbers_when_all_its_values_are(parsed: Parsed) -> None:
    tree = parsed(html.table(["n", "words"], [[1.5, "a"], [None, 2], [10, True]]))
    assert [node.get("style") for node in tree.iter("th")] == ["text-align:right", "text-align:left"]
    assert _cells(tree)[::2] == ["1.5", "–", "10.0"]


def test_long_text_is_cut_with_the_whole_on_hover(parsed: Parsed) -> None:
    [cell] = parsed(html.table(["a"], [["x" * 61]])).iter("td")
    assert cell.text == "x" * 59 + "…"
    assert cell.get("title") == "x" * 61


def test_a_table_without_rows_says_so(parsed: Parsed) -> None:
    assert _cells(parsed(html.table(["a", "b"], []))) == ["no rows"]
    assert text.table(["a", "b"], [], styled=False) == "a  b\nno rows\n"


def test_a_row_that_does_not_fit_is_refused_with_a_hint() -> None:
    for render in (html.table, text.table, svg.parallel):
        with pytest.raises(UsageError, match="Row 1 has 1 cells for 2 columns") as refused:
            render(["a", "b"], [[1, 2], [3]])
        assert refused.value.hint


@given(st.integers(24, 130))
def test_a_narrow_terminal_never_cuts_a_number_and_names_what_it_leaves_out(width: int) -> None:
    printed = text.table(_COLUMNS, _ROWS, width=width, styled=False)
    table, _, hidden = printed.partition("not shown:")
    for number in ("★ 6.623", "8.600", "51,234", "Δ 1,200"):
        label = "rows" if number in {"51,234", "Δ 1,200"} else "MAE"
        assert (number in table) != (label in hidden)


def test_output_that_is_no_terminal_is_plain_and_whole() -> None:
    code = "from nbops.render import text; print(text.table(['word', 'number'], [['x' * 300, 1]]), end='')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    assert done.stdout.splitlines() == ["word" + " " * 298 + "number", "x" * 300 + " " * 7 + "1"]


def test_importing_the_renderers_stays_light() -> None:
    code = (
        "import sys, nbops.render; print(*sorted({'pandas', 'numpy', 'rich', 'IPython', 'duckdb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
