"""A sweep executes a notebook at many points: all is checked first, each point is a run, and what fails stops nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import v4

import nbops
from nbops.errors import NotFound, UsageError
from nbops.execution import live
from nbops.execution import notebook as execution
from nbops.execution.sweeps import hopeless, samplers
from nbops.store.wire import Table
from nbops.workspace._workspace import Workspace
from tests.conftest import wait_until
from tests.shared import Type

pytestmark = pytest.mark.usefixtures("quick")

NBOPS = [sys.executable, "-m", "nbops"]


def write(path: Path, *cells: str, metrics: str = "mae = alpha") -> Path:
    """A notebook: the first cell has the parameters, the last one the metrics."""
    first, *rest = cells
    made = [v4.new_code_cell(first, metadata={"tags": ["parameters"]}), *map(v4.new_code_cell, rest)]
    made.append(v4.new_code_cell(metrics, metadata={"tags": ["metrics"]}))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(v4.new_notebook(cells=made), path)
    return path


def sweep(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NBOPS, "sweep", *map(str, words)], capture_output=True, text=True, timeout=240, check=False, **options
    )


def told(*words: object, **options: Any) -> dict[str, Any]:
    done = sweep(*words, "--json", **options)
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"error": done.stderr}
    return found


@pytest.fixture(autouse=True)
def begun(here: Workspace) -> None:
    """The project is there, so that notebooks in its folders belong to it."""
    here.store.hello()


@pytest.fixture
def plain(here: Workspace, request: pytest.FixtureRequest) -> Path:
    """A notebook with a number and a whole number."""
    return write(here.project / request.node.name[:60] / "plain.ipynb", "alpha = 1.0  # 0..1000\ndepth = 3\nkind = 'a'")


# Points


def test_a_grid_runs_every_combination_as_children_of_one_run(here: Workspace, plain: Path) -> None:
    found = told(plain, "--grid", "alpha", "0.5,1,10", "--grid", "depth", "3,5", "-p", "kind", "b", "--lanes", 2)
    rows = here.search_runs(filter=f"parent_run_id = '{found['sweep_id']}'")
    expected = {(alpha, depth, "b") for alpha in (0.5, 1.0, 10.0) for depth in (3, 5)}
    assert {tuple(row) for row in rows[["params.alpha", "params.depth", "params.kind"]].to_numpy()} == expected
    assert set(rows["status"]) == {"finished"}
    assert rows.set_index("name")["params.alpha"].to_dict()["alpha=0.5 depth=3"] == 0.5
    parent = here.run(found["sweep_id"])
    assert (parent.status, parent.experiment, parent.params) == ("finished", "plain", {"kind": "b"})
    assert [point["name"] for point in found["points"]][:2] == ["alpha=0.5 depth=3", "alpha=0.5 depth=5"]


def test_a_point_that_fails_stops_no_other_and_gives_the_exit_status(here: Workspace) -> None:
    notebook = write(here.project / "fails.ipynb", "alpha = 1.0", "if alpha == 2: raise ValueError('two')")
    done = sweep(notebook, "--grid", "alpha", "1,2,3", "--output", here.project / "executed")
    assert done.returncode == 25
    assert "failed: alpha=2: ValueError: two" in done.stdout
    assert "2 finished, 1 failed" in done.stdout
    assert sorted(path.name for path in (here.project / "executed").iterdir()) == [
        f"fails-{n}.ipynb" for n in (1, 2, 3)
    ]
    executed = nbformat.read(here.project / "executed" / "fails-2.ipynb", as_version=4)
    assert executed.metadata.papermill.parameters == {"alpha": 2.0}
    assert executed.metadata.papermill.input_path == str(notebook)


def test_points_that_are_asked_for_twice_run_once(plain: Path, typed: Type) -> None:
    found = typed("sweep", plain, "--grid", "alpha", "1,1.0,2", "--json").told
    assert (len(found["points"]), found["dropped"]) == (2, 1)


def test_the_best_point_is_told_by_the_metric(plain: Path, typed: Type) -> None:
    found = typed("sweep", plain, "--grid", "alpha", "3,1,2", "--metric", "mae", "--maximize", "--json").told
    best = next(point for point in found["points"] if point["run_id"] == found["best"])
    assert (best["name"], best["value"]) == ("alpha=3", 3.0)


# Stopping


def test_ctrl_c_stops_what_runs_and_resume_runs_exactly_what_is_missing(here: Workspace) -> None:
    notebook = write(here.project / "stopped" / "slow.ipynb", "alpha = 1.0", "import time, pathlib\n"
                     "pathlib.Path('begun').touch() if alpha > 10 else None\n"
                     "time.sleep(60 if alpha > 10 and not pathlib.Path('quick').exists() else 0)")  # fmt: skip
    process = subprocess.Popen(
        [*NBOPS, "sweep", str(notebook), "--grid", "alpha", "1,2,30,3", "--lanes", "1"], stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    wait_until((notebook.parent / "begun").exists, 60)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "2 finished, 1 stopped, 1 never begun: interrupted by SIGINT" in said
    sweep_id = said.split("--resume ")[1].split()[0]
    before = here.search_runs("slow", filter="status = 'finished'")["run_id"].tolist()
    stopped = here.search_runs("slow", filter="status = 'stopped' and name = 'alpha=30'")
    assert stopped["cause"].tolist() == ["interrupted by SIGINT"]
    assert here.run(sweep_id).status == "stopped"
    (notebook.parent / "quick").touch()
    found = told("--resume", sweep_id, cwd=here.project)
    assert [point["status"] for point in found["points"]] == ["finished"] * 4
    assert found["kept"] == 2
    assert here.run(sweep_id).status == "finished"
    after = here.search_runs("slow", filter="status = 'finished' and name != 'sweep alpha'")
    assert sorted(after["name"]) == ["alpha=1", "alpha=2", "alpha=3", "alpha=30"]
    assert set(before) <= set(after["run_id"])


# From Python


@pytest.fixture
def inside(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder, which is the current one."""
    monkeypatch.chdir(here.project)
    return here.project


