"""What each route answers, to whom, and what it says when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4, write

from nbops.jupyter_ext import verbs
from nbops.jupyter_ext.routes import ROUTES, Route
from tests.conftest import Project, hang_up, wait_until
from tests.jupyter_ext.conftest import Server

NOWHERE = "00000000-0000-7000-8000-000000000000"


def path_of(route: Route) -> str:
    return route.path.replace(r"([0-9a-f-]{36})", NOWHERE).replace("([^/]+)", "air-time")


def notebook(folder: Path, name: str, *cells: str) -> str:
    """A notebook whose first cell has the parameters; its name."""
    made = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    made.cells[0].metadata["tags"] = ["parameters"]
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    write(made, folder / name)
    return name


def finished(server: Server, run_id: str) -> dict[str, Any]:
    """A run, when it has ended."""
    wait_until(lambda: server.get(f"runs/{run_id}/live")["status"] != "running", seconds=60)
    found: dict[str, Any] = server.get(f"runs/{run_id}")
    return found


@pytest.fixture(scope="module")
def two(server: Server, project: Project) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two runs of one notebook that differ in a parameter, an output and a metric."""
    name = notebook(
        project.folder, "train.ipynb", "alpha: float = 1.0  # 0..10: strength\nkind = 'a'",
        "import nbops\nrun = nbops.start_run()\nrun.log_metrics({'mae': 10 - alpha})\n"
        "for i in range(3): run.log_metric('loss', 3 - i, step=i)",
        "print('alpha is', alpha)",
        "import time\nfor _ in range(3):\n    print('in pieces', flush=True)\n    time.sleep(alpha / 40)", "'the same'",
    )  # fmt: skip
    ids = [server.post("runs", {"notebook": name, "values": {"alpha": text}})["id"] for text in ("2", "3.5")]
    first, second = (finished(server, run_id) for run_id in ids)
    return first, second


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_nobody_is_answered_without_a_token(server: Server, route: Route) -> None:
    assert server.ask(route.method, path_of(route), {} if route.body else None, token=None).status == 403


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "POST"], ids=lambda route: route.path)
def test_a_browser_cannot_be_made_to_write_from_another_page(server: Server, route: Route) -> None:
    import http.client

    from tests.jupyter_ext.conftest import TOKEN

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", f"/api/contents?token={TOKEN}")
    response = connection.getresponse()
    response.read()
    cookie = "; ".join(value.partition(";")[0] for name, value in response.getheaders() if name.lower() == "set-cookie")
    assert cookie
    connection.close()
    answer = server.ask("POST", path_of(route), {}, token=None, headers={"Cookie": cookie})
    assert answer.status == 403


def test_the_server_starts_without_a_warning_about_us(server: Server) -> None:
    ours = [line for line in server.log.splitlines() if "nbops" in line and "/nbops/api/" not in line]
    assert not [line for line in ours if "[W" in line or "[E" in line or "took" in line]
    assert "nbops.jupyter_ext | extension was successfully loaded" in server.log


def test_importing_the_extension_loads_nothing_heavy() -> None:
    heavy = "('duckdb', 'pandas', 'pyarrow', 'papermill', 'nbformat', 'sklearn')"
    code = f"import sys, nbops.jupyter_ext.routes; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_no_route_is_told_so(server: Server) -> None:
    answer = server.ask("GET", "nothing")
    assert answer.status == 404
    assert answer.body["hint"]


def test_a_folder_where_nobody_ran_anything_is_no_error_and_begins_nothing(server: Server, project: Project) -> None:
    empty = project.folder / "elsewhere"
    empty.mkdir()
    (empty / "nbops.toml").touch()
    board = server.get("board", folder="elsewhere")
    assert board["has_store"] is False
    assert board["runs"] == []
    assert board["reviews"] == []
    assert not (empty / ".nbops").exists()


def test_the_board_has_runs_with_their_notebook_and_filters_them(server: Server, two: Any) -> None:
    first, second = two
    board = server.get("board")
    assert {first["id"], second["id"]} <= {row["id"] for row in board["runs"]}
    row = next(row for row in board["runs"] if row["id"] == first["id"])
    assert row["title"] == "train.ipynb"
    assert row["notebook"] == "train.ipynb"
    assert row["status"] == "finished"
    assert row["differs"] == "alpha=2"
    assert server.get("board", text="no such words")["runs"] == []
    assert server.get("board", text=first["short"])["runs"][0]["id"] == first["id"]


def test_a_run_tells_its_typed_parameters_metrics_and_courses(server: Server, two: Any) -> None:
    first, _ = two
    alpha = next(item for item in first["params"] if item["name"] == "alpha")
    assert alpha == {"name": "alpha", "type": "float", "value": "2.0", "default": "1.0", "changed": True}
    mae = next(item for item in first["metrics"] if item["name"] == "mae")
    assert (mae["value"], mae["better"]) == (8.0, "lower")
    assert "<svg" in first["plots"]
    assert first["executed"]
    assert server.get(f"runs/{first['id']}/notebook")["content"]["cells"][0]["metadata"]["tags"] == ["parameters"]


