"""A data contract, read from YAML, a dict or Python: columns with their kinds and classes, and rules.

Names that users of pandera and Great Expectations type are taken for the rule they mean; what is not known is refused by its place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from nbops.data import pandera_schemas, rules
from nbops.data.rules import AnyRule, Kind
from nbops.data.spans import seconds
from nbops.errors import ConfigError, nearest
from nbops.records import Record

Sensitivity = Literal["public", "internal", "confidential", "pii", "master"]


class Column(Record):
    """A column; `kind` is empty where any will do."""

    kind: Kind | Literal[""] = ""
    sensitivity: Sensitivity = "internal"
    required: bool = True
    why: str = ""


class Contract(Record):
    """What data has to be. `extra` says what becomes of columns that are not named here."""

    name: str
    columns: dict[str, Column] = {}
    rules: tuple[AnyRule, ...] = ()
    extra: Literal["keep", "warn", "stop"] = "keep"
    description: str = ""

    @property
    def typed(self) -> list[str]:
        """The columns of a kind."""
        return [name for name, column in self.columns.items() if column.kind]


def read(given: str | Path | Mapping[str, Any] | Contract | Any) -> Contract:
    """A contract from a YAML file, its text as a dict, a schema of pandera, or itself. Raises ConfigError with the place."""
    if isinstance(given, Contract):
        return given
    if pandera_schemas.is_schema(given):
        given = pandera_schemas.contract(given)
    if isinstance(given, Mapping):
        return _Reader(str(given.get("contract", "contract"))).contract(given)
    import yaml

    path = Path(given)
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no contract {str(path)!r}.", hint="`nbops data infer` writes a first one."
        ) from error
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"The contract {str(path)!r} cannot be read: {error}", hint="It is YAML: see docs/data.md."
        ) from error
    if not isinstance(told, dict):
        raise ConfigError(
            f"{str(path)!r} holds no contract.", hint="It begins with `columns:` or `rules:`: see docs/data.md."
        )
    return _Reader(path.name).contract({"contract": path.stem, **told})


_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("integer", "int", "int8", "int16", "int32", "int64", "bigint", "uint8", "uint16", "uint32", "uint64"), "integer"),
    **dict.fromkeys(("number", "float", "float32", "float64", "double", "decimal", "numeric"), "number"),
    **dict.fromkeys(("string", "str", "text", "object", "varchar", "category"), "string"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("date",), "date"),
    **dict.fromkeys(("timestamp", "datetime", "datetime64[ns]", "datetime64[us]"), "timestamp"),
}  # fmt: skip
_COMMON = ("severity", "share", "why")


def _ends(low: str, high: str, *, exclusive: bool = False) -> Callable[[Any], dict[str, Any]]:
    def made(value: Any) -> dict[str, Any]:
        if isinstance(value, list) and len(value) == 2:
            value = {low: value[0], high: value[1]}
        return {"min": value.get(low), "max": value.get(high), "exclusive": bool(value.get("exclusive", exclusive))}

    return made


def _field(key: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {key: value}


def _end(key: str, *, exclusive: bool = False) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {key: value, "exclusive": exclusive}


# What is typed for a rule: the rule, and how the value that stands beside it becomes its fields.
_ROW: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    "in": ("in", _field("values")),
    "isin": ("in", _field("values")),
    "expect_column_values_to_be_in_set": ("in", lambda value: {"values": value["value_set"]}),
    "range": ("range", _ends("min", "max")),
    "between": ("range", _ends("min", "max")),
    "in_range": ("range", _ends("min_value", "max_value")),
    "expect_column_values_to_be_between": ("range", _ends("min_value", "max_value")),
    "ge": ("range", _end("min")), "greater_than_or_equal_to": ("range", _end("min")),
    "gt": ("range", _end("min", exclusive=True)), "greater_than": ("range", _end("min", exclusive=True)),
    "le": ("range", _end("max")), "less_than_or_equal_to": ("range", _end("max")),
    "lt": ("range", _end("max", exclusive=True)), "less_than": ("range", _end("max", exclusive=True)),
    "regex": ("regex", _field("pattern")),
    "str_matches": ("regex", lambda value: {"pattern": f"(?s:{value}).*"}),
    "str_contains": ("regex", lambda value: {"pattern": f"(?s).*(?:{value}).*"}),
    "expect_column_values_to_match_regex": ("regex", lambda value: {"pattern": f"(?s).*(?:{value['regex']}).*"}),
    "foreign_key": ("foreign_key", lambda value: dict(zip(("references", "to"), value.rsplit(".", 1), strict=True))),
}  # fmt: skip
_FLAGS: dict[str, tuple[str, bool]] = {
    "not_null": ("not_null", True), "nullable": ("not_null", False), "required_value": ("not_null", True),
    "expect_column_values_to_not_be_null": ("not_null", True), "unique": ("unique", True),
    "expect_column_values_to_be_unique": ("unique", True),
}  # fmt: skip
_TABLE = {
    "unique": "unique", "row_count": "row_count", "expect_table_row_count_to_be_between": "row_count", "null_share": "null_share",
    "fresh": "fresh", "distribution": "distribution", "expr": "expr", "foreign_key": "foreign_key",
}  # fmt: skip


class _Reader:
    """Reads one contract; every refusal names the place."""

    def __init__(self, source: str) -> None:
        self._source = source

    def contract(self, told: Mapping[str, Any]) -> Contract:
        self._known(told, {"contract", "description", "columns", "rules", "extra"}, "the contract")
        columns: dict[str, Column] = {}
        found: list[AnyRule] = []
        for key, shape in (("columns", Mapping), ("rules", list | tuple)):
            if told.get(key) and not isinstance(told[key], shape):
                raise self._refused(key, f"is {told[key]!r}", "docs/data.md shows a contract with both.")
        for name, asked in (told.get("columns") or {}).items():
            columns[str(name)] = self._column(
                str(name), {"type": asked} if isinstance(asked, str) else asked or {}, found
            )
        for number, asked in enumerate(told.get("rules") or [], 1):
            found.append(self._rule(number, asked))
        head = {key: told[key] for key in ("description", "extra") if key in told}
        with self._fitting("the contract"):
            made = msgspec.convert({"name": str(told.get("contract", "contract")), **head}, Contract)
        return msgspec.structs.replace(made, columns=columns, rules=tuple(found))

    def _column(self, name: str, asked: Any, found: list[AnyRule]) -> Column:
        place = f"column {name!r}"
        if not isinstance(asked, Mapping):
            raise self._refused(place, "is neither a type nor a mapping")
        asked = dict(asked)
        kind: Kind | Literal[""] = ""
        head = {
            "sensitivity": asked.pop("class", "internal"),
            "required": asked.pop("required", True),
            "why": asked.pop("why", ""),
        }
        if (told := asked.pop("type", asked.pop("dtype", None))) is not None:
            told, common = self._apart(told, "type")
            kind = _KINDS.get(str(told).lower(), "")
            if not kind:
                raise self._refused(
                    place, f"has the type {told!r}", f"Known: {', '.join(dict.fromkeys(_KINDS.values()))}."
                )
            found.append(rules.Type(column=name, kind=kind, **common))
        for key, value in asked.items():
            found.extend(self._of_column(name, key, value, place))
        with self._fitting(place):
            return msgspec.convert({"kind": kind, **head}, Column)

    def _of_column(self, name: str, key: str, value: Any, place: str) -> list[AnyRule]:
        if key in _FLAGS:
            rule, wanted = _FLAGS[key]
            on, common = self._apart(value, "value") if isinstance(value, Mapping) else (value, {})
            if (on if on is not None else True) is not wanted:
                return []
            more = {"columns": [name]} if rule == "unique" else {"column": name}
            return [self._ruled({"rule": rule, **more, **common}, f"{place}, {key}")]
        if key in _TABLE and key not in _ROW:
            return [self._ruled({"rule": _TABLE[key], "column": name, **self._table(key, value)}, f"{place}, {key}")]
        if key not in _ROW:
            near = nearest(key, [*_ROW, *_FLAGS, "type", "class", "required", "why"])
            raise self._refused(
                place,
                f"has {key!r}, which is no rule",
                f"Did you mean {near!r}?" if near else "docs/data.md lists the rules.",
            )
        rule, make = _ROW[key]
        common = {field: value[field] for field in _COMMON if isinstance(value, Mapping) and field in value}
        if isinstance(value, Mapping) and "value" in value:
            value = value["value"]
        try:
            fields = make(value)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._refused(f"{place}, {key}", f"does not fit: {value!r}") from error
        return [self._ruled({"rule": rule, "column": name, **fields, **common}, f"{place}, {key}")]

    def _rule(self, number: int, asked: Any) -> AnyRule:
        place = f"rule {number}"
        if not isinstance(asked, Mapping):
            raise self._refused(place, "is no mapping such as `unique: [a, b]`")
        kinds = [key for key in asked if key in _TABLE]
        if len(kinds) != 1:
            raise self._refused(
                place, "has no rule, or several", f"One of {', '.join(dict.fromkeys(_TABLE.values()))}."
            )
        rest = {key: value for key, value in asked.items() if key != kinds[0]}
        return self._ruled({"rule": _TABLE[kinds[0]], **self._table(kinds[0], asked[kinds[0]]), **rest}, place)

    def _table(self, key: str, value: Any) -> dict[str, Any]:
        if key == "unique":
            return (
                {"columns": [value] if isinstance(value, str) else value}
                if not isinstance(value, Mapping)
                else dict(value)
            )
        if key == "expr":
            return {"condition": value} if isinstance(value, str) else dict(value)
        if key in {"null_share", "distribution"} and not isinstance(value, Mapping):
            return {"max": value}
        if key == "fresh":
            value = {"within": value} if not isinstance(value, Mapping) else dict(value)
            try:
                return {**value, "within": seconds(str(value["within"]))}
            except (KeyError, ValueError) as error:
                raise self._refused(
                    "fresh", f"has no time within: {value!r}", "Such as `within: 2d`, `90 min`."
                ) from error
        if key.startswith("expect_table"):
            return {"min": value.get("min_value") or 0, "max": value.get("max_value")}
        return dict(value) if isinstance(value, Mapping) else {"min": value}

    def _apart(self, value: Any, key: str) -> tuple[Any, dict[str, Any]]:
        if not isinstance(value, Mapping):
            return value, {}
        return value.get(key), {field: value[field] for field in _COMMON if field in value}

    def _ruled(self, fields: Mapping[str, Any], place: str) -> AnyRule:
        with self._fitting(place):
            made: AnyRule = msgspec.convert(dict(fields), AnyRule)
        return made

    @contextlib.contextmanager
    def _fitting(self, place: str) -> Iterator[None]:
        try:
            yield
        except msgspec.ValidationError as error:
            raise self._refused(place, f"does not fit: {error}") from error

    def _known(self, told: Mapping[str, Any], names: set[str], place: str) -> None:
        for key in told:
            if key not in names:
                near = nearest(str(key), names)
                raise self._refused(
                    place, f"has {key!r}", f"Did you mean {near!r}?" if near else f"Known: {', '.join(sorted(names))}."
                )

    def _refused(
        self, place: str, what: str, hint: str = "docs/data.md shows what a contract looks like."
    ) -> ConfigError:
        return ConfigError(f"In {self._source}: {place} {what}.", hint=hint)
