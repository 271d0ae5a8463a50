"""A fitted model to one blob of bytes and back: what it is, what it takes, and the code that it needs.

Nothing is stored here. A blob is a zip archive in one of these formats, with `manifest.json`, the texts of the user's own modules,
and, as the comment of the archive, the SHA-256 of all that stands before it:

- `skops`: an ordinary skops file; boosters in it are files of their own libraries (`natives`)
- `function`: a function of one of the modules (`functions`)
- `pickle`: what no other format can hold, and only on demand (`pickles`)

The seal finds damage, not forgery: what a blob may do is decided by `security.trust`, who made it by its `signature.json`, which
covers every other member, and by its address in the store.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import io
import os
import pickle
import pkgutil
import platform
import sys
import sysconfig
import warnings
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from nbops.errors import ModelError, TrustRefused
from nbops.evaluation import decision
from nbops.evaluation.decision import DecisionRule
from nbops.records import Record
from nbops.registry import functions, natives, pickles, usercode
from nbops.registry.functions import FunctionModel
from nbops.registry.origin import Origin
from nbops.registry.signature import Kind, Scalar, Signature, infer, scalar
from nbops.security import signing
from nbops.security import trust as guard
from nbops.security.signing import Signed
from nbops.security.structure import parts

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Task = Literal["classifier", "regressor", "other"]
Format = Literal["skops", "function", "pickle"]

_MANIFEST = "manifest.json"
_SEAL = 64
_LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "skops")
_METHODS = ("predict", "predict_proba", "decision_function", "score_samples", "transform")


class ModelVersionWarning(UserWarning):
    """A model is loaded with another scikit-learn than the one that made it: it may predict differently.

    `warnings.simplefilter("ignore", nbops.ModelVersionWarning)` silences it.
    """


class Output(Record):
    """What comes out: `name` and `kind` of the target, the `classes`, and the methods that can be called."""

    name: str | None
    kind: Kind | None
    classes: tuple[Scalar, ...] | None
    methods: tuple[str, ...]


class CodeFile(Record):
    """A module of the user's that travels with the model; `name` as in `features.py`."""

    name: str
    sha256: str


class Description(Record, kw_only=True):
    """What a blob says about itself; whoever loads it must vouch for the `unreviewed` types.

    `rule` is how its answers become decisions, where it is another one than the model's own.
    """

    format: Format
    estimator: str
    task: Task
    signature: Signature | None
    output: Output
    versions: dict[str, str]
    code: tuple[CodeFile, ...]
    unreviewed: tuple[str, ...]
    rule: DecisionRule | None = None
    origin: Origin | None = None


class Manifest(Description, kw_only=True):
    """The description and what it cannot say of itself: SHA-256 (hex) and size in bytes of the whole blob."""

    sha256: str
    size: int


class Packed(Record):
    """A model as bytes."""

    data: bytes
    manifest: Manifest


class Loaded(Record):
    """A model that was bytes."""

    estimator: Any
    manifest: Manifest


class Vouching(Record):
    """What a caller answers for, or has somebody answer for: types by name, the code that a model brings, reading a pickle.

    `by` names the acknowledged key that answers for all of it; `asked` when it was said for this one load.
    """

    types: tuple[str, ...] = ()
    code: bool = False
    pickle: bool = False
    by: str | None = None
    asked: bool = False


class Opened(Record):
    """A blob that was looked at, with nothing of it built."""

    manifest: Manifest
    members: dict[str, bytes]


class _Content(Record):
    """What one format puts into the archive, and the types in it that a loader must vouch for."""

    format: Format
    estimator: str
    members: dict[str, bytes]
    unreviewed: tuple[str, ...]


