"""Whether registered models are still what they were: stored bytes, seal, manifest, signature, types, and on demand the load.

What flows in are rows and blobs; what flows out is a finding for each object, the broken ones named. Nothing is mended, and nothing of
a model is built in this process unless its load is to be proven.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from nbops.errors import ModelError, NbopsError, NotFound, StoreCorrupt, TrustRefused
from nbops.records import Record, short
from nbops.registry import formats, models
from nbops.registry.formats import Manifest, Opened
from nbops.registry.origin import Origin
from nbops.registry.proof import prove
from nbops.security import signing
from nbops.store.client import Store

_VERSIONS = """
    select v.model || '/' || v.version, v.run_id::varchar, v.artifact, v.sha256, v.manifest, v.model, v.version
    from model_versions v where ? or (v.model = ? and (? is null or v.version = ?)) order by v.model, v.version
"""
_LOGGED = """
    select run_id::varchar, path, sha256 from artifacts a
    where kind = 'model' and not exists (
        select 1 from model_versions v where v.run_id = a.run_id and v.artifact = a.path and v.sha256 = a.sha256
    ) order by run_id, path
"""


class Finding(Record):
    """What was looked at, and the `problem`, "" when it is sound; `told` says what it is, `code` is that of the error."""

    what: str
    told: str
    problem: str = ""
    code: str = ""

    @property
    def status(self) -> int:
        """The exit status that it stands for."""
        from nbops.errors import EXITS

        return EXITS[self.code].status if self.code else 0


class _Kept(NamedTuple):
    what: str
    run_id: str
    artifact: str
    sha256: str
    manifest: str | None
    model: str = ""
    version: int = 0


def verify(store: Store, reference: str | None = None, *, load: bool = False) -> list[Finding]:
    """A finding for each version that "NAME" or "NAME/3" means; for everything that is kept when nothing is named.

    `load` proves each load in a fresh process, on the example rows. Raises NotFound for what is not there.
    """
    found = [_one(store, kept, load=load) for kept in _kept(store, reference)]
    return [finding for several in found for finding in several]


def worst(findings: Sequence[Finding]) -> int:
    """The exit status for all of them: a damaged store before a refused type before a load that fails."""
    statuses = {finding.status for finding in findings}
    return next((status for status in (40, 30, 26) if status in statuses), max(statuses, default=0))


def _kept(store: Store, reference: str | None) -> list[_Kept]:
    name, number = "", None
    if reference is not None:
        name, slash, version = reference.removeprefix("models:/").partition("/")
        if slash and not version.isdecimal():
            raise NotFound(f"{reference!r} names no model.", hint='Write "NAME" or "NAME/3".')
        number = int(version) if slash else None
    rows = [_Kept(*row) for row in store.read(_VERSIONS, [reference is None, name, number, number]).rows]
    if reference is not None and not rows:
        models.version(store, name, number)  # raises NotFound with what exists
    if reference is None:
        logged = store.read(_LOGGED).rows
        rows += [_Kept(f"{path} of run {short(run)}", run, path, sha256, None) for run, path, sha256 in logged]
    return rows


def _one(store: Store, kept: _Kept, *, load: bool) -> Iterator[Finding]:
    try:
        data = store.get_blob(kept.sha256)
        opened = formats.look(data)
        _check_manifest(kept, opened.manifest)
        told = [f"{opened.manifest.format} of {opened.manifest.estimator}", *_signature(store, opened)]
        _check_types(opened)
        _check_registration(store, kept)
        _check_blobs(store, kept, opened.manifest.origin)
        if load:
            vouched = models.vouching(store, kept.run_id, opened, ())
            own = msgspec.structs.replace(vouched, types=opened.manifest.unreviewed) if vouched.code else vouched
            example = models.example(store, kept.run_id, kept.artifact, opened.manifest)
            prove(data, own, example=example)
            told.append("loads in a fresh process" + (" and predicts as here" if example is not None else ""))
    except NbopsError as error:
        # A blob that lies about itself was changed where it is kept: its address was changed along with it.
        broken = type(error) is ModelError and not load
        code = StoreCorrupt.default_code if broken or isinstance(error, NotFound) else error.code
        yield Finding(what=kept.what, told="", problem=error.message, code=code)
    else:
        yield Finding(what=kept.what, told="; ".join(told))


def _check_manifest(kept: _Kept, manifest: Manifest) -> None:
    if kept.manifest is None:
        return
    try:
        row: Any = msgspec.json.decode(kept.manifest)
        same = msgspec.json.decode(kept.manifest, type=Manifest) == manifest
    except (msgspec.DecodeError, UnicodeError) as error:
        raise StoreCorrupt(
            f"The manifest of {kept.what} in the store cannot be read: {error}", hint=_RESTORE
        ) from error
    # An older nbops may have told less, none told anything else.
    if not same or not _told(row, msgspec.to_builtins(manifest)):
        raise StoreCorrupt(f"The manifest of {kept.what} in the store is not that of its file.", hint=_RESTORE)


_RESTORE = "Something changed the store. Restore a backup: nbops db restore"


def _told(part: Any, whole: Any) -> bool:
    """Whether all of `part` stands in `whole`."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _told(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list | tuple):
        return len(part) == len(whole) and all(map(_told, part, whole))
    return bool(part == whole)


def _signature(store: Store, opened: Opened) -> list[str]:
    if signing.MEMBER not in opened.members:
        return []
    signed = formats.signed_by(opened, models.keys(store).acknowledged())
    if signed is None or signed.name is None:
        return [f"signed by {signed.fingerprint if signed else 'nobody'}, which you have not acknowledged"]
    return [f"signed by {signed.name}"]


def _check_types(opened: Opened) -> None:
    hidden = sorted({*formats.untrusted(opened)} - {*opened.manifest.unreviewed})
    if hidden:
        raise TrustRefused(
            f"It holds types that its manifest does not name: {', '.join(hidden)}.", hint="Do not load this file."
        )


def _check_registration(store: Store, kept: _Kept) -> None:
    """The version's file and inputs against the event of its registration, which the chain of events covers."""
    if kept.manifest is None:
        return
    events = store.read(
        "select detail from events where verb = 'version.registered' and subject = ?", [f"model:{kept.model}"]
    ).rows
    told: dict[str, object] = next(
        (then for row in events if (then := json.loads(row[0]))["version"] == kept.version), {}
    )
    if told.get("sha256") != kept.sha256:
        raise StoreCorrupt(f"{kept.what} is another file than the one that was registered.", hint=_RESTORE)
    sql = "select name, digest from version_inputs where model = ? and version = ?"
    if told.get("inputs", {}) != dict(store.read(sql, [kept.model, kept.version]).rows):
        raise StoreCorrupt(f"The inputs of {kept.what} are not those that it was registered with.", hint=_RESTORE)


def _check_blobs(store: Store, kept: _Kept, origin: Origin | None) -> None:
    """The environment, profile and example that belong to it."""
    if origin is None:
        # Before there were origins, the run alone named the example.
        sql = "select 'input example', sha256 from artifacts where run_id = ? and path = ?"
        named = dict(store.read(sql, [kept.run_id, models.example_path(kept.artifact)]).rows)
    else:
        named = origin.blobs
    for what, sha256 in named.items():
        try:
            store.get_blob(sha256)
        except (StoreCorrupt, NotFound) as error:
            raise StoreCorrupt(f"The {what} of {kept.what}: {error.message}", hint=error.hint) from error
