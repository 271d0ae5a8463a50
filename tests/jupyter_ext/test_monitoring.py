"""Models in use by the routes that JupyterLab asks: how they are, what is wrong, what a person does about it; and the page of its own."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, NamedTuple

import nbformat
import pytest

from nbops.monitoring import incidents, status
from nbops.reports import monitoring_page
from nbops.reports.document import Picture
from nbops.store import marks
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.jupyter_ext.conftest import TOKEN, Answer, Server
from tests.jupyter_ext.test_page import Browser
from tests.monitoring.ward import weeks as seen
from tests.reports import weeks


class Ward(NamedTuple):
    """A project with a model in trouble, whose incident `worse` is, and others."""

    here: Workspace
    worse: str


@pytest.fixture(scope="module")
def ward(project: Project) -> Ward:
    here = Workspace(project.settings())
    one, _ = weeks.decayed(here)
    weeks.predicted(here, 9)
    weeks.well(here, one.run_id)
    weeks.unlabelled(here, one.run_id)
    here.register_model(one.run_id, "bus")
    found = here.incidents("air-time")
    return Ward(here, str(found.loc[found["severity"] == "page", "incident_id"].iloc[0]))


def bad(ward: Ward, name: str, letters: str = "b", severity: str = "page") -> str:
    """An incident of a model of the test's own."""
    ward.here.register_model(ward.here.model("air-time").version(1).run_id, name)
    (change,) = incidents.keep(ward.here.store, f"model:{name}", seen(letters, severity=severity))
    return change.incident_id


def do(server: Server, incident: str, act: str, reason: str = "seen <b>it</b>", **more: Any) -> Answer:
    return server.ask("POST", f"incidents/{incident}/acts", {"act": act, "reason": reason, **more})


def needs(server: Server) -> list[str]:
    return [row["incident_id"] for row in server.get("board")["incidents"]]


def test_what_is_wrong_needs_somebody_and_says_since_when(server: Server, ward: Ward) -> None:
    board = server.get("board")
    line = next(row for row in board["incidents"] if row["incident_id"] == ward.worse)
    assert (line["model"], line["severity"], line["cause"]) == ("air-time", "page", "performance: mae")
    assert line["needs"].startswith("air-time since 9 February 2026 (")
    assert " sees to it): MAE 17.0 min: beyond the bound." in line["needs"]
    assert {row["severity"] for row in board["incidents"]} <= {"warn", "page"}
    assert ward.here.incidents()["severity"].isin(["info", "watch"]).any(), "what needs nobody is not listed"


def test_each_model_has_the_word_that_its_own_page_says(server: Server, ward: Ward) -> None:
    told = {row["name"]: row["health"] for row in server.get("board")["models"]}
    words = {one.model: one.word for one in status.overall(ward.here.store)}
    assert {name: word or "not monitored" for name, word in told.items()} == words
    assert {told[name] for name in ("air-time", "ferry", "bus")} == {"in trouble", "healthy", None}


def test_a_model_is_shown_with_the_drawings_of_its_page(server: Server, ward: Ward) -> None:
    found = server.get("models/air-time/monitoring")
    page = monitoring_page.page(ward.here.store, "air-time")
    assert page.banner is not None
    assert (found["word"], found["tone"], found["sentence"]) == ("in trouble", "bad", page.banner.sentence)
    drawn = {part.title: [str(one.drawing) for one in part.blocks if isinstance(one, Picture)] for part in page.parts}
    (course,), (heat,) = drawn["How good it was, window by window"], drawn["How its data moved"]
    assert course in found["course"]
    assert heat in found["heat"]
    assert "<table" not in found["course"] + found["heat"]
    assert "incident since 9 Feb" in course
    assert found["fresh"].startswith("Data up to 15 March 2026; looked at on ")
    assert found["incidents"][0]["incident_id"] == ward.worse
    assert [row["severity"] for row in found["incidents"]] == ["page", "info"]
    assert [one["name"] for one in found["window"]["columns"] if one["moved"]] == ["wind"]


