"""Patterns in what was healed are seen: which step, which class, how often, at what cost."""

from __future__ import annotations

import pytest

from nbops.errors import NotFound
from nbops.pipelines import health
from nbops.workspace._workspace import Workspace
from tests.pipelines.parts import Pipeline
from tests.shared import Type

pytestmark = pytest.mark.usefixtures("quick")

FLAKY = "import os\nif not os.path.exists('tried'):\n    open('tried', 'w').close()\n    raise ConnectionResetError(104, 'Connection reset by peer')\nos.remove('tried')"  # noqa: E501 - one cell


def test_the_same_healing_three_times_in_seven_runs_is_chronic(
    pipeline: Pipeline, here: Workspace, typed: Type
) -> None:
    pipeline.makes("a", FLAKY, more="day: int = 0").makes("b", reads="a")
    pipeline.operate("name: flaky\ndefaults: {heal: {transient: {wait: 0.01 s}}}")
    for day in (1, 2):
        assert pipeline.run("-p", "day", day)["outcome"] == "healed"
    assert health.chronic(here.store, "flaky") == []
    pipeline.run("-p", "day", 3)
    (found,) = health.chronic(here.store, "flaky")
    assert (found.step, found.failure_class, found.healed_runs, found.runs) == ("a", "transient", 3, 3)
    told = health.of(here.store, "flaky")
    assert (told.runs, told.well, told.healed, told.share) == (3, 3, 3, 1.0)
    assert [(one.step, one.healed, one.failed) for one in told.weeks] == [("a", 3, 0)]
    assert (told.weeks[0].cost_seconds or 0) > 0
    assert "100% of these only by healing" in told.to_text()
    assert "Chronic: a was healed of transient in 3 of the last 3 runs: ConnectionResetError" in told.to_text()
    assert "ConnectionResetError" in told.to_html()
    opened = "select cause, severity from incidents where subject = 'pipeline:flaky' and status = 'open'"
    assert here.store.read(opened).rows == [["run: healed again and again", "warn"]]


def test_a_pipeline_that_never_ran_is_not_known(here: Workspace) -> None:
    with pytest.raises(NotFound):
        health.of(here.store, "nobody")
