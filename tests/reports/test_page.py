"""What the reader of a report finds on it, and what the author of a notebook can rely on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from base64 import b64decode, encodebytes
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from html import unescape
from io import BytesIO
from pathlib import Path
from textwrap import dedent
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbformat import NotebookNode, v4

from nbops.errors import NotFound, UsageError
from nbops.records import Dataset, RunStatus
from nbops.render import svg
from nbops.render.html import table
from nbops.render.model import Column
from nbops.reports.page import page
from nbops.reports.provenance import KeyMetric, Parameter, Provenance

PLOT = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 90" width="320" role="img" aria-label="Error by week">'
    '<title>Error &amp; weeks</title><g stroke="currentColor" stroke-width="1.5" fill="none" transform="translate(4 0)">'
    '<path d="M0 80 L40 60.5 C50 1e-3 60,2 70 3 Z"></path><line x1="0" y1="80" x2="300" y2="80" stroke-dasharray="2 3"></line>'
    '<polyline points="0,80 40,60 80,20"></polyline></g><rect x="1" y="2" width="3" height="4" rx="1" fill="#2f6fde"></rect>'
    '<circle cx="80" cy="20" r="3" fill="rgb(47 111 222)" fill-opacity="0.5"><title>week 3: 14.5 min</title></circle>'
    '<text x="0" y="88" font-size="10" font-family="sans-serif" text-anchor="start" fill="var(--ink, #222)">week 1 – Übersee</text>'
    "</svg>"
)


def markdown(source: str, *tags: str) -> Any:
    return v4.new_markdown_cell(source, metadata={"tags": list(tags)})


def shows(*outputs: NotebookNode, tags: tuple[str, ...] = (), source: str = "secret_code()") -> Any:
    return v4.new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def display(**data: str) -> Any:
    """An output in MIME types: html, plain, svg and png are named in short."""
    short = {
        "html": "text/html",
        "plain": "text/plain",
        "markdown": "text/markdown",
        "svg": "image/svg+xml",
        "png": "image/png",
    }
    return v4.new_output("display_data", {short.get(name, name): value for name, value in data.items()})


def printed(text: str, name: str = "stdout") -> Any:
    return v4.new_output("stream", name=name, text=text)


def failed(message: str = "no rows left") -> Any:
    return v4.new_output(
        "error",
        ename="ValueError",
        evalue=message,
        traceback=["\x1b[31m---> 3 clean(frame)\x1b[0m", f"ValueError: {message}"],
    )


def rendered(*cells: NotebookNode, title: str | None = None, provenance: Provenance | None = None) -> str:
    return page(v4.new_notebook(cells=list(cells)), title=title, provenance=provenance)


def body(html: str) -> str:
    return html.partition("<main>")[2].partition("</main>")[0].strip()


def words(html: str) -> str:
    """The text of the page as one reads it, an element to a line."""
    text = re.sub(r"</?(?:small|code|strong|time|span)[^>]*>", "", html.partition("<body>")[2])
    return "\n".join(filter(None, (unescape(line).strip() for line in re.sub(r"<[^>]+>", "\n", text).splitlines())))


RUN = Provenance(
    run_id="0199b3c0-7a3e-7c11-8f2a-3d5e91c0aa42",
    run_name="weekly",
    experiment="air-time",
    status="finished",
    actor="anna",
    started=datetime(2026, 11, 3, 13, 2, 11, tzinfo=UTC),
    ended=datetime(2026, 11, 3, 13, 5, 23, tzinfo=UTC),
    data_until=date(2026, 10, 31),
    inputs=(
        Dataset(
            name="flights",
            digest="9c1185a5c5e9fc54612808977ee8f548",
            source="../data/flights.parquet",
            rows=336776,
            columns={},
        ),
        Dataset(name="planes", digest="4be7ab12c5e9fc54612808977ee8f548", source="planes.csv", rows=None, columns={}),
    ),
    parameters=(Parameter(name="depth", value="6"), Parameter(name="alpha", value="0.08", changed=True)),
    metrics=(KeyMetric(name="mae", value=6.6123, unit="min"), KeyMetric(name="scored", value=39204)),
    models=("air-time/3",),
    notebook="notebooks/train.ipynb",
    commit="3f2a91c0aa42bd5e91c0",
    dirty=True,
    environment="9f86d081884c7d659a2f",
)


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


def test_the_card_says_what_is_known_about_the_run_in_absolute_local_times(in_berlin: None) -> None:
    html = rendered(markdown("# Air time\n\nIt grew."), provenance=RUN)

    assert words(html) == dedent("""\
        air-time · weekly
        Air time
        Run
        Finished
        Data up to
        31 Oct 2026
        Ended
        3 Nov 2026, 14:05 (UTC+01:00) took 3 min 12 s
        Run by
        anna
        Registered
        air-time/3
        The code had changes that were not committed: the commit alone does not reproduce this page.
        mae
        6.612 min
        scored
        39,204
        Data
        Name
        Rows
        Source
        Digest
        flights
        336,776
        ../data/flights.parquet
        9c1185a5c5e9
        planes
        –
        planes.csv
        4be7ab12c5e9
        Parameters
        depth
        6
        alpha
        0.08 changed
        Notebook
        notebooks/train.ipynb
        Code
        3f2a91c0aa42 with uncommitted changes
        Environment
        9f86d081884c
        Run id
        0199b3c0-7a3e-7c11-8f2a-3d5e91c0aa42
        It grew.
        Run 0199b3c0-7a3e-7c11-8f2a-3d5e91c0aa42. Made by nbops from an executed notebook; its code is not shown. \
