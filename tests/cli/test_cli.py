"""Each command as a person types it: what it prints, what it answers to a script, and how it says no."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import nbformat
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from nbformat import v4
from sklearn.linear_model import Ridge

import nbops
from nbops.errors import NotFound
from nbops.store import care
from nbops.tracking import recording, runs
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.shared import Type


@pytest.fixture
def typed(here: Workspace, typed: Type, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type a command in the project's folder."""
    monkeypatch.chdir(here.project)
    return typed


@pytest.fixture(scope="module")
def pair(here: Workspace) -> tuple[Run, Run]:
    """Two runs, the second one newer and worse."""
    with here.start_run(
        "cli", name="good", params={"depth": 8, "big": 2**80, "odd": math.nan}, tags={"team": "crm"}
    ) as good:
        good.log_metrics({"mae": 0.12345678901234566, "far": math.inf, "nan": math.nan})
        good.log_text("kept", "note")
    with here.start_run("cli", name="bad", params={"depth": 2}) as bad:
        bad.log_metric("mae", 0.5)
    return good, bad


@pytest.fixture
def own(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A project of one's own, with one run, for what would disturb others."""
    workspace = Workspace(project.settings())
    with workspace.start_run("own", params={"depth": 8}) as run:
        run.log_metric("mae", 0.5)
        run.log_text("kept", "note")
    monkeypatch.chdir(project.folder)
    yield workspace
    recording._flusher.finish()  # noqa: SLF001 - what it finds out about the run is to find the project


def shell(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "NBOPS": f"{sys.executable} -m nbops"}
    return subprocess.run(["bash", "-c", command], cwd=cwd, env=environ, capture_output=True, text=True, check=False)


# Runs


def test_runs_are_listed_newest_first(typed: Type, pair: tuple[Run, Run]) -> None:
    status, out, err = typed("runs", "list", "cli")
    lines = out.splitlines()
    assert (status, err, len(lines)) == (0, "", 3)
    assert [line.split()[0] for line in lines] == ["id", pair[1].id, pair[0].id]
    assert "0.1235" in lines[2]
    assert ("NaN" in lines[2], "∞" in lines[2], "–" in lines[1]) == (True, True, True)
    assert (
        typed("runs", "list", "cli", "-f", "metrics.mae < 0.2", "-o", "metrics.mae", "-n", 1)
        .out.splitlines()[1]
        .split()[0]
        == pair[0].id
    )
    assert typed("runs", "list", "nobody").out == typed("runs", "list", "cli", "-n", 0).out


def test_a_list_is_json_that_every_program_reads(typed: Type, pair: tuple[Run, Run]) -> None:
    bad, good = json.loads(typed("runs", "list", "cli", "--json").out, parse_constant=pytest.fail)
    assert (good["run_id"], good["metrics.mae"], good["params.depth"], good["tags.team"]) == (
        pair[0].run_id,
        0.12345678901234566,
        8,
        "crm",
    )
    assert (good["metrics.nan"], good["metrics.far"], bad["metrics.far"]) == (None, None, None)
    assert pd.Timestamp(good["start_time"]).tzinfo is not None


def test_a_run_is_shown(typed: Type, pair: tuple[Run, Run]) -> None:
    for name in ("good", pair[0].id, pair[0].run_id):
        status, out, _ = typed("runs", "show", name)
        assert status == 0
        for words in (pair[0].id, "cli", "✓ finished", "mae", "0.1235", "depth", "team", "note.txt"):
            assert words in out
    document = json.loads(typed("runs", "show", "good", "--json").out, parse_constant=pytest.fail)
    assert document["params"] == {"big": 2**80, "depth": 8, "odd": None}
    assert document["metrics"] == {"far": None, "mae": 0.12345678901234566, "nan": None}
    assert (document["status"], document["tags"], pd.Timestamp(document["end_time"]).tzinfo is not None) == (
        "finished",
        {"team": "crm"},
        True,
    )


def test_runs_are_compared(typed: Type, pair: tuple[Run, Run]) -> None:
    status, out, _ = typed("runs", "compare", "good", "bad")
    assert status == 0
    assert "★ 0.1235" in out
    assert "not shown" in out
    assert "experiment" in typed("runs", "compare", "good", "bad", "--all").out
    document = json.loads(typed("runs", "compare", "good", "bad", "--json").out, parse_constant=pytest.fail)
    assert len(document["runs"]) == 2
    depth = next(row for row in document["rows"] if row["name"] == "depth")
    assert depth == {"kind": "params", "name": "depth", "better": None, "values": [8, 2]}


def test_a_run_is_tagged_renamed_hidden_and_brought_back(typed: Type, here: Workspace) -> None:
    with here.start_run("changed", name="before") as run:
        pass
    assert typed("runs", "tag", run.id, "stage=draft", "checked", "empty=", "formula=a=b").status == 0
    assert run.tags == {"stage": "draft", "checked": "true", "empty": "", "formula": "a=b"}
    assert typed("runs", "rename", run.id, "after").status == 0
    assert run.name == "after"
    told = typed("runs", "delete", "after").out
    assert told == f"hidden {run.id}; `nbops runs restore {run.id}` brings it back\n"
    assert typed("runs", "list", "changed").out.splitlines()[1] == "no rows"
    assert run.id in typed("runs", "list", "changed", "--deleted").out
    assert typed("runs", "restore", run.id).out == f"restored {run.id}\n"
    assert run.id in typed("runs", "list", "changed").out


def test_a_page_of_an_executed_notebook_is_written(typed: Type, here: Workspace) -> None:
    here.define_metric("delay", better="lower", unit="min")
    with here.start_run("paged", name="paged", params={"depth": 8, "seed": None}) as run:
        run.log_metric("delay", 0.5)
        digest = run.log_input(pd.DataFrame({"a": [1, 2]}), "flights")
    folder = here.store.places.runs / run.run_id
    folder.mkdir(parents=True)
    output = v4.new_output("display_data", {"text/html": "<b>fine</b><script>steal()</script>"})
    settings = v4.new_code_cell("depth = 3\nseed = None", metadata={"tags": ["parameters"]})
    nbformat.write(
        v4.new_notebook(cells=[v4.new_markdown_cell("# Churn"), settings, v4.new_code_cell("1", outputs=[output])]),
        folder / "train.ipynb",
    )
    assert typed("runs", "open", run.id, "--path").out.strip() == str(folder / "train.ipynb")
    status, out, _ = typed("report", run.id)
    assert (status, out) == (0, f"report-{run.id}.html\n")
    page = Path(f"report-{run.id}.html").read_text(encoding="utf-8")
    for words in (run.run_id, "<b>fine</b>", "delay", "min", "depth", "flights", digest[:8], "paged"):
        assert words in page
    assert "<script" not in page
    assert "steal" not in page
    assert re.findall(r"<dt>(\w+)</dt><dd><code>(\w+)</code> <small>changed", page) == [("depth", "8")]
    document = json.loads(typed("report", run.id, "pages/churn.html", "--json").out)
    assert document == {"report": "pages/churn.html", "size": Path("pages/churn.html").stat().st_size}
    status, out, _ = typed("report", run.id, "pages/folded.html", "--code", "folded", "--index", "pages")
    assert (status, out) == (0, "pages/folded.html\npages/index.html\n")
    assert "<summary>Code</summary>" in Path("pages/folded.html").read_text(encoding="utf-8")
    assert Path("pages/index.html").read_text(encoding="utf-8").count("<tr><td>") == 2
    status, _, err = typed("report", run.id, "--to", "anna@example.org")
    assert (status, Path("pages/anna@example.org").exists()) == (64, False)
    assert "mail.host is empty" in err


def test_a_run_of_a_notebook_that_a_person_executed_has_a_page_of_what_was_saved(typed: Type, here: Workspace) -> None:
    path = here.project / "by hand.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell("# By hand")]), path)
    begun = runs.begin_headless(here.store, path, params={}, parent=None)
    begun.end("finished", None)
    run = here.run(begun.run_id)
    assert run.info.source == "by hand.ipynb"
    assert typed("report", run.id, "hand.html").status == 0
    page = Path("hand.html").read_text(encoding="utf-8")
    assert "<h1>By hand</h1>" in page
    assert "its outputs may be older or newer than this run" in page
    path.unlink()
    assert "has no executed notebook" in typed("report", run.id, "hand.html").err


def test_a_key_or_experiment_that_nothing_has_is_told_with_the_nearest(typed: Type, here: Workspace) -> None:
    with here.start_run("nearest") as run:
        run.log_metric("roc_auc", 0.9)
    found = typed("runs", "list", "nearest", "-o", "metrics.rocauc")
    assert run.id in found.out
    assert found.err == "Nothing has the metric 'rocauc'. Did you mean 'roc_auc'?\n"
    assert typed("runs", "list", "nearst").err == "Nothing has the experiment 'nearst'. Did you mean 'nearest'?\n"
    assert typed("runs", "list", "nearest", "-f", "metrics.roc_auc > 2").err == ""


# Models


def test_models_are_registered_and_listed(typed: Type, here: Workspace) -> None:
    assert typed("models", "list").out.splitlines() == ["model  version  state  run  created  actor", "no rows"]
    assert typed("model", "list", "--json").out == "[]\n"
    with here.start_run("models") as run:
        run.log_model(Ridge().fit(np.eye(2), [0, 1]))
    assert typed("models", "register", run.id, "ridge", "--description", "first").out == "registered ridge/1\n"
    told = typed("models", "list", "ridge").out.splitlines()[1].split()
    assert told[:4] == ["ridge", "1", "registered", run.id]
    document = json.loads(typed("models", "list", "--json").out)
    assert [(item["model"], item["version"], item["run_id"], item["description"]) for item in document] == [
        ("ridge", 1, run.run_id, "first")
    ]


# SQL and settings


def test_sql_gives_rows_and_says_when_it_cut_them(typed: Type, pair: tuple[Run, Run]) -> None:
    assert typed("sql", "select name, 1 as one from runs where experiment = 'cli' order by name").out.split() == [
        "name",
        "one",
        "bad",
        "1",
        "good",
        "1",
    ]
    assert json.loads(
        typed("sql", "select 'nan'::double as a, 1.5::double as b", "--json").out, parse_constant=pytest.fail
    ) == [{"a": None, "b": 1.5}]
    assert "cut at 3 rows" in typed("sql", "select * from range(10)", "-n", 3).out
    assert "cut" not in typed("sql", "select * from range(3)", "-n", 3).out


@pytest.mark.parametrize(
    "query",
    ["delete from core.runs", "insert into core.meta values ('a', 'b')", "create table x (a int)", "select 1; drop view runs",
     "attach 'x.db'", "copy runs to 'x.csv'", "pragma version", "select * from read_csv('/etc/passwd')", "selec 1",
     "select nothing from runs", ""],
)  # fmt: skip
def test_sql_that_is_no_question_is_refused(typed: Type, pair: tuple[Run, Run], query: str) -> None:
    status, out, err = typed("sql", query)
    assert (status, out) == (64, "")
    assert err.startswith("Error: ")
    assert "\nHint: " in err
    assert typed("sql", "select count(*) as n from runs where name = 'good'").out.split() == ["n", "1"]


def test_settings_are_shown_with_where_they_come_from(
    typed: Type, here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = here.project / "nbops.toml"
    settings.write_text("[tracking]\nflush_seconds = 0.25\n")
    monkeypatch.setenv("NBOPS_SQL_TIMEOUT", "7")
    try:
        told = json.loads(typed("config", "show", "--json").out)
        assert told["project"] == {"value": str(here.project), "origin": ".nbops folder"}
        assert told["tracking.flush_seconds"] == {"value": 0.25, "origin": "nbops.toml"}
        assert told["sql.timeout"] == {"value": 7.0, "origin": "NBOPS_SQL_TIMEOUT"}
        assert told["store.threads"]["origin"] == "default"
        assert told["store.allow_network_fs"]["value"] is False
        lines = {line.split()[0]: line.split()[1:] for line in typed("config", "show").out.splitlines()}
        assert lines["tracking.flush_seconds"] == ["0.25", "nbops.toml"]
        settings.write_text("[tracking]\nflush_second = 1\n")
        status, _, err = typed("runs", "list")
        assert status == 64
        assert "Unknown setting 'tracking.flush_second' in nbops.toml." in err
        assert "Did you mean 'tracking.flush_seconds'?" in err
    finally:
        settings.unlink()


# Saying no


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["foo"], "No such command 'foo'"),
        (["rum", "x.ipynb"], "Did you mean 'run"),
        (["runs", "lst"], "Did you mean 'list'"),
        (["runs", "list", "--foo"], "No such option"),
        (["runs", "list", "-n", "x"], "not a valid integer"),
        (["runs", "list", "-n", "-1"], "-1 cannot be a limit"),
        (["runs", "list", "-f", "metrics.mae <"], "A value is expected after `<`"),
        (["runs", "show"], "Missing argument"),
        (["runs", "show", "nobody"], "There is no run 'nobody'."),
        (["runs", "compare", "good"], "1 run was given to compare."),
        (["runs", "rename", "good", ""], "cannot be the name of a run"),
        (["runs", "tag", "good", "=x"], "cannot be the name of a tag"),
        (["runs", "open", "good"], "has no executed notebook"),
        (["report", "good"], "has no executed notebook"),
        (["report"], "No run is named."),
        (["report", "--pdf", "x.pdf", "--index"], "No run is named."),
        (["report", "--index", "gone"], "There is no folder gone."),
        (["run", "list"], "Did you mean `nbops runs list …`?"),
        (["run", "missing.ipynb"], "There is no notebook or folder 'missing.ipynb' in /"),
        (["models", "register", "good", "x"], "has no logged model 'model'"),
        (["db", "restore", "never", "--yes"], "There is no backup never."),
        (["-C", "/no/such/folder", "runs", "list"], "The project folder /no/such/folder does not exist."),
        ([], "Usage: nbops"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_told_on_standard_error_with_status_64(
    typed: Type, pair: tuple[Run, Run], words: list[str], error: str
) -> None:
    status, out, err = typed(*words)
    assert (status, out) == (64, "")
    assert error in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["-y", "[1, 2]"], "are no mapping"),
        (["-y", "1: 2"], "are no mapping"),
        (["-y", "a: ["], "are not YAML"),
        (["-f", "missing.yaml"], "does not exist"),
        (["-f", "."], "is a directory"),
        (["-p", "depht", "3"], "Did you mean 'depth'?"),
    ],
)
def test_parameters_that_cannot_be_read_are_refused_before_anything_runs(
    typed: Type, here: Workspace, words: list[str], error: str
) -> None:
    cell = v4.new_code_cell("depth = 1", metadata={"tags": ["parameters"]})
    nbformat.write(v4.new_notebook(cells=[cell]), here.project / "parameters.ipynb")
    status, out, err = typed("run", "parameters.ipynb", *words)
    assert (status, out) == (64, "")
    assert error in err
    assert typed("runs", "list", "parameters").out.splitlines()[1] == "no rows"


