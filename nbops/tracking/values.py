"""Values that people log become records here, or are refused with the remedy."""

from __future__ import annotations

import contextlib
import json
import math
import numbers
from collections.abc import Mapping
from typing import Any

from nbops.errors import ParameterError
from nbops.records import Param, ParamKind, Tag

LONGEST_KEY = 250
LONGEST_VALUE = 65_536


def param(key: object, value: object) -> Param:
    """A parameter: numbers, truth values, None and text keep their kind; anything else becomes JSON or its `str`."""
    name = _key("parameter", key)
    kind, text = _kind(value)
    if len(text) > LONGEST_VALUE:
        raise ParameterError(
            f"Parameter {name!r} is {len(text):,} characters long; at most {LONGEST_VALUE:,} are kept.",
            hint=f"Log it as a file: run.log_dict({name!r}, …) or run.log_text({name!r}, …).",
        )
    return Param(key=name, value=text, kind=kind)


def tag(key: object, value: object) -> Tag:
    """A tag: its value is text."""
    name, text = _key("tag", key), str(value)
    if len(text) > LONGEST_VALUE:
        raise ParameterError(f"Tag {name!r} is {len(text):,} characters long; at most {LONGEST_VALUE:,} are kept.", hint="Log it with run.log_text(…).")
    return Tag(key=name, value=text)


def metric_key(key: object) -> str:
    """The name of a metric."""
    return _key("metric", key)


def number(key: object, value: object) -> float:
    """A metric's value: any real number, numpy's too, or a 0-dimensional array; NaN and infinities are values."""
    if isinstance(value, float):
        return value
    if isinstance(value, numbers.Real):
        try:
            return float(value)
        except OverflowError:
            # An integer beyond what a float holds: its sign is what is left of it.
            return -math.inf if str(value).startswith("-") else math.inf
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "size", 1) == 1 and not isinstance(value, str):
        return number(key, item())
    raise ParameterError(
        f"Metric {key!r} is {_shown(value)}, which is not a number.",
        hint="Log numbers with log_metric, settings with log_param, words with set_tag, many points with log_series.",
    )


def experiment_name(name: str) -> str:
    """The name of an experiment: any text on one line. Raises ParameterError."""
    if not name.strip() or len(name) > LONGEST_KEY or any(ord(c) < 32 or c in "\x7f\u2028\u2029" for c in name):
        raise ParameterError(
            f"{name[:60]!r} cannot be the name of an experiment.",
            hint=f"Use 1 to {LONGEST_KEY} characters on one line; quotes, accents and emoji are fine.",
        )
    return name


def _key(what: str, key: object) -> str:
    if not isinstance(key, str) or not key.strip() or len(key) > LONGEST_KEY or any(ord(c) < 32 for c in key):
        raise ParameterError(
            f"{_shown(key)} cannot be the name of a {what}.", hint=f"Use text of 1 to {LONGEST_KEY} characters on one line."
        )
    return key


# In this order: a bool is an int too.
_KINDS: tuple[tuple[type, ParamKind], ...] = ((type(None), "none"), (bool, "bool"), (int, "int"), (float, "float"), (str, "str"))


def _kind(value: object) -> tuple[ParamKind, str]:
    value = _plain(value)
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return name, str(value)
    if isinstance(value, (list, tuple, set, frozenset, Mapping)):
        with contextlib.suppress(TypeError, ValueError, RecursionError):
            return "json", json.dumps(value, default=_json, ensure_ascii=False)
    return "str", str(value)


def _plain(value: Any) -> Any:
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return item()
    return value


def _json(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if isinstance(value, Mapping):
        return dict(value)
    plain = _plain(value)
    if plain is not value:
        return plain
    tolist = getattr(value, "tolist", None)
    return tolist() if callable(tolist) else str(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
