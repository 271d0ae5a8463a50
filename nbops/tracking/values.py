"""Values that people log become records, or are refused with the remedy."""

from __future__ import annotations

import contextlib
import json
import math
import numbers
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from nbops.config import SECRETS_VARIABLE
from nbops.errors import ParameterError
from nbops.records import Param, ParamKind, Tag

LONGEST_KEY = 250
LONGEST_VALUE = 65_536


def param(key: object, value: object) -> Param:
    """A parameter: numbers, truth values, None and text keep their kind; anything else becomes JSON or its `str`."""
    name = _key("a parameter", key)
    try:
        kind, text = _kind(value)
    except ValueError as error:  # an integer of more digits than Python writes
        raise ParameterError(
            f"Parameter {name!r} cannot be written: {error}.", hint="Log it as text: run.log_text(…)."
        ) from error
    if len(text) > LONGEST_VALUE:
        raise ParameterError(
            f"Parameter {name!r} is {len(text):,} characters long; at most {LONGEST_VALUE:,} are kept.",
            hint=f"Keep it as a file of the run: run.log_dict(…, {name!r}) or run.log_text(…, {name!r}).",
        )
    return Param(key=name, value=storable(text), kind=kind)


def tag(key: object, value: object) -> Tag:
    """A tag: its value is text."""
    name, text = _key("a tag", key), str(value)
    if len(text) > LONGEST_VALUE:
        raise ParameterError(
            f"Tag {name!r} is {len(text):,} characters long; at most {LONGEST_VALUE:,} are kept.",
            hint="Log it with run.log_text(…).",
        )
    return Tag(key=name, value=storable(text))


def metric_key(key: object) -> str:
    """The name of a metric."""
    return _key("a metric", key)


def number(key: object, value: object) -> float:
    """A metric's value: any real number, also in a library's wrapping; NaN and infinities are values. Raises ParameterError."""
    if isinstance(value, float):
        return value
    found = _real(value)
    if found is None:
        raise ParameterError(
            f"Metric {key!r} is {_shown(value)}, which is not a number.",
            hint="Log numbers with log_metric, settings with log_param, words with set_tag, many points with log_series.",
        )
    return found


def step_number(step: object) -> int:
    """The step of a point. Raises ParameterError for what is no whole number of 64 bits."""
    whole = step if isinstance(step, int) else _real(step)
    if whole is None or whole % 1 or not -(2**63) < whole < 2**63:
        raise ParameterError(
            f"The step {_shown(step)} is not a whole number.",
            hint="Count batches or epochs; log what lies between as a metric.",
        )
    return int(whole)


def experiment_name(name: str) -> str:
    """The name of an experiment. Raises ParameterError."""
    return _key("an experiment", name)


def run_name(name: str) -> str:
    """The name of a run. Raises ParameterError."""
    return _key("a run", name)


def storable(text: str) -> str:
    """Text without the secrets that a runner handed to this kernel, and with an escape for each half of a character (of file names)."""
    if SECRETS_VARIABLE in os.environ:
        from nbops.security.masking import handed

        text = handed().text(text)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


# What would break a line of a list, and halves of characters, which nothing can store.
_UNFIT = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


def _key(what: str, key: object) -> str:
    if not isinstance(key, str) or not key.strip() or len(key) > LONGEST_KEY or _UNFIT.search(key):
        raise ParameterError(
            f"{_shown(key)} cannot be the name of {what}.",
            hint=f"Use 1 to {LONGEST_KEY} characters on one line; quotes, accents and emoji are fine.",
        )
    return storable(key) if SECRETS_VARIABLE in os.environ else key


# A bool is an int too. An enum's member that is a number or text is written as that, not as its name.
_KINDS: tuple[tuple[type, ParamKind, Callable[[Any], str]], ...] = (
    (type(None), "none", str), (bool, "bool", str), (int, "int", int.__repr__), (float, "float", float.__repr__), (str, "str", str.__str__),
)  # fmt: skip


def _kind(value: object) -> tuple[ParamKind, str]:
    value = _plain(value)
    for kind, name, write in _KINDS:
        if isinstance(value, kind):
            return name, write(value)
    if isinstance(value, (list, tuple, set, frozenset, Mapping)):
        with contextlib.suppress(TypeError, ValueError, RecursionError):
            return "json", json.dumps(value, default=_json, ensure_ascii=False)
    return "str", str(value)


def _plain(value: Any) -> Any:
    """What a library's scalar wraps; times as text, because those in nanoseconds would become bare integers."""
    item = getattr(value, "item", None)
    if not callable(item) or getattr(value, "ndim", None) != 0:
        return value
    return str(value) if _is_time(value) else item()


def _is_time(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", None) in {"m", "M"}


def _real(value: Any) -> float | None:
    if _is_time(value):
        return None
    read = getattr(value, "item", None) or getattr(value, "__float__", None)
    if callable(read) and not isinstance(value, numbers.Real):
        # There may be more than one number in it.
        with contextlib.suppress(TypeError, ValueError, RuntimeError):
            value = read()
    if not isinstance(value, numbers.Real):
        return None
    try:
        return float(value)
    except OverflowError:
        # An integer beyond what a float holds: its sign is what is left of it.
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]  # Real's stub lacks the order that it has


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
