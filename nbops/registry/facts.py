"""The facts of a model: gathered where it is logged, cheaply enough for fifty of them, and read back from the version that came of it.

Equal environments, profiles and examples are one blob each. What cannot be found out keeps no model from being logged.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nbops.data.profile import Profile
from nbops.data.variation import Variation
from nbops.errors import NbopsError, StoreCorrupt
from nbops.records import Record
from nbops.registry.formats import CodeFile
from nbops.registry.origin import Library, Origin
from nbops.registry.signature import as_frame
from nbops.store.client import Store
from nbops.tracking import artifacts, provenance, runs
from nbops.tracking.recording import Recording

if TYPE_CHECKING:
    import pandas as pd

    from nbops.registry.models import ModelVersion

EXAMPLE_ROWS = 50
_PROFILES = 8
_profiles: dict[tuple[str, str | None, bool], tuple[bytes, bytes | None]] = {}


class Lock(Record):
    """An environment: of each distribution in `packages` its version, and in `records` the SHA-256 of its installed record."""

    python: str
    platform: str
    machine: str
    packages: dict[str, str]
    records: dict[str, str] = {}


class Input(Record):
    """Data that the run had read when the version was registered, under the run's name for it."""

    name: str
    digest: str
    source: str | None
    rows: int | None


class Facts(Record):
    """Where a version comes from; None where nothing was kept. `versions` are those of the libraries that made the model."""

    origin: Origin | None
    versions: dict[str, str]
    code: tuple[CodeFile, ...]
    inputs: tuple[Input, ...]
    environment: Lock | None
    profile: Profile | None
    variation: Variation = {}


class Gathered(Record):
    """The origin of a model that is about to be logged, and the bytes that it names."""

    origin: Origin
    example: bytes | None
    profile: bytes | None
    variation: bytes | None
    environment: bytes


def gather(
    recording: Recording, model: object, *, example: object, reference: object, time: str | None = None
) -> Gathered:
    """What this process knows of a fitted model; what it looks up once is kept for the next one. Stores nothing.

    `time` is the column that says when each row of the reference was, which has to be there.
    """
    rows = _example(example)
    digest, profile, variation = _profile(reference, model, recording.store.settings.project, time)
    found = provenance.latest_facts(recording.store, recording.folder)
    source, source_sha256 = _source(recording)
    environment = provenance.environment()
    origin = Origin(
        platform=platform.platform(),
        libraries=_libraries(),
        environment=_digest(environment),
        commit=found.commit,
        dirty=found.dirty,
        source=source,
        source_sha256=source_sha256,
        reference=digest,
        profile=_digest(profile),
        example=_digest(rows),
        variation=_digest(variation),
    )
    return Gathered(origin=origin, example=rows, profile=profile, variation=variation, environment=environment)


def keep(recording: Recording, path: str, gathered: Gathered) -> None:
    """Keep with the run what the origin of its model `path`, without a suffix, names."""
    # Named by its content: the models of a run may come from several processes.
    place = f"environments/{(gathered.origin.environment or '')[:12]}.json"
    artifacts.add(recording, place, gathered.environment, "dict", "application/json")
    if gathered.profile is not None:
        artifacts.add(recording, f"{path}.profile.json", gathered.profile, "dict", "application/json")
    if gathered.variation is not None:
        artifacts.add(recording, f"{path}.variation.json", gathered.variation, "dict", "application/json")
    if gathered.example is not None:
        parquet = "application/vnd.apache.parquet"
        artifacts.add(recording, f"{path}.example.parquet", gathered.example, "table", parquet)


def read(store: Store, version: ModelVersion) -> Facts:
    """Where a version comes from. Raises StoreCorrupt or NotFound when a part is damaged or missing."""
    manifest = version.manifest
    origin = manifest.origin
    environment, profile = (origin.environment, origin.profile) if origin else (None, None)
    variation = origin.variation if origin else None
    sql = "select name, digest, source, rows from version_inputs where model = ? and version = ? order by name"
    return Facts(
        origin=origin,
        versions=manifest.versions,
        code=manifest.code,
        inputs=tuple(Input(*row) for row in store.read(sql, [version.model, version.version]).rows),
        environment=_lock(store.get_blob(environment)) if environment else None,
        profile=Profile.from_json(store.get_blob(profile)) if profile else None,
        variation=msgspec.json.decode(store.get_blob(variation), type=Variation) if variation else {},
    )


def _lock(data: bytes) -> Lock:
    try:
        return msgspec.json.decode(data, type=Lock)
    except msgspec.MsgspecError as error:
        raise StoreCorrupt(
            f"The environment of the version cannot be read: {error}", hint="If a newer nbops made it, update this one."
        ) from error


def _digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _example(rows: object) -> bytes | None:
    """The rows that a registration tries the model on."""
    import pandas as pd

    if not isinstance(rows, pd.DataFrame):
        return None
    try:
        return rows.head(EXAMPLE_ROWS).to_parquet()
    except (ValueError, TypeError):
        # Parquet does not know its columns: the model will be proven to load, not to predict.
        return None


def _profile(
    reference: object, model: object, project: Path, time: str | None
) -> tuple[str | None, bytes | None, bytes | None]:
    """The digest of the reference data, its profile and how much its days differ, both as JSON; equal data is profiled once."""
    fitted = getattr(model, "feature_names_in_", None)
    frame = as_frame(reference, fitted)
    if frame is None:
        return None, None, None
    taken = fitted is not None and time in fitted
    with contextlib.suppress(NbopsError, TypeError, ValueError):
        digest = artifacts.describe(frame, "reference", project).digest
        if (digest, time, taken) not in _profiles:
            while len(_profiles) >= _PROFILES:
                _profiles.pop(next(iter(_profiles)))
            _profiles[digest, time, taken] = _profiled(frame, time, taken=taken)
        return digest, *_profiles[digest, time, taken]
    return None, None, None


def _profiled(frame: pd.DataFrame, time: str | None, *, taken: bool) -> tuple[bytes, bytes | None]:
    """The model may have `taken` the time as one of its own columns."""
    from nbops.data.blocks import blocks
    from nbops.data.profiling import profile
    from nbops.data.variation import variation

    named = frame.set_axis([str(name) for name in frame.columns], axis="columns")
    if time is None:
        return profile(named).to_json(), None
    told, named = named[time], named if taken else named.drop(columns=time)
    found = profile(named)
    length, parts = blocks(named, told, like=found)
    return found.to_json(), msgspec.json.encode(variation(parts, length))


def _source(recording: Recording) -> tuple[str | None, str | None]:
    """The run's notebook or script, and the digest of its file."""
    project, path = recording.store.settings.project, recording.source
    if path is None:
        # A run that another process records.
        with contextlib.suppress(NbopsError):
            path = runs.info(recording.store, recording.run_id).source
    if path is None:
        return None, None
    with contextlib.suppress(OSError):
        return provenance.relative(path, project), provenance.file_digest(project / path)
    return provenance.relative(path, project), None


@functools.cache
def _libraries() -> tuple[Library, ...]:
    """Those that are loaded when the first model is logged: what fitted it is among them."""
    import threadpoolctl

    found = [
        Library(
            api=told["user_api"],
            name=told["internal_api"],
            version=told["version"],
            architecture=told.get("architecture"),
            threads=told["num_threads"],
        )
        for told in threadpoolctl.threadpool_info()
    ]
    return tuple(sorted({*found}, key=msgspec.json.encode))
