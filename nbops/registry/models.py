"""From a fitted estimator to a version that anybody can load: logged with its run, proven in a fresh process, numbered."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from nbops.errors import Ambiguous, ModelError, NotFound, ParameterError
from nbops.records import Record, short
from nbops.registry import formats
from nbops.registry.formats import Manifest
from nbops.registry.natives import predicting
from nbops.registry.requests import RegisterVersion
from nbops.registry.signature import Column, Signature, conform
from nbops.store.client import Store
from nbops.store.places import user_name
from nbops.tracking import artifacts, runs
from nbops.tracking.recording import Recording

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "models"
_SUFFIX = ".skops"
_EXAMPLE_ROWS = 50
_NAME = re.compile(r"[^\W_](?:[\w .\-]{0,98}[\w.\-])?")
_REFERENCE = re.compile(r"(?:models:/)?(?P<name>[^/@]+?)(?:/(?P<version>\d+))?(?:@(?P<alias>[\w-]+))?")


class LoggedModel(Record):
    """A model that is kept with a run; `name` is what it was logged under."""

    run_id: str
    name: str
    manifest: Manifest

    def __repr__(self) -> str:
        return f"<LoggedModel {self.name!r} of run {short(self.run_id)}: {self.manifest.estimator}, {self.manifest.size:,} bytes>"


class ModelVersion(Record):
    """A registered version."""

    model: str
    version: int
    run_id: str
    artifact: str
    sha256: str
    manifest: Manifest
    state: str
    actor: str
    description: str | None = None

    def __repr__(self) -> str:
        return f"<ModelVersion {self.model}/{self.version} ({self.state}) from run {short(self.run_id)}>"


class LoadedModel:
    """A model ready to predict. `estimator` is the raw scikit-learn object."""

    def __init__(self, reference: str, loaded: formats.Loaded) -> None:
        self.reference = reference
        self.estimator = loaded.estimator
        self.manifest = loaded.manifest

    def predict(self, data: pd.DataFrame | Any) -> Any:
        """Predictions (n,) for a DataFrame with the model's columns in any order, or for what the estimator takes.

        Raises NotFound for missing columns and ParameterError for text in a column of numbers.
        """
        return self.estimator.predict(predicting(self.estimator, _conformed(data, self._signature)))

    def predict_proba(self, data: pd.DataFrame | Any) -> Any:
        """Class probabilities (n, classes), in the order of the classes. Raises ModelError for a model without."""
        if not hasattr(self.estimator, "predict_proba"):
            raise ModelError(
                f"{self.reference} gives no probabilities.",
                hint="Use predict, or train a classifier that has predict_proba.",
            )
        return self.estimator.predict_proba(_conformed(data, self._signature))

    @property
    def _signature(self) -> Signature | None:
        """Without one the estimator still knows the names of its columns, if it was fitted on any."""
        names = getattr(self.estimator, "feature_names_in_", None)
        if self.manifest.signature is not None or names is None:
            return self.manifest.signature
        return Signature(
            columns=tuple(Column(name=str(name), kind="other", nullable=True) for name in names), named=True
        )

    def __repr__(self) -> str:
        return f"<LoadedModel {self.reference}: {self.manifest.estimator}>"


def log(
    recording: Recording,
    model: object,
    name: str = "model",
    *,
    example: object = None,
    reference: object = None,
    target: str | None = None,
    code: Sequence[str | os.PathLike[str]] = (),
    trust: Collection[str] = (),
) -> LoggedModel:
    """Keep a fitted model with a run. Raises ModelError when it could not be loaded elsewhere."""
    path = _path(name)
    packed = formats.pack(model, code=code, trust=trust, example=example, reference=reference, target=target)
    artifacts.add(recording, path, packed.data, "model", "application/vnd.nbops.model+zip")
    _keep_example(recording, name, example)
    return LoggedModel(run_id=recording.run_id, name=name, manifest=packed.manifest)


def register(
    store: Store, run_id: str, model: str, *, logged: str = "model", description: str | None = None
) -> ModelVersion:
    """Make a run's logged model the next version of `model`, after it was loaded in a fresh process.

    Raises ParameterError for an unfit name, NotFound when the run has no such model, ModelError when it does not load.
    """
    from nbops.registry.proof import prove

    if not _NAME.fullmatch(model):
        raise ParameterError(
            f"{model!r} cannot be the name of a model.",
            hint="Begin with a letter or digit; use letters, digits, '-', '_', '.' and spaces, at most 100.",
        )
    path = _path(logged)
    sha256, manifest, data = _logged(store, run_id, path)
    prove(data, example=_example(store, run_id, logged, manifest.signature), trust=manifest.unreviewed)
    request = RegisterVersion(
        model=model,
        run_id=run_id,
        artifact=path,
        sha256=sha256,
        manifest=msgspec.json.encode(manifest).decode(),
        description=description,
    )
    return version(store, model, store.write(request)[0])


def version(store: Store, model: str, number: int | None = None) -> ModelVersion:
    """A version of a model, the latest one by default. Raises NotFound with what exists."""
    found = versions(store, model)
    if not found:
        names = [row[0] for row in store.read("select name from models order by name").rows]
        raise NotFound.of(
            "model",
            model,
            names,
            otherwise=f"Registered: {', '.join(names)}." if names else "Register one: nbops.register_model(run, NAME).",
        )
    chosen = [item for item in found if number is None or item.version == number]
    if not chosen:
        raise NotFound(
            f"{model} has no version {number}.", hint=f"It has {', '.join(str(item.version) for item in found)}."
        )
    return chosen[-1]


def versions(store: Store, model: str) -> list[ModelVersion]:
    """The versions of a model, oldest first; empty when there is no such model."""
    sql = """
        select model, version, run_id::varchar, artifact, sha256, manifest, state, actor, description
        from model_versions where model = ? order by version
    """
    found = store.read(sql, [model]).rows
    for row in found:
        row[5] = msgspec.json.decode(row[5], type=Manifest)
    return [ModelVersion(*row) for row in found]


def load(store: Store, reference: str, *, trust: Collection[str] | bool = ()) -> LoadedModel:
    """The model that "NAME", "NAME/3", "models:/NAME/3" or a run's id means, verified on the bytes that are loaded.

    `trust` names types that the caller vouches for, True everything that the model brought. Code that came with a model runs only
    then, or when this user logged it. Raises NotFound, StoreCorrupt or TrustRefused.
    """
    run_id, sha256, shown = _resolve(store, reference)
    data = store.get_blob(sha256)
    names = () if isinstance(trust, bool) else trust
    if trust is True:
        names = formats.describe(data).unreviewed
    own = runs.info(store, run_id).actor == user_name(os.getuid())
    return LoadedModel(shown, formats.unpack(data, trust=names, code_trusted=trust is True or own))


def _resolve(store: Store, reference: str) -> tuple[str, str, str]:
    match = _REFERENCE.fullmatch(reference.strip())
    if match is None:
        raise NotFound(
            f"{reference!r} names no model.", hint='Write "NAME", "NAME/3" or the id of a run that logged one.'
        )
    name, number, alias = match["name"], match["version"], match["alias"]
    if alias:
        raise NotFound(f"{name} has no alias {alias!r}.", hint=f'Name a version: "{name}/1".')
    if not number and not versions(store, name):
        try:
            run_id = runs.find(store, name)
        except Ambiguous:
            raise
        except NotFound:
            run_id = ""
        if run_id:
            sha256, _, _ = _logged(store, run_id, _path("model"))
            return run_id, sha256, f"run {short(run_id)}"
    found = version(store, name, int(number) if number else None)
    return found.run_id, found.sha256, f"{found.model}/{found.version}"


def _logged(store: Store, run_id: str, path: str) -> tuple[str, Manifest, bytes]:
    rows = store.read(
        "select path, sha256 from artifacts where run_id = ? and kind = 'model' order by path", [run_id]
    ).rows
    found = {row[0]: row[1] for row in rows}
    if path not in found:
        names = [key.removeprefix(f"{FOLDER}/").removesuffix(_SUFFIX) for key in found]
        known = f"It has: {', '.join(names)}." if names else "Log one with run.log_model(model)."
        raise NotFound(
            f"Run {short(run_id)} has no logged model {path.removeprefix(FOLDER + '/').removesuffix(_SUFFIX)!r}.",
            hint=known,
        )
    data = store.get_blob(found[path])
    return found[path], formats.describe(data), data


def _keep_example(recording: Recording, name: str, example: object) -> None:
    """Keep the rows that a registration tries the model on."""
    import pandas as pd

    if not isinstance(example, pd.DataFrame):
        return
    try:
        data = example.head(_EXAMPLE_ROWS).to_parquet()
    except (ValueError, TypeError):
        # Parquet does not know its columns: the model will be proven to load, not to predict.
        return
    artifacts.add(recording, _example_path(name), data, "table", "application/vnd.apache.parquet")


def _example(store: Store, run_id: str, name: str, signature: Signature | None) -> Any:
    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(artifacts.load(store, run_id, _example_path(name))))
    except NotFound:
        return None
    return _conformed(frame, signature)


def _conformed(data: Any, signature: Signature | None) -> Any:
    """A DataFrame as the model takes it; anything else as it is."""
    import pandas as pd

    if signature is None or not isinstance(data, pd.DataFrame):
        return data
    frame = conform(data, signature)
    return frame if signature.named else frame.to_numpy()


def _example_path(name: str) -> str:
    return f"{FOLDER}/{artifacts.inside(name)}.example.parquet"


def _path(name: str) -> str:
    return f"{FOLDER}/{artifacts.inside(name)}{_SUFFIX}"
