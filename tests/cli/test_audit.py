"""`nbops audit …` and what the models' commands tell of history and lineage, as a person types them in a project with real data."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat import v4

from nbops import duck
from nbops.execution import notebook as execution
from nbops.records import new_id
from nbops.registry.requests import MoveAlias, RegisterVersion
from nbops.security.keys import Keys
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.shared import Type

FRAME = pd.DataFrame({"flight": range(20), "air_time": [float(number) for number in range(20)]})


@pytest.fixture(autouse=True)
def inside(shared: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are typed in the project, by somebody without keys."""
    monkeypatch.chdir(shared.folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture(scope="module")
def moment(here: Workspace) -> datetime:
    """Two versions of a model made from versions of a source: by name, and by a file that holds one. The time between their aliases."""
    flights = here.dataset("flights", FRAME)
    assert flights.collect().ok
    with here.start_run("train", name="first") as first:
        first.log_input(flights.snapshot(), "train")
    _version(here, first.run_id, None)
    between = datetime.now(UTC)
    path = flights.snapshot().write(Path(here.store.places.folder.parent, "flights.parquet"))
    with here.start_run("train", name="second") as second:
        second.log_input(path, "rows")
    _version(here, second.run_id, 1)
    return between


def _version(here: Workspace, run_id: str, before: int | None) -> None:
    made = RegisterVersion(model="air-time", run_id=run_id, artifact="model", sha256=new_id(), manifest="{}")
    (version,) = here.store.write(made)
    here.store.write(
        MoveAlias(model="air-time", alias="live", version=version, expected=before or 0, why=f"as {version}")
    )


def test_a_time_is_answered_with_the_version_of_then(typed: Type, moment: datetime) -> None:
    then = typed("models", "at", "air-time", "--alias", "live", moment.isoformat(), "--json").told
    assert (then["version"], then["kind"], then["why"]) == (1, "set", "as 1")
    local = moment.astimezone().replace(tzinfo=None).isoformat(sep=" ")
    told = typed("models", "at", "air-time", local, "--alias", "live").out
    assert told.startswith("air-time@live stood for version 1 at ")
    before = typed("models", "at", "air-time", (moment - timedelta(days=2)).isoformat(), "--alias", "live").out
    assert "stood for no version" in before
    assert typed("models", "at", "air-time", "2999-01-01", "--alias", "live").status == 64
    assert typed("models", "at", "air-time", "2020-01-01").status == 64


def test_the_history_is_told_in_order(typed: Type, moment: datetime) -> None:
    told = [line["told"] for line in typed("models", "history", "air-time", "--json").told]
    assert [line.split(" from ")[0] for line in told] == [
        "the model got its name, air-time", "version 1 registered", "live set: version 1: as 1", "version 2 registered",
        "live set: version 2 instead of version 1: as 2",
    ]  # fmt: skip
    assert "live set: version 2 instead of version 1: as 2" in typed("models", "history", "air-time").out


def test_a_source_leads_to_both_versions_whatever_they_called_it(typed: Type, moment: datetime, tmp_path: Path) -> None:
    rows = typed("models", "using", "flights", "--json").told
    assert [(row["version"], row["alias"], row["until"] is None) for row in rows] == [
        (2, "live", True),
        (1, "live", False),
    ]
    assert (
        rows == typed("models", "using", "rows", "--json").told == typed("models", "using", "flights/1", "--json").told
    )
    assert "air-time/2" in typed("models", "using", "flights").out
    assert typed("models", "using", "flights", "--alias", "champion").out == "No champion was made from flights.\n"
    assert typed("models", "using", "fligths").status == 64
    picture = tmp_path / "lineage.svg"
    lines = typed("models", "lineage", "air-time/1", "--svg", picture).out.splitlines()
    assert [line.split("(")[0].rstrip() for line in lines[1:4:2]] == [
        "made from:",
        "    data flights/1 as flights, train",
    ]
    assert picture.read_text(encoding="utf-8").startswith('<svg xmlns="http://www.w3.org/2000/svg" ')
    kinds = {
        way: {node["kind"] for node in typed("models", "lineage", "air-time", way, "--json").told["nodes"]}
        for way in ("--up", "--down")
    }
    assert kinds == {"--up": {"version", "run", "data"}, "--down": {"version", "alias"}}


def test_notebooks_are_linked_by_the_file_that_one_writes_and_another_reads(
    shared: Project, here: Workspace, typed: Type
) -> None:
    def executed(name: str, *sources: str) -> str:
        cells = [v4.new_code_cell(source) for source in sources]
        cells[0].metadata["tags"] = ["parameters"]
        nbformat.write(v4.new_notebook(cells=cells), shared.folder / name)
        outcome = execution.execute(here.store, shared.folder / name)
        assert outcome.status == "finished", outcome.cause
        return outcome.run_id

    (shared.folder / "raw.csv").write_text("1\n2\n")
    copying = 'open(clean, "w").write(open(raw).read() * 2)'
    first = executed("prepare.ipynb", 'raw: "in" = "raw.csv"\nclean: "out" = "clean.csv"', copying)
    second = executed("fit.ipynb", 'clean: "in" = "clean.csv"', "rows = open(clean).read()")
    made = RegisterVersion(model="copies", run_id=second, artifact="model", sha256=new_id(), manifest="{}")
    here.store.write(made)
    found = typed("models", "lineage", "copies", "--json").told
    assert {f"run:{first}", f"run:{second}", "version:copies/1"} < {
        f"{node['kind']}:{node['id']}" for node in found["nodes"]
    }
    assert [(edge["label"], edge["after"] == f"run:{first}") for edge in found["edges"] if edge["label"] == "raw"] == [
        ("raw", True)
    ]
    names = {row["name"] for row in found["nodes"] if row["kind"] == "data"}
    assert names == {"raw", "clean"}
    assert [row["model"] for row in typed("models", "using", "raw.csv", "--json").told] == ["copies"]


def test_an_anchor_is_made_verified_and_exported(typed: Type, moment: datetime, tmp_path: Path) -> None:
    file = tmp_path / "anchor.json"
    assert typed("audit", "anchor", file).status == 64
    assert "nbops keys new" in typed("audit", "anchor", file).err
    Keys(None).new("ann")
    made = typed("audit", "anchor", file, "--json").told
    assert made["file"] == str(file)
    assert "Keep it elsewhere" in typed("audit", "anchor", file).out
    assert typed("audit", "verify", "--anchor", file, "--json").told["head"] == made["head"]
    assert [line[:1] for line in typed("audit", "verify", "--anchor", file).out.splitlines()[1:]] == ["✓"] * 3
    Keys(None).forget("ann")
    assert typed("audit", "verify", "--anchor", file).status == 30
    out = typed("audit", "export").out
    assert json.loads(out.splitlines()[-1])["hash"] == made["head"]
    done = typed("audit", "export", tmp_path / "events.jsonl")
    assert (done.out, done.err) == ("", f"{tmp_path / 'events.jsonl'}: {len(out.splitlines())} events\n")
    assert (tmp_path / "events.jsonl").read_text(encoding="utf-8") == out
    assert {
        json.loads(line)["subject"] for line in typed("audit", "export", "--model", "air-time").out.splitlines()
    } == {"model:air-time"}
    assert 0 < len(typed("audit", "export", "--since", moment.isoformat()).out.splitlines()) < len(out.splitlines())


def test_a_chain_that_breaks_is_exit_status_40_and_named(
    project: Project, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    here = Workspace(project.settings())
    with here.start_run("train") as run:
        pass
    here.store.write(RegisterVersion(model="m", run_id=run.run_id, artifact="model", sha256=new_id(), manifest="{}"))
    assert typed("audit", "verify").status == 0
    here.store.stop_owner()
    con = duck.attach_store(
        project.places.database, read_only=False, allowed=project.places.backups, temporary=project.places.temporary,
        memory_limit="1GB", threads=1,
    )  # fmt: skip
    con.execute("update core.events set actor = 'eve' where verb = 'version.registered'")
    con.close()
    told = typed("audit", "verify")
    assert told.status == 40
    assert "version.registered of model:m was edited" in told.out
    checked = typed("db", "check")
    assert checked.status == 40
    assert "version.registered of model:m was edited" in checked.out
    found = typed("audit", "verify", "--json")
    assert json.loads(found.out)["broken"]["subject"] == "model:m"
