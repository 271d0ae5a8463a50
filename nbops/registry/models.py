"""From a fitted estimator to a version that anybody can load: logged with its run, proven in a fresh process, numbered."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from nbops.errors import (
    Ambiguous,
    ModelError,
    NotFound,
    ParameterError,
    StoreCorrupt,
    StoreReadOnly,
    TrustRefused,
    UsageError,
    nearest,
)
from nbops.evaluation.decision import DecisionRule, decide
from nbops.records import Record, RunStatus, at, now_us, short
from nbops.registry import facts, formats
from nbops.registry.formats import Manifest, Opened, Vouching
from nbops.registry.natives import predicting
from nbops.registry.requests import RegisterVersion, TrustModel
from nbops.registry.signature import Column, Signature, conform
from nbops.security import signing
from nbops.security.keys import Keys, brought
from nbops.store.client import Store
from nbops.store.places import user_name
from nbops.tracking import artifacts, runs
from nbops.tracking.recording import Recording

if TYPE_CHECKING:
    import pandas as pd

    from nbops.registry.parity import Verdict

FOLDER = "models"
_SUFFIX = ".skops"
_ENDED = {"failed": "failed", "stopped": "was stopped", "lost": "was lost"}
_NAME = re.compile(r"[^\W_](?:[\w .\-]{0,98}[\w.\-])?")
_REFERENCE = re.compile(r"(?:models:/)?(?P<name>[^/@]+?)(?:/(?P<version>\d+))?(?:@(?P<alias>[\w-]+))?")


class ApprovalEnded(UserWarning):
    """An alias stands for a version whose approval was given until a time that has passed."""


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
    run_status: RunStatus | None = None
    """How its run stands now: one that was registered while it went on may have failed since."""

    @property
    def doubt(self) -> str:
        """Why its run is no ground to stand on, "" when it finished or goes on."""
        if self.run_status in {"running", "finished"}:
            return ""
        return f"its run {short(self.run_id)} {_ENDED.get(self.run_status or '', 'is not there any more')}"

    def __repr__(self) -> str:
        doubt = f"; {self.doubt}" if self.doubt else ""
        return f"<ModelVersion {self.model}/{self.version} ({self.state}{doubt}) from run {short(self.run_id)}>"


class Reference(NamedTuple):
    """What "NAME", "NAME/3" and "NAME@ALIAS" are made of."""

    name: str
    version: int | None
    alias: str | None


class Given(Record):
    """What is said about a model when it is logged, see `formats.pack`; `sign` takes this user's only key, or the one it names.

    `time` is the column of the reference that says when each row was.
    """

    example: Any = None
    reference: Any = None
    time: str | None = None
    target: str | None = None
    code: Sequence[str | os.PathLike[str]] = ()
    trust: Collection[str] = ()
    rule: DecisionRule | None = None
    sign: bool | str = False


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

    def decide(self, data: pd.DataFrame | Any) -> Any:
        """Decisions (n,) by the model's rule: a class, or None where a person has to look. Without a rule what `predict` says.

        Raises as `predict` does, and ModelError where the rule needs what the model does not give.
        """
        rule = self.manifest.rule
        if rule is None:
            return self.predict(data)
        asked = getattr(self.estimator, rule.response, None)
        if asked is None:
            raise ModelError(
                f"{self.reference} has a decision rule by {rule.response}, which the model does not have.",
                hint="Register the model again with a rule that fits it, or without one.",
            )
        classes = [one.item() if hasattr(one, "item") else one for one in self.estimator.classes_]
        return decide(rule, asked(_conformed(data, self._signature)), classes)

    def prepared(self, data: pd.DataFrame | Any) -> Any:
        """The data as the raw estimator takes it. Raises as `predict` does."""
        return _conformed(data, self._signature)

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


def log(recording: Recording, model: object, name: str, given: Given) -> LoggedModel:
    """Keep a fitted model with a run. Raises ModelError when it could not be loaded elsewhere, NotFound for a key to sign with."""
    path = _path(name)
    signer = keys(recording.store).signer(None if given.sign is True else given.sign) if given.sign else None
    reference = _without_time(given.reference, given.time, model)
    gathered = facts.gather(recording, model, example=given.example, reference=given.reference, time=given.time)
    packed = formats.pack(
        model,
        code=given.code,
        trust=given.trust,
        example=given.example,
        reference=reference,
        target=given.target,
        rule=given.rule,
        signer=signer,
        origin=gathered.origin,
    )
    artifacts.add(recording, path, packed.data, "model", "application/vnd.nbops.model+zip")
    facts.keep(recording, path.removesuffix(_SUFFIX), gathered)
    return LoggedModel(run_id=recording.run_id, name=name, manifest=packed.manifest)


def _without_time(reference: Any, time: str | None, model: object) -> Any:
    """The reference without the column of times, unless the model takes it. Raises NotFound, UsageError."""
    if time is None:
        return reference
    if not hasattr(reference, "columns"):
        raise UsageError(
            "Only a DataFrame has a column of times.", hint="Give the reference as one, or leave time= out."
        )
    names = [str(name) for name in reference.columns]
    if time not in names:
        raise NotFound.of("column", time, names, otherwise=f"The reference has {', '.join(names) or 'none'}.")
    return reference if time in getattr(model, "feature_names_in_", ()) else reference.drop(columns=time)


def log_onnx(recording: Recording, model: object, rows: Any, name: str) -> Verdict:
    """Keep the verdict on a model's ONNX copy with a run, and the copy if it was accepted. Raises ModelError."""
    from nbops.registry import parity

    data, verdict = parity.export(model, rows)
    path = _path(name).removesuffix(_SUFFIX)
    if verdict.accepted:
        artifacts.add(recording, f"{path}.onnx", data, "file", "application/onnx")
    artifacts.add(recording, f"{path}.onnx.json", msgspec.json.encode(verdict), "dict", "application/json")
    return verdict


