"""The keys that this user signs with and those that this user has acknowledged: files in the user's own configuration folder.

`NAME.pub` is an acknowledged public key, `NAME.key` the secret half of an own one. Nothing is ever read from a project: a folder that
lies in one, that belongs to somebody else or that others can write to is refused and named, and so is each file.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nbops.errors import Conflict, NotFound, ParameterError, TrustRefused
from nbops.records import Record
from nbops.security.signing import fingerprint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
_LONGEST = 4096


class Key(Record):
    """An acknowledged key; `own` when this user can sign with it. `public` is what others acknowledge, one line of OpenSSH's."""

    name: str
    fingerprint: str
    own: bool
    public: str
    path: str


class Keys:
    """The keys of this user, seen from a project that must not hold them (None: from no project)."""

    def __init__(self, project: Path | None) -> None:
        home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        self.folder = Path(home, "nbops", "keys")
        self._project = project

    def new(self, name: str) -> Key:
        """Make a key to sign with; it is acknowledged at once. Raises Conflict when the name is taken."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._check_new(name)
        secret = Ed25519PrivateKey.generate()
        self._write(
            f"{name}.key",
            secret.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        self._write(f"{name}.pub", _line(secret.public_key(), name))
        return self._key(name)

    def trust(self, name: str, public: bytes) -> Key:
        """Acknowledge the key in one line of OpenSSH's or in PEM. Raises Conflict, and ParameterError for what is no such key."""
        key = read_public(public)
        self._check_new(name)
        known = next((one for one in self.listed() if one.fingerprint == fingerprint(key)), None)
        if known:
            raise Conflict(f"That key is acknowledged already, as {known.name!r}.", hint="nbops keys list")
        self._write(f"{name}.pub", _line(key, name))
        return self._key(name)

    def forget(self, name: str) -> Key:
        """Acknowledge a key no longer; of an own one the secret half is removed too. Raises NotFound."""
        key = self.key(name)
        for suffix in ("key", "pub"):
            (self.folder / f"{name}.{suffix}").unlink(missing_ok=True)
        return key

    def listed(self) -> list[Key]:
        """All keys, by name. Raises TrustRefused when the folder or a file could be somebody else's."""
        return [self._key(path.stem) for path in self._files()]

    def key(self, name: str) -> Key:
        """One key. Raises NotFound with what exists."""
        known = {key.name: key for key in self.listed()}
        if name not in known:
            raise NotFound.of("key", name, known, otherwise=f"Known: {', '.join(known) or 'none'}. See nbops keys new.")
        return known[name]

    def acknowledged(self) -> dict[str, tuple[str, Ed25519PublicKey]]:
        """Fingerprint -> name and key."""
        found = {}
        for path in self._files():
            key = read_public(self._read(path))
            found[fingerprint(key)] = (path.stem, key)
        return found

    def signer(self, name: str | None = None) -> Ed25519PrivateKey:
        """The secret half of an own key, of the only one by default. Raises NotFound."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        own = [key.name for key in self.listed() if key.own]
        if name is None and len(own) > 1:
            raise ParameterError(f"You have the keys {', '.join(own)}.", hint=f"Say which: sign={own[0]!r}.")
        chosen = name or next(iter(own), None)
        if chosen not in own:
            raise NotFound(
                f"You have no key {name!r} to sign with." if name else "You have no key to sign with.",
                hint=f"Yours: {', '.join(own)}." if own else "Make one: nbops keys new NAME",
            )
        path = self.folder / f"{chosen}.key"
        secret = load_pem_private_key(self._read(path, private=True), password=None)
        if not isinstance(secret, Ed25519PrivateKey):
            raise ParameterError(
                f"{path} is not an Ed25519 key.", hint=f"nbops keys forget {chosen}, then nbops keys new"
            )
        return secret

    def _check_new(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise ParameterError(
                f"{name!r} cannot be the name of a key.", hint="Use letters, digits, '.', '_', '-' and '@', at most 63."
            )
        for path in self._files():
            if path.stem == name:
                raise Conflict(
                    f"There is a key {name!r} already.", hint=f"Choose another name, or: nbops keys forget {name}"
                )

    def _files(self) -> Iterator[Path]:
        self._check_folder()
        if self.folder.exists():
            yield from sorted(self.folder.glob("*.pub"))

    def _check_folder(self) -> None:
        real = self.folder.resolve()
        # A home that is a project is still a home, and $HOME may be what a project says.
        home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
        project = self._project.resolve() if self._project is not None else None
        if project and real.is_relative_to(project) and not home.resolve().is_relative_to(project):
            raise TrustRefused(
                f"{self.folder} lies in the project: keys that came with a project are never read.",
                hint="Unset XDG_CONFIG_HOME, or let it name a folder of your own outside of the project.",
            )
        if self.folder.exists():
            _check_owner(self.folder, real.stat(), 0o022)

    def _key(self, name: str) -> Key:
        path = self.folder / f"{name}.pub"
        public = read_public(self._read(path))
        return Key(
            name=name,
            fingerprint=fingerprint(public),
            own=path.with_suffix(".key").exists(),
            public=_line(public, name).decode().strip(),
            path=str(path),
        )

    def _read(self, path: Path, *, private: bool = False) -> bytes:
        if path.is_symlink():
            raise TrustRefused(
                f"{path} is a link: a key is a file of your own.", hint="Remove it, or copy what it leads to."
            )
        # What is looked at is what is read: the name may mean another file a moment later.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            _check_owner(path, os.fstat(handle), 0o077 if private else 0o022)
            return file.read(_LONGEST)

    def _write(self, file: str, content: bytes) -> None:
        self._check_folder()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.folder / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)


def brought(project: Path) -> list[Path]:
    """What looks like a list of keys in a project; it is never read, but a refusal names it."""
    places = (".config/nbops/keys", ".nbops/keys", "nbops/keys", "keys")
    return [file for place in places for file in sorted((project / place).glob("*.pub"))]


def read_public(content: bytes) -> Ed25519PublicKey:
    """The key in one line of OpenSSH's or in PEM. Raises ParameterError for anything else."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

    try:
        load = load_ssh_public_key if content.startswith(b"ssh-") else load_pem_public_key
        key = load(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ParameterError(f"This is not a public key: {error}", hint=_WANTED) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ParameterError("This is a public key of another kind than Ed25519.", hint=_WANTED)
    return key


_WANTED = "Ask its owner for the line that `nbops keys list` shows: ssh-ed25519 AAAA…"


def _line(key: Ed25519PublicKey, name: str) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH) + f" {name}\n".encode()


def _check_owner(path: Path, status: os.stat_result, open_to: int) -> None:
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & open_to:
        raise TrustRefused(
            f"{path} is not yours alone: others could have put keys there.",
            hint=f"Look at what it holds; then: chmod -R go= {path.parent if path.suffix else path}, as its owner.",
        )
