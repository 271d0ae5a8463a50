"""Signatures: an Ed25519 signature in a DSSE envelope, over what an archive holds as {member: SHA-256} or over another statement.

The envelope is https://github.com/secure-systems-lab/dsse, version 1: what is signed is the pre-authentication encoding of the payload,
so a signature for one purpose never fits another. Which keys count is the caller's business: nothing here reads a file, and a key or a
list that stands in an envelope is not looked at.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from nbops.errors import TrustRefused
from nbops.records import Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MEMBER = "signature.json"
_TYPE = "application/vnd.nbops.model+json"
_LONGEST = 1 << 24
_FILE = "Do not load this file. Get it again from where it was made."


class Signature(Record):
    """One key's signature; `keyid` is the fingerprint of the key, and only says where to look."""

    keyid: str
    sig: str


class Envelope(Record):
    """The envelope; `payload` and `sig` are base64."""

    payload: str
    payloadType: str  # noqa: N815 - the name in the standard
    signatures: tuple[Signature, ...]


class Signed(Record):
    """Who signed: the name that this user gave the key, None for a key that was never acknowledged."""

    fingerprint: str
    name: str | None


def fingerprint(key: Ed25519PublicKey) -> str:
    """What OpenSSH shows for the key: `ssh-keygen -lf FILE`."""
    raw = key.public_bytes_raw()
    kind = b"ssh-ed25519"
    blob = len(kind).to_bytes(4, "big") + kind + len(raw).to_bytes(4, "big") + raw
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def sign(members: Mapping[str, bytes], key: Ed25519PrivateKey) -> bytes:
    """The envelope for an archive of those members."""
    return seal(_TYPE, _payload(members), key)


def seal(kind: str, payload: bytes, key: Ed25519PrivateKey) -> bytes:
    """The envelope for a statement; `kind` says what sort of statement it is."""
    signature = Signature(
        keyid=fingerprint(key.public_key()), sig=base64.b64encode(key.sign(_encoded(kind, payload))).decode()
    )
    return msgspec.json.encode(
        Envelope(payload=base64.b64encode(payload).decode(), payloadType=kind, signatures=(signature,))
    )


def verify(members: Mapping[str, bytes], keys: Mapping[str, tuple[str, Ed25519PublicKey]]) -> Signed | None:
    """Who signed these very members; None when nobody did. `keys` maps fingerprints to a name and the key.

    Raises TrustRefused when the envelope is none, when the members are not those that were signed, or when an acknowledged key's
    signature is not of that key.
    """
    if MEMBER not in members:
        return None
    sealed = read(_TYPE, members[MEMBER], Statement("model", f"The model's {MEMBER}", _FILE))
    if sealed.payload != _payload(members):
        raise TrustRefused(f"The model is not what was signed: {_difference(sealed.payload, members)}.", hint=_FILE)
    return sealed.signer(keys)


class Statement(NamedTuple):
    """What is signed, as an error calls it, where the signature stands, and what to do when it is none."""

    what: str
    place: str
    hint: str


class Sealed(NamedTuple):
    """An envelope that was read, whose signatures nobody has looked at yet."""

    about: Statement
    kind: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def signer(self, keys: Mapping[str, tuple[str, Ed25519PublicKey]]) -> Signed:
        """Who signed the payload. Raises TrustRefused when an acknowledged key's signature is not of that key."""
        from cryptography.exceptions import InvalidSignature

        for keyid, signature in self.signatures:
            if keyid not in keys:
                continue
            name, key = keys[keyid]
            try:
                key.verify(signature, _encoded(self.kind, self.payload))
            except InvalidSignature as error:
                raise TrustRefused(
                    f"The {self.about.what}'s signature is not by the key {name!r} ({keyid}), which it names.",
                    hint=self.about.hint,
                ) from error
            return Signed(fingerprint=keyid, name=name)
        return Signed(fingerprint=self.signatures[0][0], name=None)


def read(kind: str, envelope: bytes, about: Statement) -> Sealed:
    """An envelope around a statement of that `kind`. Raises TrustRefused when it is none."""
    if len(envelope) > _LONGEST:
        raise TrustRefused(f"{about.place} is too long.", hint=about.hint)
    try:
        found = msgspec.json.decode(envelope, type=Envelope)
        payload = base64.b64decode(found.payload, validate=True)
        signatures = tuple((one.keyid, base64.b64decode(one.sig, validate=True)) for one in found.signatures)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise TrustRefused(f"{about.place} cannot be read: {error}", hint=about.hint) from error
    if found.payloadType != kind or not signatures:
        raise TrustRefused(f"{about.place} is not a signature of a {about.what}.", hint=about.hint)
    return Sealed(about, kind, payload, signatures)


def _payload(members: Mapping[str, bytes]) -> bytes:
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in members.items() if name != MEMBER}
    return msgspec.json.encode(hashes, order="sorted")


def _encoded(kind: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def _difference(payload: bytes, members: Mapping[str, bytes]) -> str:
    try:
        signed = msgspec.json.decode(payload, type=dict[str, str])
    except msgspec.DecodeError:
        return "the signed list cannot be read"
    found = msgspec.json.decode(_payload(members), type=dict[str, str])
    names = sorted(name for name in {*signed, *found} if signed.get(name) != found.get(name))
    return f"{', '.join(names[:5])} differ" if names else "the signed list is written in another way"