def register(
    store: Store,
    run_id: str,
    model: str,
    *,
    logged: str = "model",
    description: str | None = None,
    trust: Collection[str] | bool = (),
) -> ModelVersion:
    """Make a run's logged model the next version of `model`, after it was loaded in a fresh process.

    Raises ParameterError for an unfit name, NotFound when the run has no such model, ModelError when it does not load, and
    TrustRefused when somebody else logged it and it brings what nobody vouched for.
    """
    from nbops.registry import baselines
    from nbops.registry.proof import prove

    if not _NAME.fullmatch(model):
        raise ParameterError(
            f"{model!r} cannot be the name of a model.",
            hint="Begin with a letter or digit; use letters, digits, '-', '_', '.' and spaces, at most 100.",
        )
    path = _path(logged)
    sha256, manifest, data = _logged(store, run_id, path)
    vouched = vouching(store, run_id, formats.look(data), trust)
    if runs.info(store, run_id).actor == user_name(os.getuid()):  # who logged it vouched for its types then
        vouched = msgspec.structs.replace(vouched, types=manifest.unreviewed)
    _record(store, f"run {short(run_id)}", manifest, vouched)
    prove(data, vouched, example=example(store, run_id, path, manifest))
    reference = baselines.reference(store, run_id, sha256, manifest)
    request = RegisterVersion(
        model=model,
        run_id=run_id,
        artifact=path,
        sha256=sha256,
        manifest=msgspec.json.encode(manifest).decode(),
        description=description,
        **({} if reference is None else msgspec.structs.asdict(reference)),
    )
    return version(store, model, store.write(request)[0])


def version(store: Store, model: str, number: int | None = None) -> ModelVersion:
    """A version of a model, the latest one by default. Raises NotFound with what exists."""
    found = versions(store, model)
    if not found:
        raise _unknown(model, [row[0] for row in store.read("select name from models order by name").rows])
    chosen = [item for item in found if number is None or item.version == number]
    if not chosen:
        raise NotFound(
            f"{model} has no version {number}.", hint=f"It has {', '.join(str(item.version) for item in found)}."
        )
    return chosen[-1]


