"""The monitoring policy as people write it: YAML with a word about every key, read back with the line of whatever is not understood."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec

from nbops.data import spans
from nbops.errors import ConfigError, UsageError, nearest
from nbops.monitoring import windows
from nbops.monitoring.policy import (
    SEVERITIES,
    Drift,
    MonitorPolicy,
    Notify,
    OpenAfter,
    Performance,
    Retrain,
    Season,
    Severities,
    Value,
    Warmup,
)
from nbops.records import Record

KEYS: dict[str, str] = {
    "window": "The stretch of time that is looked at as one: day, week (from Monday) or month.",
    "timezone": "Whose midnights these are, such as Europe/Berlin.",
    "baseline": "What a window is compared with: reference (what the version was trained on), previous (the window before), year ago, or "
    "the first day of a window, such as 2026-03-02.",
    "warmup": "Before there is this much, nothing is judged: it says `learning`.",
    "warmup.rows": "The least rows of a window.",
    "warmup.windows": "So many windows of a version come first. What breaks a rule for data counts from the beginning.",
    "drift": "When a column has moved. Both are asked for: a small movement is certain in many rows, a large one is chance in few.",
    "drift.columns": "all, or a list such as [distance, carrier]; breaks of data are seen in all.",
    "drift.effect": "The least population stability index that counts: 0.1 is little, 0.25 is much.",
    "drift.p": "How unlikely it has to be without any change, over all columns together; from 0 to 1.",
    "slices": "Columns whose values are looked at apart, such as [carrier].",
    "contract": "The contract that the rows have to keep, as a file of the project such as contracts/flights.yaml; null: none.",
    "performance": "When the realised error, or score, is bad.",
    "performance.metric": "The metric, such as mae; null: the one that the version was evaluated by.",
    "performance.worse_than": "How many times as bad as in the laboratory, above 1: 1.25 is a quarter worse; null: does not matter.",
    "performance.limit": "What it has to keep whatever the laboratory said, in the metric's unit; null: no limit.",
    "performance.min_labels": "With fewer labels in a window it is not known.",
    "value": "Of a model that predicts numbers, what an error costs. A decision rule brings its own costs.",
    "value.per_unit_error": "What is lost with each unit of the error, such as 2.5; null: it is not said.",
    "value.unit": "In which unit, such as EUR.",
    "estimate": "Whether quality is estimated until labels arrive: true or false.",
    "open_after": "An incident opens after so many odd windows of the last few: 2 of 3. What breaks a rule for data opens one at once.",
    "close_after": "It closes by itself after so many good windows in a row.",
    "severities": "How much each kind of trouble matters: info, watch, warn or page (somebody has to look now).",
    "severities.data": "A rule for the data is broken: a column is missing, empty or of another kind.",
    "severities.assumption": "An assumption of the model's card does not hold any more.",
    "severities.drift": "A column has moved.",
    "severities.prediction": "The model's answers have moved.",
    "severities.estimate": "Estimated quality is bad.",
    "severities.performance": "Realised quality is bad.",
    "notify": "Who is told when an incident opens, gets worse or closes: mail addresses, or channels of [notify.channels] in nbops.toml.",
    "notify.info": "Whom info reaches; nobody: [].",
    "notify.watch": "Whom watch reaches.",
    "notify.warn": "Whom warn reaches.",
    "notify.page": "Whom page reaches, such as [operators, planning@example.org].",
    "seasons": "Days on which something odd is expected: it counts, and nobody is told before they are over. Such as "
    "[{from: 12-20, until: 01-06, reason: holidays}] for every year, or with dates such as 2026-12-20.",
    "seasons.from": "The first day.",
    "seasons.until": "The last day.",
    "seasons.reason": "What happens then.",
    "retrain": "When a new version is trained. It is proposed, never promoted by itself.",
    "retrain.notebook": "The notebook that trains the model; null: none is trained.",
    "retrain.start": "The notebook's parameter that gets the first day of the data.",
    "retrain.until": "The parameter that gets the day after the last one.",
    "retrain.last": "In its place the parameter that gets the last day itself; null: there is none.",
    "retrain.months": "So many full months of data.",
    "retrain.cooldown": "The least time between two trainings, such as 28d.",
    "retrain.budget": "At most so many trainings in 365 days.",
    "retrain.every": "Train this often even if nothing is wrong, such as 90d; null: only after an incident.",
}
"""What each key means, in the order in which they are written."""

_PARTS: dict[str, type[Record]] = {
    "": MonitorPolicy, "warmup": Warmup, "drift": Drift, "performance": Performance, "open_after": OpenAfter,
    "severities": Severities, "notify": Notify, "retrain": Retrain, "seasons": Season, "value": Value,
}  # fmt: skip
_SPANS = ("retrain.cooldown", "retrain.every")
_BASELINES = ("reference", "previous", "year ago")
_OF = re.compile(r"(\d{1,4}) of (\d{1,4})")
_LARGEST, _DEEPEST = 64_000, 8
_KINDS = {
    "int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "array": "a list", "null": "nothing",
    "object": "keys with values",
}  # fmt: skip
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_WIDTH = 100

Path_ = tuple[str | int, ...]


class _Told(NamedTuple):
    """What a person wrote, where, and in which line each key of it stands."""

    value: Any
    source: str
    lines: Mapping[Path_, int]

    def refused(self, path: Path_, what: str, hint: str = "") -> ConfigError:
        """The error for what stands at a place; the hint is what the key means, unless there is a better one."""
        name = ".".join(str(part) for part in path if isinstance(part, str))
        line = next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), 0)
        where = f"In {self.source}{f', line {line}' if line else ''}"
        told = (
            f"`{name}`: {KEYS[name]}" if name in KEYS else "`nbops monitor policy MODEL` shows one with all its keys."
        )
        return ConfigError(f"{where}: {name or 'the policy'} {what}.", hint=hint or told)


def read(given: str | Path | Mapping[str, Any] | MonitorPolicy) -> MonitorPolicy:
    """A policy from a YAML file, its text as a dict, or itself; what is not said is the default. Raises ConfigError with line and place."""
    if isinstance(given, MonitorPolicy):
        return given
    told = _Told(given, "the policy", {}) if isinstance(given, Mapping) else _file(Path(given))
    _known(told)
    policy = _converted(told)
    _sensible(told, policy)
    return policy


def text(policy: MonitorPolicy, head: str = "") -> str:
    """A policy as YAML with a word about every key; `read` reads it back."""
    lines = [f"# {line}" for line in head.splitlines()]
    for key, meaning in KEYS.items():
        place, _, name = key.rpartition(".")
        if place == "seasons":
            continue
        if not place:
            lines.append("")
        indent = "  " if place else ""
        lines += textwrap.wrap(meaning, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        value = _value(policy, key)
        lines.append(f"{indent}{name}:{'' if value is None else f' {value}'}")
    return "\n".join(lines) + "\n"


def changes(before: MonitorPolicy, after: MonitorPolicy) -> list[str]:
    """What is different, each as "close_after: 3 -> 2"."""
    found = []
    for key in KEYS:
        if not key.startswith("seasons."):
            old, new = _value(before, key), _value(after, key)
            if old != new:
                found.append(f"{key}: {old} -> {new}")
    return found


def _value(policy: MonitorPolicy, key: str) -> str | None:
    """The value of a key on one line; None for one that only holds others."""
    value: Any = policy
    for name in key.split("."):
        value = getattr(value, name)
    if isinstance(value, OpenAfter):
        return f"{value.odd} of {value.of}"
    if isinstance(value, Record):
        return None
    return _scalar(_span(value) if key in _SPANS and value is not None else msgspec.to_builtins(value))


def _scalar(value: object) -> str:
    """A value on one line; signs that are no letters, and line breaks of any kind, are escaped."""
    import yaml

    def dumped(*, unicode: bool) -> str:
        told: str = yaml.safe_dump(
            value, default_flow_style=True, allow_unicode=unicode, sort_keys=False, width=math.inf
        )
        return told.removesuffix("...\n").strip("\n ")

    found = dumped(unicode=True)
    return found if found.isprintable() else dumped(unicode=False)


def _span(seconds: int) -> str:
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _file(path: Path) -> _Told:
    """What a YAML file says. Raises ConfigError; nothing in it can make reading it long."""
    import yaml

    hint = "`nbops monitor policy MODEL` shows one with all its keys."
    try:
        with path.open(encoding="utf-8") as file:
            told = file.read(_LARGEST + 1)
    except FileNotFoundError as error:
        raise ConfigError(f"There is no policy {str(path)!r}.", hint=hint) from error
    except (OSError, UnicodeError, ValueError) as error:
        raise ConfigError(f"The policy {str(path)!r} cannot be read: {error}", hint=hint) from error
    if len(told) > _LARGEST:
        raise ConfigError(f"{path.name} has more than {_LARGEST:,} characters.", hint=hint)
    try:
        _plain(yaml.parse(told, yaml.SafeLoader), path.name)
        lines = dict(_lines(yaml.compose(told, yaml.SafeLoader), path.name))
        value = yaml.load(told, _loader())  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(
            f"In {path.name}{where}: this is no YAML: {getattr(error, 'problem', None) or error}.",
            hint="A key, a colon, a space, a value; what belongs to a key stands below it, two spaces further in.",
        ) from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path.name} holds no policy.", hint=hint)
    return _Told(value, path.name, lines)


def _loader() -> Any:
    """A safe loader that leaves days as the text that they are, so that a wrong one is told like anything else."""
    import yaml

    dates = "tag:yaml.org,2002:timestamp"
    resolvers = {
        first: [one for one in found if one[0] != dates]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return type("_Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": resolvers})


def _plain(events: Iterator[Any], source: str) -> None:
    """Refuse what makes little text into much, before anything is built of it."""
    import yaml

    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(
                f"In {source}, line {line}: `*{event.anchor}` refers to another place.", hint="Write it out."
            )
        if depth > _DEEPEST:
            raise ConfigError(f"In {source}, line {line}: too deep.", hint="No key of a policy needs that.")


def _lines(node: Any, source: str, path: Path_ = ()) -> Iterator[tuple[Path_, int]]:
    """The line of each key and item. Raises ConfigError for a key that is there twice."""
    import yaml

    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield (*path, number), item.start_mark.line + 1
            yield from _lines(item, source, (*path, number))
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            raise ConfigError(
                f"In {source}, line {line}: {name!r} stands in line {seen[name]} already.",
                hint="Take one of them away.",
            )
        seen[name] = line
        yield (*path, name), line
        yield from _lines(value, source, (*path, name))


def _known(told: _Told) -> None:
    """Raise ConfigError for a key that there is not, with the nearest one."""
    value = told.value
    _keys(told, (), value)
    for name in _PARTS.keys() - {"", "seasons", "open_after"}:
        if value.get(name) is not None:
            _keys(told, (name,), value[name])
    for number, season in enumerate(value["seasons"] if isinstance(value.get("seasons"), list) else ()):
        _keys(told, ("seasons", number), season)


def _keys(told: _Told, path: Path_, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise told.refused(path, f"holds keys of its own, and not {value!r}")
    names = _PARTS[str(path[0]) if path else ""].__struct_encode_fields__
    for key in value:
        if key not in names:
            near = nearest(str(key), names)
            hint = f"Did you mean {near!r}?" if near else f"Known: {', '.join(names)}."
            raise told.refused((*path, str(key)), "is not known", hint)


def _converted(told: _Told) -> MonitorPolicy:
    """The record, each value of the kind that it has to be. Raises ConfigError."""
    given = {key: value for key, value in told.value.items() if value is not None or key == "baseline"}
    if isinstance(given.get("open_after"), str):
        found = _OF.fullmatch(given["open_after"].strip())
        if not found:
            raise told.refused(("open_after",), f"is {given['open_after']!r}", "Such as `open_after: 2 of 3`.")
        given["open_after"] = {"odd": int(found[1]), "of": int(found[2])}
    for key in _SPANS:
        place, name = key.split(".")
        value = given.get(place, {}).get(name)
        if isinstance(value, str):
            try:
                given[place] = {**given[place], name: int(spans.seconds(value))}
            except (UsageError, OverflowError) as error:
                raise told.refused(
                    (place, name), f"is {value!r}, which is no span of time", "Such as `28d`."
                ) from error
    try:
        return msgspec.convert(_dated(given), MonitorPolicy)
    except msgspec.ValidationError as error:
        raise _misfit(told, str(error)) from error


def _dated(value: Any) -> Any:
    """The same, with days as text."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _dated(item) for key, item in value.items()}
    return [_dated(item) for item in value] if isinstance(value, list) else value