This page runs no script and loads nothing from the network.""")


def test_a_plain_notebook_becomes_a_page_of_this_structure() -> None:
    html = rendered(
        markdown("# Air time\n\nIt *grew*."),
        markdown("## Result"),
        shows(printed("8.6 min\n"), printed("careful\n", "stderr"), display(plain="14.5")),
        markdown("## Method"),
        markdown("### Data"),
    )

    page_body = re.sub(r"<style>.*?</style>", "<style></style>", html, flags=re.DOTALL)
    assert re.sub(r"\n+", "\n", page_body) == dedent("""\
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
base-uri 'none'; form-action 'none'">
        <meta http-equiv="x-dns-prefetch-control" content="off">
        <meta name="referrer" content="no-referrer">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta name="generator" content="nbops">
        <title>Air time</title>
        <style></style>
        </head>
        <body>
        <header>
        <h1>Air time</h1>
        </header>
        <nav aria-label="Contents"><h2>Contents</h2>
        <ul>
        <li class="in0"><a href="#n-Result">Result</a></li>
        <li class="in0"><a href="#n-Method">Method</a></li>
        <li class="in1"><a href="#n-Data">Data</a></li>
        </ul>
        </nav>
        <main>
        <div class="prose"><p>It <em>grew</em>.</p></div>
        <div class="prose"><h2 id="n-Result">Result</h2></div>
        <pre class="output">8.6 min
        </pre>
        <details><summary>Messages of the run (1 line)</summary><pre>careful
        </pre></details>
        <pre class="output">14.5</pre>
        <div class="prose"><h2 id="n-Method">Method</h2></div>
        <div class="prose"><h3 id="n-Data">Data</h3></div>
        </main>
        <footer>
        <p>Made by nbops from an executed notebook; its code is not shown. \
