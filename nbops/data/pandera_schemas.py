"""Schemas of pandera as contracts: for whoever has them already. pandera itself is not imported; the schema brought it along."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from nbops.data.meaning import literal
from nbops.duck import name
from nbops.errors import ConfigError

_HINT = "Say it as an `expr` rule in a contract of nbops, which is SQL."
_KINDS = (
    ("integer", re.compile(r"u?int\d*", re.IGNORECASE)), ("number", re.compile(r"(float|double|decimal)\d*.*", re.IGNORECASE)),
    ("string", re.compile(r"(str|string|utf8|object|category|large_string).*", re.IGNORECASE)),
    ("boolean", re.compile(r"bool(ean)?", re.IGNORECASE)), ("timestamp", re.compile(r"(datetime|timestamp).*", re.IGNORECASE)),
    ("date", re.compile(r"date(32)?", re.IGNORECASE)),
)  # fmt: skip


def is_schema(given: object) -> bool:
    """Whether this is a schema or a model of pandera."""
    kind = given if isinstance(given, type) else type(given)
    return any(base.__module__.partition(".")[0] == "pandera" for base in kind.__mro__)


def contract(given: Any) -> dict[str, Any]:
    """A contract as a dict, with a rule for each check. Raises ConfigError for what is Python code and cannot be SQL."""
    schema: Any = given
    if isinstance(given, type):
        schema = given.to_schema()  # type: ignore[attr-defined]  # a model, as its base says
    rules: list[dict[str, Any]] = []
    columns = {str(key): _column(str(key), column, rules) for key, column in schema.columns.items()}
    if schema.unique:
        rules.append({"unique": list(schema.unique)})
    if schema.checks:
        raise ConfigError("A check of the whole table in the schema is Python code.", hint=_HINT)
    return {
        "contract": str(schema.name or "schema"), "columns": columns, "rules": rules, "extra": "stop" if schema.strict is True else "keep",
    }  # fmt: skip


def _column(key: str, column: Any, rules: list[dict[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {"required": bool(column.required)}
    if column.description:
        told["why"] = str(column.description)
    if column.dtype is not None:
        kind = next((kind for kind, words in _KINDS if words.fullmatch(str(column.dtype))), None)
        if kind is None:
            raise ConfigError(
                f"The schema has the type {column.dtype} for {key!r}, which no contract knows.", hint=_HINT
            )
        told["type"] = kind
    if not column.nullable:
        told["not_null"] = True
    if column.unique:
        told["unique"] = True
    rules.extend(_rule(key, check) for check in column.checks)
    return told


def _rule(key: str, check: Any) -> dict[str, Any]:
    made = _CHECKS.get(str(check.name))
    if made is None:
        raise ConfigError(
            f"The check {check.name!r} of {key!r} in the schema is Python code, or is not known.", hint=_HINT
        )
    told = {"expr": made(name(key), check.statistics), "why": f"{key}: {check.error or check.name}"}
    return {**told, "severity": "warn"} if check.raise_warning else told


def _in_range(column: str, given: Mapping[str, Any]) -> str:
    low, high = ">=" if given.get("include_min", True) else ">", "<=" if given.get("include_max", True) else "<"
    return f"{column} {low} {literal(given['min_value'])} and {column} {high} {literal(given['max_value'])}"


def _length(column: str, given: Mapping[str, Any]) -> str:
    ends = (("=", "exact_value"), (">=", "min_value"), ("<=", "max_value"))
    return " and ".join(
        f"length({column}) {sign} {int(given[key])}" for sign, key in ends if given.get(key) is not None
    )


def _listed(values: Any) -> str:
    return f"({', '.join(map(literal, values))})"


_CHECKS: dict[str, Callable[[str, Mapping[str, Any]], str]] = {
    "equal_to": lambda column, given: f"{column} = {literal(given['value'])}",
    "not_equal_to": lambda column, given: f"{column} <> {literal(given['value'])}",
    "greater_than": lambda column, given: f"{column} > {literal(given['min_value'])}",
    "greater_than_or_equal_to": lambda column, given: f"{column} >= {literal(given['min_value'])}",
    "less_than": lambda column, given: f"{column} < {literal(given['max_value'])}",
    "less_than_or_equal_to": lambda column, given: f"{column} <= {literal(given['max_value'])}",
    "in_range": _in_range,
    "isin": lambda column, given: f"{column} in {_listed(given['allowed_values'])}",
    "notin": lambda column, given: f"{column} not in {_listed(given['forbidden_values'])}",
    "str_matches": lambda column, given: f"regexp_matches({column}, {literal(f'^(?:{_pattern(given)})')})",
    "str_contains": lambda column, given: f"regexp_matches({column}, {literal(_pattern(given))})",
    "str_startswith": lambda column, given: f"starts_with({column}, {literal(given['string'])})",
    "str_endswith": lambda column, given: f"ends_with({column}, {literal(given['string'])})",
    "str_length": _length,
}


def _pattern(given: Mapping[str, Any]) -> str:
    pattern = given["pattern"]
    return str(getattr(pattern, "pattern", pattern))
