"""A step of any kind is executed as a notebook is: a run with its file's name, skipped when nothing has changed, classed when it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import nbformat
import pytest
from nbformat import v4

from nbops.errors import NotFound, ParameterError, UsageError
from nbops.execution import notebook as execution
from nbops.execution import parameters
from nbops.execution.skipping import why
from nbops.jupyter_ext import forms, verbs
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.shared import Type

SQL = """\
-- flights: in = data dir/flights.csv
-- daily: out = daily.parquet
-- start: date = 2013-01-02  -- 2013-01-01..2013-12-31
-- carrier: str = it's -- a word
create table late as select * from flights where day >= $start;
select day, count(*) as flights, $carrier as carrier from late group by day order by day;
-- metrics
select count(*) as days, sum(flights) as flights from daily
"""
SCRIPT = """\
# %% [markdown]
# # Count the days
# %% tags=["parameters"]
daily: "in" = "daily.parquet"
times: int = 2  # 1..9
# %%
import pandas as pd
import nbops

days = len(pd.read_parquet(daily))
with nbops.start_run() as run:
    run.log_metric("inside", days)
# %% tags=["metrics"]
product = days * times
"""


class Place:
    """A folder of a test's own with data, and what is executed in it."""

    def __init__(self, folder: Path, here: Workspace) -> None:
        self.folder = folder
        self.here = here
        (folder / "data dir").mkdir(parents=True)
        lines = "".join(f"2013-01-0{number % 4 + 1},{number}\n" for number in range(8))
        (folder / "data dir" / "flights.csv").write_text(f"day,delay\n{lines}")

    def write(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name

    def run(self, name: str, **given: object) -> execution.Outcome:
        return execution.execute(self.here.store, self.folder / name, parameters=given)


@pytest.fixture
def place(shared: Project, quick: None, here: Workspace, request: pytest.FixtureRequest) -> Place:
    name = "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
    return Place(shared.folder / name, here)


def test_a_sql_step_is_a_run_whose_product_and_metrics_are_there(place: Place) -> None:
    place.write("daily.sql", SQL)
    outcome = place.run("daily.sql", carrier="'; drop table late; --")
    run = place.here.run(outcome.run_id)
    assert (outcome.status, outcome.undeclared) == ("finished", ())
    assert run.metrics == {"days": 3, "flights": 6}
    assert run.params["start"] == "2013-01-02"
    assert (run.experiment, Path(str(run.info.source)).name) == ("daily", "daily.sql")
    assert outcome.notebook.name == "daily.ipynb"
    with duckdb.connect() as con:
        rows = con.execute(f"from '{place.folder}/daily.parquet'").fetchall()
    assert [row[1:] for row in rows] == [(2, "'; drop table late; --")] * 3
    shown = nbformat.read(outcome.notebook, as_version=4)
    texts = [
        output.data["text/plain"] for cell in shown.cells for output in cell.get("outputs", []) if "data" in output
    ]
    assert any("3 rows in daily.parquet" in text for text in texts)


def test_a_script_is_a_run_that_its_kernel_joins(place: Place) -> None:
    place.write("daily.sql", SQL)
    place.write("count.py", SCRIPT)
    place.run("daily.sql")
    outcome = place.run("count.py", times=3)
    run = place.here.run(outcome.run_id)
    assert (outcome.status, run.metrics) == ("finished", {"inside": 3, "product": 9})
    assert (run.experiment, outcome.notebook.name) == ("count", "count.ipynb")
    cells = nbformat.read(outcome.notebook, as_version=4).cells
    assert cells[0].source == "# Count the days"
    assert [cell.source for cell in cells if "injected-parameters" in cell.metadata.get("tags", [])] == [
        "# Parameters\ntimes = 3"
    ]


@pytest.mark.parametrize(("name", "text"), [("step.sql", SQL), ("step.py", SCRIPT)])
def test_an_unchanged_step_is_not_executed_again_and_words_do_not_count(place: Place, name: str, text: str) -> None:
    place.write("daily.sql", SQL)
    place.run("daily.sql")
    path = place.write(name, text)
    first = place.run(name)
    assert first.undeclared == ()
    words = "-- Other words.\n\n" if name.endswith("sql") else "# %% [markdown]\n# Other words.\n"
    place.write(name, words + text)
    again = place.run(name)
    assert (again.unchanged, again.run_id) == (True, first.run_id)
    assert why.of_notebook(place.here.store, path, {}).unchanged
    place.write(name, text.replace("count(*) as flights", "count(*) + 1 as flights").replace("* times", "* times + 1"))
    assert "changed" in str(why.of_notebook(place.here.store, path, {}))
    assert not place.run(name).unchanged


def test_a_step_whose_product_was_changed_is_executed_again(place: Place) -> None:
    place.write("daily.sql", SQL)
    place.run("daily.sql")
    (place.folder / "daily.parquet").write_bytes(b"cut")
    assert not place.run("daily.sql").unchanged
    (place.folder / "data dir" / "flights.csv").write_text("day,delay\n2013-01-05,1\n")
    assert not place.run("daily.sql").unchanged
    assert place.run("daily.sql").unchanged


FAILS = {
    "missing column": ("-- f: in = data dir/flights.csv\nselect\n  delai\nfrom f", "schema_change", 3),
    "missing table": ("-- words\nselect 1 from flight", "schema_change", 2),
    "missing file": ("-- words\n-- f: in = nothing.csv\nselect 1 from f", "data_access", 2),
    "missing folder": ("-- o: out = nothing/o.csv\n\nselect 1", "data_access", 3),
    "no such file": ("-- f: in = no.parquet\nselect 1", "data_access", 1),
    "conversion": ("-- f: in = data dir/flights.csv\nselect day,\n  ('x' || delay)::int\nfrom f", "dirty_rows", 3),
    "conversion into a product": (
        "-- f: in = data dir/flights.csv\n-- o: out = o.csv\nselect day,\n  ('x' || delay)::int\nfrom f", "dirty_rows", 4,
    ),
    "damaged": ("-- f: in = bad.parquet\nselect * from f", "data_access", 1),
    "dirty": ("-- f: in = bad.csv\nselect sum(a) from f", "dirty_rows", 2),
    "slip": ("select 1;\nselect nothing(1)", "code_bug", 2),
    "aggregate": ("-- f: in = data dir/flights.csv\nselect day, count(*) from f", "code_bug", 2),
}  # fmt: skip


@pytest.mark.parametrize("what", FAILS)
def test_a_sql_step_that_fails_tells_class_file_and_line(place: Place, what: str) -> None:
    text, wanted, line = FAILS[what]
    (place.folder / "bad.parquet").write_text("this is no parquet")
    (place.folder / "bad.csv").write_text("a\n" + "1\n" * 30000 + "x\n")
    place.write("step.sql", text)
    outcome = place.run("step.sql")
    assert (outcome.status, outcome.failure_class) == ("failed", wanted), outcome.cause
    assert str(outcome.cause).endswith(f"(step.sql, line {line})")


@pytest.mark.parametrize(
    ("source", "wanted", "line"),
    [
        ("def f():\n    return {}['a']\n\n\nf()", "code_bug", 8),
        ("open('nothing.csv')", "data_access", 7),
        ("import pandas as pd\n\npd.DataFrame({'a': [1]})['b']", "schema_change", 9),
        ("a = = 1", "code_bug", 7),
    ],
)
def test_a_script_that_fails_tells_class_file_and_line(place: Place, source: str, wanted: str, line: int) -> None:
    place.write("step.py", f'# %% tags=["parameters"]\nn: int = 1\n\n# %% [markdown]\n# words\n# %%\n{source}\n')
    outcome = place.run("step.py", n=2)
    assert (outcome.status, outcome.failure_class) == ("failed", wanted), outcome.cause
    assert str(outcome.cause).endswith(f"(step.py, line {line})")


def test_nothing_begins_for_what_is_no_step(place: Place) -> None:
    count = "select count(*) from core.runs"
    before = place.here.store.read(count).rows
    place.write("step.py", "print(1)\n")
    place.write("step.sql", "select from")
    for name in ("step.py", "step.sql"):
        with pytest.raises(UsageError):
            place.run(name)
    with pytest.raises(NotFound) as caught:
        place.run("stp.sql")
    assert caught.value.hint == "Did you mean 'step.sql'?"
    place.write("step.sql", SQL)
    with pytest.raises(ParameterError):
        place.run("step.sql", start="2014-01-01")
    assert place.here.store.read(count).rows == before


def test_two_processes_write_one_product_whole(place: Place) -> None:
    path = place.write("daily.sql", SQL)
    command = [sys.executable, "-m", "nbops", "run", str(path), "--force", "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert [one["status"] for one in told] == ["finished", "finished"]
    assert {item.name for item in place.folder.iterdir()} == {"daily.sql", "daily.parquet", "data dir"}
    with duckdb.connect() as con:
        assert len(con.execute(f"from '{place.folder}/daily.parquet'").fetchall()) == 3


def test_the_command_line_takes_each_kind(place: Place, typed: Type) -> None:
    path = place.write("daily.sql", SQL)
    assert "2013-01-01..2013-12-31" in typed("run", path, "--help-notebook").out
    done = typed("run", path, "-p", "start", "2013-01-03", "--json").told
    assert done["status"] == "finished"
    assert typed("run", path, "-p", "start", "2013-01-03", "--detailed-exit-code").status == 12
    assert "would not be executed" in typed("runs", "why", path, "-p", "start", "2013-01-03").out
    refused = typed("params", "tag", place.write("count.py", SCRIPT), "--write")
    assert refused.status == 64
    assert "only the cells of notebooks are tagged" in refused.err
    assert typed("-C", place.here.settings.project, "runs", "show", done["run_id"]).out.count("daily.sql") == 1


def test_a_sweep_takes_each_kind(place: Place, typed: Type) -> None:
    path = place.write("daily.sql", SQL)
    assert typed("sweep", path, "--grid", "start", "2013-01-02,2013-01-04", "--lanes", 1).status == 0
    query = "select m.value from metrics m join runs r using (run_id) where r.source = ? and m.key = 'days' order by 1"
    source = path.relative_to(place.here.settings.project).as_posix()
    assert place.here.store.read(query, [source]).rows == [[1.0], [3.0]]


def test_jupyterlabs_dialog_takes_each_kind(place: Place) -> None:
    place.write("daily.sql", SQL)
    place.write("bare.py", "# %%\nn = 1\n# %%\nprint(n)\n")
    for name, names in (("daily.sql", ["flights", "daily", "start", "carrier"]), ("bare.py", [])):
        asked = verbs.Asked(root=verbs.Root(str(place.folder)), query={}, body=verbs.Order(name))
        told: Any = forms.form(asked)
        assert [field.name for field in told["parameters"]] == names
        assert told["proposal"] is None
        assert forms.check(asked)["problems"] == []


# Other languages


@pytest.mark.parametrize(
    ("language", "line", "wanted"),
    [
        ("bash", 'flights="../data/f.csv"  # in', ("flights", "../data/f.csv", "in", "")),
        ("bash", "export flights=../data/f.csv # in, as it came", ("flights", "../data/f.csv", "in", "as it came")),
        ("bash", "f='$x' # in", ("f", "$x", "in", "")),
        ("bash", 'f="$HOME/x" # in', ("f", parameters.Expression('"$HOME/x"'), "in", "")),
        ("bash", "f=~/x # out", ("f", parameters.Expression("~/x"), "out", "")),
        ("R", 'model <- "m.rds"  # out', ("model", "m.rds", "out", "")),
        ("R", "model = paste0('a')  # out", None),
        ("R", "model = other  # out", ("model", parameters.Expression("other"), "out", "")),
        ("javascript", 'const x = "a b.csv"; // in', ("x", "a b.csv", "in", "")),
        ("julia", 'x = "it\'s \\"y\\"" # in', ("x", 'it\'s "y"', "in", "")),
        ("sql", "set x 'a.csv' -- in", ("x", "a.csv", "in", "")),
        ("R", "n <- 3 # index of it", None),
        ("R", "n <- 3 # within", None),
        ("R", "# x = 'a' # in", None),
    ],
)
def test_a_line_of_another_language_says_what_is_read_and_written(language: str, line: str, wanted: object) -> None:
    cell = v4.new_code_cell(f"# words\n{line}", metadata={"tags": ["parameters"]})
    interface = parameters.read(v4.new_notebook(cells=[cell]), language, "step.ipynb")
    told = [(one.name, one.default, one.direction, one.help) for one in interface.parameters]
    assert told == ([wanted] if wanted else [])
    assert interface.open
    assert parameters.resolve(interface, {"anything": 1}) == {"anything": 1}


@pytest.fixture
def bash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel of bash: its wheel has no specification of it."""
    pytest.importorskip("bash_kernel", reason="bash_kernel is not installed")
    folder = tmp_path / "jupyter" / "kernels" / "bash"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Bash", "language": "bash"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))


def shell(place: Place, name: str, settings: str, *cells: str) -> None:
    made = [v4.new_code_cell(settings, metadata={"tags": ["parameters"]}), *map(v4.new_code_cell, cells)]
    kernel = {"name": "bash", "display_name": "Bash", "language": "bash"}
    node = v4.new_notebook(cells=made, metadata={"kernelspec": kernel, "language_info": {"name": "bash"}})
    nbformat.write(node, place.folder / name)


def test_a_notebook_of_bash_declares_logs_and_is_skipped(place: Place, bash: None) -> None:
    settings = 'flights="data dir/flights.csv"  # in\ncounted=counted.txt  # out\ntimes=1'
    nbops = f"{sys.executable} -m nbops"
    work = (
        f'set -e\nwc -l < "$flights" > "$counted"\n{nbops} log metric lines $(cat "$counted")\n'
        f"{nbops} log metric curve -0.5 --step 3; {nbops} log metric curve 1e-3 --step 4\n"
        f'{nbops} log param depth 7; {nbops} log param code x7\n{nbops} log artifact "$counted" --path made/counted.txt\n'
        f"{nbops} log tag team=crew seen\n{nbops} log metric lines many || echo refused $times"
    )
    shell(place, "count.ipynb", settings, work)
    outcome = place.run("count.ipynb", times=3)
    run = place.here.run(outcome.run_id)
    assert outcome.status == "finished", outcome.cause
    assert run.metrics == {"lines": 9, "curve": 0.001}
    assert run.metric_history("curve")["step"].tolist() == [3, 4]
    assert (run.params["depth"], run.params["code"], run.params["flights"]) == (7, "x7", "data dir/flights.csv")
    assert (run.tags["team"], run.tags["seen"]) == ("crew", "true")
    assert run.load_artifact("made/counted.txt").strip() == b"9"
    assert "refused 3" in outcome.notebook.read_text()
    assert place.run("count.ipynb", times=3).unchanged
    (place.folder / "data dir" / "flights.csv").write_text("day\n")
    assert not place.run("count.ipynb", times=3).unchanged


def test_a_notebook_of_bash_that_only_reads_is_executed_each_time(place: Place, bash: None) -> None:
    shell(place, "count.ipynb", 'flights="data dir/flights.csv"  # in', "true")
    assert [place.run("count.ipynb").unchanged for _ in range(2)] == [False, False]


def test_what_is_logged_outside_of_a_notebook_is_refused(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NBOPS_RUN", raising=False)
    answer = typed("log", "metric", "a", "1")
    assert answer.status == 64
    assert "There is no run to log to" in answer.err


def test_a_run_that_nobody_knows_is_told(typed: Type, monkeypatch: pytest.MonkeyPatch, here: Workspace) -> None:
    monkeypatch.setenv("NBOPS_RUN", "01a203a9-b2ca-7143-b4f7-d8ee7461c763@1")
    answer: Any = typed("-C", here.settings.project, "log", "tag", "a=b")
    assert answer.status != 0
    assert "There is no run" in answer.err
