"""A pipeline's run is told as such: its steps, what was healed, what it waited for, what it made, and why its steps ran."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nbops.pipelines import account, sheet
from nbops.reports import index, run_page
from nbops.workspace._workspace import Workspace
from tests.conftest import wait_until
from tests.pipelines.parts import Pipeline, ended
from tests.shared import Type

pytestmark = pytest.mark.usefixtures("quick")

SOURCE = "import os, urllib.error\nif os.path.exists('down'): raise urllib.error.URLError('Connection refused')"
YAML = """
name: {name}
defaults: {{heal: {{data_access: {{wait: 0.01 s}}}}}}
steps:
  source: {{fallback: 9 d}}
  publish: {{approval: {{by: [], asks: "Publish the forecast?"}}}}
"""


@pytest.fixture
def old(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run with a step on old data, one behind it, one as it was, and one that waits for a person."""
    pipeline.makes("aside").makes("source", SOURCE, more="day: int = 0").makes("report", reads="source")
    pipeline.makes("publish", reads="aside").operate(YAML.format(name="nightly"))
    first = pipeline.run()
    assert first["outcome"] == "waiting"
    (pipeline.folder / "down").touch()
    monkeypatch.chdir(pipeline.folder)
    return str(pipeline.run("-p", "day", 1)["run_id"])


def test_a_run_is_shown_with_its_steps_its_healing_its_questions_and_its_files(old: str, typed: Type) -> None:
    typed("pipeline", "approve", old, "publish", "--reason", "looks right")
    out = typed("runs", "show", old).out
    assert re.search(rf"run +{old[-8:]} of pipeline nightly", out)
    assert "4 steps: " in out
    assert "notebook" not in out
    assert re.search(r"parameters +day = 1\n", out)
    assert re.search(r"source +▲ degraded +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d .*gone on with", out)
    assert re.search(r"report +▲ degraded .* rests on source\n", out)
    assert re.search(r"aside +· unchanged", out)
    assert re.search(r"source +data_access .* ✓ healed", out)
    assert re.search(r"publish +Publish the forecast\? +somebody +✓ approved .* looks right", out)
    assert re.search(r"/aside.txt +aside +· unchanged", out)
    assert re.search(r"began \(UTC\S*\)", out)
    told = json.loads(typed("runs", "show", old, "--json").out)["pipeline"]
    assert [one["task"] for one in told["made"]] == ["aside", "source", "report"]
    assert told["waited"][0]["reason"] == "looks right"
    assert told["parameters"] == {"day": "1"}


def test_why_a_run_was_made_is_told_step_by_step(old: str, typed: Type) -> None:
    out = typed("runs", "why", old).out
    assert out.startswith(f"Run {old[-8:]} of pipeline nightly executed 2 of 4 steps:\n")
    assert re.search(r"- aside was not executed: unchanged since run \w{8}\n", out)
    assert re.search(r"- report was executed \(\w{8}\): ", out)
    assert re.search(r"- publish was not executed: publish waits until ", out)
    told = json.loads(typed("runs", "why", old, "--json").out)
    assert [(one["task"], one["why"] is not None) for one in told["steps"]] == [
        ("aside", False), ("source", True), ("publish", False), ("report", True),
    ]  # fmt: skip


def test_a_step_that_an_earlier_run_stands_for_says_so_on_old_data_too() -> None:
    told = str(account.Reason("train", "degraded", "rests on collect", run_id="01a20508-8d83-7c4a-af30-53e50b51342a"))
    assert told == "train was not executed: unchanged since run 0b51342a; rests on collect"


def test_the_page_of_a_run_leads_to_the_pages_of_its_steps(
    old: str, here: Workspace, typed: Type, tmp_path: Path
) -> None:
    made = json.loads(typed("report", old, tmp_path / "night.html", "--json").out)
    page = (tmp_path / "night.html").read_text()
    links = re.findall(r'href="\./(report-\w{8}\.html)"', page)
    assert {Path(path).name for path in made["steps"]} == set(links)
    # Three have run, or were taken from the run before; nothing was made of the step that waits.
    assert len(links) == 3
    assert all((tmp_path / link).is_file() for link in links)
    assert "Publish the forecast?" in page
    assert page.count("Connection refused") >= 1
    assert "<script" not in page
    known = {one.title: one.status for one in index.listed(tmp_path)}
    assert known["nightly"] == "waiting"
    alone = run_page.made(here.store, old)
    assert "./report-" not in alone.html
    assert (alone.provenance.pipeline, alone.provenance.notebook) == ("nightly", None)


def test_pages_of_steps_are_left_out_when_nobody_wants_them(old: str, typed: Type, tmp_path: Path) -> None:
    typed("report", old, tmp_path / "night.html", "--no-steps")
    assert [path.name for path in tmp_path.glob("*.html")] == ["night.html"]


def test_a_failed_run_says_what_to_do_next(pipeline: Pipeline, typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = str(pipeline.makes("a", "1 / 0").makes("b", reads="a").run()["run_id"])
    monkeypatch.chdir(pipeline.folder)
    out = typed("runs", "show", run_id).out
    assert out.rstrip().endswith(f"nbops pipeline resume {run_id[-8:]}")
    assert re.search(r"b +▲? ?\S* ?blocked .* a failed\n", out)
    why = typed("runs", "why", run_id).out
    assert "- b was not executed: a failed" in why


def test_a_run_is_followed_step_by_step_to_its_end(
    pipeline: Pipeline, here: Workspace, monkeypatch: pytest.MonkeyPatch, typed: Type
) -> None:
    held = "import os, time\nopen('begun', 'w').close()\nwhile not os.path.exists('go'): time.sleep(0.01)"
    running = pipeline.makes("a").makes("b", held, reads="a").start()
    wait_until((pipeline.folder / "begun").exists)
    ((run_id,),) = here.store.read("select run_id::varchar from pipeline_runs where outcome = 'running'").rows
    monkeypatch.chdir(pipeline.folder)
    followed = sheet.follow(here.store, run_id, interval=0.01)
    assert next(followed).startswith("1 of 2 steps done; b")
    (pipeline.folder / "go").touch()
    assert ended(running)["outcome"] == "done"
    assert [*followed][-1] == "2 of 2 steps done"
    # What has ended is told at once.
    assert typed("runs", "show", run_id, "--follow").out.startswith("2 of 2 steps done\n")