def versions(store: Store, model: str) -> list[ModelVersion]:
    """The versions of a model, oldest first; empty when there is no such model."""
    sql = """
        select model, version, run_id::varchar, artifact, sha256, manifest, state, actor, description, run_status
        from model_versions where model = ? order by version
    """
    found = store.read(sql, [model]).rows
    for row in found:
        try:
            row[5] = msgspec.json.decode(row[5], type=Manifest)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise StoreCorrupt(
                f"The manifest of {row[0]}/{row[1]} cannot be read: {error}",
                hint="If a newer nbops made it, update this one; else see nbops models verify --all.",
            ) from error
    return [ModelVersion(*row) for row in found]


def load(store: Store, reference: str, *, trust: Collection[str] | bool = ()) -> LoadedModel:
    """The model that "NAME", "NAME/3", "NAME@ALIAS", "models:/NAME/3" or a run's id means, verified on the bytes that are loaded.

    `trust` names types that the caller vouches for, True everything that the model brought, which is recorded. Code that came with a
    model runs only then, when this user logged it or when a key that this user acknowledged signed it; a pickle needs the last or
    True. Raises NotFound, StoreCorrupt or TrustRefused.
    """
    run_id, sha256, shown = resolve(store, reference)
    return load_blob(store, run_id, sha256, shown, trust=trust)


def load_blob(store: Store, run_id: str, sha256: str, shown: str, *, trust: Collection[str] | bool = ()) -> LoadedModel:
    """The model of a run under its hash, called `shown`; see `load`."""
    data = store.get_blob(sha256)
    opened = formats.look(data)
    vouched = vouching(store, run_id, opened, trust)
    # A pickle that could not be recorded is not read.
    _record(store, shown, opened.manifest, vouched)
    return LoadedModel(shown, _built(store, opened, vouched))


def keys(store: Store) -> Keys:
    """The keys of this user, none of which may lie in the project."""
    return Keys(store.places.folder.parent)


def vouching(store: Store, run_id: str, opened: Opened, trust: Collection[str] | bool) -> Vouching:  # noqa: FBT001 - as people say it
    """What may be built of a run's model for a caller who says `trust`. Raises TrustRefused for what is not as it was signed."""
    everything = trust is True
    if signing.MEMBER in opened.members:
        signed = formats.signed_by(opened, keys(store).acknowledged())
        if signed is not None and signed.name is not None:
            return Vouching(types=opened.manifest.unreviewed, code=True, pickle=True, by=signed.name)
    own = runs.info(store, run_id).actor == user_name(os.getuid())
    names = opened.manifest.unreviewed if everything else () if isinstance(trust, bool) else tuple(trust)
    return Vouching(types=names, code=everything or own, pickle=everything, asked=bool(trust))


def _record(store: Store, shown: str, manifest: Manifest, vouched: Vouching) -> None:
    """Keep who answered for what, if that was needed."""
    pickled = manifest.format == "pickle"
    needed = manifest.unreviewed or manifest.code or pickled or "catboost" in manifest.versions
    if not vouched.asked or not needed:
        return
    request = TrustModel(
        reference=shown,
        sha256=manifest.sha256,
        types=[name for name in manifest.unreviewed if name in vouched.types],
        code=[file.name for file in manifest.code] if vouched.code else [],
        pickle=pickled and vouched.pickle,
    )
    with contextlib.nullcontext() if pickled else contextlib.suppress(StoreReadOnly):
        store.write(request)


def _built(store: Store, opened: Opened, vouched: Vouching) -> formats.Loaded:
    try:
        return formats.build(opened, vouched)
    except TrustRefused as error:
        found = brought(store.places.folder.parent)
        if found and "signed by a key that you have not acknowledged" in error.message:
            files = ", ".join(str(path) for path in found)
            raise TrustRefused(
                f"{error.message} Keys that came with the project are not read: {files}.", hint=error.hint
            ) from error
        raise


