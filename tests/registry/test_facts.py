"""Where a version comes from: environment, code and data of the process that logged it, kept with it for good."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression, Ridge

import nbops
from nbops.errors import NotFound
from nbops.registry import facts, formats, models
from nbops.registry.facts import Input
from nbops.registry.models import LoggedModel, ModelVersion
from nbops.registry.requests import RegisterVersion
from nbops.store import care
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace
from tests.conftest import Project

X = pd.DataFrame({"age": np.arange(40.0), "site": ["a", "b"] * 20})
NUMBERS = X[["age"]]
Y = (X["age"] > 9).astype(int).rename("left")
MODEL = LogisticRegression().fit(NUMBERS, Y)
OBJECTS: list[Any] = [object(), {1, 2}]

SCRIPT = """
import sys
import nbops
import pandas as pd
from sklearn.linear_model import Ridge
rows = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
with nbops.start_run("scripted") as run:
    run.log_model(Ridge().fit(rows, rows.x), input_example=rows, code=["extra.py"])
print(run.run_id)
"""


def test_a_version_tells_its_environment_inputs_profile_and_example(here: Workspace, run: Run) -> None:
    digest = run.log_input(X, "train")
    run.log_model(MODEL, input_example=NUMBERS, reference=X.assign(left=Y), target="left")
    version = here.register_model(run, "whole")
    run.log_input(X.head(3), "later")
    assert here.register_model(run, "whole") == version
    found = facts.read(here.store, version.record)

    assert found.environment is not None
    assert found.environment.python == ".".join(map(str, sys.version_info[:3]))
    assert found.environment.packages["scikit-learn"] == sklearn.__version__ == found.versions["scikit-learn"]
    record = importlib.metadata.distribution("scikit-learn").read_text("RECORD")
    assert record
    assert found.environment.records["scikit-learn"] == hashlib.sha256(record.encode()).hexdigest()
    assert found.inputs == (Input(name="train", digest=digest, source="memory", rows=40),)

    assert found.profile is not None
    assert (found.profile.rows, [*found.profile.columns]) == (40, ["age", "site", "left"])
    assert found.origin is not None
    assert found.origin.reference == run.log_input(X.assign(left=Y), "same")
    assert "openblas" in {library.name for library in found.origin.libraries if library.api == "blas"}
    assert all(library.threads > 0 for library in found.origin.libraries)
    example = pd.read_parquet(here.store.blob_path(found.origin.example or ""))
    pd.testing.assert_frame_equal(example, NUMBERS)


def test_the_views_tell_the_same(here: Workspace, run: Run) -> None:
    digest = run.log_input(X, "train")
    logged = run.log_model(MODEL, input_example=NUMBERS, reference=X)
    _registered(here, run, logged, "seen")
    origin = logged.manifest.origin
    assert origin is not None
    (row,) = here.sql("select * from version_facts where model = 'seen'").to_dict("records")
    libraries = json.loads(row.pop("libraries"))
    assert [library["name"] for library in libraries] == [library.name for library in origin.libraries]
    assert row == {
        "model": "seen", "version": 1, "estimator": "sklearn.linear_model._logistic.LogisticRegression",
        "python": ".".join(map(str, sys.version_info[:3])), "scikit_learn": sklearn.__version__, "platform": origin.platform,
        "environment": origin.environment, "commit": origin.commit, "dirty": origin.dirty, "source": origin.source,
        "source_sha256": origin.source_sha256, "reference": origin.reference, "profile": origin.profile, "example": origin.example,
    }  # fmt: skip
    (row,) = here.sql("select * from version_inputs where model = 'seen'").to_dict("records")
    assert row == {
        "model": "seen", "version": 1, "name": "train", "digest": digest, "source": "memory", "rows": 40
    }  # fmt: skip


def test_commit_script_and_code_files_are_those_of_the_process_that_logged(shared: Project, here: Workspace) -> None:
    folder = shared.folder / "repository"
    folder.mkdir()
    for name, text in (("train.py", SCRIPT), ("extra.py", "HALF = 0.5\n")):
        (folder / name).write_text(text)

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    environ = {**os.environ, "NBOPS_PROJECT": str(shared.folder)}
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=folder, env=environ, capture_output=True, text=True, check=True
    )
    (folder / "train.py").write_text("changed since")
    version = here.register_model(done.stdout.strip(), "scripted")
    origin = facts.read(here.store, version.record).origin
    assert origin is not None
    assert (origin.source, origin.commit, origin.dirty) == ("repository/train.py", git("rev-parse", "HEAD"), False)
    assert origin.source_sha256 == hashlib.sha256(SCRIPT.encode()).hexdigest()
    code = (
        here.sql("select model, version, name, sha256 from version_code where model = 'scripted'").to_numpy().tolist()
    )
    assert code == [["scripted", 1, "extra.py", hashlib.sha256(b"HALF = 0.5\n").hexdigest()]]


def test_a_handle_in_another_process_finds_the_source_of_the_run(shared: Project, here: Workspace) -> None:
    code = """
        import sys, nbops, pandas as pd
        from sklearn.linear_model import Ridge
        rows = pd.DataFrame({"x": [0.0, 1.0]})
        nbops.open().run(sys.argv[1]).log_model(Ridge().fit(rows, rows.x))
    """
    with here.start_run("mine") as run:
        run.flush()
        shared.run("\n".join(line.strip() for line in code.splitlines()), run.run_id)
    origin = here.register_model(run, "elsewhere").manifest.origin
    assert origin is not None
    assert (origin.source, origin.source_sha256) == (
        run.info.source,
        hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    )


def test_fifty_models_share_one_environment_and_one_profile(here: Workspace, run: Run) -> None:
    reference = X.assign(left=Y)
    for number in range(50):
        run.log_model(MODEL, f"m{number}", input_example=NUMBERS, reference=reference, target="left")
    files = run.artifacts
    kept = {
        kind: files[files["path"].str.fullmatch(pattern)]
        for kind, pattern in (("environment", r"environments/\w+\.json"), ("profile", r"models/\w+\.profile\.json"))
    }
    assert [len(kept["environment"]), len(kept["profile"])] == [1, 50]
    assert len({*kept["profile"]["sha256"]}) == 1
    assert kept["environment"]["sha256"].tolist() == [run.info.environment]


def test_a_reference_that_changed_in_place_gets_a_profile_of_its_own(run: Run) -> None:
    reference = X.copy()
    one, other = (_origin(run, reference, age) for age in (0.0, 99.0))
    assert one.reference != other.reference
    assert one.profile != other.profile


def _origin(run: Run, reference: pd.DataFrame, age: float) -> Any:
    reference.loc[0, "age"] = age
    return run.log_model(MODEL, reference=reference).manifest.origin


@pytest.mark.parametrize("reference", [X.assign(odd=OBJECTS * 20), X.head(0)])
def test_a_reference_that_cannot_be_profiled_keeps_no_model_from_being_logged(
    run: Run, reference: pd.DataFrame
) -> None:
    manifest = run.log_model(MODEL, reference=reference).manifest
    assert manifest.signature is not None
    assert manifest.origin is not None
    assert (manifest.origin.profile is None) == (manifest.origin.reference is None)


def test_an_array_is_profiled_by_its_columns(run: Run, here: Workspace) -> None:
    logged = run.log_model(Ridge().fit(np.ones((4, 2)), np.ones(4)), reference=np.ones((30, 2)))
    found = facts.read(here.store, _registered(here, run, logged, "array"))
    assert found.profile is not None
    assert (found.profile.rows, [*found.profile.columns]) == (30, ["x0", "x1"])


def test_what_a_version_names_is_never_collected(here: Workspace, run: Run) -> None:
    logged = run.log_model(MODEL, input_example=NUMBERS.head(7), reference=X.head(31))
    version = _registered(here, run, logged, "lasting")
    run.log_model(Ridge().fit(NUMBERS, Y), input_example=NUMBERS.head(8), reference=X.head(32))
    run.flush()
    loose = here.store.put_blob(b"nothing names this")
    care.collect(here.store, now=time.time() + 25 * 3600)
    assert logged.manifest.origin is not None
    for sha256 in (logged.manifest.sha256, *logged.manifest.origin.blobs.values()):
        assert here.store.get_blob(sha256)
    with pytest.raises(NotFound):
        here.store.get_blob(loose.sha256)
    assert facts.read(here.store, version).profile is not None
    assert [found.problem for found in care.check(here.store) if found.problem] == []


def _registered(here: Workspace, run: Run, logged: LoggedModel, name: str) -> ModelVersion:
    """A version without the proof that it loads, which takes seconds."""
    run.flush()
    here.store.write(
        RegisterVersion(
            model=name,
            run_id=run.run_id,
            artifact=f"models/{logged.name}.skops",
            sha256=logged.manifest.sha256,
            manifest=msgspec.json.encode(logged.manifest).decode(),
        )
    )
    return models.version(here.store, name)


# How the run ended


@pytest.mark.parametrize("status", ["running", "finished", "failed", "stopped"])
def test_a_version_tells_how_its_run_ended(here: Workspace, status: str) -> None:
    run = here.start_run("ends")
    name = f"ends {status}"
    _registered(here, run, run.log_model(MODEL), name)
    if status != "running":
        run.end(status)  # type: ignore[arg-type]  # one of those that a run ends with
    (row,) = here.sql("select run_status from model_versions where model = ?", [name])["run_status"]
    version = models.version(here.store, name)
    assert row == version.run_status == status
    assert bool(version.doubt) == (status in {"failed", "stopped"})
    assert version.doubt in repr(version)
    run.end()


def test_a_version_of_a_run_that_was_killed_says_so(shared: Project, here: Workspace) -> None:
    process = shared.start(
        """