This page runs no script and loads nothing from the network.</p>
        </footer>
        </body>
        </html>""")


def test_the_frame_of_a_page_is_small() -> None:
    assert len(rendered(provenance=RUN)) < 15_000


@pytest.mark.parametrize(
    ("span", "said"),
    [(0.84, "0.8 s"), (59, "59 s"), (192, "3 min 12 s"), (3599.6, "1 h 0 min"), (93_784, "26 h 3 min")],
)
def test_a_duration_is_told_in_the_units_that_matter(span: float, said: str) -> None:
    ended = datetime(2026, 11, 3, tzinfo=UTC)
    html = rendered(provenance=Provenance(run_id="1", started=ended - timedelta(seconds=span), ended=ended))

    assert f"took {said}<" in html


# --- what is shown ------------------------------------------------------------------------------------------------------------


def test_code_is_never_shown_and_the_authors_tags_decide_on_the_rest() -> None:
    html = rendered(
        *(
            shows(printed(f"left out {tag}"), tags=(tag,))
            for tag in ("parameters", "injected-parameters", "hide", "remove_cell", "Hide-Cell")
        ),
        *(shows(printed(f"left out {tag}"), tags=(tag,)) for tag in ("hide-output", "remove_output")),
        markdown("left out", "hide"),
        v4.new_raw_cell("left out"),
        shows(printed("kept"), tags=("metrics",)),
    )

    assert body(html) == '<pre class="output">kept</pre>'
    assert "secret_code" not in html


def test_a_data_frame_stays_a_table_with_its_words_to_the_left_and_its_numbers_to_the_right() -> None:
    frame = pd.DataFrame(
        {"carrier": ["United", "Delta <i>"], "mae": [11.46, float("nan")], "week": [1, 2]}, index=[7, 9]
    )
    shown = frame.to_html(notebook=True)
    html = body(rendered(shows(display(html=shown, plain=str(frame)))))

    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr.*?</tr>", html, re.DOTALL)]
    assert cells == [
        ["", "carrier", "mae", "week"],
        ["7", "United", "11.46", "1"],
        ["9", "Delta &lt;i&gt;", "NaN", "2"],
    ]
    assert re.findall(r'<t[hd] style="text-align: left;">(.*?)</t', html) == ["carrier", "United", "Delta &lt;i&gt;"]
    assert "<th></th>" not in html


def test_a_table_that_spans_cells_is_left_as_it_is() -> None:
    frame = pd.DataFrame({"a": ["x", "y"], "v": [1, 2]}).groupby("a").agg({"v": ["min", "max"]})
    html = body(rendered(shows(display(html=frame.to_html(notebook=True)))))

    assert re.findall(r'colspan="2"[^>]*>(.*?)<', html) == ["v"]
    assert "left" not in html


def test_our_plots_come_through_letter_by_letter() -> None:
    assert body(rendered(shows(display(html=f"<div>{PLOT}</div>")))) == f'<div class="output"><div>{PLOT}</div></div>'


def test_the_views_of_nbops_keep_every_mark_and_word() -> None:
    plot = svg.line(
        [svg.Line("trained", [8.6, 9.1, 14.5]), svg.Line("bound", [9, 9, 9])], x_label="week", y_label="min"
    )
    runs = table(
        [Column("run", kind="code"), Column("mae", kind="number", better="lower")], [["a1", 8.63], ["b2", 6.61]]
    )
    html = body(rendered(shows(display(html=plot + runs))))

    def bare(markup: str) -> str:
        opened = re.sub(r"<(\w+)([^>]*)/>", r"<\1\2></\1>", markup).replace("&nbsp;", "\N{NO-BREAK SPACE}")
        return re.sub(r' (?:style|cellpadding)="[^"]*"', "", opened)

    assert bare(html) == f'<div class="output">{bare(plot + runs)}</div>'
    assert re.findall(r'<td style="text-align: (\w+);">', html) == ["left", "right"] * 2


def test_figures_of_matplotlib_are_embedded_byte_by_byte_and_described() -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    vector, png = BytesIO(), BytesIO()
    figure.savefig(vector, format="svg")
    figure.savefig(png, format="png")
    pixels = encodebytes(png.getvalue()).decode()
    wide = v4.new_output(
        "display_data", {"image/png": pixels}, metadata={"image/png": {"width": 320, "alt": 'A "line"'}}
    )
    html = body(
        rendered(
            markdown("# Air\n## Residuals"), shows(display(svg=vector.getvalue().decode(), plain="<Figure>"), wide)
        )
    )

    pictures = re.findall(r'<img src="data:([^;]*);base64,([^"]*)" alt="([^"]*)"(?: width="(\d+)")?>', html)
    assert [(mime, unescape(about), width) for mime, _, about, width in pictures] == [
        ("image/svg+xml", "Figure in “Residuals”", ""),
        ("image/png", 'A "line"', "320"),
    ]
    assert [b64decode(data) for _, data, _, _ in pictures] == [vector.getvalue(), png.getvalue()]


def test_pasted_pictures_are_embedded_and_lost_or_linked_ones_leave_their_description() -> None:
    cell = v4.new_markdown_cell(
        "![dot](attachment:dot.png) ![gone](attachment:gone.png) ![far](https://example.org/far.png) ![near](plots/near.png)",
        attachments={"dot.png": {"image/png": "iVBORw0KGgo="}},
    )
    assert re.findall(r"<img[^>]*>", rendered(cell)) == ['<img src="data:image/png;base64,iVBORw0KGgo=" alt="dot">', *(
        f'<img alt="{about}">' for about in ("gone", "far", "near")
    )]  # fmt: skip
    lost = rendered(v4.new_markdown_cell("![gone](attachment:gone.png)"))
    assert '<img alt="gone">' in lost


def test_an_interactive_view_leaves_one_line_and_its_still_form_is_preferred() -> None:
    view = {"application/vnd.jupyter.widget-view+json": '{"model_id": "1"}'}
    html = body(rendered(
        shows(*(v4.new_output("display_data", {**view, "text/plain": "IntSlider(value=0)"}) for _ in range(3))),
        shows(v4.new_output("display_data", {**view, "text/html": "<table><tr><td>1</td></tr></table>"})),
        shows(display(html="<div id=x></div><script>draw()</script>", png="iVBORw0KGgo=")),
        shows(display(html="<div id=x></div><script>draw()</script>", plain="<bokeh.Row object>")),
    ))  # fmt: skip

    assert re.findall(r"<(p class=\"notice\"|table|img)", html) == [
        'p class="notice"',
        "table",
        "img",
        'p class="notice"',
    ]


def test_an_estimator_is_told_in_words_as_its_drawing_needs_styles() -> None:
    from sklearn.linear_model import LinearRegression

    bundle = LinearRegression()._repr_mimebundle_()
    assert "text/html" in bundle
    assert (
        body(rendered(shows(v4.new_output("execute_result", bundle)))) == '<pre class="output">LinearRegression()</pre>'
    )


def test_beside_a_picture_the_bare_name_of_an_object_is_left_out() -> None:
    html = body(
        rendered(shows(display(plain="[<matplotlib.lines.Line2D at 0x7f>]"), display(png="AAAA"), display(plain="8.6")))
    )

    assert "Line2D" not in html
    assert "8.6" in html


def test_printed_text_reads_as_a_terminal_would_have_left_it() -> None:
    html = body(rendered(shows(
        printed("\x1b[1;31mred\x1b[0m  5%\r 50"), printed("%\r100%\n"), printed("\x1b]8;;http://x\x07link\x1b]8;;\x07 a < b\x07\r\n")
    )))  # fmt: skip

    assert html == '<pre class="output">100%\nlink a &lt; b\n</pre>'


def test_a_long_text_loses_its_middle_and_says_how_much() -> None:
    html = body(rendered(shows(printed("begin" + "x" * 100_000 + "end"))))

    assert len(html) < 45_000
    assert re.search(r"begin.*60,008 characters are left out here.*end", html, re.DOTALL)


def test_task_lists_mathematics_and_links_to_headings_survive() -> None:
    html = body(
        rendered(
            markdown("- [x] done\n- [ ] open\n\n$a<b$ and [see](#Open-points) [out](https://example.org)"),
            markdown("## Open points"),
        )
    )

    assert "☑ done" in html
    assert "☐ open" in html
    assert "$a&lt;b$" in html
    assert 'href="#n-Open-points"' in html
    assert 'id="n-Open-points"' in html
    assert 'href="https://example.org" rel="noopener noreferrer nofollow"' in html


def test_every_line_of_the_contents_leads_to_its_own_heading() -> None:
    html = rendered(
        markdown('# A\n## Same\n## Same\n### Ümlaut "q" & <b>x</b>'), shows(display(markdown="## Said by code"))
    )

    links = re.findall(r'<li class="in\d"><a href="#([^"]*)">(.*?)</a>', html)
    headings = {
        unescape(anchor): re.sub("<.*?>", "", text)
        for anchor, text in re.findall(r'<h[23] id="([^"]*)">(.*?)</h', html)
    }
    assert [unescape(text) for _, text in links] == ["Same", "Same", 'Ümlaut "q" & x', "Said by code"]
    assert {unescape(anchor): unescape(text) for anchor, text in links} == {
        anchor: unescape(text) for anchor, text in headings.items()
    }
    assert len(headings) == 4


def test_two_headings_need_no_contents() -> None:
    assert "<nav" not in rendered(markdown("# A\n## B\n## C"))


@pytest.mark.parametrize(
    ("cells", "given", "named", "title", "headings"),
    [
        (["# Said *first*\n\ntext"], None, "weekly", "Said first", []),
        (["# Said first"], "Given", "weekly", "Given", ["Said first"]),
        (["# Same"], "Same", "weekly", "Same", []),
        (["text", "## Only a section"], None, "weekly", "weekly", ["Only a section"]),
        (["text"], None, None, "Notebook", []),
    ],
)
def test_the_title_is_what_is_given_else_the_first_heading_else_the_runs_name(
    cells: list[str], given: str | None, named: str | None, title: str, headings: list[str]
) -> None:
    html = rendered(*map(markdown, cells), title=given, provenance=Provenance(run_id="1", run_name=named))

    assert re.findall(r"<h1>(.*?)</h1>", html) == re.findall(r"<title>(.*?)</title>", html) == [title]
    assert re.findall(r"<h\d id[^>]*>(.*?)</h", html) == headings


# --- what failed --------------------------------------------------------------------------------------------------------------


def test_a_failure_is_told_on_top_and_where_it_happened_without_papermills_banner(tmp_path: Path) -> None:
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import raise_for_execution_errors

    notebook = v4.new_notebook(cells=[markdown("# Weekly"), shows(printed("before")), shows(failed("x < y"))])
    with pytest.raises(PapermillExecutionError):
        raise_for_execution_errors(notebook, str(tmp_path / "run.ipynb"))
    html = page(tmp_path / "run.ipynb", provenance=Provenance(run_id="1", status="failed"))

    assert 'This run failed: what follows is incomplete. ValueError: x &lt; y</strong> <a href="#failure">' in html
    assert body(html) == dedent("""\
        <pre class="output">before</pre>
        <div class="caveat failure" id="failure"><p><strong>This step failed.</strong> ValueError: x &lt; y</p>\
