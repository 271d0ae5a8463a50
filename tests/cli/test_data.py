"""`nbops data …` as a person types it, in a project with a source that is dirty and a step over it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from nbops.workspace._workspace import Workspace
from tests.shared import Type

ROWS = "id,origin,air_time\n1,EWR,100\n2,JFK,\n3,XXX,90\n4,LGA,-5\n5,EWR,80\n6,JFK,x\n7,LGA,70,1\n"
CONTRACT = {
    "columns": {
        "id": {"type": "integer", "unique": True}, "origin": {"in": ["EWR", "JFK", "LGA"]},
        "air_time": {"type": "integer", "not_null": True, "range": [0, 500]},
    }
}  # fmt: skip


def declare(project: Path) -> Path:
    for folder in ("sources", "contracts"):
        (project / folder).mkdir()
    (project / "flights.csv").write_text(ROWS)
    (project / "sources/flights.yaml").write_text("from: flights.csv\nevery: 1d\nowner: ops\nkey: id\n")
    (project / "sources/origins.sql").write_text("select origin, count(*) as n from flights group by origin\n")
    (project / "contracts/flights.yaml").write_text(yaml.safe_dump(CONTRACT))
    return project


@pytest.fixture
def typed(workspace: Workspace, typed: Type, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type a command in the folder of a project of the test's own."""
    monkeypatch.chdir(declare(workspace.project))
    return typed


@pytest.fixture(scope="module")
def uncollected(here: Workspace) -> Path:
    """The folder of a project in which nothing was ever collected."""
    return declare(here.project)


def test_a_project_s_data_is_collected_looked_at_repaired_and_compared(typed: Type) -> None:
    assert [line["state"] for line in typed("data", "list", "--json").told] == ["never", "never"]
    flights, origins = typed("data", "collect", "--json").told
    assert (flights["status"], flights["rows"], flights["good"], flights["quarantined"]) == ("taken", 7, 2, 5)
    assert (origins["source"], origins["status"], origins["good"]) == ("origins", "taken", 1)
    assert [one["status"] for one in typed("data", "collect", "--json").told] == ["unchanged", "unchanged"]

    found = typed("data", "quarantine", "flights", "--json").told
    assert found["reasons"] == {
        "air_time has a value": 1, "air_time is an integer": 1, "air_time is at least 0 and at most 500": 1,
        "origin is one of EWR, JFK, LGA": 1, "the line can be read: too many columns": 1,
    }  # fmt: skip
    assert [row["nbops_line"] for row in found["open"] if row["nbops_line"]] == ["7,LGA,70,1"]

    repaired = typed("data", "repair", "flights", "origin = 'EWR'", "--reason", "origin", "--why", "a typing error")
    assert (repaired.status, repaired.out) == (0, "flights: version 2; 1 row, 1 good\n")
    refused = typed("data", "repair", "flights", "--reason", "at least", "--why", "as it is")
    assert refused.status == 21
    assert "air_time is at least 0" in refused.out
    (Path("fix.py")).write_text("def fill(rows):\n    return rows.assign(air_time='60')\n")
    by_hand = ["data", "repair", "flights", "--python", "fix.py:fill", "--reason", "air_time has a value"]
    assert typed(*by_hand, "--why", "from the log").status == 0
    assert (
        typed("data", "quarantine", "flights", "--discard", "--why", "no more").out == "3 rows of flights given up.\n"
    )
    assert typed("data", "quarantine", "flights").out == "flights: nothing is in quarantine\n"
    assert typed("data", "collect", "flights").out.startswith("flights: nothing new")

    difference = typed("data", "diff", "flights", 1, 3, "--rows", 5, "--json").told
    assert (difference["added"], difference["removed"], difference["changed"]) == (2, 0, 0)
    assert {row["id"] for row in difference["rows"]} == {2, 3}
    assert (
        typed("data", "diff", "flights", 1, 3).out
        == "flights/1 → flights/3: 2 → 4 rows, 2 added, 0 removed, 0 changed\n"
    )
    assert "origin" in typed("data", "profile", "flights/1").out
    assert [row["version"] for row in typed("data", "snapshots", "flights", "--json").told] == [3, 2, 1]
    assert typed("data", "prune", "flights", "--keep", 1).out == "Versions 1, 2 of flights are given up.\n"
    assert typed("data", "profile", "flights/1").status == 64
    assert typed("data", "prune", "flights").status == 64


def test_freshness_answers_with_its_status_and_a_page(typed: Type) -> None:
    assert typed("data", "freshness", "--strict").status == 20
    assert typed("data", "collect").status == 0
    answer = typed("data", "freshness", "--strict", "--html", "page.html")
    assert answer.status == 0
    assert answer.out.startswith("1 of 2 sources is updated regularly; 1 without an expected interval.")
    page = Path("page.html").read_text()
    assert "air_time is an integer" in page
    assert "<script" not in page


