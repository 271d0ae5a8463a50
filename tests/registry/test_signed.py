"""What no other format can hold is a pickle, and a pickle is read only for a signature of an acknowledged key or a recorded word."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sklearn.cluster import Birch
from sklearn.linear_model import LogisticRegression

from nbops.errors import ModelError, NotFound, TrustRefused
from nbops.registry.formats import describe, look, pack, signed_by, unpack
from nbops.security.keys import Keys
from nbops.security.signing import fingerprint, sign, verify
from nbops.workspace._run import Run
from nbops.workspace._workspace import Workspace
from tests.conftest import Project
from tests.registry.archives import members, resealed, sealed

X = np.arange(40.0).reshape(20, 2)
MODEL = Birch(n_clusters=2).fit(X)
SECRET = Ed25519PrivateKey.generate()
KNOWN = {fingerprint(SECRET.public_key()): ("ann", SECRET.public_key())}
DATA = pack(MODEL, signer=SECRET).data


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder of this test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


class Marked:
    """Whoever reads its pickle writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)

    def predict(self, rows: Any) -> Any:
        return rows


# The envelope


def test_the_envelope_is_the_standards_own() -> None:
    """By the words of DSSE 1.0: the signature is over PAE(type, payload), and the payload is the list of what was signed."""
    content = {"b": b"2", "a": b"1"}
    envelope = json.loads(sign(content, SECRET))
    kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    encoded = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
    SECRET.public_key().verify(base64.b64decode(envelope["signatures"][0]["sig"]), encoded)
    assert list(json.loads(payload)) == ["a", "b"]


def test_a_signature_counts_for_the_very_members_and_the_acknowledged_key() -> None:
    content = {"a": b"1", "b": b"2"}
    signed = {**content, "signature.json": sign(content, SECRET)}
    found = verify(signed, KNOWN)
    assert found is not None
    assert found.name == "ann"
    assert verify(content, KNOWN) is None
    unknown = verify(signed, {})
    assert unknown is not None
    assert (unknown.name, unknown.fingerprint) == (None, found.fingerprint)
    for other in (
        {**signed, "a": b"0"},
        {**signed, "c": b""},
        {name: signed[name] for name in ("a", "signature.json")},
    ):
        for keys in (KNOWN, {}):
            with pytest.raises(TrustRefused, match="is not what was signed"):
                verify(other, keys)


def test_an_envelope_cannot_say_which_key_it_is_by() -> None:
    """One made by another key, under the name of an acknowledged one, and one that brings a key along."""
    content = {"a": b"1"}
    forged = json.loads(sign(content, Ed25519PrivateKey.generate()))
    forged["signatures"][0]["keyid"] = next(iter(KNOWN))
    forged["keys"] = ["ssh-ed25519 AAAA"]
    with pytest.raises(TrustRefused, match="not by the key 'ann'"):
        verify({**content, "signature.json": json.dumps(forged).encode()}, KNOWN)


@pytest.mark.parametrize(
    "change",
    [
        {"payloadType": "text/plain"}, {"payload": "*"}, {"payload": ""}, {"signatures": []}, {"signatures": 1},
        {"signatures": [{"keyid": "x", "sig": "*"}]},
    ],
)  # fmt: skip
def test_what_is_no_envelope_is_refused(change: dict[str, Any]) -> None:
    content = {"a": b"1"}
    envelope = {**json.loads(sign(content, SECRET)), **change}
    with pytest.raises(TrustRefused):
        verify({**content, "signature.json": json.dumps(envelope).encode()}, KNOWN)


# The bundle


def test_what_skops_cannot_write_is_a_pickle_only_when_it_is_signed() -> None:
    with pytest.raises(ModelError, match="Birch cannot be written"):
        pack(MODEL)
    manifest = describe(DATA)
    assert manifest.format == "pickle"
    assert "sklearn.cluster._birch.Birch" in manifest.unreviewed
    signed = signed_by(look(DATA), KNOWN)
    assert signed is not None
    assert signed.name == "ann"
    np.testing.assert_array_equal(unpack(DATA, pickle_trusted=True).estimator.predict(X), MODEL.predict(X))