def test_python_gets_a_handle_with_the_best_run_and_all_runs(here: Workspace, plain: Path, inside: Path) -> None:
    made = nbops.sweep(plain, {"alpha": np.array([3.0, 0.5]), "depth": pd.Series([1, 2])}, metric="mae", better="lower")
    assert made.runs["name"].tolist() == [f"alpha={alpha} depth={depth}" for alpha in ("3", "0.5") for depth in (1, 2)]
    assert made.runs["params.depth"].dtype == np.int64
    assert made.best().params["alpha"] == 0.5
    assert made.best("mae", "higher").params["alpha"] == 3.0
    assert len(made.failed) == 0
    again = nbops.load_sweep(made.id)
    assert (again.run_id, again.status) == (made.run_id, "finished")
    assert "alpha" in again._repr_html_()
    assert "4 points, 4 done" in str(again)


def test_the_best_run_of_a_sweep_becomes_a_version(here: Workspace, inside: Path) -> None:
    train = """
import nbops, pandas as pd
from sklearn.linear_model import Ridge
rows = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
run = nbops.start_run()
run.log_input(rows, "train")
run.log_model(Ridge(alpha=alpha).fit(rows, rows.x), input_example=rows)
"""
    notebook = write(here.project / "trained.ipynb", "alpha = 1.0", train)
    made = nbops.sweep(notebook, {"alpha": [3.0, 0.5]}, metric="mae", better="lower")
    version = nbops.register_model(made.best(), "swept")
    assert (version.run_id, version.run_status) == (made.best().run_id, "finished")
    assert nbops.load_model("swept").estimator.alpha == 0.5
    worse = nbops.register_model(made.best("mae", "higher"), "swept")
    assert (worse.version, nbops.load_model("swept/2").estimator.alpha) == (2, 3.0)
    origin = version.manifest.origin
    assert origin is not None
    assert (origin.source, origin.source_sha256) == ("trained.ipynb", hashlib.sha256(notebook.read_bytes()).hexdigest())
    assert (
        nbops.sql("select name, rows from version_inputs where model = 'swept'").to_numpy().tolist()
        == [["train", 3]] * 2
    )


def test_the_direction_of_a_metric_is_known_from_the_project(here: Workspace, plain: Path, inside: Path) -> None:
    made = nbops.sweep(plain, {"alpha": [1, 2]})
    with pytest.raises(UsageError, match="not known"):
        made.best("mae")
    with pytest.raises(UsageError, match="has no metric"):
        made.best()
    nbops.define_metric("mae", better="higher")
    assert made.best("mae").params["alpha"] == 2.0
    with pytest.raises(NotFound, match="has the metric 'rmse'"):
        made.best("rmse", "lower")
    with pytest.raises(NotFound, match="is no sweep"):
        nbops.load_sweep(made.best("mae").id)


