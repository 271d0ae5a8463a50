"""What rests on old data says so wherever it is shown, and what is made anew from new data does not."""

from __future__ import annotations

import json
import re

import pytest

import nbops
from nbops.data import degraded
from nbops.data.freshness import freshness
from nbops.data.sheet import Sheet
from nbops.reports import data_page, run_page
from nbops.workspace._workspace import Workspace
from tests.pipelines.parts import Pipeline, stand
from tests.shared import Type

pytestmark = pytest.mark.usefixtures("quick")

SOURCE = "import os, urllib.error\nif os.path.exists('down'): raise urllib.error.URLError('Connection refused')"
TRAIN = """
import nbops, pandas as pd
from sklearn.linear_model import LinearRegression
frame = pd.DataFrame({"x": range(60), "y": [2.0 * x + day for x in range(60)]})
run = nbops.start_run()
run.log_model(LinearRegression().fit(frame[["x"]], frame["y"]), input_example=frame[["x"]].head(), target="y")
run.evaluate(frame, target="y")
nbops.register_model(run, "line")
"""
YAML = "name: nightly\ndefaults: {heal: {data_access: {wait: 0.01 s}}}\nsteps: {source: {fallback: 9 d}}\n"
TOLD = r"Made from data of \d{4}-\d\d-\d\d \d\d:\d\d UTC\S*, because step source of nightly failed: URLError: .*Connection refused.*\."


