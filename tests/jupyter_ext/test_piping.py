"""Pipelines by the routes that JupyterLab asks: the graph, its states, runs that outlive the server, approvals, copies to go on by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4, write

from nbops.records import new_id
from nbops.store import marks
from nbops.workspace._workspace import Workspace
from tests.conftest import Project, wait_until
from tests.jupyter_ext.conftest import TOKEN, Server

COLLECT = ["rows: int = 3\nflights: 'out' = 'flights.txt'", "open(flights, 'w').write('x' * rows)"]
TRAIN = [
    "flights: 'in' = 'flights.txt'\nmodel: 'out' = 'model.txt'",
    "open(model, 'w').write(open(flights).read() * 2)",
]
FAILS = [TRAIN[0], "open(model, 'w').write('half')", "raise KeyError('<wind>')"]
ASKS = 'steps: {publish: {approval: {expires: 3 d, asks: "Publish it?"}}}\n'


@pytest.fixture(scope="module")
def here(project: Project) -> Workspace:
    return Workspace(project.settings())


def fill(project: Project, name: str, operations: str = "", **steps: list[str]) -> Path:
    folder = project.folder / name
    folder.mkdir(exist_ok=True)
    for step, cells in steps.items():
        made = [v4.new_code_cell(cell) for cell in cells]
        made[0].metadata["tags"] = ["parameters"]
        write(
            v4.new_notebook(cells=made, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}),
            folder / f"{step}.ipynb",
        )
    if operations:
        (folder / "pipeline.yaml").write_text(operations)
    return folder


def begin(server: Server, folder: str, resume: str = "") -> str:
    return str(server.post("pipeline/runs", {"folder": folder, "resume": resume})["id"])


def ended(server: Server, folder: str, run_id: str) -> dict[str, Any]:
    """The run, once it is over."""

    def over() -> bool:
        run = server.get("pipeline/live", folder=folder)["run"]
        return bool(run and run["id"] == run_id and run["status"] != "running")

    wait_until(over, seconds=90)
    found: dict[str, Any] = server.get("pipeline/live", folder=folder)["run"]
    return found


def stands(run: dict[str, Any]) -> dict[str, str]:
    return {one["task"]: one["status"] for one in run["steps"]}


def test_a_folder_is_drawn_planned_run_and_listed_as_one_run(server: Server, project: Project) -> None:
    fill(project, "well", collect=COLLECT, train=TRAIN)
    before = server.get("pipeline", folder="well")
    assert [(one["task"], one["would"], one["status"]) for one in before["tasks"]] == [
        ("collect", "run", None),
        ("train", "run", None),
    ]
    assert before["picture"] == ""
    assert before["plan"].count('data-nbops-task="') == 2
    assert before["runs"] == []

    run_id = begin(server, "well")
    run = ended(server, "well", run_id)
    assert (run["outcome"], run["done"], run["resumable"]) == ("done", 2, False)
    after = server.get("pipeline", folder="well")
    assert [(one["task"], one["would"], one["status"]) for one in after["tasks"]] == [
        ("collect", "skip", "finished"),
        ("train", "skip", "finished"),
    ]
    assert after["tasks"][1]["path"] == "well/train.ipynb"
    assert after["tasks"][1]["executed"] == after["tasks"][1]["run_id"]
    assert "finished" in after["picture"]

    board = server.get("board")
    row = next(row for row in board["runs"] if row["id"] == run_id)
    assert (row["pipeline"]["outcome"], row["pipeline"]["folder"]) == ("done", "well")
    # The sidebar is told how many there are, and which of them are out of the ordinary.
    assert (row["pipeline"]["total"], row["pipeline"]["steps"]) == (2, [])
    assert [one for one in board["runs"] if one["parent"]] == []
    assert {"name": "well", "folder": "well"} in board["pipelines"]
    assert server.get(f"runs/{run_id}")["pipeline"]["pipeline"] == "well"


def test_a_project_that_never_ran_is_planned_and_not_begun(server: Server, project: Project) -> None:
    (project.folder / "fresh").mkdir()
    folder = fill(project, "fresh/steps", collect=COLLECT)
    (folder.parent / "nbops.toml").touch()
    found = server.get("pipeline", folder="fresh/steps")
    assert [(one["would"], one["why"]) for one in found["tasks"]] == [("run", "nothing has run here yet")]
    assert not (folder.parent / ".nbops").exists()


def test_mistakes_are_told_with_file_and_line_and_nothing_runs(server: Server, project: Project) -> None:
    fill(project, "wrong", "steps:\n  tarin: {}\n", collect=COLLECT, train=TRAIN)
    found = server.get("pipeline", folder="wrong")
    assert [(one["file"], one["line"], one["remedy"]) for one in found["mistakes"]] == [
        ("pipeline.yaml", 2, "Did you mean 'train'?")
    ]
    assert found["mistakes"][0]["path"] == "wrong/pipeline.yaml"
    assert (found["plan"], found["tasks"]) == ("", [])
    answer = server.ask("POST", "pipeline/runs", {"folder": "wrong"})
    assert answer.status == 400
    assert "line 2" in answer.body["message"]
    assert server.get("pipeline", folder="wrong")["runs"] == []
    (project.folder / "wrong" / "pipeline.yaml").write_text("steps: [\n")
    found = server.get("pipeline", folder="wrong")["mistakes"]
    assert [(one["file"], one["line"]) for one in found] == [("pipeline.yaml", 2)]


@pytest.mark.parametrize("folder", ["../other", "not-there", "well/train.ipynb"])
def test_what_is_no_folder_here_is_refused(server: Server, project: Project, folder: str) -> None:
    fill(project, "well", collect=COLLECT, train=TRAIN)
    for answer in (
        server.ask("GET", "pipeline", query={"folder": folder}), server.ask("POST", "pipeline/runs", {"folder": folder}),
    ):  # fmt: skip
        assert answer.status in {400, 403, 404}, answer
        assert answer.body["hint"]


def test_a_failed_step_is_brought_up_with_real_paths_and_never_over_another_file(
    server: Server, project: Project, here: Workspace
) -> None:
    folder = fill(project, "fails", collect=COLLECT, train=FAILS)
    run_id = begin(server, "fails")
    run = ended(server, "fails", run_id)
    assert stands(run) == {"collect": "finished", "train": "failed"}
    assert run["resumable"]
    need = next(row for row in server.get("board")["needs"] if row["id"] == run_id)
    assert "KeyError" in need["pipeline"]["sentence"]
    assert [one["task"] for one in need["pipeline"]["steps"]] == ["train"]

    copied = server.post(f"runs/{run_id}/copy", {})
    assert copied["made"]
    path = project.folder / copied["path"]
    step = next(one for one in server.get("pipeline", folder="fails")["tasks"] if one["task"] == "train")["run_id"]
    assert path == folder / f"train-{step[-8:]}.ipynb"
    cells = json.loads(path.read_text())["cells"]
    assert "of the pipeline fails" in "".join(cells[0]["source"])
    assert "KeyError" in "".join(cells[0]["source"])
    assert cells[copied["cell"]]["outputs"][-1]["ename"] == "KeyError"
    injected = next(cell for cell in cells if "injected-parameters" in cell["metadata"].get("tags", []))
    assert ".nbops-" not in "".join(injected["source"])
    # It is no step, so that the pipeline can go on.
    found = server.get("pipeline", folder="fails")
    assert found["mistakes"] == []
    assert path.name in found["aside"]

    # What somebody changed stays, what somebody else put there too.
    node = json.loads(path.read_text())
    node["cells"].pop()
    path.write_text(json.dumps(node))
    again = server.post(f"runs/{step}/copy", {})
    assert (again["path"], again["made"]) == (copied["path"], False)
    assert json.loads(path.read_text()) == node
    path.write_text("mine")
    other = server.post(f"runs/{step}/copy", {})
    assert other["path"] == f"fails/train-{step[-8:]}-2.ipynb"
    assert path.read_text() == "mine"
    path.unlink()

    fill(project, "fails", train=TRAIN)
    assert begin(server, "fails", run_id) == run_id
    assert stands(ended(server, "fails", run_id)) == {"collect": "finished", "train": "finished"}
    executed = here.sql("select source, count(*) as n from runs where parent_run_id is not null group by source")
    counts = dict(zip(executed["source"], executed["n"], strict=True))
    assert counts["fails/collect.ipynb"] == 1


def test_a_step_that_waits_is_approved_with_a_reason_and_goes_on(server: Server, project: Project) -> None:
    fill(project, "asks", ASKS, collect=COLLECT, publish=TRAIN)
    run_id = begin(server, "asks")
    run = ended(server, "asks", run_id)
    assert (run["outcome"], stands(run)["publish"]) == ("waiting", "parked")
    row = next(one for one in server.get("board")["approvals"] if one["run"] == run_id)
    assert (row["task"], row["asks"], row["folder"]) == ("publish", "Publish it?", "asks")
    assert row["requested_by"]
    assert row["needs"].startswith("asks: Publish it? publish waits until ")
    answer = server.ask("POST", f"runs/{run_id}/decisions", {"task": "publish", "decision": "approve", "reason": " "})
    assert answer.status == 400
    assert (
        server.ask("POST", f"runs/{run_id}/decisions", {"task": "publsh", "decision": "approve", "reason": "x"}).status
        == 404
    )
    told = server.post(f"runs/{run_id}/decisions", {"task": "publish", "decision": "approve", "reason": "as last week"})
    assert told == {"message": "publish is approved."}
    assert [one for one in server.get("board")["approvals"] if one["run"] == run_id] == []
    assert begin(server, "asks", run_id) == run_id
    assert stands(ended(server, "asks", run_id))["publish"] == "finished"


@pytest.mark.skipif(not marks.SUPPORTED, reason="the system marks no processes")
def test_nothing_that_an_executed_notebook_starts_approves_a_step(server: Server) -> None:
    program = f"""