def test_a_folder_that_is_not_there_is_told_before_anything_runs(here: Workspace, plain: Path, inside: Path) -> None:
    before = len(nbops.search_runs())
    with pytest.raises(NotFound, match="no folder"):
        nbops.sweep(plain, {"alpha": [1, 2]}, cwd=inside / "nowhere")
    with pytest.raises(NotFound, match="no folder"):
        execution.execute(here.store, plain, cwd=inside / "nowhere")
    assert len(nbops.search_runs()) == before


def test_values_of_any_kind_reach_the_notebook_as_they_are(here: Workspace, inside: Path) -> None:
    kinds = [
        np.float32(0.5),
        pd.Timestamp("2013-02-01", tz="Europe/Paris"),
        date(2013, 2, 1),
        Path("a/b"),
        [1, (2,)],
        None,
    ]
    notebook = write(
        inside / "kinds.ipynb", "value = None", "said = repr(value)\nprint(said)", metrics="mae = len(said)"
    )
    made = nbops.sweep(notebook, points=[{"value": value} for value in kinds], lanes=2)
    printed = [
        nbformat.read(execution.executed(here.store, run_id), as_version=4).cells[-2].outputs[0].text.strip()
        for run_id in made.runs["run_id"]
    ]
    assert printed == [repr(value) for value in kinds]


def test_a_notebook_can_sweep_another_one_which_becomes_a_part_of_its_run(here: Workspace, plain: Path) -> None:
    code = f"import nbops\nmade = nbops.sweep({str(plain)!r}, {{'alpha': [1, 2]}}, metric='mae', better='lower')\nprint(made.id)"
    outer = write(here.project / "outer.ipynb", "alpha = 1", code, metrics="best = made.best().metrics['mae']")
    outcome = execution.execute(here.store, outer)
    assert outcome.status == "finished", outcome.cause
    assert here.run(outcome.run_id).metrics == {"best": 1.0}
    inner = here.search_runs(filter=f"parent_run_id = '{outcome.run_id}'")
    assert inner["name"].tolist() == ["sweep alpha"]
    shown = [
        output for cell in nbformat.read(outcome.notebook, as_version=4).cells for output in cell.get("outputs", [])
    ]
    last = next(output.data["text/plain"] for output in shown if output.output_type == "display_data")
    assert "2 finished" in last


def test_code_of_a_points_notebook_may_log_to_the_points_run_without_the_notebook_saying_so(here: Workspace) -> None:
    notebook = write(here.project / "quiet.ipynb", "alpha = 1", "import training\ntraining.fit(alpha)")
    (here.project / "training.py").write_text(
        "import nbops\ndef fit(alpha):\n    nbops.start_run('tuning').log_metric('loss', alpha / 2)\n"
    )
    made = nbops.sweep(notebook, {"alpha": [1, 2]}, metric="loss", better="lower")
    assert made.best().metrics == {"loss": 0.5, "mae": 1.0}
    assert [here.run(run_id).experiment for run_id in made.runs["run_id"]] == ["tuning", "tuning"]


# What is refused


REFUSED = {
    "unknown parameter": (["--grid", "alhpa", "1"], "Did you mean 'alpha'"),
    "wrong type": (["--grid", "depth", "1,two"], "'two'"),
    "out of range": (["--grid", "alpha", "1,1001"], "0..1000"),
    "empty grid": (["--grid", "alpha", ""], "no values for 'alpha'"),
    "nothing": ([], "Nothing is varied"),
    "two kinds": (["--grid", "alpha", "1", "--random", "3", "--range", "alpha", "1..2"], "a grid and ranges"),
    "fixed and varied": (["--grid", "alpha", "1", "-p", "alpha", "2"], "both fixed and varied"),
    "a range of words": (["--random", "3", "--range", "kind", "1..2"], "takes no numbers"),
    "a range that is empty": (["--random", "3", "--range", "alpha", "2..1"], "is empty"),
    "a range without a logarithm": (["--random", "3", "--range", "alpha", "0..1:log"], "no logarithm"),
    "a range that leaves the parameter's": (["--random", "3", "--range", "alpha", "1..2000"], "0..1000"),
    "an unknown sampler": (["--sampler", "randon", "--most", "3", "--range", "alpha", "1..2"], "Did you mean 'random'"),
    "a sampler without an end": (["--sampler", "random", "--range", "alpha", "1..2"], "--most"),
    "a metric without direction": (["--grid", "alpha", "1", "--metric", "undefined"], "--minimize"),
    "hopeless without a metric": (["--grid", "alpha", "1", "--stop-hopeless"], "--metric"),
    "both directions": (["--grid", "alpha", "1", "--metric", "mae", "--minimize", "--maximize"], "contradict"),
    "half a range": (["--random", "3", "--range", "alpha", "1.."], "no range"),
    "a folder that cannot be": (["--grid", "alpha", "1", "--output", "/proc/x"], "cannot be written"),
    "varied twice": (["--grid", "alpha", "1", "--grid", "alpha", "2"], "varied twice"),
    "too many": (["--grid", "alpha", ",".join(["1"] * 400), "--grid", "depth", ",".join(["1"] * 400)], "160,000"),
}