import nbops, os, signal, pandas as pd
from sklearn.linear_model import Ridge
rows = pd.DataFrame({"x": [0.0, 1.0]})
run = nbops.start_run("killed")
run.log_model(Ridge().fit(rows, rows.x))
nbops.register_model(run, "killed")
os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    process.communicate(timeout=120)
    deadline = time.monotonic() + 30
    while (version := models.version(here.store, "killed")).run_status == "running" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (version.run_status, version.doubt) == ("lost", f"its run {version.run_id[-8:]} was lost")


# Another scikit-learn


def test_loading_with_another_scikit_learn_warns_in_one_sentence_at_the_callers_line(
    here: Workspace, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    _registered(here, run, run.log_model(MODEL), "dated")
    with warnings.catch_warnings(record=True) as none:
        warnings.simplefilter("always")
        here.load_model("dated")
    assert [one for one in none if one.category is nbops.ModelVersionWarning] == []
    made = formats._versions()  # noqa: SLF001 - stands for another installation
    newer = f"{sklearn.__version__}.post1"
    monkeypatch.setattr(formats, "_versions", lambda: {**made, "scikit-learn": newer})
    with pytest.warns(nbops.ModelVersionWarning) as told:
        here.load_model("dated/1")
    (one,) = told
    assert f"made with scikit-learn {sklearn.__version__} and is loaded with {newer}" in str(one.message)
    assert (str(one.message).count(". "), one.filename) == (0, __file__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", nbops.ModelVersionWarning)
        here.load_model("dated")
