"""Models of XGBoost, LightGBM and CatBoost inside other models: each leaves as a file of its own library and comes back by its loader.

`take_out` puts a `Native` where the library's compiled part was, in a copy, and gives the files; `put_back` does the reverse. The
Python objects around it, with their classes, names and parameters, travel as any other part of a model. No library is imported that
the model does not need.
"""

from __future__ import annotations

import copy
import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any, NamedTuple

from nbops.errors import ModelError, TrustRefused
from nbops.security.boosters import check_lightgbm, check_xgboost
from nbops.security.structure import ATOMS, parts


class Native:
    """Where a library's own part stood: its `kind`, the name of its `file`, and what the file does not hold."""

    def __init__(self, kind: str, file: str, rest: dict[str, Any]) -> None:
        self.kind = kind
        self.file = file
        self.rest = rest


class _Format(NamedTuple):
    """How one type is written and read; `check` is what makes a stranger's file fit to be read."""

    write: Callable[[Any], bytes]
    rest: Callable[[Any], dict[str, Any]]
    read: Callable[[bytes, Mapping[str, Any], str], Any]
    check: Callable[[bytes], bytes] | None
    suffix: str


def library(model: object) -> str:
    """The library that a model's own class is of."""
    return type(model).__module__.partition(".")[0]


def take_out(model: object) -> tuple[object, dict[str, bytes]]:
    """A copy of `model` that skops can write, and name -> content of the files; the model itself when it has no such part."""
    if not any(_kind(part) in _FORMATS for part in parts(model)):
        return model, {}
    files: dict[str, bytes] = {}

    def leave(part: object) -> object | None:
        kind = _kind(part)
        if kind not in _FORMATS:
            return None
        form = _FORMATS[kind]
        try:
            data = form.write(part)
            if form.check:
                form.check(data)
            rest = form.rest(part)
        except _faults() as error:
            raise ModelError(
                f"The {kind} cannot be written: {error}",
                hint="Fit it; for what its library cannot save, pass sign=True: a signed pickle can hold it.",
            ) from error
        file = f"{_PREFIX}{len(files) + 1}.{form.suffix}"
        files[file] = data
        return Native(kind, file, rest)

    return _substituted(model, leave), files


def put_back(model: object, members: Mapping[str, bytes], *, code_trusted: bool) -> object:
    """The model that `take_out` was given. Raises ModelError, or TrustRefused for a file that points outside itself.

    A CatBoost file is read only when `code_trusted`: nobody can check it before its library follows it.
    """
    if not is_needed(members):
        return model

    def enter(part: object) -> object | None:
        if not isinstance(part, Native):
            return None
        form, data = _FORMATS.get(part.kind), members.get(part.file)
        if form is None or data is None or not part.file.startswith(_PREFIX) or not isinstance(part.rest, dict):
            raise ModelError(f"The model has no {part.file}, or not for a {part.kind}.", hint="Do not load this file.")
        if form.check:
            data = form.check(data)
        elif not code_trusted:
            raise TrustRefused(
                f"The model holds a {part.kind}, whose file can crash or misuse the process that reads it.",
                hint="If you know who made it, pass trust=True, or acknowledge the maker's key: nbops keys trust.",
            )
        try:
            read: object = form.read(data, part.rest, part.kind)
        except _faults() as error:
            raise ModelError(
                f"The {part.kind} cannot be rebuilt: {error}",
                hint="Load it with the version of its library that the manifest names, or train it again.",
            ) from error
        return read

    return _substituted(model, enter)


def is_needed(members: Collection[str]) -> bool:
    """Whether there are files of these libraries among the members of an archive."""
    return any(name.startswith(_PREFIX) for name in members)


def versions(model: object) -> dict[str, str]:
    """Library -> version of those that the model needs."""
    names = {library(part) for part in parts(model)} & _PACKAGES.keys()
    return {name: str(sys.modules[name].__version__) for name in sorted(names)}


def check_installed(trained: Mapping[str, str]) -> None:
    """Raise ModelError when a library that the model needs cannot be imported here."""
    for name in _PACKAGES.keys() & trained.keys():
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:  # OSError: its compiled part
            raise ModelError(
                f"The model was trained with {name} {trained[name]}, which cannot be imported here: {error}",
                hint=f"Install it: pip install '{_PACKAGES[name]}=={trained[name]}'",
            ) from error


def predicting(model: Any, data: Any) -> Any:
    """`data` as the model's `predict` takes it: XGBoost's own Booster wants a matrix of its own."""
    if _kind(model) != "xgboost.core.Booster":
        return data
    matrix: Any = sys.modules["xgboost"].DMatrix
    return data if isinstance(data, matrix) else matrix(data, enable_categorical=True)


def _faults() -> tuple[type[Exception], ...]:
    """What the libraries raise on what they cannot write or read; XGBoost's own error is a ValueError."""
    loaded = [getattr(sys.modules.get(name), error, None) for name, error in _ERRORS]
    own = tuple(error for error in loaded if isinstance(error, type))
    return (AttributeError, KeyError, MemoryError, OSError, RuntimeError, TypeError, ValueError, *own)


def _kind(part: object) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"