def test_a_column_is_laid_over_how_it_was(server: Server, ward: Ward) -> None:
    window = server.get("models/air-time/monitoring")["window"]
    asked = {"version": window["version"], "start": window["start"]}
    wind = server.get("models/air-time/monitoring/column", column="wind", **asked)["html"]
    assert "wind has moved: PSI 0.80." in wind
    assert "<svg" in wind
    said = server.get("models/air-time/monitoring/column", column="_prediction", **asked)["html"]
    assert "the values of that window were not kept" in said
    wrong = server.ask("GET", "models/air-time/monitoring/column", query={**asked, "column": "wnid"})
    assert wrong.status == 400
    assert "wind" in wrong.body["hint"]
    assert server.ask("GET", "models/air-time/monitoring/column", query={**asked, "start": 5}).status == 404


def test_a_model_that_nobody_looks_at_says_how_it_comes_to_be_watched(server: Server, ward: Ward) -> None:
    found = server.get("models/bus/monitoring")
    assert (found["word"], found["window"], found["incidents"]) == ("not monitored", None, [])
    assert "nobody knows how it does in use" in found["sentence"]
    assert "nbops monitor run bus" in found["course"]
    assert server.ask("GET", "models/buss/monitoring").status == 404


def test_an_incident_is_acknowledged_muted_told_of_again_and_closed(server: Server, ward: Ward) -> None:
    key = bad(ward, "acted")
    assert key in needs(server)
    found = server.get(f"incidents/{key}")
    assert found["choices"] == ["acknowledge", "mute", "close", "comment"]
    assert do(server, key, "acknowledge").body == {"message": f"Incident {key[-8:]} is yours."}
    assert server.get(f"incidents/{key}")["choices"] == ["mute", "close", "comment"]
    assert key in needs(server), "who sees to it is told; it is not over"

    until = datetime.now(UTC) + timedelta(days=2)
    assert do(server, key, "mute", until=until.isoformat()).status == 200
    assert key not in needs(server)
    assert ward.here.incident(key).case.muted_until is not None
    assert "unmute" in server.get(f"incidents/{key}")["choices"]
    assert do(server, key, "unmute", "").status == 200
    assert key in needs(server)
    assert do(server, key, "comment").status == 200
    assert do(server, key, "close", "the feed is <i>back</i>").status == 200
    assert key not in needs(server)
    over = server.get(f"incidents/{key}")
    assert (over["status"], over["choices"]) == ("closed", ["comment"])
    assert "the feed is &lt;i&gt;back&lt;/i&gt;" in over["html"]
    assert [one.act for one in ward.here.incident(key).case.acts][1:] == [
        "acknowledged", "muted", "unmuted", "commented", "closed",
    ]  # fmt: skip


def test_what_is_refused_is_told_with_a_remedy_and_changes_nothing(server: Server, ward: Ward) -> None:
    key = bad(ward, "refused", severity="warn")
    assert key in needs(server)
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    for body, message in (
        ({"act": "close", "reason": " \n"}, "A reason is needed."),
        ({"act": "mute", "reason": "waits"}, "A mute needs an end that is still to come."),
        ({"act": "mute", "reason": "waits", "until": past}, "A mute needs an end that is still to come."),
        (
            {"act": "mute", "reason": "waits", "until": "2026-01-01T00:00:00"},
            "A mute needs an end that is still to come.",
        ),
        ({"act": "mute", "reason": "", "until": "2126-01-01T00:00:00Z"}, "A reason is needed."),
        ({"act": "comment", "reason": ""}, "To comment needs words."),
    ):
        answer = server.ask("POST", f"incidents/{key}/acts", body)
        assert (answer.status, answer.body["message"]) == (400, message)
        assert answer.body["hint"]
    assert server.ask("POST", f"incidents/{key}/acts", {"act": "forget"}).status == 400
    assert [one.act for one in ward.here.incident(key).case.acts] == ["opened"]
    assert do(server, key, "close").status == 200
    late = do(server, key, "mute", until="2126-01-01T00:00:00Z")
    assert (late.status, late.body["message"]) == (409, "The incident is closed.")
    assert do(server, "00000000-0000-7000-8000-000000000000", "close").status == 404


