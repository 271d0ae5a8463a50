"""Who reads a product hears when it is old, and when it is fresh again; who reads it in another pipeline says so."""

from __future__ import annotations

import re
from typing import Any

import nbformat
import pytest

from nbops.execution import notebook
from nbops.pipelines import overview, products
from nbops.workspace._workspace import Workspace
from tests.pipelines.parts import Pipeline, stand

pytestmark = pytest.mark.usefixtures("quick")

SOURCE = "import os, urllib.error\nif os.path.exists('down'): raise urllib.error.URLError('Connection refused')"
YAML = """
name: {name}
defaults: {{heal: {{data_access: {{wait: 0.01 s}}}}}}
steps: {{source: {{fallback: 9 d}}}}
consumers: {{source_out: [crew@example.org, "mailto:ann@example.org"], report_out: [crew@example.org]}}
"""
TOLD = r"Made from data of \d{4}-\d\d-\d\d \d\d:\d\d UTC\S*, because step source of \S+ failed: URLError: .*Connection refused"


def messages(here: Workspace, pipeline: str) -> list[list[Any]]:
    sql = "select recipient, title, text from core.outbox where subject = ? and starts_with(kind, 'product ') order by seq"
    return here.store.read(sql, [f"pipeline:{pipeline}"]).rows


def test_consumers_hear_once_that_a_product_is_old_and_once_that_it_is_fresh(
    pipeline: Pipeline, here: Workspace
) -> None:
    pipeline.makes("source", SOURCE, more="day: int = 0").makes("report", reads="source")
    pipeline.operate(YAML.format(name="heard")).run()
    assert messages(here, "heard") == []
    (pipeline.folder / "down").touch()
    for day in (1, 2, 3):
        pipeline.run("-p", "day", day)
        assert [row[:2] for row in messages(here, "heard")] == [
            ["crew@example.org", "source_out and report_out of heard: old data"],
            ["ann@example.org", "source_out of heard: old data"],
        ]
        assert re.search(TOLD, messages(here, "heard")[1][2])
    (pipeline.folder / "down").unlink()
    for day in (4, 5):
        pipeline.run("-p", "day", day)
        assert [row[:2] for row in messages(here, "heard")[2:]] == [
            ["crew@example.org", "source_out and report_out of heard: fresh again"],
            ["ann@example.org", "source_out of heard: fresh again"],
        ]
    acts = (
        "select product, stale_since is not null from product_acts where pipeline = 'heard' order by time, product desc"
    )
    assert here.store.read(acts).rows == [
        ["source_out", True], ["report_out", True], ["source_out", False], ["report_out", False],
    ]  # fmt: skip


def test_a_pipeline_that_reads_what_is_old_in_another_one_is_done_and_says_so(
    pipeline: Pipeline, here: Workspace
) -> None:
    pipeline.makes("source", SOURCE, more="day: int = 0").operate(
        "name: maker\nsteps: {source: {fallback: 9 d, retries: 0}}"
    ).run()
    other, third = (Pipeline(pipeline.folder / name) for name in ("reader", "third"))
    for folder in (other, third):
        folder.folder.mkdir()
    other.step(
        "copy",
        'source: "in" = "../source.txt"\nturn: int = 0\ncopy: "out" = "copy.txt"',
        "open(copy, 'w').write(open(source).read())",
    )
    other.step("page", 'copy: "in" = "copy.txt"\nturn: int = 0', "turn")
    third.step("last", 'copy: "in" = "../reader/copy.txt"\nturn: int = 0', "turn")
    assert other.run()["outcome"] == "done"
    assert products.old(here.store) == {}
    (pipeline.folder / "down").touch()
    assert pipeline.run("-p", "day", 1)["outcome"] == "degraded"
    told = other.run("-p", "turn", 1)
    assert (told["outcome"], stand(told)) == ("done", {"copy": "finished", "page": "finished"})
    assert re.search(rf"^2 executed; {TOLD}", told["sentence"])
    executed = nbformat.read(notebook.executed(here.store, told["tasks"]["page"]["run_id"]), as_version=4)
    assert re.search(rf"old data.\*\* {TOLD}", executed.cells[0].source)
    # What it made is old, too, for those who read it.
    assert re.search(rf"^1 executed; {TOLD}", third.run()["sentence"])
    stale = [(one.about, one.stands.partition(" for ")[0]) for one in overview.overview(here.store).stale]
    assert ("reader", "reads source_out") in stale
    assert ("third", "reads copy") in stale
    assert not any(one.pipeline == "maker" for one in products.readers(here.store))
    unchanged = other.run("-p", "turn", 1)
    assert unchanged["outcome"] == "unchanged"
    assert re.search(TOLD, unchanged["sentence"])
    (pipeline.folder / "down").unlink()
    pipeline.run("-p", "day", 2)
    told = other.run("-p", "turn", 1)
    assert (told["outcome"], told["sentence"]) == ("done", "2 executed")
    assert products.old(here.store) == {}


def test_a_notebook_that_reads_what_is_old_rests_on_it_until_it_is_fresh(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("source", SOURCE, more="day: int = 0").operate(
        "name: alone\nsteps: {source: {fallback: 9 d, retries: 0}}"
    ).run()
    (pipeline.folder / "reader").mkdir()
    reader = Pipeline(pipeline.folder / "reader")
    reader.step("reads", 'source: "in" = "../source.txt"\nturn: int = 0', "open(source).read()")

    def read(turn: int) -> str | None:
        done = notebook.execute(here.store, reader.folder / "reads.ipynb", parameters={"turn": turn})
        assert done.status == "finished", done.cause
        return here.run(done.run_id).degraded

    assert read(1) is None
    (pipeline.folder / "down").touch()
    pipeline.run("-p", "day", 1)
    assert re.search(TOLD, read(2) or "")
    (pipeline.folder / "down").unlink()
    pipeline.run("-p", "day", 2)
    assert read(3) is None


def test_a_run_that_goes_on_still_knows_what_is_old_in_another_pipeline(pipeline: Pipeline) -> None:
    pipeline.makes("source", SOURCE, more="day: int = 0").operate(
        "name: broken\nsteps: {source: {fallback: 9 d, retries: 0}}"
    ).run()
    (pipeline.folder / "down").touch()
    pipeline.run("-p", "day", 1)
    other = Pipeline(pipeline.folder / "other")
    other.folder.mkdir()
    other.step(
        "copy", 'source: "in" = "../source.txt"\ncopy: "out" = "copy.txt"', "open(copy, 'w').write(open(source).read())"
    )
    other.step("page", 'copy: "in" = "copy.txt"', "import os\nassert os.path.exists('ok')")
    told = other.run()
    assert told["outcome"] == "failed"
    (other.folder / "ok").touch()
    done = other.run(told["run_id"], command="resume")
    assert (done["outcome"], stand(done)) == ("done", {"copy": "finished", "page": "finished"})
    assert re.search(TOLD, done["sentence"])
