"""The sidebar's data and the page of a source, as the server answers them."""

from __future__ import annotations

import pytest

from nbops.data.collecting import collect
from tests.conftest import Project
from tests.jupyter_ext.conftest import Server
from tests.past import let_pass

CONTRACT = "contract: flights\ncolumns:\n  id: {type: int}\n  origin: {in: [JFK, LGA]}\n"


@pytest.fixture(scope="module")
def late(project: Project) -> Project:
    """The project, with a source that set rows aside and is late, and one that is declared wrongly."""
    for folder, text in {"sources": "from: flights.csv\nevery: 1d\n", "contracts": CONTRACT}.items():
        (project.folder / folder).mkdir()
        (project.folder / folder / "flights.yaml").write_text(text)
    (project.folder / "sources" / "weather.yaml").write_text("fro: weather.csv\n")
    rows = [f"{n},{'<b>' if n % 10 == 0 else 'JFK'}" for n in range(300)]
    (project.folder / "flights.csv").write_text("\n".join(["id,origin", *rows, ""]))
    weather = project.folder / "sources" / "weather.yaml"
    kept = weather.read_text()
    weather.unlink()
    collect(project.store(), "flights")
    let_pass(project, 3)
    collect(project.store(), "flights")
    weather.write_text(kept)
    return project


def test_the_board_has_the_data_and_why_somebody_should_look(server: Server, late: Project) -> None:
    weather, flights = server.get("board")["data"]
    assert (weather["name"], weather["state"]) == ("weather", "unreadable")
    assert "'fro'" in weather["needs"]
    assert flights["needs"] == "flights is 2 days late"
    assert {key: flights[key] for key in ("state", "interval", "version", "rows", "quarantined")} == {
        "state": "late", "interval": "every day", "version": 1, "rows": 270, "quarantined": 30,
    }  # fmt: skip


def test_a_source_has_its_parts_as_the_page_has_them_and_the_first_rows(server: Server, late: Project) -> None:
    found = server.get("data/flights")
    assert [part["key"] for part in found["parts"]] == ["contract", "quarantine", "versions", "profile", "collections"]
    assert found["needs"] == "flights is 2 days late"
    assert "every day" in found["facts"]
    quarantine = next(part["html"] for part in found["parts"] if part["key"] == "quarantine")
    assert "the first 20 of 30" in quarantine
    assert "&lt;b&gt;" in quarantine
    assert "<b>" not in quarantine


def test_a_source_that_there_is_not_is_told_with_a_remedy(server: Server, late: Project) -> None:
    answer = server.ask("GET", "data/flihgts")
    assert answer.status == 404
    assert "flights" in answer.body["hint"]


def test_declared_data_is_seen_before_there_is_a_store_and_begins_none(server: Server, project: Project) -> None:
    other = project.folder / "other"
    (other / "sources").mkdir(parents=True)
    (other / "nbops.toml").touch()
    (other / "sources" / "weather.yaml").write_text("from: weather.csv\n")
    board = server.get("board", folder="other")
    assert [(row["name"], row["state"]) for row in board["data"]] == [("weather", "never")]
    answer = server.ask("GET", "data/weather", query={"folder": "other"})
    assert answer.status == 404
    assert "nbops data collect weather" in answer.body["hint"]
    assert not (other / ".nbops").exists()