def test_what_skops_can_write_is_no_pickle_when_it_is_signed() -> None:
    data = pack(LogisticRegression().fit(X, X[:, 0] > 9), signer=SECRET).data
    assert describe(data).format == "skops"
    assert signed_by(look(data), KNOWN) is not None
    unpack(data)


def test_a_pickle_is_not_read_for_its_word() -> None:
    with pytest.raises(TrustRefused, match=next(iter(KNOWN)).replace("+", r"\+")) as caught:
        unpack(DATA, code_trusted=True, trust=describe(DATA).unreviewed)
    assert "nbops keys trust" in caught.value.hint
    content = members(DATA)
    del content["signature.json"]
    with pytest.raises(TrustRefused, match="Nobody signed it"):
        unpack(sealed(content))


def test_a_class_of_the_notebook_is_refused_in_a_pickle_too() -> None:
    class Here(Birch):  # type: ignore[misc]  # scikit-learn has no types
        pass

    with pytest.raises(ModelError, match=r"cannot be pickled|where no other process finds it"):
        pack(Here(n_clusters=2).fit(X), signer=SECRET)


# With a run


def test_its_maker_loads_it_and_others_when_they_have_acknowledged_the_key(
    here: Workspace, run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound, match="no key to sign with"):
        run.log_model(MODEL, sign=True)
    key = Keys(None).new("ann")
    run.log_model(MODEL, sign=True)
    version = here.register_model(run, "clusters")
    np.testing.assert_array_equal(here.load_model("clusters").estimator.predict(X), MODEL.predict(X))

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another person"))
    with pytest.raises(TrustRefused, match="a key that you have not acknowledged") as caught:
        here.load_model("clusters")
    assert key.fingerprint in caught.value.message
    with pytest.raises(TrustRefused, match="a key that you have not acknowledged"):
        here.register_model(run, "clusters again")
    Keys(None).trust("ann", key.public.encode())
    here.load_model("clusters")
    Keys(None).forget("ann")
    assert _told(here, version.sha256) == []
    here.load_model("clusters", trust=True)
    assert _told(here, version.sha256) == [{"code": [], "pickle": True}]


def _told(here: Workspace, sha256: str) -> list[dict[str, Any]]:
    rows = here.store.read("select actor, subject, detail from events where verb = 'model.trusted'").rows
    told = [(actor, subject, json.loads(detail)) for actor, subject, detail in rows]
    assert all(actor and subject.startswith("model:") for actor, subject, _ in told)
    return [{name: one[name] for name in ("code", "pickle")} for _, _, one in told if one["sha256"] == sha256]


def test_trust_that_came_with_a_project_is_refused_and_named(
    shared: Project, here: Workspace, run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cloned project that brings a key, where a careless tool would read it, and a model that the key signed."""
    mark = tmp_path / "mark"
    Keys(None).new("mallory")
    run.log_model(MODEL, sign=True)
    for place in (".config/nbops/keys", ".nbops/keys"):
        folder = here.project / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mallory.pub").write_bytes((home / "nbops/keys/mallory.pub").read_bytes())
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "victim"))
    with pytest.raises(TrustRefused, match="a key that you have not acknowledged") as caught:
        here.load_model(run.id)
    assert str(here.project / ".nbops/keys/mallory.pub") in caught.value.message
    monkeypatch.setenv("XDG_CONFIG_HOME", str(here.project / ".config"))
    with pytest.raises(TrustRefused, match="keys that came with a project are never read"):
        here.load_model(run.id)
    assert not mark.exists()


def test_a_swapped_pickle_is_not_read(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    swapped = resealed(DATA, {"model.pkl": pickle.dumps(Marked(mark))})
    with pytest.raises(TrustRefused, match=r"is not what was signed: model\.pkl differ"):
        signed_by(look(swapped), KNOWN)
    with pytest.raises(TrustRefused):
        unpack(swapped)
    assert not mark.exists()
    unpack(swapped, pickle_trusted=True)  # that it would have run
    assert mark.exists()
