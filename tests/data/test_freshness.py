"""Data is fresh, late, unchecked, failing, never collected or declared wrongly; a sentence says which need somebody and why."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops.data.collecting import collect
from nbops.data.freshness import Freshness, Line, freshness, interval, span, together, uncollected
from nbops.data.quarantine import repair
from nbops.data.sources import declaration
from nbops.errors import ConfigError, NotFound, SourceError
from nbops.store.client import Store
from tests.conftest import Project
from tests.past import let_pass

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
CONTRACT = "contract: flights\ncolumns:\n  id: {type: int}\n  delay: {type: float, range: [0, 600]}\n"


def declare(project: Project, name: str = "flights", text: str = "from: flights.csv\nevery: 1d\n") -> None:
    (project.folder / "sources").mkdir(exist_ok=True)
    (project.folder / "sources" / f"{name}.yaml").write_text(text)


def bring(project: Project, *delays: object, name: str = "flights") -> None:
    """The rows of a source."""
    lines = [f"{number},{delay}" for number, delay in enumerate(delays)]
    (project.folder / f"{name}.csv").write_text("\n".join(["id,delay", *lines, ""]))


def line(found: Freshness, name: str = "flights") -> Line:
    return found[name]


@pytest.fixture
def flights(project: Project) -> Store:
    """A store in which a source of two rows was collected, which is expected every day."""
    declare(project, text="from: flights.csv\nevery: 1d\nowner: anna\n")
    bring(project, 3, 4)
    store = project.store()
    collect(store, "flights")
    return store


def test_a_source_that_was_just_collected_is_fresh_and_nobody_has_to_look(flights: Store) -> None:
    found = freshness(flights)
    assert found.ok
    assert found.sentence == "flights is updated regularly."
    one = line(found)
    assert (one.state, one.version, one.rows, one.quarantined, one.owner) == ("fresh", 1, 2, 0, "anna")
    assert one.interval == "every day"
    assert one.needs is None


def test_a_source_that_brings_nothing_new_is_late_by_what_lies_beyond_its_interval(
    project: Project, flights: Store
) -> None:
    let_pass(project, 3)
    assert collect(flights, "flights").status == "unchanged"
    found = freshness(flights)
    assert not found.ok
    assert line(found).state == "late"
    assert found.sentence == "1 of 1 source needs a look: flights is 2 days late."


def test_a_source_that_nobody_collects_any_more_is_unchecked(project: Project, flights: Store) -> None:
    let_pass(project, 5)
    found = freshness(flights)
    assert line(found).state == "unchecked"
    assert found.sentence == "1 of 1 source needs a look: flights was not checked for 5 days."


def test_a_source_that_cannot_be_read_is_failing_with_its_message_and_keeps_what_is_known(
    project: Project, flights: Store
) -> None:
    (project.folder / "flights.csv").unlink()
    with pytest.raises(SourceError):
        collect(flights, "flights")
    one = line(freshness(flights))
    assert (one.state, one.version, one.rows) == ("failing", 1, 2)
    assert one.message
    assert one.message in str(one.needs)
    assert str(one.needs).startswith("flights failed: ")


def test_a_source_that_its_contract_forbids_is_failing_and_says_by_which_rule(project: Project, flights: Store) -> None:
    (project.folder / "contracts").mkdir()
    (project.folder / "contracts" / "flights.yaml").write_text(f"{CONTRACT}rules:\n  - row_count: {{min: 10}}\n")
    collect(flights, "flights")
    needs = str(line(freshness(flights)).needs)
    assert needs.startswith("flights was refused: ")
    assert "at least 10 rows" in needs


def test_what_is_only_declared_was_never_collected(project: Project, flights: Store) -> None:
    declare(project, "weather", "from: weather.csv\nevery: 90 min\nowner: bob\n")
    found = freshness(flights)
    one = line(found, "weather")
    assert (one.state, one.owner, one.interval, one.version) == ("never", "bob", "every 90 minutes", None)
    assert found.sentence == "1 of 2 sources needs a look: weather was never collected."
    # Who needs somebody comes first.
    assert [each.source for each in found.lines] == ["weather", "flights"]


def test_a_declaration_that_cannot_be_read_is_a_line_with_its_error(project: Project, flights: Store) -> None:
    declare(project, "weather", "fro: weather.csv\n")
    declare(project, text="from: flights.csv\nevery: often\n")
    found = freshness(flights)
    assert "'fro'" in str(line(found, "weather").message)
    # What was collected before the declaration broke is known still.
    assert (line(found).state, line(found).version) == ("unreadable", 1)
    assert found.sentence.startswith("2 of 2 sources need a look: ")
    declare(project)
    assert line(freshness(flights)).state == "fresh"


def test_two_files_that_declare_one_source_are_told(project: Project, flights: Store) -> None:
    declare(project, "other", "source: flights\nfrom: other.csv\n")
    one = line(freshness(flights))
    assert one.state == "unreadable"
    assert "another file" in str(one.message)


def test_without_an_interval_nothing_is_late(project: Project, store: Store) -> None:
    declare(project, text="from: flights.csv\n")
    bring(project, 1)
    collect(store, "flights")
    let_pass(project, 400)
    found = freshness(store)
    assert line(found).state == "unknown"
    assert found.ok
    assert found.sentence == "Nothing is known to be late: 1 source without an expected interval."


def test_the_usual_interval_stands_in_for_the_declared_one(project: Project, store: Store) -> None:
    declare(project, text="from: flights.csv\n")
    for number in range(4):
        bring(project, *range(number + 1))
        collect(store, "flights")
        let_pass(project, 2)
    one = line(freshness(store))
    assert one.state == "fresh"
    assert one.interval == "about every 2 days"
    let_pass(project, 5)
    one = line(freshness(store))
    assert (one.state, one.needs) == ("unchecked", "flights was not checked for 7 days")


def test_rows_in_quarantine_are_counted_and_a_repair_is_the_last_version(project: Project, store: Store) -> None:
    (project.folder / "contracts").mkdir()
    (project.folder / "contracts" / "flights.yaml").write_text(CONTRACT)
    declare(project)
    bring(project, 1, 2, 9999, -1)
    collect(store, "flights")
    assert (line(freshness(store)).rows, line(freshness(store)).quarantined) == (2, 2)
    repair(store, "flights", sql="delay = 0", why="a test", reason="delay")
    one = line(freshness(store))
    assert (one.version, one.rows, one.quarantined) == (2, 4, 0)


def test_a_source_that_is_appended_to_says_up_to_when_it_was_read(project: Project, store: Store) -> None:
    declare(project, text="from: flights.csv\nappend: {by: at}\n")
    (project.folder / "flights.csv").write_text("id,at\n1,2026-01-30 08:00:00\n2,2026-01-31 08:15:00\n")
    collect(store, "flights")
    assert line(freshness(store)).data_until == "2026-01-31 08:15:00"


def test_a_project_without_a_store_has_its_declarations_and_begins_none(project: Project) -> None:
    assert uncollected(project.folder).sentence == "No source of data is declared or collected yet."
    declare(project)
    found = uncollected(project.folder)
    assert [(one.source, one.state) for one in found.lines] == [("flights", "never")]
    assert not project.places.folder.exists()


def test_a_source_that_there_is_not_is_told_with_what_there_is(flights: Store) -> None:
    with pytest.raises(NotFound, match="flihgts") as refused:
        freshness(flights)["flihgts"]
    assert "flights" in refused.value.hint


def test_the_view_is_a_sentence_and_a_line_for_each_source() -> None:
    lines = [
        Line(source="weather", state="late", every=3600, last_checked=NOW, last_change=NOW - timedelta(days=1), version=3, rows=12_000,
             quarantined=14, owner="bob", needs="weather is 23 hours late"),
        Line(source="<b>", state="unknown", last_checked=NOW, last_change=NOW, version=1, rows=2),
    ]  # fmt: skip
    found = Freshness(lines, NOW)
    told = found.to_text().splitlines()
    assert told[0] == "1 of 2 sources needs a look: weather is 23 hours late."
    assert re.split(r"\s{2,}", told[1]) == [
        "source", "state", "expected", "last checked", "last change", "version", "rows", "in quarantine", "owner",
    ]  # fmt: skip
    assert "▲ late" in told[2]
    assert "every hour" in told[2]
    assert "12,000" in told[2]
    shown = found.to_html()
    assert "<b>" not in shown
    assert "&lt;b&gt;" in shown


def test_all_that_is_well_is_said_in_one_sentence() -> None:
    def told(*states: Any) -> str:
        return Freshness([Line(source=f"s{n}", state=state) for n, state in enumerate(states)], NOW).sentence

    assert told(*["fresh"] * 5) == "All 5 sources are updated regularly."
    assert told("fresh", "unknown") == "1 of 2 sources is updated regularly; 1 without an expected interval."
    assert told("unknown", "unknown") == "Nothing is known to be late: 2 sources without an expected interval."


UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}


@given(st.integers(1, 10**8))
def test_the_words_of_an_interval_give_back_its_seconds(seconds: int) -> None:
    match = re.fullmatch(r"every (?:([\d,]+) )?([a-z]+?)s?", interval(seconds))
    assert match
    assert int((match[1] or "1").replace(",", "")) * UNITS[match[2]] == seconds


@given(st.floats(0, 10**9))
def test_a_span_in_words_is_near_what_it_says(seconds: float) -> None:
    count, name = span(seconds).replace(",", "").split()
    said = int(count) * UNITS[name.rstrip("s")]
    assert abs(said - seconds) <= max(1, seconds / 4)


STATES = st.sampled_from(["fresh", "unknown", "late", "unchecked", "failing"])
NAMES = st.text("abcdef", min_size=1, max_size=3)


@given(st.dictionaries(NAMES, STATES, max_size=6), st.dictionaries(NAMES, st.booleans(), max_size=6))
def test_each_source_has_one_line_and_the_sentence_counts_those_that_need_somebody(
    stored: dict[str, str], declared: dict[str, bool]
) -> None:
    from nbops.data.sources.declaration import Source

    rows = [_row(name, state) for name, state in stored.items()]
    in_python = {str(row["source"]) for row in rows if not row["in_file"]}
    known: dict[str, Any] = {
        name: Source(name=name, address="a.csv", kind="file") if well else ConfigError("Wrong.", hint="Mend it.")
        for name, well in declared.items()
    }
    found = Freshness(together(rows, known, NOW), NOW)
    assert sorted(one.source for one in found.lines) == sorted(stored.keys() | declared.keys())
    undeclared = {one.source for one in found.lines if one.state == "undeclared"}
    assert undeclared == stored.keys() - declared.keys() - in_python
    needy = [one for one in found.lines if one.state not in {"fresh", "unknown", "undeclared"}]
    assert all(one.needs for one in needy)
    assert found.ok == (not needy)
    assert found.lines[: len(needy)] == tuple(needy)
    if needy:
        assert found.sentence.startswith(f"{len(needy)} of {len(found.lines)} source")


def _row(name: str, state: str) -> dict[str, object]:
    then = int((NOW - timedelta(days=3)).timestamp() * 1e6)
    return {
        "source": name, "state": state, "every": 86_400.0, "usual": None, "last_checked": then, "last_change": then, "data_until": None,
        "version": 1, "rows": 1, "quarantined": 0, "owner": None, "last_message": None, "last_status": "failed",
        "in_file": len(name) > 1,
    }  # fmt: skip


def test_a_source_that_only_python_declares_is_judged_too(project: Project, flights: Store) -> None:
    bring(project, 1, name="weather")
    collect(flights, declaration.read({"from": "weather.csv", "every": "1d"}, "weather"))
    let_pass(project, 5)
    found = {one.source: one.state for one in freshness(flights).lines}
    assert found["weather"] == "unchecked"


def test_a_source_that_is_no_longer_declared_is_shown_as_such_and_never_late(project: Project, flights: Store) -> None:
    declare(project, "weather", "from: weather.csv\nevery: 1d\n")
    bring(project, 1, name="weather")
    collect(flights, "weather")
    let_pass(project, 5)
    assert [(one.source, one.state) for one in freshness(flights).lines] == [
        ("flights", "unchecked"),
        ("weather", "unchecked"),
    ]
    (project.folder / "sources" / "flights.yaml").unlink()
    found = freshness(flights)
    one = line(found)
    assert (one.state, one.needs, one.version, one.rows) == ("undeclared", None, 1, 2)
    assert found.sentence == "1 of 2 sources needs a look: weather was not checked for 5 days."
    collect(flights, "weather")
    bring(project, 1, 2, name="weather")
    collect(flights, "weather")
    assert freshness(flights).ok
    assert freshness(flights).sentence == "weather is updated regularly."
    (project.folder / "sources" / "weather.yaml").unlink()
    assert freshness(flights).sentence == "No source of data is declared any more: 2 sources collected before."
    assert "· undeclared" in freshness(flights).to_text()
    # Whoever declares it again has it judged again.
    declare(project)
    assert line(freshness(flights)).state == "unchecked"


def test_a_declaration_that_changed_is_read_again(project: Project) -> None:
    declare(project)
    first = uncollected(project.folder)
    declare(project, text="from: flights.csv\nevery: 10d\n")
    assert [one.interval for one in (*first.lines, *uncollected(project.folder).lines)] == [
        "every day",
        "every 10 days",
    ]


def test_a_folder_that_vanishes_is_no_source(tmp_path: Path) -> None:
    assert uncollected(tmp_path / "nowhere").lines == ()
