"""A source's sheet says what its contract found, what is set aside, its versions and values; what is lost costs its part only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nbops.data import snapshots
from nbops.data.collecting import collect
from nbops.data.quarantine import discard, repair
from nbops.data.sheet import Part, Sheet, sheet
from nbops.errors import NotFound
from nbops.store.client import Store
from tests.conftest import Project

CONTRACT = """
contract: flights
columns:
  id: {type: int}
  origin: {in: [JFK, LGA]}
  delay: {type: float, range: [0, 600]}
"""
DECLARED = "from: flights.csv\nevery: 1d\nowner: anna\nlicence: CC0-1.0\n"
DIRT = "<script>alert(1)</script>"


def bring(project: Project, *rows: tuple[str, object]) -> None:
    lines = [f"{number},{origin},{delay}" for number, (origin, delay) in enumerate(rows)]
    (project.folder / "flights.csv").write_text("\n".join(["id,origin,delay", *lines, ""]))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose source brought dirt three times, the last time rows that are markup."""
    made = Project(tmp_path_factory.mktemp("sheet"))
    for folder, text in {"sources": DECLARED, "contracts": CONTRACT}.items():
        (made.folder / folder).mkdir()
        (made.folder / folder / "flights.yaml").write_text(text)
    store = made.store()
    bring(made, ("JFK", 1), ("XXX", 2))
    collect(store, "flights")
    bring(made, ("JFK", 1), ("LGA", 2), ("LGA", 3))
    collect(store, "flights")
    bring(made, ("JFK", 1), (DIRT, 2), ("XXX", 9999), ("LGA", 4))
    collect(store, "flights")
    yield made
    made.close()


@pytest.fixture(scope="module")
def store(project: Project) -> Store:
    return project.store()


def part(found: Sheet, key: str) -> Part:
    return next(one for one in found.parts if one.key == key)


def test_the_parts_come_in_the_order_of_their_urgency(store: Store) -> None:
    keys = [one.key for one in sheet(store, "flights").parts]
    assert keys == ["contract", "quarantine", "versions", "profile", "collections"]


def test_rules_that_do_not_hold_come_first_with_the_collections_before(store: Store) -> None:
    lines = part(sheet(store, "flights"), "contract").text.splitlines()
    assert lines[1].split()[:2] == ["▲", "quarantined"]
    origin = next(line for line in lines if "origin is one of" in line)
    # One row, none, two rows: drawn from the left to the right.
    assert origin.rstrip().endswith("▅▁█")
    assert [line.split()[1] for line in lines[1:3]] == ["quarantined", "quarantined"]
    assert "✓ passed" in lines[3]


def test_the_quarantine_has_a_line_for_each_reason_and_the_first_rows_with_theirs(store: Store) -> None:
    told = part(sheet(store, "flights", rows=1), "quarantine")
    assert told.text.startswith("2 rows set aside and open.")
    assert "origin is one of JFK, LGA" in told.html
    assert "delay is at least 0 and at most 600" in told.html
    assert "set aside because" in told.html
    assert "the first 1 of 2" in told.html
    assert "nbops_" not in told.html


def test_rows_are_shown_only_to_who_asks_for_them(store: Store) -> None:
    assert "9999" not in sheet(store, "flights").to_html()
    assert "9,999" not in sheet(store, "flights").to_html()
    shown = part(sheet(store, "flights", rows=9), "quarantine").html
    assert "9999" in shown.replace(",", "")


def test_what_a_source_brings_is_never_markup(store: Store) -> None:
    shown = sheet(store, "flights", rows=9).to_html()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_versions_say_how_many_rows_came_or_went(store: Store) -> None:
    lines = part(sheet(store, "flights"), "versions").text.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["3", "2", "−1"], ["2", "3", "+2"], ["1", "1", "–"]]


def test_the_facts_leave_out_what_nobody_said(store: Store) -> None:
    columns, values = sheet(store, "flights").facts
    told = dict(zip([column.label for column in columns], values, strict=True))
    assert (told["owner"], told["licence"], told["from"]) == ("anna", "CC0-1.0", "flights.csv")
    assert "purpose" not in told


def test_a_source_that_was_never_collected_has_a_sheet_without_parts(project: Project, store: Store) -> None:
    path = project.folder / "sources" / "weather.yaml"
    path.write_text("from: weather.csv\n")
    try:
        found = sheet(store, "weather")
    finally:
        path.unlink()
    assert found.parts == []
    assert "never" in found.to_text()


def test_an_unknown_source_is_told_with_those_that_there_are(store: Store) -> None:
    with pytest.raises(NotFound) as refused:
        sheet(store, "fligths")
    assert "flights" in refused.value.hint


def test_a_lost_blob_costs_its_part_and_no_other(store: Store, tmp_path: Any) -> None:
    last = snapshots.get(store, "flights")
    profile = str(store.read("select profile from snapshots where version = ?", [last.version]).rows[0][0])
    batch = str(store.read("select sha256 from quarantine where open > 0").rows[0][0])
    for digest in (profile, batch):
        path = store.blob_path(digest)
        kept = tmp_path / digest
        path.rename(kept)
        try:
            found = sheet(store, "flights", rows=3)
        finally:
            kept.rename(path)
        assert len(found.parts) == 5
        assert "cannot be read" in part(found, "profile" if digest == profile else "quarantine").html
        assert "cannot be read" not in part(found, "versions").html


def test_what_is_dealt_with_is_counted_and_open_no_more(store: Store) -> None:
    repair(store, "flights", sql="delay = 0, origin = 'JFK'", why="a test", reason="delay")
    discard(store, "flights", why="a test")
    found = sheet(store, "flights", rows=5)
    assert part(found, "quarantine").text == "0 rows set aside and open, 1 readmitted, 1 discarded."
    assert "repaired" in part(found, "versions").text


def test_a_line_that_was_no_row_is_shown_as_it_came(tmp_path: Any) -> None:
    made = Project(tmp_path / "project")
    try:
        (made.folder / "sources").mkdir()
        (made.folder / "sources" / "flights.yaml").write_text("from: flights.csv\n")
        (made.folder / "flights.csv").write_text("id,origin\n1,JFK\n2,LGA\n3,EWR,too,many\n")
        collect(made.store(), "flights")
        shown = part(sheet(made.store(), "flights", rows=5), "quarantine").html
        assert ">line<" in shown
        assert "3,EWR,too,many" in shown
    finally:
        made.close()