def test_a_report_is_one_page(server: Server, two: Any) -> None:
    page = server.get(f"runs/{two[0]['id']}/report")
    assert page["html"].startswith("<!DOCTYPE html>")
    assert "<script" not in page["html"]
    assert page["name"].endswith(".html")


def test_two_runs_are_compared_in_values_and_cells(server: Server, two: Any) -> None:
    first, second = two
    found = server.get("compare", run=[first["id"], second["id"]])
    mae = next(row for row in found["rows"] if row["name"] == "mae")
    assert mae["values"] == [8.0, 6.5]
    assert mae["best"] == [1]
    assert "kind" not in {row["name"] for row in found["rows"]}
    assert found["hidden"] >= 1
    cells = server.get("compare/cells", run=[first["id"], second["id"]])
    texts = [cell["outputs"][0][0]["text"] for cell in cells["cells"] if cell["outputs"][0]]
    assert ["alpha is 2.0\n"] in [[text] for text in texts]
    shown = [cell["sources"][0] or "" for cell in cells["cells"]]
    assert not any("the same" in source or "in pieces" in source for source in shown)
    whole = server.get("compare/cells", run=[first["id"], second["id"]], everything=1)
    assert len(whole["cells"]) == len(cells["cells"]) + cells["hidden"]


def test_one_run_is_nothing_to_compare(server: Server, two: Any) -> None:
    answer = server.ask("GET", "compare", query={"run": two[0]["id"]})
    assert answer.status == 400
    assert "2 to 4" in answer.body["hint"]


def test_a_form_has_a_native_field_for_each_type(server: Server, project: Project) -> None:
    name = notebook(
        project.folder, "form.ipynb",
        "from datetime import date\nfrom typing import Literal\nflag = True\nn: int = 3  # 1..9: how many\nx = 0.5\n"
        "day = date(2013, 1, 2)\n"
        "kind: Literal['a', 'b'] = 'a'\ntoken: 'secret' = 'secret://token'\nnames = ['a', 'b']\nneeded: str",
    )  # fmt: skip
    fields = {field["name"]: field for field in server.post("form", {"notebook": name})["parameters"]}
    assert {key: field["widget"] for key, field in fields.items()} == {
        "flag": "checkbox", "n": "number", "x": "number", "day": "date", "kind": "select", "token": "secret", "names": "text",
        "needed": "text",
    }  # fmt: skip
    n = fields["n"]
    assert (n["default"], n["low"], n["high"], n["step"], n["help"]) == ("3", "1", "9", "1", "how many")
    assert fields["kind"]["choices"] == ["a", "b"]
    assert json.loads(fields["names"]["default"]) == ["a", "b"]
    assert fields["needed"]["required"]


def test_a_wrong_value_is_told_at_its_field_and_the_command_is_given(server: Server, two: Any) -> None:
    told = server.post("check", {"notebook": "train.ipynb", "values": {"alpha": "20", "nothing": "1"}})
    assert {problem["name"] for problem in told["problems"]} == {"alpha", "nothing"}
    # The field beside it says the rest.
    assert {"name": "alpha", "message": "'20' is not within 0..10.", "hint": ""} in told["problems"]
    right = server.post("check", {"notebook": "train.ipynb", "values": {"alpha": "3", "kind": "it's $HOME"}})
    assert right["problems"] == []
    assert right["command"] == "nbops run train.ipynb -p alpha 3 -p kind 'it'\"'\"'s $HOME'"
    grid = server.post("check", {"notebook": "train.ipynb", "grid": {"alpha": ["1", "99"]}})
    assert [problem["name"] for problem in grid["problems"]] == ["alpha"]
    assert grid["command"].startswith("nbops sweep train.ipynb --grid alpha 1,99")


def test_a_value_that_is_needed_may_come_from_the_sweep(server: Server, project: Project) -> None:
    name = notebook(project.folder, "needs.ipynb", "n: int\nk: int = 1", "n")
    lacking = server.post("check", {"notebook": name})
    assert [problem["name"] for problem in lacking["problems"]] == ["n"]
    assert server.post("check", {"notebook": name, "grid": {"n": ["1", "2"]}})["problems"] == []
    wrong = server.post("check", {"notebook": name, "grid": {"n": ["one", "2", "three"]}})
    assert [problem["name"] for problem in wrong["problems"]] == ["n", "n"]


def test_what_does_not_fit_starts_nothing(server: Server, two: Any) -> None:
    before = len(server.get("board", limit=200)["runs"])
    answer = server.ask("POST", "runs", {"notebook": "train.ipynb", "values": {"alpha": "eleven"}})
    assert answer.status == 422
    assert "alpha" in answer.body["message"]
    assert len(server.get("board", limit=200)["runs"]) == before