def test_a_broken_contract_and_a_source_that_is_not_there_keep_nothing_else_from_being_collected(typed: Type) -> None:
    Path("contracts/flights.yaml").write_text("columns:\n  id: {not_null: true}\nrules:\n  - row_count: 100\n")
    Path("sources/gone.yaml").write_text("from: gone.parquet\n")
    Path("sources/planes.yaml").write_text("from: flights.csv\n")
    answer = typed("data", "collect")
    assert answer.status == 21
    assert "there are at least 100 rows" in answer.out
    assert "planes: version 1" in answer.out
    assert answer.err.startswith("gone: ")
    assert typed("data", "collect", "gone").status == 20
    assert typed("data", "collect", "flight").err.strip().endswith("Did you mean 'flights'?")


def test_a_delivery_of_which_no_row_is_left_ends_as_a_broken_contract_and_the_last_version_stays(typed: Type) -> None:
    assert typed("data", "collect", "flights").status == 0
    Path("flights.csv").write_text("id,origin,air_time\n1,XXX,100\n2,JFK,-1\n3,JFK,-2\n")
    answer = typed("data", "collect", "flights")
    assert answer.status == 21
    first, *_, remedy = answer.out.splitlines()
    assert first == (
        "flights: The contract is broken: no row is left of 3 that came, 2 break “air_time is at least 0 and at most 500”,"
        " 1 breaks “origin is one of EWR, JFK, LGA”; 3 rows, 0 good, 3 quarantined"
    )
    assert remedy == "Mend the source or its contract, and collect it again; until then version 1 stays."
    (line,) = (one for one in typed("data", "list", "--json").told if one["source"] == "flights")
    assert (line["state"], line["version"], line["rows"]) == ("failing", 1, 2)
    checked = typed("data", "check", "flights.csv", "contracts/flights.yaml")
    assert checked.status == 21
    assert "3 rows, 3 to be set aside; the contract is broken: no row is left" in checked.out


def test_files_are_judged_profiled_and_described_without_a_project(typed: Type, tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    answer = typed("data", "check", "flights.csv", "contracts/flights.yaml", "--broken", broken, "--json")
    assert answer.status == 0
    assert json.loads(answer.out)["quarantined"] == 5
    assert len(pd.read_parquet(broken)) == 4
    assert typed("data", "infer", "flights.csv", "-o", "first.yaml").out == "Wrote first.yaml.\n"
    assert typed("data", "infer", "flights.csv", "-o", "first.yaml").status == 64
    assert typed("data", "check", "flights.csv", "first.yaml").status == 0
    assert "air_time" in typed("data", "profile", "flights.csv").out
    assert typed("data", "check", "flights.csv", "first.yaml", "--table", "nonsense").status == 64


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["repair", "flights", "--why", ""], "A repair says why."),
        (["repair", "flights", "--why", "x", "--sql", "flights.csv", "a = 1"], "several ways"),
        (["repair", "flights", "--why", "x"], "Nothing of 'flights' is in quarantine"),
        (["quarantine", "flights", "--discard"], "says why"),
        (["prune", "flights", "--older", "soon"], "no span of time"),
        (["profile", "nowhere"], "There is no snapshot of 'nowhere'"),
        (["diff", "flights"], "There is no snapshot of"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_remedy(
    typed: Type, uncollected: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(uncollected)
    answer = typed("data", *words)
    assert answer.status == 64
    assert sentence in answer.err
    assert "Hint: " in answer.err


def test_a_declaration_that_cannot_be_read_fails_alone(typed: Type, workspace: Workspace) -> None:
    (workspace.project / "sources/broken.yaml").write_text("fro: flights.csv\n")
    (workspace.project / "sources/planes.yaml").write_text("from: flights.csv\n")
    (workspace.project / "contracts/planes.yaml").write_text("columns: 7\n")
    one = typed("data", "collect", "flights", "--json")
    assert (one.status, [found["status"] for found in json.loads(one.out)]) == (0, ["taken"])
    every = typed("data", "collect", "--json")
    assert every.status == 64
    found = {one["source"]: (one["status"], one.get("code")) for one in json.loads(every.out)}
    assert found == {
        "broken": ("failed", "usage.config"), "planes": ("failed", "usage.config"), "flights": ("unchanged", None),
        "origins": ("taken", None),
    }  # fmt: skip
    assert "'fro'" in every.err
    asked = typed("data", "collect", "broken", "flights")
    assert (asked.status, "'fro'" in asked.err, "flights" in asked.out) == (64, True, True)
    assert "2 of 4 sources need a look: broken is declared wrongly" in typed("data", "freshness").out
    assert {one["source"]: one["state"] for one in typed("data", "list", "--json").told}["broken"] == "unreadable"
    # What was set aside can be looked after meanwhile, too.
    assert typed("data", "repair", "flights", "air_time = '0'", "--reason", "air_time", "--why", "a test").status == 0
    missing = typed("data", "collect", "nowhere")
    assert (missing.status, "broken.yaml" in missing.err) == (64, True)
