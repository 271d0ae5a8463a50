"""The audit of the store's history: whether the chain of events holds, its head signed and kept elsewhere, and the events as lines.

Only the chain of hashes is looked at, never what the events mean. What is signed here is a statement about the store; where its file is
kept is the caller's business, and it proves something only where whoever can write the store cannot write, too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from nbops import times
from nbops.errors import NbopsError, NotFound, ParameterError, StoreCorrupt, TrustRefused, UsageError
from nbops.records import Record, at, now_us
from nbops.render import values
from nbops.security import signing
from nbops.security.keys import Keys
from nbops.store.care import Finding
from nbops.store.chain import Entry, Walk, entries, walk
from nbops.store.client import Store
from nbops.store.sidecar import Promise, read_promise

_TYPE = "application/vnd.nbops.anchor+json"
_LONGEST = 1 << 16
_AGAIN = "Take it again from where it was kept, or make a new one: nbops audit anchor"


class Anchor(Record):
    """The statement that the chain of the store with id `store` had the hash `head` at `seq`, and when that was said."""

    store: str
    seq: int
    head: str
    time: datetime


class Audit(Record):
    """What was found: `findings` for the events, their end and the anchor; `events` of the chain up to `seq` hold, where it is `head`.

    `broken` is the first event that does not belong.
    """

    findings: tuple[Finding, ...]
    events: int
    seq: int
    head: str
    broken: Entry | None = None

    @property
    def sound(self) -> bool:
        """Whether there is no problem."""
        return not any(finding.problem for finding in self.findings)


def verify(store: Store, anchor: Path | None = None) -> Audit:
    """Follow the chain through what was acknowledged last and through an anchor.

    Raises NotFound for a file that is not there, and TrustRefused for one that is no anchor or that no acknowledged key has signed.
    """
    stated, by = _opened(anchor, _keys(store)) if anchor else (None, "")
    # What was promised before the walk begins is in the chain by then.
    promise = read_promise(store.places.sidecar)
    found = walk(store, {one.head for one in (stated, promise) if one is not None})
    told = f"{values.counted(found.count, 'event')}, each linked to the one before"
    findings = [Finding(what="events", told=told, problem=found.problem), _end(store, found, promise)]
    if stated is not None:
        findings.append(_anchored(store, found, stated, by))
    return Audit(findings=tuple(findings), events=found.count, seq=found.seq, head=found.head, broken=found.broken)


def anchor(store: Store, file: Path, *, key: str | None = None) -> Anchor:
    """Sign the chain's head with an own key, the only one by default, into a file that is there whole or not at all.

    Raises StoreCorrupt when the chain is broken, NotFound when there is no key and UsageError when the file cannot be written.
    """
    known = _keys(store)
    own = [one.name for one in known.listed() if one.own]
    if key is None and len(own) > 1:
        raise ParameterError(f"You have the keys {', '.join(own)}.", hint=f"Say which: --key {own[0]}")
    signer = known.signer(key)
    found = walk(store)
    if found.broken:
        raise StoreCorrupt(
            f"Nothing is signed: {found.problem}.",
            hint="`nbops audit verify` tells more, `nbops db restore` from a backup.",
        )
    made = Anchor(store=_id(store), seq=found.seq, head=found.head, time=at(now_us()))
    with whole(file) as opened:
        opened.write(signing.seal(_TYPE, msgspec.json.encode(made), signer) + b"\n")
    return made


def export(store: Store, *, since: datetime | str | None = None, model: str | None = None) -> Iterator[bytes]:
    """Each event as a line of JSON with its hashes, those of a model, and those from a time on: see docs/audit.md.

    Raises NotFound for a model that is not there, at once.
    """
    conditions: list[str] = ["true"]
    given: list[object] = []
    if since is not None:
        conditions.append("time >= make_timestamp(?)")
        given.append(times.microseconds(times.moment(since)))
    if model is not None:
        names = [row[0] for row in store.read("select name from models order by name").rows]
        if model not in names:
            raise NotFound.of("model", model, names, otherwise=f"There are: {', '.join(names) or 'none'}.")
        conditions.append("(subject = ? or starts_with(subject, ?))")
        given += [f"model:{model}", f"model:{model}/"]
    found = entries(store, " and ".join(conditions), *given)
    return (msgspec.json.encode(entry) + b"\n" for entry in found)


@contextlib.contextmanager
def whole(file: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes its name once it is on disk. Raises UsageError when that cannot be."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        temporary.replace(file)
    except NbopsError:
        # Some of them are OSErrors too.
        raise
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror}.", hint="Look whether its folder is there and has room."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _keys(store: Store) -> Keys:
    """The keys of this user, none of which may lie in the project."""
    return Keys(store.places.folder.parent)


def _opened(file: Path, known: Keys) -> tuple[Anchor, str]:
    """What an anchor says, and who signed it."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_LONGEST + 1)
    except OSError as error:
        raise NotFound(f"The anchor {file} cannot be read: {error.strerror}.", hint=_AGAIN) from error
    sealed = signing.read(_TYPE, content, signing.Statement("store's history", str(file), _AGAIN))
    signed = sealed.signer(known.acknowledged())
    if signed.name is None:
        raise TrustRefused(
            f"{file} is signed by {signed.fingerprint}, a key that you have not acknowledged.",
            hint="Ask whose it is; then: nbops keys trust NAME FILE",
        )
    try:
        return msgspec.json.decode(sealed.payload, type=Anchor), signed.name
    except msgspec.DecodeError as error:
        raise TrustRefused(f"{file} is an anchor of another kind: {error}", hint="Update nbops.") from error


def _end(store: Store, found: Walk, promise: Promise | None) -> Finding:
    """Whether what was acknowledged last is in the chain."""
    if found.broken or promise is None:
        return Finding(
            what="end", told="is not looked for behind a break" if found.broken else "nothing was acknowledged"
        )
    if promise.head in found.passed:
        return Finding(what="end", told=f"what was acknowledged last, at sequence {promise.seq}, is there")
    for entry in entries(store, "verb in ('store.gap', 'store.restored')"):
        lost = msgspec.json.decode(entry.detail)
        if lost["promised"] >= promise.seq:
            span = f"sequence {lost['last'] + 1} to {lost['promised']}"
            return Finding(what="end", told=f"{span} is missing since a fault, which sequence {entry.seq} tells of")
    problem = (
        f"the chain ends at sequence {found.seq} without what was acknowledged at {promise.seq}: events were taken away"
    )
    return Finding(what="end", told="", problem=problem)


def _anchored(store: Store, found: Walk, stated: Anchor, by: str) -> Finding:
    said = f"signed by {by} on {times.shown(stated.time)}"
    problem = ""
    if stated.store != _id(store):
        problem = f"it is of the store {stated.store}, and this is {_id(store)}"
    elif found.passed.get(stated.head) != stated.seq:
        problem = f"{said}; the chain does not pass through what it had at sequence {stated.seq}: it was rewritten, or cut and continued"
    since = f"the chain passes through its head at sequence {stated.seq} and goes on to {found.seq}"
    return Finding(what="anchor", told=f"{said}; {since}", problem=problem)


def _id(store: Store) -> str:
    return str(store.read("select value from core.meta where key = 'store_id'").rows[0][0])