<details><summary>Technical details</summary><pre>---&gt; 3 clean(frame)
        ValueError: x &lt; y</pre></details></div>""")
    assert "An Exception was encountered" not in html
    assert "<h1>Weekly</h1>" in html


def test_what_failed_in_a_hidden_cell_is_told_without_quoting_its_code() -> None:
    html = rendered(shows(printed("left out"), failed(), tags=("hide",)))

    assert "A step of this notebook failed." in html
    assert "ValueError: no rows left" in body(html)
    assert "clean(frame)" not in html
    assert "left out" not in html


def test_a_cell_that_died_without_a_word_is_told_too() -> None:
    cell = shows(printed("so far"))
    cell.metadata["papermill"] = {"exception": True, "status": "failed"}

    assert "The run stopped here and left no message." in body(rendered(cell))


def test_an_expected_error_and_a_clean_exit_are_no_alarm() -> None:
    leave = v4.new_output("error", ename="SystemExit", evalue="0", traceback=[])
    html = rendered(shows(failed(), tags=("raises-exception",)), shows(leave))

    assert 'href="#failure"' not in html
    assert "A step of this notebook failed" not in html
    assert body(html).count("This step failed.") == 1


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("running", "This run had not ended when the page was made: what follows is incomplete."),
        ("stopped", "This run was stopped: what follows is incomplete. By anna."),
        ("lost", "This run&#39;s process died without a word: what follows is incomplete."),
    ],
)
def test_an_unfinished_run_says_so_before_anything_else(status: RunStatus, said: str) -> None:
    cause = "By anna." if status == "stopped" else None
    html = rendered(markdown("Text"), provenance=Provenance(run_id="1", status=status, cause=cause))

    assert re.findall(r'</header>\s*<p class="caveat failure"><strong>(.*?)</strong></p>', html) == [said]


def test_an_error_without_a_name_is_still_an_error() -> None:
    nameless = v4.new_output("error", ename="", evalue="\x1b[0m", traceback=[])
    html = rendered(shows(nameless), provenance=Provenance(run_id="1", status="failed"))

    assert "This run failed: what follows is incomplete. It left no message." in html


# --- what comes in ------------------------------------------------------------------------------------------------------------


def test_the_notebook_that_is_given_stays_as_it_was() -> None:
    notebook = v4.new_notebook(cells=[markdown("# A"), shows(printed("a"), printed("b"), failed())])
    before = deepcopy(notebook)
    page(notebook)

    assert notebook == before


def test_an_old_notebook_on_disk_is_read_as_a_new_one(tmp_path: Path) -> None:
    old = nbformat.v3.new_notebook(
        worksheets=[nbformat.v3.new_worksheet(cells=[nbformat.v3.new_text_cell("markdown", source="# Old")])]
    )
    (tmp_path / "old.ipynb").write_text(nbformat.v3.writes_json(old))

    assert "<h1>Old</h1>" in page(tmp_path / "old.ipynb")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": {}}', "\xff"]
)
def test_what_is_no_notebook_is_refused_with_a_remedy(text: str, tmp_path: Path) -> None:
    (tmp_path / "it.ipynb").write_text(text, encoding="latin-1")

    with pytest.raises(UsageError, match=r"it cannot be read as a notebook: .*\nHint: Run it again"):
        page(tmp_path / "it.ipynb")


def test_half_a_character_does_not_spoil_the_page(tmp_path: Path) -> None:
    half = "caf\ud83d"
    cells = [
        markdown(f"# {half}"),
        shows(printed(half), display(html=f"<b>{half}</b>"), display(svg=half), failed(half)),
    ]
    (tmp_path / "half.ipynb").write_text(json.dumps(v4.new_notebook(cells=cells)))

    html = page(tmp_path / "half.ipynb").encode()
    assert b"<h1>caf?</h1>" in html
    assert b'<pre class="output">caf?</pre>' in html
    assert b"<b>caf?</b>" in html


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"gone\.ipynb"):
        page(tmp_path / "gone.ipynb")


def test_templates_that_lie_about_in_the_current_folder_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = rendered(markdown("# A"))
    for place in ("page.html.j2", "page.css", "lab/index.html.j2", "lab/page.html.j2"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("taken over")
    monkeypatch.chdir(tmp_path)

    assert rendered(markdown("# A")) == expected


def test_importing_the_report_loads_nothing_heavy() -> None:
    code = "import sys, nbops.reports.page; print([m for m in ('nbconvert', 'nbformat', 'jinja2', 'bs4', 'pandas') if m in sys.modules])"

    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
