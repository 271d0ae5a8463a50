"""One screen says what an operator has to know."""

from __future__ import annotations

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
