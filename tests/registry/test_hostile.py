"""What somebody else's artifact may try at a load: refused, named, nothing executed, memory flat.

One process that has loaded a sound model before tries them all, and tells its peak of memory for each.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import skops.io
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from nbops.registry.formats import Vouching, build, look, pack
from nbops.security.keys import Keys
from nbops.security.signing import fingerprint, sign
from nbops.tracking import artifacts
from nbops.workspace._workspace import Workspace
from tests.registry.archives import members, resealed, sealed

X = np.arange(40.0).reshape(20, 2)
SOUND = pack(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X[:, 0] > 9)).data
BOUND = 24 << 20
"""Bytes that a refusal may take: the largest of the files is 200 kB, the bombs would take 200 MB."""
SYSTEM = f"{os.system.__module__}.system"

TRY = """
import json, sys, warnings
from pathlib import Path
import nbops
from nbops.errors import NbopsError

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))

here = nbops.open()
sound, *hostile = sys.argv[1:]
here.load_model(sound)
told = {}
for run in hostile:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew (man proc)
    before = status("VmRSS")
    try:
        here.load_model(run)
        error = ("", "it was loaded")
    except NbopsError as caught:
        error = (caught.code, f"{caught.message} {caught.hint}")
    told[run] = [*error, status("VmHWM") - before]
print(json.dumps(told))
"""


class Marked:
    """Whoever reads its pickle writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


class Case(NamedTuple):
    """A file, the code of its refusal and what it says."""

    data: bytes
    code: str
    told: tuple[str, ...]


@pytest.fixture(scope="module")
def mark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each of them would write."""
    return tmp_path_factory.mktemp("marks") / "mark"


def calling(mark: Path) -> bytes:
    """A pipeline that holds `os.system`, and would call it, while it is built, for the key of a dictionary."""
    model = make_pipeline(FunctionTransformer(os.system), LogisticRegression())
    model.notes = {f"touch {mark}": 1}
    content = members(skops.io.dumps(model))
    schema = json.loads(content["schema.json"])

    def visit(node: Any) -> None:
        if isinstance(node, dict) and f"touch {mark}" in node.get("content", {}):
            for key in node["key_types"]["content"]:
                module, _, name = SYSTEM.rpartition(".")
                key.update(__module__=module, __class__=name, __id__=1)
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            visit(child)

    visit(schema)
    return resealed(SOUND, {**content, "schema.json": json.dumps(schema).encode()})


def trusting_itself(mark: Path) -> bytes:
    """The same, with lists of what to trust that it brings along, by every name that a careless loader could know."""
    data = calling(mark)
    lists = {name: json.dumps([SYSTEM]).encode() for name in ("trusted.json", "trust.json", "skops_trusted_types.json")}
    manifest = json.loads(members(data)["manifest.json"])
    manifest |= {"unreviewed": [SYSTEM], "trusted": [SYSTEM], "skops_trusted_types": [SYSTEM]}
    return resealed(data, {**lists, "manifest.json": json.dumps(manifest).encode()})


def pickled(mark: Path, key: Ed25519PrivateKey | None) -> bytes:
    """A pickle that writes the mark, under a manifest that fits, signed or not."""
    manifest = json.loads(members(SOUND)["manifest.json"]) | {"format": "pickle"}
    content = {"model.pkl": pickle.dumps(Marked(mark)), "manifest.json": json.dumps(manifest).encode()}
    return sealed({**content, "signature.json": sign(content, key)} if key else content)


def bomb(member: str) -> bytes:
    """200 kB that unpack to 200 MB, with a seal that fits."""
    return resealed(SOUND, {member: bytes(200_000_000)})


def lying_bomb() -> bytes:
    """The same with a directory that tells 10 bytes."""
    import hashlib
    import struct

    data = bytearray(bomb("1.npy")[:-64])
    entry = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, entry + 24, 10)
    return bytes(data) + hashlib.sha256(data).hexdigest().encode()


def kept(here: Workspace, data: bytes) -> str:
    """The id of a run that logged these bytes as its model."""
    with here.start_run("hostile") as run:
        artifacts.add(run._recording, "models/model.skops", data, "model", "application/vnd.nbops.model+zip")  # noqa: SLF001 - `log_model` would not take it
    return run._recording.run_id  # noqa: SLF001 - the whole one


def test_the_canaries_are_alive(mark: Path) -> None:
    """Loaded by somebody who vouches for all of it, each of them writes its mark."""
    everything = Vouching(types=(SYSTEM,), code=True, pickle=True)
    for data in (calling(mark), trusting_itself(mark), pickled(mark, None)):
        build(look(data), everything)
        assert mark.exists()
        mark.unlink()


def test_each_is_refused_and_named_with_nothing_executed_and_memory_flat(
    here: Workspace, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Ed25519PrivateKey.generate()
    theirs = tmp_path / "theirs"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(theirs))
    mallory = Keys(None).new("mallory")
    secret = Keys(None).signer("mallory")
    brought = here.project / ".nbops" / "keys"
    brought.mkdir(parents=True)
    (brought / "mallory.pub").write_bytes((theirs / "nbops/keys/mallory.pub").read_bytes())
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "victim"))

    cases = {
        "a pipeline that holds os.system": Case(calling(mark), "model.trust", (SYSTEM, "nobody vouched for")),
        "a list of its own": Case(trusting_itself(mark), "model.trust", (SYSTEM, "nobody vouched for")),
        "a bomb": Case(bomb("1.npy"), "model", ("unpacks to 200,", "allowed")),
        "a bomb of JSON": Case(bomb("schema.json"), "model", ("schema.json unpacks from", "200,000,000 bytes")),
        "a bomb that lies": Case(lying_bomb(), "model", ("1.npy", "is not what the directory says")),
        "a stranger's signature": Case(
            pickled(mark, stranger), "model.trust", (fingerprint(stranger.public_key()), "you have not acknowledged")
        ),
        "nobody's signature": Case(pickled(mark, None), "model.trust", ("a pickle", "Nobody signed it")),
        "a key that came with the project": Case(
            pickled(mark, secret), "model.trust", (mallory.fingerprint, str(brought / "mallory.pub"), "not read")
        ),
    }
    assert all(len(case.data) < 250_000 for case in cases.values())
    runs = {name: kept(here, case.data) for name, case in cases.items()}
    sound, swapped = kept(here, SOUND), kept(here, pack(LogisticRegression().fit(X, X[:, 1] > 9)).data)
    ((sha256,),) = here.store.read("select sha256 from artifacts where run_id = ?", [swapped]).rows
    here.store.blob_path(sha256).write_bytes(pickled(mark, stranger))

    done = subprocess.run(
        [sys.executable, "-c", TRY, sound, *runs.values(), swapped], cwd=here.project, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for name, case in cases.items():
        code, message, peak = told[runs[name]]
        assert code == case.code, (name, code, message)
        assert all(words in message for words in case.told), (name, message)
        assert peak < BOUND, (name, peak)
    code, message, peak = told[swapped]
    assert (code, sha256[:12] in message, "has changed since it was kept" in message, peak < BOUND) == (
        "store.corrupt",
        True,
        True,
        True,
    )
    assert not mark.exists()