def test_a_question_outside_of_any_project_creates_nothing(
    typed: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["runs", "list"], ["sql", "select 1"], ["models", "list"], ["db", "check"], ["report", "x"]):
        status, out, err = typed(*words)
        assert (status, out) == (64, "")
        assert f"There is no project in {tmp_path}." in err
        assert "nbops -C DIR" in err
    for ask in (
        nbops.search_runs,
        lambda: nbops.load_model("churn"),
        lambda: nbops.sql("select 1"),
        lambda: nbops.compare("a", "b"),
    ):
        with pytest.raises(NotFound, match="There is no project in"):
            ask()
    assert list(tmp_path.iterdir()) == []
    assert typed("config", "show").status == 0
    assert typed("--version").out == f"nbops, version {nbops.__version__}\n"
    assert typed("--help").status == 0


def test_a_project_is_named_from_anywhere(
    typed: Type, here: Workspace, pair: tuple[Run, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert pair[0].id in typed("-C", here.project, "runs", "list", "cli").out
    monkeypatch.setenv("NBOPS_PROJECT", str(here.project))
    assert pair[0].id in typed("runs", "list", "cli").out


def test_the_command_is_a_good_neighbour_in_a_pipe(here: Workspace, pair: tuple[Run, Run]) -> None:
    rows = "$NBOPS sql \"select repeat('x', 200) as x from range(2000)\" -n 2000"  # more than a pipe holds
    for reader, seen in (("head -1", ["x"]), ("true", [])):
        done = shell(f"{rows} | {reader}; echo ${{PIPESTATUS[@]}}", here.project)
        assert (done.stdout.split(), done.stderr) == ([*seen, "0", "0"], "")
    done = shell("set -o pipefail; $NBOPS runs list cli --json | python3 -m json.tool > /dev/null", here.project)
    assert (done.returncode, done.stderr) == (0, "")


# Looking after the store


def test_a_store_that_is_well_is_said_to_be(typed: Type, pair: tuple[Run, Run]) -> None:
    status, out, _ = typed("db", "check")
    assert status == 0
    assert {line.split()[0] for line in out.splitlines()[1:]} == {"✓"}
    assert all(not finding["problem"] for finding in json.loads(typed("db", "check", "--json").out))
    status, out, _ = typed("doctor")
    assert (status, {line.split()[0] for line in out.splitlines()[1:]}) == (0, {"✓"})
    told = {check["what"]: check for check in json.loads(typed("doctor", "--json").out)}
    assert {"python", "nbops", "project", "disk", "store", "owner", "spool", "kernels"} <= told.keys()
    assert not any(check["remedy"] for check in told.values())


def test_a_damaged_file_is_found(typed: Type, own: Workspace) -> None:
    run = own.run(own.search_runs("own")["run_id"][0])
    blob = own.store.blob_path(run.artifacts["sha256"][0])
    kept = blob.read_bytes()
    blob.write_bytes(b"other")
    status, out, _ = typed("-C", own.project, "db", "check")
    assert status == 40
    assert "✗" in out
    assert "has changed since it was kept" in out
    blob.unlink()
    status, out, _ = typed("-C", own.project, "db", "check", "--json")
    assert status == 40
    assert "is missing" in next(finding for finding in json.loads(out) if finding["what"] == "files")["problem"]
    blob.write_bytes(kept)
    assert typed("-C", own.project, "db", "check").status == 0


def test_a_backup_is_made_and_put_back_and_what_is_missing_is_named(typed: Type, own: Workspace) -> None:
    path = Path(typed("-C", own.project, "db", "backup").out.strip())
    assert path.parent == own.store.places.backups
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.execute("select name, value from runs join latest_metrics using (run_id)").fetchall() == [("", 0.5)]
    with own.start_run("later"):
        pass
    status, out, _ = typed("-C", own.project, "db", "restore", path.name, "--yes", "--json")
    document = json.loads(out)
    assert status == 0
    assert document["last"] < document["promised"]
    assert Path(document["kept_aside"]).exists()
    assert own.search_runs()["experiment"].tolist() == ["own"]
    with own.start_run("after"):
        pass
    assert own.search_runs()["experiment"].tolist() == ["after", "own"]
    assert typed("-C", own.project, "db", "check").status == 0
    told = typed("-C", own.project, "db", "restore", path.name, "--yes").out
    assert "Missing from it: sequence" in told
    assert f"Restored {path.name}." in told


def test_a_restore_asks_first(typed: Type, own: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    typed("-C", own.project, "db", "backup")
    done = shell(f"echo n | $NBOPS -C {own.project} db restore", own.project)
    assert done.returncode == 130
    assert "[y/N]" in done.stderr
    assert not list(own.project.glob(".nbops/*.before-*"))


def test_views_are_exported_as_parquet(typed: Type, own: Workspace, tmp_path: Path) -> None:
    document = json.loads(typed("-C", own.project, "db", "export", tmp_path / "out", "--json").out)
    assert {path.stem for path in (tmp_path / "out").iterdir()} == document.keys()
    assert {name: pq.read_metadata(tmp_path / "out" / f"{name}.parquet").num_rows for name in document} == document
    assert (document["runs"], document["metrics"], document["params"]) == (1, 1, 1)
    assert pd.read_parquet(tmp_path / "out" / "metrics.parquet")["value"].tolist() == [0.5]


def test_only_files_that_nothing_has_named_for_a_day_are_removed(typed: Type, own: Workspace) -> None:
    run = own.run(own.search_runs("own")["run_id"][0])
    loose = own.store.put_blob(b"nothing names this")
    assert json.loads(typed("-C", own.project, "db", "gc", "--json").out) == {"removed": 0, "bytes": 0, "merged": 0}
    assert care.collect(own.store, now=time.time() + 25 * 3600) == (1, loose.size)
    assert run.load_artifact("note.txt") == b"kept"
    assert own.store.get_blob(run.info.environment or "")
    assert typed("-C", own.project, "db", "check").status == 0


def test_a_copy_to_look_at_leaves_the_store_alone(typed: Type, own: Workspace) -> None:
    path = Path(typed("-C", own.project, "db", "open").out.strip())
    with duckdb.connect(str(path)) as con:
        assert con.execute("select count(*) from runs").fetchall() == [(1,)]
    assert own.search_runs("own")["metrics.mae"].tolist() == [0.5]


def test_the_owner_leaves_when_asked_and_comes_back_when_needed(typed: Type, own: Workspace) -> None:
    assert typed("-C", own.project, "db", "stop").out == "stopped\n"
    assert typed("-C", own.project, "db", "stop").out == "no owner was running\n"
    assert json.loads(typed("-C", own.project, "db", "migrate", "--json").out)["schema"] >= 1
    assert "own" in typed("-C", own.project, "runs", "list").out


def test_what_keeps_a_project_from_working_is_told_with_the_remedy(typed: Type, own: Workspace) -> None:
    own.store.stop_owner()
    database = own.store.places.database
    whole = database.with_suffix(".whole")
    shutil.copy(database, whole)
    database.write_bytes(b"this is no database" * 1000)
    status, out, _ = typed("-C", own.project, "doctor")
    assert status == 26
    line = next(line for line in out.splitlines() if line.split()[1] == "store")
    assert line.startswith("✗")
    assert "db restore" in line
    status, _, err = typed("-C", own.project, "runs", "list")
    assert status == 40
    assert "Traceback" not in err
    assert "\nHint: " in err
    own.store.stop_owner()
    whole.replace(database)
    assert typed("-C", own.project, "doctor").status == 0
