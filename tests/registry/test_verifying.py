"""`nbops models verify`: whatever changed since a model was kept is found, and the object named."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from nbops.errors import NotFound
from nbops.registry import formats
from nbops.registry.requests import RegisterVersion
from nbops.registry.verifying import verify, worst
from nbops.security.keys import Keys
from nbops.store import care, database
from nbops.workspace._model import Version
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.registry.archives import members, resealed

X = pd.DataFrame({"age": np.arange(20.0), "size": np.arange(20.0)[::-1]})
Y = (X["age"] > 9).astype(int).rename("left")


@pytest.fixture(scope="module")
def kept(here: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Version]:
    """A signed version, with example rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("home")))
        Keys(None).new("ann")
        with here.start_run("kept") as run:
            model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
            run.log_input(X, "train")
            run.log_model(model, input_example=X, reference=X.assign(left=Y), target="left", sign=True)
        yield here.register_model(run, "kept")


def test_a_sound_version_is_told_with_who_signed_it(here: Workspace, kept: Version) -> None:
    for reference in ("kept", "kept/1", "models:/kept/1", None):
        findings = verify(here.store, reference)
        assert [(found.what, found.problem) for found in findings if found.what == "kept/1"] == [("kept/1", "")]
        assert "signed by ann" in findings[0].told
        assert worst(findings) == 0
    (loaded,) = verify(here.store, "kept", load=True)
    assert loaded.told.endswith("loads in a fresh process and predicts as here")
    for wrong in ("gone", "kept/9", "kept/x"):
        with pytest.raises(NotFound):
            verify(here.store, wrong)


def test_a_flipped_byte_anywhere_is_found_and_named(here: Workspace, kept: Version) -> None:
    """A hundred random places: in the artifact, the example, the profile, the environment, and the manifest that the store keeps."""
    chance = random.Random(1)
    rows = here.store.read("select path, sha256 from artifacts where run_id = ?", [kept.run_id]).rows
    blobs = {path: here.store.blob_path(sha256) for path, sha256 in rows}
    assert {*blobs} >= {f"models/model.{suffix}" for suffix in ("skops", "example.parquet", "profile.json")}
    assert len(blobs) == 4
    places = [chance.choice([*sorted(blobs), "manifest"]) for _ in range(100)]
    assert {*places} == {*blobs, "manifest"}
    for number, place in enumerate(places):
        name = "kept"
        if place == "manifest":
            name = f"flipped {number}"
            text = bytearray(msgspec.json.encode(kept.manifest))
            while (changed := _flipped(text, chance)) is None:
                pass
            _register(here, name, kept, changed)
            findings = verify(here.store, name)
        else:
            path = blobs[place]
            before = path.read_bytes()
            data = bytearray(before)
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
            findings = verify(here.store, name)
            path.write_bytes(before)
        assert [found.what for found in findings if found.problem] == [f"{name}/1"], (number, place)
        assert worst(findings) == 40
        assert ("manifest" in findings[0].problem) == (place == "manifest")
    assert verify(here.store, "kept")[0].problem == ""
    assert {found.what for found in care.check(here.store) if found.problem} <= {"files"}


def test_another_model_that_the_run_logs_later_is_no_damage(here: Workspace) -> None:
    with here.start_run("later") as run:
        run.log_model(LogisticRegression().fit(X, Y), input_example=X)
        here.register_model(run, "later")
        run.log_model(LogisticRegression(C=9).fit(X, Y), input_example=X.head(2))
    (found,) = verify(here.store, "later", load=True)
    assert found.problem == ""


@pytest.mark.parametrize(
    "edit",
    [
        "update core.version_inputs set digest = 'other' where model = 'kept'",
        "delete from core.version_inputs where model = 'kept'",
        "update core.model_versions set sha256 = 'OTHER', manifest = 'MANIFEST' where model = 'kept'",
    ],
)
def test_a_version_that_is_not_as_it_was_registered_is_found(here: Workspace, kept: Version, edit: str) -> None:
    """Whoever edits the store's file puts in what fits together."""
    with here.start_run("other") as run:
        other = run.log_model(LogisticRegression().fit(X, Y)).manifest
    edit = edit.replace("OTHER", other.sha256).replace("MANIFEST", msgspec.json.encode(other).decode())
    with _edited(here, edit):
        (found,) = verify(here.store, "kept")
    assert (found.what, worst([found])) == ("kept/1", 40)
    assert "registered" in found.problem
    assert verify(here.store, "kept")[0].problem == ""


