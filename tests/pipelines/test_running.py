"""A folder runs as its notebooks say: in order, side by side, once, and again only what changed or is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from nbops.execution import live
from nbops.pipelines import definition, planning, sheet
from nbops.pipelines.requests import Act, EndPipelineRun, KeepActs
from nbops.records import now_us
from nbops.render.values import duration
from nbops.store.places import user_name
from nbops.tracking.requests import EndRun, ReopenRun
from nbops.workspace._workspace import Workspace
from tests.conftest import wait_until
from tests.pipelines.parts import NBOPS, Pipeline, ended, kill, stand

pytestmark = pytest.mark.usefixtures("quick")

RUNNING = """
select p.run_id::varchar, s.step_run_id::varchar from pipeline_runs p join step_runs s using (run_id)
where p.pipeline = ? and s.status = 'started' and s.step_run_id is not null
"""
BEGIN = "open('begun', 'w').close()"
WAIT = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)"


def test_steps_run_after_what_they_read_and_not_again_when_nothing_changed(pipeline: Pipeline) -> None:
    pipeline.makes("a").makes("b", reads="a").makes("c", reads="a b")
    told = pipeline.run()
    assert (told["outcome"], told["status"]) == ("done", 0)
    assert pipeline.text("c") == "a\na\nb\nc\n"
    again = pipeline.run("--detailed-exit-code")
    assert (again["outcome"], again["status"]) == ("unchanged", 12)
    assert set(stand(again).values()) == {"unchanged"}


def test_only_what_follows_a_change_runs_again(pipeline: Pipeline) -> None:
    pipeline.makes("a").makes("b", reads="a").makes("c", more="n: int = 1")
    pipeline.run()
    pipeline.makes("b", "# another comment is no other code", "x = 1", reads="a").makes("d", reads="b")
    assert stand(pipeline.run()) == {"a": "unchanged", "b": "finished", "c": "unchanged", "d": "finished"}
    assert stand(pipeline.run("-p", "n", "2"))["c"] == "finished"


def test_a_sweep_spans_the_steps_after_it_until_one_takes_all_points(pipeline: Pipeline) -> None:
    pipeline.makes("data")
    pipeline.step(
        "train",
        'data: "in" = "data.txt"\nC: float = 1.0\nmodel: "out" = "model.txt"',
        "open(model, 'w').write(f'C={C}')",
    )
    pipeline.step(
        "score",
        'model: "in" = "model.txt"\nscored: "out" = "scored.txt"',
        "open(scored, 'w').write(open(model).read())",
    )
    pipeline.step(
        "best",
        'scores: "in" = []  # from: scored\nall_: "out" = "all.txt"',
        "open(all_, 'w').write(' '.join(open(s).read() for s in scores))",
    )
    pipeline.operate("steps: {train: {sweep: {C: [0.1, 10]}}}")
    told = pipeline.run()
    assert [*told["tasks"]] == ["data", "train[C=0.1]", "train[C=10]", "score[C=0.1]", "score[C=10]", "best"]
    assert pipeline.text("all") == "C=0.1 C=10.0"
    assert not (pipeline.folder / "model.txt").exists()


def test_a_step_without_its_condition_is_left_out_with_what_reads_it(pipeline: Pipeline) -> None:
    pipeline.makes("train", "import nbops", "nbops.start_run().log_metrics({'mae': 9.5})").makes(
        "publish", reads="train"
    )
    pipeline.makes("tell", reads="publish").makes("report", reads="train")
    told = pipeline.operate("steps: {publish: {when: train.mae < 9}, tell: {}, report: {always: true}}").run()
    assert stand(told) == {"train": "finished", "publish": "excluded", "report": "finished", "tell": "excluded"}
    assert told["tasks"]["publish"]["sentence"] == "`train.mae < 9` does not hold: train.mae is 9.5"


def test_a_metric_that_no_run_has_logged_is_warned_of_where_another_one_is_called_nearly_so(
    pipeline: Pipeline, here: Workspace
) -> None:
    pipeline.makes("train", "import nbops", "nbops.start_run().log_metrics({'mae': 2, 'bias': 1})")
    pipeline.makes("publish", reads="train")

    def warned(when: str) -> list[str]:
        pipeline.operate(f"steps:\n  train: {{}}\n  publish: {{when: {when}}}\n")
        made = planning.make(here.store, definition.load(pipeline.folder))
        assert all(f"Warning: {one} {one.remedy}" in made.to_text() for one in made.warnings)
        return [f"{one} {one.remedy}" for one in made.warnings]

    assert warned("min(train.mea) < 3") == []
    told = pipeline.run()["tasks"]["publish"]["sentence"]
    assert told == "'min(train.mea) < 3': train has logged no 'mea'; it has bias, mae."
    assert warned("min(train.mea) < 3 and train.bias < 2 and train.rmse_of_holdout < 1") == [
        "pipeline.yaml, line 3: `when` of publish names train.mea; runs of train have logged bias, mae. Did you mean 'mae'?"
    ]


def test_what_fails_blocks_what_reads_it_and_nothing_else(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("a").makes("b", "1 / 0", reads="a").makes("c", reads="b").makes("d", reads="a")
    pipeline.makes("always", reads="a").operate("steps: {always: {always: true, after: [c]}}")
    told = pipeline.run()
    assert stand(told) == {"a": "finished", "b": "failed", "c": "blocked", "d": "finished", "always": "finished"}
    assert (told["outcome"], told["status"]) == ("failed", 25)
    assert "ZeroDivisionError" in told["sentence"]
    rows = here.store.read("select outcome, exit_status from pipeline_runs where run_id = ?", [told["run_id"]]).rows
    assert rows == [["failed", 25]]


def test_resume_runs_exactly_what_is_missing(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("a").makes("b", "import os; assert os.path.exists('ok')", reads="a").makes("c", reads="b")
    told = pipeline.run()
    assert stand(told) == {"a": "finished", "b": "failed", "c": "blocked"}
    (pipeline.folder / "ok").write_text("now")
    done = pipeline.run(told["run_id"][-8:], command="resume")
    assert (done["run_id"], done["outcome"]) == (told["run_id"], "done")
    runs = here.store.read(
        "select source, status from runs where parent_run_id = ? order by start_time", [told["run_id"]]
    ).rows
    assert [(Path(source).stem, status) for source, status in runs] == [
        ("a", "finished"), ("b", "failed"), ("b", "finished"), ("c", "finished"),
    ]  # fmt: skip


def test_a_killed_driver_leaves_no_half_product_and_no_finished_step_runs_twice(
    pipeline: Pipeline, here: Workspace
) -> None:
    pipeline.makes("a").makes(
        "b",
        "open('begun', 'w').close()",
        "import os, time",
        "while not os.path.exists('go'): time.sleep(0.05)",
        reads="a",
    )
    process = pipeline.start()
    wait_until((pipeline.folder / "begun").exists)
    kill(process)
    assert sorted(path.name for path in pipeline.folder.glob("*.txt")) == ["a.txt"]
    run_id = here.store.read("select run_id::varchar from pipeline_runs order by start_time desc limit 1").rows[0][0]
    wait_until(
        lambda: here.store.read("select outcome from pipeline_runs where run_id = ?", [run_id]).rows == [["lost"]]
    )
    (pipeline.folder / "go").touch()
    done = pipeline.run(run_id, command="resume")
    assert (done["outcome"], stand(done)) == ("done", {"a": "finished", "b": "finished"})
    runs = here.store.read("select source from runs where parent_run_id = ? and status = 'finished'", [run_id]).rows
    assert sorted(Path(row[0]).stem for row in runs) == ["a", "b"]
    assert not list(pipeline.folder.glob(".nbops-*"))


def test_a_driver_whose_lanes_die_with_what_starts_them_is_lost_and_another_one_goes_on(
    pipeline: Pipeline, here: Workspace
) -> None:
    pipeline.makes("a").makes("b", BEGIN, WAIT, reads="a")
    process = pipeline.start()
    wait_until((pipeline.folder / "begun").exists)
    driver = psutil.Process(process.pid)
    nursery = next(one for one in driver.children() if one.cmdline() == driver.cmdline())
    for one in [nursery, *nursery.children()]:
        one.kill()
    (pipeline.folder / "go").touch()
    assert "starts lanes died" in ended(process)["error"]
    newest = "from runs r join pipeline_runs p using (run_id) order by p.start_time desc limit 1"
    run_id, *told = here.store.read(f"select run_id::varchar, r.status, failure_class, outcome {newest}").rows[0]
    assert told == ["lost", "kernel_death", "lost"]
    done = pipeline.run(run_id, command="resume")
    assert (done["outcome"], stand(done)) == ("done", {"a": "finished", "b": "finished"})


def test_a_step_that_had_made_its_products_when_all_was_killed_is_not_executed_again(
    pipeline: Pipeline, here: Workspace
) -> None:
    pipeline.makes("a").makes("b", BEGIN, WAIT, reads="a")
    process = pipeline.start()
    wait_until((pipeline.folder / "begun").exists)
    kill(process)
    ((run_id, step),) = here.store.read(
        "select run_id::varchar, step_run_id::varchar from step_runs where task = 'b' and ends_with(pipeline, ?)",
        [pipeline.folder.name],
    ).rows
    wait_until(
        lambda: here.store.read("select outcome from pipeline_runs where run_id = ?", [run_id]).rows == [["lost"]]
    )
    # What it would have left, had it been killed a moment later.
    beside = pipeline.folder / f".nbops-{step[-8:]}" / "b.txt"
    beside.parent.mkdir(exist_ok=True)
    beside.write_text("from the dead")
    marker = here.store.places.runs / step / "settled.json"
    marker.write_text(json.dumps([[str(beside), str(pipeline.folder / "b.txt")]]))
    done = pipeline.run(run_id, command="resume")
    assert (done["outcome"], done["tasks"]["b"]["attempt"], pipeline.text("b")) == ("done", 1, "from the dead")
    assert here.store.read("select status from runs where run_id = ?", [step]).rows == [["finished"]]


def test_a_scheduler_that_gives_up_stops_the_run_which_can_go_on(pipeline: Pipeline) -> None:
    pipeline.makes("a", BEGIN, WAIT)
    process = pipeline.start()
    wait_until((pipeline.folder / "begun").exists)
    process.send_signal(signal.SIGTERM)
    told = ended(process)
    assert (told["outcome"], told["status"], stand(told)) == ("stopped", 130, {"a": "stopped"})
    (pipeline.folder / "go").touch()
    assert pipeline.run(told["run_id"], command="resume")["outcome"] == "done"


@pytest.mark.parametrize("what", ["the run", "its step"])
def test_who_stopped_a_run_or_a_step_is_told(pipeline: Pipeline, here: Workspace, what: str) -> None:
    by = f"stopped by {user_name(os.getuid())}"
    pipeline.makes("a", BEGIN, WAIT).makes("b", reads="a")
    process = pipeline.start()
    wait_until((pipeline.folder / "begun").exists)
    wait_until(lambda: len(here.store.read(RUNNING, [pipeline.folder.name]).rows) == 1)
    whole, step = here.store.read(RUNNING, [pipeline.folder.name]).rows[0]
    live.stop(here.store, whole if what == "the run" else step)
    told = ended(process)
    assert (told["outcome"], told["tasks"]["a"]["sentence"]) == ("stopped", by)
    assert told["sentence"] == (by if what == "the run" else f"a: {by}; b: a was stopped")
    assert here.store.read("select cause from runs where run_id = ?", [step]).rows == [[by]]
    # What stopped it the first time says nothing about the second.
    (pipeline.folder / "begun").unlink()
    process = pipeline.start(whole, command="resume")
    wait_until((pipeline.folder / "begun").exists)
    process.send_signal(signal.SIGTERM)
    assert ended(process)["sentence"] == "interrupted by SIGTERM"


def test_a_step_that_writes_nothing_of_what_it_declares_has_failed(pipeline: Pipeline) -> None:
    told = pipeline.step("a", 'made: "out" = "made.txt"', "print('nothing')").run()
    assert (told["status"], told["tasks"]["a"]["sentence"]) == (25, "it did not write 'made', which it declares")


def test_a_step_that_takes_too_long_is_stopped_and_tried_once_with_more_time(
    pipeline: Pipeline, here: Workspace
) -> None:
    pipeline.makes("slow", "import time; time.sleep(60)").operate("steps: {slow: {timeout: 1 s}}")
    told = pipeline.run()
    assert (told["outcome"], told["status"]) == ("failed", 23)
    assert told["tasks"]["slow"]["attempt"] == 2
    rows = here.store.read(
        "select status, failure_class, exit_status from runs where parent_run_id = ? order by start_time",
        [told["run_id"]],
    ).rows
    assert rows == [["failed", "timeout", 23]] * 2


def test_a_step_of_which_nothing_is_heard_is_stopped(pipeline: Pipeline) -> None:
    pipeline.makes("silent", "import time; time.sleep(60)").operate(
        "steps: {silent: {stall: 3 s, heal: {timeout: {retries: 0}}}}"
    )
    told = pipeline.run()
    assert told["status"] == 23
    assert "nothing was heard" in told["tasks"]["silent"]["sentence"]


def test_two_runs_at_once_execute_a_step_once(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("a", "open('log', 'a').write('x')", "import time; time.sleep(1)")
    first, second = pipeline.start(), pipeline.start()
    outcomes = sorted([ended(first)["outcome"], ended(second)["outcome"]])
    assert (outcomes, (pipeline.folder / "log").read_text()) == (["done", "unchanged"], "x")


def test_a_step_that_waits_for_a_person_holds_no_process(pipeline: Pipeline, here: Workspace) -> None:
    pipeline.makes("a").makes("b", reads="a").makes("c", reads="b")
    pipeline.operate("steps: {b: {approval: {asks: Publish it, expires: 1 d}}}")
    told = pipeline.run("--detailed-exit-code")
    assert (told["outcome"], told["status"]) == ("waiting", 11)
    assert stand(told) == {"a": "finished", "b": "parked", "c": "waiting"}
    again = pipeline.run(told["run_id"], command="resume")
    assert again["outcome"] == "waiting"
    environ = {key: value for key, value in os.environ.items() if key != "NBOPS_HEADLESS"}
    assert approve(pipeline, told["run_id"], environ) == 0
    done = pipeline.run(told["run_id"], command="resume")
    assert (done["outcome"], pipeline.text("c")) == ("done", "a\nb\nc\n")


HOUR = 3_600_000_000


def test_the_time_for_which_a_run_waits_for_a_person_is_told_apart_from_its_work(
    pipeline: Pipeline, here: Workspace
) -> None:
    pipeline.makes("a").makes("b", reads="a").operate("steps: {b: {approval: {}}}")
    told = pipeline.run()
    (line,) = sheet.of_folder(here.store, pipeline.folder)
    assert (line.waited, line.lasted) == (0, duration(line.seconds))
    # It goes on after three hours, waits again an hour later, goes on after another one, and ends an hour later.
    run_id, now, b = told["run_id"], now_us(), Act(task="b", step="b", act="parked", attempt=0)
    here.store.write(KeepActs(run_id=run_id, acts=[b], time=now + 3 * HOUR))
    here.store.write(EndPipelineRun(run_id=run_id, outcome="waiting", sentence="", time=now + 4 * HOUR))
    b = Act(task="b", step="b", act="finished", attempt=1)
    here.store.write(KeepActs(run_id=run_id, acts=[b], time=now + 5 * HOUR))
    here.store.write(EndPipelineRun(run_id=run_id, outcome="done", sentence="", time=now + 6 * HOUR))
    again = ReopenRun(run_id=run_id, host="elsewhere", pid=1)
    here.store.write(again, EndRun(run_id=run_id, status="finished", ended=now + 6 * HOUR))
    (line,) = sheet.of_folder(here.store, pipeline.folder)
    assert (round(line.waited / 3600, 1), round(line.seconds / 3600, 1)) == (4, 2)
    assert line.lasted == "2 h, waited 4 h for approval"
    assert "in 2 h, waited 4 h for approval" in sheet.to_text(sheet.page(here.store, pipeline.folder))


def test_what_a_person_rejects_is_left_out_and_told(pipeline: Pipeline) -> None:
    pipeline.makes("a").makes("b", reads="a").operate("steps: {b: {approval: {}}}")
    told = pipeline.run()
    assert approve(pipeline, told["run_id"], dict(os.environ), "reject") == 0
    done = pipeline.run(told["run_id"], command="resume")
    assert (done["outcome"], done["status"], stand(done)["b"]) == ("rejected", 30, "excluded")
    assert "not good enough" in done["sentence"]


def test_a_person_is_asked_again_only_when_something_behind_it_is_to_be_executed(pipeline: Pipeline) -> None:
    pipeline.makes("a").makes("b", reads="a").makes("c", reads="b").makes("d", reads="a")
    pipeline.operate("steps: {b: {approval: {}}}")
    told = pipeline.run()
    assert approve(pipeline, told["run_id"], dict(os.environ)) == 0
    assert pipeline.run(told["run_id"], command="resume")["outcome"] == "done"
    assert _planned(pipeline) == dict.fromkeys("abcd", "skip")
    assert pipeline.run()["outcome"] == "unchanged"
    pipeline.makes("d", "2", reads="a")
    assert _planned(pipeline) == {"a": "skip", "b": "skip", "c": "skip", "d": "run"}
    assert pipeline.run()["outcome"] == "done"
    # What was not changed itself still decides about what comes behind it.
    pipeline.makes("c", "2", reads="b")
    assert _planned(pipeline) == {"a": "skip", "b": "perhaps", "c": "perhaps", "d": "skip"}
    told = pipeline.run()
    assert stand(told) == {"a": "unchanged", "b": "parked", "c": "waiting", "d": "unchanged"}
    assert approve(pipeline, told["run_id"], dict(os.environ)) == 0
    done = pipeline.run(told["run_id"], command="resume")
    assert (done["outcome"], stand(done)["b"], stand(done)["c"]) == ("done", "unchanged", "finished")


def _planned(pipeline: Pipeline) -> dict[str, str]:
    shown = subprocess.run(
        [*NBOPS, "pipeline", "plan", str(pipeline.folder), "--json"], capture_output=True, text=True, check=True
    )
    return {one["task"]: one["verdict"] for one in json.loads(shown.stdout)["tasks"]}


def test_a_tick_goes_on_with_what_was_decided_and_leaves_out_what_has_expired(
    pipeline: Pipeline, here: Workspace
) -> None:
    pipeline.makes("a").makes("b", reads="a", more="day: int = 1").operate("steps: {b: {approval: {}}}")
    first = pipeline.run()["run_id"]
    tick = [*NBOPS, "schedule", "tick", "--json"]
    assert subprocess.run(tick, cwd=pipeline.folder, capture_output=True, check=False).returncode == 0
    assert here.store.read("select outcome from pipeline_runs where run_id = ?", [first]).rows == [["waiting"]]
    assert approve(pipeline, first, dict(os.environ)) == 0
    pipeline.operate("steps: {b: {approval: {expires: 0.001 s}}}")
    second = pipeline.run("-p", "day", 2)["run_id"]
    done = subprocess.run(tick, cwd=pipeline.folder, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["resumed"] == {first: 0, second: 30}
    outcomes = "select outcome, sentence from pipeline_runs where run_id in (?, ?) order by start_time"
    (went, _), (left, why) = here.store.read(outcomes, [first, second]).rows
    assert (went, left, why.partition(" until")[0]) == ("done", "rejected", "nobody approved it")


def test_nothing_inside_a_run_can_approve(pipeline: Pipeline) -> None:
    code = "import subprocess, sys; print(subprocess.run([sys.executable, '-m', 'nbops', 'pipeline', 'approve', open('id').read(), '--reason', 'x'], capture_output=True, text=True).stderr); "  # noqa: E501 - one cell
    pipeline.makes("a").makes("b", reads="a").makes("evil", code).operate(
        "steps: {b: {approval: {}}}\nexclude: [evil.ipynb]"
    )
    told = pipeline.run()
    (pipeline.folder / "id").write_text(told["run_id"])
    pipeline.operate("steps: {b: {approval: {}}}").run()
    (found,) = pipeline.folder.parent.glob(".nbops/runs/*/evil.ipynb")
    outputs = json.loads(found.read_text())["cells"][-2]["outputs"]
    assert "is for a person to do" in "".join(outputs[0]["text"])
    assert pipeline.run(told["run_id"], command="resume")["outcome"] == "waiting"


def approve(pipeline: Pipeline, run_id: str, environ: dict[str, str], decision: str = "approve") -> int:
    return subprocess.run(
        [*NBOPS, "pipeline", decision, run_id, "--reason", "not good enough"],
        cwd=pipeline.folder,
        env=environ,
        check=False,
    ).returncode


def test_as_many_steps_run_side_by_side_as_there_are_lanes(pipeline: Pipeline) -> None:
    # Each goes on only when all of them have begun.
    meet = "import glob, time\nend = time.time() + 60\nwhile len(glob.glob('*.begun')) < 4: time.sleep(0.05); assert time.time() < end"
    for name in "abcd":
        pipeline.makes(name, f"open('{name}.begun', 'w').close()", meet)
    assert pipeline.run("--lanes", 4)["outcome"] == "done"
