"""Promotion by the routes that JupyterLab asks: proposed, seen by whoever has to answer, decided, taken back."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from nbops.records import new_id
from nbops.store import marks
from nbops.workspace._model import Version
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.jupyter_ext.conftest import TOKEN, Answer, Server
from tests.versions import register


@pytest.fixture(scope="module")
def here(project: Project) -> Workspace:
    return Workspace(project.settings())


@pytest.fixture(scope="module")
def versions(here: Workspace) -> tuple[Version, Version]:
    """A champion, and a version that is better."""
    first = register(here, "times", "a")
    first.propose(reason="the first").approve(reason="there was none")
    return first, register(here, "times", "a", "b")


def propose(server: Server, model: str, version: int, reason: str = "b is <b>known</b> now") -> str:
    return str(server.post(f"models/{model}/propose", {"version": version, "reason": reason})["id"])


def do(server: Server, review: str, act: str, reason: str = "looked at it") -> Answer:
    return server.ask("POST", f"reviews/{review}/acts", {"act": act, "reason": reason})


def test_a_version_is_proposed_seen_approved_and_rolled_back(server: Server, versions: Any) -> None:
    assert next(row for row in server.get("board")["models"] if row["name"] == "times")["champion"] == 1
    review = propose(server, "times", 2)
    line = next(row for row in server.get("board")["reviews"] if row["review_id"] == review)
    assert (line["model"], line["version"], line["alias"], line["status"]) == ("times", 2, "champion", "open")
    assert line["needs"].startswith("times/2 is proposed for champion by ")
    found = server.get(f"reviews/{review}")
    assert found["choices"] == ["approve", "reject", "send back", "withdraw"]
    assert "on the same 600 rows" in found["html"]
    assert "&lt;b&gt;known&lt;/b&gt;" in found["html"]
    assert "<b>known" not in found["html"]

    told = do(server, review, "approve")
    assert told.body == {"message": "times@champion stands for version 2.", "moved": True}
    assert server.get(f"reviews/{review}")["choices"] == []
    assert review not in {row["review_id"] for row in server.get("board")["reviews"]}
    sheet = server.get("models/times")
    assert sheet["aliases"] == {"champion": 2}
    assert [row["status"] for row in sheet["reviews"]] == ["approved", "approved"]

    assert server.get("models/times/previous") == {"version": 2, "previous": 1}
    back = {"version": 2, "reason": "predicts too little since Monday"}
    assert server.post("models/times/rollback", back) == {"version": 1}
    assert server.get("models/times/previous") == {"version": 1, "previous": None}
    history = next(part for part in server.get("models/times")["parts"] if part["key"] == "history")
    assert "predicts too little since Monday" in history["html"]
    assert "rolled back" in history["html"]


def test_what_the_gate_would_say_is_told_and_nothing_is_kept(
    server: Server, here: Workspace, versions: tuple[Version, Version]
) -> None:
    before = len(here.model("times").reviews)
    said = server.get("models/times/gate", version=2)["html"]
    assert "MAE 0.241 min" in said
    assert "…" not in said, "sentences are not cut"
    assert len(here.model("times").reviews) == before
    assert "There is no champion yet" in server.get("models/times/gate", version=1, alias="trial")["html"]


def test_where_a_rollback_leads_is_where_it_goes(server: Server, here: Workspace) -> None:
    for columns in (("a",), ("a", "b"), ("b", "a")):
        version = register(here, "steps", *columns)
        here.model("steps").set_alias("trial", version.version)
    here.model("steps").version(2).retire(reason="not to be used")
    assert server.get("models/steps/previous", alias="trial") == {"version": 3, "previous": 1}
    back = {"alias": "trial", "version": 3, "reason": "a trial"}
    assert server.post("models/steps/rollback", back) == {"version": 1}


def test_an_alias_that_moved_meanwhile_is_not_rolled_back(server: Server, versions: Any) -> None:
    answer = server.ask("POST", "models/times/rollback", {"version": 7, "reason": "too slow"})
    assert answer.status == 409
    assert "look again" in answer.body["hint"]


def test_a_question_is_asked_and_answered(server: Server, here: Workspace) -> None:
    register(here, "asked", "a", "b")
    review = propose(server, "asked", 1)
    assert do(server, review, "send back", "Since when is b known?").status == 200
    line = next(row for row in server.get("board")["reviews"] if row["review_id"] == review)
    assert line["status"] == "sent back"
    assert line["needs"].endswith("is asked about asked/1 for champion: Since when is b known?")
    assert server.get(f"reviews/{review}")["choices"] == ["answer", "withdraw"]
    assert do(server, review, "answer", "Since May.").status == 200
    assert server.get(f"reviews/{review}")["status"] == "open"
    assert do(server, review, "reject", "Not enough.").status == 200
    late = do(server, review, "approve")
    assert (late.status, late.body["message"]) == (409, "The review is rejected.")
    assert late.body["hint"]


def test_what_the_policy_refuses_is_told_with_a_remedy(server: Server, here: Workspace) -> None:
    register(here, "strict", "a")
    here.model("strict").describe(policy="four-eyes")
    review = propose(server, "strict", 1)
    answer = do(server, review, "approve")
    assert answer.status == 403
    assert answer.body["code"] == "review"
    assert "its policy wants somebody else to approve" in answer.body["message"]
    assert answer.body["hint"]
    assert server.get("models/strict")["aliases"] == {}


@pytest.mark.parametrize("reason", ["", " \n"])
def test_nothing_is_decided_without_a_reason(server: Server, versions: Any, reason: str) -> None:
    bodies: dict[str, dict[str, object]] = {
        "models/times/propose": {"version": 2}, "models/times/rollback": {"version": 1},
        "reviews/00000000-0000-7000-8000-000000000000/acts": {"act": "approve"},
    }  # fmt: skip
    for path, body in bodies.items():
        answer = server.ask("POST", path, {**body, "reason": reason})
        assert (answer.status, answer.body["message"]) == (400, "A reason is needed."), path


def test_what_is_not_there_is_told(server: Server, versions: Any) -> None:
    for path in ("reviews/00000000-0000-7000-8000-000000000000", "models/times/previous?alias=chamipon"):
        answer = server.ask("GET", path)
        assert answer.status == 404
        assert answer.body["hint"]


def test_the_evaluation_of_a_version_is_shown_and_none_is_told(server: Server, here: Workspace, versions: Any) -> None:
    assert "times/2 on 600 rows" in server.get("models/times/evaluation", version=2)["html"]
    with here.start_run("bare") as run:
        from sklearn.dummy import DummyRegressor

        run.log_model(DummyRegressor().fit([[0.0], [1.0]], [0.0, 1.0]), input_example=[[0.0]])
    here.register_model(run, "bare")
    told = server.get("models/bare/evaluation", version=1)["html"]
    assert "This version was never held against rows with known truth." in told
    assert "version.evaluate" in told
    assert server.ask("GET", "models/bare/evaluation", query={"version": 2}).status == 404


@pytest.mark.skipif(not marks.SUPPORTED, reason="the system marks no processes")
def test_nothing_that_an_executed_notebook_starts_decides_by_these_routes(server: Server, here: Workspace) -> None:
    routes = ["models/times/propose", "models/times/rollback", f"reviews/{new_id()}/acts"]
    program = f"""
import http.client, os
from nbops.records import new_id
from nbops.store import marks
marks.put(os.getpid())
for path in {routes}:
    connection = http.client.HTTPConnection("127.0.0.1", {server.port})
    connection.request("POST", "/nbops/api/" + path, "{{}}", {{"Authorization": "token {TOKEN}"}})
    reply = connection.getresponse()
    print(reply.status, reply.read().decode())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        assert line.startswith('403 {"message":"This is for a person to do: it comes from inside an executed notebook')
    assert len(done.stdout.splitlines()) == len(routes)