def test_a_run_is_seen_live_and_can_be_stopped(server: Server, project: Project) -> None:
    name = notebook(
        project.folder,
        "slow.ipynb",
        "n = 1",
        "import time\nfor i in range(600):\n    print('at', i, flush=True); time.sleep(0.1)",
    )
    run_id = server.post("runs", {"notebook": name})["id"]
    wait_until(lambda: (server.get(f"runs/{run_id}/live")["live"] or {}).get("line", "").startswith("at"))
    told = server.get(f"runs/{run_id}")
    assert [(item["name"], item["type"], item["default"]) for item in told["params"]] == [("n", "int", "1")]
    assert told["plots"] == ""
    row = next(row for row in server.get("board")["runs"] if row["id"] == run_id)
    assert (row["cell"], row["cells"]) == (2, 2)
    assert server.get("board")["running"] >= 1
    server.post(f"runs/{run_id}/stop", {})
    stopped = finished(server, run_id)
    assert stopped["status"] == "stopped"
    assert run_id not in {row["id"] for row in server.get("board")["needs"]}


def test_a_failed_run_needs_somebody_until_a_better_one_comes(server: Server, project: Project) -> None:
    name = notebook(project.folder, "breaks.ipynb", "wrong = True", "assert not wrong, 'as it was asked to'")
    run_id = server.post("runs", {"notebook": name})["id"]
    failed = finished(server, run_id)
    assert failed["status"] == "failed"
    cells = server.get(f"runs/{run_id}/notebook")["content"]["cells"]
    assert "assert not wrong" in "".join(cells[failed["failed_cell"]]["source"])
    assert "as it was asked to" in failed["cause"]
    assert run_id in {row["id"] for row in server.get("board")["needs"]}
    finished(server, server.post("runs", {"notebook": name, "values": {"wrong": "false"}})["id"])
    assert run_id not in {row["id"] for row in server.get("board")["needs"]}


def test_a_sweep_runs_every_combination(server: Server, two: Any) -> None:
    sweep = finished(
        server,
        server.post("sweeps", {"notebook": "train.ipynb", "grid": {"alpha": ["1", "2"], "kind": ["a", "b"]}})["id"],
    )
    assert sweep["is_sweep"]
    # A point for which an earlier run stands is one too; they are in the grid's order.
    assert [child["name"] for child in sweep["children"]] == [
        f"alpha={alpha} kind={kind}" for alpha in (1, 2) for kind in "ab"
    ]
    assert sweep["grid"] == {"alpha": ["1.0", "2.0"], "kind": ["a", "b"]}
    assert all("mae" in child["metrics"] for child in sweep["children"])
    assert sweep["better"]["mae"] == "lower"
    assert server.ask("POST", "sweeps", {"notebook": "train.ipynb"}).status == 400


def test_an_executing_notebook_survives_the_server(server: Server, project: Project, tmp_path: Path) -> None:
    name = notebook(
        project.folder, "long.ipynb", "n = 1", "import time; time.sleep(3)", "open('left.txt', 'w').write('done')"
    )
    other = Server(project, tmp_path)
    run_id = other.post("runs", {"notebook": name})["id"]
    other.process.kill()
    other.process.wait(10)
    assert finished(server, run_id)["status"] == "finished"
    assert (project.folder / "left.txt").read_text() == "done"


@pytest.mark.parametrize("path", ["../outside.ipynb", "a/../../outside.ipynb", "/etc/passwd/../x", "missing.ipynb"])
def test_no_path_leads_out_of_the_server(server: Server, path: str) -> None:
    answer = server.ask("POST", "form", {"notebook": path})
    assert answer.status in {400, 404}


def test_a_body_that_is_none_of_ours_is_refused(server: Server) -> None:
    assert server.ask("POST", "form", {"notebook": 3}).status == 400
    assert server.ask("POST", "runs", ["a"]).status == 400


def test_ten_seconds_of_a_busy_store_give_fifty_answers_and_no_error_of_the_server(
    server: Server, project: Project, two: Any
) -> None:
    project.kill_owner()
    code = (
        "import duckdb, sys; held = duckdb.connect('.nbops/nbops.duckdb'); print('held', flush=True); sys.stdin.read()"
    )
    holder = project.start(code)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    until = time.monotonic() + 10
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: server.ask("GET", "board"), range(50)))
    assert {answer.status for answer in answers} == {503}
    assert all(int(answer.headers["Retry-After"]) >= 1 and answer.body["hint"] for answer in answers)
    began = time.monotonic()
    assert server.ask("GET", "version").status == 200
    # What waits for the store takes longer.
    assert time.monotonic() - began < verbs._PATIENCE  # noqa: SLF001 - how long a page waits
    time.sleep(max(0.0, until - time.monotonic()))
    hang_up(holder)
    holder.wait(20)
    pause = float(answers[0].headers["Retry-After"])
    time.sleep(pause)
    assert server.ask("GET", "board").status == 200
