"""A release is what a pipeline was: runs of it see nothing of what happens to the folder since."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nbops.errors import Conflict, NotFound, StoreCorrupt, UsageError
from nbops.pipelines import approving, releases, sheet
from nbops.workspace._workspace import Workspace
from tests.conftest import wait_until
from tests.pipelines.parts import Pipeline, ended, stand
from tests.shared import Type

pytestmark = pytest.mark.usefixtures("quick")

WAIT = "import os, time\nopen('begun', 'w').close()\nwhile not os.path.exists(os.environ['NBOPS_PROJECT'] + '/go'): time.sleep(0.05)"


@pytest.fixture
def helped(pipeline: Pipeline) -> Pipeline:
    """Two steps that import a module beside them."""
    (pipeline.folder / "helping.py").write_text("WORD = 'first'\n")
    pipeline.step("a", 'a_out: "out" = "data/a.txt"', "import helping", "open(a_out, 'w').write(helping.WORD)")
    write = "open(b_out, 'w').write(open(a).read() + ' ' + helping.WORD)"
    pipeline.step("b", 'a: "in" = "data/a.txt"\nb_out: "out" = "b.txt"', "import helping", write)
    (pipeline.folder / "data").mkdir()
    return pipeline


def test_a_run_of_a_release_sees_nothing_of_what_is_edited(helped: Pipeline, here: Workspace) -> None:
    made = releases.freeze(here.store, helped.folder, "first")
    assert (made.number, made.current) == (1, True)
    (helped.folder / "helping.py").write_text("WORD = 'edited'\n")
    helped.makes("b", "1 / 0").operate("steps: {b: {retries: broken}}")
    told = helped.run("--release", "current")
    assert (told["outcome"], stand(told)) == ("done", {"a": "finished", "b": "finished"})
    assert (helped.folder / "b.txt").read_text() == "first first"
    sources = {
        row[0] for row in here.store.read("select source from runs where parent_run_id = ?", [told["run_id"]]).rows
    }
    assert sources == {f"{helped.folder.name}/a.ipynb", f"{helped.folder.name}/b.ipynb"}


def test_a_run_of_a_release_is_one_of_its_folder_and_is_gone_on_with_there(helped: Pipeline, here: Workspace) -> None:
    helped.step(
        "b",
        'a: "in" = "data/a.txt"\nb_out: "out" = "b.txt"',
        "import os\nassert os.path.exists('go')",
        "open(b_out, 'w').close()",
    )
    releases.freeze(here.store, helped.folder, "first")
    told = helped.run("--release", "current")
    assert stand(told) == {"a": "finished", "b": "failed"}
    (line,) = sheet.of_folder(here.store, helped.folder)
    assert (line.run_id, line.folder) == (told["run_id"], str(helped.folder))
    (helped.folder / "go").touch()
    assert helped.run(told["run_id"], command="resume")["outcome"] == "done"
    (line,) = sheet.of_folder(here.store, helped.folder)
    assert (line.outcome, line.folder) == ("done", str(helped.folder))


def test_what_a_release_has_run_is_not_run_again(helped: Pipeline, here: Workspace) -> None:
    releases.freeze(here.store, helped.folder, "first")
    helped.run("--release", "1")
    assert helped.run("--release", "current")["outcome"] == "unchanged"


def test_a_run_of_a_release_goes_on_with_it_and_is_one_of_its_folder(helped: Pipeline, here: Workspace) -> None:
    helped.operate("steps: {b: {approval: {asks: Go on}}}")
    releases.freeze(here.store, helped.folder, "first")
    told = helped.run("--release", "current")
    assert told["outcome"] == "waiting"
    assert [line.run_id for line in sheet.of_folder(here.store, helped.folder)] == [told["run_id"]]
    (helped.folder / "helping.py").write_text("WORD = 'edited'\n")
    approving.decide(here.store, told["run_id"], None, "approve", "looks good")
    done = helped.run(told["run_id"], command="resume")
    assert (done["outcome"], (helped.folder / "b.txt").read_text()) == ("done", "first first")


def test_editing_in_the_middle_of_a_run_changes_nothing_in_it(helped: Pipeline, here: Workspace) -> None:
    folder = helped.folder
    helped.step("a", 'a_out: "out" = "data/a.txt"', WAIT, "import helping", "open(a_out, 'w').write(helping.WORD)")
    releases.freeze(here.store, folder, "first")
    process = helped.start("--release", "current")
    wait_until(lambda: bool([*Path(here.settings.project).glob(".nbops/releases/*/*/begun")]))
    (folder / "helping.py").write_text("WORD = 'edited'\n")
    helped.makes("b", "1 / 0")
    (Path(here.settings.project) / "go").touch()
    told = ended(process)
    (Path(here.settings.project) / "go").unlink()
    assert (told["outcome"], (folder / "b.txt").read_text()) == ("done", "first first")


def test_the_same_folder_is_the_same_release_and_rolling_back_is_one_call(helped: Pipeline, here: Workspace) -> None:
    name = releases.freeze(here.store, helped.folder, "first").pipeline
    assert releases.freeze(here.store, helped.folder, "again").number == 1
    (helped.folder / "helping.py").write_text("WORD = 'second'\n")
    current = releases.get(here.store, name)
    assert releases.changed(here.store, current) == [f"{helped.folder.name}/helping.py (changed)"]
    assert releases.freeze(here.store, helped.folder, "second").number == 2
    assert releases.roll_back(here.store, name, "worse").number == 1
    assert [one.current for one in releases.every(here.store, name)] == [False, True]
    with pytest.raises(Conflict):
        releases.roll_back(here.store, name, "further")
    assert releases.roll_back(here.store, name, "after all", 2).current


def test_a_release_or_pipeline_that_is_not_there_is_told_with_those_that_are(
    helped: Pipeline, here: Workspace, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(helped.folder.parent)
    name = helped.folder.name
    told = typed("pipeline", "run", name, "--release", "7")
    assert (told.status, f"{name} has no release.\nHint: `nbops pipeline release {name} --reason" in told.err) == (
        64,
        True,
    )
    releases.freeze(here.store, helped.folder, "first")
    (helped.folder / "helping.py").write_text("WORD = 'second'\n")
    releases.freeze(here.store, helped.folder, "second")
    told = typed("pipeline", "run", name, "--release", "7")
    assert (told.status, told.err) == (64, f"Error: {name} has no release 7.\nHint: Known: 1, 2 (current).\n")
    for words in (["rollback", name[:-1], "--reason", "x"], ["releases", name[:-1]], ["health", name[:-1]]):
        told = typed("pipeline", *words)
        assert (told.status, told.err) == (
            64,
            f"Error: There is no pipeline {name[:-1]!r}.\nHint: Did you mean {name!r}?\n",
        )
    assert f"Hint: There are {name}" in typed("pipeline", "rollback", "zzz", "--reason", "x").err


def test_what_cannot_run_cannot_be_released(helped: Pipeline, here: Workspace) -> None:
    helped.operate("steps: {c: {}}")
    with pytest.raises(UsageError):
        releases.freeze(here.store, helped.folder, "broken")
    with pytest.raises(NotFound):
        releases.get(here.store, helped.folder.name)


def test_a_release_whose_file_was_tampered_with_does_not_run(helped: Pipeline, here: Workspace) -> None:
    made = releases.freeze(here.store, helped.folder, "first")
    blob = here.store.blob_path(next(one.sha256 for one in made.files if one.path.endswith("helping.py")))
    blob.chmod(0o600)
    before = blob.read_bytes()
    blob.write_bytes(b"WORD = 'evil'\n ")
    shutil.rmtree(here.store.places.folder / "releases", ignore_errors=True)
    try:
        with pytest.raises(StoreCorrupt):
            releases.place(here.store, made)
    finally:
        blob.write_bytes(before)
