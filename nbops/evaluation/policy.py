"""What a model's owner asks of a version before it may replace another, read from YAML or a dict; the unknown is refused by its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from nbops.errors import ConfigError, nearest
from nbops.records import Record

_NotNegative = Annotated[float, msgspec.Meta(ge=0)]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class Limit(Record):
    """Where a metric has to stay, whatever the champion does; at least one end is given."""

    min: float | None = None
    max: float | None = None


class SlicesPolicy(Record):
    """How much worse than all rows a slice of at least `min_rows` may be, in the success measure's unit."""

    max_gap: _NotNegative
    min_rows: _Count = 100


class CalibrationPolicy(Record):
    """How far probabilities may be from what happens on average, 0 to 1; of numbers, the mean error in the target's unit."""

    max_error: _NotNegative


class Policy(Record):
    """What the gate asks for.

    Without a `metric` the model is judged by the one that is usual for its task. The candidate has to be better than the champion by it,
    certainly at all and in the best estimate by `margin` (in the metric's unit); `limits` hold for any metrics. `cases`,
    `incidents` and `assumptions` say whether those are asked for; that callers need not change anything, `signature`, is told as a warning
    unless it is true or false. Below `min_rows` rows, or `min_blocks` blocks where they are named,
    nothing is decided. `waivers` allows a reason in place of a run that succeeded.
    """

    metric: str = ""
    margin: _NotNegative = 0.0
    limits: dict[str, Limit] = {}
    versus_champion: bool = True
    slices: SlicesPolicy | None = None
    calibration: CalibrationPolicy | None = None
    cases: bool = True
    signature: bool | None = None
    latency_ms: _NotNegative | None = None
    incidents: bool = True
    assumptions: bool = True
    min_rows: _Count = 500
    min_blocks: _Count = 20
    waivers: bool = True


_HINT = "Such as `metric: mae`, `margin: 0.3`, `limits: {rmse: {max: 15}}`."


def read(given: str | Path | Mapping[str, Any] | Policy) -> Policy:
    """A policy from a YAML file, its text as a dict, or itself. Raises ConfigError with the place."""
    return given if isinstance(given, Policy) else of(*loaded(given))


def loaded(given: str | Path | Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """What a YAML file or a dict says, and what to call it. Raises ConfigError."""
    if isinstance(given, Mapping):
        return given, "the policy"
    import yaml

    path = Path(given)
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"There is no policy {str(path)!r}.", hint=_HINT) from error
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ConfigError(f"The policy {str(path)!r} cannot be read: {error}", hint=f"It is YAML. {_HINT}") from error
    if not isinstance(told, dict):
        raise ConfigError(f"{str(path)!r} holds no policy.", hint=_HINT)
    return told, path.name


def of(told: Mapping[str, Any], source: str, others: Collection[str] = ()) -> Policy:
    """The policy that a mapping says; `others` are the names of what else the caller understands. Raises ConfigError with the place."""
    known(told, Policy, source, "the policy", others=others)
    for key, kind in (("slices", SlicesPolicy), ("calibration", CalibrationPolicy)):
        if told.get(key) is not None:
            known(told[key], kind, source, key)
    limits = told.get("limits") or {}
    if not isinstance(limits, Mapping):
        raise _refused(source, "limits", f"is no mapping: {limits!r}")
    for name, limit in limits.items():
        known(limit, Limit, source, f"the limit of {name!r}", "Such as `{max: 15}`.")
    try:
        policy = msgspec.convert({**told, "limits": limits}, Policy)
    except msgspec.ValidationError as error:
        raise _refused(source, "the policy", f"does not fit: {error}") from error
    for name, one in policy.limits.items():
        if one.min is None and one.max is None:
            raise _refused(source, f"the limit of {name!r}", "has neither min nor max", "Such as `{max: 15}`.")
        if one.min is not None and one.max is not None and one.min > one.max:
            raise _refused(source, f"the limit of {name!r}", "has a min above its max", "Such as `{min: 0, max: 15}`.")
    return policy


def known(
    told: Any, kind: type[Record], source: str, place: str, hint: str = _HINT, *, others: Collection[str] = ()
) -> None:
    """Raise ConfigError for a key that is neither a field of the record nor one of `others`."""
    if not isinstance(told, Mapping):
        raise _refused(source, place, f"is no mapping: {told!r}", hint)
    names = (*kind.__struct_fields__, *others)
    for key in told:
        if key not in names:
            near = nearest(str(key), names)
            raise _refused(
                source, place, f"has {key!r}", f"Did you mean {near!r}?" if near else f"Known: {', '.join(names)}."
            )


def _refused(source: str, place: str, what: str, hint: str = _HINT) -> ConfigError:
    begin = "" if source == place else f"In {source}: "
    return ConfigError(f"{begin}{place} {what}.", hint=hint)
