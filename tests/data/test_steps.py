"""Steps in SQL: what the documentation shows is what comes out, and what people write in them is read as they mean it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from nbops import duck
from nbops.data import declared, snapshots
from nbops.data.collecting import collect
from nbops.data.declared import Step
from nbops.data.quarantine import Quarantine
from nbops.errors import ConfigError
from nbops.store.client import Store
from tests.conftest import Project, finish

DOCS = Path(__file__).parents[2] / "docs" / "data.md"


class Shown(NamedTuple):
    """A file that the documentation shows, or the rows that it says come out; `under` is its heading."""

    under: str
    name: str
    text: str
    rows: list[list[str]]


def shown() -> Iterator[Shown]:
    """What the examples of steps show, in order: each stands after a paragraph that ends with its name and a colon."""
    examples = (
        DOCS.read_text(encoding="utf-8").partition("## Steps in SQL")[2].partition("\n## ")[0].split("\n### ")[1:]
    )
    block = re.compile(r"([^\n]+(?:\n[^\n]+)*):\n\n(?:```\w+\n(.*?)```|((?:\|[^\n]*\n)+))", re.DOTALL)
    for example in examples:
        heading, _, body = example.partition("\n")
        for told, text, table in block.findall(body):
            aside = re.search(r"quarantine of `(\w+)`", told)
            name = f"quarantine of {aside[1]}" if aside else re.findall(r"`([\w./]+)`", told)[-1]
            lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
            yield Shown(heading, name, text, [row for row in lines if set(row) != {"---"}])


SHOWN = list(shown())


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[list[str]]]]:
    """The rows that come out where the documentation shows some, by name, after the files before them were written."""
    project = Project(tmp_path_factory.mktemp("documented"))
    store, made = project.store(), {}
    for one in SHOWN:
        if one.text:
            path = project.folder / one.name
            path.parent.mkdir(exist_ok=True)
            path.write_text(one.text, encoding="utf-8")
        elif one.name.startswith("quarantine of "):
            made[one.name] = set_aside(store, one.name.removeprefix("quarantine of "))
        else:
            bring(store, one.name.partition("/")[0])
            made[one.name] = rows(store, one.name)
    yield made
    project.close()


def bring(store: Store, name: str) -> None:
    """Collect what it is made of, then it."""
    made = declared.find(store.settings.project, name)
    for needed in made.inputs if isinstance(made, Step) else ():
        bring(store, needed)
    assert collect(store, name).ok


def rows(store: Store, reference: str) -> list[list[str]]:
    """The columns of a version and its rows as text, sorted."""
    snapshot = snapshots.resolve(store, reference)
    values = duck.rows(duck.scratch(), f"select columns(*)::varchar from {snapshot.sql()}")  # noqa: S608 - of our own
    return [[*snapshot.columns], *sorted([(value or "").strip() for value in row] for row in values)]


def set_aside(store: Store, name: str) -> list[list[str]]:
    """The rows in quarantine, as text, with their reasons."""
    frame = Quarantine(store, name).frame().drop(columns=["nbops_hash", "nbops_line", "nbops_batch"])
    frame["nbops_reasons"] = [f"[{', '.join(reasons)}]" for reasons in frame["nbops_reasons"]]
    return [[*frame.columns], *frame.astype(object).where(frame.notna(), "").astype(str).to_numpy().tolist()]


@pytest.mark.parametrize(
    ("name", "expected"), [pytest.param(one.name, one.rows, id=one.name) for one in SHOWN if one.rows]
)
def test_what_the_documentation_shows_comes_out(
    found: dict[str, list[list[str]]], name: str, expected: list[list[str]]
) -> None:
    assert found[name] == [expected[0], *sorted(expected[1:])]


def test_every_documented_pattern_has_an_example_with_a_result() -> None:
    results = {one.under for one in SHOWN if one.rows}
    assert results == {one.under for one in SHOWN}
    assert len(results) == 6


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with one source, `days`, which has been collected."""
    made = Project(tmp_path_factory.mktemp("steps"))
    put(made, "days.csv", "day,number\n2026-01-01T23:30:00Z,1\n2026-01-02T12:00:00Z,2\n")
    put(made, "sources/days.yaml", "from: days.csv")
    collect(made.store(), "days")
    yield made
    made.close()