def pack(  # noqa: PLR0913 - what may be said of a model
    model: object,
    *,
    code: Sequence[str | os.PathLike[str]] = (),
    trust: Collection[str] = (),
    example: object = None,
    reference: object = None,
    target: str | None = None,
    rule: DecisionRule | None = None,
    signer: Ed25519PrivateKey | None = None,
    origin: Origin | None = None,
) -> Packed:
    """The fitted `model`, or a function that predicts, as one blob.

    `code` lists the files of the user's own modules that its classes and functions come from; `trust` the full names of other
    libraries' types that the caller vouches for. `example`, `reference` and `target` give the signature: see `signature.infer`.
    `rule` says how its answers become decisions; one that the model brings, as scikit-learn's threshold classifiers do, is read.
    What `signer` signs may be a pickle, if no other format can hold it. The `origin` is kept as it is told.
    Raises ModelError when the model is not fitted, holds something that only this process knows, or cannot be written.
    """
    if isinstance(model, FunctionModel):
        model = model.function
    texts = usercode.read(code)
    content = _content(model, texts, trust, signed=signer is not None)
    files = {f"{name}.py": text.encode() for name, text in texts.items()}
    signature, target_kind = infer(model, example=example, reference=reference, target=target)
    methods = ("predict",) if content.format == "function" else tuple(name for name in _METHODS if hasattr(model, name))
    description = Description(
        format=content.format,
        estimator=content.estimator,
        task=_task(model),
        signature=signature,
        output=Output(name=target, kind=target_kind, classes=_classes(model), methods=methods),
        versions={**_versions(), **natives.versions(model)},
        code=tuple(CodeFile(name=name, sha256=_digest(text)) for name, text in files.items()),
        unreviewed=content.unreviewed,
        rule=rule if rule is not None else _rule_of(model),
        origin=origin,
    )
    members = {**content.members, **files, _MANIFEST: msgspec.json.encode(description)}
    if signer is not None:
        members[signing.MEMBER] = signing.sign(members, signer)
    data = _seal(members, zipfile.ZIP_DEFLATED)
    try:
        guard.check_directory(data)
    except ModelError:  # so many zeros that it looks like a bomb
        data = _seal(members, zipfile.ZIP_STORED)
        guard.check_directory(data)
    return Packed(data=data, manifest=_manifest(description, data))


def unpack(
    data: bytes, *, trust: Collection[str] = (), code_trusted: bool = False, pickle_trusted: bool = False
) -> Loaded:
    """The model in a blob that `pack` made.

    `trust` holds full names of types that the caller vouches for; nothing in the blob adds to it. Modules that travel with the model
    are imported only when `code_trusted`, a pickle is read only when `pickle_trusted`. See `build`.
    """
    return build(look(data), Vouching(types=tuple(trust), code=code_trusted, pickle=pickle_trusted))


def build(opened: Opened, vouched: Vouching) -> Loaded:
    """The model in a blob that was looked at. Another version of scikit-learn gives a ModelVersionWarning.

    Raises TrustRefused before anything untrusted is imported or built, and ModelError when it cannot be rebuilt here.
    """
    manifest = opened.manifest
    texts = {file.name.removesuffix(".py"): opened.members[file.name].decode() for file in manifest.code}
    if manifest.format == "pickle" and not vouched.pickle:
        raise _untrusted_pickle(signed_by(opened, {}))
    if texts and not vouched.code:
        raise TrustRefused(
            f"The model brings code of its own, and loading it would run it: {', '.join(f'{name}.py' for name in texts)}.",
            hint="Read it first; if you vouch for it, load with trust=True.",
        )
    natives.check_installed(manifest.versions)
    usercode.import_texts(texts)
    _compare_versions(manifest.versions)
    return Loaded(estimator=_rebuilt(opened, texts, vouched), manifest=manifest)


def describe(data: bytes) -> Manifest:
    """What a blob says about itself. Builds nothing of it; raises ModelError when the bytes are not what was packed."""
    return look(data).manifest


def signed_by(opened: Opened, keys: Mapping[str, tuple[str, Ed25519PublicKey]]) -> Signed | None:
    """Who signed a blob, as far as `keys` (fingerprint -> name and key) tell. Raises TrustRefused when it is not what was signed."""
    return signing.verify(opened.members, keys)


def untrusted(opened: Opened) -> list[str]:
    """The types in a blob that were not reviewed and that its own code does not bring; those of a pickle cannot be told."""
    if opened.manifest.format != "skops":
        return []
    modules = {file.name.removesuffix(".py") for file in opened.manifest.code}
    return [name for name in guard.untrusted_in(opened.members) if name.rpartition(".")[0] not in modules]