import http.client, os
from nbops.store import marks
marks.put(os.getpid())
connection = http.client.HTTPConnection("127.0.0.1", {server.port})
connection.request("POST", "/nbops/api/runs/{new_id()}/decisions", "{{}}", {{"Authorization": "token {TOKEN}"}})
reply = connection.getresponse()
print(reply.status, reply.read().decode())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(
        '403 {"message":"This is for a person to do: it comes from inside an executed notebook'
    )


def test_a_run_is_stopped_by_the_route_of_runs(server: Server, project: Project) -> None:
    fill(project, "slow", wait=["done: 'out' = 'done.txt'", "import time; time.sleep(300)"])
    run_id = begin(server, "slow")
    wait_until(lambda: server.get("pipeline/live", folder="slow")["run"]["steps"][0]["doing"] != "", seconds=60)
    server.post(f"runs/{run_id}/stop", {})
    assert ended(server, "slow", run_id)["outcome"] == "stopped"


def test_a_run_goes_on_when_the_server_that_began_it_ends(project: Project, here: Workspace, tmp_path: Path) -> None:
    folder = fill(project, "long", wait=[
        "done: 'out' = 'done.txt'",
        "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)\nopen(done, 'w').write('done')",
    ])  # fmt: skip
    own = Server(project, tmp_path)
    try:
        run_id = begin(own, "long")
        wait_until(
            lambda: own.get("pipeline/live", folder="long")["run"]["steps"][0]["status"] == "running", seconds=60
        )
    finally:
        own.close()
    (folder / "go").touch()
    wait_until(lambda: here.run(run_id).info.status == "finished", seconds=60)
    assert (folder / "done.txt").read_text() == "done"