def put(project: Project, name: str, text: str) -> None:
    path = project.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def made_by(project: Project, name: str, sql: str) -> list[list[str]]:
    """The rows of a step."""
    put(project, f"sources/{name}.sql", sql)
    store = project.store()
    assert collect(store, name).ok
    return rows(store, name)[1:]


@pytest.mark.parametrize(
    "sql",
    [
        "select number from days where number = 2 -- the second",
        "select number from days where number = 2;\n-- the second; no more",
        "/* the; first */ select number from days where number = 2 /* and -- the second */ ;",
        "-- https://example.com/why\nselect number from days where number = 2",
        "select number from days where number = 2 and '--' <> ';' and $$ -- $$ <> e'\\'--'",
        "select number from DAYS where number = 2",
        "select a.number from Days a join days b using (number) where number = 2",
    ],
)
def test_comments_and_capitals_change_nothing(project: Project, sql: str) -> None:
    assert made_by(project, "second", sql) == [["2"]]


def test_a_day_is_one_of_utc_wherever_it_is_collected(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    assert made_by(project, "by_day", "select day::date as day, number from days") == [
        ["2026-01-01", "1"],
        ["2026-01-02", "2"],
    ]


def test_a_watermark_may_have_a_zone_and_look_back(project: Project) -> None:
    sql = """
        -- key: number
        -- append: {by: day, look_back: 1d}
        select number, day, number * 10 as value from days
        where getvariable('since') is null or day >= getvariable('since')
    """
    assert len(made_by(project, "appended", sql)) == 2
    put(project, "days.csv", "day,number\n2026-01-02T12:00:00Z,2\n2026-01-03T12:00:00Z,3\n")
    store = project.store()
    collect(store, "days")
    assert (done := collect(store, "appended")).rows == 2
    assert done.snapshot is not None
    assert done.snapshot.rows == 3
    assert collect(store, "appended").status == "unchanged"


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select nothing from days", 'Referenced column "nothing" not found'),
        ("select * from days where", "cannot be read"),
        ("with days as (select * from days) select * from days", "Circular reference"),
        ("drop table days", "Only one SELECT"),
        ("-- evry: 1d\nselect * from days", "'evry', which means nothing"),
    ],
)
def test_what_is_wrong_with_a_step_is_told_by_its_name(project: Project, sql: str, told: str) -> None:
    put(project, "sources/wrong.sql", sql)
    try:
        with pytest.raises(ConfigError, match="wrong") as caught:
            collect(project.store(), "wrong")
    finally:
        (project.folder / "sources" / "wrong.sql").unlink()
    assert told in caught.value.message
    assert caught.value.hint


def test_a_step_that_finds_nothing_is_a_version_without_rows(project: Project) -> None:
    assert made_by(project, "none", "select * from days where number > 1000") == []


def test_what_a_contract_asks_for_is_collected_before_it(tmp_path: Path) -> None:
    made = Project(tmp_path)
    put(made, "sources/flights.yaml", "from: flights.csv")
    put(made, "contracts/flights.yaml", "columns: {plane: {foreign_key: planes.plane}}")
    put(made, "sources/known.sql", "select plane from flights")
    put(made, "sources/planes.yaml", "from: planes.csv")
    put(made, "flights.csv", "plane\nN1\nN2\n")
    put(made, "planes.csv", "plane\nN1\n")
    words = [sys.executable, "-m", "nbops", "data", "collect"]
    told = finish(subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    assert re.findall(r"^\w+(?=: version 1)", told, re.MULTILINE) == ["planes", "flights", "known"]
    assert rows(made.store(), "known/1")[1:] == [["N1"]]
    made.close()


def test_foreign_keys_that_ask_for_each_other_keep_no_one_waiting(tmp_path: Path) -> None:
    for name, asks in {"a": "b", "b": "a"}.items():
        put(
            Project(tmp_path),
            f"sources/{name}.yaml",
            f"from: x.csv\ncontract: {{columns: {{x: {{foreign_key: {asks}.x}}}}}}",
        )
    known = declared.everything(tmp_path)
    assert sorted(declared.in_order(known, known, tmp_path)) == ["a", "b"]