def _misfit(told: _Told, message: str) -> ConfigError:
    what, _, place = message.partition(" - at `$")
    path: Path_ = tuple(
        int(number) if number else name for name, number in re.findall(r"\.(\w+)|\[(\d+)\]", place.removesuffix("`"))
    )
    what = re.sub(r"`(\w+)`", lambda found: _KINDS.get(found[1], found[1]), what)
    what = re.sub(
        r"`([\w|. ]+)`", lambda found: " or ".join(_KINDS.get(one.strip(), one) for one in found[1].split("|")), what
    )
    if path == ("drift", "columns") and "enum" in what:
        return told.refused(path, "is neither all nor a list")
    choices = get_args(windows.Every) if path == ("window",) else SEVERITIES if path[:1] == ("severities",) else ()
    if choices:
        return told.refused(path, f"has to be one of {', '.join(choices)}")
    return told.refused(path, f"does not fit: {what[:1].lower()}{what[1:]}")


def _sensible(told: _Told, policy: MonitorPolicy) -> None:
    """Refuse what can be read and cannot be meant."""
    for path, number in (
        (("drift", "effect"), policy.drift.effect),
        (("performance", "worse_than"), policy.performance.worse_than),
        (("performance", "limit"), policy.performance.limit),
    ):
        if number is not None and not math.isfinite(number):
            raise told.refused(path, "has to be a number")
    if policy.open_after.odd > policy.open_after.of:
        raise told.refused(
            ("open_after",), "asks for more odd windows than it looks at", "Such as `open_after: 2 of 3`."
        )
    if policy.performance.worse_than is None and policy.performance.limit is None:
        raise told.refused(("performance",), "has neither worse_than nor limit", "Such as `worse_than: 1.25`.")
    if policy.drift.columns == ():
        raise told.refused(("drift", "columns"), "is empty", "Name columns, or say `columns: all`.")
    try:
        here = windows.zone(policy.timezone)
    except UsageError as error:
        raise told.refused(("timezone",), f"is {policy.timezone!r}, which is none", error.hint) from error
    for level in SEVERITIES:
        if not all(one.strip() for one in getattr(policy.notify, level)):
            raise told.refused(("notify", level), "names nobody", "A mail address, or the name of a channel.")
    _seasons(told, policy)
    if policy.baseline not in _BASELINES:
        try:
            first = date.fromisoformat(policy.baseline)
        except ValueError as error:
            raise told.refused(("baseline",), f"is {policy.baseline!r}") from error
        window = windows.of_day(first, policy.window, here)
        if windows.first_day(window, here) != first:
            raise told.refused(
                ("baseline",),
                f"is {first}, on which no {policy.window} begins",
                f"{windows.first_day(window, here)} does.",
            )


def _seasons(told: _Told, policy: MonitorPolicy) -> None:
    for number, season in enumerate(policy.seasons):
        path = ("seasons", number)
        if not season.reason.strip():
            raise told.refused((*path, "reason"), "is empty", "Say what is expected, for those who read it later.")
        try:
            season.overlaps(date(2000, 1, 1), date(2000, 12, 31))
        except UsageError as error:
            raise told.refused(path, f"is wrong: {error.message.rstrip('.')}", error.hint) from error
        if not season.yearly and season.until < season.start:
            raise told.refused(path, f"ends on {season.until}, before it begins", "Exchange its days.")
