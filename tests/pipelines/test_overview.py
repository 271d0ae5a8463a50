"""One screen says what an operator has to know."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from nbops.pipelines import overview, releases
from nbops.workspace._workspace import Workspace
from tests.pipelines.parts import Pipeline
from tests.shared import Type

pytestmark = pytest.mark.usefixtures("quick")


def test_the_screen_says_what_failed_waits_is_due_and_differs(
    pipeline: Pipeline, here: Workspace, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert overview.overview(here.store).to_text() == "All is well, and nothing is planned."
    pipeline.makes("a").makes("b", reads="a")
    pipeline.operate("name: one\nschedule: {cron: '0 6 * * *'}\nsteps: {b: {approval: {asks: Go}}}")
    releases.freeze(here.store, pipeline.folder, "first")
    pipeline.run()
    monkeypatch.chdir(pipeline.folder)
    assert typed("schedule", "add", ".").status == 0
    other = Pipeline(pipeline.folder / "other")
    other.folder.mkdir()
    other.makes("c", "1 / 0").run()
    pipeline.operate("name: one\nsteps: {b: {approval: {asks: Go on}}}")
    found = overview.overview(here.store, datetime.now(UTC) + timedelta(days=2))
    assert [(one.about, one.what) for one in found.waiting] == [("one", "Go")]
    assert [one.about for one in found.failed] == ["other"]
    assert [one.about for one in found.incidents] == ["other"]
    assert [(one.about, one.stands[:7]) for one in found.due] == [("one", "was due")]
    name = pipeline.folder.name
    assert [one.what for one in found.differs] == [f"{name}/other/c.ipynb (new), {name}/pipeline.yaml (changed)"]
    told = typed("status").out
    assert told.index("waits for you") < told.index("failed") < told.index("comes next")


@pytest.fixture
def kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A place whose clocks are five and a half hours before UTC."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def daily(pipeline: Pipeline, typed: Type, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a schedule of a pipeline, at six in New York."""
    name = f"daily-{pipeline.folder.name[-20:]}".replace("_", "-")
    pipeline.makes("a").operate(f"name: {name}")
    monkeypatch.chdir(pipeline.folder)
    words = ("--cron", "0 6 * * *", "--tz", "America/New_York", "--working-tree")
    assert typed("schedule", "add", ".", *words).status == 0
    yield name
    monkeypatch.chdir(pipeline.folder.parent)
    typed("schedule", "remove", name)


def test_a_schedule_that_is_paused_says_so_with_its_end_and_who_paused_it(
    daily: str, here: Workspace, typed: Type, kolkata: None
) -> None:
    def due() -> tuple[str, str]:
        (found,) = (one for one in overview.overview(here.store).due if one.about == daily)
        asked.append(found.do)
        return found.stands, found.what

    asked = list[str]()

    typed("schedule", "pause", daily, "--reason", "moving")
    stands, why = due()
    assert stands == "paused"
    assert re.fullmatch(r"by .+ since \d+ \w+ \d\d:\d\d: moving", why)
    shown = typed("schedule", "show", daily).out
    assert re.search(r"paused +until it is resumed, by .+ since \S+ \d\d:\d\d America/New_York: moving\n", shown)
    assert "It is paused until it is resumed, by" in typed("schedule", "doctor").out
    typed("schedule", "pause", daily, "--until", "2999-01-01 12:00")
    assert due()[0] == "paused until 1 Jan 2999 12:00"
    assert "until 2999-01-01 01:30 America/New_York" in typed("schedule", "list").out
    # A pause of everything that lasts longer is the one that is told.
    typed("schedule", "pause", "--reason", "the machine moves")
    assert asked[-1] == f"nbops schedule resume {daily}"
    assert (due()[0], due()[1].rpartition(": ")[2], asked[-1]) == (
        "paused",
        "the machine moves",
        "nbops schedule resume",
    )
    typed("schedule", "resume")
    typed("schedule", "resume", daily)
    assert due()[0].startswith("due ")


def test_a_table_has_times_of_one_zone_and_names_it(daily: str, here: Workspace, typed: Type, kolkata: None) -> None:
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    found = overview.overview(here.store, now)
    assert found.zone == "UTC+05:30"
    assert "comes next (UTC+05:30)\n" in found.to_text()
    (row,) = (line for line in typed("schedule", "list").out.splitlines() if line.startswith(daily))
    assert re.search(r" \d{4}-\d\d-\d\d 06:00 America/New_York( |$)", row)
    assert re.search(rf"schedule {daily} +next \S+ 06:00 America/New_York", typed("schedule", "doctor").out)
    run = typed("run", ".", "--json").told["run_id"]
    assert "started (UTC+05:30)" in typed("runs", "list").out
    assert re.search(r"started +\S+ \d\d:\d\d:\d\d UTC\+05:30\n", typed("runs", "show", run).out)
    assert "began (UTC+05:30)" in typed("runs", "show", run).out


def test_a_pipeline_whose_folder_is_gone_is_told_once_and_is_neither_late_nor_unhealthy(
    daily: str, pipeline: Pipeline, here: Workspace, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.makes("a", "1 / 0")
    assert pipeline.run()["outcome"] == "failed"
    later = datetime.now(UTC) + timedelta(days=2)

    def about(name: str) -> list[str]:
        found = overview.overview(here.store, later)
        return [
            part
            for part in found.__struct_fields__
            for one in getattr(found, part)
            if getattr(one, "about", "") == name
        ]

    assert sorted(about(daily)) == ["due", "failed", "incidents"]
    monkeypatch.chdir(pipeline.folder.parent)
    moved = pipeline.folder.rename(pipeline.folder.with_name("moved"))
    assert about(daily) == ["gone"]
    (gone,) = (one for one in overview.overview(here.store, later).gone if one.about == daily)
    assert gone.stands == "folder is gone"
    assert re.fullmatch(rf"{pipeline.folder.name}; its last run was failed 2 d( \d+ h)? ago", gone.what)
    assert gone.do.startswith(f"nbops schedule remove {daily}; nbops incidents show ")
    told = typed("status").out
    # Below all others, of which there may be none.
    assert told.index("folder is gone") > told.rfind("\n\n")
    assert daily in [one["about"] for one in json.loads(typed("status", "--json").out)["gone"]]
    # What runs under its name elsewhere is the pipeline now; its schedule is of a folder that is not there.
    (moved / "a.ipynb").unlink()
    assert Pipeline(moved).makes("a").run()["outcome"] == "done"
    assert about(daily) == ["gone"]
    (gone,) = (one for one in overview.overview(here.store, later).gone if one.about == daily)
    assert (gone.what, gone.do) == (pipeline.folder.name, f"nbops schedule remove {daily}")
    typed("schedule", "remove", daily)
    assert about(daily) == []
    shutil.rmtree(moved)
    assert about(daily) == ["gone"]