@pytest.mark.parametrize(("words", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_carried_out_is_refused_before_anything_runs(
    here: Workspace, typed: Type, words: list[str], expected: str
) -> None:
    notebook = write(here.project / "refused.ipynb", "alpha = 1.0  # 0..1000\ndepth = 3\nkind = 'a'")
    done = typed("sweep", notebook, *words)
    assert (done.status, expected in done.err) == (64, True), done.err
    assert here.sql("select 1 from runs where experiment = 'refused'").empty


FILES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "a.csv": ("alpha,depth\n0.5,3\n\n7,\n", [{"alpha": 0.5, "depth": 3}, {"alpha": 7.0, "depth": 3}]),
    "a.json": ('[{"alpha": 0.5}, {"alpha": 7, "depth": 9}]', [{"alpha": 0.5, "depth": 3}, {"alpha": 7.0, "depth": 9}]),
    "a.yaml": ("- {alpha: 0.5}\n- alpha: 7\n  kind: no\n".replace("no", "b"), [{"kind": "a"}, {"kind": "b"}]),
}


@pytest.mark.parametrize("name", FILES)
def test_points_come_from_a_file(here: Workspace, plain: Path, typed: Type, name: str) -> None:
    text, expected = FILES[name]
    (plain.parent / name).write_text(text)
    found = typed("sweep", plain, "--points", plain.parent / name, "--json").told
    params = [here.run(point["run_id"]).params for point in found["points"]]
    assert [{key: row[key] for key in wanted} for row, wanted in zip(params, expected, strict=True)] == expected


BROKEN = {
    "a.csv": ("alpha,depth\n0.5,3\n7\n", "a.csv, line 3: 1 cells under 2 names"),
    "b.csv": ("alpha\n0.5\n1001\n", "b.csv, line 3: Parameter 'alpha'"),
    "c.csv": ("alpha,alpha\n1,2\n", "c.csv, line 1: the heading"),
    "a.json": ('[{"alpha": 0.5},\n {"alpha" 1}]', "a.json, line 2"),
    "b.json": ("{}", "there is no list"),
    "a.yaml": ("- alpha: 1\n- 3\n", "a.yaml: item 2 is no mapping"),
    "b.yaml": ("- alpha: 1\n- [", "b.yaml, line 2"),
    "d.csv": ("alpha\n", "no points"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_told_with_its_line(plain: Path, typed: Type, name: str) -> None:
    text, expected = BROKEN[name]
    (plain.parent / name).write_text(text)
    done = typed("sweep", plain, "--points", plain.parent / name)
    assert (done.status, expected in done.err) == (64, True), done.err


# Samplers


def test_random_points_lie_in_their_ranges_and_are_the_same_for_the_same_seed(plain: Path, inside: Path) -> None:
    space = {"alpha": "0.001..10:log", "depth": (3, 5), "kind": ["a", "b"]}
    drawn = [nbops.sweep(plain, ranges=space, random=8, seed=seed, lanes=2).runs for seed in (7, 7, 8)]
    params = [frame[["params.alpha", "params.depth", "params.kind"]].to_numpy().tolist() for frame in drawn]
    assert params[0] == params[1] != params[2]
    alphas = [alpha for alpha, _, _ in params[0] + params[2]]
    assert all(0.001 <= alpha <= 10 for alpha in alphas)
    assert sum(alpha < 0.1 for alpha in alphas) > 3
    assert {depth for _, depth, _ in params[0] + params[2]} == {3, 4, 5}
    assert {kind for _, _, kind in params[0]} == {"a", "b"}


@given(
    low=st.integers(-50, 50), width=st.integers(1, 50), whole=st.booleans(), seed=st.integers(0, 1000), log=st.booleans()
)  # fmt: skip
def test_what_is_drawn_lies_in_its_range(low: int, width: int, whole: bool, seed: int, log: bool) -> None:
    low = abs(low) + 1 if log else low
    drawn = samplers.Random({"x": samplers.Range(low=low, high=low + width, whole=whole, log=log)}, None, seed).ask()[
        "x"
    ]
    assert isinstance(drawn, int if whole else float)
    assert low <= drawn <= low + width


def test_a_random_sweep_is_resumed_with_the_points_that_it_would_have_drawn(here: Workspace) -> None:
    whole = samplers.Random({"x": samplers.Range(low=0, high=1)}, None, 3)
    expected = [whole.ask() for _ in range(6)]
    resumed = samplers.Random({"x": samplers.Range(low=0, high=1)}, None, 3)
    for number in (2, 0, 1):
        resumed.tell(number, expected[number], 0.0)
    assert [resumed.ask() for _ in range(3)] == expected[3:]


def test_a_sampler_of_ones_own_is_found_by_name_and_learns(here: Workspace, plain: Path, tmp_path: Path) -> None:
    (tmp_path / "bisecting.py").write_text(
        "class Bisecting:\n"
        "    def __init__(self, space, better, seed):\n"
        "        self.low, self.high = space['alpha'].low, space['alpha'].high\n"
        "    def ask(self):\n"
        "        middle = (self.low + self.high) / 2\n"
        "        return {'alpha': middle} if self.high - self.low > 100 else None\n"
        "    def tell(self, number, values, result):\n"
        "        print('told', number, result)\n"
        "        self.low, self.high = (values['alpha'], self.high) if result < 700 else (self.low, values['alpha'])\n"
        "    def hopeless(self, number, step, value):\n"
        "        return False\n"
    )
    folder = tmp_path / "bisecting-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: bisecting\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[nbops.samplers]\nbisecting = bisecting:Bisecting\n")
    words = ["--sampler", "bisecting", "--most", "40", "--range", "alpha", "0..1000", "--metric", "mae", "--minimize"]
    done = sweep(plain, *words, "--lanes", "1", "--json", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    values = [point["value"] for point in json.loads(done.stdout.splitlines()[-1])["points"]]
    assert values == [500, 750, 625, 687.5]


def test_optuna_learns_where_the_best_points_are(here: Workspace, inside: Path) -> None:
    pytest.importorskip("optuna", reason="optuna is an extra")
    notebook = write(
        inside / "valley.ipynb", "x = 1.0\nn: int = 3\nkind = 'a'", metrics="loss = (x - 2) ** 2 + n + (kind == 'a')"
    )
    made = nbops.sweep(
        notebook, ranges={"x": (-10.0, 10.0), "n": "1..100:log", "kind": ["a", "b"]}, sampler="optuna", most=25, seed=1,
        metric="loss", better="lower", lanes=2,
    )  # fmt: skip
    losses = made.runs["metrics.loss"]
    assert len(losses) == 25
    assert losses[15:].median() < losses[:10].median()
    assert set(made.runs["params.n"].map(type)) == {int}


def test_optuna_goes_on_from_what_an_earlier_part_has_found(here: Workspace) -> None:
    pytest.importorskip("optuna", reason="optuna is an extra")
    space: samplers.Space = {"x": samplers.Range(low=0, high=1), "kind": samplers.Choices(("a", None))}
    study = samplers.find("optuna")(space, "higher", 1)
    for number in range(3):
        study.tell(number, {"x": number / 3, "kind": None}, float(number))
    study.tell(3, {"x": 0.5, "kind": "a"}, None)
    point = study.ask()
    assert point is not None
    assert set(point) == {"x", "kind"}
    assert study.hopeless(4, 1, 0.5) is False
    study.tell(4, point, 0.1)


STEPS = """
import nbops, time
run = nbops.start_run()
for step in range(300 if alpha > 10 else 3):
    run.log_metric("loss", alpha + 1 / (step + 1), step=step)
    run.flush()
    time.sleep(0.2 if alpha > 10 else 0)
"""


def test_a_point_without_hope_is_stopped_and_counts_as_done(here: Workspace, inside: Path) -> None:
    notebook = write(inside / "steps.ipynb", "alpha = 1.0", STEPS, metrics="done = 1")
    began = time.monotonic()
    made = nbops.sweep(
        notebook, {"alpha": [1, 2, 3, 4, 5, 50]}, lanes=1, metric="loss", better="lower", stop_hopeless=True
    )
    assert time.monotonic() - began < 40
    assert made.runs["status"].tolist() == ["finished"] * 5 + ["stopped"]
    cause = made.runs["cause"].tolist()[-1]
    assert re.fullmatch(r"stopped: hopeless at step \d+ \(loss 5\S+, median \S+\)", cause), cause
    assert (made.status, len(made.failed), made.best().params["alpha"]) == ("finished", 0, 1.0)
    made.resume()
    assert len(made.runs) == 6


@given(st.lists(st.floats(0, 100), min_size=3, max_size=3))
def test_a_point_that_is_not_worse_than_the_median_goes_on(values: list[float]) -> None:
    rows: list[tuple[str, int, float]] = [(f"r{n}", step, float(n)) for n in range(5) for step in range(3)]
    rows += [("mine", step, value) for step, value in enumerate(values)]
    watch = hopeless.Watch(_Rows(rows), "loss", "lower", sampler=None, median=True)  # type: ignore[arg-type]  # a store's `read`
    for n in range(5):
        watch.finished(f"r{n}", n)
    found = watch.look({"mine": 9})
    worse = [step for step in range(3) if min(values[: step + 1]) > 2]
    assert bool(found) == bool(worse)
    if worse:
        assert f"at step {worse[0]} " in found[9]


class _Rows:
    """A store that has these points of a metric."""

    def __init__(self, rows: list[tuple[str, int, float]]) -> None:
        self._rows = rows

    def read(self, _: str, values: list[Any]) -> Table:
        return Table(columns=[], rows=[list(row) for row in self._rows if row[0] in values[0]], truncated=False)


def test_secrets_reach_every_point_and_no_file(here: Workspace, monkeypatch: pytest.MonkeyPatch, inside: Path) -> None:
    notebook = write(
        inside / "secret.ipynb",
        'token: "secret" = "secret://crew"\nalpha = 1.0',
        "print(token, alpha)",
        metrics="mae = len(token)",
    )
    (inside / "nbops.toml").write_text('[secrets.allow]\n"secret.ipynb" = ["crew"]\n')
    monkeypatch.setenv("NBOPS_SECRET_CREW", "correct horse battery")
    made = nbops.sweep(notebook, {"alpha": [1, 2]}, lanes=2)
    assert made.runs["metrics.mae"].tolist() == [21.0, 21.0]
    kept = [path for path in here.store.places.folder.rglob("*") if path.is_file()]
    assert [path for path in kept if b"correct horse" in path.read_bytes()] == []
    monkeypatch.delenv("NBOPS_SECRET_CREW")
    with pytest.raises(NotFound, match="crew"):
        nbops.sweep(notebook, {"alpha": [1, 2]})
    (inside / "nbops.toml").unlink()


@pytest.mark.parametrize(
    "begins",
    [
        "nbops.sweep('plain.ipynb', {'kind': [token + ' x']})",
        "nbops.sweep('plain.ipynb', {'alpha': [1]}, name='a ' + token)",
        """import subprocess, sys
words = [sys.executable, '-m', 'nbops', 'run', 'plain.ipynb', '-p', 'kind', token]
done = subprocess.run(words, capture_output=True, text=True)
assert done.returncode == 64, done
raise ParameterError(done.stderr, hint='')""",
    ],
)
def test_a_secret_is_no_value_for_what_a_notebook_begins(
    here: Workspace, monkeypatch: pytest.MonkeyPatch, inside: Path, begins: str
) -> None:
    write(inside / "plain.ipynb", "alpha = 1.0\nkind = 'a'")
    outer = write(
        inside / "outer.ipynb",
        'token: "secret" = "secret://crew"',
        f"import nbops\nfrom nbops.errors import ParameterError\n{begins}",
    )
    (inside / "nbops.toml").write_text('[secrets.allow]\n"outer.ipynb" = ["crew"]\n')
    monkeypatch.setenv("NBOPS_SECRET_CREW", "correct horse battery")
    outcome = execution.execute(nbops.open(inside).store, outer)
    assert str(outcome.cause).startswith("ParameterError")
    kept = [path for path in here.store.places.folder.rglob("*") if path.is_file()]
    assert [path for path in kept if b"correct horse" in path.read_bytes()] == []
    (inside / "nbops.toml").unlink()


def test_names_that_hold_a_secret_are_masked(here: Workspace, monkeypatch: pytest.MonkeyPatch, inside: Path) -> None:
    logs = "import nbops\nrun = nbops.start_run('exp ' + token, name='n ' + token)\nrun.log_metric('m ' + token, 1)\n"
    notebook = write(
        inside / "names.ipynb", 'token: "secret" = "secret://crew"', logs + "run.log_param('p ' + token, 1); run.set_tag('t ' + token, 1)",
        metrics="mae = 1",
    )  # fmt: skip
    (inside / "nbops.toml").write_text('[secrets.allow]\n"names.ipynb" = ["crew"]\n')
    monkeypatch.setenv("NBOPS_SECRET_CREW", "correct horse battery")
    outcome = execution.execute(nbops.open(inside).store, notebook)
    assert outcome.status == "finished", outcome.cause
    run = here.run(outcome.run_id)
    assert (run.experiment, run.name, run.metrics["m •••"], run.params["p •••"]) == ("exp •••", "n •••", 1.0, 1)
    (inside / "nbops.toml").unlink()


def test_a_frame_may_leave_cells_empty(here: Workspace, inside: Path) -> None:
    notebook = write(inside / "gaps.ipynb", "alpha: float = 0.5\ndepth: int = 3", metrics="mae = alpha + depth")
    frame = pd.DataFrame({"alpha": [1.5, np.nan], "depth": [np.nan, 2]})
    assert nbops.sweep(notebook, points=frame).runs["metrics.mae"].tolist() == [4.5, 2.5]


def test_the_folder_for_executed_notebooks_gets_those_of_earlier_runs_too(
    here: Workspace, inside: Path, tmp_path: Path
) -> None:
    notebook = write(inside / "copied.ipynb", "alpha: float = 1.0", metrics="mae = alpha")
    nbops.sweep(notebook, {"alpha": [1, 2]})
    nbops.sweep(notebook, {"alpha": [1, 2, 3]}, output=tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"copied-{n}.ipynb" for n in (1, 2, 3)]


def test_an_earlier_run_of_the_same_values_stands_for_its_point(here: Workspace, inside: Path) -> None:
    notebook = write(inside / "taken.ipynb", "alpha: float = 1.0", metrics="mae = alpha")
    earlier = execution.execute(here.store, notebook, parameters={"alpha": 2}).run_id
    made = nbops.sweep(notebook, {"alpha": [1, 2, 3]})
    assert made.runs["run_id"].tolist()[1] == earlier
    assert made.best("mae", "higher").params["alpha"] == 3.0
    again = nbops.sweep(notebook, {"alpha": [3, 2, 1]})
    assert again.runs["run_id"].tolist() == made.runs["run_id"].tolist()[::-1]
    forced = nbops.sweep(notebook, {"alpha": [1, 2, 3]}, force=True)
    assert not {*forced.runs["run_id"]} & {*made.runs["run_id"]}


def test_a_sweep_is_stopped_from_another_process_by_its_id(here: Workspace) -> None:
    notebook = write(here.project / "elsewhere.ipynb", "alpha = 1.0", "import time\ntime.sleep(60)")
    process = subprocess.Popen(
        [*NBOPS, "sweep", str(notebook), "--grid", "alpha", "1,2,3", "--lanes", "2", "--json"], stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    running = (
        "select p.run_id::varchar from runs r join runs p on p.run_id = r.parent_run_id and p.experiment = 'elsewhere'"
    )
    wait_until(lambda: len(here.store.read(running).rows) == 2, 60)
    sweep_id = here.store.read(running).rows[0][0]
    watched = subprocess.Popen(
        [*NBOPS, "runs", "show", sweep_id, "--follow"], stdout=subprocess.PIPE, text=True, cwd=here.project
    )
    assert watched.stdout is not None
    assert watched.stdout.readline() == "2 running\n"
    live.stop(here.store, sweep_id)
    assert "stopped" in watched.communicate(timeout=30)[0]
    found = json.loads(process.communicate(timeout=30)[0])
    assert (process.returncode, found["status"]) == (130, "stopped")
    assert [point["status"] for point in found["points"]] == ["stopped", "stopped"]
    assert found["unbegun"] == 1
    with pytest.raises(UsageError, match="is not being executed"):
        live.stop(here.store, found["sweep_id"])