def _content(model: object, texts: Mapping[str, str], trust: Collection[str], *, signed: bool) -> _Content:
    if isinstance(model, FunctionType):
        functions.check(model, texts)
        return _Content(format="function", estimator=functions.name(model), members={}, unreviewed=())
    _check_fitted(model)
    name = f"{type(model).__module__}.{type(model).__qualname__}"
    try:
        written, boosters = natives.take_out(model)
        plain = _dump(written, type(model).__name__)
        unreviewed = _vouch(guard.untrusted(plain), texts, trust)
        return _Content(
            format="skops", estimator=name, members={**guard.unzip(plain), **boosters}, unreviewed=unreviewed
        )
    except ModelError:
        if not signed:
            raise
    data, names = pickles.write(model)
    _vouch(names, texts, names)
    return _Content(format="pickle", estimator=name, members={pickles.MEMBER: data}, unreviewed=tuple(names))


def _rule_of(model: object) -> DecisionRule | None:
    """The rule that a model brings; what no rule can say stays the model's own affair."""
    if "sklearn.model_selection._classification_threshold" not in sys.modules:
        return None
    try:
        return decision.of_estimator(model)
    except ModelError:
        return None


def _rebuilt(opened: Opened, texts: Mapping[str, str], vouched: Vouching) -> Any:
    from sklearn.exceptions import InconsistentVersionWarning

    members = opened.members
    if opened.manifest.format == "function":
        return functions.find(opened.manifest.estimator, texts)
    with warnings.catch_warnings():
        # Said before; scikit-learn says it for each estimator inside.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        if opened.manifest.format == "pickle":
            return pickles.read(members.get(pickles.MEMBER, b""))
        estimator = guard.load(members, trust=vouched.types, modules=texts)
    return natives.put_back(estimator, members, code_trusted=vouched.code)


def _untrusted_pickle(signed: Signed | None) -> TrustRefused:
    who = (
        f"It is signed by a key that you have not acknowledged, {signed.fingerprint}."
        if signed
        else "Nobody signed it."
    )
    return TrustRefused(
        f"The model is a pickle, and reading it would run whatever it says. {who}",
        hint="If it is from somebody you trust, get the key from them: nbops keys trust NAME FILE. Or answer for this model"
        " yourself with trust=True, which is recorded.",
    )


def _check_fitted(model: object) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    name = type(model).__name__
    if isinstance(model, type) or not (hasattr(model, "fit") or hasattr(model, "predict")):
        raise ModelError(
            f"This {name} is not a model: it has nothing to fit or to predict with.",
            hint="Pass the fitted scikit-learn estimator or pipeline itself, or a function of a module of yours.",
        )
    try:
        if hasattr(model, "fit"):
            check_is_fitted(model)
    except NotFittedError as error:
        raise ModelError(
            f"The {name} is not fitted.",
            hint="Call fit first. A class of your own that learns nothing says so with a method __sklearn_is_fitted__.",
        ) from error


def _dump(model: object, name: str) -> bytes:
    import skops.io

    for part in parts(model):
        # HistGradientBoosting with scoring= leaves a method bound to itself behind, which skops would follow for ever.
        own = getattr(part, "__dict__", None) or {}
        for attribute, value in list(own.items()):
            bound = isinstance(value, MethodType) and value.__self__ is part
            if bound and value.__func__ is getattr(type(part), attribute, None):
                del own[attribute]
    try:
        dumped: bytes = skops.io.dumps(model)
    except RecursionError as error:
        raise ModelError(
            f"The {name} holds itself, and skops cannot write that.",
            hint="Log the part that predicts, or take away the attribute that points back.",
        ) from error
    except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError, pickle.PicklingError) as error:
        raise ModelError(
            f"The {name} cannot be written: {error}",
            hint="Log the part that predicts (for a search, search.best_estimator_), without what cannot be written.",
        ) from error
    return dumped


