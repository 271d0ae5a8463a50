"""What fails is healed as its class says; every action is a row, and what rests on old data says so."""

from __future__ import annotations

import json
import os
import random
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbops import failures
from nbops.pipelines import healing
from nbops.pipelines.declaration import Heal, Limits, Operation
from nbops.workspace._workspace import Workspace
from tests.conftest import wait_until
from tests.pipelines.parts import NBOPS, Pipeline, ended, stand

pytestmark = pytest.mark.usefixtures("quick")

# Fails until it was tried so often.
UNTIL = """
import os
count = len(open('tries').read()) if os.path.exists('tries') else 0
open('tries', 'a').write('x')
if count < {times}: {fail}
"""
LOCKED = "raise ConnectionResetError(104, 'Connection reset by peer')"


def actions(here: Workspace, run_id: str) -> list[list[Any]]:
    sql = """
        select a.step, a.failure_class, a.outcome, a.action from corrective_actions a
        where a.run_id = ? or a.run_id in (select run_id from runs where parent_run_id = ?) order by a.time
    """
    return here.store.read(sql, [run_id, run_id]).rows


def test_what_is_transient_is_tried_again_until_it_works(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("a", UNTIL.format(times=2, fail=LOCKED)).makes("b", reads="a")
    pipeline.operate("defaults: {heal: {transient: {wait: 0.1 s}}}")
    told = pipeline.run("--detailed-exit-code")
    assert (told["outcome"], told["status"], stand(told)["b"]) == ("healed", 10, "finished")
    assert told["tasks"]["a"]["attempt"] == 3
    # The first try again did not help, the second one did.
    assert [row[:3] for row in actions(here, told["run_id"])] == [
        ["a", "transient", "failed"],
        ["a", "transient", "healed"],
    ]


def test_a_code_bug_is_not_tried_again(pipeline: Pipeline, here: Workspace) -> None:
    told = pipeline.makes("a", "nowhere").run()
    assert (told["status"], told["tasks"]["a"]["attempt"]) == (25, 1)
    ((step, kind, outcome, action),) = actions(here, told["run_id"])
    assert (step, kind, outcome) == ("a", "code_bug", "failed")
    assert action.startswith("not tried again: trying again changes nothing")


def test_a_killed_kernel_gets_a_fresh_one(pipeline: Pipeline, here: Workspace) -> None:
    told = pipeline.makes("a", UNTIL.format(times=1, fail="os.kill(os.getpid(), 9)")).run()
    assert (told["outcome"], told["tasks"]["a"]["attempt"]) == ("healed", 2)
    assert [row[:3] for row in actions(here, told["run_id"])] == [["a", "kernel_death", "healed"]]


def test_a_killed_lane_is_replaced_and_the_step_runs_again(pipeline: Pipeline, here: Workspace) -> None:
    code = "import os\nfirst = not os.path.exists('begun')\nopen('begun', 'w').close()\nimport time\nwhile first: time.sleep(0.1)"
    pipeline.makes("a", code)
    process = pipeline.start()
    wait_until((pipeline.folder / "begun").exists)
    ((pid,),) = here.store.read(
        "select pid from core.runs where status = 'running' and ends_with(source, '/a.ipynb')"
    ).rows
    os.kill(pid, 9)
    told = ended(process)
    assert (told["outcome"], told["tasks"]["a"]["attempt"], pipeline.text("a")) == ("healed", 2, "a\n")
    assert [row[:3] for row in actions(here, told["run_id"])] == [["a", "kernel_death", "healed"]]


def test_a_source_that_is_down_is_replaced_by_what_it_gave_last_and_everything_says_so(
    pipeline: Pipeline, here: Workspace
) -> None:
    down = "import os, urllib.error\nif os.path.exists('down'): raise urllib.error.URLError('Connection refused')"
    pipeline.makes("source", down, more="day: int = 1").makes("report", reads="source")
    pipeline.operate("defaults: {heal: {data_access: {wait: 0.1 s}}}\nsteps: {source: {fallback: 3 d}}")
    assert pipeline.run()["outcome"] == "done"
    (pipeline.folder / "down").touch()
    told = pipeline.run("-p", "day", 2, "--detailed-exit-code")
    assert (told["outcome"], told["status"], stand(told)) == (
        "degraded",
        10,
        {"source": "degraded", "report": "degraded"},
    )
    assert "gone on with source_out of" in told["sentence"]
    (row,) = here.store.read(
        "select count(*), count(stale_since) from step_runs where run_id = ?", [told["run_id"]]
    ).rows
    assert row == [2, 2]
    kinds = [row[2] for row in actions(here, told["run_id"])]
    assert kinds == ["failed", "healed"]
    (pipeline.folder / "down").unlink()
    assert pipeline.run("-p", "day", 3)["outcome"] == "done"


def test_what_is_too_old_or_was_changed_by_hand_is_not_gone_on_with(pipeline: Pipeline) -> None:
    pipeline.makes("source", "import os\nif os.path.exists('down'): nowhere", more="day: int = 1")
    pipeline.operate("steps: {source: {fallback: 1 s}}").run()
    (pipeline.folder / "down").touch()
    pipeline.operate("steps: {source: {fallback: 0.001 s}}")
    assert pipeline.run("-p", "day", 2)["outcome"] == "failed"
    pipeline.operate("steps: {source: {fallback: 9 d}}")
    (pipeline.folder / "source.txt").write_text("by hand")
    assert pipeline.run("-p", "day", 3)["outcome"] == "failed"


CSV = "open(rows, 'w').write('id,price\\n' + ''.join(f'{{i}},{{p}}\\n' for i, p in enumerate({prices})))"
CONTRACT = """
columns:
  id: {{type: integer, not_null: true}}
  price: {{range: {{min: 0, severity: quarantine, share: {share}}}}}
"""


def copying(pipeline: Pipeline, name: str) -> None:
    """A step whose product of that name is what its source holds."""
    pipeline.step(
        "collect",
        f'rows: "in" = "source.csv"\n{name}: "out" = "prices.csv"',
        f"import shutil; shutil.copy(rows, {name})",
    )


def test_rows_that_break_the_contract_are_set_aside_and_the_good_ones_are_the_product(
    pipeline: Pipeline, here: Workspace
) -> None:
    name = "prices_aside"
    copying(pipeline, name)
    (pipeline.folder / "source.csv").write_text("id,price\n1,5\n2,-1\n3,7\n")
    (pipeline.folder / "c.yaml").write_text(CONTRACT.format(share=0.5))
    told = pipeline.operate(f"contracts: {{{name}: c.yaml}}").run()
    assert told["outcome"] == "healed", told
    assert (pipeline.folder / "prices.csv").read_text() == "id,price\n1,5\n3,7\n"
    ((step, kind, outcome, action),) = actions(here, told["run_id"])
    assert (step, kind, outcome, action) == ("collect", "dirty_rows", "healed", "rows set aside")
    (counts,) = here.store.read(
        "select rows, good, quarantined, dropped from collections where source = ?", [name]
    ).rows
    assert counts == [3, 2, 1, 0]


def test_a_product_that_its_contract_forbids_never_takes_the_place_of_a_good_one(pipeline: Pipeline) -> None:
    name = "prices_forbidden"
    copying(pipeline, name)
    (pipeline.folder / "source.csv").write_text("id,price\n1,5\n")
    (pipeline.folder / "c.yaml").write_text(CONTRACT.format(share=0.1))
    pipeline.operate(f"contracts: {{{name}: c.yaml}}").run()
    (pipeline.folder / "source.csv").write_text("id,price\n1,-5\n2,-6\n")
    told = pipeline.run()
    assert (told["outcome"], told["status"]) == ("failed", 21), told
    assert (pipeline.folder / "prices.csv").read_text() == "id,price\n1,5\n"


def test_a_contract_that_is_new_or_changed_judges_what_has_not_changed(pipeline: Pipeline) -> None:
    name = "prices_judged"
    copying(pipeline, name)
    (pipeline.folder / "source.csv").write_text("id,price\n1,5\n2,-1\n3,7\n")
    assert pipeline.run()["outcome"] == "done"
    pipeline.operate(f"contracts: {{{name}: c.yaml}}")
    (pipeline.folder / "c.yaml").write_text("columns: {id: {type: integer}}\n")
    assert _why(pipeline) == f"the contract of {name} is new"
    assert pipeline.run()["outcome"] == "done"
    assert pipeline.run()["outcome"] == "unchanged"
    (pipeline.folder / "c.yaml").write_text(CONTRACT.format(share=0.5))
    assert _why(pipeline) == f"the contract of {name} changed"
    assert pipeline.run()["outcome"] == "healed"
    assert (pipeline.folder / "prices.csv").read_text() == "id,price\n1,5\n3,7\n"


def _why(pipeline: Pipeline) -> str:
    """What `plan` says of the only step."""
    shown = subprocess.run(
        [*NBOPS, "pipeline", "plan", str(pipeline.folder), "--json"], capture_output=True, text=True, check=True
    )
    (task,) = json.loads(shown.stdout)["tasks"]
    return str(task["why"])


# What is decided, without doing it.


@given(st.sampled_from([*healing.POLICIES]), st.integers(0, 50), st.integers(0, 50))
def test_nothing_is_tried_for_ever(kind: Any, before: int, lost: int) -> None:
    held = healing.policy(kind, Operation(), Limits())
    action = healing.decide(kind, "some.rule", held, tries={kind: before}, lost=lost, rng=random.Random(1))
    assert (action.kind == "retry") == (before < held.retries)
    assert 0 <= action.wait <= 300


@pytest.mark.parametrize("kind", ["code_bug", "schema_change", "dirty_rows", "environment"])
def test_what_a_second_try_cannot_change_is_never_tried_twice(kind: Any) -> None:
    assert healing.policy(kind, Operation(), Limits(retries=5)).retries == 0


def test_a_step_may_say_more_than_the_pipeline_and_the_pipeline_more_than_we() -> None:
    limits = Limits(retries=7, heal={"transient": Heal(alone=True)})
    held = healing.policy("transient", Operation(heal={"transient": Heal(retries=1)}), limits)
    assert (held.retries, held.alone, held.wait) == (1, True, 2.0)


def test_a_source_that_refuses_is_not_asked_again() -> None:
    held = healing.policy("data_access", Operation(), Limits())
    assert healing.decide("data_access", "http.refused", held, tries={}, lost=0).kind == "fallback"
    assert "http.refused" in {rule.id for rule in failures.RULES}


def test_a_step_that_may_not_run_twice_does_not() -> None:
    held = healing.policy("transient", Operation(), Limits())
    assert healing.decide("transient", "x", held, tries={}, lost=0, idempotent=False).kind != "retry"
