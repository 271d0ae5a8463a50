"""Pipelines from Python, in a notebook's kernel too; a failed step brought up for a person; and how a pipeline is drawn."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbops
from nbops.errors import ConfigError, NotFound, ParameterError
from nbops.execution import labs
from nbops.pipelines import drawing, releases
from nbops.pipelines.drawing import Node
from nbops.reports import sanitize
from nbops.workspace._workspace import Workspace
from tests.pipelines.parts import NBOPS, Pipeline
from tests.shared import Type


def test_a_folder_shows_itself_before_and_after_it_has_run(pipeline: Pipeline) -> None:
    pipeline.makes("a").makes("b", reads="a")
    made = nbops.pipeline(pipeline.folder)
    assert "has run here yet" in made.to_text() or "no earlier run" in made.to_text()
    assert made.runs.empty
    with pytest.raises(NotFound, match="has not run as a pipeline yet"):
        _ = made.last

    run = made.run()
    assert (run.outcome, run.status, run.sentence) == ("done", "finished", "2 executed")
    assert dict(zip(run.tasks["task"], run.tasks["status"], strict=True)) == {"a": "finished", "b": "finished"}
    assert run.step("b").status == "finished"
    assert made.last.run_id == run.run_id
    assert list(made.runs["outcome"]) == ["done"]
    assert list(made.plan().tasks["verdict"]) == ["skip", "skip"]
    page = made._repr_html_()
    assert page.count("<svg") == 1
    assert "<script" not in page
    # What shows itself in a notebook passes through a report as it is.
    assert sanitize.clean(page).count("<rect") == page.count("<rect") == 4


def test_it_runs_from_inside_a_kernel_with_threads_and_a_loop(pipeline: Pipeline) -> None:
    pipeline.makes("a", more="times: int = 1")
    program = """
