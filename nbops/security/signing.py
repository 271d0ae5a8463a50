"""Signatures over what an archive holds: an Ed25519 signature in a DSSE envelope over {member: SHA-256}.

The envelope is https://github.com/secure-systems-lab/dsse, version 1: what is signed is the pre-authentication encoding of the payload,
so a signature for one purpose never fits another. Which keys count is the caller's business: nothing here reads a file, and a key or a
list that stands in an envelope is not looked at.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from nbops.errors import TrustRefused
from nbops.records import Record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MEMBER = "signature.json"
_TYPE = "application/vnd.nbops.model+json"
_LONGEST = 1 << 24


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
    payload = _payload(members)
    signature = Signature(
        keyid=fingerprint(key.public_key()), sig=base64.b64encode(key.sign(_encoded(_TYPE, payload))).decode()
    )
    return msgspec.json.encode(
        Envelope(payload=base64.b64encode(payload).decode(), payloadType=_TYPE, signatures=(signature,))
    )


def verify(members: Mapping[str, bytes], keys: Mapping[str, tuple[str, Ed25519PublicKey]]) -> Signed | None:
    """Who signed these very members; None when nobody did. `keys` maps fingerprints to a name and the key.

    Raises TrustRefused when the envelope is none, when the members are not those that were signed, or when an acknowledged key's
    signature is not of that key.
    """
    if MEMBER not in members:
        return None
    from cryptography.exceptions import InvalidSignature

    if len(members[MEMBER]) > _LONGEST:
        raise _refused(f"The model's {MEMBER} is too long.")
    try:
        envelope = msgspec.json.decode(members[MEMBER], type=Envelope)
        payload = base64.b64decode(envelope.payload, validate=True)
        signatures = [(one.keyid, base64.b64decode(one.sig, validate=True)) for one in envelope.signatures]
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise _refused(f"The model's {MEMBER} cannot be read: {error}") from error
    if envelope.payloadType != _TYPE or not signatures:
        raise _refused(f"The model's {MEMBER} is not a signature of a model.")
    if payload != _payload(members):
        raise _refused(f"The model is not what was signed: {_difference(payload, members)}.")
    for keyid, signature in signatures:
        if keyid not in keys:
            continue
        name, key = keys[keyid]
        try:
            key.verify(signature, _encoded(envelope.payloadType, payload))
        except InvalidSignature as error:
            raise _refused(f"The model's signature is not by the key {name!r} ({keyid}), which it names.") from error
        return Signed(fingerprint=keyid, name=name)
    return Signed(fingerprint=signatures[0][0], name=None)


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


def _refused(message: str) -> TrustRefused:
    return TrustRefused(message, hint="Do not load this file. Get it again from where it was made.")
