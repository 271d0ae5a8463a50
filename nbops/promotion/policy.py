"""The policy of a model as people write it, in YAML or a dict: who approves, and what the gate asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from nbops.data import spans
from nbops.errors import ConfigError, UsageError
from nbops.evaluation import policy
from nbops.registry.card import Policy

PRESETS: dict[str, dict[str, Any]] = {"solo": {}, "four-eyes": {"author_may_approve": False}}
"""`solo` lets authors approve their own versions, which is shown; with `four-eyes` somebody else has to."""

_OWN = Policy.__struct_fields__


def read(given: str | Path | Mapping[str, Any]) -> tuple[Policy, dict[str, Any]]:
    """Who approves, and the gate's part, which is proven to be one; from a file, a dict or the name of a preset. Raises ConfigError."""
    if isinstance(given, str) and given in PRESETS:
        given = PRESETS[given]
    told, source = policy.loaded(given)
    gate = {str(key): value for key, value in told.items() if key not in _OWN}
    policy.of(gate, source, others=_OWN)
    own = {key: value for key, value in told.items() if key in _OWN}
    try:
        if isinstance(own.get("open_for"), str):
            own["open_for"] = int(spans.seconds(own["open_for"]))
        return msgspec.convert(own, Policy), gate
    except (msgspec.ValidationError, UsageError) as error:
        raise ConfigError(
            f"In {source}: who approves does not fit: {error}.",
            hint="Such as `approvers: 2`, `author_may_approve: false`, `protected: [champion]`, `open_for: 14d`.",
        ) from error