def resolve(store: Store, reference: str, logged: str = "model") -> tuple[str, str, str]:
    """The run that made what a reference means, its SHA-256, and what to call it; of a run the model that was `logged` so.

    Raises NotFound or Ambiguous.
    """
    name, number, alias = parsed(reference)
    if alias:
        number = holder(store, name, alias)
    if number is None and not versions(store, name):
        try:
            run_id = runs.find(store, name)
        except Ambiguous:
            raise
        except NotFound:
            run_id = ""
        if run_id:
            sha256, _, _ = _logged(store, run_id, _path(logged))
            return run_id, sha256, f"run {short(run_id)}"
    found = version(store, name, number)
    return found.run_id, found.sha256, f"{found.model}/{found.version}"


def parsed(reference: str) -> Reference:
    """The parts of a reference, none of which is looked up. Raises NotFound for what can be none."""
    match = _REFERENCE.fullmatch(reference.strip())
    if match is None or (match["version"] and match["alias"]):
        raise NotFound(
            f"{reference!r} names no model.",
            hint='Write "NAME", "NAME/3", "NAME@ALIAS" or the id of a run that logged one.',
        )
    return Reference(match["name"], int(match["version"]) if match["version"] else None, match["alias"])


def known(store: Store, name: str) -> None:
    """Raise NotFound, with what there is, unless a model has this name; it may have no versions yet."""
    names = [row[0] for row in store.read("select name from models order by name").rows]
    if name not in names:
        raise _unknown(name, names)


def holder(store: Store, name: str, alias: str) -> int:
    """The version that an alias stands for; a warning tells when its approval has ended. Raises NotFound."""
    rows = store.read(
        """
        select a.alias, a.version, epoch_us(r.approved_until) from aliases a left join reviews r on r.review_id = a.review_id
        where a.model = ?
        """,
        [name],
    ).rows
    held = {row[0]: row[1:] for row in rows}
    if alias not in held:
        near = nearest(alias, held)
        there = f"It has {', '.join(held)}." if held else f'Name a version: "{name}/1".'
        raise NotFound(f"{name} has no alias {alias!r}.", hint=f"Did you mean {near!r}?" if near else there)
    version, until = held[alias]
    if until is not None and until < now_us():
        ended = f"{at(until).astimezone():%Y-%m-%d %H:%M}"
        told = f"The approval of {name}/{version} for {alias} ended at {ended}: propose it again, or roll back."
        warnings.warn(told, ApprovalEnded, stacklevel=2)
    return int(version)


def _unknown(model: str, names: Sequence[str]) -> NotFound:
    there = f"Registered: {', '.join(names)}." if names else "Register one: nbops.register_model(run, NAME)."
    return NotFound.of("model", model, names, otherwise=there)


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


def example(store: Store, run_id: str, artifact: str, manifest: Manifest) -> Any:
    """The rows that were kept to try a logged model on, as it takes them; None when there are none."""
    import pandas as pd

    data = None
    if manifest.origin is None:
        with contextlib.suppress(NotFound):  # before there were origins, the run alone named it
            data = artifacts.load(store, run_id, example_path(artifact))
    elif manifest.origin.example is not None:
        data = store.get_blob(manifest.origin.example)
    return None if data is None else _conformed(pd.read_parquet(io.BytesIO(data)), manifest.signature)


def example_path(artifact: str) -> str:
    """Where the example rows of a logged model are kept."""
    return f"{artifact.removesuffix(_SUFFIX)}.example.parquet"


def _conformed(data: Any, signature: Signature | None) -> Any:
    """A DataFrame as the model takes it; anything else as it is."""
    import pandas as pd

    if signature is None or not isinstance(data, pd.DataFrame):
        return data
    frame = conform(data, signature)
    return frame if signature.named else frame.to_numpy()


def _path(name: str) -> str:
    return f"{FOLDER}/{artifacts.inside(name)}{_SUFFIX}"