def test_a_model_that_rests_on_old_data_says_so_wherever_it_is_shown(
    pipeline: Pipeline, here: Workspace, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.makes("source", SOURCE, more="day: int = 0").makes("train", TRAIN, reads="source", more="day: int = 0")
    pipeline.operate(YAML)
    assert pipeline.run()["outcome"] == "done"
    (pipeline.folder / "down").touch()
    told = pipeline.run("-p", "day", 1)
    assert stand(told) == {"source": "degraded", "train": "degraded"}
    good, old = here.model("line").version(1), here.model("line").version(2)
    assert (good.degraded, "old" in repr(good)) == (None, False)
    assert re.fullmatch(TOLD, old.degraded or "")
    assert "made from data of" in repr(old)
    review = old.propose(reason="newer")
    assert degraded.TITLE in review.to_text()
    assert degraded.TITLE in review.to_html()
    for page in (old.card(), review.page()):
        assert degraded.TITLE in page.to_html()
        assert (old.degraded or "") in page.to_text().replace("\n", " ").replace("  ", " ")
    assert degraded.TITLE not in good.card().to_html()
    monkeypatch.chdir(pipeline.folder)
    assert "rests on old data" in typed("models", "show", "line/2").out
    assert "Version 2 rests on old data: Made from" in typed("models", "show", "line").out
    versions = json.loads(typed("models", "show", "line", "--json").out)["versions"]
    assert [one["degraded"] for one in versions] == [old.degraded, None]
    assert "rests on old data" in typed("runs", "show", old.run_id).out
    assert here.run(old.run_id).degraded == old.degraded
    assert "line/2 rests on old data" in typed("models", "compare", "line").out


def test_what_is_printed_of_a_run_on_old_data_says_why_once(
    pipeline: Pipeline, here: Workspace, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.makes("source", SOURCE, more="day: int = 0").makes("clean", reads="source").makes("report", reads="clean")
    pipeline.operate(YAML).run()
    (pipeline.folder / "down").touch()
    monkeypatch.chdir(pipeline.folder)
    steps, last = typed("run", ".", "-p", "day", 1).out.strip().rsplit("\n", 1)
    assert steps.count("Connection refused") == last.count("Connection refused") == 1
    assert "degraded clean, report: rests on source" in steps
    assert last.endswith("; 2 steps rest on it: clean and report")
    run = nbops.pipeline(pipeline.folder).last
    assert run.sentence == last.partition(" s: ")[2]
    told = dict(zip(run.tasks["task"], run.tasks["sentence"], strict=True))
    assert (told["clean"], told["report"]) == ("rests on source", "rests on source")
    assert typed("status").out.count("Made from data of") == 0
    # What rests on it says why wherever it is met alone.
    assert re.fullmatch(TOLD, here.run(run.step("report").run_id).degraded or "")


def test_the_page_of_a_run_on_old_data_says_so_once_and_on_top(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("source", SOURCE, more="day: int = 0").makes("report", reads="source").operate(YAML)
    pipeline.run()
    (pipeline.folder / "down").touch()
    told = pipeline.run("-p", "day", 1)
    page = run_page.page_of(here.store, told["tasks"]["report"]["run_id"])
    assert page.count(degraded.TITLE) == 1
    assert page.index(degraded.TITLE) < page.index("<main>")
    (pipeline.folder / "down").unlink()
    told = pipeline.run("-p", "day", 2)
    # The same data as before: what was made of it then is taken, and not what was made on old data.
    assert stand(told) == {"source": "finished", "report": "unchanged"}
    assert degraded.TITLE not in run_page.page_of(here.store, told["tasks"]["report"]["run_id"])


def test_what_was_only_made_on_old_data_is_made_anew(
    pipeline: Pipeline, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.makes("source", SOURCE, more="day: int = 0").makes("report", reads="source", more="day: int = 0").operate(
        YAML
    )
    pipeline.run()
    (pipeline.folder / "down").touch()
    pipeline.run("-p", "day", 1)
    (pipeline.folder / "down").unlink()
    monkeypatch.chdir(pipeline.folder)
    # Whether the source is well is known once it has run.
    pipeline.makes("source", SOURCE, "print()", more="day: int = 0")
    assert stand(pipeline.run("-p", "day", 1)) == {"source": "finished", "report": "finished"}
    assert typed("pipeline", "plan", ".", "-p", "day", 1, "--json").told["tasks"][1]["verdict"] == "skip"


def test_what_others_make_of_it_rests_on_old_data_until_it_is_made_anew(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("source", SOURCE, more="day: int = 0").makes(
        "middle", "print(day)", reads="source", more="day: int = 0"
    )
    pipeline.operate(YAML).run()
    other = Pipeline(pipeline.folder / "other")
    other.folder.mkdir()
    other.step(
        "reader",
        'middle: "in" = "../middle.txt"\nturn: int = 0\nmade: "out" = "made.txt"',
        "open(made, 'w').write(str(turn))",
    )

    def read(turn: int) -> str | None:
        done = other.run("-p", "turn", turn)
        return degraded.of_run(here.store, done["tasks"]["reader"]["run_id"])

    assert read(1) is None
    (pipeline.folder / "down").touch()
    pipeline.run("-p", "day", 1)
    assert re.fullmatch(TOLD, read(2) or "")
    (pipeline.folder / "down").unlink()
    # The same bytes as before, but of a run that rests on nothing old.
    pipeline.run("-p", "day", 2)
    assert read(3) is None


def test_a_version_of_data_that_rests_on_old_data_says_so(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("source", SOURCE, more="day: int = 0")
    rows = 'source: "in" = "source.txt"\nrows: "out" = "rows.csv"\nday: int = 0'
    pipeline.step("rows", rows, "open(rows, 'w').write('id\\n' + ''.join(f'{day + i}\\n' for i in range(5)))")
    (pipeline.folder / "rows.yaml").write_text("columns: {id: {type: integer, not_null: true}}\n")
    pipeline.operate(f"{YAML}contracts: {{rows: rows.yaml}}\n").run()
    assert degraded.of_sources(here.store, ["rows"]) == {}
    (pipeline.folder / "down").touch()
    pipeline.run("-p", "day", 1)
    sheet = Sheet(here.store, freshness(here.store)["rows"])
    assert re.fullmatch(TOLD, sheet.degraded or "")
    assert degraded.TITLE in sheet.to_text()
    assert degraded.TITLE in data_page.page(here.store)
