"""The index of a folder lists the reports in it, newest first, as text, and touches no file that is not its own."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from nbformat import v4

from nbops.errors import Conflict, NotFound
from nbops.records import RunStatus
from nbops.reports import index
from nbops.reports.page import page
from nbops.reports.provenance import Provenance


def put(folder: Path, name: str, title: str, day: int, status: RunStatus = "finished") -> None:
    run = Provenance(
        run_id=f"0199b3c0-7a3e-7c11-8f2a-3d5e000000{day:02}", status=status, ended=datetime(2026, 11, day, tzinfo=UTC)
    )
    (folder / name).write_text(page(v4.new_notebook(cells=[v4.new_markdown_cell("text")]), title=title, provenance=run))


def rows(html: str) -> list[list[str]]:
    found = re.findall(r"<tr>(<td.*?)</tr>", html)
    return [
        [unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in found
    ]


def test_reports_are_listed_newest_first_with_what_each_says_of_itself(tmp_path: Path) -> None:
    put(tmp_path, "a.html", "Sales", 2)
    put(tmp_path, "b c#1.html", "Délai & <b>co</b>", 9, "failed")
    (tmp_path / "other.html").write_text("<title>Not ours</title>")
    (tmp_path / "notes.txt").write_text("x")
    path, count = index.write(tmp_path)

    html = path.read_text(encoding="utf-8")
    assert (path.name, count) == ("index.html", 2)
    assert [row[:3] for row in rows(html)] == [
        ["Délai & <b>co</b>", "00000009", "Failed"],
        ["Sales", "00000002", "Finished"],
    ]
    assert [row[3][:10] for row in rows(html)] in (["9 Nov 2026", "2 Nov 2026"], ["8 Nov 2026", "1 Nov 2026"])
    assert re.findall(r'<a href="([^"]*)"', html) == ["./b%20c%231.html", "./a.html"]
    assert "default-src 'none'" in html
    assert "<script" not in html
    assert index.write(tmp_path)[1] == 2  # the index itself is no report


def test_a_page_without_a_run_is_told_by_the_time_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "plain.html").write_text(page(v4.new_notebook(), title="Plain"))
    os.utime(tmp_path / "plain.html", (1_793_577_600, 1_793_577_600))
    (found,) = index.listed(tmp_path)

    assert (found.run, found.status, found.when) == (None, None, datetime.fromtimestamp(1_793_577_600, UTC))


@pytest.mark.parametrize(
    "head",
    [
        '<meta name="generator" content="nbops"><meta name="nbops-status" content="x&quot; onload=&quot;1"><title>&lt;script&gt;</title>',
        '<meta name="generator" content="nbops"><meta name="nbops-ended" content="9999"><meta name="nbops-run"><title>',
        '<title>x</title><body><meta name="generator" content="nbops">',
        "\x00\xff<",
    ],
)
def test_whatever_lies_in_the_folder_stays_text(tmp_path: Path, head: str) -> None:
    (tmp_path / 'it\'s "a" <b>.html').write_text(head, encoding="latin-1")
    html = index.write(tmp_path)[0].read_text(encoding="utf-8")

    assert not re.search(r"<script|<b>|onload=\"", html)


def test_a_page_of_somebody_elses_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<title>My site</title>")
    with pytest.raises(Conflict, match="is not an index that nbops made"):
        index.write(tmp_path)
    assert (tmp_path / "index.html").read_text() == "<title>My site</title>"
    with pytest.raises(NotFound, match="There is no folder"):
        index.write(tmp_path / "gone")


def test_an_empty_folder_says_how_it_is_filled(tmp_path: Path) -> None:
    assert "<code>nbops report RUN</code> makes one" in index.write(tmp_path)[0].read_text()