def test_an_incident_of_a_pipeline_is_seen_too_and_has_no_notebook(server: Server, ward: Ward) -> None:
    (change,) = incidents.keep(ward.here.store, "pipeline:nightly", seen("b", version=None))
    line = next(row for row in server.get("board")["incidents"] if row["incident_id"] == change.incident_id)
    assert (line["model"], line["needs"].partition(" ")[0]) == (None, "nightly")
    assert server.get(f"incidents/{change.incident_id}")["is_model"] is False
    answer = server.ask("POST", f"incidents/{change.incident_id}/investigation", {})
    assert answer.status == 400
    assert "is of pipeline:nightly" in answer.body["message"]
    ward.here.incident(change.incident_id).close(reason="a trial")


def test_an_incident_becomes_a_notebook_once(server: Server, ward: Ward) -> None:
    first = server.post(f"incidents/{ward.worse}/investigation", {"folder": ""})
    assert first["path"] == f"investigations/air-time-{ward.worse[-8:]}-2026-03-09.ipynb"
    path = ward.here.project / first["path"]
    node = nbformat.read(path, as_version=4)
    assert ward.worse[-8:] in "".join(cell.source for cell in node.cells)
    assert not any(cell.get("outputs") for cell in node.cells), "whoever opens it executes it"
    path.write_text(path.read_text().replace("What moved", "What I found"))
    again = server.post(f"incidents/{ward.worse}/investigation", {})
    assert (first["made"], again["made"], again["path"]) == (True, False, first["path"])
    assert "What I found" in path.read_text()


def test_what_an_incident_says_is_never_markup(server: Server, ward: Ward) -> None:
    html = server.get(f"incidents/{ward.worse}")["html"] + server.get("models/air-time/monitoring")["heat"]
    assert "<script" not in html
    assert "<script>alert(1)</script>" in unescape(html)


@pytest.mark.skipif(not marks.SUPPORTED, reason="the system marks no processes")
def test_nothing_that_an_executed_notebook_starts_acts_on_an_incident(server: Server, ward: Ward) -> None:
    key = bad(ward, "guarded")
    program = f"""
import http.client, os
from nbops.store import marks
marks.put(os.getpid())
for act in ("acknowledge", "mute", "unmute", "close", "comment"):
    connection = http.client.HTTPConnection("127.0.0.1", {server.port})
    body = '{{"act": "' + act + '", "reason": "by itself", "until": "2126-01-01T00:00:00Z"}}'
    connection.request("POST", "/nbops/api/incidents/{key}/acts", body, {{"Authorization": "token {TOKEN}"}})
    reply = connection.getresponse()
    print(reply.status, reply.read().decode())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 5
    for line in done.stdout.splitlines():
        assert line.startswith('403 {"message":"This is for a person to do: it comes from inside an executed notebook')
    assert [one.act for one in ward.here.incident(key).case.acts] == ["opened"]


def test_the_page_is_read_at_its_own_address_without_scripts(server: Server, ward: Ward) -> None:
    browser = Browser(server)
    stranger = browser.ask("/nbops/monitoring/air-time")
    assert stranger.status == 302
    assert "/login" in stranger.headers["Location"]
    browser.ask(f"/api/status?token={TOKEN}")
    page = browser.ask("/nbops/monitoring/air-time?folder=")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=UTF-8"
    for rule in ("default-src 'none'", "frame-ancestors 'none'"):
        assert rule in page.headers["Content-Security-Policy"]
    assert "script" not in page.headers["Content-Security-Policy"]
    assert "<script" not in page.body
    assert "Since 9 February 2026 version 1 is worse than allowed" in page.body
    assert "What was done, all of it" in page.body
    missing = browser.ask("/nbops/monitoring/tarm")
    assert missing.status == 404
    assert "tram" in missing.body