import asyncio, sys, threading, nbops
async def main():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    print(nbops.pipeline(sys.argv[1]).run({"times": 2}).outcome)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(pipeline.folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "done"


def test_its_lineage_is_told_as_that_of_a_run_from_the_command_line(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NBOPS_LINEAGE_FILE", str(tmp_path / "lineage.jsonl"))
    run = nbops.pipeline(pipeline.makes("a").folder).run()
    assert run.run_id in (tmp_path / "lineage.jsonl").read_text()


def test_a_failed_step_is_no_error_and_the_run_is_resumed(pipeline: Pipeline) -> None:
    pipeline.makes("a").makes("b", "raise ValueError('not today')", reads="a")
    run = nbops.pipeline(pipeline.folder).run()
    assert run.outcome == "failed"
    assert "not today" in run.sentence
    first = run.step("a").run_id
    pipeline.makes("b", reads="a")
    again = run.resume()
    assert (again.run_id, again.outcome) == (run.run_id, "done")
    assert again.step("a").run_id == first


def test_what_cannot_run_is_told_as_an_error_before_anything_runs(pipeline: Pipeline) -> None:
    pipeline.makes("a").makes("b", reads="a")
    made = nbops.pipeline(pipeline.folder)
    with pytest.raises(ConfigError, match="No step has a parameter 'alhpa'"):
        made.run({"alhpa": 1})
    with pytest.raises(ParameterError):
        made.run({"alpha": object()})
    pipeline.operate("steps:\n  c: {}\n")
    with pytest.raises(ConfigError, match="line 2"):
        made.plan()
    assert "There is no step 'c'" in made.to_text()
    assert "cannot run" in made.to_html()
    assert made.runs.empty
    with pytest.raises(NotFound, match="There is no folder"):
        nbops.pipeline(pipeline.folder / "nowhere")


# Going on by hand.


@pytest.fixture
def failed(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A run whose second step failed; typed commands are about its project, and there is no server."""
    pipeline.makes("a").makes("b", "raise ValueError('not today')", reads="a", more="depth: int = 3")
    monkeypatch.chdir(pipeline.folder)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "none"))
    return pipeline.run("-p", "depth", "5")


def test_the_step_that_failed_is_brought_up_as_it_was(
    failed: dict[str, Any], pipeline: Pipeline, here: Workspace, typed: Type
) -> None:
    told = typed("runs", "open", failed["run_id"])
    assert told.status == 0, told
    path = Path(told.out.splitlines()[-1])
    assert path.parent == pipeline.folder
    assert path.name == f"b-{failed['tasks']['b']['run_id'][-8:]}.ipynb"
    assert f"jupyter lab {path}" in told.out
    cells = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]
    assert cells[0].startswith(f"**This is run `{path.stem[-8:]}` of b.ipynb, a step of run `{failed['run_id'][-8:]}`")
    assert "ValueError: not today" in cells[0]
    assert any("depth = 5" in cell for cell in cells)
    assert not any(".nbops-" in cell for cell in cells)

    again = typed("runs", "open", failed["run_id"], "b")
    assert again.out.splitlines()[-1] == str(path)
    assert "there already" in again.err
    # It is no step: the pipeline is what it was.
    assert path.name in typed("pipeline", "plan", ".").out
    assert json.loads(typed("pipeline", "plan", ".", "--json").out)["tasks"][1]["task"] == "b"
    assert path.name not in {Path(one.path).name for one in releases.freeze(here.store, pipeline.folder, "first").files}
    other = typed("runs", "open", failed["run_id"], "a")
    assert Path(other.out.splitlines()[-1]).name.startswith("a-")


def test_scripts_get_the_path_of_the_executed_notebook_alone(
    failed: dict[str, Any], pipeline: Pipeline, typed: Type
) -> None:
    told = typed("runs", "open", failed["tasks"]["b"]["run_id"], "--path")
    assert (told.status, told.err) == (0, "")
    assert Path(told.out.strip()).is_file()
    assert sorted(path.name for path in pipeline.folder.glob("*.ipynb")) == ["a.ipynb", "b.ipynb"]


def test_a_step_that_did_not_run_is_told_with_those_that_did(failed: dict[str, Any], typed: Type) -> None:
    told = typed("runs", "open", failed["run_id"], "c")
    assert told.status != 0
    assert "executed no one step 'c'" in told.err
    assert "It executed a, b" in told.err
    told = typed("runs", "open", failed["tasks"]["a"]["run_id"], "b")
    assert "is none of a pipeline" in told.err


def test_a_running_server_of_the_folder_opens_it_and_its_token_is_on_no_command_line(
    failed: dict[str, Any], pipeline: Pipeline, here: Workspace, tmp_path: Path
) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for number, root in enumerate([pipeline.folder.parents[1], pipeline.folder.parent, tmp_path]):
        server = {
            "url": f"http://localhost:{number}/base/",
            "root_dir": str(root),
            "token": f"secret{number}",
            "pid": os.getpid(),
        }
        (runtime / f"jpserver-{number}.json").write_text(json.dumps(server))
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\n')
    browser.chmod(0o700)
    environ = {**os.environ, "JUPYTER_RUNTIME_DIR": str(runtime), "BROWSER": f"{browser} %s"}
    done = subprocess.run(
        [*NBOPS, "runs", "open", failed["run_id"]],
        cwd=pipeline.folder,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    path = Path(done.stdout.splitlines()[-1])
    asked = (tmp_path / "asked").read_text().strip()
    assert "secret" not in asked + done.stdout + done.stderr
    page = Path(asked.removeprefix("file://"))
    assert page.stat().st_mode & 0o077 == 0
    # The nearest folder, not the one above it.
    shown = f"http://localhost:1/base/lab/tree/{pipeline.folder.name}/{path.name}?token=secret1"
    assert re.findall(r'url=([^"]+)"', page.read_text()) == [shown]


def test_a_path_with_signs_is_an_address(tmp_path: Path) -> None:
    lab = labs.Lab("http://localhost:8888/", tmp_path, "a&b")
    told = lab.address(tmp_path / "ä b#1?.ipynb")
    assert told == "http://localhost:8888/lab/tree/%C3%A4%20b%231%3F.ipynb?token=a%26b"


# The picture.


@settings(deadline=None)
@given(st.integers(1, 60), st.randoms(use_true_random=False))
def test_every_task_is_drawn_once_and_after_what_it_waits_for(count: int, rng: Any) -> None:
    nodes = [
        Node(
            f"step{number}",
            rng.choice([*drawing.TONES]),
            [f"step{before}" for before in range(number) if rng.random() < 0.1],
        )
        for number in range(count)
    ]
    drawn = drawing.draw(nodes, title="a pipeline", pressed=True)
    places = {}
    for key, left in re.findall(r'<g role="button".*?data-nbops-task="(\w+)".*?<rect x="([\d.]+)"', drawn):
        assert key not in places
        places[key] = float(left)
    assert len(places) == count
    assert all(places[before] < places[node.key] for node in nodes for before in node.before)


def test_hostile_names_stay_text() -> None:
    drawn = drawing.draw([Node('a"><script>1</script>', "failed", [], more="<b>&")], title="<i>", pressed=True)
    assert "<script" not in drawn
    assert "<b>" not in drawn
    assert "<i>" not in drawn
