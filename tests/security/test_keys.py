"""Keys belong to a person: made, shown, acknowledged and forgotten in the person's own folder, and never taken from a project."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nbops.errors import Conflict, NotFound, ParameterError, TrustRefused
from nbops.security.keys import Keys, brought


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def other(tmp_path: Path) -> str:
    """The public line of somebody else's key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
        return Keys(None).new("bea").public


def test_a_key_is_made_for_this_user_alone_and_acknowledged(home: Path) -> None:
    key = Keys(None).new("ann")
    assert (key.name, key.own) == ("ann", True)
    assert Keys(None).listed() == [key]
    folder = home / "nbops" / "keys"
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {"ann.key": 0o600, "ann.pub": 0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [name for name, _ in Keys(None).acknowledged().values()] == ["ann"]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
def test_the_fingerprint_is_what_openssh_shows(home: Path) -> None:
    key = Keys(None).new("ann")
    told = subprocess.run(["ssh-keygen", "-lf", key.path], capture_output=True, text=True, check=True).stdout
    assert key.fingerprint in told


def test_another_ones_key_is_acknowledged_and_forgotten(home: Path, other: str) -> None:
    key = Keys(None).trust("bea", other.encode())
    assert (key.own, key.public) == (False, other)
    with pytest.raises(NotFound, match="no key 'bea' to sign with"):
        Keys(None).signer("bea")
    with pytest.raises(Conflict, match="acknowledged already, as 'bea'"):
        Keys(None).trust("second", other.encode())
    Keys(None).forget("bea")
    assert Keys(None).listed() == []


def test_names_are_given_once_and_are_plain(home: Path, other: str) -> None:
    Keys(None).new("ann")
    with pytest.raises(Conflict, match="There is a key 'ann'"):
        Keys(None).new("ann")
    with pytest.raises(Conflict, match="There is a key 'ann'"):
        Keys(None).trust("ann", other.encode())
    for name in ("", "../ann", "a b", "-x", "x" * 64, "a/b"):
        with pytest.raises(ParameterError, match="cannot be the name of a key"):
            Keys(None).new(name)
    with pytest.raises(NotFound, match="no key 'amn'") as caught:
        Keys(None).forget("amn")
    assert "'ann'" in caught.value.hint


def test_what_is_no_ed25519_key_is_refused(home: Path) -> None:
    ecdsa = generate_private_key(SECP256R1()).public_key()
    for content in (b"", b"ssh-ed25519 AAAA", b"hello", ecdsa.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)):
        with pytest.raises(ParameterError, match="public key"):
            Keys(None).trust("other", content)
    assert not home.exists()


def test_who_signs_is_asked_when_there_are_two(home: Path) -> None:
    with pytest.raises(NotFound, match="no key to sign with") as none:
        Keys(None).signer()
    assert "nbops keys new" in none.value.hint
    Keys(None).new("ann")
    assert Keys(None).signer() is not None
    Keys(None).new("work")
    with pytest.raises(ParameterError, match="ann, work"):
        Keys(None).signer()
    assert Keys(None).signer("work") is not None


def test_a_folder_that_lies_in_the_project_is_refused_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a project's own settings point there, or when a link leads there."""
    project = tmp_path / "cloned"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project / ".config"))
    Keys(None).new("mallory")
    link = tmp_path / "link"
    link.symlink_to(project / ".config")
    for home in (project / ".config", link):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
        for ask in (
            Keys(project).listed,
            Keys(project).acknowledged,
            Keys(project).signer,
            lambda: Keys(project).new("b"),
        ):
            with pytest.raises(TrustRefused, match="keys that came with a project are never read"):
                ask()
    assert [path.name for path in brought(project)] == ["mallory.pub"]


def test_what_others_could_have_written_is_refused(home: Path) -> None:
    path = Path(Keys(None).new("ann").path)
    path.chmod(0o666)
    with pytest.raises(TrustRefused, match=r"ann\.pub is not yours alone"):
        Keys(None).acknowledged()
    path.chmod(0o600)
    path.with_suffix(".key").chmod(0o644)
    with pytest.raises(TrustRefused, match=r"ann\.key is not yours alone"):
        Keys(None).signer()
    path.parent.chmod(0o777)
    with pytest.raises(TrustRefused, match="keys is not yours alone"):
        Keys(None).listed()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_somebody_else_is_refused(home: Path) -> None:
    os.chown(Keys(None).new("ann").path, 12345, -1)
    with pytest.raises(TrustRefused, match="is not yours alone"):
        Keys(None).acknowledged()