@contextlib.contextmanager
def _edited(here: Workspace, edit: str) -> Iterator[None]:
    """The store after a change that no owner made; undone at the end."""
    here.store.stop_owner()
    file = here.store.places.database
    before = file.read_bytes()
    con = database.attach(here.store.places, here.settings)
    con.execute(edit)
    con.close()
    yield
    here.store.stop_owner()
    file.write_bytes(before)


def _flipped(text: bytearray, chance: random.Random) -> str | None:
    """The text with one bit changed, None when the store could not keep it."""
    changed = bytearray(text)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    try:
        return changed.decode()
    except UnicodeDecodeError:
        return None


def _register(here: Workspace, name: str, kept: Version, manifest: str, sha256: str | None = None) -> None:
    here.store.write(
        RegisterVersion(
            model=name, run_id=kept.run_id, artifact=kept.artifact, sha256=sha256 or kept.sha256, manifest=manifest
        )
    )


def test_a_swapped_or_missing_blob_is_found(here: Workspace, kept: Version) -> None:
    manifest = msgspec.json.encode(kept.manifest).decode()
    other = here.store.put_blob(formats.pack(StandardScaler().fit(X)).data)
    _register(here, "swapped", kept, manifest, other.sha256)
    _register(here, "missing", kept, manifest, "0" * 64)
    for name, message in (("swapped", "is not that of its file"), ("missing", "0000")):
        (found,) = verify(here.store, name)
        assert (found.what, worst([found])) == (f"{name}/1", 40)
        assert message in found.problem


def test_a_signature_that_does_not_fit_is_found(here: Workspace, kept: Version) -> None:
    """Forged with a seal and a manifest that fit."""
    data = resealed(here.store.get_blob(kept.sha256), {"extra.txt": b"one more"})
    blob = here.store.put_blob(data)
    manifest = msgspec.json.encode(formats.describe(data)).decode()
    _register(here, "forged", kept, manifest, blob.sha256)
    (found,) = verify(here.store, "forged")
    assert "is not what was signed: extra.txt differ" in found.problem
    assert worst([found]) == 30


def test_a_manifest_that_hides_a_type_is_found(here: Workspace, kept: Version) -> None:
    """An artifact cannot bring its own list of what is trusted."""
    model = make_pipeline(FunctionTransformer(json.dumps), LogisticRegression())
    model[-1].fit(X, Y)
    data = formats.pack(model, trust=["json.dumps"]).data
    hidden = members(data)["manifest.json"].replace(b'["json.dumps"]', b"[]")
    forged = resealed(data, {"manifest.json": hidden, "trusted.json": b'["json.dumps"]'})
    blob = here.store.put_blob(forged)
    _register(here, "hiding", kept, msgspec.json.encode(formats.describe(forged)).decode(), blob.sha256)
    (found,) = verify(here.store, "hiding")
    assert "json.dumps" in found.problem
    assert worst([found]) == 30


def test_the_command_names_the_broken_one_and_says_it_in_its_status(
    shared: Project, here: Workspace, kept: Version
) -> None:
    def nbops(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nbops", *arguments]
        return subprocess.run(command, cwd=shared.folder, capture_output=True, text=True, check=False)

    sound = nbops("models", "verify", "kept")
    assert (sound.returncode, "✓" in sound.stdout) == (0, True)
    path = here.store.blob_path(kept.sha256)
    before = path.read_bytes()
    path.write_bytes(before[:-1] + b"!")
    broken = nbops("models", "verify", "--all", "--json")
    path.write_bytes(before)
    assert broken.returncode == 40
    assert "kept/1" in [found["what"] for found in json.loads(broken.stdout) if found["problem"]]
    assert nbops("models", "verify").returncode == 64
