"""Values of any kind and containers of them: made normal, written as Python and told as JSON."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from nbops.execution.parameters.kinds import CONTAINERS, Aliases, Kind, Misfit, kind_of
from nbops.execution.parameters.libraries import PANDAS, numpy_kind
from nbops.execution.parameters.scalars import SCALARS

DEEPEST = 60
"""Containers nest at most that deep: Python's parser gives up at a hundred and a half."""


@cache
def kind(name: str) -> Kind:
    """The kind of that name, such as `int`, `pd.Timestamp` or `np.float32`. Raises Misfit."""
    found = SCALARS.get(name) or PANDAS.get(name) or (numpy_kind(name[3:]) if name.startswith("np.") else None)
    if found is None:
        raise Misfit(f"there is no type {name!r}")
    return found


def normal(value: Any, depth: int = 0) -> Any:
    """The value as a cell could make it, containers as builtin ones. Raises Misfit."""
    name = kind_of(value)
    if depth > DEEPEST:
        raise Misfit(f"is nested more than {DEEPEST} deep")
    if name is None:
        if getattr(value, "ndim", None) == 0 and type(item := value.item()) is not type(value):
            return normal(item, depth)
        raise Misfit(
            f"is of the type {type(value).__module__}.{type(value).__qualname__}, which no cell could write down"
        )
    if name == "dict":
        return {normal(key, depth + 1): normal(item, depth + 1) for key, item in value.items()}
    if name in CONTAINERS:
        return CONTAINERS[name](normal(item, depth + 1) for item in value)
    return kind(name).accept(value)


def python(value: Any, aliases: Aliases) -> str:
    """The Python expression of exactly this normal value."""
    name = kind_of(value)
    if name == "dict":
        return "{" + ", ".join(f"{python(key, aliases)}: {python(item, aliases)}" for key, item in value.items()) + "}"
    if name in CONTAINERS:
        items = [python(item, aliases) for item in value]
        # The same set is the same text, whatever the process's hash seed.
        inside = ", ".join(sorted(items) if name in {"set", "frozenset"} else items)
        if name == "list":
            return f"[{inside}]"
        if name == "tuple":
            return f"({inside},)" if len(items) == 1 else f"({inside})"
        if name == "set" and items:
            return f"{{{inside}}}"
        return f"{aliases.builtin(name)}({f'[{inside}]' if items else ''})"
    return kind(str(name)).write(value, aliases)


def plain(value: Any) -> Any:
    """The normal value as JSON has it: times in ISO 8601, sets and tuples as lists, what is not finite as text."""
    name = kind_of(value)
    if name == "dict":
        return {_key(key): plain(item) for key, item in value.items()}
    if name in CONTAINERS:
        items = [plain(item) for item in value]
        return sorted(items, key=json.dumps) if name in {"set", "frozenset"} else items
    return kind(str(name)).plain(value)


def shown(value: object) -> str:
    """A value in an error's sentence."""
    try:
        text = repr(str(value) if isinstance(value, str) else value)
    except (ValueError, RecursionError):  # an integer of more digits than Python writes, or a list that holds itself
        return f"a value of the type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}…"


def _key(key: object) -> str:
    told = plain(key)
    return told if isinstance(told, str) else json.dumps(told)