def _vouch(names: list[str], texts: Mapping[str, str], trust: Collection[str]) -> tuple[str, ...]:
    """The names that a loader must vouch for; others are refused."""
    for name in names:
        module = _module(name)
        if module in {"", "__main__", "__mp_main__"} or not _resolves(name):
            raise ModelError(
                f"{name.rpartition('.')[2]!r} is defined in the notebook or inside a function, where no other process finds it.",
                hint="Move it to the top of a file, say features.py, import it from there, fit again and pass"
                " code=['features.py'].",
            )
        if module in texts or name in trust:
            continue
        if _is_loose(module):
            raise ModelError(
                f"The model needs {name}, from a file of yours that other processes may not find.",
                hint=f"Pass code=[{usercode.file_of(module)!r}].",
            )
        raise ModelError(
            f"The model holds {name}, which is not among the types that were reviewed: loading it could run anything.",
            hint=f"If you vouch for it, pass trust=[{name!r}]; whoever loads the model must vouch for it too."
            " Of a search, log search.best_estimator_.",
        )
    return tuple(name for name in names if _module(name) not in texts)


def _module(name: str) -> str:
    """The imported module that a full name starts with."""
    while name and name not in sys.modules:
        name = name.rpartition(".")[0]
    return name


def _resolves(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (AttributeError, ImportError, ValueError):  # ValueError: a lambda's name is none
        return False
    return True


def _is_loose(module: str) -> bool:
    """Whether a module is a single file, neither installed nor of the standard library."""
    file = usercode.file_of(module)
    if file is None or "." in module:
        return False
    installed = {"site-packages", "dist-packages"} & {*Path(file).parts}
    return not installed and not Path(file).is_relative_to(sysconfig.get_path("stdlib"))


def _seal(members: Mapping[str, bytes], compression: int) -> bytes:
    buffer = io.BytesIO()
    # Level 1: a forest is written in a third less time than with 6, and is a fifth larger.
    with zipfile.ZipFile(buffer, "w", compression, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = b"0" * _SEAL
    body = buffer.getvalue()[:-_SEAL]
    return body + _digest(body).encode()


def look(data: bytes) -> Opened:
    """What is in a blob. Builds nothing of it; raises ModelError when the bytes are not what was packed."""
    if _digest(data[:-_SEAL]).encode() != data[-_SEAL:]:
        raise ModelError(
            "These bytes are not a model that nbops packed, or were changed since.",
            hint="Get the file again from where it was made, or log the model again.",
        )
    members = guard.unzip(data)
    try:
        description = msgspec.json.decode(members[_MANIFEST], type=Description)
        intact = all(_digest(members[file.name]) == file.sha256 for file in description.code)
    except (KeyError, msgspec.DecodeError) as error:
        raise ModelError(
            f"The model's manifest cannot be read: {error}",
            hint="If a newer nbops made it, update this one.",
        ) from error
    if not intact:
        raise ModelError("The code in the model is not the code in its manifest.", hint="Do not load this file.")
    return Opened(manifest=_manifest(description, data), members=members)


def _manifest(description: Description, data: bytes) -> Manifest:
    return Manifest(**msgspec.structs.asdict(description), sha256=_digest(data), size=len(data))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _compare_versions(trained: Mapping[str, str]) -> None:
    then, now = (versions.get("scikit-learn", "") for versions in (trained, _versions()))
    if then != now:
        from nbops.tracking.recording import callers_level  # not for each load: a fresh process proves models, too

        warnings.warn(
            f"The model was made with scikit-learn {then} and is loaded with {now}: compare its predictions, or train it again.",
            ModelVersionWarning,
            stacklevel=callers_level(),
        )


@functools.cache
def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _LIBRARIES}}


def _task(model: object) -> Task:
    from sklearn.utils import get_tags

    kind = get_tags(model).estimator_type if hasattr(model, "__sklearn_tags__") else None
    return kind if kind in {"classifier", "regressor"} else "other"


def _classes(model: object) -> tuple[Scalar, ...] | None:
    classes: Any = getattr(model, "classes_", None)
    if getattr(classes, "ndim", None) != 1:  # none, or of several targets
        return None
    return tuple(map(scalar, classes.tolist()))
