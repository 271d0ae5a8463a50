"""pipeline.yaml: how the steps of a folder are operated. What they are, and in which order they run, their parameters cells say.

Every mistake is told with its line. The JSON Schema for editors comes from the same records.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from nbops.data import spans
from nbops.errors import UsageError
from nbops.pipelines import expressions, marked
from nbops.pipelines.marked import Marked, Mistake, Place
from nbops.pipelines.schedules.spec import Timing
from nbops.records import FailureClass, Record

FILE = "pipeline.yaml"
FILES = (FILE, "pipeline.yml")
_LEAST = 2**26


class Span(float):
    """Seconds, written as `30 min` or as a number."""


class Size(int):
    """Bytes, written as `2 GiB` or as a number."""


class Heal(Record, forbid_unknown_fields=True):
    """What is done about failures of a class; what is left out stays as it is (see `healing`).

    `wait` is before the first try again, and doubles; `longer` multiplies the step's limit of time; `alone` lets nothing run beside it.
    """

    retries: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None
    wait: Span | None = None
    longer: Annotated[float, msgspec.Meta(ge=1, le=100)] | None = None
    alone: bool | None = None
    fallback: bool | None = None


class Approval(Record, forbid_unknown_fields=True):
    """A person says yes before the step runs; `by` are names of users, nobody named is everybody. It `expires` after a week."""

    by: list[str] = []
    expires: Span | None = None
    asks: str = ""


class Limits(Record, forbid_unknown_fields=True):
    """How long a cell and a step may take, and how long nothing may be heard of it: no output, and no time of a processor.

    `memory` is the most that it may hold, with all that it starts.
    """

    timeout: Span | None = None
    cell_timeout: Span | None = None
    stall: Span | None = None
    memory: Size | None = None
    heal: dict[FailureClass, Heal] = {}
    retries: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None
    fallback: Span | None = None


class Operation(Limits, forbid_unknown_fields=True, rename={"ins": "in", "outs": "out", "source": "source"}):
    """How one step is operated. Its name is that of its file without the suffix, unless `file` names another one.

    `source` collects what the project declares under that name, and needs no file; `fallback` says how old what it made before may be,
    to go on with it when it fails.
    """

    file: str = ""
    source: str = ""
    ins: dict[str, str | list[str]] = {}
    outs: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    sweep: dict[str, list[Any]] = {}
    when: str = ""
    always: bool = False
    after: list[str] = []
    approval: Approval | None = None
    idempotent: bool = True
    skip: bool = True
    kernel: str = ""


class Alerts(Record, forbid_unknown_fields=True):
    """Who hears (mail addresses, or names of channels) that a step failed, or goes on with old data or is healed again and again."""

    on: tuple[Literal["failed", "degraded"], ...] = ("failed", "degraded")
    to: list[str] = []


class Operations(Record, forbid_unknown_fields=True):
    """All that a pipeline.yaml can say; `timeout` is for the whole run, `lanes` how many steps run side by side.

    `consumers` are those who hear, by product, that it is old and when it is fresh again: mail addresses, or names of channels.
    """

    name: str = ""
    description: str = ""
    lanes: Annotated[int, msgspec.Meta(ge=1, le=256)] | None = None
    timeout: Span | None = None
    parameters: dict[str, Any] = {}
    contracts: dict[str, str] = {}
    consumers: dict[str, list[str]] = {}
    defaults: Limits = Limits()
    steps: dict[str, Operation] = {}
    exclude: list[str] = []
    schedule: Timing | None = None
    alerts: Alerts = Alerts()


def read(folder: Path) -> tuple[Operations, Marked, list[Mistake]]:
    """What a folder's pipeline.yaml says, nothing where there is none, and what is wrong with it.

    Raises ConfigError for what is no YAML.
    """
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        return Operations(), Marked(FILE, {}, {(): 0}), []
    told = marked.read(path, path.name)
    if told.value is None:
        told = Marked(told.file, {}, told.lines)
    made, mistakes = decode(told)
    return made, told, mistakes


def decode(told: Marked) -> tuple[Operations, list[Mistake]]:
    """The record, as far as it can be had, and what is wrong."""
    if not isinstance(told.value, dict):
        return Operations(), [
            told.mistake((), "is no mapping.", "It begins with `steps:`; docs/pipelines.md shows one.")
        ]
    mistakes = [*told.mistakes, *_unknown(told)]
    fields: dict[str, Any] = {}
    # Each part by itself, so that one mistake does not hide the next.
    for field in msgspec.structs.fields(Operations):
        if field.encode_name not in told.value:
            continue
        place: Place = (field.encode_name,)
        if field.encode_name == "steps" and isinstance(told.value["steps"], dict):
            steps: dict[str, Operation] = {}
            for name, asked in told.value["steps"].items():
                made = _convert(told, (*place, str(name)), asked if asked is not None else {}, Operation, mistakes)
                steps[str(name)] = made or Operation()
            fields["steps"] = steps
        elif (value := _convert(told, place, told.value[field.encode_name], field.type, mistakes)) is not None:
            fields[field.name] = value
    made = Operations(**fields)
    return made, [*mistakes, *_sense(told, made)]


def schema() -> dict[str, Any]:
    """The JSON Schema of pipeline.yaml."""
    made = msgspec.json.schema(Operations, schema_hook=_span_schema)
    told = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "nbops pipeline"}
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
    return plain


def _span_schema(kind: type) -> dict[str, Any]:
    if kind is Span:
        return {
            "anyOf": [
                {"type": "string", "pattern": r"^(\d+(\.\d+)?\s*(s|min|m|h|d|w)\s*)+$"},
                {"type": "number", "minimum": 0},
            ]
        }
    if kind is Size:
        return {
            "anyOf": [
                {"type": "string", "pattern": r"^\d+(\.\d+)?\s*([kKMGT]?i?B|[kKMGT])$"},
                {"type": "integer", "minimum": 1},
            ]
        }
    raise NotImplementedError(kind)


def _span(kind: type, value: object) -> object:
    if kind is Size:
        return _size(value)
    if kind is not Span:
        raise NotImplementedError(kind)
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return Span(value)
    return Span(spans.seconds(str(value)))


def _size(value: object) -> Size:
    found = value if isinstance(value, int) and not isinstance(value, bool) else spans.memory(str(value))
    if found < _LEAST:
        raise UsageError(f"{value!r} is less than a kernel needs.", hint="Such as `2 GiB`.")
    return Size(found)


_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)


def _convert(told: Marked, place: Place, value: Any, kind: Any, mistakes: list[Mistake]) -> Any:
    """The value as its type; None, and a mistake more, where it does not fit."""
    known = _strip(value, kind)
    try:
        return msgspec.convert(known, kind, dec_hook=_span)
    except (msgspec.ValidationError, UsageError) as error:
        found = _AT.match(str(error))
        what, path = (found["what"].replace("\nHint:", ""), found["path"] or "") if found else (str(error), "")
        deeper = tuple(key for key in re.findall(r"\.(\w+)", path))
        said = ".".join(str(key) for key in (*place, *deeper))
        mistakes.append(
            told.mistake(
                (*place, *deeper),
                f"{said} does not fit: {what.rstrip('.')}.",
                "docs/pipelines.md shows what each key takes.",
            )
        )
        return None


def _strip(value: Any, kind: Any) -> Any:
    """The value without keys that are unknown, which are told by themselves."""
    if not isinstance(value, dict):
        return value
    if get_origin(kind) is dict:
        keys, of = get_args(kind)
        known = get_args(keys) if get_origin(keys) is Literal else value
        return {key: _strip(item, of) for key, item in value.items() if key in known}
    records = (part for part in (kind, *get_args(kind)) if isinstance(part, type) and issubclass(part, msgspec.Struct))
    record = next(records, None)
    if record is None:
        return value
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(record)}
    return {key: _strip(item, fields[key]) for key, item in value.items() if key in fields}


def _unknown(told: Marked) -> Iterator[Mistake]:
    yield from told.unknown((), _names(Operations))
    for key, kind in (("defaults", Limits), ("alerts", Alerts), ("schedule", Timing)):
        if isinstance(told.value.get(key), dict):
            yield from told.unknown((key,), _names(kind))
            yield from _healing(told, (key,), told.value[key])
    steps = told.value.get("steps")
    for name, step in steps.items() if isinstance(steps, dict) else ():
        if isinstance(step, dict):
            yield from told.unknown(("steps", name), _names(Operation))
            yield from _healing(told, ("steps", name), step)
            if isinstance(step.get("approval"), dict):
                yield from told.unknown(("steps", name, "approval"), _names(Approval))


def _healing(told: Marked, place: Place, value: Mapping[str, Any]) -> Iterator[Mistake]:
    heal = value.get("heal")
    if not isinstance(heal, dict):
        return
    classes: tuple[str, ...] = FailureClass.__args__  # type: ignore[attr-defined]  # a Literal's members
    yield from told.unknown((*place, "heal"), classes, "a class of failures")
    for name, policy in heal.items():
        if isinstance(policy, dict):
            yield from told.unknown((*place, "heal", name), _names(Heal))


def _names(kind: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


def _sense(told: Marked, made: Operations) -> Iterator[Mistake]:
    """What fits its type and still cannot be meant."""
    if made.name and not re.fullmatch(r"[\w][\w .-]{0,99}", made.name):
        yield told.mistake(("name",), f"{made.name!r} is no name.", "Give letters, digits, dots and dashes.")
    if made.schedule is not None:
        try:
            made.schedule.check()
        except UsageError as error:
            yield told.mistake(("schedule",), f"schedule: {error.message}", error.hint)
    for name, step in made.steps.items():
        place = ("steps", name)
        if step.file and step.source:
            yield told.mistake(
                (*place, "source"), f"{name!r} has a file and a source.", "A source needs no file: leave one out."
            )
        for parameter, values in step.sweep.items():
            if not values:
                yield told.mistake(
                    (*place, "sweep", parameter), f"The sweep of {parameter!r} has no values.", "Such as [1, 10]."
                )
            if parameter in step.parameters:
                what = f"{parameter!r} is set and swept."
                yield told.mistake((*place, "sweep", parameter), what, "Leave one of them out.")
        if step.when:
            yield from _expression(told, (*place, "when"), step.when)
        if step.approval is not None and step.always:
            yield told.mistake(
                (*place, "approval"), f"{name!r} always runs and waits for a person.", "Leave one of them out."
            )


def _expression(told: Marked, place: Place, text: str) -> Iterable[Mistake]:
    try:
        expressions.parse(text)
    except UsageError as error:
        yield told.mistake(place, error.message, error.hint)