def _substituted(model: object, change: Callable[[object], object | None]) -> Any:
    """`model` with what `change` gives in the place of its parts; whatever leads to one of them is a copy, the rest is shared."""
    done: dict[int, Any] = {}

    def visit(part: Any) -> Any:
        if isinstance(part, ATOMS):
            return part
        if id(part) not in done:
            done[id(part)] = part  # what holds itself is not followed again
            new = change(part)
            done[id(part)] = _copied(part, visit) if new is None else new
        return done[id(part)]

    return visit(model)


def _copied(part: Any, visit: Callable[[Any], Any]) -> Any:
    """`part` itself, or a copy when `visit` gives another for something that it holds."""
    if isinstance(part, dict):
        return _renewed(part, {key: visit(value) for key, value in part.items()}, part, _filled)
    if isinstance(part, list | tuple):
        values = dict(enumerate(map(visit, part)))
        return _renewed(part, values, dict(enumerate(part)), _listed)
    if getattr(getattr(part, "dtype", None), "kind", None) == "O" and hasattr(part, "flat"):
        values = dict(enumerate(map(visit, part.flat)))
        return _renewed(part, values, dict(enumerate(part.flat)), _arrayed)
    held = getattr(part, "__dict__", None)
    if not isinstance(held, dict) or isinstance(part, partial | MethodType):
        return part
    return _renewed(part, {key: visit(value) for key, value in held.items()}, held, _made)


def _renewed(
    part: Any, items: dict[Any, Any], before: Mapping[Any, Any], make: Callable[[Any, dict[Any, Any]], Any]
) -> Any:
    return part if all(items[key] is before[key] for key in items) else make(part, items)


def _filled(part: Any, items: dict[Any, Any]) -> Any:
    new = copy.copy(part)
    new.update(items)
    return new


def _listed(part: Any, items: dict[Any, Any]) -> Any:
    values = list(items.values())
    return part._make(values) if hasattr(part, "_make") else type(part)(values)


def _arrayed(part: Any, items: dict[Any, Any]) -> Any:
    new = part.copy()
    for at, value in items.items():
        new.flat[at] = value
    return new


def _made(part: Any, items: dict[Any, Any]) -> Any:
    new = object.__new__(type(part))
    new.__dict__.update(items)
    return new


def _write_xgboost(booster: Any) -> bytes:
    return bytes(booster.save_raw("json"))


def _read_xgboost(data: bytes, _: Mapping[str, Any], __: str) -> Any:
    import xgboost

    return xgboost.Booster(model_file=bytearray(data))


def _write_lightgbm(booster: Any) -> bytes:
    # -1: all trees, not only those up to the best iteration, which is remembered beside them.
    text: str = booster.model_to_string(num_iteration=-1)
    return text.encode()


def _rest_lightgbm(booster: Any) -> dict[str, Any]:
    return {"best_iteration": booster.best_iteration, "best_score": booster.best_score}


def _read_lightgbm(data: bytes, rest: Mapping[str, Any], _: str) -> Any:
    import lightgbm

    booster = lightgbm.Booster(model_str=data.decode())
    booster.best_iteration, booster.best_score = int(rest["best_iteration"]), rest["best_score"]
    return booster


def _write_catboost(model: Any) -> bytes:
    if not model.is_fitted():  # what a stack or a vote was given to copy
        return b""
    with tempfile.TemporaryDirectory(prefix="nbops-") as folder:
        path = Path(folder, "model.cbm")
        model.save_model(os.fspath(path), format="cbm")
        return path.read_bytes()


def _rest_catboost(model: Any) -> dict[str, Any]:
    # Where it wrote what it trained with is of no use elsewhere, and of no concern.
    private = {"train_dir", "snapshot_file", "name"}
    params = {name: value for name, value in model.get_params().items() if name not in private}
    return {"params": params, "columns": int(model.n_features_in_) if model.is_fitted() else 0}


def _read_catboost(data: bytes, rest: Mapping[str, Any], kind: str) -> Any:
    import catboost

    name = kind.rpartition(".")[2]
    model = catboost.CatBoost(rest["params"]) if name == "CatBoost" else getattr(catboost, name)(**rest["params"])
    if data:
        model.load_model(blob=data, format="cbm")
        # Its own loader forgets it, and scikit-learn asks.
        vars(model)["_n_features_in"] = rest["columns"]
    return model


def _nothing(_: Any) -> dict[str, Any]:
    return {}


_PREFIX = "booster-"
_ERRORS = (("lightgbm.basic", "LightGBMError"), ("catboost", "CatBoostError"))
_PACKAGES = {"xgboost": "xgboost", "lightgbm": "lightgbm", "catboost": "catboost"}
_CATBOOST = _Format(_write_catboost, _rest_catboost, _read_catboost, None, "catboost.cbm")
_FORMATS: dict[str, _Format] = {
    "xgboost.core.Booster": _Format(_write_xgboost, _nothing, _read_xgboost, check_xgboost, "xgboost.json"),
    "lightgbm.basic.Booster": _Format(_write_lightgbm, _rest_lightgbm, _read_lightgbm, check_lightgbm, "lightgbm.txt"),
    **{
        f"catboost.core.{name}": _CATBOOST
        for name in ("CatBoost", "CatBoostClassifier", "CatBoostRanker", "CatBoostRegressor")
    },
}
